//! The rest: everybody in our care but the main process. As PID 1 that is all of the PID namespace;
//! otherwise our descendants, whom we adopt as a subreaper.

use log::warn;
use nix::errno::Errno;

use crate::deliver::deliver;
use crate::procfs::{self, Identity, Stat};
use crate::signals::Signal;
use crate::sys::describe;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{Pid, have_children};
use crate::sys::signal::Everybody;

/// Everybody in our care, and who of them has been asked to stop.
pub struct Rest {
    own: Pid,
    everybody: Option<Everybody>,
    /// Sorted.
    asked: Vec<Identity>,
}

/// Who is left.
pub enum Left {
    Nobody,
    /// Children of ours; SIGCHLD tells.
    Children,
    /// No children, but somebody who came from outside; this pidfd tells.
    Stranger(PidFd),
    /// Somebody of whom nothing tells: hidden, or seen on a kernel without pidfds.
    Unseen,
}

impl Rest {
    /// Those in the care of the process `own`, which is ours.
    pub fn new(own: Pid) -> Rest {
        Rest { own, everybody: Everybody::as_pid_1(), asked: Vec::new() }
    }

    /// Who is left, and how the next one's end will be heard of.
    pub fn left(&self) -> Left {
        if have_children() {
            return Left::Children;
        }
        if self.everybody.is_none_or(|everybody| !everybody.exist()) {
            return Left::Nobody;
        }
        // What is left came into our PID namespace from outside, or was started by one that did.
        let all = procfs::processes();
        let entered = all.shown.iter().find(|stat| stat.parent.is_none() && stat.id.pid != self.own);
        match entered.map(|stat| procfs::hold(stat.id)) {
            Some(Ok(held)) => Left::Stranger(held),
            // Zombies, which somebody outside has to reap.
            None if all.unread.is_none() && procfs::shows_everybody(self.own) => Left::Nobody,
            _ => Left::Unseen,
        }
    }

    /// Everybody that /proc shows. Without /proc nobody; and where it hides some (hidepid), not those.
    pub fn members(&self) -> Vec<Stat> {
        let mut all = procfs::processes().shown;
        all.retain(|stat| stat.id.pid != self.own);
        if self.everybody.is_none() {
            let parents = parents(&all);
            all.retain(|stat| ancestors(&parents, stat.id.pid).any(|pid| pid == self.own));
        }
        all
    }

    /// Notes that those members for whom `was_asked` holds are asked to stop, in this moment and by
    /// other means.
    pub fn note_asked(&mut self, was_asked: impl Fn(&Stat) -> bool) {
        for stat in self.members().iter().filter(|stat| was_asked(stat)) {
            self.note(stat.id);
        }
    }

    /// Asks everybody to stop who has not been asked yet; nobody is asked twice. What somebody started
    /// after being asked is part of how it stops, and left to it for as long as it lives.
    ///
    /// Where /proc does not show everybody, PID 1 asks all at once, those included who have been
    /// asked before: better twice than never. Anybody else can then ask those alone whom it sees.
    pub fn ask(&mut self, signal: Signal) {
        if let Some(everybody) = self.everybody
            && !procfs::shows_everybody(self.own)
        {
            let _ = everybody.kill(signal);
            let _ = everybody.kill(Signal::CONT);
            return;
        }
        // Who forked while being told has a child that was not; so until there is nobody new.
        while self.ask_once(signal) {}
    }

    /// Whether there was anybody to be asked.
    fn ask_once(&mut self, signal: Signal) -> bool {
        let members = self.members();
        let parents = parents(&members);
        let asked: Vec<Pid> =
            members.iter().filter(|stat| self.was_asked(stat.id)).map(|stat| stat.id.pid).collect();
        let mut anybody = false;
        for stat in &members {
            let by_its_parent = ancestors(&parents, stat.id.pid).any(|pid| asked.contains(&pid));
            if !self.was_asked(stat.id) && !by_its_parent {
                anybody = true;
                self.note(stat.id);
                send(stat, signal);
            }
            if stat.is_stopped() {
                // What it has been sent waits until it goes on.
                send(stat, Signal::CONT);
            }
        }
        anybody
    }

    /// Asks those who have lost their parent since and have not been asked yet. Only our children can
    /// have, so nobody else is looked at.
    pub fn ask_orphans(&mut self, signal: Signal) {
        for pid in procfs::children(self.own) {
            // A pid that comes again within a stop belongs to somebody new, but that takes as many
            // forks as there are pids; and then it is asked no later than killed.
            if self.asked.binary_search_by_key(&pid, |id| id.pid).is_err()
                && let Ok(stat) = Stat::read(pid)
                && !stat.has_ended()
            {
                self.note(stat.id);
                send(&stat, signal);
            }
        }
    }

    /// Sends `signal` to everybody.
    pub fn send(&self, signal: Signal) {
        match self.everybody {
            Some(everybody) => drop(everybody.kill(signal)),
            None => self.members().iter().for_each(|stat| send(stat, signal)),
        }
    }

    fn was_asked(&self, id: Identity) -> bool {
        self.asked.binary_search(&id).is_ok()
    }

    fn note(&mut self, id: Identity) {
        if let Err(place) = self.asked.binary_search(&id) {
            self.asked.insert(place, id);
        }
    }
}

/// Who is whose parent: pairs of a child and its parent, sorted. (A map would be 3 KB of code.)
fn parents(members: &[Stat]) -> Vec<(Pid, Pid)> {
    let mut pairs: Vec<_> = members.iter().filter_map(|stat| Some((stat.id.pid, stat.parent?))).collect();
    pairs.sort_unstable();
    pairs
}

/// The ancestors of `pid` as far as they are known, nearest first. (A map read while processes come and
/// go might hold a circle; nobody has more ancestors than there are processes.)
fn ancestors(parents: &[(Pid, Pid)], pid: Pid) -> impl Iterator<Item = Pid> {
    let parent = |pid: &Pid| {
        let place = parents.binary_search_by_key(pid, |(child, _)| *child).ok()?;
        Some(parents[place].1)
    };
    std::iter::successors(Some(pid), parent).skip(1).take(parents.len())
}

/// Sends `signal` to the process of `stat`.
fn send(stat: &Stat, signal: Signal) {
    match deliver(stat.id, signal, None) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => {
            let pid = stat.id.pid;
            warn!("cannot send {signal} to {pid} ({}): {}", procfs::name(pid), describe(errno));
        }
    }
}
