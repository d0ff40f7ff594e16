//! The limits of this process's own cgroup, of version 1 or 2 (cgroups(7)), where engines mount it: at /sys/fs/cgroup.

use crate::bytes::{lines, number};
use crate::cgroup::folders;
use crate::files;
use crate::procfs::status_field;

/// What there is in [`read`]: how many processes and threads the cgroup has, how many it may have, and how many the
/// kernel has killed for want of memory.
pub const PIDS: usize = 0;
pub const PIDS_MAX: usize = 1;
pub const OOM_KILLS: usize = 2;

/// Where it is found, the last one in version 1.
static FILES: [(usize, &str); 4] = [
    (PIDS, "pids.current"),
    (PIDS_MAX, "pids.max"),
    (OOM_KILLS, "memory.events"),
    (OOM_KILLS, "memory.oom_control"),
];

/// No limit.
pub const UNLIMITED: u32 = u32::MAX;

/// Reads them. What cannot be read is `None`, and named in `unread`.
pub fn read(unread: &mut Vec<&'static str>) -> [Option<u32>; 3] {
    let mut found = [None; 3];
    for line in lines(&files::read_whole("/proc/self/cgroup").unwrap_or_default()) {
        for folder in folders(line) {
            for (index, file) in FILES {
                if found[index].is_none() {
                    let path = [folder, "/", file].concat();
                    found[index] = value(&files::read_whole(&path).unwrap_or_default());
                }
            }
        }
    }
    for (index, file) in &FILES[..3] {
        if found[*index].is_none() {
            unread.push(file);
        }
    }
    found
}

/// What is in one of the files.
fn value(text: &[u8]) -> Option<u32> {
    match status_field(text, "oom_kill ").unwrap_or(text).trim_ascii() {
        b"max" => Some(UNLIMITED),
        text => number(text, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_files() {
        assert_eq!(value(b"12\n"), Some(12));
        assert_eq!(value(b"max\n"), Some(UNLIMITED));
        assert_eq!(value(b"low 0\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(value(b"oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), Some(5));
        assert_eq!(value(b"oom_kill_disable 0\nunder_oom 0\n"), None);
        assert_eq!(value(b""), None);
    }
}
