/* Common to the driver (which starts inits, sends signals and checks the outcome) and the actors (the workload of
 * an init): a page of shared memory, and functions to wait and to measure time. */
#ifndef COMMON_H
#define COMMON_H

#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The shared memory is a memfd that every actor inherits under this number. */
#define SHARED_FD 9

/* The real-time signal that is queued with a value. */
#define QUEUED (SIGRTMIN + 3)

/* The exit status of main processes. No init exits with it by itself. */
#define MAIN_STATUS 5

/* The exit status of a driver whose case cannot run here, after the reason on stdout. */
#define SKIPPED 77

/* The standard signals of a flood: those at number `n` modulo FLOOD_KINDS. */
#define FLOOD_KINDS 4
extern const int flood_signals[FLOOD_KINDS];

/* Everything that is counted by more than one process. All zero when a round begins. */
struct shared {
    /* Not 0 once the race starts: actors that are ready wait for it. */
    atomic_int go;
    atomic_int ready;
    /* How many ns after `go` the first and the second actor of a race act. */
    atomic_long delay[2];

    /* Of a worker: how many SIGTERMs it received, and whether it flushed after the first one. */
    atomic_int terms;
    atomic_int flushed;

    /* How many signals the right processes received, and how many the wrong ones; how many processes were forked. */
    atomic_long hits;
    atomic_long bystander_hits;
    atomic_long births;

    /* Of a flood. For each standard signal: the count of those received, the number of the last one sent, and
     * the number that had been sent when the last one was received. */
    atomic_long received[FLOOD_KINDS];
    atomic_long sent[FLOOD_KINDS];
    atomic_long seen[FLOOD_KINDS];
    /* Of queued signals: the next value, how many had another one, and how many of these a smaller one;
     * the number of the last one sent, and the number that had been sent when the last one was received. */
    atomic_long next_value;
    atomic_long disordered;
    atomic_long backwards;
    atomic_long queued_sent;
    atomic_long queued_seen;
    atomic_long without_value;
    /* Not 0 when actors that run until then have to exit. */
    atomic_int quit;
    /* How many orphans have exited. */
    atomic_long orphans;
    /* Container leaders that flushed, and the number of SIGHUPs of each. */
    atomic_int leaders_flushed;
    atomic_int hups[1024];
};
extern struct shared *shared;

/* Makes the shared memory, or maps that of the driver. */
void make_shared(void);
void map_shared(void);

/* Nanoseconds of the monotonic clock. */
long now(void);

/* Waits without a sleep, which would be too coarse for a race. */
void spin_until(long moment);

/* Waits until `*counter` is at least `value`, `milliseconds` at most. Returns whether it is. */
bool await_long(atomic_long *counter, long value, int milliseconds);
/* The same, but the time begins anew while the counter rises: for a long queue on a busy machine. */
bool await_all(atomic_long *counter, long value, int milliseconds);
bool await_int(atomic_int *counter, int value, int milliseconds);

/* A random number below `limit`. */
uint64_t random_below(uint64_t limit);
void seed_random(uint64_t seed);

void handle(int signal, void (*handler)(int, siginfo_t *, void *));

/* Sends a signal to one process that was started here. Refuses any pid that names more than one. */
int send(pid_t pid, int signal);

#endif
