//! Why a program could not be executed, looked for once execve(2) has failed: its error alone says "No such file or
//! directory" of a script that is there and whose interpreter is not.
//!
//! By the workload's process, which has the user, the directory and the mounts that the program would have had. Not in
//! `init/`, whose code is in memory from the start on. All texts are leaked, since init exits then: to free them would be
//! more code.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::sys::statfs::statfs;
use nix::sys::statvfs::FsFlags;
use nix::unistd::{AccessFlags, access, read};

use crate::quoted::Quoted;
use crate::sys::describe;
use crate::sys::vfork::{Failure, Launch};

/// How often an interpreter is a script again, at the most: more than the kernel follows.
const DEPTH: u8 = 8;

/// How much of a file is looked at.
const HEAD: usize = 4096;

/// The machine that podinit was compiled for, as the images of containers name it.
const OWN_MACHINE: &str = if cfg!(target_arch = "x86_64") {
    "amd64"
} else if cfg!(target_arch = "aarch64") {
    "arm64"
} else if cfg!(target_arch = "x86") {
    "i386"
} else if cfg!(target_arch = "powerpc64") {
    "ppc64le"
} else {
    std::env::consts::ARCH
};

/// What there is to say of a failure beyond its kind, if there is anything.
pub fn explain(launch: &Launch, failure: &Failure) -> &'static str {
    let errno = match *failure {
        Failure::Exec(errno) => errno,
        Failure::Directory(errno) => {
            let directory = launch.directory.unwrap_or_default().to_bytes();
            return obstacle(joined(&[directory, b"/\0"])).unwrap_or(describe(errno));
        }
        _ => return "",
    };
    let program = launch.args.iter().nth(launch.program).unwrap_or_default().as_bytes();
    let is_path = program.contains(&b'/') || program.is_empty();
    for directory in if is_path { b"" } else { launch.path.as_bytes() }.split(|&byte| byte == b':') {
        // An empty part of PATH is the working directory.
        let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
        let file = joined(&[directory, separator, program, b"\0"]);
        if !is_path && reach(file).is_err() {
            continue;
        }
        let cause = cause(file, errno, DEPTH);
        return match launch.directory {
            _ if !is_path => at("", file, cause),
            Some(directory) if !program.starts_with(b"/") => at("in ", directory, cause),
            _ => cause,
        };
    }
    "not found in PATH"
}

/// Why the file `path` could not be executed.
fn cause(path: &CStr, errno: Errno, depth: u8) -> &'static str {
    let unknown = describe(errno);
    if depth == 0
        || !matches!(errno, Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ENOEXEC | Errno::ELIBBAD)
    {
        return unknown;
    }
    if let Some(wrong) = obstacle(path).or_else(|| mode(path)) {
        return wrong;
    }
    let mut head = [0; HEAD];
    read_head(path, &mut head);
    let (what, needed, errno) = if let [b'#', b'!', line @ ..] = &head {
        let interpreter = interpreter(line);
        if interpreter.ends_with(b"\r") {
            return "its first line ends in CR (Windows line ending)";
        }
        ("its interpreter ", joined(&[interpreter, b"\0"]), errno)
    } else if errno == Errno::ENOEXEC {
        return not_executable(&head);
    } else if is_elf(&head)
        && let Some(loader) = loader(&head)
    {
        // ELIBBAD is of the program: its loader is for another machine, or damaged.
        ("its loader ", loader, if errno == Errno::ELIBBAD { Errno::ENOEXEC } else { errno })
    } else {
        return unknown;
    };
    at(what, needed, cause(needed, errno, depth - 1))
}

/// What keeps a file that is there from being executed by this user.
fn mode(file: &CStr) -> Option<&'static str> {
    let mode = stat(file).ok()?.st_mode;
    if mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits() {
        Some(describe(Errno::EISDIR))
    } else if mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        Some("not a regular file")
    } else if access(file, AccessFlags::X_OK).is_ok() {
        None
    } else if statfs(file).is_ok_and(|it| it.flags().contains(FsFlags::ST_NOEXEC)) {
        Some("its file system is mounted noexec")
    } else if mode & 0o111 == 0 {
        Some("no execute permission (chmod +x)")
    } else {
        Some("no execute permission for this user")
    }
}

/// Whether a file that the kernel could not execute is neither an ELF, as of another machine, nor a script with an
/// interpreter of its own: /bin/sh would take their lines for commands. What cannot be read counts as yes, and an
/// interpreter without a name as none.
pub fn is_plain(path: &CStr) -> bool {
    let mut head = [0; 64];
    read_head(path, &mut head);
    !is_elf(&head) && head.strip_prefix(b"#!").is_none_or(|line| interpreter(line).is_empty())
}

/// The interpreter's path in what is behind the `#!` of a script; empty if there is none in that line.
fn interpreter(behind: &[u8]) -> &[u8] {
    let begin = behind.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or_default();
    behind[begin..].split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0)).next().unwrap_or_default()
}

fn is_elf(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

/// What is wrong with a file that the kernel can do nothing with, by its beginning: of an ELF, the machine that it is for
/// (elf(5)), in the words of `OWN_MACHINE`.
fn not_executable(head: &[u8; HEAD]) -> &'static str {
    if !is_elf(head) {
        return "no #! line, and no /bin/sh to run it";
    }
    let number = u16::from_le_bytes([head[18], head[19]]);
    let number = if head[5] == 2 { number.swap_bytes() } else { number };
    let machine = match number {
        3 => "i386",
        21 => "ppc64le",
        22 => "s390x",
        40 => "arm",
        62 => "amd64",
        183 => "arm64",
        243 => "riscv64",
        _ => "another machine",
    };
    if machine == OWN_MACHINE {
        return "a damaged ELF file";
    }
    text(&["an ELF file for ", machine, ", not ", OWN_MACHINE])
}

/// The path in the program header PT_INTERP of an ELF of this machine's byte order, where all linkers put both: the
/// headers behind the ELF's own, the path in the file's first page.
fn loader(head: &[u8; HEAD]) -> Option<&CStr> {
    const PT_INTERP: [u8; 4] = 3_u32.to_ne_bytes();
    // The lengths of the ELF's header and of a program header; where in that the offset is, which is as long.
    let (first, length, at) = if head[4] == 2 { (64, 56, 8) } else { (52, 32, 4) };
    let header = head[first..].chunks_exact(length).find(|header| header.starts_with(&PT_INTERP))?;
    let low = if cfg!(target_endian = "little") { at } else { 2 * at - 4 };
    let offset = u32::from_ne_bytes(*header.get(low..)?.first_chunk()?) as usize;
    CStr::from_bytes_until_nul(head.get(offset..)?).ok()
}

/// What keeps this process from reaching `path`, and where on the way, if anything does.
fn obstacle(path: &CStr) -> Option<&'static str> {
    let bytes = path.to_bytes();
    for (slash, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let directory = &bytes[..slash];
        // It takes search permission, and a directory.
        if let Err(errno) = reach(joined(&[directory, b"/.\0"])) {
            let why = if errno == Errno::EACCES { "no search permission" } else { describe(errno) };
            return Some(at("", joined(&[directory, b"\0"]), why));
        }
    }
    reach(path).err().map(describe)
}

fn reach(path: &CStr) -> Result<(), Errno> {
    access(path, AccessFlags::F_OK)
}

/// Reads the beginning of a file; nothing of one that may not be read.
fn read_head(path: &CStr, head: &mut [u8]) {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let _ = open(path, flags, Mode::empty()).and_then(|file| read(file, head));
}

/// `WHAT"PATH": why`.
fn at(what: &str, path: &CStr, why: &str) -> &'static str {
    text(&[what, Quoted(path.to_bytes()).to_string().leak(), ": ", why])
}

#[inline(never)]
fn text(parts: &[&str]) -> &'static str {
    parts.concat().leak()
}

/// The path of these parts, of which the last one ends in a NUL.
#[inline(never)]
fn joined(parts: &[&[u8]]) -> &'static CStr {
    CStr::from_bytes_until_nul(parts.concat().leak()).unwrap_or_default()
}
