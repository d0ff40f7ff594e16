//! A PID namespace of our own making (`--pid-namespace`): one of us stands outside, and another one, with the
//! same command line, is its PID 1.

use log::{error, warn};

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

/// Runs the workload that begins at argument `program` in a PID namespace of its own, and returns our exit
/// status. Outside that is the one inside's; inside it is what `init` says.
pub fn run(start: &Start, config: &Config, program: usize) -> u8 {
    let own = own_pid();
    if own.get() == 1 {
        enter();
        return init::run(start, config, program);
    }
    stand_in(start, config, own)
}

/// Stands outside: has the init of a new PID namespace started, passes every signal on to it alone, and
/// returns its exit status for ours.
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
    // Whatever else was asked for is for the one inside.
    let plain = Config { target: Target::Child, session: Session::Ours, ..Config::DEFAULT };
    let end = init::attend(&plain, own, main, mailbox, None);
    plain.exit_status(end)
}

/// Makes us at home inside, as PID 1.
fn enter() {
    // Executed by way of /proc/self/exe, we would be called `exe`.
    set_own_name(c"podinit");
    if let Err(errno) = mount_own_proc() {
        warn!("cannot mount /proc: {}", describe(errno));
    }
    // The one outside is all that we are for.
    if let Err(errno) = signal_on_parent_death(Signal::KILL) {
        warn!("cannot ask for a signal at our parent's death: {}", describe(errno));
    }
}
