//! What /proc hides: with the mount option `hidepid` it shows each user only that user's own processes (proc(5)).

use crate::bytes::{lines, number};
use crate::files;
use crate::procfs::{is_own_proc, status_field};
use crate::sys::process::Pid;

/// Whether /proc is there, and shows every process in the PID namespace.
pub fn shows_everybody(own: Pid) -> bool {
    is_own_proc(own)
        && (!hides_some(&files::read_whole("/proc/self/mountinfo").unwrap_or_default()) || may_see_hidden())
}

/// Whether /proc was mounted with `hidepid`, which has it show each user only that user's own processes.
pub fn hides_some(mountinfo: &[u8]) -> bool {
    let hides = |option: &[u8]| {
        option.strip_prefix(b"hidepid=").is_some_and(|value| value != b"0" && value != b"off")
    };
    lines(mountinfo).any(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        fields.nth(4) == Some(b"/proc")
            && fields.next_back().is_some_and(|options| options.split(|&byte| byte == b',').any(hides))
    })
}

/// Whether init has CAP_SYS_PTRACE: then /proc hides nothing from it.
fn may_see_hidden() -> bool {
    const CAP_SYS_PTRACE: u32 = 19;
    let status = files::read_whole("/proc/self/status").unwrap_or_default();
    let mask = status_field(&status, "CapEff:\t").and_then(|mask| number::<u64>(mask, 16));
    mask.is_some_and(|mask| mask & 1 << CAP_SYS_PTRACE != 0)
}
