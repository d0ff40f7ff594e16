//! What /proc says of processes (proc(5)). It may not be mounted, or hide some of them; and a process may be reaped right
//! after it was read about, or be a later one with the same pid.

use std::ascii::escape_default;
use std::fmt::{self, Write};

use nix::errno::Errno;
use nix::unistd::read;

use crate::bytes::{lines, number};
use crate::files;
use crate::signal::SignalSet;
use crate::sys::fd::{kept_proc, read_proc_self};
use crate::sys::pidfd::PidFd;
use crate::sys::process::{Pid, own_pid};

/// A process, for the log: its pid and, in parentheses, its name. That is up to the process itself, so it is escaped; it is
/// `?` where /proc does not say.
pub struct Named(pub Pid);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = read_of(self.0, "comm").unwrap_or_else(|_| b"?".to_vec());
        write!(f, "{} (", self.0)?;
        for byte in name.trim_ascii_end().iter().flat_map(|byte| escape_default(*byte)) {
            f.write_char(byte.into())?;
        }
        f.write_char(')')
    }
}

/// What is needed of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Which process, for all time.
    pub id: Identity,
    /// `R`unning, `S`leeping, s`T`opped, `Z`ombie and so on: that of its first thread.
    pub state: u8,
    /// How many threads it has, the first one counted even if it has exited.
    pub threads: u32,
    /// Its parent; `None` if that is outside the PID namespace.
    pub parent: Option<Pid>,
    /// Its process group's id; 0 if that was founded outside init's PID namespace, -1 if it is being reaped.
    pub group: i32,
    /// The kernel's flags of it (PF_* in the kernel's sched.h).
    flags: u32,
}

/// PF_EXITING: a thread that exits.
const EXITING: u32 = 0x4;

/// PF_FORKNOEXEC: a process that has executed nothing since its parent forked it.
const NOT_EXECUTED: u32 = 0x40;

/// PF_KTHREAD: a thread of the kernel's.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// A pid and the time it was given out, in clock ticks since the machine's start: no two processes share both. Ordered by
/// the time; those of one tick by their pids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub start: u64,
    pub pid: Pid,
}

impl Stat {
    /// Reads that of `pid`.
    ///
    /// # Errors
    /// ESRCH if there is no such process, or none that is shown; another error says nothing about it.
    pub fn read(pid: Pid) -> Result<Stat, Errno> {
        let text = read_of(pid, "stat")?;
        Stat::parse(&text).ok_or(Errno::EINVAL)
    }

    /// The name in the second field may hold spaces, parentheses and newlines; nothing behind it
    /// does, so the last parenthesis ends it.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let name_begins = text.iter().position(|&byte| byte == b'(')?;
        let name_ends = text.iter().rposition(|&byte| byte == b')')?;
        let pid = Pid::new(number(text[..name_begins].trim_ascii(), 10)?)?;
        // Fields are counted from 1, and these begin with the third.
        let mut fields = text.get(name_ends + 2..)?.split(|&byte| byte == b' ');
        let state = *fields.next()?.first()?;
        let parent = Pid::new(number(fields.next()?, 10)?);
        let group = match fields.next()? {
            // Of a process that has been reaped, but that /proc still shows (do_task_stat in the kernel).
            b"-1" => -1,
            group => number(group, 10)?,
        };
        let flags = number(fields.nth(9 - 6)?, 10)?;
        let threads = number(fields.nth(20 - 10)?, 10)?;
        let start = number(fields.nth(22 - 21)?, 10)?;
        Some(Stat { id: Identity { pid, start }, state, threads, parent, group, flags })
    }

    /// Whether it is the process `id`, and has not exited.
    pub fn is(&self, id: Identity) -> bool {
        self.id == id && !self.has_exited()
    }

    /// Whether it has exited, and waits to be reaped. (Its first thread may exit before others.)
    pub fn has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }

    /// Whether it exits, or has exited.
    pub fn is_exiting(&self) -> bool {
        self.flags & EXITING != 0 && self.threads <= 1
    }

    /// Whether it is a thread of the kernel's, which a machine's PID 1 sees. It handles no signals, and does not exit.
    fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    /// Whether it has executed nothing since its parent forked it.
    pub fn has_not_executed(&self) -> bool {
        self.flags & NOT_EXECUTED != 0
    }

    /// Whether it has entered the PID namespace from outside, or is its PID 1, and has not exited.
    pub fn has_entered(&self) -> bool {
        self.parent.is_none() && !self.has_exited()
    }

    /// Whether it waits to be reaped, or a signal or a debugger stopped it.
    pub fn is_halted(&self) -> bool {
        self.has_exited() || matches!(self.state, b'T' | b't')
    }

    /// Whether a stop signal stopped it. (One that a debugger stopped is in state `t`.)
    pub fn is_stopped(&self) -> bool {
        self.state == b'T'
    }
}

/// Opens a pidfd for the process `id`, and for no later one with the same pid.
///
/// # Errors
/// ESRCH if it has exited; else as [`PidFd::open`] and [`Stat::read`].
pub fn hold(id: Identity) -> Result<PidFd, Errno> {
    let held = PidFd::open(id.pid)?;
    if Stat::read(id.pid)?.is(id) { Ok(held) } else { Err(Errno::ESRCH) }
}

/// A file of the process `pid`, read whole.
///
/// # Errors
/// ESRCH if there is no such process, or none that is shown; else what open(2) or read(2) says.
pub fn read_of(pid: Pid, file: &str) -> Result<Vec<u8>, Errno> {
    files::read_whole(&format!("/proc/{pid}/{file}")).map_err(|errno| match errno {
        Errno::ENOENT => Errno::ESRCH,
        errno => errno,
    })
}

/// What is needed of /proc/PID/status. (gVisor's has no sets of signals.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process's name, which is up to itself. To print one, take [`Named`], which escapes it.
    pub name: Vec<u8>,
    /// The state of its first thread, as in [`Stat`]; `?` where it is not said.
    pub state: u8,
    /// Its real, effective, saved and file system uid.
    uids: [u32; 4],
    /// The signals that its first thread blocks, and those that the process has a handler for; `None` if unknown.
    pub blocked_and_caught: Option<[SignalSet; 2]>,
}

impl Status {
    /// Reads that of `pid`.
    ///
    /// # Errors
    /// As [`Stat::read`].
    pub fn read(pid: Pid) -> Result<Status, Errno> {
        let text = read_of(pid, "status")?;
        Status::parse(&text).ok_or(Errno::EINVAL)
    }

    /// The kernel escapes a line feed in the name here, and nothing else that could end a line or a field.
    pub fn parse(text: &[u8]) -> Option<Status> {
        let field = |name| status_field(text, name);
        let set = |name| number(field(name)?, 16).map(SignalSet::from_bits);
        let mut uids = field("Uid:\t")?.split(|&byte| byte == b'\t').map(|uid| number(uid, 10));
        let mut uid = || uids.next()?;
        Some(Status {
            name: field("Name:\t")?.to_owned(),
            state: field("State:\t").and_then(|state| state.first().copied()).unwrap_or(b'?'),
            uids: [uid()?, uid()?, uid()?, uid()?],
            blocked_and_caught: set("SigBlk:\t").zip(set("SigCgt:\t")).map(<[SignalSet; 2]>::from),
        })
    }

    /// Its real uid.
    pub fn uid(&self) -> u32 {
        self.uids[0]
    }

    /// Whether a process with the effective or real uid `uid` may signal it without CAP_KILL (kill(2)).
    pub fn may_be_signalled_by(&self, uid: u32) -> bool {
        self.uids[0] == uid || self.uids[2] == uid
    }
}

/// What is behind `name` in a line of /proc/PID/status.
pub fn status_field<'t>(status: &'t [u8], name: &str) -> Option<&'t [u8]> {
    lines(status).find_map(|line| line.strip_prefix(name.as_bytes()))
}

/// The cgroups of a process, as text that is equal for processes in the same ones; `None` where /proc does not say.
pub fn cgroups(pid: Pid) -> Option<Vec<u8>> {
    read_of(pid, "cgroup").ok().filter(|text| !text.is_empty())
}

/// The cgroup of a process in the hierarchy of cpuset(7). Unlike [`cgroups`] it has the path also while the process
/// exits, and as long as it is a zombie.
pub fn cpuset(pid: Pid) -> Option<Vec<u8>> {
    read_of(pid, "cpuset").ok()
}

/// The id of the first mount that a process has in sight; `None` where /proc does not say. No two mount
/// namespaces have a mount in common, and unlike /proc/PID/ns/mnt this is there for everybody to read. (A process
/// that has called chroot(2) has others in sight, or none, and seems to be elsewhere.)
pub fn first_mount(pid: Pid) -> Option<u32> {
    let mut start = [0; 16];
    let length = read(files::open_to_read(&format!("/proc/{pid}/mountinfo")).ok()?, &mut start).ok()?;
    mount_id(&start[..length])
}

/// The id of the first mount in mountinfo, of which the first digits are enough.
pub fn mount_id(mountinfo: &[u8]) -> Option<u32> {
    number(mountinfo.split(|&byte| byte == b' ').next()?, 10)
}

/// What /proc shows of the processes in this PID namespace.
pub struct Processes {
    /// Those that have not exited, or all of them. (A list, since an iterator would be compiled anew for each of its
    /// users.)
    pub shown: Vec<Stat>,
    /// Why there may be more: what could not be read. (What `hidepid` hides raises no error.)
    pub unread: Option<Errno>,
}

/// Reads which processes there are. A /proc that is not there, or was mounted for another PID namespace, shows none.
pub fn processes() -> Processes {
    let mut all = processes_and_zombies();
    all.shown.retain(|stat| !stat.has_exited());
    all
}

/// Reads which processes there are, those included that have exited and wait to be reaped.
pub fn processes_and_zombies() -> Processes {
    let mut all = Processes { shown: Vec::new(), unread: None };
    if let Err(errno) = all.read() {
        all.unread = Some(errno);
    }
    all
}

/// Whether /proc shows this PID namespace. If it shows another one, a pid there is another process.
pub fn shows_this_namespace() -> bool {
    // One that is kept open has been looked at.
    kept_proc().is_some() || is_own_proc(own_pid())
}

impl Processes {
    fn read(&mut self) -> Result<(), Errno> {
        if !shows_this_namespace() {
            return Err(Errno::ENOENT);
        }
        files::entries("/proc", &mut |_, name| {
            let Some(pid) = number(name.to_bytes(), 10).and_then(Pid::new) else { return };
            match Stat::read(pid) {
                Ok(stat) if stat.is_kernel_thread() => {}
                Ok(stat) => self.shown.push(stat),
                Err(Errno::ESRCH) => {}
                Err(errno) => self.unread = Some(errno),
            }
        })
    }
}

/// The children of `parent`. One that exits meanwhile may hide another one (proc(5)); but it also
/// raises a SIGCHLD in its parent.
pub fn children(parent: Pid) -> Vec<Pid> {
    match files::read_whole(&format!("/proc/{parent}/task/{parent}/children")) {
        Ok(list) => list.split(|&byte| byte == b' ').filter_map(|pid| Pid::new(number(pid, 10)?)).collect(),
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(_) => processes()
            .shown
            .iter()
            .filter(|stat| stat.parent == Some(parent))
            .map(|stat| stat.id.pid)
            .collect(),
    }
}

/// Whether /proc is there, and is that of this PID namespace: another one has another process under init's pid, or shows
/// init under another pid.
pub fn is_own_proc(own: Pid) -> bool {
    read_proc_self(&mut [0; 16]).is_ok_and(|link| number(link, 10) == Some(own.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["sh", "a) S 1 1 1", ")(", "x y\nz", ""] {
            let text = format!("42 ({name}) T 1 7 8 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 12345 6 7\n");
            let id = Identity { pid: Pid::new(42).unwrap(), start: 12345 };
            let stat = Stat { id, state: b'T', threads: 3, parent: Pid::new(1), group: 7, flags: 4194560 };
            assert_eq!(Stat::parse(text.as_bytes()), Some(stat), "{name:?}");
        }
        assert!(
            Stat::parse(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2 0")
                .unwrap()
                .is_kernel_thread()
        );
        assert!(
            !Stat::parse(b"2 (sh) S 0 0 0 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 2 0")
                .unwrap()
                .is_kernel_thread()
        );
        for (flags, has_not) in [("4194560", false), ("4194624", true)] {
            let text = format!("2 (sh) S 0 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 2 0");
            assert_eq!(Stat::parse(text.as_bytes()).unwrap().has_not_executed(), has_not);
        }
        // A first thread that exits before others: the process does not.
        for (flags, threads, exits) in [(4194560, 1, false), (4227084, 1, true), (4227084, 2, false)] {
            let text = format!("2 (sh) Z 0 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 {threads} 0 2 0");
            assert_eq!(Stat::parse(text.as_bytes()).unwrap().is_exiting(), exits);
        }
        let reaped = Stat::parse(b"42 (sh) X 0 -1 -1 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 0 0 2 0").unwrap();
        assert_eq!((reaped.group, reaped.has_exited()), (-1, true));
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b"42 (sh"), None);
        assert_eq!(Stat::parse(b"42 (sh)"), None);
        assert_eq!(Stat::parse(b"42 (sh) S 1 2 3"), None);
    }

    #[test]
    fn status() {
        let text = "Name:\ta\\nb c\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\n\
                    SigBlk:\t0000000000000001\nSigCgt:\t8000000000004000\n";
        let status = Status::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (str::from_utf8(&status.name), status.state, status.uids),
            (Ok("a\\nb c"), b'S', [1, 2, 3, 4])
        );
        assert_eq!([1, 2, 3, 4].map(|uid| status.may_be_signalled_by(uid)), [true, false, true, false]);
        let [blocked, caught] = status.blocked_and_caught.unwrap();
        let sets = [(blocked, 1), (caught, 15), (caught, 64)];
        assert!(sets.iter().all(|(set, number)| set.contains(Signal::new(*number).unwrap())));
        assert!(!blocked.contains(Signal::TERM));
        assert_eq!(Status::parse(b"Name:\tx\n"), None);
        // As gVisor has it.
        let status = Status::parse(b"Name:\tx\nUid:\t1\t2\t3\t4\n").unwrap();
        assert_eq!(status.blocked_and_caught, None);
        // Not tini, by which pod mode would take it for one that handles every signal (found by tests/fuzz).
        let other = text.replace("a\\nb c", " tini\r");
        assert_eq!(Status::parse(other.as_bytes()).unwrap().name, b" tini\r");
    }

    #[test]
    fn init_is_among_the_processes() {
        let own = crate::sys::process::own_pid();
        let all = processes();
        assert_eq!(all.unread, None);
        let stat = all.shown.iter().find(|stat| stat.id.pid == own).expect("the own one");
        assert_eq!(Ok(stat.id), Stat::read(own).map(|stat| stat.id));
        assert!(children(stat.parent.unwrap()).contains(&own));
        assert!(crate::hidepid::shows_everybody(own));
    }
}
