//! The pod, as the pause process sees it: its containers, which senders are confined, and how a leader is signalled.

use nix::errno::Errno;

use super::containers::{self, Containers};
use crate::bytes::number;
use crate::config::Config;
use crate::deliver::deliver;
use crate::files;
use crate::hidepid;
use crate::procfs::{Identity, Named, Stat, Status};
use crate::received::{Origin, Received};
use crate::signal::{Signal, SignalSet};
use crate::sys::describe;
use crate::sys::process::Pid;
use crate::sys::signal::Everybody;

/// A pod, and what init has found out about it.
pub struct Pod<'a> {
    pub(super) config: &'a Config,
    pub(super) own: Pid,
    pub(super) uid: u32,
    pub(super) everybody: Option<Everybody>,
    /// Whether /proc hides no process. Looked at with the first signal and again when the pod stops, since a remount can
    /// change it; for each signal it would be three files more to read.
    proc_shows_all: Option<bool>,
    /// Whether init is a container of the pod itself.
    pub(super) is_sidecar: bool,
    /// The leaders that init may not signal, and has warned of.
    pub(super) refused: Vec<Identity>,
    /// Those that block a signal, and of which it is not known whether they wait for it.
    pub(super) undecided: Vec<Identity>,
    /// Those that were seen to wait for signals, and which ones they blocked then.
    pub(super) waiting: Vec<(Identity, SignalSet)>,
    pub(super) warned: Warned,
}

/// What init has warned of.
#[derive(Default)]
pub(super) struct Warned {
    hidden: bool,
    unknown: bool,
    /// That a sender may not stop the pod.
    pub(super) confined: bool,
    unplaced: bool,
}

impl<'a> Pod<'a> {
    /// The pod whose PID namespace the process `own` is in, where init runs as `uid`.
    pub fn new(config: &'a Config, own: Pid, uid: u32, everybody: Option<Everybody>) -> Pod<'a> {
        let (refused, undecided, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Pod {
            config,
            own,
            uid,
            everybody,
            proc_shows_all: None,
            is_sidecar: false,
            refused,
            undecided,
            waiting,
            warned: Warned::default(),
        }
    }
}

impl Pod<'_> {
    /// The containers, and whether there may be others that /proc does not show: for a pod that stops.
    pub(super) fn containers_and_hidden(&mut self) -> (Containers, bool) {
        self.proc_shows_all = None;
        let containers = self.containers();
        let hidden = self.hides_some(&containers);
        (containers, hidden)
    }

    pub(super) fn containers(&mut self) -> Containers {
        if self.everybody.is_none() && !self.is_sidecar {
            // Elsewhere PPid 0 means other things: on a host, its own init.
            return Containers::default();
        }
        let mut containers = containers::all(self.own);
        if self.is_sidecar {
            containers.keep_others(self.own);
        }
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
            || !*self.proc_shows_all.get_or_insert_with(|| hidepid::shows_everybody(own))
    }

    /// Warns of a leader of which /proc does not say what is needed, unless that is because it exits.
    pub(super) fn warn_of_unknown(&mut self, leader: Identity) {
        let exits = || match Stat::read(leader.pid) {
            Ok(now) => !now.is(leader) || now.is_exiting(),
            Err(errno) => errno == Errno::ESRCH,
        };
        if !self.warned.unknown && !exits() {
            self.warned.unknown = true;
            warn!(
                "/proc does not say which signals {} handles, or which container it is in: it is awaited when the \
                 pod stops, but no other signal is forwarded to it; gVisor's /proc is like that, Linux's is not",
                Named(leader.pid)
            );
        }
    }

    /// Warns of a sender whose container is not known.
    pub(super) fn warn_of_unplaced(&mut self, received: Received) {
        if !self.warned.unplaced {
            self.warned.unplaced = true;
            warn!(
                "{} from {} is for all leaders that handle it: the sender's container is not known; it may have exited",
                received.signal,
                describe_sender(received)
            );
        }
    }

    /// Whether the sender gets no further through init than a process that has init's own uid and no capability.
    ///
    /// - The siginfo is the sender's own making (a queued signal, F_SETSIG): nothing is known of it.
    /// - It has init's own uid, and so needed no capability in order to signal init (kill(2)).
    /// - Its uid is not mapped in init's user namespace, so it may be any. (A sender outside the PID namespace is not
    ///   meant: with a user namespace of the pod's own, the engine has such a uid.)
    pub(super) fn is_confined(&self, received: Received) -> bool {
        match received.origin {
            Origin::Queued(_) | Origin::Other => true,
            Origin::Kernel => false,
            Origin::Process if received.is_from_outside() => false,
            Origin::Process => received.uid == self.uid || received.uid == overflow_uid(),
        }
    }

    pub(super) fn send(&mut self, id: Identity, signal: Signal, origin: Origin) {
        let queued = match origin {
            Origin::Queued(queued) => Some(queued),
            Origin::Kernel | Origin::Process | Origin::Other => None,
        };
        match deliver(id, signal, queued, &|now| now.parent.is_none()) {
            Err(Errno::EPERM) if !self.refused.contains(&id) => {
                let (process, uid) = (Named(id.pid), Status::read(id.pid).map_or(0, |status| status.uid()));
                if self.is_sidecar {
                    warn!(
                        "may not send {signal} to {process}: run this container as uid {uid} (runAsUser), or give it \
                         the capability KILL"
                    );
                } else {
                    warn!(
                        "may not send {signal} to {process}, which runs as uid {uid}: start the pause image as root, \
                         from which it keeps CAP_KILL alone, or as that user"
                    );
                }
                self.refused.push(id);
            }
            Ok(()) | Err(Errno::EPERM | Errno::ESRCH) => {}
            Err(errno) => warn!("cannot send {signal} to {}: {}", id.pid, describe(errno)),
        }
    }
}

/// The uid that stands for each one that a user namespace does not map (user_namespaces(7)).
fn overflow_uid() -> u32 {
    let text = files::read_whole("/proc/sys/kernel/overflowuid");
    text.ok().and_then(|text| number(text.trim_ascii(), 10)).unwrap_or(65534)
}

/// For the log: which process stopped the pod (podman #16647).
pub fn describe_sender(received: Received) -> String {
    match (received.origin, received.sending_process()) {
        (_, Some(pid)) => format!("{}, uid {}", Named(pid), received.uid),
        (Origin::Process, None) => "outside the pod".into(),
        (Origin::Kernel, None) => "the kernel (a terminal)".into(),
        (Origin::Queued(_) | Origin::Other, None) => "an unknown sender".into(),
    }
}
