//! Pidfds: each refers to one process, and never to a later one with the same pid (pidfd_open(2)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;

use super::check;
use super::process::Pid;
use super::signal::{Queued, QueuedInfo};
use crate::signal::Signal;

/// A descriptor that refers to one process.
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens a pidfd for the process that has this pid now, by pidfd_open(2).
    ///
    /// # Errors
    /// ESRCH if there is none; ENOSYS before Linux 5.3, or EPERM from a seccomp filter that does not
    /// know the call.
    pub fn open(pid: Pid) -> Result<PidFd, Errno> {
        // SAFETY: the call takes numbers; what it returns is a new descriptor, which this value owns.
        unsafe {
            let fd = check(libc::syscall(libc::SYS_pidfd_open, pid.get(), 0))?;
            Ok(PidFd(OwnedFd::from_raw_fd(fd as RawFd)))
        }
    }

    /// Sends it `signal`, by pidfd_send_signal(2).
    ///
    /// # Errors
    /// As kill(2): ESRCH, EPERM.
    pub fn send(&self, signal: Signal) -> Result<(), Errno> {
        // With no siginfo the kernel makes one, as for kill(2).
        self.send_info(signal, ptr::null())
    }

    /// Queues `signal` to it with the value and the sender that it came with, by pidfd_send_signal(2).
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
    /// Readable once the process has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
