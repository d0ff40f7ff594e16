//! The uid that the pause process takes where it is started as root. A process that has neither CAP_KILL nor that uid
//! cannot signal it (kill(2)). So the uid is one that no other process has: a random one, at each start.

use std::ops::RangeInclusive;

use nix::errno::Errno;

use crate::bytes::{lines, number};
use crate::files;
use crate::sys::describe;
use crate::sys::privilege::{
    become_user, give_up_bounds, is_in_use, keep_only_kill, prepare_to_become_user, random,
};

/// Where all ids are mapped: above what subuid(5), systemd, OpenShift and SSSD hand out, below systemd's range of foreign
/// ids, and below 2^31, so that no program takes one for a negative number.
const WIDE: RangeInclusive<u32> = 0x7800_0000..=0x7ffd_ffff;

/// Where 65,536 ids are mapped: systemd's range for users that exist as long as their service runs.
const DYNAMIC: RangeInclusive<u32> = 61184..=65519;

/// The highest id to be taken of fewer ids: 65534 stands for all ids that are not mapped, and 65535 is what other pause
/// images run as.
const HIGHEST_OF_FEW: u32 = 65533;

/// How many ids are looked at. Of a range as wide as these the first one is free. gVisor's getpriority(2) succeeds for
/// every uid, so that all of them seem to be in use; then the random one has to do.
const TRIES: u32 = 16;

/// Keeps no more than the right to signal, and that only if init had it.
pub fn give_up_privileges() {
    give_up_bounds();
    prepare_to_become_user();
    match become_another_user() {
        Ok(()) => {}
        Err(Errno::EPERM) => warn!(
            "stays uid 0, which other processes of the pod may have too: start it with CAP_SETUID and CAP_SETGID"
        ),
        Err(errno) => warn!(
            "stays uid 0, which other processes of the pod may have too: map 65536 ids in its user namespace ({})",
            describe(errno)
        ),
    }
    if let Err(errno) = keep_only_kill() {
        warn!("cannot give up capabilities: {}", describe(errno));
    }
}

/// The kernel answers EINVAL for an id that the user namespace does not map, so /proc is read only where few are.
fn become_another_user() -> Result<(), Errno> {
    for range in [WIDE, DYNAMIC] {
        match become_user(free_id(range)) {
            Err(Errno::EINVAL) => {}
            done => return done,
        }
    }
    let map = files::read_whole("/proc/self/uid_map").unwrap_or_default();
    become_user(free_id(highest_mapped(&map).ok_or(Errno::EINVAL)?))
}

/// A random id of `range`, one that no process in this PID namespace has if it is among the first [`TRIES`].
fn free_id(range: RangeInclusive<u32>) -> u32 {
    let (first, count) = (*range.start(), range.end() - range.start() + 1);
    let start = random() % count;
    let mut ids = (0..count.min(TRIES)).map(|step| first + (start + step) % count);
    ids.find(|id| !is_in_use(*id)).unwrap_or(first + start)
}

/// The upper half of the highest ids that a uid_map (user_namespaces(7)) has, without 0: images use the low ones.
fn highest_mapped(map: &[u8]) -> Option<RangeInclusive<u32>> {
    let extent = |line: &[u8]| {
        let words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let mut numbers = words.map(|digits| number::<u32>(digits, 10));
        let (first, count) = (numbers.next()??, numbers.nth(1)??);
        let last = first.checked_add(count.checked_sub(1)?)?.min(HIGHEST_OF_FEW);
        (last >= first.max(1)).then_some((first.max(1), last))
    };
    let (first, last) = lines(map).filter_map(extent).max_by_key(|(_, last)| *last)?;
    Some(last - (last - first) / 2..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_mapped_ids() {
        for (map, range) in [
            ("0 1000 1\n", None),
            ("         0          0       1000\n", Some(500..=999)),
            ("0 1000 1\n1 100000 10\n", Some(6..=10)),
            ("1 100000 10\n0 1000 1\n", Some(6..=10)),
            ("0 1000 1\n65534 65534 1\n", None),
            ("0 1000 1\n65535 65535 1\n", None),
            ("7 7 1\n", Some(7..=7)),
            ("0 0 0\n", None),
            ("", None),
            ("nonsense", None),
        ] {
            assert_eq!(highest_mapped(map.as_bytes()), range, "{map:?}");
        }
    }

    #[test]
    fn an_id_in_use_is_not_taken() {
        let own = crate::sys::privilege::own_uid();
        assert_eq!(free_id(own..=own), own, "there is no other");
        assert_eq!(free_id(own..=own + 1), own + 1);
        assert!(WIDE.contains(&free_id(WIDE)));
    }
}
