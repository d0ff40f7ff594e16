//! What kind of program PID 1 is.

use super::template::item;
use crate::handling::waits_for_everything;
use crate::sys::fd::read_link;

/// What kind of program PID 1 is. `output` has a word for each, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    App,
    Shell,
    /// A pause process that does not forward signals.
    Pause,
    /// podinit as a pause process, which does.
    PodinitPause,
    Podinit,
    Catatonit,
    Tini,
    DumbInit,
    /// It is not shown.
    Unknown,
}

/// The names of those that are no apps, and the kind of each. (tini's names are in [`waits_for_everything`].)
const NAMES: &str = "podinit~pause~pod~catatonit~podman-init~dumb-init~sh~bash~dash~ash";
static KINDS: [Kind; 10] = [
    Kind::Podinit,
    Kind::Pause,
    Kind::Pause,
    Kind::Catatonit,
    Kind::Catatonit,
    Kind::DumbInit,
    Kind::Shell,
    Kind::Shell,
    Kind::Shell,
    Kind::Shell,
];

/// What kind of program has this name.
pub fn kind_of(name: &[u8]) -> Kind {
    match KINDS.iter().enumerate().find(|(index, _)| item(NAMES, *index).as_bytes() == name) {
        Some((_, kind)) => *kind,
        None if waits_for_everything(name) => Kind::Tini,
        None => Kind::App,
    }
}

/// What kind PID 1 is, by the file that it executes, where that may be read, and else by its name. `forwards`: whether it
/// is a pause process that handles or blocks SIGHUP.
pub fn kind(name: &str, forwards: bool, unread: &mut Vec<&'static str>) -> Kind {
    let mut kind = Kind::App;
    match read_link(c"/proc/1/exe", &mut [0; 256]) {
        Ok(path) => kind = kind_of(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()),
        Err(_) => unread.push("/proc/1/exe"),
    }
    if kind == Kind::App {
        kind = kind_of(name.as_bytes());
    }
    match kind {
        Kind::Pause | Kind::Podinit if forwards => Kind::PodinitPause,
        kind => kind,
    }
}
