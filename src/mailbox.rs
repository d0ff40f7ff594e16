//! The mailbox that every signal arrives in, and the wait for what may come before one.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::received::Received;
use crate::sys::fd::STDERR;
use crate::sys::pidfd::PidFd;
use crate::sys::process::Pid;
use crate::sys::signal::SignalSet;

/// What a [`Mailbox`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A signal has arrived.
    Signal(Received),
    /// The process that is no child of ours has ended.
    StrangerEnded,
    /// The time is up.
    Deadline,
}

/// The signalfd that every signal arrives in. All of them must be blocked.
pub struct Mailbox {
    fd: SignalFd,
    own: Pid,
}

impl Mailbox {
    /// Opens it. What was sent since the signals were blocked is in it.
    ///
    /// # Errors
    /// What signalfd(2) says: EMFILE, ENFILE, ENOMEM.
    pub fn open(own: Pid) -> Result<Mailbox, Errno> {
        let fd = SignalFd::with_flags(&SignalSet::ALL.to_nix(), SfdFlags::SFD_CLOEXEC)?;
        if fd.as_fd().as_raw_fd() <= STDERR {
            // We were started with it closed. Left there, it would be taken for a standard stream;
            // so take the next free number while this one is in use, and let this one go.
            return Mailbox::open(own);
        }
        Ok(Mailbox { fd, own })
    }

    /// Waits for whatever comes first: a signal, the end of `stranger`, or the deadline. With neither
    /// of these it is one blocking read.
    pub fn next(&self, deadline: Option<Instant>, stranger: Option<&PidFd>) -> Event {
        loop {
            if let Some(event) = self.wait(deadline, stranger) {
                return event;
            }
            // A stop and a continuation may end the read with EINTR (signal(7)); nothing else can, since
            // there are no handlers.
            let Ok(Some(info)) = self.fd.read_signal() else { continue };
            match Received::new(info) {
                Some(received) if !received.is_own(self.own) => return Event::Signal(received),
                _ => {}
            }
        }
    }

    /// Waits until there is a signal to be read, and returns what came before it, if anything did.
    fn wait(&self, deadline: Option<Instant>, stranger: Option<&PidFd>) -> Option<Event> {
        if deadline.is_none() && stranger.is_none() {
            return None;
        }
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [readable(self.fd.as_fd()), readable(stranger.map_or(self.fd.as_fd(), PidFd::as_fd))];
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match poll(&mut fds, left.map_or(PollTimeout::NONE, timeout)) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Some(Event::Deadline),
                Ok(0) | Err(_) => {}
                Ok(_) if fds[0].any() == Some(true) => return None,
                Ok(_) => return Some(Event::StrangerEnded),
            }
        }
    }
}

/// `left` in poll's milliseconds, and rather one too many than a poll too early.
fn timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
}
