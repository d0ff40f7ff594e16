//! The values of options, as text.

use std::time::Duration;

use crate::config::{PodTarget, Remap, Rewrite, Target};
use crate::number::number;
use crate::signal;

/// What `--target` takes.
#[derive(Clone, Copy)]
pub enum AnyTarget {
    Init(Target),
    Pod(PodTarget),
}

/// The target of this name.
pub fn target(text: &str) -> Option<AnyTarget> {
    Some(match text {
        "group" => AnyTarget::Init(Target::Group),
        "child" => AnyTarget::Init(Target::Child),
        "all" => AnyTarget::Init(Target::All),
        "leaders" => AnyTarget::Pod(PodTarget::Leaders),
        "sender" => AnyTarget::Pod(PodTarget::Sender),
        "none" => AnyTarget::Pod(PodTarget::None),
        _ => return None,
    })
}

/// `A:B`, two signals; or `A:0`.
pub fn rewrite(text: &str) -> Option<Rewrite> {
    let (from, to) = text.split_once(':')?;
    let to = if to == "0" { None } else { Some(signal::parse(to)?) };
    Some(Rewrite { from: signal::parse(from)?, to })
}

/// A whole number of `ms`, `s`, `m` or `h`; of seconds, if it says none of these.
pub fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let milliseconds = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number::<u64>(digits.as_bytes(), 10)?.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A mask in octal digits, 0 to 777.
pub fn umask(text: &str) -> Option<u32> {
    number(text.as_bytes(), 8).filter(|mask| *mask <= 0o777)
}

/// `CODE` or `CODE:NEW`.
pub fn remap(text: &str) -> Option<Remap> {
    let (from, to) = text.split_once(':').unwrap_or((text, "0"));
    Some(Remap { from: number(from.as_bytes(), 10)?, to: number(to.as_bytes(), 10)? })
}
