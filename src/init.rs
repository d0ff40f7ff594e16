//! The life of an init: start the workload, pass signals on, reap, and leave as the workload did.

use std::os::fd::RawFd;

use log::{error, info, warn};
use nix::errno::Errno;
use nix::unistd::chdir;

use crate::EXIT_OWN_FAILURE;
use crate::config::Config;
use crate::forward::Forwarder;
use crate::reap::reap;
use crate::signals::{Mailbox, Signal};
use crate::spawn::spawn;
use crate::sys::entry::Start;
use crate::sys::fd::{STDERR, close_between};
use crate::sys::process::{Change, End, Pid, become_subreaper, own_pid, parent_pid, signal_on_parent_death};
use crate::sys::signal::{Disposition, kill_process, set_disposition};
use crate::terminal::Terminal;

/// Runs the workload that begins at argument `program`, and returns our exit status.
pub fn run(start: &Start, config: &Config, program: usize) -> u8 {
    let own = own_pid();
    if own.get() != 1
        && let Err(errno) = become_subreaper()
    {
        warn!("cannot become a subreaper, so orphans are left to somebody else: {}", errno.desc());
    }
    if let Some(signal) = config.parent_death {
        follow_parent(signal, own);
    }
    // Inherited as ignored, it would have the kernel reap the workload, and its status be lost.
    let child_disposition = set_disposition(Signal::CHLD, Disposition::Default);
    let terminal = Terminal::in_foreground();
    let main = match spawn(start, program, terminal, child_disposition) {
        Ok(main) => main,
        Err(error) => {
            error!("{error}");
            return error.status();
        }
    };
    info!("started the workload as {main}");
    let mailbox = match settle(own, terminal) {
        Ok(mailbox) => mailbox,
        Err(errno) => {
            error!("signalfd: {}", errno.desc());
            let _ = kill_process(main, Signal::TERM);
            return EXIT_OWN_FAILURE;
        }
    };
    let end = live(config, main, &mailbox);
    if let Some(terminal) = terminal {
        terminal.take_back_from(main);
    }
    config.exit_status(end)
}

/// Keeps nothing of the workload's, so that its files, pipes and mounts are free when it is done
/// with them, and opens the mailbox.
fn settle(own: Pid, terminal: Option<Terminal>) -> Result<Mailbox, Errno> {
    if let Err(errno) = chdir("/") {
        warn!("cannot leave the working directory: {}", errno.desc());
    }
    close_between(STDERR + 1, RawFd::MAX);
    let mailbox = Mailbox::open(own)?;
    for fd in 0..STDERR {
        if terminal.is_none_or(|terminal| terminal.fd() != fd) {
            close_between(fd, fd);
        }
    }
    Ok(mailbox)
}

/// Forwards and reaps for as long as the main process lives.
fn live(config: &Config, main: Pid, mailbox: &Mailbox) -> End {
    let mut forwarder = Forwarder::new(config.target, main);
    loop {
        let received = mailbox.next();
        if received.signal != Signal::CHLD {
            forwarder.forward(received);
            continue;
        }
        let mut ended = None;
        reap(main, config.warn_reaped, |change| {
            if let Change::Ended(_, end) = change {
                ended = Some(end);
            }
        });
        if let Some(end) = ended {
            return end;
        }
    }
}

/// Has `signal` sent to us when our parent dies. If that was a moment ago, we send it ourselves.
fn follow_parent(signal: Signal, own: Pid) {
    let parent = parent_pid();
    if let Err(errno) = signal_on_parent_death(signal) {
        warn!("cannot ask for {signal} at our parent's death: {}", errno.desc());
    }
    if parent_pid() != parent {
        let _ = kill_process(own, signal);
    }
}
