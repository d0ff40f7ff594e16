//! The limits of this process's own cgroup, of version 1 or 2 (cgroups(7)), where engines mount it: at /sys/fs/cgroup.

use super::template::filled;
use crate::bytes::{lines, number, split_once};
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
                    let path = filled("%A/%B", &[folder, file]);
                    found[index] = value(&files::read_whole(path).unwrap_or_default());
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

/// The folders in which a line of /proc/self/cgroup says that the own cgroup is, the likelier one first: where the whole
/// hierarchy is mounted, or that cgroup alone. A path that begins with `/..` is outside what is mounted here
/// (cgroup_namespaces(7)).
pub fn folders(line: &[u8]) -> [&'static str; 2] {
    let parts = str::from_utf8(line).ok().and_then(|line| {
        let (_, line) = split_once(line.as_bytes(), b':')?;
        split_once(line, b':')
    });
    match parts.map(|(controllers, path)| (str::from_utf8(controllers), str::from_utf8(path))) {
        Some((Ok(controllers), Ok(path))) if !path.starts_with("/..") => {
            ["/sys/fs/cgroup/%A%B", "/sys/fs/cgroup/%A"].map(|it| filled(it, &[controllers, path]))
        }
        _ => ["/nothing"; 2],
    }
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
    fn the_own_folder_of_each_version() {
        for (line, folder) in [
            ("9:cpu,cpuacct:/docker/7", "/sys/fs/cgroup/cpu,cpuacct/docker/7"),
            ("4:pids:/", "/sys/fs/cgroup/pids/"),
            ("0::/a/b", "/sys/fs/cgroup//a/b"),
            ("0::/../b", "/nothing"),
            ("x", "/nothing"),
            ("", "/nothing"),
        ] {
            assert_eq!(folders(line.as_bytes())[0], folder);
        }
        assert_eq!(folders(b"0::/a/b")[1], "/sys/fs/cgroup/");
    }

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
