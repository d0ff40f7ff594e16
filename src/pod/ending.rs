//! The stop of a pod: which leaders are sent a signal, and which are waited for.

use std::time::Instant;

use log::Level;
use nix::errno::Errno;

use super::containers::{Container, Containers};
use super::state::{Pod, describe_sender};
use crate::config::Config;
use crate::handling::{Handling, handling};
use crate::mailbox::{Looks, earlier, has_passed};
use crate::procfs::{self, Identity, Named, Stat, Status};
use crate::received::{Origin, Received};
use crate::signal::Signal;
use crate::sys::pidfd::PidFd;

/// A pod that stops.
pub(super) struct Ending {
    /// The leaders that may still live, and have all the time that they need: the engine has its own deadline.
    awaited: Vec<Identity>,
    /// Those that are left behind at the deadline.
    limited: Vec<Identity>,
    /// All containers that have been seen, those included that have exited or are left behind.
    known: Vec<Container>,
    /// The newest process that was there when the stop began.
    newest: Option<Identity>,
    deadline: Option<Instant>,
    /// The signal for leaders that are found later.
    signal: Option<Signal>,
    /// The leaders that a stop from inside has sent a signal.
    sent: Vec<Identity>,
    /// Whether the engine stops the pod; if not, a process in the pod does.
    by_engine: bool,
    /// Whether there may be leaders that /proc does not show. They are awaited; if a process in the pod stops it, only up
    /// to the deadline.
    hidden: bool,
    looks: Looks,
}

/// What to wait for beside signals.
#[derive(Default)]
pub(super) struct Awaited {
    pub leader: Option<PidFd>,
    pub until: Option<Instant>,
}

impl Pod<'_> {
    /// Handles a SIGTERM or SIGINT.
    ///
    /// From outside it is the engine: it stops every container itself at the same time (podman pod stop), has its own
    /// deadline, and would see containers killed by the kernel if init exited before them. From inside, or a second time,
    /// it is a request to stop the pod.
    pub(super) fn end(&mut self, received: Received, ending: Option<Ending>) -> Option<Ending> {
        let Some(signal) = self.config.rewritten(received.signal) else { return ending };
        let (containers, hidden) = self.containers_and_hidden();
        if ending.is_none() && received.is_from_outside() {
            warn!("{} from outside the pod: waiting for its containers to exit", received.signal);
            let mut ending = Ending::new(self.config, true, hidden, containers.newest);
            ending.add(containers);
            return Some(ending);
        }
        let sender = describe_sender(received);
        // Where init is not PID 1 there is no pod to protect.
        let is_pod = self.everybody.is_some();
        if is_pod && self.is_confined(received) && (hidden || !self.is_all_of_own_uid()) {
            // Once: a sender could fill the log.
            let level = if self.warned.confined { Level::Debug } else { Level::Warn };
            self.warned.confined = true;
            log!(
                level,
                "{} from {sender} is ignored: it may not signal all that the pod consists of",
                received.signal
            );
            return ending;
        }
        let (mut ending, is_first) = match ending {
            Some(ending) if !ending.by_engine => (ending, false),
            before => (Ending::new(self.config, false, hidden, containers.newest).after(before), true),
        };
        // A leader may answer its own TERM with one to init. Only the first stop and the engine reach those that were sent
        // one before.
        let to_all = is_first || received.is_from_outside();
        let level = if to_all { Level::Warn } else { Level::Debug };
        log!(level, "{} from {sender}: stopping the pod", received.signal);
        ending.hidden = hidden;
        let leaders = ending.add(containers);
        match self.everybody.filter(|_| hidden) {
            // Leaders that are hidden can be signalled in no other way, and would be killed without it.
            Some(everybody) if to_all => drop(everybody.kill(signal)),
            Some(_) => {}
            None => {
                ending.signal = Some(signal);
                if to_all {
                    ending.sent.clear();
                }
                self.terminate(&mut ending, leaders, received.origin);
            }
        }
        Some(ending)
    }

    /// Sends each of these leaders that has not been sent it the signal by which the pod stops. A stopped one is continued,
    /// so that it can handle it.
    fn terminate(&mut self, ending: &mut Ending, leaders: Vec<Identity>, origin: Origin) {
        let Some(signal) = ending.signal else { return };
        for leader in leaders {
            if ending.sent.contains(&leader) {
                continue;
            }
            ending.sent.push(leader);
            self.send(leader, signal, origin);
            if Stat::read(leader.pid).is_ok_and(|now| now.is(leader) && now.is_stopped()) {
                self.send(leader, Signal::CONT, Origin::Process);
            }
        }
    }

    /// Whether a process with init's uid, and no capability, might signal each process of the pod. When init
    /// exits, the kernel kills them all.
    fn is_all_of_own_uid(&self) -> bool {
        let others = procfs::processes().shown.into_iter().filter(|stat| stat.id.pid != self.own);
        others.map(|stat| Status::read(stat.id.pid)).all(|status| match status {
            Ok(status) => status.may_be_signalled_by(self.uid),
            Err(errno) => errno == Errno::ESRCH,
        })
    }

    /// What to wait for next. `None` when nothing is left to be awaited.
    pub(super) fn next_awaited(&mut self, ending: &mut Ending) -> Option<Awaited> {
        loop {
            self.everybody.filter(|everybody| everybody.exist())?;
            ending.give_up_at_deadline();
            // A container that starts now is sent the signal too. The engine stops it itself.
            if ending.signal.is_some() && ending.looks.is_due_or_first() {
                self.find_new(ending);
            }
            let until = ending.deadline.filter(|_| ending.has_limit());
            match ending.next_leader() {
                Some(Ok(leader)) => {
                    let look = ending.signal.map(|_| ending.looks.next());
                    return Some(Awaited { leader: Some(leader), until: earlier(until, look) });
                }
                None if !ending.hidden || ending.looks.is_due_or_first() => {
                    if self.find_new(ending) {
                        continue;
                    }
                    if !ending.hidden {
                        return None;
                    }
                }
                Some(Err(_)) | None => {}
            }
            return Some(Awaited { leader: None, until: earlier(until, Some(ending.looks.next())) });
        }
    }

    /// Looks at /proc again, and has `ending` wait for containers that have started since. Returns whether there are any:
    /// the engine may start one while it stops the pod, and init's exit would kill it before its first TERM. Sends the
    /// signal to the leaders that have executed their program since the last look.
    fn find_new(&mut self, ending: &mut Ending) -> bool {
        if ending.is_over() {
            return false;
        }
        let (containers, hidden) = self.containers_and_hidden();
        ending.hidden = hidden;
        let known = ending.known.len();
        let leaders = ending.add(containers);
        self.terminate(ending, leaders, Origin::Process);
        ending.known.len() > known
    }
}

impl Ending {
    fn new(config: &Config, by_engine: bool, hidden: bool, newest: Option<Identity>) -> Ending {
        Ending {
            awaited: Vec::new(),
            limited: Vec::new(),
            deadline: Instant::now().checked_add(config.grace()),
            known: Vec::new(),
            newest,
            signal: None,
            sent: Vec::new(),
            by_engine,
            hidden,
            looks: Looks::NONE,
        }
    }

    /// This one, which takes the place of `before`, the engine's. It waits for the leaders that were known there, up to its
    /// own deadline.
    fn after(mut self, before: Option<Ending>) -> Ending {
        if let Some(before) = before {
            self.limited.extend(before.known.iter().map(|container| container.leader));
            (self.known, self.newest) = (before.known, before.newest);
        }
        self
    }

    /// Has it wait for the leaders that it does not know. Returns all that have executed their program.
    fn add(&mut self, containers: Containers) -> Vec<Identity> {
        let mut executed = Vec::new();
        for mut container in containers.all {
            let Some(id) = self.leader_of(&container) else { continue };
            let is_starting = containers.starting.contains(&id);
            if !is_starting {
                executed.push(id);
            }
            if self.knows(id) {
                continue;
            }
            // A leader that does not handle TERM has nothing to flush, or is an exec session that has outlived its
            // container: nothing distinguishes it from a leader then, and the engine does not stop it.
            let is_limited = || {
                let does_not = |status| handling(None, &status, Signal::TERM) == Handling::DoesNot;
                !is_starting && Status::read(id.pid).is_ok_and(does_not)
            };
            let list = if !self.by_engine || is_limited() { &mut self.limited } else { &mut self.awaited };
            list.push(id);
            container.leader = id;
            self.known.push(container);
        }
        executed
    }

    /// The process that leads this container since the stop began. If the leader that was known has exited, those that
    /// have been there since before are its exec sessions; the first one that has entered later counts as the leader of
    /// the same container, which its engine has started again.
    fn leader_of(&self, container: &Container) -> Option<Identity> {
        let mut entered = container.entered.iter().copied();
        let known = entered.clone().find(|id| self.knows(*id));
        known.or_else(|| {
            let is_known = self.known.iter().any(|known| known.is_same(container));
            if is_known { entered.find(|id| Some(*id) > self.newest) } else { Some(container.leader) }
        })
    }

    /// Whether the process `id` leads a container, or did.
    fn knows(&self, id: Identity) -> bool {
        self.known.iter().any(|container| container.leader == id)
    }

    /// Whether containers that start now are no longer awaited.
    fn is_over(&self) -> bool {
        !self.by_engine && has_passed(self.deadline)
    }

    /// Whether its deadline applies to any process.
    fn has_limit(&self) -> bool {
        !self.limited.is_empty() || self.hidden && !self.by_engine
    }

    fn give_up_at_deadline(&mut self) {
        if !self.has_limit() || !has_passed(self.deadline) {
            return;
        }
        for id in self.limited.drain(..).filter(|id| may_live(*id)) {
            warn!("time is up, leaving {} behind", Named(id.pid));
        }
        if self.hidden && !self.by_engine {
            warn!("time is up, leaving processes behind that /proc does not show");
            self.hidden = false;
        }
    }

    /// The next leader to be waited for; the others follow in their turn. An error if it may not have exited, but no
    /// pidfd can be opened.
    fn next_leader(&mut self) -> Option<Result<PidFd, Errno>> {
        for leaders in [&mut self.awaited, &mut self.limited] {
            while let Some(id) = leaders.last() {
                match procfs::hold(*id) {
                    Ok(held) => return Some(Ok(held)),
                    Err(errno) if errno != Errno::ESRCH && may_live(*id) => return Some(Err(errno)),
                    Err(_) => drop(leaders.pop()),
                }
            }
        }
        None
    }
}

/// Whether the process `id` has not exited, as far as /proc says.
fn may_live(id: Identity) -> bool {
    match Stat::read(id.pid) {
        Ok(now) => now.is(id),
        Err(errno) => errno != Errno::ESRCH,
    }
}
