//! The right to listen at an address: the lock file and the listening socket, taken, kept and given
//! back together. Nothing that belongs to others is ever removed.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};

use super::bound::is_bound;
use super::file_id::{Identity, Place, remove_if_it_is};
use super::fork::{self, ForkFd};
use super::listener::{self, Listener};
use super::lock_file::{LockFile, Patience};
use super::refusal::{Refusal, by};
use super::refused::{cannot_listen, occupied, port_refused, refused};
use super::system::bind::bind_to_path;
use super::system::socket_table;
use crate::channel::{Address, MAX_PATH_LEN};
use crate::error::{Error, ErrorKind, Result};
use crate::mode::Serves;
use crate::trace::tell;

const BACKLOG: i32 = 1024;
/// How often something may appear at the path between our looking and our binding.
const ATTEMPTS: usize = 16;

/// A channel that this process listens on. Dropping it gives the channel back: the socket's file, if
/// it is still ours, then the socket, then the lock file, if it is still ours, then the lock.
#[derive(Debug)]
pub(crate) struct ChannelLock {
    // Dropped in this order: whoever gets the lock next must find the address free.
    /// The socket's file; a port has none.
    file: Option<SocketFile>,
    socket: ForkFd,
    lock: LockFile,
    address: Address,
    label: String,
    mode: u32,
    serves: Serves,
}

/// Lets the system pick ports until `claim` can have one: a free port's lock file may be held, or be something
/// else, and somebody may listen there before us.
fn take_a_free_port(
    label: &str,
    pick: impl Fn() -> Result<(ForkFd, u16), Refusal>,
    claim: impl Fn(u16, Option<&ForkFd>) -> Result<ChannelLock>,
) -> Result<ChannelLock> {
    // Those that were no good are kept until the end, so that they are not picked again.
    let mut picked = Vec::new();
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let (socket, port) = pick().map_err(|refusal| port_refused(label, 0, refusal))?;
        match claim(port, Some(&socket)) {
            Err(error) if matches!(error.kind(), ErrorKind::InUse | ErrorKind::PathOccupied) => last = Some(error),
            done => return done,
        }
        picked.push(socket);
    }
    let none = || Error::new(ErrorKind::InUse, cannot_listen(label, "no free port was found"));
    Err(last.unwrap_or_else(none))
}

/// What [`ChannelLock::heal`] put back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Healed {
    pub(crate) socket_replaced: bool,
    pub(crate) lock_replaced: bool,
}

impl ChannelLock {
    /// Takes the lock and the address and listens. `label` is the channel as its user knows it,
    /// `mode` the permission bits of the socket, `serves` what the lock file says of the service.
    pub(crate) fn acquire(address: &Address, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        match address {
            Address::Unix(path) => ChannelLock::acquire_unix(path, label, mode, serves),
            Address::Tcp { port, directory } => ChannelLock::acquire_tcp(*port, directory, label, mode, serves),
        }
    }

    fn acquire_unix(path: &Path, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        let mut file = SocketFile::new(path, label)?;
        let address = Address::Unix(file.bound_as.clone());
        let lock = LockFile::acquire(&address, label, mode, serves, Patience::Starting)?;
        for _ in 0..ATTEMPTS {
            let path = &file.path;
            if let Some(place) = Place::at(path).map_err(|errno| refused(label, "lstat", path, errno))? {
                clear(path, &place, label)?;
            }
            if let Some(socket) = file.make(label, mode)? {
                let (file, label) = (Some(file), label.to_owned());
                return Ok(ChannelLock { file, socket, lock, address, label, mode, serves });
            }
        }
        let why = format!("another program keeps making {}; end it or choose another channel", path.display());
        Err(Error::new(ErrorKind::InUse, cannot_listen(label, why)))
    }

    fn acquire_tcp(port: u16, directory: &Path, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        let directory = std::path::absolute(directory)
            .map_err(|error| Error::from_os(cannot_listen(label, "the working directory is unknown"), error))?;
        let claim =
            |port: u16, bound: Option<&ForkFd>| ChannelLock::acquire_port(port, bound, &directory, label, mode, serves);
        if port == 0 { take_a_free_port(label, || listener::tcp(0), claim) } else { claim(port, None) }
    }

    /// Takes the lock of a port and listens there, on a socket that is bound already or on a new one.
    fn acquire_port(
        port: u16,
        bound: Option<&ForkFd>,
        directory: &Path,
        label: &str,
        mode: u32,
        serves: Serves,
    ) -> Result<ChannelLock> {
        let address = Address::Tcp { port, directory: directory.to_owned() };
        let lock = LockFile::acquire(&address, label, mode, serves, Patience::Starting)?;
        let failed = |refusal| port_refused(label, port, refusal);
        let socket = match bound {
            Some(socket) => socket
                .duplicate()
                .map_err(|error| failed(by("fcntl")(Errno::from_io_error(&error).unwrap_or(Errno::IO))))?,
            None => listener::tcp(port).map_err(failed)?.0,
        };
        // Two programs can bind one port; only one of them can listen.
        rustix::net::listen(&socket, BACKLOG).map_err(by("listen")).map_err(failed)?;
        let label = label.to_owned();
        Ok(ChannelLock { file: None, socket, lock, address, label, mode, serves })
    }

    /// Has the lock file say how many subscribers there are, where it says so at all.
    pub(crate) fn tell_subscribers(&mut self, subscribers: u64) {
        if self.serves.subscribers.is_some() {
            self.serves.subscribers = Some(subscribers);
            self.lock.tell_subscribers(subscribers);
        }
    }

    /// The listening socket, non-blocking, by a descriptor of the caller's own: the channel may be released
    /// or healed while the caller still accepts.
    pub(crate) fn listener(&self) -> std::io::Result<Listener> {
        Ok(Listener::new(self.socket.duplicate()?, self.file.is_none()))
    }

    /// Gives the channel back, as dropping the claim does, and says what could not be removed and why.
    pub(crate) fn release(self) -> Result<()> {
        let ChannelLock { file, socket, lock, label, .. } = self;
        let mut left = Vec::new();
        if let Some(mut file) = file
            && let Err(refusal) = file.remove()
        {
            left.push((file.path.clone(), refusal));
        }
        drop(socket);
        let path = lock.path().to_owned();
        if let Err(refusal) = lock.release() {
            left.push((path, refusal));
        }
        let Some((_, Refusal { call, errno })) = left.first() else { return Ok(()) };
        let paths: Vec<String> = left.iter().map(|(path, _)| path.display().to_string()).collect();
        let what = format!(
            "channel \"{label}\" is closed, but what stood for it stays: {call} of {} failed; \
             remove it as the user who listened",
            paths.join(" and ")
        );
        Err(Error::from_os(what, (*errno).into()))
    }

    /// The address, with an absolute path where that fits and with the actual port.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Looks whether lock file and socket still stand, and puts back what was removed.
    ///
    /// An error means that nothing was changed; whatever is wrong besides what was put back comes up
    /// the next time. What stands where ours should, and is not ours, is left alone.
    pub(crate) fn heal(&mut self) -> Result<Healed> {
        let mut healed = Healed::default();
        let stands = self.lock.stands();
        if !stands.map_err(|errno| refused(&self.label, "lstat", self.lock.path(), errno))? {
            let (mode, serves) = (self.mode, self.serves);
            self.lock = LockFile::acquire(&self.address, &self.label, mode, serves, Patience::Serving)?;
            healed.lock_replaced = true;
        }
        match self.heal_socket() {
            Ok(replaced) => healed.socket_replaced = replaced,
            Err(_) if healed.lock_replaced => {}
            Err(error) => return Err(error),
        }
        Ok(healed)
    }

    /// A new socket where the old one's file is gone.
    fn heal_socket(&mut self) -> Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        match Place::at(&file.path) {
            Ok(Some(place)) if Some(place.identity) == file.identity => return Ok(false),
            Ok(Some(place)) => return Err(occupied(&self.label, &file.path, &place)),
            Ok(None) => {}
            Err(errno) => return Err(refused(&self.label, "lstat", &file.path, errno)),
        }
        if std::path::absolute(&file.bound_as).ok().as_deref() != Some(&file.path) {
            let why = format!("{} is gone, and the working directory is another one now", file.path.display());
            return Err(Error::new(ErrorKind::PathTooLong, cannot_listen(&self.label, why)));
        }
        match file.make(&self.label, self.mode)? {
            Some(socket) => {
                self.socket = socket;
                Ok(true)
            }
            None => {
                let why = format!("another program has just made {}", file.path.display());
                Err(Error::new(ErrorKind::PathOccupied, cannot_listen(&self.label, why)))
            }
        }
    }
}

/// The file of a Unix socket. Dropping it removes the file, if it is still the one that was made.
#[derive(Debug)]
struct SocketFile {
    /// Absolute, so that a change of the working directory does not matter.
    path: PathBuf,
    /// What is given to `bind`: the same, or where that does not fit, the path as it was given.
    bound_as: PathBuf,
    /// The file that was made, if it was.
    identity: Option<Identity>,
    /// The process that makes it; a forked child leaves its parent's files alone.
    born: u32,
}

impl SocketFile {
    fn new(given: &Path, label: &str) -> Result<SocketFile> {
        let path = std::path::absolute(given)
            .map_err(|error| Error::from_os(cannot_listen(label, "the working directory is unknown"), error))?;
        let fits = path.as_os_str().len() <= MAX_PATH_LEN;
        let bound_as = if fits { path.clone() } else { given.to_owned() };
        Ok(SocketFile { path, bound_as, identity: None, born: fork::generation() })
    }

    /// A listening socket at the path; `None` where something stands there already.
    fn make(&mut self, label: &str, mode: u32) -> Result<Option<ForkFd>> {
        let failed = |refusal: Refusal| refused(label, refusal.call, &self.path, refusal.errno);
        let socket = match bind_to_path(&self.bound_as, mode) {
            Ok(socket) => socket,
            Err(Refusal { errno: Errno::ADDRINUSE, .. }) => return Ok(None),
            Err(refusal) => return Err(failed(refusal)),
        };
        let place = Place::at(&self.path).map_err(|errno| {
            // `bind` has just made it, and it would stand in its own way.
            let _ = rustix::fs::unlink(&self.path);
            failed(by("lstat")(errno))
        })?;
        let Some(place) = place.filter(|place| place.kind == FileType::Socket && place.is_ours()) else {
            let why = format!("another program has replaced {}", self.path.display());
            return Err(Error::new(ErrorKind::PathOccupied, cannot_listen(label, why)));
        };
        if let Err(errno) = rustix::net::listen(&socket, BACKLOG) {
            let _ = rustix::fs::unlink(&self.path);
            return Err(failed(by("listen")(errno)));
        }
        self.identity = Some(place.identity);
        Ok(Some(socket))
    }

    /// Removes it. The inode of a bound socket is not used again while the socket is open.
    fn remove(&mut self) -> Result<(), Refusal> {
        let Some(identity) = self.identity.take().filter(|_| self.born == fork::generation()) else { return Ok(()) };
        remove_if_it_is(&self.path, identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _nobody_to_tell = self.remove();
    }
}

/// Removes a socket that a dead listener of this user left behind; refuses anything else.
fn clear(path: &Path, place: &Place, label: &str) -> Result<()> {
    if place.kind != FileType::Socket || !place.is_ours() {
        return Err(occupied(label, path, place));
    }
    if is_taken(path).map_err(|refusal| refused(label, refusal.call, path, refusal.errno))? {
        let why = "a program without a lock file, such as the Deno original, already listens there; end it first";
        return Err(Error::new(ErrorKind::InUse, cannot_listen(label, why)));
    }
    tell!(INFO, "takes over from a listener that is dead", channel: label, path: path.display());
    // It may have gone, or given way to a new one, while we asked.
    remove_if_it_is(path, place.identity).map_err(|refusal| refused(label, refusal.call, path, refusal.errno))
}

/// Whether somebody listens on the socket at the path.
pub(super) fn is_taken(path: &Path) -> Result<bool, Refusal> {
    // Nothing is removed on the table's word alone: it may have missed a socket, or be that of another
    // network namespace. What is asked last makes a connection, which would end a Deno original.
    if socket_table::is_taken(path) == Some(true) || is_bound(path)? { Ok(true) } else { answers(path) }
}

/// Whether somebody takes connections at the path: asked with one, where nothing else can tell.
fn answers(path: &Path) -> Result<bool, Refusal> {
    let socket = listener::stream_socket(AddressFamily::UNIX).map_err(by("socket"))?;
    let address = SocketAddrUnix::new(path).map_err(by("connect"))?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(true),
        // Its queue is full; it takes datagrams or packets.
        Err(Errno::WOULDBLOCK | Errno::INPROGRESS | Errno::INTR | Errno::PROTOTYPE) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        Err(errno) => Err(by("connect")(errno)),
    }
}

#[cfg(test)]
mod tests;
