//! `--explain`: what would be done, as a table.

use std::fmt::{Display, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::Command;
use super::persona::Persona;
use super::values::{AnyTarget, target_name};
use crate::bytes::split_once;
use crate::config::{AtExit, BackgroundStops, Config, Subreaper};
use crate::quoted::Quoted;
use crate::sys::entry::Vector;
use crate::sys::session::Session;

/// A line `KEY: VALUE` for each thing that decides what `command` does, always in this order. Several values are separated
/// by spaces; `none` is for what is not there or stays as it is. Of the environment it has names alone, and the arguments
/// are as they were given: both may hold secrets.
pub fn explain(persona: &Persona, args: Vector, command: &Command, config: &Config) -> String {
    let mut table = Table(String::new());
    let mut words = args.iter();
    table.row("name", &Quoted(words.next().unwrap_or_default().as_bytes()));
    table.row("defaults", &persona.names[0]);
    let (mode, target) = match command {
        Command::Run { .. } => ("init", target_name(AnyTarget::Init(config.target))),
        Command::Pause => ("pause", target_name(AnyTarget::Pod(config.pod_target))),
        _ => ("sidecar", "none"),
    };
    table.row("mode", &mode);
    table.row("target", &target);
    table.key("rewrite");
    for rewrite in &config.rewrite {
        let to: &dyn Display = rewrite.to.as_ref().map_or(&"0", |to| to);
        table.pair(&rewrite.from, to);
    }
    table.key("grace");
    if let AtExit::Terminate(grace) = config.at_exit {
        table.duration(grace);
    }
    table.key("watch");
    for watch in &config.watches {
        table.pair(&Quoted(watch.path.as_bytes()), &watch.signal);
    }
    match command {
        Command::Run { program } => {
            table.workload(config);
            table.key("arguments");
            for word in args.iter().skip(*program) {
                table.value(&Quoted(word.as_bytes()));
            }
        }
        _ => table.flag("keep-privileges", config.keep_privileges),
    }
    table.end();
    table.0
}

struct Table(String);

impl Table {
    /// The lines of what a workload is started with, and what is done for it.
    fn workload(&mut self, config: &Config) {
        self.key("kill-after");
        if let Some(after) = config.kill_after {
            self.duration(after);
        }
        let session = match config.session {
            Session::OwnGroup => "own-group",
            Session::Own => "own-session",
            Session::Inherited => "inherited",
        };
        self.row("session", &session);
        let stops = match config.background_stops {
            BackgroundStops::Forwarded => "forwarded",
            BackgroundStops::Init => "podinit",
            BackgroundStops::Dropped => "dropped",
        };
        self.row("background-stops", &stops);
        self.flag("subreaper", config.subreaper == Subreaper::Always);
        self.flag("as-pid-1", config.as_pid_1);
        self.key("user");
        if let Some(user) = &config.user {
            let ids = &user.credentials;
            self.value(&ids.uid);
            self.value(&ids.gid);
            for group in &ids.groups {
                self.value(group);
            }
        }
        self.key("environment");
        for entry in config.additions() {
            if let Some((name, _)) = split_once(entry.to_bytes(), b'=') {
                self.value(&Quoted(name));
            }
        }
        let failures = config.failures;
        self.key("failures");
        self.value(&failures.own);
        self.value(&failures.not_found);
        self.value(&failures.not_executable);
    }

    fn flag(&mut self, key: &str, is_set: bool) {
        self.row(key, &if is_set { "yes" } else { "no" });
    }

    fn row(&mut self, key: &str, value: &dyn Display) {
        self.key(key);
        self.value(value);
    }

    /// Begins a line. No value ends in a colon.
    fn key(&mut self, key: &str) {
        self.end();
        self.0.push_str(key);
        self.0.push(':');
    }

    fn value(&mut self, value: &dyn Display) {
        let _ = write!(self.0, " {value}");
    }

    fn pair(&mut self, one: &dyn Display, other: &dyn Display) {
        self.value(&format_args!("{one}:{other}"));
    }

    #[inline(never)]
    fn duration(&mut self, duration: Duration) {
        self.value(&format_args!("{}ms", duration.as_millis() as u64));
    }

    /// Ends a line, if one has begun.
    fn end(&mut self) {
        if self.0.ends_with(':') {
            self.0.push_str(" none");
        }
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }
}
