//! Links podinit statically also where .cargo/config.toml has no say. Cargo reads that by the current directory, so not
//! for `cargo install` nor for `--manifest-path` from another one; and RUSTFLAGS takes its place.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

/// What rustc links a dynamic binary with, and the archive with the same in it.
const LIBRARIES: [(&str, &str); 7] = [
    ("libc.a", "libc.a"),
    ("libdl.a", "libdl.a"),
    ("libgcc_s.a", "libgcc_eh.a"),
    ("libm.a", "libm.a"),
    ("libpthread.a", "libpthread.a"),
    ("librt.a", "librt.a"),
    ("libutil.a", "libutil.a"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name == "gnu");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    // A sanitizer has no static form.
    if !is_glibc || is_static || env::var_os("CARGO_CFG_SANITIZE").is_some() {
        return;
    }
    // rustc says -Bdynamic before its libraries, which -static does not take back. So they are found first in a folder
    // that has archives alone.
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR")).join("archives");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("OUT_DIR can be written");
    for (name, archive) in LIBRARIES {
        symlink(find(archive), folder.join(name)).expect("OUT_DIR can be written");
    }
    // The C library and libgcc call one another: libgcc has printf's arithmetic of long double.
    let group = ["-Wl,--start-group", "-lc", "-lgcc", "-lgcc_eh", "-Wl,--end-group"];
    for argument in ["-static", "-no-pie", &format!("-L{}", folder.display())].into_iter().chain(group) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// The archive that the C compiler would take.
fn find(archive: &str) -> PathBuf {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| OsString::from("cc"));
    let output = Command::new(linker).arg(format!("-print-file-name={archive}")).output();
    let path =
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    // Of one that it does not have, it prints the name alone.
    if Path::new(&path).is_absolute() {
        return path.into();
    }
    let remedy = "install gcc and libc6-dev (Debian), or gcc and glibc-static (Fedora)";
    println!("cargo::error=podinit is linked statically, and {archive} is not found: {remedy}");
    exit(1);
}
