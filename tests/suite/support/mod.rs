//! Runs the real binary, as PID 1 of a PID namespace or as an ordinary process, and reads its output.
//!
//! Every wait is for an event. After a time limit the test fails, and prints the output up to then.

mod files;
mod skipping;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use files::{helper, podinit, scratch};
pub use skipping::{have, have_root, is_there, say, say_skipped, skipped};

/// How long a test waits for an event. The longest wait that succeeds takes some seconds on a machine with two cores, and a
/// minute beside eight busy loops.
pub const WATCHDOG: Duration = Duration::from_secs(600);

pub fn is_root() -> bool {
    unsafe { libc::geteuid() == 0 }
}

/// A command line that runs `program` as PID 1 of a new PID namespace, with a /proc of its own.
pub fn in_namespace(program: impl AsRef<OsStr>) -> Command {
    let mut command = unshare();
    command.arg("--mount-proc").arg("--").arg(program);
    command
}

/// The same for programs that refuse to run as root: an ordinary user keeps its own uid in the namespace.
pub fn in_namespace_as_current_user(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return in_namespace(program);
    }
    let mut command = Command::new("unshare");
    command.args([
        "--fork",
        "--pid",
        "--mount-proc",
        "--kill-child=KILL",
        "--user",
        "--map-current-user",
        "--",
    ]);
    command.arg(program);
    command
}

/// The same with the outer /proc. The command line is to be completed with the program, which may set up a /proc.
pub fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--fork", "--pid", "--mount", "--kill-child=KILL"]);
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// podinit as PID 1 of a new namespace.
pub fn as_pid_1(args: &[&str]) -> Command {
    let mut command = in_namespace(podinit());
    command.args(args);
    command
}

/// podinit as an ordinary process.
pub fn as_process(args: &[&str]) -> Command {
    let mut command = Command::new(podinit());
    command.args(args);
    command
}

/// The exit status and the output of a command.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Checks that it exited with `code` after one line on stderr that contains each of `words`.
    pub fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "not one line on stderr: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// Runs a command and waits until it exits.
pub fn finish(command: &mut Command) -> Finished {
    Running::start(command).finish()
}

/// A command that runs.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<JoinHandle<()>>,
    /// The pipes of stdout and stderr.
    pipes: [OwnedFd; 2],
}

/// What [`Running::finish`] writes to both pipes, behind all that the command has written.
const END: &str = "\0END\n";

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running::start_with_stdin(command, Stdio::null())
    }

    pub fn start_with_stdin(command: &mut Command, stdin: Stdio) -> Running {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        with_default_signals(command);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdout = child.stdout.take().expect("piped");
        let mut stderr_pipe = child.stderr.take().expect("piped");
        let pipes = [stdout.as_fd(), stderr_pipe.as_fd()].map(|pipe| pipe.try_clone_to_owned().expect("dup"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let last = line.strip_suffix(END.trim_end().as_bytes());
                let text = String::from_utf8_lossy(last.unwrap_or(&line)).into_owned();
                if last.is_none() || !text.is_empty() {
                    let _ = sender.send(text);
                }
                if last.is_some() {
                    return;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let sink = stderr.clone();
        let stderr_reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stderr_pipe.read(&mut buffer) {
                let mut text = sink.lock().unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..n]));
                if let Some(end) = text.find(END) {
                    return text.truncate(end);
                }
            }
        });
        Running { child, lines, seen: Vec::new(), stderr, stderr_reader: Some(stderr_reader), pipes }
    }

    /// The pid of the command: that of unshare, where the command is unshare.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The pid, in the outer namespace, of PID 1 of the namespace that `unshare` made.
    pub fn init(&self) -> i32 {
        children_of(self.pid()).first().copied().unwrap_or_else(|| panic!("no child: {}", self.report()))
    }

    /// Reads stdout up to the first line that contains `text`, and returns that.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line);
                    let line = self.seen.last().expect("just pushed");
                    if line.contains(text) {
                        return line.clone();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{text:?} was not printed in time: {}", self.report())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{text:?} was not printed before the end of stdout: {}", self.report())
                }
            }
        }
    }

    /// Reads stdout until there is a line for each of `texts`, in any order.
    pub fn wait_for_all(&mut self, texts: &[&str]) {
        let from = self.seen.len();
        while let Some(text) =
            texts.iter().find(|text| !self.seen[from..].iter().any(|line| line.contains(**text)))
        {
            let next = self.lines.recv_timeout(WATCHDOG);
            self.seen
                .push(next.unwrap_or_else(|_| panic!("{text:?} was not printed in time: {}", self.report())));
        }
    }

    /// The first line that has been read and contains `text`.
    pub fn seen(&self, text: &str) -> &str {
        self.seen
            .iter()
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text:?} was not printed: {}", self.report()))
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }

    /// Reads stdout to its end.
    pub fn wait_for_end_of_output(&mut self) {
        loop {
            match self.lines.recv_timeout(WATCHDOG) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("stdout does not end: {}", self.report()),
            }
        }
    }

    /// Waits until stderr contains `text`.
    pub fn wait_for_stderr(&self, text: &str) {
        eventually(&format!("{text:?} on stderr"), || self.stderr.lock().unwrap().contains(text));
    }

    /// What has been read from stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn stdin(&mut self) -> &mut impl Write {
        self.child.stdin.as_mut().expect("stdin was to be piped")
    }

    /// Sends `signal` to podinit itself: PID 1 of the namespace.
    pub fn signal_init(&self, signal: i32) {
        kill(self.init(), signal);
    }

    pub fn kill(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Waits until the command exits.
    pub fn finish(mut self) -> Finished {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            if let Ok(line) = self.lines.recv_timeout(Duration::from_millis(1)) {
                self.seen.push(line);
            }
            assert!(Instant::now() < deadline, "the command does not exit: {}", self.report());
        };
        // A pipe ends when no process has it open. Where podinit is not PID 1, a process may outlive it: what has been
        // written by then is enough.
        for pipe in &self.pipes {
            let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
            let mut write_end = OpenOptions::new().write(true).open(path).expect("a pipe");
            write_end.write_all(END.as_bytes()).expect("there is a reader");
        }
        self.wait_for_end_of_output();
        self.stderr_reader.take().expect("not joined yet").join().expect("it does not panic");
        let mut stdout = self.seen.join("\n");
        if !stdout.is_empty() {
            stdout.push('\n');
        }
        let stderr = self.stderr.lock().unwrap().clone();
        Finished { code: status.code(), stdout, stderr }
    }

    fn report(&self) -> String {
        format!("stdout {:?}, stderr {:?}", self.seen, self.stderr.lock().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the command start with every disposition at its default and no signal blocked. The test runner may have
/// others (`nohup cargo test`, `cargo test &`).
pub fn with_default_signals(command: &mut Command) {
    let reset = || {
        for signal in 1..=64 {
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        let none = 0_u64;
        let empty = (&raw const none).cast::<libc::sigset_t>();
        // By the system call, since the kernel's set has 8 bytes and the C library's is longer.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, empty, std::ptr::null::<u64>(), 8);
        }
        Ok(())
    };
    unsafe { command.pre_exec(reset) };
}

pub fn kill(pid: i32, signal: i32) {
    assert!(pid > 1, "pid {pid} is no process of this test");
    assert_eq!(
        unsafe { libc::kill(pid, signal) },
        0,
        "kill {pid} {signal}: {}",
        std::io::Error::last_os_error()
    );
}

/// Sends `signal` with a value.
pub fn queue(pid: i32, signal: i32, value: usize) {
    assert!(pid > 1, "pid {pid} is no process of this test");
    let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
    let answer = unsafe { libc::sigqueue(pid, signal, value) };
    assert_eq!(answer, 0, "sigqueue: {}", std::io::Error::last_os_error());
}

/// The children of `pid`, oldest first. Waits until there is one.
pub fn children_of(pid: i32) -> Vec<i32> {
    let file = format!("/proc/{pid}/task/{pid}/children");
    let deadline = Instant::now() + WATCHDOG;
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let children: Vec<i32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        if !children.is_empty() || Instant::now() > deadline || !Path::new(&file).exists() {
            return children;
        }
        thread::yield_now();
    }
}

/// Waits until `condition` holds. For conditions without an event that a test could wait for.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WATCHDOG;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process has exited, reaped or not: its parent may reap it later.
pub fn has_exited(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| text.lines().any(|line| line.starts_with("State:\tZ")))
}

/// The context switches of a process so far, voluntary ones first.
pub fn switches(pid: i32) -> [String; 2] {
    ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"].map(|field| status_field(pid, field))
}

/// Waits until a process sleeps, and has for a while: the kernel sets its state before it counts the switch.
pub fn await_idle(pid: i32) {
    let mut before = switches(pid);
    eventually("it is idle", || {
        thread::sleep(Duration::from_millis(100));
        std::mem::replace(&mut before, switches(pid)) == before && status_field(pid, "State").starts_with('S')
    });
}

/// Starts an init with two receive.py under it, and sends it USR1, which `receivers` of them receive. Then USR2
/// makes both exit.
pub fn signal_two(command: &mut Command, receivers: usize) -> Finished {
    let mut run = Running::start(command);
    run.wait_for("ready");
    run.wait_for("ready");
    run.signal_init(libc::SIGUSR1);
    for _ in 0..receivers {
        run.wait_for("got 10 ");
    }
    run.signal_init(libc::SIGUSR2);
    run.finish()
}

/// The value of a field of /proc/PID/status.
pub fn status_field(pid: i32, field: &str) -> String {
    // A name need not be UTF-8.
    let text = fs::read(format!("/proc/{pid}/status")).expect("status");
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}
