//! Which leaders a signal is forwarded to.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::containers::{Container, Trace};
use super::state::{Pod, describe_sender};
use crate::config::PodTarget;
use crate::handling::{Handling, handling};
use crate::procfs::{Identity, Named, Status};
use crate::received::{Origin, Received};
use crate::signal::Signal;

/// How long leaders are looked at again that block a signal and do not sleep, for each signal. A fork blocks for less than
/// a millisecond; one under load may take longer.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long to wait after the second look. The time doubles with each look.
const FIRST_PAUSE: Duration = Duration::from_micros(100);

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
        match own {
            Some(place) => containers.swap(0, place),
            None if target == PodTarget::Sender => {
                containers.clear();
                warn!(
                    "{signal} from {} is dropped: the sender's container is not known",
                    describe_sender(received)
                );
            }
            None if sender.is_some() => self.warn_of_unplaced(received),
            None => {}
        }
        self.forward_to_each(&containers, own.is_some(), signal, received);
    }

    /// Forwards the signal of a file that has changed to the leaders that handle it.
    pub(super) fn forward_change(&mut self, signal: Signal) {
        let received = Received { signal, origin: Origin::Kernel, sender: None, uid: self.uid };
        let containers = self.containers().all;
        self.forward_to_each(&containers, false, signal, received);
    }

    /// Forwards it to the leaders of these containers; if the first one is the sender's, only to that leader, if it handles
    /// the signal.
    fn forward_to_each(
        &mut self,
        containers: &[Container],
        first_is_own: bool,
        signal: Signal,
        received: Received,
    ) {
        // Nothing is kept of leaders that have exited.
        for list in [&mut self.refused, &mut self.undecided] {
            list.retain(|id| containers.iter().any(|container| container.leader == *id));
        }
        let confined = self.is_confined(received);
        let patience = Instant::now() + PATIENCE;
        let target = self.config.pod_target;
        for (n, container) in containers.iter().enumerate() {
            let is_own = n == 0 && first_is_own;
            // One that signals PID 1 means another process.
            let is_sender =
                target == PodTarget::Auto && is_own && received.sender == Some(container.leader.pid);
            let received_it = !is_sender && self.forward_to(container, signal, received, confined, patience);
            if is_own && (received_it || target == PodTarget::Sender) {
                break;
            }
        }
    }

    /// Forwards it to the leader of this container, and returns whether that handles it.
    fn forward_to(
        &mut self,
        container: &Container,
        signal: Signal,
        received: Received,
        confined: bool,
        patience: Instant,
    ) -> bool {
        let leader = container.leader;
        let name = Named(leader.pid);
        if container.is_starting {
            debug!("{name} has not executed its program yet");
            return false;
        }
        let seen =
            if container.is_placed() { self.look(leader, signal, patience) } else { Err(Errno::EINVAL) };
        let (status, handling) = match seen {
            Ok(seen) => seen,
            Err(Errno::ESRCH) => return false,
            Err(_) => {
                self.warn_of_unknown(leader);
                return false;
            }
        };
        if handling != Handling::LookAgain {
            self.undecided.retain(|id| *id != leader);
        }
        match handling {
            Handling::Unknown => self.warn_of_unknown(leader),
            Handling::DoesNot => debug!("{name} does not handle {signal}"),
            Handling::LookAgain => self.warn_of_undecided(leader, signal),
            Handling::Handles if confined && !status.may_be_signalled_by(self.uid) => {
                debug!("{signal} from {} is not for {name}", describe_sender(received));
            }
            Handling::Handles => {
                debug!("{signal} for {name}");
                self.send(leader, signal, received.origin);
                return true;
            }
        }
        false
    }

    /// What `leader` does with `signal`, looked at again until `patience` if need be. One that was waited for in vain before
    /// is not waited for again: signals that follow must not be held up by it.
    fn look(&self, leader: Identity, signal: Signal, patience: Instant) -> Result<(Status, Handling), Errno> {
        let waits = !self.undecided.contains(&leader);
        let mut pause = FIRST_PAUSE;
        let mut before = None;
        loop {
            let now = Status::read(leader.pid)?;
            let handling = handling(before.as_ref(), &now, signal);
            if handling != Handling::LookAgain {
                return Ok((now, handling));
            }
            if before.is_some() {
                if !waits || Instant::now() + pause > patience {
                    return Ok((now, handling));
                }
                sleep(pause);
                pause *= 2;
            }
            before = Some(now);
        }
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
