//! Releases what init was started with and does not need: the working directory and descriptors.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::unistd::chdir;

use crate::mailbox::Mailbox;
use crate::sys::describe;
use crate::sys::fd::{STDERR, close_between};

/// Leaves the working directory and closes every descriptor but stderr, the mailbox's and the standard one `kept`, so that files,
/// pipes and mounts are free when the other processes have closed them.
pub fn settle(mailbox: &Mailbox, kept: Option<RawFd>) {
    if let Err(errno) = chdir(c"/") {
        warn!("cannot leave the working directory: {}", describe(errno));
    }
    let mailbox = mailbox.as_fd().as_raw_fd();
    close_between(STDERR + 1, mailbox - 1);
    close_between(mailbox + 1, RawFd::MAX);
    for fd in 0..STDERR {
        if kept != Some(fd) {
            close_between(fd, fd);
        }
    }
}
