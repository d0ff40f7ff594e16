//! Which containers share the PID namespace, and which process leads each: the one that would be PID 1 if the container had
//! a PID namespace of its own.
//!
//! A container's processes enter from outside, so their parent is outside the PID namespace (PPid 0). The first one of a
//! container leads it; later ones are `kubectl exec` sessions and the like. Containers are distinguished by their cgroups,
//! which every process may read; those in init's own cgroup (a rootless podman with cgroup v1 puts all there) by their
//! mount namespaces.

use nix::errno::Errno;

use crate::bytes::{lines, split_once};
use crate::procfs::{self, Identity, Processes, Stat, Status};
use crate::sys::process::Pid;

/// The containers in the PID namespace.
#[derive(Default)]
pub struct Containers {
    /// Every container that is known and whose leader has not exited, in no particular order.
    pub all: Vec<Container>,
    /// Why there may be more (as in [`procfs::Processes`]).
    pub unread: Option<Errno>,
    /// The processes that have entered and executed nothing yet, leaders or not.
    pub starting: Vec<Identity>,
    /// The newest process in the PID namespace.
    pub newest: Option<Identity>,
}

/// A container in the PID namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct Container {
    /// Its first process.
    pub leader: Identity,
    /// Whether that has executed nothing yet: it is the runtime's own (`runc init`, which has a handler for each signal
    /// and is killed by some), and no leader before it executes the container's program.
    pub is_starting: bool,
    /// All that have entered, the leader first.
    pub entered: Vec<Identity>,
    /// Where its processes are: in one place, or in some that are nested.
    places: Vec<Place>,
}

/// What distinguishes one container's processes from another's.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// /proc/PID/cgroup.
    Cgroups(Vec<u8>),
    /// A mount of its mount namespace.
    Mounts(u32),
    /// It could not be read. Such a process may be a leader, so it counts as one.
    Unknown,
}

/// Reads which containers there are, but for the process `own`.
pub fn all(own: Pid) -> Containers {
    among(&procfs::processes(), own, own)
}

/// Which containers these processes make, without the process `left_out`. In the cgroup of `init`, mounts distinguish them.
pub fn among(processes: &Processes, left_out: Pid, init: Pid) -> Containers {
    let (mut entered, mut starting) = (Vec::new(), Vec::new());
    for stat in processes.shown.iter().filter(|stat| stat.has_entered() && stat.id.pid != left_out) {
        entered.push(stat.id);
        if stat.has_not_executed() {
            starting.push(stat.id);
        }
    }
    // By the time of their start.
    entered.sort_unstable();
    let own_cgroups = procfs::cgroups(init);
    let mut all = Vec::new();
    for id in entered {
        let by_mounts = || procfs::first_mount(id.pid).map_or(Place::Unknown, Place::Mounts);
        let place = place(procfs::cgroups(id.pid), &own_cgroups, by_mounts);
        add(&mut all, id, place);
    }
    for container in &mut all {
        container.is_starting = starting.contains(&container.leader);
    }
    let newest = processes.shown.iter().map(|stat| stat.id).max();
    Containers { all, unread: processes.unread, starting, newest }
}

impl Containers {
    /// Leaves out the container of the process `own`, and that of a pause process: podinit as one would forward the signal
    /// to leaders that have received it.
    pub fn keep_others(&mut self, own: Pid) {
        if let Some(place) = Trace::read(own).container(&self.all, own) {
            self.all.swap_remove(place);
        }
        self.all.retain(|container| container.leader.pid.get() != 1 || !is_pause(container.leader.pid));
    }
}

/// Whether the PID 1 `pid` is a pause process. podinit and catatonit with a workload have that as their child.
pub fn is_pause(pid: Pid) -> bool {
    match Status::read(pid).map(|status| status.name).as_deref() {
        Ok(b"pause" | b"pod") => true,
        Ok(b"podinit" | b"catatonit") => main_process(pid).is_none(),
        _ => false,
    }
}

/// The main process of the init `pid`: the oldest child that is in its container. (One that PID 1 has adopted from
/// another container is not.)
pub fn main_process(pid: Pid) -> Option<Pid> {
    let place = |pid| (procfs::cgroups(pid), procfs::first_mount(pid));
    procfs::children(pid).into_iter().find(|child| place(*child) == place(pid))
}

/// What /proc says of where a process is.
pub struct Trace {
    pid: Pid,
    cgroups: Option<Vec<u8>>,
    cpuset: Option<Vec<u8>>,
    mount: Option<u32>,
    stat: Option<Stat>,
}

impl Trace {
    /// Reads that of `pid`. All but the mount is there until the process is reaped, but in `cgroups` a cgroup of version 1
    /// becomes `/` as soon as the process begins to exit.
    pub fn read(pid: Pid) -> Trace {
        let cgroups = procfs::cgroups(pid);
        let cpuset = procfs::cpuset(pid);
        let mount = procfs::first_mount(pid);
        Trace { pid, cgroups, cpuset, mount, stat: Stat::read(pid).ok() }
    }

    /// The index of the one of `containers` that it is in, or else that its parent is in: only init, `own`, adopts
    /// processes of other containers.
    pub fn container(&self, containers: &[Container], own: Pid) -> Option<usize> {
        let own_cgroups = procfs::cgroups(own);
        self.place(containers, &own_cgroups).or_else(|| {
            let parent = self.stat?.parent.filter(|parent| *parent != own)?;
            Trace::read(parent).place(containers, &own_cgroups)
        })
    }

    fn place(&self, containers: &[Container], own_cgroups: &Option<Vec<u8>>) -> Option<usize> {
        let exits = self.stat.is_none_or(|stat| stat.is_exiting());
        let by_mounts = || self.mount.map_or(Place::Unknown, Place::Mounts);
        let place = place(self.cgroups.clone(), own_cgroups, by_mounts);
        let only = |is_it: &dyn Fn(&Container) -> bool| {
            let mut found = containers.iter().enumerate().filter(|(_, container)| {
                // One that exits seems to lead a container in the cgroup `/`.
                !(exits && container.leader.pid == self.pid) && is_it(container)
            });
            found.next().filter(|_| found.next().is_none()).map(|(n, _)| n)
        };
        // Where all have one cpuset it says nothing.
        let cpuset = self.cpuset.as_ref().filter(|_| exits);
        cpuset
            .and_then(|cpuset| {
                only(&|container| procfs::cpuset(container.leader.pid).as_ref() == Some(cpuset))
            })
            .or_else(|| only(&|container| container.has(&place)))
    }
}

/// Where a process is. In init's own cgroup its mounts distinguish it, elsewhere its cgroup.
fn place(cgroups: Option<Vec<u8>>, own: &Option<Vec<u8>>, by_mounts: impl FnOnce() -> Place) -> Place {
    if cgroups == *own { by_mounts() } else { cgroups.map_or(Place::Unknown, Place::Cgroups) }
}

/// Puts a process that entered the PID namespace, later than those before it, into its container.
pub fn add(containers: &mut Vec<Container>, id: Identity, place: Place) {
    // Almost always a place that is known already, which is quick to see.
    let is_known = |container: &Container| place != Place::Unknown && container.places.contains(&place);
    let known = containers.iter().position(is_known);
    match known.or_else(|| containers.iter().position(|container| container.has(&place))) {
        Some(of) => {
            containers[of].entered.push(id);
            if known.is_none() {
                containers[of].places.push(place);
            }
        }
        None => {
            let (entered, places) = (vec![id], vec![place]);
            containers.push(Container { leader: id, is_starting: false, entered, places });
        }
    }
}

impl Container {
    /// Whether it is known which container it is. If not, its leader may be an exec session of another one.
    pub fn is_placed(&self) -> bool {
        !self.places.contains(&Place::Unknown)
    }

    /// Whether it is this container that was seen at another time, then perhaps with another leader.
    pub fn is_same(&self, other: &Container) -> bool {
        self.leader == other.leader || other.places.iter().any(|place| self.has(place))
    }

    pub fn has(&self, place: &Place) -> bool {
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
fn are_same_or_nested(one: &[u8], other: &[u8]) -> bool {
    // Siblings, by far the most usual pair, differ within a name, and are not nested then.
    let differ = one.iter().zip(other).find(|(one, other)| one != other);
    if differ.is_some_and(|(one, other)| *one != b'/' && *other != b'/') {
        return false;
    }
    let mut pairs = paths(one).zip(paths(other));
    !one.is_empty() && pairs.all(|(one, other)| one == other || is_below(one, other) || is_below(other, one))
}

/// The path in each hierarchy.
fn paths(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(text).filter_map(|line| Some(split_once(split_once(line, b':')?.1, b':')?.1))
}

/// Whether the cgroup `path` is below `top`. All are below the root, and below those that hold the root of init's cgroup
/// namespace (`/..`, cgroup_namespaces(7)): that says nothing.
fn is_below(path: &[u8], top: &[u8]) -> bool {
    let holds_all = || top.split(|byte| *byte == b'/').all(|name| matches!(name, b"" | b".."));
    path.strip_prefix(top).is_some_and(|below| below.starts_with(b"/")) && !holds_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The containers of processes that entered in any order.
    fn group(entered: impl IntoIterator<Item = (Identity, Place)>) -> Vec<Container> {
        let mut entered: Vec<_> = entered.into_iter().collect();
        entered.sort_by_key(|(id, _)| *id);
        let mut containers = Vec::new();
        entered.into_iter().for_each(|(id, place)| add(&mut containers, id, place));
        containers
    }

    fn id(pid: i32, start: u64) -> Identity {
        Identity { pid: Pid::new(pid).unwrap(), start }
    }

    fn leaders(entered: &[(i32, u64, &str)]) -> Vec<i32> {
        let place =
            |&(pid, start, cgroups): &(i32, u64, &str)| (id(pid, start), Place::Cgroups(cgroups.into()));
        group(entered.iter().map(place)).iter().map(|container| container.leader.pid.get()).collect()
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
        // The kernel forbids nothing but a line feed in a name (found by tests/fuzz).
        assert_eq!(leaders(&[(7, 1, "0::/pod/a\r\n"), (8, 2, "0::/pod/a/x\n")]), [7, 8]);
        assert_eq!(leaders(&[(7, 1, "0::/"), (8, 2, "0::/a")]), [7, 8]);
        assert_eq!(leaders(&[(7, 1, "0::/../a"), (8, 2, "0::/../b"), (9, 3, "0::/../a/c")]), [7, 8]);
        for above in ["0::/..", "0::/../.."] {
            assert_eq!(leaders(&[(7, 1, above), (8, 2, "0::/../../a"), (9, 3, "0::/../b")]), [7, 8, 9]);
        }
    }

    #[test]
    fn every_hierarchy_of_version_1_counts() {
        let (a, b) = ("4:pids:/x/a\n1:name=systemd:/x\n0::/", "4:pids:/x/b\n1:name=systemd:/x\n0::/");
        let below_a = "4:pids:/x/a\n1:name=systemd:/x/y\n0::/";
        assert_eq!(leaders(&[(7, 1, a), (8, 2, b), (9, 3, below_a)]), [7, 8]);
    }

    #[test]
    fn a_container_is_known_by_its_leader_or_its_place() {
        let container = |pid, cgroups: &str| {
            group([(id(pid, pid as u64), Place::Cgroups(cgroups.into()))]).swap_remove(0)
        };
        let one = container(7, "0::/pod/a");
        let other = |pid, cgroups| one.is_same(&container(pid, cgroups));
        assert!(other(7, "0::/pod/b"), "moved");
        assert!(other(8, "0::/pod/a"), "an exec session");
        assert!(!other(8, "0::/pod/b"));
    }

    #[test]
    fn a_process_in_another_cgroup_does_not_join_those_in_inits_own() {
        let own = Some(b"0::/pod".to_vec());
        let entered = [("0::/pod", 1), ("0::/pod", 2), ("0::/pod/below", 3), ("0::/pod", 1)];
        let with_place = |(n, (cgroups, mount)): (usize, (&str, u32))| {
            (id(n as i32 + 2, n as u64), place(Some(cgroups.into()), &own, || Place::Mounts(mount)))
        };
        assert_eq!(group(entered.into_iter().enumerate().map(with_place)).len(), 3);
    }

    #[test]
    fn mount_namespaces_tell_where_they_are_known() {
        let entered = |mounts: [Option<u32>; 3]| {
            let with_place = |(n, mount): (usize, Option<u32>)| {
                (id(n as i32 + 2, n as u64), mount.map_or(Place::Unknown, Place::Mounts))
            };
            group(mounts.into_iter().enumerate().map(with_place))
        };
        assert_eq!(entered([Some(1), Some(2), Some(1)]).len(), 2);
        // Each of these may be a leader.
        let unknown = entered([None, Some(2), None]);
        assert_eq!(unknown.iter().map(Container::is_placed).collect::<Vec<_>>(), [false, true, false]);
    }
}
