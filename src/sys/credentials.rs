//! The ids that a process runs with (credentials(7)).

use std::ffi::c_int;
use std::ptr;

#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
pub(super) use libc::{SYS_setgroups, SYS_setresgid, SYS_setresuid};
// There, the calls with these names take ids of 16 bits.
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
pub(super) use libc::{
    SYS_setgroups32 as SYS_setgroups, SYS_setresgid32 as SYS_setresgid, SYS_setresuid32 as SYS_setresuid,
};
use nix::errno::Errno;

use super::check;

/// The ids that a workload runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups, in ascending order.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Room for the supplementary groups of this process or of these credentials, by getgroups(2). The child of a vfork
    /// needs it, since it cannot allocate.
    pub(super) fn room(&self) -> Vec<u32> {
        // SAFETY: without room getgroups writes nothing, and returns how many there are.
        let present = unsafe { libc::getgroups(0, ptr::null_mut()) };
        vec![0; self.groups.len().max(usize::try_from(present).unwrap_or(0))]
    }

    /// Takes these ids, by setgroups(2), setresgid(2) and setresuid(2); a process that has them already needs no privilege
    /// for it. By system call: the C library would first look for other threads to do the same. Allocates nothing.
    ///
    /// All three calls are made even if the ids seem right: a user namespace shows every id that it does not map as 65534,
    /// so another user's ids can look the same. setgroups(2) needs CAP_SETGID even for the present groups, so its error
    /// counts only if the ids differed.
    ///
    /// # Errors
    /// What these calls say: EPERM, EINVAL for an id that the user namespace does not map.
    pub(super) fn assume(&self, room: &mut [u32]) -> Result<(), Errno> {
        let has_all = self.are_assumed(room);
        let Credentials { uid, gid, groups } = self;
        // SAFETY: the calls take numbers, and a list of groups with its length.
        unsafe {
            let set = check(libc::syscall(SYS_setgroups, groups.len(), groups.as_ptr()));
            if !has_all {
                set?;
            }
            check(libc::syscall(SYS_setresgid, *gid, *gid, *gid))?;
            check(libc::syscall(SYS_setresuid, *uid, *uid, *uid)).map(|_| ())
        }
    }

    /// Whether the process has these ids, real, effective and saved. Its group may be one of its supplementary groups
    /// or not: that makes no difference to what it may do, and engines differ.
    ///
    /// Needed after [`Credentials::assume`] too: -1 means "leave unchanged" to the kernel, and a seccomp filter may say
    /// that a call succeeded and not make it.
    pub(super) fn are_assumed(&self, room: &mut [u32]) -> bool {
        let Credentials { uid, gid, groups } = self;
        let (mut uids, mut gids) = ([0; 3], [0; 3]);
        let [real, effective, saved] = &mut uids;
        let [real_group, effective_group, saved_group] = &mut gids;
        // SAFETY: each call writes to what it is given and no further; `room` is as long as it says.
        let (answer, count) = unsafe {
            let answer = libc::getresuid(real, effective, saved)
                | libc::getresgid(real_group, effective_group, saved_group);
            (answer, libc::getgroups(room.len() as c_int, room.as_mut_ptr()))
        };
        // More groups than there is room for are an error, and other groups.
        let Some(present) = usize::try_from(count).ok().and_then(|count| room.get_mut(..count)) else {
            return false;
        };
        present.sort_unstable();
        let within =
            |some: &[u32], all: &[u32]| some.iter().all(|id| id == gid || all.binary_search(id).is_ok());
        answer == 0
            && uids == [*uid; 3]
            && gids == [*gid; 3]
            && within(groups, present)
            && within(present, groups)
    }
}
