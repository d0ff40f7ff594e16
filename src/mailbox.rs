//! The mailbox: the signalfd that every signal arrives in, and the wait for a signal, another descriptor or a deadline.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};

use crate::received::Received;
use crate::signal::{Signal, SignalSet};
use crate::sys::describe;
use crate::sys::fd::STDERR;
use crate::sys::process::Pid;
use crate::sys::signal::{receive, to_nix};

/// What a [`Mailbox`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A signal has arrived.
    Signal(Received),
    /// The other descriptor is ready: a process has exited, or a file may have changed.
    Ready,
    /// The deadline has passed.
    Deadline,
}

/// Another descriptor that a [`Mailbox`] waits for, and what it is to report.
#[derive(Clone, Copy)]
pub struct Other<'a>(BorrowedFd<'a>, PollFlags);

impl<'a> Other<'a> {
    /// `fd`, until it is readable.
    pub fn readable(fd: BorrowedFd<'a>) -> Other<'a> {
        Other(fd, PollFlags::POLLIN)
    }

    /// `fd`, until it has hung up, as a pidfd has when the process has been reaped.
    pub fn hung_up(fd: BorrowedFd<'a>) -> Other<'a> {
        Other(fd, PollFlags::empty())
    }

    fn to_poll(self) -> PollFd<'a> {
        PollFd::new(self.0, self.1)
    }
}

/// How soon to look again where no event says that a process has exited.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When to look again for processes of which no event says that they have exited: /proc hides them, or there are no pidfds
/// (before Linux 5.3). The time doubles with each look.
pub struct Looks {
    pause: Duration,
    at: Option<Instant>,
}

impl Looks {
    /// Before the first look.
    pub const NONE: Looks = Looks { pause: FIRST_PAUSE, at: None };

    /// Whether the time of a look has come.
    pub fn is_due(&self) -> bool {
        has_passed(self.at)
    }

    /// The same, or whether there has been no look.
    pub fn is_due_or_first(&self) -> bool {
        self.at.is_none() || self.is_due()
    }

    /// The time of the next look.
    pub fn next(&mut self) -> Instant {
        if let Some(at) = self.at.filter(|_| !self.is_due()) {
            return at;
        }
        let at = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        self.at = Some(at);
        at
    }
}

/// Whether there is a deadline, and it has passed.
pub fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// The earlier one of two deadlines.
pub fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

/// After how many reads a signal with a higher number gets its turn; SIGCHLD gets one of its own halfway.
const READS_A_TURN: u32 = 64;

/// How long to wait at a time where poll(2) or read(2) fails.
const MOMENT: Duration = Duration::from_millis(100);

/// The signalfd that every signal arrives in. All of them must be blocked.
pub struct Mailbox {
    fd: SignalFd,
    own: Pid,
    /// Whether a read of `fd` waits.
    blocks: Cell<bool>,
    reads: Cell<u32>,
    /// The standard signals that have not had their turn.
    turn: Cell<SignalSet>,
}

impl Mailbox {
    /// Opens it. What was sent since the signals were blocked is in it. `None`, after a line on stderr, if that fails; so
    /// it is opened before the workload is started, which does not inherit it.
    pub fn open(own: Pid) -> Option<Mailbox> {
        let opened = Mailbox::try_open(own);
        opened
            .inspect_err(|errno| {
                error!(
                    "cannot receive signals: signalfd: {} (are RLIMIT_NOFILE or the memory limit too low?)",
                    describe(*errno)
                );
            })
            .ok()
    }

    fn try_open(own: Pid) -> Result<Mailbox, Errno> {
        let fd = SignalFd::with_flags(&to_nix(SignalSet::ALL), SfdFlags::SFD_CLOEXEC)?;
        if fd.as_fd().as_raw_fd() <= STDERR {
            // Init was started with a standard descriptor closed. There the signalfd would be taken for a standard
            // stream; so the next free number is taken while this one is in use, and then this one is closed.
            return Mailbox::try_open(own);
        }
        let turn = Cell::new(SignalSet::STANDARD);
        Ok(Mailbox { fd, own, blocks: Cell::new(true), reads: Cell::new(0), turn })
    }

    /// Waits for what comes first: a signal, that `other` is ready, or the deadline. With neither of the last two it is one
    /// blocking read.
    pub fn next(&self, deadline: Option<Instant>, other: Option<Other>) -> Event {
        loop {
            // Before a signal is read: a flood of signals must not postpone it.
            if has_passed(deadline) {
                return Event::Deadline;
            }
            let came = match self.wait(deadline, other) {
                Ok(came) => came,
                Err(_) => self.wait_without_descriptor(deadline, other),
            };
            if let Some(event) = came {
                return event;
            }
        }
    }

    /// A signal of `set` that is pending already.
    pub fn take(&self, set: SignalSet) -> Option<Received> {
        loop {
            let info = receive(set, Duration::ZERO).ok()??;
            if let Some(received) = self.received(info) {
                return Some(received);
            }
        }
    }

    /// Waits once, and returns what came, if anything did.
    ///
    /// # Errors
    /// What poll(2), read(2) and fcntl(2) say: EINVAL if RLIMIT_NOFILE was lowered to fewer descriptors than there are
    /// to wait for; ENOMEM; EINTR after a stop and a continuation (signal(7)).
    fn wait(&self, deadline: Option<Instant>, other: Option<Other>) -> Result<Option<Event>, Errno> {
        let taken = self.take_out_of_turn();
        if taken.is_some() {
            return Ok(taken.map(Event::Signal));
        }
        // After poll a read must not wait: a SIGCONT and a SIGSTOP sent in between take each other away.
        self.set_blocking(deadline.is_none() && other.is_none())?;
        if !self.blocks.get() {
            let signals = Other::readable(self.fd.as_fd());
            let mut fds = [signals.to_poll(), other.unwrap_or(signals).to_poll()];
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Not one more than needed: poll fails where there are more than descriptors allowed.
            let fds = &mut fds[..1 + usize::from(other.is_some())];
            poll(fds, left.map_or(PollTimeout::NONE, timeout))?;
            // First: a flood of signals must not postpone it.
            if fds.get(1).is_some_and(|fd| fd.any() == Some(true)) {
                return Ok(Some(Event::Ready));
            }
            if fds[0].any() != Some(true) {
                return Ok(None);
            }
        }
        Ok(self.fd.read_signal()?.and_then(|info| self.received(info)).map(Event::Signal))
    }

    /// The kernel hands out the lowest number first (signal(7)), so a flood of one signal would hold back those above it,
    /// SIGCHLD among them, for as long as it lasts. So every so many reads the standard signals take turns.
    fn take_out_of_turn(&self) -> Option<Received> {
        let reads = (self.reads.get() + 1) % READS_A_TURN;
        self.reads.set(reads);
        if reads == READS_A_TURN / 2 {
            return self.take(SignalSet::of(Signal::CHLD));
        }
        if reads > 0 {
            return None;
        }
        let taken = self.take(self.turn.get());
        self.turn.set(match taken {
            Some(received) => self.turn.get().without(received.signal),
            None => SignalSet::STANDARD,
        });
        taken
    }

    fn set_blocking(&self, blocks: bool) -> Result<(), Errno> {
        if self.blocks.get() != blocks {
            let flags = if blocks { OFlag::empty() } else { OFlag::O_NONBLOCK };
            fcntl(&self.fd, FcntlArg::F_SETFL(flags))?;
            self.blocks.set(blocks);
        }
        Ok(())
    }

    /// Waits in another way, for 100 ms at the most, where the usual one has failed.
    fn wait_without_descriptor(&self, deadline: Option<Instant>, other: Option<Other>) -> Option<Event> {
        let left = deadline.map_or(MOMENT, |deadline| deadline.saturating_duration_since(Instant::now()));
        let moment = left.min(MOMENT);
        match receive(SignalSet::ALL, moment) {
            Ok(Some(info)) => self.received(info).map(Event::Signal),
            // The other descriptor cannot be waited for, so the caller has to look.
            Ok(None) => other.map(|_| Event::Ready),
            Err(_) => {
                sleep(moment);
                None
            }
        }
    }

    fn received(&self, info: siginfo) -> Option<Received> {
        Received::new(info).filter(|received| !received.is_own(self.own))
    }
}

impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Rounds `left` up to poll(2)'s milliseconds, so that poll does not end too early.
fn timeout(left: Duration) -> PollTimeout {
    let rounded_up = left.saturating_add(Duration::from_nanos(999_999));
    let milliseconds = rounded_up.as_secs().saturating_mul(1_000) + u64::from(rounded_up.subsec_millis());
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}
