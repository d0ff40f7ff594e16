#include "common.h"

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;

const int flood_signals[FLOOD_KINDS] = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH};

void make_shared(void)
{
    int fd = memfd_create("shared", 0);
    if (fd < 0 || ftruncate(fd, sizeof *shared) < 0)
        err(1, "memfd");
    if (fd != SHARED_FD) {
        if (dup2(fd, SHARED_FD) < 0)
            err(1, "dup2");
        close(fd);
    }
    map_shared();
}

void map_shared(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    if (shared == MAP_FAILED)
        err(1, "mmap: not started by the driver");
}

long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

void spin_until(long moment)
{
    while (now() < moment)
        ;
}

/* Yields the processor at first; then sleeps, since other processes may need it for longer. */
static void pass_time(int *turns)
{
    if (++*turns < 200)
        sched_yield();
    else
        usleep(50);
}

bool await_long(atomic_long *counter, long value, int milliseconds)
{
    long end = now() + milliseconds * 1000000L;
    for (int turns = 0; *counter < value; pass_time(&turns))
        if (now() > end)
            return *counter >= value;
    return true;
}

bool await_all(atomic_long *counter, long value, int milliseconds)
{
    for (long before = *counter; !await_long(counter, value, milliseconds); before = *counter)
        if (*counter == before)
            return false;
    return true;
}

bool await_int(atomic_int *counter, int value, int milliseconds)
{
    long end = now() + milliseconds * 1000000L;
    for (int turns = 0; *counter < value; pass_time(&turns))
        if (now() > end)
            return *counter >= value;
    return true;
}

static uint64_t state = 1;

void seed_random(uint64_t seed)
{
    state = seed * 2654435761u + 1;
}

/* xorshift64*: the same numbers for the same seed, on every machine. */
uint64_t random_below(uint64_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 2685821657736338717u >> 16) % limit;
}

void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(signal, &action, NULL) < 0)
        err(1, "sigaction %d", signal);
}

int send(pid_t pid, int signal)
{
    if (pid < 1)
        errx(1, "pid %d is not that of one process", pid);
    return kill(pid, signal);
}
