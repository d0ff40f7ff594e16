//! Remaining processes are terminated, each once, and have the grace to exit.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    Running, as_pid_1, as_process, await_idle, children_of, eventually, finish, have, have_root, helper,
    in_namespace, is_root, kill, podinit, skipped, status_field, switches, unshare,
};

/// A main process with workers. It exits with 5 on SIGTERM, SIGINT or a line on its stdin. On a signal it waits
/// for 0.3 s first, so that the workers have received theirs, and would receive another one. `workers` has the
/// arguments of worker.py, one string for each worker. Returns once all are ready.
fn with_workers(mut command: Command, workers: &[&str]) -> Running {
    let worker = helper("worker.py");
    let start: String = workers.iter().map(|words| format!("python3 {worker} {words} & ")).collect();
    let script = format!("trap 'sleep 0.3; exit 5' TERM INT; {start} echo main $$; read line; exit 5");
    command.args(["bash", "-c", &script]);
    let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
    let names: Vec<String> =
        workers.iter().map(|words| format!("{} ready", words.split(' ').next().unwrap())).collect();
    let mut awaited: Vec<&str> = names.iter().map(String::as_str).collect();
    awaited.push("main");
    run.wait_for_all(&awaited);
    run
}

const WORKERS: [&str; 3] = ["group", "session session", "daemon daemon"];

fn assert_all_flushed_once(run: Running, workers: &[&str]) {
    let run = run.finish();
    for worker in workers.iter().map(|words| words.split(' ').next().unwrap()) {
        assert_eq!(
            run.stdout.matches(&format!("{worker} received 15")).count(),
            1,
            "{worker} receives one SIGTERM: {run:?}"
        );
        assert!(run.stdout.contains(&format!("{worker} flushed")), "{worker} flushes: {run:?}");
    }
    assert_eq!(run.code, Some(5), "{run:?}");
    assert_eq!(run.stderr, "", "{run:?}");
}

#[test]
fn every_worker_flushes_and_receives_one_sigterm() {
    for target in ["group", "child", "all"] {
        println!("case: --target {target}");
        let run = with_workers(as_pid_1(&["--grace=1h", "--target", target]), &WORKERS);
        run.signal_init(libc::SIGTERM);
        assert_all_flushed_once(run, &WORKERS);
    }
}

#[test]
fn every_worker_flushes_when_the_main_process_exits_by_itself() {
    let mut run = with_workers(as_pid_1(&["--grace=1h"]), &WORKERS);
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &WORKERS);
}

#[test]
fn a_subreaper_does_the_same() {
    for target in ["group", "child", "all"] {
        println!("case: --target {target}");
        let run = with_workers(as_process(&["--grace=1h", "--target", target]), &WORKERS);
        run.kill(libc::SIGTERM);
        assert_all_flushed_once(run, &WORKERS);
    }
    let mut run = with_workers(as_process(&["--grace=1h"]), &WORKERS);
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &WORKERS);
}

#[test]
fn signals_before_the_main_process_exits_are_delivered_first() {
    // While podinit is stopped, the main process exits and a signal arrives that --rewrite makes a SIGTERM. Then
    // podinit reads SIGCHLD first: of pending signals the lower number is read first.
    let mut run = with_workers(as_process(&["--grace=1h", "--rewrite", "RTMIN:TERM"]), &WORKERS);
    let main = children_of(run.pid())[0];
    run.kill(libc::SIGSTOP);
    eventually("podinit is stopped", || status_field(run.pid(), "State").starts_with('T'));
    run.kill(34);
    run.stdin().write_all(b"exit\n").unwrap();
    eventually("the main process has exited", || status_field(main, "State").starts_with('Z'));
    run.kill(libc::SIGCONT);
    assert_all_flushed_once(run, &WORKERS);
}

/// A run with a limit of `seconds`, a process of it that is about to exit, and what podinit is to exit with.
type Limited = fn(seconds: &str) -> (Running, i32, i32);

fn a_remaining_process(seconds: &str) -> (Running, i32, i32) {
    let mut run = with_workers(as_process(&["--grace", seconds]), &["worker session"]);
    let worker = run.seen("worker ready").rsplit(' ').next().unwrap().parse().unwrap();
    run.stdin().write_all(b"exit\n").unwrap();
    run.wait_for("worker received 15");
    (run, worker, 5)
}

fn a_main_process(options: &[&str], script: &str) -> (Running, i32, i32) {
    let command = &mut as_process(&[options, &["sh", "-c", script]].concat());
    let mut run = Running::start_with_stdin(command, Stdio::piped());
    run.wait_for("ready");
    run.kill(libc::SIGTERM);
    let main = children_of(run.pid())[0];
    (run, main, 7)
}

fn a_main_process_that_stops(seconds: &str) -> (Running, i32, i32) {
    let script = "trap 'echo received; read line; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let (mut run, main, code) = a_main_process(&["--kill-after", seconds], script);
    run.wait_for("received");
    (run, main, code)
}

fn a_main_process_that_drops_it(seconds: &str) -> (Running, i32, i32) {
    let options = ["-vv", "--grace", seconds, "--as-pid-1"];
    let limited = a_main_process(&options, "echo ready; read line; exit 7");
    limited.0.wait_for_stderr("is forwarded as SIGTERM");
    limited
}

#[test]
fn what_has_exited_by_the_deadline_is_not_killed() {
    let cases: [Limited; 3] = [a_remaining_process, a_main_process_that_stops, a_main_process_that_drops_it];
    for (case, limited) in cases.into_iter().enumerate() {
        let stopped_in_time = [1, 4, 16, 64].map(Duration::from_secs).into_iter().any(|limit| {
            println!("case: {case} {limit:?}");
            let (mut run, process, code) = limited(&format!("{}s", limit.as_secs()));
            let received = Instant::now();
            kill(run.pid(), libc::SIGSTOP);
            eventually("podinit is stopped", || status_field(run.pid(), "State").starts_with('T'));
            // Otherwise this machine is too slow for such a limit.
            let in_time = !run.stderr().contains("time is up");
            if in_time {
                // A remaining process exits without it, and has no reader.
                let _ = run.stdin().write_all(b"exit\n");
                eventually("it has exited", || status_field(process, "State").starts_with('Z'));
                // It is read before the SIGCHLD, since its number is lower. The deadline passes while podinit is stopped.
                run.kill(libc::SIGUSR1);
                std::thread::sleep(limit.saturating_sub(received.elapsed()));
                kill(run.pid(), libc::SIGCONT);
                let run = run.finish();
                assert_eq!(run.code, Some(code), "{run:?}");
                assert!(!run.stderr.contains("time is up"), "{run:?}");
            }
            in_time
        });
        assert!(stopped_in_time, "case {case}");
    }
}

#[test]
fn a_process_that_exits_right_after_the_main_process_is_not_awaited() {
    // A reader at the end of a pipeline exits once its writer, the main process, has exited. Init does not wait
    // for the grace, which is an hour.
    for round in 0..200 {
        let script = "exec 3> >(read line); exit 4";
        let run = finish(&mut as_process(&["--grace", "1h", "bash", "-c", script]));
        assert_eq!(run.code, Some(4), "round {round}: {run:?}");
    }
}

#[test]
fn without_remaining_processes_there_is_no_delay() {
    // Init does not wait for the grace, which is an hour.
    let run = finish(&mut as_pid_1(&["--grace", "1h", "sh", "-c", "exit 4"]));
    assert_eq!(run.code, Some(4));
    let run = with_workers(as_pid_1(&["--grace=1h"]), &["worker"]);
    run.signal_init(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(5));
}

#[test]
fn without_grace_init_exits_at_once() {
    let run = with_workers(as_pid_1(&["--grace", "0"]), &["worker session"]);
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, Some(5));
    assert!(!run.stdout.contains("flushed") && !run.stdout.contains("received"), "{run:?}");
}

#[test]
fn a_worker_that_does_not_stop_is_killed_after_the_grace() {
    for as_init in [true, false] {
        println!("case: PID 1: {as_init}");
        let options = ["--grace", "4s"];
        let command = if as_init { as_pid_1(&options) } else { as_process(&options) };
        let run = with_workers(command, &["stubborn session stubborn", "quick session"]);
        let begun = Instant::now();
        if as_init {
            run.signal_init(libc::SIGTERM)
        } else {
            run.kill(libc::SIGTERM)
        }
        let run = run.finish();
        assert!(
            begun.elapsed() >= Duration::from_secs(4),
            "PID 1: {as_init}: too early: {:?}",
            begun.elapsed()
        );
        assert_eq!(run.code, Some(5), "PID 1: {as_init}: {run:?}");
        assert!(
            run.stdout.contains("stubborn received 15") && run.stdout.contains("quick flushed"),
            "PID 1: {as_init}: {run:?}"
        );
        let killed = run.stderr.matches("time is up").count();
        assert!(killed == 1 && run.stderr.contains("python3"), "PID 1: {as_init}: {run:?}");
    }
}

#[test]
fn the_main_process_is_killed_after_kill_after() {
    for options in [&["--kill-after", "3s"][..], &["--kill-after=3s", "-r", "TERM:USR1", "--target", "child"]]
    {
        println!("case: {options:?}");
        let mut run = Running::start(&mut as_pid_1(
            &[options, &["python3", &helper("worker.py"), "main", "stubborn"]].concat(),
        ));
        run.wait_for("ready");
        run.signal_init(libc::SIGTERM);
        run.wait_for("received");
        let run = run.finish();
        assert_eq!(run.code, Some(137), "{run:?}");
    }
}

#[test]
fn kill_after_counts_from_a_sigterm_during_the_stop_too() {
    let mut run =
        with_workers(as_pid_1(&["--grace", "1h", "--kill-after", "100ms"]), &["stubborn session stubborn"]);
    run.stdin().write_all(b"exit\n").unwrap();
    run.wait_for("stubborn received 15");
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!((run.code, run.stderr.matches("time is up").count()), (Some(5), 1), "{run:?}");
}

#[test]
fn after_the_pids_have_wrapped_no_process_is_terminated_twice() {
    let last_pid = "/proc/sys/kernel/ns_last_pid";
    if !Path::new(last_pid).exists() && !skipped("needs CONFIG_CHECKPOINT_RESTORE") {
        return;
    }
    let worker = helper("worker.py");
    let script = format!(
        "echo 30000 >{last_pid}; python3 {worker} older session stubborn & read line
         echo 300 >{last_pid}; python3 {worker} younger session & read line; exit 5"
    );
    let mut run = Running::start_with_stdin(
        as_pid_1(&["--grace", "1h", "--target", "all"]).args(["sh", "-c", &script]),
        Stdio::piped(),
    );
    for worker in ["older ready 3000", "younger ready 30"] {
        run.wait_for(worker);
        run.stdin().write_all(b"\n").unwrap();
    }
    let init = run.init();
    run.wait_for("younger flushed");
    eventually("init has reaped the younger one", || children_of(init).len() == 1);
    // podinit sends it after what it sends for the SIGCHLD, which has a lower number.
    kill(init, libc::SIGWINCH);
    run.wait_for("older received 28");
    kill(children_of(init)[0], libc::SIGKILL);
    let run = run.finish();
    assert_eq!((run.code, run.stdout.matches("older received 15").count()), (Some(5), 1), "{run:?}");
}

#[test]
fn more_zombies_than_are_reaped_at_a_time_are_not_awaited() {
    let script = "import os\nreader, writer = os.pipe()\nfor _ in range(1500):\n    os.fork() or os._exit(0)\n\
                  os.close(writer)\nos.read(reader, 1)\nos._exit(7)";
    let run = finish(&mut as_pid_1(&["--grace", "1h", "python3", "-c", script]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(7), ""), "{run:?}");
}

#[test]
fn a_kill_is_in_the_log_once() {
    // Many processes are not reaped at once.
    let script = "trap '' TERM; for n in $(seq 300); do sleep 1000 & done; kill -TERM 1; sleep 1000";
    for turn in 0..5 {
        println!("case: {turn}");
        let run = finish(&mut as_pid_1(&["--kill-after", "0", "sh", "-c", script]));
        assert_eq!((run.code, run.stderr.matches("time is up").count()), (Some(137), 1), "{run:?}");
    }
}

#[test]
fn pid_1_exits_if_it_may_not_kill_the_main_process() {
    if !have_root() || !have("setpriv") {
        return;
    }
    let script = "exec setpriv --bounding-set=-kill \"$@\"";
    let mut command = in_namespace("sh");
    command.args(["-c", script, "sh"]).arg(podinit()).args(["--kill-after", "500ms"]);
    command.args([
        "setpriv",
        "--reuid=54322",
        "--clear-groups",
        "sh",
        "-c",
        "echo ready; while :; do sleep 1; done",
    ]);
    let mut run = Running::start(&mut command);
    run.wait_for("ready");
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, Some(137), "{run:?}");
    assert_eq!(run.stderr.matches("cannot kill the main process").count(), 1, "{run:?}");
}

#[test]
fn a_stopped_worker_flushes_too() {
    let stopped = ["group stopped", "session session stopped"];
    for target in ["group", "child"] {
        println!("case: --target {target}");
        let run = with_workers(as_pid_1(&["--target", target]), &stopped);
        let main = children_of(run.init())[0];
        eventually("both are stopped", || {
            children_of(main).iter().filter(|pid| status_field(**pid, "State").starts_with('T')).count() == 2
        });
        run.signal_init(libc::SIGTERM);
        assert_all_flushed_once(run, &stopped);
    }
}

#[test]
fn a_worker_that_forks_on_sigterm_is_not_missed() {
    for as_init in [true, false] {
        println!("case: PID 1: {as_init}");
        let script = format!("python3 {} 8 & read line; exit 6", helper("bomb.py"));
        let mut command = if as_init { as_pid_1(&[]) } else { as_process(&[]) };
        command.args(["bash", "-c", &script]);
        let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
        run.wait_for("ready");
        run.stdin().write_all(b"exit\n").unwrap();
        let run = run.finish();
        assert_eq!(run.code, Some(6), "PID 1: {as_init}: {run:?}");
        for depth in 0..=8 {
            assert!(
                run.stdout.contains(&format!("received at {depth}")),
                "PID 1: {as_init}, depth {depth}: {run:?}"
            );
        }
        assert_eq!(run.stderr, "", "PID 1: {as_init}: no process is killed");
    }
}

#[test]
fn a_process_started_after_sigterm_is_not_terminated() {
    // To flush, each worker starts a program that a SIGTERM would kill. One worker receives SIGTERM with the
    // group, the other one once the main process has exited.
    let worker =
        "trap 'sleep 0.7 && echo flushed; exit' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let script = format!(
        "trap 'sleep 0.3; exit 5' TERM; bash -c \"{worker}\" & setsid bash -c \"{worker}\" & (sleep 0.1 & setsid sleep 0.3 &) ; wait; wait"
    );
    let mut run = Running::start(&mut as_pid_1(&["bash", "-c", &script]));
    run.wait_for("ready");
    run.wait_for("ready");
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.stdout.matches("flushed").count(), 2, "{run:?}");
    assert_eq!(run.code, Some(5));
}

#[test]
fn signals_go_to_the_remaining_processes_that_handle_them() {
    let mut run = with_workers(as_pid_1(&["--grace", "1h", "--target=all"]), &["stubborn session stubborn"]);
    let main = children_of(run.init())[0];
    run.signal_init(libc::SIGTERM);
    run.wait_for("stubborn received 15");
    eventually("the main process is reaped", || !children_of(run.init()).contains(&main));
    // The default of these kills a process, and the worker has no handler for them.
    run.signal_init(libc::SIGUSR2);
    run.signal_init(34);
    run.signal_init(libc::SIGHUP);
    run.wait_for("stubborn received 1");
    // A second SIGTERM comes from the user: it is sent to the remaining processes, and does not shorten the grace.
    run.signal_init(libc::SIGTERM);
    run.wait_for("stubborn received 15");
    run.signal_init(libc::SIGINT);
    run.wait_for("stubborn received 2");
    let worker = children_of(run.init())[0];
    kill(worker, libc::SIGKILL);
    assert_eq!(run.finish().code, Some(5));
}

#[test]
fn signals_that_come_while_stopping_go_to_the_target() {
    let workers = ["group stubborn", "session session stubborn"];
    let mut run = with_workers(as_pid_1(&["--grace", "1h", "-r", "TSTP:STOP"]), &workers);
    run.stdin().write_all(b"exit\n").unwrap();
    run.wait_for_all(&["group received 15", "session received 15"]);
    run.signal_init(libc::SIGHUP);
    run.wait_for("group received 1");
    // SIGSTOP and SIGCONT go to all of them. (SIGTSTP itself does not stop an orphaned process group.)
    run.signal_init(libc::SIGTSTP);
    let stopped = || children_of(run.init()).iter().all(|pid| status_field(*pid, "State").starts_with('T'));
    eventually("both are stopped", stopped);
    run.signal_init(libc::SIGCONT);
    eventually("both continue", || {
        !children_of(run.init()).iter().any(|pid| status_field(*pid, "State").starts_with('T'))
    });
    for worker in children_of(run.init()) {
        kill(worker, libc::SIGKILL);
    }
    let run = run.finish();
    assert!(!run.stdout.contains("session received 1\n"), "{run:?}");
    assert_eq!(run.code, Some(5));
}

#[test]
fn the_first_term_while_stopping_goes_to_no_process_twice() {
    for as_init in [true, false] {
        println!("case: PID 1: {as_init}");
        let args = ["--grace", "1h", "--target", "all"];
        let mut run = with_workers(
            if as_init { as_pid_1(&args) } else { as_process(&args) },
            &["stubborn session stubborn"],
        );
        let init = if as_init { run.init() } else { run.pid() };
        run.stdin().write_all(b"exit\n").unwrap();
        run.wait_for("stubborn received 15");
        kill(init, libc::SIGTERM);
        eventually("the signal is read", || {
            status_field(init, "ShdPnd") == "0000000000000000" && status_field(init, "State").starts_with('S')
        });
        // One after the other: a worker that receives both at once prints the lower number first.
        for (signal, said) in [(libc::SIGQUIT, "stubborn received 3"), (libc::SIGHUP, "stubborn received 1")]
        {
            kill(init, signal);
            run.wait_for(said);
        }
        kill(init, libc::SIGTERM);
        run.wait_for("stubborn received 15");
        kill(children_of(init)[0], libc::SIGKILL);
        let run = run.finish();
        assert_eq!(
            run.stdout.matches("stubborn received 15").count(),
            2,
            "PID 1: {as_init}: one from init, and the user's second one: {run:?}"
        );
        assert_eq!(run.code, Some(5), "PID 1: {as_init}: {run:?}");
    }
}

#[test]
fn a_term_from_a_remaining_process_goes_to_no_process_twice() {
    for as_init in [true, false] {
        println!("case: PID 1: {as_init}");
        let args = ["--grace", "1h", "--target", "all"];
        let mut run = with_workers(
            if as_init { as_pid_1(&args) } else { as_process(&args) },
            &["replying session stubborn replies", "counting session stubborn"],
        );
        let init = if as_init { run.init() } else { run.pid() };
        run.stdin().write_all(b"exit\n").unwrap();
        run.wait_for_all(&["replying received 15", "counting received 15"]);
        eventually("both are children of init", || children_of(init).len() == 2);
        // The kernel merges a SIGTERM with one that is pending.
        let delivered = || {
            status_field(init, "ShdPnd") == "0000000000000000" && status_field(init, "State").starts_with('S')
        };
        eventually("the reply is read", delivered);
        // The user's first SIGTERM goes to those that have received none, and the second one to all.
        kill(init, libc::SIGTERM);
        eventually("the signal is read", delivered);
        kill(init, libc::SIGTERM);
        run.wait_for_all(&["replying received 15", "counting received 15"]);
        // SIGWINCH is read after SIGTERM, so after the reply.
        kill(init, libc::SIGWINCH);
        run.wait_for_all(&["replying received 28", "counting received 28"]);
        children_of(init).into_iter().for_each(|pid| kill(pid, libc::SIGKILL));
        let run = run.finish();
        for worker in ["replying", "counting"] {
            let count = run.stdout.matches(&format!("{worker} received 15")).count();
            assert_eq!(
                count, 2,
                "PID 1: {as_init}, {worker}: one from init, and the user's second one: {run:?}"
            );
        }
        assert_eq!(run.code, Some(5), "PID 1: {as_init}: {run:?}");
    }
}

#[test]
fn where_term_is_dropped_nothing_is_awaited() {
    let options = ["--grace", "1h", "-r", "TERM:0"];
    let mut run = with_workers(as_pid_1(&options), &["session session"]);
    run.signal_init(libc::SIGTERM);
    run.stdin().write_all(b"exit\n").unwrap();
    let run = run.finish();
    assert!(!run.stdout.contains("received"), "{run:?}");
    assert_eq!(run.code, Some(5));
    // Unless another signal that stops was forwarded.
    let run = with_workers(as_pid_1(&[&options[..], &["-r", "HUP:INT"]].concat()), &["group"]);
    run.signal_init(libc::SIGHUP);
    let run = run.finish();
    assert!(run.stdout.contains("group received 2") && run.stdout.contains("group flushed"), "{run:?}");
    assert_eq!(run.code, Some(5));
}

#[test]
fn a_process_started_before_its_parent_was_terminated_is_terminated_too() {
    // The supervisor receives SIGTERM with the group, and does not exit. Its service has a session of its own.
    let service = format!("python3 {} service session stubborn", helper("worker.py"));
    let supervisor = format!("trap : TERM; {service} & while :; do wait; done");
    let script = format!("trap 'exit 5' TERM; bash -c '{supervisor}' & while :; do wait; done");
    let mut run = Running::start(&mut as_pid_1(&["--grace", "1h", "bash", "-c", &script]));
    run.wait_for("service ready");
    run.signal_init(libc::SIGTERM);
    run.wait_for("service received 15");
}

#[test]
fn rewritten_signals_are_rewritten_at_the_stop_too() {
    // For the group, and for a worker that receives a signal once the main process has exited.
    let run = with_workers(as_pid_1(&["-r", "TERM:INT"]), &["group", "session session"]);
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, Some(5));
    assert!(run.stdout.contains("session received 2") && !run.stdout.contains("received 15"), "{run:?}");
    assert_eq!(run.stdout.matches("session received").count(), 1, "{run:?}");
    // Names, numbers and the real-time range.
    let mut run = Running::start(&mut as_pid_1(&[
        "--rewrite=SIGUSR1:RTMIN+3",
        "-rRTMAX:12",
        "python3",
        &helper("receive.py"),
        "2",
    ]));
    run.wait_for("ready");
    run.signal_init(libc::SIGUSR1);
    run.wait_for("got 37 ");
    run.signal_init(64);
    run.wait_for("got 12 ");
}

#[test]
fn bad_durations_and_rewritings_are_refused() {
    for args in [&["--grace", "5x", "true"][..], &["--grace", "-1", "true"], &["--kill-after", "", "true"]] {
        println!("case: {args:?}");
        finish(&mut as_pid_1(args)).assert_refused(125, &["duration", args[1]]);
    }
    for args in [&["-r", "TERM", "true"][..], &["-r", "TERM:NOPE", "true"], &["--rewrite=0:1", "true"]] {
        println!("case: {args:?}");
        finish(&mut as_pid_1(args)).assert_refused(125, &["rewriting"]);
    }
}

#[test]
fn bystanders_are_never_signalled() {
    // PID 1 of an outer namespace is a shell. Its workers are no descendants of podinit: one is in podinit's
    // process group, the other one in a session of its own.
    let worker = helper("worker.py");
    let script = format!(
        "python3 {worker} bystander & python3 {worker} other session &
         sh -c '{} --target all sh -c \"python3 {worker} mine session & read line; exit 7\"; echo ended $?' ",
        podinit().display()
    );
    let mut command = in_namespace("sh");
    let mut run = Running::start_with_stdin(command.args(["-c", &script]), Stdio::piped());
    run.wait_for_all(&["bystander ready", "other ready", "mine ready"]);
    run.stdin().write_all(b"exit\n").unwrap();
    run.wait_for("mine received 15");
    run.wait_for("ended 7");
    let run = run.finish();
    assert!(!run.stdout.contains("bystander received") && !run.stdout.contains("other received"), "{run:?}");
}

#[test]
fn an_exec_session_is_terminated_and_awaited() {
    if !have_root() {
        return;
    }
    exec_session_flushes(as_pid_1(&["--grace", "1h"]));
    // Without /proc no event says that it has exited, so podinit looks again from time to time.
    exec_session_flushes(with_proc("mount -t tmpfs none /proc"));
}

/// A session enters the PID namespace of this podinit before the main process exits. The grace is an hour.
fn exec_session_flushes(podinit: Command) {
    let mut run = with_workers(podinit, &[]);
    let init = run.init().to_string();
    let mut exec = Running::start(Command::new("nsenter").args([
        "-t",
        &init,
        "-p",
        "-m",
        "python3",
        &helper("worker.py"),
        "exec",
        "session",
    ]));
    exec.wait_for("exec ready");
    run.stdin().write_all(b"exit\n").unwrap();
    exec.wait_for("exec received 15");
    assert!(exec.finish().stdout.contains("exec flushed"));
    assert_eq!(run.finish().code, Some(5));
}

#[test]
fn an_exec_session_that_begins_during_the_stop_is_terminated_too() {
    if !have_root() {
        return;
    }
    let mut run = with_workers(as_pid_1(&["--grace", "1h"]), &[]);
    let init = run.init().to_string();
    let session = |name: &str| {
        let worker = helper("worker.py");
        let words = ["-t", &init, "-p", "-m", "python3", &worker, name, "session", "stubborn"];
        let mut session = Running::start(Command::new("nsenter").args(words));
        session.wait_for("ready");
        session
    };
    let mut before = session("before");
    run.stdin().write_all(b"exit\n").unwrap();
    before.wait_for("before received 15");
    let mut during = session("during");
    // nsenter's child, which it reaps.
    kill(children_of(before.pid())[0], libc::SIGKILL);
    during.wait_for("during received 15");
    kill(children_of(during.pid())[0], libc::SIGKILL);
    assert_eq!(run.finish().code, Some(5));
}

/// A shell that runs `arrangement` and then executes podinit as PID 1.
fn with_proc(arrangement: &str) -> Command {
    let mut command = unshare();
    command.args([
        "sh",
        "-c",
        &format!("{arrangement} && exec {} \"$@\"", podinit().display()),
        "sh",
        "--grace",
        "1h",
    ]);
    command
}

#[test]
fn without_proc_every_worker_is_terminated() {
    let mut run = with_workers(with_proc("mount -t tmpfs none /proc"), &WORKERS);
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &WORKERS);
    // Less precise: a process that received SIGTERM with the group receives it again. No process is missed.
    let run = with_workers(with_proc("mount -t tmpfs none /proc"), &WORKERS);
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, Some(5));
    for worker in ["group flushed", "session flushed", "daemon flushed"] {
        assert!(run.stdout.contains(worker), "{worker}: {run:?}");
    }
}

#[test]
fn with_another_namespaces_proc_every_worker_is_terminated() {
    // The outer /proc shows pids of the outer namespace.
    let mut run = with_workers(with_proc("true"), &WORKERS);
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &WORKERS);
}

#[test]
fn with_hidepid_every_worker_is_terminated() {
    // Root sees every process, so each receives one SIGTERM.
    let mut run = with_workers(with_proc("mount -t proc -o hidepid=2 proc /proc"), &WORKERS);
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &WORKERS);
    if !is_root() || !have("setpriv") {
        return;
    }
    // Without CAP_SYS_PTRACE the worker of another user is hidden, and is terminated nevertheless.
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && exec setpriv --bounding-set=-sys_ptrace {} --grace 1h sh -c '
            setpriv --reuid=54323 --clear-groups /usr/bin/python3 {} other session & read line; exit 5'",
        podinit().display(),
        helper("worker.py")
    );
    let mut run = Running::start_with_stdin(unshare().args(["sh", "-c", &script]), Stdio::piped());
    run.wait_for("other ready");
    run.stdin().write_all(b"exit\n").unwrap();
    assert_all_flushed_once(run, &["other"]);
}

#[test]
fn dies_alike_where_it_may() {
    use std::os::unix::process::ExitStatusExt;
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGHUP, 37, 64] {
        let mut command = as_process(&["--die-alike", "python3", &helper("die_of.py"), &signal.to_string()]);
        let status = command.stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.signal(), Some(signal), "signal {signal}");
        assert!(!status.core_dumped(), "signal {signal}");
    }
    let run = finish(&mut as_pid_1(&["--die-alike", "python3", &helper("die_of.py"), "15"]));
    assert_eq!(run.code, Some(143));
    let run = finish(&mut as_process(&["--die-alike", "-e", "143", "python3", &helper("die_of.py"), "15"]));
    assert_eq!(run.code, Some(0));
    let run = finish(&mut as_process(&["--die-alike", "sh", "-c", "exit 143"]));
    assert_eq!(run.code, Some(143));
}

#[test]
fn waiting_for_remaining_processes_does_not_wake_init() {
    let run = with_workers(as_pid_1(&["--grace", "1h"]), &["stubborn session stubborn"]);
    let init = run.init();
    let mut run = run;
    run.stdin().write_all(b"exit\n").unwrap();
    run.wait_for("stubborn received 15");
    eventually("the worker alone is left", || children_of(init).len() == 1);
    await_idle(init);
    let before = switches(init);
    // A measurement over this time, and no wait for an event.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(switches(init), before);
}

#[test]
fn a_main_process_that_stops_itself_does_not_stop_the_deadline() {
    // In a group of its own, which this process could continue: so the kernel would stop podinit as well.
    for signal in ["STOP", "TSTP"] {
        let script = format!("trap 'kill -{signal} $$' TERM; echo ready; while :; do sleep 0.01; done");
        let mut command = as_process(&["--kill-after", "300ms", "--grace", "1ms", "sh", "-c", &script]);
        let mut run = Running::start(std::os::unix::process::CommandExt::process_group(&mut command, 0));
        run.wait_for("ready");
        run.kill(libc::SIGTERM);
        let run = run.finish();
        assert_eq!(run.code, Some(137), "{signal}: {run:?}");
    }
}

#[test]
fn kill_after_begins_with_what_is_sent() {
    let receive = helper("receive.py");
    // What asks the program to stop begins it, whatever arrived.
    for (rewrite, signal) in
        [("HUP:TERM", libc::SIGHUP), ("HUP:QUIT", libc::SIGHUP), ("TERM:USR1", libc::SIGTERM)]
    {
        println!("case: {rewrite}");
        let options = ["--rewrite", rewrite, "--kill-after", "50ms", "python3", &receive, "99"];
        let mut run = Running::start(&mut as_process(&options));
        run.wait_for("ready");
        run.kill(signal);
        assert_eq!(run.finish().code, Some(137), "{rewrite}");
    }
    // What is dropped, or sent as another signal, does not begin it: the next one is received.
    for (rewrite, signal, sent) in [("INT:USR1", libc::SIGINT, 10), ("TERM:0", libc::SIGTERM, 28)] {
        println!("case: {rewrite}");
        let options = ["--rewrite", rewrite, "--kill-after", "0", "python3", &receive, "99", "12"];
        let mut run = Running::start(&mut as_process(&options));
        run.wait_for("ready");
        run.kill(signal);
        run.kill(libc::SIGWINCH);
        run.wait_for(&format!("got {sent} "));
        run.kill(libc::SIGUSR2);
        assert_eq!(run.finish().code, Some(0));
    }
}

#[test]
fn without_permission_it_says_so_once() {
    if !have_root() || !have("setpriv") {
        return;
    }
    let others = "for n in 1 2 3 4 5; do setsid setpriv --reuid=12345 --clear-groups sleep 1000 & done
        until [ \"$(cat /proc/[0-9]*/comm | grep -c sleep)\" = 5 ]; do :; done; exit 3";
    let mut command = in_namespace("setpriv");
    command.arg("--bounding-set=-kill").arg(podinit()).args(["--grace", "100ms", "--", "sh", "-c", others]);
    let run = finish(&mut command);
    assert_eq!(run.code, Some(3), "{run:?}");
    assert_eq!(run.stderr.matches("may not send SIGTERM").count(), 1, "{run:?}");
    assert!(run.stderr.contains("CAP_KILL"), "{run:?}");
}
