//! The remaining processes: all in init's care but the main process. As PID 1 these are all of the PID namespace;
//! otherwise init's descendants, which it adopts as a subreaper.

use std::cell::Cell;
use std::time::Instant;

use nix::errno::Errno;

use super::ancestors::least_above;
use crate::deliver::deliver;
use crate::handling::handles;
use crate::hidepid;
use crate::mailbox::has_passed;
use crate::procfs::{self, Identity, Named, Processes, Stat};
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::pidfd::PidFd;
use crate::sys::process::{Pid, have_children, ticks_since_boot};
use crate::sys::signal::{Everybody, Queued};

/// How many times at most /proc is read anew where processes start or exit meanwhile.
const PASSES: u32 = 16;

/// The remaining processes, and which of them have been sent SIGTERM.
pub struct Remaining {
    own: Pid,
    everybody: Option<Everybody>,
    /// Sorted by pid first: a process that is younger than another one may have a lower pid.
    terminated: Vec<Terminated>,
    /// Whether SIGTERM was sent where it cannot be seen to which processes.
    all_terminated: bool,
    /// Whether init has warned that it cannot signal all processes by one call.
    warned: Cell<bool>,
    /// Whether init has warned that it may not signal a process.
    denied: Cell<bool>,
}

/// A process that has been sent SIGTERM (or what it is rewritten to).
#[derive(Clone, Copy)]
pub struct Terminated {
    pub id: Identity,
    /// When, in clock ticks, as the start of a process is.
    since: u64,
}

/// Which kind of processes are left, and what reports the next one's exit.
pub enum Left {
    None,
    /// Children of init: SIGCHLD.
    Children,
    /// No children, but a non-child: its pidfd.
    NonChild(Identity, PidFd),
    /// Processes whose exit nothing reports: hidden, or on a kernel without pidfds.
    Unseen,
}

impl Remaining {
    /// Those in the care of init, which is the process `own`.
    pub fn new(own: Pid) -> Remaining {
        let everybody = Everybody::as_pid_1();
        let (warned, denied) = (Cell::new(false), Cell::new(false));
        Remaining { own, everybody, terminated: Vec::new(), all_terminated: false, warned, denied }
    }

    /// Which kind of processes are left.
    pub fn left(&self) -> Left {
        for _ in 0..PASSES {
            if have_children() {
                return Left::Children;
            }
            if self.everybody.is_none_or(|everybody| !everybody.exist()) {
                return Left::None;
            }
            // What is left are non-children, and processes that these have started.
            let all = procfs::processes();
            let entered = all.shown.iter().find(|stat| stat.parent.is_none() && stat.id.pid != self.own);
            match entered.map(|stat| procfs::hold(stat.id).map(|held| (stat.id, held))) {
                Some(Ok((id, held))) => return Left::NonChild(id, held),
                // It has exited since /proc was read.
                Some(Err(Errno::ESRCH)) => {}
                Some(Err(_)) => return Left::Unseen,
                None if all.unread.is_some() || !hidepid::shows_everybody(self.own) => return Left::Unseen,
                // Zombies, which a process outside has to reap.
                None if all.shown.iter().all(|stat| stat.id.pid == self.own) && !have_children() => {
                    return Left::None;
                }
                // A non-child has exited since, and a process that it had started is a child of init now: /proc shows
                // it, or was read past its pid before it was started.
                None => {}
            }
        }
        Left::Unseen
    }

    /// All that /proc shows: none without /proc, and not those that it hides (hidepid).
    pub fn members(&self) -> Vec<Stat> {
        self.look().shown
    }

    /// [`Remaining::members`], and whether there may be more.
    fn look(&self) -> Processes {
        let mut all = procfs::processes();
        if self.everybody.is_none() {
            let own = |stat: &Stat| if stat.id.pid == self.own { 0 } else { u64::MAX };
            let values: Vec<u64> = all.shown.iter().map(own).collect();
            let mut above = least_above(&all.shown, &values).into_iter();
            all.shown.retain(|_| above.next() == Some(0));
        }
        all.shown.retain(|stat| stat.id.pid != self.own);
        all
    }

    /// Whether a process that init has a pidfd of is one of [`Remaining::members`] now.
    pub fn is_member(&self, now: &Stat) -> bool {
        if self.everybody.is_some() {
            return now.id.pid != self.own;
        }
        let mut parent = now.parent;
        let mut passes = PASSES;
        while let Some(pid) = parent {
            if pid == self.own {
                return true;
            }
            parent = match Stat::read(pid) {
                Ok(stat) => stat.parent,
                // An ancestor has been reaped meanwhile, so the process may have another parent now.
                Err(Errno::ESRCH) if passes > 0 => {
                    passes -= 1;
                    Stat::read(now.id.pid).ok().and_then(|now| now.parent)
                }
                Err(_) => None,
            };
        }
        false
    }

    /// Whether the process `pid` is shown, and outside of init's care. As PID 1 init has all that have a pid in its care.
    pub fn is_outside(&self, pid: Pid) -> bool {
        self.everybody.is_none() && Stat::read(pid).is_ok_and(|now| !self.is_member(&now))
    }

    /// Whether a process that init has a pidfd of is the one that it found in /proc after the time `since`, and one of
    /// [`Remaining::members`] now. A process that had started before that time is no later one, and stays in init's
    /// care; so the ancestors of few are read.
    fn is_same_member(&self, now: &Stat, since: u64) -> bool {
        now.id.start < since || self.is_member(now)
    }

    /// The `chosen` ones of the remaining processes, for [`Remaining::note_terminated`]: to be called right before SIGTERM
    /// is sent to them. Those that have exited are forgotten.
    pub fn about_to_terminate(&mut self, chosen: &dyn Fn(&Stat) -> bool) -> Vec<Terminated> {
        let since = ticks_since_boot();
        let members = self.members();
        let mut living: Vec<Identity> = members.iter().map(|stat| stat.id).collect();
        living.sort_unstable();
        self.terminated.retain(|it| living.binary_search(&it.id).is_ok());
        members.iter().filter(|stat| chosen(stat)).map(|stat| Terminated { id: stat.id, since }).collect()
    }

    /// Whether the process has been sent SIGTERM.
    pub fn is_terminated(&self, id: Identity) -> bool {
        self.place_of(id).is_ok()
    }

    /// Notes that a process has been sent SIGTERM.
    pub fn note_terminated(&mut self, sent: Terminated) {
        if let Err(place) = self.place_of(sent.id) {
            self.terminated.insert(place, sent);
        }
    }

    /// Sends SIGTERM, which is `signal`, to each process that has had none yet. What a process started after it had been
    /// sent SIGTERM is part of how it stops, and not sent it while that process has not exited.
    ///
    /// Where /proc does not show every process, PID 1 sends it once to all of them, those included that
    /// have had one: better twice than never. Any other init can then only send it to those that it sees.
    pub fn terminate(&mut self, signal: Signal, deadline: Option<Instant>) {
        let is_pid_1 = self.everybody.is_some();
        let hides_some = is_pid_1 && !hidepid::shows_everybody(self.own);
        // A process that forked meanwhile has a child that was not sent it; so until there is no new one. A process
        // that forks without an end must not postpone the deadline; its orphans raise SIGCHLD.
        for _ in 0..PASSES {
            let since = ticks_since_boot();
            let members = self.look();
            if hides_some || is_pid_1 && members.unread.is_some() {
                if !self.all_terminated {
                    self.send(signal);
                    self.send(Signal::CONT);
                }
                self.all_terminated = true;
                return;
            }
            let any = self.terminate_once(signal, &members.shown, since);
            if !any || has_passed(deadline) {
                return;
            }
        }
    }

    /// Sends it to those of `members` that have had none, and returns whether there was one. `since` is the time before
    /// they were read.
    fn terminate_once(&mut self, signal: Signal, members: &[Stat], since: u64) -> bool {
        let sent: Vec<u64> = members.iter().map(|stat| self.sent_at(stat.id)).collect();
        let above = least_above(members, &sent);
        let mut any = false;
        for (stat, (sent, above)) in members.iter().zip(sent.iter().zip(above)) {
            if *sent == u64::MAX && above > stat.id.start {
                any = true;
                self.note_terminated(Terminated { id: stat.id, since });
                self.send_to(stat.id, signal, since);
            }
            if stat.is_stopped() {
                // What it has been sent stays pending until it is continued.
                self.send_to(stat.id, Signal::CONT, since);
            }
        }
        any
    }

    /// Sends SIGTERM, which is `signal`, to the orphans that have received none yet. An orphan is a child of init, so only
    /// init's children are read.
    pub fn terminate_orphans(&mut self, signal: Signal) {
        for pid in procfs::children(self.own) {
            // A pid that comes again within a stop belongs to another process, but that takes as many
            // forks as there are pids; and then it is killed at the deadline.
            if self.terminated.binary_search_by_key(&pid, |it| it.id.pid).is_err()
                && let Ok(stat) = Stat::read(pid)
                && !stat.has_exited()
            {
                let since = ticks_since_boot();
                self.note_terminated(Terminated { id: stat.id, since });
                self.send_to(stat.id, signal, 0);
            }
        }
    }

    /// Sends `signal` to the `chosen` ones of the remaining processes, as far as they handle it: most signals kill a
    /// process that does not.
    pub fn send_to_handlers(&self, signal: Signal, queued: Option<Queued>, chosen: &dyn Fn(&Stat) -> bool) {
        let since = ticks_since_boot();
        for stat in self.members().iter().filter(|stat| chosen(stat)) {
            self.send_if(stat.id, signal, queued, &|now| {
                chosen(now)
                    && self.is_same_member(now, since)
                    && (signal == Signal::KILL || handles(now.id.pid, signal))
            });
        }
    }

    /// Sends `signal` to all processes.
    pub fn send(&self, signal: Signal) {
        match self.everybody.map(|everybody| everybody.kill(signal)) {
            // ESRCH: there is none.
            Some(Ok(()) | Err(Errno::ESRCH)) => return,
            // Not the kernel's own answer, which is no error if it may signal none of them.
            Some(Err(errno)) if !self.warned.replace(true) => warn!(
                "cannot send {signal} to all processes by one call, kill(-1) ({}; a seccomp filter?): it is sent to \
                 those that /proc shows",
                describe(errno)
            ),
            _ => {}
        }
        let since = ticks_since_boot();
        self.members().iter().for_each(|stat| self.send_to(stat.id, signal, since));
    }

    /// Sends `signal` to the process `id`, found after the time `since`, if it is one of [`Remaining::members`] now.
    fn send_to(&self, id: Identity, signal: Signal, since: u64) {
        self.send_if(id, signal, None, &|now| self.is_same_member(now, since));
    }

    /// Sends `signal` to the process `id`, if it `is_meant` as it is now.
    fn send_if(
        &self,
        id: Identity,
        signal: Signal,
        queued: Option<Queued>,
        is_meant: &dyn Fn(&Stat) -> bool,
    ) {
        match deliver(id, signal, queued, is_meant) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(Errno::EPERM) if self.denied.replace(true) => {}
            Err(Errno::EPERM) => {
                warn!(
                    "may not send {signal} to {} (another user's, and no CAP_KILL?); others are not named",
                    Named(id.pid)
                )
            }
            Err(errno) => warn!("cannot send {signal} to {}: {}", Named(id.pid), describe(errno)),
        }
    }

    /// When the process was sent SIGTERM; `u64::MAX` if it was not.
    fn sent_at(&self, id: Identity) -> u64 {
        self.place_of(id).map_or(u64::MAX, |place| self.terminated[place].since)
    }

    /// Where the process is in `terminated`, or as an error, where it belongs.
    fn place_of(&self, id: Identity) -> Result<usize, usize> {
        let order = |id: Identity| (id.pid, id.start);
        self.terminated.binary_search_by_key(&order(id), |it| order(it.id))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::process::own_pid;

    #[test]
    fn what_has_exited_is_forgotten() {
        let mut remaining = Remaining::new(own_pid());
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::new(child.id() as i32).unwrap();
        let sent = remaining.about_to_terminate(&|stat| stat.id.pid == pid);
        assert_eq!(sent.len(), 1);
        remaining.note_terminated(sent[0]);
        assert!(remaining.about_to_terminate(&|_| false).is_empty());
        assert_eq!(remaining.terminated.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        remaining.about_to_terminate(&|_| false);
        assert!(remaining.terminated.is_empty());
    }
}
