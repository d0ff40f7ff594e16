//! Pod mode: PID 1 of a PID namespace that processes enter from outside, as those of containers do.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{
    Running, as_process, await_idle, children_of, eventually, finish, has_exited, have, have_root, helper,
    in_namespace, is_root, kill, podinit, queue, say, status_field, switches,
};

/// A pod: podinit as pause process, and a cgroup for each container.
pub struct Pod {
    pub pause: Running,
    pub init: i32,
    cgroups: Vec<PathBuf>,
    /// What executes the program by which a process enters.
    by: &'static str,
}

/// By what the containers of a pod are distinguished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Apart {
    /// A cgroup each, in this mounted hierarchy.
    Cgroups(&'static str),
    /// A mount namespace each, and one cgroup for all.
    Mounts,
}

pub const VERSION_1: Apart = Apart::Cgroups("/sys/fs/cgroup/pids");
const VERSION_2: Apart = Apart::Cgroups("/sys/fs/cgroup/unified");

/// Unlike the others, this one shows the cgroup of a process that exits.
const CPUSET: Apart = Apart::Cgroups("/sys/fs/cgroup/cpuset");

/// SigBlk of a process that blocks every signal but KILL and STOP, which cannot be blocked.
const ALL_BLOCKED: &str = "fffffffffffbfeff";

/// Whether podinit, which unshare has started, blocks every signal. Before the exec a child of unshare's does too for a moment:
/// glibc 2.41 blocks all signals around fork(2).
fn blocks_all(init: i32) -> bool {
    status_field(init, "Name") != "unshare" && status_field(init, "SigBlk") == ALL_BLOCKED
}

/// Every way in which containers can be distinguished by this user.
pub fn ways() -> Vec<Apart> {
    if is_root() { vec![VERSION_1, VERSION_2, Apart::Mounts] } else { vec![Apart::Mounts] }
}

/// Where a hierarchy is mounted. By default systemd mounts that of version 2 alone, in the place of the others' directory.
fn mounted(hierarchy: &'static str) -> &'static Path {
    let all = Path::new("/sys/fs/cgroup");
    if all.join("cgroup.procs").exists() { all } else { Path::new(hierarchy) }
}

impl Pod {
    pub fn start(options: &[&str]) -> Pod {
        let mut command = in_namespace(podinit());
        Pod::from(Running::start(command.arg("--pause").args(options)))
    }

    pub fn from(pause: Running) -> Pod {
        let init = pause.init();
        // It blocks its signals a moment after the exec.
        eventually("the pause process has settled", || {
            blocks_all(init) && status_field(init, "State").starts_with('S')
        });
        Pod { pause, init, cgroups: Vec::new(), by: "" }
    }

    /// Starts `words` as a process that enters the pod, in the container of this name.
    pub fn enter(&mut self, apart: Apart, container: &str, words: &[impl AsRef<OsStr>]) -> Running {
        let mut script = String::new();
        if let Apart::Cgroups(hierarchy) = apart {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            if self.cgroups.is_empty() {
                let name =
                    format!("podinit-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
                self.cgroups.push(mounted(hierarchy).join(name));
            }
            let dir = self.cgroups[0].join(container);
            for dir in [&self.cgroups[0], &dir] {
                fs::create_dir_all(dir).expect("make a cgroup");
                // In version 1 these are not inherited, and without them no process can enter.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let (all, own) = (fs::read(dir.join("..").join(file)), dir.join(file));
                    if let (Ok(all), true) = (all, apart == CPUSET && own.exists()) {
                        fs::write(own, all).expect("write it");
                    }
                }
            }
            if !self.cgroups.contains(&dir) {
                self.cgroups.push(dir.clone());
            }
            script = format!("echo $$ >{}/cgroup.procs && ", dir.display());
        }
        let user = if is_root() { "" } else { "-U --preserve-credentials " };
        // A container has a mount namespace of its own. Where that distinguishes containers, a later process enters
        // the one of the leader: then `container` is the leader's pid.
        let mounts = match (apart, container.parse::<i32>()) {
            (Apart::Mounts, Ok(leader)) => format!("nsenter -t {leader} {user}-p -m"),
            (Apart::Mounts, Err(_)) => format!("nsenter -t {} {user}-p -m unshare -m", self.init),
            (Apart::Cgroups(_), _) => format!("nsenter -t {} {user}-p -m", self.init),
        };
        script += &format!("exec {} {mounts} \"$@\"", self.by);
        Running::start_with_stdin(Command::new("sh").args(["-c", &script, "sh"]).args(words), Stdio::piped())
    }

    /// The uid that podinit runs as.
    pub fn uid(&self) -> u32 {
        status_field(self.init, "Uid").split('\t').next().unwrap().parse().unwrap()
    }

    /// A leader that waits for signals in the way `kind` says.
    pub fn leader(&mut self, apart: Apart, container: &str, kind: &str) -> Running {
        let mut run =
            self.enter(apart, container, &["/usr/bin/python3", &helper("leader.py"), container, kind]);
        run.wait_for("ready");
        // A thread may handle the signals, or the next sigwait(3).
        eventually("the leader sleeps", || status_field(outer_pid(&run), "State").starts_with('S'));
        run
    }

    /// A later process in the container of `leader`, which is called `container`.
    fn exec(&mut self, apart: Apart, container: &str, leader: &Running, words: &[&str]) -> Running {
        match apart {
            Apart::Cgroups(_) => self.enter(apart, container, words),
            Apart::Mounts => {
                let inside = outer_pid(leader).to_string();
                self.enter(apart, &inside, words)
            }
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The end of unshare does not kill it: a change of uid clears the parent death signal. Once unshare has
        // reaped it, its pid may be that of another process: it is signalled only while it is a child of unshare.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pause.pid()));
        if children.unwrap_or_default().split(' ').any(|pid| pid == self.init.to_string()) {
            // Without `kill`: unshare may reap it at this moment, and ESRCH is no failure.
            unsafe { libc::kill(self.init, libc::SIGKILL) };
        }
        self.cgroups.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
        for dir in &self.cgroups {
            // The kernel kills its processes after PID 1.
            eventually("the cgroup is empty", || fs::remove_dir(dir).is_ok() || !dir.exists());
        }
    }
}

/// The pid in the outer namespace of the child of nsenter, which forks to enter a PID namespace.
pub fn outer_pid(run: &Running) -> i32 {
    children_of(run.pid())[0]
}

#[test]
fn a_hang_up_reaches_leaders_that_would_receive_it_as_pid_1() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&["--target", "leaders"]);
        let mut app = pod.leader(apart, "app", "handler");
        let mut blocked = pod.leader(apart, "blocked", "thread");
        let sidecar = pod.leader(apart, "sidecar", "none");
        let exec = helper("leader.py");
        let mut session = pod.exec(apart, "app", &app, &["/usr/bin/python3", &exec, "session", "handler"]);
        session.wait_for("ready");
        // From outside, from the app's own container, and from the sidecar's.
        kill(pod.init, libc::SIGHUP);
        app.wait_for("app got 1");
        blocked.wait_for("blocked got 1");
        let from_app = pod.exec(apart, "app", &app, &["sh", "-c", "kill -USR1 1; read line"]);
        app.wait_for("app got 10");
        blocked.wait_for("blocked got 10");
        let from_sidecar = pod.exec(apart, "sidecar", &sidecar, &["sh", "-c", "kill -USR2 1; read line"]);
        app.wait_for("app got 12");
        // The sidecar is alive, and the session has received none of these: what it prints first is the signal that
        // is sent to it last.
        kill(outer_pid(&session), libc::SIGWINCH);
        assert_eq!(session.wait_for("got"), "session got 28", "{apart:?}");
        assert!(!has_exited(outer_pid(&sidecar)), "{apart:?}");
        for run in [from_app, from_sidecar, sidecar] {
            drop(run);
        }
    }
}

#[test]
fn a_leader_that_signals_pid_1_receives_the_signal() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&["--target", "leaders"]);
        let mut app = pod.enter(apart, "app", &signals_init());
        app.wait_for("app got 1");
    }
}

/// A leader with handlers that sends PID 1 a SIGHUP when it is ready.
fn signals_init() -> Vec<String> {
    ["/usr/bin/python3", &helper("leader.py"), "app", "handler", "signals-init"].map(String::from).into()
}

/// Calls `send` while podinit does not run, so that what sends it a signal has exited before it looks.
fn while_init_is_stopped(pod: &mut Pod, send: impl FnOnce(&mut Pod)) {
    kill(pod.init, libc::SIGSTOP);
    eventually("podinit is stopped", || status_field(pod.init, "State").starts_with('T'));
    send(pod);
    kill(pod.init, libc::SIGCONT);
}

/// A pod that can be stopped and continued.
fn stoppable() -> Pod {
    Pod::start(&["-r", "CONT:0"])
}

/// Checks that these leaders have received no signal that they have not been waited for.
fn assert_spared(pod: &Pod, leaders: &mut [&mut Running]) {
    // podinit handles these after all earlier ones, and they are for all. A handler may be called before that of an earlier
    // signal, but not after that of a later one that is sent when it has been called.
    for signal in [libc::SIGWINCH, libc::SIGUSR2] {
        kill(pod.init, signal);
        for leader in &mut *leaders {
            let line = leader.wait_for("got");
            assert!(
                line.ends_with(&format!(" got {signal}")),
                "{line} where {signal} was to be the next one"
            );
        }
    }
}

const UNPLACED: &str = "the sender's container is not known";

#[test]
fn a_signal_from_a_container_is_for_its_leader_if_that_handles_it() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let mut app = pod.leader(apart, "app", "handler");
        let mut waits = pod.leader(apart, "waits", "thread");
        let mut other = pod.leader(apart, "other", "handler");
        let _from_app = pod.exec(apart, "app", &app, &["sh", "-c", "kill -HUP 1; read line"]);
        app.wait_for("app got 1");
        // Sent by a child of the exec session.
        let _from_waits =
            pod.exec(apart, "waits", &waits, &["sh", "-c", "sh -c 'kill -USR1 1; read line'; :"]);
        assert_eq!(waits.wait_for("got"), "waits got 10", "{apart:?}");
        assert_spared(&pod, &mut [&mut app, &mut other]);
        assert!(!pod.pause.stderr().contains(UNPLACED), "{apart:?}: {}", pod.pause.stderr());
    }
}

#[test]
fn a_signal_that_the_senders_own_leader_does_not_handle_is_for_the_others() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let sidecar = pod.leader(apart, "sidecar", "none");
        let mut others = ["one", "two"].map(|name| pod.leader(apart, name, "handler"));
        let _session = pod.exec(apart, "sidecar", &sidecar, &["sh", "-c", "kill -HUP 1; read line"]);
        for other in &mut others {
            other.wait_for("got 1");
        }
        assert!(!has_exited(outer_pid(&sidecar)), "{apart:?}");
        assert!(!pod.pause.stderr().contains(UNPLACED), "{apart:?}: {}", pod.pause.stderr());
    }
}

#[test]
fn a_signal_from_a_leader_is_for_the_others() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let mut others = ["one", "two"].map(|name| pod.leader(apart, name, "handler"));
        let mut app = pod.enter(apart, "app", &signals_init());
        for other in &mut others {
            other.wait_for("got 1");
        }
        app.wait_for("ready");
        assert_spared(&pod, &mut [&mut app]);
        assert!(!pod.pause.stderr().contains(UNPLACED), "{apart:?}: {}", pod.pause.stderr());
    }
}

#[test]
fn a_sender_that_is_a_zombie_is_placed_by_its_parent() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = stoppable();
        let mut other = pod.leader(apart, "other", "handler");
        let mut app = pod.leader(apart, "app", "handler");
        // The shell becomes a program that reaps nothing.
        let script = "read line; sh -c 'kill -HUP 1' & exec sleep 1000";
        let mut session = pod.exec(apart, "app", &app, &["sh", "-c", script]);
        let shell = outer_pid(&session);
        while_init_is_stopped(&mut pod, |_| {
            session.stdin().write_all(b"\n").unwrap();
            eventually("the sender is a zombie", || {
                let children = children_of(shell);
                status_field(shell, "Name") == "sleep" && children.iter().any(|child| has_exited(*child))
            });
        });
        assert_eq!(app.wait_for("got"), "app got 1", "{apart:?}");
        assert_spared(&pod, &mut [&mut other]);
        assert!(!pod.pause.stderr().contains(UNPLACED), "{apart:?}: {}", pod.pause.stderr());
    }
}

#[test]
fn an_exec_session_that_is_a_zombie_is_placed_by_its_cpuset() {
    if !have_root() {
        return;
    }
    let mut pod = stoppable();
    let mut other = pod.leader(CPUSET, "other", "handler");
    let mut app = pod.leader(CPUSET, "app", "handler");
    let mut session = pod.exec(CPUSET, "app", &app, &["sh", "-c", "read line; kill -HUP 1"]);
    let sender = outer_pid(&session);
    while_init_is_stopped(&mut pod, |_| {
        // Its parent, nsenter, is outside the pod, and does not reap it now.
        session.kill(libc::SIGSTOP);
        let nsenter = session.pid();
        eventually("nsenter is stopped", || status_field(nsenter, "State").starts_with('T'));
        session.stdin().write_all(b"\n").unwrap();
        eventually("the sender is a zombie", || has_exited(sender));
    });
    assert_eq!(app.wait_for("got"), "app got 1");
    assert_spared(&pod, &mut [&mut other]);
    assert!(!pod.pause.stderr().contains(UNPLACED), "{}", pod.pause.stderr());
    session.kill(libc::SIGCONT);
}

#[test]
fn a_signal_whose_sender_is_gone_is_for_all_that_handle_it() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = stoppable();
        let mut other = pod.leader(apart, "other", "handler");
        let mut app = pod.leader(apart, "app", "handler");
        for signal in [1, 10] {
            while_init_is_stopped(&mut pod, |pod| {
                let kill = format!("kill -{signal} 1");
                drop(pod.exec(apart, "app", &app, &["sh", "-c", &kill]).finish());
            });
            for leader in [&mut app, &mut other] {
                leader.wait_for(&format!(" got {signal}"));
            }
        }
        pod.pause.wait_for_stderr(UNPLACED);
        assert_eq!(pod.pause.stderr().matches(UNPLACED).count(), 1, "{apart:?}");
    }
}

#[test]
fn a_signal_from_outside_is_for_all_that_handle_it() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let sidecar = pod.leader(apart, "sidecar", "none");
        let mut leaders =
            [("one", "handler"), ("two", "thread")].map(|(name, how)| pod.leader(apart, name, how));
        kill(pod.init, libc::SIGHUP);
        for leader in &mut leaders {
            leader.wait_for("got 1");
        }
        assert!(!has_exited(outer_pid(&sidecar)), "{apart:?}");
        assert!(!pod.pause.stderr().contains(UNPLACED), "{apart:?}: {}", pod.pause.stderr());
    }
}

#[test]
fn a_leader_may_have_any_name() {
    let apart = ways()[0];
    let mut pod = Pod::start(&[]);
    // The kernel truncates a name to 15 bytes: here, within the last ü.
    let rename = "open('/proc/self/comm', 'wb').write(b'123456789012) \\xc3\\xbc')";
    let script = format!(
        "{rename}; import os, runpy, sys; del sys.argv[0]; sys.path[0] = os.path.dirname(sys.argv[0]); \
         runpy.run_path(sys.argv[0], run_name='__main__')"
    );
    let leader = helper("leader.py");
    let mut app = pod.enter(apart, "app", &["/usr/bin/python3", "-c", &script, &leader, "app", "handler"]);
    app.wait_for("ready");
    let name = fs::read(format!("/proc/{}/comm", outer_pid(&app))).unwrap();
    assert!(str::from_utf8(&name).is_err(), "{name:?}");
    kill(pod.init, libc::SIGHUP);
    app.wait_for("app got 1");
}

#[test]
fn nested_cgroups_are_one_container() {
    if !have_root() {
        return;
    }
    for apart in [VERSION_1, VERSION_2] {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let mut app = pod.leader(apart, "app", "handler");
        let mut below = pod.leader(apart, "app/below", "handler");
        let mut other = pod.leader(apart, "apple", "handler");
        kill(pod.init, libc::SIGHUP);
        app.wait_for("got 1");
        other.wait_for("got 1");
        kill(outer_pid(&below), libc::SIGUSR1);
        assert_eq!(below.wait_for("got"), "app/below got 10", "{apart:?}");
    }
}

#[test]
fn leaders_that_handle_a_signal_receive_it_and_the_others_do_not() {
    if !have("tini") || !have("dumb-init") || !have("catatonit") || !have("nginx") {
        return;
    }
    let leader = helper("leader.py");
    let trap = "trap 'echo got 1' HUP; trap 'exit 0' USR1; echo ready; while :; do sleep 1000 & wait; done";
    let workload = ["sh", "-c", "trap 'echo got 1' HUP; echo ready; while :; do sleep 0.01; done"];
    let thread = ["/usr/bin/python3", leader.as_str(), "it", "thread"];
    let podinit = podinit().to_str().unwrap();
    let with = |init: &[&'static str]| [init, &["--"], &workload].concat();
    let mut table = vec![("how it waits", "leader", "received")];
    let apart = ways()[0];
    for (how, words, receives) in [
        ("handler", vec!["bash", "-c", trap], true),
        ("blocked, in a thread", thread.to_vec(), true),
        ("signalfd", [&[podinit, "--"], &workload[..]].concat(), true),
        ("signalfd", with(&["catatonit"]), true),
        ("sigtimedwait", with(&["tini", "-s"]), true),
        ("sigwait, with handlers", with(&["dumb-init"]), true),
        ("not at all", vec!["sh", "-c", "echo ready; exec sleep 1000"], false),
        ("ignored", vec!["sh", "-c", "trap '' HUP; echo ready; exec sleep 1000"], false),
    ] {
        println!("case: {words:?}");
        let mut pod = Pod::start(&[]);
        let mut run = pod.enter(apart, "it", &words);
        run.wait_for("ready");
        // An init is ready when its workload is, or a moment later.
        let pid = outer_pid(&run);
        eventually("the leader sleeps", || status_field(pid, "State").starts_with('S'));
        kill(pod.init, libc::SIGHUP);
        if receives {
            run.wait_for("got 1");
        } else {
            // A SIGHUP would have killed it by the time that the witness receives the second signal.
            let mut witness = pod.leader(apart, "witness", "handler");
            kill(pod.init, libc::SIGUSR1);
            witness.wait_for("got 10");
            assert!(!has_exited(pid), "{words:?}");
        }
        table.push((how, words[0].rsplit('/').next().unwrap(), if receives { "yes" } else { "no" }));
    }
    for (how, leader, received) in table {
        say(&format!("| {how:22} | {leader:9} | {received:8} |"));
    }
}

#[test]
fn the_target_may_be_the_senders_own_container_or_none() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&["--target", "sender"]);
        let mut one = pod.leader(apart, "one", "handler");
        let mut two = pod.leader(apart, "two", "handler");
        let _from_one = pod.exec(apart, "one", &one, &["sh", "-c", "kill -HUP 1; read line"]);
        one.wait_for("one got 1");
        let _from_two = pod.exec(apart, "two", &two, &["sh", "-c", "kill -USR1 1; read line"]);
        assert_eq!(two.wait_for("got"), "two got 10", "{apart:?}: the HUP was for the other container");
        // A sender outside of the pod is in no container.
        kill(pod.init, libc::SIGUSR2);
        pod.pause.wait_for_stderr("the sender's container is not known");
    }
    let mut pod = Pod::start(&["--target", "none"]);
    let apart = ways()[0];
    let mut app = pod.leader(apart, "app", "handler");
    kill(pod.init, libc::SIGHUP);
    eventually("it has dropped it", || {
        status_field(pod.init, "ShdPnd").ends_with("00000000")
            && status_field(pod.init, "State").starts_with('S')
    });
    kill(outer_pid(&app), libc::SIGUSR1);
    assert_eq!(app.wait_for("got"), "app got 10");
}

#[test]
fn a_signal_that_reaches_no_leader_is_in_the_log() {
    let apart = ways()[0];
    let only_no_leader = |pod: &Pod, signal: &str| {
        pod.pause.wait_for_stderr(" reached no leader\n");
        let log = pod.pause.stderr();
        let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(" reached no leader")).collect();
        assert!(lines.len() == 1 && lines[0].contains(&format!("{signal} from ")), "{log}");
    };
    for target in ["auto", "sender"] {
        println!("case: {target}");
        let mut pod = Pod::start(&["--verbose", "--target", target]);
        let sidecar = pod.leader(apart, "sidecar", "none");
        let _session = pod.exec(apart, "sidecar", &sidecar, &["sh", "-c", "kill -HUP 1; read line"]);
        only_no_leader(&pod, "SIGHUP");
    }
    // Those that reach one are not in it.
    let mut pod = Pod::start(&["--verbose"]);
    let mut app = pod.leader(apart, "app", "handler");
    let _session = pod.exec(apart, "app", &app, &["sh", "-c", "kill -HUP 1; read line"]);
    app.wait_for("app got 1");
    kill(pod.init, libc::SIGUSR2);
    app.wait_for("app got 12");
    kill(outer_pid(&app), libc::SIGKILL);
    app.wait_for_end_of_output();
    kill(pod.init, libc::SIGUSR1);
    only_no_leader(&pod, "SIGUSR1");
}

#[test]
fn of_two_hang_ups_at_one_moment_the_first_counts() {
    let apart = ways()[0];
    let mut pod = stoppable();
    let mut leaders = ["one", "two"].map(|name| pod.leader(apart, name, "handler"));
    let mut sessions = Vec::new();
    let init = pod.init;
    while_init_is_stopped(&mut pod, |pod| {
        for (name, leader) in ["one", "two"].iter().zip(&leaders) {
            let mut session =
                pod.exec(apart, name, leader, &["sh", "-c", "kill -HUP 1; echo sent; read line"]);
            session.wait_for("sent");
            sessions.push(session);
        }
    });
    assert_eq!(leaders[0].wait_for("got"), "one got 1");
    kill(init, 37);
    assert_eq!(leaders[1].wait_for("got"), "two got 37");
}

#[test]
fn signals_are_rewritten() {
    let mut pod = Pod::start(&["-r", "HUP:USR1", "-r", "USR2:0"]);
    let mut app = pod.leader(ways()[0], "app", "handler");
    kill(pod.init, libc::SIGUSR2);
    kill(pod.init, libc::SIGHUP);
    assert_eq!(app.wait_for("got"), "app got 10");
}

#[test]
fn queued_values_arrive() {
    // As root podinit would have a uid of its own. The sender of a queued signal is not known, so the signal would be
    // forwarded to leaders of that uid alone, and the app is none.
    let mut pod = Pod::start(&["--keep-privileges"]);
    let receiver = [podinit().to_str().unwrap(), "/usr/bin/python3", &helper("receive.py"), "50"];
    let mut app = pod.enter(ways()[0], "app", &receiver);
    app.wait_for("ready");
    await_idle(outer_pid(&app));
    for value in 0..50 {
        queue(pod.init, 37, value);
    }
    for value in 0..50 {
        assert_eq!(app.wait_for("got"), format!("got 37 -1 {value} 0"));
    }
}

#[test]
fn a_leader_that_waits_receives_the_next_signal_before_it_has_run_again() {
    let mut pod = Pod::start(&["--keep-privileges"]);
    let init = [podinit().to_str().unwrap(), "/usr/bin/python3", &helper("receive.py"), "9"];
    let mut app = pod.enter(ways()[0], "app", &init);
    app.wait_for("ready");
    let leader = outer_pid(&app);
    await_idle(leader);
    queue(pod.init, 37, 0);
    app.wait_for("got 37 -1 0 0");
    // A stopped process does not run either.
    kill(leader, libc::SIGSTOP);
    eventually("it is stopped", || status_field(leader, "State").starts_with('T'));
    for signal in [37, 38] {
        queue(pod.init, signal, 1);
    }
    eventually("they are pending", || status_field(leader, "ShdPnd") == format!("{:016x}", 0b11_u64 << 36));
    kill(leader, libc::SIGCONT);
    for signal in [37, 38] {
        app.wait_for(&format!("got {signal} -1 1 0"));
    }
}

#[test]
fn a_leader_that_blocks_other_signals_than_when_it_waited_is_not_signalled() {
    let mut pod = Pod::start(&[]);
    let mut app = pod.enter(ways()[0], "app", &["/usr/bin/python3", &helper("blocking.py")]);
    app.wait_for("ready");
    let leader = outer_pid(&app);
    eventually("it sleeps", || status_field(leader, "State").starts_with('S'));
    kill(pod.init, libc::SIGUSR1);
    eventually("SIGUSR1 is pending", || status_field(leader, "ShdPnd").ends_with("200"));
    kill(pod.init, libc::SIGHUP);
    app.wait_for("blocks it");
    // As a fork does, but for longer than podinit looks.
    kill(leader, libc::SIGSTOP);
    eventually("it is stopped", || status_field(leader, "State").starts_with('T'));
    kill(pod.init, libc::SIGUSR2);
    pod.pause.wait_for_stderr("SIGUSR2 is not forwarded to");
    assert!(status_field(leader, "ShdPnd").ends_with("200"));
}

#[test]
fn orphans_do_not_wake_the_pause_process() {
    let mut pod = Pod::start(&[]);
    await_idle(pod.init);
    let before = switches(pod.init);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do (true &); done; echo done; read line";
    let mut container = pod.enter(ways()[0], "container", &["sh", "-c", script]);
    container.wait_for("done");
    let children = format!("/proc/{0}/task/{0}/children", pod.init);
    eventually("no child is left", || fs::read_to_string(&children).unwrap().is_empty());
    assert_eq!(switches(pod.init), before);
    // Unless it has to log the reaped processes.
    for (option, line) in [("--warn-reaped", "Reaped zombie process with pid="), ("-vv", "debug: reaped ")] {
        println!("case: {option}");
        let mut pod = Pod::start(&[option]);
        let _container = pod.enter(ways()[0], "container", &["sh", "-c", script]);
        pod.pause.wait_for_stderr(line);
    }
}

#[test]
fn orphans_of_every_container_are_reaped() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let mut app = pod.enter(apart, "app", &["/usr/bin/python3", &helper("orphans.py"), "500"]);
        app.wait_for("orphaned");
        let children = format!("/proc/{0}/task/{0}/children", pod.init);
        eventually("no zombie is left", || fs::read_to_string(&children).unwrap().is_empty());
    }
}

#[test]
fn sigterm_from_the_engine_waits_for_the_containers() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let worker = ["/usr/bin/python3", &helper("worker.py"), "app"];
        let mut app = pod.enter(apart, "app", &worker);
        app.wait_for("ready");
        // An exec session that ignores SIGTERM: podinit does not wait for it.
        let _session = pod.exec(apart, "app", &app, &["sh", "-c", "trap '' TERM; read line"]);
        // As podman pod stop does: SIGTERM to PID 1 and to each container at the same moment.
        kill(pod.init, libc::SIGTERM);
        pod.pause.wait_for_stderr("outside the pod");
        kill(outer_pid(&app), libc::SIGTERM);
        let app = app.finish();
        assert_eq!(app.stdout.matches("received").count(), 1, "{apart:?}: {app:?}");
        assert!(app.stdout.contains("flushed"), "{apart:?}: {app:?}");
        assert_eq!(app.code, Some(0), "{apart:?}: {app:?}");
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn a_stopped_leader_handles_the_sigterm_of_a_stop_from_inside() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&["--grace", "1h"]);
        let mut app = pod.leader(apart, "app", "handler");
        let leader = outer_pid(&app);
        kill(leader, libc::SIGSTOP);
        eventually("it is stopped", || status_field(leader, "State").starts_with('T'));
        let _stopper = pod.enter(apart, "stopper", &["sh", "-c", "kill -TERM 1; read line"]);
        app.wait_for("app got 15");
    }
}

#[test]
fn without_a_container_podinit_exits_at_once() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        println!("case: signal {signal}");
        let pod = Running::start(in_namespace(podinit()).arg("--pause"));
        let init = pod.init();
        eventually("the signals are blocked", || blocks_all(init));
        kill(init, signal);
        let run = pod.finish();
        assert_eq!(run.code, Some(0), "signal {signal}: {run:?}");
        assert!(run.stderr.contains("from outside the pod"), "signal {signal}: {run:?}");
    }
}

#[test]
fn a_stop_from_inside_stops_the_pod() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&["--grace", "1h"]);
        let mut app = pod.enter(apart, "app", &["/usr/bin/python3", &helper("worker.py"), "app"]);
        app.wait_for("ready");
        let mut plain = pod.enter(apart, "plain", &["sh", "-c", "echo ready; exec sleep 1000"]);
        plain.wait_for("ready");
        let _stopper = pod.enter(apart, "plain", &["sh", "-c", "kill -TERM 1; read line"]);
        app.wait_for("received 15");
        pod.pause.wait_for_stderr("stopping the pod");
        pod.pause.wait_for_stderr("(sh), uid 0");
        assert!(app.finish().stdout.contains("flushed"), "{apart:?}");
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn leaders_that_answer_sigterm_with_sigterm_receive_one_each() {
    let apart = ways()[0];
    let leader = helper("leader.py");
    let mut pod = Pod::start(&["--grace", "1h"]);
    let mut leaders = ["one", "two"].map(|name| {
        let mut run = pod.enter(apart, name, &["/usr/bin/python3", &leader, name, "handler", "answers"]);
        run.wait_for("ready");
        run
    });
    let _stopper = pod.enter(apart, "stopper", &["sh", "-c", "kill -TERM 1; read line"]);
    // The second stop comes from outside, from the engine.
    for stops in [1, 2] {
        for run in &mut leaders {
            assert!(run.wait_for("got").ends_with("got 15"), "stop {stops}");
            run.wait_for("answered");
        }
        // podinit reads this signal after the answers, since its number is higher.
        kill(pod.init, 37);
        for run in &mut leaders {
            assert!(run.wait_for("got").ends_with("got 37"), "stop {stops}: another SIGTERM came");
        }
        let count = || pod.pause.stderr().matches("stopping the pod").count();
        eventually("podinit has logged the stop", || count() >= stops);
        assert_eq!(count(), stops, "stop {stops}: {}", pod.pause.stderr());
        kill(pod.init, libc::SIGTERM);
    }
}

#[test]
fn a_second_sigterm_from_outside_terminates_the_leaders() {
    let mut pod = Pod::start(&["--grace", "3s"]);
    let mut app = pod.enter(ways()[0], "app", &["/usr/bin/python3", &helper("worker.py"), "app", "stubborn"]);
    app.wait_for("ready");
    let other = pod.leader(ways()[0], "other", "handler");
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("outside the pod: waiting");
    kill(outer_pid(&other), libc::SIGTERM);
    other.finish();
    kill(pod.init, libc::SIGTERM);
    app.wait_for("received 15");
    pod.pause.wait_for_stderr("time is up");
    let init = pod.init;
    eventually("podinit has exited", || has_exited(init));
    // Of the one that is left, and once, though both stops have waited for it.
    let stderr = pod.pause.stderr();
    assert_eq!(stderr.matches("time is up").count(), 1, "{stderr}");
}

#[test]
fn a_container_that_starts_again_while_the_pod_stops_is_stopped_in_good_order() {
    for apart in ways() {
        for (by_engine, from_inside) in [(true, false), (false, true), (true, true)] {
            println!("case: {apart:?}, by the engine: {by_engine}, from inside: {from_inside}");
            let mut pod = Pod::start(&["--grace", "1h"]);
            let first = pod.leader(apart, "app", "handler");
            // It outlives the leader, and is no leader.
            let mut session = pod.exec(apart, "app", &first, &["sh", "-c", "echo ready; read line"]);
            session.wait_for("ready");
            let worker = ["/usr/bin/python3", &helper("worker.py"), "other", "stubborn"];
            let mut other = pod.enter(apart, "other", &worker);
            other.wait_for("ready");
            let stop = ["sh", "-c", "kill -TERM 1; read line"];
            if by_engine {
                kill(pod.init, libc::SIGTERM);
                pod.pause.wait_for_stderr("outside the pod");
                kill(outer_pid(&first), libc::SIGTERM);
            } else {
                let _stopper = pod.enter(apart, "other", &stop);
                pod.pause.wait_for_stderr("stopping the pod");
            }
            first.finish();
            // A SIGTERM before it has its handler waits for that.
            pod.by = "env --block-signal=TERM";
            let mut second = pod.enter(apart, "app", &["/usr/bin/python3", &helper("worker.py"), "app"]);
            if by_engine && from_inside {
                second.wait_for("ready");
                let _stopper = pod.enter(apart, "other", &stop);
                second.wait_for("received 15");
                kill(outer_pid(&other), libc::SIGKILL);
            } else if by_engine {
                second.wait_for("ready");
                kill(outer_pid(&second), libc::SIGTERM);
                kill(outer_pid(&other), libc::SIGKILL);
                second.wait_for("received 15");
            } else {
                second.wait_for("received 15");
                kill(outer_pid(&other), libc::SIGKILL);
            }
            let second = second.finish();
            assert!(second.stdout.contains("flushed"), "{second:?}");
            let init = pod.init;
            eventually("podinit has exited", || has_exited(init));
        }
    }
}

#[test]
fn a_leader_that_executes_its_program_while_the_pod_stops_is_sent_sigterm() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&["--grace", "1h"]);
    let worker = ["/usr/bin/python3", &helper("worker.py"), "other", "stubborn"];
    let mut other = pod.enter(VERSION_1, "other", &worker);
    other.wait_for("ready");
    // As runc does: not nsenter forks, but what it executes.
    let program = ["-F", "/usr/bin/python3", &helper("starting.py"), "sleep", "1000"];
    let mut started = ["app", "session"].map(|name| {
        let mut run = pod.enter(VERSION_1, name, &program);
        run.wait_for("forked");
        run
    });
    let _stopper = pod.enter(VERSION_1, "stopper", &["sh", "-c", "kill -TERM 1; read line"]);
    other.wait_for("received 15");
    // An exec session, which its runtime puts into the cgroup of a container only now.
    let session = outer_pid(&started[1]);
    fs::write(pod.cgroups[0].join("other/cgroup.procs"), session.to_string()).unwrap();
    for run in started.iter_mut().rev() {
        run.stdin().write_all(b"\n").unwrap();
    }
    assert_eq!(started[0].wait_for("ended"), "ended -15");
    assert!(!has_exited(session), "an exec session was sent SIGTERM");
}

#[test]
fn root_keeps_no_more_than_the_right_to_signal() {
    if !have_root() {
        return;
    }
    let pod = Pod::start(&[]);
    let uid = pod.uid();
    assert!((0x7800_0000..0x7ffe_0000).contains(&uid), "{uid}");
    let ids = [uid.to_string().as_str(); 4].join("\t");
    for (field, value) in [
        ("Uid", ids.as_str()),
        ("Gid", ids.as_str()),
        ("Groups", ""),
        ("CapPrm", "0000000000000020"),
        ("CapEff", "0000000000000020"),
        ("CapInh", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        eventually(field, || status_field(pod.init, field) == value);
    }
    assert_ne!(Pod::start(&[]).uid(), uid, "the uid is another one at each start");
    let pod = Pod::start(&["--keep-privileges"]);
    assert!(status_field(pod.init, "Uid").starts_with("0\t"));
    assert_ne!(status_field(pod.init, "CapEff"), "0000000000000020");
}

#[test]
fn without_cap_kill_podinit_warns_once_for_each_leader() {
    if !have_root() {
        return;
    }
    let mut command = in_namespace("setpriv");
    command.args(["--reuid=54325", "--regid=54325", "--clear-groups"]).arg(podinit()).arg("--pause");
    let mut pod = Pod::from(Running::start(&mut command));
    let mut app = pod.leader(VERSION_1, "app", "handler");
    kill(pod.init, libc::SIGHUP);
    pod.pause.wait_for_stderr("start the pause image as root");
    kill(pod.init, libc::SIGHUP);
    // The app has received no SIGHUP. A podinit that may not signal the leaders still exits after the last of them.
    kill(outer_pid(&app), libc::SIGUSR1);
    assert_eq!(app.wait_for("got"), "app got 10");
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("outside the pod");
    kill(outer_pid(&app), libc::SIGTERM);
    let pause = std::mem::replace(&mut pod.pause, Running::start(&mut Command::new("true")));
    let run = pause.finish();
    assert_eq!(run.code, Some(0));
    assert_eq!(run.stderr.matches("as root").count(), 1, "{run:?}");
}

/// podinit as PID 1, after a shell script that sets up its mounts and privileges.
pub fn pod_with(arrangement: &str, options: &str) -> Pod {
    let mut command = crate::support::unshare();
    command.args(["sh", "-c", &format!("{arrangement} {} --pause {options}", podinit().display())]);
    Pod::from(Running::start(&mut command))
}

#[test]
fn confined_in_every_way_podinit_still_reaps_and_stops() {
    if !have_root() {
        return;
    }
    let confined =
        "exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --reuid=54326 --clear-groups";
    for proc in [
        "mount -t proc proc /proc",
        "mount -t proc -o hidepid=2 proc /proc",
        "mount -t proc proc /proc && mount -o remount,ro,bind /",
        "mount -t tmpfs none /proc",
    ] {
        println!("case: {proc}");
        let mut pod = pod_with(&format!("mount --make-rprivate / && {proc} && {confined}"), "");
        let mut app = pod.enter(VERSION_1, "app", &["sh", "-c", "(true &); (true &); echo ready; read line"]);
        app.wait_for("ready");
        let children = format!("/proc/{0}/task/{0}/children", pod.init);
        eventually("no zombie is left", || fs::read_to_string(&children).unwrap().is_empty());
        kill(pod.init, libc::SIGTERM);
        pod.pause.wait_for_stderr("outside the pod");
        drop(app.finish());
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn a_hostile_neighbour_changes_nothing() {
    let apart = ways()[0];
    let mut pod = Pod::start(&[]);
    let mut app = pod.leader(apart, "app", "handler");
    let mut neighbour = pod.enter(apart, "neighbour", &["/usr/bin/python3", &helper("neighbour.py")]);
    neighbour.wait_for("ready");
    for _ in 0..50 {
        kill(pod.init, libc::SIGHUP);
        app.wait_for("app got 1");
    }
    kill(outer_pid(&neighbour), libc::SIGKILL);
    let children = format!("/proc/{0}/task/{0}/children", pod.init);
    eventually("no zombie is left", || fs::read_to_string(&children).unwrap().is_empty());
}

#[test]
fn a_thousand_leaders() {
    // Each has a cgroup of its own.
    if !have_root() {
        return;
    }
    let apart = ways()[0];
    let mut pod = Pod::start(&[]);
    let Apart::Cgroups(hierarchy) = apart else { unreachable!() };
    pod.leader(apart, "first", "handler");
    let top = pod.cgroups[0].clone();
    assert!(top.starts_with(mounted(hierarchy)));
    let mut crowd = Running::start_with_stdin(
        Command::new("/usr/bin/python3").args([
            &helper("crowd.py"),
            &pod.init.to_string(),
            top.to_str().unwrap(),
            "1000",
        ]),
        Stdio::piped(),
    );
    crowd.wait_for("ready");
    pod.cgroups.extend((0..1000).map(|n| top.join(n.to_string())));
    let cpu = |pid: i32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = cpu(pod.init);
    kill(pod.init, libc::SIGHUP);
    crowd.wait_for("all received it");
    let ticks = cpu(pod.init) - before;
    say(&format!("1000 leaders: {} µs of processor time for each SIGHUP", ticks * 10));
}

#[test]
fn pause_by_name_and_its_version() {
    let link = crate::support::scratch("name").join("pause");
    std::os::unix::fs::symlink(podinit(), &link).unwrap();
    let run = finish(Command::new(&link).arg("-v"));
    assert_eq!(run.stdout, concat!("podinit ", env!("CARGO_PKG_VERSION"), "\n"));
    let mut pod = Pod::from(Running::start(&mut in_namespace(&link)));
    let mut app = pod.leader(ways()[0], "app", "handler");
    kill(pod.init, libc::SIGHUP);
    app.wait_for("got 1");
    // Where it is not PID 1 it warns, forwards no SIGHUP, and exits on SIGTERM.
    let run = Running::start(&mut as_process(&["--pause"]));
    run.wait_for_stderr("not PID 1");
    // What root sends before podinit has changed its uid is dropped.
    eventually("podinit keeps CAP_KILL alone", || {
        !is_root() || status_field(run.pid(), "CapEff") == "0000000000000020"
    });
    await_idle(run.pid());
    run.kill(libc::SIGHUP);
    run.kill(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn many_signals_do_not_grow_the_memory() {
    let apart = ways()[0];
    let mut pod = Pod::start(&[]);
    let mut app = pod.leader(apart, "app", "handler");
    let memory = |pod: &Pod| status_field(pod.init, "VmRSS");
    let mut round = |pod: &Pod| {
        for _ in 0..200 {
            kill(pod.init, libc::SIGHUP);
            app.wait_for("got 1");
        }
    };
    round(&pod);
    let before = memory(&pod);
    round(&pod);
    round(&pod);
    assert_eq!(memory(&pod), before);
    eventually("podinit sleeps", || status_field(pod.init, "State").starts_with('S'));
}
