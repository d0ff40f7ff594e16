//! Pod mode: PID 1 of a PID namespace that containers share. It reaps the orphans of all of them, and forwards to their
//! leaders what they would have received as PID 1 of their own.

pub mod containers;
mod ending;
mod forward;
mod state;
mod unprivileged;

use crate::config::Config;
use crate::mailbox::{Event, Mailbox};
use crate::reap::{names_orphans, reap};
use crate::received::Received;
use crate::settle::settle;
use crate::signal::{Signal, SignalSet};
use crate::sys::describe;
use crate::sys::fd::keep_proc_open;
use crate::sys::privilege::own_uid;
use crate::sys::process::{become_subreaper, own_pid};
use crate::sys::session::lead_session;
use crate::sys::signal::{Disposition, Everybody, set_disposition};
use ending::{Ending, Watch};
use state::Pod;
use unprivileged::give_up_privileges;

/// Runs until the pod has stopped, and returns init's exit status.
#[inline(never)]
pub fn run(config: &Config) -> u8 {
    let own = own_pid();
    let everybody = Everybody::as_pid_1();
    if everybody.is_some() {
        if let Err(errno) = lead_session() {
            info!("shares its session with other processes: {}", describe(errno));
        }
    } else {
        warn!("not PID 1 of a pod's PID namespace: nothing is forwarded");
        if let Err(errno) = become_subreaper() {
            warn!("cannot become a subreaper: {}", describe(errno));
        }
    }
    // Ignored, the kernel reaps init's children as they exit, and does not even wake it (wait(2)). There is no main
    // process here whose status would be lost.
    let by_init = names_orphans(config.warn_reaped);
    set_disposition(Signal::CHLD, if by_init { Disposition::Default } else { Disposition::Ignore });
    reap(None, config.warn_reaped);
    let Some(mailbox) = Mailbox::open(own) else { return config.failures.own };
    settle(&mailbox, None);
    // After `settle`, which closes what is open.
    keep_proc_open();
    let mut early = Vec::new();
    if own_uid() == 0 && !config.keep_privileges {
        give_up_privileges();
        // A process of uid 0 needed no capability to send these. None may be left over: it would count as sent later.
        while let Some(received) = mailbox.take(SignalSet::ALL.without(Signal::CHLD)) {
            if received.is_from_outside() {
                early.push(received);
            }
        }
    }
    let uid = own_uid();
    let pod = Pod::new(config, own, uid, everybody);
    live(pod, &mailbox, early)
}

/// Handles the signals that came `early`, and each one that comes, until the pod has stopped. Returns init's exit status.
fn live(mut pod: Pod, mailbox: &Mailbox, early: Vec<Received>) -> u8 {
    let mut ending: Option<Ending> = None;
    for received in early {
        ending = handle(&mut pod, received, ending);
    }
    loop {
        let watch = match &mut ending {
            None => Watch::default(),
            Some(ending) => match pod.watch(ending) {
                Some(watch) => watch,
                None => return 0,
            },
        };
        if let Event::Signal(received) = mailbox.next(watch.until, watch.leader.as_ref()) {
            ending = handle(&mut pod, received, ending);
        }
    }
}

fn handle(pod: &mut Pod, received: Received, ending: Option<Ending>) -> Option<Ending> {
    match received.signal {
        Signal::CHLD => drop(reap(None, pod.config.warn_reaped)),
        Signal::TERM | Signal::INT => return pod.end(received, ending),
        _ => pod.forward(received),
    }
    ending
}
