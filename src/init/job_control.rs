//! Job control: init stops when its main process is stopped, so that the shell that started init continues; and continues
//! the main process where init cannot be stopped.

use std::time::{Duration, Instant};

use super::terminal::Terminal;
use crate::signal::Signal;
use crate::sys::process::Pid;
use crate::sys::signal::{act_by_default, is_pending, kill_group, kill_own_group, kill_process};

/// How long after the last time a main process that reads or writes in the background is continued again.
const RESUME_AGAIN: Duration = Duration::from_secs(1);

/// What init knows of stops, its own and the main process's.
pub struct JobControl {
    own: Pid,
    main: Pid,
    /// `None` for PID 1, which cannot be stopped.
    terminal: Option<Terminal>,
    /// Whether a terminal can stop the main process.
    on_terminal: bool,
    /// Whether terminal stop signals stop init at once, and the main process's stop does not (dumb-init).
    suspends: bool,
    main_is_stopped: bool,
    /// Whether init has forwarded a stop signal: then the stop is wanted.
    forwarded: bool,
    /// When init last continued the main process.
    resumed: Option<Instant>,
}

impl JobControl {
    /// For the process `own`, which is init, and the workload `main`; `terminal` is their controlling terminal.
    pub fn new(own: Pid, main: Pid, terminal: Option<Terminal>, suspends: bool) -> JobControl {
        JobControl {
            own,
            main,
            terminal: terminal.filter(|_| own.get() != 1),
            on_terminal: terminal.is_some(),
            suspends,
            main_is_stopped: false,
            forwarded: false,
            resumed: None,
        }
    }

    /// The standard descriptor of the terminal, which must stay open.
    pub fn descriptor(&self) -> Option<i32> {
        self.terminal.map(Terminal::fd)
    }

    /// Init has received SIGCONT, which is forwarded next.
    pub fn continued(&mut self) {
        self.main_is_stopped = false;
        // A shell's `fg` gave the terminal to init's group.
        self.terminal.inspect(|terminal| terminal.hand_to(self.main));
    }

    /// Init has received `signal`, and forwarded `sent`.
    pub fn handled(&mut self, signal: Signal, sent: Option<Signal>) {
        self.forwarded |= sent.is_some_and(is_tty_stop);
        if !is_tty_stop(signal) {
            return;
        }
        if self.suspends {
            let _ = kill_process(self.own, Signal::STOP);
        } else if self.main_is_stopped {
            // A ^Z right after an `fg`, before the terminal was handed on: it took back the SIGCONT, so the
            // main process has not continued, and no further change of its state will stop init.
            self.follow(signal);
        }
    }

    /// The main process has been stopped by `signal`.
    pub fn main_stopped(&mut self, signal: Signal) {
        self.main_is_stopped = true;
        self.follow(signal);
    }

    /// Stops init because the main process has been stopped. Where init cannot be stopped, no shell would continue the main
    /// process.
    fn follow(&mut self, signal: Signal) {
        let is_pid_1 = self.own.get() == 1;
        if self.suspends && !is_pid_1 {
            return;
        }
        if is_pid_1 || !follow_stop(self.terminal, self.main, signal) {
            self.resume(signal);
        }
    }

    /// Continues the main process that ^Z has stopped, since no shell would. In init's place it would not have been stopped:
    /// the kernel does not stop PID 1, nor orphaned process groups.
    fn resume(&mut self, signal: Signal) {
        let wanted = std::mem::take(&mut self.forwarded);
        // If it reads in the background it is stopped again at once; it is not continued over and over.
        let again = signal != Signal::TSTP && self.resumed.is_some_and(|at| at.elapsed() < RESUME_AGAIN);
        if self.on_terminal && is_tty_stop(signal) && !wanted && !again {
            self.resumed = Some(Instant::now());
            self.main_is_stopped = false;
            let _ = kill_group(self.main, Signal::CONT);
        }
    }
}

/// Stops init, since the main process has been stopped by `signal`, so that the shell that init was started from
/// continues. Returns whether the main process continues, or will be continued: false if init was not stopped. (The kernel
/// does not stop a process group without such a shell, an orphaned one: no process would continue it.)
fn follow_stop(terminal: Option<Terminal>, main: Pid, signal: Signal) -> bool {
    if let Some(terminal) = terminal
        && matches!(signal, Signal::TTIN | Signal::TTOU)
        && terminal.is_inits()
    {
        // A shell's `fg` of a job that runs gives its group the terminal without a SIGCONT.
        terminal.hand_to(main);
        let _ = kill_group(main, Signal::CONT);
        return true;
    }
    if is_pending(Signal::CONT) {
        // The shell has continued init already; a stop now would take that back.
        return true;
    }
    if terminal.is_some() && is_tty_stop(signal) {
        // The terminal would have stopped init's whole group (the script that started init, say), if the workload were
        // still in it.
        let _ = kill_own_group(Signal::TSTP);
    }
    act_by_default(Signal::TSTP);
    // A SIGCONT, which ends a stop, is blocked and stays pending.
    is_pending(Signal::CONT)
}

/// Whether `signal` is one by which a terminal stops a job.
fn is_tty_stop(signal: Signal) -> bool {
    matches!(signal, Signal::TSTP | Signal::TTIN | Signal::TTOU)
}
