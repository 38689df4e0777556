//! Removing what dead listeners left: their sockets and lock files.
//!
//! A file is removed only on proof: it is a lock file of this user that reads like ours, nobody holds
//! it, and nobody listens at its address. While this is looked into and done, the file is locked
//! shared, as by a client that asks: a listener that starts meanwhile waits for it, and no live one
//! can be missed.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::channel_lock;
use super::file_id::Place;
use super::fork::ForkFd;
use super::lock_file::{open_flags, read_content};
use super::refusal::{Refusal, by};
use super::retry;
use crate::channel::{Address, directory_or_default};
use crate::error::{Error, Result};
use crate::os::discover::{address_of, directory_failed};
pub use crate::os::removed::Removed;

/// Removes what dead listeners of this user left in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`).
pub(crate) fn clean(directory: Option<&Path>) -> Result<Vec<Removed>> {
    let directory = directory_or_default(directory);
    let failed = |error| directory_failed("clean", &directory, error);
    let mut removed = Vec::new();
    let mut first_error = None;
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(address) = address_of(&directory, &entry.file_name()) else { continue };
        match clean_one(&entry.path(), &address) {
            Ok(Some(done)) => removed.push(done),
            Ok(None) => {}
            Err((path, Refusal { call, errno })) => {
                let what = format!("cannot clean {}: {call} of {} failed", directory.display(), path.display());
                first_error.get_or_insert(Error::from_os(what, errno.into()));
            }
        }
    }
    removed.sort_by(|a, b| (&a.channel, &a.paths).cmp(&(&b.channel, &b.paths)));
    first_error.map_or(Ok(removed), Err)
}

/// Removes the lock file at `path` and the socket at its `address`, if both are a dead listener's.
fn clean_one(path: &Path, address: &Address) -> Result<Option<Removed>, (PathBuf, Refusal)> {
    let failed = |call| move |errno| (path.to_owned(), by(call)(errno));
    // Looked at first, so that nothing but a file of ours is even opened.
    if !Place::at(path).map_err(failed("lstat"))?.is_some_and(|place| is_lock_file(&place)) {
        return Ok(None);
    }
    let open = || ForkFd::open(|| rustix::fs::open(path, open_flags() | OFlags::RDWR, Mode::empty()));
    let file = match retry::on_interrupt(open) {
        Ok(file) => file,
        // It is gone, or something else by now.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
        Err(errno) => return Err(failed("open")(errno)),
    };
    let place = Place::of(&file).map_err(failed("fstat"))?;
    // What does not read like ours may be another program's, and is not even locked for a moment.
    let Some(info) = read_content(&file).filter(|_| is_lock_file(&place)) else { return Ok(None) };
    if !is_only_cleaner(&file).map_err(failed("fcntl"))? {
        return Ok(None);
    }
    match retry::on_interrupt(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared)) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(failed("flock")(errno)),
    }
    // From here on no listener can have the lock, and nobody else removes the file that stands here now.
    let now = Place::at(path).map_err(failed("lstat"))?;
    if now.is_none_or(|now| now.identity != place.identity) {
        return Ok(None);
    }
    let mut paths = Vec::new();
    if let Address::Unix(socket) = address {
        match remove_socket(socket).map_err(|refusal| (socket.clone(), refusal))? {
            SocketFile::Removed => paths.push(socket.clone()),
            SocketFile::Missing => {}
            SocketFile::NotOurs => return Ok(None),
        }
    }
    match rustix::fs::unlink(path) {
        Ok(()) => paths.push(path.to_owned()),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(failed("unlink")(errno)),
    }
    Ok(Some(Removed { channel: info.channel, paths }))
}

/// Whether it can be a lock file of this user's. A second hard link could make somebody else's of it.
fn is_lock_file(place: &Place) -> bool {
    place.kind == FileType::RegularFile && place.is_ours() && place.links == 1
}

enum SocketFile {
    Removed,
    Missing,
    /// It is no socket, another user's, or somebody listens on it.
    NotOurs,
}

fn remove_socket(path: &Path) -> Result<SocketFile, Refusal> {
    let Some(place) = Place::at(path).map_err(by("lstat"))? else { return Ok(SocketFile::Missing) };
    if place.kind != FileType::Socket || !place.is_ours() || channel_lock::is_taken(path)? {
        return Ok(SocketFile::NotOurs);
    }
    // It may have given way to another while we asked.
    if Place::at(path).map_err(by("lstat"))?.is_none_or(|now| now.identity != place.identity) {
        return Ok(SocketFile::NotOurs);
    }
    rustix::fs::unlink(path).map(|()| SocketFile::Removed).map_err(by("unlink"))
}

/// Keeps a second cleaner from removing, a moment after this one, what a new listener has made. A lock of
/// another sort than listeners take and clients ask about, so that neither is misled.
fn is_only_cleaner(file: &ForkFd) -> Result<bool, Errno> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the call reads the structure, which outlives it.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const whole) } == 0 {
        return Ok(true);
    }
    match Errno::from_io_error(&std::io::Error::last_os_error()) {
        Some(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        errno => Err(errno.unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::error::ErrorKind;
    use crate::os::channel_lock::ChannelLock;

    const LINE: &str = r#"{"pid":1999999999,"version":"0.1.0","channel":"a","mode":"request","started":1}"#;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_held_listened_on_or_not_ours_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        // Live ones, by name and by port.
        let _named = ChannelLock::acquire(
            &Address::Unix(path(".deno.live.socket")),
            "live",
            0o600,
            crate::mode::Mode::Request.into(),
        )
        .unwrap();
        let port = Address::Tcp { port: 0, directory: directory.path().to_owned() };
        let _port = ChannelLock::acquire(&port, ":0", 0o600, crate::mode::Mode::Request.into()).unwrap();
        // A listener without a lock of its own, beside what a dead one left.
        let _original = UnixListener::bind(path(".deno.original.socket")).unwrap();
        std::fs::write(path(".deno.original.socket.lock"), LINE).unwrap();
        // No socket, no lock file, no file of ours.
        std::fs::write(path("file.sock"), "precious").unwrap();
        std::fs::write(path("file.sock.lock"), LINE).unwrap();
        drop(UnixListener::bind(path("alone.sock")).unwrap());
        std::fs::write(path("backup.lock"), "4711\n").unwrap();
        std::fs::write(path("empty.lock"), "").unwrap();
        std::fs::write(path("target"), LINE).unwrap();
        std::os::unix::fs::symlink(path("target"), path("link.lock")).unwrap();
        std::fs::write(path("one"), LINE).unwrap();
        std::fs::hard_link(path("one"), path("second.lock")).unwrap();
        std::fs::create_dir(path("directory.lock")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo.lock"), Mode::RWXU).unwrap();
        let before = names(directory.path());
        assert_eq!(clean(Some(directory.path())).unwrap(), []);
        assert_eq!(names(directory.path()), before);
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    fn another_users_files_stay_even_where_root_asks() {
        if rustix::process::geteuid().as_raw() != 0 {
            return eprintln!("skipped: only root can make another user's file");
        }
        let directory = tempfile::tempdir().unwrap();
        let (socket, lock) = (directory.path().join("a.sock"), directory.path().join("a.sock.lock"));
        drop(UnixListener::bind(&socket).unwrap());
        std::fs::write(&lock, LINE).unwrap();
        std::os::unix::fs::chown(&lock, Some(4711), None).unwrap();
        assert_eq!(clean(Some(directory.path())).unwrap(), []);
        std::os::unix::fs::chown(&lock, Some(0), None).unwrap();
        std::os::unix::fs::chown(&socket, Some(4711), None).unwrap();
        assert_eq!(clean(Some(directory.path())).unwrap(), []);
        std::os::unix::fs::chown(&socket, Some(0), None).unwrap();
        assert_eq!(clean(Some(directory.path())).unwrap().len(), 1);
    }

    #[test]
    fn a_listener_that_starts_while_it_is_cleaned_always_listens_and_keeps_its_files() {
        let _watchdog = crate::watchdog::Watchdog::start();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("a.sock");
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        clean(Some(directory.path())).unwrap();
                    }
                });
            }
            for _ in 0..200 {
                drop(UnixListener::bind(&socket).unwrap());
                std::fs::write(directory.path().join("a.sock.lock"), LINE).unwrap();
                let mut claim =
                    ChannelLock::acquire(&Address::Unix(socket.clone()), "a", 0o600, crate::mode::Mode::Request.into())
                        .unwrap();
                let healed = claim.heal().unwrap();
                assert!(!healed.socket_replaced && !healed.lock_replaced, "a live listener lost {healed:?}");
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error_that_says_so() {
        let error = clean(Some(Path::new("/nonexistent/x"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoDirectory);
        assert_eq!(error.message(), "cannot clean: directory /nonexistent/x does not exist");
    }
}
