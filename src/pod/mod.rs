//! Pod mode: PID 1 of a PID namespace that containers share. It reaps the orphans of all of them, and forwards to their
//! leaders what they would have received as PID 1 of their own.

mod ending;
mod forward;
mod unprivileged;

use log::{info, warn};
use nix::errno::Errno;

use crate::config::Config;
use crate::containers::{self, Containers};
use crate::deliver::deliver;
use crate::files;
use crate::mailbox::{Event, Mailbox};
use crate::procfs::{self, Identity};
use crate::reap::{names_orphans, reap};
use crate::received::{Origin, Received};
use crate::settle::settle;
use crate::signals::Signal;
use crate::sys::describe;
use crate::sys::fd::keep_proc_open;
use crate::sys::privilege::own_uid;
use crate::sys::process::{Pid, become_subreaper, lead_session, own_pid};
use crate::sys::signal::{Disposition, Everybody, SignalSet, set_disposition};
use ending::{Ending, Watch};
use unprivileged::give_up_privileges;

/// Runs until the pod ends, and returns init's exit status.
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
    let (refused, undecided, warned) = (Vec::new(), Vec::new(), Warned::default());
    Pod { config, own, uid, everybody, mailbox, proc_shows_all: None, refused, undecided, warned }.live(early)
}

struct Pod<'a> {
    config: &'a Config,
    own: Pid,
    uid: u32,
    everybody: Option<Everybody>,
    mailbox: Mailbox,
    /// Whether /proc hides no process. Looked at with the first signal and again when the pod stops, since a remount can
    /// change it; for each signal it would be three files more to read.
    proc_shows_all: Option<bool>,
    /// The leaders that init may not signal, and has warned of.
    refused: Vec<Identity>,
    /// Those that block a signal, and of which it is not known whether they wait for it.
    undecided: Vec<Identity>,
    warned: Warned,
}

/// Which gaps in /proc init has warned of.
#[derive(Default)]
struct Warned {
    hidden: bool,
    unknown: bool,
}

impl Pod<'_> {
    fn live(mut self, early: Vec<Received>) -> u8 {
        let mut ending: Option<Ending> = None;
        for received in early {
            ending = self.handle(received, ending);
        }
        loop {
            let watch = match &mut ending {
                None => Watch::default(),
                Some(ending) => match self.watch(ending) {
                    Some(watch) => watch,
                    None => return 0,
                },
            };
            if let Event::Signal(received) = self.mailbox.next(watch.until, watch.leader.as_ref()) {
                ending = self.handle(received, ending);
            }
        }
    }

    fn handle(&mut self, received: Received, ending: Option<Ending>) -> Option<Ending> {
        match received.signal {
            Signal::CHLD => drop(reap(None, self.config.warn_reaped)),
            Signal::TERM | Signal::INT => return self.end(received, ending),
            _ => self.forward(received),
        }
        ending
    }

    /// The containers, and whether there may be others that /proc does not show: for a pod that stops.
    fn containers_and_hidden(&mut self) -> (Containers, bool) {
        self.proc_shows_all = None;
        let containers = self.containers();
        let hidden = self.hides_some(&containers);
        (containers, hidden)
    }

    fn containers(&mut self) -> Containers {
        if self.everybody.is_none() {
            // Elsewhere PPid 0 means other things: on a host, its own init.
            return Containers::default();
        }
        let containers = containers::all(self.own);
        if !self.warned.hidden && self.hides_some(&containers) {
            self.warned.hidden = true;
            warn!(
                "/proc does not show all processes of the pod{}: those that it hides are awaited when the pod stops, \
                 but no other signal reaches them; mount a /proc of this PID namespace, without hidepid",
                containers.unread.map_or_else(String::new, |errno| format!(" ({})", describe(errno)))
            );
        }
        containers
    }

    /// Whether there may be containers that are not among `containers`.
    fn hides_some(&mut self, containers: &Containers) -> bool {
        let own = self.own;
        containers.unread.is_some()
            || !*self.proc_shows_all.get_or_insert_with(|| procfs::shows_everybody(own))
    }

    /// Warns of a leader of which /proc does not say what is needed.
    fn warn_of_unknown(&mut self, leader: Identity) {
        if !self.warned.unknown {
            self.warned.unknown = true;
            warn!(
                "/proc does not say which signals {} ({}) handles, or which container it is in: it is awaited when the \
                 pod stops, but no other signal is forwarded to it; gVisor's /proc is like that, Linux's is not",
                leader.pid,
                procfs::name(leader.pid)
            );
        }
    }

    /// Whether the sender gets no further through init than a process that has init's own uid and no capability.
    ///
    /// - The siginfo is the sender's own making (a queued signal, F_SETSIG): nothing is known of it.
    /// - It has init's own uid, and so needed no capability in order to signal init (kill(2)).
    /// - Its uid is not mapped in init's user namespace, so it may be any. (A sender outside the PID namespace is not
    ///   meant: with a user namespace of the pod's own, the engine has such a uid.)
    fn is_confined(&self, received: Received) -> bool {
        match received.origin {
            Origin::Queued(_) | Origin::Other => true,
            Origin::Kernel => false,
            Origin::Process if received.is_from_outside() => false,
            Origin::Process => received.uid == self.uid || received.uid == overflow_uid(),
        }
    }

    fn send(&mut self, id: Identity, signal: Signal, origin: Origin) {
        let queued = match origin {
            Origin::Queued(queued) => Some(queued),
            Origin::Kernel | Origin::Process | Origin::Other => None,
        };
        match deliver(id, signal, queued, &|now| now.parent.is_none()) {
            Err(Errno::EPERM) if !self.refused.contains(&id) => {
                let name = procfs::name(id.pid);
                warn!(
                    "may not send {signal} to {} ({name}), which runs as another user: start the pause \
                     image as root, from which it keeps CAP_KILL alone, or as that user",
                    id.pid
                );
                self.refused.push(id);
            }
            Ok(()) | Err(Errno::EPERM | Errno::ESRCH) => {}
            Err(errno) => warn!("cannot send {signal} to {}: {}", id.pid, describe(errno)),
        }
    }
}

/// The uid that stands for each one that a user namespace does not map (user_namespaces(7)).
fn overflow_uid() -> u32 {
    let text = files::text("/proc/sys/kernel/overflowuid");
    text.and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(65534)
}

/// For the log: podman #16647 asks who stopped the pod.
fn describe_sender(received: Received) -> String {
    match (received.origin, received.sending_process()) {
        (_, Some(pid)) => format!("{pid} ({}), uid {}", procfs::name(pid), received.uid),
        (Origin::Process, None) => "outside the pod".into(),
        (Origin::Kernel, None) => "the kernel (a terminal)".into(),
        (Origin::Queued(_) | Origin::Other, None) => "an unknown sender".into(),
    }
}
