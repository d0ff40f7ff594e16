//! Users and groups, by name or number, from /etc/passwd and /etc/group. (The C library's own look-up needs
//! its shared libraries at run time, which an image from scratch has not.) Names are bytes: two that are not UTF-8 would
//! be equal as text.

use nix::errno::Errno;

use crate::bytes::{lines, number, split_once};
use crate::files;
use crate::quoted::Quoted;
use crate::sys::credentials::Credentials;
use crate::sys::describe;
use crate::sys::fd::is_regular_file;

/// Which user a workload runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub credentials: Credentials,
    /// The home directory: `/` if /etc/passwd has none.
    pub home: Vec<u8>,
}

/// The user that `text` names: `USER` or `USER:GROUP`, as for a container's user.
///
/// # Errors
/// Which of the two does not exist, or has no valid number; which file cannot be read.
pub fn find(text: &[u8]) -> Result<User, String> {
    find_in(&read("/etc/passwd")?, &read("/etc/group")?, text)
}

/// The text of `path`; nothing if there is no such file, as in an image from scratch. Any other error is one: a user
/// whose entry cannot be read would silently run with group 0. What is no regular file may have no end (/dev/zero).
fn read(path: &str) -> Result<Vec<u8>, String> {
    let read = || {
        let file = files::open_to_read(path)?;
        if is_regular_file(&file)? { files::read_all(file).map(Some) } else { Ok(None) }
    };
    let problem = match read() {
        Ok(Some(content)) => return Ok(content),
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Ok(None) => "not a regular file",
        Err(errno) => describe(errno),
    };
    Err(format!("cannot read {path}, which --user needs: {problem}"))
}

/// With a group in `text` there are no supplementary groups; without one they are those that list the user. A
/// number that /etc/passwd does not have gets group 0, no supplementary groups and the home directory `/`, as with
/// container engines and gosu.
pub fn find_in(passwd: &[u8], group: &[u8], text: &[u8]) -> Result<User, String> {
    let (user, wanted_group) = match split_once(text, b':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let (uid, entry) = look_up(passwd, "user", user)?;
    let (gid, groups) = match (wanted_group, entry) {
        (Some(wanted), _) => (look_up(group, "group", wanted)?.0, Vec::new()),
        (None, Some(entry)) => {
            let gid = field_id(entry, 3).ok_or_else(|| invalid("group", user))?;
            (gid, memberships(group, field(entry, 0))?)
        }
        (None, None) => (0, Vec::new()),
    };
    let home = match entry.map_or(&b""[..], |entry| field(entry, 5)) {
        // No variable can hold a NUL.
        home if home.is_empty() || home.contains(&0) => b"/",
        home => home,
    };
    Ok(User { credentials: Credentials { uid, gid, groups }, home: home.to_vec() })
}

/// The number of the user or group that `key` names, and its line, if there is one. A number always means that number,
/// also where a line has it for a name (as gosu and setpriv have it).
fn look_up<'t>(text: &'t [u8], what: &str, key: &[u8]) -> Result<(u32, Option<&'t [u8]>), String> {
    if !key.is_empty() && key.iter().all(u8::is_ascii_digit) {
        let number = id(key).ok_or_else(|| invalid(what, key))?;
        return Ok((number, lines(text).find(|line| field_id(line, 2) == Some(number))));
    }
    // A line may have an empty name by mistake; no user has one.
    let is_meant =
        |line: &&[u8]| !key.is_empty() && field(line, 0) == key && line.split(is_colon).count() > 2;
    let Some(line) = lines(text).find(is_meant) else {
        return Err(format!("no such {what}: {}", Quoted(key)));
    };
    let number = field_id(line, 2).ok_or_else(|| invalid(what, key))?;
    Ok((number, Some(line)))
}

fn invalid(what: &str, key: &[u8]) -> String {
    format!("not a valid {what} id, which is 0 to {}: {}", u32::MAX - 1, Quoted(key))
}

fn is_colon(byte: &u8) -> bool {
    *byte == b':'
}

/// The field of a line, counted from 0; empty if there is none.
fn field(line: &[u8], index: usize) -> &[u8] {
    line.split(is_colon).nth(index).unwrap_or_default()
}

fn field_id(line: &[u8], index: usize) -> Option<u32> {
    id(field(line, index))
}

/// The id that `text` is, in digits alone. The highest number of 32 bits is none: setresuid(2) takes it, -1, for
/// "leave unchanged".
fn id(text: &[u8]) -> Option<u32> {
    number(text, 10).filter(|id| *id != u32::MAX)
}

/// The groups that list `name` among their members, each once, in ascending order. An empty name is that of no user,
/// and not the one member of a group without members.
fn memberships(group: &[u8], name: &[u8]) -> Result<Vec<u32>, String> {
    let mut groups = Vec::new();
    let is_member =
        |line: &&[u8]| !name.is_empty() && field(line, 3).split(|&byte| byte == b',').any(|it| it == name);
    for line in lines(group).filter(is_member) {
        groups.push(field_id(line, 2).ok_or_else(|| invalid("group", field(line, 0)))?);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100::/srv/app:\nbad:x\n7:x:8:9::/7:\n\
        none:x:4294967295:0::/:\nhalf:x:20:4294967295::/:\nplus:x:+0:0::/:\nhomeless:x:30:30\nodd:x:40:40::/:\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nlog:x:4:app,other\ndata:x:33:app\nlog2:x:4:app\n\
        all:x:4294967295:odd\n12:x:13:\n7:x:9:1234\n";

    fn found(text: &str) -> Result<(u32, u32, Vec<u32>), String> {
        find_in(PASSWD.as_bytes(), GROUP.as_bytes(), text.as_bytes()).map(|user| {
            let Credentials { uid, gid, groups } = user.credentials;
            (uid, gid, groups)
        })
    }

    #[test]
    fn by_name_and_by_number() {
        assert_eq!(found("app"), Ok((1000, 100, vec![4, 33])));
        assert_eq!(found("1000"), Ok((1000, 100, vec![4, 33])));
        assert_eq!(found("01000"), Ok((1000, 100, vec![4, 33])));
        assert_eq!(found("app:log"), Ok((1000, 4, vec![])));
        assert_eq!(found("1234:5"), Ok((1234, 5, vec![])));
        assert_eq!(found("4294967294:4294967294"), Ok((4294967294, 4294967294, vec![])));
    }

    #[test]
    fn a_number_is_never_a_name() {
        assert_eq!(found("7"), Ok((7, 0, vec![])), "there is a user called 7");
        assert_eq!(found("app:12"), Ok((1000, 12, vec![])), "there is a group called 12");
        assert_eq!(found("1234"), Ok((1234, 0, vec![])), "a group has a member called 1234");
    }

    #[test]
    fn home_directories() {
        let home = |text: &str| find_in(PASSWD.as_bytes(), GROUP.as_bytes(), text.as_bytes()).unwrap().home;
        assert_eq!(home("app"), b"/srv/app");
        assert_eq!(home("1000:5"), b"/srv/app");
        assert_eq!(home("1234"), b"/");
        assert_eq!(home("homeless"), b"/");
        assert_eq!(find_in(b"a:x:1:1::/a\0b:\n", b"", b"a").unwrap().home, b"/");
    }

    #[test]
    fn an_empty_name_is_no_user_and_no_member() {
        let (passwd, group) = (":x:1000:1000::/:\n", "root:x:0:\ndisk:x:6:\nodd:x:7:,\n");
        let user = find_in(passwd.as_bytes(), group.as_bytes(), b"1000").unwrap().credentials;
        assert_eq!((user.gid, user.groups), (1000, vec![]));
        assert!(find_in(passwd.as_bytes(), group.as_bytes(), b"").is_err());
    }

    #[test]
    fn what_does_not_exist() {
        for text in ["nobody-here", "", ":log", "bad", "app:nope", "app:", "-1", "+0", "0x0", " 0", "app:+0"]
        {
            assert!(found(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_has_no_valid_number() {
        for text in [
            "4294967295",
            "4294967296",
            "1000:4294967295",
            "app:4294967295",
            "app:all",
            "none",
            "half",
            "plus",
            "odd",
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains("not a valid"), "{text}: {error}");
        }
    }
}
