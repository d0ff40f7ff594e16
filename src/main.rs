//! podinit: PID 1 of a container, or of a pod.
//!
//! A signal's way through init, from its arrival to its delivery:
//! - [`mailbox`]: it arrives in the signalfd
//! - [`received`]: which process sent it, as far as the kernel says so
//! - [`init`]: forwards and reaps while the main process lives
//!   - `init/workload`: starts the main process; [`exec_error`]: why it could not be executed
//!   - `init/main_process`: signals the main process, and learns how it exited
//!   - `init/nested`: a main process that is PID 1 of its own (`--as-pid-1`)
//!   - `init/subreaper`: adopts orphans where init is not PID 1
//!   - `init/forward`: sends the signal to the main process or its group
//!   - `init/job_control`, `init/terminal`: what ^Z means; the controlling terminal
//!   - `init/stop`: stops the remaining processes once the main process has exited
//!   - `init/remaining`, `init/ancestors`: which processes remain, and which of them have been sent SIGTERM
//! - [`pod`]: in place of `init` where containers share the PID namespace
//!   - `pod/containers`: which containers there are, and which process leads each
//!   - `pod/state`: what is known of the pod
//!   - `pod/rounds`: which containers' leaders the signal is for, by `--target`
//!   - `pod/forward`: sends it to those that handle it
//!   - `pod/ending`: waits for the containers when the pod stops
//!   - `pod/unprivileged`: the uid without privileges
//!   - `pod/sidecar`: `--watch` in a container of the pod
//! - [`handling`]: what a process would do with a signal
//! - [`deliver`]: sends a signal to one process that was found in /proc
//!
//! Before that:
//! - [`cli`]: reads the command line into a [`config`]
//!   - `cli/options`: a table of the options; `cli/values`: their values
//!   - `cli/expand`: variables in the workload's arguments; `cli/explain`: what would be done
//!   - `cli/persona`: the names that podinit can be called by; `cli/texts`: its help and its license
//! - [`user`]: looks up the user of `--user`
//!
//! In place of all that:
//! - [`diagnose`]: says what is wrong in a container or a pod (`--diagnose`)
//!   - `diagnose/facts`, `diagnose/limits`: what /proc and the cgroup say; `diagnose/kind`: what PID 1 is
//!   - `diagnose/findings`: what is wrong
//!   - `diagnose/output`, `diagnose/template`: how it is written
//!
//! Used by all of these:
//! - [`reap`]: reaps children
//! - [`watch`]: says when a file has changed (`--watch`); `watch/paths`: what a path names
//! - [`termination_log`]: what `kubectl describe pod` shows of the exit (`--termination-log`)
//! - [`settle`]: closes what init was started with
//! - [`cgroup`]: where the own cgroup is
//! - [`procfs`], [`hidepid`], [`files`], [`bytes`]: read /proc, and what it hides; files, and texts
//! - [`logger`], [`quoted`]: write to stderr; foreign text in messages
//! - [`signal`]: numbers, names and sets of signals
//! - [`sys`]: every system call that nix lacks, and all `unsafe`
#![cfg_attr(not(any(test, fuzzing)), no_main)]
// tests/fuzz builds this as a library, and reaches what it needs by `properties`.
#![cfg_attr(fuzzing, allow(dead_code))]
#![deny(unsafe_code)]

#[macro_use]
mod logger;

mod bytes;
mod cgroup;
mod cli;
mod config;
mod deliver;
mod diagnose;
mod exec_error;
mod files;
mod handling;
mod hidepid;
mod init;
mod mailbox;
mod pod;
mod procfs;
#[cfg(any(test, fuzzing))]
#[path = "../tests/fuzz/properties.rs"]
pub mod properties;
mod quoted;
mod reap;
mod received;
mod settle;
mod signal;
mod sys;
mod termination_log;
mod user;
mod watch;

use std::mem::ManuallyDrop;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::unistd::write;

use cli::Command;
use cli::persona::Persona;
use config::Config;
use sys::entry::Start;
use sys::fd::{STDOUT, standard};
use sys::{OWN_FAILURE, describe};
use termination_log::TerminationLog;

sys::entry::entry_point!(run);

/// Does what the command line says and returns the exit status. Every signal is blocked.
fn run(start: Start) -> u8 {
    let persona = Persona::called(start.args.iter().next());
    logger::set_name(persona.log_name);
    logger::start(start.env.value(logger::FILTER_VARIABLE));
    // Never dropped: what it has is in use until the process ends.
    let mut config = ManuallyDrop::new(Config::DEFAULT);
    let command = cli::parse(persona, start.args, start.env, &mut config);
    logger::set_level(config.log_level);
    match command {
        Ok(Command::Run { program }) => init::run(&start, &config, program),
        Ok(Command::Pause) => pod::run(&config),
        Ok(Command::Sidecar) => pod::sidecar::run(&config),
        Ok(Command::Diagnose { json }) => diagnosis(json),
        Ok(Command::Print(text)) => print(STDOUT, text, config.failures.own),
        Ok(Command::PrintAbout(text)) => print(persona.prints_on, text, config.failures.own),
        Err(problem) => {
            error!("{problem} (see {} --help)", logger::name());
            TerminationLog::open(config.termination_log).write(None);
            config.failures.own
        }
    }
}

/// Prints what is found in this PID namespace, and returns the exit status.
#[inline(never)]
fn diagnosis(json: bool) -> u8 {
    let Some((text, status)) = diagnose::report(json) else { return OWN_FAILURE };
    match print(STDOUT, text.as_bytes(), OWN_FAILURE) {
        0 => status,
        failure => failure,
    }
}

/// Prints `text` on the descriptor `fd`, and returns the exit status: `failure` if that fails.
fn print(fd: RawFd, text: &[u8], failure: u8) -> u8 {
    let mut left = text;
    while !left.is_empty() {
        match write(standard(fd), left) {
            Ok(written) => left = &left[written..],
            Err(Errno::EINTR) => {}
            // `podinit --help | head` has read what it wanted. (SIGPIPE is blocked.)
            Err(Errno::EPIPE) => break,
            Err(errno) => {
                error!("stdout: {}", describe(errno));
                return failure;
            }
        }
    }
    0
}
