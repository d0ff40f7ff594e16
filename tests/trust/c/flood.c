/* Floods: far more signals, orphans and leaders than an init has in practice. No signal that the kernel accepted is
 * lost, deadlines hold, and the init is as large as before. */
#include "driver.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much later than its deadline an init may act in a flood. */
#define LATE_MS 2000

/* How much is sent before the memory of the init is measured first, so that it has run all of its code. */
#define WARM_UP 1000

/* Sends a standard signal. It is counted first, so that its receiver sees a count that includes it. */
static void send_standard(struct init init, int kind)
{
    shared->sent[kind]++;
    signal_init(init, flood_signals[kind]);
}

/* Whether of each kind of standard signal one arrived after the last one was sent. The kernel merges those that are
 * pending (signal(7)), so no more can be expected. */
static bool all_standard_arrived(void)
{
    for (int kind = 0; kind < FLOOD_KINDS; kind++)
        if (!await_long(&shared->seen[kind], shared->sent[kind], HANG_MS))
            return false;
    return true;
}

/* The outcome of sending USR1 again and again. */
struct pings {
    long answered;
    /* Microseconds. */
    long slowest;
    bool one_missing;
};

/* Sends USR1, each as soon as the one before is answered, until that many orphans have exited. */
static struct pings ping_until(struct init init, long orphans)
{
    const int usr1 = 1;
    struct pings pings = {0};
    long end = now() + 600000000000L;
    while (shared->orphans < orphans && now() < end && !pings.one_missing) {
        long began = now(), before = shared->received[usr1];
        send_standard(init, usr1);
        pings.one_missing = !await_long(&shared->received[usr1], before + 1, HANG_MS);
        long took = (now() - began) / 1000;
        pings.slowest = took > pings.slowest ? took : pings.slowest;
        pings.answered += !pings.one_missing;
    }
    return pings;
}

/* How many children a process has, zombies included. */
static int count_children(pid_t pid)
{
    char path[64];
    int count = 0, child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *children = fopen(path, "r");
    while (children && fscanf(children, "%d", &child) == 1)
        count++;
    if (children)
        fclose(children);
    return count;
}

/* Orphans, WARM_UP before the memory is measured and then `rounds`. A child of the process that answers USR1 makes
 * them. */
static int flood_of_orphans(struct init init, int children_left)
{
    shared->go = 1;
    struct pings warm = ping_until(init, WARM_UP);
    struct footprint before = footprint_of(init);
    shared->go = 2;
    long began = now();
    struct pings pings = warm.one_missing ? warm : ping_until(init, WARM_UP + rounds);
    long took = (now() - began) / 1000000;
    for (int left = 100; left > 0 && count_children(init.pid) > children_left; left--)
        usleep(50000);
    int zombies = count_children(init.pid) - children_left;
    long missing = WARM_UP + rounds - shared->orphans;
    printf("%ld orphans in %ld ms, %d not reaped; %ld USR1 answered, %s, the slowest in %ld us",
           rounds - missing, took, zombies, pings.answered, pings.one_missing ? "one NOT" : "none missing", pings.slowest);
    bool same = compare_footprints(before, footprint_of(init));
    return pings.one_missing || missing > 0 || zombies > 0 || !same;
}

int flood_orphans(void)
{
    char count[24];
    snprintf(count, sizeof count, "%ld", rounds);
    const char *const args[] = {"--", actor_path, "counter", count, NULL};
    struct init init = start_init(&(struct start){.args = args});
    await_int(&shared->ready, 1, 10000);
    int failed = flood_of_orphans(init, 1);
    signal_init(init, SIGTERM);
    return !exited_with(finish_init(init, HANG_MS), 0) || failed;
}

int flood_orphans_in_pod(void)
{
    char count[24];
    snprintf(count, sizeof count, "%ld", rounds);
    const char *const args[] = {"--pause", "--target", "leaders", NULL};
    const char *const leader[] = {"counter", count, NULL};
    struct init init = start_init(&(struct start){.args = args});
    await_settled(init);
    pid_t pid = enter(init, 0, leader);
    await_int(&shared->ready, 1, 10000);
    int failed = flood_of_orphans(init, 0);
    signal_init(init, SIGTERM);
    send(pid, SIGTERM);
    return !exited_with(finish_init(init, HANG_MS), 0) || failed;
}

/* Standard signals, as fast as they can be sent; after each thousand the last of each kind has to arrive. */
int flood_standard(void)
{
    const char *const args[] = {"--", actor_path, "counter", NULL};
    struct init init = start_init(&(struct start){.args = args});
    struct footprint before = {0};
    bool arrived = true;
    long n, began = now();
    await_int(&shared->ready, 1, 10000);
    for (n = 0; n < rounds && arrived; n++) {
        send_standard(init, n % FLOOD_KINDS);
        if (n % 1000 == 999)
            arrived = all_standard_arrived();
        if (n == WARM_UP)
            before = footprint_of(init);
    }
    arrived = arrived && all_standard_arrived();
    long received = 0, took = (now() - began) / 1000000;
    for (int kind = 0; kind < FLOOD_KINDS; kind++)
        received += shared->received[kind];
    printf("%ld sent in %ld ms, %ld received, the others merged; after each 1,000 the last of each kind %s", n, took,
           received, arrived ? "arrived" : "did NOT arrive");
    bool same = compare_footprints(before, footprint_of(init));
    signal_init(init, SIGTERM);
    return !exited_with(finish_init(init, HANG_MS), 0) || !arrived || received > n || !same;
}

/* Queues `rounds` signals to an init, each with its number; with no more than `outstanding` sent and not yet
 * received. Returns how many could not be queued at the first try, or -1 if they stop arriving. */
static long queue_all(struct init init, long outstanding, struct footprint *before)
{
    long refused = 0;
    for (long n = 0; n < rounds; n++) {
        union sigval value = {.sival_int = n};
        if (!await_long(&shared->hits, n - outstanding, HANG_MS))
            return -1;
        while (sigqueue(init.pid, QUEUED, value) < 0) {
            if (errno != EAGAIN)
                return -1;
            refused++;
        }
        if (n == WARM_UP) {
            await_all(&shared->hits, n + 1, HANG_MS);
            *before = footprint_of(init);
        }
    }
    return refused;
}

/* Prints how many arrived, and returns whether that is a failure. */
static int judge_queued(struct init init, long refused, long took, struct footprint before)
{
    bool all = await_all(&shared->hits, rounds, HANG_MS);
    printf("%ld queued in %ld ms, refused with EAGAIN and tried again %ld; received %ld, out of order %ld, "
           "without value %ld", rounds, took, refused, shared->hits, shared->disordered, shared->without_value);
    bool same = compare_footprints(before, footprint_of(init));
    return refused < 0 || !all || shared->hits > rounds || shared->disordered || shared->without_value || !same;
}

/* As many as the kernel takes. */
int flood_queued(void)
{
    const char *const args[] = {"--", actor_path, "counter", NULL};
    struct init init = start_init(&(struct start){.args = args, .own_user = true});
    struct footprint before = {0};
    await_int(&shared->ready, 1, 10000);
    long began = now(), refused = queue_all(init, 20000, &before);
    int failed = judge_queued(init, refused, (now() - began) / 1000000, before);
    signal_init(init, SIGTERM);
    return !exited_with(finish_init(init, HANG_MS), 0) || failed;
}

/* With RLIMIT_SIGPENDING 200. PID 1 and the workload share it, since they have one uid: as soon as PID 1 has read
 * one signal, the sender takes the free place. Then there is no place for the value in the workload's queue: init
 * forwards the signal without it, the kernel merges such signals (signal(7)), and init warns. */
int flood_queue_full(void)
{
    const char *const args[] = {"--", actor_path, "counter", NULL};
    struct init init = start_init(&(struct start){.args = args, .own_user = true, .pending_limit = 200});
    struct footprint before = {0};
    await_int(&shared->ready, 1, 10000);
    long n, began = now(), end = began + 600000000000L;
    for (n = 0; n < rounds && now() < end; n++) {
        union sigval value = {.sival_int = n};
        shared->queued_sent = n + 1;
        while (sigqueue(init.pid, QUEUED, value) < 0 && errno == EAGAIN && now() < end)
            ;
        if (n == WARM_UP)
            before = footprint_of(init);
    }
    bool last = await_long(&shared->queued_seen, rounds, HANG_MS);
    long took = (now() - began) / 1000000;
    /* The first of those behind the last one sent may have been seen. */
    await_all(&shared->hits, n, 300);
    long lost = n - (shared->hits - shared->without_value);
    bool warned = log_has("loses its value");
    printf("%ld queued in %ld ms; received %ld, without value %ld; values in the wrong order %ld; after the last one was sent "
           "%s; %ld values lost, init %s", n, took, shared->hits, shared->without_value, shared->backwards,
           last ? "one arrived" : "NONE arrived", lost, warned ? "warned" : "did not warn");
    bool same = compare_footprints(before, footprint_of(init));
    signal_init(init, SIGTERM);
    bool ended = exited_with(finish_init(init, HANG_MS), 0);
    return n < rounds || !last || !ended || shared->backwards || (lost && !warned) || !same;
}

/* In a pod, to a leader. */
int flood_queued_in_pod(void)
{
    /* A queued signal counts as one of the init's own user, and reaches only leaders of that user: as this one
     * is. */
    const char *const args[] = {"--pause", "--target", "leaders", NULL};
    const char *const leader[] = {"counter", NULL};
    struct init init = start_init(&(struct start){.args = args, .own_user = true});
    struct footprint before = {0};
    await_settled(init);
    pid_t pid = enter(init, 0, leader);
    await_int(&shared->ready, 1, 10000);
    long began = now(), refused = queue_all(init, 20000, &before);
    int failed = judge_queued(init, refused, (now() - began) / 1000000, before);
    signal_init(init, SIGTERM);
    send(pid, SIGTERM);
    return !exited_with(finish_init(init, HANG_MS), 0) || failed;
}

/* The signals of a flood. */
enum flood { STANDARD, QUEUED_ONES, BOTH, FLOODS };

/* Sends as fast as it can until the init exits, which it has to do `deadline_ms` from now. Returns how many ms later it
 * exited, or -1 if it did not exit within 10 s more; and in `status` its wait status. */
static long flood_until_end(struct init init, enum flood flood, long deadline_ms, int *status, long *sent)
{
    long began = now(), limit = began + (deadline_ms + 10000) * 1000000L, ended = 0;
    siginfo_t end = {0};
    union sigval value = {0};
    for (long n = 0; !ended && now() < limit; n++) {
        if (flood != STANDARD)
            sigqueue(init.pid, QUEUED, value);
        if (flood != QUEUED_ONES)
            signal_init(init, flood_signals[n % FLOOD_KINDS]);
        *sent += 1 + (flood == BOTH);
        if (n % 64 > 0)
            continue;
        if (waitid(P_PID, init.pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == init.pid)
            ended = now();
        reap_entered(init);
    }
    if (!ended) {
        describe_tree(init.pid);
        kill_init(init);
        *status = -1;
        return -1;
    }
    *status = finish_init(init, HANG_MS);
    return (ended - began) / 1000000 - deadline_ms;
}

/* How the init exits in a flood, after one second. */
struct deadline {
    const char *args[8];
    const char *leader;
    int code;
};

/* In each kind of flood, `rounds` times. */
static int flood_with_deadline(const struct deadline *deadline)
{
    static const char *const names[FLOODS] = {"standard signals", "queued signals", "both"};
    const char *const leader[] = {"stubborn", "leader", NULL};
    bool failed = false;
    for (enum flood flood = 0; flood < FLOODS; flood++) {
        long latest = 0, never = 0, wrong = 0, sent = 0;
        for (long n = 0; n < rounds && !never; n++) {
            struct init init = start_init(&(struct start){.args = deadline->args, .own_user = true});
            await_settled(init);
            if (deadline->leader)
                enter(init, 0, leader);
            await_int(&shared->ready, 1, 10000);
            if (deadline->code == 128 + SIGKILL)
                signal_init(init, SIGTERM);
            int status;
            long late = flood_until_end(init, flood, 1000, &status, &sent);
            never += late < 0 && status == -1;
            wrong += status != -1 && !exited_with(status, deadline->code);
            latest = late > latest ? late : latest;
        }
        printf("%s%s (%ld sent): ", flood ? "; " : "", names[flood], sent);
        if (never)
            printf("not in 10 s");
        else
            printf("%ld ms late at most", latest);
        if (wrong)
            printf(", wrong exit status %ld", wrong);
        failed |= never || wrong || latest > LATE_MS;
    }
    return failed;
}

int flood_grace(void)
{
    return flood_with_deadline(
        &(struct deadline){{"--grace", "1s", "--", actor_path, "stubborn"}, NULL, MAIN_STATUS});
}

int flood_kill_after(void)
{
    return flood_with_deadline(
        &(struct deadline){{"--kill-after", "1s", "--", actor_path, "stubborn", "main"}, NULL, 128 + SIGKILL});
}

int flood_pod_grace(void)
{
    return flood_with_deadline(&(struct deadline){{"--pause", "--grace", "1s"}, "leader", 0});
}

/* SIGHUP to every one of many leaders. Each has to receive each SIGHUP once. */
static bool signal_leaders(struct init init, int leaders, int wave)
{
    signal_init(init, SIGHUP);
    for (int n = 0; n < leaders; n++)
        if (!await_int(&shared->hups[n], wave, HANG_MS))
            return false;
    return true;
}

/* `rounds` containers in one pod: 100 times SIGHUP to all, and then the stop. */
int flood_leaders(void)
{
    enum { WAVES = 100 };
    const char *const args[] = {"--pause", "--target", "leaders", "--grace", "20s", NULL};
    const char *const say[] = {"say", "15", NULL};
    struct init init = start_init(&(struct start){.args = args});
    struct footprint before = {0};
    await_settled(init);
    for (int n = 0; n < rounds; n++) {
        char slot[16];
        snprintf(slot, sizeof slot, "%d", n);
        const char *const leader[] = {"leader", slot, NULL};
        if (enter(init, n, leader) < 0)
            err(1, "leader %d", n);
    }
    bool all = await_int(&shared->ready, rounds, 60000);
    long began = now();
    int wave, twice = 0;
    for (wave = 1; wave <= WAVES && all; wave++) {
        all = signal_leaders(init, rounds, wave);
        if (wave == 2)
            before = footprint_of(init);
    }
    long took = (now() - began) / 1000000;
    struct footprint after = footprint_of(init);
    for (int n = 0; n < rounds; n++)
        twice += shared->hups[n] > WAVES;
    began = now();
    enter(init, 0, say);
    int status = finish_init(init, 15000);
    printf("%ld leaders: %d SIGHUPs to all in %ld ms, %s, with one too many %d; %d flush at the end, in %ld ms",
           rounds, WAVES, took, all ? "none missing" : "one MISSING", twice, shared->leaders_flushed, (now() - began) / 1000000);
    bool same = compare_footprints(before, after);
    return !all || twice || shared->leaders_flushed != rounds || !exited_with(status, 0) || !same;
}
