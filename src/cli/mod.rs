//! The command line, made into a [`Config`].

mod expand;
mod explain;
mod options;
pub mod persona;
mod texts;
pub mod values;

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use log::LevelFilter;

use crate::config::{AtExit, Config, Subreaper, Target};
use crate::quoted::Quoted;
use crate::signal::{self, Signal};
use crate::sys::entry::Vector;
use crate::user;
use expand::expand;
use explain::explain;
use options::{Chosen, Name, Opt, Options};
use persona::{OPTIONS_VARIABLE, Persona, single_child};
use texts::{HELP_TEXT, LICENSE_TEXT};
use values::{AnyTarget, duration, remap, rewrite, target, umask, watch};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the workload that begins at argument `program`.
    Run { program: usize },
    /// Be the pause process of a pod.
    Pause,
    /// Signal the other containers of the pod when a file has changed.
    Sidecar,
    /// Say what is wrong in this PID namespace.
    Diagnose { json: bool },
    /// Print this on stdout, and no more.
    Print(&'static [u8]),
    /// Print this about podinit itself, where the init of this name does so, and no more.
    PrintAbout(&'static [u8]),
}

/// Reads the command line of `persona`, and the environment variables that it reads, into `config`, which has the
/// defaults. With `--expand-env` it changes the workload's arguments among `args`.
///
/// # Errors
/// What is wrong with it, in a few words.
pub fn parse(persona: &Persona, args: Vector, env: Vector, config: &mut Config) -> Result<Command, String> {
    (persona.defaults)(config);
    for (name, apply) in persona.variables {
        if let Some(value) = env.value(name) {
            apply(config, value);
        }
    }
    let variable = if persona.reads_options { env.value(OPTIONS_VARIABLE) } else { None };
    // By far the most usual command lines have no options, or `--` alone. Then the code that reads options stays out of
    // memory.
    let mut words = args.iter().skip(1);
    match (words.next(), words.next()) {
        _ if variable.is_some() => parse_options(persona, args, env, variable, config),
        (None, _) if persona.is_pause => Ok(Command::Pause),
        (Some(word), Some(_)) if !persona.is_pause && word == "--" => Ok(Command::Run { program: 2 }),
        (Some(word), _) if !persona.is_pause && !matches!(word.as_bytes(), [b'-', _, ..]) => {
            Ok(Command::Run { program: 1 })
        }
        _ => parse_options(persona, args, env, variable, config),
    }
}

/// Apart from what runs at every start: its frame would cost a page of the stack, and its code others.
#[inline(never)]
fn parse_options(
    persona: &Persona,
    args: Vector,
    env: Vector,
    variable: Option<&'static OsStr>,
    config: &mut Config,
) -> Result<Command, String> {
    // As long as it has to be from the start: see sys::memory's ROOM.
    let mut words = Vec::with_capacity(args.len());
    words.extend(args.iter().skip(1));
    if persona.is_pause && words.contains(&OsStr::new("-v")) {
        return Ok(Command::PrintAbout(persona.version.as_bytes()));
    }
    let mut chosen = Chosen::new(persona);
    if let Some(variable) = variable {
        let words = variable.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match read(persona, words.map(OsStr::from_bytes).collect(), config, &mut chosen) {
            Ok(Read::Program(None)) => {}
            Ok(Read::Program(_)) => return Err(format!("{OPTIONS_VARIABLE} may have options alone")),
            Ok(Read::Print(text)) => return Ok(Command::PrintAbout(text)),
            // A value may be a secret, and the environment is not printed. A message that has one ends with it.
            Err(problem) => {
                let shown = problem.split(": \"").next().unwrap_or_default();
                return Err(format!("{OPTIONS_VARIABLE}: {shown}"));
            }
        }
        // They are for PID 1, whose environment a process has that is executed in its container.
        chosen.not_to_diagnose = None;
    }
    let program = match read(persona, words, config, &mut chosen)? {
        // Behind podinit's own name.
        Read::Program(index) => index.map(|index| index + 1),
        Read::Print(text) => return Ok(Command::PrintAbout(text)),
    };
    if chosen.diagnose || chosen.json {
        return match (chosen.diagnose, program, chosen.not_to_diagnose) {
            (false, ..) => Err("--json needs --diagnose".into()),
            (_, Some(_), _) => Err("with --diagnose there is no program to run".into()),
            (.., Some(option)) => Err([&option.shown(), " cannot be used with --diagnose"].concat()),
            (_, None, None) => Ok(Command::Diagnose { json: chosen.json }),
        };
    }
    if config.as_pid_1 {
        // As an engine does it: programs that insist on PID 1 have their own ways with their children (s6-supervise
        // exits on a SIGHUP).
        config.target = Target::Child;
    }
    let command = command(persona, program, config, &chosen)?;
    let explained = if chosen.explain { explain(persona, args, &command, config) } else { String::new() };
    if let (Command::Run { program }, true) = (&command, config.expand_env) {
        expand(args, *program, config.environment(env))?;
    }
    Ok(if chosen.explain { Command::Print(explained.leak().as_bytes()) } else { command })
}

/// What the options together say is to be done, with the program that begins at argument `program`, if there is one.
fn command(
    persona: &Persona,
    program: Option<usize>,
    config: &mut Config,
    chosen: &Chosen,
) -> Result<Command, String> {
    let pause = chosen.pause;
    if let Some(target) = chosen.target {
        choose_target(config, target, pause, persona)?;
    }
    // What other pause processes are called with, they ignore.
    let is_strict = program.is_none() && !persona.is_pause && !persona.ignores_words;
    if let Some(option) = chosen.for_program.filter(|_| is_strict) {
        return Err(["--", option.long, " needs a program to run, and cannot be used with --pause"].concat());
    }
    Err(match (program, pause) {
        (_, false) if config.keep_privileges => "--keep-privileges needs --pause",
        (Some(program), false) => return Ok(Command::Run { program }),
        (Some(_), true) if !persona.ignores_words => "with --pause there is no program to run",
        (_, true) => return Ok(Command::Pause),
        (None, false) if !config.watches.is_empty() => return Ok(Command::Sidecar),
        (None, false) => "no program to run",
    }
    .into())
}

/// What there is behind options.
enum Read {
    /// The program is the word of this number, if there is one.
    Program(Option<usize>),
    /// Nothing that matters: this is to be printed.
    Print(&'static [u8]),
}

/// Reads the options with which `words` begin.
fn read(
    persona: &Persona,
    words: Vec<&'static OsStr>,
    config: &mut Config,
    chosen: &mut Chosen,
) -> Result<Read, String> {
    let mut options = Options::new(words);
    while let Some((option, value)) = options.next()? {
        if option.is_for_program() {
            chosen.for_program = Some(option);
        }
        if !option.is_to_diagnose() {
            chosen.not_to_diagnose = Some(option);
        }
        match option.name {
            Name::Help => {
                let help = [&HELP_TEXT[..], persona::HELP[usize::from(persona.log_name)].as_bytes()];
                return Ok(Read::Print(help.concat().leak()));
            }
            Name::Version => return Ok(Read::Print(persona.version.as_bytes())),
            Name::License => return Ok(Read::Print(&LICENSE_TEXT)),
            Name::ListNames => return Ok(Read::Print(persona::names().leak().as_bytes())),
            Name::Pause => chosen.pause = true,
            Name::Explain => chosen.explain = true,
            Name::Diagnose => chosen.diagnose = true,
            Name::Json => chosen.json = true,
            Name::Group => chosen.target = Some(AnyTarget::Init(Target::Group)),
            Name::SingleChild => {
                chosen.target = None;
                single_child(config);
            }
            Name::Verbose => config.log_level = raised(config.log_level, persona.verbose),
            Name::User => config.user = Some(user::find(value.to_bytes())?),
            name => {
                let understood = set(config, &mut chosen.target, name, value);
                understood.ok_or_else(|| not_valid(option, &Quoted(value.to_bytes())))?;
            }
        }
    }
    let signals =
        config.rewrite.iter().flat_map(|it| [it.from, it.to.unwrap_or(it.from)]).map(Signal::number);
    if let Some(number) = signals.max().filter(|highest| *highest > i32::from(persona.highest_rewrite)) {
        return Err(format!("--rewrite: {number} is too high for a signal"));
    }
    Ok(Read::Program(options.program))
}

/// Sets the field of `config` that the option `name` is for; `None` if its value is not valid. Options that do more are in
/// [`read`].
fn set(config: &mut Config, wanted: &mut Option<AnyTarget>, name: Name, value: &'static CStr) -> Option<()> {
    let text = value.to_bytes();
    match name {
        Name::Target => *wanted = Some(target(text)?),
        Name::Rewrite => config.rewrite.push(rewrite(text)?),
        Name::Grace => config.at_exit = AtExit::Terminate(duration(text)?),
        Name::KillAfter => config.kill_after = Some(duration(text)?),
        Name::AsPid1 => config.as_pid_1 = true,
        Name::DieAlike => config.die_alike = true,
        Name::Remap => config.remap.push(remap(text)?),
        Name::ParentDeath => config.parent_death = Some(signal::parse(text)?),
        Name::Workdir => config.workdir = Some(value),
        Name::Watch => config.watches.push(watch(value)?),
        Name::TerminationLog => config.termination_log = Some(value),
        Name::Umask => config.umask = Some(umask(text)?),
        Name::Env => {
            text.iter().position(|&byte| byte == b'=').filter(|at| *at > 0)?;
            config.env.push(value);
        }
        Name::ExpandEnv => config.expand_env = true,
        Name::KeepPrivileges => config.keep_privileges = true,
        Name::Subreaper => config.subreaper = Subreaper::Always,
        Name::WarnReaped => config.warn_reaped = true,
        _ => {}
    }
    Some(())
}

/// Sets what `--target` is for: some of its values are for pods alone, the other ones for all else.
fn choose_target(
    config: &mut Config,
    wanted: AnyTarget,
    pause: bool,
    persona: &Persona,
) -> Result<(), &'static str> {
    match (wanted, pause) {
        (AnyTarget::Init(target), false) => config.target = target,
        (AnyTarget::Pod(target), true) => config.pod_target = target,
        // catatonit's `-g`.
        (AnyTarget::Init(_), true) if persona.ignores_words => {}
        (AnyTarget::Init(_), true) => {
            return Err("--target group, child and all cannot be used with --pause");
        }
        (AnyTarget::Pod(_), false) => {
            return Err("--target auto, leaders, sender and none need --pause");
        }
    }
    Ok(())
}

/// `level`, raised by `by` levels; `trace` at most.
fn raised(level: LevelFilter, by: u8) -> LevelFilter {
    let all = LevelFilter::iter().skip_while(|at| *at < level);
    all.take(1 + usize::from(by)).last().unwrap_or(level)
}

#[inline(never)]
fn not_valid(option: &Opt, value: &Quoted) -> String {
    format!("--{}: not a valid {}: {value}", option.long, option.value)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::time::Duration;

    use super::options::OPTIONS;
    use super::texts::HELP;
    use super::*;
    use crate::config::{PodTarget, Remap, Rewrite};
    use crate::sys::session::Session;

    fn read(words: &[&str], env: &[&str]) -> Result<(Command, Config), String> {
        let mut config = Config::DEFAULT;
        let persona = Persona::called(words.first().map(OsStr::new));
        let command = super::parse(persona, Vector::of(words), Vector::of(env), &mut config)?;
        Ok((command, config))
    }

    fn parse(words: &[&str]) -> Result<Command, String> {
        read(words, &[]).map(|(command, _)| command)
    }

    fn run(words: &[&str]) -> (Config, usize) {
        match read(words, &[]) {
            Ok((Command::Run { program }, config)) => (config, program),
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
        let options = OPTIONS.iter().map(|option| option.long).filter(|long| !long.is_empty());
        assert_eq!(named, options.collect::<Vec<_>>());
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
            assert_eq!(read(words, &[]), Ok((Command::Pause, config)), "{words:?}");
        }
        for words in [&["/pause", "-v"][..], &["pod", "-v"], &["pause", "-g", "-v"]] {
            assert_eq!(
                parse(words),
                Ok(Command::PrintAbout(Persona::called(None).version.as_bytes())),
                "{words:?}"
            );
        }
        let verbose = Config { log_level: LevelFilter::Debug, ..Config::DEFAULT };
        assert_eq!(read(&["pause", "-vv"], &[]), Ok((Command::Pause, verbose)));
        for words in [&["catatonit", "-P", "x"][..], &["catatonit", "-P", "--", "-x"]] {
            assert_eq!(parse(words), Ok(Command::Pause), "{words:?}");
        }
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
    fn options_as_getopt_long_has_them() {
        for words in [
            &["podinit", "-ve143", "x"][..],
            &["podinit", "-ve", "143", "x"],
            &["podinit", "-ve=143", "x"],
            &["podinit", "-v", "--remap", "143", "x"],
            &["podinit", "--verb", "--rem=143", "x"],
        ] {
            let (config, program) = run(words);
            assert_eq!((program, words[program]), (words.len() - 1, "x"));
            assert_eq!(config.remap, [Remap { from: 143, to: 0 }], "{words:?}");
            assert_eq!(config.log_level, LevelFilter::Info, "{words:?}");
        }
        for (words, problem) in [
            (&["podinit", "-gz", "x"][..], r#"invalid option "-z""#),
            (&["podinit", "-g\u{e9}", "x"], r#"invalid option "-\u{e9}""#),
            (&["podinit", "-=", "x"], r#"invalid option "-=""#),
            (&["podinit", "--no\nne=1", "x"], r#"invalid option "--no\nne""#),
            (&["podinit", "--ver", "x"], r#"option "--ver" may be --verbose or --version"#),
            (&["podinit", "--=x", "x"], r#"option "--" may be --as-pid-1 or --diagnose"#),
            (&["podinit", "-v=1", "x"], "option '-v' takes no argument"),
            (&["podinit", "--verb=1", "x"], "option '--verb' takes no argument"),
            (&["podinit", "-ge"], "option '-e' needs an argument"),
            (&["podinit", "--remap"], "option '--remap' needs an argument"),
            (&["podinit", "-e", "", "x"], r#"--remap: not a valid exit code (like 143 or 143:0): """#),
            (&["podinit", "--remap=", "x"], r#"--remap: not a valid exit code (like 143 or 143:0): """#),
        ] {
            let problem = problem.replace("\\u{e9}", "\u{e9}");
            assert_eq!(parse(words), Err(problem), "{words:?}");
        }
    }

    #[test]
    fn a_misspelt_option_offers_the_nearest_one() {
        for (word, meant) in [
            ("--gracee", "grace"),
            ("--garce", "grace"),
            ("--grac3=5s", "grace"),
            ("--killafter", "kill-after"),
            ("--kill_after", "kill-after"),
            ("--singlechild", "single-child"),
            ("--signle-child", "single-child"),
            ("--as-pid1", "as-pid-1"),
            ("--usr", "user"),
            ("--enw", "env"),
        ] {
            let problem = parse(&["podinit", word, "x"]).unwrap_err();
            assert!(problem.ends_with(&format!("\", did you mean --{meant}?")), "{word}: {problem}");
        }
        for word in ["--x", "--eve", "--usage", "--frobnicate", "--pid-namespace", "--grateful", ""] {
            assert!(!parse(&["podinit", word]).is_err_and(|problem| problem.contains("mean")), "{word}");
        }
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        let without = "needs a program to run, and cannot be used with --pause";
        for (words, problem) in [
            (&["podinit", "--keep-privileges", "x"][..], "--keep-privileges needs --pause"),
            (&["tini", "--keep-privileges", "x"], "--keep-privileges needs --pause"),
            (&["podinit", "--pause", "--user", "0"], "--user"),
            (&["podinit", "--user=0", "-P"], "--user"),
            (&["podinit", "--pause", "--as-pid-1"], "--as-pid-1"),
            (&["podinit", "--pause", "--die-alike"], "--die-alike"),
            (&["podinit", "--pause", "--env", "A=1"], "--env"),
            (&["podinit", "--pause", "--kill-after=1"], "--kill-after"),
            (&["podinit", "--pause", "-pTERM"], "--parent-death"),
            (&["podinit", "--pause", "-e1"], "--remap"),
            (&["podinit", "--pause", "-c"], "--single-child"),
            (&["podinit", "--pause", "-s"], "--subreaper"),
            (&["podinit", "--pause", "--umask=0"], "--umask"),
            (&["podinit", "--pause", "--workdir=/"], "--workdir"),
            (&["podinit", "--watch=/etc", "--workdir=/"], "--workdir"),
            (&["podinit", "--pause", "-g"], "--target group, child and all cannot be used with --pause"),
            (&["podinit", "--diagnose", "--grace=1s"], "--grace cannot be used with --diagnose"),
            (&["podinit", "--user", "0", "--diagnose", "-v"], "--user cannot be used with --diagnose"),
            (&["podinit", "--diagnose", "-P", "--json"], "--pause cannot be used with --diagnose"),
            (&["podinit", "--diagnose", "--explain"], "--explain cannot be used with --diagnose"),
            (&["podinit", "--diagnose", "--watch=/etc"], "--watch cannot be used with --diagnose"),
            (&["podinit", "--diagnose", "-g"], "-g cannot be used with --diagnose"),
            (
                &["pause", "--diagnose", "--keep-privileges"],
                "--keep-privileges cannot be used with --diagnose",
            ),
            (&["podinit", "--diagnose", "-g", "x"], "with --diagnose there is no program to run"),
            (&["podinit", "--json", "x"], "--json needs --diagnose"),
        ] {
            let found = parse(words).unwrap_err();
            let is_whole = problem.contains(' ');
            assert_eq!(
                found,
                if is_whole { problem.into() } else { format!("{problem} {without}") },
                "{words:?}"
            );
        }
        // What the pause processes whose names these are take, and what has an effect.
        for words in [
            &["pause", "-s"][..],
            &["pod", "-c"],
            &["pause", "--keep-privileges"],
            &["catatonit", "-P", "-g"],
            &["catatonit", "-gP", "--", "sleep"],
            &["podinit", "--pause", "--keep-privileges", "--grace=1", "--watch=/etc", "-vw", "-r1:2"],
        ] {
            assert_eq!(parse(words), Ok(Command::Pause), "{words:?}");
        }
        assert_eq!(parse(&["podinit", "--watch=/etc", "-vw", "--grace=1"]), Ok(Command::Sidecar));
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
        assert!(parse(&["dumb-init", "-r", "15:32", "x"]).is_err());
        assert!(parse(&["podinit", "-r", "15:32", "x"]).is_ok());
        assert!(parse(&["podinit", "--re=15:3", "x"]).is_err(), "--remap or --rewrite");
    }

    #[test]
    fn other_names_mind_other_variables() {
        let with = |name: &str, entry: &str| match read(&[name, "x"], &[entry]) {
            Ok((Command::Run { .. }, config)) => config,
            other => panic!("{other:?}"),
        };
        assert_eq!(with("tini", "TINI_SUBREAPER=").subreaper, Subreaper::Always);
        assert_eq!(with("tini", "TINI_KILL_PROCESS_GROUP=").target, Target::Group);
        assert_eq!(with("tini", "TINI_VERBOSITY=3").log_level, LevelFilter::Debug);
        assert_eq!(with("dumb-init", "DUMB_INIT_SETSID=0").session, Session::Inherited);
        assert_eq!(with("dumb-init", "DUMB_INIT_DEBUG=1").log_level, LevelFilter::Debug);
        for other in ["DUMB_INIT_DEBUG=0", "DUMB_INIT_DEBUG=", "DUMB_INIT_DEBUG=2", "DUMB_INIT_DEBUG=11"] {
            assert_eq!(with("dumb-init", other).log_level, LevelFilter::Warn, "{other}");
        }
        assert_eq!(with("catatonit", "CATATONIT_DEBUG=1").log_level, LevelFilter::Debug);
        assert_eq!(with("podinit", "TINI_VERBOSITY=3"), Config::DEFAULT);
        assert_eq!(with("docker-init", "TINI_VERBOSITY=3").log_level, LevelFilter::Debug);
        assert_eq!(with("docker-init", "TINI_KILL_PROCESS_GROUP=1").target, Target::Group);
        assert_eq!(with("podman-init", "TINI_KILL_PROCESS_GROUP=1").target, Target::Child);
    }

    #[test]
    fn the_inits_of_engines_read_options_in_a_variable() {
        let with = |words: &[&str], text: &str| {
            read(words, &[&format!("PODINIT_OPTIONS={text}")]).map(|(command, config)| match command {
                Command::Run { program } => (program, config.target, config.grace().as_secs()),
                other => panic!("{other:?}"),
            })
        };
        for name in ["docker-init", "/run/podman-init"] {
            assert_eq!(with(&[name, "--", "x"], "-g --grace 20s"), Ok((2, Target::Group, 20)), "{name}");
            assert_eq!(with(&[name, "x"], " \t-g\n --grace=7"), Ok((1, Target::Group, 7)), "{name}");
            assert_eq!(with(&[name, "--grace=2", "x"], "-g --grace=7"), Ok((2, Target::Group, 2)), "{name}");
            assert_eq!(with(&[name, "--", "x"], ""), Ok((2, Target::Child, 5)), "{name}");
            for text in
                ["x", "-g x", "--", "-g -- x", "--grace secret", "--secret", "--user secret", "--grace"]
            {
                let wrong = with(&[name, "--", "x"], text);
                assert_eq!(wrong.is_err(), text != "--", "{name} {text}");
                let message = wrong.err().unwrap_or_default();
                assert!(text == "--secret" || !message.contains("secret"), "{name} {text}: {message}");
                assert!(text == "--" || message.starts_with("PODINIT_OPTIONS"), "{name} {text}: {message}");
            }
        }
        // In a container's environment they are, where --diagnose is executed.
        let env = ["PODINIT_OPTIONS=-g --grace 20s"];
        let inside = |words: &[&str]| read(words, &env).map(|(command, _)| command);
        assert_eq!(inside(&["docker-init", "--diagnose"]), Ok(Command::Diagnose { json: false }));
        assert!(inside(&["docker-init", "--diagnose", "-g"]).is_err());
        for name in ["podinit", "tini", "dumb-init", "catatonit"] {
            let plain = read(&[name, "x"], &[]).unwrap().1;
            assert_eq!(read(&[name, "x"], &["PODINIT_OPTIONS=--grace 20s"]).unwrap().1, plain, "{name}");
        }
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
            assert_eq!(duration(text.as_bytes()), Some(Duration::from_millis(milliseconds)), "{text}");
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
            assert_eq!(duration(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rewritings() {
        let quit = Rewrite { from: Signal::TERM, to: Some(Signal::QUIT) };
        assert_eq!(rewrite(b"15:3"), Some(quit));
        assert_eq!(rewrite(b"TERM:SIGQUIT"), Some(quit));
        assert_eq!(rewrite(b"RTMIN+2:0"), Some(Rewrite { from: Signal::new(36).unwrap(), to: None }));
        for text in ["", ":", "15", "15:", ":3", "0:15", "15:65", "15:3:2", "TERM:NOPE", "15:-1", "15: 3"] {
            assert_eq!(rewrite(text.as_bytes()), None, "{text}");
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
            &["podinit", "--target", "neither", "x"],
            &["podinit", "--verbose=1", "x"],
            &["podinit", "-e"],
            &["podinit", "--pause", "x"],
            &["podinit", "--pause", "-g"],
            &["podinit", "--target", "leaders", "x"],
            &["/pause", "x"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(HELP.lines().all(|line| line.chars().count() < 80), "a line is too long");
    }
}
