//! The options: their names, which of them take a value, and how they are read, as getopt_long(3) does it.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStringExt;

use lexopt::{Arg, Parser};

use super::persona::Persona;
use super::values::AnyTarget;
use crate::quoted::Quoted;
use crate::termination_log::DEFAULT_PATH;

/// Which option. What each one does is in [`super::parse`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Name {
    AsPid1,
    Diagnose,
    DieAlike,
    Env,
    ExpandEnv,
    Explain,
    Grace,
    Group,
    Help,
    Json,
    KeepPrivileges,
    KillAfter,
    License,
    ListNames,
    ParentDeath,
    Pause,
    Remap,
    Rewrite,
    SingleChild,
    Subreaper,
    Target,
    TerminationLog,
    Umask,
    User,
    Verbose,
    Version,
    WarnReaped,
    Watch,
    Workdir,
}

/// An option, as it is typed.
pub struct Opt {
    pub name: Name,
    /// The short form, `-x`; 0 if there is none.
    letter: u8,
    /// The long form, without `--`; empty if there is none.
    pub long: &'static str,
    /// What its value is, for messages, and an example; empty if it takes none.
    pub value: &'static str,
}

impl Opt {
    /// Whether it has no effect without a program to run. (Nor has `-g`, which is a `--target`.)
    pub fn is_for_program(&self) -> bool {
        use Name::*;
        matches!(
            self.name,
            AsPid1
                | DieAlike
                | Env
                | ExpandEnv
                | KillAfter
                | ParentDeath
                | Remap
                | SingleChild
                | Subreaper
                | TerminationLog
                | Umask
                | User
                | Workdir
        )
    }

    /// Whether it has an effect with `--diagnose`.
    pub fn is_to_diagnose(&self) -> bool {
        matches!(self.name, Name::Diagnose | Name::Json | Name::Verbose)
    }

    /// It, as it may be typed.
    pub fn shown(&self) -> String {
        match self.long {
            "" => String::from_iter(['-', char::from(self.letter)]),
            long => ["--", long].concat(),
        }
    }
}

/// What the options choose that is not known before all of them are read.
pub struct Chosen {
    pub pause: bool,
    pub explain: bool,
    pub diagnose: bool,
    pub json: bool,
    pub target: Option<AnyTarget>,
    /// One that has no effect without a program.
    pub for_program: Option<&'static Opt>,
    /// One that has no effect with `--diagnose`.
    pub not_to_diagnose: Option<&'static Opt>,
}

impl Chosen {
    pub fn new(persona: &Persona) -> Chosen {
        Chosen {
            pause: persona.is_pause,
            explain: false,
            diagnose: false,
            json: false,
            target: None,
            for_program: None,
            not_to_diagnose: None,
        }
    }
}

const fn opt(name: Name, letter: u8, long: &'static str, value: &'static str) -> Opt {
    Opt { name, letter, long, value }
}

/// All of them. ([`short`] knows one more letter, `-L`.)
pub static OPTIONS: [Opt; 29] = [
    opt(Name::AsPid1, 0, "as-pid-1", ""),
    opt(Name::Diagnose, 0, "diagnose", ""),
    opt(Name::DieAlike, 0, "die-alike", ""),
    opt(Name::Env, 0, "env", "NAME=VALUE"),
    opt(Name::ExpandEnv, 0, "expand-env", ""),
    opt(Name::Explain, 0, "explain", ""),
    opt(Name::Grace, 0, "grace", "duration (like 10s or 500ms)"),
    opt(Name::Group, b'g', "", ""),
    opt(Name::Help, b'h', "help", ""),
    opt(Name::Json, 0, "json", ""),
    opt(Name::KeepPrivileges, 0, "keep-privileges", ""),
    opt(Name::KillAfter, 0, "kill-after", "duration (like 10s or 500ms)"),
    opt(Name::License, b'l', "license", ""),
    opt(Name::ListNames, 0, "list-names", ""),
    opt(Name::ParentDeath, b'p', "parent-death", "signal (like TERM or 15)"),
    opt(Name::Pause, b'P', "pause", ""),
    opt(Name::Remap, b'e', "remap", "exit code (like 143 or 143:0)"),
    opt(Name::Rewrite, b'r', "rewrite", "rewriting of signals (like TERM:QUIT)"),
    opt(Name::SingleChild, b'c', "single-child", ""),
    opt(Name::Subreaper, b's', "subreaper", ""),
    opt(Name::Target, 0, "target", "target (like group or child)"),
    opt(Name::TerminationLog, 0, "termination-log", "path"),
    opt(Name::Umask, 0, "umask", "umask in octal (like 027)"),
    opt(Name::User, 0, "user", "user"),
    opt(Name::Verbose, b'v', "verbose", ""),
    opt(Name::Version, b'V', "version", ""),
    opt(Name::WarnReaped, b'w', "warn-reaped", ""),
    opt(Name::Watch, 0, "watch", "PATH[:SIGNAL] from the root (like /etc/app:HUP)"),
    opt(Name::Workdir, 0, "workdir", "directory"),
];

/// Reads the options of a command line, one after the other.
pub struct Options {
    parser: Parser,
    /// How many words the command line has.
    count: usize,
    /// The number of the first word that is no option, counted from 0, once that has been read.
    pub program: Option<usize>,
}

impl Options {
    /// Those with which `words` begin.
    pub fn new(words: Vec<&'static OsStr>) -> Options {
        let count = words.len();
        Options { parser: Parser::from_args(words), count, program: None }
    }

    /// The next option, and its value, which is empty if it takes none. `None` if the next word is no option.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn next(&mut self) -> Result<Option<(&'static Opt, &'static CStr)>, String> {
        let option = match self.parser.next().map_err(problem)? {
            Some(Arg::Long(name)) => complete(name.as_bytes())?,
            Some(Arg::Short(letter)) => short(letter)?,
            Some(Arg::Value(_)) => {
                let behind = self.parser.raw_args().map_err(problem)?.as_slice().len();
                self.program = Some(self.count - behind - 1);
                return Ok(None);
            }
            None => return Ok(None),
        };
        if option.value.is_empty() {
            return Ok(Some((option, c"")));
        }
        let value = if option.name == Name::TerminationLog {
            let Some(value) = self.parser.optional_value() else { return Ok(Some((option, DEFAULT_PATH))) };
            value
        } else {
            self.parser.value().map_err(problem)?
        };
        let value = value.into_vec();
        // As long as the process, as the command line itself: the workload's environment may have it.
        let value = CString::new(value).expect("an argument ends at its first NUL");
        Ok(Some((option, Box::leak(value.into_boxed_c_str()))))
    }
}

fn short(letter: char) -> Result<&'static Opt, String> {
    let meant = if letter == 'L' { 'l' } else { letter };
    let option = OPTIONS.iter().find(|option| option.letter != 0 && char::from(option.letter) == meant);
    option.ok_or_else(|| invalid(b"-", letter.encode_utf8(&mut [0; 4]).as_bytes()))
}

/// What is wrong with the options themselves. (lexopt's own words would bring std's way to quote along, with its
/// tables of what can be printed.)
fn problem(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedOption(option) => invalid(b"", option.as_bytes()),
        lexopt::Error::UnexpectedValue { option, .. } => {
            format!("option '{option}' takes no argument")
        }
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("option '{option}' needs an argument")
        }
        _ => "invalid options".into(),
    }
}

/// The option with this long form, or the only one whose long form begins so.
fn complete(name: &[u8]) -> Result<&'static Opt, String> {
    let named = || OPTIONS.iter().filter(|option| !option.long.is_empty());
    if let Some(exact) = named().find(|option| option.long.as_bytes() == name) {
        return Ok(exact);
    }
    let mut candidates = named().filter(|option| option.long.as_bytes().starts_with(name));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => {
            Err(["option ", &quoted(b"--", name), " may be --", one.long, " or --", other.long].concat())
        }
        (None, _) => Err(invalid(b"--", name)),
    }
}

/// The first option whose long form differs from `name` in one place alone, by less than half of its length, and by two
/// characters at the most: one too many, one missing, another one, two exchanged.
fn nearest(name: &[u8]) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| {
        let long = option.long.as_bytes();
        let before = long.iter().zip(name).take_while(|(one, other)| one == other).count();
        let behind = long.iter().rev().zip(name.iter().rev()).take_while(|(one, other)| one == other).count();
        let difference = long.len().max(name.len()).saturating_sub(before + behind);
        difference <= 2 && 2 * difference < long.len()
    })
}

fn invalid(dashes: &[u8], name: &[u8]) -> String {
    let [before, long, behind] =
        nearest(name).map_or([""; 3], |option| [", did you mean --", option.long, "?"]);
    ["invalid option ", &quoted(dashes, name), before, long, behind].concat()
}

fn quoted(dashes: &[u8], name: &[u8]) -> String {
    Quoted(&[dashes, name].concat()).to_string()
}
