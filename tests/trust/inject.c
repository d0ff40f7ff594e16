// Runs a program as PID 1 of a new PID namespace (or, with -w, as a child of that PID 1), and makes one of its system
// calls fail. The fault is injected into that program alone: into the process itself, and into its vfork children up to
// their execve. The programs that they execute are not traced.
//
//     inject [-b FROM:TO]... [-f ROLE:CALL:ERRNO:NTH] [-i] [-t] [-w] [--] PROGRAM [ARG...]
//
// -b  bind mounts a file, in the program's mount namespace alone
// -f  makes the NTH call of that number by that role fail (0: every call); the kernel does not run it
// -i  traces the first child after its execve too: it executes the same program
// -t  with -w, the program has the stdin of this one as its terminal, and is in the foreground, as under a shell
// -w  PID 1 is a ward, and the program its child. The ward prints what the program did not reap, and which processes
//     it left behind
//
// SIGHUP, SIGTERM and SIGUSR1 are forwarded to the program. The report is written to descriptor 3, one line each:
//
//     pid N          the program's pid in the outer PID namespace
//     idle           it waits for signals (a read or a poll after signalfd), the first hundred times
//     exit N         it exited; or `signal N`: it was killed; or `spin`: it was killed since it made too many calls
//     hits N         how many faults were injected
//     call ROLE N M  that role made M calls of number N
//
// See ptrace(2). The process is traced with PTRACE_SEIZE, so that its group stops are real ones.
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ptrace.h>

enum { REPORT = 3, MAX_CALLS = 5000, MAX_IDLE = 100, CALL_NUMBERS = 1024 };

// What a process runs. The start of the C library ends where podinit's main blocks all signals.
enum role { LIBC, INIT, CHILD, INNER_LIBC, INNER, INNER_CHILD, ROLES, UNKNOWN };
static const char *const role_names[ROLES] = {"libc", "init", "child", "inner-libc", "inner", "inner-child"};

struct tracee {
    pid_t pid; // 0: a free place
    enum role role;
    int fault;       // the errno that the current call has to fail with
    long call;       // the current call
    long mailbox;    // its signalfd; 0: none yet
};

static struct {
    enum role role;
    long call; // -1: none
    int error;
    long nth;
} fault = {.call = -1};

static struct tracee tracees[8];
static long counts[UNKNOWN + 1][CALL_NUMBERS], all_calls, hits, idles;
static int follow_inner, spun, crash;
static volatile sig_atomic_t target; // the program, while it may be signalled

static void forward(int signal) {
    int saved = errno;
    if (target > 1) kill(target, signal);
    errno = saved;
}

// ---- the process of the program, before it is executed

static void make_mounts(char **binds, int number) {
    if (unshare(CLONE_NEWNS)) err(99, "unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) err(99, "private mounts");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) err(99, "mount /proc");
    for (int i = 0; i < number; i++) {
        char *to = strchr(binds[i], ':');
        *to++ = 0;
        if (mount(binds[i], to, NULL, MS_BIND, NULL)) err(99, "bind %s", to);
    }
}

// Writes that it is ready, waits for the tracer, and executes the program.
static void execute(char **words, int say, int wait) {
    char byte = 0;
    if (write(say, &byte, 1) != 1 || read(wait, &byte, 1) != 1) _exit(99);
    for (int fd = REPORT; fd < 64; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    const char *name = getenv("TRUST_PROGRAM");
    execv(name ? name : words[0], words);
    err(99, "%s", words[0]);
}

// PID 1 where the program is not: waits for it, and prints what PID 1 had to do in its place.
static void be_ward(pid_t program, int has_terminal) {
    int status, orphans = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, 0)) != program;) {
        if (pid < 0 && errno != EINTR) err(99, "wait");
        orphans += pid > 0;
    }
    if (orphans) dprintf(1, "the ward adopted an orphan\n");
    if (has_terminal && tcgetpgrp(0) != program) dprintf(1, "the terminal was not given back\n");
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0) dprintf(1, "a zombie was left\n");
    if (pid == 0) dprintf(1, "a process was left behind\n");
    _exit(0);
}

static void start_under_ward(char **words, int say, int wait, int has_terminal) {
    if (has_terminal && (setsid() < 0 || ioctl(0, TIOCSCTTY, 0))) err(99, "the terminal");
    pid_t pid = fork();
    if (pid < 0) err(99, "fork");
    if (pid == 0) {
        setpgid(0, 0);
        execute(words, say, wait);
    }
    setpgid(pid, pid);
    signal(SIGTTOU, SIG_IGN);
    if (has_terminal && tcsetpgrp(0, pid)) err(99, "the foreground");
    close(say);
    be_ward(pid, has_terminal);
}

// ---- the tracer

static struct tracee *find(pid_t pid) {
    for (struct tracee *it = tracees; it < tracees + 8; it++)
        if (it->pid == pid) return it;
    return NULL;
}

static struct tracee *add(pid_t pid, enum role role) {
    struct tracee *it = find(0);
    if (!it) errx(99, "too many tracees");
    *it = (struct tracee){.pid = pid, .role = role};
    return it;
}

static void resume(struct tracee *it, int signal) { ptrace(PTRACE_SYSCALL, it->pid, 0, signal); }

#if defined(__x86_64__)
static void set_call(pid_t pid, long number) {
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), number);
}
static void set_result(pid_t pid, long result) {
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), result);
}
#elif defined(__aarch64__)
static void set_call(pid_t pid, long number) {
    int it = number;
    struct iovec part = {&it, sizeof it};
    ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &part);
}
static void set_result(pid_t pid, long result) {
    struct user_regs_struct regs;
    struct iovec part = {&regs, sizeof regs};
    ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part);
    regs.regs[0] = result;
    ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part);
}
#else
#error "how does this machine's tracer change a system call?"
#endif

static void kill_all(void) {
    for (struct tracee *it = tracees; it < tracees + 8; it++)
        if (it->pid > 1) kill(it->pid, SIGKILL);
}

static int is_poll(long call) {
#ifdef SYS_poll
    if (call == SYS_poll) return 1;
#endif
    return call == SYS_ppoll;
}

static void enter_call(struct tracee *it, long call, long first) {
    it->call = call;
    if (call < 0 || call >= CALL_NUMBERS) return;
    if (call == SYS_rt_sigprocmask && (it->role == LIBC || it->role == INNER_LIBC)) it->role++;
    int waits = is_poll(call) || (call == SYS_read && first == it->mailbox);
    if (it->mailbox && it->role == INIT && waits && idles++ < MAX_IDLE) dprintf(REPORT, "idle\n");
    long nth = ++counts[it->role][call];
    if (++all_calls > MAX_CALLS && !spun) {
        spun = 1;
        kill_all();
    }
    if (call == fault.call && it->role == fault.role && (!fault.nth || nth == fault.nth)) {
        set_call(it->pid, -1);
        it->fault = fault.error;
    }
}

static void on_call(struct tracee *it) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, it->pid, sizeof info, &info) < 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        enter_call(it, (long)info.entry.nr, (long)info.entry.args[0]);
    } else if (it->fault) {
        set_result(it->pid, -it->fault);
        it->fault = 0;
        hits++;
    } else if ((it->call == SYS_signalfd4 || it->call == SYS_signalfd) && info.exit.rval > 0) {
        it->mailbox = info.exit.rval;
    }
}

static void on_birth(struct tracee *parent) {
    unsigned long message = 0;
    ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &message);
    enum role role = parent->role == INIT ? CHILD : parent->role == INNER ? INNER_CHILD : UNKNOWN;
    struct tracee *child = find((pid_t)message);
    if (!child) {
        add((pid_t)message, role);
    } else {
        child->role = role;
        resume(child, 0);
    }
}

static void on_exec(struct tracee *it) {
    if (it->role == LIBC) return; // the exec of the program itself
    if (it->role == CHILD && follow_inner) {
        *it = (struct tracee){.pid = it->pid, .role = INNER_LIBC};
        return;
    }
    ptrace(PTRACE_DETACH, it->pid, 0, 0);
    it->pid = 0;
}

// A signal is about to be delivered. A fault, or the last step of abort(3), kills a PID 1 without a tracer
// (force_sig_info_to_task in Linux). It would not kill a traced PID 1, and would be raised again and again.
static void on_signal(struct tracee *it, int signal) {
    siginfo_t info;
    int faults = signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP;
    if (faults && !ptrace(PTRACE_GETSIGINFO, it->pid, 0, &info) && info.si_code > 0) {
        crash = signal;
        kill_all();
        return;
    }
    resume(it, signal);
}

static void on_stop(pid_t pid, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    struct tracee *it = find(pid);
    if (!it) {
        // A child whose parent has not reported the fork yet. It stays stopped until then.
        add(pid, UNKNOWN);
        return;
    }
    if (event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE) {
        on_birth(it);
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec(it);
        if (!it->pid) return;
    } else if (event == PTRACE_EVENT_STOP) {
        if (signal != SIGTRAP) {
            ptrace(PTRACE_LISTEN, pid, 0, 0);
            return;
        }
    } else if (signal == (SIGTRAP | 0x80)) {
        on_call(it);
    } else {
        on_signal(it, signal);
        return;
    }
    resume(it, 0);
}

static void on_end(pid_t pid, int status, pid_t program) {
    struct tracee *it = find(pid);
    if (it) it->pid = 0;
    if (pid != program) return;
    target = 0;
    if (spun)
        dprintf(REPORT, "spin\n");
    else if (WIFEXITED(status))
        dprintf(REPORT, "exit %d\n", WEXITSTATUS(status));
    else
        dprintf(REPORT, "signal %d\n", crash ? crash : WTERMSIG(status));
}

static void trace(pid_t program) {
    long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE;
    if (ptrace(PTRACE_SEIZE, program, 0, options)) err(99, "seize");
    add(program, LIBC);
    target = program;
    dprintf(REPORT, "pid %d\n", program);
}

static void watch(pid_t program) {
    sigset_t signals, before;
    sigemptyset(&signals);
    for (const int *it = (int[]){SIGHUP, SIGTERM, SIGUSR1, 0}; *it; it++) {
        signal(*it, forward);
        sigaddset(&signals, *it);
    }
    for (;;) {
        int status;
        // First without reaping, so that the pid stays in use. It is reaped while no signal can be forwarded.
        siginfo_t info;
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL)) {
            if (errno == EINTR) continue;
            break;
        }
        sigprocmask(SIG_BLOCK, &signals, &before);
        pid_t pid = waitpid(info.si_pid, &status, WUNTRACED | __WALL);
        if (pid > 0 && WIFSTOPPED(status))
            on_stop(pid, status);
        else if (pid > 0)
            on_end(pid, status, program);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    dprintf(REPORT, "hits %ld\n", hits);
    for (int role = 0; role < ROLES; role++)
        for (int call = 0; call < CALL_NUMBERS; call++)
            if (counts[role][call]) dprintf(REPORT, "call %s %d %ld\n", role_names[role], call, counts[role][call]);
}

static void parse_fault(const char *text) {
    char name[32];
    if (sscanf(text, "%31[^:]:%ld:%d:%ld", name, &fault.call, &fault.error, &fault.nth) != 4) errx(99, "-f %s", text);
    for (int role = 0; role < ROLES; role++)
        if (!strcmp(name, role_names[role])) fault.role = role;
}

// The only child of a ward, which has been forked by now.
static pid_t child_of(pid_t ward) {
    char path[64];
    pid_t pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", ward, ward);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &pid) != 1) errx(99, "%s has no pid", path);
    fclose(file);
    return pid;
}

int main(int argc, char **argv) {
    char *binds[8];
    int number = 0, ward = 0, terminal = 0, ready[2], go[2], option;
    while ((option = getopt(argc, argv, "+b:f:itw")) != -1) switch (option) {
        case 'b': if (number < 8) binds[number++] = optarg; break;
        case 'f': parse_fault(optarg); break;
        case 'i': follow_inner = 1; break;
        case 't': terminal = 1; break;
        case 'w': ward = 1; break;
        default: return 99;
        }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC) || unshare(CLONE_NEWPID)) err(99, "set up");
    // The result must not depend on the machine's limit of descriptors, which may be a billion, or on the signals
    // that other processes of this uid have pending.
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, 1024});
    setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    pid_t first = fork();
    if (first < 0) err(99, "fork");
    if (first == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(go[1]); // so that its read ends when the tracer exits
        make_mounts(binds, number);
        if (ward) start_under_ward(argv + optind, ready[1], go[0], terminal);
        prctl(PR_SET_PDEATHSIG, 0);
        execute(argv + optind, ready[1], go[0]);
    }
    char byte;
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) errx(99, "the program was not started");
    pid_t program = ward ? child_of(first) : first;
    trace(program);
    if (write(go[1], "", 1) != 1) err(99, "go");
    watch(program);
    return 0;
}
