//! Passing a signal on: to whom, and by which call.

use log::{debug, warn};
use nix::errno::Errno;

use crate::config::Target;
use crate::procfs;
use crate::signals::{Origin, Received};
use crate::sys::process::Pid;
use crate::sys::signal::{Signal, kill_group, kill_process, queue};

/// Passes signals on to the workload.
pub struct Forwarder {
    target: Target,
    main: Pid,
    warned: bool,
}

impl Forwarder {
    /// One for the workload with this main process.
    pub fn new(target: Target, main: Pid) -> Forwarder {
        Forwarder { target, main, warned: false }
    }

    /// Passes on what has arrived.
    pub fn forward(&mut self, received: Received) {
        let Received { signal, origin, sender, uid } = received;
        debug!("{signal} from {sender} (uid {uid}), {origin:?}");
        let sent = match origin {
            Origin::Queued(value) => self.queue(signal, (sender, uid), value),
            Origin::Kernel | Origin::Process => self.kill(signal),
        };
        match sent {
            Err(Errno::EPERM) if !self.warned => {
                self.warned = true;
                warn!(
                    "may not send {signal} to the workload, which runs as another user: \
                     nothing can be forwarded, nor the workload stopped; \
                     give podinit CAP_KILL, or start both as the same user"
                );
            }
            // It has ended, and we are about to be told.
            Ok(()) | Err(Errno::EPERM | Errno::ESRCH) => {}
            Err(errno) => warn!("cannot send {signal} to the workload: {}", errno.desc()),
        }
    }

    fn kill(&self, signal: Signal) -> Result<(), Errno> {
        match self.target {
            Target::Child => kill_process(self.main, signal),
            Target::Group => match kill_group(self.main, signal) {
                // It has left the group that it was started in, and nobody else is in there.
                Err(Errno::ESRCH) => kill_process(self.main, signal),
                sent => sent,
            },
        }
    }

    /// There is no call that queues a value to a group, so its members get one each.
    fn queue(&self, signal: Signal, from: (u32, u32), value: u64) -> Result<(), Errno> {
        let send = |pid| match queue(pid, signal, from, value) {
            // Its queue is full: better without the value than not at all.
            Err(Errno::EAGAIN) => {
                warn!("the queue of {pid} is full: {signal} loses its value");
                kill_process(pid, signal)
            }
            sent => sent,
        };
        if self.target == Target::Group {
            for pid in procfs::group_members(self.main).filter(|pid| *pid != self.main) {
                let _ = send(pid);
            }
        }
        send(self.main)
    }
}
