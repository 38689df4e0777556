//! The lock file: one live listener per channel, and the mark by which others find it.
//!
//! A listener holds an exclusive `flock` on it for as long as it lives. A client asks with a shared
//! one that it lets go of at once, so an exclusive lock can fail without there being a listener;
//! `/proc/locks` tells the two apart.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::file_id::{Identity, Place, remove_if_it_is};
use super::fork::{self, ForkFd};
use super::holders::Holders;
use super::number::number;
use super::refusal::{Refusal, by};
use super::refused::{cannot_listen, occupied, refused};
use super::retry;
use super::system::lock_table::holders;
use crate::channel::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::mode::Serves;
use crate::os::lock_info::{self, LockInfo, MAX_CONTENT, Named, in_width, parse_content};

/// How long a lock is tried again that only clients hold, for a moment each, but on a busy machine one
/// after another.
const CLIENTS_PATIENCE: Duration = Duration::from_secs(1);
/// How long one is tried again that nobody is seen to hold.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long where the system does not tell who holds it, but the process named in the file lives.
const SHORT_PATIENCE: Duration = Duration::from_millis(5);
/// The pause before it is tried again, at first and, as it grows, at last.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// How often the file may come or go between our opening and our locking it.
const MOST_CHANGES: usize = 64;

/// How much time there is for a lock that is not free at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A listener starts, in a thread of its caller.
    Starting,
    /// A listener serves: the thread has other things to do, and comes again.
    Serving,
}

/// What a client learns from the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A listener of this library lives.
    Held,
    /// There is a file, and nobody holds it.
    Free,
    /// There is no file.
    Missing,
    /// There is something that is not for this user to ask: another user's file, a link, a device.
    Denied,
    /// The system fails to tell: for want of descriptors or memory, say.
    Unknown(Refusal),
}

/// A lock file that was opened to be asked. Opening is apart from asking for those who must not find out
/// that they are out of descriptors when they have connected already.
pub(crate) enum Asking {
    Opened(ForkFd),
    /// There was nothing to open.
    Answered(Probe),
}

impl Asking {
    pub(crate) fn open(address: &Address) -> Asking {
        let answer = match open_to_ask(&address.lock_path()) {
            Ok(Some(file)) => return Asking::Opened(file),
            Ok(None) => Probe::Denied,
            Err(Refusal { call: "open", errno: Errno::NOENT | Errno::NOTDIR }) => Probe::Missing,
            Err(Refusal {
                call: "open",
                errno: Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NXIO | Errno::NODEV,
            }) => Probe::Denied,
            Err(failed) => Probe::Unknown(failed),
        };
        Asking::Answered(answer)
    }

    /// Whether a listener of this library lives at the address, without waiting for anything.
    pub(crate) fn probe(self) -> Probe {
        match self {
            Asking::Answered(probe) => probe,
            Asking::Opened(file) => match is_held(&file) {
                Ok(true) => Probe::Held,
                Ok(false) => Probe::Free,
                Err(failed) => Probe::Unknown(failed),
            },
        }
    }
}

/// Asks whether a listener of this library lives at the address, without waiting for anything.
pub(crate) fn probe(address: &Address) -> Probe {
    Asking::open(address).probe()
}

/// The live listener whose lock file this is: `None` if there is none, `Some(None)` if its content cannot be
/// read. What may be another program's lock is not even locked for a moment.
pub(in crate::os) fn read_live(path: &Path, named: Named) -> Option<Option<LockInfo>> {
    let file = open_to_ask(path).ok().flatten()?;
    let held = match (read_content(&file), named) {
        (Some(_), _) | (None, Named::AsOne) => is_held(&file).is_ok_and(|held| held),
        (None, Named::LikeOne) => {
            let identity = Place::of(&file).ok()?.identity;
            holders(identity).is_some_and(|holders| holders.writer.is_some())
        }
        (None, Named::Otherwise) => false,
    };
    held.then(|| read_settled(&file))
}

/// Reads the content, which a listener writes when it has the lock: in between the file is empty.
fn read_settled(file: &ForkFd) -> Option<LockInfo> {
    for _ in 0..5 {
        if Place::of(file).is_ok_and(|place| place.len > 0) {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    read_content(file)
}

/// An exclusive lock on a channel's lock file. Dropping it removes the file, if it is still the one
/// that was locked, and lets go.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: ForkFd,
    path: PathBuf,
    /// `None` once it has been removed.
    identity: Option<Identity>,
    /// Where in the file the number of subscribers stands, where it does.
    subscribers_at: Option<u64>,
}

impl LockFile {
    /// Takes the lock of `address` and writes into it who listens: `label` is the channel as its
    /// user knows it, `mode` the permission bits of the socket, `serves` what it does.
    pub(crate) fn acquire(
        address: &Address,
        label: &str,
        mode: u32,
        serves: Serves,
        patience: Patience,
    ) -> Result<LockFile> {
        // The working directory may be another one when the file is looked at again.
        let path = std::path::absolute(address.lock_path())
            .map_err(|error| Error::from_os(cannot_listen(label, "the working directory is unknown"), error))?;
        let mode = file_mode(mode);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut changes = 0;
        loop {
            let again = match try_to_lock(&path, label, mode)? {
                Tried::Locked(file, identity) => {
                    let mut lock = LockFile { file, path, identity: Some(identity), subscribers_at: None };
                    lock.subscribers_at = lock.write(address, label, mode, serves)?;
                    return Ok(lock);
                }
                Tried::Held(file, identity) => {
                    let waited = match patience {
                        Patience::Starting => started.elapsed(),
                        Patience::Serving => Duration::MAX,
                    };
                    let named = || read_content(&file).map(|info| info.pid).filter(|&pid| is_alive(pid));
                    judge(holders(identity), named, label, waited)
                }
                Tried::Changed(error) => {
                    changes += 1;
                    if changes < MOST_CHANGES { Ok(()) } else { Err(error) }
                }
            };
            again?;
            if patience == Patience::Starting {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Whether the path still leads to the locked file.
    pub(crate) fn stands(&self) -> Result<bool, Errno> {
        Ok(Place::at(&self.path)?.is_some_and(|now| Some(now.identity) == self.identity))
    }

    /// The file's path, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the line of JSON. Where in it the number of subscribers stands.
    fn write(&self, address: &Address, label: &str, mode: Mode, serves: Serves) -> Result<Option<u64>> {
        let failed = |call| move |errno| refused(label, call, &self.path, errno);
        let place = Place::of(&self.file).map_err(failed("fstat"))?;
        // A file that was left behind may have another mode, and a new one is narrowed by the umask.
        if place.is_ours() && Mode::from_raw_mode(number(place.mode)) != mode {
            rustix::fs::fchmod(&self.file, mode).map_err(failed("fchmod"))?;
        }
        let pid = rustix::process::getpid().as_raw_pid();
        let (line, subscribers_at) = lock_info::line(address, label, serves, pid).map_err(|error| {
            Error::new(ErrorKind::Internal, cannot_listen(label, "no lock line")).with_source(error)
        })?;
        retry::on_interrupt(|| rustix::fs::ftruncate(&self.file, 0)).map_err(failed("ftruncate"))?;
        let mut written = 0;
        while written < line.len() {
            let write = || rustix::io::pwrite(&self.file, &line[written..], written as u64);
            match retry::on_interrupt(write).map_err(failed("pwrite"))? {
                0 => return Err(failed("pwrite")(Errno::IO)),
                n => written += n,
            }
        }
        Ok(subscribers_at)
    }
}

impl LockFile {
    /// Writes how many subscribers there are. What fails is written with the next change.
    pub(super) fn tell_subscribers(&self, subscribers: u64) {
        if let Some(at) = self.subscribers_at {
            let bytes = in_width(subscribers);
            let _seen_by_nobody_until_then = retry::on_interrupt(|| rustix::io::pwrite(&self.file, &bytes, at));
        }
    }
}

impl AsFd for LockFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl LockFile {
    /// Removes the file and lets go of the lock; says whether the file could not be removed.
    pub(super) fn release(mut self) -> Result<(), Refusal> {
        self.remove()
    }

    fn remove(&mut self) -> Result<(), Refusal> {
        // The file goes while it is still locked: whoever opened it before finds it gone, not free.
        // A forked child has let go of it without touching it.
        match self.identity.take() {
            Some(identity) if self.file.born() == fork::generation() => remove_if_it_is(&self.path, identity),
            _ => Ok(()),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _nobody_to_tell = self.remove();
    }
}

/// The mode that lets those ask who may use the socket: reading is enough.
fn file_mode(socket_mode: u32) -> Mode {
    let group = if socket_mode & 0o070 != 0 { Mode::RGRP } else { Mode::empty() };
    let other = if socket_mode & 0o007 != 0 { Mode::ROTH } else { Mode::empty() };
    Mode::RUSR | Mode::WUSR | group | other
}

/// Nothing here waits (a FIFO), follows a link, or makes a terminal ours.
pub(super) fn open_flags() -> OFlags {
    OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

/// What became of one try to lock the file.
enum Tried {
    Locked(ForkFd, Identity),
    /// Somebody else has it locked.
    Held(ForkFd, Identity),
    /// The file came or went meanwhile. What to say if it goes on like that.
    Changed(Error),
}

fn try_to_lock(path: &Path, label: &str, mode: Mode) -> Result<Tried> {
    let changed = |what| {
        let why = format!("its lock file {} {what} again and again; end the program that does that", path.display());
        Ok(Tried::Changed(Error::new(ErrorKind::InUse, cannot_listen(label, why))))
    };
    let file = match open_or_create(path, label, mode)? {
        Opened::File(file) => file,
        Opened::JustMade => return changed("is made"),
        Opened::JustGone(error) => return Ok(Tried::Changed(error)),
    };
    let failed = |call| move |errno| refused(label, call, path, errno);
    let place = Place::of(&file).map_err(failed("fstat"))?;
    check_place(&place, path, label)?;
    let lock = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    let held = match retry::on_interrupt(lock) {
        Ok(()) => false,
        Err(Errno::WOULDBLOCK) => true,
        Err(errno) => return Err(failed("flock")(errno)),
    };
    // A listener that closes removes its lock file: it may have done so before we had the lock. And a
    // lock on a file that has been removed says nothing about the channel.
    let stands = Place::at(path).map_err(failed("lstat"))?.is_some_and(|now| now.identity == place.identity);
    match (stands, held) {
        (true, false) => Ok(Tried::Locked(file, place.identity)),
        (true, true) => Ok(Tried::Held(file, place.identity)),
        (false, _) => changed("is removed"),
    }
}

enum Opened {
    File(ForkFd),
    /// It was not there, and then it was.
    JustMade,
    /// It could not be opened, and then it was not there. What kept it from being opened.
    JustGone(Error),
}

/// Opens the lock file, or makes it.
fn open_or_create(path: &Path, label: &str, mode: Mode) -> Result<Opened> {
    let open = |flags, mode| {
        retry::on_interrupt(|| ForkFd::open(|| rustix::fs::open(path, open_flags() | OFlags::RDWR | flags, mode)))
    };
    // Without O_CREAT first: with it, the kernel may refuse files of others in sticky directories.
    let failed = match open(OFlags::empty(), Mode::empty()) {
        Ok(file) => return Ok(Opened::File(file)),
        Err(Errno::NOENT) => {
            return match open(OFlags::CREATE | OFlags::EXCL, mode) {
                Ok(file) => Ok(Opened::File(file)),
                Err(Errno::EXIST) => Ok(Opened::JustMade),
                Err(errno) => Err(refused(label, "open", path, errno)),
            };
        }
        Err(errno) => errno,
    };
    match Place::at(path).map_err(|errno| refused(label, "lstat", path, errno))? {
        Some(place) => {
            // Another user's listener that we may not even ask is a listener all the same.
            if let Some(Holders { writer: Some(pid), .. }) = holders(place.identity) {
                return Err(in_use(label, known(pid)));
            }
            check_place(&place, path, label)?;
            if place.is_ours() { Err(refused(label, "open", path, failed)) } else { Err(occupied(label, path, &place)) }
        }
        // One that may not be opened, is a link or a socket has gone meanwhile.
        None if matches!(
            failed,
            Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV
        ) =>
        {
            Ok(Opened::JustGone(refused(label, "open", path, failed)))
        }
        None => Err(refused(label, "open", path, failed)),
    }
}

/// Refuses what is no lock file of ours. A second hard link could make somebody else's file of it.
fn check_place(place: &Place, path: &Path, label: &str) -> Result<()> {
    let trusted = place.is_ours() || place.owner == 0;
    if place.kind == FileType::RegularFile && trusted && place.links <= 1 {
        return Ok(());
    }
    Err(occupied(label, path, place))
}

/// Whether a lock that could not be had for so long is worth another try. `named` is the living
/// process that the file's content names.
fn judge(holders: Option<Holders>, named: impl Fn() -> Option<i32>, label: &str, waited: Duration) -> Result<()> {
    match holders {
        Some(Holders { writer: Some(pid), .. }) => Err(in_use(label, known(pid).or_else(named))),
        Some(Holders { reader: Some(_), .. }) if waited < CLIENTS_PATIENCE => Ok(()),
        Some(Holders { reader: Some(pid), .. }) => {
            let why = format!("process {pid} keeps its lock file locked; end that process or try again");
            Err(Error::new(ErrorKind::InUse, cannot_listen(label, why)))
        }
        // Not in the table: missed, let go of just now, or held in another pid namespace, or on a file
        // system whose `stat` shows another device.
        Some(_) if waited >= PATIENCE => Err(in_use(label, named())),
        None if waited >= PATIENCE || (waited >= SHORT_PATIENCE && named().is_some()) => Err(in_use(label, named())),
        _ => Ok(()),
    }
}

fn in_use(label: &str, pid: Option<i32>) -> Error {
    let why = match pid {
        Some(pid) => format!("process {pid} already listens there"),
        None => "another process already listens there".to_owned(),
    };
    Error::new(ErrorKind::InUse, cannot_listen(label, why))
}

fn known(pid: i32) -> Option<i32> {
    (pid > 0).then_some(pid)
}

/// Opens a lock file to read and ask; `None` where it is no regular file.
fn open_to_ask(path: &Path) -> Result<Option<ForkFd>, Refusal> {
    // A child that got it in the middle of the question would keep the shared lock.
    let open = || ForkFd::open(|| rustix::fs::open(path, open_flags() | OFlags::RDONLY, Mode::empty()));
    let file = retry::on_interrupt(open).map_err(by("open"))?;
    let place = Place::of(&file).map_err(by("fstat"))?;
    Ok((place.kind == FileType::RegularFile).then_some(file))
}

/// Whether a listener holds it. Closing the descriptor lets go of the question.
fn is_held(file: &ForkFd) -> Result<bool, Refusal> {
    match retry::on_interrupt(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockShared)) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(by("flock")(errno)),
    }
}

pub(super) fn read_content(file: impl AsFd) -> Option<LockInfo> {
    let mut content = [0; MAX_CONTENT];
    let mut len = 0;
    while len < MAX_CONTENT {
        match retry::on_interrupt(|| rustix::io::pread(&file, &mut content[len..], len as u64)) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(_) => return None,
        }
    }
    parse_content(&content[..len])
}

fn is_alive(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid).filter(|_| pid > 0) else { return false };
    // Not being permitted to signal it means that it is there.
    !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH))
}

#[cfg(test)]
mod tests;
