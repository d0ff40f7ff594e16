//! Processes: who we are, and the children that have changed.

use std::ffi::CStr;
use std::fmt;

use nix::errno::Errno;

use super::check;
use super::signal::Signal;

/// The id of one process: always positive, so that it can never mean a group or everybody.
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

/// Our own pid.
pub fn own_pid() -> Pid {
    // SAFETY: getpid touches no memory and cannot fail.
    Pid(unsafe { libc::getpid() })
}

/// Our parent's pid; `None` if it lives outside our PID namespace.
pub fn parent_pid() -> Option<Pid> {
    // SAFETY: getppid touches no memory and cannot fail.
    Pid::new(unsafe { libc::getppid() })
}

/// The time since the machine's start in clock ticks, as the start times in /proc/PID/stat are (proc(5)).
pub fn ticks_since_boot() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write to; it cannot fail, and then would stay zero.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    // A hundred a second on every machine that podinit is made for (USER_HZ).
    time.tv_sec as u64 * 100 + time.tv_nsec as u64 / 10_000_000
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It exited with this code.
    Exited(u8),
    /// A signal killed it.
    Killed(Signal),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exit code {code}"),
            End::Killed(signal) => write!(f, "killed by {signal}"),
        }
    }
}

/// What became of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It ended and has been reaped.
    Ended(Pid, End),
    /// It was stopped by this signal, and lives.
    Stopped(Pid, Signal),
}

impl Change {
    /// Of which child.
    pub fn pid(self) -> Pid {
        match self {
            Change::Ended(pid, _) | Change::Stopped(pid, _) => pid,
        }
    }
}

/// Takes a change of `child`, or else of any child: that it has ended (and been reaped by this) or stopped, without
/// waiting. `None` when nothing has changed.
///
/// nix's `waitpid` is not used: it reaps a child that a real-time signal killed and then answers
/// EINVAL, because its `Signal` cannot name the signal; the child's end would be lost.
///
/// # Errors
/// ECHILD if there are no children at all.
pub fn take_change(child: Option<Pid>) -> Result<Option<Change>, Errno> {
    let mut status = 0;
    // SAFETY: `status` is ours to write to.
    let pid =
        unsafe { libc::waitpid(child.map_or(-1, Pid::get), &mut status, libc::WNOHANG | libc::WUNTRACED) };
    check(pid.into())?;
    Ok(Pid::new(pid).map(|pid| change(pid, status)))
}

fn change(pid: Pid, status: libc::c_int) -> Change {
    let signal = |number| Signal::new(number).expect("the kernel knows its signals");
    if libc::WIFEXITED(status) {
        Change::Ended(pid, End::Exited(libc::WEXITSTATUS(status) as u8))
    } else if libc::WIFSIGNALED(status) {
        Change::Ended(pid, End::Killed(signal(libc::WTERMSIG(status))))
    } else {
        Change::Stopped(pid, signal(libc::WSTOPSIG(status)))
    }
}

/// The pid of a child that has ended and is still to be reaped, if there is one. It stays as it is.
///
/// # Errors
/// ECHILD if there are no children at all.
pub fn peek_ended() -> Result<Option<Pid>, Errno> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: an all-zero siginfo_t is a valid value for waitid to overwrite, and says of no child.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        check(libc::waitid(libc::P_ALL, 0, &mut info, options).into())?;
        Ok(Pid::new(info.si_pid()))
    }
}

/// Whether there are children, zombies included. An error other than ECHILD does not say that there are none.
pub fn have_children() -> bool {
    peek_ended() != Err(Errno::ECHILD)
}

/// Sets our name, as in /proc/PID/comm.
pub fn set_own_name(name: &CStr) {
    // SAFETY: the name is a C string, and is copied.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Has the kernel write no core file of us.
pub fn leave_no_core() {
    // SAFETY: this prctl takes a number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
}

/// Makes orphaned descendants our children, where we are not PID 1.
///
/// # Errors
/// What prctl(2) says: EINVAL before Linux 3.4.
pub fn become_subreaper() -> Result<(), Errno> {
    // SAFETY: this prctl takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }.into()).map(|_| ())
}

/// Asks for `signal` when our parent ends.
///
/// # Errors
/// What prctl(2) says.
pub fn signal_on_parent_death(signal: Signal) -> Result<(), Errno> {
    // SAFETY: this prctl takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.number()) }.into()).map(|_| ())
}

/// Makes init the leader of a session of its own, if it does not lead one. SIGCONT needs no permission between processes
/// of one session (kill(2)).
///
/// # Errors
/// EPERM if init leads a process group of another session.
pub fn lead_session() -> Result<(), Errno> {
    // SAFETY: the calls take numbers.
    unsafe {
        if libc::getsid(0) == libc::getpid() {
            return Ok(());
        }
        check(libc::setsid().into()).map(|_| ())
    }
}

/// Our process group; 0 if its founder lives outside our PID namespace.
pub fn own_group() -> i32 {
    // SAFETY: getpgrp touches no memory and cannot fail.
    unsafe { libc::getpgrp() }
}

/// The foreground process group of the terminal behind `fd`; 0 if it lives outside our PID
/// namespace.
///
/// # Errors
/// ENOTTY if `fd` is not our controlling terminal.
pub fn foreground_group(fd: i32) -> Result<i32, Errno> {
    // SAFETY: tcgetpgrp takes a number.
    check(unsafe { libc::tcgetpgrp(fd) }.into()).map(|group| group as i32)
}

/// Puts the process group `group` in the foreground of the terminal behind `fd`.
///
/// # Errors
/// What tcsetpgrp(3) says.
pub fn set_foreground_group(fd: i32, group: i32) -> Result<(), Errno> {
    // SAFETY: tcsetpgrp takes numbers.
    check(unsafe { libc::tcsetpgrp(fd, group) }.into()).map(|_| ())
}

/// Gives up the controlling terminal, if it is the one on stdin. Returns whether that made the kernel
/// send SIGHUP and SIGCONT to its foreground group: it does if we led the session (TIOCNOTTY).
pub fn give_up_terminal() -> bool {
    // SAFETY: the calls take numbers.
    unsafe { libc::ioctl(0, libc::TIOCNOTTY) == 0 && libc::getsid(0) == libc::getpid() }
}

/// Makes a PID namespace for our next child to be PID 1 of, and a mount namespace for its /proc.
///
/// # Errors
/// What unshare(2) says: EPERM without CAP_SYS_ADMIN, ENOSPC at the limit of namespaces.
pub fn make_pid_namespace() -> Result<(), Errno> {
    // SAFETY: unshare takes a number.
    check(unsafe { libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS) }.into()).map(|_| ())
}

/// Mounts the /proc of our PID namespace in our mount namespace, and nowhere else.
///
/// # Errors
/// What mount(2) says.
pub fn mount_own_proc() -> Result<(), Errno> {
    let none = std::ptr::null::<libc::c_void>();
    let proc = c"proc".as_ptr();
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: the strings are C strings, and there is no data.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none.cast(), c"/".as_ptr(), none.cast(), private, none).into())?;
        check(libc::mount(proc, c"/proc".as_ptr(), proc, flags, none).into()).map(|_| ())
    }
}
