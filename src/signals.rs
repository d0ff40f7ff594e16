//! Signals: their names and numbers.

use std::fmt;

use signal_hook::low_level::signal_name;

pub use crate::sys::signal::Signal;

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
pub fn parse(text: &str) -> Option<Signal> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Signal::new(text.parse().ok()?);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return real_time(RTMIN, offset, '+');
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        return real_time(Signal::MAX, offset, '-');
    }
    let more = MORE_NAMES.iter().find(|(other, _)| *other == name).map(|(_, number)| *number);
    let number = more.or_else(|| (1..RTMIN).find(|n| short_name(*n) == Some(name)))?;
    Signal::new(number)
}

/// `base` moved by `offset`, which is nothing or a number behind `sign`.
fn real_time(base: i32, offset: &str, sign: char) -> Option<Signal> {
    let offset: u8 = match offset.strip_prefix(sign) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None if offset.is_empty() => 0,
        None => return None,
    };
    let number = if sign == '+' { base + i32::from(offset) } else { base - i32::from(offset) };
    Signal::new(number).filter(|signal| signal.number() >= RTMIN)
}

/// The name of a signal below the real-time range, without `SIG`.
fn short_name(number: i32) -> Option<&'static str> {
    let known = signal_name(number).map(|name| name.trim_start_matches("SIG"));
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
            assert_eq!(parse(text).map(Signal::number), Some(number), "{text}");
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
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_signal_is_called_by_a_name_that_is_understood() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::new(number).unwrap();
            assert_eq!(parse(&signal.to_string()), Some(signal), "{signal}");
        }
    }
}
