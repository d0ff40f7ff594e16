//! Stops the remaining processes. The kernel kills all processes of a PID namespace when its PID 1 exits, whatever they are
//! doing. So they are sent SIGTERM first, and given time to exit (what users of inits that exit at once want: tini #180,
//! #229, #95; dumb-init #212, #80, #191).

use std::fmt::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::forward::is_target;
use super::remaining::{Left, Remaining};
use crate::config::Config;
use crate::mailbox::{Event, Looks, Mailbox, Other, earlier, has_passed};
use crate::procfs::Named;
use crate::reap::reap;
use crate::received::{Origin, Received};
use crate::signal::{Signal, SignalSet};
use crate::sys::process::Pid;
use crate::termination_log::TerminationLog;

/// How long to wait for processes that have been sent SIGKILL, so that they are reaped. One that waits for a disk exits
/// late, and one of another user may not be signalled at all.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long signals that were queued before the main process's exit may delay the stop.
const PENDING: Duration = Duration::from_millis(100);

/// The stop of the remaining processes, once the main process has exited.
pub struct Stop<'a> {
    pub config: &'a Config,
    pub main: Pid,
    pub mailbox: &'a Mailbox,
    pub remaining: &'a mut Remaining,
    /// Whether a SIGTERM has been forwarded; or, where `--rewrite TERM:0` drops it, SIGINT or SIGQUIT.
    pub term_forwarded: bool,
    /// Whether all have been sent SIGKILL already (`--kill-after`).
    pub killed: bool,
    pub log: &'a mut TerminationLog,
}

impl Stop<'_> {
    /// Has the remaining processes stop, and returns when there are none, or the time is up: `grace` from now,
    /// or `kill_at` if that comes first.
    pub fn run(mut self, grace: Duration, kill_at: Option<Instant>) {
        if grace.is_zero() || matches!(self.remaining.left(), Left::None) {
            return;
        }
        let parting = self.config.rewritten(Signal::TERM);
        if parting.is_none() && !self.term_forwarded {
            return info!("SIGTERM is dropped (--rewrite), so no process is waited for");
        }
        let mut deadline = Some(Instant::now() + PATIENCE);
        if !self.killed {
            deadline = earlier(Instant::now().checked_add(grace), kill_at);
            self.deliver_pending(&mut deadline);
            if let Some(signal) = parting {
                self.remaining.terminate(signal, deadline);
            }
        }
        let mut looks = Looks::NONE;
        loop {
            let due = has_passed(deadline);
            if self.killed || due {
                // The SIGCHLD may have to wait for its turn in a flood of other signals, or comes after the deadline.
                reap(None, self.config.warn_reaped);
            }
            if self.killed && looks.is_due() {
                // One that a killed process was starting, or that has entered since. Not at each SIGCHLD: /proc is read.
                self.remaining.send(Signal::KILL);
            }
            let (non_child, look_again) = match self.remaining.left() {
                Left::None => return info!("no process is left"),
                Left::NonChild(id, held) => {
                    // It has entered since the others were sent SIGTERM.
                    if !self.killed
                        && !self.remaining.is_terminated(id)
                        && let Some(signal) = parting
                    {
                        self.remaining.terminate(signal, deadline);
                    }
                    (Some(held), self.killed.then(|| looks.next()))
                }
                Left::Children => (None, self.killed.then(|| looks.next())),
                Left::Unseen => (None, Some(looks.next())),
            };
            match self.mailbox.next(
                earlier(deadline, look_again),
                non_child.as_ref().map(|held| Other::readable(held.as_fd())),
            ) {
                Event::Signal(received) if received.signal == Signal::CHLD => {
                    reap(None, self.config.warn_reaped);
                    if !self.killed
                        && let Some(signal) = parting
                    {
                        self.remaining.terminate_orphans(signal);
                    }
                }
                Event::Signal(received) => self.deliver(received, &mut deadline),
                Event::Ready => {}
                Event::Deadline if !due => {}
                Event::Deadline if self.killed => {
                    return warn!("left behind processes that cannot be killed");
                }
                Event::Deadline => {
                    kill(self.remaining, self.log);
                    self.killed = true;
                    looks = Looks::NONE;
                    deadline = Some(Instant::now() + PATIENCE);
                }
            }
        }
    }

    /// Delivers the signals that came before the main process's exit was noticed. A flood must not delay the stop:
    /// of each standard signal one is taken, since no more can have been pending (signal(7)), and queued ones are taken for
    /// a limited time. Those that are left are delivered later.
    fn deliver_pending(&mut self, deadline: &mut Option<Instant>) {
        let ends = Instant::now() + PENDING;
        let mut set = SignalSet::ALL;
        while let Some(received) = self.mailbox.take(set) {
            let is_standard = SignalSet::STANDARD.contains(received.signal);
            if is_standard {
                set = set.without(received.signal);
            }
            match received.signal {
                Signal::CHLD => drop(reap(None, self.config.warn_reaped)),
                _ => self.deliver(received, deadline),
            }
            if !is_standard && ends <= Instant::now() {
                return;
            }
        }
    }

    /// Delivers a signal to the remaining processes that it is for. The first one that asks to exit starts `--kill-after`.
    fn deliver(&mut self, received: Received, deadline: &mut Option<Instant>) {
        let Some(signal) = self.config.rewritten(received.signal) else { return };
        debug!("{} for the remaining processes", received.signal);
        if !self.killed && self.config.asks_to_exit(signal) {
            *deadline = earlier(*deadline, self.config.kill_at());
        }
        if Some(signal) == self.config.rewritten(Signal::TERM) {
            // The first one is for those that have had none: many programs take a second one for an order to abort. A
            // further one from outside is meant for all of them. From inside it is never sent to a process twice:
            // a remaining process that sends it in its own handler of SIGTERM would get it back again and again.
            let from_outside = self.comes_from_outside(received);
            if self.term_forwarded && from_outside {
                let all = self.remaining.about_to_terminate(&|_| true);
                self.remaining.send(signal);
                all.into_iter().for_each(|it| self.remaining.note_terminated(it));
            } else {
                self.remaining.terminate(signal, *deadline);
            }
            self.term_forwarded |= from_outside;
            return;
        }
        match signal {
            Signal::CONT | Signal::STOP | Signal::TSTP => self.remaining.send(signal),
            _ => {
                let queued = match received.origin {
                    Origin::Queued(queued) => Some(queued),
                    Origin::Kernel | Origin::Process | Origin::Other => None,
                };
                let (target, main) = (self.config.target, self.main);
                self.remaining.send_to_handlers(signal, queued, &|stat| is_target(target, main, stat));
            }
        }
    }

    /// Whether the kernel or a process outside of init's care sent it. Unknown counts as no: a value that was queued (its
    /// sender chose the pid), a sender that has been reaped.
    fn comes_from_outside(&self, received: Received) -> bool {
        match received.origin {
            Origin::Kernel => true,
            Origin::Process => received.sending_process().is_none_or(|pid| self.remaining.is_outside(pid)),
            Origin::Queued(_) | Origin::Other => false,
        }
    }
}

/// How many of the killed processes are named in the log: each name is a file to read.
const NAMED: usize = 20;

/// Kills the remaining processes. Their names are read afterwards, so that it is not late.
pub fn kill(remaining: &Remaining, log: &mut TerminationLog) {
    let members = remaining.members();
    remaining.send(Signal::KILL);
    let mut line = "time is up: killed ".to_owned();
    for stat in members.iter().take(NAMED) {
        let _ = write!(line, "{}, ", Named(stat.id.pid));
    }
    if members.is_empty() {
        line.push_str("the remaining processes");
    } else {
        let _ = write!(line, "{} in all", members.len());
    }
    warn!("{line}");
    log.note(&line);
}
