//! Giving up privileges (capabilities(7), credentials(7)).

use std::ptr;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::geteuid;

use super::check;
use super::credentials::{SYS_setgroups, SYS_setresgid, SYS_setresuid};

/// The capability to signal processes of any user.
const CAP_KILL: u32 = 5;

/// `_LINUX_CAPABILITY_VERSION_3`: 64 capabilities in two halves.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The own effective uid, by geteuid(2).
pub fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// Empties the bounding set of capabilities, by PR_CAPBSET_DROP of prctl(2), if init has CAP_SETPCAP.
pub fn give_up_bounds() {
    for capability in 0..64_usize {
        // SAFETY: this prctl takes numbers. EINVAL: the kernel knows no more of them.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            return;
        }
    }
}

/// 32 random bits; 0 from a kernel that has none to give. Does not wait for them, as it would right after a machine's boot
/// (getrandom(2); GRND_INSECURE is of Linux 5.6).
pub fn random() -> u32 {
    let mut bits = 0_u32;
    for flags in [libc::GRND_INSECURE, libc::GRND_NONBLOCK] {
        // SAFETY: the kernel writes no more than the 4 bytes of `bits`.
        let written = unsafe { libc::syscall(libc::SYS_getrandom, &raw mut bits, size_of::<u32>(), flags) };
        if written > 0 {
            break;
        }
    }
    bits
}

/// Whether a process in this PID namespace has `uid` as its real uid. (getpriority(2) says ESRCH if none has. It needs
/// no /proc.)
pub fn is_in_use(uid: u32) -> bool {
    // SAFETY: the call takes numbers.
    check(unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_USER, uid) }) != Err(Errno::ESRCH)
}

/// Has the capabilities outlive the change of uid that follows, so that [`keep_only_kill`] can choose; and gives up
/// all groups but the own one.
pub fn prepare_to_become_user() {
    let _ = prctl::set_keepcaps(true);
    // By the system call itself, since the C library's functions would first bring all threads to a halt, and
    // there is but one: 3 KB of code. It is not permitted in a user namespace of an ordinary user, whose groups
    // stay with it.
    // SAFETY: the call takes an empty list of groups.
    unsafe { libc::syscall(SYS_setgroups, 0, ptr::null::<libc::gid_t>()) };
}

/// Becomes uid and gid `id`.
///
/// # Errors
/// EPERM if init is not privileged; EINVAL if the user namespace does not map the id.
pub fn become_user(id: u32) -> Result<(), Errno> {
    // SAFETY: the calls take numbers.
    unsafe {
        check(libc::syscall(SYS_setresgid, id, id, id))?;
        check(libc::syscall(SYS_setresuid, id, id, id)).map(|_| ())
    }
}

/// Gives up every capability but CAP_KILL, and the way back by executing something (no_new_privs).
///
/// # Errors
/// What capset(2) says.
pub fn keep_only_kill() -> Result<(), Errno> {
    let _ = prctl::set_no_new_privs();
    // SAFETY: the prctl takes numbers; the structures of capget and capset have the layout that their version says.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        let header = Header { version: VERSION, pid: 0 };
        let mut halves = [Half::default(); 2];
        check(libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()))?;
        let kill = halves[0].permitted & 1 << CAP_KILL;
        let keep = [Half { effective: kill, permitted: kill, inheritable: 0 }, Half::default()];
        check(libc::syscall(libc::SYS_capset, &raw const header, keep.as_ptr())).map(|_| ())
    }
}
