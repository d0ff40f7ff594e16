/* The workload of an init: `actor ROLE [ARGUMENT...]`. What a role does is described above its function. */
#include "common.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a worker needs to flush: long enough to notice a second SIGTERM. */
#define FLUSH_US 1000

/* How many short-lived processes there are at a time, if there are enough pids. */
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

/* The value of a queued signal is the number of those before it. */
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

/* A standard signal: records how many had been sent when it was received. */
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

/* Forks an orphan in a session of its own. Returns true in the orphan, and false in the first process. */
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

/* A worker that flushes after SIGTERM. SIGTERM is blocked except while it waits: one that arrived between the check and
 * sigsuspend would not end the wait. */
static _Noreturn void work(void)
{
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    handle(SIGTERM, count_term);
    shared->ready++;
    while (shared->terms == 0)
        sigsuspend(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A further SIGTERM interrupts the sleep. */
    for (long until = now() + FLUSH_US * 1000L; now() < until;)
        usleep(100);
    shared->flushed++;
    _exit(0);
}

/* exiting group|session|daemon [default]: starts a worker, and exits in the moment of the race. Ignores
 * SIGTERM, or has its default. */
static int exiting(char *args[])
{
    if (!args[1])
        signal(SIGTERM, SIG_IGN);
    if (strcmp(args[0], "daemon") == 0) {
        if (fork_daemon())
            work();
    } else if (fork() == 0) {
        if (strcmp(args[0], "session") == 0)
            setsid();
        work();
    }
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

/* beside exit|kill|abort: starts an orphan that exits in its own moment of the race, and a worker in a session of its own;
 * the main process ends in the first moment. */
static int beside(char *args[])
{
    signal(SIGTERM, SIG_IGN);
    if (fork_daemon()) {
        wait_for_start(1);
        _exit(0);
    }
    if (fork_daemon())
        work();
    wait_for_start(0);
    if (strcmp(args[0], "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(args[0], "abort") == 0) {
        /* A core dump takes time (core(5)). */
        prctl(PR_SET_DUMPABLE, 0);
        abort();
    }
    _exit(MAIN_STATUS);
}

/* late: a process that ignores SIGTERM and exits in the second moment of the race. */
static int late(char *args[])
{
    (void)args;
    signal(SIGTERM, SIG_IGN);
    wait_for_start(1);
    return 0;
}

/* sleeper: exits with 143 if SIGTERM was blocked at its start and arrives. If it was not blocked, SIGTERM kills it.
 * Without SIGTERM it exits with 0 after four seconds. */
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

/* pairs main|remaining|leader COUNT: sends pairs of SIGCONT and SIGSTOP to PID 1. The SIGSTOP discards the pending
 * SIGCONT, and does not stop a PID 1. The sender is the main process, a remaining process, or a container leader
 * that stops the pod. */
static int pairs(char *args[])
{
    signal(SIGTERM, SIG_IGN);
    if (strcmp(args[0], "remaining") == 0 && !fork_daemon()) {
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

/* Forks short-lived processes, as far as there are pids, and reaps them; once the processes that do not exit have theirs. */
static _Noreturn void crowd(void)
{
    int living = 0;
    while (!shared->go && !shared->quit)
        await_int(&shared->go, 1, 1000);
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

/* Members that do not exit: the more there are, the more time passes from a look at one member to the signal. */
static void fork_idle_members(void)
{
    for (int n = 0; n < IDLE; n++)
        if (fork() == 0)
            wait_for_signals();
}

/* churn [members]: the main process of a group whose members are short-lived, beside bystanders in another session.
 * With `members` without the bystanders. Counts the queued signals. */
static int churn(char *args[])
{
    /* The handlers of the members. This process has others once it is ready. */
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

/* keeper INIT ACTOR ROUNDS: PID 1 of a namespace in which the init is an ordinary process, beside bystanders.
 * Queues signals to the init. Exits with 0 if the main process received all of them. */
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
    shared->go = 1;
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

/* leader SLOT [short|crowd|idle]: a container leader, which counts SIGHUPs and queued signals, and flushes on
 * SIGTERM. `short`: exits in the moment of the race. `crowd`: has short-lived children, which are no leaders.
 * `idle`: does not count queued signals. */
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

/* Makes orphans, fifty at a time, and no more than two hundred that have not exited. Their parent exits first, which closes
 * the pipe that they read. */
static void make_orphans(long count)
{
    enum { BATCH = 50 };
    long before = shared->orphans;
    for (long made = 0; made < count; made += BATCH) {
        while (made - (shared->orphans - before) > 3 * BATCH)
            usleep(100);
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

/* Makes a thousand orphans first, so that the init has run all of its code, and then those of the flood. */
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

/* counter [ORPHANS]: counts the signals that it receives. With ORPHANS a child of it makes so many orphans. */
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

/* stubborn [main|leader]: a process that ignores every signal. With `main` it is the main process, with `leader` a
 * container leader that stops the pod; otherwise it remains when the main process has exited. */
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
    {"exiting", exiting}, {"behind", behind}, {"beside", beside}, {"late", late}, {"sleeper", sleeper}, {"pairs", pairs},
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
