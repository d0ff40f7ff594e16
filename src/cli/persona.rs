//! The names that podinit can be called by. Under another init's name it has that init's defaults, so that it can take that
//! init's place under an ENTRYPOINT that stays as it is; it keeps all of its own options.

use std::ffi::OsStr;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use log::LevelFilter;

use crate::bytes::number;
use crate::config::{AtExit, BackgroundStops, Config, Failures, Subreaper, Target};
use crate::sys::fd::{STDERR, STDOUT};
use crate::sys::session::Session;

/// One program, as its users know it.
pub struct Persona {
    /// The names that stand for it.
    pub names: &'static [&'static str],
    /// Makes podinit's defaults its own.
    pub defaults: fn(&mut Config),
    /// How many levels more a `-v` logs.
    pub verbose: u8,
    /// Whether it is a pod's pause process without `--pause`. Then a lone `-v` prints the version, as Kubernetes' own does.
    pub is_pause: bool,
    /// Whether other words beside `--pause` are ignored.
    pub ignores_words: bool,
    /// The highest signal that `--rewrite` takes.
    pub highest_rewrite: u8,
    /// What its lines in the log begin with, by the number in [`crate::logger::NAMES`]: the name of another project's init.
    pub log_name: u8,
    /// What `--version` prints.
    pub version: &'static str,
    /// The descriptor on which it prints that, and its help.
    pub prints_on: RawFd,
    /// The environment variables that it reads.
    pub variables: &'static [Variable],
    /// Whether it also reads options in the variable [`OPTIONS_VARIABLE`].
    pub reads_options: bool,
}

/// What `--help` says of the defaults of the names in [`crate::logger::NAMES`].
pub const HELP: [&str; 4] = [
    "",
    "\nCalled tini: --target child, --grace 0; adopts with -s alone; exits 1 for 125\n",
    "\nCalled dumb-init: a session for PROGRAM; then TERM to its group, no --grace;\nexits 2 for 126 and 127, 1 for 125\n",
    "\nCalled catatonit: --target child, --grace 0; exits 1 for 125, 126 and 127\n",
];

/// The options of an engine's init, which has no other way to get any: `docker run --init -e PODINIT_OPTIONS="-g"`.
pub const OPTIONS_VARIABLE: &str = "PODINIT_OPTIONS";

/// An environment variable, and what it does to the defaults.
type Variable = (&'static str, fn(&mut Config, &OsStr));

const VERSION: &str = concat!("podinit ", env!("CARGO_PKG_VERSION"), "\n");

/// `docker info` understands no other form (parseInitVersion in moby), and catatonit keeps to it too.
const TINI_VERSION: &str = concat!("tini version ", env!("CARGO_PKG_VERSION"), "_podinit\n");

const PODINIT: Persona = Persona {
    names: &["podinit"],
    defaults: |_| {},
    verbose: 1,
    is_pause: false,
    ignores_words: false,
    highest_rewrite: 64,
    log_name: 0,
    version: VERSION,
    prints_on: STDOUT,
    variables: &[],
    reads_options: false,
};

const TINI_VARIABLES: [Variable; 3] = [
    ("TINI_SUBREAPER", |config, _| config.subreaper = Subreaper::Always),
    ("TINI_KILL_PROCESS_GROUP", |config, _| config.target = Target::Group),
    ("TINI_VERBOSITY", |config, value| config.log_level = tini_verbosity(value)),
];

/// A row a program; the first one is for every other name.
static TABLE: [Persona; 7] = [
    PODINIT,
    Persona {
        names: &["tini", "tini-static"],
        defaults: |config| {
            config.target = Target::Child;
            config.at_exit = AtExit::Terminate(Duration::ZERO);
            config.subreaper = Subreaper::OnRequest;
            config.background_stops = BackgroundStops::Dropped;
            config.failures = Failures { own: 1, not_found: 127, not_executable: 126 };
        },
        log_name: 1,
        version: TINI_VERSION,
        variables: &TINI_VARIABLES,
        ..PODINIT
    },
    Persona {
        names: &["dumb-init"],
        defaults: |config| {
            config.at_exit = AtExit::TermGroup;
            config.session = Session::Own;
            config.background_stops = BackgroundStops::Init;
            config.failures = Failures { own: 1, not_found: 2, not_executable: 2 };
        },
        verbose: 2,
        highest_rewrite: 31,
        log_name: 2,
        version: concat!("dumb-init v", env!("CARGO_PKG_VERSION"), "_podinit\n"),
        prints_on: STDERR,
        variables: &[
            ("DUMB_INIT_DEBUG", |config, value| {
                if value == "1" {
                    config.log_level = LevelFilter::Debug;
                }
            }),
            ("DUMB_INIT_SETSID", |config, value| {
                if value == "0" {
                    single_child(config);
                }
            }),
        ],
        ..PODINIT
    },
    Persona {
        names: &["catatonit"],
        defaults: |config| {
            config.target = Target::Child;
            config.at_exit = AtExit::Terminate(Duration::ZERO);
            config.failures = Failures { own: 1, not_found: 1, not_executable: 1 };
        },
        log_name: 3,
        version: TINI_VERSION,
        ignores_words: true,
        variables: &[("CATATONIT_DEBUG", |config, _| config.log_level = LevelFilter::Debug)],
        ..PODINIT
    },
    // An operator chose podinit for an engine, and gets podinit's stop of the remaining processes; but the engines' manuals
    // say that their init signals the program alone.
    Persona {
        names: &["docker-init"],
        defaults: |config| config.target = Target::Child,
        version: TINI_VERSION,
        // Docker's is tini.
        variables: &TINI_VARIABLES,
        reads_options: true,
        ..PODINIT
    },
    Persona {
        names: &["podman-init"],
        defaults: |config| config.target = Target::Child,
        version: TINI_VERSION,
        reads_options: true,
        ..PODINIT
    },
    // OpenShift has CRI-O execute /usr/bin/pod.
    Persona { names: &["pause", "pod"], is_pause: true, ..PODINIT },
];

impl Persona {
    /// The one that is called by this path. An init's name may have the machine behind it, as their downloads have:
    /// `tini-amd64`, `dumb-init_1.2.5_x86_64`, `catatonit.x86_64`.
    pub fn called(path: Option<&OsStr>) -> &'static Persona {
        let name =
            path.and_then(|path| path.as_bytes().rsplit(|&byte| byte == b'/').next()).unwrap_or_default();
        TABLE
            .iter()
            .find(|persona| {
                persona.names.iter().any(|own| {
                    name.get(..own.len()).is_some_and(|begin| begin == own.as_bytes())
                        && match name.get(own.len()) {
                            None => true,
                            Some(b'-' | b'_' | b'.') => !persona.is_pause,
                            Some(_) => false,
                        }
                })
            })
            .unwrap_or(&TABLE[0])
    }
}

/// Every name in the table, a line each.
pub fn names() -> String {
    let mut lines = String::new();
    for name in TABLE.iter().flat_map(|persona| persona.names) {
        lines.push_str(name);
        lines.push('\n');
    }
    lines
}

/// dumb-init's single-child mode: no session and no group for the program, and signals go to it alone.
pub fn single_child(config: &mut Config) {
    config.target = Target::Child;
    if config.session == Session::Own {
        config.session = Session::Inherited;
    }
}

/// tini counts from 0, fatal, to 4, trace; what is no number counts as 0 (atoi).
fn tini_verbosity(value: &OsStr) -> LevelFilter {
    match number(value.as_bytes().trim_ascii(), 10).unwrap_or(0_u64) {
        0 => LevelFilter::Error,
        1 => LevelFilter::Warn,
        2 => LevelFilter::Info,
        3 => LevelFilter::Debug,
        4.. => LevelFilter::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_behind_the_last_slash() {
        let own = |path: &str| Persona::called(Some(OsStr::new(path))).names[0];
        assert_eq!(own("/usr/bin/tini-static"), "tini");
        assert_eq!(own("dumb-init"), "dumb-init");
        assert_eq!(own("/sbin/docker-init"), "docker-init");
        assert_eq!(own("/run/podman-init"), "podman-init");
        assert_eq!(own("/usr/bin/pod"), "pause");
        for tini in ["tini-amd64", "/tini-static-arm64", "tini-static-muslc-amd64"] {
            assert_eq!(own(tini), "tini", "{tini}");
        }
        assert_eq!(own("dumb-init_1.2.5_x86_64"), "dumb-init");
        assert_eq!(own("catatonit.x86_64"), "catatonit");
        for other in ["", "/", "tini2", "/tini/x", "-tini", "pod-x", "pause-amd64", "podinit-x86_64"] {
            assert_eq!(own(other), "podinit", "{other}");
        }
        assert_eq!(Persona::called(None).names[0], "podinit");
    }

    #[test]
    fn verbosity_as_atoi_reads_it() {
        assert_eq!(tini_verbosity(OsStr::new("3")), LevelFilter::Debug);
        assert_eq!(tini_verbosity(OsStr::new("9")), LevelFilter::Trace);
        assert_eq!(tini_verbosity(OsStr::new("-1")), LevelFilter::Error);
        assert_eq!(tini_verbosity(OsStr::new("x")), LevelFilter::Error);
    }
}
