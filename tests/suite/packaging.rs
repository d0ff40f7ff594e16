//! What is in a package beside the binary: it has the options of `podinit --help`, all of them and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{as_process, finish, have};

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(packaging(file)).expect(file)
}

/// All of a text that look like options, `--long` and `-s`, wherever they stand by themselves.
fn options(text: &str) -> BTreeSet<String> {
    let is_in_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '-';
    text.split(|byte| !is_in_word(byte))
        .filter(|word| match word.strip_prefix("--") {
            Some(name) => name.starts_with(|first: char| first.is_ascii_lowercase()),
            None => word.len() == 2 && word.starts_with('-') && word.ends_with(|it: char| it.is_alphabetic()),
        })
        .map(Into::into)
        .collect()
}

/// Those that `--help` has.
#[track_caller]
fn assert_same_options(of: &str, found: BTreeSet<String>) {
    let help = options(&finish(&mut as_process(&["--help"])).stdout);
    let lacks: Vec<_> = help.difference(&found).collect();
    let has: Vec<_> = found.difference(&help).collect();
    assert!(lacks.is_empty() && has.is_empty(), "{of} lacks {lacks:?}, and has {has:?} that --help lacks");
}

#[test]
fn the_manual_page_has_the_options() {
    // In mdoc, `.It Fl e , Fl -remap Ar code`.
    let items =
        read("podinit.1").lines().filter(|line| line.starts_with(".It Fl ")).collect::<Vec<_>>().join("\n");
    assert_same_options("podinit.1", options(&items.replace("Fl ", "-")));
}

#[test]
fn the_manual_page_has_no_mistake() {
    if have("mandoc") {
        let lint = finish(Command::new("mandoc").arg("-Tlint").arg(packaging("podinit.1")));
        // What it says of pages that this machine lacks is no mistake. Only newer ones give it a line number.
        let of_page =
            |line: &&str| line.contains("podinit.1:") && !line.contains("referenced manual not found");
        let ours: Vec<_> = lint.stdout.lines().filter(of_page).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
    if have("groff") {
        let groff = finish(Command::new("groff").args(["-ww", "-mdoc", "-z"]).arg(packaging("podinit.1")));
        assert_eq!(groff.stderr, "");
    }
}

#[test]
fn the_completions_have_the_options() {
    assert_same_options("podinit.bash", bash(&["podinit", "-"]).into_iter().collect());
    // Each line of zsh's has what it says of an option in brackets.
    let zsh = read("completions/_podinit");
    let zsh: Vec<&str> =
        zsh.lines().filter_map(|line| Some(line.trim().strip_prefix('\'')?.split_once('[')?.0)).collect();
    assert_same_options("_podinit", options(&zsh.join("\n")));
    let fish: BTreeSet<String> = read("completions/podinit.fish")
        .lines()
        .filter(|line| line.starts_with("complete ") && line.contains("__podinit_options"))
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let option = |pair: &[&str]| match pair {
                ["-s", name] => Some(format!("-{name}")),
                ["-l", name] => Some(format!("--{name}")),
                _ => None,
            };
            words.windows(2).filter_map(option).collect::<Vec<_>>()
        })
        .collect();
    assert_same_options("podinit.fish", fish);
}

/// A command line that is typed so far, and all that bash offers for its last word.
fn bash(line: &[&str]) -> Vec<String> {
    let script = r#". "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _podinit 2>/dev/null
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, "bash"]).arg(packaging("completions/podinit.bash")).args(line);
    finish(&mut command).stdout.lines().map(Into::into).collect()
}

#[test]
fn bash_completes() {
    assert_eq!(bash(&["podinit", "--gr"]), ["--grace"]);
    // bash makes three words of it.
    assert_eq!(bash(&["podinit", "--target", "=", "s"]), ["sender"]);
    assert_eq!(bash(&["podinit", "--rewrite", "TERM", ":", "0", "-p", "US"]), ["USR1", "USR2"]);
    assert_eq!(bash(&["podinit", "--user", "nobod"]), ["nobody"]);
    // A program: `env` may be in more than one folder.
    for line in [&["podinit", "printen"][..], &["podinit", "-g", "--grace", "5s", "--", "printen"]] {
        assert!(bash(line).iter().all(|word| word == "printenv") && !bash(line).is_empty(), "{line:?}");
    }
    // Its options are not podinit's.
    assert!(bash(&["podinit", "env", "--gr"]).is_empty());
}

#[test]
fn fish_completes() {
    if !have("fish") {
        return;
    }
    let fish = |line: &str| {
        let script = format!("source $argv[1]; complete -C '{line}'");
        let file = packaging("completions/podinit.fish");
        let output = finish(Command::new("fish").args(["--no-config", "-c", &script]).arg(file)).stdout;
        output.lines().filter_map(|line| line.split('\t').next()).map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(fish("podinit --gr"), ["--grace"]);
    assert_eq!(fish("podinit -v --target se"), ["sender"]);
    for line in ["podinit printen", "podinit --grace 5s -- printen"] {
        assert_eq!(fish(line), ["printenv"], "{line}");
    }
    assert!(!fish("podinit env --g").contains(&"--grace".into()));
}
