//! Which leaders a signal is forwarded to.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::containers::{self, Container};
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
        let Some(signal) = self.config.rewritten(received.signal) else { return };
        let containers = self.containers().all;
        let chosen = match self.config.pod_target {
            PodTarget::Leaders => containers,
            PodTarget::Sender => container_of_sender(containers, received),
            PodTarget::None => Vec::new(),
        };
        self.forward_to_each(&chosen, signal, received);
    }

    /// Forwards the signal of a file that has changed to the leaders that handle it.
    pub(super) fn forward_change(&mut self, signal: Signal) {
        let received = Received { signal, origin: Origin::Kernel, sender: None, uid: self.uid };
        let containers = self.containers().all;
        self.forward_to_each(&containers, signal, received);
    }

    fn forward_to_each(&mut self, chosen: &[Container], signal: Signal, received: Received) {
        // Nothing is kept of leaders that have exited.
        for list in [&mut self.refused, &mut self.undecided] {
            list.retain(|id| chosen.iter().any(|container| container.leader == *id));
        }
        let confined = self.is_confined(received);
        let patience = Instant::now() + PATIENCE;
        for container in chosen {
            if container.is_starting {
                debug!("{} has not executed its program yet", container.leader.pid);
            } else if container.is_placed() {
                self.forward_to(container.leader, signal, received, confined, patience);
            } else {
                self.warn_of_unknown(container.leader);
            }
        }
    }

    fn forward_to(
        &mut self,
        leader: Identity,
        signal: Signal,
        received: Received,
        confined: bool,
        patience: Instant,
    ) {
        let name = Named(leader.pid);
        let (status, handling) = match self.look(leader, signal, patience) {
            Ok(seen) => seen,
            Err(Errno::ESRCH) => return,
            Err(_) => return self.warn_of_unknown(leader),
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
            }
        }
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

fn container_of_sender(mut containers: Vec<Container>, received: Received) -> Vec<Container> {
    match received.sending_process().and_then(|pid| containers::of(&containers, pid)) {
        Some(place) => vec![containers.swap_remove(place)],
        None => {
            let sender = describe_sender(received);
            warn!("{} from {sender} is dropped: the sender's container is not known", received.signal);
            Vec::new()
        }
    }
}
