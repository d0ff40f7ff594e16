//! The log, on stderr, in lines that begin with our name.
//!
//! The filter is env_logger's, by the crate that env_logger has it from. Its other half, which formats and
//! prints, is left out: 7 KB of code, and with its thread-local buffer another 10 KB of the C library's
//! allocator, for lines that have to be written in another way anyhow. A line that would have to wait for
//! its reader is dropped and counted, since PID 1 must not hang on its own log.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use env_filter::{Builder, Filter};
use log::{Level, LevelFilter, Log, Metadata, Record, warn};

use crate::quoted::Quoted;
use crate::sys::fd::write_stderr_nowait;

/// The environment variable with the filter, in env_logger's terms.
pub const FILTER_VARIABLE: &str = "PODINIT_LOG";

/// Whether there is a filter, which then has the say on what is logged.
static FILTERED: AtomicBool = AtomicBool::new(false);

/// Lines that had to be dropped, and that nobody has been told of.
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Starts logging. `filter` is the value of [`FILTER_VARIABLE`].
pub fn start(filter: Option<&OsStr>) {
    log::set_max_level(LevelFilter::Warn);
    match filter.filter(|text| !text.is_empty()) {
        None => set_logger(&Logger { filter: None }),
        Some(text) => start_filtered(text),
    }
}

/// Apart from what runs at every start: it sorts, for which std has a page in its frame.
#[inline(never)]
fn start_filtered(text: &OsStr) {
    let mut builder = Builder::new();
    if text.to_str().is_none_or(|text| builder.try_parse(text).is_err()) {
        set_logger(&Logger { filter: None });
        warn!("{FILTER_VARIABLE} is no filter, and ignored: {}", Quoted(text.as_bytes()));
        return;
    }
    let filter = builder.build();
    log::set_max_level(filter.filter());
    FILTERED.store(true, Ordering::Relaxed);
    set_logger(Box::leak(Box::new(Logger { filter: Some(filter) })));
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

struct Logger {
    /// Without one, `log`'s own maximum decides.
    filter: Option<Filter>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.enabled(metadata))
    }

    fn log(&self, record: &Record) {
        if self.filter.as_ref().is_none_or(|filter| filter.matches(record)) {
            write(&line(record));
        }
    }

    fn flush(&self) {}
}

/// `podinit: warning: …`; an error needs no such word, since it is what ends us.
fn line(record: &Record) -> String {
    let kind = match record.level() {
        Level::Error => "",
        Level::Warn => "warning: ",
        Level::Info => "info: ",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    };
    format!("podinit: {kind}{}\n", record.args())
}

/// Does not wait, and counts what it has to drop.
fn write(line: &str) {
    let dropped = DROPPED.load(Ordering::Relaxed);
    if dropped > 0 {
        let note = format!("podinit: warning: {dropped} lines before this one were lost\n");
        if write_stderr_nowait(note.as_bytes()).is_ok() {
            DROPPED.store(0, Ordering::Relaxed);
        }
    }
    if write_stderr_nowait(line.as_bytes()).is_err() {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}
