//! The right to listen at an address: the lock file and what listens, taken, kept and given back together. Nothing that belongs to
//! others is ever removed.

use std::path::Path;
use std::sync::Arc;

use super::listener::{self, Listener};
use super::lock_file::{LockFile, Patience};
use super::pipe_server::PipeServer;
use super::refusal::Refusal;
use super::refused::{cannot_listen, pipe_refused, port_refused, refused};
use crate::channel::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::mode::Serves;

/// How often the system may pick a port that is no good.
const ATTEMPTS: usize = 16;

/// A channel that this process listens on. Dropping it gives the channel back: what listens, then the lock file, if it is still
/// ours, then the lock.
#[derive(Debug)]
pub(crate) struct ChannelLock {
    // Dropped in this order: whoever gets the lock next must find the address free.
    listener: Listening,
    lock: LockFile,
    address: Address,
    label: String,
    mode: u32,
    serves: Serves,
}

/// What listens for as long as the channel is held. Others may hold it longer, and still take who has connected by then.
#[derive(Debug)]
struct Listening(Listener);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What [`ChannelLock::heal`] put back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Healed {
    pub(crate) socket_replaced: bool,
    pub(crate) lock_replaced: bool,
}

impl ChannelLock {
    /// Takes the lock and the address and listens. `label` is the channel as its user knows it,
    /// `mode` who may connect, as the permission bits of Unix say it, `serves` what the lock file says of the service.
    pub(crate) fn acquire(address: &Address, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        match address {
            Address::Unix(path) => ChannelLock::acquire_name(path, label, mode, serves),
            Address::Tcp { port, directory } => {
                let directory = std::path::absolute(directory)
                    .map_err(|error| Error::from_os(cannot_listen(label, "the working directory is unknown"), error))?;
                let claim = |port| ChannelLock::acquire_port(port, &directory, label, mode, serves);
                if *port == 0 {
                    ChannelLock::acquire_a_free_port(&directory, label, mode, serves)
                } else {
                    claim(*port)
                }
            }
        }
    }

    fn acquire_name(path: &Path, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        let path = std::path::absolute(path)
            .map_err(|error| Error::from_os(cannot_listen(label, "the working directory is unknown"), error))?;
        let address = Address::Unix(path.clone());
        let lock = LockFile::acquire(&address, label, mode, serves, Patience::Starting)?;
        let server = PipeServer::new(&path, mode).map_err(|refusal| pipe_refused(label, &path, refusal))?;
        let listener = Listening(Listener::Pipe(Arc::new(server)));
        Ok(ChannelLock { listener, lock, address, label: label.to_owned(), mode, serves })
    }

    /// Lets the system pick ports until one can be had: a free port's lock file may be held, or be something else.
    fn acquire_a_free_port(directory: &Path, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        // Those that were no good are kept until the end, so that they are not picked again.
        let mut picked = Vec::new();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let (listener, port) = listener::tcp(0).map_err(|refusal| port_refused(label, 0, refusal))?;
            let address = Address::Tcp { port, directory: directory.to_owned() };
            match LockFile::acquire(&address, label, mode, serves, Patience::Starting) {
                Ok(lock) => {
                    let listener = Listening(listener);
                    return Ok(ChannelLock { listener, lock, address, label: label.to_owned(), mode, serves });
                }
                Err(error) if matches!(error.kind(), ErrorKind::InUse | ErrorKind::PathOccupied) => last = Some(error),
                Err(error) => return Err(error),
            }
            picked.push(listener);
        }
        let none = || Error::new(ErrorKind::InUse, cannot_listen(label, "no free port was found"));
        Err(last.unwrap_or_else(none))
    }

    fn acquire_port(port: u16, directory: &Path, label: &str, mode: u32, serves: Serves) -> Result<ChannelLock> {
        let address = Address::Tcp { port, directory: directory.to_owned() };
        let lock = LockFile::acquire(&address, label, mode, serves, Patience::Starting)?;
        let (listener, _) = listener::tcp(port).map_err(|refusal| port_refused(label, port, refusal))?;
        let listener = Listening(listener);
        Ok(ChannelLock { listener, lock, address, label: label.to_owned(), mode, serves })
    }

    /// Has the lock file say how many subscribers there are, where it says so at all.
    pub(crate) fn tell_subscribers(&mut self, subscribers: u64) {
        if self.serves.subscribers.is_some() {
            self.serves.subscribers = Some(subscribers);
            self.lock.tell_subscribers(subscribers);
        }
    }

    /// What listens, by a handle of the caller's own: the channel may be released while the caller still accepts.
    pub(crate) fn listener(&self) -> std::io::Result<Listener> {
        self.listener.0.duplicate()
    }

    /// Gives the channel back, as dropping the claim does, and says what could not be removed and why.
    pub(crate) fn release(self) -> Result<()> {
        let ChannelLock { listener, lock, label, .. } = self;
        drop(listener);
        let path = lock.path().to_owned();
        let Err(refusal) = lock.release() else { return Ok(()) };
        let what = format!(
            "channel \"{label}\" is closed, but what stood for it stays: {} of {} failed; remove it as the user who listened",
            refusal.call,
            path.display()
        );
        Err(refusal.into_error(what))
    }

    /// The address, with an absolute path and with the actual port.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Looks whether the lock file still stands, and puts it back where it was removed. What listens has no file.
    ///
    /// An error means that nothing was changed. What stands where ours should, and is not ours, is left alone.
    pub(crate) fn heal(&mut self) -> Result<Healed> {
        let mut healed = Healed::default();
        let stands = self.lock.stands();
        if !stands.map_err(|refusal: Refusal| refused(&self.label, refusal, self.lock.path()))? {
            let (mode, serves) = (self.mode, self.serves);
            self.lock = LockFile::acquire(&self.address, &self.label, mode, serves, Patience::Serving)?;
            healed.lock_replaced = true;
        }
        Ok(healed)
    }
}
