//! `--termination-log`: the line that kubelet reads once the container has exited.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{
    Finished, Running, as_pid_1, as_process, eventually, finish, have, have_root, helper, podinit,
    say_skipped, scratch, unshare,
};

/// An empty file, and the option that names it.
fn log() -> (PathBuf, String) {
    let file = scratch("termination").join("log");
    fs::write(&file, "of the run before\n").unwrap();
    let option = format!("--termination-log={}", file.display());
    (file, option)
}

fn read(file: &Path) -> String {
    String::from_utf8(fs::read(file).unwrap()).expect("UTF-8")
}

/// What a run as PID 1 with these arguments leaves in the log.
fn left(args: &[&str]) -> (Finished, String) {
    let (file, option) = log();
    let run = finish(&mut as_pid_1(&[&[&*option], args].concat()));
    (run, read(&file))
}

#[test]
fn how_the_main_process_exited() {
    for (script, code, how) in [
        ("exit 0", 0, "exit code 0"),
        ("exit 3", 3, "exit code 3"),
        ("kill -KILL $$", 137, "killed by SIGKILL"),
        ("kill -38 $$", 166, "killed by SIGRTMIN+4"),
    ] {
        let (run, line) = left(&["sh", "-c", script]);
        assert_eq!((run.code, &*run.stderr), (Some(code), ""), "{script}");
        assert_eq!(line, format!("podinit: the main process has exited: {how}\n"), "{script}");
    }
    // The way by SIGCHLD alone, and not PID 1.
    let (file, option) = log();
    finish(&mut as_process(&["-w", "--remap=3", &option, "sh", "-c", "exit 3"]));
    assert_eq!(read(&file), "podinit: the main process has exited: exit code 3\n");
}

#[test]
fn whether_there_is_a_core_file() {
    let dies = "import os, resource, sys
os.chdir(sys.argv[1]); limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (limit, limit)); os.abort()";
    let dir = scratch("core");
    let dir = dir.to_str().unwrap();
    let asks = "import os, sys
status = os.spawnvp(os.P_WAIT, 'true', ['true']); child = os.fork()
child or os.execvp('python3', ['python3', '-c', *sys.argv[1:]])
print(os.WCOREDUMP(os.waitpid(child, 0)[1]))";
    let dumps = finish(Command::new("python3").args(["-c", asks, dies, dir])).stdout == "True\n";
    let expected = if dumps { " (core dumped)" } else { "" };
    let (file, option) = log();
    // As PID 1 an orphan has the kernel reap, which says it in another way.
    for orphan in ["", "(true & true); sleep 0.1; "] {
        for command in [as_pid_1 as fn(&[&str]) -> Command, as_process] {
            let script = format!("{orphan}exec python3 -c \"$0\" {dir}");
            let run = finish(&mut command(&[&option, "sh", "-c", &script, dies]));
            assert_eq!(run.code, Some(134), "{run:?}");
            let line = format!("podinit: the main process has exited: killed by SIGABRT{expected}\n");
            assert_eq!(read(&file), line, "{orphan}");
        }
    }
}

#[test]
fn what_was_killed_when_the_time_was_up() {
    // They have their names once they have executed it.
    let deaf = "trap '' TERM; sleep 1000 & sleep 1000 & until [ $(pgrep -cx sleep) = 2 ]; do :; done; exit 4";
    let (run, line) = left(&["--grace=100ms", "sh", "-c", deaf]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(
        line.starts_with("podinit: the main process has exited: exit code 4; time is up: killed "),
        "{line}"
    );
    assert!(line.ends_with(" (sleep), 2 in all\n") && line.matches(" (sleep), ").count() == 2, "{line}");
    assert!(run.stderr.contains(line.split_once("; ").unwrap().1), "the same as in the log: {run:?}");
    // A name is up to its process.
    let out = scratch("renamed").join("out");
    let out = out.to_str().unwrap();
    let script = "trap '' TERM; python3 \"$1\" >\"$0\" & until grep -q ready \"$0\"; do :; done; exit 5";
    let (_, line) = left(&["--grace=100ms", "sh", "-c", script, out, &helper("renamed.py")]);
    assert!(line.ends_with(" (\\x1b[31mred), 1 in all\n"), "{line}");
    // Of many not all are named.
    let many = "trap '' TERM; for i in $(seq 30); do sleep 1000 & done; exit 5";
    let (_, line) = left(&["--grace=100ms", "sh", "-c", many]);
    assert!(line.matches('(').count() == 20 && line.ends_with("), 30 in all\n"), "{line}");
}

#[test]
fn a_main_process_that_was_killed_when_the_time_was_up() {
    for (option, script, how) in [
        ("--kill-after=100ms", "trap '' TERM; echo ready; sleep 1000; true", " in all"),
        // As PID 1 it has no handler.
        ("--as-pid-1", "echo ready; exec sleep 1000", " without a handler"),
    ] {
        let (file, log) = log();
        let mut run = Running::start(&mut as_pid_1(&["--grace=100ms", &log, option, "sh", "-c", script]));
        run.wait_for("ready");
        run.signal_init(libc::SIGTERM);
        assert_eq!(run.finish().code, Some(137));
        let line = read(&file);
        // On a busy machine the first kill(2) may not have ended all of them when the grace ends again.
        let begin = "podinit: the main process has exited: killed by SIGKILL; time is up: killed ";
        assert!(line.starts_with(begin) && line.contains(how), "{line}");
    }
}

#[test]
fn why_it_was_not_started() {
    for (args, code) in [
        (&["/no/such/program"][..], 127),
        (&["/etc/passwd"], 126),
        (&["--expand-env", "echo", "${NOT_SET}"], 125),
        (&["--watch=/no/such/file", "true"], 125),
        (&["--frobnicate", "true"], 125),
        (&["--workdir=/no/such", "true"], 125),
        (&["--pause"], 125),
    ] {
        let (run, line) = left(args);
        run.assert_refused(code, &["podinit: "]);
        assert_eq!(line, run.stderr, "{args:?}");
    }
    // Where nothing is logged, too.
    let (file, option) = log();
    let run = finish(as_process(&[&option, "/no/such/program"]).env("PODINIT_LOG", "off"));
    assert_eq!((run.code, &*run.stderr), (Some(127), ""));
    assert!(read(&file).starts_with("podinit: cannot execute \"/no/such/program\": "));
}

#[test]
fn it_is_utf8_and_no_longer_than_kubelet_reads() {
    let (file, option) = log();
    for begin in ["/", "/x"] {
        let program = [begin.as_bytes(), "\u{e9}".repeat(3000).as_bytes(), b"\xff"].concat();
        let run = finish(as_process(&[&option]).arg(OsStr::from_bytes(&program)));
        assert_ne!(run.code, Some(0));
        assert!((4095..=4096).contains(&read(&file).len()), "{}", read(&file).len());
    }
}

#[test]
fn what_the_workload_has_written_is_kept() {
    let (file, option) = log();
    let script = format!("printf boom >{}; exit 1", file.display());
    finish(&mut as_pid_1(&[&option, "sh", "-c", &script]));
    assert_eq!(read(&file), "boom\npodinit: the main process has exited: exit code 1\n");
}

#[test]
fn the_default_is_where_kubelet_mounts_it() {
    let script = "mount -t tmpfs none /dev && : >/dev/termination-log && \"$@\"; cat /dev/termination-log";
    let mut command = unshare();
    command.args(["sh", "-c", script, "sh"]).arg(podinit());
    let run = finish(command.args(["--termination-log", "sh", "-c", "exit 7"]));
    assert_eq!(run.lines(), ["podinit: the main process has exited: exit code 7"], "{run:?}");
}

#[test]
fn the_workload_does_not_have_the_file_open() {
    let (_, option) = log();
    for closed in ["", "<&- >&-", "2>&-"] {
        let script = format!("exec \"$@\" {closed}");
        let show = "ls -l /proc/self/fd >\"$0\"; exit 3";
        let out = scratch("open").join("out");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(podinit()).args([&option, "sh", "-c", show]).arg(&out);
        assert_eq!(finish(&mut command).code, Some(3), "{closed}");
        assert!(!read(&out).contains("termination"), "{closed}: {}", read(&out));
    }
    // Nor is it taken for stderr.
    let (file, option) = log();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(podinit()).args(["-vv", &option, "true"]);
    finish(&mut command);
    assert_eq!(read(&file), "podinit: the main process has exited: exit code 0\n");
}

#[test]
fn a_file_that_cannot_be_written_is_one_warning() {
    let dir = scratch("no-log");
    let fifo = dir.join("fifo");
    finish(Command::new("mkfifo").arg(&fifo));
    for path in [&dir.join("missing"), &dir, &fifo, Path::new("")] {
        let run =
            finish(&mut as_pid_1(&[&format!("--termination-log={}", path.display()), "sh", "-c", "exit 3"]));
        run.assert_refused(3, &["warning: cannot open the termination log", path.to_str().unwrap()]);
    }
    assert!(!fs::exists(dir.join("missing")).unwrap(), "it was made");
    // A full disk.
    let run = finish(&mut as_pid_1(&["--termination-log=/dev/full", "sh", "-c", "exit 3"]));
    assert_eq!((run.code, &*run.stderr), (Some(3), ""));
}

#[test]
fn a_fifo_that_is_not_read_delays_nothing() {
    let fifo = scratch("fifo").join("fifo");
    finish(Command::new("mkfifo").arg(&fifo));
    let option = format!("--termination-log={}", fifo.display());
    let mut reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
    let mut run = Running::start_with_stdin(
        &mut as_pid_1(&[&option, "sh", "-c", "echo ready; read x"]),
        Stdio::piped(),
    );
    run.wait_for("ready");
    let mut writer = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    assert_eq!(run.finish().code, Some(1), "the shell's");
    drop(writer);
    // A process that another test is starting may have it open for a moment.
    let mut read = || {
        let mut bytes = Vec::new();
        eventually("the FIFO has no writer", || reader.read_to_end(&mut bytes).is_ok());
        String::from_utf8(bytes).unwrap()
    };
    assert!(read().bytes().all(|byte| byte == b'x'));
    // One that is read has the line; one whose reader has exited raises SIGPIPE, which ends nothing.
    assert_eq!(finish(&mut as_pid_1(&[&option, "true"])).code, Some(0));
    assert_eq!(read(), "podinit: the main process has exited: exit code 0\n");
    let mut run = Running::start_with_stdin(
        &mut as_pid_1(&[&option, "sh", "-c", "echo ready; read x; exit 6"]),
        Stdio::piped(),
    );
    run.wait_for("ready");
    drop(reader);
    assert_eq!(run.finish().code, Some(6));
}

/// A run of `script` where /proc/1/cgroup and /sys/fs/cgroup have what the commands of `make` leave.
fn with_cgroup(make: &str, script: &str) -> String {
    let (file, option) = log();
    let dir = scratch("cgroup");
    let mounts = format!(
        "cd {} && mount -t tmpfs none /sys/fs/cgroup && {make} && mount --bind lines /proc/1/cgroup && exec \"$@\"",
        dir.display()
    );
    let mut command = unshare();
    command.args(["--mount-proc", "sh", "-c", &mounts, "sh"]).arg(podinit());
    let run = finish(command.args([&option, "sh", "-c", script]));
    assert_eq!((run.code, &*run.stderr), (Some(9), ""), "{run:?}");
    read(&file)
}

#[test]
fn oom_kills_of_its_own_memory_cgroup() {
    let plain = "podinit: the main process has exited: exit code 9\n";
    let counted = |new: u32| {
        format!("podinit: the main process has exited: exit code 9; OOM kills in the memory cgroup: {new}\n")
    };
    let events = "low 0\\noom 7\\noom_kill %s\\noom_group_kill 9\\n";
    let control = "oom_kill_disable 0\\nunder_oom 0\\noom_kill %s\\n";
    for (lines, folder, name, text) in [
        ("0::/", "", "memory.events", events),
        ("0::/a:b", "/a:b", "memory.events", events),
        // Mounted where the root would be.
        ("0::/kubepods/x", "", "memory.events", events),
        ("5:cpu:/\\n4:memory:/x:y\\n0::/", "/memory/x:y", "memory.oom_control", control),
        ("9:name=memory:/z\\n5:memory:/docker/1", "/memory", "memory.oom_control", control),
    ] {
        println!("case: {lines}");
        let file = format!("/sys/fs/cgroup{folder}/{name}");
        let make = format!(
            "printf '{lines}\\n' >lines && mkdir -p /sys/fs/cgroup{folder} && printf '{text}' 40 >{file}"
        );
        let kills = |count: u32| format!("printf '{text}' {count} >{file}; exit 9");
        assert_eq!(with_cgroup(&make, &kills(42)), counted(2));
        assert_eq!(with_cgroup(&make, &kills(40)), plain);
        // One that cannot be read any more, or has begun anew, says nothing.
        assert_eq!(with_cgroup(&make, &kills(3)), plain);
        assert_eq!(with_cgroup(&make, &format!("rm {file}; exit 9")), plain);
    }
    for make in
        ["echo 0::/ >lines", "echo 4:cpu:/ >lines; echo oom_kill 1 >/sys/fs/cgroup/memory.events", ": >lines"]
    {
        assert_eq!(with_cgroup(make, "exit 9"), plain, "{make}");
    }
    // One that was not there at the start.
    let later = "echo oom_kill 5 >/sys/fs/cgroup/memory.events; exit 9";
    assert_eq!(with_cgroup("echo 0::/ >lines", later), plain);
}

#[test]
fn an_oom_kill_of_the_kernels() {
    if !have_root() || !have("python3") {
        return;
    }
    // A memory cgroup of either version.
    let script = r#"
        memory=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
        if [ "$memory" ]; then
            dir=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
        else
            dir=/sys/fs/cgroup limit=memory.max
        fi
        [ -d "$dir$memory" ] && dir=$dir$memory
        made=$dir/podinit-test-$$
        mkdir "$made" 2>/dev/null && echo 30000000 >"$made/$limit" && echo $$ >"$made/cgroup.procs" || {
            rmdir "$made"; echo skipped; exit; } 2>/dev/null
        [ ! -e "$made/memory.swap.max" ] || echo 0 >"$made/memory.swap.max"
        [ ! -e "$made/memory.memsw.limit_in_bytes" ] || echo 30000000 >"$made/memory.memsw.limit_in_bytes"
        "$@"; echo "status $?"
        echo $$ >"$dir/cgroup.procs"; rmdir "$made""#;
    let (file, option) = log();
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(podinit());
    let eats = "while True: x = [bytearray(b'x' * 1000000) for _ in range(1000)]";
    let run = finish(command.args([&option, "python3", "-c", eats]));
    if run.lines() == ["skipped"] {
        say_skipped("cannot make a memory cgroup");
        return;
    }
    assert_eq!(run.lines(), ["status 137"], "{run:?}");
    assert_eq!(
        read(&file),
        "podinit: the main process has exited: killed by SIGKILL; OOM kills in the memory cgroup: 1\n"
    );
}
