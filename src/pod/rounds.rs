//! Which containers' leaders a signal is for: the rule of `--target`, for `forward` and for `--diagnose`.

use std::ops::Range;

use crate::config::PodTarget;

/// Where the sender of a signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Its container is the first one, and the sender leads it.
    Leads,
    /// Its container is the first one; another process leads it.
    InFirst,
    /// The signal is from outside, or the sender's container is not known or not asked for.
    Elsewhere,
}

/// The two rounds in which a signal is forwarded to the leaders of `count` containers: the second one only if no leader of
/// the first handles it. One that signals PID 1 means another process than itself.
pub fn rounds(target: PodTarget, sender: Sender, count: usize) -> [Range<usize>; 2] {
    match (target, sender) {
        (_, Sender::Elsewhere) => [0..count, count..count],
        (PodTarget::Auto, Sender::Leads) => [0..0, 1..count],
        (PodTarget::Sender, _) => [0..1, 1..1],
        (_, Sender::InFirst | Sender::Leads) => [0..1, 1..count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_senders_own_container_comes_first() {
        let of = |target, sender| rounds(target, sender, 3);
        assert_eq!(of(PodTarget::Auto, Sender::InFirst), [0..1, 1..3]);
        assert_eq!(of(PodTarget::Auto, Sender::Leads), [0..0, 1..3]);
        assert_eq!(of(PodTarget::Sender, Sender::InFirst), [0..1, 1..1]);
        assert_eq!(of(PodTarget::Sender, Sender::Leads), [0..1, 1..1]);
        for target in [PodTarget::Auto, PodTarget::Leaders] {
            assert_eq!(of(target, Sender::Elsewhere), [0..3, 3..3]);
        }
        assert_eq!(rounds(PodTarget::Auto, Sender::Leads, 1), [0..0, 1..1]);
        assert_eq!(rounds(PodTarget::Leaders, Sender::Elsewhere, 0), [0..0, 0..0]);
    }
}
