//! The life of an init: start the workload, pass signals on, reap, and leave as the workload did.

mod ancestors;
mod forward;
mod remaining;
mod stop;
pub mod terminal;
pub mod workload;

use std::time::{Duration, Instant};

use log::{error, info, warn};
use nix::sched::sched_yield;

use crate::config::{AtExit, Config, Subreaper, Target};
use crate::mailbox::{Event, Mailbox};
use crate::reap::reap;
use crate::settle::settle;
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::entry::Start;
use crate::sys::process::{
    Change, End, Pid, become_subreaper, leave_no_core, own_pid, parent_pid, signal_on_parent_death,
};
use crate::sys::session::Session;
use crate::sys::signal::{Disposition, act_by_default, kill_group, kill_process, set_disposition};
use forward::Forwarder;
use remaining::Remaining;
use stop::{PATIENCE, Stop, kill};
use terminal::{Terminal, follow_stop};
use workload::spawn;

/// How long after the last time a main process that reads or writes in the background is continued again.
const RESUME_AGAIN: Duration = Duration::from_secs(1);

/// Runs the workload that begins at argument `program`, and returns our exit status.
pub fn run(start: &Start, config: &Config, program: usize) -> u8 {
    let own = own_pid();
    if own.get() != 1 {
        adopt_orphans(config.subreaper);
    }
    if let Some(signal) = config.parent_death {
        follow_parent(signal, own);
    }
    // Inherited as ignored, it would have the kernel reap the workload, and its status be lost.
    let child_disposition = set_disposition(Signal::CHLD, Disposition::Default);
    if config.session == Session::Own {
        terminal::give_up();
    }
    let Some(mailbox) = Mailbox::open(own) else { return config.failures.own };
    let terminal = if config.session == Session::OwnGroup { Terminal::find() } else { None };
    let foreground = terminal.filter(|terminal| terminal.is_ours());
    let main = match spawn(start, config, program, foreground, child_disposition) {
        Ok(main) => main,
        Err(error) => {
            if let Some(terminal) = foreground {
                terminal.take_back();
            }
            error!("{error}");
            return error.status(config.failures);
        }
    };
    let end = attend(config, own, main, mailbox, terminal);
    if let Some(terminal) = terminal
        && own.get() != 1
    {
        terminal.take_back_from(main);
    }
    if let Some(signal) = config.death(end) {
        leave_no_core();
        act_by_default(signal);
    }
    config.exit_status(end)
}

/// Attends to the workload whose main process has just been started, and returns how that exited.
pub fn attend(config: &Config, own: Pid, main: Pid, mailbox: Mailbox, terminal: Option<Terminal>) -> End {
    info!("started the workload as {main}");
    let on_terminal = terminal.is_some();
    let terminal = terminal.filter(|_| own.get() != 1);
    settle(&mailbox, terminal.map(Terminal::fd));
    let remaining = Remaining::new(own);
    let stops = Stops { on_terminal, forwarded: false, resumed: None };
    Init { config, own, main, terminal, mailbox, remaining, main_is_stopped: false, was_asked: false, stops }
        .live()
}

/// An init whose workload runs.
struct Init<'a> {
    config: &'a Config,
    own: Pid,
    main: Pid,
    /// Kept for job control, so not by PID 1, who cannot be stopped.
    terminal: Option<Terminal>,
    mailbox: Mailbox,
    remaining: Remaining,
    main_is_stopped: bool,
    /// Whether a SIGTERM has been forwarded; or, where that is dropped, another signal that asks to stop.
    was_asked: bool,
    stops: Stops,
}

/// What is to be known of a stop of the main process, where init cannot be stopped with it.
struct Stops {
    /// Whether a terminal can have caused it.
    on_terminal: bool,
    /// Whether init has forwarded a stop signal: then the stop is wanted.
    forwarded: bool,
    /// When the main process was last continued.
    resumed: Option<Instant>,
}

impl Init<'_> {
    /// Forwards and reaps for as long as the main process lives, has the rest stop, and returns how the
    /// main process ended.
    fn live(mut self) -> End {
        let mut forwarder = Forwarder::new(self.config, self.main);
        let mut kill_at = None;
        let mut killed = false;
        // A child that had ended before init was executed raises no signal any more.
        let mut has_changes = true;
        loop {
            // After a kill the SIGCHLD may have to wait for its turn in a flood of other signals.
            if (has_changes || killed)
                && let Some(end) = self.reap()
            {
                self.leave(if killed { Some(Instant::now()) } else { kill_at });
                return end;
            }
            has_changes = false;
            match self.mailbox.next(kill_at, None) {
                Event::Signal(received) if received.signal == Signal::CHLD => {
                    if received.sender != Some(self.main) {
                        // An orphan, which is in no hurry. Who else is to run on our processor may be about to
                        // end as well, and several at once cost a third of what they do one by one. (If there is
                        // nobody else, this is nothing.)
                        let _ = sched_yield();
                    }
                    has_changes = true;
                }
                Event::Signal(received) => {
                    if received.signal == Signal::CONT {
                        self.main_is_stopped = false;
                        // A shell's `fg` gave the terminal to our group.
                        self.terminal.inspect(|terminal| terminal.hand_to(self.main));
                    }
                    let sent = forwarder.forward(received, &mut self.remaining);
                    self.stops.forwarded |= sent.is_some_and(is_tty_stop);
                    self.was_asked |= match self.config.rewritten(Signal::TERM) {
                        None => sent.is_some_and(asks_to_stop),
                        terminates => sent == terminates,
                    };
                    if sent.is_some() && asks_to_stop(received.signal) && kill_at.is_none() && !killed {
                        kill_at = self.config.kill_after.and_then(|after| Instant::now().checked_add(after));
                    }
                    if is_tty_stop(received.signal) {
                        self.stop_with_terminal(received.signal);
                    }
                }
                Event::Deadline | Event::NonChildExited if killed => {
                    warn!(
                        "cannot kill the main process (another user's, and no CAP_KILL?): exiting, so that the \
                         kernel kills it with the PID namespace"
                    );
                    return End::Killed(Signal::KILL);
                }
                Event::Deadline | Event::NonChildExited => {
                    self.kill();
                    // The kernel kills all of PID 1's namespace when that exits, whatever PID 1 itself may signal.
                    kill_at = (self.own.get() == 1).then(|| Instant::now() + PATIENCE);
                    killed = true;
                }
            }
        }
    }

    /// Kills the main process and the remaining ones.
    fn kill(&self) {
        kill(&self.remaining);
        // These are known where /proc cannot be read, too: the main process has not been reaped.
        let _ = kill_process(self.main, Signal::KILL);
        if self.config.target != Target::Child {
            let _ = kill_group(self.main, Signal::KILL);
        }
    }

    /// Reaps, and returns how the main process ended if it has.
    fn reap(&mut self) -> Option<End> {
        match reap(Some(self.main), self.config.warn_reaped)? {
            Change::Ended(_, end) => {
                info!("the workload has ended: {end}");
                Some(end)
            }
            Change::Stopped(_, signal) => {
                self.main_is_stopped = true;
                self.follow_stop(signal);
                None
            }
        }
    }

    /// Stops init because the main process has been stopped, if that is how the shell comes back. Where init cannot be
    /// stopped, no shell would continue the main process.
    fn follow_stop(&mut self, signal: Signal) {
        let is_pid_1 = self.own.get() == 1;
        if self.config.suspends && !is_pid_1 {
            return;
        }
        if is_pid_1 || !follow_stop(self.terminal, self.main, signal) {
            self.resume(signal);
        }
    }

    /// Continues the main process, which a key of the terminal has stopped (^Z) for good. In the place of init it
    /// would not have been stopped: the kernel spares PID 1 and orphaned process groups.
    fn resume(&mut self, signal: Signal) {
        let wanted = std::mem::take(&mut self.stops.forwarded);
        // If it reads in the background it is stopped again at once; it is not continued over and over.
        let again =
            signal != Signal::TSTP && self.stops.resumed.is_some_and(|at| at.elapsed() < RESUME_AGAIN);
        if self.stops.on_terminal && is_tty_stop(signal) && !wanted && !again {
            self.stops.resumed = Some(Instant::now());
            self.main_is_stopped = false;
            let _ = kill_group(self.main, Signal::CONT);
        }
    }

    /// What comes of a terminal's stop signal that was sent to us.
    fn stop_with_terminal(&mut self, signal: Signal) {
        if self.config.suspends {
            let _ = kill_process(self.own, Signal::STOP);
        } else if self.main_is_stopped {
            // A ^Z right after an `fg`, before the terminal was handed on: it took back the SIGCONT, so the
            // main process has not gone on, and no further change of its will tell us to stop.
            self.follow_stop(signal);
        }
    }

    /// Sees to the rest, now that the main process is gone.
    fn leave(&mut self, kill_at: Option<Instant>) {
        match (self.config.at_exit, self.config.rewritten(Signal::TERM)) {
            (AtExit::Ask(grace), _) => {
                let &mut Init { config, main, ref mailbox, ref mut remaining, was_asked, .. } = self;
                Stop { config, main, mailbox, remaining, was_asked }.run(grace, kill_at);
            }
            (AtExit::TermGroup, Some(signal)) if self.config.target != Target::Child => {
                let _ = kill_group(self.main, signal);
            }
            (AtExit::TermGroup, _) => {}
        }
    }
}

/// Adopts the orphans among our descendants, or warns that nobody asked for that.
fn adopt_orphans(subreaper: Subreaper) {
    match subreaper {
        Subreaper::Always => {
            if let Err(errno) = become_subreaper() {
                warn!("cannot become a subreaper, so orphans are left to somebody else: {}", describe(errno));
            }
        }
        // People grep for these words of tini's.
        Subreaper::OnRequest => warn!(
            "not PID 1 and isn't registered as a child subreaper, so zombie reaping won't work: \
             give -s, or set TINI_SUBREAPER"
        ),
    }
}

/// Whether `signal` is one by which a terminal stops a job.
fn is_tty_stop(signal: Signal) -> bool {
    matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU)
}

/// Whether `signal` is how people and engines ask a program to stop.
fn asks_to_stop(signal: Signal) -> bool {
    matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT)
}

/// Has `signal` sent to us when our parent dies. If that was a moment ago, we send it ourselves.
fn follow_parent(signal: Signal, own: Pid) {
    let parent = parent_pid();
    if let Err(errno) = signal_on_parent_death(signal) {
        warn!("cannot ask for {signal} at our parent's death: {}", describe(errno));
    }
    if parent_pid() != parent {
        let _ = kill_process(own, signal);
    }
}
