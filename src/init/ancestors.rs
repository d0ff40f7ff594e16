//! What a process inherits from its ancestors, computed for all processes at once.

use crate::procfs::Stat;
use crate::sys::process::Pid;

/// For each process, the least of the `values` of its ancestors, as far as these are shown; `u64::MAX` if none is. Each is
/// looked at once: a look from each process up to the first would be quadratic in a chain of parents. (What is read
/// while processes come and go might hold a circle; in one, some of the ancestors may not be counted.)
pub fn least_above(members: &[Stat], values: &[u64]) -> Vec<u64> {
    let mut places: Vec<(Pid, usize)> = members.iter().map(|stat| stat.id.pid).zip(0..).collect();
    places.sort_unstable();
    let parent_of = |at: usize| {
        let parent = members[at].parent?;
        let place = places.binary_search_by_key(&parent, |(pid, _)| *pid).ok()?;
        Some(places[place].1)
    };
    let mut least = vec![None; members.len()];
    let mut path = Vec::new();
    for at in 0..members.len() {
        let mut next = Some(at);
        while let Some(at) = next.filter(|at| least[*at].is_none()) {
            least[at] = Some(u64::MAX);
            path.push(at);
            next = parent_of(at);
        }
        while let Some(at) = path.pop() {
            let above = parent_of(at).map(|parent| values[parent].min(least[parent].unwrap_or(u64::MAX)));
            least[at] = above.or(Some(u64::MAX));
        }
    }
    least.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: usize, parent: usize) -> Stat {
        Stat::parse(format!("{pid} (x) S {parent} 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 7 0 0").as_bytes())
            .unwrap()
    }

    #[test]
    fn the_least_value_above_is_found_in_chains_circles_and_gaps() {
        let none = u64::MAX;
        let tree = [(2, 1), (3, 2), (4, 3), (5, 2), (1, 0)].map(|(pid, parent)| process(pid, parent));
        assert_eq!(least_above(&tree, &[8, 5, 1, 2, none]), [none, 8, 5, 8, none]);
        assert_eq!(least_above(&tree, &[none, none, 1, none, 0]), [0, 0, 0, 0, none]);
        // Process 9 is not shown.
        let gap = [(2, 9), (3, 2), (4, 9)].map(|(pid, parent)| process(pid, parent));
        assert_eq!(least_above(&gap, &[1, none, none]), [none, 1, none]);
        let circle = [(2, 4), (3, 2), (4, 3), (5, 4), (6, 6)].map(|(pid, parent)| process(pid, parent));
        assert_eq!(least_above(&circle, &[none; 5]), [none; 5]);
        assert_eq!(least_above(&circle, &[none, none, 1, none, none])[3], 1);
        assert_eq!(least_above(&[], &[]), [0; 0]);
    }

    #[test]
    fn a_chain_of_parents_is_no_quadratic_work() {
        // In either order; at a step of a nanosecond each process's way to the first would take minutes.
        let mut chain: Vec<Stat> = (1..=1_000_000).map(|pid| process(pid, pid - 1)).collect();
        let mut values = vec![u64::MAX; chain.len()];
        values[0] = 3;
        assert!(least_above(&chain, &values)[1..].iter().all(|value| *value == 3));
        chain.reverse();
        values.reverse();
        assert!(least_above(&chain, &values)[..values.len() - 1].iter().all(|value| *value == 3));
    }
}
