//! The terminal, if there is one: whose foreground it is.

use crate::sys::process::{Pid, foreground_group, own_group, set_foreground_group};

/// Our controlling terminal, by the number of a descriptor of it.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    fd: i32,
}

impl Terminal {
    /// The terminal behind stdin, stdout or stderr, if our process group is in its foreground. A
    /// job in the background has none to hand on, and must not take it from its shell.
    pub fn in_foreground() -> Option<Terminal> {
        let own = own_group();
        (0..=2).map(|fd| Terminal { fd }).find(|it| foreground_group(it.fd) == Ok(own))
    }

    /// Its descriptor.
    pub fn fd(self) -> i32 {
        self.fd
    }

    /// Takes the foreground back from the workload's group, for whoever started us.
    pub fn take_back_from(self, main: Pid) {
        if foreground_group(self.fd) == Ok(main.get()) {
            // Group 0 lies outside our PID namespace and cannot be named: EINVAL or ESRCH then.
            let _ = set_foreground_group(self.fd, own_group());
        }
    }
}
