//! Which user ids stand for a user.
//!
//! A process in a user namespace of its own sees every user that the namespace does not map as one and the same
//! id, the overflow id (65534, which is also the user `nobody`). A process that has this id itself must not take
//! them all for itself.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::table;

const MAP: &str = "/proc/self/uid_map";

/// Whether this id may stand for any user at all: it is the overflow id, and this process's user namespace
/// does not map every user to itself. Costs next to nothing for other ids.
pub(crate) fn is_anybody(uid: u32) -> bool {
    uid == overflow_id() && !maps_all()
}

/// Said of a user whose id may be anybody's.
pub(crate) fn anybody() -> String {
    let id = overflow_id();
    if table::read_table(MAP).is_ok() {
        format!(
            "a user whom this user namespace does not know (here every such user has the id {id}, like the user nobody)"
        )
    } else {
        format!("a user who cannot be told from others (without /proc the id {id} may be anybody's)")
    }
}

/// The kernel's setting, which hardly ever changes; asked for once.
fn overflow_id() -> u32 {
    static ID: OnceLock<u32> = OnceLock::new();
    *ID.get_or_init(|| {
        let setting = table::read_table("/proc/sys/kernel/overflowuid").unwrap_or_default();
        std::str::from_utf8(&setting).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65534)
    })
}

/// Whether every user of the machine has an id of its own here. Looked up each time, since a process may move
/// into another namespace; where it cannot be, for want of descriptors, say, what was found last holds. It is
/// not taken for granted: without `/proc` the answer is no.
fn maps_all() -> bool {
    static LAST: AtomicBool = AtomicBool::new(false);
    match table::read_table(MAP) {
        Ok(map) => {
            let all = is_identity(&map);
            LAST.store(all, Ordering::Relaxed);
            all
        }
        Err(_) => LAST.load(Ordering::Relaxed),
    }
}

/// Whether a `uid_map` leads every id to itself: one line with the first id inside, the first outside and
/// their number, which leaves out the id that stands for none.
fn is_identity(map: &[u8]) -> bool {
    let text = String::from_utf8_lossy(map);
    text.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether the file that a path leads to, not followed if it is a link, is this user's own, whatever id it
/// shows: only its owner may set its times. They are set to what they are.
pub(in crate::os) fn owns(path: &Path, stat: &Stat) -> bool {
    rustix::fs::utimensat(CWD, path, &same_times(stat), AtFlags::SYMLINK_NOFOLLOW) == Ok::<(), Errno>(())
}

/// The same for an open file.
pub(in crate::os) fn owns_open(file: impl AsFd, stat: &Stat) -> bool {
    rustix::fs::futimens(file, &same_times(stat)) == Ok::<(), Errno>(())
}

fn same_times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            // Signed or not, by the way in which system calls are made.
            tv_nsec: stat.st_mtime_nsec.try_into().unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_that_leads_every_id_to_itself_is_the_identity() {
        assert!(is_identity(b"         0          0 4294967295\n"));
        for other in [
            &b""[..],
            b"         0       1000          1\n",
            b"         0     100000      65536\n",
            b"         0          0 4294967294\n",
            b"         0          1 4294967295\n",
            b"         0          0      65535\n     65535      65535 4294901760\n",
            b"         0          0 4294967295\n     7 7 1\n",
            b"\xff",
        ] {
            assert!(!is_identity(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn ids_other_than_the_overflow_id_are_always_somebody() {
        assert!(!is_anybody(0));
        assert!(!is_anybody(overflow_id() + 1));
        let identity = is_identity(&std::fs::read("/proc/self/uid_map").unwrap());
        assert_eq!(is_anybody(overflow_id()), !identity);
    }

    #[test]
    fn the_owner_of_a_file_proves_it_without_a_change_and_nobody_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let before = rustix::fs::lstat(&path).unwrap();
        assert!(owns(&path, &before));
        assert!(owns_open(std::fs::File::open(&path).unwrap(), &before));
        let after = rustix::fs::lstat(&path).unwrap();
        assert_eq!((after.st_mtime, after.st_mtime_nsec), (before.st_mtime, before.st_mtime_nsec));
        assert_eq!((after.st_atime, after.st_atime_nsec), (before.st_atime, before.st_atime_nsec));
        if !rustix::process::geteuid().is_root() {
            assert!(!owns(Path::new("/"), &rustix::fs::lstat("/").unwrap()));
        }
    }
}
