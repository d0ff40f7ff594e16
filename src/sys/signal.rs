//! Signal masks and dispositions, pending signals, and sending: what nix has for signals up to 31 alone (see
//! [`crate::signal`]).

use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::check;
use super::process::{Pid, own_pid};
use crate::signal::{Signal, SignalSet};

/// The set as nix's signalfd takes it.
pub fn to_nix(set: SignalSet) -> SigSet {
    // SAFETY: sigset_t is plain bits, and its first 64 are what the kernel reads.
    unsafe {
        let mut nix: libc::sigset_t = std::mem::zeroed();
        ptr::from_mut(&mut nix).cast::<u64>().write_unaligned(set.bits());
        SigSet::from_sigset_t_unchecked(nix)
    }
}

/// Blocks every signal that can be blocked, by rt_sigprocmask(2), and returns the mask that was in force.
///
/// SIGSEGV and the like too: the kernel kills a process that faults also where it blocks the signal, and a SIGSEGV or
/// SIGABRT that a process *sent* is forwarded like any other (as dumb-init does; tini is killed by it where it is not
/// PID 1).
///
/// # Errors
/// None of rt_sigprocmask(2)'s own can happen; a seccomp filter's can.
pub fn block_all() -> Result<SignalSet, Errno> {
    set_mask(SignalSet::ALL)
}

/// Sets this thread's mask and returns the one before. By the system call itself: glibc's wrapper silently keeps 32 and 33
/// unblocked.
///
/// # Errors
/// As for [`block_all`].
pub fn set_mask(mask: SignalSet) -> Result<SignalSet, Errno> {
    let mut old = SignalSet::NONE;
    // SAFETY: both masks are 8 bytes, as the size says.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut old,
            size_of::<SignalSet>(),
        )
    };
    check(answer).map(|_| old)
}

/// What a process does with a signal that has no handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// SIG_DFL
    Default,
    /// SIG_IGN
    Ignore,
}

/// Sets the disposition of `signal`, by rt_sigaction(2), and returns the one before. (A process that has just been executed
/// has no handlers, so "not ignored" is "default".) The C library's function is made for handlers: 0.8 KB.
pub fn set_disposition(signal: Signal, disposition: Disposition) -> Disposition {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // The kernel's struct sigaction begins with the handler. What follows, in another order on other machines, is for
    // handlers, and 0 otherwise; the last of it is the mask, of 8 bytes.
    let (new, mut old) = ([handler, 0, 0, 0, 0], [0; 5]);
    // SAFETY: no handler is installed, only one of the two constants; both arrays are as large as the struct, or larger.
    unsafe {
        let size = size_of::<SignalSet>();
        libc::syscall(libc::SYS_rt_sigaction, signal.number(), new.as_ptr(), old.as_mut_ptr(), size);
    }
    if old[0] == libc::SIG_IGN { Disposition::Ignore } else { Disposition::Default }
}

/// Sends `signal` to one process, by kill(2).
///
/// # Errors
/// ESRCH if it has been reaped, EPERM if init may not signal it.
pub fn kill_process(pid: Pid, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill touches no memory; a Pid is positive, so this is one process.
    check(unsafe { libc::kill(pid.get(), signal.number()) }.into()).map(|_| ())
}

/// Sends `signal` to the process group whose id is the pid `leader`, by kill(2).
///
/// # Errors
/// ESRCH if it has no members left, EPERM if init may signal none of them, EINVAL for group 1.
pub fn kill_group(leader: Pid, signal: Signal) -> Result<(), Errno> {
    // Group 1 would be kill(-1), which is every process.
    if leader.get() == 1 {
        return Err(Errno::EINVAL);
    }
    // SAFETY: as above; the number is below -1, so this is one group.
    check(unsafe { libc::kill(-leader.get(), signal.number()) }.into()).map(|_| ())
}

/// The right to signal every process: `kill(-1)` means all of a PID namespace to its PID 1, and all of the machine to root
/// anywhere else. It can be called through this type alone, and only PID 1 gets a value of it.
#[derive(Clone, Copy, Debug)]
pub struct Everybody(());

impl Everybody {
    /// The right, if init is PID 1.
    pub fn as_pid_1() -> Option<Everybody> {
        (own_pid().get() == 1).then_some(Everybody(()))
    }

    /// Sends `signal` to every process in the PID namespace but init, all at one time: no process escapes it by a fork.
    ///
    /// # Errors
    /// ESRCH if there is none. Not EPERM: the kernel skips those that init may not signal. Any other error is a seccomp
    /// filter's.
    pub fn kill(self, signal: Signal) -> Result<(), Errno> {
        self.send(signal.number())
    }

    /// Whether there is any other process in the PID namespace, zombies included.
    pub fn exist(self) -> bool {
        self.send(0) != Err(Errno::ESRCH)
    }

    fn send(self, number: i32) -> Result<(), Errno> {
        // Looked at again, so that no mistake elsewhere (a fork of init, say) can kill every process of the machine.
        if own_pid().get() != 1 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: kill touches no memory, and PID 1 reaches no further than its namespace.
        check(unsafe { libc::kill(-1, number) }.into()).map(|_| ())
    }
}

/// Sends `signal` to the own process group, init included, by kill(2).
pub fn kill_own_group(signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill touches no memory.
    check(unsafe { libc::kill(0, signal.number()) }.into()).map(|_| ())
}

/// Lets `signal` have its default action on init: it kills init, or stops it until it is continued. Returns where the
/// kernel takes no action: for PID 1, and for SIGTSTP in an orphaned process group, which no process could continue.
///
/// signal-hook's `emulate_default_handler` knows neither that exception nor real-time signals.
pub fn act_by_default(signal: Signal) {
    set_disposition(signal, Disposition::Default);
    let _ = kill_process(own_pid(), signal);
    if let Ok(mask) = set_mask(SignalSet::ALL.without(signal)) {
        let _ = set_mask(mask);
    }
}

/// Whether `signal` is pending for init, by rt_sigpending(2).
pub fn is_pending(signal: Signal) -> bool {
    let mut pending = SignalSet::NONE;
    // SAFETY: the set is 8 bytes, as the size says.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, size_of::<SignalSet>()) };
    pending.contains(signal)
}

/// Discards a pending `signal`.
pub fn discard_pending(signal: Signal) {
    let _ = receive(SignalSet::of(signal), Duration::ZERO);
}

/// Takes a signal of `set`, all of them blocked, and waits for one for `timeout` at the most. `None` if none came. It says
/// what a signalfd says of a signal.
///
/// # Errors
/// ENOSYS or EPERM where a seccomp filter forbids rt_sigtimedwait(2).
pub fn receive(set: SignalSet, timeout: Duration) -> Result<Option<libc::signalfd_siginfo>, Errno> {
    // The kernel's timespec for this call, on 32-bit machines too.
    let timeout = [timeout.as_secs() as libc::c_long, libc::c_long::from(timeout.subsec_nanos() as i32)];
    // SAFETY: the set is 8 bytes, as the size says; both structs are plain numbers, for which zeros will do; and si_code
    // says which fields of the union the kernel has written.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let (set, size) = (&raw const set, size_of::<SignalSet>());
        match check(libc::syscall(libc::SYS_rt_sigtimedwait, set, &raw mut info, &raw const timeout, size)) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let mut taken: libc::signalfd_siginfo = std::mem::zeroed();
        taken.ssi_signo = info.si_signo as u32;
        taken.ssi_code = info.si_code;
        let of_child = info.si_signo == libc::SIGCHLD && info.si_code > 0;
        if of_child || matches!(info.si_code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE) {
            taken.ssi_pid = info.si_pid() as u32;
            taken.ssi_uid = info.si_uid();
        }
        if info.si_code == libc::SI_QUEUE {
            taken.ssi_ptr = info.si_value().sival_ptr as u64;
        }
        Ok(Some(taken))
    }
}

/// What came with a queued signal (sigqueue(3)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queued {
    /// Its value, as a pointer would be.
    pub value: u64,
    /// The pid that the sender claims.
    pub sender: u32,
    /// The uid that the sender claims.
    pub uid: u32,
}

impl Queued {
    pub(super) fn info(self, signal: Signal) -> QueuedInfo {
        let Queued { value, sender, uid } = self;
        let (signo, code) = (signal.number(), libc::SI_QUEUE);
        let (gap, value, padding) = ([0; GAP], value as usize, [0; PADDING]);
        QueuedInfo { signo, errno: 0, code, gap, sender, uid, value, padding }
    }
}

/// Sends `signal` to one process as it was queued, with its value and in its sender's name.
///
/// # Errors
/// ESRCH and EPERM as for `kill_process`, EAGAIN if the receiver's queue is full.
pub fn queue(pid: Pid, signal: Signal, queued: Queued) -> Result<(), Errno> {
    let info = queued.info(signal);
    // SAFETY: QueuedInfo has the size and the layout of siginfo_t, and is only read.
    let answer =
        unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid.get(), signal.number(), &raw const info) };
    check(answer).map(|_| ())
}

/// siginfo_t of a queued signal (`_rt` of the union in asm-generic/siginfo.h).
#[repr(C, align(8))]
pub(super) struct QueuedInfo {
    signo: i32,
    errno: i32,
    code: i32,
    /// The union that follows is aligned as a pointer is.
    gap: [u32; GAP],
    sender: u32,
    uid: u32,
    value: usize,
    padding: [u32; PADDING],
}

const GAP: usize = size_of::<usize>() / size_of::<u32>() - 1;
const PADDING: usize = 26 - 2 * GAP;
const _: () = assert!(size_of::<QueuedInfo>() == size_of::<libc::siginfo_t>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_out_of_reach_but_for_pid_1() {
        assert_ne!(own_pid().get(), 1, "the tests are no init");
        assert!(Everybody::as_pid_1().is_none());
        // And with the right all the same.
        assert_eq!(Everybody(()).send(0), Err(Errno::EINVAL));
    }

    #[test]
    fn a_group_is_never_everybody() {
        assert_eq!(kill_group(Pid::new(1).unwrap(), Signal::CONT), Err(Errno::EINVAL));
    }
}
