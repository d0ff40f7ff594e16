//! Settling down: keeping nothing of what we were started with.

use std::os::fd::RawFd;

use log::warn;
use nix::errno::Errno;
use nix::unistd::chdir;

use crate::mailbox::Mailbox;
use crate::sys::describe;
use crate::sys::fd::{STDERR, close_between};
use crate::sys::process::Pid;
use crate::terminal::Terminal;

/// Leaves the working directory and lets go of every descriptor but stderr and `terminal`'s, so that
/// files, pipes and mounts are free when the others are done with them; and opens the mailbox.
///
/// # Errors
/// As [`Mailbox::open`].
pub fn settle(own: Pid, terminal: Option<Terminal>) -> Result<Mailbox, Errno> {
    if let Err(errno) = chdir(c"/") {
        warn!("cannot leave the working directory: {}", describe(errno));
    }
    close_between(STDERR + 1, RawFd::MAX);
    let mailbox = Mailbox::open(own)?;
    for fd in 0..STDERR {
        if terminal.is_none_or(|terminal| terminal.fd() != fd) {
            close_between(fd, fd);
        }
    }
    Ok(mailbox)
}
