//! Why the workload cannot be PID 1 of a PID namespace of its own (`--as-pid-1`), and what in a pod's manifest gives it what
//! it needs.

use nix::errno::Errno;

use crate::sys::nested::{Step, is_filtered};

/// What was done.
pub fn what(step: Step) -> &'static str {
    match step {
        Step::Clone => "new namespaces",
        Step::Map => "a user namespace with its own uid and gid",
        Step::Slave => "making / a slave mount",
        Step::Proc => "mounting its /proc",
        Step::User => "--user in a user namespace",
    }
}

/// What is missing then, and what gives it.
pub fn remedy(step: Step, errno: Errno) -> &'static str {
    match (step, errno) {
        (Step::Clone, Errno::EPERM) if is_filtered() => {
            "a seccomp filter forbids it. It takes CAP_SYS_ADMIN (securityContext.capabilities.add: [SYS_ADMIN]), or no \
             filter (securityContext.seccompProfile.type: Unconfined)"
        }
        (Step::Clone, Errno::EPERM) => {
            "it takes CAP_SYS_ADMIN (securityContext.capabilities.add: [SYS_ADMIN]), or a machine that permits user namespaces"
        }
        (Step::Clone, _) => {
            "are the limits in /proc/sys/user too low (max_pid_namespaces, max_user_namespaces)?"
        }
        (Step::Map, Errno::EPERM) => {
            "it takes CAP_SYS_ADMIN (securityContext.capabilities.add: [SYS_ADMIN]); or for root CAP_SETFCAP, and for \
             others no AppArmor that forbids it"
        }
        (Step::Slave, Errno::EINVAL) => "the root directory is not a mount point (chroot?)",
        (Step::Slave, _) | (Step::Proc, Errno::EACCES) => {
            "a seccomp filter or AppArmor forbids mount(2) (securityContext.seccompProfile.type: Unconfined, \
             securityContext.appArmorProfile.type: Unconfined)"
        }
        (Step::Proc, Errno::EPERM) => {
            "in a user namespace it takes a /proc of which no part is masked (securityContext.procMount: Unmasked)"
        }
        (Step::User, _) => "it takes CAP_SYS_ADMIN (securityContext.capabilities.add: [SYS_ADMIN])",
        (Step::Map | Step::Proc, _) => "the image needs a directory /proc, with proc mounted on it",
    }
}
