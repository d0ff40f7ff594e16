//! The log: `log` and env_logger, on stderr, in lines that begin with our name.
//!
//! Two things differ from env_logger as it comes. It is set up when the first line is due, since
//! most runs never write one; and a line that would have to wait for its reader is dropped and
//! counted, since PID 1 must not hang on its own log.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use env_logger::fmt::Formatter;
use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Log, Metadata, Record, warn};

use crate::sys::fd::write_stderr_nowait;

/// The environment variable with the filter, in env_logger's terms.
pub const FILTER_VARIABLE: &str = "PODINIT_LOG";

static LOGGER: LateLogger = LateLogger { filter: OnceLock::new(), inner: OnceLock::new() };

/// Starts logging. `filter` is the value of [`FILTER_VARIABLE`].
pub fn start(filter: Option<&OsStr>) {
    // It fails if there is a logger already, and there is none.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Warn);
    let Some(filter) = filter.filter(|text| !text.is_empty()) else { return };
    // env_logger would complain of a bad filter by itself, and wait for stderr if it must.
    match filter.to_str().map(|text| (text, env_filter::Builder::new().try_parse(text).map(|_| ()))) {
        Some((text, Ok(()))) => {
            let _ = LOGGER.filter.set(text.to_owned());
            log::set_max_level(LOGGER.inner().filter());
        }
        _ => warn!("{FILTER_VARIABLE} is no filter, and ignored: {filter:?}"),
    }
}

/// Logs what is at `level` or above. The filter variable has precedence.
pub fn set_level(level: LevelFilter) {
    if LOGGER.filter.get().is_none() {
        log::set_max_level(level);
    }
}

struct LateLogger {
    filter: OnceLock<String>,
    inner: OnceLock<env_logger::Logger>,
}

impl LateLogger {
    fn inner(&self) -> &env_logger::Logger {
        self.inner.get_or_init(|| {
            let mut builder = Builder::new();
            match self.filter.get() {
                Some(filter) => builder.parse_filters(filter),
                // `log`'s own maximum decides.
                None => builder.filter_level(LevelFilter::Trace),
            };
            builder.format(format);
            builder.target(Target::Pipe(Box::new(Stderr))).build()
        })
    }
}

impl Log for LateLogger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.inner().enabled(metadata)
    }

    fn log(&self, record: &Record) {
        self.inner().log(record);
    }

    fn flush(&self) {}
}

/// `podinit: warning: …`; an error needs no such word, since it is what ends us.
fn format(line: &mut Formatter, record: &Record) -> io::Result<()> {
    let kind = match record.level() {
        Level::Error => "",
        Level::Warn => "warning: ",
        Level::Info => "info: ",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    };
    writeln!(line, "podinit: {kind}{}", record.args())
}

/// stderr that does not wait, and counts what it had to drop.
struct Stderr;

static DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let dropped = DROPPED.load(Ordering::Relaxed);
        if dropped > 0 {
            let note = format!("podinit: warning: {dropped} lines before this one were lost\n");
            if write_stderr_nowait(note.as_bytes()).is_ok() {
                DROPPED.store(0, Ordering::Relaxed);
            }
        }
        if write_stderr_nowait(line).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        // Nobody could do anything about an error, so there is none.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
