// The workload that podinit runs while faults are injected into it. It prints what it observes of its init, one line
// each. The driver compares the lines with those of a run without faults.
//
//     workload main [show] [queue] [stubborn] [die] [terminal]
//                               a main process: makes an orphan and a worker in a session of its own, receives
//                               SIGTERM, and exits with 7
//     workload late             a non-child: exits a moment after SIGTERM
//     workload leader NAME [handler]
//                               a container leader: receives SIGHUP with `handler`; exits when its stdin ends
//
// TRUST_PATIENCE is how many milliseconds it waits for a signal or a reaped orphan.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int patience = 3000;
static volatile sig_atomic_t got_hup, got_term;

static int has(char **words, const char *word) {
    for (; *words; words++)
        if (!strcmp(*words, word)) return 1;
    return 0;
}

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) && errno == EINTR) {}
}

// Waits for one of the blocked signals and prints its number, or that `wanted` was missed.
static int await(const sigset_t *set, int wanted) {
    struct timespec time = {patience / 1000, patience % 1000 * 1000000};
    siginfo_t info;
    int signal = sigtimedwait(set, &info, &time);
    if (signal > 0 && info.si_code == SI_QUEUE)
        dprintf(1, "got %d with %d\n", signal, info.si_value.sival_int);
    else if (signal > 0)
        dprintf(1, "got %d\n", signal);
    else
        dprintf(1, "missed %d\n", wanted);
    return signal;
}

// Makes a grandchild that exits after its parent. The pid stays in use until init reaps it.
static void make_orphan(const char *name) {
    int ends[2], go[2];
    pid_t orphan = 0;
    if (pipe(ends) || pipe(go)) return;
    pid_t child = fork();
    if (child == 0) {
        orphan = fork();
        if (orphan == 0) {
            char byte;
            close(go[1]);
            _exit(read(go[0], &byte, 1) < 0);
        }
        _exit(write(ends[1], &orphan, sizeof orphan) != sizeof orphan);
    }
    waitpid(child, NULL, 0);
    if (read(ends[0], &orphan, sizeof orphan) != sizeof orphan) return;
    close(go[0]);
    close(go[1]);
    for (int ms = 0; ms < patience; ms++) {
        if (kill(orphan, 0) && errno == ESRCH) {
            dprintf(1, "%sorphan reaped\n", name);
            return;
        }
        sleep_ms(1);
    }
    dprintf(1, "%sorphan not reaped\n", name);
}

static void make_worker(int is_stubborn) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    int ready[2];
    char byte = 0;
    if (pipe(ready) || fork()) {
        if (read(ready[0], &byte, 1) != 1) dprintf(1, "no worker\n");
        return;
    }
    setsid();
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    alarm(120);
    if (is_stubborn)
        for (;;) pause();
    siginfo_t info;
    struct timespec time = {100, 0};
    if (sigtimedwait(&term, &info, &time) == SIGTERM) {
        sleep_ms(20);
        dprintf(1, "flushed\n");
    }
    _exit(0);
}

static void show_identity(void) {
    uid_t uid[3];
    gid_t gid[3], groups[64];
    char directory[256];
    getresuid(uid, uid + 1, uid + 2);
    getresgid(gid, gid + 1, gid + 2);
    int number = getgroups(64, groups);
    dprintf(1, "as %d %d %d, %d %d %d,", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
    for (int i = 0; i < number; i++) dprintf(1, " %d", groups[i]);
    const char *a = getenv("A"), *home = getenv("HOME");
    dprintf(1, ", in %s, A=%s HOME=%s\n", getcwd(directory, sizeof directory), a ? a : "", home ? home : "");
}

// Checks what init must not change: the signal mask; and the process group and the foreground.
static void check_inheritance(int has_terminal) {
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int signal = 1; signal < 65; signal++)
        if (sigismember(&mask, signal) == 1) {
            dprintf(1, "started with signal %d blocked\n", signal);
            break;
        }
    if (getpgrp() != getpid()) dprintf(1, "in no process group of its own\n");
    if (has_terminal && tcgetpgrp(0) != getpgrp()) dprintf(1, "not in the foreground\n");
}

static int be_main(char **words) {
    int stubborn = has(words, "stubborn"), queued = SIGRTMIN + 1;
    dprintf(1, "started\n");
    check_inheritance(has(words, "terminal"));
    if (has(words, "show")) show_identity();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, queued);
    sigprocmask(SIG_BLOCK, &set, NULL);
    make_orphan("");
    make_worker(stubborn);
    if (has(words, "queue")) {
        sigqueue(getppid(), queued, (union sigval){.sival_int = 42});
        await(&set, queued);
    }
    dprintf(1, "ready\n");
    await(&set, SIGTERM);
    if (stubborn) {
        // It must not exit before init kills it.
        sleep_ms(patience);
        dprintf(1, "not killed\n");
    }
    if (has(words, "die")) {
        signal(SIGKILL, SIG_DFL);
        kill(getpid(), SIGKILL);
    }
    return 7;
}

static int be_late(void) {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    dprintf(1, "late ready\n");
    siginfo_t info;
    struct timespec time = {100, 0};
    if (sigtimedwait(&term, &info, &time) == SIGTERM) {
        sleep_ms(20);
        dprintf(1, "late flushed\n");
    }
    return 0;
}

static void on_signal(int signal) {
    if (signal == SIGHUP)
        got_hup = 1;
    else
        got_term = 1;
}

static int be_leader(const char *name, int has_handler) {
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    if (has_handler)
        sigaction(SIGHUP, &action, NULL);
    else
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(120);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s ", name);
    make_orphan(prefix);
    dprintf(1, "%s ready\n", name);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    struct timespec time = {patience / 1000, patience % 1000 * 1000000};
    int waits_for_hup = has_handler;
    for (;;) {
        int answer = ppoll(&input, 1, waits_for_hup ? &time : NULL, &before);
        if (got_hup || (waits_for_hup && answer == 0)) {
            dprintf(1, got_hup ? "%s got 1\n" : "%s missed 1\n", name);
            got_hup = waits_for_hup = 0;
        }
        if (got_term) dprintf(1, "%s got 15\n", name);
        got_term = 0;
        if (answer > 0) break;
    }
    sleep_ms(20);
    dprintf(1, "%s flushed\n", name);
    return 0;
}

int main(int argc, char **argv) {
    const char *text = getenv("TRUST_PATIENCE");
    if (text) patience = atoi(text);
    if (argc >= 2 && !strcmp(argv[1], "main")) return be_main(argv + 2);
    if (argc >= 2 && !strcmp(argv[1], "late")) return be_late();
    if (argc >= 3 && !strcmp(argv[1], "leader")) return be_leader(argv[2], has(argv + 3, "handler"));
    return 64;
}
