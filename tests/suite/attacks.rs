//! Attacks on the pause process. The leaders of the pod run as root. A sender without capabilities tries to have
//! a signal forwarded to them, or to stop the pod. SECURITY.md has a line for each attack.

use std::io::Write;
use std::process::Stdio;

use crate::pod::{Pod, VERSION_1, outer_pid};
use crate::support::{
    Running, children_of, eventually, has_exited, have_root, helper, in_namespace, kill, podinit, queue,
    status_field,
};

/// A uid that many pause images run as, and other workloads too.
const USUAL_UID: u32 = 65535;

/// The process that attacks.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// It has podinit's own uid, which only root can give it.
    OwnUid,
    /// It has this real and this effective uid.
    Uids(u32, u32),
    /// It has uid 0. The kernel lets it raise a signal in any process by F_SETOWN.
    Root,
}

/// A pod with a leader that runs as root. The attacker is in another container.
struct Attacked {
    pod: Pod,
    app: Running,
}

impl Attacked {
    fn start() -> Attacked {
        Attacked::from(Pod::start(&[]))
    }

    fn from(pod: Pod) -> Attacked {
        Attacked::with_leader(pod, "handler")
    }

    /// With a leader of this kind (tests/helpers/leader.py).
    fn with_leader(mut pod: Pod, kind: &str) -> Attacked {
        // It may change its uid after it has blocked its signals.
        eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
        let app = pod.leader(VERSION_1, "app", kind);
        Attacked { pod, app }
    }

    /// Signals PID 1 with each of `signals` as `how` says (tests/helpers/attack.py). Returns what attack.py
    /// printed for each.
    fn attack(&mut self, sender: Sender, how: &str, signals: &[&str]) -> Vec<String> {
        let own = self.pod.uid();
        let ids = match sender {
            Sender::OwnUid => format!("--reuid={own} --regid={own} --clear-groups"),
            Sender::Uids(real, effective) => format!("--ruid={real} --euid={effective} --clear-groups"),
            Sender::Root => String::new(),
        };
        let attacker = helper("attack.py");
        let script = format!(
            "exec setpriv {ids} --no-new-privs --inh-caps=-all --bounding-set=-all prlimit --sigpending=64 \
             /usr/bin/python3 {attacker} {how} {}",
            signals.join(" ")
        );
        let mut run = self.pod.enter(VERSION_1, "attacker", &["sh", "-c", &script]);
        run.wait_for("attack over");
        signals.iter().map(|signal| run.seen(&format!("attack {signal} ")).to_owned()).collect()
    }

    /// Checks that no signal of the attack reached the leader, that the pod does not stop, and that a signal from
    /// root is forwarded as before.
    fn assert_unharmed(&mut self, attack: &str) {
        // podinit reads pending signals in the order of their numbers, so this one is forwarded after those of
        // the attack.
        kill(self.pod.init, 37);
        assert_eq!(self.app.wait_for("got"), "app got 37", "{attack}");
        kill(self.pod.init, libc::SIGHUP);
        assert_eq!(self.app.wait_for("got"), "app got 1", "{attack}");
        let log = self.pod.pause.stderr();
        assert!(!log.contains("stopping the pod") && !log.contains("waiting for its"), "{attack}: {log}");
    }
}

/// The kernel permits this sender to signal podinit. Its signals reach no leader.
fn assert_confined(sender: Sender, how: &str) {
    let mut attacked = Attacked::start();
    assert_eq!(attacked.attack(sender, how, &["1", "15"]), ["attack 1 sent", "attack 15 sent"], "{how}");
    attacked.assert_unharmed(how);
}

/// The kernel does not permit this sender to signal podinit, since podinit's uid is another one.
fn assert_refused(sender: Sender, how: &str, signals: &[&str]) {
    let mut attacked = Attacked::start();
    for (signal, outcome) in signals.iter().zip(attacked.attack(sender, how, signals)) {
        assert_eq!(outcome, format!("attack {signal} refused"), "{how}");
    }
    attacked.assert_unharmed(how);
}

#[test]
fn a_sender_of_podinits_own_uid_is_confined() {
    if !have_root() {
        return;
    }
    for how in ["kill", "tgkill"] {
        println!("case: {how}");
        assert_confined(Sender::OwnUid, how);
    }
}

#[test]
fn a_siginfo_of_the_senders_own_making_is_not_believed() {
    if !have_root() {
        return;
    }
    for code in [-1, -2, -3, -4, -5, -7, -60, -100] {
        println!("case: si_code {code}");
        assert_confined(Sender::OwnUid, &format!("queue:{code}"));
    }
}

#[test]
fn a_signal_raised_for_a_file_is_not_the_engines() {
    if !have_root() {
        return;
    }
    for sender in [Sender::OwnUid, Sender::Root] {
        println!("case: {sender:?}");
        assert_confined(sender, "owner");
        // The siginfo of SIGIO and SIGURG has the kernel as the sender.
        let mut attacked = Attacked::start();
        attacked.attack(sender, "io", &["29"]);
        attacked.attack(sender, "urgent", &["23"]);
        attacked.assert_unharmed("SIGIO and SIGURG");
    }
}

#[test]
fn a_sender_whose_uid_is_not_mapped_is_confined() {
    if !have_root() {
        return;
    }
    assert_confined(Sender::OwnUid, "namespace");
}

#[test]
fn another_real_uid_with_the_effective_one_of_a_pause_image_is_refused() {
    if !have_root() {
        return;
    }
    assert_refused(Sender::Uids(54321, USUAL_UID), "kill", &["1", "15"]);
}

/// A pod whose signal queues are short, so that one is soon full.
fn with_short_queues() -> Pod {
    let mut command = in_namespace("prlimit");
    Pod::from(Running::start(command.arg("--sigpending=64").arg(podinit()).arg("--pause")))
}

#[test]
fn a_full_queue_hides_no_sender() {
    if !have_root() {
        return;
    }
    // The kernel drops the siginfo where the queue is full, and the signal looks like one from the engine.
    for how in ["full:-1", "full:-60", "full:-6"] {
        println!("case: {how}");
        let mut attacked = Attacked::from(with_short_queues());
        let sender = Sender::Uids(USUAL_UID, USUAL_UID);
        let outcomes = attacked.attack(sender, how, &["1", "15"]);
        assert_eq!(outcomes, ["attack 1 refused", "attack 15 refused"], "{how}");
        attacked.assert_unharmed(how);
    }
}

#[test]
fn a_fault_raised_while_the_queue_is_full_is_not_the_engines() {
    if !have_root() {
        return;
    }
    let mut attacked = Attacked::with_leader(with_short_queues(), "faults");
    // Podinit would empty the queue in between.
    kill(attacked.pod.init, libc::SIGSTOP);
    attacked.attack(Sender::Root, "overflow", &["4", "5", "7", "8", "11", "31"]);
    kill(attacked.pod.init, libc::SIGCONT);
    attacked.assert_unharmed("overflow");
}

#[test]
fn no_other_user_fills_podinits_queue() {
    if !have_root() {
        return;
    }
    let mut attacked = Attacked::from(with_short_queues());
    let fill = format!(
        "exec setpriv --reuid={USUAL_UID} --clear-groups prlimit --sigpending=64 /usr/bin/python3 {} full:-1",
        helper("attack.py")
    );
    let mut filler = attacked.pod.enter(VERSION_1, "attacker", &["sh", "-c", &fill]);
    filler.wait_for("attack over");
    // The kernel answers EAGAIN if there is no room.
    queue(attacked.pod.init, 37, 1);
    attacked.assert_unharmed("full");
}

#[test]
fn a_continuation_within_the_session_is_refused() {
    if !have_root() {
        return;
    }
    // The attacker is in the session that podinit was started in.
    assert_refused(Sender::Uids(54321, 54321), "kill", &["18"]);
}

#[test]
fn a_process_of_another_user_may_not_signal_podinit() {
    if !have_root() {
        return;
    }
    for how in ["kill", "queue:-1", "queue:-60", "tgkill"] {
        println!("case: {how}");
        assert_refused(Sender::Uids(54321, 54321), how, &["1", "15"]);
    }
}

#[test]
fn root_without_capabilities_may_not_signal_podinit() {
    if !have_root() {
        return;
    }
    for how in ["kill", "queue:-1", "tgkill", "namespace"] {
        println!("case: {how}");
        assert_refused(Sender::Root, how, &["1", "15"]);
    }
}

/// Starts podinit with signals pending that were sent `how` while PID 1 had uid 0 (tests/helpers/pending.py).
fn with_pending(how: &str) -> Running {
    let mut command = in_namespace("/usr/bin/python3");
    command.args([&helper("pending.py"), how]).arg(podinit()).arg("--pause");
    Running::start_with_stdin(&mut command, Stdio::piped())
}

#[test]
fn what_was_sent_before_podinit_took_its_uid_is_dropped() {
    if !have_root() {
        return;
    }
    Attacked::from(Pod::from(with_pending("from-inside"))).assert_unharmed("early");
}

#[test]
fn what_the_engine_sent_before_podinit_took_its_uid_is_handled() {
    if !have_root() {
        return;
    }
    let mut run = with_pending("from-outside");
    run.wait_for("blocked");
    run.signal_init(libc::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("from outside the pod"), "{run:?}");
}

#[test]
fn a_confined_sender_reaches_leaders_of_podinits_uid() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&[]);
    eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
    let uid = pod.uid();
    let own = format!("setpriv --reuid={uid} --clear-groups");
    // Its child runs as root and is no leader, but the end of the pod would kill it.
    let script = format!("sleep 1000 & exec {own} /usr/bin/python3 {} own handler", helper("leader.py"));
    let mut app = pod.enter(VERSION_1, "own", &["sh", "-c", &script]);
    app.wait_for("ready");
    let script = format!("exec {own} sh -c 'kill -HUP 1; kill -TERM 1; read line; kill -TERM 1; read line'");
    let mut sender = pod.enter(VERSION_1, "own", &["sh", "-c", &script]);
    app.wait_for("own got 1");
    pod.pause.wait_for_stderr("is ignored");
    let sleep = children_of(outer_pid(&app))[0];
    kill(sleep, libc::SIGKILL);
    eventually("the process that runs as root has exited", || has_exited(sleep));
    writeln!(sender.stdin()).unwrap();
    app.wait_for("own got 15");
}

#[test]
fn a_confined_sender_does_not_reach_the_leader_of_its_own_container() {
    if !have_root() {
        return;
    }
    let mut attacked = Attacked::start();
    let own = attacked.pod.uid();
    let script =
        format!("exec setpriv --reuid={own} --clear-groups sh -c 'kill -HUP 1; echo sent; read line'");
    let mut attacker = attacked.pod.enter(VERSION_1, "app", &["sh", "-c", &script]);
    attacker.wait_for("sent");
    attacked.assert_unharmed("kill from its own container");
}
