//! A workload that is PID 1 of a PID namespace of its own (`--as-pid-1`): why it cannot be, and what in a pod's manifest
//! gives it what it needs; and when it is killed, since the kernel drops a SIGTERM that a PID 1 does not handle.

use std::time::Instant;

use nix::errno::Errno;

use super::main_process::MainProcess;
use crate::config::Config;
use crate::handling::drops;
use crate::signal::Signal;
use crate::sys::nested::{Step, is_filtered};
use crate::sys::process::Pid;
use crate::termination_log::TerminationLog;

/// What was done when it could not be started.
pub fn what(step: Step) -> &'static str {
    match step {
        Step::Clone => "new namespaces",
        Step::Map => "a user namespace with its uid and gid",
        Step::Slave => "making / a slave mount",
        Step::Proc => "mounting its /proc",
        Step::User => "--user in a user namespace",
    }
}

/// What gives it what is missing, in two parts.
#[inline(never)]
pub fn remedy(step: Step, errno: Errno) -> [&'static str; 2] {
    let alternative = match (step, errno) {
        (Step::Clone, Errno::EPERM) if is_filtered() => {
            ", or no seccomp filter (securityContext.seccompProfile.type: Unconfined)"
        }
        (Step::Clone, Errno::EPERM) => ", or a machine that permits user namespaces",
        // In the user namespace: the kernel mounts no second /proc that would show more than the first one.
        (Step::Proc, Errno::EPERM) => {
            ", or a /proc of which no part is masked (securityContext.procMount: Unmasked)"
        }
        (Step::Map, Errno::EPERM) => ", or for root CAP_SETFCAP, for others no AppArmor that forbids it",
        (Step::User, _) => "",
        _ => return ["", other_remedy(step, errno)],
    };
    // Kubernetes gives what is added to root alone.
    ["it takes CAP_SYS_ADMIN (as root, securityContext.capabilities.add: [SYS_ADMIN])", alternative]
}

fn other_remedy(step: Step, errno: Errno) -> &'static str {
    match (step, errno) {
        (Step::Clone, _) => "are max_pid_namespaces and max_user_namespaces in /proc/sys/user too low?",
        (Step::Slave, Errno::EINVAL) => {
            "it takes a root directory that is a mount point (chroot?), and slave mounts (gVisor?)"
        }
        (Step::Slave, _) | (Step::Proc, Errno::EACCES) => {
            "a seccomp filter or AppArmor forbids mount(2) (securityContext.seccompProfile.type: Unconfined, or \
             appArmorProfile.type)"
        }
        _ => "it takes a directory /proc with proc mounted on it, and a kernel that mounts a second one",
    }
}

/// When the main process is killed that has dropped a SIGTERM, if it has. `before` is what it was before the signal for
/// which `terminates` is sent arrived.
#[inline(never)]
pub fn kill_at(config: &Config, main: Pid, arrived: Signal, before: Option<Instant>) -> Option<Instant> {
    let terminates = config.rewritten(Signal::TERM);
    let is_dropped = before.is_none()
        && config.rewritten(arrived) == terminates
        && terminates.is_some_and(|signal| drops(main, signal));
    if is_dropped { Instant::now().checked_add(config.grace()) } else { before }
}

/// Kills the main process, and with it all of its PID namespace.
#[inline(never)]
pub fn kill(main: &MainProcess, log: &mut TerminationLog) {
    // Where it may not be signalled, there was a warning when the SIGTERM was forwarded.
    if main.send(Signal::KILL).is_ok() {
        let line = "time is up: killed the main process, which as PID 1 drops SIGTERM without a handler";
        warn!("{line}");
        log.note(line);
    }
}
