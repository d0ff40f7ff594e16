//! Which leaders a signal is forwarded to.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::containers::{Container, Trace};
use super::rounds::{Sender, rounds};
use super::state::{Pod, describe_sender};
use crate::config::PodTarget;
use crate::handling::{Handling, handling};
use crate::procfs::{Identity, Named, Status};
use crate::received::{Origin, Received};
use crate::signal::{Signal, SignalSet};

/// How long leaders are looked at again that block a signal and do not sleep, for each signal. A fork blocks for less than
/// a millisecond; one under load may take longer.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long to wait after the second look. The time doubles with each look.
const FIRST_PAUSE: Duration = Duration::from_micros(100);

/// A leader of which it is to be found out what it does with a signal.
struct Look<'a> {
    container: &'a Container,
    /// What was read of it at the last look.
    before: Option<Status>,
}

impl Pod<'_> {
    /// Forwards a signal to the leaders that it is for, as far as it would have reached them as PID 1.
    pub(super) fn forward(&mut self, received: Received) {
        let target = self.config.pod_target;
        let Some(signal) = self.config.rewritten(received.signal) else { return };
        // Before anything else is read: such a process as kill(1) exits right after.
        let sender = match target {
            PodTarget::Auto | PodTarget::Sender => received.sending_process(),
            PodTarget::Leaders => None,
            PodTarget::None => return,
        };
        let trace = sender.map(Trace::read);
        let mut containers = self.containers().all;
        let own = trace.as_ref().and_then(|trace| trace.container(&containers, self.own));
        let from = match own {
            Some(place) => {
                containers.swap(0, place);
                let leads = received.sender == Some(containers[0].leader.pid);
                if leads { Sender::Leads } else { Sender::InFirst }
            }
            None if target == PodTarget::Sender => {
                warn!(
                    "{signal} from {} is dropped: the sender's container is not known",
                    describe_sender(received)
                );
                return;
            }
            None => {
                if sender.is_some() {
                    self.warn_of_unplaced(received);
                }
                Sender::Elsewhere
            }
        };
        if !self.forward_in_rounds(&containers, from, signal, received) {
            info!("{signal} from {} reached no leader", describe_sender(received));
        }
    }

    /// Forwards the signal of a file that has changed to the leaders that handle it.
    pub(super) fn forward_change(&mut self, signal: Signal) {
        let received = Received { signal, origin: Origin::Kernel, sender: None, uid: self.uid };
        let containers = self.containers().all;
        if !self.forward_in_rounds(&containers, Sender::Elsewhere, signal, received) {
            info!("{signal} for a changed file reached no leader");
        }
    }

    /// Forwards it to the leaders of these containers in the rounds that are due to its sender. Returns whether one handles
    /// it.
    fn forward_in_rounds(
        &mut self,
        containers: &[Container],
        sender: Sender,
        signal: Signal,
        received: Received,
    ) -> bool {
        // Nothing is kept of leaders that have exited.
        let is_there = |id: &Identity| containers.iter().any(|container| container.leader == *id);
        self.refused.retain(is_there);
        self.undecided.retain(is_there);
        self.waiting.retain(|(id, _)| is_there(id));
        let confined = self.is_confined(received);
        let rounds = rounds(self.config.pod_target, sender, containers.len());
        rounds.into_iter().any(|round| self.forward_to(&containers[round], signal, received, confined))
    }

    /// Forwards it to those leaders that handle it, and returns whether one does. All of them are looked at, and then those
    /// again of which it is not known: so one leader that blocks the signal for long takes no time from the others.
    fn forward_to(
        &mut self,
        containers: &[Container],
        signal: Signal,
        received: Received,
        confined: bool,
    ) -> bool {
        let patience = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        let mut any = false;
        let mut open: Vec<Look> =
            containers.iter().map(|container| Look { container, before: None }).collect();
        for pass in 0.. {
            let is_over = pass > 1 && Instant::now() > patience;
            open.retain_mut(|look| match self.look(look, signal, received, confined) {
                Some(received_it) => {
                    any |= received_it;
                    false
                }
                // One that was waited for in vain before is not waited for again: it must not delay signals that follow.
                None if is_over || pass > 0 && self.undecided.contains(&look.container.leader) => {
                    self.warn_of_undecided(look.container.leader, signal);
                    false
                }
                None => true,
            });
            if open.is_empty() {
                return any;
            }
            if pass > 0 {
                sleep(pause);
                pause *= 2;
            }
        }
        any
    }

    /// Looks at a leader, and forwards the signal to it if it handles it. Returns whether it does; `None` if that is not
    /// known yet.
    fn look(&mut self, look: &mut Look, signal: Signal, received: Received, confined: bool) -> Option<bool> {
        let leader = look.container.leader;
        let name = Named(leader.pid);
        if look.container.is_starting {
            debug!("{name} has not executed its program yet");
            return Some(false);
        }
        let now = match Status::read(leader.pid) {
            Ok(now) if look.container.is_placed() => now,
            Err(Errno::ESRCH) => return Some(false),
            Ok(_) | Err(_) => {
                self.warn_of_unknown(leader);
                return Some(false);
            }
        };
        let mut handling = handling(look.before.as_ref(), &now, signal);
        let blocked = now.blocked_and_caught.map_or(SignalSet::NONE, |[blocked, _]| blocked);
        if handling == Handling::LookAgain {
            // One that the signal before this one has woken, and that has not run since, is not asleep; under load, or out
            // of its cgroup's time (cpu.max), for longer than anything could wait. A fork blocks other signals than it did.
            if !self.waiting.contains(&(leader, blocked)) {
                look.before = Some(now);
                return None;
            }
            handling = Handling::Waits;
        }
        self.undecided.retain(|id| *id != leader);
        if handling == Handling::Waits {
            self.waiting.retain(|(id, _)| *id != leader);
            self.waiting.push((leader, blocked));
        }
        match handling {
            Handling::Handles | Handling::Waits if confined && !now.may_be_signalled_by(self.uid) => {
                debug!("{signal} from {} is not for {name}", describe_sender(received));
            }
            Handling::Handles | Handling::Waits => {
                debug!("{signal} for {name}");
                self.send(leader, signal, received.origin);
                return Some(true);
            }
            Handling::Unknown => self.warn_of_unknown(leader),
            Handling::DoesNot | Handling::LookAgain => debug!("{name} does not handle {signal}"),
        }
        Some(false)
    }

    fn warn_of_undecided(&mut self, leader: Identity, signal: Signal) {
        if !self.undecided.contains(&leader) {
            self.undecided.push(leader);
            warn!(
                "{signal} is not forwarded to {}: it blocks it and its first thread does not sleep, so it may not \
                 wait for it, and be killed by it; give it a handler",
                Named(leader.pid)
            );
        }
    }
}
