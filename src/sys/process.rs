//! Processes: init itself, and its children that have exited or stopped.

use std::fmt;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::time::{ClockId, clock_gettime};
use nix::unistd;

use super::fd::write_stderr_nowait;
use super::{OWN_FAILURE, check};
use crate::signal::Signal;

/// The id of one process: always positive, so that it can never mean a group or every process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// The pid with this number, if it is one.
    pub const fn new(number: i32) -> Option<Pid> {
        if number > 0 { Some(Pid(number)) } else { None }
    }

    /// Its number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The own pid, by getpid(2). The kernel always has an answer, but a seccomp filter may have an error in its place: then
/// init exits, since as a pid that number means all processes to kill(2).
pub fn own_pid() -> Pid {
    Pid::new(unistd::getpid().as_raw()).unwrap_or_else(|| {
        let _ = write_stderr_nowait(b"podinit: getpid fails (a seccomp filter must allow it)\n");
        // SAFETY: _exit touches no memory, and does not come back.
        unsafe { libc::_exit(OWN_FAILURE.into()) }
    })
}

/// Has init run sooner once it is woken, where other processes use all processors: the scheduler runs the one first
/// that asks for the shortest slice, 0.1 ms here (sched_setattr(2), since Linux 6.12).
pub fn ask_for_short_slices() {
    const SLICE: usize = 3;
    // struct sched_attr of 48 bytes. Its fourth word is sched_runtime.
    let mut attr = [0u64; 6];
    // SAFETY: the kernel writes at most as many bytes as it is given.
    if unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size_of_val(&attr), 0) } == 0 {
        attr[SLICE] = 100_000;
        // SAFETY: the kernel reads as many bytes as it wrote into the first word.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    }
}

/// The parent's pid, by getppid(2); `None` if it is outside the PID namespace.
pub fn parent_pid() -> Option<Pid> {
    Pid::new(unistd::getppid().as_raw())
}

/// The time since the machine's start in clock ticks, as the start times in /proc/PID/stat are (proc(5)).
pub fn ticks_since_boot() -> u64 {
    // It cannot fail.
    let Ok(time) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
    // A hundred a second on every machine that podinit is made for (USER_HZ).
    time.tv_sec() as u64 * 100 + time.tv_nsec() as u64 / 10_000_000
}

/// How a process exited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It exited with this code.
    Exited(u8),
    /// A signal killed it.
    Killed(Signal),
    /// A signal killed it, and the kernel wrote a core file.
    Dumped(Signal),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exit code {code}"),
            End::Killed(signal) => write!(f, "killed by {signal}"),
            End::Dumped(signal) => write!(f, "killed by {signal} (core dumped)"),
        }
    }
}

/// A change of a child's state (wait(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It exited or was killed, and has been reaped.
    Exited(Pid, End),
    /// It was stopped by this signal.
    Stopped(Pid, Signal),
}

impl Change {
    /// Of which child.
    pub fn pid(self) -> Pid {
        match self {
            Change::Exited(pid, _) | Change::Stopped(pid, _) => pid,
        }
    }
}

/// Takes a change of `child`, or else of any child, by waitpid(2) without waiting: an exit, by which the child is reaped,
/// or a stop. `None` if there is none. Where a seccomp filter refuses that call, by waitid(2).
///
/// nix's `waitpid` is not used: it reaps a child that a real-time signal killed and then answers
/// EINVAL, because its `Signal` cannot name the signal; the child's status would be lost.
///
/// # Errors
/// ECHILD if there are no children at all.
pub fn take_change(child: Option<Pid>) -> Result<Option<Change>, Errno> {
    let mut status = 0;
    // SAFETY: the call writes to `status` and no further.
    let pid =
        unsafe { libc::waitpid(child.map_or(-1, Pid::get), &mut status, libc::WNOHANG | libc::WUNTRACED) };
    let pid = match check(pid.into()) {
        Ok(_) => Pid::new(pid),
        Err(errno @ (Errno::ECHILD | Errno::EINTR)) => return Err(errno),
        Err(_) => wait_by_id(child, libc::WEXITED | libc::WSTOPPED, &mut status)?,
    };
    Ok(pid.map(|pid| change(pid, status)))
}

fn change(pid: Pid, status: libc::c_int) -> Change {
    match end(status) {
        Some(end) => Change::Exited(pid, end),
        None => Change::Stopped(pid, signal(libc::WSTOPSIG(status))),
    }
}

/// What a `status` says of how a process exited (wait(2)); `None` if it was stopped.
pub fn end(status: libc::c_int) -> Option<End> {
    if libc::WIFEXITED(status) {
        Some(End::Exited(libc::WEXITSTATUS(status) as u8))
    } else if libc::WIFSIGNALED(status) {
        let signal = signal(libc::WTERMSIG(status));
        Some(if libc::WCOREDUMP(status) { End::Dumped(signal) } else { End::Killed(signal) })
    } else {
        None
    }
}

fn signal(number: libc::c_int) -> Signal {
    Signal::new(number).expect("the kernel knows its signals")
}

/// The pid of a zombie child, by waitid(2) with WNOWAIT, if there is one. It stays a zombie.
///
/// # Errors
/// ECHILD if there are no children at all.
pub fn peek_exited() -> Result<Option<Pid>, Errno> {
    wait_by_id(None, libc::WEXITED | libc::WNOWAIT, &mut 0)
}

/// The pid of `child`, or else of any child, that has changed as `options` say, by waitid(2) without waiting; and its
/// `status` as waitpid(2) has it.
fn wait_by_id(child: Option<Pid>, options: i32, status: &mut libc::c_int) -> Result<Option<Pid>, Errno> {
    let (kind, id) = child.map_or((libc::P_ALL, 0), |child| (libc::P_PID, child.get() as libc::id_t));
    // SAFETY: an all-zero siginfo_t is a valid value for waitid to overwrite, and names no child.
    let (pid, code, value) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        check(libc::waitid(kind, id, &mut info, options | libc::WNOHANG).into())?;
        (info.si_pid(), info.si_code, info.si_status())
    };
    *status = match code {
        libc::CLD_EXITED => value << 8,
        libc::CLD_STOPPED => value << 8 | 0x7f,
        libc::CLD_DUMPED => value | 0x80,
        _ => value,
    };
    Ok(Pid::new(pid))
}

/// Whether there are children, zombies included. An error other than ECHILD does not say that there are none: where a
/// seccomp filter refuses waitid(2), waitpid(2) says it, which reaps one that has exited. So it is for the stop.
pub fn have_children() -> bool {
    let peeked = match peek_exited() {
        Err(errno) if errno != Errno::ECHILD => take_change(None).map(drop),
        peeked => peeked.map(drop),
    };
    peeked != Err(Errno::ECHILD)
}

/// Has the kernel write no core file of init, by PR_SET_DUMPABLE of prctl(2).
pub fn leave_no_core() {
    let _ = prctl::set_dumpable(false);
}

/// Makes orphaned descendants children of init, where it is not PID 1, by PR_SET_CHILD_SUBREAPER of prctl(2).
///
/// # Errors
/// EINVAL before Linux 3.4.
pub fn become_subreaper() -> Result<(), Errno> {
    prctl::set_child_subreaper(true)
}

/// Whether this process is a subreaper: it stays one over execve(2). What prctl(2) does not say counts as no.
pub fn is_subreaper() -> bool {
    prctl::get_child_subreaper() == Ok(true)
}

/// Has the kernel send `signal` to init when its parent exits, by PR_SET_PDEATHSIG of prctl(2). nix's function does not
/// take real-time signals.
///
/// # Errors
/// What prctl(2) says.
pub fn signal_on_parent_death(signal: Signal) -> Result<(), Errno> {
    // SAFETY: this prctl takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.number()) }.into()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::signal::kill_process;

    #[test]
    fn waitid_has_the_same_status() {
        let wait = |child, options| {
            let mut status = 0;
            let pid = loop {
                if let Some(pid) = wait_by_id(Some(child), options, &mut status).unwrap() {
                    break pid;
                }
            };
            assert_eq!(pid, child);
            change(pid, status)
        };
        let sleep = || Command::new("sleep").arg("1000").spawn().unwrap().id() as i32;
        let pid = Pid::new(sleep()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        assert_eq!(wait(pid, libc::WEXITED | libc::WSTOPPED), Change::Stopped(pid, Signal::STOP));
        kill_process(pid, Signal::KILL).unwrap();
        assert_eq!(wait(pid, libc::WEXITED | libc::WSTOPPED), Change::Exited(pid, End::Killed(Signal::KILL)));
        for signal in [Signal::new(libc::SIGRTMAX()).unwrap(), Signal::new(libc::SIGABRT).unwrap()] {
            let pid = Pid::new(sleep()).unwrap();
            kill_process(pid, signal).unwrap();
            assert_eq!(wait(pid, libc::WEXITED), Change::Exited(pid, End::Killed(signal)));
        }
        for code in [0, 1, 255] {
            let script = format!("exit {code}");
            let pid = Command::new("sh").args(["-c", &script]).spawn().unwrap().id();
            let pid = Pid::new(pid as i32).unwrap();
            assert_eq!(wait(pid, libc::WEXITED), Change::Exited(pid, End::Exited(code)));
        }
    }
}
