//! The life of an init: start the workload, pass signals on, reap, and leave as the workload did.

use std::time::Instant;

use log::{error, info, warn};

use crate::EXIT_OWN_FAILURE;
use crate::config::Config;
use crate::forward::Forwarder;
use crate::reap::reap;
use crate::rest::Rest;
use crate::settle::settle;
use crate::signals::{Event, Mailbox, Signal};
use crate::spawn::spawn;
use crate::stop::{kill, stop};
use crate::sys::entry::Start;
use crate::sys::process::{
    Change, End, Pid, become_subreaper, leave_no_core, own_pid, parent_pid, signal_on_parent_death,
};
use crate::sys::signal::{Disposition, act_by_default, kill_process, set_disposition};
use crate::terminal::{Terminal, follow_stop};

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
    let terminal = Terminal::find();
    let main = match spawn(start, program, terminal.filter(|it| it.is_ours()), child_disposition) {
        Ok(main) => main,
        Err(error) => {
            error!("{error}");
            return error.status();
        }
    };
    info!("started the workload as {main}");
    let terminal = terminal.filter(|_| own.get() != 1);
    let mailbox = match settle(own, terminal) {
        Ok(mailbox) => mailbox,
        Err(errno) => {
            error!("signalfd: {}", errno.desc());
            let _ = kill_process(main, Signal::TERM);
            return EXIT_OWN_FAILURE;
        }
    };
    let end = Init { config, own, main, terminal, mailbox, rest: Rest::new(own) }.live();
    if let Some(terminal) = terminal {
        terminal.take_back_from(main);
    }
    if let Some(signal) = config.death(end) {
        leave_no_core();
        act_by_default(signal);
    }
    config.exit_status(end)
}

/// An init whose workload runs.
struct Init<'a> {
    config: &'a Config,
    own: Pid,
    main: Pid,
    /// Kept for job control, so not by PID 1, who cannot be stopped.
    terminal: Option<Terminal>,
    mailbox: Mailbox,
    rest: Rest,
}

impl Init<'_> {
    /// Forwards and reaps for as long as the main process lives, has the rest stop, and returns how the
    /// main process ended.
    fn live(mut self) -> End {
        let mut forwarder = Forwarder::new(self.config, self.main);
        let mut kill_at = None;
        let mut killed = false;
        loop {
            match self.mailbox.next(kill_at, None) {
                Event::Signal(received) if received.signal == Signal::CHLD => {
                    match reap(Some(self.main), self.config.warn_reaped) {
                        Some(Change::Ended(_, end)) => {
                            info!("the workload has ended: {end:?}");
                            let kill_at = if killed { Some(Instant::now()) } else { kill_at };
                            stop(self.config, &self.mailbox, &mut self.rest, kill_at);
                            return end;
                        }
                        Some(Change::Stopped(_, signal)) if self.own.get() != 1 => {
                            follow_stop(self.terminal, signal);
                        }
                        Some(Change::Stopped(..)) | None => {}
                    }
                }
                Event::Signal(received) => {
                    if let (Signal::CONT, Some(terminal)) = (received.signal, self.terminal) {
                        // A shell's `fg` gave the terminal to our group.
                        terminal.hand_to(self.main);
                    }
                    let sent = forwarder.forward(received, &mut self.rest);
                    if sent.is_some() && asks_to_stop(received.signal) && kill_at.is_none() && !killed {
                        kill_at = self.config.kill_after.and_then(|after| Instant::now().checked_add(after));
                    }
                }
                Event::Deadline | Event::StrangerEnded => {
                    kill(&self.rest);
                    kill_at = None;
                    killed = true;
                }
            }
        }
    }
}

/// Whether `signal` is how people and engines ask a program to stop.
fn asks_to_stop(signal: Signal) -> bool {
    matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT)
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
