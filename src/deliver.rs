//! Delivering a signal to one process that was found in /proc. This is the only way to do so.
//!
//! A pid that was read from /proc may belong to another process a moment later. So the process is held by
//! a pidfd (pidfd_open(2)), and its start time is compared before the signal is sent.

use log::warn;
use nix::errno::Errno;

use crate::procfs::{self, Identity, Stat};
use crate::sys::signal::{Queued, Signal, kill_process, queue};

/// Sends `signal` to the process `id`, and never to a later process with the same pid. A signal that was
/// queued to init is queued on, with its value; if the receiver's queue is full, it is sent without.
///
/// # Errors
/// ESRCH if the process has ended, EPERM if it may not be signalled (kill(2)); any other if /proc cannot be read.
pub fn deliver(id: Identity, signal: Signal, queued: Option<Queued>) -> Result<(), Errno> {
    match deliver_once(id, signal, queued) {
        Err(Errno::EAGAIN) if queued.is_some() => {
            warn!(
                "the signal queue of {} ({}) is full: {signal} loses its value",
                id.pid,
                procfs::name(id.pid)
            );
            deliver_once(id, signal, None)
        }
        sent => sent,
    }
}

fn deliver_once(id: Identity, signal: Signal, queued: Option<Queued>) -> Result<(), Errno> {
    let by_pidfd = procfs::hold(id).and_then(|held| match queued {
        Some(queued) => held.queue(signal, queued),
        None => held.send(signal),
    });
    match by_pidfd {
        Err(errno) if may_lack_pidfd(errno) => deliver_by_number(id, signal, queued),
        sent => sent,
    }
}

/// Whether `errno` may mean that no pidfd can be had, or that it cannot be signalled by: an old kernel, a
/// seccomp filter (EPERM; the kernel's own EPERM comes back from kill(2) as well), no free descriptor, no memory.
fn may_lack_pidfd(errno: Errno) -> bool {
    use Errno::{EMFILE, ENFILE, ENODEV, ENOMEM, ENOSYS, EPERM};
    matches!(errno, ENOSYS | EPERM | EMFILE | ENFILE | ENOMEM | ENODEV)
}

/// Compares the start time, and signals the pid at once. Only as many forks as there are pids, within this
/// moment, could give the pid to another process.
fn deliver_by_number(id: Identity, signal: Signal, queued: Option<Queued>) -> Result<(), Errno> {
    if !Stat::read(id.pid)?.is(id) {
        return Err(Errno::ESRCH);
    }
    match queued {
        Some(queued) => queue(id.pid, signal, queued),
        None => kill_process(id.pid, signal),
    }
}
