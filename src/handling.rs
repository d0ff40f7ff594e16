//! Whether a process would notice a signal, as far as /proc/PID/status says: for signals that kill a process that does not
//! handle them.

use nix::poll::{PollTimeout, poll};

use crate::bytes::number;
use crate::procfs::{self, Status, shows_this_namespace, status_field};
use crate::signal::{Signal, SignalSet};
use crate::sys::process::Pid;

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It has a handler for it.
    Handles,
    /// It blocks it, and waits for it.
    Waits,
    /// It ignores it, or leaves it to the default action.
    DoesNot,
    /// It blocks it, and it takes another look to say whether it waits for it.
    LookAgain,
    /// /proc does not say (gVisor).
    Unknown,
}

/// What the process of which `now` was read does with `signal`. `before` is what was read of it right before, if anything.
///
/// A process with a signalfd, or in sigwait(3), blocks what it waits for, and sleeps. But each fork of dash, Python and
/// glibc (system(3), posix_spawn(3)) blocks every signal for a moment as well, and a signal that arrives then takes effect
/// right after. Such a process runs, or sleeps uninterruptibly. So a blocked signal counts only if the process sleeps
/// interruptibly, at two looks in a row: the kernel writes the state into a status before the mask, and a process that
/// wakes up in between seems to sleep.
pub fn handling(before: Option<&Status>, now: &Status, signal: Signal) -> Handling {
    if waits_for_everything(&now.name) {
        return Handling::Waits;
    }
    match now.blocked_and_caught {
        None => Handling::Unknown,
        Some([_, caught]) if caught.contains(signal) => Handling::Handles,
        Some([blocked, _]) if !blocked.contains(signal) => Handling::DoesNot,
        Some(_) if waits_for(now, signal) && before.is_some_and(|before| waits_for(before, signal)) => {
            Handling::Waits
        }
        Some(_) => Handling::LookAgain,
    }
}

/// Whether the process `pid` has a handler for `signal`, or waits for it: it blocks it, and sleeps. (A fork blocks every
/// signal for a moment, but does not sleep then.) Unknown counts as no.
pub fn handles(pid: Pid, signal: Signal) -> bool {
    let look = || Status::read(pid).ok();
    if !shows_this_namespace() {
        return false;
    }
    let before = look();
    let now = look();
    let handling = now.map(|now| handling(before.as_ref(), &now, signal));
    matches!(handling, Some(Handling::Handles | Handling::Waits))
}

/// How many times at most a process is looked at that blocks a signal and does not sleep: a fork of dash, Python or glibc
/// takes microseconds.
const LOOKS: u32 = 10;
const MILLISECONDS_BETWEEN: u8 = 10;

/// Whether the process `pid`, as PID 1 of a PID namespace of its own, would not notice `signal`: the kernel drops what it
/// does not handle. Unknown counts as no.
pub fn drops(pid: Pid, signal: Signal) -> bool {
    let mut found = [Handling::Unknown];
    if shows_this_namespace() {
        look(pid, &[signal], &mut found);
    }
    found == [Handling::DoesNot]
}

/// Looks at the process `pid` until it is known what it does with each of `signals`, or for as long as it makes sense, and
/// writes that to `found`. Returns its status as text; `None` if it is not shown.
fn look(pid: Pid, signals: &[Signal], found: &mut [Handling]) -> Option<Vec<u8>> {
    let mut before = None;
    let mut looks = 0;
    loop {
        let text = procfs::read_of(pid, "status").ok()?;
        let now = Status::parse(&text)?;
        for (found, signal) in found.iter_mut().zip(signals) {
            *found = handling(before.as_ref(), &now, *signal);
        }
        looks += 1;
        if looks == LOOKS || !found.contains(&Handling::LookAgain) {
            return Some(text);
        }
        if looks > 1 {
            let _ = poll(&mut [], PollTimeout::from(MILLISECONDS_BETWEEN));
        }
        before = Some(now);
    }
}

/// What a signal would do to a process, if it is one that kills by default. `--diagnose` has a word for each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has a handler.
    Handled,
    /// It blocks it, and waits for it.
    Waits,
    /// It blocks it, and was not seen to wait for it: the signal stays pending.
    Blocked,
    /// It ignores it.
    Ignored,
    /// It is PID 1 of its PID namespace, and the kernel drops what it has no handler for (pid_namespaces(7)).
    Dropped,
    /// The signal kills it.
    Kills,
    /// /proc does not say.
    Unknown,
}

/// How many signals can be looked at at once.
const MANY: usize = 8;

/// Writes to `effects` what each of `signals` would do to the process `pid`, and returns its status; `None` if it is not
/// shown.
pub fn effects(pid: Pid, signals: &[Signal], effects: &mut [Effect]) -> Option<Status> {
    let mut found = [Handling::Unknown; MANY];
    let text = look(pid, signals, &mut found[..signals.len()])?;
    let status = Status::parse(&text)?;
    let ignored = number(status_field(&text, "SigIgn:\t").unwrap_or_default(), 16);
    let ignored = ignored.map_or(SignalSet::NONE, SignalSet::from_bits);
    // The last number is its pid in its own PID namespace.
    let is_pid_1 =
        pid.get() == 1 || status_field(&text, "NSpid:\t").is_some_and(|pids| pids.ends_with(b"\t1"));
    for ((effect, handling), signal) in effects.iter_mut().zip(found).zip(signals) {
        *effect = match handling {
            Handling::Handles => Effect::Handled,
            Handling::Waits => Effect::Waits,
            Handling::LookAgain => Effect::Blocked,
            Handling::Unknown => Effect::Unknown,
            Handling::DoesNot if ignored.contains(*signal) => Effect::Ignored,
            Handling::DoesNot if is_pid_1 => Effect::Dropped,
            Handling::DoesNot => Effect::Kills,
        };
    }
    Some(status)
}

fn waits_for(status: &Status, signal: Signal) -> bool {
    status.state == b'S' && status.blocked_and_caught.is_some_and(|[blocked, _]| blocked.contains(signal))
}

/// These sit in sigtimedwait(2), where the kernel shows what is awaited neither as blocked nor as caught.
pub fn waits_for_everything(name: &[u8]) -> bool {
    name == b"tini" || name == b"docker-init" || name.starts_with(b"tini-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, state: char, blocked: u64, caught: u64) -> Status {
        let sets = format!("SigBlk:\t{blocked:016x}\nSigCgt:\t{caught:016x}\n");
        Status::parse(format!("Name:\t{name}\nState:\t{state} (x)\nUid:\t1\t1\t1\t1\n{sets}").as_bytes())
            .unwrap()
    }

    #[test]
    fn caught_counts_in_every_state() {
        for state in ['R', 'S', 'D', 'T', 't'] {
            assert_eq!(handling(None, &status("sh", state, 1, 1), Signal::HUP), Handling::Handles);
            assert_eq!(handling(None, &status("sh", state, 2, 2), Signal::HUP), Handling::DoesNot);
        }
    }

    #[test]
    fn blocked_counts_only_asleep_and_at_two_looks() {
        let of = |before: Option<&Status>, now: &Status| handling(before, now, Signal::HUP);
        let (asleep, unblocked) = (status("sh", 'S', 1, 0), status("sh", 'S', 0, 0));
        assert_eq!(of(None, &asleep), Handling::LookAgain);
        assert_eq!(of(Some(&asleep), &asleep), Handling::Waits);
        assert_eq!(of(Some(&asleep), &unblocked), Handling::DoesNot);
        assert_eq!(of(Some(&unblocked), &asleep), Handling::LookAgain);
        for state in ['R', 'D', 'T', 't', 'Z'] {
            let other = status("sh", state, 1, 0);
            assert_eq!(of(Some(&asleep), &other), Handling::LookAgain, "{state}");
            assert_eq!(of(Some(&other), &asleep), Handling::LookAgain, "{state}");
        }
    }

    #[test]
    fn tini_waits_for_everything() {
        for (name, expected) in [
            ("tini", Handling::Waits),
            ("tini-static", Handling::Waits),
            ("tini-amd64", Handling::Waits),
            ("docker-init", Handling::Waits),
            ("tinyproxy", Handling::DoesNot),
            (" tini", Handling::DoesNot),
        ] {
            assert_eq!(handling(None, &status(name, 'S', 0, 0), Signal::HUP), expected, "{name}");
        }
    }

    #[test]
    fn without_masks_it_is_unknown() {
        let status = Status::parse(b"Name:\tx\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\n").unwrap();
        assert_eq!(handling(None, &status, Signal::HUP), Handling::Unknown);
    }
}
