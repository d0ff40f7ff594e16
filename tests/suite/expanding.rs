//! `--expand-env`: variables in the workload's arguments, without a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::{as_pid_1, as_process, finish, have_root, scratch};

#[test]
fn a_value_is_one_argument_and_not_expanded_again() {
    let args =
        ["printf", "[%s]\\n", "${TWO}", "--a=${TWO}:${N:-d}", "$$", "$${TWO}", "$TWO $(x) `x` $1", "${B:-e}"];
    let expected = "[x  ${B} $$]\n[--a=x  ${B} $$:d]\n[$]\n[${TWO}]\n[$TWO $(x) `x` $1]\n[e]\n";
    for command in [as_pid_1 as fn(&[&str]) -> _, as_process] {
        let mut command = command(&[&["--expand-env", "--"], &args[..]].concat());
        let run = finish(command.env("TWO", "x  ${B} $$").env("B", "").env_remove("N"));
        assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(0), expected, ""));
    }
    let run = finish(as_process(&["printf", "%s", "${TWO} $$"]).env("TWO", "x"));
    assert_eq!(run.lines(), ["${TWO} $$"], "without the option nothing is");
}

#[test]
fn the_programs_name_is_expanded_too() {
    let run = finish(
        as_process(&["--expand-env", "${DIR:-/nonexistent}/${NAME}", "x"])
            .envs([("DIR", "/bin"), ("NAME", "echo")]),
    );
    assert_eq!(run.lines(), ["x"], "{run:?}");
    let run = finish(as_process(&["--expand-env", "no-${NAME}"]).env("NAME", "such-program"));
    run.assert_refused(127, &["\"no-such-program\""]);
}

#[test]
fn variables_are_those_that_the_program_gets() {
    let options = ["--env", "A=3", "--expand-env", "--env=A=4", "--env", "NEW=n"];
    let run = finish(
        as_process(&[&options[..], &["sh", "-c", "echo $1; echo $A $NEW", "sh", "${A} ${NEW}"]].concat())
            .env("A", "1"),
    );
    assert_eq!(run.lines(), ["4 n", "4 n"], "{run:?}");
    if have_root() {
        let run =
            finish(as_process(&["--user", "daemon", "--expand-env", "echo", "${HOME}"]).env("HOME", "/root"));
        assert_eq!(run.lines(), ["/usr/sbin"], "{run:?}");
    }
}

#[test]
fn a_value_need_not_be_utf8() {
    let show = ["--expand-env", "sh", "-c", "printf %s \"$1\" | od -An -tx1", "sh", "\u{e9}${X}"];
    let run = finish(as_process(&show).env("X", OsStr::from_bytes(b"\xff\n\xe9")));
    assert_eq!(run.lines(), [" c3 a9 ff 0a e9"], "{run:?}");
}

#[test]
fn what_cannot_be_expanded_starts_nothing() {
    let made = scratch("expand").join("made");
    let made = made.to_str().unwrap();
    for (argument, word) in [
        ("--port=${NOT_SET}", "NOT_SET is not set"),
        ("${NOT_SET:?no}", "takes ${NAME}"),
        ("${PATH", "takes ${NAME}"),
        ("5 $", "takes ${NAME}"),
    ] {
        println!("case: {argument}");
        let run = finish(as_pid_1(&["--expand-env", "touch", made, argument]).env_remove("NOT_SET"));
        run.assert_refused(125, &[word, &format!(": \"{argument}\"")]);
    }
    assert!(!std::fs::exists(made).unwrap(), "the program was started");
}
