//! podinit exits with the workload's exit status.

use std::process::{Command, Stdio};

use crate::support::{Running, as_pid_1, as_process, finish, helper, podinit};

#[test]
fn exit_statuses_are_those_of_the_workload() {
    let script = format!(
        "for code in $(seq 0 255); do {} sh -c \"exit $code\"; [ $? = $code ] || echo $code; done; echo done",
        podinit().display()
    );
    assert_eq!(finish(Command::new("sh").args(["-c", &script])).lines(), ["done"]);
}

#[test]
fn every_deadly_signal_makes_128_and_its_number() {
    // Real-time signals are among them. The harmless ones stop a process or are ignored by default. 32 and 33 are
    // the C library's own: its posix_spawn, by which this test starts processes, leaves them ignored.
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
        let run = finish(&mut as_process(&["python3", &helper("die_of.py"), &signal.to_string()]));
        assert_eq!(run.code, Some(128 + signal), "signal {signal}: {run:?}");
    }
}

#[test]
fn exit_statuses_are_remapped() {
    for (options, code, expected) in [
        (&["-e", "143"][..], 143, 0),
        (&["-e143", "-e", "130"], 130, 0),
        (&["-e", "143"], 142, 142),
        (&["--remap", "7:9"], 7, 9),
        (&["--remap=7:9", "-e", "7"], 7, 0),
        (&["--remap", "0:255"], 0, 255),
    ] {
        let exit = format!("exit {code}");
        let run = finish(&mut as_pid_1(&[options, &["sh", "-c", &exit]].concat()));
        assert_eq!(run.code, Some(expected), "{options:?}, exit {code}: {run:?}");
    }
    // Not podinit's own failures; and a long option may be shortened.
    finish(&mut as_pid_1(&["--rema", "127:3", "no-such-program"])).assert_refused(127, &["not found"]);
    let mut run = Running::start(&mut as_pid_1(&["-e", "143", "sh", "-c", "echo ready; exec sleep 1000"]));
    run.wait_for("ready");
    run.signal_init(libc::SIGTERM);
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn help_version_and_license() {
    for option in ["-h", "--help"] {
        let run = finish(&mut as_process(&[option]));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{option}: {run:?}");
        assert!(run.stdout.starts_with("Usage: podinit "), "{option}: {run:?}");
        assert!(run.stdout.lines().all(|line| line.len() < 80), "{option}: {run:?}");
    }
    for option in ["-V", "--version"] {
        let run = finish(&mut as_process(&[option]));
        assert_eq!(run.stdout, concat!("podinit ", env!("CARGO_PKG_VERSION"), "\n"), "{option}");
    }
    for option in ["-l", "--license"] {
        let run = finish(&mut as_process(&[option]));
        assert!(run.stdout.contains("Apache License") && run.stdout.contains("AS IS"), "{option}: {run:?}");
    }
    // Where stdout cannot be written to, it fails.
    let script = format!("exec {} --help >/dev/full", podinit().display());
    finish(Command::new("sh").args(["-c", &script])).assert_refused(125, &["stdout", "No space left"]);
}

#[test]
fn help_for_a_reader_that_has_exited_is_no_error() {
    for option in ["--help", "--license", "--version", "--list-names"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = as_process(&[option]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((run.status.code(), run.stderr), (Some(0), vec![]), "{option}");
    }
}
