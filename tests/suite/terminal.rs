//! The workload has the terminal, with job control.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use crate::support::{
    WATCHDOG, children_of, eventually, helper, kill, podinit, scratch, status_field, unshare,
    with_default_signals,
};

/// A program on a terminal of its own. The test types and reads.
pub struct Typist {
    pub child: Child,
    keyboard: File,
    screen: Receiver<String>,
    seen: String,
    hung_up: Arc<AtomicBool>,
    reading: JoinHandle<()>,
}

impl Typist {
    /// Starts `command` with a new pseudo-terminal on its descriptors 0 to 2; as the leader of its
    /// session too, if `session_leader`.
    pub fn start(mut command: Command, session_leader: bool) -> Typist {
        let (mut master, mut slave) = (0, 0);
        let null = std::ptr::null_mut();
        let made = unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
        assert_eq!(made, 0, "openpty");
        for end in [master, slave] {
            unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        command.stderr(slave.try_clone().unwrap()).env("PS1", "> ").env("TERM", "dumb");
        command.env("LC_ALL", "C.UTF-8");
        unsafe {
            command.pre_exec(move || {
                if session_leader {
                    libc::setsid();
                    libc::ioctl(0, libc::TIOCSCTTY, 0);
                }
                Ok(())
            });
        }
        with_default_signals(&mut command);
        let child = command.spawn().expect("spawn");
        drop(slave);
        drop(command);
        let mut reader = master.try_clone().unwrap();
        let (sender, screen) = channel();
        let hung_up = Arc::new(AtomicBool::new(false));
        let stop = hung_up.clone();
        let reading = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stop.load(Ordering::Relaxed) {
                let mut ready = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                if unsafe { libc::poll(&mut ready, 1, 10) } == 0 {
                    continue;
                }
                match reader.read(&mut buffer) {
                    Ok(n @ 1..) => drop(sender.send(String::from_utf8_lossy(&buffer[..n]).into_owned())),
                    _ => return,
                }
            }
        });
        Typist { child, keyboard: master, screen, seen: String::new(), hung_up, reading }
    }

    pub fn types(&mut self, text: &str) -> &mut Typist {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal is there");
        self
    }

    /// Reads up to the end of `text`, and discards that.
    pub fn sees(&mut self, text: &str) -> &mut Typist {
        self.reads_up_to(text);
        self
    }

    /// Reads up to the end of `text`, and returns that.
    pub fn reads_up_to(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                return self.seen.drain(..at + text.len()).collect();
            }
            match self.screen.recv_timeout(WATCHDOG) {
                Ok(more) => self.seen.push_str(&more),
                Err(_) => panic!("{text:?} was not printed in time: {:?}", self.seen),
            }
        }
    }

    pub fn code(mut self) -> Option<i32> {
        // The output is still read, so that the writer does not block.
        let screen = std::mem::replace(&mut self.screen, channel().1);
        thread::spawn(move || while screen.recv().is_ok() {});
        eventually("the program exits", || self.child.try_wait().expect("wait").is_some());
        self.child.wait().expect("wait").code()
    }

    /// Hangs up, as when a window is closed or a connection is lost.
    pub fn hang_up(self) -> Child {
        self.hung_up.store(true, Ordering::Relaxed);
        self.reading.join().expect("the reader ends");
        self.child
    }
}

/// podinit as PID 1 and session leader, as in `docker run -it`.
fn pid_1_with_terminal(workload: &[&str]) -> Typist {
    let mut command = unshare();
    command.args(["--mount-proc", "setsid", "--ctty"]).arg(podinit()).args(workload);
    Typist::start(command, false)
}

#[test]
fn interactive_bash_has_job_control() {
    let mut typist = pid_1_with_terminal(&["bash", "--norc", "-i"]);
    typist.sees("> ").types("echo $((40+2)) $(ps -o sid= -p 1)\n").sees("42").sees("1");
    // ^C interrupts the foreground job alone.
    // (Not a job of dash: it loses a ^C that comes before it waits for its own child.)
    let job = helper("keyboard.py");
    typist.types(&format!("python3 {job}\n")).sees("ready").types("\x03").sees("interrupted").sees("> ");
    typist.types("echo $((40+3))\n").sees("43");
    // ^Z stops it, and fg continues it.
    let job = helper("resumed.py");
    typist.types(&format!("python3 {job}\n")).sees("begun").types("\x1a").sees("Stopped");
    typist
        .types("jobs\n")
        .sees("Stopped")
        .types("fg\n")
        .sees("continues")
        .types("again\n")
        .sees("read again");
    typist.sees("> ").types("exit 7\n");
    assert_eq!(typist.code(), Some(7));
}

#[test]
fn the_workload_is_in_the_foreground() {
    // Reading from the terminal in the background would stop it.
    let mut typist = pid_1_with_terminal(&["sh", "-c", "echo ready; read line; echo got $line"]);
    typist.sees("ready").types("hello\n").sees("got hello");
    assert_eq!(typist.code(), Some(0));
    // ^C reaches the whole of its group, once.
    let mut typist = pid_1_with_terminal(&["python3", &helper("interrupted.py")]);
    typist.sees("ready").types("\x03").sees("interrupted").types("x\n");
    let between = typist.reads_up_to("line x");
    assert!(!between.contains("interrupted"), "{between}");
    assert_eq!(typist.code(), Some(5));
}

#[test]
fn a_hang_up_reaches_the_workload_once() {
    // The kernel sends SIGHUP to the session leader alone, which is podinit (tty_signal_session_leader). So
    // podinit forwards it, although it comes from the kernel.
    let out = scratch("hup").join("out");
    let mut typist = pid_1_with_terminal(&["python3", &helper("hang_up.py"), out.to_str().unwrap()]);
    typist.sees("ready");
    let init = children_of(typist.child.id() as i32)[0];
    let mut child = typist.hang_up();
    eventually("the workload receives SIGHUP", || std::fs::read_to_string(&out).is_ok_and(|s| s == "HUP\n"));
    kill(init, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "HUP\n");
}

#[test]
fn a_background_job_does_not_take_the_terminal() {
    // The test types once the workload runs: podinit would have taken the terminal by then. It types two lines,
    // since the kernel checks the foreground only when a read begins.
    let script = format!(
        "set -m; {} sh -c 'echo working; exec sleep 1000' & read line; read line; echo got $line; kill %1; wait",
        podinit().display()
    );
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", &script]);
    let mut typist = Typist::start(command, true);
    typist.sees("working").types("one\n").types("hello\n").sees("got hello");
    typist.code();
}

#[test]
fn the_terminal_is_given_back() {
    // The script has no job control, so only podinit can give the terminal back to it.
    let script = format!("{} true; read line; echo got $line", podinit().display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let mut typist = Typist::start(command, true);
    typist.types("hello\n").sees("got hello");
    assert_eq!(typist.code(), Some(0));
}

#[test]
fn the_terminal_is_given_back_after_a_failed_start() {
    let script = format!("{} /nonexistent; read line; echo got $line", podinit().display());
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    let mut typist = Typist::start(command, true);
    typist.sees("nonexistent").types("hello\n").sees("got hello");
    assert_eq!(typist.code(), Some(0));
}

/// podinit as the leader of a session, as in `ssh -t`: its process group is orphaned, and the kernel does not
/// stop it.
fn orphaned_with_terminal(workload: &[&str]) -> Typist {
    let mut command = Command::new(podinit());
    command.args(workload);
    Typist::start(command, true)
}

#[test]
fn where_init_cannot_be_stopped_the_workload_continues() {
    let resumed = helper("resumed.py");
    for (name, start) in [
        ("PID 1", pid_1_with_terminal as fn(&[&str]) -> Typist),
        ("the leader of a session", orphaned_with_terminal),
    ] {
        println!("case: {name}");
        let mut typist = start(&["python3", &resumed]);
        typist.sees("begun");
        for _ in 0..3 {
            typist.types("\x1a").sees("continues");
        }
        typist.types("again\n").sees("read again");
        assert_eq!(typist.code(), Some(0), "{name}");
    }
}

#[test]
fn a_stop_that_was_sent_to_init_lasts() {
    let mut typist = pid_1_with_terminal(&["python3", &helper("resumed.py")]);
    typist.sees("begun");
    let init = children_of(typist.child.id() as i32)[0];
    let workload = children_of(init)[0];
    kill(init, libc::SIGTSTP);
    eventually("the workload is stopped", || status_field(workload, "State").starts_with('T'));
    // The workload reads the line once it continues, and not before.
    typist.types("again\n");
    kill(init, libc::SIGCONT);
    let before = typist.reads_up_to("read again");
    assert_eq!(before.matches("continues").count(), 1, "{before}");
    assert_eq!(typist.code(), Some(0));
}

#[test]
fn a_workload_that_reads_in_the_background_is_not_continued_over_and_over() {
    let mut typist = orphaned_with_terminal(&["python3", &helper("background.py")]);
    typist.sees("ready");
    let workload = children_of(typist.child.id() as i32)[0];
    eventually("the workload is stopped", || status_field(workload, "State").starts_with('T'));
    typist.types("first\n").sees("child: first").types("second\n");
    typist.sees("main: second, continued ");
    let times: u32 = typist.reads_up_to(" times").trim_end_matches(" times").parse().unwrap();
    assert!(times <= 3, "continued {times} times");
    assert_eq!(typist.code(), Some(0));
}

/// An interactive bash on a terminal that runs podinit as a job, not as PID 1.
fn shell_with_podinit_as_job(argument: &str) -> Typist {
    let mut command = Command::new("bash");
    command.args(["--norc", "-i"]);
    let mut typist = Typist::start(command, true);
    typist
        .sees("> ")
        .types(&format!("{} python3 {} {argument}\n", podinit().display(), helper("resumed.py")))
        .sees("begun");
    typist
}

#[test]
fn as_a_job_init_stops_and_continues_with_the_workload() {
    let mut typist = shell_with_podinit_as_job("");
    for _ in 0..2 {
        typist.types("\x1a").sees("Stopped").types("echo $((40+2))\n").sees("42");
        typist.types("fg\n").sees("continues");
    }
    // The workload is in the foreground again.
    typist.types("again\n").sees("read again").sees("> ").types("exit 3\n");
    assert_eq!(typist.code(), Some(3));
}

/// The same with a workload that has been stopped and continued by SIGSTOP and SIGCONT, so that bash has its prompt and the
/// job runs in the background; the pids of podinit and of the workload, which reads once it has received SIGUSR1.
fn job_in_the_background() -> (Typist, i32, i32) {
    let mut typist = shell_with_podinit_as_job("asked");
    let podinit = children_of(typist.child.id() as i32)[0];
    let workload = children_of(podinit)[0];
    kill(workload, libc::SIGSTOP);
    typist.sees("Stopped").sees("> ");
    // Continuing podinit continues the workload.
    kill(podinit, libc::SIGCONT);
    typist.sees("continues");
    (typist, podinit, workload)
}

/// Types `fg`, and waits until the job is in the foreground.
fn types_fg(typist: &mut Typist) {
    typist.types("fg\n");
    let bash = typist.child.id();
    eventually("bash is not in the foreground", || {
        let ps = Command::new("ps").args(["-o", "tpgid=", "-p", &bash.to_string()]).output().unwrap();
        String::from_utf8_lossy(&ps.stdout).trim() != bash.to_string()
    });
}

#[test]
fn a_workload_that_is_stopped_by_others_takes_init_along() {
    let (mut typist, podinit, workload) = job_in_the_background();
    // In the background, reading from the terminal stops it again. No `fg` before bash knows: it sends a job that it takes
    // for a running one no SIGCONT.
    kill(workload, libc::SIGUSR1);
    eventually("podinit is stopped", || status_field(podinit, "State").starts_with('T'));
    typist.types("wait\n").sees("topped").sees("> ");
    types_fg(&mut typist);
    typist.types("again\n").sees("read again").sees("> ").types("exit 4\n");
    assert_eq!(typist.code(), Some(4));
}

#[test]
fn a_job_that_runs_in_the_background_comes_to_the_foreground() {
    let (mut typist, _, workload) = job_in_the_background();
    types_fg(&mut typist);
    // Bash has sent no SIGCONT, so podinit learns of it by the stop of the workload, which reads in the background.
    kill(workload, libc::SIGUSR1);
    typist.types("again\n").sees("read again").sees("> ").types("exit 4\n");
    assert_eq!(typist.code(), Some(4));
}

#[test]
fn a_job_started_in_the_background_comes_to_the_foreground() {
    let mut command = Command::new("bash");
    command.args(["--norc", "-i"]);
    let mut typist = Typist::start(command, true);
    let line = format!("{} sh -c 'read line; echo got $line' &\n", podinit().display());
    // The workload reads from the terminal in the background, which stops it. Bash says "Stopped" if that came before
    // `wait`, and "wait: warning: job 1 stopped" if it came during it.
    typist.sees("> ").types(&line).sees("> ").types("wait\n").sees("topped").sees("> ");
    typist.types("fg\n").sees("podinit").types("hello\n").sees("got hello").sees("> ").types("exit 0\n");
    assert_eq!(typist.code(), Some(0));
}
