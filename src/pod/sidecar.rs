//! `--watch` without a workload: in a container of a pod whose PID 1 is another program, signals the leaders of the other
//! containers when a file has changed.

use std::os::fd::{AsFd, AsRawFd};

use super::state::Pod;
use crate::config::Config;
use crate::mailbox::{Event, Mailbox, Other};
use crate::reap::reap;
use crate::settle::settle;
use crate::signal::Signal;
use crate::sys::privilege::own_uid;
use crate::sys::process::own_pid;
use crate::sys::signal::{Disposition, set_disposition};
use crate::watch::Watcher;

/// Runs until SIGTERM or SIGINT, and returns the exit status.
pub fn run(config: &Config) -> u8 {
    let own = own_pid();
    if own.get() == 1 {
        error!(
            "--watch without a program is for a container that shares the pod's PID namespace: set \
             shareProcessNamespace, or give a program"
        );
        return config.failures.own;
    }
    let Some(mailbox) = Mailbox::open(own) else { return config.failures.own };
    settle(&[Some(mailbox.as_fd().as_raw_fd())]);
    // A shell that has executed podinit may have left it children.
    set_disposition(Signal::CHLD, Disposition::Ignore);
    reap(None, false);
    let Ok(Some(mut watcher)) = Watcher::open(&config.watches) else { return config.failures.own };
    let mut pod = Pod::new(config, own, own_uid(), None);
    pod.is_sidecar = true;
    loop {
        match mailbox.next(watcher.due(None), watcher.fd().map(Other::readable)) {
            Event::Signal(received) if matches!(received.signal, Signal::TERM | Signal::INT) => return 0,
            Event::Signal(_) => {}
            Event::Ready => watcher.notice(),
            Event::Deadline => watcher.act(&mut |signal| {
                pod.forward_change(signal);
                true
            }),
        }
    }
}
