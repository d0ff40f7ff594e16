//! README.md shows the real command line and the examples that exist, and its first command works.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{as_process, finish, podinit};

fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn readme() -> String {
    read("README.md")
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

#[test]
fn its_table_of_examples_has_each_of_them() {
    let readme = readme();
    let section = readme.split("\n## Examples\n").nth(1).and_then(|text| text.split("\n## ").next());
    let rows = section.expect("the section").lines().filter(|line| line.starts_with("| "));
    let last_column = rows.skip(2).filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let named: BTreeSet<String> =
        last_column.flat_map(|names| names.split(", ")).map(|name| name.replace('`', "")).collect();
    let entries = fs::read_dir(path("examples")).expect("examples/");
    let existing = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(named, existing, "the table, and the folder");
}

#[test]
fn each_example_says_what_it_shows_and_is_run() {
    let tests = read("tests/engines/test_examples.py");
    for entry in fs::read_dir(path("examples")).expect("examples/") {
        let file = entry.unwrap().path();
        println!("case: {}", file.display());
        let text = fs::read_to_string(&file).unwrap();
        let mut lines = text.lines().skip_while(|line| line.starts_with("#!"));
        assert!(lines.next().is_some_and(|line| line.starts_with("# Shows: ")));
        assert!(lines.next().is_some_and(|line| line.starts_with("# Came out: ")));
        let stem = file.file_stem().unwrap().to_str().unwrap().replace('-', "_");
        let module = path(&format!("tests/engines/test_{stem}.py"));
        assert!(tests.contains(&format!("def test_{stem}(")) || module.exists(), "no test of tests/engines");
    }
}
