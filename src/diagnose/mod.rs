//! `--diagnose`: what a person on call wants to know of a container or a pod. It reads /proc and its own cgroup, sends
//! nothing and changes nothing, and shows no argument and no environment of any process.
//!
//! [`facts`] reads, [`findings`] decides, [`output`] writes, by [`template`]. All of it runs once, and then the process
//! exits: so what is allocated is leaked, which needs no code.

pub mod facts;
pub mod findings;
pub mod kind;
pub mod limits;
pub mod output;
pub mod template;

use std::mem::ManuallyDrop;

use crate::hidepid;
use crate::procfs::is_own_proc;
use crate::sys::process::own_pid;
use facts::Facts;

/// The exit status if something was found.
const FOUND: u8 = 1;

/// Says what is there, and the exit status with it; `None` if nothing can be read, after a line that says so.
#[inline(never)]
pub fn report(as_json: bool) -> Option<(&'static str, u8)> {
    let own = own_pid();
    if !is_own_proc(own) {
        error!("--diagnose needs the /proc of this PID namespace: mount one (mount -t proc proc /proc)");
        return None;
    }
    let facts = ManuallyDrop::new(Facts::read(own, !hidepid::shows_everybody(own)));
    let findings = ManuallyDrop::new(findings::all(&facts));
    Some((output::text(&facts, &findings, as_json), if findings.is_empty() { 0 } else { FOUND }))
}
