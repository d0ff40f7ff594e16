//! A signal that has arrived, and what of its siginfo is the kernel's word.

use std::fmt;

use nix::sys::signalfd::siginfo;

use crate::signal::{Signal, SignalSet};
use crate::sys::process::Pid;
use crate::sys::signal::Queued;

/// How a signal was sent (`si_code`, sigaction(2)). This decides whether its pid and uid can be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// By the kernel for itself: a terminal's ^C, a hang-up (SI_KERNEL).
    Kernel,
    /// By kill(2) or tgkill(2). The kernel filled in the pid and the real uid: rt_sigqueueinfo(2) refuses SI_USER and
    /// SI_TKILL to another process.
    Process,
    /// By sigqueue(3), with a value. The sender chose its pid and uid.
    Queued(Queued),
    /// In any other way: a timer, F_SETSIG, a siginfo of the sender's own making. The pid and uid say nothing.
    Other,
}

impl Origin {
    /// That of a signal with this `si_code`; `queued` is what its siginfo claims. A process with an effective uid of 0
    /// can have the kernel raise SIGIO and SIGURG in any process with SI_KERNEL (F_SETOWN, fcntl(2)), so those two are
    /// not believed. The signals of a fault have a code of their own then (SI_SIGIO), which the kernel drops where the
    /// queue is full, so that they seem to come from outside the PID namespace: not believed either.
    fn of(signal: Signal, code: i32, queued: Queued) -> Origin {
        match code {
            libc::SI_USER if queued.sender == 0 && SignalSet::FAULTS.contains(signal) => Origin::Other,
            libc::SI_USER | libc::SI_TKILL => Origin::Process,
            libc::SI_QUEUE => Origin::Queued(queued),
            libc::SI_KERNEL if ![libc::SIGIO, libc::SIGURG].contains(&signal.number()) => Origin::Kernel,
            _ => Origin::Other,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Kernel => "the kernel",
            Origin::Process => "kill",
            Origin::Queued(_) => "sigqueue",
            Origin::Other => "other means",
        })
    }
}

/// A signal that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// How it was sent.
    pub origin: Origin,
    /// The pid of its sender; `None` if that is outside the PID namespace, or the kernel. Only with [`Origin::Process`]
    /// can it be believed.
    pub sender: Option<Pid>,
    /// The sender's real uid; the same holds for it.
    pub uid: u32,
}

impl Received {
    /// What a signalfd says of it.
    pub fn new(info: siginfo) -> Option<Received> {
        let signal = Signal::new(i32::try_from(info.ssi_signo).ok()?)?;
        let queued = Queued { value: info.ssi_ptr, sender: info.ssi_pid, uid: info.ssi_uid };
        let origin = Origin::of(signal, info.ssi_code, queued);
        let sender = i32::try_from(info.ssi_pid).ok().and_then(Pid::new);
        Some(Received { signal, origin, sender, uid: info.ssi_uid })
    }

    /// Whether init caused it itself: a log line that is written to a pipe without a reader, or to a file at its size
    /// limit, raises SIGPIPE or SIGXFSZ in the writer; and the kernel sends SIGXCPU to a process that has used its
    /// RLIMIT_CPU.
    pub fn is_own(self, own: Pid) -> bool {
        match self.signal {
            Signal::PIPE | Signal::XFSZ => self.origin == Origin::Process && self.sender == Some(own),
            Signal::XCPU => self.origin == Origin::Kernel,
            _ => false,
        }
    }

    /// Whether it comes from outside the PID namespace: the kernel gives such a sender the pid 0 (kill(2)).
    pub fn is_from_outside(self) -> bool {
        self.origin == Origin::Process && self.sender.is_none()
    }

    /// The process in this PID namespace that sent it, if the kernel says so.
    pub fn sending_process(self) -> Option<Pid> {
        self.sender.filter(|_| self.origin == Origin::Process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kill_and_the_kernel_are_believed() {
        let queued = Queued { value: 1, sender: 2, uid: 3 };
        let of = |signal, code| Origin::of(Signal::new(signal).unwrap(), code, queued);
        assert_eq!(of(1, 0), Origin::Process);
        assert_eq!(of(1, -6), Origin::Process);
        assert_eq!(of(1, -1), Origin::Queued(queued));
        assert_eq!(of(11, 0), Origin::Process);
        assert_eq!(of(2, 128), Origin::Kernel);
        for code in [-2, -3, -4, -5, -7, -60, -100, 1, 2, 6, 127, 129] {
            assert_eq!(of(1, code), Origin::Other, "{code}");
        }
        let without_siginfo = Queued { value: 0, sender: 0, uid: 0 };
        assert_eq!(Origin::of(Signal::new(11).unwrap(), 0, without_siginfo), Origin::Other);
        assert_eq!(Origin::of(Signal::TERM, 0, without_siginfo), Origin::Process);
        assert_eq!([of(libc::SIGIO, 128), of(libc::SIGURG, 128)], [Origin::Other, Origin::Other]);
    }

    #[test]
    fn signals_that_init_causes_itself_are_dropped() {
        let own = Pid::new(7).unwrap();
        let is_own = |signal, origin, sender| {
            Received { signal, origin, sender: Pid::new(sender), uid: 0 }.is_own(own)
        };
        assert!(is_own(Signal::PIPE, Origin::Process, 7));
        assert!(!is_own(Signal::PIPE, Origin::Process, 8));
        // RLIMIT_CPU is each process's own. Sent by another process, it is forwarded.
        assert!(is_own(Signal::XCPU, Origin::Kernel, 0));
        assert!(!is_own(Signal::XCPU, Origin::Process, 8));
        assert!(!is_own(Signal::INT, Origin::Kernel, 0));
    }

    #[test]
    fn what_a_sender_says_of_itself_is_not_believed() {
        let queued = Queued { value: 1, sender: 0, uid: 0 };
        for (origin, sender, outside, inside) in [
            (Origin::Process, 0, true, None),
            (Origin::Process, 7, false, Pid::new(7)),
            (Origin::Queued(queued), 0, false, None),
            (Origin::Queued(queued), 7, false, None),
            (Origin::Other, 0, false, None),
            (Origin::Other, 7, false, None),
            (Origin::Kernel, 0, false, None),
        ] {
            let received = Received { signal: Signal::TERM, origin, sender: Pid::new(sender), uid: 0 };
            assert_eq!(
                (received.is_from_outside(), received.sending_process()),
                (outside, inside),
                "{origin}"
            );
        }
    }
}
