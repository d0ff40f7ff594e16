//! Every signal is forwarded to its target, with its value.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{
    Running, as_pid_1, as_process, eventually, finish, have, have_root, helper, in_namespace, kill, podinit,
    queue, say, signal_two,
};

/// All signals that can be forwarded: KILL and STOP cannot be caught, CHLD is init's own.
fn forwardable() -> impl Iterator<Item = i32> {
    (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(signal))
}

/// A receiver under podinit that exits after `count` signals.
fn receiver(options: &[&str], count: usize) -> Running {
    let (helper, count) = (helper("receive.py"), count.to_string());
    let args = [options, &["--", "python3", &helper, &count]].concat();
    let mut run = Running::start(&mut as_pid_1(&args));
    run.wait_for("ready");
    run
}

#[test]
fn every_signal_is_forwarded() {
    for target in ["group", "child"] {
        println!("case: --target {target}");
        let mut run = receiver(&["--target", target], forwardable().count());
        for signal in forwardable() {
            run.signal_init(signal);
            run.wait_for(&format!("got {signal} "));
        }
        assert_eq!(run.finish().code, Some(0), "--target {target}");
    }
}

#[test]
fn every_signal_is_forwarded_where_init_is_not_pid_1() {
    // SIGSEGV and the like are among them: they are sent here, and not raised by a fault.
    let count = forwardable().count().to_string();
    let mut run = Running::start(&mut as_process(&["python3", &helper("receive.py"), &count]));
    run.wait_for("ready");
    for signal in forwardable() {
        run.kill(signal);
        run.wait_for(&format!("got {signal} "));
    }
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn queued_values_arrive_in_order_and_none_is_missing() {
    for target in ["group", "child"] {
        println!("case: --target {target}");
        let mut run = receiver(&["--target", target], 200);
        // They take all bits of a pointer.
        let values = usize::MAX - 199..=usize::MAX;
        for value in values.clone() {
            queue(run.init(), 37, value);
        }
        for value in values {
            let line = run.wait_for("got");
            // The sender is outside the namespace, so it has no pid in it.
            assert_eq!(line, format!("got 37 -1 {value} 0"), "--target {target}");
        }
        assert_eq!(run.finish().code, Some(0), "--target {target}");
    }
}

#[test]
fn values_reach_every_member_of_the_group() {
    let script = format!("python3 {0} 1 & python3 {0} 1; wait", helper("receive.py"));
    let mut run = Running::start(&mut as_pid_1(&["bash", "-c", &format!("trap '' 40; {script}")]));
    run.wait_for("ready");
    run.wait_for("ready");
    queue(run.init(), 40, 7);
    for member in [1, 2] {
        assert!(run.wait_for("got").starts_with("got 40 -1 7 "), "member {member} of the group");
    }
}

#[test]
fn the_target_is_the_group_or_the_main_process() {
    let script = format!("python3 {0} 2 & exec python3 {0} 2", helper("receive.py"));
    for (target, receivers) in [("group", 2), ("child", 1)] {
        println!("case: --target {target}");
        let run = signal_two(&mut as_pid_1(&["--target", target, "sh", "-c", &script]), receivers);
        assert_eq!(run.code, Some(0), "--target {target}: {run:?}");
        assert_eq!(run.stdout.matches("got 10 ").count(), receivers, "--target {target}: {run:?}");
    }
}

#[test]
fn a_main_process_that_changed_its_group_receives_signals() {
    let mut run = Running::start(&mut as_pid_1(&["python3", &helper("other_group.py")]));
    run.wait_for("ready");
    run.signal_init(libc::SIGUSR1);
    assert_eq!(run.finish().code, Some(6));
}

#[test]
fn signals_that_were_sent_while_init_was_stopped_arrive() {
    // A debugger or an engine may stop podinit. Signals are pending meanwhile.
    let mut run = Running::start(&mut as_process(&["python3", &helper("receive.py"), "1"]));
    run.wait_for("ready");
    kill(run.pid(), libc::SIGSTOP);
    kill(run.pid(), libc::SIGUSR2);
    kill(run.pid(), libc::SIGCONT);
    run.wait_for("got 12 ");
}

#[test]
fn a_signal_that_is_not_permitted_is_logged_once() {
    if !have_root() {
        return;
    }
    let script = "exec setpriv --bounding-set=-kill \"$@\"";
    let mut command = in_namespace("sh");
    let workload = "echo ready; read line; exit 3";
    command.args(["-c", script, "sh", podinit().to_str().unwrap(), "--"]);
    command.args(["setpriv", "--reuid=54322", "--clear-groups", "sh", "-c", workload]);
    let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
    run.wait_for("ready");
    run.signal_init(libc::SIGTERM);
    run.wait_for_stderr("CAP_KILL");
    run.signal_init(libc::SIGHUP);
    run.stdin().write_all(b"end\n").unwrap();
    let run = run.finish();
    assert_eq!(run.code, Some(3));
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains("another user"), "{run:?}");
}

#[test]
fn a_full_queue_is_logged_once() {
    if !have_root() {
        return;
    }
    let workload =
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [40]); print('ready', flush=True); input()";
    let mut command = in_namespace("prlimit");
    command.arg("--sigpending=64").arg(podinit()).args([
        "--user=12345:12345",
        "--",
        "python3",
        "-c",
        workload,
    ]);
    let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
    run.wait_for("ready");
    let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
    for _ in 0..200 {
        // Podinit's own queue is as short.
        eventually("it is queued", || unsafe { libc::sigqueue(run.init(), 40, value) } == 0);
    }
    run.stdin().write_all(b"end\n").unwrap();
    let run = run.finish();
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains("loses its value"), "{run:?}");
}

#[test]
fn signals_that_were_ignored_at_the_start_are_forwarded() {
    // As under nohup: podinit and the workload ignore SIGHUP. The workload waits for it all the same: what is blocked is
    // not dropped (sigaction(2)).
    let mut command = Command::new("env");
    command.arg("--ignore-signal=HUP").arg(podinit()).args(["python3", &helper("receive.py"), "1"]);
    let mut run = Running::start(&mut command);
    run.wait_for("ready");
    run.kill(libc::SIGHUP);
    run.wait_for("got 1 ");
    assert_eq!(run.finish().code, Some(0));
}

/// SIGTERM within 2 ms of the exec, 250 times (`tests/trust/races` has more), and the same for Debian's tini in the same
/// run: a signal before the first instruction of any init is lost.
#[test]
fn a_signal_right_after_the_start_is_not_lost() {
    if !have("tini") {
        return;
    }
    let inits = [podinit().to_str().unwrap(), "/usr/bin/tini"];
    let run = finish(Command::new("python3").args([&helper("race.py"), "250", inits[0], inits[1]]));
    let lost: Vec<f64> = run.lines().iter().map(|line| line.parse().unwrap()).collect();
    let [podinit, tini] = lost[..] else { panic!("{run:?}") };
    say(&format!("TERM within 2 ms of the exec, 250 times: podinit lost {podinit}, tini {tini}"));
    // Both count random events: up to three standard deviations of their difference are chance.
    assert!(podinit <= tini + 3.0 * (podinit + tini).sqrt(), "podinit lost {podinit}, tini {tini}");
}
