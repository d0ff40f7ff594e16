//! The namespaces of a workload that is PID 1 of its own (pid_namespaces(7), user_namespaces(7)): what its process does
//! before it executes the program, in the memory that it shares with init. Nothing here but [`Maps::own`] allocates.

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicI32, Ordering, fence};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid, write};

use super::process::signal_on_parent_death;
use crate::signal::Signal;

/// What clone(2) makes for it: with CAP_SYS_ADMIN.
pub(super) const NAMESPACES: c_int = libc::CLONE_NEWPID | libc::CLONE_NEWNS;

/// What did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The namespaces could not be made.
    Clone,
    /// The own uid and gid could not be mapped in the user namespace.
    Map,
    /// The mounts could not be made slaves.
    Slave,
    /// /proc could not be mounted.
    Proc,
    /// The process could not take the ids of `--user` in the user namespace.
    User,
}

/// The maps of a user namespace that has the own uid and gid alone, and as the same numbers: what a process without
/// privileges may have.
pub(super) struct Maps {
    uids: String,
    gids: String,
}

impl Maps {
    #[inline(never)]
    pub(super) fn own() -> Maps {
        let only = |id: u32| format!("{id} {id} 1");
        Maps { uids: only(geteuid().as_raw()), gids: only(getegid().as_raw()) }
    }
}

/// 1 as long as init lives: the kernel writes 0 when init exits, and only while another process, the child, shares its
/// memory (set_tid_address(2)).
static INIT_LIVES: AtomicI32 = AtomicI32::new(0);

/// Prepares [`die_with_init`], in init.
pub(super) fn prepare() {
    INIT_LIVES.store(1, Ordering::Relaxed);
    // SAFETY: the kernel writes to a static variable, which is as large as it expects; or, where the memory is no longer
    // shared, it does not write.
    unsafe { libc::syscall(libc::SYS_set_tid_address, INIT_LIVES.as_ptr()) };
}

/// Prepares the namespaces that the calling process is the first one of: the `maps` of the user namespace, if there is one,
/// and /proc. No mount reaches the namespace outside.
///
/// # Errors
/// What mount(2), open(2) and write(2) say, and which step it was.
#[inline(never)]
pub(super) fn enter(maps: Option<&Maps>) -> Result<(), (Step, Errno)> {
    if let Some(maps) = maps {
        // Without privileges only a process that cannot give up groups may map its gid. (Before Linux 3.19 there is no such
        // file.)
        let _ = put(c"/proc/self/setgroups", "deny");
        put(c"/proc/self/uid_map", &maps.uids)
            .and_then(|()| put(c"/proc/self/gid_map", &maps.gids))
            .map_err(|errno| (Step::Map, errno))?;
    }
    let none = None::<&CStr>;
    mount(none, c"/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .map_err(|errno| (Step::Slave, errno))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, none).map_err(|errno| (Step::Proc, errno))
}

/// Has the kernel kill the calling process, and so its PID namespace, when init exits. To be called after the last change
/// of credentials, which would undo it. Where init has exited already, so does the process.
#[inline(never)]
pub(super) fn die_with_init() {
    let _ = signal_on_parent_death(Signal::KILL);
    fence(Ordering::SeqCst);
    // An exiting init writes this first, and looks for children to signal later. (Its pid is of no use: inside, the
    // parent's is 0 before and after.)
    if INIT_LIVES.load(Ordering::Relaxed) == 0 {
        // SAFETY: the process exits here, and runs none of init's exit handlers.
        unsafe { libc::_exit(0) }
    }
}

/// Whether a seccomp filter is in force, by PR_GET_SECCOMP of prctl(2).
pub fn is_filtered() -> bool {
    // SAFETY: this prctl takes no more.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP) == 2 }
}

/// Writes `text` to a file that exists, by one write(2).
fn put(path: &CStr, text: &str) -> Result<(), Errno> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(file, text.as_bytes()).map(drop)
}
