//! Orphans where init is not PID 1.

use crate::config::Subreaper;
use crate::sys::describe;
use crate::sys::process::{become_subreaper, is_subreaper};

/// Makes init adopt the orphans among its descendants, or warns that it does not.
pub fn adopt_orphans(subreaper: Subreaper) {
    match subreaper {
        Subreaper::Always => {
            if let Err(errno) = become_subreaper() {
                warn!("cannot become a subreaper, so init does not reap orphans: {}", describe(errno));
            }
        }
        Subreaper::OnRequest if is_subreaper() => {}
        // People grep for these words of tini's.
        Subreaper::OnRequest => warn!(
            "not PID 1 and isn't registered as a child subreaper, so zombie reaping won't work: \
             give -s, or set TINI_SUBREAPER"
        ),
    }
}
