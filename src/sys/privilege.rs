//! Giving up privileges (capabilities(7), credentials(7)).

use std::ptr;

use nix::errno::Errno;

use super::check;

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

/// Our effective uid.
pub fn own_uid() -> u32 {
    // SAFETY: geteuid touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

/// Gives up the bounding set of capabilities, as far as that is allowed: as long as we have CAP_SETPCAP.
pub fn give_up_bounds() {
    for capability in 0..64_u64 {
        // SAFETY: this prctl takes numbers. EINVAL tells that the kernel knows no more of them.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            return;
        }
    }
}

/// Becomes uid and gid `id` with no other group.
///
/// # Errors
/// EPERM if we are not privileged; EINVAL if the user namespace does not know the id.
pub fn become_user(id: u32) -> Result<(), Errno> {
    // By the system calls themselves, since the C library's functions would first bring all threads to
    // a halt, and we have but one: 3 KB of code.
    // SAFETY: the calls take numbers, and an empty list of groups. Keeping capabilities over the
    // change of uid lets `keep_only_kill` choose.
    unsafe {
        check(libc::prctl(libc::PR_SET_KEEPCAPS, 1).into())?;
        // Not allowed in a user namespace of an ordinary user, whose groups stay with it.
        let _ = libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>());
        check(libc::syscall(libc::SYS_setresgid, id, id, id))?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id)).map(|_| ())
    }
}

/// Gives up every capability but CAP_KILL, and the way back by executing something (no_new_privs).
///
/// # Errors
/// What capset(2) says.
pub fn keep_only_kill() -> Result<(), Errno> {
    // SAFETY: the calls take numbers, but capget and capset, whose structures have the layout that
    // their version says.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let header = Header { version: VERSION, pid: 0 };
        let mut halves = [Half::default(); 2];
        check(libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()))?;
        let kill = halves[0].permitted & 1 << CAP_KILL;
        let keep = [Half { effective: kill, permitted: kill, inheritable: 0 }, Half::default()];
        check(libc::syscall(libc::SYS_capset, &raw const header, keep.as_ptr())).map(|_| ())
    }
}
