//! The log on stderr, in lines that begin with `podinit: `, or the name of the init in whose place podinit is.
//!
//! env_logger decides which lines are logged, by the directives of PODINIT_LOG. Its other half, which formats and prints,
//! is not used: it is 16 KB of code, and its writes wait for their reader. A line that would have to wait is dropped
//! and counted, since PID 1 must not hang on its own log.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use env_logger::Builder;
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::quoted::Quoted;
use crate::sys::fd::write_stderr_nowait;

/// The environment variable with the filter, in env_logger's terms.
pub const FILTER_VARIABLE: &str = "PODINIT_LOG";

/// Whether there is a filter, which then has the say on what is logged.
static FILTERED: AtomicBool = AtomicBool::new(false);

/// What a line may begin with.
pub const NAMES: [&str; 4] = ["podinit", "tini", "dumb-init", "catatonit"];

/// Which of them it begins with.
static NAME: AtomicU8 = AtomicU8::new(0);

/// How many lines were dropped since the last line that says so.
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// The end of a line that was written in part.
static REMAINDER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The last line at level `error`.
static LAST_ERROR: Mutex<String> = Mutex::new(String::new());

/// Logs a line at a level. The macros of `log` do the same, and add the place in the source: 45 bytes of code for each
/// line, and no line shows it.
macro_rules! log {
    ($level:expr, $($line:tt)+) => {{
        let level = $level;
        if level <= ::log::max_level() {
            $crate::logger::log(level, module_path!(), format_args!($($line)+));
        }
    }};
}

/// Also where it is not logged, it is remembered.
macro_rules! error {
    ($($line:tt)+) => {
        $crate::logger::log(::log::Level::Error, module_path!(), format_args!($($line)+))
    };
}

macro_rules! warn {
    ($($line:tt)+) => { log!(::log::Level::Warn, $($line)+) };
}

macro_rules! info {
    ($($line:tt)+) => { log!(::log::Level::Info, $($line)+) };
}

macro_rules! debug {
    ($($line:tt)+) => { log!(::log::Level::Debug, $($line)+) };
}

/// For the macros: hands a line of `module` to the logger.
#[inline(never)]
pub fn log(level: Level, module: &str, line: fmt::Arguments) {
    log::logger().log(&Record::builder().level(level).target(module).args(line).build());
}

/// Has lines begin with that one of [`NAMES`].
pub fn set_name(number: u8) {
    NAME.store(number, Ordering::Relaxed);
}

/// Starts logging. `filter` is the value of [`FILTER_VARIABLE`].
pub fn start(filter: Option<&OsStr>) {
    log::set_max_level(LevelFilter::Warn);
    match filter.filter(|text| !text.is_empty()) {
        None => set_logger(&Logger { filter: None }),
        Some(text) => start_filtered(text),
    }
}

/// Apart from the code of every start: sorting the directives takes a page of the stack.
#[inline(never)]
fn start_filtered(text: &OsStr) {
    let Some(filter) = text.to_str().and_then(filter) else {
        set_logger(&Logger { filter: None });
        warn!(
            "{FILTER_VARIABLE} is ignored, since it is neither a level (off, error, warn, info, debug, trace) nor \
             podinit[::MODULE]=LEVEL: {}",
            Quoted(text.as_bytes())
        );
        return;
    };
    log::set_max_level(filter.filter());
    FILTERED.store(true, Ordering::Relaxed);
    set_logger(Box::leak(Box::new(Logger { filter: Some(filter) })));
}

/// The filter of `DIRECTIVE[,DIRECTIVE…]`, with levels and modules of podinit's alone; `None` if it is another text.
/// env_logger's own parser takes every other word (`warning`, `verbose`, `3`) for a module's name, and then logs nothing at
/// all, usage errors included; and it is 4.3 KB of code.
pub fn filter(text: &str) -> Option<env_logger::Logger> {
    let mut builder = Builder::new();
    for text in text.split(',').map(str::trim_ascii).filter(|text| !text.is_empty()) {
        let (module, level) = directive(text)?;
        builder.filter(module, level);
    }
    // With a format of its own, env_logger's is not linked: 1.4 KB. Neither one is used.
    Some(builder.format(|_, _| Ok(())).build())
}

/// `LEVEL`, `MODULE` or `MODULE=LEVEL`. A module without a level logs all.
fn directive(text: &str) -> Option<(Option<&str>, LevelFilter)> {
    if let Ok(level) = text.parse() {
        return Some((None, level));
    }
    let (module, level) = text.split_once('=').unwrap_or((text, ""));
    let level = if level.is_empty() { LevelFilter::Trace } else { level.parse().ok()? };
    (module == "podinit" || module.starts_with("podinit::")).then_some((Some(module), level))
}

fn set_logger(logger: &'static Logger) {
    // It fails if there is a logger already, and there is none.
    let _ = log::set_logger(logger);
}

/// Logs what is at `level` or above. The filter variable has precedence.
pub fn set_level(level: LevelFilter) {
    if !FILTERED.load(Ordering::Relaxed) {
        log::set_max_level(level);
    }
}

/// The last line at level `error`, which says why init exits, with its line feed; empty if there was none.
pub fn last_error() -> String {
    LAST_ERROR.try_lock().map(|last| last.clone()).unwrap_or_default()
}

struct Logger {
    /// Without one, `log`'s own maximum decides.
    filter: Option<env_logger::Logger>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.enabled(metadata))
    }

    fn log(&self, record: &Record) {
        // Not `matches`, which also searches for a text that no directive of `filter` can give: 1.2 KB.
        let is_logged = self.enabled(record.metadata());
        let is_error = record.level() == Level::Error;
        if !is_logged && !is_error {
            return;
        }
        let line = line(record);
        if is_logged {
            write(&line);
        }
        if is_error && let Ok(mut last) = LAST_ERROR.try_lock() {
            *last = line;
        }
    }

    fn flush(&self) {}
}

/// What lines begin with.
pub fn name() -> &'static str {
    NAMES.get(usize::from(NAME.load(Ordering::Relaxed))).unwrap_or(&NAMES[0])
}

/// `podinit: warning: …`; an error needs no such word, since init exits because of it.
fn line(record: &Record) -> String {
    let kind = match record.level() {
        Level::Error => "",
        Level::Warn => "warning: ",
        Level::Info => "info: ",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    };
    format!("{}: {kind}{}\n", name(), record.args())
}

/// Does not wait, and counts what it has to drop.
fn write(line: &str) {
    // There are no threads, and no line is logged while another one is written.
    let Ok(mut remainder) = REMAINDER.try_lock() else { return };
    let dropped = DROPPED.load(Ordering::Relaxed);
    if dropped > 0 {
        let note = format!("{}: warning: {dropped} lines before this one were lost\n", name());
        if begin(&mut remainder, &note) {
            DROPPED.store(0, Ordering::Relaxed);
        }
    }
    if !begin(&mut remainder, line) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes what remains of the line before, and then of this one as much as there is room for. Returns whether it has
/// begun: then a line feed is written before the next one.
fn begin(remainder: &mut Vec<u8>, line: &str) -> bool {
    if !remainder.is_empty() {
        if let Ok(written) = write_stderr_nowait(remainder) {
            remainder.drain(..written);
        }
        if !remainder.is_empty() {
            return false;
        }
    }
    match write_stderr_nowait(line.as_bytes()) {
        Ok(written) => {
            remainder.extend_from_slice(&line.as_bytes()[written..]);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn directives_are_levels_and_modules_of_podinit() {
        for text in
            ["off", "WARN", "podinit", "podinit=", "info,podinit::pod=trace", "podinit::forward=debug,"]
        {
            assert!(filter(text).is_some(), "{text:?}");
        }
        for text in [
            "warning",
            "verbose",
            "3",
            "nginx=debug",
            "podinit=loud",
            "podinit=info=warn",
            "pod=info",
            "debug/HUP",
        ] {
            assert!(filter(text).is_none(), "{text:?}");
        }
    }
}
