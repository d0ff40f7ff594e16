//! System calls that nix lacks, and all `unsafe` code. Nothing here decides.
//!
//! What nix offers is called where it is needed. Here are the C entry point, signal masks and waits for every signal
//! number, a start of the workload without a copy of init's memory, and a write that cannot block.
#![allow(unsafe_code)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod clone;
pub mod credentials;
pub mod entry;
pub mod fd;
pub mod memory;
pub mod nested;
pub mod pidfd;
pub mod privilege;
pub mod process;
pub mod session;
pub mod signal;
pub mod vfork;

use std::ffi::CStr;

use nix::errno::Errno;

/// The exit status of podinit's own failures, unless another init's name has another one for them.
pub const OWN_FAILURE: u8 = 125;

/// The result of a system call that answers -1 and sets errno, or a number.
fn check(answer: libc::c_long) -> Result<libc::c_long, Errno> {
    if answer == -1 { Err(Errno::last()) } else { Ok(answer) }
}

/// What the C library says of an error. (`Errno::desc` has the same texts once more: 5 KB.)
pub fn describe(errno: Errno) -> &'static str {
    // SAFETY: an Errno is a number that the C library knows, and what it says of those is constant.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno as i32)) };
    text.to_str().unwrap_or_default()
}
