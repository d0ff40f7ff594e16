//! What /proc says of processes (proc(5)). It may not be mounted, or hide some of them; and whoever
//! is read about may be gone a moment later, or never have been the one that was meant.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::sys::process::Pid;

/// The name of a process, which is up to itself; `?` where /proc does not say.
pub fn name(pid: Pid) -> String {
    match fs::read(format!("/proc/{pid}/comm")) {
        Ok(comm) => comm.trim_ascii_end().escape_ascii().to_string(),
        Err(_) => "?".into(),
    }
}

/// What is needed of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: Pid,
    /// The process group's id.
    pub group: i32,
}

impl Stat {
    /// Reads that of `pid`; `None` if there is none to read.
    fn read(pid: Pid) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in the second field may hold spaces, parentheses and newlines; nothing behind it
    /// does, so the last parenthesis ends it.
    fn parse(text: &[u8]) -> Option<Stat> {
        let name_begins = text.iter().position(|&byte| byte == b'(')?;
        let name_ends = text.iter().rposition(|&byte| byte == b')')?;
        let number = |bytes: &[u8]| str::from_utf8(bytes.trim_ascii()).ok()?.parse().ok();
        let mut fields = text[name_ends + 1..].trim_ascii().split(|&byte| byte == b' ');
        Some(Stat { pid: Pid::new(number(&text[..name_begins])?)?, group: number(fields.nth(2)?)? })
    }
}

/// Every process that can be seen; none if /proc is not there.
pub fn processes() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let number = str::from_utf8(name.as_bytes()).ok()?.parse().ok()?;
        Stat::read(Pid::new(number)?)
    })
}

/// The members of the process group that `leader` founded, as far as they can be seen.
pub fn group_members(leader: Pid) -> impl Iterator<Item = Pid> {
    processes().filter(move |stat| stat.group == leader.get()).map(|stat| stat.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["sh", "a) S 1 1 1", ")(", "x y\nz", ""] {
            let text = format!("42 ({name}) S 1 7 7 0 -1 4194560 0 0\n");
            let stat = Stat { pid: Pid::new(42).unwrap(), group: 7 };
            assert_eq!(Stat::parse(text.as_bytes()), Some(stat), "{name:?}");
        }
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b"42 (sh"), None);
        assert_eq!(Stat::parse(b"42 (sh) S 1"), None);
    }
}
