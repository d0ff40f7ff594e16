//! Delivering a signal to one process that was found in /proc. This is the only way to do so.
//!
//! A pid that was read from /proc may belong to another process a moment later, and the start time does not always
//! distinguish the two: /proc/PID/stat counts it in clock ticks of 10 ms (proc(5)), and a pid can be given out again
//! within a tick. So the process is held by a pidfd first (pidfd_open(2)), then its stat is read anew, and that
//! reading decides.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

use crate::procfs::{Identity, Named, Stat};
use crate::signal::Signal;
use crate::sys::pidfd::PidFd;
use crate::sys::process::Pid;
use crate::sys::signal::{Queued, kill_process, queue};

/// Sends `signal` to the process `id` if it `is_meant` as it is now, and never to a later process with the same pid that
/// is not. A signal that was queued to init is queued on, with its value; if the receiver's queue is full, it is sent
/// without.
///
/// # Errors
/// ESRCH if the process has exited or is not meant, EPERM if it may not be signalled (kill(2)); any other if /proc cannot
/// be read.
pub fn deliver(
    id: Identity,
    signal: Signal,
    queued: Option<Queued>,
    is_meant: &dyn Fn(&Stat) -> bool,
) -> Result<(), Errno> {
    // Before the stat is read. ESRCH: the process has been reaped.
    let held = match PidFd::open(id.pid) {
        Err(Errno::ESRCH) => return Err(Errno::ESRCH),
        held => held.ok(),
    };
    let now = Stat::read(id.pid)?;
    if !now.is(id) || !is_meant(&now) {
        return Err(Errno::ESRCH);
    }
    match send(id, signal, queued, held.as_ref()) {
        Err(Errno::EAGAIN) if queued.is_some() => {
            warn_of_full_queue(id.pid, signal);
            send(id, signal, None, held.as_ref())
        }
        sent => sent,
    }
}

/// Warns once that the signal queue of `pid` is full: a sender of many would fill the log.
pub fn warn_of_full_queue(pid: Pid, signal: Signal) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        warn!("the signal queue of {} is full: {signal} loses its value; others are not named", Named(pid));
    }
}

/// Sends it by the pidfd. If there is none, or it cannot be signalled by it (an old kernel, a seccomp filter, no free
/// descriptor, no memory), it is sent to the pid at once. Only as many forks as there are pids, in that time, could
/// give the pid to another process.
fn send(id: Identity, signal: Signal, queued: Option<Queued>, held: Option<&PidFd>) -> Result<(), Errno> {
    let by_pidfd = held.map(|held| match queued {
        Some(queued) => held.queue(signal, queued),
        None => held.send(signal),
    });
    match (by_pidfd, queued) {
        (Some(sent @ (Ok(()) | Err(Errno::ESRCH | Errno::EAGAIN))), _) => sent,
        (_, Some(queued)) => queue(id.pid, signal, queued),
        (_, None) => kill_process(id.pid, signal),
    }
}
