//! Signals: their numbers, names and sets. Plain values: no system call is made here.
//!
//! nix's `Signal` and `SigSet` know no real-time signals, and the C library's `sigfillset` leaves out those it uses
//! itself (32 and 33 in glibc; 32 to 34 in musl, and 34 is what glibc programs call SIGRTMIN). So a set is the kernel's
//! own 64 bits here.

use std::fmt;

use signal_hook::low_level::signal_name;

use crate::bytes::number;

/// A signal by its number, 1 to 64: nix's `Signal` ends at 31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

impl Signal {
    /// The highest signal number of Linux.
    pub const MAX: i32 = 64;

    pub const HUP: Signal = Signal(libc::SIGHUP as u8);
    pub const INT: Signal = Signal(libc::SIGINT as u8);
    pub const QUIT: Signal = Signal(libc::SIGQUIT as u8);
    pub const KILL: Signal = Signal(libc::SIGKILL as u8);
    pub const USR1: Signal = Signal(libc::SIGUSR1 as u8);
    pub const USR2: Signal = Signal(libc::SIGUSR2 as u8);
    pub const PIPE: Signal = Signal(libc::SIGPIPE as u8);
    pub const TERM: Signal = Signal(libc::SIGTERM as u8);
    pub const CHLD: Signal = Signal(libc::SIGCHLD as u8);
    pub const CONT: Signal = Signal(libc::SIGCONT as u8);
    pub const STOP: Signal = Signal(libc::SIGSTOP as u8);
    pub const TSTP: Signal = Signal(libc::SIGTSTP as u8);
    pub const TTIN: Signal = Signal(libc::SIGTTIN as u8);
    pub const TTOU: Signal = Signal(libc::SIGTTOU as u8);
    pub const XCPU: Signal = Signal(libc::SIGXCPU as u8);
    pub const XFSZ: Signal = Signal(libc::SIGXFSZ as u8);

    /// The signal with this number, if there is one.
    pub const fn new(number: i32) -> Option<Signal> {
        if number >= 1 && number <= Signal::MAX { Some(Signal(number as u8)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }
}

/// A set of signals as the kernel keeps it: bit n-1 stands for signal n.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const NONE: SignalSet = SignalSet(0);

    /// Every signal there is.
    pub const ALL: SignalSet = SignalSet(!0);

    /// 1 to 31, of which each is pending once at the most.
    pub const STANDARD: SignalSet = SignalSet(0x7fff_ffff);

    /// Those that a fault raises: SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and SIGSYS.
    pub const FAULTS: SignalSet = SignalSet(
        1 << (libc::SIGILL - 1)
            | 1 << (libc::SIGTRAP - 1)
            | 1 << (libc::SIGBUS - 1)
            | 1 << (libc::SIGFPE - 1)
            | 1 << (libc::SIGSEGV - 1)
            | 1 << (libc::SIGSYS - 1),
    );

    /// The set that these bits stand for, as in /proc/PID/status.
    pub fn from_bits(bits: u64) -> SignalSet {
        SignalSet(bits)
    }

    /// Its bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The set of one signal.
    pub fn of(signal: Signal) -> SignalSet {
        SignalSet(1 << (signal.number() - 1))
    }

    /// Whether `signal` is in it.
    pub fn contains(self, signal: Signal) -> bool {
        self.0 & SignalSet::of(signal).0 != 0
    }

    /// This set without `signal`.
    pub fn without(self, signal: Signal) -> SignalSet {
        SignalSet(self.0 & !SignalSet::of(signal).0)
    }
}

/// The first real-time signal, as the kernel, bash, systemd and Docker count. (glibc keeps 32 and
/// 33 for itself, musl 34 too; numbers are what travels, so one convention has to do.)
const RTMIN: i32 = 34;

/// Names that signal-hook does not know, and second names of signals that it does.
const MORE_NAMES: [(&str, i32); 5] = [
    ("STKFLT", 16),
    ("PWR", libc::SIGPWR),
    ("POLL", libc::SIGPOLL),
    ("CLD", libc::SIGCHLD),
    ("IOT", libc::SIGABRT),
];

/// The signal that `text` names: `TERM`, `SIGTERM`, `15`, `RTMIN+3`, `RTMAX-1`, in any case.
pub fn parse(text: &[u8]) -> Option<Signal> {
    if let Some(number) = number(text, 10) {
        return Signal::new(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix(b"SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix(b"RTMIN") {
        return real_time(RTMIN + offset_behind(b'+', offset)?);
    }
    if let Some(offset) = name.strip_prefix(b"RTMAX") {
        return real_time(Signal::MAX - offset_behind(b'-', offset)?);
    }
    let more = MORE_NAMES.iter().find(|(other, _)| other.as_bytes() == name).map(|(_, number)| *number);
    let number =
        more.or_else(|| (1..RTMIN).find(|n| short_name(*n).is_some_and(|own| own.as_bytes() == name)))?;
    Signal::new(number)
}

/// The number behind `sign`; 0 for no text.
fn offset_behind(sign: u8, text: &[u8]) -> Option<i32> {
    match text {
        [] => Some(0),
        [first, digits @ ..] if *first == sign => number::<u8>(digits, 10).map(i32::from),
        _ => None,
    }
}

fn real_time(number: i32) -> Option<Signal> {
    Signal::new(number).filter(|signal| signal.number() >= RTMIN)
}

/// The name of a signal below the real-time range, without `SIG`.
fn short_name(number: i32) -> Option<&'static str> {
    let known = signal_name(number).and_then(|name| name.strip_prefix("SIG"));
    known.or_else(|| MORE_NAMES.iter().find(|(_, n)| *n == number).map(|(name, _)| *name))
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        match short_name(number) {
            Some(name) => write!(f, "SIG{name}"),
            None if number == RTMIN => write!(f, "SIGRTMIN"),
            None if number > RTMIN => write!(f, "SIGRTMIN+{}", number - RTMIN),
            None => write!(f, "signal {number}"),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigterm", 15),
            ("15", 15),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX", 64),
            ("RTMAX-30", 34),
            ("PWR", 30),
            ("STKFLT", 16),
            ("POLL", 29),
            ("IO", 29),
        ] {
            assert_eq!(parse(text.as_bytes()).map(Signal::number), Some(number), "{text}");
        }
        for text in [
            "",
            "0",
            "65",
            "-1",
            "+15",
            "TERMINATE",
            "SIG",
            "SIGSIGTERM",
            "RTMIN-1",
            "RTMIN+31",
            "RTMIN+",
            "RTMIN++1",
            "RTMAX-31",
            "RTMAX+1",
            "15 ",
            "999999999999",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn every_signal_is_called_by_a_name_that_is_understood() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::new(number).unwrap();
            assert_eq!(parse(signal.to_string().as_bytes()), Some(signal), "{signal}");
        }
    }
}
