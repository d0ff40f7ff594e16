//! Files read whole, as those of /proc are. (std's way of doing so is several KB of code more.)

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::read;

use crate::sys::fd::{kept_proc, read_directory};

/// `path` as openat(2) and the like take it: relative to /proc, if it is below that.
fn place(path: &str) -> (BorrowedFd<'static>, &str) {
    match (kept_proc(), below_proc(path)) {
        (Some(proc), Some(below)) => (proc, below),
        _ => (AT_FDCWD, path),
    }
}

/// `path` relative to /proc; `None` if it is not below that.
fn below_proc(path: &str) -> Option<&str> {
    match path.strip_prefix("/proc")? {
        "" => Some("."),
        below => below.strip_prefix('/'),
    }
}

/// Opens a file or a directory to be read, without waiting: open(2) of a FIFO would wait for a writer, also of one in a
/// file system that is mounted over /proc, beyond every deadline.
///
/// # Errors
/// What open(2) says.
pub fn open_to_read(path: &str) -> Result<OwnedFd, Errno> {
    let (directory, path) = place(path);
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    openat(directory, path, flags, Mode::empty())
}

/// All that is in a file.
///
/// # Errors
/// What open(2) or read(2) says.
pub fn read_whole(path: &str) -> Result<Vec<u8>, Errno> {
    read_all(open_to_read(path)?)
}

/// All that is in an open file.
///
/// # Errors
/// What read(2) says.
pub fn read_all(file: OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut content = vec![0; 2048];
    let mut length = 0;
    loop {
        match read(&file, &mut content[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        if length == content.len() {
            content.resize(2 * length, 0);
        }
    }
    content.truncate(length);
    Ok(content)
}

/// Calls `each` with the open directory `path` and the name of each of its entries but `.` and `..`.
///
/// # Errors
/// What open(2) or getdents64(2) says.
pub fn entries(path: &str, each: &mut dyn FnMut(BorrowedFd, &CStr)) -> Result<(), Errno> {
    let directory = open_to_read(path)?;
    let mut entries = vec![0; 4096];
    loop {
        let length = match read_directory(&directory, &mut entries) {
            Ok(0) => return Ok(()),
            Err(Errno::EINTR) => continue,
            length => length?,
        };
        for name in names(&entries[..length]).filter(|name| ![c".", c".."].contains(name)) {
            each(directory.as_fd(), name);
        }
    }
}

/// The names in what getdents64(2) has written: of each entry, bytes 16 and 17 are its length, and its name
/// begins at byte 19 and ends in a NUL.
fn names(mut entries: &[u8]) -> impl Iterator<Item = &CStr> {
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes([*entries.get(16)?, *entries.get(17)?]);
        let (entry, next) = entries.split_at_checked(length.into())?;
        entries = next;
        CStr::from_bytes_until_nul(entry.get(19..)?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::below_proc;

    #[test]
    fn what_only_begins_like_proc_is_not_below_it() {
        for (path, below) in [
            ("/proc", Some(".")),
            ("/proc/1/stat", Some("1/stat")),
            ("/processor/conf", None),
            ("/procédures", None),
            ("/etc", None),
        ] {
            assert_eq!(below_proc(path), below, "{path}");
        }
    }
}
