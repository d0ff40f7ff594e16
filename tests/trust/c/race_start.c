/* Races about the first moments of an init. */
#include "driver.h"

#include <stdio.h>
#include <sys/wait.h>

/* How an init is started, and from when on no SIGTERM may be lost. */
enum start_kind {
    /* PID 1, SIGTERM blocked over exec: from the start on. */
    BLOCKED,
    /* An ordinary process: from the start on, since it is killed or forwards the signal. */
    PROCESS,
    /* PID 1: once it has SIGTERM blocked. The kernel drops those before. */
    PID_1,
};

/* SIGTERM within 1 ms of the first moment at which none may be lost. SIGTERM kills the
 * workload, which exits with 0 after 4 s without it. */
int race_first_moment(void)
{
    const char *const args[] = {"--", actor_path, "sleeper", NULL};
    long n, lost[3] = {0}, hung = 0, wrong = 0, killed = 0;
    for (n = 0; n < rounds && hung < HANGS && lost[0] + lost[1] + lost[2] < 10; n++) {
        enum start_kind kind = n % 3;
        long moment = random_below(1000000);
        struct start start = {.args = args, .as_process = kind == PROCESS, .term_blocked = kind == BLOCKED};
        struct init init = start_init(&start);
        if (kind == PID_1)
            await_blocked(init);
        spin_until(now() + moment);
        signal_init(init, SIGTERM);
        int status = finish_init(init, 2 * HANG_MS);
        hung += status == -1;
        lost[kind] += exited_with(status, 0);
        bool outright = kind == PROCESS && status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
        killed += outright;
        wrong += status != -1 && !outright && !exited_with(status, 0) && !exited_with(status, 128 + SIGTERM);
    }
    printf("%ld rounds: SIGTERM lost %ld with it blocked from the start, %ld as an ordinary process (%ld times killed "
           "before it could forward), %ld as PID 1 once it has it blocked; hung %ld, wrong exit status %ld",
           n, lost[BLOCKED], lost[PROCESS], killed, lost[PID_1], hung, wrong);
    return lost[BLOCKED] + lost[PROCESS] + lost[PID_1] + hung + wrong > 0;
}
