//! podinit: PID 1 of a container, in little.
//!
//! The way of a signal, front to back: it arrives in `mailbox` (as a `received`), `init` decides what it means, and
//! `forward` delivers it; once the main process has exited, `stop` ends the remaining processes (`rest`). In a pod's
//! shared PID namespace `pod` is in the place of `init`, and delivers to the leaders of the `containers`, as far as
//! `handling` says that they handle the signal.
//!
//! `cli`, `persona` and `config` come before; `namespace` is for an init that makes its own; `deliver`, `spawn`,
//! `user`, `settle`, `reap`, `terminal`, `procfs`, `files` and `quoted` stand beside; and `sys`, below them all, is
//! alone in using `unsafe`.
#![cfg_attr(not(any(test, fuzzing)), no_main)]
// tests/fuzz builds this as a library, and reaches what it needs by `properties`.
#![cfg_attr(fuzzing, allow(dead_code))]
#![deny(unsafe_code)]

mod cli;
mod config;
mod containers;
mod deliver;
mod files;
mod forward;
mod handling;
mod init;
mod logger;
mod mailbox;
mod namespace;
mod persona;
mod pod;
mod procfs;
#[cfg(any(test, fuzzing))]
#[path = "../tests/fuzz/properties.rs"]
pub mod properties;
mod quoted;
mod reap;
mod received;
mod rest;
mod settle;
mod signals;
mod spawn;
mod stop;
mod sys;
mod terminal;
mod user;

use log::error;
use nix::errno::Errno;
use nix::unistd::write;

use cli::Command;
use persona::Persona;
use sys::describe;
use sys::entry::Start;
use sys::fd::{STDOUT, standard};

/// Does what the command line says and returns the exit status. `sys::entry` calls it, with every
/// signal blocked.
fn run(start: Start) -> u8 {
    logger::start(start.env.value(logger::FILTER_VARIABLE));
    let persona = Persona::called(start.args.iter().next());
    match cli::parse(persona, start.args, start.env) {
        Ok(Command::Run { config, program }) => {
            logger::set_level(config.log_level);
            let run = if config.pid_namespace { namespace::run } else { init::run };
            run(&start, &config, program)
        }
        Ok(Command::Pause { config }) => {
            logger::set_level(config.log_level);
            pod::run(&config)
        }
        Ok(Command::Print(text)) => print(&text, persona),
        Err(problem) => {
            error!("{problem} (see podinit --help)");
            (persona.defaults)().failures.own
        }
    }
}

fn print(text: &str, persona: &Persona) -> u8 {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match write(standard(STDOUT), rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => {
                error!("stdout: {}", describe(errno));
                return (persona.defaults)().failures.own;
            }
        }
    }
    0
}
