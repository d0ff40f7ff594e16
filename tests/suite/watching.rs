//! `--watch`: a signal for each change of a file or a directory, and for nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pod::{Pod, ways};
use crate::support::{
    Running, as_process, await_idle, eventually, finish, has_exited, have_root, helper, in_namespace,
    is_root, kill, podinit, scratch, status_field, switches,
};

/// An app that prints what `file` contains for each signal, under a podinit with these paths to watch.
fn reloads(watched: &[&str], file: &Path) -> Running {
    let mut command = in_namespace(podinit());
    for path in watched {
        command.args(["--watch", path]);
    }
    command.args(["--", "python3", &helper("reload.py")]).arg(file);
    let mut app = Running::start(&mut command);
    app.wait_for("ready");
    app
}

/// Writes `content` to `path` in a new file that is renamed.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn each_way_to_change_a_file_is_one_signal() {
    let dir = scratch("watch");
    let file = dir.join("file");
    fs::write(&file, "0").unwrap();
    let mut app = reloads(&[text(&file)], &file);
    fs::write(&file, "in place").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 in place");
    replace(&file, "renamed");
    assert_eq!(app.wait_for("got"), "got 1 renamed");
    // Another file of the directory is no change, nor are its rights.
    fs::write(dir.join("other"), "x").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    replace(&file, "again");
    assert_eq!(app.wait_for("got"), "got 1 again");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "back").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 back");
    fs::write(&file, "last").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 last");
}

#[test]
fn a_proc_of_another_namespace_says_nothing_of_the_program() {
    // The outer namespace's process 2 has a handler for SIGHUP; the program, which is podinit's process 2, has none.
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let outer = r#"sh -c 'trap : HUP; echo ready; while :; do sleep 1000; done' &
        exec unshare --fork --pid --kill-child=KILL "$0" --watch "$1" sh -c 'echo started; exec sleep 1000'"#;
    let mut command = in_namespace("sh");
    let mut run = Running::start(command.args(["-c", outer]).arg(podinit()).arg(&file));
    run.wait_for_all(&["ready", "started"]);
    replace(&file, "1");
    eventually("it is said", || {
        assert!(!run.has_exited(), "{}", run.stderr());
        run.stderr().contains("does not handle it, as far as /proc says")
    });
}

#[test]
fn a_directory_stands_for_its_entries() {
    let dir = scratch("watch");
    let (conf, elsewhere) = (dir.join("conf.d"), dir.join("elsewhere"));
    fs::create_dir(&conf).unwrap();
    let file = conf.join("file");
    fs::write(&file, "0").unwrap();
    fs::write(&elsewhere, "0").unwrap();
    symlink(&elsewhere, conf.join("link")).unwrap();
    let mut app = reloads(&[&format!("{}:USR1", conf.display())], &file);
    fs::write(&file, "in place").unwrap();
    assert_eq!(app.wait_for("got"), "got 10 in place");
    // An editor's temporary file that is removed again leaves nothing behind.
    fs::write(conf.join(".swap"), "x").unwrap();
    fs::remove_file(conf.join(".swap")).unwrap();
    replace(&file, "renamed");
    assert_eq!(app.wait_for("got"), "got 10 renamed");
    fs::write(conf.join("new"), "x").unwrap();
    app.wait_for("got 10");
    fs::remove_file(conf.join("new")).unwrap();
    app.wait_for("got 10");
    // What a link names is changed in its own directory, in place and by a rename.
    fs::write(&elsewhere, "in place").unwrap();
    app.wait_for("got 10");
    replace(&elsewhere, "renamed");
    app.wait_for("got 10");
    // The directory itself is replaced.
    fs::rename(&conf, dir.join("old")).unwrap();
    fs::create_dir(dir.join("next")).unwrap();
    fs::write(dir.join("next/file"), "other directory").unwrap();
    fs::rename(dir.join("next"), &conf).unwrap();
    assert_eq!(app.wait_for("got"), "got 10 other directory");
    fs::write(&file, "in it").unwrap();
    assert_eq!(app.wait_for("got"), "got 10 in it");
}

#[test]
fn a_directory_above_is_renamed() {
    for watched in ["above/conf/file", "above/conf"] {
        println!("case: {watched}");
        let dir = scratch("watch");
        let write = |above: &str, content: &str| {
            fs::create_dir_all(dir.join(above).join("conf")).unwrap();
            fs::write(dir.join(above).join("conf/file"), content).unwrap();
        };
        write("above", "0");
        let mut app = reloads(&[text(&dir.join(watched))], &dir.join("above/conf/file"));
        for time in ["once", "again"] {
            write("next", time);
            fs::rename(dir.join("above"), dir.join(time)).unwrap();
            fs::rename(dir.join("next"), dir.join("above")).unwrap();
            assert_eq!(app.wait_for("got"), format!("got 1 {time}"));
        }
    }
}

#[test]
fn what_changes_below_a_directory_is_no_change_of_it() {
    let dir = scratch("watch");
    let (first, conf) = (dir.join("first"), dir.join("conf.d"));
    fs::create_dir_all(conf.join("below")).unwrap();
    fs::write(&first, "0").unwrap();
    fs::write(conf.join("file"), "0").unwrap();
    let watched = [first.display().to_string(), format!("{}:USR1", conf.display())];
    let mut app = reloads(&watched.each_ref().map(String::as_str), &conf.join("file"));
    fs::write(conf.join("below/new"), "x").unwrap();
    // With it podinit looks at both.
    for change in ["1", "2"] {
        fs::write(&first, change).unwrap();
        assert_eq!(app.wait_for("got"), "got 1 0");
    }
    fs::write(conf.join("file"), "1").unwrap();
    assert_eq!(app.wait_for("got"), "got 10 1");
}

/// Writes a volume as kubelet does (AtomicWriter): a directory with the time in its name, to which `..data` links, and a
/// link for each file.
fn write_volume(volume: &Path, time: &str, content: &str) {
    let data = volume.join(format!("..{time}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("app.conf"), content).unwrap();
    let before = fs::read_link(volume.join("..data"));
    symlink(format!("..{time}"), volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    match before {
        Ok(before) => fs::remove_dir_all(volume.join(before)).unwrap(),
        Err(_) => symlink("..data/app.conf", volume.join("app.conf")).unwrap(),
    }
}

#[test]
fn a_config_map_is_one_signal_for_each_update() {
    for whole in [false, true] {
        println!("case: the directory: {whole}");
        let volume = scratch("volume");
        write_volume(&volume, "2026_11_25", "1");
        let file = volume.join("app.conf");
        let mut app = reloads(&[text(if whole { &volume } else { &file })], &file);
        for update in ["2", "3", "4"] {
            write_volume(&volume, &format!("2026_11_25_{update}"), update);
            assert_eq!(app.wait_for("got"), format!("got 1 {update}"));
        }
    }
}

#[test]
fn a_secret_that_podinit_may_not_read_is_watched() {
    if !have_root() {
        return;
    }
    let dir = scratch("secret");
    let secret = dir.join("secret");
    let write = |content| {
        replace(&secret, content);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
    };
    write("0");
    let mut app = Running::start(&mut as_another_user(&secret, &secret));
    assert_eq!(app.wait_for("ready"), "ready Permission denied");
    write("1");
    app.wait_for("got 1");
    fs::OpenOptions::new().write(true).open(&secret).unwrap().set_len(0).unwrap();
    app.wait_for("got 1");
    // A process that changes its uid is no longer killed with its parent (PR_SET_PDEATHSIG).
    app.signal_init(libc::SIGTERM);
    app.finish();
}

/// podinit as uid 1000, with this path to watch, and an app that prints what `file` contains for each signal.
fn as_another_user(watched: &Path, file: &Path) -> Command {
    let mut command = in_namespace("setpriv");
    command.args(["--reuid=1000", "--regid=1000", "--clear-groups"]).arg(podinit());
    command.args(["--watch", text(watched), "--", "/usr/bin/python3", &helper("reload.py")]).arg(file);
    command
}

#[test]
fn what_no_watch_reports_is_an_error_at_the_start() {
    if !have_root() {
        return;
    }
    let dir = scratch("closed");
    let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let file = dir.join("file");
    fs::write(&file, "0").unwrap();
    rights(&dir, 0o711);
    rights(&file, 0o600);
    for watched in [&file, &dir] {
        println!("case: {}", watched.display());
        let words = ["cannot watch", text(watched), "Permission denied"];
        finish(&mut as_another_user(watched, &file)).assert_refused(125, &words);
    }
    // A watch of the file alone also reports that it is replaced.
    rights(&file, 0o644);
    let mut app = Running::start(&mut as_another_user(&file, &file));
    app.wait_for("ready");
    fs::write(&file, "in place").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 in place");
    for content in ["renamed", "again"] {
        replace(&file, content);
        assert_eq!(app.wait_for("got"), format!("got 1 {content}"));
    }
    // Of one that is not there, the directory would.
    fs::remove_file(&file).unwrap();
    app.wait_for_stderr("trying again each second");
    fs::write(&file, "back").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 back");
    // From now on nothing would.
    let new = file.with_extension("new");
    fs::write(&new, "closed").unwrap();
    rights(&new, 0o600);
    fs::rename(&new, &file).unwrap();
    app.wait_for("got 1");
    fs::write(&file, "unseen").unwrap();
    app.wait_for("got 1");
    app.signal_init(libc::SIGTERM);
    app.finish();
}

#[test]
fn a_link_in_a_directory_that_may_not_be_read_is_watched() {
    if !have_root() {
        return;
    }
    let dir = scratch("closed");
    let (conf, file) = (dir.join("current"), dir.join("current/conf"));
    for name in ["one", "two", "three"] {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("conf"), name).unwrap();
    }
    symlink("one", &conf).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
    let mut app = Running::start(&mut as_another_user(&file, &file));
    app.wait_for("ready one");
    for name in ["two", "three"] {
        symlink(name, dir.join("next")).unwrap();
        fs::rename(dir.join("next"), &conf).unwrap();
        assert_eq!(app.wait_for("got"), format!("got 1 {name}"));
    }
    fs::write(&file, "in place").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 in place");
    app.signal_init(libc::SIGTERM);
    app.finish();
}

#[test]
fn a_directory_that_may_no_longer_be_read_is_said() {
    if !have_root() {
        return;
    }
    let dir = scratch("closed");
    let file = dir.join("file");
    fs::write(&file, "0").unwrap();
    let mut app = Running::start(&mut as_another_user(&dir, &file));
    app.wait_for("ready");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
    app.wait_for_stderr("trying again each second");
    fs::write(dir.join("new"), "").unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    app.wait_for("got 1");
    app.signal_init(libc::SIGTERM);
    app.finish();
}

#[test]
fn a_flood_of_changes_is_few_signals_and_the_last_state_is_signalled() {
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let mut app = reloads(&[text(&file)], &file);
    let begin = std::time::Instant::now();
    for change in 1..=10_000 {
        fs::write(&file, change.to_string()).unwrap();
    }
    let seconds = begin.elapsed().as_secs() as usize;
    let mut signals = 1;
    while app.wait_for("got") != "got 1 10000" {
        signals += 1;
    }
    assert!(signals <= 2 + seconds, "{signals} signals for 10,000 changes in {seconds} s");
}

#[test]
fn what_is_not_there_at_the_start_is_an_error() {
    for (path, words) in [
        ("/nonexistent/file", &["/nonexistent/file", "No such file"][..]),
        ("/etc/passwd/file:HUP", &["/etc/passwd/file", "Not a directory"]),
        ("relative", &["not a valid PATH[:SIGNAL]", "relative"]),
        (":HUP", &["not a valid PATH[:SIGNAL]"]),
        ("", &["not a valid PATH[:SIGNAL]"]),
        ("/etc/passwd:NOSUCH", &["/etc/passwd:NOSUCH", "No such file"]),
    ] {
        println!("case: {path}");
        finish(&mut as_process(&[&format!("--watch={path}"), "--", "echo", "started"]))
            .assert_refused(125, words);
    }
}

#[test]
fn a_path_is_escaped_in_messages() {
    let run = finish(Command::new(podinit()).args(["--watch", "/no\nsuch\x1b[31m", "true"]));
    run.assert_refused(125, &["cannot watch \"/no\\nsuch\\u{1b}[31m\": "]);
}

#[test]
fn a_limit_of_inotify_is_an_error_at_the_start() {
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        let script = format!("echo 0 >/proc/sys/user/{limit} && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-Ur", "sh", "-c", &script, "sh"]).arg(podinit()).args([
            "--watch",
            "/etc/passwd",
            "--",
            "echo",
        ]);
        let run = finish(&mut command);
        run.assert_refused(125, &["cannot watch"]);
    }
}

#[test]
fn a_limit_that_is_reached_later_loses_no_change() {
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let script = "\"$@\" & read line; echo 0 >/proc/sys/user/max_inotify_instances; echo one >\"$0\"
        read line; echo 1000 >/proc/sys/user/max_inotify_instances; echo raised; read line; kill $!; wait";
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", script]).arg(&file).arg(podinit());
    command.args(["--watch", text(&file), "--", "python3", &helper("reload.py")]).arg(&file);
    let mut app = Running::start_with_stdin(&mut command, std::process::Stdio::piped());
    app.wait_for("ready");
    std::io::Write::write_all(app.stdin(), b"\n").unwrap();
    app.wait_for_stderr("trying again each second");
    assert_eq!(app.wait_for("got"), "got 1 one");
    std::io::Write::write_all(app.stdin(), b"\n").unwrap();
    app.wait_for("raised");
    fs::write(&file, "two").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 two");
    std::io::Write::write_all(app.stdin(), b"\n").unwrap();
    app.finish();
}

#[test]
fn a_main_process_that_does_not_handle_the_signal_lives() {
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let mut app = Running::start(&mut {
        let mut command = in_namespace(podinit());
        command.args(["--watch", text(&file), "--", "sh", "-c", "echo ready; exec sleep 1000"]);
        command
    });
    app.wait_for("ready");
    fs::write(&file, "1").unwrap();
    app.wait_for_stderr("SIGHUP for a changed file is not sent");
    assert!(!app.has_exited());
    assert_eq!(app.stderr().lines().count(), 1, "{}", app.stderr());
}

#[test]
fn a_watch_does_not_wake_up_an_idle_init() {
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let app = reloads(&[text(&file)], &file);
    let init = app.init();
    await_idle(init);
    let before = switches(init);
    // A measurement over this time, and no wait for an event.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(switches(init), before);
}

#[test]
fn a_mount_that_is_removed_is_a_change() {
    if !have_root() {
        return;
    }
    let dir = scratch("watch").join("mount");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), "below").unwrap();
    let script = format!(
        "mount -t tmpfs tmpfs {0} && echo above >{0}/file && {1} --watch {0} -- python3 {2} {0}/file & \
         read line; umount -l {0}; wait",
        dir.display(),
        podinit().display(),
        helper("reload.py")
    );
    let mut command = in_namespace("sh");
    command.args(["-c", &script]);
    let mut app = Running::start_with_stdin(&mut command, std::process::Stdio::piped());
    app.wait_for("ready above");
    std::io::Write::write_all(app.stdin(), b"\n").unwrap();
    assert_eq!(app.wait_for("got"), "got 1 below");
}

fn watched_pod(options: &[&str]) -> (Pod, PathBuf) {
    let dir = scratch("watch");
    let file = dir.join("file");
    fs::write(&file, "0").unwrap();
    // The pause process has a uid without rights.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    (Pod::start(&[options, &["--watch", text(&file)]].concat()), file)
}

#[test]
fn in_a_pod_the_leaders_that_handle_it_are_signalled() {
    let (mut pod, file) = watched_pod(&[]);
    let apart = ways()[0];
    let mut app = pod.leader(apart, "app", "handler");
    let mut other = pod.leader(apart, "other", "thread");
    let mut without = pod.leader(apart, "without", "none");
    for change in ["1", "2"] {
        replace(&file, change);
        app.wait_for("app got 1");
        other.wait_for("other got 1");
    }
    assert!(!without.has_exited());
    assert!(!is_root() || pod.uid() != 0);
}

#[test]
fn a_change_that_reaches_no_leader_is_in_the_log() {
    let (mut pod, file) = watched_pod(&["--verbose"]);
    let _app = pod.leader(ways()[0], "app", "none");
    replace(&file, "1");
    pod.pause.wait_for_stderr("SIGHUP for a changed file reached no leader");
}

#[test]
fn with_target_none_a_change_alone_is_signalled() {
    let (mut pod, file) = watched_pod(&["--target", "none"]);
    let mut app = pod.leader(ways()[0], "app", "handler");
    kill(pod.init, libc::SIGUSR1);
    replace(&file, "1");
    assert_eq!(app.wait_for("got"), "app got 1", "not the SIGUSR1 to PID 1, which came before");
}

#[test]
fn a_sidecar_signals_the_leaders_of_the_other_containers_once() {
    let mut pod = Pod::start(&[]);
    let apart = ways()[0];
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let mut app = pod.leader(apart, "app", "handler");
    let mut without = pod.leader(apart, "without", "none");
    let script = "true & sleep 0.1 & exec \"$0\" --watch \"$1\" -vv";
    let words = ["sh", "-c", script, podinit().to_str().unwrap(), text(&file)];
    let sidecar = pod.enter(apart, "sidecar", &words);
    let inner = crate::pod::outer_pid(&sidecar);
    eventually("the sidecar waits", || {
        status_field(inner, "Name") == "podinit"
            && status_field(inner, "State").starts_with('S')
            && status_field(inner, "SigBlk").starts_with("ffff")
    });
    for change in ["1", "2"] {
        replace(&file, change);
        app.wait_for("app got 1");
        sidecar.wait_for_stderr("has changed");
    }
    // The podinit that is PID 1 would have forwarded its own to the leader again. The log has the first change's signals
    // before the second change.
    eventually("both changes are logged", || sidecar.stderr().matches("has changed").count() == 2);
    let log = sidecar.stderr();
    assert!(log.contains("SIGHUP for ") && !log.contains("SIGHUP for 1 ("), "{log}");
    assert!(!without.has_exited());
    // Not even those that the shell had started which executed it.
    let children = format!("/proc/{inner}/task/{inner}/children");
    eventually("no zombie is left", || fs::read_to_string(&children).unwrap().is_empty());
    kill(inner, libc::SIGTERM);
    eventually("the sidecar exits", || has_exited(inner));
}

#[test]
fn a_sidecar_of_another_user_says_what_is_missing() {
    if !have_root() {
        return;
    }
    let mut pod = Pod::start(&[]);
    let apart = ways()[0];
    let file = scratch("watch").join("file");
    fs::write(&file, "0").unwrap();
    let _app = pod.leader(apart, "app", "handler");
    let podinit = podinit().to_str().unwrap();
    let words = ["setpriv", "--reuid=1000", "--clear-groups", podinit, "--watch", text(&file)];
    let sidecar = pod.enter(apart, "sidecar", &words);
    let inner = crate::pod::outer_pid(&sidecar);
    eventually("the sidecar waits", || {
        status_field(inner, "Name") == "podinit"
            && status_field(inner, "State").starts_with('S')
            && status_field(inner, "SigBlk").starts_with("ffff")
    });
    replace(&file, "1");
    sidecar.wait_for_stderr("run this container as uid 0 (runAsUser), or give it the capability KILL");
}

#[test]
fn a_sidecar_needs_a_shared_pid_namespace() {
    finish(in_namespace(podinit()).args(["--watch", "/etc/passwd"]))
        .assert_refused(125, &["shareProcessNamespace"]);
}
