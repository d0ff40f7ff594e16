//! What a path names: which watches report a change of it, and what stat(2) says of it.

use std::ffi::CString;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{FileStat, SFlag, fstatat, stat};

use crate::files;
use crate::quoted::Quoted;
use crate::sys::describe;
use crate::sys::fd::read_link;

/// How many links are followed (path_resolution(7)).
const LINKS: u32 = 40;

/// IN_MASK_ADD, which nix lacks: two paths may need the same directory.
const MASK_ADD: AddWatchFlags = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);

/// A change of names in a directory.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(MASK_ADD);

/// And of what is in it.
const CONTENT: AddWatchFlags = NAMES.union(AddWatchFlags::IN_MODIFY).union(AddWatchFlags::IN_ATTRIB);

/// A rename of a directory on the way: the path names another file then, and no name in a watched directory has changed.
const MOVED: AddWatchFlags = AddWatchFlags::IN_MOVE_SELF.union(MASK_ADD);

/// A link itself is replaced or removed.
const OF_LINK: AddWatchFlags = NAMES.union(AddWatchFlags::IN_ATTRIB).union(AddWatchFlags::IN_DONT_FOLLOW);

/// Makes an instance that watches these `paths`.
///
/// # Errors
/// Which limit of inotify(7) is reached, or that no watch would report a change of one of them.
pub fn watch(paths: &mut dyn Iterator<Item = &'static str>) -> Result<Inotify, String> {
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    let inotify = Inotify::init(flags).map_err(|errno| {
        format!("cannot watch files: {} (fs.inotify.max_user_instances, RLIMIT_NOFILE)", describe(errno))
    })?;
    for path in paths {
        watch_path(&inotify, path).and_then(|()| watch_links(&inotify, path)).map_err(|errno| {
            let path = Quoted(path.as_bytes());
            let remedy = match errno {
                Errno::EACCES => "a file or its directory must be readable, a directory itself",
                _ => "fs.inotify.max_user_watches",
            };
            format!("cannot watch {path}: {} ({remedy})", describe(errno))
        })?;
    }
    Ok(inotify)
}

/// Watches what `path` names, the directory that holds it, and each one that holds a link on the way there: the name may be
/// replaced. Where a name is not there, the directory that it would be in.
///
/// # Errors
/// As [`add`]; EACCES only if no watch reports a change: that of a file, or of a link, also reports that it is replaced.
fn watch_path(inotify: &Inotify, path: &str) -> Result<(), Errno> {
    let mut left = path.to_owned();
    let mut place = String::new();
    let mut by_directory = Err(Errno::EACCES);
    let mut links = 0;
    while !left.is_empty() {
        let (name, behind) = left.split_once('/').unwrap_or((&left, ""));
        match name {
            "" | "." => left = behind.to_owned(),
            ".." => {
                place.truncate(place.bytes().rposition(|byte| byte == b'/').unwrap_or(0));
                left = behind.to_owned();
            }
            name => {
                let here = format!("{place}/{name}");
                match link(&here) {
                    Ok(target) if links < LINKS => {
                        match add(inotify, &place, NAMES) {
                            Err(Errno::EACCES) => add(inotify, &here, OF_LINK)?,
                            done => done?,
                        }
                        links += 1;
                        if target.starts_with('/') {
                            place.clear();
                        }
                        left = format!("{target}/{behind}");
                    }
                    // No link.
                    Err(Errno::EINVAL) => {
                        left = behind.to_owned();
                        if left.is_empty() {
                            by_directory = add(inotify, &place, CONTENT);
                        } else {
                            or_denied(add(inotify, &here, MOVED))?;
                        }
                        place = here;
                    }
                    _ => return add(inotify, &place, NAMES),
                }
            }
        }
    }
    match add(inotify, &place, CONTENT) {
        // Of what is in a directory, the one above reports nothing.
        Err(Errno::EACCES) if !stat(&*place).is_ok_and(|file| is_directory(&file)) => by_directory,
        done => done,
    }
}

/// Watches what the links in the directory `path` name. (Of its other entries the directory itself reports changes.)
fn watch_links(inotify: &Inotify, path: &str) -> Result<(), Errno> {
    let mut done = Ok(());
    let _ = files::entries(path, &mut |_, name| {
        // As with the paths, UTF-8 alone.
        let Ok(name) = name.to_str() else { return };
        let entry = format!("{path}/{name}");
        if done.is_ok() && link(&entry).is_ok() {
            // What a link in it names, and may not be read, is seen with the next change of another entry.
            done = or_denied(watch_path(inotify, &entry));
        }
    });
    done
}

/// Adds a watch, by inotify_add_watch(2); an empty path is the root directory. What is not there is left out: its directory
/// reports it.
///
/// # Errors
/// EACCES if it may not be read; ENOSPC and ENOMEM at a limit.
fn add(inotify: &Inotify, path: &str, mask: AddWatchFlags) -> Result<(), Errno> {
    let path = if path.is_empty() { "/" } else { path };
    match inotify.add_watch(path, mask) {
        Err(errno @ (Errno::ENOSPC | Errno::ENOMEM | Errno::EACCES)) => Err(errno),
        _ => Ok(()),
    }
}

/// The same without EACCES, where a watch is not all that reports changes.
fn or_denied(added: Result<(), Errno>) -> Result<(), Errno> {
    if added == Err(Errno::EACCES) { Ok(()) } else { added }
}

/// Where the link `path` points to.
///
/// # Errors
/// EINVAL if it is no link; what readlink(2) says else.
fn link(path: &str) -> Result<String, Errno> {
    let mut target = [0; libc::PATH_MAX as usize];
    let path = CString::new(path).or(Err(Errno::ENOENT))?;
    let target = str::from_utf8(read_link(&path, &mut target)?);
    target.map(str::to_owned).or(Err(Errno::ENOENT))
}

/// What stat(2) says of a file, links followed, as a number; and of a directory's entries.
///
/// # Errors
/// What stat(2) says, and open(2) of a directory.
pub fn state(path: &str) -> Result<u64, Errno> {
    let file = stat(path)?;
    if !is_directory(&file) {
        return Ok(number(&[], &file, true));
    }
    // Not when the directory was changed: of a file that was made and deleted nothing is left.
    let mut all = number(&[], &file, false);
    files::entries(path, &mut |directory, name| {
        // In any order; an entry that is a link to nothing counts by its name. No watch reports what is made in a
        // directory below.
        let of_entry = match fstatat(directory, name, AtFlags::empty()) {
            Ok(entry) => number(name.to_bytes(), &entry, !is_directory(&entry)),
            Err(_) => mix(0, name.to_bytes()),
        };
        all = all.wrapping_add(of_entry);
    })?;
    Ok(all)
}

fn is_directory(file: &FileStat) -> bool {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// A number for the file `name`, by its device and inode; and by its size and mtime if its `content` counts.
fn number(name: &[u8], file: &FileStat, content: bool) -> u64 {
    // The bytes as they are: the width of these fields depends on the machine.
    let all = mix(mix(mix(0, name), &file.st_dev.to_ne_bytes()), &file.st_ino.to_ne_bytes());
    if !content {
        return all;
    }
    let all = mix(mix(all, &file.st_size.to_ne_bytes()), &file.st_mtime.to_ne_bytes());
    mix(all, &file.st_mtime_nsec.to_ne_bytes())
}

/// FNV-1a, 64 bits.
fn mix(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
