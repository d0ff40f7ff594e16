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
use nix::sys::prctl::set_dumpable;
use nix::unistd::{AccessFlags, access, chdir};

use super::clone::vfork;
use super::credentials::Credentials;
use super::entry::{NumberSlot, Vector};
use super::nested::{self, Maps, Step};
use super::pidfd::pidfd_inode;
use super::process::Pid;
use super::session::Session;
use super::signal::{Disposition, block_all, set_disposition, set_mask};
use crate::signal::{Signal, SignalSet};

/// What the child does between clone(2) and execve(2).
pub struct Launch<'a> {
    /// The command line that the workload is part of.
    pub args: Vector,
    /// Where in `args` the workload begins; never 0, since init's own name is first.
    pub program: usize,
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
    /// Whether it is to be PID 1 of a PID namespace of its own.
    pub as_pid_1: bool,
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
    /// Whether a file that the kernel could not execute is a text for `/bin/sh`.
    pub is_plain: fn(&CStr) -> bool,
    /// What more there is to say of a failure. The child calls it, as the user, in the directory and with the mounts that
    /// the workload would have had.
    pub explain: fn(&Launch, &Failure) -> &'static str,
}

/// Why the workload was not started.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// No child could be made.
    Fork(Errno),
    /// It could not have namespaces of its own.
    Nested(Step, Errno),
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
/// See [`Failure`]; and what [`Launch::explain`] says of it. A child that failed has been reaped.
pub fn launch(launch: Launch) -> Result<Pid, (Failure, &'static str)> {
    let groups = launch.user.map(Credentials::room).unwrap_or_default();
    let as_pid_1 = launch.as_pid_1;
    let is_dumpable = launch.user.is_some() && is_dumpable();
    let mut birth = Birth { launch, maps: None, groups, failed: None };
    let pid = if as_pid_1 { birth.nested() } else { birth.child(0).map_err(Failure::Fork) }
        .map_err(|failure| (failure, ""))?;
    if is_dumpable {
        // A process that becomes another user loses it (PR_SET_DUMPABLE of prctl(2)), with the memory that was init's too.
        // Without it not even root may use /proc/1/fd/1, where that lacks CAP_SYS_PTRACE.
        let _ = set_dumpable(true);
    }
    match birth.failed {
        None => Ok(Pid::new(pid).expect("the parent gets a pid")),
        Some(failure) => {
            // SAFETY: reaps the child, which has exited; no status is written.
            unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
            Err(failure)
        }
    }
}

/// Whether init's files in /proc are its user's, by PR_GET_DUMPABLE of prctl(2).
#[inline(never)]
fn is_dumpable() -> bool {
    // SAFETY: this prctl takes no more.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) == 1 }
}

struct Birth<'a> {
    launch: Launch<'a>,
    /// Of the user namespace, if the child has one of its own.
    maps: Option<Maps>,
    /// Room for the supplementary groups that the child has.
    groups: Vec<u32>,
    failed: Option<(Failure, &'static str)>,
}

impl Birth<'_> {
    /// Makes the child.
    fn child(&mut self, namespaces: c_int) -> Result<c_int, Errno> {
        // SAFETY: the child writes to this value, which outlives its use of the memory, to PATH, and, if it fails, to
        // memory that it allocates; to nothing else of init's.
        unsafe { vfork(namespaces, child, ptr::from_mut(self).cast()) }
    }

    /// Makes the child as PID 1 of a PID namespace: without the privilege, in a user namespace.
    #[inline(never)]
    fn nested(&mut self) -> Result<c_int, Failure> {
        nested::prepare();
        let mut made = self.child(nested::NAMESPACES);
        if made == Err(Errno::EPERM) {
            self.maps = Some(Maps::own());
            made = self.child(nested::NAMESPACES | libc::CLONE_NEWUSER);
        }
        made.map_err(|errno| match errno {
            Errno::EAGAIN | Errno::ENOMEM => Failure::Fork(errno),
            _ => Failure::Nested(Step::Clone, errno),
        })
    }
}

/// The child's only function. Its exit status matters only under an emulator (qemu-user) that makes a fork of a vfork: then
/// the failure is not in init's memory.
unsafe extern "C" fn child(birth: *mut c_void) -> ! {
    // SAFETY: `launch` passes a Birth that outlives the child's use of it, and sleeps meanwhile.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let failure = birth.launch.become_workload(birth.maps.as_ref(), &mut birth.groups);
    let status = if failure == Failure::Exec(Errno::ENOENT) { 127 } else { 126 };
    // It allocates, and no signal but SIGKILL is to end that midway: the memory is init's too, which waits.
    let _ = block_all();
    let cause = (birth.launch.explain)(&birth.launch, &failure);
    birth.failed = Some((failure, cause));
    // SAFETY: the process exits here, and runs none of the parent's exit handlers.
    unsafe { libc::_exit(status) }
}

impl Launch<'_> {
    /// Runs in the child. Nothing here allocates or panics; it returns only if the program was not executed.
    fn become_workload(&self, maps: Option<&Maps>, groups: &mut [u32]) -> Failure {
        if self.as_pid_1
            && let Err((step, errno)) = nested::enter(maps)
        {
            return Failure::Nested(step, errno);
        }
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
                return if maps.is_some() {
                    Failure::Nested(Step::User, errno)
                } else {
                    Failure::User(errno)
                };
            }
            if !user.are_assumed(groups) {
                return Failure::OtherUser;
            }
        }
        if self.as_pid_1 {
            nested::die_with_init();
        }
        if let Some(directory) = self.directory
            && let Err(errno) = chdir(directory)
        {
            return Failure::Directory(errno);
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
                Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::ENAMETOOLONG
                | Errno::ESTALE
                | Errno::ENODEV
                | Errno::ETIMEDOUT => {}
                // In a directory that may not be searched nothing is found.
                Errno::EACCES if access(path, AccessFlags::F_OK).is_err() => {}
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
        if errno == Errno::ENOEXEC && (self.is_plain)(path) {
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
