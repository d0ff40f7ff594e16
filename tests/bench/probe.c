/* What Python would measure too coarsely: `probe start` times inits from start to exit, and `probe work` is the
 * workload of an init that is measured. Times are nanoseconds. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long nanoseconds(struct timespec time)
{
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return nanoseconds(time);
}

/* Prints how long it took until the workload began, and until the init had exited. */
static void start_to_exit(char *const argv[], int workload)
{
    int status;
    struct timespec began;
    long start = now();
    pid_t pid = vfork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        err(1, "%s", argv[0]);
    long end = now();
    if (status != 0 || read(workload, &began, sizeof began) != sizeof began)
        errx(1, "%s: status %#x", argv[0], status);
    printf("%ld %ld ", nanoseconds(began) - start, end - start);
}

/* The words of `line`, which are separated by blanks, and `last` behind them. */
static char **words(char *line, char *last)
{
    char **list = calloc(strlen(line) + 2, sizeof *list);
    int count = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        list[count++] = word;
    list[count] = last;
    return list;
}

/* Prints a line for each round: the bare program alone, then under each init. */
static void start(int rounds, char *bare, char *inits[], int count)
{
    char **lines[count];
    for (int i = 0; i < count; i++)
        lines[i] = words(inits[i], bare);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        err(1, "pipe");
    int workload = fcntl(ends[0], F_DUPFD_CLOEXEC, 10);
    /* The descriptor that the bare program writes to. It is not closed on exec. */
    if (workload < 0 || dup2(ends[1], 3) != 3)
        err(1, "descriptors");
    while (rounds-- > 0) {
        start_to_exit((char *[]){bare, NULL}, workload);
        for (int i = 0; i < count; i++)
            start_to_exit(lines[i], workload);
        putchar('\n');
    }
}

/* Prints how long a signal takes to the init and, forwarded, back to this process. */
static void ping(int count)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    while (count-- > 0) {
        long start = now();
        kill(getppid(), SIGUSR1);
        while (sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 60}) < 0)
            if (errno != EINTR)
                err(1, "the signal did not come back");
        printf("%ld ", now() - start);
    }
}

/* Makes orphans: grandchildren whose parent exits at once. */
static void orphans(int count)
{
    while (count-- > 0) {
        pid_t pid = fork();
        if (pid < 0)
            err(1, "fork");
        if (pid == 0)
            _exit(fork() < 0);
        waitpid(pid, NULL, 0);
    }
}

/* The same as ping, beside an orphan each millisecond and two processes that never sleep. */
static void storm(int count)
{
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            err(1, "fork");
        while (pids[i] == 0) {
            /* In a group of its own, where no signal is forwarded to. */
            setpgid(0, 0);
            if (i == 0) {
                orphans(1);
                usleep(1000);
            }
        }
    }
    while (count-- > 0) {
        usleep(1000);
        ping(1);
    }
    for (int i = 0; i < 3; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

/* Runs the command of each line on stdin, prints a line after each, and exits at the end of stdin. */
static void work(void)
{
    char command[16];
    int count;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("ready");
    fflush(stdout);
    while (scanf("%15s %d", command, &count) == 2) {
        if (strcmp(command, "ping") == 0)
            ping(count);
        else if (strcmp(command, "orphans") == 0)
            orphans(count);
        else if (strcmp(command, "storm") == 0)
            storm(count);
        putchar('\n');
        fflush(stdout);
    }
}

int main(int argc, char *argv[])
{
    if (argc > 3 && strcmp(argv[1], "start") == 0)
        start(atoi(argv[2]), argv[3], argv + 4, argc - 4);
    else if (argc == 2 && strcmp(argv[1], "work") == 0)
        work();
    else
        errx(2, "usage: probe start ROUNDS BARE 'INIT WORD...'... | probe work");
}
