//! Starts the workload with all that it would have had without init: mask, dispositions, descriptors, directory and
//! environment.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;

use super::nested;
use super::terminal::Terminal;
use crate::config::{Config, Failures};
use crate::exec_error;
use crate::quoted::Quoted;
use crate::sys::describe;
use crate::sys::entry::Start;
use crate::sys::process::{Pid, own_pid};
use crate::sys::signal::Disposition;
use crate::sys::vfork::{Failure, Launch, launch};

/// Where programs are looked for without PATH in the environment (Docker's and podman's default).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why the workload was not started.
#[derive(Debug)]
pub struct Error {
    program: &'static OsStr,
    failure: Failure,
    /// More of it, if there is more.
    cause: &'static str,
}

impl Error {
    /// Init's exit status then, one of `failures`.
    pub fn status(&self, failures: Failures) -> u8 {
        match self.failure {
            Failure::Fork(_)
            | Failure::User(_)
            | Failure::OtherUser
            | Failure::Nested(..)
            | Failure::Directory(_)
            | Failure::Mask(_) => failures.own,
            Failure::Exec(Errno::ENOENT | Errno::ENOTDIR) => failures.not_found,
            Failure::Exec(_) => failures.not_executable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Quoted(self.program.as_bytes());
        match self.failure {
            Failure::Fork(Errno::EAGAIN) => write!(
                f,
                "cannot start {program}: no more processes allowed (RLIMIT_NPROC, or the cgroup's pids.max)"
            ),
            Failure::Fork(errno) => write!(f, "cannot start {program}: fork: {}", describe(errno)),
            Failure::Nested(step, errno) => {
                let (what, why, [remedy, or]) =
                    (nested::what(step), describe(errno), nested::remedy(step, errno));
                write!(f, "cannot start {program} as PID 1: {what}: {why}: {remedy}{or}")
            }
            Failure::User(errno) => write!(f, "cannot become the user for {program}: {}", describe(errno)),
            Failure::OtherUser => write!(
                f,
                "cannot become the user for {program}: the kernel reports success, but the ids are not \
                 those (a seccomp filter?)"
            ),
            Failure::Directory(_) => write!(f, "cannot enter the working directory: {}", self.cause),
            Failure::Mask(errno) => write!(
                f,
                "cannot unblock the signals for {program}: {} (a seccomp filter must allow rt_sigprocmask)",
                describe(errno)
            ),
            Failure::Exec(_) => write!(f, "cannot execute {program}: {}", self.cause),
        }
    }
}

/// Starts the workload that begins at argument `program`, as `config` says, and in the foreground of
/// `terminal`. Where `config` says nothing it inherits what init did, `child_disposition` (of SIGCHLD) included.
///
/// # Errors
/// See [`Error`].
pub fn spawn(
    start: &Start,
    config: &Config,
    program: usize,
    terminal: Option<Terminal>,
    child_disposition: Disposition,
) -> Result<Pid, Error> {
    let env = config.environment(start.env);
    // Sockets that were passed to init are the workload's (sd_listen_fds(3)).
    let listening = env.value("LISTEN_PID").is_some_and(|pid| *pid == *own_pid().to_string());
    let slot = |name| if listening { env.number_slot(name) } else { None };
    launch(Launch {
        path: env.value("PATH").unwrap_or(OsStr::new(DEFAULT_PATH)),
        directory: config.workdir,
        umask: config.umask,
        user: config.user.as_ref().map(|user| &user.credentials),
        session: config.session,
        terminal: terminal.map(Terminal::fd),
        pid_slot: slot("LISTEN_PID"),
        pidfd_slot: slot("LISTEN_PIDFDID"),
        as_pid_1: config.as_pid_1,
        args: start.args,
        program,
        env,
        mask: start.mask,
        child_disposition,
        is_plain: exec_error::is_plain,
        explain: exec_error::explain,
    })
    .map_err(|(failure, cause)| Error {
        program: start.args.iter().nth(program).unwrap_or_default(),
        failure,
        cause,
    })
}
