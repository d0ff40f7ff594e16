//! Whether a process would notice a signal, as far as /proc/PID/status says: for signals that kill a process that does not
//! handle them.

use nix::poll::{PollTimeout, poll};

use crate::procfs::Status;
use crate::signal::Signal;
use crate::sys::process::Pid;

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It has a handler for it, or waits for it.
    Handles,
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
    if handles_everything(&now.name) {
        return Handling::Handles;
    }
    match now.blocked_and_caught {
        None => Handling::Unknown,
        Some([_, caught]) if caught.contains(signal) => Handling::Handles,
        Some([blocked, _]) if !blocked.contains(signal) => Handling::DoesNot,
        Some(_) if waits_for(now, signal) && before.is_some_and(|before| waits_for(before, signal)) => {
            Handling::Handles
        }
        Some(_) => Handling::LookAgain,
    }
}

/// Whether the process `pid` has a handler for `signal`, or waits for it: it blocks it, and sleeps. (A fork blocks every
/// signal for a moment, but does not sleep then.) Unknown counts as no.
pub fn handles(pid: Pid, signal: Signal) -> bool {
    let look = || Status::read(pid).ok();
    let before = look();
    look().is_some_and(|now| handling(before.as_ref(), &now, signal) == Handling::Handles)
}

/// How long to look at a process that blocks a signal and does not sleep: a fork of dash, Python or glibc takes microseconds.
const LOOKS: u32 = 10;
const MILLISECONDS_BETWEEN: u8 = 10;

/// Whether the process `pid`, as PID 1 of a PID namespace of its own, would not notice `signal`: the kernel drops what it
/// does not handle. Unknown counts as no.
pub fn drops(pid: Pid, signal: Signal) -> bool {
    let mut before = None;
    for _ in 0..LOOKS {
        let Ok(now) = Status::read(pid) else { return false };
        match handling(before.as_ref(), &now, signal) {
            Handling::DoesNot => return true,
            Handling::Handles | Handling::Unknown => return false,
            Handling::LookAgain => drop(poll(&mut [], PollTimeout::from(MILLISECONDS_BETWEEN))),
        }
        before = Some(now);
    }
    false
}

fn waits_for(status: &Status, signal: Signal) -> bool {
    status.state == b'S' && status.blocked_and_caught.is_some_and(|[blocked, _]| blocked.contains(signal))
}

/// These sit in sigtimedwait(2), where the kernel shows what is awaited neither as blocked nor as caught.
fn handles_everything(name: &[u8]) -> bool {
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
        assert_eq!(of(Some(&asleep), &asleep), Handling::Handles);
        assert_eq!(of(Some(&asleep), &unblocked), Handling::DoesNot);
        assert_eq!(of(Some(&unblocked), &asleep), Handling::LookAgain);
        for state in ['R', 'D', 'T', 't', 'Z'] {
            let other = status("sh", state, 1, 0);
            assert_eq!(of(Some(&asleep), &other), Handling::LookAgain, "{state}");
            assert_eq!(of(Some(&other), &asleep), Handling::LookAgain, "{state}");
        }
    }

    #[test]
    fn tini_handles_everything() {
        for (name, expected) in [
            ("tini", Handling::Handles),
            ("tini-static", Handling::Handles),
            ("tini-amd64", Handling::Handles),
            ("docker-init", Handling::Handles),
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
