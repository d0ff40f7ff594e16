//! Reaping: every zombie, at once, whatever the rate.

use log::{Level, debug, log_enabled, warn};
use nix::errno::Errno;

use crate::procfs;
use crate::sys::process::{Change, Pid, peek_ended, wait_any};

/// Whether anybody wants to know whom [`reap`] reaps.
pub fn names_orphans(warn_reaped: bool) -> bool {
    warn_reaped || log_enabled!(Level::Debug)
}

/// Takes each change of our children until none is left to take: SIGCHLD coalesces, so one of them
/// may stand for many. Returns the last one of `main`, and the rest are reaped and forgotten.
pub fn reap(main: Option<Pid>, warn_reaped: bool) -> Option<Change> {
    let mut of_main = None;
    loop {
        let name = if warn_reaped { peek_ended().map(procfs::name) } else { None };
        match wait_any() {
            Ok(Some(change)) if Some(change.pid()) == main => of_main = Some(change),
            Ok(Some(Change::Ended(pid, end))) => match name {
                Some(name) => warn!("Reaped zombie process with pid={pid} ({name}): {end}"),
                None => debug!("reaped {pid}: {end}"),
            },
            Ok(Some(Change::Stopped(..))) | Err(Errno::EINTR) => {}
            Ok(None) | Err(_) => return of_main,
        }
    }
}
