//! The command line, made into a [`Config`].

pub mod persona;
pub mod values;

use std::borrow::Cow;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use lexopt::{Arg, Parser};
use log::LevelFilter;

use crate::config::{AtExit, Config, Subreaper, Target};
use crate::quoted::Quoted;
use crate::signal;
use crate::sys::entry::Vector;
use crate::user;
use persona::{Persona, single_child};
use values::{AnyTarget, duration, remap, rewrite, target, umask};

/// What `--help` prints.
pub const HELP: &str = include_str!("help.txt");

/// What `--license` prints.
const LICENSE: &str = concat!(
    "podinit may be used under the Apache License, Version 2.0\n",
    "(https://www.apache.org/licenses/LICENSE-2.0), or under the following one,\n",
    "as you prefer.\n\n",
    include_str!("../../LICENSE-MIT"),
);

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the workload that begins at argument `program`.
    Run { config: Config, program: usize },
    /// Be the pause process of a pod.
    Pause { config: Config },
    /// Print this on stdout, and no more.
    Print(Cow<'static, str>),
}

/// Reads the command line of `persona`, and the environment variables that it reads.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn parse(persona: &Persona, args: Vector, env: Vector) -> Result<Command, String> {
    let mut config = (persona.defaults)();
    for (name, apply) in persona.variables {
        if let Some(value) = env.value(name) {
            apply(&mut config, value);
        }
    }
    // By far the most usual command lines have no options, or `--` alone. Then there is nothing to copy, and the code
    // that reads options stays out of memory.
    let mut words = args.iter().skip(1);
    match (words.next(), words.next()) {
        (None, _) if persona.is_pause => Ok(Command::Pause { config }),
        (Some(word), Some(_)) if !persona.is_pause && word == "--" => Ok(Command::Run { config, program: 2 }),
        (Some(word), _) if !persona.is_pause && !matches!(word.as_bytes(), [b'-', _, ..]) => {
            Ok(Command::Run { config, program: 1 })
        }
        _ => parse_options(persona, args, config),
    }
}

/// Apart from what runs at every start: its frame would cost a page of the stack, and its code others.
#[inline(never)]
fn parse_options(persona: &Persona, args: Vector, mut config: Config) -> Result<Command, String> {
    let mut pause = persona.is_pause;
    let mut wanted = None;
    let mut program = None;
    let mut parser = Parser::from_args(args.iter().skip(1));
    while let Some(arg) = parser.next().map_err(problem)? {
        let arg = match arg {
            Arg::Long(name) => Arg::Long(complete(name)?),
            Arg::Short(letter) => Arg::Short(letter),
            Arg::Value(word) => Arg::Value(word),
        };
        match arg {
            Arg::Short('g') => wanted = Some(AnyTarget::Init(Target::Group)),
            Arg::Short('c') | Arg::Long("single-child") => {
                wanted = None;
                single_child(&mut config);
            }
            Arg::Long("target") => wanted = Some(value(&mut parser, "target", target)?),
            Arg::Short('r') | Arg::Long("rewrite") => {
                let it = value(&mut parser, "rewriting of signals", rewrite)?;
                let highest = it.to.map_or(it.from, |to| to.max(it.from)).number();
                if highest > persona.highest_rewrite {
                    return Err(format!("not a valid rewriting of signals: {highest} is too high"));
                }
                config.rewrite.push(it);
            }
            Arg::Long("grace") => {
                config.at_exit = AtExit::Terminate(value(&mut parser, "duration", duration)?)
            }
            Arg::Long("kill-after") => config.kill_after = Some(value(&mut parser, "duration", duration)?),
            Arg::Long("die-alike") => config.die_alike = true,
            Arg::Short('e') | Arg::Long("remap") => {
                config.remap.push(value(&mut parser, "exit code", remap)?);
            }
            Arg::Short('p') | Arg::Long("parent-death") => {
                config.parent_death = Some(value(&mut parser, "signal", signal::parse)?);
            }
            Arg::Long("user") => {
                config.user = Some(user::find(raw_value(&mut parser)?.as_bytes())?);
            }
            Arg::Long("workdir") => config.workdir = Some(c_string(&mut parser)?),
            Arg::Long("umask") => config.umask = Some(value(&mut parser, "umask in octal", umask)?),
            Arg::Long("env") => {
                let entry = c_string(&mut parser)?;
                if !matches!(entry.to_bytes().iter().position(|&byte| byte == b'='), Some(1..)) {
                    return Err(not_valid("NAME=VALUE", entry.to_bytes()));
                }
                config.env.push(entry);
            }
            Arg::Long("pid-namespace") => config.pid_namespace = true,
            Arg::Short('P') | Arg::Long("pause") => pause = true,
            Arg::Long("keep-privileges") => config.keep_privileges = true,
            Arg::Short('s') | Arg::Long("subreaper") => config.subreaper = Subreaper::Always,
            Arg::Short('w') | Arg::Long("warn-reaped") => config.warn_reaped = true,
            Arg::Short('v') if persona.v_is_version => return print(persona.version),
            Arg::Short('v') | Arg::Long("verbose") => {
                config.log_level = raised(config.log_level, persona.verbose);
            }
            Arg::Short('h') | Arg::Long("help") => return print(HELP),
            Arg::Short('V') | Arg::Long("version") => return print(persona.version),
            Arg::Short('l' | 'L') | Arg::Long("license") => return print(LICENSE),
            Arg::Long("list-names") => return Ok(Command::Print(persona::names().into())),
            Arg::Value(_) => {
                let behind = parser.raw_args().map_err(problem)?.as_slice().len();
                program = Some(args.len() - behind - 1);
                break;
            }
            other => return Err(problem(other.unexpected())),
        }
    }
    command(config, wanted, pause, program)
}

/// The command, unless its options exclude each other.
fn command(
    mut config: Config,
    wanted: Option<AnyTarget>,
    pause: bool,
    program: Option<usize>,
) -> Result<Command, String> {
    match (wanted, pause) {
        (Some(AnyTarget::Init(target)), false) => config.target = target,
        (Some(AnyTarget::Pod(target)), true) => config.pod_target = target,
        (Some(AnyTarget::Init(_)), true) => {
            return Err("--target group, child and all cannot be used with --pause".into());
        }
        (Some(AnyTarget::Pod(_)), false) => {
            return Err("--target leaders, sender and none need --pause".into());
        }
        (None, _) => {}
    }
    match (program, pause) {
        (Some(program), false) => Ok(Command::Run { config, program }),
        (None, true) => Ok(Command::Pause { config }),
        (Some(_), true) => Err("with --pause there is no program to run".into()),
        (None, false) => Err("no program to run".into()),
    }
}

/// The long options, as getopt_long knows them: a prefix that only one of them has will do.
const LONG: [&str; 22] = [
    "die-alike",
    "env",
    "grace",
    "help",
    "keep-privileges",
    "kill-after",
    "license",
    "list-names",
    "parent-death",
    "pause",
    "pid-namespace",
    "remap",
    "rewrite",
    "single-child",
    "subreaper",
    "target",
    "umask",
    "user",
    "verbose",
    "version",
    "warn-reaped",
    "workdir",
];

/// A long option, as it was typed.
fn long(name: &str) -> String {
    Quoted(format!("--{name}").as_bytes()).to_string()
}

/// The long option that `name` is, or is the beginning of.
fn complete(name: &str) -> Result<&'static str, String> {
    if let Some(exact) = LONG.iter().find(|long| **long == name) {
        return Ok(exact);
    }
    let mut candidates = LONG.iter().filter(|long| long.starts_with(name));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => Err(format!("option {} may be --{one} or --{other}", long(name))),
        (None, _) => Err(format!("invalid option {}", long(name))),
    }
}

fn print(text: &'static str) -> Result<Command, String> {
    Ok(Command::Print(Cow::Borrowed(text)))
}

/// What is wrong with the options themselves. (lexopt's own words would bring std's way to quote along, with its
/// tables of what can be printed.)
fn problem(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedOption(option) => format!("invalid option {}", Quoted(option.as_bytes())),
        lexopt::Error::UnexpectedValue { option, .. } => format!("option '{option}' takes no argument"),
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("option '{option}' needs an argument")
        }
        _ => "invalid options".into(),
    }
}

/// `level`, and so many more.
fn raised(level: LevelFilter, by: u8) -> LevelFilter {
    let all = LevelFilter::iter().skip_while(|at| *at < level);
    all.take(1 + usize::from(by)).last().unwrap_or(level)
}

/// The value of the option just met, as `parse` understands it.
fn value<T>(parser: &mut Parser, what: &str, parse: fn(&str) -> Option<T>) -> Result<T, String> {
    let text = raw_value(parser)?;
    text.to_str().and_then(parse).ok_or_else(|| not_valid(what, text.as_bytes()))
}

/// The value of the option just met, as it came.
fn c_string(parser: &mut Parser) -> Result<CString, String> {
    Ok(CString::new(raw_value(parser)?.into_vec()).expect("an argument ends at its first NUL"))
}

/// Not inlined, as what follows: each would be in the code once for each option with a value.
#[inline(never)]
fn raw_value(parser: &mut Parser) -> Result<OsString, String> {
    parser.value().map_err(problem)
}

#[inline(never)]
fn not_valid(what: &str, text: &[u8]) -> String {
    format!("not a valid {what}: {}", Quoted(text))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::time::Duration;

    use super::*;
    use crate::config::{PodTarget, Remap, Rewrite};
    use crate::signal::Signal;
    use crate::sys::session::Session;

    fn parse(words: &[&str], env: &[&str]) -> Result<Command, String> {
        super::parse(Persona::called(words.first().map(OsStr::new)), Vector::of(words), Vector::of(env))
    }

    fn run(words: &[&str]) -> (Config, usize) {
        match parse(words, &[]) {
            Ok(Command::Run { config, program }) => (config, program),
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        assert_eq!(run(&["podinit", "sh", "-c", "true"]), (Config::DEFAULT, 1));
        assert_eq!(run(&["podinit", "--", "-x"]), (Config::DEFAULT, 2));
        assert_eq!(run(&["podinit", "-g", "sh", "-v", "--"]).1, 2);
        assert_eq!(run(&["podinit", "-v", "--", "--", "x"]).1, 3);
        assert_eq!(run(&["podinit", "-"]).1, 1);
        assert_eq!(run(&["podinit", ""]).1, 1);
    }

    #[test]
    fn help_has_every_long_option_and_no_other() {
        let words = HELP.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut named: Vec<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        named.retain(|name| !name.is_empty());
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, LONG);
    }

    #[test]
    fn pod_mode_by_option_or_by_name() {
        let sender = Config { pod_target: PodTarget::Sender, ..Config::DEFAULT };
        for (words, config) in [
            (&["podinit", "--pause"][..], Config::DEFAULT),
            (&["podinit", "-P", "--target=sender"], sender),
            (&["/pause"], Config::DEFAULT),
            (&["pause", "--grace", "5s"], Config::DEFAULT),
        ] {
            assert_eq!(parse(words, &[]), Ok(Command::Pause { config }), "{words:?}");
        }
        assert_eq!(parse(&["/pause", "-v"], &[]), print(Persona::called(None).version));
    }

    #[test]
    fn options_are_clustered_and_repeated() {
        let (config, program) = run(&["podinit", "-cwvve143", "--remap=3:4", "-p", "KILL", "sleep"]);
        assert_eq!(program, 5);
        assert_eq!(config.target, Target::Child);
        assert_eq!(config.log_level, LevelFilter::Debug);
        assert!(config.warn_reaped);
        assert_eq!(config.remap, [Remap { from: 143, to: 0 }, Remap { from: 3, to: 4 }]);
        assert_eq!(config.parent_death, Signal::new(9));
    }

    #[test]
    fn other_names_have_other_defaults() {
        let tini = run(&["/usr/bin/tini", "--", "x"]).0;
        assert_eq!((tini.target, tini.at_exit), (Target::Child, AtExit::Terminate(Duration::ZERO)));
        assert_eq!(tini.subreaper, Subreaper::OnRequest);
        assert_eq!(run(&["tini", "-gs", "x"]).0.target, Target::Group);
        assert_eq!(run(&["tini", "-s", "x"]).0.subreaper, Subreaper::Always);
        assert_eq!(run(&["dumb-init", "x"]).0.session, Session::Own);
        let single = run(&["dumb-init", "-c", "x"]).0;
        assert_eq!((single.target, single.session), (Target::Child, Session::Inherited));
        assert_eq!(run(&["podinit", "-c", "x"]).0.session, Session::OwnGroup);
        assert_eq!(run(&["dumb-init", "-v", "x"]).0.log_level, LevelFilter::Debug);
        assert_eq!(run(&["dumb-init", "--rew=15:3", "x"]).0.rewrite.len(), 1);
        assert!(parse(&["dumb-init", "-r", "15:32", "x"], &[]).is_err());
        assert!(parse(&["podinit", "-r", "15:32", "x"], &[]).is_ok());
        assert!(parse(&["podinit", "--re=15:3", "x"], &[]).is_err(), "--remap or --rewrite");
    }

    #[test]
    fn other_names_mind_other_variables() {
        let with = |name: &str, entry: &str| match parse(&[name, "x"], &[entry]) {
            Ok(Command::Run { config, .. }) => config,
            other => panic!("{other:?}"),
        };
        assert_eq!(with("tini", "TINI_SUBREAPER=").subreaper, Subreaper::Always);
        assert_eq!(with("tini", "TINI_KILL_PROCESS_GROUP=").target, Target::Group);
        assert_eq!(with("tini", "TINI_VERBOSITY=3").log_level, LevelFilter::Debug);
        assert_eq!(with("dumb-init", "DUMB_INIT_SETSID=0").session, Session::Inherited);
        assert_eq!(with("dumb-init", "DUMB_INIT_DEBUG=1").log_level, LevelFilter::Debug);
        assert_eq!(with("dumb-init", "DUMB_INIT_DEBUG=0").log_level, LevelFilter::Warn);
        assert_eq!(with("catatonit", "CATATONIT_DEBUG=1").log_level, LevelFilter::Debug);
        assert_eq!(with("podinit", "TINI_VERBOSITY=3"), Config::DEFAULT);
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("7", 7_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1 s",
            "1d",
            "1S",
            "99999999999999999999",
            "18446744073709551615h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn rewritings() {
        let quit = Rewrite { from: Signal::TERM, to: Some(Signal::QUIT) };
        assert_eq!(rewrite("15:3"), Some(quit));
        assert_eq!(rewrite("TERM:SIGQUIT"), Some(quit));
        assert_eq!(rewrite("RTMIN+2:0"), Some(Rewrite { from: Signal::new(36).unwrap(), to: None }));
        for text in ["", ":", "15", "15:", ":3", "0:15", "15:65", "15:3:2", "TERM:NOPE", "15:-1", "15: 3"] {
            assert_eq!(rewrite(text), None, "{text}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        for words in [
            &["podinit"][..],
            &["podinit", "-v"],
            &["podinit", "--"],
            &["podinit", "--nonsense", "x"],
            &["podinit", "-e", "256", "x"],
            &["podinit", "-e", "+1", "x"],
            &["podinit", "-e", "", "x"],
            &["podinit", "-p", "NOPE", "x"],
            &["podinit", "--target", "nobody", "x"],
            &["podinit", "--verbose=1", "x"],
            &["podinit", "-e"],
            &["podinit", "--pause", "x"],
            &["podinit", "--pause", "-g"],
            &["podinit", "--target", "leaders", "x"],
            &["/pause", "x"],
        ] {
            assert!(parse(words, &[]).is_err(), "{words:?}");
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(HELP.lines().all(|line| line.chars().count() < 80), "a line is too long");
    }
}
