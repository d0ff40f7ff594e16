//! Reaping: every zombie, at once, whatever the rate.

use log::{Level, debug, log_enabled, warn};
use nix::errno::Errno;

use crate::procfs;
use crate::signal::Signal;
use crate::sys::process::{Change, Pid, own_pid, peek_ended, take_change};
use crate::sys::signal::kill_process;

/// Whether anybody wants to know whom [`reap`] reaps.
pub fn names_orphans(warn_reaped: bool) -> bool {
    warn_reaped || log_enabled!(Level::Debug)
}

/// How many children are reaped at a time, so that a flood of orphans postpones nothing.
const BATCH: u32 = 1000;

/// Takes each change of our children until none is left to take: SIGCHLD coalesces, so one of them
/// may stand for many. Returns the last one of `main`, and the rest are reaped and forgotten.
pub fn reap(main: Option<Pid>, warn_reaped: bool) -> Option<Change> {
    let mut of_main = None;
    for _ in 0..BATCH {
        // That very one is reaped whose name is logged.
        let named =
            if warn_reaped { peek_ended().ok().flatten().map(|pid| (pid, procfs::name(pid))) } else { None };
        match take_change(named.as_ref().map(|(pid, _)| *pid)) {
            Ok(Some(change)) if Some(change.pid()) == main => of_main = Some(change),
            Ok(Some(Change::Ended(pid, end))) => match named {
                Some((_, name)) => warn!("Reaped zombie process with pid={pid} ({name}): {end}"),
                None => debug!("reaped {pid}: {end}"),
            },
            Ok(Some(Change::Stopped(..))) | Err(Errno::EINTR) => {}
            Ok(None) | Err(_) => return of_main,
        }
    }
    // There may be more: to be looked at when what has come meanwhile has had its turn.
    let _ = kill_process(own_pid(), Signal::CHLD);
    of_main
}
