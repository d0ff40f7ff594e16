//! The workload starts with the attributes that podinit was started with, and podinit keeps none of its resources.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::support::{
    Finished, Running, as_pid_1, as_process, eventually, finish, have, have_root, helper, in_namespace,
    is_root, kill, podinit, scratch, status_field, unshare,
};

/// What `sh -c script` prints where podinit replaces RUN, and where RUN is empty.
fn with_and_without(script: &str) -> (String, String) {
    let with = finish(Command::new("sh").args(["-c", &script.replace("RUN", podinit().to_str().unwrap())]));
    let without = finish(Command::new("sh").args(["-c", &script.replace("RUN", "")]));
    assert_eq!(with.stderr, "", "{script}");
    assert_ne!(with.stdout, "", "{script}");
    (with.stdout, without.stdout)
}

#[test]
fn masks_and_dispositions_are_inherited() {
    for setting in [
        "",
        "--ignore-signal=PIPE",
        "--ignore-signal=HUP --ignore-signal=CHLD --block-signal=USR1 --block-signal=INT",
        "--block-signal",
        "--ignore-signal=TTOU --ignore-signal=TSTP --ignore-signal=CONT",
    ] {
        let (with, without) =
            with_and_without(&format!("env {setting} RUN grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"));
        assert_eq!(with, without, "{setting}");
    }
}

#[test]
fn descriptors_directory_and_environment_are_inherited() {
    let (with, without) = with_and_without(
        "cd /usr; exec 5</etc/passwd 9>/dev/null; A=b C= RUN sh -c 'ls -l /proc/self/fd | grep -o \"[0-9]* -> .*\"; pwd; env'",
    );
    // The pipes and ls's own view of /proc differ from run to run.
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.contains("pipe:") && !line.contains("/proc/"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(plain(&with), plain(&without));
    assert_eq!(with.lines().count(), without.lines().count());
    assert!(
        with.contains("5 -> /etc/passwd") && with.contains("9 -> /dev/null") && with.contains("\n/usr\n")
    );
}

#[test]
fn the_workload_leads_a_group_of_its_own() {
    let run = finish(&mut as_pid_1(&["sh", "-c", "ps -o pid=,pgid= -p $$; ps -o pgid= -p 1"]));
    let lines = run.lines();
    let ids: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(lines[1].trim(), ids[1]);
}

#[test]
fn no_memory_is_mapped_before_the_workload_runs() {
    if !have("strace") {
        return;
    }
    // podinit's allocator maps chunks of 64 KiB, and none before its first room of 768 bytes is full.
    let mapped_chunks = |options: &[&str]| {
        let trace = scratch("trace").join("trace");
        let mut command = Command::new("strace");
        // On 32 bit it is mmap2(2).
        command.args(["-f", "-e", "trace=mmap,?mmap2,execve", "-o", trace.to_str().unwrap()]);
        let run = finish(command.arg(podinit()).args(options).arg("true"));
        assert_eq!(run.code, Some(0), "{run:?}");
        let text = fs::read_to_string(trace).unwrap();
        let before = text.lines().take_while(|line| !line.contains("[\"true\"]"));
        before.filter(|line| line.contains("(NULL, 65536,")).count()
    };
    assert_eq!(mapped_chunks(&[]), 0);
    assert_eq!(mapped_chunks(&["-g", "--grace", "20s", "--"]), 0);
    // The check sees a chunk where there is one.
    assert_eq!(mapped_chunks(&["--env", &format!("A={}", "x".repeat(1000))]), 1);
}

#[test]
fn init_keeps_nothing_of_the_workloads() {
    let script = "cd /tmp; exec 5</etc/passwd 9>/dev/null; exec \"$@\"";
    let look = "while [ -e /proc/1/fd/9 ] || [ \"$(readlink /proc/1/cwd)\" != / ]; do :; done; ls /proc/1/fd; echo done; readlink /proc/1/fd/*";
    let mut command = in_namespace("sh");
    command.args(["-c", script, "sh", podinit().to_str().unwrap(), "sh", "-c", look]);
    let run = finish(&mut command);
    let open: Vec<&str> = run.lines().into_iter().take_while(|line| *line != "done").collect();
    assert_eq!(open.len(), 3, "stdout, stderr and the signalfd: {run:?}");
    assert!(open.contains(&"1") && open.contains(&"2") && run.stdout.contains("signalfd"), "{run:?}");
}

#[test]
fn what_runs_in_a_container_writes_to_its_log() {
    // As cron's jobs do, whose own stdout is none of the container's.
    // Podinit closes what it does not need once the program runs.
    let job = "while [ -e /proc/1/fd/0 ]; do :; done; (echo out >/proc/1/fd/1; echo err >/proc/1/fd/2) >/dev/null 2>&1";
    let names = scratch("names");
    for name in ["podinit", "tini", "dumb-init", "catatonit", "docker-init"] {
        symlink(podinit(), names.join(name)).unwrap();
        let run = finish(in_namespace(names.join(name)).args(["--", "sh", "-c", job]));
        assert_eq!((run.code, &*run.stdout, &*run.stderr), (Some(0), "out\n", "err\n"), "{name}");
    }
    if !have_root() || !have("setpriv") {
        return;
    }
    // A container has no CAP_SYS_PTRACE, so that root may open the files of PID 1 only if that is dumpable.
    let container = "exec setpriv --bounding-set=-sys_ptrace \"$@\"";
    let user = "until [ \"$(readlink /proc/$$/cwd)\" ]; do :; done
        ls /proc/1/fd /proc/1/exe -L >&2 || echo refused; exec sleep 1000";
    let mut command = in_namespace("sh");
    command.args(["-c", container, "sh"]).arg(podinit()).args(["--user=12345:12345", "--", "sh", "-c", user]);
    let mut run = Running::start(&mut command);
    // The user that the program runs as may open none of them.
    run.wait_for("refused");
    let job = format!("exec setpriv --bounding-set=-sys_ptrace ls /proc/{}/fd/1", run.init());
    let seen = finish(Command::new("sh").args(["-c", &job]));
    assert_eq!(seen.code, Some(0), "{seen:?}");
}

#[test]
fn without_a_descriptor_for_signals_no_workload_is_started() {
    // The shell has opened its script before the limit. The workload is static, and ignores SIGTERM, so that it
    // prints if it is started.
    let script = "ulimit -n 3; exec \"$0\" \"$0\" --version";
    let podinit = podinit().to_str().unwrap();
    let run = finish(Command::new("env").args(["--ignore-signal=TERM", "sh", "-c", script, podinit]));
    assert_eq!((run.code, run.stdout.as_str()), (Some(125), ""), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.contains("RLIMIT_NOFILE"), "{run:?}");
}

#[test]
fn stdout_ends_when_the_workload_closes_it() {
    let mut run = Running::start_with_stdin(
        &mut as_process(&["sh", "-c", "echo last; exec >&-; read line; exit 4"]),
        Stdio::piped(),
    );
    run.wait_for_end_of_output();
    // The workload is alive: it exits once it has read this line.
    run.stdin().write_all(b"go\n").unwrap();
    assert_eq!(run.finish().code, Some(4));
}

#[test]
fn sockets_meant_for_init_are_the_workloads() {
    let show = r#"[ "$LISTEN_PID" = $$ ] && echo mine || echo "not mine: $LISTEN_PID"; echo "$LISTEN_FDS""#;
    let script = r#"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_PIDFDID=1; exec "$@""#;
    let podinit = podinit().to_str().unwrap();
    let run = finish(Command::new("sh").args(["-c", script, "sh", podinit, "sh", "-c", show]));
    assert_eq!(run.lines(), ["mine", "1"]);
    // LISTEN_PIDFDID, the inode number of a pidfd of the process, is rewritten too.
    let show =
        "import os; print(os.environ['LISTEN_PIDFDID'] == str(os.fstat(os.pidfd_open(os.getpid())).st_ino))";
    let run = finish(Command::new("sh").args(["-c", script, "sh", podinit, "python3", "-c", show]));
    assert_eq!(run.lines(), ["True"], "{run:?}");
    // Variables that name another process are not changed.
    let run = finish(
        as_process(&["sh", "-c", "echo $LISTEN_PID $LISTEN_PIDFDID"])
            .envs([("LISTEN_PID", "1"), ("LISTEN_PIDFDID", "7")]),
    );
    assert_eq!(run.lines(), ["1 7"]);
}

#[test]
fn programs_are_found_as_execvp_finds_them() {
    let dir = scratch("path");
    let script = dir.join("no-shebang");
    fs::write(&script, "echo \"$0\" \"$1\"\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let shadow = dir.join("shadow");
    fs::create_dir(&shadow).unwrap();
    fs::write(shadow.join("no-shebang"), "").unwrap();
    let path = format!("/nonexistent:{}:{}", shadow.display(), dir.display());
    let run = finish(as_process(&["no-shebang", "x y"]).env("PATH", &path));
    assert_eq!(run.lines(), [format!("{} x y", script.display())], "{run:?}");
    // Found in PATH, but not executable.
    let run = finish(as_process(&["no-shebang"]).env("PATH", &shadow));
    run.assert_refused(126, &["no-shebang", "no execute permission"]);
    // A directory that podinit may not search does not count as one where the program was found.
    let locked = dir.join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    finish(as_process(&["no-such-program"]).env("PATH", &locked)).assert_refused(127, &["not found in PATH"]);
    // Without PATH, the default of container engines.
    let run = finish(as_process(&["--", "echo", "found"]).env_remove("PATH"));
    assert_eq!(run.lines(), ["found"]);
    // An empty element is the working directory.
    let run = finish(as_process(&["no-shebang", "here"]).env("PATH", ":/bin").current_dir(&dir));
    assert!(run.stdout.ends_with("here\n"), "{run:?}");
}

#[test]
fn what_cannot_be_started_is_logged_in_one_line() {
    finish(&mut as_pid_1(&["no-such-program"]))
        .assert_refused(127, &["no-such-program", "not found in PATH"]);
    // bash has 127 for it too.
    finish(&mut as_pid_1(&[&"x".repeat(300)])).assert_refused(127, &["not found in PATH"]);
    finish(&mut as_pid_1(&["/no/such/program"])).assert_refused(127, &["/no/such/program", "No such file"]);
    finish(&mut as_pid_1(&[""])).assert_refused(127, &["\"\"", "No such file"]);
    finish(&mut as_pid_1(&["/etc/passwd"])).assert_refused(126, &["/etc/passwd", "no execute permission"]);
    finish(&mut as_pid_1(&["/"])).assert_refused(126, &["Is a directory"]);
    let script = scratch("script").join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    finish(&mut as_pid_1(&[script.to_str().unwrap()])).assert_refused(127, &["script", "interpreter"]);
}

#[test]
fn bad_usage_is_logged_in_one_line() {
    finish(&mut as_pid_1(&[])).assert_refused(125, &["no program"]);
    finish(&mut as_pid_1(&["-v"])).assert_refused(125, &["no program"]);
    finish(&mut as_pid_1(&["--frobnicate", "true"])).assert_refused(125, &["--frobnicate"]);
    finish(&mut as_pid_1(&["--frob\nnicate", "true"])).assert_refused(125, &["--frob\\nnicate"]);
    finish(&mut as_pid_1(&["-\n", "true"])).assert_refused(125, &["\\n"]);
    finish(&mut as_pid_1(&["-p", "SIGNOPE", "true"])).assert_refused(125, &["SIGNOPE"]);
    finish(&mut as_pid_1(&["-e", "256", "true"])).assert_refused(125, &["256"]);
    finish(&mut as_pid_1(&["--target", "world", "true"])).assert_refused(125, &["world"]);
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        println!("case: {closed}");
        let out = scratch("closed").join("out");
        let script = format!(
            "exec \"$@\" sh -c 'ls /proc/self/fd >{out}; echo ok >>{out}; exit 3' {closed}",
            out = out.display()
        );
        let mut command = in_namespace("sh");
        command.args(["-c", &script, "sh", podinit().to_str().unwrap(), "-v"]);
        let run = finish(&mut command);
        assert_eq!(run.code, Some(3), "{closed}: {run:?}");
        let seen = fs::read_to_string(&out).unwrap();
        assert!(seen.ends_with("ok\n"), "{closed}: {seen}");
    }
    // Where stderr is closed, a failed start has the same exit status.
    let script = "exec \"$@\" /no/such/program 2>&-";
    let mut command = in_namespace("sh");
    command.args(["-c", script, "sh", podinit().to_str().unwrap()]);
    assert_eq!(finish(&mut command).code, Some(127));
}

#[test]
fn works_without_proc() {
    let script =
        format!("mount -t tmpfs none /proc && exec {} -w sh -c '(true &); exit 5'", podinit().display());
    let run = finish(unshare().args(["sh", "-c", &script]));
    assert_eq!(run.code, Some(5), "{run:?}");
    let script = format!("mount -t tmpfs none /proc && exec {} nope", podinit().display());
    finish(unshare().args(["sh", "-c", &script])).assert_refused(127, &["nope"]);
}

#[test]
fn no_process_can_be_made() {
    if !have("prlimit") || !have("setpriv") {
        return;
    }
    // The limit does not apply to root.
    let mut command = Command::new(if is_root() { "setpriv" } else { "env" });
    if is_root() {
        command.args(["--reuid=54321", "--regid=54321", "--clear-groups"]);
    }
    command.args(["prlimit", "--nproc=1"]).arg(podinit()).arg("true");
    finish(&mut command).assert_refused(125, &["true", "RLIMIT_NPROC"]);
}

#[test]
fn a_subreaper_without_an_option_or_a_warning() {
    // cat, and so the main process, exits after the orphan, which exits after its parent.
    let script = "sh -c '(while kill -0 $$ 2>/dev/null; do :; done; echo done) & exit 0' | cat";
    let run = finish(as_process(&["sh", "-c", script]).env("PODINIT_LOG", ""));
    assert_eq!((run.lines(), run.stderr.as_str()), (vec!["done"], ""));
    let mut started = Running::start_with_stdin(
        &mut as_process(&["sh", "-c", "(sleep 1000 & echo orphan $!); read line"]),
        Stdio::piped(),
    );
    let orphan = started.wait_for("orphan").split(' ').nth(1).unwrap().parse::<i32>().unwrap();
    eventually("the orphan is a child of podinit", || {
        status_field(orphan, "PPid") == started.pid().to_string()
    });
    kill(orphan, libc::SIGKILL);
    eventually("the orphan is reaped", || !fs::exists(format!("/proc/{orphan}")).unwrap());
    started.kill(libc::SIGTERM);
}

#[test]
fn user_directory_and_environment_are_set_by_options() {
    let options = ["--workdir", "/usr", "--env", "A=1", "--env=B=x y", "--env", "A=2"];
    let run = finish(
        as_process(&[&options[..], &["sh", "-c", "pwd; echo $A $B $C"]].concat()).env("A", "0").env("C", "3"),
    );
    assert_eq!(run.lines(), ["/usr", "2 x y 3"], "{run:?}");
    // The program is searched in the workload's PATH.
    let run = finish(&mut as_process(&["--env", "PATH=/nonexistent", "sh", "-c", "true"]));
    run.assert_refused(127, &["sh"]);
    finish(&mut as_process(&["--workdir", "/nonexistent", "true"]))
        .assert_refused(125, &["directory", "No such file"]);
    finish(&mut as_process(&["--env", "=x", "true"])).assert_refused(125, &["NAME=VALUE"]);
    finish(&mut as_process(&["--user", "no-such-user", "true"])).assert_refused(125, &["no-such-user"]);
    if !have_root() {
        return;
    }
    let run = finish(&mut as_process(&[
        "--user",
        "daemon",
        "sh",
        "-c",
        "id -un; id -gn; echo $HOME; cat /proc/self/status",
    ]));
    assert_eq!(run.lines()[..3], ["daemon", "daemon", "/usr/sbin"]);
    assert!(run.stdout.contains("CapEff:\t0000000000000000"), "{run:?}");
    let run = finish(&mut as_process(&["--user", "54328:54329", "sh", "-c", "id -u; id -g; id -G"]));
    assert_eq!(run.lines(), ["54328", "54329", "54329"]);
}

#[test]
fn the_umask_is_the_workloads_alone() {
    for (mode, umask) in [("027", "0027"), ("0", "0000"), ("0777", "0777")] {
        let run = finish(&mut as_process(&["--umask", mode, "--", "sh", "-c", "umask"]));
        assert_eq!(run.lines(), [umask], "{mode}: {run:?}");
    }
    let own = finish(&mut as_process(&["sh", "-c", "umask; grep Umask /proc/$PPID/status | tr '\t' ' '"]));
    let given = finish(&mut as_process(&[
        "--umask=077",
        "sh",
        "-c",
        "umask; grep Umask /proc/$PPID/status | tr '\t' ' '",
    ]));
    assert_eq!(given.lines(), ["0077", own.lines()[1]], "init keeps its own: {own:?}");
    for mode in ["1000", "8", "+7", "-1", "0o7", "", " 7", "77777777777777"] {
        println!("case: {mode:?}");
        finish(&mut as_process(&[&format!("--umask={mode}"), "true"]))
            .assert_refused(125, &["not a valid umask", mode]);
    }
}

/// podinit where /etc/passwd and /etc/group have these contents.
fn with_users(passwd: impl AsRef<[u8]>, group: impl AsRef<[u8]>, args: &[&str]) -> Command {
    let dir = scratch("users");
    fs::write(dir.join("passwd"), passwd).unwrap();
    fs::write(dir.join("group"), group).unwrap();
    let dir = dir.display();
    let script = format!(
        "mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/group /etc/group && exec \"$@\""
    );
    let mut command = unshare();
    command.args(["sh", "-c", &script, "sh"]).arg(podinit()).args(args);
    command
}

#[test]
fn ids_that_the_kernel_takes_for_something_else_are_refused() {
    for user in ["4294967295", "1000:4294967295", "4294967295:1000", "root:4294967295"] {
        println!("case: {user}");
        let run = finish(&mut as_process(&["--user", user, "id", "-u"]));
        run.assert_refused(125, &["not a valid", "4294967295"]);
    }
    for user in ["+0", "0:+0", "-1"] {
        println!("case: {user}");
        finish(&mut as_process(&["--user", user, "id", "-u"])).assert_refused(125, &["no such"]);
    }
    // The same where a file has such ids.
    let passwd = "a:x:4294967295:0::/:\nb:x:0:4294967295::/:\nc:x:0:0::/:\n";
    for (user, culprit) in [("a", "user"), ("b", "group"), ("c", "group"), ("0:g", "group")] {
        println!("case: {user}");
        let run = finish(&mut with_users(passwd, "g:x:4294967295:c\n", &["--user", user, "id", "-u"]));
        run.assert_refused(125, &["not a valid", culprit]);
    }
}

/// podinit with `--user 0` where /etc is what the commands of `make` leave in an empty directory.
fn with_etc(make: &str) -> Finished {
    let dir = scratch("etc");
    // Not `exec timeout`: as PID 1, that of coreutils 9.10 takes its child for an orphan, which exits with 125.
    let script = format!(
        "cd {0} && {make} && mount --bind {0} /etc && ulimit -v 1000000 && timeout -s KILL 20 \"$@\"; exit $?",
        dir.display()
    );
    let mut command = unshare();
    command.args(["sh", "-c", &script, "sh"]).arg(podinit());
    command.args(["--user", "0", "sh", "-c", "echo $HOME"]);
    let run = finish(&mut command);
    fs::remove_dir_all(dir).unwrap();
    run
}

#[test]
fn a_user_file_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    for file in ["passwd", "group"] {
        let words = ["cannot read", &format!("/etc/{file}"), "ymbolic link"];
        with_etc(&format!("ln -s {file} {file}")).assert_refused(125, &words);
    }
    // An empty image has neither file.
    assert_eq!(with_etc("true").lines(), ["/"]);
    // A link to a regular file is one.
    assert_eq!(with_etc("echo root:x:0:0::/r: >p && ln -s p passwd").lines(), ["/r"]);
}

#[test]
fn a_user_file_that_is_no_regular_file_is_neither_waited_for_nor_read_without_end() {
    for file in ["passwd", "group"] {
        for make in ["mkfifo", "mkdir", "ln -s /dev/zero"] {
            let run = with_etc(&format!("{make} {file}"));
            run.assert_refused(125, &["cannot read", &format!("/etc/{file}"), "not a regular file"]);
        }
    }
}

#[test]
fn a_number_is_an_id_and_not_a_name() {
    if !have_root() {
        return;
    }
    let show = ["sh", "-c", "id -u; id -g; echo $HOME"];
    let passwd = "54321:x:0:0:a name like a number:/root:\napp:x:54322:54323::/srv:\n";
    let as_user = |user: &str| {
        finish(&mut with_users(passwd, "54323:x:0:54321\n", &[&["--user", user], &show[..]].concat()))
    };
    assert_eq!(as_user("54321").lines(), ["54321", "0", "/"]);
    assert_eq!(as_user("54322").lines(), ["54322", "54323", "/srv"]);
    assert_eq!(as_user("app:54323").lines(), ["54322", "54323", "/srv"]);
}

#[test]
fn names_that_are_not_utf8_are_told_apart() {
    if !have_root() {
        return;
    }
    let passwd = b"j\xf6rg:x:54321:54322::/j\xf6:\nj\xfcrg:x:54323:54324::/:\n";
    let group = b"app:x:54325:j\xf6rg\nadmin:x:54326:j\xfcrg\n";
    let show = ["sh", "-c", r#"id -u; id -G; [ "$HOME" = "$(printf '/j\366')" ] && echo home"#];
    let run = finish(&mut with_users(passwd, group, &[&["--user", "54321"], &show[..]].concat()));
    assert_eq!(run.lines(), ["54321", "54322 54325", "home"], "{run:?}");
    // The character that stands for what is not UTF-8.
    let run = finish(&mut with_users(passwd, group, &["--user", "j\u{fffd}rg", "id"]));
    run.assert_refused(125, &["no such user"]);
}

#[test]
fn an_id_that_is_not_mapped_is_not_the_one_that_stands_for_it() {
    if !have("setpriv") || !have_root() {
        return;
    }
    // A user namespace shows each id that it does not map as 65534.
    let script = r#"unshare -U sleep 1000 >/dev/null 2>&1 & namespace=$!
        until grep -qx 'Name:.sleep' /proc/$namespace/status; do sleep 0.01; done
        echo 0 100000 65536 >/proc/$namespace/uid_map
        echo 0 100000 65536 >/proc/$namespace/gid_map
        nsenter -t $namespace -U --preserve-credentials "$@"; status=$?
        kill -KILL $namespace; exit $status"#;
    for user in ["65534:65534", "65534"] {
        let mut command = Command::new("setpriv");
        command.args(["--clear-groups", "sh", "-c", script, "sh"]).arg(podinit());
        finish(command.args(["--user", user, "id"])).assert_refused(125, &["cannot become the user"]);
    }
}

#[test]
fn the_same_user_as_before_takes_no_privilege() {
    if !have("setpriv") || !have_root() {
        return;
    }
    let start = |groups: &str, user: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=54321", "--regid=54322", groups]).arg(podinit());
        finish(command.args(["--user", user, "sh", "-c", "id -u; id -g; echo $HOME"]))
    };
    for groups in ["--clear-groups", "--groups=54322"] {
        let run = start(groups, "54321:54322");
        assert_eq!(run.lines(), ["54321", "54322", "/"], "{groups}: {run:?}");
    }
    // Another user, another group, or other supplementary groups take a privilege.
    for (groups, user) in [
        ("--clear-groups", "54320:54322"),
        ("--clear-groups", "54321:54320"),
        ("--clear-groups", "54321"),
        ("--groups=54330", "54321:54322"),
    ] {
        println!("case: {groups} {user}");
        start(groups, user).assert_refused(125, &["Operation not permitted"]);
    }
}

/// The system calls that change the user.
#[cfg(target_pointer_width = "64")]
const CHANGES_OF_USER: [libc::c_long; 3] = [libc::SYS_setgroups, libc::SYS_setresgid, libc::SYS_setresuid];
/// Those without `32` have ids of 16 bits here.
#[cfg(target_pointer_width = "32")]
const CHANGES_OF_USER: [libc::c_long; 3] =
    [libc::SYS_setgroups32, libc::SYS_setresgid32, libc::SYS_setresuid32];

#[test]
fn a_change_of_user_that_only_claims_success_is_noticed() {
    if !have("python3") || !have_root() {
        return;
    }
    for number in CHANGES_OF_USER {
        println!("case: system call {number}");
        let mut command = Command::new("setpriv");
        command.args(["--groups=54330", "python3", &helper("claim.py"), &number.to_string()]);
        let run = finish(command.arg(podinit()).args(["--user", "54321:54322", "id"]));
        run.assert_refused(125, &["the ids are not those"]);
    }
}

#[test]
fn parent_death_sends_the_signal() {
    // The parent is a shell that exits. podinit receives SIGUSR1 then, and forwards it.
    let script =
        format!("{} -p USR1 python3 {} 1 & read line; exit", podinit().display(), helper("receive.py"));
    let mut parent = Running::start_with_stdin(Command::new("sh").args(["-c", &script]), Stdio::piped());
    parent.wait_for("ready");
    parent.stdin().write_all(b"end\n").unwrap();
    parent.wait_for("got 10");
}

#[test]
fn as_root_but_not_pid_1_nothing_else_is_signalled() {
    // PID 1 of an outer namespace is a shell. podinit is an ordinary process in it, and root. A process that is no
    // descendant of podinit is alive afterwards.
    if !have("strace") || !have_root() {
        return;
    }
    let script = format!(
        "sleep 1000 & bystander=$!
         strace -f -o {trace} -e trace=kill {podinit} -g sh -c 'sleep 1000 & echo ready; wait' &
         read line
         kill -TERM $(pgrep -x podinit); wait $!
         kill -0 $bystander && echo alive
         grep -c 'kill(-1,' {trace}; kill -KILL $bystander",
        podinit = podinit().display(),
        trace = scratch("strace").join("trace").display()
    );
    let mut command = in_namespace("sh");
    let mut run = Running::start_with_stdin(command.args(["-c", &script]), Stdio::piped());
    run.wait_for("ready");
    run.stdin().write_all(b"go\n").unwrap();
    run.wait_for("alive");
    assert_eq!(run.wait_for("0"), "0");
}
