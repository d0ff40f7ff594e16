//! The C entry point, and the argument and environment vectors as the kernel laid them out.
//!
//! A C `main` instead of Rust's: Rust's own start ignores SIGPIPE, opens /dev/null on closed
//! descriptors and installs SEGV handlers, all of which the workload would inherit. It also comes
//! first, and what PID 1 has not blocked is lost.

#[cfg(any(test, fuzzing))]
use std::ffi::CString;
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::OWN_FAILURE;
use super::fd::write_stderr_nowait;
use super::signal::block_all;
use crate::signal::SignalSet;

/// What the process was started with.
pub struct Start {
    /// The command line, init's own name included.
    pub args: Vector,
    /// The environment.
    pub env: Vector,
    /// The signal mask before everything was blocked; the workload gets it back.
    pub mask: SignalSet,
}

/// Defines the C library's `main`, which calls `$run` with every signal blocked and exits with what that returns. For
/// the crate's root: it is the one that knows what to run.
macro_rules! entry_point {
    ($run:path) => {
        #[allow(unsafe_code)]
        #[cfg_attr(not(any(test, fuzzing)), unsafe(export_name = "main"))]
        #[cfg_attr(any(test, fuzzing), unsafe(export_name = "podinit_main"))]
        extern "C" fn c_main(
            _argc: std::ffi::c_int,
            argv: *mut *mut std::ffi::c_char,
            envp: *mut *mut std::ffi::c_char,
        ) -> std::ffi::c_int {
            $crate::sys::entry::start(argv, envp, $run).into()
        }
    };
}
pub(crate) use entry_point;

/// Blocks every signal, calls `run` and returns what that returns. For [`entry_point`] alone: `argv` and `envp` are the
/// kernel's.
pub fn start(argv: *mut *mut c_char, envp: *mut *mut c_char, run: fn(Start) -> u8) -> u8 {
    let Ok(mask) = block_all() else {
        let _ = write_stderr_nowait(
            b"podinit: cannot block signals: rt_sigprocmask fails (does a seccomp filter forbid it?)\n",
        );
        return OWN_FAILURE;
    };
    run(Start { args: Vector(argv), env: Vector(envp), mask })
}

/// A NULL-terminated array of C strings that lives as long as the process: argv or envp.
#[derive(Clone, Copy)]
pub struct Vector(*mut *mut c_char);

impl Vector {
    /// The strings, first to last.
    pub fn iter(self) -> impl Iterator<Item = &'static OsStr> {
        // SAFETY: the strings are NUL-terminated and stay where they are until the process ends.
        self.pointers().map(|string| OsStr::from_bytes(unsafe { CStr::from_ptr(string) }.to_bytes()))
    }

    fn pointers(self) -> impl Iterator<Item = *const c_char> {
        let mut next = self.0;
        std::iter::from_fn(move || {
            // SAFETY: the kernel ends the array with a NULL, and the walk stops there.
            let string = unsafe { *next };
            if string.is_null() {
                return None;
            }
            // SAFETY: as above, there is one more entry, the NULL at the latest.
            next = unsafe { next.add(1) };
            Some(string.cast_const())
        })
    }

    /// How many strings there are.
    pub fn len(self) -> usize {
        self.pointers().count()
    }

    /// The value of `NAME=value`, where the vector is an environment.
    pub fn value(self, name: &str) -> Option<&'static OsStr> {
        self.pointers().find_map(|mut entry| {
            // Compared before it is measured, since most entries differ from it at once.
            for byte in name.bytes().chain([b'=']) {
                // SAFETY: the entry ends in a NUL, which no name contains, so the walk ends there.
                unsafe {
                    if entry.cast::<u8>().read() != byte {
                        return None;
                    }
                    entry = entry.add(1);
                }
            }
            // SAFETY: what is left is a NUL-terminated string as well.
            Some(OsStr::from_bytes(unsafe { CStr::from_ptr(entry) }.to_bytes()))
        })
    }

    /// This environment with `additions`, each a `NAME=value` that takes the place of what `NAME` was. The
    /// new array is never freed: it is the workload's.
    pub fn with(self, additions: &[&'static CStr]) -> Vector {
        fn name(entry: &[u8]) -> &[u8] {
            entry.split(|&byte| byte == b'=').next().unwrap_or_default()
        }
        let mut array: Vec<*mut c_char> = Vec::with_capacity(self.len() + additions.len() + 1);
        for (index, entry) in self.iter().enumerate() {
            if !additions.iter().any(|addition| name(addition.to_bytes()) == name(entry.as_bytes())) {
                // SAFETY: the index is that of an entry.
                array.push(unsafe { *self.0.add(index) });
            }
        }
        for (index, addition) in additions.iter().enumerate() {
            let again = |later: &&CStr| name(later.to_bytes()) == name(addition.to_bytes());
            if !additions[index + 1..].iter().any(again) {
                array.push(addition.as_ptr().cast_mut());
            }
        }
        array.push(ptr::null_mut());
        Vector(array.leak().as_mut_ptr())
    }

    /// Puts `string`, up to a NUL in it, in the place of the entry at `index`. It is never freed: it is the workload's.
    pub fn replace(self, index: usize, mut string: Vec<u8>) {
        assert!(index < self.len());
        string.push(0);
        // SAFETY: the index is that of an entry; the string ends in a NUL.
        unsafe { *self.0.add(index) = string.leak().as_mut_ptr().cast() };
    }

    /// Room for a number in the place of the value of `NAME=value`, if there is such an entry. The
    /// new entry is never freed: it is the environment's from now on.
    pub fn number_slot(self, name: &str) -> Option<NumberSlot> {
        let prefix = format!("{name}=");
        let index = self.iter().position(|entry| entry.as_bytes().starts_with(prefix.as_bytes()))?;
        let mut entry = prefix.clone().into_bytes();
        entry.resize(prefix.len() + NumberSlot::ROOM, 0);
        let entry = entry.leak().as_mut_ptr();
        // SAFETY: the index is that of an entry; the new one ends in zeros, and the slot is the part
        // of it behind the prefix.
        unsafe {
            *self.0.add(index) = entry.cast();
            Some(NumberSlot(entry.add(prefix.len())))
        }
    }

    /// The array from the entry at `index` on, as `execve` wants it. At most the terminating NULL
    /// is reached.
    pub(super) fn from(self, index: usize) -> *mut *mut c_char {
        // SAFETY: the index is at most that of the terminating NULL.
        unsafe { self.0.add(index.min(self.len())) }
    }
}

/// A place in the environment that a number can be written to, by the workload-to-be, which alone
/// knows its pid.
pub struct NumberSlot(*mut u8);

impl NumberSlot {
    /// The digits of the highest u64, and a zero.
    const ROOM: usize = 21;

    /// Writes `number` in decimal. Allocates nothing.
    pub(super) fn write(&self, number: u64) {
        let digits = std::iter::successors(Some(number), |n| (*n >= 10).then_some(n / 10)).count();
        let mut left = number;
        for place in (0..Self::ROOM).rev() {
            let byte = if place < digits { b'0' + (left % 10) as u8 } else { 0 };
            if place < digits {
                left /= 10;
            }
            // SAFETY: the slot is ROOM bytes long, and there is no reference to it.
            unsafe { *self.0.add(place) = byte };
        }
    }
}

#[cfg(test)]
impl Vector {
    /// A vector made of `strings`, for tests; leaked, as a process's own vectors are.
    pub fn of(strings: &[&str]) -> Vector {
        let mut array: Vec<*mut c_char> =
            strings.iter().map(|s| CString::new(*s).expect("no NUL in a test's string").into_raw()).collect();
        array.push(ptr::null_mut());
        Vector(array.leak().as_mut_ptr())
    }
}

#[cfg(any(test, fuzzing))]
impl Vector {
    /// Calls `f` with a vector made of `strings`, which ends when `f` returns: `f` must keep none of them.
    /// (A vector leaked for each input would exhaust a fuzzer's memory.)
    pub fn lend<R>(strings: &[CString], f: impl FnOnce(Vector) -> R) -> R {
        let mut array: Vec<*mut c_char> = strings.iter().map(|s| s.as_ptr().cast_mut()).collect();
        array.push(ptr::null_mut());
        f(Vector(array.as_mut_ptr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_take_the_place_of_what_was() {
        let additions = [c"B=3", c"C=4", c"C=5"];
        let env = Vector::of(&["A=1", "B=2", "BB=2"]).with(&additions);
        assert_eq!(env.iter().collect::<Vec<_>>(), ["A=1", "BB=2", "B=3", "C=5"]);
    }

    #[test]
    fn a_number_takes_the_place_of_a_value() {
        let env = Vector::of(&["A=1", "LISTEN_PID=1", "B=2"]);
        assert!(env.number_slot("LISTEN").is_none());
        let slot = env.number_slot("LISTEN_PID").unwrap();
        for number in [u64::MAX, 4_194_303, 10, 0] {
            slot.write(number);
            assert_eq!(env.value("LISTEN_PID"), Some(OsStr::new(&number.to_string())));
        }
        assert_eq!(env.value("B"), Some(OsStr::new("2")));
        assert_eq!(env.len(), 3);
    }
}
