//! Tests that cannot run here say so, and fail where they could not be meant to.

use std::io::Write;
use std::path::PathBuf;
use std::thread;

use super::is_root;

/// Whether `program` is installed. If not, says on stderr, past the test runner's capture, that the test is skipped;
/// with CI set that is a failure.
pub fn have(program: &str) -> bool {
    is_there(program) || skipped(&format!("needs {program}, which is not installed"))
}

pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).any(|file| file.is_file())
}

/// As [`have`], for a test that only root can run. CI runs the tests as root too, so this is no failure there.
pub fn have_root() -> bool {
    is_root() || say_skipped("needs root")
}

/// Says that this test is skipped; with CI set that is a failure.
pub fn skipped(why: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "this test {why}");
    say_skipped(why)
}

fn say_skipped(why: &str) -> bool {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("skipped: {name} {why}"));
    false
}

/// Says something past the test runner's capture.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
