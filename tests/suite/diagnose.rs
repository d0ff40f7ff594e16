//! `--diagnose`: what it predicts is what happens.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::hidden::hide_the_masks;
use crate::pod::{Apart, Pod, outer_pid, ways};
use crate::support::{
    Finished, Running, as_process, children_of, eventually, finish, has_exited, have, have_root, helper,
    in_namespace, is_root, kill, podinit, say_skipped, scratch, status_field, unshare,
};

/// The signals that are predicted.
const SIGNALS: [(&str, i32); 6] = [
    ("HUP", libc::SIGHUP),
    ("TERM", libc::SIGTERM),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
];

/// What `--diagnose --json` printed, a line `key.key value` for each value.
struct Diagnosis {
    code: Option<i32>,
    lines: Vec<String>,
}

impl Diagnosis {
    /// Checks the JSON by Python's json module and by the schema.
    fn of(run: Finished) -> Diagnosis {
        assert_eq!(run.stderr, "", "{run:?}");
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/diagnose.schema.json");
        let mut python = Command::new("/usr/bin/python3");
        let mut python = Running::start_with_stdin(python.arg(helper("flat.py")).arg(schema), Stdio::piped());
        python.stdin().write_all(run.stdout.as_bytes()).unwrap();
        let flat = python.finish();
        assert_eq!((flat.code, flat.stderr.as_str()), (Some(0), ""), "{run:?}");
        Diagnosis { code: run.code, lines: flat.lines().into_iter().map(String::from).collect() }
    }

    /// The value of a key; empty if there is none.
    fn get(&self, key: &str) -> &str {
        let mut values = self.lines.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        values.next().unwrap_or_default()
    }

    fn of_process(&self, pid: i32, key: &str) -> &str {
        self.get(&format!("processes.{pid}.{key}"))
    }

    /// What it predicts of a process, in the order of [`SIGNALS`].
    fn predicted(&self, pid: i32) -> Vec<&str> {
        SIGNALS.iter().map(|(name, _)| self.of_process(pid, &format!("signals.{name}"))).collect()
    }

    /// The remedies of the findings of this kind.
    fn remedies(&self, kind: &str) -> Vec<&str> {
        let of = |line: &String| {
            let (path, value) = line.strip_prefix("findings.")?.split_once(' ')?;
            (value == kind).then(|| path.strip_suffix(".key").map(String::from))?
        };
        let numbers = self.lines.iter().filter_map(of);
        numbers.map(|number| self.get(&format!("findings.{number}.remedy"))).collect()
    }
}

/// A command that enters the namespaces of the process `init`.
fn enter(init: i32, words: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &init.to_string(), "-p", "-m"]);
    if !is_root() {
        command.args(["-U", "--preserve-credentials"]);
    }
    command.args(words);
    command
}

fn diagnose_with(init: i32, before: &[&str]) -> Diagnosis {
    let words = [before, &[podinit().to_str().unwrap(), "--diagnose", "--json"]].concat();
    Diagnosis::of(finish(&mut enter(init, &words)))
}

/// That of the PID namespace of the process `init`.
fn diagnose(init: i32) -> Diagnosis {
    diagnose_with(init, &[])
}

/// Checks that README.md shows what is behind `first` in the text for people, and so that it is real.
#[track_caller]
fn assert_readme_shows(text: &str, first: &str) {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let begin = text.find(first).unwrap_or_else(|| panic!("{first:?} is not in {text}"));
    let mut lines = text[begin..].lines();
    let mut shown = format!("    {}\n", lines.next().unwrap());
    for line in lines.take_while(|line| line.starts_with("  ")) {
        shown += &format!("    {line}\n");
    }
    assert!(readme.contains(&shown), "README.md does not have\n{shown}");
}

/// The text for people.
fn table(init: i32) -> Finished {
    finish(&mut enter(init, &[podinit().to_str().unwrap(), "--diagnose"]))
}

/// The pid of a process in its own PID namespace.
fn inside(pid: i32) -> i32 {
    status_field(pid, "NSpid").rsplit('\t').next().unwrap().parse().unwrap()
}

/// Whether a process has not exited, and is not about to.
fn is_untouched(pid: i32) -> bool {
    // Read once, since it may exit and be reaped between two reads.
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    status.lines().all(|line| match line.split_once(":\t") {
        Some(("State", state)) => !state.starts_with('Z'),
        Some(("SigPnd" | "ShdPnd", pending)) => pending.bytes().all(|digit| digit == b'0'),
        _ => true,
    })
}

/// A program, what it is called with, and what is predicted of it as a process that is not PID 1.
struct Case {
    words: Vec<String>,
    expected: [&'static str; 6],
}

fn case(words: &[&str], expected: [&'static str; 6]) -> Case {
    Case { words: words.iter().copied().map(String::from).collect(), expected }
}

/// Programs that print a line with `ready`, and one with `got` for each signal that they handle.
fn cases() -> Vec<Case> {
    let python = |kind| ["/usr/bin/python3".into(), helper("leader.py"), "app".into(), kind];
    let traps =
        "trap 'echo got' HUP TERM USR1; trap '' USR2; sleep 1000 & echo ready; while :; do wait; done";
    let strings = |words: [String; 4]| words.into_iter().collect::<Vec<_>>();
    let mut cases = vec![
        case(
            &["bash", "-c", traps],
            // bash itself has a handler for INT, and ignores QUIT.
            ["handled", "handled", "handled", "ignored", "handled", "ignored"],
        ),
        case(&["sh", "-c", "echo ready; exec sleep 1000"], ["kills"; 6]),
        Case {
            words: strings(python("handler".into())),
            expected: ["handled", "handled", "handled", "kills", "handled", "handled"],
        },
        Case {
            words: strings(python("thread".into())),
            expected: ["waits", "waits", "handled", "kills", "waits", "waits"],
        },
        Case {
            words: strings(python("none".into())),
            expected: ["kills", "kills", "handled", "kills", "kills", "kills"],
        },
    ];
    // podinit sits in poll, tini in sigtimedwait. Both forward to a program that handles these.
    let mut inits = vec![vec![podinit().to_str().unwrap().to_owned(), "--".into()]];
    if have("tini") {
        inits.push(vec!["tini".into(), "-s".into(), "--".into()]);
    }
    for init in inits {
        cases
            .push(Case { words: [init, strings(python("handler".into()))].concat(), expected: ["waits"; 6] });
    }
    cases
}

/// Checks that the signal does to the process `pid`, which `run` is the output of, what was predicted.
fn assert_comes_true(run: &mut Running, pid: i32, signal: i32, predicted: &str) {
    println!("case: signal {signal}: {predicted}");
    kill(pid, signal);
    match predicted {
        "kills" => eventually("it is killed", || has_exited(pid)),
        "ignored" | "dropped" => assert!(is_untouched(pid), "signal {signal} was not {predicted}"),
        // Python's own handler of SIGINT, bash's and an init's child without one.
        "handled" | "waits" if matches!(signal, libc::SIGINT | libc::SIGQUIT) => {
            eventually("it is no longer pending", || has_exited(pid) || is_untouched(pid));
        }
        "handled" | "waits" => drop(run.wait_for("got")),
        _ => panic!("signal {signal}: {predicted}"),
    }
}

#[test]
fn what_is_predicted_of_leaders_comes_true() {
    let apart = ways()[0];
    for case in cases() {
        println!("case: {:?}", case.words);
        for (index, (_, signal)) in SIGNALS.iter().enumerate() {
            let mut pod = Pod::start(&[]);
            let mut run = pod.enter(apart, "app", &case.words);
            run.wait_for("ready");
            let leader = outer_pid(&run);
            eventually("it sleeps", || status_field(leader, "State").starts_with('S'));
            let found = diagnose(pod.init);
            let predicted = found.predicted(inside(leader));
            assert_eq!(predicted, case.expected, "{:?}", case.words);
            assert_eq!(found.of_process(inside(leader), "may_signal"), "true");
            assert_comes_true(&mut run, leader, *signal, predicted[index]);
        }
    }
}

#[test]
fn what_is_predicted_of_pid_1_comes_true() {
    for case in cases() {
        println!("case: {:?}", case.words);
        // tini's option is for those that are not PID 1.
        for (index, (_, signal)) in SIGNALS.iter().enumerate() {
            let mut command = in_namespace(&case.words[0]);
            let mut run = Running::start(command.args(&case.words[1..]));
            run.wait_for("ready");
            let init = run.init();
            eventually("it sleeps", || status_field(init, "State").starts_with('S'));
            let found = diagnose(init);
            let as_pid_1 = case.expected.map(|word| if word == "kills" { "dropped" } else { word });
            let predicted = found.predicted(1);
            assert_eq!(predicted, as_pid_1, "{:?}", case.words);
            assert_eq!(found.get("shared"), "false");
            let finds_term = !found.remedies("term").is_empty();
            if finds_term && case.words[0] == "sh" {
                assert_readme_shows(&table(init).stdout, "- PID 1 (sleep)");
            }
            assert_eq!(finds_term, predicted[1] == "dropped", "{:?}", found.lines);
            assert_comes_true(&mut run, init, *signal, predicted[index]);
        }
    }
}

#[test]
fn nginx_is_predicted() {
    if !have("nginx") {
        return;
    }
    let dir = scratch("nginx");
    let text = format!(
        "user root root; error_log stderr notice; pid {0}/pid; worker_processes 1; events {{}}
         http {{ access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
                 uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; server {{ listen unix:{0}/socket; }} }}",
        dir.display()
    );
    fs::write(dir.join("nginx.conf"), text).unwrap();
    let mut command = in_namespace("/usr/sbin/nginx");
    let conf = dir.join("nginx.conf");
    let run =
        Running::start(command.args(["-e", "stderr", "-c", conf.to_str().unwrap(), "-g", "daemon off;"]));
    run.wait_for_stderr("start worker process");
    let init = run.init();
    let found = diagnose(init);
    assert_eq!(found.predicted(1), ["handled"; 6]);
    assert_eq!((found.get("pid_1.name"), found.get("pid_1.hup")), ("nginx", "handled"));
    assert_eq!(found.get("pid_1.reaps"), "perhaps");
    let workers = children_of(init);
    kill(init, libc::SIGHUP);
    eventually("it has reloaded", || !children_of(init).iter().any(|pid| workers.contains(pid)));
    kill(init, libc::SIGTERM);
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn who_receives_a_hang_up() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let mut one = pod.leader(apart, "one", "handler");
        let mut two = pod.leader(apart, "two", "handler");
        let sidecar = pod.leader(apart, "sidecar", "none");
        let [first, second] = [&one, &two].map(|leader| inside(outer_pid(leader)).to_string());
        // From a container of its own, and so for all that handle it.
        let found = diagnose(pod.init);
        assert_eq!(found.get("pid_1.kind"), "podinit-pause");
        assert_eq!((found.get("pid_1.hup"), found.get("pid_1.reaps")), ("forwarded", "yes"));
        assert_eq!((found.get("shared"), found.code), ("true", Some(0)), "{:?}", found.lines);
        let shown =
            format!("forwarded to PID {first} (python3): handled, to PID {second} (python3): handled\n");
        // A long line is continued in the next one.
        assert!(table(pod.init).stdout.replace("\n    ", " ").contains(&shown));
        assert_eq!(
            [found.get("pid_1.hup_receivers.0"), found.get("pid_1.hup_receivers.1")],
            [first.as_str(), second.as_str()]
        );
        // From the first one's container, by what is executed there. A sender that exits at once could not be placed.
        let script = format!("kill -HUP 1; {} --diagnose --json; read line", podinit().display());
        let session = exec(&mut pod, apart, "one", &one, &["sh", "-c", &script]);
        assert_eq!(one.wait_for("got"), "one got 1");
        let found = Diagnosis::of(session.finish());
        assert_eq!(found.get("pid_1.hup_receivers.0"), first, "{:?}", found.lines);
        assert_eq!(found.get("pid_1.hup_receivers.1"), "");
        // What the second one receives first is what is sent to it last.
        kill(outer_pid(&two), libc::SIGWINCH);
        assert_eq!(two.wait_for("got"), "two got 28", "{apart:?}");
        let session = exec(&mut pod, apart, "sidecar", &sidecar, &["sh", "-c", &script]);
        assert_eq!([one.wait_for("got"), two.wait_for("got")], ["one got 1", "two got 1"]);
        assert_eq!(Diagnosis::of(session.finish()).get("pid_1.hup_receivers.1"), second);
    }
}

/// A later process in the container of `leader`, which is called `container`.
fn exec(pod: &mut Pod, apart: Apart, container: &str, leader: &Running, words: &[&str]) -> Running {
    let inside = outer_pid(leader).to_string();
    pod.enter(apart, if apart == Apart::Mounts { &inside } else { container }, words)
}

#[test]
fn containers_exec_sessions_and_main_processes_are_distinguished() {
    for apart in ways() {
        println!("case: {apart:?}");
        let mut pod = Pod::start(&[]);
        let app = pod.leader(apart, "app", "handler");
        let init = podinit().to_str().unwrap();
        let mut side = pod.enter(apart, "side", &[init, "--", "sh", "-c", "echo ready; read line"]);
        side.wait_for("ready");
        let mut session = exec(&mut pod, apart, "app", &app, &["sh", "-c", "echo ready; read line"]);
        session.wait_for("ready");
        let found = diagnose(pod.init);
        let of =
            |pid: i32| [found.of_process(inside(pid), "container"), found.of_process(inside(pid), "role")];
        assert_eq!(of(outer_pid(&app)), ["1", "leader"]);
        assert_eq!(of(outer_pid(&session)), ["1", "exec"]);
        assert_eq!(of(outer_pid(&side)), ["2", "leader"]);
        assert_eq!(of(children_of(outer_pid(&side))[0]), ["2", "main"]);
    }
}

#[test]
fn a_pause_process_that_does_not_run_at_the_moment_is_known() {
    let mut pod = Pod::start(&[]);
    let app = pod.leader(ways()[0], "app", "handler");
    // As on a busy machine after a signal: it is not asleep, and does not run.
    kill(pod.init, libc::SIGSTOP);
    eventually("it is stopped", || status_field(pod.init, "State").starts_with('T'));
    let found = diagnose(pod.init);
    assert_eq!((found.get("pid_1.kind"), found.get("pid_1.hup")), ("podinit-pause", "forwarded"));
    assert_eq!(found.get("pid_1.hup_receivers.0"), inside(outer_pid(&app)).to_string());
    kill(pod.init, libc::SIGCONT);
}

#[test]
fn who_receives_a_hang_up_under_other_inits() {
    for (init, kind) in [("catatonit", "catatonit"), ("dumb-init", "dumb-init"), ("tini", "tini")] {
        if !have(init) {
            continue;
        }
        println!("case: {init}");
        let mut command = in_namespace(init);
        let words = ["--", "/usr/bin/python3", &helper("leader.py"), "app", "handler"];
        let mut run = Running::start(command.args(words));
        run.wait_for("ready");
        let found = diagnose(run.init());
        assert_eq!((found.get("pid_1.kind"), found.get("pid_1.hup")), (kind, "forwarded"));
        let receiver = inside(children_of(run.init())[0]);
        assert_eq!(found.get("pid_1.hup_receivers.0"), receiver.to_string());
        assert_eq!((found.of_process(receiver, "role"), found.get("pid_1.reaps")), ("main", "yes"));
        run.signal_init(libc::SIGHUP);
        run.wait_for("app got 1");
    }
}

#[test]
fn catatonit_as_a_pause_process_forwards_nothing() {
    if !have("catatonit") {
        return;
    }
    let mut command = in_namespace("catatonit");
    let pause = Running::start(command.arg("-P"));
    let init = pause.init();
    eventually("it waits", || {
        status_field(init, "State").starts_with('S') && status_field(init, "SigBlk").starts_with("ffff")
    });
    let mut entered = enter(init, &["unshare", "-m"]);
    let mut app = Running::start(entered.args(["/usr/bin/python3", &helper("leader.py"), "app", "handler"]));
    app.wait_for("ready");
    let found = diagnose(init);
    assert_eq!((found.get("pid_1.kind"), found.get("pid_1.hup")), ("catatonit", "dropped"));
    assert_eq!((found.get("shared"), found.remedies("hup").len()), ("true", 1));
    kill(init, libc::SIGHUP);
    eventually("it has taken it", || is_untouched(init));
    kill(outer_pid(&app), libc::SIGWINCH);
    assert_eq!(app.wait_for("got"), "app got 28");
}

#[test]
fn a_bare_pause_process_drops_a_hang_up() {
    // Kubernetes' own has handlers for INT, TERM and CHLD.
    let script = "import ctypes, signal; [signal.signal(n, lambda *_: None) for n in (2, 15, 17)]
ctypes.CDLL(None).prctl(15, b'pause', 0, 0, 0); print('ready', flush=True)
while True: signal.pause()";
    let mut command = in_namespace("/usr/bin/python3");
    let mut pause = Running::start(command.args(["-c", script]));
    pause.wait_for("ready");
    let init = pause.init();
    let words = ["/usr/bin/python3", &helper("leader.py"), "app", "handler"];
    let mut entered = enter(init, &["unshare", "-m"]);
    let mut app = Running::start(entered.args(words));
    app.wait_for("ready");
    let found = diagnose(init);
    let leader = inside(outer_pid(&app));
    assert_eq!((found.get("pid_1.kind"), found.get("pid_1.hup")), ("pause", "dropped"));
    assert_eq!((found.get("pid_1.reaps"), found.code), ("yes", Some(1)));
    assert_eq!(
        found.remedies("hup"),
        [format!("kill -HUP {leader} (python3), or podinit as the pause image")]
    );
    kill(init, libc::SIGHUP);
    assert!(is_untouched(init));
}

#[test]
fn zombies_and_stopped_processes_are_found() {
    let mut pod = Pod::start(&[]);
    let words = ["/usr/bin/python3", &helper("zombie.py"), "/bin/sleep", "1000"];
    let app = pod.enter(ways()[0], "app", &words);
    let leader = outer_pid(&app);
    eventually("it has a zombie", || status_field(leader, "Name") == "sleep");
    let other = pod.enter(ways()[0], "other", &["sleep", "1000"]);
    let stopped = outer_pid(&other);
    eventually("it has been executed", || status_field(stopped, "Name") == "sleep");
    kill(stopped, libc::SIGSTOP);
    eventually("it is stopped", || status_field(stopped, "State").starts_with('T'));
    let found = diagnose(pod.init);
    let (zombie, parent) = (inside(children_of(leader)[0]), inside(leader).to_string());
    assert_eq!(found.get(&format!("halted.{zombie}.parent")), parent);
    assert_eq!(found.remedies("zombies"), [format!("PID {parent} must wait() for it: no init can")]);
    assert_eq!(found.get(&format!("halted.{}.state", inside(stopped))), "stopped");
    assert_eq!(found.remedies("stopped"), [format!("kill -CONT {}", inside(stopped))]);
    assert_eq!(found.code, Some(1));
    let table = table(pod.init);
    assert_readme_shows(&table.stdout, "- zombies that PID 2 (sleep)");
    assert!(
        table.stdout.contains(&format!("\nzombie: {zombie} (python3) of PID {parent} (sleep), started "))
    );
    assert_eq!(table.code, Some(1));
}

#[test]
fn any_name_is_escaped() {
    let apart = ways()[0];
    let mut pod = Pod::start(&[]);
    let rename = "import ctypes, signal, sys; name = bytes.fromhex(sys.argv[1])
ctypes.CDLL(None).prctl(15, name, 0, 0, 0); print('ready', flush=True); signal.pause()";
    let names =
        [&b"\x1b[31mred"[..], b"a\nb \"c\"\\", b"z\xfcrich", "\u{202e}\u{e9}".as_bytes(), b"\x7f\x01"];
    for (number, name) in names.into_iter().enumerate() {
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let words = ["/usr/bin/python3", "-c", rename, &hex];
        let mut app = pod.enter(apart, &format!("app{number}"), &words);
        app.wait_for("ready");
        let found = diagnose(pod.init);
        let shown = found.of_process(inside(outer_pid(&app)), "name");
        let escaped = [r"\u{1b}[31mred", r#"a\nb \"c\"\\"#, r"z\xfcrich", "\\u{202e}\u{e9}", r"\u{7f}\u{1}"];
        assert_eq!(shown, escaped[number]);
        let table = table(pod.init).stdout;
        assert!(
            table.contains(escaped[number]) && table.lines().all(|line| !line.contains(char::is_control))
        );
    }
}

#[test]
fn an_ordinary_user_may_not_signal_others() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&[]);
    let app = pod.leader(ways()[0], "app", "handler");
    let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all"];
    let pid = inside(outer_pid(&app));
    let found = diagnose_with(pod.init, &user);
    assert_eq!((found.get("uid"), found.of_process(pid, "may_signal")), ("1000", "false"));
    assert_eq!(found.predicted(pid)[..2], ["handled", "handled"]);
    let remedy = "give this container the capability KILL, or run it as uid 0 (runAsUser)";
    // PID 1 has a uid of its own.
    assert_eq!((found.get("pid_1.may_signal"), found.get("pid_1.hup")), ("false", "forwarded"));
    let of_pid_1 = remedy.replace("uid 0", &format!("uid {}", found.get("pid_1.uid")));
    assert_eq!((found.remedies("permission"), found.code), (vec![&*of_pid_1, remedy], Some(1)));
    assert_eq!(finish(&mut enter(pod.init, &[&user[..], &["kill", "-HUP", "1"]].concat())).code, Some(1));
    let words = [&user[..], &[podinit().to_str().unwrap(), "--diagnose"]].concat();
    assert_readme_shows(&finish(&mut enter(pod.init, &words)).stdout, "- PID 2 (python3) runs as uid 0");
    // With the capability, or as the same user, it may.
    let capable = [&user[..], &["--inh-caps=+kill", "--ambient-caps=+kill"]].concat();
    let found = diagnose_with(pod.init, &[&capable[..4], &capable[5..]].concat());
    assert_eq!((found.of_process(pid, "may_signal"), found.code), ("true", Some(0)), "{:?}", found.lines);
    assert_eq!(found.get("pid_1.may_signal"), "true");
}

#[test]
fn what_hidepid_hides_is_named() {
    if !have_root() {
        return;
    }
    let mut command = unshare();
    command.args(["sh", "-c", "mount -t proc -o hidepid=2 proc /proc && exec sleep 1000"]);
    let run = Running::start(&mut command);
    let init = run.init();
    eventually("it has mounted it", || status_field(init, "Name") == "sleep");
    let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    let found = diagnose_with(init, &user);
    assert_eq!(found.get("unread.0"), "processes of other users (hidepid)");
    assert_eq!((found.get("pid_1.name"), found.get("pid_1.hup")), ("?", "unknown"));
    assert_eq!((found.remedies("hidden").len(), found.code), (1, Some(1)));
    // root sees all, and so does whose group is root's (proc(5)).
    let group = ["setpriv", "--reuid=1000", "--regid=0", "--clear-groups"];
    for found in [diagnose(init), diagnose_with(init, &group)] {
        assert_eq!(found.get("pid_1.name"), "sleep");
        assert!(found.remedies("hidden").is_empty(), "{:?}", found.lines);
    }
}

#[test]
fn what_proc_does_not_say_is_unknown() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&[]);
    let app = pod.leader(ways()[0], "app", "handler");
    hide_the_masks(&pod, &app);
    let found = diagnose(pod.init);
    assert_eq!(found.predicted(inside(outer_pid(&app))), ["unknown"; 6]);
    assert_eq!(found.get("pid_1.hup_receivers.0"), "");
    assert!(found.lines.iter().any(|line| line.ends_with("what some processes handle")), "{:?}", found.lines);
}

#[test]
fn without_its_own_proc_it_fails() {
    for proc in ["mount -t tmpfs none /proc", "true"] {
        println!("case: {proc}");
        let mut command = unshare();
        let script = format!("{proc} && {} --diagnose --json; exit $?", podinit().display());
        finish(command.args(["sh", "-c", &script])).assert_refused(125, &["/proc", "mount"]);
    }
}

#[test]
fn alone_it_says_where_to_run_it() {
    let mut command = in_namespace(podinit());
    let found = Diagnosis::of(finish(command.args(["--diagnose", "--json"])));
    assert_eq!((found.remedies("alone").len(), found.code), (1, Some(1)));
}

/// A cgroup of version 1, removed in the end.
struct Cgroup(PathBuf);

impl Cgroup {
    /// One with this controller, of version 1 or 2. `None` if this user or this machine has none, after saying so.
    fn new(controller: &str) -> Option<Cgroup> {
        if !have_root() {
            return None;
        }
        let all = Path::new("/sys/fs/cgroup");
        let enabled = fs::read_to_string(all.join("cgroup.subtree_control")).unwrap_or_default();
        let hierarchy = match all.join(controller) {
            version_1 if version_1.exists() => version_1,
            _ if enabled.split_whitespace().any(|word| word == controller) => all.to_owned(),
            _ => {
                say_skipped(&format!("needs a cgroup with the controller {controller}"));
                return None;
            }
        };
        let dir = hierarchy.join(format!("podinit-diagnose-{controller}-{}", std::process::id()));
        fs::create_dir(&dir).expect("make a cgroup");
        Some(Cgroup(dir))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        eventually("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn its_own_cgroup_is_read() {
    let Some(cgroup) = Cgroup::new("pids") else { return };
    let dir = &cgroup.0;
    fs::write(dir.join("pids.max"), "3").unwrap();
    // The shell, and podinit.
    let script = format!(
        "echo $$ >{}/cgroup.procs && {{ {} --diagnose --json; exit $?; }}",
        dir.display(),
        podinit().display()
    );
    let found = Diagnosis::of(finish(Command::new("sh").args(["-c", &script])));
    assert_eq!((found.get("cgroup.pids_current"), found.get("cgroup.pids_max")), ("2", "3"));
    assert!(found.remedies("pids").is_empty(), "{:?}", found.lines);
    fs::write(dir.join("pids.max"), "2").unwrap();
    let found = Diagnosis::of(finish(Command::new("sh").args(["-c", &script])));
    assert_eq!(found.remedies("pids").len(), 1, "{:?}", found.lines);
}

#[test]
fn the_files_of_version_2_are_read() {
    // Here the controllers may be in version 1. tests/machines has a real cgroup of version 2.
    if !have_root() {
        return;
    }
    let script = format!(
        "mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && echo 7 >pids.current && echo max >pids.max &&
         printf 'low 0\\noom 4\\noom_kill 3\\n' >memory.events && {} --diagnose --json",
        podinit().display()
    );
    let found = Diagnosis::of(finish(in_namespace("sh").args(["-c", &format!("{script}; exit $?")])));
    let numbers = ["pids_current", "pids_max", "oom_kill"].map(|key| found.get(&format!("cgroup.{key}")));
    assert_eq!((numbers, found.remedies("oom").len()), (["7", "null", "3"], 1));
}

#[test]
fn a_process_that_was_killed_for_want_of_memory_is_found() {
    let Some(cgroup) = Cgroup::new("memory") else { return };
    let dir = &cgroup.0;
    let of_version_2 = dir.join("memory.max");
    let limit = if of_version_2.exists() { of_version_2 } else { dir.join("memory.limit_in_bytes") };
    fs::write(limit, "32M").unwrap();
    // Where there is swap.
    for (file, most) in [("memory.swap.max", "0"), ("memory.memsw.limit_in_bytes", "32M")] {
        if dir.join(file).exists() {
            fs::write(dir.join(file), most).unwrap();
        }
    }
    let script = format!(
        "echo $$ >{}/cgroup.procs && {{ python3 -c 'x = b\"x\" * (1 << 28)' 2>/dev/null; echo $?; {} --diagnose; }}",
        dir.display(),
        podinit().display()
    );
    let run = finish(Command::new("sh").args(["-c", &script]));
    assert_eq!((run.lines()[0], run.code), ("137", Some(1)), "{run:?}");
    assert_readme_shows(&run.stdout, "- processes of this cgroup");
}

#[test]
fn its_options_go_together() {
    for (words, problem) in [
        (&["--diagnose", "true"][..], "with --diagnose there is no program to run"),
        (&["--json"], "--json needs --diagnose"),
    ] {
        finish(&mut as_process(words)).assert_refused(125, &[problem]);
    }
}
