//! Releases what init was started with and does not need: the working directory, descriptors, and code.

use std::os::fd::RawFd;

use nix::unistd::chdir;

use crate::sys::describe;
use crate::sys::fd::{STDERR, close_between};
use crate::sys::memory::release_cold_code;

/// Leaves the working directory and closes every descriptor but stderr and those that are `kept`, so that files, pipes and
/// mounts are free when the other processes have closed them. Releases the code that only the start took.
pub fn settle(kept: &[Option<RawFd>]) {
    if let Err(errno) = chdir(c"/") {
        warn!("cannot leave the working directory: {}", describe(errno));
    }
    let mut first = 0;
    let kept = || kept.iter().flatten().copied().chain([STDERR]);
    while let Some(fd) = kept().filter(|fd| *fd >= first).min() {
        close_between(first, fd - 1);
        first = fd + 1;
    }
    close_between(first, RawFd::MAX);
    release_cold_code();
}
