//! `--explain`: what would be done, and nothing is.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{Finished, as_pid_1, as_process, finish, podinit, scratch};

/// Checks that it has printed a table and no more, and returns that.
#[track_caller]
fn table(run: Finished) -> String {
    assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{run:?}");
    for line in run.lines() {
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("not KEY: VALUE: {line}"));
        assert!(
            !value.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || b"-1".contains(&byte))
        );
    }
    run.stdout
}

/// The value of a line.
fn value<'t>(table: &'t str, key: &str) -> &'t str {
    let values = table.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let values: Vec<&str> = values.collect();
    assert_eq!(values.len(), 1, "{key} in {table}");
    values[0]
}

#[test]
fn what_would_be_done_with_a_program() {
    let dir = scratch("explain");
    let (made, log) = (dir.join("made"), dir.join("log"));
    fs::write(&log, "kept").unwrap();
    let log = log.to_str().unwrap();
    let (user, termination) =
        (format!("--user={}:7", unsafe { libc::getuid() }), format!("--termination-log={log}"));
    let options = [
        "--explain",
        "-g",
        "-rHUP:USR1",
        "--rewrite=WINCH:0",
        "--grace=1m",
        "--watch=/etc/a b:c:USR2",
        "--kill-after=90s",
        "--remap=143",
        "-e3:4",
        "--die-alike",
        "-pTERM",
        &user,
        "--workdir=/no/such",
        "--umask=27",
        "--env=A=secret",
        "--env=B\nC=secret",
        "--expand-env",
        &termination,
        "--",
        "touch",
        made.to_str().unwrap(),
        "${A} \u{202e}",
    ];
    let expected = format!(
        r#"defaults: podinit
mode: init
target: group
rewrite: SIGHUP:SIGUSR1 SIGWINCH:0
grace: 60000ms
watch: "/etc/a b:c":SIGUSR2
kill-after: 90000ms
session: own-group
background-stops: forwarded
subreaper: yes
as-pid-1: no
user: {} 7
environment: "HOME" "A" "B\nC"
failures: 125 127 126
arguments: "touch" "{}" "${{A}} \u{{202e}}"
"#,
        unsafe { libc::getuid() },
        made.display()
    );
    for mut command in [as_pid_1(&options), as_process(&options)] {
        let table = table(finish(&mut command));
        let (name, lines) = table.split_once('\n').unwrap();
        assert_eq!(name, format!("name: \"{}\"", podinit().display()));
        // `unshare` as another user than root maps it to root.
        assert_eq!(lines.replace("user: 0 7", "user: U 7"), expected.replace("user: 0 7", "user: U 7"));
    }
    assert!(!fs::exists(made).unwrap(), "the program was started");
    assert_eq!(fs::read_to_string(log).unwrap(), "kept");
}

#[test]
fn what_a_name_implies() {
    let called = |name: &str, args: &[&str], variable: (&str, &str)| {
        let mut command = Command::new(podinit());
        table(finish(command.arg0(name).args(args).env(variable.0, variable.1)))
    };
    for (name, defaults, rows) in [
        ("podinit", "podinit", ["group", "5000ms", "own-group", "forwarded", "yes", "125 127 126"]),
        ("/usr/bin/tini-amd64", "tini", ["child", "0ms", "own-group", "dropped", "no", "1 127 126"]),
        ("dumb-init", "dumb-init", ["group", "none", "own-session", "podinit", "yes", "1 2 2"]),
        ("catatonit", "catatonit", ["child", "0ms", "own-group", "forwarded", "yes", "1 1 1"]),
        (
            "/sbin/docker-init",
            "docker-init",
            ["child", "5000ms", "own-group", "forwarded", "yes", "125 127 126"],
        ),
    ] {
        let table = called(name, &["--explain", "--", "true"], ("A", ""));
        let keys = ["target", "grace", "session", "background-stops", "subreaper", "failures"];
        assert_eq!(keys.map(|key| value(&table, key)), rows, "{name}");
        assert_eq!([value(&table, "name"), value(&table, "defaults")], [&format!("\"{name}\""), defaults]);
        let unset = ["rewrite", "watch", "kill-after", "user", "environment"];
        assert!(unset.iter().all(|key| value(&table, key) == "none"), "{table}");
    }
    // Their variables count, and an engine's init is asked by its own.
    let with = called("docker-init", &["--explain", "true"], ("TINI_KILL_PROCESS_GROUP", "1"));
    assert_eq!(value(&with, "target"), "group");
    let with = called("podman-init", &["--", "true"], ("PODINIT_OPTIONS", "--explain --as-pid-1 -c"));
    assert_eq!(
        ["as-pid-1", "target", "arguments"].map(|key| value(&with, key)),
        ["yes", "child", "\"true\""]
    );
}

#[test]
fn what_would_be_done_as_a_pause_process_or_sidecar() {
    let name = format!("name: \"{}\"\n", podinit().display());
    let pause = table(finish(&mut as_pid_1(&["--pause", "--explain", "--grace=7", "--watch=/no/such"])));
    let rows = "defaults: podinit\nmode: pause\ntarget: auto\nrewrite: none\ngrace: 7000ms\nwatch: \"/no/such\":SIGHUP\n";
    assert_eq!(pause, format!("{name}{rows}keep-privileges: no\n"));
    let mut command = Command::new(podinit());
    let pod = table(finish(command.arg0("pod").args(["--explain", "--target=sender", "--keep-privileges"])));
    let keys = ["defaults", "mode", "target", "keep-privileges"];
    assert_eq!(keys.map(|key| value(&pod, key)), ["pause", "pause", "sender", "yes"]);
    let sidecar = table(finish(&mut as_pid_1(&["--explain", "--watch=/no/such:INT"])));
    assert_eq!(
        ["mode", "target", "watch"].map(|key| value(&sidecar, key)),
        ["sidecar", "none", "\"/no/such\":SIGINT"]
    );
}

#[test]
fn errors_of_the_command_line_are_as_always() {
    for (args, word) in [
        (&["--explain"][..], "no program to run"),
        (&["--explain", "--grace=x", "true"], "not a valid duration"),
        (&["--explain", "--user=no-such-user", "true"], "no-such-user"),
        (&["--explain", "--target=auto", "true"], "--pause"),
        (&["--explain", "--expand-env", "echo", "${NOT_SET}"], "NOT_SET is not set"),
        (&["--explain=x", "true"], "takes no argument"),
    ] {
        let run = finish(&mut as_process(args));
        assert_eq!(run.stdout, "", "{args:?}");
        run.assert_refused(125, &[word]);
    }
    // Behind the program it is an argument of that.
    assert_eq!(finish(&mut as_process(&["echo", "--explain"])).lines(), ["--explain"]);
}
