//! What /proc says, as far as this process may read it.

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::kill;
use nix::unistd;

use super::kind::{Kind, kind, kind_of};
use super::limits;
use super::template::{digits, filled};
use crate::handling::{Effect, effects};
use crate::pod::containers::{self, Trace};
use crate::procfs::{self, Processes, Stat};
use crate::quoted::Quoted;
use crate::signal::Signal;
use crate::sys::privilege::own_uid;
use crate::sys::process::{Pid, ticks_since_boot};

/// How many signals are shown: HUP, TERM, INT, QUIT, USR1 and USR2.
pub const SHOWN: usize = 6;

/// The signals that are looked at: those, and CHLD.
static SIGNALS: [Signal; SHOWN + 1] =
    [Signal::HUP, Signal::TERM, Signal::INT, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::CHLD];
pub const HUP: usize = 0;
pub const TERM: usize = 1;
const CHLD: usize = SHOWN;

const PID_1: Pid = Pid::new(1).unwrap();

/// What a process is to its container. `output` has a word for each, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// PID 1, where that is a pause process.
    Pause,
    Leader,
    /// A leader that has executed nothing yet.
    Starting,
    /// The oldest child of a leader that is an init or a shell.
    Main,
    Exec,
}

/// What is known of a process.
#[derive(Clone, Copy)]
pub struct Process {
    pub pid: Pid,
    /// Its name, escaped.
    pub name: &'static str,
    pub role: Role,
    /// The number of its container, from 1; 0 if that is not known.
    pub container: u32,
    pub uid: u32,
    /// Whether this process may signal it.
    pub may: bool,
    /// What each of the signals would do to it.
    pub effects: [Effect; SHOWN + 1],
}

/// A process that has exited and is not reaped, or that is stopped.
pub struct Halted {
    pub pid: Pid,
    pub name: &'static str,
    /// Its parent; `None` if that is outside the PID namespace.
    pub parent: Option<Pid>,
    /// `PID 7 (nginx)`, of that.
    pub parent_label: &'static str,
    /// Its state, as in /proc/PID/stat.
    pub state: u8,
    /// How long ago it was started, in seconds.
    pub age: u32,
}

/// Whether PID 1 reaps orphans, as far as it can be seen. `output` has a word for each, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reaps {
    Yes,
    /// It has a handler for SIGCHLD.
    Perhaps,
    No,
    Unknown,
}

/// Everything that is read.
pub struct Facts {
    pub uid: u32,
    /// Whether this process is PID 1 itself.
    pub is_pid_1: bool,
    /// PID 1, if it is shown.
    pub init: Option<Process>,
    pub kind: Kind,
    pub reaps: Reaps,
    /// Whether several containers share the PID namespace.
    pub is_shared: bool,
    /// The number of this process's own container; 0 if that has no other process.
    pub own_container: u32,
    /// Leaders and main processes, by their containers, and then exec sessions.
    pub processes: Vec<Process>,
    pub halted: Vec<Halted>,
    /// The numbers of its cgroup.
    pub limits: [Option<u32>; 3],
    /// What could not be read.
    pub unread: Vec<&'static str>,
}

/// What is in [`Facts::unread`] where processes are hidden.
pub const HIDDEN: &str = "processes of other users (hidepid)";

impl Facts {
    /// Reads them, for the process `own`. `hidden`: whether /proc hides processes of others.
    pub fn read(own: Pid, hidden: bool) -> Facts {
        let all = procfs::processes_and_zombies();
        let mut unread = Vec::new();
        let is_pause = own != PID_1 && containers::is_pause(PID_1);
        let init = Process::read(PID_1, if is_pause { Role::Pause } else { Role::Leader }, 0);
        // That it blocks it is enough: podinit is not asleep while it forwards a signal.
        let awaits_hup =
            |init: Process| matches!(init.effects[HUP], Effect::Handled | Effect::Waits | Effect::Blocked);
        let kind =
            init.map_or(Kind::Unknown, |init| kind(init.name, is_pause && awaits_hup(init), &mut unread));
        // A PID 1 that is shown, but not what it executes, would be hidden: so nothing is. To a group hidepid shows all
        // (proc(5)), by default to that of root.
        let is_exempt = !unread.is_empty();
        if hidden && !is_exempt || all.unread.is_some() {
            unread.push(HIDDEN);
        }
        let mut facts = Facts {
            uid: own_uid(),
            is_pid_1: own == PID_1,
            init,
            kind,
            reaps: Reaps::Unknown,
            is_shared: is_pause,
            own_container: 0,
            processes: Vec::new(),
            halted: halted(&all),
            limits: limits::read(&mut unread),
            unread,
        };
        facts.read_processes(&all, own, is_pause);
        facts.reaps = facts.reaps();
        if facts.processes.iter().any(Process::is_unknown) {
            facts.unread.push("what some processes handle");
        }
        facts
    }

    fn read_processes(&mut self, all: &Processes, own: Pid, is_pause: bool) {
        let mut containers = containers::among(all, own, PID_1).all;
        containers.retain(|container| !(is_pause && container.leader.pid == PID_1));
        let number = |pid| Trace::read(pid).container(&containers, PID_1).map_or(0, |index| index as u32 + 1);
        // By the process that entered, since a daemon of a machine has a cgroup of its own. A pause process has adopted it.
        let mut top = own;
        while let Some(stat) = all.shown.iter().find(|stat| stat.id.pid == top)
            && let Some(parent) = stat.parent.filter(|parent| !(is_pause && *parent == PID_1))
        {
            top = parent;
        }
        self.own_container = number(top);
        self.is_shared |= containers.len() + usize::from(self.own_container == 0) > 1;
        for (index, container) in containers.iter().enumerate() {
            let (leader, number) = (container.leader.pid, index as u32 + 1);
            let role = if container.is_starting { Role::Starting } else { Role::Leader };
            let Some(leader) = Process::read(leader, role, number) else { continue };
            self.processes.push(leader);
            if kind_of(leader.name.as_bytes()) != Kind::App
                && let Some(main) = containers::main_process(leader.pid).filter(|main| *main != own)
            {
                self.processes.extend(Process::read(main, Role::Main, number));
            }
        }
        for stat in all.shown.iter().filter(|stat| stat.has_entered()) {
            let pid = stat.id.pid;
            let is_other = ![own, PID_1].contains(&pid);
            if is_other && !containers.iter().any(|container| container.leader.pid == pid) {
                self.processes.extend(Process::read(pid, Role::Exec, number(pid)));
            }
        }
    }

    fn reaps(&self) -> Reaps {
        let has_zombie = |halted: &Halted| halted.state == b'Z' && halted.parent == Some(PID_1);
        let Some(init) = self.init else { return Reaps::Unknown };
        match init.effects[CHLD] {
            _ if self.halted.iter().any(has_zombie) => Reaps::No,
            // The kernel reaps (wait(2)).
            Effect::Ignored => Reaps::Yes,
            _ if !matches!(self.kind, Kind::App | Kind::Shell) => Reaps::Yes,
            Effect::Handled | Effect::Waits => Reaps::Perhaps,
            Effect::Unknown => Reaps::Unknown,
            Effect::Blocked | Effect::Dropped | Effect::Kills => Reaps::No,
        }
    }
}

impl Process {
    /// Reads it; `None` if it is not shown.
    #[inline(never)]
    fn read(pid: Pid, role: Role, container: u32) -> Option<Process> {
        let mut found = [Effect::Unknown; SHOWN + 1];
        let uid = effects(pid, &SIGNALS, &mut found)?.uid();
        if role == Role::Starting {
            // It is the runtime's, and handles other signals than the program that it will execute.
            found = [Effect::Unknown; SHOWN + 1];
        }
        // Signal 0 is none, and the kernel says whether one would be permitted (kill(2)).
        let may = kill(unistd::Pid::from_raw(pid.get()), None).is_ok();
        Some(Process { pid, name: name(pid), role, container, uid, may, effects: found })
    }

    /// `PID 7 (nginx)`, its uid, and that of this process.
    pub fn in_words(&self, own_uid: u32) -> [&'static str; 3] {
        [label(self.pid, self.name), digits(self.uid), digits(own_uid)]
    }

    /// Whether /proc does not say what it handles (gVisor).
    fn is_unknown(&self) -> bool {
        self.role != Role::Starting && self.effects[HUP] == Effect::Unknown
    }

    /// Whether it would act on the signal of this index.
    pub fn handles(&self, signal: usize) -> bool {
        matches!(self.effects[signal], Effect::Handled | Effect::Waits)
    }
}

/// `PID 7 (nginx)`.
pub fn label(pid: Pid, name: &str) -> &'static str {
    filled("PID %A (%B)", &[digits(pid.get() as u32), name])
}

/// The name of a process, escaped; `?` where /proc does not say.
fn name(pid: Pid) -> &'static str {
    let Ok(comm) = procfs::read_of(pid, "comm") else { return "?" };
    let quoted = Quoted(comm.strip_suffix(b"\n").unwrap_or(&comm)).to_string().leak();
    &quoted[1..quoted.len() - 1]
}

/// How long a process must have exited or be stopped in order to be one of [`Halted`]: a parent may be about to reap it.
const MOMENT: u8 = 100;

/// The zombies and the stopped processes.
fn halted(all: &Processes) -> Vec<Halted> {
    let mut halted: Vec<Halted> = Vec::new();
    let mut has_waited = false;
    for before in all.shown.iter().filter(|stat| stat.is_halted()) {
        if !has_waited {
            has_waited = true;
            let _ = poll(&mut [], PollTimeout::from(MOMENT));
        }
        let Ok(stat) = Stat::read(before.id.pid) else { continue };
        if stat.id == before.id && stat.is_halted() {
            let Stat { id, state, parent, .. } = stat;
            let age = ticks_since_boot().saturating_sub(id.start) / 100;
            let parent_label = match (halted.last(), parent) {
                (Some(last), _) if last.parent == parent => last.parent_label,
                (_, Some(parent)) => label(parent, name(parent)),
                (_, None) => "a process outside",
            };
            let (pid, name) = (id.pid, name(id.pid));
            halted.push(Halted { pid, name, parent, parent_label, state, age: age as u32 });
        }
    }
    halted
}
