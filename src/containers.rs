//! Which containers share our PID namespace, and who leads each: the process that would be PID 1 if it
//! had a PID namespace of its own.
//!
//! A container's processes come in from outside, so their parent is no process of ours (PPid 0). The
//! first one of a container leads it; later ones are `kubectl exec` sessions and the like. Containers
//! are told apart by their cgroups, which everybody may read; where there is one cgroup for all, ours
//! included (a rootless podman with cgroup v1 has it so), by their mount namespaces.

use crate::procfs::{self, Identity};
use crate::sys::process::Pid;

/// A container in our PID namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct Container {
    /// Its first process.
    pub leader: Identity,
    /// Where its processes are: in one place, or in some that are nested.
    places: Vec<Place>,
}

/// What tells one container's processes from another's.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// /proc/PID/cgroup.
    Cgroups(String),
    /// A mount of its mount namespace; `None` if it is not known.
    Mounts(Option<u32>),
}

/// Every container whose leader lives, in no particular order.
pub fn all(own: Pid) -> Vec<Container> {
    let entered: Vec<(Identity, String)> = procfs::processes()
        .iter()
        .filter(|stat| stat.parent.is_none() && stat.id.pid != own)
        .map(|stat| (stat.id, procfs::cgroups(stat.id.pid)))
        .collect();
    let own_cgroups = procfs::cgroups(own);
    let one_for_all = entered.iter().all(|(_, cgroups)| *cgroups == own_cgroups);
    let place = |(id, cgroups): (Identity, String)| {
        let mounts = || Place::Mounts(procfs::first_mount(id.pid));
        (id, if one_for_all { mounts() } else { Place::Cgroups(cgroups) })
    };
    group(entered.into_iter().map(place).collect())
}

/// The one of `containers` that the process `pid` is in.
pub fn of(containers: &[Container], pid: Pid) -> Option<&Container> {
    let cgroups = Place::Cgroups(procfs::cgroups(pid));
    let mounts = Place::Mounts(procfs::first_mount(pid));
    containers.iter().find(|container| container.has(&cgroups) || container.has(&mounts))
}

/// Puts processes that entered our PID namespace into their containers.
fn group(mut entered: Vec<(Identity, Place)>) -> Vec<Container> {
    // By the time of their start; those of one clock tick in the order of their pids.
    entered.sort_unstable_by_key(|(id, _)| (id.start, id.pid));
    let mut containers: Vec<Container> = Vec::new();
    for (id, place) in entered {
        // Almost always the very same place as somebody else's, which is quick to tell.
        if containers.iter().any(|container| container.places.contains(&place)) {
            continue;
        }
        match containers.iter_mut().find(|container| container.has(&place)) {
            Some(container) => container.places.push(place),
            None => containers.push(Container { leader: id, places: vec![place] }),
        }
    }
    containers
}

impl Container {
    fn has(&self, place: &Place) -> bool {
        self.places.iter().any(|own| own.is_with(place))
    }
}

impl Place {
    fn is_with(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Cgroups(one), Place::Cgroups(other)) => are_same_or_nested(one, other),
            (Place::Mounts(one), Place::Mounts(other)) => one == other,
            _ => false,
        }
    }
}

/// Whether in each hierarchy (one line each, `ID:CONTROLLERS:PATH`; with cgroup v2 there is but one) both
/// are in the same cgroup, or one is somewhere below the other.
fn are_same_or_nested(one: &str, other: &str) -> bool {
    // Siblings, by far the most usual pair, differ within a name, where nobody is nested.
    let differ = one.bytes().zip(other.bytes()).find(|(one, other)| one != other);
    if differ.is_some_and(|(one, other)| one != b'/' && other != b'/') {
        return false;
    }
    let paths = |text| str::lines(text).filter_map(|line| line.splitn(3, ':').nth(2));
    let mut pairs = paths(one).zip(paths(other));
    !one.is_empty() && pairs.all(|(one, other)| one == other || is_below(one, other) || is_below(other, one))
}

/// Whether the cgroup `path` is below `top`. All are below the root, which tells nothing.
fn is_below(path: &str, top: &str) -> bool {
    top != "/" && path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pid: i32, start: u64) -> Identity {
        Identity { pid: Pid::new(pid).unwrap(), start }
    }

    fn leaders(entered: &[(i32, u64, &str)]) -> Vec<i32> {
        let place =
            |&(pid, start, cgroups): &(i32, u64, &str)| (id(pid, start), Place::Cgroups(cgroups.into()));
        group(entered.iter().map(place).collect())
            .iter()
            .map(|container| container.leader.pid.get())
            .collect()
    }

    #[test]
    fn the_first_of_a_cgroup_leads() {
        assert_eq!(leaders(&[(7, 100, "0::/a"), (9, 90, "0::/a"), (8, 95, "0::/b")]), [9, 8]);
        // Pids wrap around, times do not; and one tick holds many starts.
        assert_eq!(leaders(&[(30000, 5, "0::/a"), (12, 6, "0::/a")]), [30000]);
        assert_eq!(leaders(&[(8, 5, "0::/a"), (7, 5, "0::/a")]), [7]);
        assert_eq!(leaders(&[]), []);
    }

    #[test]
    fn nested_cgroups_are_one_container() {
        assert_eq!(
            leaders(&[(7, 1, "0::/pod/a/init.scope"), (8, 2, "0::/pod/a"), (9, 3, "0::/pod/a/x")]),
            [7]
        );
        assert_eq!(leaders(&[(7, 1, "0::/pod/a"), (8, 2, "0::/pod/ab")]), [7, 8]);
        assert_eq!(leaders(&[(7, 1, "0::/"), (8, 2, "0::/a")]), [7, 8]);
        assert_eq!(leaders(&[(7, 1, "0::/../a"), (8, 2, "0::/../b"), (9, 3, "0::/../a/c")]), [7, 8]);
    }

    #[test]
    fn every_hierarchy_of_version_1_counts() {
        let (a, b) = ("4:pids:/x/a\n1:name=systemd:/x\n0::/", "4:pids:/x/b\n1:name=systemd:/x\n0::/");
        let below_a = "4:pids:/x/a\n1:name=systemd:/x/y\n0::/";
        assert_eq!(leaders(&[(7, 1, a), (8, 2, b), (9, 3, below_a)]), [7, 8]);
    }

    #[test]
    fn mount_namespaces_tell_where_they_are_known() {
        let entered = |mounts: [Option<u32>; 3]| {
            let with_place =
                |(n, mounts): (usize, Option<u32>)| (id(n as i32 + 2, n as u64), Place::Mounts(mounts));
            group(mounts.into_iter().enumerate().map(with_place).collect()).len()
        };
        assert_eq!(entered([Some(1), Some(2), Some(1)]), 2);
        assert_eq!(entered([None, None, None]), 1);
    }
}
