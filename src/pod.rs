//! Pod mode: PID 1 of a PID namespace that containers share. It reaps the orphans of all of them, and
//! passes on to their leaders what they would have got as PID 1 of their own.

use std::time::{Duration, Instant};

use log::{debug, error, info, warn};
use nix::errno::Errno;

use crate::config::{Config, PodTarget};
use crate::containers::{self, Container};
use crate::deliver::deliver;
use crate::procfs::{self, Identity, Stat, Status};
use crate::reap::{names_orphans, reap};
use crate::settle::settle;
use crate::signals::{Event, Mailbox, Origin, Received, Signal};
use crate::sys::describe;
use crate::sys::pidfd::PidFd;
use crate::sys::privilege::{become_user, give_up_bounds, keep_only_kill, own_uid};
use crate::sys::process::{Pid, become_subreaper, own_pid};
use crate::sys::signal::{Disposition, Everybody, set_disposition};

/// The uid and gid to run as where we were started as root: Kubernetes' own pause uses it.
const NOBODY: u32 = 65535;

/// These sit in sigtimedwait, where the kernel shows what is awaited neither as blocked nor as caught;
/// and they handle everything.
const HANDLE_EVERYTHING: [&str; 3] = ["tini", "tini-static", "docker-init"];

/// How often to look where nothing tells of a process's end: it is hidden (hidepid), or there are no
/// pidfds (before Linux 5.3). Only while the pod ends.
const TICK: Duration = Duration::from_millis(100);

/// Lives until the pod ends, and returns our exit status.
#[inline(never)]
pub fn run(config: &Config) -> u8 {
    let own = own_pid();
    let everybody = Everybody::as_pid_1();
    if everybody.is_none() {
        warn!("not PID 1 of a pod's PID namespace: nothing is forwarded");
        if let Err(errno) = become_subreaper() {
            warn!("cannot become a subreaper: {}", describe(errno));
        }
    }
    // Ignored, the kernel reaps our children as they end, and does not even wake us (wait(2)). There is
    // no main process here whose status would be lost.
    let by_us = names_orphans(config.warn_reaped);
    set_disposition(Signal::CHLD, if by_us { Disposition::Default } else { Disposition::Ignore });
    reap(None, config.warn_reaped);
    let mailbox = match settle(own, None) {
        Ok(mailbox) => mailbox,
        Err(errno) => {
            error!("signalfd: {}", describe(errno));
            return config.failures.own;
        }
    };
    if own_uid() == 0 && !config.keep_privileges {
        give_up_privileges();
    }
    Pod { config, own, uid: own_uid(), everybody, mailbox, refused: Vec::new() }.live()
}

/// Keeps no more than the right to signal, and that only if we had it.
fn give_up_privileges() {
    give_up_bounds();
    if let Err(errno) = become_user(NOBODY) {
        info!("staying uid 0, as {NOBODY} is not to be had: {}", describe(errno));
    }
    if let Err(errno) = keep_only_kill() {
        warn!("cannot give up capabilities: {}", describe(errno));
    }
}

struct Pod<'a> {
    config: &'a Config,
    own: Pid,
    uid: u32,
    everybody: Option<Everybody>,
    mailbox: Mailbox,
    /// The leaders that we were told we may not signal, and have complained of.
    refused: Vec<Identity>,
}

/// A pod on its way out.
struct Ending {
    /// The leaders that may still live, and have all the time they want: somebody else sees to that.
    awaited: Vec<Identity>,
    /// Those that are left behind when their time is up.
    limited: Vec<Identity>,
    /// When that is.
    deadline: Option<Instant>,
}

/// How the next end of a leader will be heard of.
enum Watch {
    Leader(PidFd),
    Tick,
}

impl Pod<'_> {
    fn live(mut self) -> u8 {
        let mut ending: Option<Ending> = None;
        loop {
            let (mut deadline, mut leader) = (None, None);
            if let Some(ending) = &mut ending {
                match self.watch(ending) {
                    None => return 0,
                    Some(Watch::Leader(held)) => leader = Some(held),
                    Some(Watch::Tick) => deadline = Some(Instant::now() + TICK),
                }
                if !ending.limited.is_empty() {
                    deadline = [deadline, ending.deadline].into_iter().flatten().min();
                }
            }
            match self.mailbox.next(deadline, leader.as_ref()) {
                Event::Signal(received) => match received.signal {
                    Signal::CHLD => drop(reap(None, self.config.warn_reaped)),
                    Signal::TERM | Signal::INT => ending = self.end(received, ending),
                    _ => self.forward(received),
                },
                Event::StrangerEnded => {}
                Event::Deadline => {
                    if let Some(ending) = &mut ending
                        && ending.deadline.is_some_and(|deadline| deadline <= Instant::now())
                    {
                        for id in ending.limited.drain(..) {
                            warn!("time is up, leaving {} ({}) behind", id.pid, procfs::name(id.pid));
                        }
                    }
                }
            }
        }
    }

    /// What becomes of the pod on TERM or INT.
    ///
    /// From outside it is the engine: it has told every container at the same moment (podman pod stop),
    /// has its own deadline, and would see containers killed by the kernel if we left before them. From
    /// inside, or a second time, it is somebody who wants the pod to end.
    fn end(&mut self, received: Received, ending: Option<Ending>) -> Option<Ending> {
        let Some(signal) = self.config.rewritten(received.signal) else { return ending };
        let containers = self.containers();
        let deadline = Instant::now().checked_add(self.config.grace());
        let from_outside = received.sender == 0 && !matches!(received.origin, Origin::Queued(_));
        if ending.is_none() && from_outside {
            warn!("{} from outside the pod: waiting for its containers to end", received.signal);
            // Who does not handle TERM has nothing to flush, or is an exec session that has outlived its
            // container: nothing tells it from a leader then, and nobody tells it to end.
            let handles_term =
                |id: &Identity| Status::read(id.pid).is_some_and(|it| handles(&it, Signal::TERM));
            let (awaited, limited) = leaders(&containers).into_iter().partition(handles_term);
            return Some(Ending { awaited, limited, deadline });
        }
        let statuses = || containers.iter().filter_map(|container| Status::read(container.leader.pid));
        let sender = describe_sender(received);
        if !statuses().all(|status| self.sender_may_signal(received, &status)) {
            warn!(
                "{} from {sender} is ignored: it may not signal all that the pod consists of",
                received.signal
            );
            return ending;
        }
        warn!("{} from {sender}: stopping the pod", received.signal);
        for container in &containers {
            self.tell(container.leader, signal, received.origin);
        }
        let mut limited = leaders(&containers);
        if let Some(Ending { awaited, limited: before, .. }) = ending {
            limited.extend(awaited.into_iter().chain(before));
        }
        Some(Ending { awaited: Vec::new(), limited, deadline })
    }

    /// The next one to be waited for; the others are waited for in their turn. `None` when nobody is left.
    fn watch(&self, ending: &mut Ending) -> Option<Watch> {
        for leaders in [&mut ending.awaited, &mut ending.limited] {
            while let Some(id) = leaders.last() {
                match procfs::hold(*id) {
                    Ok(held) => return Some(Watch::Leader(held)),
                    Err(errno)
                        if errno != Errno::ESRCH && Stat::read(id.pid).is_some_and(|now| now.is(*id)) =>
                    {
                        return Some(Watch::Tick);
                    }
                    Err(_) => drop(leaders.pop()),
                }
            }
        }
        let hidden = self.everybody.filter(|_| !procfs::shows_everybody(self.own));
        hidden.filter(|everybody| everybody.exist()).map(|_| Watch::Tick)
    }

    /// Passes a signal on to the leaders that it is for, as far as it would have reached them as PID 1.
    fn forward(&mut self, received: Received) {
        let Some(signal) = self.config.rewritten(received.signal) else { return };
        let containers = self.containers();
        let chosen = match self.config.pod_target {
            PodTarget::Leaders => leaders(&containers),
            PodTarget::Sender => self.leader_of_sender(&containers, received),
            PodTarget::None => Vec::new(),
        };
        // Nothing is kept of those who are gone.
        self.refused.retain(|id| chosen.contains(id));
        for id in chosen {
            let Some(status) = Status::read(id.pid) else { continue };
            if !handles(&status, signal) {
                debug!("{} ({}) does not handle {signal}", id.pid, status.name);
            } else if !self.sender_may_signal(received, &status) {
                debug!("{} may not signal {} ({})", describe_sender(received), id.pid, status.name);
            } else {
                debug!("{signal} for {} ({})", id.pid, status.name);
                self.tell(id, signal, received.origin);
            }
        }
    }

    fn containers(&self) -> Vec<Container> {
        // Elsewhere PPid 0 means other things: on a host, its own init.
        if self.everybody.is_some() { containers::all(self.own) } else { Vec::new() }
    }

    fn leader_of_sender(&self, containers: &[Container], received: Received) -> Vec<Identity> {
        let sender = i32::try_from(received.sender).ok().and_then(Pid::new);
        match sender.and_then(|pid| containers::of(containers, pid)) {
            Some(container) => vec![container.leader],
            None => {
                let who = describe_sender(received);
                warn!("{} is dropped: nobody knows which container {who} is in", received.signal);
                Vec::new()
            }
        }
    }

    /// Whether the sender could have signalled that process itself, so that nobody gets by us what the
    /// kernel would refuse. Who may signal us has CAP_KILL, and then may signal everybody, or our uid
    /// (kill(2)), and then may signal that uid's. What comes with a queued signal is the sender's own
    /// word, so it counts as the least.
    fn sender_may_signal(&self, received: Received, status: &Status) -> bool {
        let has_our_uid = received.sender != 0 && received.uid == self.uid;
        let confined = has_our_uid || matches!(received.origin, Origin::Queued(_));
        !confined || status.uids.contains(&self.uid)
    }

    fn tell(&mut self, id: Identity, signal: Signal, origin: Origin) {
        let queued = match origin {
            Origin::Queued(queued) => Some(queued),
            Origin::Kernel | Origin::Process => None,
        };
        match deliver(id, signal, queued) {
            Err(Errno::EPERM) if !self.refused.contains(&id) => {
                let name = procfs::name(id.pid);
                warn!(
                    "may not send {signal} to {} ({name}), which runs as another user: start the pause \
                     image as root, from which it keeps CAP_KILL alone, or as that user",
                    id.pid
                );
                self.refused.push(id);
            }
            Ok(()) | Err(Errno::EPERM | Errno::ESRCH) => {}
            Err(errno) => warn!("cannot send {signal} to {}: {}", id.pid, describe(errno)),
        }
    }
}

/// Whether a process in a PID namespace of its own, as its PID 1, would notice `signal`: the kernel
/// drops for a PID 1 what is neither handled nor blocked (pid_namespaces(7)). What is blocked is read
/// from a signalfd, or awaited by another thread.
fn handles(status: &Status, signal: Signal) -> bool {
    status.caught.contains(signal)
        || status.blocked.contains(signal)
        || HANDLE_EVERYTHING.contains(&status.name.as_str())
}

fn leaders(containers: &[Container]) -> Vec<Identity> {
    containers.iter().map(|container| container.leader).collect()
}

/// For the log: a pause process that vanishes without a word is a riddle (podman #16647).
fn describe_sender(received: Received) -> String {
    match i32::try_from(received.sender).ok().and_then(Pid::new) {
        Some(pid) => format!("{pid} ({}), uid {}", procfs::name(pid), received.uid),
        None => "outside the pod".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::SignalSet;

    #[test]
    fn who_handles_what() {
        let hup = Signal::new(1).unwrap();
        let status = |name: &str, blocked, caught| Status {
            name: name.into(),
            uids: [0, 0],
            blocked: SignalSet::from_bits(blocked),
            caught: SignalSet::from_bits(caught),
        };
        assert!(handles(&status("nginx", 0, 1), hup));
        assert!(handles(&status("podinit", !0, 0), hup));
        assert!(handles(&status("tini", 0, 0), hup));
        assert!(!handles(&status("sleep", 0, 0), hup));
        assert!(!handles(&status("nginx", 2, 2), hup));
    }
}
