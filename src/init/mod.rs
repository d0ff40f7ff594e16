//! Init with a workload: starts it, forwards signals, reaps, and exits as the main process did.

mod ancestors;
mod forward;
mod job_control;
mod main_process;
mod nested;
mod remaining;
mod stop;
mod subreaper;
mod terminal;
mod workload;

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use crate::config::{AtExit, BackgroundStops, Config, Target};
use crate::handling::handles;
use crate::mailbox::{Event, Mailbox, Other, earlier, has_passed};
use crate::reap::{names_orphans, reap};
use crate::received::Received;
use crate::settle::settle;
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::entry::Start;
use crate::sys::fd::STDOUT;
use crate::sys::process::{Change, End, Pid, leave_no_core, own_pid, parent_pid, signal_on_parent_death};
use crate::sys::session::Session;
use crate::sys::signal::{Disposition, act_by_default, kill_process, set_disposition};
use crate::termination_log::TerminationLog;
use crate::watch::Watcher;
use forward::Forwarder;
use job_control::JobControl;
use main_process::MainProcess;
use remaining::Remaining;
use stop::{PATIENCE, Stop, kill};
use subreaper::adopt_orphans;
use terminal::Terminal;
use workload::spawn;

/// Runs the workload that begins at argument `program`, and returns init's exit status.
pub fn run(start: &Start, config: &Config, program: usize) -> u8 {
    let own = own_pid();
    // Before the workload can put another file in its place.
    let mut log = TerminationLog::open(config.termination_log);
    let end = start_and_attend(start, config, program, own, &mut log);
    log.write(end.ok());
    match end {
        Ok(end) => {
            if let Some(signal) = config.death(end) {
                leave_no_core();
                act_by_default(signal);
            }
            config.exit_status(end)
        }
        Err(status) => status,
    }
}

/// Starts the workload and returns how its main process exited; or init's exit status, after a line on stderr, if it could
/// not be started.
fn start_and_attend(
    start: &Start,
    config: &Config,
    program: usize,
    own: Pid,
    log: &mut TerminationLog,
) -> Result<End, u8> {
    if own.get() != 1 {
        adopt_orphans(config.subreaper);
    }
    if let Some(signal) = config.parent_death {
        follow_parent(signal, own);
    }
    // If SIGCHLD were still ignored, the kernel would reap the main process, and its status would be lost.
    let child_disposition = set_disposition(Signal::CHLD, Disposition::Default);
    if config.session == Session::Own {
        terminal::give_up();
    }
    let Some(mailbox) = Mailbox::open(own) else { return Err(config.failures.own) };
    let Ok(watcher) = Watcher::open(&config.watches) else { return Err(config.failures.own) };
    let terminal = if config.session == Session::OwnGroup { Terminal::find() } else { None };
    let foreground = terminal.filter(|terminal| terminal.is_inits());
    let main = match spawn(start, config, program, foreground, child_disposition) {
        Ok(main) => main,
        Err(error) => {
            if let Some(terminal) = foreground {
                terminal.take_back();
            }
            error!("{error}");
            return Err(error.status(config.failures));
        }
    };
    let end = attend(config, own, main, mailbox, terminal, watcher, log);
    if let Some(terminal) = terminal
        && own.get() != 1
    {
        terminal.take_back_from(main);
    }
    Ok(end)
}

/// Runs the loop for a workload whose main process has just been started, and returns how that exited.
fn attend(
    config: &Config,
    own: Pid,
    main: Pid,
    mailbox: Mailbox,
    terminal: Option<Terminal>,
    watcher: Option<Watcher>,
    log: &mut TerminationLog,
) -> End {
    info!("started the workload as {main}");
    let job = JobControl::new(own, main, terminal, config.background_stops == BackgroundStops::Init);
    // In a container cron's jobs, and what is executed there, write to the container's log by /proc/1/fd/1.
    let standard = if own.get() == 1 { Some(STDOUT) } else { job.descriptor() };
    let mut kept = [Some(mailbox.as_fd().as_raw_fd()), standard, log.raw_fd(), None];
    if let Some(watcher) = &watcher {
        kept[3] = watcher.raw_fd();
    }
    settle(&kept);
    let remaining = Remaining::new(own);
    // With a terminal init follows the main process's stops.
    let kernel_may_reap =
        own.get() == 1 && terminal.is_none() && watcher.is_none() && !names_orphans(config.warn_reaped);
    let main = MainProcess::new(main, kernel_may_reap);
    let (term_forwarded, kill_main_at, main_killed) = (false, None, false);
    Init {
        config,
        own,
        main,
        mailbox,
        remaining,
        job,
        watcher,
        term_forwarded,
        kill_main_at,
        main_killed,
        log,
    }
    .live()
}

/// An init whose workload runs.
struct Init<'a> {
    config: &'a Config,
    own: Pid,
    main: MainProcess,
    mailbox: Mailbox,
    remaining: Remaining,
    job: JobControl,
    watcher: Option<Watcher>,
    /// Whether a SIGTERM has been forwarded; or, where that is dropped, SIGINT or SIGQUIT.
    term_forwarded: bool,
    /// When the main process is killed that is PID 1 of its own and has dropped a SIGTERM.
    kill_main_at: Option<Instant>,
    /// Whether it has been killed so.
    main_killed: bool,
    log: &'a mut TerminationLog,
}

impl Init<'_> {
    /// Forwards and reaps until the main process exits, stops the remaining processes, and returns how the main process
    /// exited.
    fn live(mut self) -> End {
        let mut forwarder = Forwarder::new(self.config);
        let mut kill_at = None;
        let mut killed = false;
        // A child that exited before init was executed raises no signal any more.
        let mut has_changes = true;
        loop {
            // At a deadline, and after a kill, the SIGCHLD may have to wait for its turn.
            let due = has_passed(earlier(kill_at, self.kill_main_at));
            if (has_changes || killed || due)
                && let Some(end) = self.reap(kill_at.is_none() && self.kill_main_at.is_none())
            {
                self.stop_remaining(kill_at, killed);
                return end;
            }
            has_changes = false;
            let mut until = earlier(kill_at, self.kill_main_at);
            let mut other = self.main.held().map(|held| Other::hung_up(held.as_fd()));
            if let Some(watcher) = &self.watcher {
                (until, other) = (watcher.due(until), watcher.fd().map(Other::readable));
            }
            match self.mailbox.next(until, other) {
                Event::Ready => match &mut self.watcher {
                    Some(watcher) => watcher.notice(),
                    None => has_changes = true,
                },
                Event::Deadline if !due && has_passed(earlier(kill_at, self.kill_main_at)) => {}
                Event::Deadline if has_passed(self.kill_main_at) => {
                    (self.kill_main_at, self.main_killed) = (None, true);
                    nested::kill(&self.main, self.log);
                }
                Event::Deadline if kill_at.is_none_or(|kill_at| kill_at > Instant::now()) => {
                    self.send_for_changes()
                }
                Event::Signal(received) if received.signal == Signal::CHLD => {
                    self.main.let_kernel_reap(received.sender);
                    has_changes = true;
                }
                Event::Signal(received) => {
                    if self.forward(&mut forwarder, received) && kill_at.is_none() && !killed {
                        kill_at = self.config.kill_at();
                    }
                }
                Event::Deadline if killed => {
                    warn!(
                        "cannot kill the main process (another user's, and no CAP_KILL?): exiting, so that the \
                         kernel kills it with the PID namespace"
                    );
                    return End::Killed(Signal::KILL);
                }
                Event::Deadline => {
                    self.kill();
                    // The kernel kills all of PID 1's namespace when that exits, whatever PID 1 itself may signal.
                    kill_at = (self.own.get() == 1).then(|| Instant::now() + PATIENCE);
                    killed = true;
                }
            }
        }
    }

    /// Forwards a signal. Returns whether the signal that was sent asks the workload to exit.
    fn forward(&mut self, forwarder: &mut Forwarder, received: Received) -> bool {
        if received.signal == Signal::CONT {
            self.job.continued();
        }
        if self.config.as_pid_1 && !self.main_killed {
            let before = self.kill_main_at;
            self.kill_main_at = nested::kill_at(self.config, self.main.pid, received.signal, before);
        }
        let sent = forwarder.forward(received, &self.main, &mut self.remaining);
        let asks_to_exit = sent.is_some_and(|sent| self.config.asks_to_exit(sent));
        self.term_forwarded |= match self.config.rewritten(Signal::TERM) {
            None => asks_to_exit,
            terminates => sent == terminates,
        };
        self.job.handled(received.signal, sent);
        asks_to_exit
    }

    /// Sends the main process the signals of files that have changed, if it handles them.
    fn send_for_changes(&mut self) {
        let main = &self.main;
        if let Some(watcher) = &mut self.watcher {
            watcher.act(&mut |signal| handles(main.pid, signal) && main.send(signal).is_ok());
        }
    }

    /// Kills the main process and the remaining ones.
    fn kill(&mut self) {
        kill(&self.remaining, self.log);
        // These are known where /proc cannot be read, too.
        let _ = self.main.send(Signal::KILL);
        if self.config.target != Target::Child {
            let _ = self.main.send_to_group(Signal::KILL);
        }
    }

    /// Reaps, and returns how the main process exited, if it has. If it has been stopped, init stops too, where it
    /// `follows`: not while `--kill-after` runs, which a stopped init would miss.
    fn reap(&mut self, follows: bool) -> Option<End> {
        let end = match reap(Some(self.main.pid), self.config.warn_reaped) {
            Some(Change::Exited(_, end)) => end,
            Some(Change::Stopped(_, signal)) => {
                if follows {
                    self.job.main_stopped(signal);
                }
                return None;
            }
            None => self.main.end()?,
        };
        info!("the main process has exited: {end}");
        Some(end)
    }

    /// Stops the remaining processes, now that the main process has exited. `killed`: they have been sent SIGKILL.
    fn stop_remaining(&mut self, kill_at: Option<Instant>, killed: bool) {
        match (self.config.at_exit, self.config.rewritten(Signal::TERM)) {
            (AtExit::Terminate(grace), _) => {
                self.main.let_init_reap();
                let &mut Init {
                    config,
                    ref main,
                    ref mailbox,
                    ref mut remaining,
                    term_forwarded,
                    ref mut log,
                    ..
                } = self;
                Stop { config, main: main.pid, mailbox, remaining, term_forwarded, killed, log }
                    .run(grace, kill_at);
            }
            (AtExit::TermGroup, Some(signal)) if self.config.target != Target::Child => {
                let _ = self.main.send_to_group(signal);
            }
            (AtExit::TermGroup, _) => {}
        }
    }
}

/// Has `signal` sent to init when its parent dies. If the parent has died already, init sends it to itself.
fn follow_parent(signal: Signal, own: Pid) {
    let parent = parent_pid();
    if let Err(errno) = signal_on_parent_death(signal) {
        warn!("cannot have the kernel send {signal} when the parent dies: {}", describe(errno));
    }
    if parent_pid() != parent {
        let _ = kill_process(own, signal);
    }
}
