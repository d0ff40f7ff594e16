//! Where this process's own cgroup is, of version 1 or 2 (cgroups(7)), where engines mount it: at /sys/fs/cgroup.

/// The folders in which a line of /proc/PID/cgroup says that the cgroup is, the likelier one first: where the whole
/// hierarchy is mounted, or that cgroup alone. A path that begins with `/..` is outside what is mounted here
/// (cgroup_namespaces(7)). They are leaked: there are few of them, once.
pub fn folders(line: &[u8]) -> [&'static str; 2] {
    let parts = str::from_utf8(line).ok().and_then(|line| line.split_once(':')?.1.split_once(':'));
    match parts {
        Some((controllers, path)) if !path.starts_with("/..") => {
            [path, ""].map(|path| &*["/sys/fs/cgroup/", controllers, path].concat().leak())
        }
        _ => ["/nothing"; 2],
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
}
