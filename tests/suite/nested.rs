//! `--as-pid-1`: the workload is PID 1 of a PID namespace of its own. As an ordinary user it has a user namespace too.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    Finished, Running, WATCHDOG, as_pid_1, as_process, children_of, eventually, finish, have, have_root,
    helper, in_namespace, is_root, kill, podinit, queue, scratch, status_field, unshare,
    with_default_signals,
};
use crate::terminal::Typist;

fn nested(args: &[&str]) -> Command {
    as_process(&[&["--as-pid-1"], args].concat())
}

fn script(text: &str) -> Command {
    nested(&["sh", "-c", text])
}

#[test]
fn a_program_that_insists_on_pid_1() {
    let insists = r#"[ $$ = 1 ] || { echo "can only run as pid 1"; exit 100; }
        echo "parent $PPID, $(cat /proc/1/comm), $(ls -d /proc/[0-9]* | head -n 1), $(id -u) $(id -g)"; exit 5"#;
    let ids = unsafe { format!("{} {}", libc::getuid(), libc::getgid()) };
    let expected = format!("parent 0, sh, /proc/1, {ids}\n");
    let refused = finish(&mut as_process(&["sh", "-c", insists]));
    assert_eq!((refused.code, &*refused.stdout), (Some(100), "can only run as pid 1\n"));
    for command in [&mut script(insists), &mut as_pid_1(&["--as-pid-1", "sh", "-c", insists])] {
        let run = finish(command);
        let expected = if is_root() || command.get_program() != "unshare" {
            expected.clone()
        } else {
            "parent 0, sh, /proc/1, 0 0\n".into()
        };
        assert_eq!((run.code, run.stdout, &*run.stderr), (Some(5), expected, ""), "{command:?}");
    }
}

#[test]
fn namespaces_are_nested_one_in_the_other() {
    let mut outer = as_pid_1(&["--as-pid-1"]);
    outer.arg(podinit()).args(["--as-pid-1", "sh", "-c", "echo ready; read line"]);
    let mut run = Running::start_with_stdin(&mut outer, Stdio::piped());
    run.wait_for("ready");
    let second = children_of(run.init())[0];
    let pids = |pid| status_field(pid, "NSpid").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let shown = pids(second);
    assert_eq!((shown.len(), &*shown[2]), (3, "1"), "{shown:?}");
    let shown = pids(children_of(second)[0]);
    assert_eq!((shown.len(), &shown[2..]), (4, &["2".into(), "1".into()][..]), "{shown:?}");
}

#[test]
fn orphans_inside_are_its_own() {
    let text = r#"orphan=$(sh -c 'sleep 1000 >/dev/null & echo $!')
        grep PPid /proc/$orphan/status; kill $orphan; echo ready; read line"#;
    let mut run =
        Running::start_with_stdin(&mut as_process(&["-w", "--as-pid-1", "sh", "-c", text]), Stdio::piped());
    run.wait_for("PPid:\t1");
    run.wait_for("ready");
    assert_eq!(children_of(run.pid()).len(), 1);
    let run = run.finish();
    assert_eq!((run.code, &*run.stderr), (Some(1), ""), "podinit reaps none of them");
}

#[test]
fn it_exits_as_the_program_did() {
    for (options, text, code) in [
        (&[][..], "exit 0", Some(0)),
        (&[], "exit 3", Some(3)),
        (&["--remap", "3:4"], "exit 3", Some(4)),
        (&["--die-alike"], "exit 143", Some(143)),
    ] {
        let run = finish(&mut as_process(&[options, &["--as-pid-1", "sh", "-c", text]].concat()));
        assert_eq!((run.code, &*run.stderr), (code, ""), "{options:?} {text}");
    }
    assert_eq!(finish(&mut nested(&["/nonexistent"])).code, Some(127));
    assert_eq!(finish(&mut nested(&["/etc/passwd"])).code, Some(126));
    for (option, how) in [("--as-pid-1", (Some(137), None)), ("--die-alike", (None, Some(libc::SIGKILL)))] {
        let mut command = as_process(&[option, "--as-pid-1", "sh", "-c", "echo $$; exec sleep 1000"]);
        command.stdout(Stdio::piped());
        with_default_signals(&mut command);
        let mut child = command.spawn().unwrap();
        let mut first = [0; 2];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        kill(children_of(child.id() as i32)[0], libc::SIGKILL);
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), how, "{option}");
    }
}

#[test]
fn signals_reach_a_handler_inside() {
    // Values too. (The sender is outside: pid 0.)
    let mut run = Running::start(&mut nested(&["python3", &helper("receive.py"), "3"]));
    run.wait_for("ready 1");
    run.kill(libc::SIGHUP);
    run.wait_for("got 1 0 0 0");
    queue(run.pid(), libc::SIGRTMIN(), 42);
    run.wait_for(&format!("got {} -1 42 0", libc::SIGRTMIN()));
    run.kill(libc::SIGTERM);
    run.wait_for("got 15 0 0 0");
    assert_eq!(run.finish().code, Some(0));
    // And `kill -HUP 1` inside.
    let text = "trap 'echo reloaded; exit 4' HUP; sh -c 'kill -HUP 1'; while :; do sleep 0.01; done";
    let run = finish(&mut script(text));
    assert_eq!((run.code, &*run.stdout), (Some(4), "reloaded\n"), "{run:?}");
}

#[test]
fn signals_go_to_the_program_alone() {
    for (options, receivers) in
        [(&["--as-pid-1"][..], 1), (&["-g", "--as-pid-1"], 2), (&["--as-pid-1", "-g"], 2)]
    {
        let text = format!("python3 {0} 2 12 & exec python3 {0} 2 12", helper("receive.py"));
        let mut run = Running::start(&mut as_process(&[options, &["sh", "-c", &text]].concat()));
        run.wait_for("ready");
        run.wait_for("ready");
        run.kill(libc::SIGUSR1);
        for _ in 0..receivers {
            run.wait_for("got 10 ");
        }
        run.kill(libc::SIGUSR2);
        let run = run.finish();
        let received = run.stdout.matches("got 10 ").count();
        assert_eq!((run.code, received), (Some(0), receivers), "{options:?}");
    }
}

#[test]
fn a_sigterm_that_is_dropped_ends_in_a_kill() {
    for (options, stubborn) in [
        (&["--grace", "50ms"][..], "echo ready; exec sleep 1000"),
        (&["--grace", "0"], "echo ready; exec sleep 1000"),
        (&["--grace", "50ms"], "trap '' TERM; echo ready; exec sleep 1000"),
        (
            &["--grace", "50ms", "--rewrite", "TERM:QUIT"],
            "trap : TERM; echo ready; while :; do sleep 0.01; done",
        ),
        // It blocks all signals now and then, for a moment: not a process that waits for them.
        (&["--grace", "50ms"], "echo ready; while :; do (:); done"),
        (&["--grace", "1h", "--kill-after", "50ms"], "echo ready; exec sleep 1000"),
    ] {
        println!("case: {options:?} {stubborn}");
        let mut run =
            Running::start(&mut as_process(&[options, &["--as-pid-1", "sh", "-c", stubborn]].concat()));
        run.wait_for("ready");
        run.kill(libc::SIGTERM);
        // A shell that forks all the time, and does not run now, may be taken for a program that waits for signals.
        let forks = stubborn.contains("while");
        eventually("it is killed", || {
            std::thread::sleep(Duration::from_millis(100 * u64::from(forks)));
            let has_exited = run.has_exited();
            if forks && !has_exited {
                run.kill(libc::SIGTERM);
            }
            has_exited
        });
        run.finish().assert_refused(137, &["time is up: killed"]);
    }
}

#[test]
fn a_kill_is_said_once() {
    // Many processes are not killed at once, and more SIGTERMs arrive meanwhile.
    let script = "for n in $(seq 300); do sleep 1000 & done; echo ready; exec sleep 1000";
    for turn in 0..5 {
        println!("case: {turn}");
        let mut run = Running::start(&mut as_process(&["--grace", "0", "--as-pid-1", "sh", "-c", script]));
        run.wait_for("ready");
        eventually("it is killed", || {
            let has_exited = run.has_exited();
            if !has_exited {
                run.kill(libc::SIGTERM);
            }
            has_exited
        });
        run.finish().assert_refused(137, &["time is up: killed"]);
    }
}

#[test]
fn a_proc_of_another_namespace_says_nothing_of_the_program() {
    // The outer namespace's process 2 has no handler for SIGTERM; the program, which is podinit's process 2, has one.
    let program = "trap 'sleep 1; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let outer = r#"sleep 1000 & unshare --fork --pid --kill-child=KILL "$0" --grace 0 --as-pid-1 sh -c "$1" &
        read line; kill -TERM $(cat /proc/$!/task/$!/children); wait $!"#;
    let mut command = in_namespace("sh");
    command.args(["-c", outer]).arg(podinit()).arg(program);
    let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
    run.wait_for("ready");
    run.stdin().write_all(b"go\n").unwrap();
    let run = run.finish();
    assert_eq!((run.code, &*run.stderr), (Some(7), ""), "{run:?}");
}

#[test]
fn a_program_with_a_handler_is_waited_for() {
    for options in
        [&["--grace", "50ms"][..], &["--grace", "0"], &["--grace", "50ms", "--rewrite", "INT:TERM"]]
    {
        let text = "trap 'trap - TERM; sleep 0.5; echo flushed; exit 6' TERM; echo ready; while :; do sleep 0.01; done";
        let mut run = Running::start(&mut as_process(&[options, &["--as-pid-1", "sh", "-c", text]].concat()));
        run.wait_for("ready");
        run.kill(if options.len() == 2 { libc::SIGTERM } else { libc::SIGINT });
        run.wait_for("flushed");
        let run = run.finish();
        assert_eq!((run.code, &*run.stderr), (Some(6), ""), "{options:?}");
    }
    // What the program does not handle but SIGTERM has no such end, as in any container.
    let text = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done";
    let mut run = Running::start(&mut as_process(&["--grace", "0", "--as-pid-1", "sh", "-c", text]));
    run.wait_for("ready");
    for signal in [libc::SIGQUIT, libc::SIGHUP, libc::SIGUSR1, libc::SIGSEGV, libc::SIGTSTP] {
        run.kill(signal);
    }
    run.kill(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(6));
}

#[test]
fn the_environment_names_its_pid() {
    let text = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 exec {0} --as-pid-1 sh -c 'echo outer $LISTEN_PID; exec {0} sh -c \"echo inner \\$LISTEN_PID\"'",
        podinit().display()
    );
    let run = finish(Command::new("sh").args(["-c", &text]));
    assert_eq!(run.stdout, "outer 1\ninner 2\n", "{run:?}");
}

#[test]
fn another_user_takes_the_capability() {
    let show = |user: &str| finish(&mut nested(&["--user", user, "sh", "-c", "id -u; id -g; echo $$ $HOME"]));
    if is_root() {
        assert_eq!(show("54321:54322").lines(), ["54321", "54322", "1 /"]);
    } else {
        show("54321:54322").assert_refused(
            125,
            &["--user", "CAP_SYS_ADMIN", "securityContext.capabilities.add: [SYS_ADMIN]"],
        );
    }
}

#[test]
fn no_mount_inside_is_seen_outside() {
    let directory = scratch("nested");
    let directory = directory.display();
    let inside = "mount -t tmpfs none in && touch in/file; echo mounted; read line; cat out/file";
    let outside = format!(
        "mount -t tmpfs none {directory} && mount --make-rshared / && cd {directory} && mkdir in out || exit
         {} --as-pid-1 sh -c '{inside}' | {{
             read line; ls in; grep -c ' - proc ' /proc/self/mountinfo
             mount -t tmpfs none out; echo seen inside >out/file; echo go >fifo; cat; }}",
        podinit().display()
    );
    let outside = outside.replace("| {", "<fifo | {").replace("mkdir in out", "mkdir in out && mkfifo fifo");
    // The pipe is opened for writing first, so that neither side waits for the other one.
    let outside = outside.replace("|| exit", "&& exec 3<>fifo || exit");
    let mut command = unshare();
    command.args(["--mount-proc", "--", "sh", "-c", &outside]);
    let run = finish(&mut command);
    let before = finish(in_namespace("sh").args(["-c", "grep -c ' - proc ' /proc/self/mountinfo"]));
    assert_eq!(run.lines(), [before.stdout.trim(), "seen inside"], "{run:?}");
}

#[test]
fn an_interactive_shell_has_the_terminal() {
    let mut typist = Typist::start(nested(&["bash", "--norc", "-i"]), true);
    typist.sees("> ").types("echo $((40+2)) pid $$\n").sees("42 pid 1");
    typist
        .types(&format!("python3 {}\n", helper("keyboard.py")))
        .sees("ready")
        .types("\x03")
        .sees("interrupted");
    typist.sees("> ").types(&format!("python3 {}\n", helper("resumed.py"))).sees("begun").types("\x1a");
    typist.sees("Stopped").types("fg\n").sees("continues").types("again\n").sees("read again");
    typist.sees("> ").types("exit 7\n");
    assert_eq!(typist.code(), Some(7));
}

#[test]
fn keys_reach_what_handles_them() {
    // Under a shell with job control. ^Z is dropped by a PID 1 without a handler, and so is ^C.
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-i"]);
    let mut typist = Typist::start(bash, true);
    let text = "trap \"echo int\" INT; trap \"echo tstp\" TSTP; stty -echo; echo begun; read line; echo got $line; read line";
    let command = format!("{} --as-pid-1 bash --norc -c '{text}'\n", podinit().display());
    typist.sees("> ").types(&command).sees("\nbegun").types("\x1a").types("\x03");
    typist.types("one\n").reads_up_to("got one");
    typist.types("end\n").sees("> ").types("stty echo; echo $((40+2))\n").sees("42");
    // podinit stops with a nested program that a process outside stops, and `fg` continues both.
    let command = format!(
        "{} --as-pid-1 sh -c 'echo $((40+3)); read line; echo got $line; exit 4'\n",
        podinit().display()
    );
    typist.sees("> ").types(&command).sees("43");
    let outer = children_of(typist.child.id() as i32)[0];
    kill(children_of(outer)[0], libc::SIGSTOP);
    typist.sees("Stopped").types("fg\n").sees("--as-pid-1").types("two\n").sees("got two");
    typist.sees("> ").types("exit $?\n");
    assert_eq!(typist.code(), Some(4));
}

#[test]
fn s6_supervises_a_service() {
    if !have("s6-svscan") {
        return;
    }
    let services = scratch("s6");
    let service = services.join("svc");
    fs::create_dir(&service).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(service.join(name), text).unwrap();
        Command::new("chmod").arg("755").arg(service.join(name)).status().unwrap();
    };
    write("run", "#!/bin/sh\necho \"up as $(cat /proc/1/comm)'s, of $PPID\"\nexec sleep 1000\n");
    write("finish", "#!/bin/sh\necho down\n");
    let mut command = nested(&["s6-svscan"]);
    let mut run = Running::start(command.arg(&services));
    run.wait_for("up as s6-svscan's, of 2");
    // It is started again, when it is killed; and s6-svscan acts on SIGHUP and SIGTERM.
    let supervisor = children_of(children_of(run.pid())[0])[0];
    kill(children_of(supervisor)[0], libc::SIGKILL);
    run.wait_for("down");
    run.wait_for("up as s6-svscan's");
    run.kill(libc::SIGHUP);
    run.kill(libc::SIGTERM);
    run.wait_for("down");
    let run = run.finish();
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
}

/// Starts `command`, whose program prints a line when it begins, and then as often as `count` says; kills podinit at some
/// moment within three times what the first start took, and waits until no process has its stdout open.
fn kill_at_random(count: u32, mut command: Command) {
    with_default_signals(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut first = command.spawn().expect("spawn");
    assert!(has_output(first.stdout.as_mut().expect("piped")), "the program has not begun");
    let span = 3 * start.elapsed().as_micros() as u64;
    end(&mut first);
    let mut begun = 0;
    let mut state = 1_u64;
    for _ in 0..count {
        let mut child = command.spawn().expect("spawn");
        // A linear congruence of Knuth's: the same moments each time.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let until = Instant::now() + Duration::from_micros((state >> 33) % span);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        begun += u32::from(end(&mut child));
    }
    println!("{begun} of {count} programs had begun");
    assert!(begun > 0, "no program had begun");
}

/// Kills podinit, waits until no process has its stdout open, and returns whether anything was printed there.
fn end(child: &mut Child) -> bool {
    child.kill().expect("kill");
    child.wait().expect("wait");
    let stdout = child.stdout.as_mut().expect("piped");
    let has_begun = has_output(stdout);
    while has_output(stdout) {}
    has_begun
}

/// Waits until there is output, or no process can make any; returns whether there was some, and takes it.
fn has_output(stdout: &mut ChildStdout) -> bool {
    let mut ready = libc::pollfd { fd: stdout.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let answer = unsafe { libc::poll(&mut ready, 1, WATCHDOG.as_millis() as i32) };
    assert_eq!(answer, 1, "a process was left running");
    stdout.read(&mut [0; 16]).expect("read") > 0
}

#[test]
fn podinit_killed_at_any_moment_leaves_nothing_running() {
    let program = ["sh", "-c", "echo begun; exec sleep 1000"];
    kill_at_random(1_000, nested(&program));
    if is_root() {
        // A change of credentials clears what the kernel sends when the parent dies.
        kill_at_random(1_000, nested(&[&["--user", "54321:54321"], &program[..]].concat()));
        let mut as_user = nested(&program);
        as_user.uid(54321).gid(54321);
        kill_at_random(1_000, as_user);
    }
}

/// podinit as root of a user namespace, without CAP_SYS_ADMIN and the capabilities that `less` names.
fn without_capability(before: &str, less: &str) -> Finished {
    let text = format!(
        "{before} exec setpriv --bounding-set -sys_admin{less} {} --as-pid-1 sh -c 'echo $$'",
        podinit().display()
    );
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--fork",
        "--pid",
        "--mount-proc",
        "--kill-child=KILL",
        "--",
        "sh",
        "-c",
    ]);
    finish(command.arg(&text))
}

#[test]
fn what_is_missing_is_named() {
    if !have("setpriv") || !have("python3") {
        return;
    }
    assert_eq!(without_capability("", "").stdout, "1\n", "by a user namespace");
    let sys_admin = "securityContext.capabilities.add: [SYS_ADMIN]";
    without_capability("", ",-setfcap").assert_refused(125, &["CAP_SETFCAP", "CAP_SYS_ADMIN", sys_admin]);
    let masked = "mount -t tmpfs none /proc/sys;";
    without_capability(masked, "")
        .assert_refused(125, &["/proc", "masked", sys_admin, "securityContext.procMount: Unmasked"]);
    without_capability("mount -t tmpfs none /proc;", "").assert_refused(125, &["/proc"]);
    let limit = "echo 0 >/proc/sys/user/max_user_namespaces;";
    without_capability(limit, "").assert_refused(125, &["max_user_namespaces"]);
    // Without a filter the kernel has EPERM for a user namespace where the root directory is not the machine's.
    let root = scratch("root");
    fs::copy(podinit(), root.join("podinit")).unwrap();
    let chroot = format!(
        "exec setpriv --bounding-set -sys_admin chroot {} /podinit --as-pid-1 /podinit;",
        root.display()
    );
    without_capability(&chroot, "").assert_refused(125, &["CAP_SYS_ADMIN", sys_admin, "user namespaces"]);
    let filtered = |call: libc::c_long| {
        let mut command = Command::new("python3");
        command.arg(helper("claim.py")).arg(format!("{call}:{}", libc::EPERM));
        finish(command.arg(podinit()).args(["--as-pid-1", "sh", "-c", "echo $$"]))
    };
    let unconfined = "securityContext.seccompProfile.type: Unconfined";
    filtered(libc::SYS_clone)
        .assert_refused(125, &["seccomp filter", "CAP_SYS_ADMIN", sys_admin, unconfined]);
    filtered(libc::SYS_mount).assert_refused(125, &["seccomp filter", "mount(2)", unconfined]);
}

#[test]
fn podinit_under_podinit_is_pid_1_of_its_own() {
    // A PID namespace with an init in it, on a machine.
    let mut command = nested(&[]);
    command.arg(podinit()).args([
        "sh",
        "-c",
        "echo $$ of $PPID, in /proc/1 $(cat /proc/1/comm); kill -TERM $PPID; exec sleep 1000",
    ]);
    let run = finish(&mut command);
    assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(143), "2 of 1, in /proc/1 podinit\n", ""));
    if have_root() {
        let run = finish(&mut nested(&["--user", "54321:54321", podinit().to_str().unwrap(), "id", "-u"]));
        assert_eq!(run.stdout, "54321\n", "{run:?}");
    }
}
