//! Pod mode: PID 1 of a PID namespace that containers share. It reaps the orphans of all of them, and forwards to their
//! leaders what they would have received as PID 1 of their own.

pub mod containers;
mod ending;
mod forward;
pub mod rounds;
pub mod sidecar;
mod state;
mod unprivileged;

use std::os::fd::{AsFd, AsRawFd};

use crate::config::Config;
use crate::mailbox::{Event, Mailbox, Other};
use crate::reap::{names_orphans, reap};
use crate::received::Received;
use crate::settle::settle;
use crate::signal::{Signal, SignalSet};
use crate::sys::describe;
use crate::sys::fd::keep_proc_open;
use crate::sys::privilege::own_uid;
use crate::sys::process::{ask_for_short_slices, become_subreaper, own_pid};
use crate::sys::session::lead_session;
use crate::sys::signal::{Disposition, Everybody, set_disposition};
use crate::watch::Watcher;
use ending::{Awaited, Ending};
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
    settle(&[Some(mailbox.as_fd().as_raw_fd())]);
    // After `settle`, which closes what is open.
    keep_proc_open();
    // A sender such as kill(1) exits right after it has sent its signal.
    ask_for_short_slices();
    let mut early = Vec::new();
    if own_uid() == 0 && !config.keep_privileges {
        give_up_privileges();
        // While init had uid 0, a sender of uid 0 needed no capability. All that was sent until now is taken here: read
        // later, such a signal would not count as confined (`Pod::is_confined`).
        while let Some(received) = mailbox.take(SignalSet::ALL.without(Signal::CHLD)) {
            if received.is_from_outside() {
                early.push(received);
            }
        }
    }
    let uid = own_uid();
    let pod = Pod::new(config, own, uid, everybody);
    // With the uid that init keeps: the instances of inotify(7) are counted by uid.
    let Ok(watcher) = Watcher::open(&config.watches) else { return config.failures.own };
    live(pod, &mailbox, early, watcher)
}

/// Handles the signals that came `early`, and each one that comes, until the pod has stopped. Returns init's exit status.
fn live(mut pod: Pod, mailbox: &Mailbox, early: Vec<Received>, mut watcher: Option<Watcher>) -> u8 {
    let mut ending: Option<Ending> = None;
    for received in early {
        ending = handle(&mut pod, received, ending);
    }
    loop {
        let mut awaited = Awaited::default();
        let mut other = None;
        if let Some(ending) = &mut ending {
            watcher = None;
            awaited = match pod.next_awaited(ending) {
                Some(awaited) => awaited,
                None => return 0,
            };
        }
        if let Some(leader) = &awaited.leader {
            other = Some(Other::readable(leader.as_fd()));
        }
        if let Some(watcher) = &watcher {
            (awaited.until, other) = (watcher.due(None), watcher.fd().map(Other::readable));
        }
        match (mailbox.next(awaited.until, other), &mut watcher) {
            (Event::Signal(received), _) => ending = handle(&mut pod, received, ending),
            (Event::Ready, Some(watcher)) => watcher.notice(),
            (Event::Deadline, Some(watcher)) => watcher.act(&mut |signal| {
                pod.forward_change(signal);
                true
            }),
            _ => {}
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
