//! The log has the lines of its level, and podinit never waits for its reader.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

use crate::support::{Running, as_process, eventually, finish, helper, kill, podinit, scratch};

#[test]
fn levels() {
    let lines = |args: &[&str], filter: Option<&str>| {
        let mut command = as_process(args);
        match filter {
            Some(filter) => command.env("PODINIT_LOG", filter),
            None => command.env_remove("PODINIT_LOG"),
        };
        finish(&mut command).stderr
    };
    assert_eq!(lines(&["true"], None), "");
    assert!(lines(&["-v", "true"], None).contains("podinit: info: "));
    assert!(lines(&["true"], Some("info")).contains("podinit: info: "));
    assert!(lines(&["-v", "true"], Some("warn")).is_empty(), "the variable has precedence");
    assert!(!lines(&["-v", "sh", "-c", "kill -HUP $PPID; sleep 0"], None).contains("debug"));
    assert!(lines(&["-vv", "sh", "-c", "trap '' HUP; kill -HUP $PPID; sleep 0.1"], None).contains("SIGHUP"));
    assert_eq!(lines(&["nope"], Some("off")), "");
    for mistake in ["podinit=no-such-level", "warning", "verbose", "3"] {
        let complaint = lines(&["true"], Some(mistake));
        assert_eq!(complaint.lines().count(), 1, "{mistake}: {complaint}");
        assert!(complaint.contains("PODINIT_LOG is ignored"), "{mistake}: {complaint}");
        // The default level stays: an error is still logged.
        assert!(lines(&["/no/such/program"], Some(mistake)).contains("cannot execute"), "{mistake}");
    }
}

/// A pipe that is full, and its read end.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::os::fd::AsRawFd;
    let (reader, writer) = std::io::pipe().unwrap();
    let fd = writer.as_raw_fd();
    unsafe {
        assert!(libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) == 0);
        while libc::write(fd, [b'x'; 4096].as_ptr().cast(), 4096) > 0 {}
        while libc::write(fd, b"x".as_ptr().cast(), 1) > 0 {}
        assert!(libc::fcntl(fd, libc::F_SETFL, 0) == 0);
    }
    (reader, writer)
}

#[test]
fn a_full_log_pipe_does_not_hang_init() {
    let (mut reader, writer) = full_pipe();
    let out = scratch("out").join("out");
    let script = format!("exec python3 {} 3 >{}", helper("receive.py"), out.display());
    let mut child = Command::new(podinit())
        .args(["-vvv", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let seen = |text: &str| fs::read_to_string(&out).is_ok_and(|seen| seen.contains(text));
    eventually("the workload is ready", || seen("ready"));
    for signal in [libc::SIGHUP, libc::SIGUSR1] {
        kill(child.id() as i32, signal);
        eventually("the signal is forwarded", || seen(&format!("got {signal} ")));
    }
    // Once the pipe is read again, the log has a line on the number of lost lines.
    let mut buffer = vec![0; 1 << 20];
    let drained = reader.read(&mut buffer).unwrap();
    assert!(drained >= 4096);
    kill(child.id() as i32, libc::SIGUSR2);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("lines before this one were lost"), "{rest:?}");
}

#[test]
fn sigpipe_of_the_log_is_not_forwarded() {
    // The write raises SIGPIPE in podinit. That is not forwarded; a SIGPIPE that a process sends is.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = as_process(&["-vvv", "python3", &helper("receive.py"), "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    kill(child.id() as i32, libc::SIGUSR1);
    let mut received = String::new();
    output.read_line(&mut received).unwrap();
    assert!(received.starts_with("got 10 "), "{received}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_is_no_error() {
    let script = format!("exec {} -vvv sh -c 'exit 6' 2>/dev/full", podinit().display());
    assert_eq!(finish(Command::new("sh").args(["-c", &script])).code, Some(6));
    // A file at its size limit raises SIGXFSZ in the writer, which is not forwarded either.
    let log = scratch("log").join("log");
    let script = format!(
        "ulimit -f 1; head -c 1024 /dev/zero >{log}; exec {} -vvv python3 {} 1 2>>{log}",
        podinit().display(),
        helper("receive.py"),
        log = log.display()
    );
    let mut run = Running::start(Command::new("bash").args(["-c", &script]));
    run.wait_for("ready");
    run.kill(libc::SIGUSR1);
    run.wait_for("got 10 ");
    assert_eq!(run.finish().code, Some(0));
}

/// A terminal that takes no more than `room` bytes until its master, the first file, is read.
fn full_terminal(room: usize) -> (fs::File, OwnedFd) {
    let fill = |limit: usize| -> (usize, (fs::File, OwnedFd)) {
        let (mut master, mut slave) = (-1, -1);
        let null = std::ptr::null_mut();
        let made = unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
        assert_eq!(made, 0, "openpty");
        unsafe { libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC) };
        unsafe { libc::fcntl(slave, libc::F_SETFD, libc::FD_CLOEXEC) };
        unsafe { libc::fcntl(slave, libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) };
        // The kernel moves a part of what is written to the master after a delay.
        let (mut written, mut refused) = (0, 0);
        while written < limit && refused < 500 {
            let size = (limit - written).min(64);
            match unsafe { libc::write(slave, [b'x'; 64].as_ptr().cast(), size) } {
                1.. => (written, refused) = (written + size, 0),
                _ => {
                    refused += 1;
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        }
        unsafe { libc::fcntl(slave, libc::F_SETFL, libc::O_RDWR) };
        (written, unsafe { (fs::File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) })
    };
    let capacity = fill(usize::MAX).0;
    let (_, (master, slave)) = fill(capacity - room);
    (master, slave)
}

#[test]
fn a_full_terminal_does_not_hang_init_and_lines_are_whole() {
    for (output, count) in [("", 50), ("yes output >/dev/stderr & ", 31)] {
        println!("case: {output:?}");
        let (mut master, slave) = full_terminal(300);
        let out = scratch("out").join("out");
        let script =
            format!("{output} exec python3 {} {count} >{} 2>/dev/null", helper("receive.py"), out.display());
        let mut child = Command::new(podinit())
            .args(["-vvv", "--target", "child", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(slave)
            .spawn()
            .unwrap();
        let seen = |text: &str| fs::read_to_string(&out).is_ok_and(|seen| seen.contains(text));
        eventually("the receiver is ready", || seen("ready"));
        let signals: Vec<i32> = (34..=64).collect();
        for signal in signals {
            kill(child.id() as i32, signal);
            eventually("the signal is forwarded", || seen(&format!("got {signal} ")));
        }
        if output.is_empty() {
            // Once the terminal is read again, it shows the next lines, behind one on the number of lost lines.
            let reader = std::thread::spawn(move || {
                let mut text = Vec::new();
                // EIO once no process has the terminal open.
                let _ = master.read_to_end(&mut text);
                String::from_utf8(text).unwrap()
            });
            // As many as it takes: two that come close on each other are one.
            while child.try_wait().unwrap().is_none() {
                kill(child.id() as i32, libc::SIGWINCH);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let text = reader.join().unwrap();
            let lines: Vec<&str> = text.trim_start_matches('x').split("\r\n").collect();
            assert!(
                lines.len() > 10 && text.contains("lines before this one were lost"),
                "{output:?}: {lines:?}"
            );
            for line in lines.iter().filter(|line| !line.is_empty()) {
                assert!(
                    line.starts_with("podinit: ") && line.matches("podinit: ").count() == 1,
                    "{output:?}: {line:?}"
                );
            }
        }
        assert_eq!(child.wait().unwrap().code(), Some(0), "{output:?}");
    }
}
