//! Starting the workload, so that it cannot tell that it was not started in our place.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use crate::config::Failures;
use crate::sys::entry::Start;
use crate::sys::launch::{Failure, Launch, Session, launch};
use crate::sys::process::{Pid, own_pid};
use crate::sys::signal::Disposition;
use crate::terminal::Terminal;

/// Where programs are looked for if the environment does not say (Docker's and podman's default).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why there is no workload.
#[derive(Debug)]
pub struct Error {
    program: &'static OsStr,
    failure: Failure,
}

impl Error {
    /// Our exit status then, one of `failures`.
    pub fn status(&self, failures: Failures) -> u8 {
        match self.failure {
            Failure::Fork(_) => failures.own,
            Failure::Exec(Errno::ENOENT | Errno::ENOTDIR) => failures.not_found,
            Failure::Exec(_) => failures.not_executable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program;
        match self.failure {
            Failure::Fork(Errno::EAGAIN) => write!(
                f,
                "cannot start {program:?}: no more processes allowed (RLIMIT_NPROC, or the cgroup's pids.max)"
            ),
            Failure::Fork(errno) => write!(f, "cannot start {program:?}: fork: {}", errno.desc()),
            Failure::Exec(Errno::ENOENT) if names_existing_file(program) => {
                write!(f, "cannot execute {program:?}: the interpreter or loader it names is not there")
            }
            Failure::Exec(errno) => write!(f, "cannot execute {program:?}: {}", errno.desc()),
        }
    }
}

/// Whether `program` is a path to something, so that "not found" is said of what it needs to run.
fn names_existing_file(program: &OsStr) -> bool {
    program.as_bytes().contains(&b'/') && std::path::Path::new(program).exists()
}

/// Starts the workload that begins at argument `program`, in this session, and in the foreground of
/// `terminal`. Everything else it finds as we did, `child_disposition` (of SIGCHLD)
/// included.
///
/// # Errors
/// See [`Error`].
pub fn spawn(
    start: &Start,
    program: usize,
    session: Session,
    terminal: Option<Terminal>,
    child_disposition: Disposition,
) -> Result<Pid, Error> {
    // Sockets that were meant for us are the workload's (sd_listen_fds(3)).
    let listening = start.env.value("LISTEN_PID").is_some_and(|pid| *pid == *own_pid().to_string());
    let slot = |name| if listening { start.env.number_slot(name) } else { None };
    launch(Launch {
        args: start.args,
        program,
        env: start.env,
        path: start.env.value("PATH").unwrap_or(OsStr::new(DEFAULT_PATH)),
        mask: start.mask,
        child_disposition,
        session,
        terminal: terminal.map(Terminal::fd),
        pid_slot: slot("LISTEN_PID"),
        pidfd_slot: slot("LISTEN_PIDFDID"),
    })
    .map_err(|failure| Error { program: start.args.iter().nth(program).unwrap_or_default(), failure })
}
