//! The files that tests need: the binary, the helper scripts, scratch directories.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::skipping::is_there;

static SCRATCH: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The test runner calls exit(3), so that an atexit(3) function runs after every test, also after failed ones.
fn remove_at_exit(path: PathBuf) {
    extern "C" fn remove_all() {
        for path in SCRATCH.lock().map(|mut paths| std::mem::take(&mut *paths)).unwrap_or_default() {
            let _ = fs::remove_dir_all(path);
        }
    }
    let mut paths = SCRATCH.lock().unwrap();
    if paths.is_empty() {
        unsafe { libc::atexit(remove_all) };
    }
    paths.push(path);
}

/// A copy of the binary under test that every user can execute. The binary is the one that cargo has built, or
/// the one that PODINIT_UNDER_TEST names, such as dist/podinit.
pub fn podinit() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        // Checked once, at the start: without it most tests would wait for output in vain.
        assert!(is_there("python3"), "the tests need python3, procps and util-linux");
        let copy = scratch("bin").join("podinit");
        let original = std::env::var_os("PODINIT_UNDER_TEST").unwrap_or(env!("CARGO_BIN_EXE_podinit").into());
        fs::copy(original, &copy).expect("copy the binary");
        copy
    })
}

/// A fresh directory that every user can read. It is removed when the test runner exits.
pub fn scratch(name: &str) -> PathBuf {
    let mut template = std::env::temp_dir().join(format!("podinit-{name}-XXXXXX")).into_os_string();
    template.push("\0");
    let mut bytes = template.into_encoded_bytes();
    let made = unsafe { libc::mkdtemp(bytes.as_mut_ptr().cast()) };
    assert!(!made.is_null(), "mkdtemp");
    bytes.pop();
    let path = PathBuf::from(unsafe { OsString::from_encoded_bytes_unchecked(bytes) });
    std::os::unix::fs::chown(&path, None, None).expect("chown");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    remove_at_exit(path.clone());
    path
}

/// One of the scripts in tests/helpers.
pub fn helper(name: &str) -> String {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    let copy = COPY.get_or_init(|| {
        let to = scratch("helpers");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helpers");
        for entry in fs::read_dir(from).expect("tests/helpers").flatten() {
            // Not what Python has compiled.
            if entry.path().extension().is_some_and(|extension| extension == "py") {
                fs::copy(entry.path(), to.join(entry.file_name())).expect("copy a helper");
            }
        }
        to
    });
    copy.join(name).to_str().expect("a plain path").to_owned()
}
