//! `--termination-log`: the line that kubelet reads once a container has exited, and `kubectl describe pod` shows.
//!
//! Its file is there before, and kubelet reads the last 4,096 bytes of it. What the workload has written there itself is
//! kept. Nothing here waits, and no failure is one of init's.

use std::ffi::CStr;
use std::fmt::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Whence, lseek, write};

use crate::bytes::{lines, number};
use crate::cgroup::folders;
use crate::files;
use crate::logger;
use crate::procfs::{cgroups, status_field};
use crate::quoted::Quoted;
use crate::sys::describe;
use crate::sys::fd::STDERR;
use crate::sys::process::{End, own_pid};

/// The file where kubelet looks, unless a pod's manifest has another one (terminationMessagePath).
pub const DEFAULT_PATH: &CStr = c"/dev/termination-log";

/// How much of the file kubelet reads, from its end.
const LONGEST: usize = 4096;

/// What is written at the end, if there is a file for it. As long as the process.
pub struct TerminationLog(Option<&'static mut Open>);

/// The file, open before the workload can put another one in its place, and what there is to be written.
struct Open {
    file: OwnedFd,
    notes: String,
    /// The file where the memory cgroup's OOM kills are counted, and how many there were; the highest number if that is not
    /// known.
    counter: String,
    before: u64,
}

impl TerminationLog {
    /// Opens the file `path`, if there is to be one, and empties it; or warns that it cannot be opened.
    pub fn open(path: Option<&CStr>) -> TerminationLog {
        TerminationLog(path.and_then(Open::new))
    }

    /// Its descriptor, for [`crate::settle`].
    pub fn raw_fd(&self) -> Option<RawFd> {
        self.0.as_ref().map(|open| open.file.as_raw_fd())
    }

    /// Adds to what will be written.
    pub fn note(&mut self, note: &str) {
        if let Some(open) = &mut self.0 {
            open.notes.push_str("; ");
            open.notes.push_str(note);
        }
    }

    /// Writes how the main process exited, what has been noted, and how many OOM kills there were; or, if it was not
    /// started, the line on stderr that says why.
    pub fn write(&self, end: Option<End>) {
        if let Some(open) = &self.0 {
            open.write(end);
        }
    }
}

// Apart from what runs without the option.
impl Open {
    #[inline(never)]
    fn new(path: &CStr) -> Option<&'static mut Open> {
        match open_file(path) {
            Ok(file) => {
                let mut open = Open { file, notes: String::new(), counter: String::new(), before: u64::MAX };
                open.find_counter();
                Some(Box::leak(Box::new(open)))
            }
            Err(errno) => {
                warn!("cannot open the termination log {}: {}", Quoted(path.to_bytes()), describe(errno));
                None
            }
        }
    }

    #[inline(never)]
    fn write(&self, end: Option<End>) {
        let mut line = match end {
            // What the workload has written need not end in a line feed.
            Some(_) if lseek(&self.file, 0, Whence::SeekEnd).is_ok_and(|length| length > 0) => "\n".into(),
            Some(_) => String::new(),
            None => logger::last_error(),
        };
        if let Some(end) = end {
            let _ = write!(line, "podinit: the main process has exited: {end}{}", self.notes);
            match count(&self.counter) {
                Some(now) if now > self.before => {
                    let _ = write!(line, "; OOM kills in the memory cgroup: {}", now - self.before);
                }
                _ => {}
            }
            line.push('\n');
        }
        let mut length = line.len().min(LONGEST);
        while !line.is_char_boundary(length) {
            length -= 1;
        }
        let _ = write(&self.file, &line.as_bytes()[..length]);
    }

    /// Finds where the OOM kills in init's own memory cgroup are counted, with all cgroups below it (cgroups(7)). In a
    /// container that cgroup may be mounted where the root would be (version 1, or without a cgroup namespace).
    fn find_counter(&mut self) {
        let cgroups = cgroups(own_pid()).unwrap_or_default();
        for folder in lines(&cgroups).flat_map(folders) {
            for file in ["/memory.events", "/memory.oom_control"] {
                let counter = [folder, file].concat();
                if let Some(count) = count(&counter) {
                    (self.counter, self.before) = (counter, count);
                    return;
                }
            }
        }
    }
}

/// Opens the file, which is not made: one that kubelet has not mounted is read by no program. O_NONBLOCK is for a FIFO.
fn open_file(path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_APPEND;
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    // Where init was started with a standard descriptor closed, the next free number is taken, as by the mailbox.
    if file.as_raw_fd() <= STDERR { open_file(path) } else { Ok(file) }
}

/// The OOM kills that are counted in this file.
#[inline(never)]
fn count(path: &str) -> Option<u64> {
    number(status_field(&files::read_whole(path).ok()?, "oom_kill ")?, 10)
}
