//! Runs the real binary, as PID 1 of a PID namespace or as an ordinary process, and watches it.
//!
//! Everything waits for events. A watchdog ends a test that waits for one in vain, and says what
//! had been seen by then.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a test waits for something that does not come. The longest of what does come, a thousand
/// starts of two inits, takes half a minute on a machine with two cores.
const WATCHDOG: Duration = Duration::from_secs(100);

/// The binary under test, copied to where every user can execute it: the one that cargo has just built, or
/// the one that the environment names, such as dist/podinit.
pub fn podinit() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let copy = scratch("bin").join("podinit");
        let original = std::env::var_os("PODINIT_UNDER_TEST").unwrap_or(env!("CARGO_BIN_EXE_podinit").into());
        fs::copy(original, &copy).expect("copy the binary");
        copy
    })
}

/// A fresh directory that everybody can read.
pub fn scratch(name: &str) -> PathBuf {
    let mut template = std::env::temp_dir().join(format!("podinit-{name}-XXXXXX")).into_os_string();
    template.push("\0");
    let mut bytes = template.into_encoded_bytes();
    let made = unsafe { libc::mkdtemp(bytes.as_mut_ptr().cast()) };
    assert!(!made.is_null(), "mkdtemp");
    bytes.pop();
    let path = PathBuf::from(unsafe { OsString::from_encoded_bytes_unchecked(bytes) });
    std::os::unix::fs::chown(&path, None, None).expect("chown");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    path
}

/// One of the scripts in tests/helpers.
pub fn helper(name: &str) -> String {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    let copy = COPY.get_or_init(|| {
        let to = scratch("helpers");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helpers");
        for entry in fs::read_dir(from).expect("tests/helpers").flatten() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copy a helper");
        }
        to
    });
    copy.join(name).to_str().expect("a plain path").to_owned()
}

pub fn is_root() -> bool {
    unsafe { libc::geteuid() == 0 }
}

/// Whether `program` is there. If not, says so on stderr, past the test runner's capture; under CI
/// a test must not be left out, so there it fails.
pub fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    let found = dirs.map(|dir| dir.join(program)).any(|file| file.is_file());
    found || left_out(&format!("needs {program}, which is not installed"))
}

/// As [`have`], for a test that only root can run.
pub fn have_root() -> bool {
    is_root() || left_out_by_user("needs root")
}

pub fn left_out(why: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "this test {why}");
    left_out_by_user(why)
}

/// What an ordinary user cannot run is run by root in the same CI, so it fails nothing.
fn left_out_by_user(why: &str) -> bool {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("LEFT OUT: {name} {why}"));
    false
}

/// Says something past the test runner's capture.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A command line that has PID 1 of a new PID namespace run `program`, with a /proc of its own.
pub fn in_namespace(program: impl AsRef<OsStr>) -> Command {
    let mut command = unshare();
    command.arg("--mount-proc").arg("--").arg(program);
    command
}

/// The same for programs that refuse to run as root: an ordinary user keeps its own uid in there.
pub fn in_namespace_as_ourselves(program: impl AsRef<OsStr>) -> Command {
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

/// The same with the outer /proc left in place, and whatever else is to be set up by `program`.
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

/// What a finished command left.
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

    /// That it exited with `code` after one line on stderr that contains each of `words`.
    pub fn assert_refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "one line, not {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// Runs a command to its end.
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
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running::start_with_stdin(command, Stdio::null())
    }

    pub fn start_with_stdin(command: &mut Command, stdin: Stdio) -> Running {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut stderr_pipe = child.stderr.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let sink = stderr.clone();
        let stderr_reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stderr_pipe.read(&mut buffer) {
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Running { child, lines, seen: Vec::new(), stderr, stderr_reader: Some(stderr_reader) }
    }

    /// The pid of what was started: of unshare, where that is what was started.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The pid, as seen from here, of PID 1 of the namespace that `unshare` made.
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
                Err(RecvTimeoutError::Timeout) => panic!("{text:?} did not come: {}", self.report()),
                Err(RecvTimeoutError::Disconnected) => panic!("no {text:?} up to the end: {}", self.report()),
            }
        }
    }

    /// Reads stdout up to where each of `texts` has come, in any order.
    pub fn wait_for_all(&mut self, texts: &[&str]) {
        let from = self.seen.len();
        while let Some(text) =
            texts.iter().find(|text| !self.seen[from..].iter().any(|line| line.contains(**text)))
        {
            let next = self.lines.recv_timeout(WATCHDOG);
            self.seen.push(next.unwrap_or_else(|_| panic!("{text:?} did not come: {}", self.report())));
        }
    }

    /// The line of what has been read that contains `text`.
    pub fn seen(&self, text: &str) -> &str {
        self.seen
            .iter()
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no {text:?}: {}", self.report()))
    }

    pub fn has_ended(&mut self) -> bool {
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

    /// What has come on stderr so far.
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

    /// Waits for the end.
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
            assert!(Instant::now() < deadline, "it does not end: {}", self.report());
        };
        // Both pipes end with the last process that holds them, which may outlive podinit where it
        // is not PID 1; what has been written by then is all that is asked for.
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(500)) {
            self.seen.push(line);
        }
        let reader = self.stderr_reader.take().expect("not joined yet");
        let patience = Instant::now() + Duration::from_millis(500);
        while !reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
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

pub fn kill(pid: i32, signal: i32) {
    assert!(pid > 1, "never everybody");
    assert_eq!(
        unsafe { libc::kill(pid, signal) },
        0,
        "kill {pid} {signal}: {}",
        std::io::Error::last_os_error()
    );
}

/// Sends `signal` with a value.
pub fn queue(pid: i32, signal: i32, value: usize) {
    assert!(pid > 1, "never everybody");
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

/// Waits until `condition` holds, for what raises no event that a test could wait for.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WATCHDOG;
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process has ended, reaped or not: whoever has to reap it may take its time.
pub fn is_gone(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| text.lines().any(|line| line.starts_with("State:\tZ")))
}

/// Starts an init with two receive.py under it, sends it USR1, which is to reach `told` of them, and then USR2,
/// which ends them.
pub fn signal_two(command: &mut Command, told: usize) -> Finished {
    let mut run = Running::start(command);
    run.wait_for("ready");
    run.wait_for("ready");
    run.signal_init(libc::SIGUSR1);
    for _ in 0..told {
        run.wait_for("got 10 ");
    }
    run.signal_init(libc::SIGUSR2);
    run.finish()
}

/// The value of a field of /proc/PID/status.
pub fn status_field(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
}
