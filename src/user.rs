//! Users and groups, by name or number, from /etc/passwd and /etc/group. (The C library's own look-up needs
//! its shared libraries at run time, which an image from scratch has not.)

use crate::files;
use crate::quoted::Quoted;

/// Whom to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups.
    pub groups: Vec<u32>,
    /// The home directory, if /etc/passwd knows the user.
    pub home: Option<String>,
}

/// The user that `text` names: `USER` or `USER:GROUP`, as for a container's user.
///
/// # Errors
/// Which of the two does not exist.
pub fn find(text: &str) -> Result<User, String> {
    let read = |path| files::text(path).unwrap_or_default();
    find_in(&read("/etc/passwd"), &read("/etc/group"), text)
}

/// With a group in `text` there are no supplementary groups; without one they are those that list the
/// user. A number that /etc/passwd does not know has group 0, as with container engines.
fn find_in(passwd: &str, group: &str, text: &str) -> Result<User, String> {
    let (user, wanted_group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let entry = entry(passwd, user);
    let Some(uid) = entry.as_ref().map_or(user.parse().ok(), |entry| entry.get(2)?.parse().ok()) else {
        return Err(format!("no such user: {}", Quoted(user.as_bytes())));
    };
    let name = entry.as_ref().map_or(user, |entry| entry[0]);
    let (gid, groups) = match wanted_group {
        Some(wanted) => (
            group_id(group, wanted).ok_or_else(|| format!("no such group: {}", Quoted(wanted.as_bytes())))?,
            Vec::new(),
        ),
        None => {
            let gid = entry.as_ref().and_then(|entry| entry.get(3)?.parse().ok()).unwrap_or(0);
            (gid, memberships(group, name))
        }
    };
    let home = entry.and_then(|entry| Some((*entry.get(5)?).to_owned()));
    Ok(User { uid, gid, groups, home })
}

/// The fields of the line whose first (name) or third (number) field is `key`; names come first.
fn entry<'t>(text: &'t str, key: &str) -> Option<Vec<&'t str>> {
    let fields = || text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields().find(|it| it[0] == key && it.len() > 2).or_else(|| fields().find(|it| it.get(2) == Some(&key)))
}

fn group_id(group: &str, wanted: &str) -> Option<u32> {
    entry(group, wanted).map_or(wanted, |entry| entry[2]).parse().ok()
}

/// The groups that list `name` among their members.
fn memberships(group: &str, name: &str) -> Vec<u32> {
    let lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let listing = lines.filter(|it| it.get(3).is_some_and(|members| members.split(',').any(|it| it == name)));
    listing.filter_map(|entry| entry[2].parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/srv/app:\nbad:x\n7:x:8:9::/7:\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nlog:x:4:app,other\ndata:x:33:app\n";

    fn found(text: &str) -> Result<(u32, u32, Vec<u32>), String> {
        find_in(PASSWD, GROUP, text).map(|user| (user.uid, user.gid, user.groups))
    }

    #[test]
    fn by_name_and_by_number() {
        assert_eq!(found("app"), Ok((1000, 100, vec![4, 33])));
        assert_eq!(found("1000"), Ok((1000, 100, vec![4, 33])));
        assert_eq!(found("app:log"), Ok((1000, 4, vec![])));
        assert_eq!(found("app:12"), Ok((1000, 12, vec![])));
        assert_eq!(found("1234"), Ok((1234, 0, vec![])));
        assert_eq!(found("1234:5"), Ok((1234, 5, vec![])));
        assert_eq!(found("7"), Ok((8, 9, vec![])), "a name may look like a number");
        assert_eq!(find_in(PASSWD, GROUP, "app").unwrap().home.as_deref(), Some("/srv/app"));
        assert_eq!(find_in("", "", "5").unwrap().home, None);
    }

    #[test]
    fn who_does_not_exist() {
        for text in ["nobody-here", "", ":log", "bad", "app:nope", "app:", "-1", "4294967296"] {
            assert!(found(text).is_err(), "{text:?}");
        }
    }
}
