//! One message on a connection of a dialect without sessions: in, to the handler, and back.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::{Message, MessageKind, MessageRef};
use crate::mode::Mode;
use crate::os::async_stream::{AsyncStream, Ready};
use crate::os::stream::{Stream, Wait, advance, interrupted, would_block};
use crate::peer::Peer;
use crate::server::call_id::CallId;
use crate::server::error_frame::ErrorFrame;
use crate::server::responder::{Changes, Recipient, Responder};
use crate::server::session::acks::ACK_AFTER;
use crate::server::shared::Shared;

/// A connection of such a dialect.
pub(crate) struct Connection {
    fd: AsyncStream,
    caller: Arc<Caller>,
}

/// A connection as its responders see it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) socket: Arc<Stream>,
    peer: Peer,
    /// Nobody waits any more. Written by who waited.
    gone: AtomicBool,
    /// It has been noted in `gone`.
    went: Notify,
    shared: Arc<Shared>,
}

impl Caller {
    pub(crate) fn new(shared: &Arc<Shared>, socket: Arc<Stream>, peer: Peer) -> Arc<Caller> {
        let shared = Arc::clone(shared);
        Arc::new(Caller { socket, peer, gone: AtomicBool::new(false), went: Notify::new(), shared })
    }

    fn has_left(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || self.socket.hung_up()
    }
}

/// One message of a connection, between who is with the handler and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) caller: Arc<Caller>,
    state: Mutex<Answered>,
    /// The answer is here, or none will come.
    changed: Notify,
}

#[derive(Debug)]
enum Answered {
    /// The message is in flight.
    NotYet(#[expect(dead_code, reason = "the message is in flight for as long as this is held")] Arc<InFlight>),
    With(Message),
    /// With a failure, or not at all; or the answer has been taken.
    Over,
}

/// What comes of a message.
pub(crate) enum Outcome {
    Reply(Message),
    /// A failure, which cannot be told on these wires, or the caller has gone.
    NoReply,
}

impl Exchange {
    pub(crate) fn request(caller: &Arc<Caller>, in_flight: &Arc<InFlight>) -> Arc<Exchange> {
        Exchange::new(caller, Answered::NotYet(Arc::clone(in_flight)))
    }

    fn new(caller: &Arc<Caller>, state: Answered) -> Arc<Exchange> {
        Arc::new(Exchange { caller: Arc::clone(caller), state: Mutex::new(state), changed: Notify::new() })
    }

    /// The responder of the message.
    pub(crate) fn responder(self: &Arc<Exchange>) -> Responder {
        let is_request = self.caller.shared.mode == Mode::Request;
        let call = if is_request { CallId::new(1, 1) } else { CallId::NONE };
        Responder::new(Arc::clone(self) as _, call, None)
    }

    /// The outcome, if there is one by now.
    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, Answered::Over) {
            Answered::With(reply) => Some(Outcome::Reply(reply)),
            Answered::Over => Some(Outcome::NoReply),
            not_yet @ Answered::NotYet(_) => {
                *state = not_yet;
                None
            }
        }
    }

    /// Ends it. Fails if that has been done, or nobody waits any more.
    fn end(&self, with: Answered) -> Result<()> {
        let has_left = self.caller.gone.load(Ordering::Relaxed);
        let mut state = lock(&self.state);
        if !matches!(*state, Answered::NotYet(_)) {
            return Err(gone());
        }
        let _in_flight_until_it_is_told = std::mem::replace(&mut *state, with);
        drop(state);
        self.changed.notify_one();
        if has_left { Err(gone()) } else { Ok(()) }
    }
}

impl Recipient for Exchange {
    fn peer(&self) -> Peer {
        self.caller.peer
    }

    fn reply(&self, _call: CallId, reply: MessageRef<'_>) -> Result<()> {
        if self.caller.has_left() {
            return self.end(Answered::Over).and(Err(gone()));
        }
        if reply.kind() == MessageKind::Attached {
            let text = "the handler answered with JSON with bytes, which the caller's wire does not have; the caller hears nothing. \
                        Answer JSON or bytes to those who speak the Deno wire or plain text";
            return self.end(Answered::Over).and(Err(Error::new(ErrorKind::UnsupportedVersion, text)));
        }
        self.end(Answered::With(reply.to_message()))
    }

    fn fail(&self, call: CallId, frame: ErrorFrame<'_>, _patience: Duration) -> Result<()> {
        self.caller.shared.fail(frame, self.caller.peer, || {
            if call == CallId::NONE { Ok(()) } else { self.end(Answered::Over).and(Err(no_text())) }
        })
    }

    fn discard(&self, _call: CallId) {
        let _ended_already = self.end(Answered::Over);
    }

    fn is_cancelled(&self, call: CallId) -> bool {
        let caller = &self.caller;
        caller.shared.has_closed()
            || caller.gone.load(Ordering::Relaxed)
            || (call != CallId::NONE && caller.socket.hung_up())
    }

    fn changes(&self, _call: CallId) -> Changes<'_> {
        Changes { noted: &self.caller.went, closed: &self.caller.shared.closed, unread: None }
    }
}

impl Connection {
    pub(crate) fn peer(&self) -> Peer {
        self.caller.peer
    }

    pub(crate) fn new(shared: &Arc<Shared>, fd: AsyncStream, peer: Peer) -> Connection {
        let caller = Caller::new(shared, Arc::clone(fd.get_ref()), peer);
        Connection { fd, caller }
    }

    /// The connection of a caller that is known, and now watched.
    pub(crate) fn of(fd: AsyncStream, caller: Arc<Caller>) -> Connection {
        Connection { fd, caller }
    }

    pub(crate) fn socket(&self) -> &Stream {
        self.fd.get_ref()
    }

    /// Receives more of a message; 0 at its end. Cancelling it loses nothing.
    pub(crate) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        receive(&self.fd, buffer, || usize::MAX).await
    }

    /// Takes a message to the handler. For a request, what comes of it. For a broadcast nothing, when the handler has
    /// returned or has run for a while.
    pub(crate) async fn exchange(&self, message: Message) -> Outcome {
        let shared = &self.caller.shared;
        let (in_flight, held) = take_in(shared, message.len(), self.caller.peer).await;
        let is_request = shared.mode == Mode::Request;
        let exchange = if is_request {
            Exchange::request(&self.caller, &in_flight)
        } else {
            Exchange::new(&self.caller, Answered::Over)
        };
        let responder = exchange.responder();
        let (began, begun) = oneshot::channel();
        let (finished, finish) = oneshot::channel::<()>();
        let its_place = Arc::clone(&in_flight);
        let begins = move || {
            let _nobody_waits_for_it = began.send(());
        };
        shared.hand_over(message, responder, begins, move || {
            drop((held, its_place));
            let _nobody_waits_any_more = finished.send(());
        });
        if is_request {
            return self.outcome(&exchange, &in_flight).await;
        }
        drop(in_flight);
        // It may have to wait for a thread; the time counts from when it has one.
        let _it_has_one_or_never_will = begun.await;
        let _long_enough_either_way = timeout(ACK_AFTER, finish).await;
        Outcome::NoReply
    }

    /// What comes of a request, when it is known.
    pub(crate) async fn outcome(&self, exchange: &Exchange, in_flight: &InFlight) -> Outcome {
        let ended = async {
            loop {
                if let Some(outcome) = exchange.take_outcome() {
                    return outcome;
                }
                exchange.changed.notified().await;
            }
        };
        tokio::select! {
            outcome = ended => return outcome,
            () = self.fd.hang_up() => {}
            () = self.caller.shared.until_closed() => {}
        }
        in_flight.abandon();
        self.caller.gone.store(true, Ordering::Relaxed);
        self.caller.went.notify_waiters();
        Outcome::NoReply
    }

    /// Sends all of it, unless the peer has gone or takes nothing for too long.
    pub(crate) async fn send(&self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        // Readiness counts as out of date only after a send that came later than it: put aside on the
        // word of an earlier send, the one notice of room would be lost.
        let mut room: Option<Ready<'_>> = None;
        while !(head.is_empty() && body.is_empty()) {
            match self.socket().send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if would_block(&error) => {
                    if let Some(mut guard) = room.take() {
                        guard.clear_ready();
                    }
                    let waited = timeout(self.caller.shared.options.stall_timeout, self.fd.writable()).await;
                    room = Some(waited.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?);
                }
                Err(error) if interrupted(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Handlers that still run hold the socket: the connection must not stay open for them.
        self.socket().shutdown();
    }
}

/// Takes a message of this many bytes in when the listener may take one more. It counts as in flight until the
/// handler has returned, and a request until it is answered besides, and its bytes until the handler has returned.
pub(crate) async fn take_in(shared: &Arc<Shared>, bytes: usize, peer: Peer) -> (Arc<InFlight>, Held) {
    let in_flight = begin(shared, peer).await;
    shared.admission.add_bytes(bytes);
    shared.admission.wake_next();
    shared.count_message();
    (Arc::new(in_flight), Held(Arc::clone(shared), bytes))
}

async fn begin(shared: &Arc<Shared>, peer: Peer) -> InFlight {
    let called = Arc::new(Notify::new());
    let _leaves_the_line = InLine(shared, &called);
    loop {
        if shared.try_begin(&peer) {
            return InFlight { shared: Arc::clone(shared), abandoned: AtomicBool::new(false) };
        }
        if !shared.admission.get_in_line(&called) {
            called.notified().await;
        }
    }
}

/// A place in the line of those who wait for room.
struct InLine<'a>(&'a Shared, &'a Arc<Notify>);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.admission.leave_line(self.1);
    }
}

/// The bytes of a message that a handler has.
pub(crate) struct Held(Arc<Shared>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.admission.remove_bytes(self.1);
    }
}

/// A message that was taken. Held by all who are not yet done with it: who waits for the answer, who is with the
/// handler, who has to answer.
#[derive(Debug)]
pub(crate) struct InFlight {
    shared: Arc<Shared>,
    /// Nobody waits for the answer any more. Written by who waited, once.
    abandoned: AtomicBool,
}

impl InFlight {
    /// Nobody waits for the answer any more: gives the place back, whoever still has it.
    fn abandon(&self) {
        if !self.abandoned.swap(true, Ordering::SeqCst) {
            self.shared.abandon();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if *self.abandoned.get_mut() {
            self.shared.settle();
        } else {
            self.shared.end();
        }
    }
}

/// Receives at most `most` bytes into the spare room of `buffer`, which it makes if there is none. 0 is the end.
pub(crate) async fn receive(fd: &AsyncStream, buffer: &mut Vec<u8>, most: impl Fn() -> usize) -> io::Result<usize> {
    loop {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(4096.max(buffer.len()));
        }
        match fd.get_ref().recv_spare(buffer, most(), Wait::No) {
            Err(error) if would_block(&error) => {
                let mut guard = fd.readable().await?;
                // Only what was true before the receive is out of date; look once more first.
                match fd.get_ref().recv_spare(buffer, most(), Wait::No) {
                    Err(error) if would_block(&error) => guard.clear_ready(),
                    done => return done,
                }
            }
            Err(error) if interrupted(&error) => {}
            done => return done,
        }
    }
}

fn no_text() -> Error {
    let text = "cannot tell the caller why its request failed: its wire carries no error text; it gets no reply";
    Error::new(ErrorKind::NoReply, text)
}

fn gone() -> Error {
    Error::new(ErrorKind::ConnectionLost, "cannot answer: the caller has gone")
}
