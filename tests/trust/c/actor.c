/* What runs under the init: `actor ROLE [ARGUMENT...]`. Each role says above its function what it does. */
#include "common.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a worker needs to flush: long enough to notice a second SIGTERM. */
#define FLUSH_US 1000

/* How many processes that come and go there are at a time, as far as there are pids for them. */
#define CROWD 8

/* How many processes of a group wait beside them. */
#define IDLE 60

static sigset_t none;

static void count_term(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    shared->terms++;
}

static void count_hit(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    shared->hits++;
}

static void count_nothing(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
}

static void count_bystander_hit(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    shared->bystander_hits++;
}

static void end(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    _exit(0);
}

/* A queued signal brings the number of those before it. */
static void count_queued(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    if (info->si_code != SI_QUEUE)
        shared->without_value++;
    else if (info->si_value.sival_int != shared->next_value)
        shared->disordered++;
    if (info->si_code == SI_QUEUE && info->si_value.sival_int < shared->next_value)
        shared->backwards++;
    shared->queued_seen = shared->queued_sent;
    if (info->si_code == SI_QUEUE)
        shared->next_value = info->si_value.sival_int + 1;
    shared->hits++;
}

/* A standard signal: notes how many had been sent when it came. Those that came after it are yet to come. */
static void count_standard(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    for (int kind = 0; kind < FLOOD_KINDS; kind++) {
        if (flood_signals[kind] == signal) {
            shared->received[kind]++;
            shared->seen[kind] = shared->sent[kind];
        }
    }
}

static _Noreturn void wait_for_signals(void)
{
    while (true)
        sigsuspend(&none);
}

/* The processes of a race wait here until all are ready, and then each for a time of its own. */
static void wait_for_start(int actor)
{
    shared->ready++;
    while (!shared->go)
        await_int(&shared->go, 1, 1000);
    spin_until(now() + shared->delay[actor]);
}

/* Makes this process an orphan in a session of its own; the first process of the actor goes on elsewhere. */
static bool fork_daemon(void)
{
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        return true;
    }
    waitpid(pid, NULL, 0);
    return false;
}

/* A worker that flushes after SIGTERM. SIGTERM is blocked but while it waits. */
static _Noreturn void work(void)
{
    handle(SIGTERM, count_term);
    shared->ready++;
    while (shared->terms == 0)
        sigsuspend(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A further SIGTERM ends a sleep early. */
    for (long until = now() + FLUSH_US * 1000L; now() < until;)
        usleep(100);
    shared->flushed++;
    _exit(0);
}

/* exiting group|session|daemon [default]: starts a worker, and exits in the moment of the race. Ignores
 * SIGTERM, or has its default. */
static int exiting(char *args[])
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (!args[1])
        signal(SIGTERM, SIG_IGN);
    sigset_t before;
    sigprocmask(SIG_BLOCK, &term, &before);
    if (strcmp(args[0], "daemon") == 0) {
        if (fork_daemon())
            work();
    } else if (fork() == 0) {
        if (strcmp(args[0], "session") == 0)
            setsid();
        work();
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    await_int(&shared->ready, 1, 10000);
    wait_for_start(0);
    _exit(MAIN_STATUS);
}

/* behind [alone]: starts an orphan that ignores SIGTERM; each of the two exits in its own moment of the race.
 * With `alone` there is no orphan. */
static int behind(char *args[])
{
    signal(SIGTERM, SIG_IGN);
    int actor = !args[0] && fork_daemon();
    wait_for_start(actor);
    _exit(actor ? 0 : MAIN_STATUS);
}

/* late: a process that ignores SIGTERM and exits in the second moment of the race. */
static int late(char *args[])
{
    (void)args;
    signal(SIGTERM, SIG_IGN);
    wait_for_start(1);
    return 0;
}

/* sleeper: exits with 143 if SIGTERM was blocked at its start and arrives; else is killed by it; after four
 * seconds exits with 0. */
static int sleeper(char *args[])
{
    (void)args;
    struct timespec four = {.tv_sec = 4};
    sigset_t mask, term;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (sigismember(&mask, SIGTERM))
        return sigtimedwait(&term, NULL, &four) == SIGTERM ? 128 + SIGTERM : 0;
    nanosleep(&four, NULL);
    return 0;
}

/* pairs main|rest|leader COUNT: SIGCONT and SIGSTOP to PID 1, which the second takes back the first of, and
 * which stops no PID 1. By the main process, by what it leaves, or by a container's leader that stops the pod.
 * */
static int pairs(char *args[])
{
    signal(SIGTERM, SIG_IGN);
    if (strcmp(args[0], "rest") == 0 && !fork_daemon()) {
        await_int(&shared->ready, 1, 10000);
        _exit(MAIN_STATUS);
    }
    shared->ready++;
    if (strcmp(args[0], "leader") == 0)
        send(1, SIGTERM);
    if (strcmp(args[0], "main") == 0)
        await_int(&shared->go, 1, 10000);
    for (int left = atoi(args[1]); left > 0; left--) {
        send(1, SIGCONT);
        send(1, SIGSTOP);
    }
    wait_for_signals();
}

/* Forks processes that live for a moment, for as long as there are any pids, and reaps them. */
static _Noreturn void crowd(void)
{
    int living = 0;
    while (!shared->quit) {
        useconds_t life = random_below(300);
        pid_t pid = living < CROWD ? fork() : -1;
        if (pid == 0) {
            shared->births++;
            usleep(life);
            _exit(0);
        }
        if (pid > 0)
            living++;
        else if (living == 0)
            usleep(20);
        else if (waitpid(-1, NULL, 0) > 0)
            living--;
        while (living > 0 && waitpid(-1, NULL, WNOHANG) > 0)
            living--;
    }
    _exit(0);
}

static void fork_crowd(bool bystanders)
{
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid > 0)
        return;
    if (bystanders) {
        setsid();
        handle(QUEUED, count_bystander_hit);
        handle(SIGHUP, count_bystander_hit);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    seed_random(getpid() + now());
    crowd();
}

/* Members that neither come nor go: the more there are, the longer it takes from a look at one to a signal. */
static void fork_idle_members(void)
{
    for (int n = 0; n < IDLE; n++)
        if (fork() == 0)
            wait_for_signals();
}

/* churn [members]: the main process of a group whose members come and go, beside bystanders in another session;
 * with `members` without the bystanders. Counts the queued signals. */
static int churn(char *args[])
{
    /* What members do with it; this process takes over before it is ready. */
    handle(QUEUED, count_hit);
    handle(SIGTERM, end);
    if (!args[0])
        fork_crowd(true);
    signal(QUEUED, SIG_IGN);
    fork_idle_members();
    fork_crowd(false);
    handle(QUEUED, count_queued);
    shared->ready++;
    wait_for_signals();
}

/* keeper INIT ACTOR ROUNDS: PID 1 of a namespace in which the init is an ordinary process, beside bystanders;
 * queues signals to the init. Exits with 0 if the main process got all of them. */
static int keeper(char *args[])
{
    pid_t init = fork();
    if (init == 0) {
        execl(args[0], args[0], "--target", "all", "--", args[1], "churn", "members", NULL);
        _exit(127);
    }
    if (!await_int(&shared->ready, 1, 10000))
        errx(1, "churn is not ready");
    fork_crowd(true);
    long count = atol(args[2]), births = 0;
    for (long n = 0; n < count; n++) {
        union sigval value = {.sival_int = n};
        if (!await_long(&shared->hits, n - 4, 4000))
            errx(3, "a queued signal did not arrive");
        while (sigqueue(init, QUEUED, value) < 0)
            if (errno != EAGAIN)
                err(1, "sigqueue");
        await_long(&shared->births, births++, 4000);
    }
    bool all = await_long(&shared->hits, count, 4000);
    shared->quit = 1;
    return all ? 0 : 3;
}

static int leader_slot;

static void count_hup(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    shared->hups[leader_slot]++;
}

static void flush_and_exit(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    shared->terms++;
    usleep(FLUSH_US);
    shared->leaders_flushed++;
    _exit(0);
}

/* leader SLOT [short|crowd|idle]: a container's leader, which counts SIGHUPs and queued signals, and flushes on
 * SIGTERM. `short`: exits in the moment of the race. `crowd`: has children that come and go and are no leaders.
 * `idle`: does not count what is queued. */
static int leader(char *args[])
{
    leader_slot = atoi(args[0]);
    const char *what = args[1] ? args[1] : "";
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    if (strcmp(what, "crowd") == 0)
        fork_crowd(true);
    handle(SIGHUP, count_hup);
    handle(SIGTERM, flush_and_exit);
    handle(QUEUED, strcmp(what, "idle") == 0 ? count_nothing : count_queued);
    for (int kind = 1; kind < FLOOD_KINDS; kind++)
        handle(flood_signals[kind], count_standard);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (strcmp(what, "short") == 0) {
        wait_for_start(0);
        _exit(0);
    }
    shared->ready++;
    wait_for_signals();
}

/* brief: a leader that handles SIGHUP and exits after a moment. */
static int brief(char *args[])
{
    (void)args;
    handle(SIGHUP, count_hit);
    handle(QUEUED, count_hit);
    seed_random(getpid() + now());
    usleep(random_below(500));
    return 0;
}

/* say SIGNAL: sends a signal to PID 1. */
static int say(char *args[])
{
    return send(1, atoi(args[0])) < 0;
}

/* Makes orphans, fifty at a time: children of a process that exits before them. The pipe ends with it. */
static void make_orphans(long count)
{
    enum { BATCH = 50 };
    for (long made = 0; made < count; made += BATCH) {
        int ends[2];
        char byte;
        if (pipe(ends) < 0)
            err(1, "pipe");
        pid_t parent = fork();
        for (int n = 0; parent == 0 && n < BATCH; n++) {
            pid_t pid = fork();
            if (pid == 0) {
                close(ends[1]);
                while (read(ends[0], &byte, 1) > 0)
                    ;
                shared->orphans++;
                _exit(0);
            }
            if (pid < 0)
                n--;
        }
        if (parent == 0)
            _exit(0);
        close(ends[0]);
        close(ends[1]);
        waitpid(parent, NULL, 0);
    }
}

/* A thousand of them, so that the init has run all of its code; and those of the flood. */
static _Noreturn void flood_with_orphans(long count)
{
    while (!await_int(&shared->go, 1, 1000))
        ;
    make_orphans(1000);
    while (!await_int(&shared->go, 2, 1000))
        ;
    make_orphans(count);
    _exit(0);
}

/* counter [ORPHANS]: counts what arrives; beside a process that makes orphans, if any are to be made. */
static int counter(char *args[])
{
    for (int kind = 0; kind < FLOOD_KINDS; kind++)
        handle(flood_signals[kind], count_standard);
    handle(QUEUED, count_queued);
    handle(SIGTERM, end);
    if (args[0] && fork() == 0)
        flood_with_orphans(atol(args[0]));
    shared->ready++;
    wait_for_signals();
}

/* stubborn [main]: exits and leaves a process that cannot be terminated, or is that itself. Nothing that
 * arrives ends it, and it wants none of it. */
static int stubborn(char *args[])
{
    for (int number = 1; number <= SIGRTMAX; number++)
        signal(number, SIG_IGN);
    if (!args[0] && !fork_daemon()) {
        await_int(&shared->ready, 1, 10000);
        _exit(MAIN_STATUS);
    }
    shared->ready++;
    if (args[0] && strcmp(args[0], "leader") == 0)
        send(1, SIGTERM);
    wait_for_signals();
}

static const struct {
    const char *name;
    int (*run)(char *args[]);
} roles[] = {
    {"exiting", exiting}, {"behind", behind}, {"late", late},     {"sleeper", sleeper}, {"pairs", pairs},
    {"churn", churn},     {"keeper", keeper}, {"leader", leader}, {"brief", brief},     {"say", say},
    {"counter", counter}, {"stubborn", stubborn},
};

int main(int argc, char *argv[])
{
    sigemptyset(&none);
    map_shared();
    for (size_t n = 0; argc > 1 && n < sizeof roles / sizeof *roles; n++)
        if (strcmp(argv[1], roles[n].name) == 0)
            return roles[n].run(argv + 2);
    errx(2, "usage: actor ROLE [ARGUMENT...]");
}
