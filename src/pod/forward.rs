//! Which leaders a signal is forwarded to.

use log::{debug, warn};
use nix::errno::Errno;

use super::{Pod, describe_sender};
use crate::config::PodTarget;
use crate::containers::{self, Container};
use crate::procfs::{self, Status};
use crate::received::Received;
use crate::signals::Signal;

/// These sit in sigtimedwait, where the kernel shows what is awaited neither as blocked nor as caught;
/// and they handle everything.
const HANDLE_EVERYTHING: [&str; 3] = ["tini", "tini-static", "docker-init"];

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
        // Nothing is kept of leaders that have ended.
        self.refused.retain(|id| chosen.iter().any(|container| container.leader == *id));
        let is_confined = self.is_confined(received);
        for container in &chosen {
            self.forward_to(container, signal, received, is_confined);
        }
    }

    fn forward_to(&mut self, container: &Container, signal: Signal, received: Received, is_confined: bool) {
        let id = container.leader;
        let status = match Status::read(id.pid) {
            Ok(status) => status,
            Err(Errno::ESRCH) => return,
            Err(_) => return self.warn_of_unknown(id),
        };
        match handles(&status, signal).filter(|_| container.is_placed()) {
            None => self.warn_of_unknown(id),
            Some(false) => debug!("{} ({}) does not handle {signal}", id.pid, procfs::name(id.pid)),
            Some(true) if is_confined && !status.may_be_signalled_by(self.uid) => {
                let sender = describe_sender(received);
                debug!("{signal} from {sender} is not for {} ({})", id.pid, procfs::name(id.pid));
            }
            Some(true) => {
                debug!("{signal} for {} ({})", id.pid, procfs::name(id.pid));
                self.send(id, signal, received.origin);
            }
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

/// Whether a process in a PID namespace of its own, as its PID 1, would notice `signal`: the kernel
/// drops for a PID 1 what is neither handled nor blocked (pid_namespaces(7)). What is blocked is read
/// from a signalfd, or awaited by another thread. `None` if it is not known.
pub(super) fn handles(status: &Status, signal: Signal) -> Option<bool> {
    if HANDLE_EVERYTHING.contains(&status.name.as_str()) {
        return Some(true);
    }
    status.blocked_and_caught.map(|sets| sets.iter().any(|set| set.contains(signal)))
}
