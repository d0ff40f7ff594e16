//! Forwards a signal: which one is sent in its place, to which processes, and by which call.

use nix::errno::Errno;

use super::main_process::MainProcess;
use super::remaining::Remaining;
use crate::config::{Config, Target};
use crate::deliver::{deliver, warn_of_full_queue};
use crate::procfs::{self, Identity, Stat};
use crate::received::{Origin, Received};
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::process::Pid;
use crate::sys::session::Session;
use crate::sys::signal::Queued;

/// Whether a process is one of those that signals are forwarded to.
pub fn is_target(target: Target, main: Pid, stat: &Stat) -> bool {
    match target {
        Target::Child => stat.id.pid == main,
        Target::Group => stat.group == main.get(),
        Target::All => true,
    }
}

/// Forwards signals to the workload.
pub struct Forwarder<'a> {
    config: &'a Config,
    warned: bool,
}

impl Forwarder<'_> {
    /// One that forwards as `config` says.
    pub fn new(config: &Config) -> Forwarder<'_> {
        Forwarder { config, warned: false }
    }

    /// Forwards a signal that has arrived to the workload with this main process, and notes in `remaining` which processes
    /// have been sent SIGTERM by it. Returns the signal that was sent, if one was.
    pub fn forward(
        &mut self,
        received: Received,
        main: &MainProcess,
        remaining: &mut Remaining,
    ) -> Option<Signal> {
        let Received { signal: arrived, origin, sender, uid } = received;
        let Some(signal) = self.config.rewritten(arrived) else {
            debug!("{arrived} is dropped (--rewrite)");
            return None;
        };
        if self.config.session == Session::Inherited && origin == Origin::Kernel && arrived != Signal::HUP {
            // The terminal sent it to the whole group, which is the workload's too. (But a hang-up is sent to the
            // session's leader alone.)
            return None;
        }
        let sender = sender.map_or(0, Pid::get);
        debug!("{arrived} from {sender} (uid {uid}), by {origin}, is forwarded as {signal}");
        let terminates = Some(signal) == self.config.rewritten(Signal::TERM);
        let chosen = |stat: &Stat| is_target(self.config.target, main.pid, stat);
        let before = if terminates { remaining.about_to_terminate(&chosen) } else { Vec::new() };
        let sent = match origin {
            Origin::Queued(queued) => self.queue(signal, queued, main, remaining),
            Origin::Kernel | Origin::Process | Origin::Other => self.kill(signal, main, remaining),
        };
        // One that has left the group meanwhile may not have got it. A second SIGTERM is better than none.
        let got_it = |id: Identity| {
            self.config.target != Target::Group
                || Stat::read(id.pid).is_ok_and(|now| now.is(id) && chosen(&now))
        };
        for it in before {
            if got_it(it.id) {
                remaining.note_terminated(it);
            }
        }
        match sent {
            Err(Errno::EPERM) if !self.warned => {
                self.warned = true;
                warn!(
                    "may not send {signal} to the workload, which runs as another user: \
                     nothing can be forwarded, nor the workload stopped; \
                     give podinit CAP_KILL, or start both as the same user"
                );
            }
            // ESRCH: it has been killed or has exited; its SIGCHLD comes next.
            Ok(()) | Err(Errno::EPERM | Errno::ESRCH) => {}
            Err(errno) => warn!("cannot send {signal} to the workload: {}", describe(errno)),
        }
        Some(signal)
    }

    fn kill(&self, signal: Signal, main: &MainProcess, remaining: &Remaining) -> Result<(), Errno> {
        match self.config.target {
            Target::Child => main.send(signal),
            Target::Group => match main.send_to_group(signal) {
                // It has left the group that it was started in, and no other process is in there.
                Err(Errno::ESRCH) => main.send(signal),
                sent => sent,
            },
            Target::All => {
                remaining.send(signal);
                Ok(())
            }
        }
    }

    /// No call queues a value to a group, so it is queued to each process.
    fn queue(
        &self,
        signal: Signal,
        queued: Queued,
        main: &MainProcess,
        remaining: &Remaining,
    ) -> Result<(), Errno> {
        let is_target = |stat: &Stat| is_target(self.config.target, main.pid, stat);
        let others = match self.config.target {
            Target::Child => Vec::new(),
            Target::Group => procfs::processes().shown,
            Target::All => remaining.members(),
        };
        for stat in others.iter().filter(|stat| is_target(stat) && stat.id.pid != main.pid) {
            let is_member = |now: &Stat| self.config.target == Target::Group || remaining.is_member(now);
            let _ = deliver(stat.id, signal, Some(queued), &|now| is_target(now) && is_member(now));
        }
        match main.queue(signal, queued) {
            Err(Errno::EAGAIN) => {
                warn_of_full_queue(main.pid, signal);
                main.send(signal)
            }
            sent => sent,
        }
    }
}
