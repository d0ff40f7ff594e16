//! Pidfds: a hold on one process that its number's reuse cannot slip (pidfd_open(2)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;

use super::check;
use super::process::Pid;
use super::signal::{Queued, QueuedInfo};
use crate::signal::Signal;

/// A hold on one process.
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes hold of the process that has this pid now.
    ///
    /// # Errors
    /// ESRCH if there is none; ENOSYS before Linux 5.3, or EPERM from a seccomp filter that does not
    /// know the call.
    pub fn open(pid: Pid) -> Result<PidFd, Errno> {
        // SAFETY: the call takes numbers; what it returns is a new descriptor that is ours.
        unsafe {
            let fd = check(libc::syscall(libc::SYS_pidfd_open, pid.get(), 0))?;
            Ok(PidFd(OwnedFd::from_raw_fd(fd as RawFd)))
        }
    }

    /// Sends it `signal`.
    ///
    /// # Errors
    /// As kill(2): ESRCH, EPERM.
    pub fn send(&self, signal: Signal) -> Result<(), Errno> {
        // With no siginfo the kernel makes one, as for kill(2).
        self.send_info(signal, ptr::null())
    }

    /// Sends it `signal` as it was queued, with its value.
    ///
    /// # Errors
    /// As for `send`, and EAGAIN if the receiver's queue is full.
    pub fn queue(&self, signal: Signal, queued: Queued) -> Result<(), Errno> {
        self.send_info(signal, &queued.info(signal))
    }

    fn send_info(&self, signal: Signal, info: *const QueuedInfo) -> Result<(), Errno> {
        let fd = self.0.as_raw_fd();
        // SAFETY: the siginfo is null or a live QueuedInfo, which has siginfo_t's layout.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal.number(), info, 0) };
        check(answer).map(|_| ())
    }
}

impl AsFd for PidFd {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
