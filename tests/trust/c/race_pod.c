/* Races about the leaders of a pod's containers. */
#include "driver.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* A leader exits and a SIGHUP arrives, each within 0.3 ms. Another leader does not exit, and has to receive each
 * SIGHUP exactly once. */
int race_leader_exits(void)
{
    const char *const args[] = {"--pause", "--target", "leaders", NULL};
    const char *const lasting[] = {"leader", "0", NULL}, *const brief[] = {"leader", "1", "short", NULL};
    const char *const say[] = {"say", "15", NULL};
    struct init init = start_init(&(struct start){.args = args});
    long n, missing = 0, twice = 0;
    await_settled(init);
    enter(init, 0, lasting);
    await_int(&shared->ready, 1, 10000);
    for (n = 0; n < rounds && missing < HANGS; n++) {
        shared->go = 0;
        pid_t pid = enter(init, 1, brief);
        if (pid < 0 || !await_int(&shared->ready, n + 2, 10000))
            break;
        shared->hups[0] = 0;
        shared->delay[0] = random_below(300000);
        long moment = now() + (long)random_below(300000);
        shared->go = 1;
        spin_until(moment);
        signal_init(init, SIGHUP);
        missing += !await_int(&shared->hups[0], 1, HANG_MS);
        waitpid(pid, NULL, 0);
        twice += shared->hups[0] > 1;
    }
    enter(init, 0, say);
    int status = finish_init(init, HANG_MS);
    printf("%ld rounds: SIGHUP missing at the other leader %ld, twice %ld; the pod's end: %s", n, missing,
           twice, exited_with(status, 0) ? "0" : status == -1 ? "hung" : "wrong exit status");
    return missing + twice > 0 || n < rounds || !exited_with(status, 0);
}

enum { CONTAINERS = 4 };

/* SIGTERM arrives while containers start. From outside, from the engine: PID 1 awaits every container, also those
 * that start after it but before the last one has exited; so all flush. Returns how many do not. */
static int stop_from_outside(struct init init, pid_t first)
{
    pid_t pids[CONTAINERS + 1] = {first};
    int terminated_before = 1 + random_below(CONTAINERS);
    for (int n = 1; n <= CONTAINERS; n++) {
        const char *const leader[] = {"leader", "1", NULL};
        if (n == terminated_before)
            signal_init(init, SIGTERM);
        pids[n] = enter(init, n, leader);
        spin_until(now() + random_below(200000));
    }
    await_int(&shared->ready, CONTAINERS + 1, HANG_MS);
    for (int n = 0; n <= CONTAINERS; n++)
        if (pids[n] > 1)
            send(pids[n], SIGTERM);
    await_int(&shared->leaders_flushed, CONTAINERS + 1, HANG_MS);
    return CONTAINERS + 1 - shared->leaders_flushed;
}

/* From inside: the container that runs receives one SIGTERM and flushes. The pod exits no later than the grace, even if
 * containers are about to start. */
static int stop_from_inside(struct init init)
{
    const char *const say[] = {"say", "15", NULL};
    int terminated_before = random_below(CONTAINERS);
    for (int n = 0; n < CONTAINERS; n++) {
        const char *const leader[] = {"leader", "1", NULL};
        if (n == terminated_before)
            enter(init, 0, say);
        enter(init, n + 1, leader);
        spin_until(now() + random_below(200000));
    }
    return 0;
}

int race_pod_stops(void)
{
    const char *const args[2][4] = {{"--pause", "--grace", "20s"}, {"--pause", "--grace", "500ms"}};
    const char *const lasting[] = {"leader", "0", NULL};
    long n, killed = 0, hung = 0, wrong = 0, unflushed = 0;
    for (n = 0; n < rounds && hung < HANGS; n++) {
        bool inside = n % 4 == 3;
        struct init init = start_init(&(struct start){.args = args[inside]});
        await_settled(init);
        pid_t first = enter(init, 0, lasting);
        await_int(&shared->ready, 1, 10000);
        killed += inside ? stop_from_inside(init) : stop_from_outside(init, first);
        int status = finish_init(init, HANG_MS);
        hung += status == -1;
        wrong += status != -1 && !exited_with(status, 0);
        unflushed += shared->leaders_flushed == 0;
    }
    printf("%ld rounds with %d containers: %ld containers killed before they flushed, without any flush %ld; hung "
           "%ld, wrong exit status %ld", n, CONTAINERS + 1, killed, unflushed, hung, wrong);
    return killed + hung + wrong + unflushed > 0;
}
