//! Starts the workload: a child that shares init's memory until it executes the program.
//!
//! As vfork(2) does, `clone(CLONE_VM | CLONE_VFORK)` copies no page tables, the most expensive part of a fork, and suspends
//! init until the child has executed the program or exited. So no pipe is needed to report a failure: the child writes it
//! to the shared memory.

use std::cell::UnsafeCell;
use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use nix::errno::Errno;

use super::check;
use super::clone::vfork;
use super::credentials::Credentials;
use super::entry::{NumberSlot, Vector};
use super::process::Pid;
use super::session::Session;
use super::signal::{Disposition, set_disposition, set_mask};
use crate::signal::{Signal, SignalSet};

/// What the child does between clone(2) and execve(2).
pub struct Launch<'a> {
    /// The command line that the workload is part of.
    pub args: Vector,
    /// Where in `args` the workload begins; without `file` never 0, since init's own name is first.
    pub program: usize,
    /// What to execute in place of the program that `args` names there.
    pub file: Option<&'a CStr>,
    /// The workload's environment.
    pub env: Vector,
    /// Directories to look in for a program without a slash in its name, separated by colons.
    pub path: &'a OsStr,
    /// The signal mask the workload starts with.
    pub mask: SignalSet,
    /// What the workload does with SIGCHLD.
    pub child_disposition: Disposition,
    /// The working directory, if not init's.
    pub directory: Option<&'a CStr>,
    /// The file mode creation mask, if not init's.
    pub umask: Option<u32>,
    /// Which user to run as, if not as init's.
    pub user: Option<&'a Credentials>,
    /// Which session and group it is to be in.
    pub session: Session,
    /// The terminal in whose foreground the workload's own group is put.
    pub terminal: Option<c_int>,
    /// Where the workload's pid belongs in `env`.
    pub pid_slot: Option<NumberSlot>,
    /// Where the inode of a pidfd of the workload belongs in `env`.
    pub pidfd_slot: Option<NumberSlot>,
}

impl<'a> Launch<'a> {
    /// The start of the program at `program` in `args`, which inherits everything else from init.
    pub fn inherited(
        args: Vector,
        program: usize,
        env: Vector,
        mask: SignalSet,
        child_disposition: Disposition,
    ) -> Launch<'a> {
        Launch {
            args,
            program,
            file: None,
            env,
            path: OsStr::new(""),
            mask,
            child_disposition,
            directory: None,
            umask: None,
            user: None,
            session: Session::Inherited,
            terminal: None,
            pid_slot: None,
            pidfd_slot: None,
        }
    }
}

/// Why the workload was not started.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// No child could be made.
    Fork(Errno),
    /// It could not become the user.
    User(Errno),
    /// The kernel said that it had become the user, and it had not.
    OtherUser,
    /// The working directory could not be entered.
    Directory(Errno),
    /// It could not have the signal mask that init was started with.
    Mask(Errno),
    /// The program could not be executed.
    Exec(Errno),
}

/// The longest path that execve takes, its terminating zero included.
const PATH_MAX: usize = libc::PATH_MAX as usize;

/// Where the child puts a path together. In a frame it would be a page of its own.
// SAFETY: a section of its own, so that dist/podinit can have it last: what is not used of it costs nothing then.
#[unsafe(link_section = ".bss.z_path")]
static PATH: PathBuffer = PathBuffer(UnsafeCell::new([0; PATH_MAX]));

struct PathBuffer(UnsafeCell<[u8; PATH_MAX]>);

// SAFETY: only the child of `launch` uses it, and there is one at a time: init is single-threaded and
// suspended until the child no longer shares its memory.
unsafe impl Sync for PathBuffer {}

/// Starts the workload and returns its pid; by then it has executed the program, or was killed by a signal.
///
/// # Errors
/// See [`Failure`]. A child that failed has been reaped.
pub fn launch(launch: Launch) -> Result<Pid, Failure> {
    let groups = launch.user.map(Credentials::room).unwrap_or_default();
    let mut birth = Birth { launch, groups, failed: None };
    // SAFETY: the child writes to `birth`, which outlives its use of the memory, to PATH, and to nothing else of init's.
    let pid = unsafe { vfork(child, (&raw mut birth).cast()) }.map_err(Failure::Fork)?;
    match birth.failed {
        None => Ok(Pid::new(pid).expect("the parent gets a pid")),
        Some(failure) => {
            // SAFETY: reaps the child, which has exited; no status is written.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(failure)
        }
    }
}

struct Birth<'a> {
    launch: Launch<'a>,
    /// Room for the supplementary groups that the child has.
    groups: Vec<u32>,
    failed: Option<Failure>,
}

/// The child's only function. Its exit status matters only under an emulator (qemu-user) that makes a fork of a vfork: then
/// the failure is not in init's memory.
unsafe extern "C" fn child(birth: *mut c_void) -> ! {
    // SAFETY: `launch` passes a Birth that outlives the child's use of it, and sleeps meanwhile.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let failure = birth.launch.become_workload(&mut birth.groups);
    let status = if failure == Failure::Exec(Errno::ENOENT) { 127 } else { 126 };
    birth.failed = Some(failure);
    // SAFETY: the process exits here, and runs none of the parent's exit handlers.
    unsafe { libc::_exit(status) }
}

impl Launch<'_> {
    /// Runs in the child. Nothing here allocates or panics; it returns only if the program was not executed.
    fn become_workload(&self, groups: &mut [u32]) -> Failure {
        // SAFETY: the call touches no memory.
        let pid = unsafe { libc::getpid() };
        if let Some(slot) = &self.pid_slot {
            slot.write(pid as u64);
        }
        if let Some(slot) = &self.pidfd_slot
            && let Some(inode) = pidfd_inode(pid)
        {
            slot.write(inode);
        }
        self.session.enter(pid, self.terminal);
        if self.child_disposition == Disposition::Ignore {
            set_disposition(Signal::CHLD, Disposition::Ignore);
        }
        if let Some(user) = self.user {
            if let Err(errno) = user.assume(groups) {
                return Failure::User(errno);
            }
            if !user.are_assumed(groups) {
                return Failure::OtherUser;
            }
        }
        if let Some(directory) = self.directory {
            // SAFETY: the directory is a C string.
            let entered = unsafe { libc::chdir(directory.as_ptr()) };
            if entered == -1 {
                return Failure::Directory(Errno::last());
            }
        }
        if let Some(umask) = self.umask {
            // SAFETY: the call takes a number.
            unsafe { libc::umask(umask) };
        }
        // With all signals blocked, as they are here, nothing but SIGKILL would stop the workload.
        if let Err(errno) = set_mask(self.mask) {
            return Failure::Mask(errno);
        }
        Failure::Exec(self.execute())
    }

    /// Looks for the program as execvp(3) does, and the same with every C library: glibc runs a
    /// script without a `#!` line by /bin/sh, musl does not.
    fn execute(&self) -> Errno {
        if let Some(file) = self.file {
            return self.execute_file(file);
        }
        let argv = self.args.from(self.program);
        // SAFETY: `program` lies within the arguments, and they are C strings.
        let name = unsafe { CStr::from_ptr(*argv) };
        if name.to_bytes().contains(&b'/') || name.is_empty() {
            return self.execute_file(name);
        }
        self.search(name)
    }

    fn search(&self, name: &CStr) -> Errno {
        let mut denied = None;
        // SAFETY: no other code uses it, and this only once.
        let buffer = unsafe { &mut *PATH.0.get() };
        for directory in self.path.as_bytes().split(|&byte| byte == b':') {
            let Some(path) = join(buffer, directory, name) else { continue };
            match self.execute_file(path) {
                Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => {}
                // In a directory that may not be searched nothing is found.
                Errno::EACCES if !exists(path) => {}
                Errno::EACCES => denied = Some(Errno::EACCES),
                errno => return errno,
            }
        }
        denied.unwrap_or(Errno::ENOENT)
    }

    fn execute_file(&self, path: &CStr) -> Errno {
        let argv = self.args.from(self.program);
        let envp = self.env.from(0);
        // SAFETY: both arrays end in NULL, and path is a C string.
        unsafe { libc::execve(path.as_ptr(), argv.cast(), envp.cast()) };
        let errno = Errno::last();
        if errno == Errno::ENOEXEC && self.file.is_none() {
            self.execute_script(path);
        }
        errno
    }

    /// A text without a `#!` line: `/bin/sh PATH ARG...`, as POSIX has it for execvp.
    fn execute_script(&self, path: &CStr) {
        let argv = self.args.from(self.program - 1);
        // SAFETY: there is always an entry before the program's name (init's own). The two that are overwritten are read
        // again only for the message that says what could not be started, and are restored before that.
        unsafe {
            let (before, name) = (*argv, *argv.add(1));
            *argv = c"sh".as_ptr().cast_mut();
            *argv.add(1) = path.as_ptr().cast_mut();
            libc::execve(c"/bin/sh".as_ptr(), argv.cast(), self.env.from(0).cast());
            *argv = before;
            *argv.add(1) = name;
        }
    }
}

/// `directory/name` in `buffer`, the name alone if the directory is empty (which means the present
/// one); `None` if it does not fit.
fn join<'b>(buffer: &'b mut [u8; PATH_MAX], directory: &[u8], name: &CStr) -> Option<&'b CStr> {
    let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut length = 0;
    for part in [directory, separator, name.to_bytes_with_nul()] {
        buffer.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
    }
    CStr::from_bytes_with_nul(&buffer[..length]).ok()
}

fn exists(path: &CStr) -> bool {
    // SAFETY: path is a C string.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}

/// The inode of a pidfd of `pid`: since Linux 6.9 no two processes have the same.
fn pidfd_inode(pid: c_int) -> Option<u64> {
    // SAFETY: an all-zero statx is a valid value for the call to overwrite; the descriptor is this function's own.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0)).ok()? as c_int;
        let mut stat: libc::statx = std::mem::zeroed();
        let (path, mask) = (c"".as_ptr(), libc::STATX_INO);
        let answer = libc::syscall(libc::SYS_statx, fd, path, libc::AT_EMPTY_PATH, mask, &raw mut stat);
        libc::close(fd);
        (answer == 0).then_some(stat.stx_ino)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_or_left_out() {
        let mut buffer = [0; PATH_MAX];
        assert_eq!(join(&mut buffer, b"/bin", c"sh"), Some(c"/bin/sh"));
        assert_eq!(join(&mut buffer, b"", c"sh"), Some(c"sh"));
        assert_eq!(join(&mut buffer, &[b'x'; PATH_MAX], c"sh"), None);
    }
}
