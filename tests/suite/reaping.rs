//! Every zombie is reaped at once, at any rate.

use std::time::Duration;

use crate::support::{
    Running, as_pid_1, children_of, eventually, finish, in_namespace, podinit, status_field,
};

/// Forks as many grandchildren as the argument says, which become orphans; then prints a line and waits.
const ORPHANS: &str = "import os, sys
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print('orphaned', flush=True)
sys.stdin.read()";

#[test]
fn ten_thousand_orphans_leave_no_zombie() {
    let mut run = Running::start_with_stdin(
        &mut as_pid_1(&["python3", "-c", ORPHANS, "10000"]),
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
    // The name of each process is its pid. Many exit at the same time, in another order than that of their start.
    let script = "import os, random, time
reader, writer = os.pipe()
for _ in range(20):
    if os.fork() == 0:
        for _ in range(100):
            if os.fork() == 0:
                with open('/proc/self/comm', 'w') as comm: comm.write(str(os.getpid()))
                time.sleep(2 + random.uniform(0, 0.5))
                os._exit(0)
        os._exit(0)
os.close(writer)
os.read(reader, 1)
while True:
    try: os.wait()
    except ChildProcessError: break";
    let run = finish(&mut as_pid_1(&["-w", "python3", "-c", script]));
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
    let script = "import os, sys
if os.fork() == 0: os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
os.execv(sys.argv[1], [sys.argv[1], 'sh', '-c', 'echo ready; exec sleep 1000'])";
    let mut command = in_namespace("python3");
    command.args(["-c", script, podinit().to_str().unwrap()]);
    let mut run = Running::start(&mut command);
    run.wait_for("ready");
    let init = run.init();
    eventually("the workload is the only child", || children_of(init).len() == 1);
}
