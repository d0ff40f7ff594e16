//! Properties that hold for every text that podinit reads. The fuzz targets of this folder search for an input that
//! breaks a property; `cargo test` checks them with the inputs in `inputs/`, one in each line.

use std::ffi::{CString, OsStr};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use crate::cli::persona::{self, Persona};
use crate::cli::values;
use crate::cli::{self, Command};
use crate::config::Config;
use crate::hidepid;
use crate::logger;
use crate::pod::containers::{self, Place};
use crate::procfs::{self, Identity, Stat, Status};
use crate::signal::{self, Signal};
use crate::sys::entry::Vector;
use crate::sys::process::{End, Pid};
use crate::user;

/// Panics if the input breaks it.
pub type Property = fn(&[u8]);

/// The properties, by the names of the targets and of the lists in `inputs/`.
pub const ALL: [(&str, Property); 10] = [
    ("cgroup", cgroup),
    ("command_line", command_line),
    ("filter", filter),
    ("mountinfo", mountinfo),
    ("signal", signal),
    ("stat", stat),
    ("stat_round", stat_round),
    ("status", status),
    ("user", user),
    ("values", values),
];

/// Checks the property of this name.
pub fn check(name: &str, input: &[u8]) {
    ALL.iter().find(|(own, _)| *own == name).expect("a property of this name").1(input);
}

/// Any command line, under any name and with any environment, is accepted or is an error of one line. The input
/// is the arguments and, behind a byte 0xff, the environment; a NUL ends each.
pub fn command_line(input: &[u8]) {
    let (args, env) = input.split_at(input.iter().position(|&byte| byte == 0xff).unwrap_or(input.len()));
    let strings =
        |text: &[u8]| text.split(|&byte| byte == 0).filter_map(|it| CString::new(it).ok()).collect();
    let (mut args, env): (Vec<CString>, Vec<CString>) =
        (strings(args), strings(env.get(1..).unwrap_or_default()));
    check_command_line(&args, &env);
    for name in persona::names().lines() {
        args[0] = CString::new(name).expect("a name without NUL");
        check_command_line(&args, &env);
    }
}

fn check_command_line(args: &[CString], env: &[CString]) {
    let persona = Persona::called(args.first().map(|name| OsStr::from_bytes(name.to_bytes())));
    Vector::lend(args, |args| Vector::lend(env, |env| check_vectors(persona, args, env)));
}

fn check_vectors(persona: &Persona, args: Vector, env: Vector) {
    let mut config = Config::DEFAULT;
    match cli::parse(persona, args, env, &mut config) {
        Ok(Command::Run { program }) => {
            assert!(
                (1..args.len()).contains(&program),
                "the program is argument {program} of {}",
                args.len()
            );
            let word = |index| args.iter().nth(index).expect("an argument").as_bytes();
            let is_word = !matches!(word(program), [b'-', _, ..]) || word(program - 1) == b"--";
            assert!(is_word || config.expand_env, "an option is taken for the program");
            check_config(&config, persona);
        }
        Ok(Command::Pause | Command::Sidecar | Command::Diagnose { .. }) => check_config(&config, persona),
        Ok(Command::Print(text) | Command::PrintAbout(text)) => {
            assert!(text.ends_with(b"\n"), "cut off: {text:?}")
        }
        Err(problem) => check_message(&problem),
    }
}

fn check_config(config: &Config, persona: &Persona) {
    check_duration(config.grace());
    config.kill_after.into_iter().for_each(check_duration);
    for number in 1..=Signal::MAX {
        let signal = Signal::new(number).expect("a signal's number");
        // None of these may panic.
        let _ = (
            config.rewritten(signal),
            config.exit_status(End::Killed(signal)),
            config.death(End::Killed(signal)),
        );
    }
    for rewrite in &config.rewrite {
        let highest = rewrite.to.map_or(rewrite.from, |to| to.max(rewrite.from));
        assert!(
            highest.number() <= i32::from(persona.highest_rewrite),
            "{highest} is too high for {}",
            persona.names[0]
        );
    }
    for entry in &config.env {
        assert!(entry.to_bytes().iter().skip(1).any(|&byte| byte == b'='), "not NAME=VALUE: {entry:?}");
    }
}

fn check_message(message: &str) {
    assert!(
        !message.is_empty() && !message.chars().any(char::is_control),
        "not one line of text: {message:?}"
    );
}

/// The deadline after this duration can be calculated.
fn check_duration(duration: Duration) {
    assert!(Instant::now().checked_add(duration).is_some(), "{duration:?} is too long");
}

/// A signal that is accepted is one of the kernel's, and its name means the same signal.
pub fn signal(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some(signal) = signal::parse(input) else { return };
    assert!((1..=64).contains(&signal.number()), "{text:?} is signal {}", signal.number());
    let name = signal.to_string();
    for again in [&*name, &name.to_lowercase(), name.trim_start_matches("SIG"), &signal.number().to_string()]
    {
        // 32 and 33 are the C library's own, and have no name.
        assert!(
            signal::parse(again.as_bytes()) == Some(signal) || again.contains(' '),
            "{text:?} is {name}, {again:?} is not"
        );
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(text.parse(), Ok(signal.number()));
    }
}

/// Durations, rewritings and exit codes: one that is accepted, written in its plain form, means the same.
pub fn values(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(duration) = values::duration(input) {
        check_duration(duration);
        assert_eq!(
            values::duration(format!("{}ms", duration.as_millis()).as_bytes()),
            Some(duration),
            "{text:?}"
        );
    }
    if let Some(rewrite) = values::rewrite(input) {
        let to = rewrite.to.map_or(0, Signal::number);
        assert_eq!(
            values::rewrite(format!("{}:{to}", rewrite.from.number()).as_bytes()),
            Some(rewrite),
            "{text:?}"
        );
    }
    if let Some(remap) = values::remap(input) {
        assert_eq!(values::remap(format!("{}:{}", remap.from, remap.to).as_bytes()), Some(remap), "{text:?}");
    }
}

/// Any PODINIT_LOG is a filter or a mistake.
pub fn filter(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some(filter) = logger::filter(text) else { return };
    for level in log::Level::iter() {
        for target in ["podinit", "podinit::pod", "other"] {
            let record =
                log::Record::builder().level(level).target(target).args(format_args!("a line")).build();
            // The level that `log` compares first must not hide what the filter would let through.
            assert!(!filter.matches(&record) || level <= filter.filter(), "{text:?} at {level}");
        }
    }
}

/// Any text is a stat or is none.
pub fn stat(input: &[u8]) {
    if let Some(stat) = Stat::parse(input) {
        assert!(stat.id.pid.get() > 0 && stat.parent.is_none_or(|parent| parent.get() > 0), "{stat:?}");
        assert!(!(stat.has_exited() && stat.is_stopped()), "{stat:?}");
    }
}

/// The fields that the kernel writes are the fields that are read, under any name of the process. The input is 24 bytes
/// of numbers, and the name.
pub fn stat_round(input: &[u8]) {
    let Some((numbers, name)) = input.split_first_chunk::<24>() else { return };
    let int = |at: usize| i32::from_le_bytes(numbers[at..at + 4].try_into().expect("4 bytes")) & i32::MAX;
    let Some(pid) = Pid::new(int(0)) else { return };
    let start = u64::from_le_bytes(numbers[16..].try_into().expect("8 bytes"));
    let (parent, group, threads) = (int(4), int(8), int(12));
    let state = b"RSDTtXZPI"[name.len() % 9];
    let called = |name: &[u8]| {
        let mut text = format!("{pid} (").into_bytes();
        text.extend(name);
        let more = "-1 4194560 1 2 3 4 5 6 7 8 20 0";
        let rest = format!(") {} {parent} {group} 7 0 {more} {threads} 0 {start} 6 7\n", char::from(state));
        text.extend(rest.bytes());
        Stat::parse(&text).expect("a stat")
    };
    let stat = called(name);
    assert_eq!((stat.id, stat.state), (Identity { pid, start }, state));
    assert_eq!((stat.parent, stat.group), (Pid::new(parent), group));
    assert_eq!(stat.threads, threads.unsigned_abs());
    assert_eq!(stat, called(b"plain"), "{}", name.escape_ascii());
}

/// Any text is a status or is none; and where the kernel wrote it, no name changes another field. The input is a
/// status, or behind a byte 0xff the name of a process.
pub fn status(input: &[u8]) {
    let [0xff, name @ ..] = input else {
        let _ = Status::parse(input);
        return;
    };
    // The kernel escapes these two, and cuts the name off, within a character too.
    let escaped: Vec<u8> = name
        .iter()
        .take(15)
        .flat_map(|byte| match byte {
            b'\n' => b"\\n".to_vec(),
            b'\\' => b"\\\\".to_vec(),
            0 => Vec::new(),
            byte => vec![*byte],
        })
        .collect();
    let called = |name: &[u8]| {
        let fields = "Umask:\t0022\nUid:\t1\t2\t3\t4\nSigBlk:\t0000000000000001\nSigCgt:\t8000000000004000\n";
        Status::parse(&[b"Name:\t", name, b"\n", fields.as_bytes()].concat()).expect("a status")
    };
    let mut status = called(&escaped);
    assert_eq!(status.name, escaped);
    status.name = b"plain".to_vec();
    assert_eq!(status, called(b"plain"), "{}", escaped.escape_ascii());
}

/// Processes are grouped into containers by their cgroups, and the oldest one of each is the leader. The input is
/// a byte for the number of hierarchies and, each behind a byte 0xff, a byte for the time of a process's start and a
/// line for its path in each hierarchy.
pub fn cgroup(input: &[u8]) {
    let Some((hierarchies, records)) = input.split_first() else { return };
    let hierarchies = 1 + usize::from(hierarchies % 3);
    let entered: Vec<(Identity, Vec<String>)> = records
        .split(|&byte| byte == 0xff)
        .take(8)
        .enumerate()
        .map(|(index, record)| {
            let (start, text) =
                record.split_first().map_or((0, &record[..0]), |(start, text)| (*start, text));
            let text = String::from_utf8_lossy(text);
            let mut paths: Vec<String> = text.split('\n').take(hierarchies).map(canonical).collect();
            paths.resize(hierarchies, "/".into());
            (Identity { pid: Pid::new(2 + index as i32).expect("a pid"), start: start.into() }, paths)
        })
        .collect();
    check_grouping(&entered);
}

/// As the kernel writes a cgroup's path.
fn canonical(path: &str) -> String {
    let mut canonical = String::new();
    names(path).iter().for_each(|name| canonical.extend(["/", name]));
    if canonical.is_empty() { "/".into() } else { canonical }
}

fn check_grouping(entered: &[(Identity, Vec<String>)]) {
    let place = |paths: &[String]| {
        let mut text = String::new();
        for (index, path) in paths.iter().enumerate().rev() {
            writeln!(text, "{index}:{}:{path}", ["", "name=systemd", "cpu,cpuacct"][index])
                .expect("a string");
        }
        Place::Cgroups(text.into_bytes())
    };
    let mut in_order = entered.to_vec();
    in_order.sort_by_key(|(id, _)| *id);
    let mut containers = Vec::new();
    in_order.iter().for_each(|(id, paths)| containers::add(&mut containers, *id, place(paths)));
    let leaders: Vec<Identity> = containers.iter().map(|container| container.leader).collect();
    for (id, paths) in entered {
        let own =
            containers.iter().find(|container| container.has(&place(paths))).expect("a container of its own");
        assert!(own.leader <= *id, "{id:?} is older than its leader");
    }
    let paths: Vec<Vec<Vec<&str>>> =
        entered.iter().map(|(_, paths)| paths.iter().map(|it| names(it)).collect()).collect();
    // A bit for each process of the same container.
    let mates: Vec<u8> = paths
        .iter()
        .map(|one| paths.iter().rev().fold(0, |set, it| set << 1 | u8::from(are_together(one, it))))
        .collect();
    let members = |set: u8| (0..mates.len()).filter(move |index| set & 1 << index != 0);
    // A cgroup above those of two containers belongs to neither.
    if mates.iter().all(|set| members(*set).all(|mate| mates[mate] == *set)) {
        let first = |set: &u8| members(*set).map(|mate| entered[mate].0).min();
        let mut wanted: Vec<Identity> = mates.iter().filter_map(first).collect();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(leaders, wanted, "{entered:?}");
    }
}

/// The names that a path consists of.
fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// Whether in each hierarchy both are in one cgroup or one is below the other. (The root does not count: all are below
/// it.)
fn are_together(one: &[Vec<&str>], other: &[Vec<&str>]) -> bool {
    one.iter().zip(other).all(|(one, other)| {
        let nested = one.starts_with(other) || other.starts_with(one);
        one == other || (nested && !one.is_empty() && !other.is_empty())
    })
}

/// Any text is a mountinfo; and in one of the kernel, hidepid is found at any place. The input is a mountinfo,
/// or behind a byte 0xff the mount point and, behind another one, the options.
pub fn mountinfo(input: &[u8]) {
    let _ = (procfs::mount_id(input), hidepid::hides_some(input));
    let Some(input) = input.strip_prefix(b"\xff") else { return };
    let mut parts = input.splitn(2, |&byte| byte == 0xff).map(|part| {
        let escaped = part.iter().flat_map(|byte| match byte {
            b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        });
        String::from_utf8_lossy(&escaped.collect::<Vec<_>>()).into_owned()
    });
    let (point, options) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let text = format!(
        "22 1 0:20 / {point} rw,nosuid shared:1 - proc proc {options}\n23 1 0:5 / /x rw - tmpfs none rw\n"
    );
    assert_eq!(procfs::mount_id(text.as_bytes()), Some(22));
    let last = options
        .split(',')
        .filter_map(|option| option.strip_prefix("hidepid="))
        .any(|it| it != "0" && it != "off");
    assert_eq!(hidepid::hides_some(text.as_bytes()), point == "/proc" && last, "{text:?}");
}

/// Any passwd and group: a user or an error of one line, and never the number that setuid(2) takes for "as it is".
/// The input is what `--user` has, passwd and group, with a byte 0xff between them.
pub fn user(input: &[u8]) {
    let mut parts = input.splitn(3, |&byte| byte == 0xff);
    let mut next = || parts.next().unwrap_or_default();
    let (wanted, passwd, group) = (next(), next(), next());
    match user::find_in(passwd, group, wanted) {
        Ok(found) => {
            assert!(
                found.credentials.uid != u32::MAX && found.credentials.gid != u32::MAX,
                "{wanted:?}: {found:?}"
            );
            assert!(!found.credentials.groups.contains(&u32::MAX), "{wanted:?}: {found:?}");
            let mut words = wanted.splitn(2, |&byte| byte == b':');
            check_id(words.next().unwrap_or_default(), found.credentials.uid, passwd);
            words.next().into_iter().for_each(|name| check_id(name, found.credentials.gid, group));
        }
        Err(problem) => check_message(&problem),
    }
}

/// Digits are a number, even if they are a name too; any other word is a name in `file`.
fn check_id(word: &[u8], id: u32, file: &[u8]) {
    let is_number = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let names = |line: &[u8]| {
        line.strip_prefix(word).is_some_and(|after| after.first().is_none_or(|&byte| byte == b':'))
    };
    let is_name =
        || file.split(|&byte| byte == b'\n').any(|line| names(line.strip_suffix(b"\r").unwrap_or(line)));
    let is_id = || str::from_utf8(word).is_ok_and(|word| word.parse() == Ok(id));
    assert!(if is_number { is_id() } else { is_name() }, "{word:?} is {id}");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The bytes that a line of `inputs/` stands for: as in a byte string, with \t, \n, \r, \', \\ and \xNN.
    fn unescape(line: &str) -> Vec<u8> {
        let mut bytes = line.bytes();
        let mut unescaped = Vec::new();
        while let Some(byte) = bytes.next() {
            unescaped.push(match byte {
                b'\\' => match bytes.next().expect("a byte behind a backslash") {
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b'x' => {
                        let digits =
                            [(); 2].map(|()| char::from(bytes.next().expect("two digits behind \\x")));
                        u8::from_str_radix(&digits.iter().collect::<String>(), 16)
                            .expect("hexadecimal digits")
                    }
                    byte => byte,
                },
                byte => byte,
            });
        }
        unescaped
    }

    #[test]
    fn the_known_inputs_keep_the_properties() {
        let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/inputs");
        for (name, _) in ALL {
            let lines = fs::read_to_string(inputs.join(name)).expect(name);
            for line in lines.lines() {
                println!("{name}: {line}");
                check(name, &unescape(line));
            }
        }
    }
}
