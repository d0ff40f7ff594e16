/* What the driver (which starts inits, sends signals and judges) and the actors (which run under an init)
 * have in common: a page of shared memory, and the means to wait and to keep time. */
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

/* The exit status of main processes, which no init has of itself. */
#define MAIN_STATUS 5

/* The exit status of a driver whose case cannot run here, after the reason on stdout. */
#define SKIPPED 77

/* The standard signals of a flood: those at number `n` modulo FLOOD_KINDS. */
#define FLOOD_KINDS 4
extern const int flood_signals[FLOOD_KINDS];

/* Everything that is counted by more than one process. All zero when a round begins. */
struct shared {
    /* The starting gun: actors that are ready wait for it. */
    atomic_int go;
    atomic_int ready;
    /* How many ns after `go` the first and the second actor of a race act. */
    atomic_long delay[2];

    /* A worker's: SIGTERMs received, and whether it came to its end after the first one. */
    atomic_int terms;
    atomic_int flushed;

    /* What processes received that a signal is for, and those that it is not for. */
    atomic_long hits;
    atomic_long bystander_hits;
    atomic_long births;

    /* A flood's. Of each standard signal: the count of those received, the number of the last one sent, and
     * the number that had been sent when the last one was received. */
    atomic_long received[FLOOD_KINDS];
    atomic_long sent[FLOOD_KINDS];
    atomic_long seen[FLOOD_KINDS];
    /* Of queued signals: the next value, how many came with another one, and how many of these with a smaller
     * one; the number of the last one sent, and the number that had been sent when the last one was received. */
    atomic_long next_value;
    atomic_long disordered;
    atomic_long backwards;
    atomic_long queued_sent;
    atomic_long queued_seen;
    atomic_long without_value;
    /* Asks actors that run until then to end. */
    atomic_int quit;
    /* Orphans that have come to their end. */
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

/* Keeps the processor until that moment: a sleep would be too coarse for a race. */
void spin_until(long moment);

/* Waits until `*counter` is at least `value`, `milliseconds` at most; says whether it came to that. */
bool await_long(atomic_long *counter, long value, int milliseconds);
/* The same for as long as the counter rises at all within that time: for a long queue on a busy machine. */
bool await_all(atomic_long *counter, long value, int milliseconds);
bool await_int(atomic_int *counter, int value, int milliseconds);

/* A random number below `limit`. */
uint64_t random_below(uint64_t limit);
void seed_random(uint64_t seed);

void handle(int signal, void (*handler)(int, siginfo_t *, void *));

/* Sends a signal to one process that was started here. Refuses any pid that names more than one. */
int send(pid_t pid, int signal);

#endif
