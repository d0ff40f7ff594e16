/* usage: driver CASE ROUNDS INIT ACTOR [SEED]
 *
 * Runs as PID 1 of a PID namespace with a /proc of its own, so that no process is left when it exits. */
#include "driver.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

const char *init_path;
const char *actor_path;
long rounds;

/* The file for the stderr of the init. It is emptied at each start. */
static int log_fd;

/* Sets pid_max of the PID namespace of this process, which is its PID 1. The pid_max of the machine must never be
 * changed: the caller has checked that the kernel has one for each namespace. */
static void limit_pids(int pid_max)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%d", pid_max);
    int fd = getpid() == 1 ? open("/proc/sys/kernel/pid_max", O_WRONLY) : -1;
    if (fd < 0 || write(fd, text, length) != length)
        err(126, "pid_max");
    close(fd);
}

/* The user that the current init and its workload run as, if not root. */
static uid_t user;

/* Becomes that user. PR_SET_PDEATHSIG has to be set after that: a change of uid clears it (prctl(2)). */
static void become_user(void)
{
    if (user && (setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0))
        err(126, "uid %u", user);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static _Noreturn void become_init(const struct start *start)
{
    const char *argv[32] = {start->program ? start->program : init_path};
    for (int n = 0; n < 30 && start->args[n]; n++)
        argv[n + 1] = start->args[n];
    if (!start->as_process) {
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
        if (mount("proc", "/proc", "proc", 0, NULL) < 0)
            err(126, "/proc");
    }
    if (start->pid_max)
        limit_pids(start->pid_max);
    struct rlimit pending = {start->pending_limit, start->pending_limit};
    if (start->pending_limit)
        setrlimit(RLIMIT_SIGPENDING, &pending);
    dup2(log_fd, STDERR_FILENO);
    become_user();
    execv(argv[0], (char **)argv);
    err(127, "%s", argv[0]);
}

struct init start_init(const struct start *start)
{
    struct init init = {.pidfd = -1};
    sigset_t term, before;
    sigemptyset(&term);
    if (start->term_blocked)
        sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    memset(shared, 0, sizeof *shared);
    user = start->own_user ? 100000 + random_below(100000) : 0;
    if (ftruncate(log_fd, 0) < 0)
        err(1, "the log");
    struct clone_args how = {
        .flags = CLONE_PIDFD | (start->as_process ? 0 : CLONE_NEWPID | CLONE_NEWNS),
        .pidfd = (uintptr_t)&init.pidfd,
        .exit_signal = SIGCHLD,
    };
    init.pid = syscall(SYS_clone3, &how, sizeof how);
    if (init.pid == 0)
        become_init(start);
    if (init.pid < 0)
        err(1, "clone3");
    sigprocmask(SIG_SETMASK, &before, NULL);
    return init;
}

static void await_status(struct init init, bool asleep)
{
    char path[64], line[256], state = 0;
    unsigned long long blocked = 0;
    snprintf(path, sizeof path, "/proc/%d/status", init.pid);
    for (long end = now() + 10000000000L; now() < end;) {
        FILE *status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            sscanf(line, "State: %c", &state);
            sscanf(line, "SigBlk: %llx", &blocked);
        }
        if (status)
            fclose(status);
        if (blocked >> (SIGTERM - 1) & 1 && (!asleep || state == 'S'))
            return;
    }
}

void await_blocked(struct init init)
{
    await_status(init, false);
}

void await_settled(struct init init)
{
    await_status(init, true);
}

void signal_init(struct init init, int signal)
{
    syscall(SYS_pidfd_send_signal, init.pidfd, signal, NULL, 0);
}

bool pids_can_be_limited(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    uname(&name);
    sscanf(name.release, "%d.%d", &major, &minor);
    bool can = major > 6 || (major == 6 && minor >= 14);
    if (!can)
        printf("pid_max is the whole machine's before Linux 6.14");
    return can;
}

/* Reaps all children that have exited, except the init. The exit of a PID 1 waits until those that entered its
 * namespace are reaped. */
void reap_entered(struct init init)
{
    siginfo_t ended = {0};
    while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0 &&
           ended.si_pid != init.pid) {
        waitpid(ended.si_pid, NULL, 0);
        ended.si_pid = 0;
    }
}

void kill_init(struct init init)
{
    /* The init may be no PID 1, so every process but this one is killed, which is PID 1 of the namespace. */
    if (getpid() != 1)
        errx(1, "never a signal to every process of the machine");
    signal_init(init, SIGKILL);
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    close(init.pidfd);
}

int finish_init(struct init init, int milliseconds)
{
    struct pollfd end = {.fd = init.pidfd, .events = POLLIN};
    int status = -1;
    long limit = now() + milliseconds * 1000000L;
    while (poll(&end, 1, 1) != 1 && now() < limit)
        reap_entered(init);
    if (poll(&end, 1, 0) != 1) {
        describe_tree(init.pid);
        print_log();
        kill_init(init);
        return -1;
    }
    waitpid(init.pid, &status, 0);
    close(init.pidfd);
    reap_entered((struct init){0});
    return status;
}

bool exited_with(int status, int code)
{
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* A mount namespace for each slot: where all containers have one cgroup, podinit distinguishes them by it. */
static int slot_namespace(int slot)
{
    static int namespaces[SLOTS];
    if (namespaces[slot])
        return namespaces[slot];
    pid_t pid = fork();
    if (pid == 0) {
        unshare(CLONE_NEWNS);
        raise(SIGSTOP);
        _exit(0);
    }
    char path[64];
    waitpid(pid, NULL, WUNTRACED);
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
    namespaces[slot] = open(path, O_RDONLY | O_CLOEXEC);
    if (namespaces[slot] < 0)
        err(1, "%s", path);
    send(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return namespaces[slot];
}

pid_t enter(struct init init, int slot, const char *const args[])
{
    static int own;
    int mounts = slot < 0 ? -1 : slot_namespace(slot);
    if (!own)
        own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    const char *argv[16] = {actor_path};
    for (int n = 0; n < 14 && args[n]; n++)
        argv[n + 1] = args[n];
    if (setns(init.pidfd, CLONE_NEWPID) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (mounts >= 0)
            setns(mounts, CLONE_NEWNS);
        become_user();
        execv(argv[0], (char **)argv);
        _exit(127);
    }
    int errno_of_fork = errno;
    if (setns(own, CLONE_NEWPID) < 0)
        err(1, "setns");
    errno = errno_of_fork;
    return pid;
}

/* The sum of the values of the lines that begin with `field` in a file of /proc/PID. */
static long proc_field(pid_t pid, const char *file, const char *field)
{
    char path[64], line[512];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *stream = fopen(path, "r");
    while (stream && fgets(line, sizeof line, stream))
        if (strncmp(line, field, strlen(field)) == 0)
            sum += atol(line + strlen(field));
    if (stream)
        fclose(stream);
    return sum;
}

static long count_descriptors(pid_t pid)
{
    char path[64];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

struct footprint footprint_of(struct init init)
{
    /* Memory that it uses while it handles signals is not counted. */
    usleep(100000);
    return (struct footprint){
        .rss_kib = proc_field(init.pid, "status", "VmRSS:"),
        .private_dirty_kib = proc_field(init.pid, "smaps_rollup", "Private_Dirty:"),
        .descriptors = count_descriptors(init.pid),
    };
}

/* init's allocator keeps the memory of the longest list of processes, and the length of the list is chance: with
 * 5,000, 20,000 and 60,000 orphans 0 to 4 KiB more, once in ten runs 12, once at a load of 21 32. A leak of 64 bytes
 * for each signal would be 70 KiB. */
#define CHANCE_KIB 40

bool compare_footprints(struct footprint before, struct footprint after)
{
    printf("; VmRSS %ld -> %ld KiB, private dirty %ld -> %ld KiB, descriptors %ld -> %ld",
           before.rss_kib, after.rss_kib, before.private_dirty_kib, after.private_dirty_kib, before.descriptors, after.descriptors);
    /* One more page of the stack or the heap may be used by chance. A leak of 4 bytes for each orphan takes more. */
    return after.rss_kib <= before.rss_kib + CHANCE_KIB &&
           after.private_dirty_kib <= before.private_dirty_kib + CHANCE_KIB && after.descriptors == before.descriptors;
}

/* Prints the first line of a file of /proc/PID that begins with `field`. */
static void print_field(pid_t pid, const char *file, const char *field)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *stream = fopen(path, "r");
    while (stream && fgets(line, sizeof line, stream)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            line[strcspn(line, "\n")] = 0;
            fprintf(stderr, " %s", line);
            break;
        }
    }
    if (stream)
        fclose(stream);
}

void describe_tree(pid_t pid)
{
    static const char *const fields[] = {"Name:", "State:", "NSpid:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:"};
    char path[64];
    fprintf(stderr, "  process %d:", pid);
    for (size_t n = 0; n < sizeof fields / sizeof *fields; n++)
        print_field(pid, "status", fields[n]);
    fprintf(stderr, " in");
    print_field(pid, "wchan", "");
    fprintf(stderr, "\n");
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *children = fopen(path, "r");
    for (int child; children && fscanf(children, "%d", &child) == 1;)
        describe_tree(child);
    if (children)
        fclose(children);
}

void print_log(void)
{
    char text[4096];
    ssize_t length = pread(log_fd, text, sizeof text, 0);
    if (length > 0)
        fprintf(stderr, "  stderr of the init: %.*s", (int)length, text);
}

bool log_has(const char *text)
{
    char start[4096];
    ssize_t length = pread(log_fd, start, sizeof start - 1, 0);
    start[length > 0 ? length : 0] = 0;
    return strstr(start, text) != NULL;
}

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"main-exits-while-term-arrives", race_main_exits},
    {"main-exits-while-term-arrives-as-process", race_main_exits_as_process},
    {"orphan-exits-behind-main", race_orphan_behind_main},
    {"first-orphan-exits-beside-main", race_first_orphan},
    {"continued-and-stopped-before-a-deadline", race_continued_and_stopped},
    {"term-in-the-first-moment", race_first_moment},
    {"leader-exits-while-signal-arrives", race_leader_exits},
    {"pod-stops-while-containers-start", race_pod_stops},
    {"reused-pids-target-group", race_pids_group},
    {"reused-pids-target-all", race_pids_all},
    {"reused-pids-pod", race_pids_pod},
    {"orphans-beside-usr1", flood_orphans},
    {"orphans-in-a-pod-beside-usr1", flood_orphans_in_pod},
    {"standard-signals", flood_standard},
    {"queued-signals", flood_queued},
    {"queued-signals-and-a-full-queue", flood_queue_full},
    {"queued-signals-in-a-pod", flood_queued_in_pod},
    {"grace-in-a-flood", flood_grace},
    {"kill-after-in-a-flood", flood_kill_after},
    {"grace-of-a-pod-in-a-flood", flood_pod_grace},
    {"many-leaders", flood_leaders},
};

int main(int argc, char *argv[])
{
    if (argc < 5)
        errx(2, "usage: driver CASE ROUNDS INIT ACTOR [SEED]");
    if (getpid() != 1)
        errx(2, "not PID 1 of a PID namespace of its own");
    rounds = atol(argv[2]);
    init_path = argv[3];
    actor_path = argv[4];
    seed_random(argc > 5 ? atol(argv[5]) : now());
    log_fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        log_fd = memfd_create("log", MFD_CLOEXEC);
    make_shared();
    /* By default it depends on the machine's memory. */
    setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        if (strcmp(argv[1], cases[n].name) == 0) {
            int result = cases[n].run();
            putchar('\n');
            return result;
        }
    }
    errx(2, "no case %s", argv[1]);
}
