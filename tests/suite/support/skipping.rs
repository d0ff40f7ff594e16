//! A test that cannot run here prints that it is skipped. With CI set, a missing program is a failure.

use std::io::Write;
use std::path::PathBuf;
use std::thread;

use super::is_root;

/// Whether `program` is installed. If not, prints on stderr that the test is skipped, past the test runner's
/// capture; with CI set that is a failure.
pub fn have(program: &str) -> bool {
    is_there(program) || skipped(&format!("needs {program}, which is not installed"))
}

pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).any(|file| file.is_file())
}

/// The same for a test that only root can run. CI runs the tests as root too, so this is no failure with CI set.
pub fn have_root() -> bool {
    is_root() || say_skipped("needs root")
}

/// Prints that this test is skipped; with CI set that is a failure.
pub fn skipped(why: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "this test {why}");
    say_skipped(why)
}

/// Prints that this test is skipped.
pub fn say_skipped(why: &str) -> bool {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("skipped: {name} {why}"));
    false
}

/// Prints a line on stderr, past the test runner's capture.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
