/* Races about the end of the main process. */
#include "driver.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The outcome of all rounds. */
struct tally {
    long hung;
    long wrong_status;
    long not_terminated;
    long terminated_twice;
    long not_flushed;
    long slowest;
};

static long failures(const struct tally *tally)
{
    return tally->hung + tally->wrong_status + tally->not_terminated + tally->terminated_twice +
           tally->not_flushed;
}

/* One round: the main process exits within 0.3 ms, and SIGTERM arrives within 1 ms. Its worker has to receive it
 * exactly once, from init or with the main process, and to have time to flush. */
static bool race_main_against_term(long n, bool as_process, struct tally *tally)
{
    static const char *const targets[] = {"group", "child", "all"};
    static const char *const kinds[] = {"group", "session", "daemon"};
    const char *by_default = n / 9 % 2 ? "default" : NULL;
    const char *args[] = {"--grace", "20s",      "--target",   targets[n % 3], "--",
                          actor_path, "exiting", kinds[n / 3 % 3], by_default,     NULL};
    struct tally before = *tally;
    struct init init = start_init(&(struct start){.args = args, .as_process = as_process});
    await_int(&shared->ready, 2, 10000);
    shared->delay[0] = random_below(300000);
    long moment = random_below(1000000), began = now();
    shared->go = 1;
    spin_until(began + moment);
    signal_init(init, SIGTERM);
    int status = finish_init(init, HANG_MS);
    long took = (now() - began) / 1000000;
    tally->slowest = took > tally->slowest ? took : tally->slowest;
    tally->hung += status == -1;
    bool right = exited_with(status, MAIN_STATUS) || (by_default && exited_with(status, 128 + SIGTERM));
    tally->wrong_status += status != -1 && !right;
    tally->not_terminated += shared->terms == 0;
    tally->terminated_twice += shared->terms > 1;
    tally->not_flushed += shared->terms > 0 && !shared->flushed;
    bool passed = failures(tally) == failures(&before);
    if (!passed && failures(tally) <= 5) {
        fprintf(stderr, "round %ld failed: --target %s, worker: %s, SIGTERM %s; main exits after %ld us, SIGTERM "
                "after %ld us; status %#x, worker: %d SIGTERM, %d flushed\n", n, args[3], args[7],
                by_default ? by_default : "ignored", shared->delay[0] / 1000, moment / 1000, status,
                shared->terms, shared->flushed);
        print_log();
    }
    return passed;
}

static int race_main(bool as_process)
{
    struct tally tally = {0};
    long n, failed = 0, began = now();
    for (n = 0; n < rounds && tally.hung < HANGS; n++)
        failed += !race_main_against_term(n, as_process, &tally);
    printf("%ld rounds (%ld/s), %ld failed: hung %ld, wrong exit status %ld, worker without SIGTERM %ld, with "
           "two %ld, not flushed %ld; slowest round %ld ms", n, n * 1000000000 / (now() - began), failed,
           tally.hung, tally.wrong_status, tally.not_terminated, tally.terminated_twice, tally.not_flushed, tally.slowest);
    return failed > 0;
}

int race_main_exits(void)
{
    return race_main(false);
}

int race_main_exits_as_process(void)
{
    return race_main(true);
}

/* The process that exits after the main process. */
enum behind { ORPHAN, ORPHAN_OF_PROCESS, NON_CHILD, BEHIND };

/* One round: it exits within 0.7 ms after the main process. It ignores SIGTERM, and the grace is 20 s: if init misses
 * its exit, the round hangs. Returns the init's wait status. */
static int exit_behind_main(enum behind behind)
{
    const char *alone = behind == NON_CHILD ? "alone" : NULL;
    const char *const args[] = {"--grace", "20s", "--", actor_path, "behind", alone, NULL};
    const char *const late[] = {"late", NULL};
    struct init init = start_init(&(struct start){.args = args, .as_process = behind == ORPHAN_OF_PROCESS});
    if (behind == NON_CHILD)
        enter(init, -1, late);
    await_int(&shared->ready, 2, 10000);
    shared->delay[0] = random_below(300000);
    shared->delay[1] = shared->delay[0] + random_below(700000);
    shared->go = 1;
    return finish_init(init, HANG_MS);
}

int race_orphan_behind_main(void)
{
    static const char *const names[BEHIND] = {"an orphan of PID 1", "an orphan of an ordinary process",
                                              "a non-child"};
    long n, hung[BEHIND] = {0}, wrong = 0, all_hung = 0;
    for (n = 0; n < rounds && all_hung < HANGS; n++) {
        int status = exit_behind_main(n % BEHIND);
        hung[n % BEHIND] += status == -1;
        all_hung += status == -1;
        wrong += status != -1 && !exited_with(status, MAIN_STATUS);
    }
    printf("%ld rounds, wrong exit status %ld", n, wrong);
    for (int behind = 0; behind < BEHIND; behind++)
        printf("; hung behind %s: %ld", names[behind], hung[behind]);
    return all_hung + wrong > 0;
}

/* The first orphan exits within 0.3 ms before or after the main process: that is when init has the kernel reap. The main
 * process's exit status must not be lost, and its worker receives one SIGTERM and has time to flush. */
int race_first_orphan(void)
{
    static const char *const ways[] = {"exit", "kill", "abort"};
    static const int codes[] = {MAIN_STATUS, 128 + SIGKILL, 128 + SIGABRT};
    long n, hung = 0, wrong = 0, not_once = 0, not_flushed = 0;
    for (n = 0; n < rounds && hung < HANGS; n++) {
        const char *const args[] = {"--grace", "20s", "--", actor_path, "beside", ways[n % 3], NULL};
        struct init init = start_init(&(struct start){.args = args});
        await_int(&shared->ready, 3, 10000);
        shared->delay[0] = random_below(300000);
        shared->delay[1] = random_below(300000);
        shared->go = 1;
        int status = finish_init(init, HANG_MS);
        hung += status == -1;
        wrong += status != -1 && !exited_with(status, codes[n % 3]);
        not_once += status != -1 && shared->terms != 1;
        not_flushed += shared->terms > 0 && !shared->flushed;
    }
    printf("%ld rounds: hung %ld, wrong exit status %ld, worker without one SIGTERM %ld, not flushed %ld", n, hung, wrong,
           not_once, not_flushed);
    return hung + wrong + not_once + not_flushed > 0;
}

/* How a round of SIGCONT and SIGSTOP is started, and how the init has to exit. */
static const struct {
    const char *args[8];
    const char *leader;
    int code;
} deadlines[] = {
    {{"--grace", "20ms", "--", NULL, "pairs", "remaining", "300"}, NULL, MAIN_STATUS},
    {{"--kill-after", "20ms", "--", NULL, "pairs", "main", "300"}, NULL, 128 + SIGKILL},
    {{"--pause", "--grace", "20ms"}, "leader", 0},
};

/* A SIGCONT, and a SIGSTOP that discards it before PID 1 has read it (signal(7): each discards the other), 300 times
 * before a deadline. PID 1 must not wait for the SIGCONT that poll has reported. */
int race_continued_and_stopped(void)
{
    long n, hung[3] = {0}, wrong[3] = {0};
    for (n = 0; n < rounds && hung[0] + hung[1] + hung[2] < 3 * HANGS; n++) {
        int kind = n % 3;
        if (hung[kind] >= HANGS)
            continue;
        const char *args[8];
        const char *const leader[] = {"pairs", "leader", "300", NULL};
        memcpy(args, deadlines[kind].args, sizeof args);
        if (!deadlines[kind].leader)
            args[3] = actor_path;
        struct init init = start_init(&(struct start){.args = args});
        if (deadlines[kind].leader) {
            await_settled(init);
            enter(init, -1, leader);
        }
        if (deadlines[kind].code == 128 + SIGKILL) {
            await_int(&shared->ready, 1, 10000);
            signal_init(init, SIGTERM);
            shared->go = 1;
        }
        int status = finish_init(init, HANG_MS);
        hung[kind] += status == -1;
        wrong[kind] += status != -1 && !exited_with(status, deadlines[kind].code);
    }
    printf("%ld rounds of 300 pairs: --grace hung %ld, --kill-after %ld, --grace of a pod %ld; wrong exit status "
           "%ld, %ld, %ld", n, hung[0], hung[1], hung[2], wrong[0], wrong[1], wrong[2]);
    return hung[0] + hung[1] + hung[2] + wrong[0] + wrong[1] + wrong[2] > 0;
}
