//! What is wrong, and what to do about it: decided by the facts alone.

use super::facts::{Facts, HIDDEN, HUP, Halted, Process, Role, TERM, label};
use super::kind::Kind;
use super::limits::{OOM_KILLS, PIDS, PIDS_MAX, UNLIMITED};
use super::template::{digits, filled, item};
use crate::config::PodTarget;
use crate::handling::Effect;
use crate::pod::rounds::{Sender, rounds};
use crate::sys::process::Pid;

/// Something that is wrong.
pub struct Finding {
    /// What kind of finding: one of few words, for programs.
    pub key: &'static str,
    /// Which process it is of, if it is one's.
    pub pid: Option<Pid>,
    /// What it is, in a sentence.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// A kind of finding: its key, what is wrong, what to do.
const ALONE: &str = concat!(
    "alone~",
    "this command is PID 1 itself, of a container of its own~",
    "run it in the container in question: kubectl exec, kubectl debug --target, docker exec"
);
const DROPS_HUP: &str = concat!(
    "hup~",
    "kill -HUP 1 does nothing: %A drops it~",
    "kill -HUP %B (%C), or podinit as the pause image"
);
const DROPS_TERM: &str = concat!(
    "term~",
    "%A has no handler for TERM, and the kernel drops it: a stop lasts until the KILL~",
    "have an init be PID 1 (ENTRYPOINT [\"/podinit\", \"--\"], --init), or add a handler"
);
const IGNORES_TERM: &str = concat!(
    "term~",
    "%A ignores TERM: a stop lasts until the KILL~",
    "add a handler; or do not start it by nohup or after trap '' TERM"
);
const PERMISSION: &str = concat!(
    "permission~",
    "%A runs as uid %B, and uid %C may not signal it (not permitted)~",
    "give this container the capability KILL, or run it as uid %B (runAsUser)"
);
const STOPPED: &str = concat!("stopped~", "%A is stopped by a signal~", "kill -CONT %B");
const TRACED: &str = concat!("stopped~", "%A is stopped by a debugger~", "detach the debugger");
const ZOMBIES: &str =
    concat!("zombies~", "zombies that %A has not reaped: %B~", "PID %C must wait() for it: no init can");
const ZOMBIES_OF_PID_1: &str = concat!(
    "zombies~",
    "zombies that %A has not reaped: %B~",
    "have an init be PID 1 (ENTRYPOINT [\"/podinit\", \"--\"], --init)"
);
const ZOMBIES_OUTSIDE: &str = concat!(
    "zombies~",
    "zombies that %A has not reaped: %B~",
    "the container's runtime must wait() for it: no init can"
);
const MANY_PIDS: &str = concat!(
    "pids~",
    "the cgroup has %A processes and threads of %B~",
    "raise the limit (podPidsLimit, --pids-limit), or find what starts them"
);
const OOM: &str = concat!(
    "oom~",
    "processes of this cgroup that the kernel has killed for want of memory: %A~",
    "raise the memory limit; a program that is killed so exits with 137"
);
const HIDES: &str = concat!(
    "hidden~",
    "not read: %A~",
    "run it as root with CAP_SYS_PTRACE, or mount a /proc without hidepid"
);

/// What `kill -HUP 1` does to PID 1 itself, sent by this process; `None` if PID 1 forwards it.
pub fn hang_up(facts: &Facts) -> Option<Effect> {
    let Some(init) = facts.init else { return Some(Effect::Unknown) };
    match facts.kind {
        Kind::PodinitPause => None,
        // It blocks it, and does nothing with it.
        Kind::Catatonit if init.role == Role::Pause => Some(Effect::Dropped),
        Kind::Podinit | Kind::Catatonit | Kind::Tini | Kind::DumbInit => None,
        _ => Some(init.effects[HUP]),
    }
}

/// The processes that PID 1 forwards to a SIGHUP that this process sends, without options that say otherwise.
pub fn receivers(facts: &Facts) -> Vec<&Process> {
    match facts.kind {
        _ if hang_up(facts).is_some() => Vec::new(),
        Kind::PodinitPause => would_receive(facts),
        // PID 1 leads the first container.
        _ => {
            let is_first_main = |process: &&Process| process.role == Role::Main && process.container == 1;
            facts.processes.iter().filter(is_first_main).collect()
        }
    }
}

/// Those that podinit as a pause process would forward it to.
fn would_receive(facts: &Facts) -> Vec<&Process> {
    let handles = |process: &&Process| process.role == Role::Leader && process.handles(HUP);
    let mut leaders: Vec<&Process> = facts.processes.iter().filter(handles).collect();
    let own = leaders.iter().position(|leader| leader.container == facts.own_container);
    let sender = own.map_or(Sender::Elsewhere, |own| {
        leaders.swap(0, own);
        Sender::InFirst
    });
    let mut rounds = rounds(PodTarget::Auto, sender, leaders.len()).into_iter();
    let round = rounds.find(|round| !round.is_empty()).unwrap_or_default();
    leaders.truncate(round.end);
    leaders.split_off(round.start)
}

/// All findings.
pub fn all(facts: &Facts) -> Vec<Finding> {
    let mut all = Findings { all: Vec::new() };
    if facts.is_pid_1 {
        all.add(ALONE, None, &[]);
    }
    if let (Some(init), Some(leader)) = (facts.init, would_receive(facts).first())
        && init.role == Role::Pause
        && hang_up(facts) == Some(Effect::Dropped)
    {
        all.add(
            DROPS_HUP,
            Some(init.pid),
            &[label(init.pid, init.name), pid_digits(leader.pid), leader.name],
        );
    }
    if let Some(init) = facts.init.filter(|init| init.role == Role::Pause) {
        all.of_process(&init, facts.uid);
    }
    for process in &facts.processes {
        all.of_process(process, facts.uid);
    }
    for (index, halted) in facts.halted.iter().enumerate() {
        all.of_halted(halted, facts, index);
    }
    all.of_limits(facts);
    if facts.unread.contains(&HIDDEN) {
        all.add(HIDES, None, &[HIDDEN]);
    }
    all.all
}

struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    #[inline(never)]
    fn add(&mut self, texts: &'static str, pid: Option<Pid>, values: &[&str]) {
        let [key, what, remedy] = [0, 1, 2].map(|index| filled(item(texts, index), values));
        self.all.push(Finding { key, pid, what, remedy });
    }

    fn of_process(&mut self, process: &Process, own_uid: u32) {
        let (values, pid) = (process.in_words(own_uid), Some(process.pid));
        match process.effects[TERM] {
            Effect::Dropped => self.add(DROPS_TERM, pid, &values),
            Effect::Ignored => self.add(IGNORES_TERM, pid, &values),
            _ => {}
        }
        if !process.may {
            self.add(PERMISSION, pid, &values);
        }
    }

    /// A stopped process; or all zombies of one parent, with the first of them.
    fn of_halted(&mut self, halted: &Halted, facts: &Facts, index: usize) {
        let is_sibling = |other: &&Halted| other.state == b'Z' && other.parent == halted.parent;
        match halted.state {
            b'Z' if facts.halted[..index].iter().any(|other| is_sibling(&other)) => {}
            b'Z' => {
                let count = facts.halted.iter().filter(is_sibling).count();
                let texts = match halted.parent.map(Pid::get) {
                    None => ZOMBIES_OUTSIDE,
                    Some(1) => ZOMBIES_OF_PID_1,
                    Some(_) => ZOMBIES,
                };
                let parent = halted.parent.map_or("", pid_digits);
                self.add(texts, halted.parent, &[halted.parent_label, digits(count as u32), parent]);
            }
            state => {
                let texts = if state == b'T' { STOPPED } else { TRACED };
                let values = [label(halted.pid, halted.name), pid_digits(halted.pid)];
                self.add(texts, Some(halted.pid), &values);
            }
        }
    }

    fn of_limits(&mut self, facts: &Facts) {
        if let (Some(count), Some(max)) = (facts.limits[PIDS], facts.limits[PIDS_MAX])
            && max != UNLIMITED
            && u64::from(count) * 10 >= u64::from(max) * 9
        {
            self.add(MANY_PIDS, None, &[digits(count), digits(max)]);
        }
        if let Some(count) = facts.limits[OOM_KILLS].filter(|count| *count > 0) {
            self.add(OOM, None, &[digits(count)]);
        }
    }
}

pub fn pid_digits(pid: Pid) -> &'static str {
    digits(pid.get() as u32)
}
