//! Sessions, process groups and their controlling terminal (credentials(7)).

use std::ffi::c_int;

use nix::errno::Errno;
use nix::unistd;

use super::fd::standard;

/// Which session and process group a workload is started in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// In a group of its own, in init's session.
    OwnGroup,
    /// In a session of its own, with the terminal on its stdin, if that is free, for its own.
    Own,
    /// In init's own group.
    Inherited,
}

impl Session {
    /// Moves the calling process there, by setpgid(2) or setsid(2), and gives its group the foreground of `terminal`
    /// (tcsetpgrp(3)) or its session the terminal on stdin (TIOCSCTTY). For the child of a vfork: allocates nothing.
    ///
    /// A step that fails leaves the process in init's session and group, where it can run as well.
    pub(super) fn enter(self, pid: c_int, terminal: Option<c_int>) {
        let itself = unistd::Pid::from_raw(0);
        match self {
            Session::OwnGroup => {
                // Without a group of its own the workload is in init's, which has the foreground. The kernel would give
                // that to a group without members, too.
                if unistd::setpgid(itself, itself).is_ok()
                    && let Some(terminal) = terminal
                {
                    let _ = set_foreground_group(terminal, pid);
                }
            }
            Session::Own => {
                let _ = unistd::setsid();
                // SAFETY: this ioctl takes a number.
                unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
            }
            Session::Inherited => {}
        }
    }
}

/// Makes init the leader of a session of its own, if it does not lead one. SIGCONT needs no permission between processes
/// of one session (kill(2)).
///
/// # Errors
/// EPERM if init leads a process group of another session.
pub fn lead_session() -> Result<(), Errno> {
    if leads_session() { Ok(()) } else { unistd::setsid().map(drop) }
}

/// Whether init leads its session, by getsid(2).
fn leads_session() -> bool {
    unistd::getsid(None) == Ok(unistd::getpid())
}

/// The own process group, by getpgrp(2); 0 if its first process is outside the PID namespace.
pub fn own_group() -> i32 {
    unistd::getpgrp().as_raw()
}

/// The foreground process group of the terminal behind the standard descriptor `fd`, by tcgetpgrp(3); 0 if it is outside
/// the PID namespace.
///
/// # Errors
/// ENOTTY if `fd` is not the controlling terminal.
pub fn foreground_group(fd: i32) -> Result<i32, Errno> {
    unistd::tcgetpgrp(standard(fd)).map(unistd::Pid::as_raw)
}

/// Puts the process group `group` in the foreground of the terminal behind the standard descriptor `fd`.
///
/// # Errors
/// What tcsetpgrp(3) says.
pub fn set_foreground_group(fd: i32, group: i32) -> Result<(), Errno> {
    unistd::tcsetpgrp(standard(fd), unistd::Pid::from_raw(group))
}

/// Gives up the controlling terminal, if it is the one on stdin. Returns whether that made the kernel
/// send SIGHUP and SIGCONT to its foreground group: it does if init leads the session (TIOCNOTTY).
pub fn give_up_terminal() -> bool {
    // SAFETY: this ioctl takes numbers.
    unsafe { libc::ioctl(0, libc::TIOCNOTTY) == 0 && leads_session() }
}
