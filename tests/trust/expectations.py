"""The errors of each call, and the outcomes of a fault that are no failure, although a run without it has others."""

from collections import namedtuple
from fnmatch import fnmatchcase

# The errors of each call's man page that podinit could get. Every call gets those of COMMON too.
COMMON = "EINTR ENOSYS EPERM"
ERRNOS = {
    "access": "EACCES EIO ELOOP ENOENT ENOMEM",
    "arch_prctl": "EINVAL",
    "brk": "ENOMEM",
    "capget": "EINVAL",
    "capset": "EINVAL",
    "chdir": "EACCES EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR",
    "clone": "EAGAIN EINVAL ENOMEM ENOSPC",
    "close": "EBADF EIO",
    "close_range": "EINVAL EMFILE ENOMEM",
    "execve": "E2BIG EACCES EAGAIN EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOEXEC ENOMEM "
              "ENOTDIR ETXTBSY",
    "faccessat": "EACCES EIO ELOOP ENOENT ENOMEM",
    "fcntl": "EAGAIN EBADF EINVAL EMFILE",
    "fstat": "EBADF ENOMEM",
    "getdents64": "EBADF EINVAL ENOENT ENOTDIR",
    "getrandom": "EAGAIN",
    "getsid": "ESRCH",
    "ioctl": "EBADF EINVAL EIO ENOTTY ESRCH",
    "kill": "EINVAL ESRCH",
    "mmap": "EAGAIN EINVAL ENFILE ENOMEM",
    "mount": "EACCES EBUSY EINVAL ENODEV ENOENT ENOMEM",
    "mprotect": "EACCES EINVAL ENOMEM",
    "munmap": "EINVAL",
    "newfstatat": "EACCES EBADF ENOENT ENOMEM",
    "open": "EACCES EIO ELOOP EMFILE ENFILE ENOENT ENOMEM ENOTDIR ENXIO",
    "openat": "EACCES EIO ELOOP EMFILE ENFILE ENOENT ENOMEM ENOTDIR ENXIO",
    "pidfd_open": "EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH",
    "pidfd_send_signal": "EBADF EINVAL ESRCH",
    "poll": "EAGAIN EFAULT EINVAL ENOMEM",
    "ppoll": "EAGAIN EFAULT EINVAL ENOMEM",
    "prctl": "EACCES EINVAL",
    "prlimit64": "EINVAL",
    "pwritev2": "EAGAIN EBADF EFBIG EINVAL EIO ENOSPC EOPNOTSUPP EPIPE",
    "read": "EAGAIN EBADF EINVAL EIO EISDIR ESRCH",
    "readlink": "EACCES EINVAL EIO ENOENT ENOMEM",
    "readlinkat": "EACCES EINVAL EIO ENOENT ENOMEM",
    "rt_sigaction": "EFAULT EINVAL",
    "rt_sigpending": "EFAULT",
    "rt_sigprocmask": "EFAULT EINVAL",
    "rt_sigqueueinfo": "EAGAIN EINVAL ESRCH",
    "rt_sigtimedwait": "EAGAIN EINVAL",
    "sched_yield": "",
    "setgroups": "EFAULT EINVAL ENOMEM",
    "setpgid": "EACCES EINVAL ESRCH",
    "setresgid": "EAGAIN EINVAL",
    "setresuid": "EAGAIN EINVAL",
    "setsid": "",
    "signalfd4": "EBADF EINVAL EMFILE ENFILE ENODEV ENOMEM",
    "statx": "EACCES EBADF ENOENT ENOMEM",
    "umask": "",
    "wait4": "ECHILD EINVAL",
    "waitid": "ECHILD EINVAL",
    "write": "EAGAIN EBADF EFBIG EINVAL EIO ENOSPC EPIPE",
    "writev": "EAGAIN EBADF EFBIG EINVAL EIO ENOSPC EPIPE",
}

# Not injected: their man pages have no error, or they do not return.
CANNOT_FAIL = "exit exit_group getegid geteuid getgid getpgid getpgrp getppid getuid restart_syscall rt_sigreturn " \
              "set_tid_address vfork"

# In the quick form each call gets one error of its man page (the first one) and these.
QUICK = "EINTR EPERM"

Excuse = namedtuple("Excuse", "letter scenarios roles calls errnos whens allows why")


def excuse(letter, where, allows, why):
    """`where` is SCENARIOS ROLES CALLS ERRNOS WHENS, each a list of patterns with commas; `allows` patterns of flaws."""
    fields = [part.split(",") for part in where.split()]
    return Excuse(letter, *fields, allows, why)


LOST = ["no: *got *", "also: *missed *"]

# A letter may be on several lines. The first one has the reason.
EXCUSES = [
    excuse("L", "* libc,inner-libc * * *", ["*"],
           "The C library's own start, before podinit's first instruction: any outcome is possible."),
    excuse("R", "* init,inner clone * *", ["refused"],
           "Without this call podinit cannot start the workload: it refuses the start with one line."),
    excuse("R", "* child,inner-child execve,chdir,setgroups,setresgid,setresuid * *", ["refused"], ""),
    # The ids cannot be read back, so they may be wrong.
    excuse("R", "user child getgroups,getresgid,getresuid * second,always", ["refused"], ""),
    excuse("R", "ns child mount * *", ["refused"], ""),
    excuse("R", "* init,inner signalfd4 * *", ["refused"], ""),
    excuse("R", "* init,inner rt_sigprocmask * first,always", ["refused"], ""),
    excuse("R", "* child,inner-child rt_sigprocmask * *", ["refused"], ""),
    # Without /etc/passwd or /etc/group the workload could run as another user, or with other groups.
    excuse("R", "user init open,openat,fstat,newfstatat,read * *", ["refused"], ""),
    excuse("N", "user init open,openat ENOENT *", ["no: as 1000 *", "also: as 1000 *", "nothing on stderr"],
           "Images without /etc/passwd or /etc/group are common: a number is that uid, with group 0 and no others."),
    # kill(2) takes a number that is no pid for a group, or for all processes.
    excuse("R", "* init,inner getpid * *", ["refused"], ""),
    excuse("P", "* init,inner getpid * second", ["exit 125", "no: *", "also: *"],
           "getpid fails after the start: init exits, since without its pid it must not call kill(2). No kernel refuses "
           "getpid, and a filter that does so refuses it from the start."),
    excuse("P", "tty child getpid * *", ["also: not in the foreground", "nothing on stderr"], ""),
    excuse("B", "gone child execve ENOEXEC first", ["not started: *"],
           "A file that the kernel cannot execute, and that is no ELF file, is run by /bin/sh, as by execvp(3). Here there "
           "is none, which sh says."),
    excuse("M", "* init,inner mmap * *",
           ["refused", "exit 125", "no: *", "also: a zombie was left", "also: a process was left behind",
            "also: the ward adopted an orphan", "also: the terminal was not given back"],
           "The kernel has no memory for init itself: init logs that and exits with 125."),
    excuse("G", "* child,inner-child setpgid,setsid * *", ["also: in no process group of its own", "nothing on stderr"],
           "A new child may always have a group or a session of its own (setpgid(2), setsid(2)). Where a filter forbids "
           "it the workload stays in podinit's group, and signals go to the main process alone."),
    excuse("K", "* init,inner kill EINVAL,EINTR,ENOSYS,EPERM *", LOST,
           "The kernel refuses the call that sends the signal: podinit warns, once, and can do no more."),
    excuse("K", "* init,inner kill ESRCH *", [*LOST, "nothing on stderr"], ""),
    excuse("K", "all init kill ESRCH *", ["no: flushed"], ""),
    excuse("K", "pid1 init rt_sigqueueinfo EINVAL,EINTR,ENOSYS,EPERM *", LOST, ""),
    excuse("K", "pid1 init rt_sigqueueinfo ESRCH *", [*LOST, "nothing on stderr"], ""),
    excuse("Z", "* init,inner pidfd_send_signal,pidfd_open ESRCH *",
           [*LOST, "no: *flushed", "also: a process was left behind", "nothing on stderr"],
           "ESRCH means that the process has exited, ECHILD that there is no child: then podinit signals and awaits none."),
    excuse("Z", "* init,inner read ESRCH *", ["no: *flushed", "also: a process was left behind", "nothing on stderr"], ""),
    excuse("Z", "pause init read ESRCH *", LOST, ""),
    # By kill(-1) there is no other process.
    excuse("Z", "pause init kill ESRCH *", ["no: *flushed", "nothing on stderr"], ""),
    # PID 1 finds remaining processes by kill(-1, 0), which other processes cannot use.
    excuse("Z", "sub,kill,tty,die init waitid ECHILD *",
           ["no: flushed", "also: a process was left behind", "also: a zombie was left", "nothing on stderr"], ""),
    excuse("Z", "kill init pidfd_send_signal,pidfd_open ESRCH *", ["exit 7", "also: not killed"], ""),
    excuse("V", "pid1 init rt_sigqueueinfo EAGAIN *", ["no: got 35 with 42", "also: got 35"],
           "The receiver's queue is full: the signal arrives without its value, and podinit warns."),
    excuse("S", "sub,ns,kill,tty,die init prctl * *",
           ["no: flushed", "also: the ward adopted an orphan", "also: a process was left behind",
            "also: a zombie was left"],
           "Without PR_SET_CHILD_SUBREAPER orphans do not become podinit's children: it warns at its start."),
    excuse("H", "sub,kill,tty,die init open,openat,getdents64,read,readlink,readlinkat * always",
           ["no: flushed", "also: a process was left behind"],
           "Not PID 1, and /proc cannot be read: podinit cannot find its descendants. It warns that it does not wait for "
           "them."),
    # Whether /proc is that of init's PID namespace is looked up once more at the stop.
    excuse("H", "sub,kill,tty,die init readlinkat * second",
           ["no: flushed", "also: a process was left behind"], ""),
    excuse("U", "pause init open,openat,getdents64,read,readlinkat * always", LOST,
           "/proc does not show the container leaders: they are awaited when the pod stops, and no signal is sent on a guess. "
           "podinit warns."),
    # One look at /proc fails: the one for the SIGHUP.
    excuse("U", "pause init open,openat,getdents64,read * first,second", LOST, ""),
    excuse("T", "tty init,child ioctl * *",
           ["also: not in the foreground", "also: the terminal was not given back", "nothing on stderr"],
           "Where the foreground of the terminal cannot be read or set, podinit runs as without a terminal."),
    excuse("A", "die init kill * second,always", ["exit 137", *LOST, "nothing on stderr"],
           "--die-alike: where init cannot send itself the signal, it exits with 128+n."),
    excuse("W", "* init,inner wait4 ECHILD always", ["hang"],
           "ECHILD means that there are no children; any other error, that waitid is called in place of wait4. No kernel and no "
           "filter says ECHILD to a parent."),
    # The same for one call: a child that exited before it is reaped with the next child that exits.
    excuse("W", "* init,inner wait4 ECHILD second",
           ["no: *orphan reaped", "also: *orphan not reaped", "nothing on stderr"], ""),
    # The podinit outside of the namespace has only one child.
    excuse("W", "ns init wait4 ECHILD second", ["hang"], ""),
    # Of the prctls, PR_SET_KEEPCAPS. By capset alone CAP_KILL does not survive the change of uid.
    excuse("C", "pause init prctl * always", LOST, ""),
    excuse("C", "pause init capget,capset,setresuid,setresgid * *", LOST,
           "Privileges cannot be dropped as intended: podinit warns, and continues with fewer, without CAP_KILL."),
    excuse("E", "* * read,poll,ppoll,wait4,waitid,getdents64 EINTR always", ["spin"],
           "A call that fails with EINTR is made again. No kernel interrupts every call."),
    excuse("E", "* * read EAGAIN always", ["spin"], ""),
    excuse("D", "gone init pwritev2 EAGAIN *", ["0 lines on stderr", "nothing on stderr"],
           "A log line is dropped where podinit would have to wait for its reader: PID 1 must not hang on its log."),
    excuse("D", "gone init pwritev2,write,poll EBADF,EFBIG,EIO,ENOSPC,EPIPE *", ["0 lines on stderr", "nothing on stderr"],
           ""),
]


def explain(case, flaw):
    """The excuse for a flaw of this case, if there is one."""
    for it in EXCUSES:
        parts = zip([it.scenarios, it.roles, it.calls, it.errnos, it.whens], case)
        if all(any(fnmatchcase(value, pattern) for pattern in patterns) for patterns, value in parts) \
                and any(fnmatchcase(flaw, pattern) for pattern in it.allows):
            return it
    return None
