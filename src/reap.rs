//! Reaps every zombie, at any rate of them.

use log::{Level, log_enabled};
use nix::errno::Errno;

use crate::procfs::Named;
use crate::signal::Signal;
use crate::sys::process::{Change, Pid, own_pid, peek_exited, take_change};
use crate::sys::signal::kill_process;

/// Whether [`reap`] logs which processes it reaps.
pub fn names_orphans(warn_reaped: bool) -> bool {
    warn_reaped || log_enabled!(Level::Debug)
}

/// How many children are reaped at a time, so that a flood of orphans postpones nothing.
const BATCH: u32 = 1000;

/// Takes the changes of all children: SIGCHLD is a standard signal, so one of them may stand for many. Returns the last
/// change of `main`.
pub fn reap(main: Option<Pid>, warn_reaped: bool) -> Option<Change> {
    let mut of_main = None;
    for _ in 0..BATCH {
        // So the process whose name is logged is the one that is reaped.
        let named = if warn_reaped {
            peek_exited().ok().flatten().map(|pid| (pid, Named(pid).to_string()))
        } else {
            None
        };
        match take_change(named.as_ref().map(|(pid, _)| *pid)) {
            Ok(Some(change)) if Some(change.pid()) == main => of_main = Some(change),
            Ok(Some(Change::Exited(pid, end))) => match named {
                Some((_, name)) => warn!("Reaped zombie process with pid={name}: {end}"),
                // It exited after the look.
                None if warn_reaped => warn!("Reaped zombie process with pid={pid} (?): {end}"),
                None => debug!("reaped {pid}: {end}"),
            },
            Ok(Some(Change::Stopped(..))) | Err(Errno::EINTR) => {}
            Ok(None) | Err(_) => return of_main,
        }
    }
    // There may be more: they are reaped after the signals that have come meanwhile.
    let _ = kill_process(own_pid(), Signal::CHLD);
    of_main
}
