//! Pidfds: each refers to one process, and never to a later one with the same pid (pidfd_open(2)).

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::ioctl_readwrite;

use super::check;
use super::process::Pid;
use super::signal::{Queued, QueuedInfo};
use crate::signal::Signal;

/// struct pidfd_info, as its first version has it (linux/pidfd.h).
#[repr(C)]
#[derive(Default)]
struct Info {
    /// What is asked for, and what was answered (PIDFD_INFO_*).
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    /// As wait(2) has it.
    exit_status: i32,
}

/// PIDFD_INFO_EXIT: the exit status of a process that has been reaped. Since Linux 6.15.
const EXIT: u64 = 1 << 3;

/// PIDFD_SIGNAL_PROCESS_GROUP. Since Linux 6.9.
const TO_GROUP: u32 = 1 << 2;

ioctl_readwrite!(
    /// PIDFD_GET_INFO of ioctl(2).
    get_info,
    0xff,
    11,
    Info
);

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
        self.send_info(signal.number(), ptr::null(), 0)
    }

    /// Sends `signal` to the process group whose id is this process's pid, by pidfd_send_signal(2); also after the process
    /// itself has been reaped.
    ///
    /// # Errors
    /// As kill(2); EINVAL before Linux 6.9.
    pub fn send_to_group(&self, signal: Signal) -> Result<(), Errno> {
        self.send_info(signal.number(), ptr::null(), TO_GROUP)
    }

    /// Queues `signal` to it with the value and the sender that it came with, by pidfd_send_signal(2).
    ///
    /// # Errors
    /// As for `send`, and EAGAIN if the receiver's queue is full.
    pub fn queue(&self, signal: Signal, queued: Queued) -> Result<(), Errno> {
        self.send_info(signal.number(), &queued.info(signal), 0)
    }

    /// Whether it can be signalled by the pidfd, by pidfd_send_signal(2) with signal 0: a seccomp filter may forbid that.
    pub fn can_be_signalled(&self) -> bool {
        self.send_info(0, ptr::null(), 0).is_ok()
    }

    /// The exit status of a process that has been reaped, as wait(2) has it. `None` if it has not been reaped, or the
    /// kernel does not say (before Linux 6.15).
    pub fn exit_status(&self) -> Option<i32> {
        let mut info = Info { mask: EXIT, ..Info::default() };
        // SAFETY: the kernel writes at most as many bytes as the request says, which is the size of `Info`.
        unsafe { get_info(self.0.as_raw_fd(), &mut info) }.ok()?;
        (info.mask & EXIT != 0).then_some(info.exit_status)
    }

    fn send_info(&self, number: i32, info: *const QueuedInfo, flags: u32) -> Result<(), Errno> {
        let fd = self.0.as_raw_fd();
        // SAFETY: the siginfo is null or a live QueuedInfo, which has siginfo_t's layout.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, info, flags) };
        check(answer).map(|_| ())
    }
}

impl AsFd for PidFd {
    /// Readable once the process has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The inode of a pidfd of `pid`: since Linux 6.9 no two processes have the same. Allocates nothing.
pub(super) fn pidfd_inode(pid: c_int) -> Option<u64> {
    // SAFETY: an all-zero statx is a valid value for the call to overwrite; the descriptor is this function's own.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0)).ok()? as c_int;
        let mut stat: libc::statx = std::mem::zeroed();
        let (path, mask) = (c"".as_ptr(), libc::STATX_INO);
        let answer = libc::syscall(libc::SYS_statx, fd, path, libc::AT_EMPTY_PATH, mask, &raw mut stat);
        libc::close(fd);
        (answer == 0).then_some(stat.stx_ino)
    }
}
