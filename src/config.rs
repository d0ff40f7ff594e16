//! What the command line asks for.

use crate::signals::Signal;
use crate::sys::process::End;

/// Everything that podinit can be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Who gets a forwarded signal.
    pub target: Target,
    /// Exit statuses to be replaced.
    pub remap: Vec<Remap>,
    /// The signal that our parent's death sends us.
    pub parent_death: Option<Signal>,
    /// Whether to log each orphan that is reaped.
    pub warn_reaped: bool,
    /// How many levels more than usual to log.
    pub verbosity: u8,
}

/// Who gets a forwarded signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The main process's group.
    #[default]
    Group,
    /// The main process alone.
    Child,
}

/// One exit status in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remap {
    pub from: u8,
    pub to: u8,
}

impl Config {
    /// Our exit status when the main process has ended so: its own, or 128+n after signal n, as
    /// shells have it; then remapped.
    pub fn exit_status(&self, end: End) -> u8 {
        let status = match end {
            End::Exited(code) => code,
            End::Killed(signal) => 128 + signal.number() as u8,
        };
        self.remap.iter().rev().find(|remap| remap.from == status).map_or(status, |remap| remap.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_remap_of_a_status_counts() {
        let remap = vec![Remap { from: 143, to: 0 }, Remap { from: 1, to: 2 }, Remap { from: 1, to: 3 }];
        let config = Config { remap, ..Config::default() };
        assert_eq!(config.exit_status(End::Killed(Signal::TERM)), 0);
        assert_eq!(config.exit_status(End::Exited(1)), 3);
        assert_eq!(config.exit_status(End::Exited(255)), 255);
        assert_eq!(config.exit_status(End::Killed(Signal::new(64).unwrap())), 192);
    }
}
