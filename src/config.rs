//! What the command line says.

use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use log::LevelFilter;

use crate::signal::Signal;
use crate::sys::OWN_FAILURE;
use crate::sys::entry::Vector;
use crate::sys::process::End;
use crate::sys::session::Session;
use crate::user::User;

/// Everything that the command line can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which processes a signal is forwarded to.
    pub target: Target,
    /// In pod mode, which leaders a signal is forwarded to.
    pub pod_target: PodTarget,
    /// In pod mode, whether root stays what it is.
    pub keep_privileges: bool,
    /// Signals to be forwarded as others, or not at all.
    pub rewrite: Vec<Rewrite>,
    /// What is done with the remaining processes once the main process has exited.
    pub at_exit: AtExit,
    /// How long after the first forwarded TERM, INT or QUIT all processes are killed, if at all.
    pub kill_after: Option<Duration>,
    /// Exit statuses to be replaced.
    pub remap: Vec<Remap>,
    /// Whether init is killed by the signal that killed the main process, where it is not PID 1.
    pub die_alike: bool,
    /// The signal that the kernel sends to init when its parent dies.
    pub parent_death: Option<Signal>,
    /// Whether to adopt orphans where init is not PID 1.
    pub subreaper: Subreaper,
    /// Which session and group the workload is started in.
    pub session: Session,
    /// What becomes of the signals that stop a process in a terminal's background.
    pub background_stops: BackgroundStops,
    /// Which user the workload runs as, if not as init does.
    pub user: Option<User>,
    /// The workload's working directory, if not init's.
    pub workdir: Option<&'static CStr>,
    /// The workload's file mode creation mask (umask(2)), if not init's.
    pub umask: Option<u32>,
    /// What the workload's environment has more than init's, or with another value: `NAME=value`.
    pub env: Vec<&'static CStr>,
    /// Whether variables are expanded in the workload's arguments.
    pub expand_env: bool,
    /// The files whose change has a signal sent.
    pub watches: Vec<Watch>,
    /// The file that is written to when the workload has exited.
    pub termination_log: Option<&'static CStr>,
    /// Whether the workload is PID 1 of a PID namespace of its own.
    pub as_pid_1: bool,
    /// The exit statuses of failures that are not the workload's.
    pub failures: Failures,
    /// Whether to log each orphan that is reaped.
    pub warn_reaped: bool,
    /// What is logged.
    pub log_level: LevelFilter,
}

impl Config {
    /// What is done without options.
    pub const DEFAULT: Config = Config {
        target: Target::Group,
        pod_target: PodTarget::Auto,
        keep_privileges: false,
        rewrite: Vec::new(),
        at_exit: AtExit::Terminate(Duration::from_secs(5)),
        kill_after: None,
        remap: Vec::new(),
        die_alike: false,
        parent_death: None,
        subreaper: Subreaper::Always,
        session: Session::OwnGroup,
        background_stops: BackgroundStops::Forwarded,
        user: None,
        workdir: None,
        umask: None,
        env: Vec::new(),
        expand_env: false,
        watches: Vec::new(),
        termination_log: None,
        as_pid_1: false,
        failures: Failures { own: OWN_FAILURE, not_found: 127, not_executable: 126 },
        warn_reaped: false,
        log_level: LevelFilter::Warn,
    };
}

/// What is done with the remaining processes once the main process has exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtExit {
    /// They are sent SIGTERM, and killed when this time has passed; at once if it is zero.
    Terminate(Duration),
    /// The main process's group is sent SIGTERM, and no process is waited for (dumb-init).
    TermGroup,
}

/// What becomes of TSTP, TTIN and TTOU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackgroundStops {
    /// They are forwarded as every other signal, and init stops when the main process has been stopped.
    Forwarded,
    /// Init stops itself with them, and not when the main process stops (dumb-init).
    Init,
    /// TTIN and TTOU are dropped, since tini ignores them.
    Dropped,
}

/// Whether to adopt orphans where init is not PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subreaper {
    Always,
    /// Only with `--subreaper`, and with a warning without it (tini), unless init is one already (prctl(2)).
    OnRequest,
}

/// The exit statuses of failures that are not the workload's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Of podinit's own: bad usage, no process can be made.
    pub own: u8,
    /// The program is not found.
    pub not_found: u8,
    /// It is found, and cannot be executed.
    pub not_executable: u8,
}

/// Which processes a signal is forwarded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The main process's group.
    Group,
    /// The main process alone.
    Child,
    /// The main process and the remaining processes.
    All,
}

/// In pod mode, which leaders a signal is forwarded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodTarget {
    /// The leader of the container that the signal came from; if that does not handle it or sent it itself, those of the
    /// other containers that handle it.
    Auto,
    /// The leader of each container, if it handles it.
    Leaders,
    /// The leader of the container that the signal came from, if it handles it.
    Sender,
    /// None.
    None,
}

/// One signal in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    pub from: Signal,
    /// `None` drops it.
    pub to: Option<Signal>,
}

/// A file or directory, and what is sent when it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// An absolute path.
    pub path: &'static str,
    pub signal: Signal,
}

/// One exit status in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remap {
    pub from: u8,
    pub to: u8,
}

impl Config {
    /// The workload's environment: init's, with the HOME of `--user` and the variables of `--env`.
    pub fn environment(&self, own: Vector) -> Vector {
        if self.user.is_none() && self.env.is_empty() { own } else { own.with(&self.additions()) }
    }

    /// What the workload's environment has more than init's, or with another value: each is `NAME=value`.
    pub fn additions(&self) -> Vec<&'static CStr> {
        let mut additions = Vec::new();
        if let Some(user) = &self.user
            && let Ok(home) = CString::new([b"HOME=", &user.home[..]].concat())
        {
            additions.push(&*Box::leak(home.into_boxed_c_str()));
        }
        additions.extend_from_slice(&self.env);
        additions
    }

    /// How long the remaining processes are waited for.
    pub fn grace(&self) -> Duration {
        match self.at_exit {
            AtExit::Terminate(grace) => grace,
            AtExit::TermGroup => Duration::ZERO,
        }
    }

    /// When all processes are killed, if a signal that asks the workload to exit is forwarded now; `None` for never.
    pub fn kill_at(&self) -> Option<Instant> {
        self.kill_after.and_then(|after| Instant::now().checked_add(after))
    }

    /// Whether `sent`, which has been forwarded, asks the workload to exit: it is what SIGTERM is rewritten to, or one by
    /// which people and engines have a program exit. What arrived does not matter: a HUP rewritten to TERM counts, an INT
    /// rewritten to USR1 does not.
    pub fn asks_to_exit(&self, sent: Signal) -> bool {
        matches!(sent, Signal::TERM | Signal::INT | Signal::QUIT)
            || Some(sent) == self.rewritten(Signal::TERM)
    }

    /// What is to be sent where `signal` arrived or would have been sent; `None` for nothing.
    pub fn rewritten(&self, signal: Signal) -> Option<Signal> {
        let given = self.rewrite.iter().rev().find(|rewrite| rewrite.from == signal).map(|it| it.to);
        given.unwrap_or(match signal {
            // A process group in a session without a shell is not stopped by these (dumb-init).
            Signal::TSTP | Signal::TTIN | Signal::TTOU
                if self.background_stops == BackgroundStops::Init && self.session == Session::Own =>
            {
                Some(Signal::STOP)
            }
            Signal::TTIN | Signal::TTOU if self.background_stops == BackgroundStops::Dropped => None,
            _ => Some(signal),
        })
    }

    /// Init's exit status when the main process has exited so: its own, or 128+n after signal n, as in shells; then
    /// remapped.
    pub fn exit_status(&self, end: End) -> u8 {
        let status = match end {
            End::Exited(code) => code,
            End::Killed(signal) | End::Dumped(signal) => 128 + signal.number() as u8,
        };
        self.remapped(status).unwrap_or(status)
    }

    /// The signal that init is killed by when the main process has exited so, if any.
    pub fn death(&self, end: End) -> Option<Signal> {
        match end {
            End::Killed(signal) | End::Dumped(signal)
                if self.die_alike && self.remapped(128 + signal.number() as u8).is_none() =>
            {
                Some(signal)
            }
            _ => None,
        }
    }

    fn remapped(&self, status: u8) -> Option<u8> {
        self.remap.iter().rev().find(|remap| remap.from == status).map(|remap| remap.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_remap_of_a_status_counts() {
        let remap = vec![Remap { from: 143, to: 0 }, Remap { from: 1, to: 2 }, Remap { from: 1, to: 3 }];
        let config = Config { remap, die_alike: true, ..Config::DEFAULT };
        assert_eq!(config.exit_status(End::Killed(Signal::TERM)), 0);
        assert_eq!(config.exit_status(End::Exited(1)), 3);
        assert_eq!(config.exit_status(End::Exited(255)), 255);
        assert_eq!(config.exit_status(End::Killed(Signal::new(64).unwrap())), 192);
        assert_eq!(config.death(End::Killed(Signal::TERM)), None, "it is remapped to 0");
        assert_eq!(config.death(End::Killed(Signal::CONT)), Some(Signal::CONT));
        assert_eq!(config.death(End::Exited(146)), None);
    }

    #[test]
    fn the_last_rewrite_of_a_signal_counts() {
        let rewrite = vec![
            Rewrite { from: Signal::TERM, to: None },
            Rewrite { from: Signal::TERM, to: Some(Signal::QUIT) },
            Rewrite { from: Signal::QUIT, to: None },
        ];
        let config = Config { rewrite, ..Config::DEFAULT };
        assert_eq!(config.rewritten(Signal::TERM), Some(Signal::QUIT), "once, not over and over");
        assert_eq!(config.rewritten(Signal::QUIT), None);
        assert_eq!(config.rewritten(Signal::CONT), Some(Signal::CONT));
    }
}
