//! Binding a socket to a path.
//!
//! The file of a Unix socket has exactly the mode asked for from the moment it can be seen. Linux
//! makes it with the mode of the socket (`fchmod` before `bind`), less the umask. The umask belongs
//! to the whole process and is not touched: where it stands in the way, a thread that lives for this
//! alone parts with the process's umask (`unshare(CLONE_FS)`, which needs no privilege) and binds
//! with none. Where a sandbox forbids that, the file is narrower at first and widened before the
//! socket listens, when nobody can connect yet; it is never wider than asked for.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};

use super::super::file_id::Place;
use super::super::fork::ForkFd;
use super::super::listener::stream_socket;
use super::super::refusal::{Refusal, by};
use super::table::read_table;

/// A non-blocking stream socket bound to `path`. Fails with `ADDRINUSE` where anything stands there.
pub(in crate::os) fn bind_to_path(path: &Path, mode: u32) -> Result<ForkFd, Refusal> {
    let address = SocketAddrUnix::new(path).map_err(by("bind"))?;
    let socket = stream_socket(AddressFamily::UNIX).map_err(by("socket"))?;
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode)).map_err(by("fchmod"))?;
    let bind = || rustix::net::bind(&socket, &address);
    let bound = if umask().is_some_and(|umask| umask & mode == 0) { None } else { without_umask(bind) };
    bound.unwrap_or_else(bind).map_err(by("bind"))?;
    if let Err(errno) = widen(path, mode) {
        let _ = rustix::fs::unlink(path);
        return Err(errno);
    }
    Ok(socket)
}

/// The umask, which can be asked for without changing it only in this way.
fn umask() -> Option<u32> {
    let status = read_table("/proc/thread-self/status").ok()?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// Does something on a thread that has an empty umask of its own; `None` where there can be none.
fn without_umask<R: Send>(act: impl FnOnce() -> R + Send) -> Option<R> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("simple-ipc-bind".into()).spawn_scoped(scope, || {
            unshare_file_attributes().ok()?;
            rustix::process::umask(Mode::empty());
            Some(act())
        });
        thread.ok()?.join().ok().flatten()
    })
}

/// Gives the calling thread a umask and a working directory of its own.
pub(in crate::os) fn unshare_file_attributes() -> Result<(), Errno> {
    // SAFETY: only `CLONE_FS` is asked for; the table of file descriptors stays shared, which is
    // what makes the call unsafe.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) }
}

/// Sets the mode of the socket file just bound at `path` where it is not yet what it should be.
fn widen(path: &Path, mode: u32) -> Result<(), Refusal> {
    if Place::at(path).map_err(by("lstat"))?.is_none_or(|place| place.mode == mode) {
        return Ok(());
    }
    // Through a descriptor, so that what is changed is what was looked at, and never a link's target.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = ForkFd::open(|| rustix::fs::open(path, flags, Mode::empty())).map_err(by("open"))?;
    let place = Place::of(&file).map_err(by("fstat"))?;
    if place.kind != rustix::fs::FileType::Socket || !place.is_ours() {
        return Err(by("bind")(Errno::EXIST));
    }
    let through = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    rustix::fs::chmod(through, Mode::from_raw_mode(mode)).map_err(by("chmod"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs on a thread with a umask of its own, which its own threads share.
    fn under_umask(umask: u32, act: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare_file_attributes().expect("unshare(CLONE_FS) needs no privilege");
                rustix::process::umask(Mode::from_raw_mode(umask));
                act();
            });
            thread.join().expect("the test's thread failed");
        });
    }

    #[test]
    fn the_socket_file_has_exactly_the_mode_asked_for_under_any_umask() {
        for umask in [0o000, 0o022, 0o077, 0o777] {
            for mode in [0o600, 0o660, 0o666, 0o777, 0o700] {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("a.sock");
                under_umask(umask, || {
                    let _socket = bind_to_path(&path, mode).unwrap();
                    assert_eq!(super::umask(), Some(umask), "the process's umask was touched");
                });
                let found = Place::at(&path).unwrap().unwrap().mode;
                assert_eq!(found, mode, "umask {umask:o}: mode {found:o} instead of {mode:o}");
            }
        }
    }

    #[test]
    fn the_mode_is_right_from_the_first_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        under_umask(0o077, || {
            let socket = stream_socket(AddressFamily::UNIX).unwrap();
            rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o660)).unwrap();
            let address = SocketAddrUnix::new(&path).unwrap();
            // What `bind` alone leaves, before anything could widen it.
            without_umask(|| rustix::net::bind(&socket, &address)).unwrap().unwrap();
            assert_eq!(Place::at(&path).unwrap().unwrap().mode, 0o660);
        });
    }

    #[test]
    fn a_file_that_the_umask_narrowed_is_widened_and_nothing_else_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        widen(&path, 0o666).unwrap();
        assert_eq!(Place::at(&path).unwrap().unwrap().mode, 0o666);

        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let before = Place::at(&file).unwrap().unwrap().mode;
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(widen(&link, 0o601).unwrap_err().errno, Errno::EXIST);
        assert_eq!(Place::at(&file).unwrap().unwrap().mode, before);
    }
}
