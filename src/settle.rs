//! Settling down: keeping nothing of what we were started with.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use log::warn;
use nix::unistd::chdir;

use crate::mailbox::Mailbox;
use crate::sys::describe;
use crate::sys::fd::{STDERR, close_between};
use crate::terminal::Terminal;

/// Leaves the working directory and closes every descriptor but stderr, `terminal`'s and the mailbox's, so that files,
/// pipes and mounts are free when the other processes have closed them.
pub fn settle(mailbox: &Mailbox, terminal: Option<Terminal>) {
    if let Err(errno) = chdir(c"/") {
        warn!("cannot leave the working directory: {}", describe(errno));
    }
    let kept = mailbox.as_fd().as_raw_fd();
    close_between(STDERR + 1, kept - 1);
    close_between(kept + 1, RawFd::MAX);
    for fd in 0..STDERR {
        if terminal.is_none_or(|terminal| terminal.fd() != fd) {
            close_between(fd, fd);
        }
    }
}
