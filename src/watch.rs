//! `--watch`: says when a file or a directory has changed, by inotify(7) and stat(2). No event, no wake-up.
//!
//! An event says only that something may have changed: what is compared is what stat(2) says. So one rule covers a write
//! in place, an editor's rename, and a Kubernetes ConfigMap, whose `..data` link is replaced by a rename.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{FileStat, SFlag, fstatat, stat};
use nix::unistd::read;

use crate::config;
use crate::files;
use crate::mailbox::earlier;
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::fd::read_link;

/// A change counts when there has been none for this long.
const QUIET: Duration = Duration::from_millis(200);

/// How long the first event is followed by those of the same change; from then on it has to be quiet.
const BURST: Duration = Duration::from_millis(20);

/// A change counts after this time, also if others follow without a pause.
const LONGEST: Duration = Duration::from_secs(2);

/// How long a signal waits for a process that does not handle it yet, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// How many links are followed (path_resolution(7)).
const LINKS: u32 = 40;

/// The files and directories that are watched.
pub struct Watcher {
    /// `None` while no instance can be made.
    inotify: Option<Inotify>,
    files: Vec<Watched>,
    /// When to look at the files, and when at the latest: after an event.
    look: Option<(Instant, Instant)>,
    /// Signals that are still to be sent, and until when.
    unsent: Vec<(Signal, Instant)>,
    retry: Option<Instant>,
    warned: bool,
}

struct Watched {
    path: &'static str,
    signal: Signal,
    /// What stat(2) said when it was last there.
    state: u64,
}

impl Watcher {
    /// Begins to watch. `None`, after a line on stderr, if a path is not there or a limit of inotify(7) is reached.
    pub fn open(wanted: &[config::Watch]) -> Option<Watcher> {
        Watcher::try_open(wanted).inspect_err(|problem| error!("{problem}")).ok()
    }

    fn try_open(wanted: &[config::Watch]) -> Result<Watcher, String> {
        let mut files = Vec::new();
        for config::Watch { path, signal } in wanted {
            let state = state(path).map_err(|errno| format!("cannot watch {path}: {}", describe(errno)))?;
            files.push(Watched { path, signal: *signal, state });
        }
        let inotify = watch(&files)?;
        let (look, unsent) = (None, Vec::new());
        let mut watcher = Watcher { inotify: Some(inotify), files, look, unsent, retry: None, warned: false };
        // What has changed before the watches were there.
        watcher.compare();
        Ok(watcher)
    }

    /// The descriptor that is readable after an event; `None` while the files are to be looked at anyway.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().filter(|_| self.look.is_none()).map(AsFd::as_fd)
    }

    /// Its number, for [`crate::settle`].
    pub fn raw_fd(&self) -> Option<RawFd> {
        self.inotify.as_ref().map(|inotify| inotify.as_fd().as_raw_fd())
    }

    /// Notes that the descriptor is readable.
    pub fn notice(&mut self) {
        let now = Instant::now();
        self.look.get_or_insert((now + BURST, now + LONGEST));
    }

    /// When [`Watcher::act`] is to be called, or `other` if that is earlier.
    pub fn due(&self, other: Option<Instant>) -> Option<Instant> {
        let look = self.look.map(|(at, _)| at);
        earlier(earlier(look, self.retry), other)
    }

    /// Does what is due, and sends a signal for each change by `send`, which returns whether the signal has been sent, or
    /// never will be.
    pub fn act(&mut self, send: &mut dyn FnMut(Signal) -> bool) {
        let now = Instant::now();
        if let Some((_, latest)) = self.look.filter(|(at, _)| *at <= now) {
            if self.has_events() && now < latest {
                self.look = Some((latest.min(now + QUIET), latest));
            } else {
                self.look = None;
                self.renew();
                self.compare();
            }
        }
        self.unsent.retain(|(signal, until)| {
            let done = send(*signal);
            if !done && *until <= now {
                warn!("{signal} for a changed file is not sent: the main process does not handle it");
            }
            !done && *until > now
        });
        self.retry = if self.unsent.is_empty() { None } else { Some(now + PAUSE) };
    }

    /// Whether there are events; these are read. More than the kernel keeps count as well (IN_Q_OVERFLOW).
    fn has_events(&self) -> bool {
        let mut events = [0; 4096];
        let mut any = false;
        while let Some(inotify) = &self.inotify
            && read(inotify, &mut events).is_ok_and(|length| length > 0)
        {
            any = true;
        }
        any
    }

    /// Watches what the paths name now. With an instance of its own: what the old one watched may be somewhere else.
    fn renew(&mut self) {
        // First, since their number is limited.
        self.inotify = None;
        match watch(&self.files) {
            Ok(inotify) => {
                self.inotify = Some(inotify);
                self.warned = false;
            }
            Err(problem) => {
                if !self.warned {
                    warn!("{problem}; trying again each second");
                }
                self.warned = true;
                let now = Instant::now();
                self.look = Some((now + Duration::from_secs(1), now));
            }
        }
    }

    /// Notes a signal for each file that has changed. One that is not there is waited for.
    fn compare(&mut self) {
        let until = Instant::now() + PATIENCE;
        for file in &mut self.files {
            match state(file.path) {
                Ok(now) if now != file.state => {
                    info!("{} has changed: {}", file.path, file.signal);
                    file.state = now;
                    self.unsent.retain(|(signal, _)| *signal != file.signal);
                    self.unsent.push((file.signal, until));
                    self.retry = Some(Instant::now());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// IN_MASK_ADD, which nix lacks: two paths may need the same directory.
const MASK_ADD: AddWatchFlags = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);

/// A change of names in a directory.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(MASK_ADD);

/// And of what is in it.
const CONTENT: AddWatchFlags = NAMES.union(AddWatchFlags::IN_MODIFY).union(AddWatchFlags::IN_ATTRIB);

/// Makes an instance that watches `files`.
fn watch(files: &[Watched]) -> Result<Inotify, String> {
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    let inotify = Inotify::init(flags).map_err(|errno| {
        format!("cannot watch files: {} (fs.inotify.max_user_instances, RLIMIT_NOFILE)", describe(errno))
    })?;
    for file in files {
        watch_path(&inotify, file.path).and_then(|()| watch_links(&inotify, file.path)).map_err(|errno| {
            format!("cannot watch {}: {} (fs.inotify.max_user_watches)", file.path, describe(errno))
        })?;
    }
    Ok(inotify)
}

/// Watches what `path` names, the directory that holds it, and each one that holds a link on the way there: the name may be
/// replaced. Where a name is not there, the directory that it would be in.
fn watch_path(inotify: &Inotify, path: &str) -> Result<(), Errno> {
    let mut left = path.to_owned();
    let mut place = String::new();
    let mut links = 0;
    while !left.is_empty() {
        let (name, behind) = left.split_once('/').unwrap_or((&left, ""));
        match name {
            "" | "." => left = behind.to_owned(),
            ".." => {
                place.truncate(place.rfind('/').unwrap_or(0));
                left = behind.to_owned();
            }
            name => {
                let here = format!("{place}/{name}");
                let target = link(&here);
                if !matches!(target, Err(Errno::EINVAL)) {
                    add(inotify, &place, NAMES)?;
                }
                match target {
                    Ok(target) if links < LINKS => {
                        links += 1;
                        if target.starts_with('/') {
                            place.clear();
                        }
                        left = format!("{target}/{behind}");
                    }
                    // No link.
                    Err(Errno::EINVAL) => {
                        left = behind.to_owned();
                        if left.is_empty() {
                            add(inotify, &place, CONTENT)?;
                        }
                        place = here;
                    }
                    _ => return Ok(()),
                }
            }
        }
    }
    add(inotify, &place, CONTENT)
}

/// Watches what the links in the directory `path` name. (Of its other entries the directory itself reports changes.)
fn watch_links(inotify: &Inotify, path: &str) -> Result<(), Errno> {
    let mut done = Ok(());
    let _ = files::entries(path, &mut |_, name| {
        let entry = format!("{path}/{}", name.to_string_lossy());
        if done.is_ok() && link(&entry).is_ok() {
            done = watch_path(inotify, &entry);
        }
    });
    done
}

/// Adds a watch, by inotify_add_watch(2); an empty path is the root directory. What is not there, or may not be read, is left out: its directory reports most
/// of its changes.
fn add(inotify: &Inotify, path: &str, mask: AddWatchFlags) -> Result<(), Errno> {
    let path = if path.is_empty() { "/" } else { path };
    match inotify.add_watch(path, mask) {
        Err(errno @ (Errno::ENOSPC | Errno::ENOMEM)) => Err(errno),
        _ => Ok(()),
    }
}

/// Where the link `path` points to.
///
/// # Errors
/// EINVAL if it is no link; what readlink(2) says else.
fn link(path: &str) -> Result<String, Errno> {
    let mut target = [0; libc::PATH_MAX as usize];
    let path = CString::new(path).or(Err(Errno::ENOENT))?;
    let target = str::from_utf8(read_link(&path, &mut target)?);
    target.map(str::to_owned).or(Err(Errno::ENOENT))
}

/// What stat(2) says of a file, links followed, as a number; and of a directory's entries.
///
/// # Errors
/// What stat(2) says.
fn state(path: &str) -> Result<u64, Errno> {
    let file = stat(path)?;
    if SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
        return Ok(number(&[], &file, true));
    }
    // Not when the directory was changed: of a file that was made and deleted nothing is left.
    let mut all = number(&[], &file, false);
    let read = files::entries(path, &mut |directory, name| {
        // In any order; an entry that is a link to nothing counts by its name.
        let of_entry = match fstatat(directory, name, AtFlags::empty()) {
            Ok(entry) => number(name.to_bytes(), &entry, true),
            Err(_) => mix(0, name.to_bytes()),
        };
        all = all.wrapping_add(of_entry);
    });
    Ok(if read.is_ok() { all } else { number(&[], &file, true) })
}

/// A number for the file `name`, by its device and inode; and by its size and mtime if its `content` counts.
fn number(name: &[u8], file: &FileStat, content: bool) -> u64 {
    // The bytes as they are: the width of these fields depends on the machine.
    let all = mix(mix(mix(0, name), &file.st_dev.to_ne_bytes()), &file.st_ino.to_ne_bytes());
    if !content {
        return all;
    }
    let all = mix(mix(all, &file.st_size.to_ne_bytes()), &file.st_mtime.to_ne_bytes());
    mix(all, &file.st_mtime_nsec.to_ne_bytes())
}

/// FNV-1a, 64 bits.
fn mix(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
