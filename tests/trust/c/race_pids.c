/* Reused pids. With pid_max 301 a namespace that has used its pids has one free pid (the kernel does not allocate
 * those below 300 again): the next process has the pid of the one that has exited last. */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PID_MAX = 301, OUTSTANDING = 4 };

/* Leaders that do not exit. The more there are, the more time passes from a look at one to the signal. With these
 * it is no longer than a pid is in use. */
enum { IDLE_LEADERS = 4 };

/* Prints the outcome, and returns the exit status. */
static int judge(long sent, bool all_arrived, int status, int expected)
{
    printf("%ld queued signals, %ld births: %ld bystanders hit; values out of order %ld, without value %ld%s%s",
           sent, shared->births, shared->bystander_hits, shared->disordered, shared->without_value,
           all_arrived ? "" : "; some did not arrive", status == -1 ? "; hung at the end" : "");
    return shared->bystander_hits || shared->disordered || shared->without_value || !all_arrived ||
           !exited_with(status, expected);
}

/* As PID 1, for the main process's group: its members are short-lived, and so are bystanders in another session. */
int race_pids_group(void)
{
    const char *const args[] = {"--grace", "1s", "--", actor_path, "churn", NULL};
    if (!pids_can_be_limited())
        return SKIPPED;
    struct init init = start_init(&(struct start){.args = args, .pid_max = PID_MAX, .own_user = true});
    await_int(&shared->ready, 1, 10000);
    shared->go = 1;
    long n;
    for (n = 0; n < rounds; n++) {
        union sigval value = {.sival_int = n};
        if (!await_long(&shared->hits, n - OUTSTANDING, HANG_MS))
            break;
        while (sigqueue(init.pid, QUEUED, value) < 0 && errno == EAGAIN)
            usleep(10);
        /* No faster than pids are reused. */
        await_long(&shared->births, n, HANG_MS);
    }
    bool all = await_long(&shared->hits, rounds, HANG_MS);
    shared->quit = 1;
    if (!all) {
        describe_tree(init.pid);
        print_log();
    }
    signal_init(init, SIGTERM);
    return judge(n, all, finish_init(init, HANG_MS), 0);
}

/* As an ordinary process, for its descendants, beside processes that are no descendants. */
int race_pids_all(void)
{
    char count[24];
    snprintf(count, sizeof count, "%ld", rounds);
    const char *const args[] = {"keeper", init_path, actor_path, count, NULL};
    if (!pids_can_be_limited())
        return SKIPPED;
    struct start start = {.program = actor_path, .args = args, .pid_max = PID_MAX, .own_user = true};
    struct init keeper = start_init(&start);
    int status = finish_init(keeper, 3600000);
    return judge(rounds, exited_with(status, 0), status, 0);
}

/* In a pod with short-lived leaders, beside the children of a leader that does not exit. They are no leaders. */
int race_pids_pod(void)
{
    /* A queued signal counts as one of the init's own user, and reaches only leaders of that user: as all are
     * here. */
    const char *const args[] = {"--pause", "--target", "leaders", "--grace", "1s", NULL};
    const char *const lasting[] = {"leader", "0", "crowd", NULL}, *const brief[] = {"brief", NULL};
    const char *const idle[] = {"leader", "1", "idle", NULL};
    if (!pids_can_be_limited())
        return SKIPPED;
    struct init init = start_init(&(struct start){.args = args, .pid_max = PID_MAX, .own_user = true});
    await_settled(init);
    pid_t first = enter(init, 0, lasting);
    pid_t leaders[1 + IDLE_LEADERS] = {first};
    for (int slot = 1; slot <= IDLE_LEADERS; slot++)
        leaders[slot] = enter(init, slot, idle);
    await_int(&shared->ready, 1 + IDLE_LEADERS, 10000);
    shared->go = 1;
    long n, queued = 0, entered = 0;
    bool all = true;
    for (n = 0; n < rounds && all; n++) {
        /* The fork fails while the only pid is in use. */
        int tries = 50;
        while (tries > 0 && enter(init, 1 + IDLE_LEADERS, brief) < 0)
            tries--;
        entered += tries > 0;
        union sigval value = {.sival_int = queued};
        if (n % 2)
            signal_init(init, SIGHUP);
        else
            queued += sigqueue(init.pid, QUEUED, value) == 0;
        all = await_long(&shared->next_value, queued - OUTSTANDING, HANG_MS);
        for (long limit = now() + HANG_MS * 1000000L; shared->births < n && now() < limit;)
            reap_entered(init);
        reap_entered(init);
    }
    all = all && await_long(&shared->next_value, queued, HANG_MS);
    shared->quit = 1;
    for (int slot = 0; slot <= IDLE_LEADERS; slot++)
        if (leaders[slot] > 1)
            send(leaders[slot], SIGTERM);
    signal_init(init, SIGTERM);
    printf("%ld short-lived leaders, %d SIGHUP for the one that does not exit; ", entered, shared->hups[0]);
    return judge(n, all, finish_init(init, HANG_MS), 0);
}
