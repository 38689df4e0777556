//! The lock file: one live listener per channel, and the mark by which others find it.
//!
//! A listener holds an exclusive lock on one byte of it for as long as it lives, far behind the content: who has a lock on a part of
//! a file keeps others from reading that part. A client asks with a shared one that it lets go of at once, so an exclusive lock can
//! fail without there being a listener: it is tried again for a moment.

use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DELETE_PENDING, ERROR_FILE_EXISTS, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION,
    ERROR_SHARING_VIOLATION, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, DELETE, FILE_READ_ATTRIBUTES, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx,
    OPEN_EXISTING, READ_CONTROL,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};

use super::file::{self, Access, Identity, Place, is_missing, remove_if_it_is};
use super::refusal::{Refusal, by};
use super::refused::{cannot_listen, occupied, refused};
use crate::channel::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::mode::Serves;
use crate::os::lock_info::{self, LockInfo, MAX_CONTENT, Named, in_width, parse_content};

/// Where the byte is that is locked.
const LOCKED: u64 = 1 << 62;
/// How long a lock is tried again that may be a client's, which holds it for a moment.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long where the process that is named in the file lives.
const SHORT_PATIENCE: Duration = Duration::from_millis(5);
/// The pause before it is tried again, at first and, as it grows, at last.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// How often the file may come or go between our opening and our locking it. One that is removed stays for as long as somebody
/// has it open, and cannot be opened: clients that ask do so for a moment.
const MOST_CHANGES: usize = 256;

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
    /// There is something that is not for this user to ask: another user's file, a link, a directory.
    Denied,
    /// The system fails to tell: for want of handles or memory, say.
    Unknown(Refusal),
}

/// A lock file that was opened to be asked. Opening is apart from asking for those who must not find out
/// that they are out of handles when they have connected already.
pub(crate) enum Asking {
    Opened(File),
    /// There was nothing to open.
    Answered(Probe),
}

impl Asking {
    pub(crate) fn open(address: &Address) -> Asking {
        let answer = match open_to_ask(&address.lock_path()) {
            Ok(Some(file)) => return Asking::Opened(file),
            Ok(None) => Probe::Denied,
            Err(error) if is_missing(&error) => Probe::Missing,
            Err(error) if is_denied(&error) => Probe::Denied,
            Err(error) => Probe::Unknown(by("CreateFile")(error)),
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
                Err(error) => Probe::Unknown(by("LockFileEx")(error)),
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
        (None, Named::LikeOne | Named::Otherwise) => false,
    };
    held.then(|| read_settled(&file))
}

/// Reads the content, which a listener writes when it has the lock: in between the file is empty.
fn read_settled(file: &File) -> Option<LockInfo> {
    for _ in 0..5 {
        if file.metadata().is_ok_and(|found| found.len() > 0) {
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
    file: File,
    path: PathBuf,
    /// `None` once it has been removed.
    identity: Option<Identity>,
    /// Where in the file the number of subscribers stands, where it does.
    subscribers_at: Option<u64>,
}

impl LockFile {
    /// Takes the lock of `address` and writes into it who listens: `label` is the channel as its
    /// user knows it, `mode` the permission bits as Unix has them, `serves` what it does.
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
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut changes = 0;
        loop {
            match try_to_lock(&path, label, mode)? {
                Tried::Locked(file, identity) => {
                    let mut lock = LockFile { file, path, identity: Some(identity), subscribers_at: None };
                    lock.subscribers_at = lock.write(address, label, serves)?;
                    return Ok(lock);
                }
                Tried::Held(file) => {
                    let named = read_content(&file).map(|info| info.pid).filter(|&pid| is_alive(pid));
                    let patient = if named.is_some() { SHORT_PATIENCE } else { PATIENCE };
                    if patience == Patience::Serving || started.elapsed() >= patient {
                        return Err(in_use(label, named));
                    }
                }
                Tried::Changed(error) => {
                    changes += 1;
                    if changes >= MOST_CHANGES {
                        return Err(error);
                    }
                }
            }
            if patience == Patience::Starting {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Whether the path still leads to the locked file.
    pub(crate) fn stands(&self) -> std::result::Result<bool, Refusal> {
        let now = Place::at(&self.path).map_err(by("CreateFile"))?;
        Ok(now.is_some_and(|now| Some(now.identity) == self.identity))
    }

    /// The file's path, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the line of JSON. Where in it the number of subscribers stands.
    fn write(&self, address: &Address, label: &str, serves: Serves) -> Result<Option<u64>> {
        let failed = |call| move |error| refused(label, by(call)(error), &self.path);
        let pid = std::process::id().cast_signed();
        let (line, subscribers_at) = lock_info::line(address, label, serves, pid).map_err(|error| {
            Error::new(ErrorKind::Internal, cannot_listen(label, "no lock line")).with_source(error)
        })?;
        self.file.set_len(0).map_err(failed("SetEndOfFile"))?;
        let mut written = 0;
        while written < line.len() {
            match self.file.seek_write(&line[written..], written as u64).map_err(failed("WriteFile"))? {
                0 => return Err(failed("WriteFile")(io::ErrorKind::WriteZero.into())),
                count => written += count,
            }
        }
        Ok(subscribers_at)
    }

    /// Writes how many subscribers there are. What fails is written with the next change.
    pub(super) fn tell_subscribers(&self, subscribers: u64) {
        if let Some(at) = self.subscribers_at {
            let _seen_by_nobody_until_then = self.file.seek_write(&in_width(subscribers), at);
        }
    }

    /// Removes the file and lets go of the lock; says whether the file could not be removed.
    pub(super) fn release(mut self) -> std::result::Result<(), Refusal> {
        self.remove()
    }

    fn remove(&mut self) -> std::result::Result<(), Refusal> {
        // The file goes while it is still locked: whoever opened it before finds it gone, not free.
        self.identity.take().map_or(Ok(()), |identity| remove_if_it_is(&self.path, identity))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _nobody_to_tell = self.remove();
    }
}

/// What became of one try to lock the file.
enum Tried {
    Locked(File, Identity),
    /// Somebody else has it locked.
    Held(File),
    /// The file came or went meanwhile. What to say if it goes on like that.
    Changed(Error),
}

fn try_to_lock(path: &Path, label: &str, mode: u32) -> Result<Tried> {
    let changed = |what| {
        let why = format!("its lock file {} {what} again and again; end the program that does that", path.display());
        Ok(Tried::Changed(Error::new(ErrorKind::InUse, cannot_listen(label, why))))
    };
    let failed = |call: &'static str| move |error| refused(label, by(call)(error), path);
    let rights = GENERIC_READ | GENERIC_WRITE | READ_CONTROL;
    let file = match file::open(path, rights, OPEN_EXISTING, None) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => {
            // Those may ask who may connect.
            let others = (mode & 0o007 != 0).then_some("FR");
            let access = Access::new(others).map_err(failed("ConvertStringSecurityDescriptor"))?;
            match file::open(path, rights, CREATE_NEW, Some(&access)) {
                Ok(file) => file,
                Err(error) if error.raw_os_error() == Some(ERROR_FILE_EXISTS.cast_signed()) => {
                    return changed("is made");
                }
                Err(error) if is_denied(&error) && path.parent().is_some_and(Path::is_dir) => {
                    return Ok(Tried::Changed(failed("CreateFile")(error)));
                }
                Err(error) => return Err(failed("CreateFile")(error)),
            }
        }
        Err(error) if is_denied(&error) => {
            // It may be another user's, or one that is removed and that somebody still has open.
            return match Place::at(path) {
                Ok(Some(place)) if !place.is_file() || !place.is_trusted() => Err(occupied(label, path, &place)),
                _ => Ok(Tried::Changed(failed("CreateFile")(error))),
            };
        }
        Err(error) => return Err(failed("CreateFile")(error)),
    };
    let place = Place::of(&file).map_err(failed("GetFileInformationByHandle"))?;
    // A second hard link could make somebody else's file of it.
    if !place.is_file() || !place.is_trusted() || place.links > 1 {
        return Err(occupied(label, path, &place));
    }
    let held = !lock(&file, true).map_err(failed("LockFileEx"))?;
    // A listener that closes removes its lock file: it may have done so before we had the lock. And a
    // lock on a file that has been removed says nothing about the channel.
    let stands = Place::at(path).is_ok_and(|now| now.is_some_and(|now| now.identity == place.identity));
    match (stands, held) {
        (true, false) => Ok(Tried::Locked(file, place.identity)),
        (true, true) => Ok(Tried::Held(file)),
        (false, _) => changed("is removed"),
    }
}

fn in_use(label: &str, pid: Option<i32>) -> Error {
    let why = match pid {
        Some(pid) => format!("process {pid} already listens there"),
        None => "another process already listens there".to_owned(),
    };
    Error::new(ErrorKind::InUse, cannot_listen(label, why))
}

/// Opens a lock file to read and ask; `None` where it is no regular file.
fn open_to_ask(path: &Path) -> io::Result<Option<File>> {
    let file = file::open(path, GENERIC_READ | READ_CONTROL, OPEN_EXISTING, None)?;
    Ok(Place::of(&file)?.is_file().then_some(file))
}

/// Whether a listener holds it. Closing the handle lets go of the question.
fn is_held(file: &File) -> io::Result<bool> {
    lock(file, false).map(|taken| !taken)
}

/// Takes the lock, alone or with others, if it is free; closing the handle lets go of it.
pub(super) fn lock(file: &File, alone: bool) -> io::Result<bool> {
    let place = OVERLAPPED_0_0 { Offset: LOCKED as u32, OffsetHigh: (LOCKED >> 32) as u32 };
    let mut at = OVERLAPPED {
        Internal: 0,
        InternalHigh: 0,
        Anonymous: OVERLAPPED_0 { Anonymous: place },
        hEvent: std::ptr::null_mut(),
    };
    let flags = LOCKFILE_FAIL_IMMEDIATELY | if alone { LOCKFILE_EXCLUSIVE_LOCK } else { 0 };
    // SAFETY: the file is open, and was opened for calls that are over when they return, so the structure is used no longer.
    if unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut at) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error().unwrap_or_default().cast_unsigned() {
        ERROR_LOCK_VIOLATION | ERROR_IO_PENDING => Ok(false),
        _ => Err(error),
    }
}

pub(super) fn read_content(file: &File) -> Option<LockInfo> {
    let mut content = [0; MAX_CONTENT];
    let mut len = 0;
    while len < MAX_CONTENT {
        match file.seek_read(&mut content[len..], len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(_) => return None,
        }
    }
    parse_content(&content[..len])
}

/// Whether it may be asked about what stands there, but not opened: another user's, a directory, or removed and still open.
fn is_denied(error: &io::Error) -> bool {
    let code = error.raw_os_error().unwrap_or_default().cast_unsigned();
    matches!(code, ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_DELETE_PENDING)
}

fn is_alive(pid: i32) -> bool {
    const STILL_ACTIVE: u32 = 259;
    // SAFETY: it takes numbers.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid.cast_unsigned()) };
    if process.is_null() {
        // Not being permitted to ask it means that it is there.
        return io::Error::last_os_error().raw_os_error() == Some(ERROR_ACCESS_DENIED.cast_signed());
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    let process =
        unsafe { <std::os::windows::io::OwnedHandle as std::os::windows::io::FromRawHandle>::from_raw_handle(process) };
    let mut code = 0;
    // SAFETY: the handle is open, and the result is written to memory that outlives the call.
    unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) != 0 && code == STILL_ACTIVE }
}

/// Opens a lock file to find out whether it may be removed.
pub(super) fn open_to_clean(path: &Path) -> io::Result<File> {
    file::open(path, GENERIC_READ | DELETE | FILE_READ_ATTRIBUTES | READ_CONTROL, OPEN_EXISTING, None)
}
