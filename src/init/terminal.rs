//! The controlling terminal, if there is one, and which process group is in its foreground.

use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::session::{foreground_group, give_up_terminal, own_group, set_foreground_group};
use crate::sys::signal::discard_pending;

/// The controlling terminal, by the number of a descriptor of it.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    fd: i32,
}

impl Terminal {
    /// The terminal behind stdin, stdout or stderr.
    pub fn find() -> Option<Terminal> {
        (0..=2).find(|fd| foreground_group(*fd).is_ok()).map(|fd| Terminal { fd })
    }

    /// Its descriptor.
    pub fn fd(self) -> i32 {
        self.fd
    }

    /// Whether init's process group is in the foreground. A job in the background must not take the foreground from its
    /// shell.
    pub fn is_inits(self) -> bool {
        foreground_group(self.fd) == Ok(own_group())
    }

    /// Puts the workload's group in the foreground, if init's is there.
    pub fn hand_to(self, main: Pid) {
        if self.is_inits() {
            // It fails where the group has no members left, or the terminal has been closed; then it does not matter.
            let _ = set_foreground_group(self.fd, main.get());
        }
    }

    /// Takes the foreground back from the workload's group, for the process that started init.
    pub fn take_back_from(self, main: Pid) {
        if foreground_group(self.fd) == Ok(main.get()) {
            self.take_back();
        }
    }

    /// Takes the foreground back, where a workload that did not start may have taken it: its group is dead, and
    /// whichever process reads from the terminal would get EIO.
    pub fn take_back(self) {
        // Group 0 is outside the PID namespace and cannot be named: EINVAL or ESRCH then.
        let _ = set_foreground_group(self.fd, own_group());
    }
}

/// Gives up the terminal on stdin, so that the workload can have it in a session of its own.
pub fn give_up() {
    if give_up_terminal() {
        // The kernel sent these for the terminal that init gave up: they are not for the workload (dumb-init #136).
        discard_pending(Signal::HUP);
        discard_pending(Signal::CONT);
    }
}
