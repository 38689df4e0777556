//! Reaching a listener: who may it be, which dialect does it speak, and how long to wait for it.

use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use crate::channel::{Address, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Options, Wire};
use crate::os::lock_file::{Asking, Probe, probe};
use crate::os::refused::Refusal;
use crate::os::stream::Stream;
use crate::os::{socket_table, tcp_table};

/// How long a channel whose lock is held, but whose socket does not answer yet, is tried again: its
/// listener is between taking the lock and listening.
const STARTING: Duration = Duration::from_millis(100);
/// The pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A connection that was made, and how to speak on it.
#[derive(Debug)]
pub(crate) enum Connected {
    Native(Stream),
    Deno(Stream),
}

/// How far one step of something that is repeated came.
pub(crate) enum Step<T> {
    Done(T),
    /// The next step is due after this while.
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
    pub(crate) fn step(&mut self, channel: &Channel, address: &Address, options: &Options) -> Result<Step<Connected>> {
        let waits = self.pause > FIRST_PAUSE;
        if waits && known_to_be_nobody(address) {
            return self.nobody(channel, address, options);
        }
        let Some(asking) = ask(channel, address, options)? else { return self.nobody(channel, address, options) };
        match Stream::try_connect(address) {
            Ok(socket) => match greet(socket, asking, channel, address, options)? {
                Some(connected) => Ok(Step::Done(connected)),
                None => self.nobody(channel, address, options),
            },
            Err(failed) => match failed.errno {
                // Reset: a port whose listener has gone before it took the connection in.
                Errno::NOENT | Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOTDIR => {
                    self.nobody(channel, address, options)
                }
                // The listener is there, and its queue of connections is full; or a signal came in between.
                Errno::AGAIN | Errno::INTR => match self.deadline {
                    Some(deadline) if Instant::now() >= deadline => Err(Error::new(
                        ErrorKind::TimedOut,
                        "no connection was taken in time: the listener is too busy; allow more time",
                    )),
                    _ => Ok(Step::Pause(self.next_pause())),
                },
                _ => Err(refused(failed, channel, address)),
            },
        }
    }

    /// Nobody is there: that is the end, or another try follows.
    fn nobody(&mut self, channel: &Channel, address: &Address, options: &Options) -> Result<Step<Connected>> {
        let waited = self.began.elapsed();
        let starting = waited < STARTING && probe(address) == Probe::Held;
        if !starting && waited >= options.wait {
            return Err(not_listening(channel, address));
        }
        Ok(Step::Pause(self.next_pause()))
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Whether it is certain that a connect would find nobody. Only ports are asked about: who dials one that
/// nobody listens at takes it for the moment from a listener that is about to.
fn known_to_be_nobody(address: &Address) -> bool {
    matches!(address, Address::Tcp { port, .. } if tcp_table::listens(*port) == Some(false))
}

/// The error for a system call that was refused while a listener was being reached.
fn refused(failed: Refusal, channel: &Channel, address: &Address) -> Error {
    let Refusal { call, errno } = failed;
    let attempted = format!("cannot connect to channel \"{channel}\" ({address})");
    let advice = match errno {
        Errno::PROTOTYPE | Errno::NOTSOCK | Errno::ISDIR => {
            let text = format!(
                "{attempted}: what stands there is no stream socket; remove it or choose another channel or directory"
            );
            return Error::new(ErrorKind::PathOccupied, text).with_source(errno);
        }
        Errno::ACCESS if call == "connect" && may_not_write_to(address) => {
            "; act as the listener's user, or have the listener let this one in by the mode of its socket"
        }
        Errno::MFILE => "; close some files, or raise this process's limit of open files",
        _ => "",
    };
    Error::from_os(format!("{attempted}: the system refused {call}{advice}"), errno.into())
}

/// Whether the mode of a socket, or of a directory above it, keeps this user out.
fn may_not_write_to(address: &Address) -> bool {
    let Address::Unix(path) = address else { return false };
    rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS) == Err(Errno::ACCESS)
}

/// What is known of the way to speak before connecting.
enum Asked {
    Native,
    Deno,
    /// The lock file was opened: whether a listener holds it is asked when the connection is there, for
    /// then the answer is about that listener.
    LockFile(Asking),
}

/// Opens the lock file, where the wire depends on it. `None`: nobody is there who could be spoken to as the
/// options say. What cannot be told is an error now, not when there is a connection that would have to be
/// left without a byte: that ends the process of a Deno original.
fn ask(channel: &Channel, address: &Address, options: &Options) -> Result<Option<Asked>> {
    Ok(match options.wire {
        Wire::Deno => Some(Asked::Deno),
        Wire::Native => is_native(channel, probe(address), options)?.map(|_| Asked::Native),
        Wire::Auto => match Asking::open(address) {
            Asking::Answered(Probe::Unknown(failed)) => return Err(cannot_tell(channel, failed)),
            asking => Some(Asked::LockFile(asking)),
        },
    })
}

/// Whether the listener is to be spoken to natively; `None`: nobody is there who could be. An error where
/// that cannot be told: what is said on the wrong wire gets no answer that its sender understands.
fn is_native(channel: &Channel, probe: Probe, options: &Options) -> Result<Option<bool>> {
    match (options.wire, probe) {
        (Wire::Deno, _) => Ok(Some(false)),
        (_, Probe::Held) => Ok(Some(true)),
        // What is said natively to a Deno original ends its process.
        (Wire::Native, Probe::Free | Probe::Missing) => Ok(None),
        (Wire::Native, Probe::Denied | Probe::Unknown(_)) => Ok(Some(true)),
        (Wire::Auto, Probe::Unknown(failed)) => Err(cannot_tell(channel, failed)),
        (Wire::Auto, Probe::Free | Probe::Missing | Probe::Denied) => Ok(Some(false)),
    }
}

fn cannot_tell(channel: &Channel, failed: Refusal) -> Error {
    let Refusal { call, errno } = failed;
    let attempted = format!(
        "cannot tell how to speak on channel \"{channel}\": the system refused {call} on its lock file; try again, or choose the wire"
    );
    Error::from_os(attempted, errno.into())
}

/// Looks at who listens, and at how it is to be spoken to. `None`: nobody does after all.
fn greet(
    socket: Stream,
    asked: Asked,
    channel: &Channel,
    address: &Address,
    options: &Options,
) -> Result<Option<Connected>> {
    let peer = socket.peer();
    if !peer.allowed(&options.peers) {
        let (who, advice) = peer.named();
        return Err(Error::new(
            ErrorKind::PeerNotAllowed,
            format!("the listener on channel \"{channel}\" belongs to {who}, who is not trusted; {advice}"),
        ));
    }
    let native = match asked {
        Asked::Native => true,
        Asked::Deno => false,
        Asked::LockFile(asking) => match asking.probe() {
            Probe::Held => true,
            Probe::Unknown(failed) => return Err(cannot_tell(channel, failed)),
            // The file may have been opened before the listener that took the connection made its own.
            Probe::Free | Probe::Missing | Probe::Denied => probe(address) == Probe::Held,
        },
    };
    if native {
        return Ok(Some(Connected::Native(socket)));
    }
    // A listener that died when it had the connection in its queue lets go of the lock, too.
    if socket.hung_up() {
        return Ok(None);
    }
    if known_to_be_nobody(address) {
        // Another program has connected from this very port, to this very socket, at the same time.
        socket.abandon();
        return Ok(None);
    }
    Ok(Some(Connected::Deno(socket)))
}

/// Who is at a channel, as far as can be told without connecting.
pub(crate) enum Presence {
    /// A listener that is to be spoken to natively.
    Native,
    /// Somebody who speaks the Deno wire, or it cannot be told.
    Other,
}

/// Looks who is at a channel. A listener of the Deno original is not connected to before there is a
/// message for it: its process would end if nothing came.
pub(crate) fn presence(channel: &Channel, address: &Address, options: &Options) -> Result<Presence> {
    let probed = if options.wire == Wire::Deno { Probe::Missing } else { probe(address) };
    let is_there = match is_native(channel, probed, options)? {
        Some(true) => return Ok(Presence::Native),
        None => false,
        Some(false) => match address {
            Address::Unix(path) => socket_table::is_bound(path).map_err(|failed| refused(failed, channel, address))?,
            Address::Tcp { .. } => !known_to_be_nobody(address),
        },
    };
    if is_there { Ok(Presence::Other) } else { Err(not_listening(channel, address)) }
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
