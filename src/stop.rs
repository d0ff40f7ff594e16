//! Stopping in good order. The kernel kills all of a PID namespace the moment its PID 1 exits, in the
//! middle of whatever it is doing; so the rest are asked to stop first, and given time for it (what
//! users of the inits that exit at once ask for: tini #180, #229, #95; dumb-init #212, #80, #191).

use std::time::{Duration, Instant};

use log::{debug, info, warn};

use crate::config::Config;
use crate::mailbox::{Event, Mailbox};
use crate::procfs;
use crate::reap::reap;
use crate::received::Received;
use crate::rest::{Left, Rest};
use crate::signals::Signal;
use crate::sys::signal::SignalSet;

/// How long to wait for those who have been killed, so that they are reaped. Nobody can refuse to die,
/// but one that waits for a disk may take its time, and one of another user's may not be ours to kill.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long signals that were queued before the main process's exit may hold up what comes after it.
const PENDING: Duration = Duration::from_millis(100);

/// Has the rest stop, now that the main process is gone, and returns when nobody is left, or the time
/// is up: `grace` from now, or `kill_at` if that comes first.
pub fn stop(config: &Config, grace: Duration, mailbox: &Mailbox, rest: &mut Rest, kill_at: Option<Instant>) {
    if grace.is_zero() || matches!(rest.left(), Left::Nobody) {
        return;
    }
    let parting = config.rewritten(Signal::TERM);
    let grace_ends = Instant::now().checked_add(grace);
    deliver_pending(config, mailbox, rest);
    if let Some(signal) = parting {
        rest.ask(signal);
    }
    let mut deadline = [grace_ends, kill_at].into_iter().flatten().min();
    let mut killed = false;
    loop {
        let stranger = match rest.left() {
            Left::Nobody => return info!("nobody is left"),
            Left::Stranger(held) => Some(held),
            Left::Children | Left::Unseen => None,
        };
        match mailbox.next(deadline, stranger.as_ref()) {
            Event::Signal(received) if received.signal == Signal::CHLD => {
                reap(None, config.warn_reaped);
                if killed {
                    rest.send(Signal::KILL);
                } else if let Some(signal) = parting {
                    rest.ask_orphans(signal);
                }
            }
            Event::Signal(received) => tell(config, received, rest),
            Event::StrangerEnded => {}
            Event::Deadline if killed => return warn!("left behind processes that cannot be killed"),
            Event::Deadline => {
                kill(rest);
                killed = true;
                deadline = Some(Instant::now() + PATIENCE);
            }
        }
    }
}

/// Delivers the signals that came before the main process's exit was noticed. A flood must not hold up what comes next:
/// of each standard signal one is taken, since no more can have been pending (signal(7)), and queued ones are taken for
/// a limited time. Those that are left are delivered later.
fn deliver_pending(config: &Config, mailbox: &Mailbox, rest: &mut Rest) {
    let ends = Instant::now() + PENDING;
    let mut set = SignalSet::ALL;
    while let Some(received) = mailbox.take(set) {
        let is_standard = SignalSet::STANDARD.contains(received.signal);
        if is_standard {
            set = set.without(received.signal);
        }
        match received.signal {
            Signal::CHLD => drop(reap(None, config.warn_reaped)),
            _ => tell(config, received, rest),
        }
        if !is_standard && ends <= Instant::now() {
            return;
        }
    }
}

/// Passes on to everybody in our care what arrives while they stop.
fn tell(config: &Config, received: Received, rest: &mut Rest) {
    debug!("{} for the rest", received.signal);
    if let Some(signal) = config.rewritten(received.signal) {
        rest.send(signal);
        if Some(signal) == config.rewritten(Signal::TERM) {
            rest.note_asked(|_| true);
        }
    }
}

/// Kills everybody in our care.
pub fn kill(rest: &Rest) {
    let names: Vec<String> = rest
        .members()
        .iter()
        .map(|stat| format!("{} ({})", stat.id.pid, procfs::name(stat.id.pid)))
        .collect();
    warn!(
        "time is up, killing {}",
        if names.is_empty() { "whoever is left".into() } else { names.join(", ") }
    );
    rest.send(Signal::KILL);
}
