//! Files read whole, as those of /proc are. (std's way of doing so is several KB of code more.)

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::read;

/// Opens what is there to be read; `None` if that cannot be.
pub fn open_to_read(path: &str) -> Option<OwnedFd> {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// All that is in a file; `None` if it cannot be read.
pub fn bytes(path: &str) -> Option<Vec<u8>> {
    let file = open_to_read(path)?;
    let mut content = vec![0; 2048];
    let mut length = 0;
    loop {
        match read(&file, &mut content[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
        if length == content.len() {
            content.resize(2 * length, 0);
        }
    }
    content.truncate(length);
    Some(content)
}

/// The same as text. What is not UTF-8 is replaced: a process may choose its name, and the kernel cuts
/// it off within a character.
pub fn text(path: &str) -> Option<String> {
    bytes(path).map(|content| String::from_utf8_lossy(&content).into_owned())
}
