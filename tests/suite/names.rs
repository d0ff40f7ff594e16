//! podinit under the names of other inits behaves as those do: the checks of the other inits' own tests.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::support::{
    Finished, Running, as_process, children_of, eventually, finish, helper, in_namespace, kill, podinit,
    scratch, signal_two, status_field,
};
use crate::terminal::Typist;

/// podinit under another name.
fn called(name: &str) -> PathBuf {
    static NAMES: OnceLock<PathBuf> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let dir = scratch("names");
        let listed = finish(&mut as_process(&["--list-names"])).stdout;
        for name in listed.lines().chain(["tini-amd64", "tini-static-arm64"]) {
            symlink(podinit(), dir.join(name)).expect("symlink");
        }
        dir
    });
    names.join(name)
}

fn as_named_process(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(called(name));
    command.args(args);
    command
}

fn as_named_pid_1(name: &str, args: &[&str]) -> Command {
    let mut command = in_namespace(called(name));
    command.args(args);
    command
}

/// What an init of this name has printed about itself: dumb-init does so on stderr. And what is on the other one.
fn printed_about<'a>(name: &str, run: &'a Finished) -> (&'a str, &'a str) {
    let (stdout, stderr) = (run.stdout.as_str(), run.stderr.as_str());
    if name == "dumb-init" { (stderr, stdout) } else { (stdout, stderr) }
}

#[test]
fn versions_that_engines_understand() {
    for (name, option, begins) in [
        ("tini", "--version", "tini version "),
        ("tini-static", "--version", "tini version "),
        ("docker-init", "--version", "tini version "),
        ("podman-init", "-V", "tini version "),
        ("catatonit", "-V", "tini version "),
        ("dumb-init", "--version", "dumb-init v"),
        ("dumb-init", "-V", "dumb-init v"),
        ("pause", "-v", "podinit "),
        ("pod", "-v", "podinit "),
    ] {
        let run = finish(&mut as_named_process(name, &[option]));
        let (version, other) = printed_about(name, &run);
        assert_eq!((run.code, other), (Some(0), ""), "{name} {option}: {run:?}");
        assert!(version.starts_with(begins) && version.lines().count() == 1, "{name} {option}: {run:?}");
    }
}

#[test]
fn their_own_failures_have_their_own_statuses() {
    for (name, usage, not_found, not_executable) in [
        ("podinit", 125, 127, 126),
        ("tini", 1, 127, 126),
        ("dumb-init", 1, 2, 2),
        ("catatonit", 1, 1, 1),
        ("docker-init", 125, 127, 126),
        ("tini-amd64", 1, 127, 126),
    ] {
        println!("case: {name}");
        let run = |args: &[&str]| match name {
            "podinit" => finish(&mut as_process(args)),
            _ => finish(as_named_process(name, args).env("TINI_SUBREAPER", "")),
        };
        run(&[]).assert_refused(usage, &["no program"]);
        run(&["-Z", "true"]).assert_refused(usage, &["-Z"]);
        run(&["no-such-program"]).assert_refused(not_found, &["no-such-program"]);
        run(&["/etc/passwd"]).assert_refused(not_executable, &["/etc/passwd"]);
    }
}

#[test]
fn tini_remaps_every_exit_code_and_no_other() {
    let script = "for code in $(seq 0 255); do
            TINI_SUBREAPER= $0 -e $code -- sh -c \"exit $code\"; [ $? = 0 ] || echo inclusive $code
            other=$(( (code + 1) % 256 ))
            TINI_SUBREAPER= $0 -e $other -- sh -c \"exit $code\"; [ $? = $code ] || echo exclusive $code
        done; echo done";
    let run = finish(Command::new("sh").args(["-c", script]).arg(called("tini")));
    assert_eq!(run.lines(), ["done"]);
    for bad in ["256", "-1", "x", ""] {
        println!("case: {bad:?}");
        let run = finish(&mut as_named_process("tini", &["-s", "-e", bad, "true"]));
        run.assert_refused(1, &["exit code"]);
    }
}

#[test]
fn tini_warns_where_it_cannot_reap_and_only_there() {
    let warns = |command: &mut Command| finish(command).stderr.contains("zombie reaping won't work");
    assert!(warns(&mut as_named_process("tini", &["true"])));
    assert!(!warns(&mut as_named_process("tini", &["-s", "true"])));
    assert!(!warns(as_named_process("tini", &["true"]).env("TINI_SUBREAPER", "")));
    assert!(!warns(&mut as_named_pid_1("tini", &["true"])));
    // Where it is a subreaper already, which it stays over execve.
    let subreaper = "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("python3");
    let run = finish(command.args(["-c", subreaper]).arg(called("tini")).args(["sh", "-c", "exit 4"]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(4), ""), "{run:?}");
    for silent in ["dumb-init", "catatonit", "docker-init", "podman-init"] {
        assert!(!warns(&mut as_named_process(silent, &["true"])), "{silent}");
    }
}

#[test]
fn tini_adopts_orphans_with_an_option() {
    let script = "sh -c 'sleep 1000 & echo orphan $! $$'; read line";
    for (options, adopts) in [(&["-s"][..], true), (&[], false)] {
        println!("case: {options:?}");
        let mut command = as_named_process("tini", options);
        let mut run = Running::start_with_stdin(command.args(["sh", "-c", script]), Stdio::piped());
        let line = run.wait_for("orphan");
        let [_, orphan, parent] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let orphan = orphan.parse().unwrap();
        eventually("the parent of the orphan has exited", || status_field(orphan, "PPid") != parent);
        assert_eq!(status_field(orphan, "PPid") == run.pid().to_string(), adopts, "{options:?}");
        kill(orphan, libc::SIGKILL);
    }
}

#[test]
fn tini_logs_the_processes_that_it_reaps() {
    // The loop ends once the orphan has been reaped.
    let script = "pid=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); while [ -e /proc/$pid ]; do :; done";
    let run = finish(&mut as_named_pid_1("tini", &["-w", "--", "sh", "-c", script]));
    assert!(run.stderr.contains("Reaped zombie process with pid="), "{run:?}");
}

#[test]
fn each_name_has_its_target() {
    let script = format!("python3 {0} 2 & exec python3 {0} 2", helper("receive.py"));
    for (name, options, variable, receivers) in [
        ("tini", &[][..], "X", 1),
        ("tini", &["-g"], "X", 2),
        ("tini", &[], "TINI_KILL_PROCESS_GROUP", 2),
        ("dumb-init", &[], "X", 2),
        ("dumb-init", &["-c"], "X", 1),
        ("dumb-init", &["--single-child"], "X", 1),
        ("catatonit", &[], "X", 1),
        ("catatonit", &["-g"], "X", 2),
        ("docker-init", &["--"], "X", 1),
        ("podman-init", &["--"], "X", 1),
        ("tini-static-arm64", &[], "X", 1),
        ("docker-init", &["--"], "TINI_KILL_PROCESS_GROUP", 2),
        ("podman-init", &["--"], "TINI_KILL_PROCESS_GROUP", 1),
    ] {
        println!("case: {name} {options:?} {variable}");
        let mut command = as_named_pid_1(name, options);
        let run = signal_two(command.args(["sh", "-c", &script]).env(variable, "1"), receivers);
        assert_eq!(
            run.stdout.matches("got 10 ").count(),
            receivers,
            "{name} {options:?} {variable}: {run:?}"
        );
    }
}

#[test]
fn each_name_has_its_way_with_remaining_processes() {
    // One worker is in the process group of the main process, the other one in a session of its own.
    let worker = helper("worker.py");
    let script =
        format!("python3 {worker} group & python3 {worker} own session & echo main; read line; exit 5");
    for (name, options, group_terminated, flushed) in [
        ("tini", &[][..], false, false),
        ("catatonit", &[], false, false),
        // It sends SIGTERM, but does not wait.
        ("dumb-init", &[], true, false),
        ("docker-init", &[], true, true),
        ("podman-init", &[], true, true),
        ("tini", &["--grace", "5s"], true, true),
    ] {
        println!("case: {name} {options:?}");
        let mut command = as_named_pid_1(name, options);
        let mut run = Running::start_with_stdin(command.args(["bash", "-c", &script]), Stdio::piped());
        run.wait_for_all(&["main", "group ready", "own ready"]);
        run.stdin().write_all(b"exit\n").unwrap();
        let run = run.finish();
        assert_eq!(run.code, Some(5), "{name} {options:?}: {run:?}");
        assert_eq!(
            run.stdout.matches("flushed").count(),
            if flushed { 2 } else { 0 },
            "{name} {options:?}: {run:?}"
        );
        // A worker that is terminated may be killed by the kernel before it prints that.
        assert!(group_terminated || !run.stdout.contains("received"), "{name} {options:?}: {run:?}");
    }
}

#[test]
fn dumb_init_sends_term_to_the_session_at_exit_if_it_made_one() {
    // Not as PID 1, so that the worker outlives dumb-init.
    let worker = helper("worker.py");
    let script = format!("python3 {worker} other & echo main; read line; exit 5");
    for (options, terminates) in [(&[][..], true), (&["-c"], false)] {
        println!("case: {options:?}");
        let mut command = as_named_process("dumb-init", options);
        let mut run = Running::start_with_stdin(command.args(["bash", "-c", &script]), Stdio::piped());
        run.wait_for_all(&["main", "other ready"]);
        let other = run.seen("other ready").split(' ').nth(2).unwrap().parse().unwrap();
        run.stdin().write_all(b"exit\n").unwrap();
        if terminates {
            run.wait_for("other received 15");
        }
        let pid = run.pid();
        eventually("dumb-init has exited", || {
            !std::fs::exists(format!("/proc/{pid}/fd")).unwrap() || run.has_exited()
        });
        if !terminates {
            // The worker is alive, and SIGUSR1 is the first signal that it receives.
            kill(other, libc::SIGUSR1);
            assert_eq!(run.wait_for("other received"), "other received 10", "{options:?}");
        }
    }
}

#[test]
fn dumb_init_proxies_every_signal() {
    for options in [&[][..], &["-c"]] {
        println!("case: {options:?}");
        let count = (1..=31).filter(|signal| ![9, 17, 18, 19, 20, 21, 22].contains(signal));
        let receive = helper("receive.py");
        let mut command = as_named_process("dumb-init", options);
        let mut run = Running::start(command.args(["python3", &receive, "99"]));
        run.wait_for("ready");
        for signal in count {
            run.kill(signal);
            run.wait_for(&format!("got {signal} "));
        }
        kill(children_of(run.pid())[0], libc::SIGKILL);
        assert_eq!(run.finish().code, Some(137), "{options:?}");
    }
}

#[test]
fn dumb_init_rewrites_and_refuses_what_it_cannot() {
    let receive = helper("receive.py");
    for option in ["-r15:10", "--rewrite=15:10", "--rew=15:10"] {
        println!("case: {option}");
        let mut run =
            Running::start(as_named_process("dumb-init", &[option]).args(["python3", &receive, "1"]));
        run.wait_for("ready");
        run.kill(libc::SIGTERM);
        run.wait_for("got 10 ");
    }
    let mut run = Running::start(
        as_named_process("dumb-init", &["-r", "1:0", "-r", "15:0"]).args(["python3", &receive, "1"]),
    );
    run.wait_for("ready");
    run.kill(libc::SIGHUP);
    run.kill(libc::SIGTERM);
    run.kill(libc::SIGINT);
    assert!(run.wait_for("got").starts_with("got 2 "));
    for bad in [
        "",
        "herp",
        "herp:derp",
        "15",
        "15:",
        ":15",
        "15::12",
        "15:derp",
        "15:32",
        "32:15",
        "99:1",
        "-1:3",
        "1:-1",
    ] {
        println!("case: {bad:?}");
        finish(&mut as_named_process("dumb-init", &["-r", bad, "true"])).assert_refused(1, &[]);
    }
    finish(&mut as_named_process("dumb-init", &["-r", "15:12", "-r"])).assert_refused(1, &[]);
}

#[test]
fn dumb_init_stops_and_continues_with_a_tty_signal() {
    for (options, signal) in [(&[][..], libc::SIGTSTP), (&[], libc::SIGTTIN), (&[], libc::SIGTTOU)] {
        println!("case: signal {signal}");
        let resumed = helper("resumed.py");
        let mut command = as_named_process("dumb-init", options);
        let mut run = Running::start_with_stdin(command.args(["python3", &resumed]), Stdio::piped());
        run.wait_for("begun");
        let child = children_of(run.pid())[0];
        for _ in 0..2 {
            run.kill(signal);
            for pid in [run.pid(), child] {
                eventually("dumb-init and the workload are stopped", || {
                    status_field(pid, "State").starts_with('T')
                });
            }
            run.kill(libc::SIGCONT);
            run.wait_for("continues");
            for pid in [run.pid(), child] {
                eventually("dumb-init and the workload continue", || {
                    status_field(pid, "State").starts_with('S')
                });
            }
        }
        run.stdin().write_all(b"line\n").unwrap();
        assert_eq!(run.finish().code, Some(0), "signal {signal}");
    }
}

#[test]
fn dumb_init_gives_the_terminal_to_a_session() {
    // dumb-init leads a session and detaches from the terminal. The kernel then sends SIGHUP and SIGCONT: neither
    // ends the workload. The workload takes the terminal, and has job control.
    let mut command = Command::new(called("dumb-init"));
    command.args(["bash", "--norc", "-i"]);
    let mut typist = Typist::start(command, true);
    typist.sees("> ").types("echo $((40+2)) $(ps -o tty= -p $$) $(ps -o sid= -p $$) $$\n").sees("42 pts/");
    let job = helper("resumed.py");
    typist.types(&format!("python3 {job}\n")).sees("begun").types("\x1a").sees("Stopped");
    typist.types("fg\n").sees("continues").types("again\n").sees("read again").types("exit 9\n");
    assert_eq!(typist.code(), Some(9));
}

#[test]
fn dumb_init_single_child_shares_its_group() {
    for (variable, options) in [("DUMB_INIT_SETSID", &[][..]), ("X", &["-c"])] {
        let show = "ps -o pgid= -p $$; ps -o pgid= -p $PPID";
        let run = finish(as_named_process("dumb-init", options).args(["sh", "-c", show]).env(variable, "0"));
        let groups = run.lines();
        assert_eq!(groups[0], groups[1], "{variable} {options:?}: {run:?}");
    }
    let run = finish(as_named_process("dumb-init", &["sh", "-c", "ps -o sid= -p $$; echo $$"]).env("X", "0"));
    assert_eq!(run.lines()[0].trim(), run.lines()[1]);
    // The terminal sends the SIGINT of a ^C to both, since they are in one group. The workload receives it once.
    let mut command = Command::new(called("dumb-init"));
    command.args(["-c", "python3", &helper("interrupted.py")]);
    let mut typist = Typist::start(command, true);
    typist.sees("ready").types("\x03").sees("interrupted").types("x\n");
    let between = typist.reads_up_to("line x");
    assert!(!between.contains("interrupted"), "{between}");
    assert_eq!(typist.code(), Some(5));
}

#[test]
fn sigterm_ends_every_process_of_a_pipeline() {
    let script = "yes one | cat >/dev/null & yes two | cat >/dev/null & echo ready; wait";
    let mut run = Running::start(as_named_process("dumb-init", &["--"]).args(["sh", "-c", script]));
    run.wait_for("ready");
    let group = children_of(run.pid())[0];
    let members = || {
        let ps = Command::new("ps").args(["-o", "pid=", "-s", &group.to_string()]).output().unwrap();
        String::from_utf8_lossy(&ps.stdout).lines().count()
    };
    eventually("the pipelines run", || members() == 5);
    run.kill(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
    eventually("every process has exited", || members() == 0);
}

#[test]
fn working_directories_and_clusters() {
    for name in ["tini", "dumb-init", "catatonit"] {
        let run = finish(as_named_process(name, &["pwd"]).current_dir("/usr/lib").env("TINI_SUBREAPER", ""));
        assert_eq!(run.lines(), ["/usr/lib"], "{name}");
    }
    let run = finish(&mut as_named_process("tini", &["-gsve", "7", "--", "sh", "-c", "exit 7"]));
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("tini: info: "), "{run:?}");
    // The first `--` ends the options. A second one is an argument of the workload.
    let run = finish(&mut as_named_process("dumb-init", &["--", "echo", "--", "-v"]));
    assert_eq!(run.lines(), ["-- -v"]);
}

#[test]
fn tini_forwards_the_signal_of_its_parents_death() {
    let script = format!(
        "{} -s -p USR1 python3 {} 1 & read line; exit",
        called("tini").display(),
        helper("receive.py")
    );
    let mut parent = Running::start_with_stdin(Command::new("sh").args(["-c", &script]), Stdio::piped());
    parent.wait_for("ready");
    parent.stdin().write_all(b"end\n").unwrap();
    parent.wait_for("got 10");
}

#[test]
fn tini_drops_the_signals_of_a_terminals_background() {
    for (name, dropped) in [("tini", true), ("docker-init", false)] {
        println!("case: {name}");
        let mut run =
            Running::start(as_named_process(name, &["-s"]).args(["python3", &helper("receive.py"), "99"]));
        run.wait_for("ready");
        for signal in [libc::SIGTTIN, libc::SIGTTOU] {
            run.kill(signal);
            if !dropped {
                run.wait_for(&format!("got {signal} "));
            }
        }
        run.kill(libc::SIGUSR1);
        run.wait_for("got ");
        assert_eq!(run.seen("got ").starts_with("got 10 "), dropped, "{name}");
        kill(children_of(run.pid())[0], libc::SIGKILL);
    }
}

#[test]
fn pause_processes_pause() {
    for (name, args) in [
        ("catatonit", &["-P"][..]),
        ("catatonit", &["-P", "words", "that it ignores"]),
        ("pause", &[]),
        ("pause", &["-vv"]),
        ("pod", &[]),
    ] {
        println!("case: {name} {args:?}");
        let run = Running::start(&mut as_named_pid_1(name, args));
        let init = run.init();
        eventually("podinit sleeps", || {
            status_field(init, "Name") == name && status_field(init, "State").starts_with('S')
        });
        kill(init, libc::SIGINT);
        assert_eq!(run.finish().code, Some(0));
    }
}

/// The init of an engine, with options in its variable.
fn with_options(name: &str, options: &str, args: &[&str]) -> Command {
    let mut command = as_named_process(name, args);
    command.env("PODINIT_OPTIONS", options);
    command
}

#[test]
fn the_inits_of_engines_read_options_in_a_variable() {
    let show = ["--", "sh", "-c", "pwd; echo $A; printenv PODINIT_OPTIONS; exit 3"];
    for name in ["docker-init", "podman-init"] {
        let options = "--workdir /usr\t--env A=B  -e3:4";
        let run = finish(&mut with_options(name, options, &show));
        assert_eq!((run.code, run.lines()), (Some(4), vec!["/usr", "B", options]), "{name}: {run:?}");
        // The command line has precedence.
        let run = finish(&mut with_options(name, options, &[&["--workdir=/", "-e3:5"], &show[..]].concat()));
        assert_eq!((run.code, run.lines()[0]), (Some(5), "/"), "{name}: {run:?}");
        // Its values, which may be secrets, are not printed.
        for options in [
            "--grace 5s --env secret",
            "--grace secret",
            "--user secret",
            "secret",
            "-g secret",
            "--nope=secret",
        ] {
            println!("case: {name} {options}");
            let run = finish(&mut with_options(name, options, &show));
            run.assert_refused(125, &["PODINIT_OPTIONS"]);
            assert!(!run.stderr.contains("secret"), "{run:?}");
        }
        finish(&mut with_options(name, "--nope", &show)).assert_refused(125, &["PODINIT_OPTIONS", "--nope"]);
    }
    for name in ["tini", "tini-static", "dumb-init", "catatonit"] {
        let run =
            finish(with_options(name, "--workdir /usr", &show).current_dir("/").env("TINI_SUBREAPER", ""));
        assert_eq!((run.code, run.lines()[0]), (Some(3), "/"), "{name}: {run:?}");
    }
    let run = finish(as_process(&show).env("PODINIT_OPTIONS", "--workdir /usr").current_dir("/"));
    assert_eq!((run.code, run.lines()[0]), (Some(3), "/"), "podinit: {run:?}");
}

#[test]
fn dumb_init_debugs_with_1_alone() {
    for (value, debugs) in
        [("1", true), ("0", false), ("2", false), ("11", false), ("", false), ("yes", false)]
    {
        let run = finish(as_named_process("dumb-init", &["true"]).env("DUMB_INIT_DEBUG", value));
        assert_eq!(run.stderr.contains("debug") || run.stderr.contains("info"), debugs, "{value:?}: {run:?}");
    }
}

#[test]
fn messages_and_help_have_the_name_of_another_projects_init() {
    for (name, own, status) in [
        ("tini", "tini", 127),
        ("tini-static-arm64", "tini", 127),
        ("dumb-init", "dumb-init", 2),
        ("catatonit", "catatonit", 1),
        ("docker-init", "podinit", 127),
        ("podman-init", "podinit", 127),
        ("podinit", "podinit", 127),
    ] {
        println!("case: {name}");
        let run = finish(as_named_process(name, &["/nosuch"]).env("TINI_SUBREAPER", ""));
        assert_eq!(run.stderr, format!("{own}: cannot execute \"/nosuch\": No such file or directory\n"));
        assert_eq!(run.code, Some(status));
        let run = finish(&mut as_named_process(name, &["--frobnicate"]));
        assert_eq!(run.stderr, format!("{own}: invalid option \"--frobnicate\" (see {own} --help)\n"));
        let run = finish(&mut as_named_process(name, &["--help"]));
        let (help, other) = printed_about(name, &run);
        assert_eq!((run.code, other), (Some(0), ""), "{run:?}");
        assert_eq!(help.contains(&format!("\nCalled {own}: ")), own != "podinit", "{help}");
        assert!(help.contains("--target child") && help.lines().all(|line| line.len() < 80), "{help}");
    }
}
