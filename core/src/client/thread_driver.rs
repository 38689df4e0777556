//! A native session with one message in flight: the calling thread sends, waits and receives.

mod carrying;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::ASK_FIRST;
use super::ids::Ids;
use super::incoming::{Incoming, Reply, answer, fits, incoming};
use super::moving;
use super::sharing::Sharing;
use super::until::Until;
use super::{Attempt, Failed, closing, listener_has_gone, lost, timed_out};
use crate::cancellation::{Cancellation, Watch};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::message::{Message, MessageKind, MessageRef};
use crate::options::Options;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, advance, interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::{ATTACHED, FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, INSPECTION, Role};
use crate::session::receive;
use crate::session::spin_wait::SpinWait;

/// Bodies up to this size go into one buffer with their header.
const ONE_BUFFER: usize = 16 << 10;
/// How many bytes of one-way messages gather before they are sent.
const GATHER: usize = 64 << 10;

/// A session that its owner uses from one thread at a time. In a box, since it changes hands with every
/// message.
#[derive(Debug)]
pub(crate) struct ThreadSession {
    socket: Arc<Stream>,
    reader: FrameReader,
    waiter: SpinWait,
    /// Bytes to send: the hello before the first message, one-way messages that gather.
    out: Vec<u8>,
    /// The listener's hello, once it has come.
    hello: Option<Hello>,
    hello_bytes: Vec<u8>,
    ids: Ids,
    /// The receive timeout that the socket has.
    recv_timeout: Option<Duration>,
    /// The listener takes nothing more; the last id that it took.
    goaway: Option<u32>,
    /// The first error about a one-way message that was not acknowledged.
    one_way_error: Option<Error>,
    broken: bool,
    /// How much the listener has to copy before it can answer.
    copying: usize,
    sharing: Sharing,
    /// What ends it from another thread, beside its callers' own.
    _watch: Option<Watch>,
}

impl ThreadSession {
    pub(crate) fn new(socket: Stream, options: &Options) -> Result<Box<ThreadSession>> {
        let max_message = options.max_message;
        socket.set_blocking(true).map_err(|error| Error::from_os("cannot set up the connection", error))?;
        Ok(Box::new(ThreadSession {
            socket: Arc::new(socket),
            reader: FrameReader::new(Sender::Listener, max_message),
            waiter: SpinWait::new(options.spin),
            out: Hello::new(Role::Exclusive, max_message).encode().to_vec(),
            hello: None,
            hello_bytes: Vec::new(),
            ids: Ids::default(),
            recv_timeout: None,
            goaway: None,
            one_way_error: None,
            broken: false,
            copying: 0,
            sharing: Sharing::new(options.shared_memory > 0),
            _watch: None,
        }))
    }

    /// Has `cancellation` end the session, for as long as it lives.
    pub(crate) fn ended_by(mut self: Box<Self>, cancellation: &Cancellation) -> Box<ThreadSession> {
        self._watch = Some(cancellation.watch(&self.socket));
        self
    }

    /// Makes one call, which its caller's cancellation, if there is one, gives up.
    pub(crate) fn call<T>(
        &mut self,
        until: &Until<'_>,
        call: impl FnOnce(&mut ThreadSession, &Until<'_>) -> Attempt<T>,
    ) -> Attempt<T> {
        let Some(caller) = until.caller else { return call(self, until) };
        let watch = caller.watch(&self.socket);
        let done = until.given_up().map_or_else(|| call(self, until), |error| Err(error.into()));
        drop(watch);
        if caller.is_cancelled() {
            // The stream has been ended, though the answer may just have come.
            self.broken = true;
        }
        done
    }

    /// Whether the session can take another message: nothing has come that says otherwise. One
    /// system call.
    pub(crate) fn is_usable(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        loop {
            match self.receive(Wait::No) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if would_block(&error) => return self.is_open(),
                Err(error) if interrupted(&error) => {}
                Err(_) => return false,
            }
            if !matches!(self.next_frame(), Ok(None)) {
                return false;
            }
        }
    }

    /// As [`is_usable`](ThreadSession::is_usable) where that has to be known. On a Unix socket it need not:
    /// a send to a listener that has gone, or has said goodbye, fails, and nothing of it was taken.
    pub(crate) fn may_be_used(&mut self) -> bool {
        if self.socket.is_tcp() { self.is_usable() } else { self.is_open() }
    }

    /// Whether the session was left in order, so that another message may follow.
    pub(crate) fn is_open(&self) -> bool {
        !self.broken && self.goaway.is_none()
    }

    /// Sends a request and waits for its answer.
    ///
    /// `timeout` is what the listener is told; it was set as the deadline just now.
    pub(crate) fn request(
        &mut self,
        message: MessageRef<'_>,
        timeout: Option<Duration>,
        until: &Until<'_>,
    ) -> Attempt<Message> {
        let id = self.ids.next();
        let header = Header::request(id, message, timeout);
        self.send(&header, message.data(), until)?;
        self.copying = message.len();
        match self.wait_for(id, Kind::Request, until)? {
            Reply::Message(message) => Ok(message),
            Reply::Done => unreachable!("an answer that does not fit is none"),
        }
    }

    /// Sends a broadcast and waits until the handler has it.
    pub(crate) fn broadcast(&mut self, message: MessageRef<'_>, until: &Until<'_>) -> Attempt<()> {
        let id = self.ids.next();
        self.send(&Header::acknowledged_broadcast(id, message), message.data(), until)?;
        self.copying = message.len();
        self.wait_for(id, Kind::Broadcast, until).map(|_| ())
    }

    /// Queues a broadcast without waiting for anything but room. Gathered ones are sent when the
    /// buffer is full, by [`flush`](ThreadSession::flush), or by [`send_gathered`](ThreadSession::send_gathered).
    pub(crate) fn send_one_way(&mut self, message: MessageRef<'_>, until: &Until<'_>) -> Attempt<()> {
        if let Some(error) = self.one_way_error.take() {
            return Err(error.into());
        }
        let header = Header::of(Kind::Broadcast, 0, message);
        if message.len() > ONE_BUFFER || message.kind() == MessageKind::Attached {
            return self.send(&header, message.data(), until);
        }
        self.out.extend_from_slice(&header.encode());
        self.out.extend_from_slice(message.data());
        if self.out.len() >= GATHER { self.send_gathered(until) } else { Ok(()) }
    }

    /// Adds a broadcast to those that have gathered, if there are any and it fits: whoever sends them
    /// sends it too. The quick way for a stream of small messages.
    pub(crate) fn join_gathered(&mut self, message: MessageRef<'_>) -> bool {
        let fits = self.out.len() + HEADER_LEN + message.len() < GATHER;
        if self.out.is_empty() || !fits || message.kind() == MessageKind::Attached || self.one_way_error.is_some() {
            return false;
        }
        self.out.extend_from_slice(&Header::of(Kind::Broadcast, 0, message).encode());
        self.out.extend_from_slice(message.data());
        true
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_one_way_error(&mut self) -> Option<Error> {
        self.one_way_error.take()
    }

    /// Sends what has gathered.
    pub(crate) fn send_gathered(&mut self, until: &Until<'_>) -> Attempt<()> {
        let out = std::mem::take(&mut self.out);
        let sent = self.send_bytes(&out, &[], until);
        self.out = out;
        self.out.clear();
        sent
    }

    /// Sends of what has gathered as much as goes without waiting. Whether all is gone, or lost.
    pub(crate) fn try_send_gathered(&mut self) -> bool {
        match self.socket.send(&self.out, &[]) {
            Ok(sent) => {
                self.out.drain(..sent);
                self.out.is_empty()
            }
            Err(error) => !(would_block(&error) || interrupted(&error)),
        }
    }

    /// Waits until everything sent before has been handed to the handler.
    pub(crate) fn flush(&mut self, until: &Until<'_>) -> Attempt<()> {
        let id = self.ids.next();
        self.send(&Header::bare(Kind::Ack, id), &[], until)?;
        self.wait_for(id, Kind::Ack, until)?;
        match self.one_way_error.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Asks whether the listener is there.
    pub(crate) fn ping(&mut self, until: &Until<'_>) -> Attempt<()> {
        let id = self.ids.next();
        self.send(&Header::bare(Kind::Ping, id), &[], until)?;
        self.wait_for(id, Kind::Ping, until).map(|_| ())
    }

    /// Asks the listener what it tells of itself.
    pub(crate) fn ask(&mut self, until: &Until<'_>) -> Attempt<Message> {
        self.learn_limit(until)?;
        if self.hello.is_some_and(|hello| hello.features & INSPECTION == 0) {
            return Err(super::tells_nothing().into());
        }
        let id = self.ids.next();
        self.send(&Header::bare(Kind::Ask, id), &[], until)?;
        match self.wait_for(id, Kind::Ask, until)? {
            Reply::Message(message) => Ok(message),
            Reply::Done => unreachable!("an answer that does not fit is none"),
        }
    }

    /// Lets go of a session on which one-way messages are still on their way. A TCP connection that is
    /// closed before all that came on it was received is reset, which takes what is on its way along.
    pub(crate) fn leave(self: Box<Self>) {
        if self.socket.is_tcp() {
            drop(super::lingering::Lingering::of(self.socket));
        }
    }

    /// Sends one frame, and before it whatever has gathered.
    fn send(&mut self, header: &Header, body: &[u8], until: &Until<'_>) -> Attempt<()> {
        let is_attached = header.flags & ATTACHED != 0;
        if body.len() > ASK_FIRST || is_attached {
            self.learn_limit(until)?;
        }
        if let Some(hello) = &self.hello {
            let refused = if is_attached && !hello.knows_attachments() {
                Some(super::knows_no_attachments())
            } else if body.len() > hello.max_message as usize {
                Some(super::too_large(body.len(), hello.max_message as usize))
            } else {
                None
            };
            if let Some(refused) = refused {
                // Its listener may have gone, and the next one may take more.
                return Err(if self.is_usable() {
                    refused.into()
                } else {
                    self.broken = true;
                    Failed::NotTaken(refused)
                });
            }
        }
        self.sharing.count(body.len());
        if self.sharing.is_due() {
            self.look_after_memory(until)?;
        }
        self.out.extend_from_slice(&header.encode());
        let out = std::mem::take(&mut self.out);
        let mut out = out;
        let sent = if body.len() <= ONE_BUFFER {
            out.extend_from_slice(body);
            self.send_bytes(&out, &[], until)
        } else {
            self.send_bytes(&out, body, until)
        };
        out.clear();
        self.out = out;
        sent
    }

    /// Asks for memory, or goes over to it, where that is due.
    #[cold]
    fn look_after_memory(&mut self, until: &Until<'_>) -> Attempt<()> {
        let ThreadSession { sharing, socket, hello, out, .. } = self;
        let Some(frame) = sharing.due(hello.map(|hello| hello.features), || socket.may_share()) else { return Ok(()) };
        out.extend_from_slice(&frame.encode());
        if sharing.said() {
            // Nothing but this frame and what stands before it goes by the socket.
            self.send_gathered(until)?;
            self.socket.send_by_memory();
        } else {
            socket.expect_offer(true);
        }
        Ok(())
    }

    /// Waits for the listener's hello, which says how large a message may be.
    fn learn_limit(&mut self, until: &Until<'_>) -> Attempt<()> {
        if self.hello.is_some() {
            return Ok(());
        }
        self.send_gathered(until)?;
        while self.hello.is_none() {
            self.receive_more(until, false)?;
            if let Err(violation) = self.next_frame() {
                return Err(self.give_up(violation.into()).into());
            }
        }
        Ok(())
    }

    fn send_bytes<'a>(&mut self, mut head: &'a [u8], mut body: &'a [u8], until: &Until<'_>) -> Attempt<()> {
        let whole = head.len() + body.len();
        while !(head.is_empty() && body.is_empty()) {
            match self.socket.send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => self.wait_for_room(head.len() + body.len() < whole, until)?,
                Err(error) => return Err(self.send_failed(error, head.len() + body.len() < whole, until)),
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self, partly: bool, until: &Until<'_>) -> Attempt<()> {
        if until.is_over() {
            // Half a message may be on its way: nothing can follow it.
            return Err(self.give_up(timed_out()).into());
        }
        let waited = self.socket.wait_for(Interest::Both, interrupt::piece(until.left()));
        let given_up = match waited {
            Ok(true) => until.given_up(),
            Ok(false) => until.interrupted(),
            Err(error) => Some(Error::from_os("cannot wait for the connection", error)),
        };
        if let Some(error) = given_up {
            return Err(self.give_up(error).into());
        }
        // What the listener says meanwhile (an error, a goaway) must not fill its side.
        match self.receive(Wait::No) {
            Ok(1..) => Ok(()),
            Err(error) if would_block(&error) || interrupted(&error) => Ok(()),
            // It says nothing more, so it takes nothing more.
            Ok(0) => Err(self.send_failed(io::ErrorKind::UnexpectedEof.into(), partly, until)),
            Err(error) => Err(self.send_failed(error, partly, until)),
        }
    }

    /// The listener takes nothing more, and what it has not received whole, it does not handle: another session may
    /// take it. Why, the listener may have said; of half a message it may be about to.
    fn send_failed(&mut self, error: io::Error, partly: bool, until: &Until<'_>) -> Failed {
        self.broken = true;
        loop {
            while let Ok(Some(frame)) = self.next_frame() {
                if let Incoming::Error { id: 0, error } = frame {
                    return error.into();
                }
            }
            match self.receive(Wait::No) {
                Ok(1..) => {}
                Err(error) if interrupted(&error) => {}
                Err(error) if partly && would_block(&error) => {
                    if until.is_over() {
                        return timed_out().into();
                    }
                    match self.socket.wait_for(Interest::Read, interrupt::piece(until.left())) {
                        Ok(true) => {}
                        Ok(false) => {
                            if let Some(error) = until.interrupted() {
                                return error.into();
                            }
                        }
                        Err(_) => break,
                    }
                }
                _ => break,
            }
        }
        if let Some(error) = until.given_up() {
            // It was this side that ended it.
            return error.into();
        }
        Failed::NotTaken(if self.goaway.is_some() { closing() } else { lost(error) })
    }

    /// Receives until the answer to `id` is there.
    fn wait_for(&mut self, id: u32, asked: Kind, until: &Until<'_>) -> Attempt<Reply> {
        loop {
            loop {
                let frame = match self.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    // Who speaks another version does not take a message in ours.
                    Err(violation @ Violation::Version(_)) => return Err(self.give_up(violation.into()).into()),
                    Err(violation) => return Err(self.give_up(Error::from(violation).after_sending()).into()),
                };
                match frame {
                    Incoming::Answer { id: of, kind, reply } if of == id => match fits(asked, kind) {
                        Ok(true) => return Ok(reply),
                        Ok(false) => {}
                        Err(violation) => return Err(self.give_up(Error::from(violation).after_sending()).into()),
                    },
                    Incoming::Error { id: of, error } if of == id => return Err(error.into()),
                    Incoming::Error { id: 0, error } => {
                        return Err(self.give_up(error).into());
                    }
                    Incoming::Goaway { last } => {
                        if self.ids.leaves_out(last, id) {
                            self.broken = true;
                            return Err(Failed::NotTaken(closing()));
                        }
                    }
                    // `next_frame` keeps the last three to itself.
                    Incoming::Error { .. }
                    | Incoming::Answer { .. }
                    | Incoming::OneWayRefused(_)
                    | Incoming::Memory { .. }
                    | Incoming::Ping { .. } => {}
                }
            }
            self.receive_more(until, true)?;
        }
    }

    fn receive_more(&mut self, until: &Until<'_>, sent: bool) -> Attempt<()> {
        let ThreadSession { waiter, reader, socket, hello, hello_bytes, recv_timeout, copying, .. } = self;
        let bytes = std::mem::take(copying) + reader.missing();
        let received = waiter.receive_body(bytes, |wait| {
            if wait == Wait::Yes {
                set_deadline(socket, recv_timeout, until.deadline)?;
            }
            receive(socket, reader, hello.is_some(), hello_bytes, wait)
        });
        match received {
            Ok(1..) => Ok(()),
            Ok(0) => Err(self.ended(sent, None, until)),
            Err(error) if interrupted(&error) || would_block(&error) => {
                let error = if let Some(given_up) = until.interrupted() {
                    given_up
                } else if !interrupted(&error) && until.is_over() {
                    timed_out()
                } else {
                    return Ok(());
                };
                Err(self.give_up(if sent { error.after_sending() } else { error }).into())
            }
            Err(error) => Err(self.ended(sent, Some(error), until)),
        }
    }

    /// The connection is of no more use. If the listener has gone and has not even said hello, it has not
    /// handled anything: its hello goes out before it looks at a message.
    fn ended(&mut self, sent: bool, error: Option<io::Error>, until: &Until<'_>) -> Failed {
        self.broken = true;
        if let Some(error) = until.given_up() {
            // It was this side that ended it.
            return if sent { error.after_sending() } else { error }.into();
        }
        let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
        let untouched = (self.hello.is_none() && listener_has_gone(&error)) || self.socket.untaken() > 0;
        let error = lost(error);
        if sent && untouched {
            Failed::NotTaken(error)
        } else if sent {
            error.after_sending().into()
        } else {
            error.into()
        }
    }

    fn give_up(&mut self, error: Error) -> Error {
        self.broken = true;
        error
    }

    fn receive(&mut self, wait: Wait) -> io::Result<usize> {
        receive(&self.socket, &mut self.reader, self.hello.is_some(), &mut self.hello_bytes, wait)
    }

    /// Takes the hello out of the way. Whether it has come.
    #[inline]
    pub(crate) fn greet(&mut self) -> std::result::Result<bool, Violation> {
        if self.hello.is_none() {
            let Some((bytes, rest)) = self.hello_bytes.split_first_chunk::<HELLO_LEN>() else { return Ok(false) };
            let hello = Hello::decode_from_listener(bytes)?;
            self.reader.let_attach(hello.knows_attachments());
            self.hello = Some(hello);
            self.reader.feed(rest);
            self.hello_bytes = Vec::new();
        }
        Ok(true)
    }

    /// The next frame of those that are here that a call may wait for; takes the hello out of the way first.
    fn next_frame(&mut self) -> std::result::Result<Option<Incoming>, Violation> {
        if !self.greet()? {
            return Ok(None);
        }
        loop {
            let Some((header, body)) = self.reader.next()? else { return Ok(None) };
            if header.kind == Kind::Response {
                return Ok(Some(answer(header, body)));
            }
            match incoming(header, body)? {
                Incoming::OneWayRefused(error) => {
                    self.one_way_error.get_or_insert(error);
                }
                Incoming::Ping { id } => {
                    let pong = Header::bare(Kind::Pong, id).encode();
                    let _it_asks_again_if_it_must = self.socket.send(&pong, &[]);
                }
                Incoming::Memory { bytes } => {
                    self.sharing.answered(bytes)?;
                    moving::take_memory(&self.socket, bytes)?;
                }
                frame => {
                    if let Incoming::Goaway { last } = frame {
                        self.goaway = Some(last);
                    }
                    return Ok(Some(frame));
                }
            }
        }
    }
}

/// Sets the socket's receive timeout, which is `set`, where that is not near enough to what is left.
fn set_deadline(socket: &Stream, set: &mut Option<Duration>, deadline: Option<Instant>) -> io::Result<()> {
    let left = interrupt::piece(interrupt::left(deadline));
    let near = match (*set, left) {
        (None, None) => true,
        // Too long by a little: the call takes that much longer. Too short: it comes again.
        (Some(set), Some(left)) => set.abs_diff(left) <= (left / 64).max(Duration::from_millis(1)),
        _ => false,
    };
    if !near {
        socket.set_recv_timeout(left)?;
        *set = left;
    }
    Ok(())
}

/// Receives into the reader, or into `hello_bytes` while the hello is not complete.
fn receive(
    socket: &Stream,
    reader: &mut FrameReader,
    greeted: bool,
    hello_bytes: &mut Vec<u8>,
    wait: Wait,
) -> io::Result<usize> {
    if !greeted {
        hello_bytes.reserve(4 * (HELLO_LEN + HEADER_LEN));
        return socket.recv_spare(hello_bytes, usize::MAX, wait);
    }
    receive::receive(socket, reader, wait)
}
