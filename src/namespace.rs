//! `--pid-namespace`: init makes a PID namespace, stays outside of it, and starts a second init with the same command
//! line as its PID 1.

use std::mem::ManuallyDrop;

use crate::config::{Config, Target};
use crate::init;
use crate::init::workload::spawn_init;
use crate::mailbox::Mailbox;
use crate::signal::Signal;
use crate::sys::describe;
use crate::sys::entry::Start;
use crate::sys::process::{
    Pid, make_pid_namespace, mount_own_proc, own_pid, set_own_name, signal_on_parent_death,
};
use crate::sys::session::Session;
use crate::sys::signal::{Disposition, set_disposition};

/// Runs the workload that begins at argument `program` in a PID namespace of its own, and returns the exit status: outside,
/// that of the init inside; inside, that of [`init::run`].
pub fn run(start: &Start, config: &Config, program: usize) -> u8 {
    let own = own_pid();
    if own.get() == 1 {
        enter();
        return init::run(start, config, program);
    }
    stand_in(start, config, own)
}

/// Starts the init of a new PID namespace, forwards every signal to it alone, and returns its exit status.
fn stand_in(start: &Start, config: &Config, own: Pid) -> u8 {
    let child_disposition = set_disposition(Signal::CHLD, Disposition::Default);
    let Some(mailbox) = Mailbox::open(own) else { return config.failures.own };
    if let Err(errno) = make_pid_namespace() {
        error!("cannot make a PID namespace (it takes CAP_SYS_ADMIN): {}", describe(errno));
        return config.failures.own;
    }
    let main = match spawn_init(start, child_disposition) {
        Ok(main) => main,
        Err(error) => {
            error!("{error}");
            return config.failures.own;
        }
    };
    // All other options are for the init inside.
    let plain = Config { target: Target::Child, session: Session::Inherited, ..Config::DEFAULT };
    let plain = ManuallyDrop::new(plain);
    let end = init::attend(&plain, own, main, mailbox, None, None);
    plain.exit_status(end)
}

/// Prepares the init inside, which is PID 1: its name, /proc, and that it is killed when the init outside exits.
fn enter() {
    // It was executed by way of /proc/self/exe, so its name is `exe`.
    set_own_name(c"podinit");
    if let Err(errno) = mount_own_proc() {
        warn!("cannot mount /proc: {}", describe(errno));
    }
    if let Err(errno) = signal_on_parent_death(Signal::KILL) {
        warn!("cannot have the kernel send a signal when the parent dies: {}", describe(errno));
    }
}
