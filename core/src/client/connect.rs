//! Reaching a listener: who may it be, which dialect does it speak, and how long to wait for it.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::until::Until;
use crate::channel::{Address, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Options, Wire};
use crate::transport::lock::{Probe, probe};
use crate::transport::socket::Socket;
use crate::transport::unix_table;

/// How long a channel whose lock is held, but whose socket does not answer yet, is tried again: its
/// listener is between taking the lock and listening.
const STARTING: Duration = Duration::from_millis(100);
/// The pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A connection that was made, and how to speak on it.
#[derive(Debug)]
pub(crate) enum Connected {
    Native(Socket),
    Deno(Socket),
}

/// What the next step of connecting is.
pub(crate) enum Step {
    Done(Connected),
    /// Try again after this while.
    Pause(Duration),
}

/// The tries of one connect. Blocking and asynchronous callers differ only in how they pause.
#[derive(Debug)]
pub(crate) struct Connecting {
    began: Instant,
    deadline: Option<Instant>,
    pause: Duration,
}

impl Connecting {
    pub(crate) fn new(deadline: Option<Instant>) -> Connecting {
        Connecting { began: Instant::now(), deadline, pause: FIRST_PAUSE }
    }

    /// Tries once, without waiting.
    pub(crate) fn step(&mut self, channel: &Channel, address: &Address, options: &Options) -> Result<Step> {
        match Socket::try_connect(address) {
            Ok(socket) => greet(socket, channel, address, options).map(Step::Done),
            Err(error) => match error.raw_os_error() {
                // Reset: a port whose listener has gone before it took the connection in.
                Some(libc::ENOENT | libc::ECONNREFUSED | libc::ECONNRESET | libc::ENOTDIR) => {
                    let waited = self.began.elapsed();
                    let starting = waited < STARTING && matches!(probe(address), Probe::Held(_));
                    if !starting && waited >= options.wait {
                        return Err(not_listening(channel, address));
                    }
                    Ok(Step::Pause(self.next_pause()))
                }
                // The listener is there, and its queue of connections is full.
                Some(libc::EAGAIN) => match self.deadline {
                    Some(deadline) if Instant::now() >= deadline => Err(Error::new(
                        ErrorKind::TimedOut,
                        "no connection was taken in time: the listener is too busy; allow more time",
                    )),
                    _ => Ok(Step::Pause(self.next_pause())),
                },
                Some(libc::EINTR) => Ok(Step::Pause(Duration::ZERO)),
                _ => Err(failed(error, channel, address)),
            },
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

fn failed(error: io::Error, channel: &Channel, address: &Address) -> Error {
    let kind = match error.raw_os_error() {
        Some(libc::EPROTOTYPE | libc::ENOTSOCK | libc::EISDIR) => Some(ErrorKind::PathOccupied),
        _ => None,
    };
    let attempted = format!("cannot connect to channel \"{channel}\" ({address})");
    match kind {
        Some(kind) => {
            Error::new(kind, format!("{attempted}: what stands there is no stream socket")).with_source(error)
        }
        None => Error::from_os(attempted, error),
    }
}

/// Looks at who listens, and at how it is to be spoken to.
fn greet(socket: Socket, channel: &Channel, address: &Address, options: &Options) -> Result<Connected> {
    let peer = socket.peer();
    if !peer.allowed(&options.peers) {
        let who = peer.uid().map_or("an unknown user".to_owned(), |uid| format!("user {uid}"));
        return Err(Error::new(
            ErrorKind::PeerNotAllowed,
            format!(
                "the listener on channel \"{channel}\" belongs to {who}, who is not trusted; allow that user or choose another channel"
            ),
        ));
    }
    let native = is_native(channel, address, options)?;
    Ok(if native { Connected::Native(socket) } else { Connected::Deno(socket) })
}

/// Whether the listener is to be spoken to natively. An error where that cannot be told: what is said on the
/// wrong wire gets no answer that its sender understands.
pub(crate) fn is_native(channel: &Channel, address: &Address, options: &Options) -> Result<bool> {
    match options.wire {
        Wire::Native => Ok(true),
        Wire::Deno => Ok(false),
        Wire::Auto => match probe(address) {
            Probe::Held(_) => Ok(true),
            Probe::Free | Probe::Missing => Ok(false),
            Probe::Unknown(errno) => {
                let attempted = format!(
                    "cannot tell how to speak on channel \"{channel}\": asking its lock file failed; try again, or choose the wire"
                );
                Err(Error::from_os(attempted, errno.into()))
            }
        },
    }
}

/// Who is at a channel, as far as can be told without connecting.
pub(crate) enum Presence {
    /// A listener that is to be spoken to natively.
    Native,
    /// Somebody else, or it cannot be told.
    Other,
}

/// Looks who is at a channel. A listener of the Deno original is not connected to before there is a
/// message for it: its process would end if nothing came.
pub(crate) fn presence(channel: &Channel, address: &Address, options: &Options) -> Result<Presence> {
    let native = is_native(channel, address, options)?;
    match address {
        _ if native => Ok(Presence::Native),
        Address::Unix(path) if !is_socket(path) || unix_table::is_taken(path) == Some(false) => {
            Err(not_listening(channel, address))
        }
        _ => Ok(Presence::Other),
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Why nobody answers: no listener, or something that cannot be one.
pub(super) fn not_listening(channel: &Channel, address: &Address) -> Error {
    if let Address::Unix(path) = address {
        if let Ok(found) = std::fs::symlink_metadata(path)
            && !found.file_type().is_socket()
        {
            let text = format!(
                "cannot post to channel \"{channel}\": what stands at {address} is not a socket; remove it or choose another channel"
            );
            return Error::new(ErrorKind::PathOccupied, text);
        }
        if let Some(directory) = path.parent()
            && !directory.as_os_str().is_empty()
            && !directory.is_dir()
        {
            let text = format!(
                "cannot post to channel \"{channel}\": directory {} does not exist; create it or choose another",
                directory.display()
            );
            return Error::new(ErrorKind::NoDirectory, text);
        }
    }
    Error::new(
        ErrorKind::NotListening,
        format!("nobody listens on channel \"{channel}\" ({address}); start its listener, or let the call wait for it"),
    )
}

/// Connects, pausing in the calling thread.
pub(crate) fn connect(channel: &Channel, address: &Address, options: &Options, until: &Until<'_>) -> Result<Connected> {
    let mut connecting = Connecting::new(until.deadline);
    loop {
        if let Some(error) = until.given_up() {
            return Err(error);
        }
        match connecting.step(channel, address, options)? {
            Step::Done(connected) => return Ok(connected),
            Step::Pause(pause) => until.pause(pause)?,
        }
    }
}

/// Connects, pausing on the runtime. Cancelling it leaves nothing behind.
pub(crate) async fn connect_async(
    channel: &Channel,
    address: &Address,
    options: &Options,
    until: &Until<'_>,
) -> Result<Connected> {
    let mut connecting = Connecting::new(until.deadline);
    // How long to try is the tries' own matter.
    let until = Until { deadline: None, ..*until };
    loop {
        if let Some(error) = until.given_up() {
            return Err(error);
        }
        match connecting.step(channel, address, options)? {
            Step::Done(connected) => return Ok(connected),
            Step::Pause(pause) => until.drive(tokio::time::sleep(pause)).await?,
        }
    }
}
