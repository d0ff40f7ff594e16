//! Every zombie is reaped at once, at any rate.

use std::time::Duration;

use crate::support::{
    Running, as_pid_1, children_of, eventually, finish, have, helper, in_namespace, podinit, status_field,
    unshare,
};

#[test]
fn ten_thousand_orphans_leave_no_zombie() {
    let mut run = Running::start_with_stdin(
        &mut as_pid_1(&["python3", &helper("orphans.py"), "10000"]),
        std::process::Stdio::piped(),
    );
    run.wait_for("orphaned");
    let init = run.init();
    // The workload is then the only child of init.
    eventually("every orphan is reaped", || crate::support::children_of(init).len() == 1);
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn an_idle_init_does_not_wake_up() {
    let mut run = Running::start(&mut as_pid_1(&["sh", "-c", "echo ready; exec sleep 1000"]));
    run.wait_for("ready");
    let init = run.init();
    eventually("init sleeps", || status_field(init, "State").starts_with('S'));
    let switches =
        || (status_field(init, "voluntary_ctxt_switches"), status_field(init, "nonvoluntary_ctxt_switches"));
    let before = switches();
    // A measurement over this time, and no wait for an event.
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(switches(), before);
}

#[test]
fn reaped_orphans_are_named() {
    let script =
        "(sh -c 'exec sleep 0.05' &); sleep 0.01; while pgrep -x sleep >/dev/null; do :; done; exit 2";
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
            let mut run = Running::start_with_stdin(&mut command, std::process::Stdio::piped());
            run.wait_for("orphaned");
            let init = run.init();
            eventually("the orphan is reaped", || children_of(init).len() == 1);
            let run = run.finish();
            assert_eq!(run.code, Some(code), "{number} refused, signal {signal}");
            assert!(!run.stderr.contains("time is up"), "no process is left to wait for: {run:?}");
        }
    }
}
