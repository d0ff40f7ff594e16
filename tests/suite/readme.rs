//! README.md shows the real command line, and its first command works.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{as_process, finish, podinit};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

#[test]
fn its_command_line_is_the_help() {
    let help = finish(&mut as_process(&["--help"])).stdout;
    assert!(
        readme().contains(&format!("```text\n{help}```\n")),
        "the help in README.md is not that of --help"
    );
}

#[test]
fn its_first_command_runs_a_workload_as_pid_1() {
    let readme = readme();
    let line = readme.lines().find_map(|line| line.strip_prefix("    cargo build --release && "));
    let line = line.expect("the command").replace("target/release/podinit", podinit().to_str().unwrap());
    let run = finish(Command::new("sh").args(["-c", &line]));
    assert_eq!(run.lines().last(), Some(&"3"), "the workload's exit status: {run:?}");
    let pid_1 = run.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some("1"));
    assert!(pid_1.is_some_and(|line| line.contains("podinit -- sh")), "{run:?}");
}
