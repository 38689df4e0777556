//! Reaching a listener: who may it be, which dialect does it speak, and how long to wait for it.

use std::time::{Duration, Instant};

use crate::channel::{Address, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::log;
use crate::message::MessageKind;
use crate::options::{Options, Wire};
use crate::os::connect::{ConnectFailure, can_end_one_way, is_no_socket, nobody_listens, somebody_listens};
use crate::os::lock_file::{Asking, Probe, probe};
use crate::os::refusal::Refusal;
use crate::os::stream::Stream;
use crate::os::{own_owner, unmapped_owner};
use crate::trace::{Span, tell};

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

impl Connected {
    fn wire_name(&self) -> &'static str {
        match self {
            Connected::Native(_) => "native",
            Connected::Deno(_) => "deno",
        }
    }
}

/// What a connection is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// The kind of the body that waits to be sent, if one does.
    pub(crate) body: Option<MessageKind>,
    /// How long the call may take.
    pub(crate) timeout: Option<Duration>,
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
    /// What waits to be sent is JSON with bytes, which the Deno wire has not.
    is_attached: bool,
}

impl Connecting {
    /// For a message with such a body, or for none.
    pub(crate) fn new(body: Option<MessageKind>, deadline: Option<Instant>) -> Connecting {
        let is_attached = body == Some(MessageKind::Attached);
        Connecting { began: Instant::now(), deadline, pause: FIRST_PAUSE, is_attached }
    }

    /// Tries once, without waiting.
    pub(crate) fn step(&mut self, channel: &Channel, address: &Address, options: &Options) -> Result<Step<Connected>> {
        log::start_if_asked();
        Span::connect(channel).within(|| self.try_once(channel, address, options))
    }

    fn try_once(&mut self, channel: &Channel, address: &Address, options: &Options) -> Result<Step<Connected>> {
        let waits = self.pause > FIRST_PAUSE;
        if waits && nobody_listens(address) {
            return self.nobody(channel, address, options);
        }
        // Before there is a connection, which would have to be left without a byte: that ends the process of a Deno original.
        if self.is_attached
            && options.wire == Wire::Auto
            && matches!(presence(channel, address, options), Ok(Presence::Other))
        {
            return Err(super::wire_has_no_attachments());
        }
        let Some(asking) = ask(channel, address, options)? else { return self.nobody(channel, address, options) };
        match Stream::try_connect(address) {
            Ok(socket) => match greet(socket, asking, channel, address, options)? {
                Some(connected) => {
                    tell!(DEBUG, "connected", channel: channel, address: address, wire: connected.wire_name());
                    Ok(Step::Done(connected))
                }
                None => self.nobody(channel, address, options),
            },
            Err(ConnectFailure::Refused(_) | ConnectFailure::Gone(_)) => self.nobody(channel, address, options),
            Err(ConnectFailure::Full(_)) => match self.deadline {
                Some(deadline) if Instant::now() >= deadline => Err(Error::new(
                    ErrorKind::TimedOut,
                    "no connection was taken in time: the listener is too busy; allow more time",
                )),
                _ => Ok(Step::Pause(self.next_pause())),
            },
            Err(failed) => Err(refused(failed, channel, address)),
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

/// The error for a listener that could not be reached.
fn refused(failed: ConnectFailure, channel: &Channel, address: &Address) -> Error {
    failed.into_error(&format!("cannot connect to channel \"{channel}\" ({address})"))
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
        Wire::Deno if !can_end_one_way(address) => return Err(has_no_deno_wire(channel)),
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

/// The end of a message on the Deno wire is the end of the bytes that its sender sends, while the other direction goes on.
fn has_no_deno_wire(channel: &Channel) -> Error {
    let text = format!(
        "cannot speak the Deno wire on channel \"{channel}\": what names stand for on this system has no direction that ends by itself; \
         use a port, or the native wire"
    );
    Error::new(ErrorKind::InvalidArgument, text)
}

fn cannot_tell(channel: &Channel, failed: Refusal) -> Error {
    failed.into_error(format_args!(
        "cannot tell how to speak on channel \"{channel}\": the system refused {} on its lock file; try again, or choose the wire",
        failed.call
    ))
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
    if !peer.allowed(&options.peers, own_owner()) {
        let (who, advice) = peer.named(unmapped_owner);
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
    if !can_end_one_way(address) {
        return Ok(None);
    }
    // A listener that died when it had the connection in its queue lets go of the lock, too.
    if socket.hung_up() {
        return Ok(None);
    }
    if nobody_listens(address) {
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
        Some(false) if !can_end_one_way(address) => false,
        Some(false) => somebody_listens(address).map_err(|failed| refused(failed, channel, address))?,
    };
    if is_there { Ok(Presence::Other) } else { Err(not_listening(channel, address)) }
}

/// Why nobody answers: no listener, or something that cannot be one.
pub(super) fn not_listening(channel: &Channel, address: &Address) -> Error {
    if let Address::Unix(path) = address {
        if is_no_socket(path) {
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
