//! How it is written: for people, within 80 columns where names and numbers are not longer than usual, and without colours;
//! or for programs, as JSON on one line, of which packaging/diagnose.schema.json says what is in it.
//!
//! Both are made of the same values in the same order, by two templates for each part.

use super::facts::{Facts, HUP, Halted, Process, SHOWN, label};
use super::findings::{Finding, hang_up, receivers};
use super::limits::UNLIMITED;
use super::template::{Text, digits, item};
use crate::sys::process::Pid;

/// How many zombies and stopped processes people are shown.
const LINES: usize = 20;

/// The words for the values of `Effect`, and below of `Role`, `Kind` and `Reaps`, in the order of each.
const EFFECTS: &str = "handled~waits~blocked~ignored~dropped~kills~unknown";
const ROLES: &str = "pause~leader~starting~main~exec";
const KINDS: &str = "app~shell~pause~podinit-pause~podinit~catatonit~tini~dumb-init~unknown";
const REAPS: &str = "yes~perhaps~no~unknown";

/// A template for people, and behind `~` the same for programs.
const HEAD: &str = concat!(
    "PID 1: %A (%B), uid %C%H\nPID namespace: %D\nreaps orphans: %E\nkill -HUP 1: %F",
    r#"~{"version":1,"pid_1":{"name":"%A","kind":"%B","uid":%C,"may_signal":%G,"reaps":"%E","hup":"%F","hup_receivers":["#
);
const RECEIVER: &str = " to %A: %B,~%C,";
const PROCESSES: &str = concat!(
    "\n\n#^2ROLE^;PID^AUID^GNAME^QHUP^YTERM^aINT^iQUIT^qUSR1^yUSR2\n",
    r#"~]},"shared":%B,"uid":%A,"processes":["#
);
const PROCESS: &str = concat!(
    "%A^2%B^;%C^A%E%G^G%D^Q%H^Y%I^a%J^i%K^q%L^y%M\n",
    r#"~{"container":%A,"role":"%B","pid":%C,"name":"%D","uid":%E,"may_signal":%F,"signals":{"#,
    r#""HUP":"%H","TERM":"%I","INT":"%J","QUIT":"%K","USR1":"%L","USR2":"%M"}},"#
);
const HALTED: &str = r#"~],"halted":["#;
const HALTED_ONE: &str = concat!(
    "%A: %B (%C) of %D, started %F%G ago\n",
    r#"~{"state":"%A","pid":%B,"name":"%C","parent":%E,"age_seconds":%F},"#
);
const LIMITS: &str = concat!(
    "\nown cgroup: %A processes and threads (limit: %B), OOM kills: %C\n",
    r#"~],"cgroup":{"pids_current":%A,"pids_max":%B,"oom_kill":%C},"unread":["#
);
const UNREAD: &str = "not read: %A\n~\"%A\",";
const FINDINGS: &str = "\n~],\"findings\":[";
const FINDING: &str = concat!("- %A\n  > %B\n", r#"~{"key":"%C","pid":%D,"what":"%A","remedy":"%B"},"#);
const END: &str = "~]}\n";
const NONE: &str = "no findings\n~]}\n";

struct Output {
    text: Text,
}

/// The whole text.
pub fn text(facts: &Facts, findings: &[Finding], is_json: bool) -> &'static str {
    let mut out = Output { text: Text { text: String::new(), is_json, wraps: !is_json } };
    out.head(facts);
    out.text.wraps = false;
    facts.processes.iter().for_each(|process| out.process(process));
    out.text.wraps = !is_json;
    out.end_of_list(HALTED, &[]);
    if !is_json && !facts.halted.is_empty() {
        out.text.text.push('\n');
    }
    for (index, halted) in facts.halted.iter().enumerate() {
        if is_json || index < LINES {
            out.halted(halted);
        } else if index == LINES {
            out.text.text.push_str("...\n");
        }
    }
    out.limits(facts);
    for Finding { key, pid, what, remedy } in findings {
        out.add(FINDING, &[what, remedy, key, out.pid(*pid)]);
    }
    out.end_of_list(if findings.is_empty() { NONE } else { END }, &[]);
    out.text.text.leak()
}

impl Output {
    /// Adds a part with these values.
    fn add(&mut self, part: &'static str, values: &[&str]) {
        self.text.add(item(part, self.text.is_json.into()), values);
    }

    /// Adds what is behind a list, whose last item has no comma.
    fn end_of_list(&mut self, part: &'static str, values: &[&str]) {
        if self.text.text.ends_with(',') {
            self.text.text.pop();
        }
        self.add(part, values);
    }

    /// A number that may not be known.
    fn number(&self, number: Option<u32>) -> &'static str {
        match number {
            Some(number) => digits(number),
            None if self.text.is_json => "null",
            None => "?",
        }
    }

    fn pid(&self, pid: Option<Pid>) -> &'static str {
        self.number(pid.map(|pid| pid.get() as u32))
    }

    /// Who PID 1 is, and what it does.
    fn head(&mut self, facts: &Facts) {
        let name = facts.init.map_or("?", |init| init.name);
        let uid = self.number(facts.init.map(|init| init.uid));
        let (shared, truth) =
            if facts.is_shared { ("shared by containers", "true") } else { ("one container's", "false") };
        let (may, mark) = facts.init.map_or(("null", ""), may);
        let hang_up = hang_up(facts).map_or("forwarded", |effect| item(EFFECTS, effect as usize));
        let (kind, reaps) = (item(KINDS, facts.kind as usize), item(REAPS, facts.reaps as usize));
        self.add(HEAD, &[name, kind, uid, shared, reaps, hang_up, may, mark]);
        for process in receivers(facts) {
            let effect = item(EFFECTS, process.effects[HUP] as usize);
            self.add(RECEIVER, &[label(process.pid, process.name), effect, digits(process.pid.get() as u32)]);
        }
        self.end_of_list(PROCESSES, &[digits(facts.uid), truth]);
    }

    fn process(&mut self, process: &Process) {
        let container = self.number(Some(process.container).filter(|number| *number > 0));
        let (may, mark) = may(*process);
        let (pid, uid) = (self.pid(Some(process.pid)), digits(process.uid));
        let mut values = [""; 7 + SHOWN];
        values[..7].copy_from_slice(&[
            container,
            item(ROLES, process.role as usize),
            pid,
            process.name,
            uid,
            may,
            mark,
        ]);
        for (value, effect) in values[7..].iter_mut().zip(process.effects) {
            *value = item(EFFECTS, effect as usize);
        }
        self.add(PROCESS, &values);
    }

    fn halted(&mut self, halted: &Halted) {
        let state = match halted.state {
            b'Z' => "zombie",
            b'T' => "stopped",
            _ => "traced",
        };
        let (unit, name) = if halted.age < 120 || self.text.is_json { (1, " s") } else { (60, " min") };
        let (pid, parent) = (self.pid(Some(halted.pid)), self.pid(halted.parent));
        let age = digits(halted.age / unit);
        self.add(HALTED_ONE, &[state, pid, halted.name, halted.parent_label, parent, age, name]);
    }

    /// The cgroup, and what could not be read.
    fn limits(&mut self, facts: &Facts) {
        let numbers = facts.limits.map(|number| match number {
            Some(UNLIMITED) if self.text.is_json => "null",
            Some(UNLIMITED) => "none",
            number => self.number(number),
        });
        self.end_of_list(LIMITS, &numbers);
        facts.unread.iter().for_each(|what| self.add(UNREAD, &[what]));
        self.end_of_list(FINDINGS, &[]);
    }
}

/// Whether this process may signal it: for programs, and as the mark behind its uid.
fn may(process: Process) -> (&'static str, &'static str) {
    if process.may { ("true", "") } else { ("false", "*") }
}
