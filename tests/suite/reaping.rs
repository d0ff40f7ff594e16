//! Every zombie is reaped at once, at any rate.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{
    Running, as_pid_1, await_idle, children_of, eventually, finish, have, helper, in_namespace, podinit,
    queue, say_skipped, status_field, switches, unshare,
};

/// `tests/trust/floods` has 100,000.
#[test]
fn two_thousand_orphans_leave_no_zombie() {
    // Reaped by the kernel, from Linux 6.15 on, and by init.
    for options in [&["--"][..], &["-w", "--"]] {
        println!("case: {options:?}");
        let mut command = as_pid_1(options);
        command.args(["python3", &helper("orphans.py"), "2000"]);
        let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
        run.wait_for("orphaned");
        let init = run.init();
        // The workload is then the only child of init.
        eventually("every orphan is reaped", || children_of(init).len() == 1);
        let run = run.finish();
        let named = run.stderr.matches("Reaped zombie process").count();
        assert_eq!((run.code, named), (Some(0), if options.len() > 1 { 2000 } else { 0 }));
    }
}

/// Whether the kernel says how a process exited that it has reaped (Linux 6.15), so that init has it reap.
fn kernel_says_how_a_process_exited() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(15)) || say_skipped("needs Linux 6.15")
}

/// A command that runs once an orphan has been reaped.
fn after_orphan(options: &[&str], command: &[&str]) -> Command {
    let mut run = as_pid_1(options);
    run.args(["python3", &helper("after_orphan.py")]).args(command);
    run
}

#[test]
fn orphans_after_the_first_do_not_wake_init() {
    if !kernel_says_how_a_process_exited() {
        return;
    }
    let orphans = format!("echo first; read line; python3 {} 1000; exit 3", helper("orphans.py"));
    // In the workload's own session too.
    for options in [&["--"][..], &["-c", "--"]] {
        let command = ["sh", "-c", &format!("echo begun; {orphans}")];
        let mut run = Running::start_with_stdin(&mut after_orphan(options, &command), Stdio::piped());
        run.wait_for("first");
        let init = run.init();
        await_idle(init);
        let used = || {
            let time = std::fs::read_to_string(format!("/proc/{init}/schedstat")).unwrap();
            (time, switches(init))
        };
        let before = used();
        run.stdin().write_all(b"\n").unwrap();
        run.wait_for("orphaned");
        eventually("every orphan is reaped", || children_of(init).len() == 1);
        assert_eq!(used(), before);
        assert_eq!(run.finish().code, Some(3));
    }
}

#[test]
fn a_sigchld_of_a_senders_own_making_does_not_keep_the_kernel_from_reaping() {
    if !kernel_says_how_a_process_exited() {
        return;
    }
    // The subshell is a child of the main process, so init is sent a SIGCHLD of which it has no child to reap.
    let script = format!("(kill -CHLD 1; :); echo ready; read line; exec python3 {} 1", helper("orphans.py"));
    let mut run = Running::start_with_stdin(&mut as_pid_1(&["--", "sh", "-c", &script]), Stdio::piped());
    run.wait_for("ready");
    let init = run.init();
    let has_sigchld = |field| u64::from_str_radix(&status_field(init, field), 16).unwrap() & 1 << 16 != 0;
    queue(init, libc::SIGCHLD, 1);
    eventually("init has read it", || !has_sigchld("ShdPnd"));
    assert!(!has_sigchld("SigIgn"));
    run.stdin().write_all(b"\n").unwrap();
    run.wait_for("orphaned");
    eventually("the kernel reaps", || has_sigchld("SigIgn"));
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn the_exit_status_is_right_where_the_kernel_has_reaped() {
    for code in [0, 1, 127, 128, 255] {
        let run = finish(&mut after_orphan(&[], &["sh", "-c", &format!("exit {code}")]));
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""));
    }
    // From a thread: its pid becomes the main process's.
    let run = finish(&mut after_orphan(&[], &["--thread", "sh", "-c", "exit 9"]));
    assert_eq!((run.code, run.stderr.as_str()), (Some(9), ""));
    let run = finish(&mut after_orphan(&["--remap", "7:70"], &["sh", "-c", "exit 7"]));
    assert_eq!(run.code, Some(70));
    for signal in (1..=64).filter(|signal| ![17, 18, 19, 20, 21, 22, 23, 28, 32, 33].contains(signal)) {
        let run = finish(&mut after_orphan(&[], &["python3", &helper("die_of.py"), &signal.to_string()]));
        assert_eq!((run.code, run.stderr.as_str()), (Some(128 + signal), ""), "signal {signal}");
    }
}

#[test]
fn signals_reach_the_workload_where_the_kernel_reaps() {
    // (In a `read` bash would wait on after a signal that arrives right before the system call.)
    let script = "trap 'echo usr1' USR1; trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done";
    for target in ["group", "child", "all"] {
        println!("case: --target {target}");
        let mut command = after_orphan(&["--target", target], &["bash", "-c", script]);
        let mut run = Running::start(&mut command);
        run.wait_for("ready");
        run.signal_init(libc::SIGUSR1);
        run.wait_for("usr1");
        run.signal_init(libc::SIGTERM);
        assert_eq!(run.finish().code, Some(6));
    }
    let mut run = Running::start(&mut after_orphan(&[], &["python3", &helper("receive.py"), "1"]));
    run.wait_for("ready");
    queue(run.init(), 37, usize::MAX);
    assert_eq!(run.wait_for("got"), format!("got 37 -1 {} 0", usize::MAX));
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn a_main_process_that_does_not_stop_is_killed_where_the_kernel_reaps() {
    let script = "trap '' TERM; echo ready; exec sleep 1000";
    let mut run = Running::start(&mut after_orphan(&["--kill-after", "100ms"], &["sh", "-c", script]));
    run.wait_for("ready");
    run.signal_init(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(137));
}

#[test]
fn remaining_processes_are_awaited_where_the_kernel_has_reaped() {
    let worker = helper("worker.py");
    let script =
        format!("python3 {worker} session session & python3 {worker} group & echo main; read line; exit 5");
    let mut command = after_orphan(&["--grace", "1h"], &["bash", "-c", &script]);
    let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
    run.wait_for_all(&["main", "session ready", "group ready"]);
    let run = run.finish();
    assert_eq!((run.code, run.stderr.as_str()), (Some(5), ""));
    for worker in ["session", "group"] {
        assert_eq!(run.stdout.matches(&format!("{worker} received 15")).count(), 1, "{run:?}");
        assert!(run.stdout.contains(&format!("{worker} flushed")), "{run:?}");
    }
}

#[test]
fn an_idle_init_does_not_wake_up() {
    let mut run = Running::start(&mut as_pid_1(&["sh", "-c", "echo ready; exec sleep 1000"]));
    run.wait_for("ready");
    let init = run.init();
    await_idle(init);
    let before = switches(init);
    // A measurement over this time, and no wait for an event.
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(switches(init), before);
}

#[test]
fn reaped_orphans_are_named() {
    // The loop ends once the orphan has been reaped.
    let script =
        "pid=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); while [ -e /proc/$pid ]; do :; done; exit 2";
    let run = finish(&mut as_pid_1(&["-w", "sh", "-c", script]));
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("Reaped zombie process with pid="), "{run:?}");
    assert!(run.stderr.contains("(sleep)"), "{run:?}");
    let run = finish(&mut as_pid_1(&["sh", "-c", script]));
    assert_eq!(run.stderr, "");
}

#[test]
fn the_name_that_is_logged_is_that_of_the_process_that_was_reaped() {
    // The name of each process is its pid.
    let run = finish(&mut as_pid_1(&["-w", "python3", &helper("named.py")]));
    assert_eq!(run.code, Some(0));
    let named: Vec<(&str, &str)> = run
        .stderr
        .lines()
        .filter_map(|line| line.split_once("pid=")?.1.split_once(')')?.0.split_once(" ("))
        .filter(|(_, name)| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert!(named.len() > 1500, "{} are logged by name", named.len());
    for (pid, name) in named {
        assert_eq!(pid, name, "pid {pid} is logged under the name of another process");
    }
}

#[test]
fn a_zombie_that_was_inherited_over_exec_is_reaped() {
    // Its SIGCHLD was delivered before the exec, and no other child exits.
    let mut command = in_namespace("python3");
    command.arg(helper("zombie.py")).arg(podinit()).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let mut run = Running::start(&mut command);
    run.wait_for("ready");
    let init = run.init();
    eventually("the workload is the only child", || children_of(init).len() == 1);
}

#[test]
fn either_of_the_calls_that_reap_is_enough() {
    if !have("python3") {
        return;
    }
    let script = "import os, sys
child = os.fork()
if child == 0:
    os.fork()
    os._exit(0)
try: os.waitid(os.P_PID, child, os.WEXITED)
except PermissionError: os.waitpid(child, 0)
print('orphaned', flush=True)
sys.stdin.readline()
os.kill(os.getpid(), int(sys.argv[1])) if sys.argv[1] != '0' else os._exit(3)";
    for number in [libc::SYS_wait4, libc::SYS_waitid] {
        for (signal, code) in [("0", 3), ("9", 137), ("34", 162)] {
            let mut command = unshare();
            command.args(["--mount-proc", "python3", &helper("claim.py"), &format!("{number}:1")]);
            command.arg(podinit()).args(["-w", "python3", "-c", script, signal]);
            let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
            run.wait_for("orphaned");
            let init = run.init();
            eventually("the orphan is reaped", || children_of(init).len() == 1);
            let run = run.finish();
            assert_eq!(run.code, Some(code), "{number} refused, signal {signal}");
            assert!(!run.stderr.contains("time is up"), "no process is left to wait for: {run:?}");
        }
    }
}
