//! `--watch`: says when a file or a directory has changed, by inotify(7) and stat(2). No event, no wake-up.
//!
//! An event says only that something may have changed: what is compared is what stat(2) says. So one rule covers a write
//! in place, an editor's rename, and a Kubernetes ConfigMap, whose `..data` link is replaced by a rename.

mod paths;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::inotify::Inotify;
use nix::unistd::read;

use crate::config;
use crate::mailbox::earlier;
use crate::quoted::Quoted;
use crate::signal::Signal;
use crate::sys::describe;
use paths::{state, watch};

/// A change counts when there has been none for this long.
const QUIET: Duration = Duration::from_millis(200);

/// How long the first event is followed by those of the same change; from then on it has to be quiet.
const BURST: Duration = Duration::from_millis(20);

/// A change counts after this time, also if others follow without a pause.
const LONGEST: Duration = Duration::from_secs(2);

/// How often events are read at one time. (The kernel keeps 16,384: fs.inotify.max_queued_events.)
const READS: u32 = 256;

/// How long a signal waits for a process that does not handle it yet, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

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
    /// Begins to watch, if there is something to be watched.
    ///
    /// # Errors
    /// After a line on stderr, if a path is not there, its changes cannot be seen, or a limit of inotify(7) is reached.
    pub fn open(wanted: &[config::Watch]) -> Result<Option<Watcher>, ()> {
        if wanted.is_empty() {
            return Ok(None);
        }
        Watcher::try_open(wanted).map(Some)
    }

    /// Apart from what runs at every start.
    #[inline(never)]
    fn try_open(wanted: &[config::Watch]) -> Result<Watcher, ()> {
        Watcher::begin(wanted).map_err(|problem| error!("{problem}"))
    }

    fn begin(wanted: &[config::Watch]) -> Result<Watcher, String> {
        let inotify = watch(&mut wanted.iter().map(|watch| watch.path))?;
        let mut files = Vec::new();
        for config::Watch { path, signal } in wanted {
            let cannot = |errno| format!("cannot watch {}: {}", Quoted(path.as_bytes()), describe(errno));
            let state = state(path).map_err(cannot)?;
            files.push(Watched { path, signal: *signal, state });
        }
        let (look, unsent) = (None, Vec::new());
        Ok(Watcher { inotify: Some(inotify), files, look, unsent, retry: None, warned: false })
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
                warn!("{signal} for a changed file is not sent: the main process does not handle it, as far as /proc says");
            }
            !done && *until > now
        });
        self.retry = if self.unsent.is_empty() { None } else { Some(now + PAUSE) };
    }

    /// Whether there are events; these are read. More than the kernel keeps count as well (IN_Q_OVERFLOW). Where they come
    /// as fast as they are read, some are left: signals and deadlines do not wait for them.
    fn has_events(&self) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut events = [0; 4096];
        let reads = (0..READS).take_while(|_| read(inotify, &mut events).is_ok_and(|length| length > 0));
        reads.count() > 0
    }

    /// Watches what the paths name now. With an instance of its own: what the old one watched may be somewhere else.
    fn renew(&mut self) {
        // First, since their number is limited.
        self.inotify = None;
        match watch(&mut self.files.iter().map(|file| file.path)) {
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
                    info!("{} has changed: {}", Quoted(file.path.as_bytes()), file.signal);
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
