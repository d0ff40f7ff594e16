//! A program that cannot be executed: podinit names the cause in one line, beside what other inits and shells say.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Finished, finish, have_root, is_there, podinit, say, scratch, skipped, unshare};

/// How the other programs are called with a program to run: by its path in `$0`.
const OTHERS: [(&str, &[&str]); 6] = [
    ("tini", &["tini", "-s", "--"]),
    ("dumb-init", &["dumb-init", "--"]),
    ("catatonit", &["catatonit", "--"]),
    ("dash", &["dash", "-c", "exec \"$0\""]),
    ("bash", &["bash", "-c", "exec \"$0\""]),
    ("busybox", &["busybox", "sh", "-c", "exec \"$0\""]),
];

/// The file `name` in `dir`, which may be executed.
fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// An ELF file without contents for a machine by its number, of 32 or 64 bits, in either byte order.
fn elf(bits: usize, is_big_endian: bool, machine: u16) -> Vec<u8> {
    let mut elf = b"\x7fELF\0\0\x01".to_vec();
    (elf[4], elf[5]) = ((bits / 32) as u8, 1 + u8::from(is_big_endian));
    elf.resize(16, 0);
    for number in [2, machine] {
        elf.extend(if is_big_endian { u16::to_be_bytes(number) } else { u16::to_le_bytes(number) });
    }
    elf.resize(128, 0);
    elf
}

/// An ELF file for the machine `FOREIGN`.
fn foreign_elf() -> Vec<u8> {
    if FOREIGN == "s390x" { elf(64, true, 22) } else { elf(64, false, 243) }
}

/// This machine's /bin/true with another loader, which is not there.
fn without_loader() -> Vec<u8> {
    let mut elf = fs::read("/bin/true").unwrap();
    let begin = elf.windows(4).position(|bytes| bytes == b"/lib").expect("it is dynamic");
    elf[begin..][..4].copy_from_slice(b"/bil");
    elf
}

/// This machine's /bin/true with the loader `elf`, a path from the working directory.
fn with_foreign_loader() -> Vec<u8> {
    let mut elf = fs::read("/bin/true").unwrap();
    let begin = elf.windows(4).position(|bytes| bytes == b"/lib").expect("it is dynamic");
    elf[begin..][..4].copy_from_slice(b"elf\0");
    elf
}

/// A directory with one program for each thing that can be wrong, and their names in the order that they are shown in.
fn programs() -> PathBuf {
    let dir = scratch("exec");
    let path = dir.display();
    file(&dir, "script", "#!/no/such/python3 -u\n");
    file(&dir, "no-env", "#! /no-such-env python3\n");
    file(&dir, "windows", "#!/bin/sh\r\necho hello\r\n");
    file(&dir, "chain", format!("#!{path}/script\n"));
    file(&dir, "into-a-directory", format!("#!{path}\n"));
    file(&dir, "loader", without_loader());
    file(&dir, "elf", foreign_elf());
    file(&dir, "foreign-loader", with_foreign_loader());
    file(&dir, "script-of-it", format!("#!{path}/foreign-loader\n"));
    file(&dir, "sparc", elf(64, true, 43));
    for (_, program, machine) in MACHINES {
        let bits = if matches!(machine, 3 | 40) { 32 } else { 64 };
        file(&dir, &program["/D/".len()..], elf(bits, false, machine));
    }
    file(&dir, "foreign", format!("#!{path}/elf\n"));
    file(&dir, "cut-off", &fs::read(podinit()).unwrap()[..40]);
    file(&dir, "not-executable", "#!/bin/sh\n");
    fs::set_permissions(dir.join("not-executable"), PermissionsExt::from_mode(0o644)).unwrap();
    file(&dir, "roots-own", "#!/bin/sh\n");
    fs::set_permissions(dir.join("roots-own"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(finish(Command::new("mkfifo").arg(dir.join("fifo"))).code, Some(0));
    fs::set_permissions(dir.join("fifo"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(dir.join("closed/inner")).unwrap();
    fs::create_dir(dir.join("noexec")).unwrap();
    dir
}

/// Runs `words` where `dir/noexec` is a mount that permits no execution, with a file in it; in `dir`.
fn run(dir: &Path, words: &[&str]) -> Finished {
    let script = "mount -t tmpfs -o noexec none noexec && cp /bin/true noexec && exec \"$@\"";
    let mut command = unshare();
    command.args(["sh", "-c", script, "sh"]).args(words).current_dir(dir);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.display()));
    let mut run = finish(&mut command);
    run.stderr = run.stderr.replace(dir.to_str().unwrap(), "/D");
    run
}

/// Machines of little-endian byte order, a program for each, and the number in its header.
const MACHINES: [(&str, &str, u16); 6] = [
    ("i386", "/D/i386", 3),
    ("ppc64le", "/D/ppc64le", 21),
    ("arm", "/D/arm", 40),
    ("amd64", "/D/amd64", 62),
    ("arm64", "/D/arm64", 183),
    ("riscv64", "/D/riscv64", 243),
];

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

/// Another machine than this one.
const FOREIGN: &str = if cfg!(target_arch = "s390x") { "riscv64" } else { "s390x" };

/// Programs, podinit's exit status, and what it says after `cannot execute "PROGRAM": `.
fn cases() -> Vec<(&'static str, i32, String)> {
    let loader = without_loader();
    let begin = loader.windows(4).position(|bytes| bytes == b"/bil").unwrap();
    let loader = loader[begin..].split(|byte| *byte == 0).next().unwrap();
    let loader = format!("its loader \"{}\": \"/bil", String::from_utf8_lossy(loader));
    let foreign = format!("an ELF file for {FOREIGN}, not {OWN_MACHINE}");
    let mut cases: Vec<(&str, i32, String)> = [
        ("no-such-program", 127, "not found in PATH"),
        ("/D/no-such-program", 127, "No such file or directory"),
        ("/D/no/such/program", 127, "\"/D/no\": No such file or directory"),
        ("/D/script/x", 127, "\"/D/script\": Not a directory"),
        ("/D/script", 127, "its interpreter \"/no/such/python3\": \"/no\": No such file or directory"),
        ("/D/no-env", 127, "its interpreter \"/no-such-env\": No such file or directory"),
        ("no-env", 127, "\"/D/no-env\": its interpreter \"/no-such-env\": No such file or directory"),
        ("/D/windows", 127, "its first line ends in CR (Windows line ending)"),
        (
            "/D/chain",
            127,
            "its interpreter \"/D/script\": its interpreter \"/no/such/python3\": \"/no\": No such",
        ),
        ("/D/into-a-directory", 126, "its interpreter \"/D\": Is a directory"),
        ("/D/loader", 127, &loader),
        ("/D/elf", 126, &foreign),
        ("/D/foreign-loader", 126, &["its loader \"elf\": ", &foreign].concat()),
        (
            "/D/script-of-it",
            126,
            &["its interpreter \"/D/foreign-loader\": its loader \"elf\": ", &foreign].concat(),
        ),
        ("/D/foreign", 126, &["its interpreter \"/D/elf\": ", &foreign].concat()),
        ("/D/cut-off", 126, "a damaged ELF file"),
        ("/D/noexec/true", 126, "its file system is mounted noexec"),
        ("/D/closed", 126, "Is a directory"),
        ("/D/fifo", 126, "not a regular file"),
        ("/D/not-executable", 126, "no execute permission (chmod +x)"),
        ("/D/sparc", 126, &["an ELF file for another machine, not ", OWN_MACHINE].concat()),
    ]
    .map(|(program, status, words)| (program, status, words.to_owned()))
    .into();
    for (machine, program, _) in MACHINES {
        // A processor of 64 bits may execute programs of 32 bits too.
        if machine != OWN_MACHINE && !["i386", "arm"].contains(&machine) {
            cases.push((program, 126, format!("an ELF file for {machine}, not {OWN_MACHINE}")));
        }
    }
    cases
}

/// Whether the kernel has an emulator for this file (binfmt_misc), as it has with qemu-user-static and with Docker's images
/// for other machines. If so, prints that it is left out; with CI set that is a failure.
fn is_emulated(program: impl AsRef<OsStr>) -> bool {
    let program = program.as_ref();
    let mut command = Command::new(program);
    let Ok(mut emulator) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    else {
        return false;
    };
    emulator.wait().expect("wait");
    !skipped(&format!(
        "leaves out {}: the kernel executes it by an emulator (binfmt_misc)",
        program.display()
    ))
}

#[test]
fn the_cause_is_named_beside_what_other_inits_say() {
    let dir = programs();
    let here = |program: &str| program.replace("/D", dir.to_str().unwrap());
    for (name, words) in OTHERS {
        if !is_there(words[0]) {
            say(&format!("(without {name}, which is not installed)"));
        }
    }
    let mut table = String::from("what is said of a program that cannot be executed, and the exit status");
    for (program, status, words) in cases() {
        println!("case: {program}");
        if words.contains("an ELF file for") && is_emulated(here(program)) {
            continue;
        }
        let own = run(&dir, &[podinit().to_str().unwrap(), &here(program)]);
        own.assert_refused(status, &[&format!("podinit: cannot execute \"{program}\": {words}")]);
        table.push_str(&format!("\n{program}\n    podinit   {status:>5}  {}", own.stderr.trim_end()));
        for (name, words) in OTHERS.iter().filter(|(_, words)| is_there(words[0])) {
            // bash waits for a writer of a FIFO.
            let limited = [&["timeout", "-s", "KILL", "2"], *words].concat();
            let other = run(&dir, &[&limited[..], &[&here(program)]].concat());
            let status = match other.code {
                None | Some(137) => "hangs".to_owned(),
                Some(code) => code.to_string(),
            };
            let said = other.stderr.trim_end().replace('\n', "\n                     ");
            table.push_str(&format!("\n    {name:9} {status:>5}  {said}"));
        }
    }
    say(&table);
}

#[test]
fn the_cause_is_what_holds_for_the_workload() {
    let dir = programs();
    let path = dir.to_str().unwrap();
    let podinit = podinit().to_str().unwrap();
    for (words, status, message) in [
        // Where --workdir says.
        (
            &["--workdir", path, "./nothing"][..],
            127,
            "cannot execute \"./nothing\": in \"/D\": No such file or directory",
        ),
        (&["--workdir=noexec", "../script/x"], 127, "in \"noexec\": \"../script\": Not a directory"),
        (
            &["--workdir", "/nosuch", "true"],
            125,
            "cannot enter the working directory: \"/nosuch\": No such file",
        ),
        (
            &["--workdir", "/nosuch/a/b", "true"],
            125,
            "cannot enter the working directory: \"/nosuch\": No such file",
        ),
        (
            &["--workdir", "script", "true"],
            125,
            "cannot enter the working directory: \"script\": Not a directory",
        ),
        // In the PATH of --env; an empty part of it is the working directory.
        (&["--env", "PATH=/nosuch:", "script"], 127, "\"script\": its interpreter \"/no/such/python3\""),
        // In the namespaces of --as-pid-1.
        (
            &["--as-pid-1", "./elf"],
            126,
            &format!("cannot execute \"./elf\": an ELF file for {FOREIGN}, not "),
        ),
        (&["--as-pid-1", "/proc/2"], 127, "cannot execute \"/proc/2\": No such file or directory"),
    ] {
        println!("case: {words:?}");
        if message.contains("an ELF file for") && is_emulated(dir.join(words[words.len() - 1])) {
            continue;
        }
        run(&dir, &[&[podinit], words].concat()).assert_refused(status, &[message]);
    }
    if !have_root() {
        return;
    }
    fs::set_permissions(dir.join("closed"), PermissionsExt::from_mode(0o600)).unwrap();
    for (words, status, message) in [
        (
            &["./closed/inner/x"][..],
            126,
            "cannot execute \"./closed/inner/x\": \"./closed\": no search permission",
        ),
        (&["--workdir=closed/inner", "true"], 125, "working directory: \"closed\": no search permission"),
        (&["./roots-own"], 126, "cannot execute \"./roots-own\": no execute permission for this user"),
    ] {
        println!("case: {words:?}");
        run(&dir, &[&[podinit, "--user", "daemon"], words].concat()).assert_refused(status, &[message]);
    }
}

#[test]
fn a_shell_runs_no_elf_and_no_script_with_an_interpreter() {
    let dir = programs();
    let podinit = podinit().to_str().unwrap();
    // A shell would run the line behind the ELF's header, and the one behind the interpreter that cannot be executed.
    let line = "\necho the shell runs it >&2\n";
    file(&dir, "elf", [&foreign_elf(), line.as_bytes()].concat());
    file(&dir, "foreign", format!("#!{}/elf{line}", dir.display()));
    for program in ["./elf", "./foreign"] {
        if is_emulated(dir.join(program)) {
            continue;
        }
        run(&dir, &[podinit, program]).assert_refused(126, &[&format!("an ELF file for {FOREIGN}")]);
    }
    // It runs what has no interpreter.
    file(&dir, "plain", "echo plain\n");
    file(&dir, "blank", "#!\necho blank\n");
    file(&dir, "blanks", "#! \t\necho blanks\n");
    for program in ["plain", "blank", "blanks"] {
        let run = run(&dir, &[podinit, program]);
        assert_eq!((run.code, run.lines()), (Some(0), vec![program]), "{run:?}");
    }
    // Without a shell.
    let script = "mount --bind /dev/null /bin/sh && exec \"$@\"";
    let mut command = unshare();
    command.args(["/bin/bash", "-c", script, "bash", podinit, "./plain"]).current_dir(&dir);
    finish(&mut command).assert_refused(126, &["\"./plain\": no #! line, and no /bin/sh to run it"]);
}
