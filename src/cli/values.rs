//! The values of options, as text.

use std::ffi::CStr;
use std::time::Duration;

use crate::bytes::{number, split_once};
use crate::config::{PodTarget, Remap, Rewrite, Target, Watch};
use crate::signal::{self, Signal};

/// What `--target` takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AnyTarget {
    Init(Target),
    Pod(PodTarget),
}

static TARGETS: [(&str, AnyTarget); 7] = [
    ("group", AnyTarget::Init(Target::Group)),
    ("child", AnyTarget::Init(Target::Child)),
    ("all", AnyTarget::Init(Target::All)),
    ("auto", AnyTarget::Pod(PodTarget::Auto)),
    ("leaders", AnyTarget::Pod(PodTarget::Leaders)),
    ("sender", AnyTarget::Pod(PodTarget::Sender)),
    ("none", AnyTarget::Pod(PodTarget::None)),
];

/// Units of time, in milliseconds.
const UNITS: [(&str, u64); 5] = [("", 1_000), ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// What is called `name` in a table.
fn named<T: Copy>(table: &[(&str, T)], name: &[u8]) -> Option<T> {
    table.iter().find(|(own, _)| own.as_bytes() == name).map(|(_, it)| *it)
}

/// The target of this name.
pub fn target(text: &[u8]) -> Option<AnyTarget> {
    named(&TARGETS, text)
}

/// The name of this target.
pub fn target_name(target: AnyTarget) -> &'static str {
    TARGETS.iter().find(|(_, it)| *it == target).map_or("", |(name, _)| name)
}

/// `A:B`, two signals; or `A:0`.
pub fn rewrite(text: &[u8]) -> Option<Rewrite> {
    let (from, to) = split_once(text, b':')?;
    let to = if to == b"0" { None } else { Some(signal::parse(to)?) };
    Some(Rewrite { from: signal::parse(from)?, to })
}

/// A whole number of `ms`, `s`, `m` or `h`; of seconds, if it says none of these.
pub fn duration(text: &[u8]) -> Option<Duration> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let milliseconds = named(&UNITS, &text[digits..])?;
    number::<u64>(&text[..digits], 10)?.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A mask in octal digits, 0 to 777.
pub fn umask(text: &[u8]) -> Option<u32> {
    number(text, 8).filter(|mask| *mask <= 0o777)
}

/// `PATH` or `PATH:SIGNAL`: a path from the root, since init changes its working directory.
pub fn watch(value: &'static CStr) -> Option<Watch> {
    let text = value.to_str().ok()?;
    let colon = text.bytes().rposition(|byte| byte == b':');
    let named = colon.and_then(|at| Some((&text[..at], signal::parse(&text.as_bytes()[at + 1..])?)));
    let (path, signal) = named.unwrap_or((text, Signal::HUP));
    path.starts_with('/').then_some(Watch { path, signal })
}

/// `CODE` or `CODE:NEW`.
pub fn remap(text: &[u8]) -> Option<Remap> {
    let (from, to) = split_once(text, b':').unwrap_or((text, b"0"));
    Some(Remap { from: number(from, 10)?, to: number(to, 10)? })
}
