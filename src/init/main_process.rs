//! The main process: how it is signalled, and how init learns that it has exited.
//!
//! Of the orphans, init reaps the first one alone. From then on SIGCHLD is ignored, so that the kernel reaps every child by
//! itself (wait(2)), where a pidfd says how the main process exited: since Linux 6.15.

use nix::errno::Errno;

use crate::signal::Signal;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{Change, End, Pid, end, own_pid, take_change};
use crate::sys::signal::{Disposition, Queued, kill_group, kill_process, queue, set_disposition};

/// The main process of the workload, a child of init.
pub struct MainProcess {
    /// Its pid. Once the kernel reaps, that may belong to another process as soon as it has exited.
    pub pid: Pid,
    /// A pidfd of it, once the kernel reaps; else `None`.
    held: Option<PidFd>,
    /// Whether the kernel may reap, and it is not known yet whether it says how a process exited.
    kernel_may_reap: bool,
}

impl MainProcess {
    /// The one that has been started as `pid`. The kernel may reap where init needs no SIGCHLD but for the exit of the main
    /// process: neither its stops, nor the names of orphans.
    pub fn new(pid: Pid, kernel_may_reap: bool) -> MainProcess {
        MainProcess { pid, held: None, kernel_may_reap }
    }

    /// Sends it `signal`.
    ///
    /// # Errors
    /// As kill(2).
    pub fn send(&self, signal: Signal) -> Result<(), Errno> {
        match &self.held {
            Some(held) => held.send(signal),
            None => kill_process(self.pid, signal),
        }
    }

    /// Sends `signal` to the process group that it was started in.
    ///
    /// # Errors
    /// As kill(2): ESRCH also if it has left the group, and no other process is in there.
    pub fn send_to_group(&self, signal: Signal) -> Result<(), Errno> {
        match &self.held {
            Some(held) => held.send_to_group(signal),
            None => kill_group(self.pid, signal),
        }
    }

    /// Queues `signal` to it.
    ///
    /// # Errors
    /// As sigqueue(3).
    pub fn queue(&self, signal: Signal, queued: Queued) -> Result<(), Errno> {
        match &self.held {
            Some(held) => held.queue(signal, queued),
            None => queue(self.pid, signal, queued),
        }
    }

    /// The pidfd that hangs up when the kernel has reaped the main process; `None` where init reaps.
    pub fn held(&self) -> Option<&PidFd> {
        self.held.as_ref()
    }

    /// How it exited, if the kernel has reaped it.
    pub fn end(&self) -> Option<End> {
        end(self.held.as_ref()?.exit_status()?)
    }

    /// Lets the kernel reap from now on, if it can say how a process exited. `child` is the process that the SIGCHLD names.
    /// If it is an orphan that has exited, init reaps it, and asks its pidfd for the exit status: an answer shows that the
    /// kernel can (so no version is compared). A SIGCHLD with a forged sender, or for a child that has been reaped already,
    /// changes nothing. Without pidfds, init goes on reaping. What has exited earlier is still for init to reap.
    pub fn let_kernel_reap(&mut self, child: Option<Pid>) {
        let Some(orphan) = child.filter(|child| self.kernel_may_reap && *child != self.pid) else { return };
        let held = PidFd::open(orphan);
        self.kernel_may_reap = matches!(held, Ok(_) | Err(Errno::ESRCH));
        let Ok(held) = held else { return };
        if !matches!(take_change(Some(orphan)), Ok(Some(Change::Exited(..)))) {
            return;
        }
        self.kernel_may_reap = false;
        if held.exit_status().is_some() {
            // Not reaped, so the pid is its own.
            self.held = PidFd::open(self.pid).ok().filter(PidFd::can_be_signalled);
        }
        if self.held.is_some() {
            set_disposition(Signal::CHLD, Disposition::Ignore);
        }
    }

    /// Has init reap again, once the main process has exited: it needs a SIGCHLD for each of the remaining processes.
    pub fn let_init_reap(&mut self) {
        if self.held.take().is_some() {
            set_disposition(Signal::CHLD, Disposition::Default);
            // That drops a pending one, which may be the only one for many zombies (`reap`).
            let _ = kill_process(own_pid(), Signal::CHLD);
        }
    }
}
