//! Deadlines hold, and podinit does not spin, under floods of signals and where a system call fails.

use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Running, as_pid_1, children_of, eventually, finish, helper, kill, status_field};

/// Calls `act`, while `signal` is sent to the process `pid` as fast as possible. A real-time signal has a value.
fn under_a_flood<T>(pid: i32, signal: i32, act: impl FnOnce() -> T) -> T {
    assert!(pid > 1, "pid {pid} is no process of this test");
    // A pidfd never means another process, even after this one is reaped.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(pidfd > 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // Pending signals count by user, so that without this limit a test beside this one could queue none.
    let limit = libc::rlimit { rlim_cur: 1000, rlim_max: 1000 };
    let limited =
        unsafe { libc::prlimit(pid, libc::RLIMIT_SIGPENDING, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(limited, 0, "prlimit: {}", std::io::Error::last_os_error());
    let done = AtomicBool::new(false);
    /// Ends the flood, also when the test fails.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        let _end = End(&done);
        scope.spawn(|| {
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            (info.si_signo, info.si_code) = (signal, libc::SI_QUEUE);
            let info = if signal > 31 { &raw const info } else { std::ptr::null() };
            while !done.load(Ordering::Relaxed) {
                unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, signal, info, 0) };
            }
            unsafe { libc::close(pidfd as i32) };
        });
        act()
    })
}

#[test]
fn the_grace_ends_under_a_flood_of_signals() {
    // SIGALRM is read before a pending SIGCHLD. Of queued signals another one is always pending.
    for signal in [libc::SIGALRM, 34] {
        println!("case: signal {signal}");
        let script = format!(
            "trap '' ALRM RTMIN; python3 {} stubborn session stubborn & echo main; read line; exit 5",
            helper("worker.py")
        );
        let mut command = as_pid_1(&["--grace", "1s", "bash", "-c", &script]);
        let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
        run.wait_for_all(&["main", "stubborn ready"]);
        let run = under_a_flood(run.init(), signal, || {
            run.stdin().write_all(b"exit\n").unwrap();
            run.finish()
        });
        assert_eq!(run.code, Some(5), "{signal}: {run:?}");
        // Not exactly once: at a load of 98 a worker was seen that did not run between the SIGTERM and the SIGKILL.
        assert!(run.stdout.matches("stubborn received 15").count() <= 1, "{signal}: {run:?}");
        assert!(run.stderr.contains("time is up"), "{signal}: {run:?}");
    }
}

#[test]
fn the_main_process_is_killed_under_a_flood_of_signals() {
    for signal in [libc::SIGALRM, 34] {
        println!("case: signal {signal}");
        let script = "trap '' ALRM RTMIN TERM; echo main; exec sleep 1000";
        let mut run = Running::start(&mut as_pid_1(&["--kill-after", "1s", "bash", "-c", script]));
        run.wait_for("main");
        let init = run.init();
        let run = under_a_flood(init, signal, || {
            kill(init, libc::SIGTERM);
            run.finish()
        });
        assert_eq!(run.code, Some(137), "{signal}: {run:?}");
    }
}

#[test]
fn a_signal_that_is_discarded_does_not_postpone_a_deadline() {
    let run = finish(&mut as_pid_1(&["--grace", "8s", "python3", &helper("discarded.py")]));
    assert_eq!(run.code, Some(6), "{run:?}");
    assert!(run.stdout.contains("sent"), "{run:?}");
}

/// The processor time that a process has had.
fn processor_time(pid: i32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("schedstat");
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_lowered_descriptor_limit_neither_ends_init_nor_makes_it_spin() {
    for allowed in [0, 1] {
        println!("case: RLIMIT_NOFILE {allowed}");
        let script = format!(
            "python3 {} stubborn session stubborn & echo main; read line; exit 5",
            helper("worker.py")
        );
        let mut command = as_pid_1(&["--grace", "1h", "bash", "-c", &script]);
        let mut run = Running::start_with_stdin(&mut command, Stdio::piped());
        run.wait_for_all(&["main", "stubborn ready"]);
        let init = run.init();
        run.stdin().write_all(b"exit\n").unwrap();
        run.wait_for("stubborn received 15");
        let limit = libc::rlimit { rlim_cur: allowed, rlim_max: allowed };
        let answer = unsafe { libc::prlimit(init, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) };
        assert_eq!(answer, 0, "prlimit {allowed}: {}", std::io::Error::last_os_error());
        // init opens no descriptor until a signal wakes it.
        kill(init, libc::SIGCONT);
        eventually("init sleeps", || status_field(init, "State").starts_with('S'));
        let before = processor_time(init);
        // A measurement over this time, and no wait for an event.
        thread::sleep(Duration::from_secs(1));
        let used = processor_time(init) - before;
        assert!(
            used < Duration::from_millis(200),
            "RLIMIT_NOFILE {allowed}: {used:?} of processor time in 1 s"
        );
        kill(children_of(init)[0], libc::SIGKILL);
        assert_eq!(run.finish().code, Some(5), "RLIMIT_NOFILE {allowed}");
    }
}
