//! Pod mode where /proc hides processes or their signal masks. A leader that may exist is awaited and terminated.

use std::fs;
use std::process::Command;

use crate::pod::{Pod, VERSION_1, outer_pid, pod_with};
use crate::support::{
    Running, eventually, has_exited, have_root, helper, kill, podinit, queue, scratch, status_field,
};

/// Ways to hide the leaders from podinit: a name, and the shell script that sets up /proc.
const HIDING: [(&str, &str); 5] = [
    ("hidepid", "mount -t proc -o hidepid=2 proc /proc"),
    ("no /proc", "mount -t proc proc /proc && mount -t tmpfs none /proc"),
    ("another namespace's /proc", "true"),
    (
        "FIFOs in place of its files",
        "mount -t tmpfs none /proc && ln -s 1 /proc/self && mkdir /proc/1 && mkfifo /proc/1/stat",
    ),
    ("it may not be read", "mount -t proc proc /proc && chmod 711 /proc"),
];

fn hidden_pod(hiding: &str, options: &str) -> Pod {
    pod_with(&format!("mount --make-rprivate / && {hiding} && exec"), options)
}

fn worker(pod: &mut Pod, how: &[&str]) -> Running {
    let script = helper("worker.py");
    let words = [&["/usr/bin/python3", script.as_str(), "app"], how].concat();
    let mut app = pod.enter(VERSION_1, "app", &words);
    app.wait_for("ready");
    app
}

#[test]
fn the_engines_stop_waits_for_hidden_leaders() {
    if !have_root() {
        return;
    }
    for (what, hiding) in HIDING {
        println!("case: {what}");
        let mut pod = hidden_pod(hiding, "--grace 1ms");
        let app = worker(&mut pod, &[]);
        kill(pod.init, libc::SIGTERM);
        pod.pause.wait_for_stderr("outside the pod");
        pod.pause.wait_for_stderr("/proc does not show all processes");
        kill(outer_pid(&app), libc::SIGTERM);
        let app = app.finish();
        assert!(app.stdout.contains("flushed") && app.code == Some(0), "{what}: {app:?}");
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn a_stop_from_inside_terminates_hidden_leaders() {
    if !have_root() {
        return;
    }
    for (what, hiding) in HIDING {
        println!("case: {what}");
        let mut pod = hidden_pod(hiding, "--grace 1h");
        let app = worker(&mut pod, &[]);
        let stopper = pod.enter(VERSION_1, "other", &["sh", "-c", "kill -TERM 1"]);
        let app = app.finish();
        assert_eq!(app.stdout.matches("received").count(), 1, "{what}: {app:?}");
        assert!(app.stdout.contains("flushed"), "{what}: {app:?}");
        drop(stopper);
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn a_stop_from_inside_ends_after_the_grace() {
    if !have_root() {
        return;
    }
    for (what, hiding) in HIDING {
        println!("case: {what}");
        // At a load of 80 a worker was seen that had not run 300 ms after the SIGTERM.
        let mut pod = hidden_pod(hiding, "--grace 3s");
        let mut app = worker(&mut pod, &["stubborn"]);
        let _stopper = pod.enter(VERSION_1, "other", &["sh", "-c", "trap '' TERM; kill -TERM 1; read line"]);
        app.wait_for("received 15");
        pod.pause.wait_for_stderr("leaving processes behind that /proc does not show");
        let init = pod.init;
        eventually("podinit has exited", || has_exited(init));
    }
}

#[test]
fn waiting_for_hidden_leaders_rarely_wakes_up() {
    if !have_root() {
        return;
    }
    let mut pod = hidden_pod(HIDING[0].1, "");
    let _app = worker(&mut pod, &[]);
    kill(pod.init, libc::SIGTERM);
    // podinit looks after 10 ms, 30 ms, 70 ms and so on, 7 times in the first second, and then once a second.
    let looks = || -> u32 { status_field(pod.init, "voluntary_ctxt_switches").parse().unwrap() };
    let started = std::time::Instant::now();
    let before = looks();
    eventually("podinit has looked ten times", || looks() >= before + 10);
    assert!(started.elapsed().as_millis() >= 2000, "10 looks in {:?}", started.elapsed());
}

#[test]
fn a_leader_that_proc_shows_again_is_awaited() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&["--grace", "1h"]);
    let proc = format!("/proc/{}/root/proc", pod.init);
    let app = worker(&mut pod, &[]);
    let chmod = |mode: &str| assert!(Command::new("chmod").args([mode, &proc]).status().unwrap().success());
    chmod("711");
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("/proc does not show all processes");
    chmod("555");
    // A leader that podinit waits for is held by a pidfd.
    let fds = format!("/proc/{}/fd", pod.init);
    let is_held = |fd: std::io::Result<fs::DirEntry>| {
        let link = fs::read_link(fd.unwrap().path()).unwrap_or_default();
        link.to_string_lossy().contains("pidfd")
    };
    eventually("podinit holds the leader", || fs::read_dir(&fds).unwrap().any(is_held));
    kill(outer_pid(&app), libc::SIGTERM);
    assert!(app.finish().stdout.contains("flushed"));
    let init = pod.init;
    eventually("podinit has exited", || has_exited(init));
}

#[test]
fn a_root_directory_of_mode_0700_hides_nothing() {
    if !have_root() {
        return;
    }
    let root = scratch("root");
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs -o mode=700 none {0} && cp {1} {0} && mkdir {0}/proc &&
         mount -t proc proc {0}/proc && exec chroot {0} /podinit --pause",
        root.display(),
        podinit().display()
    );
    let mut command = crate::support::unshare();
    let mut pod = Pod::from(Running::start(command.args(["sh", "-c", &script])));
    eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
    let mut app = pod.leader(VERSION_1, "app", "handler");
    kill(pod.init, libc::SIGHUP);
    app.wait_for("got 1");
    assert_eq!(pod.pause.stderr(), "");
}

/// Hides the signal masks of a leader: its /proc/PID/status has the fields of gVisor's alone.
pub fn hide_the_masks(pod: &Pod, app: &Running) {
    let inside = app.seen("ready").rsplit(' ').next().unwrap().to_owned();
    let status = scratch("status").join("status");
    fs::write(&status, "Name:\tapp\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\n").unwrap();
    let target = format!("/proc/{inside}/status");
    let mount = Command::new("nsenter")
        .args(["-t", &pod.init.to_string(), "-m", "mount", "--bind", status.to_str().unwrap(), &target])
        .status();
    assert!(mount.unwrap().success());
}

#[test]
fn a_leader_with_unknown_masks_is_awaited_and_terminated() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&["--grace", "1h"]);
    let mut app = pod.leader(VERSION_1, "app", "handler");
    hide_the_masks(&pod, &app);
    kill(pod.init, libc::SIGHUP);
    pod.pause.wait_for_stderr("/proc does not say which signals");
    kill(pod.init, libc::SIGUSR2);
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("outside the pod");
    // The second SIGTERM is sent to it. SIGHUP, SIGUSR2 and the first SIGTERM were not.
    kill(pod.init, libc::SIGTERM);
    assert_eq!(app.wait_for("got"), "app got 15");
    let log = pod.pause.stderr();
    assert_eq!(log.matches("/proc does not say").count(), 1, "{log}");
    // It is awaited beyond the grace, since it may handle SIGTERM. (For a leader without a handler the wait ends
    // after the grace.)
    let mut pod = Pod::start(&["--grace", "1ms"]);
    let app = worker(&mut pod, &[]);
    hide_the_masks(&pod, &app);
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("outside the pod");
    kill(outer_pid(&app), libc::SIGTERM);
    assert!(app.finish().stdout.contains("flushed"));
}

#[test]
fn a_receiver_with_a_full_queue_gets_the_signal_without_its_value() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&["--keep-privileges"]);
    let leader = ["/usr/bin/python3", &helper("leader.py"), "app", "handler"];
    let mut app = pod.enter(VERSION_1, "app", &[&["prlimit", "--sigpending=0"], &leader[..]].concat());
    app.wait_for("ready");
    queue(pod.init, 37, 5);
    app.wait_for("app got 37");
    pod.pause.wait_for_stderr("loses its value");
}

#[test]
fn escape_bytes_of_a_name_do_not_reach_the_log() {
    let mut pod = Pod::start(&["-vvv"]);
    let script = helper("renamed.py");
    let mut app = pod.enter(crate::pod::ways()[0], "app", &["/usr/bin/python3", &script]);
    app.wait_for("ready");
    kill(pod.init, libc::SIGHUP);
    pod.pause.wait_for_stderr("does not handle");
    let log = pod.pause.stderr();
    assert!(!log.contains('\x1b') && log.contains("\\x1b[31mred"), "{log}");
}

/// A pod in a user namespace that maps `count` ids.
fn in_user_namespace(count: &str) -> Pod {
    let script = helper("user_namespace.py");
    let mut command = Command::new("/usr/bin/python3");
    command.args([&script, count, podinit().to_str().unwrap(), "--pause"]);
    let mut pause = Running::start(&mut command);
    pause.wait_for("forked");
    Pod::from(pause)
}

#[test]
fn in_a_user_namespace_signals_of_the_engine_are_recognized() {
    if !have_root() {
        return;
    }
    let pod = in_user_namespace("65536");
    eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
    assert!((100_000 + 61184..=100_000 + 65519).contains(&pod.uid()), "{}", pod.uid());
    let mut leader = Command::new("nsenter");
    leader.args([
        "-t",
        &pod.init.to_string(),
        "-U",
        "-p",
        "-m",
        "/usr/bin/python3",
        &helper("leader.py"),
        "app",
        "handler",
    ]);
    let mut app = Running::start(&mut leader);
    app.wait_for("ready");
    // The uid of this sender is not mapped: the kernel shows podinit 65534 in its place.
    kill(pod.init, libc::SIGHUP);
    app.wait_for("got 1");
    kill(pod.init, libc::SIGTERM);
    pod.pause.wait_for_stderr("outside the pod: waiting");
    kill(outer_pid(&app), libc::SIGTERM);
    app.wait_for("got 15");
    let init = pod.init;
    eventually("podinit has exited", || has_exited(init));
}

#[test]
fn with_few_ids_podinit_takes_one_of_them_or_warns() {
    if !have_root() {
        return;
    }
    let pod = in_user_namespace("1000");
    eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
    assert!((100_500..101_000).contains(&pod.uid()), "{}", pod.uid());
    let pod = in_user_namespace("1");
    pod.pause.wait_for_stderr("map 65536 ids");
    eventually("podinit keeps CAP_KILL alone", || status_field(pod.init, "CapEff") == "0000000000000020");
    assert_eq!(pod.uid(), 100_000);
}
