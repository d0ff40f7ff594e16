//! Descriptors: letting go of the workload's, and a write that cannot block.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::write;

use super::check;

/// Where `--help`, `--version` and the like are printed.
pub const STDOUT: RawFd = 1;

/// The descriptor of stderr. It may be closed.
pub const STDERR: RawFd = 2;

/// Closes every descriptor from `first` to `last`, both included. What is not open is no error.
pub fn close_between(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: the caller owns no descriptor in this range in the form of an OwnedFd; closing a
    // number touches no memory.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if check(answer).is_err() {
        // No close_range before Linux 5.9, or a seccomp filter that does not know it.
        for fd in first..=last.min(highest_possible()) {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// The highest number that a descriptor opened under the present limit can have. One opened before
/// the limit was lowered may be above it, and then stays open.
fn highest_possible() -> RawFd {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: 0 };
    // SAFETY: the call writes to `limit` and no further. It cannot fail; if it did, the limit would stay infinite.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    // A limit of a million and more is common in containers; closing that many takes a tenth of a
    // second, once, and only where close_range is missing.
    RawFd::try_from(limit.rlim_cur).unwrap_or(RawFd::MAX).clamp(3, 1 << 20) - 1
}

/// Reads entries of a directory as getdents64(2) writes them, and returns how many bytes there are; 0 at
/// its end. (opendir(3) would bring the C library's allocator along.)
///
/// # Errors
/// What getdents64(2) says.
pub fn read_directory(directory: impl AsFd, entries: &mut [u8]) -> Result<usize, Errno> {
    let fd = directory.as_fd().as_raw_fd();
    // SAFETY: the kernel writes no more than `entries` holds.
    let answer = unsafe { libc::syscall(libc::SYS_getdents64, fd, entries.as_mut_ptr(), entries.len()) };
    check(answer).map(|length| length as usize)
}

/// The descriptor of /proc; -1 as long as it is not kept open.
static PROC: AtomicI32 = AtomicI32::new(-1);

/// Opens /proc for all reads to come, as long as PID 1 may do so: a root directory that other users may not search would
/// hide it later. A /proc of another PID namespace, in which PID 1 has another number, is not kept open.
pub fn keep_proc_open() {
    let Ok(proc) = open(c"/proc", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) else { return };
    if read_link_at(proc.as_raw_fd(), c"self", &mut [0; 16]).is_ok_and(|link| link == b"1") {
        PROC.store(proc.into_raw_fd(), Ordering::Relaxed);
    }
}

/// The directory /proc, if it is kept open.
pub fn kept_proc() -> Option<BorrowedFd<'static>> {
    let fd = PROC.load(Ordering::Relaxed);
    // SAFETY: this descriptor is never closed.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Reads the link /proc/self: init's pid in the PID namespace of that /proc.
///
/// # Errors
/// What readlinkat(2) says.
pub fn read_proc_self(link: &mut [u8; 16]) -> Result<&[u8], Errno> {
    match kept_proc() {
        Some(proc) => read_link_at(proc.as_raw_fd(), c"self", link),
        None => read_link_at(libc::AT_FDCWD, c"/proc/self", link),
    }
}

/// Reads the link `path`, up to the length of `target`. (nix's readlink makes a second system call for the size, and is
/// 2 KB of code.)
///
/// # Errors
/// What readlink(2) says: EINVAL if it is no link.
pub fn read_link<'t>(path: &CStr, target: &'t mut [u8]) -> Result<&'t [u8], Errno> {
    read_link_at(libc::AT_FDCWD, path, target)
}

fn read_link_at<'t>(directory: RawFd, path: &CStr, target: &'t mut [u8]) -> Result<&'t [u8], Errno> {
    // SAFETY: the path is a C string, and the kernel writes no more than `target` holds.
    let length =
        unsafe { libc::readlinkat(directory, path.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    check(length as libc::c_long).map(|length| &target[..length as usize])
}

/// Borrows one of the standard descriptors. It may be closed.
pub fn standard(fd: RawFd) -> BorrowedFd<'static> {
    assert!((0..=STDERR).contains(&fd));
    // SAFETY: each borrow lasts for one call, during which no descriptor is closed; a closed number answers EBADF.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Writes to stderr without ever waiting for its reader, and returns how many bytes were written: it may be a part.
///
/// # Errors
/// EAGAIN if the line would have to wait; else what write(2) says.
pub fn write_stderr_nowait(line: &[u8]) -> Result<usize, Errno> {
    let iov = libc::iovec { iov_base: line.as_ptr().cast_mut().cast(), iov_len: line.len() };
    // O_NONBLOCK would be shared with the workload, so RWF_NOWAIT is set for this write alone. The offset
    // of -1 means the current position.
    // SAFETY: the iovec covers `line`, which is only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_pwritev2, STDERR, &iov, 1, -1_isize, -1_isize, libc::RWF_NOWAIT) };
    match check(answer) {
        Err(Errno::EAGAIN) if is_regular_file(standard(STDERR)) != Ok(true) => Err(Errno::EAGAIN),
        // A file that needs the disk first; a terminal, which does not know RWF_NOWAIT; a pipe or a socket before
        // Linux 6.5; no pwritev2 (before 4.6); or an interruption: what follows tries again.
        Err(
            Errno::EAGAIN
            | Errno::EOPNOTSUPP
            | Errno::ENOSYS
            | Errno::EINVAL
            | Errno::EPERM
            | Errno::ESPIPE
            | Errno::EINTR,
        ) => write_stderr_otherwise(line),
        written => written.map(|written| written as usize),
    }
}

fn write_stderr_otherwise(line: &[u8]) -> Result<usize, Errno> {
    if is_regular_file(standard(STDERR)) == Ok(true) {
        return write(standard(STDERR), line);
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `line` is only read.
    let sent = unsafe { libc::send(STDERR, line.as_ptr().cast(), line.len(), flags) };
    match check(sent as libc::c_long) {
        Err(Errno::ENOTSOCK) => {}
        sent => return sent.map(|sent| sent as usize),
    }
    // poll(2) does not help: a terminal is ready for a byte, and the line would wait for the others, or for another
    // writer that waits (tty_write_lock). An open file description of init's own need not be shared.
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    if let Ok(own) = open("/proc/self/fd/2", flags, Mode::empty()) {
        return write(own, line);
    }
    write_in_a_moment_without_waiting(line)
}

/// Writes where stderr cannot be opened anew: without /proc, or a terminal of another user (su(1)). O_NONBLOCK holds for
/// the workload too meanwhile.
fn write_in_a_moment_without_waiting(line: &[u8]) -> Result<usize, Errno> {
    let stderr = standard(STDERR);
    let flags = OFlag::from_bits_retain(fcntl(stderr, FcntlArg::F_GETFL)?);
    fcntl(stderr, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    let written = write(stderr, line);
    let _ = fcntl(stderr, FcntlArg::F_SETFL(flags));
    written
}

/// Whether `file` is a regular file, by fstat(2).
///
/// # Errors
/// What fstat(2) says.
pub fn is_regular_file(file: impl AsFd) -> Result<bool, Errno> {
    Ok(SFlag::from_bits_truncate(fstat(file)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG)
}
