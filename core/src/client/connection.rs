//! A native session with any number of calls in flight, as its client sees it: which answer is whose, how much may be
//! sent, which one-way messages are confirmed, what a goaway leaves out, and why the session ended. It neither receives,
//! sends nor waits: `tasks::session` and `event_loop` move its bytes.

use std::io;

use super::ids::Ids;
use super::incoming::{Incoming, Reply, fits, incoming};
use super::one_way::OneWay;
use super::sharing::Sharing;
use super::{Attempt, Failed, closed_meanwhile, closing, listener_has_gone, lost};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageKind};
use crate::protocol::Violation;
use crate::protocol::frame::{Body, FrameReader, HEADER_LEN, Header, Kind, Sender, Slot};
use crate::protocol::hello::{HELLO_LEN, Hello, Role};
use crate::session::by_id::ById;
use crate::session::pieces::Pieces;
use crate::session::receive;

/// A larger body than this is not sent before the listener has said what it takes, in bytes.
pub(super) const ASK_FIRST: usize = 64 << 10;
/// How many bytes may wait to be sent before calls wait too.
const MOST_WAITING: usize = 1 << 20;

/// Callers (`C`) and what they are to be told. The driver tells them, without holding a lock.
pub(crate) type Answers<C> = Vec<(C, Attempt<Reply>)>;

/// Who is told what calls came to as it comes.
pub(crate) trait Tell<C> {
    /// A request has its answer, as nearly all calls have.
    fn reply(&mut self, caller: C, kind: MessageKind, body: Body<'_>);

    /// Where to note all other callers, and what they are to be told.
    fn others(&mut self) -> &mut Answers<C>;
}

impl<C> Tell<C> for Answers<C> {
    fn reply(&mut self, caller: C, kind: MessageKind, body: Body<'_>) {
        self.push((caller, Ok(Reply::Message(Message::from_parts(kind, body.into_vec())))));
    }

    fn others(&mut self) -> &mut Answers<C> {
        self
    }
}

/// Whether a body may be sent now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Yes,
    /// When the listener has said what it takes, or has taken more.
    Later,
    /// The listener takes at most this many bytes.
    Never(usize),
    /// The listener does not know such a body.
    Unknown,
}

/// One session. `C` is how a caller is told.
#[derive(Debug)]
pub(crate) struct Connection<C> {
    ids: Ids,
    /// The calls in flight, by their ids.
    pending: ById<Pending<C>>,
    /// The session takes no further calls, and why.
    ended: Option<(ErrorKind, String)>,
    /// Only flushes begin any more: the client closes.
    closing: bool,
    /// After so many bytes of the stream the listener's side took no more.
    cut: Option<u64>,
    one_way: OneWay,
    /// The largest message that the listener takes, in bytes, once its hello has said.
    peer_max: Option<usize>,
    /// The listener takes JSON with bytes, as its hello has said.
    knows_attachments: bool,
    /// What the listener knows, as the bits of its hello, once that has come.
    features: Option<u32>,
    pub(super) sharing: Sharing,
    /// What the listener has said of memory, until its driver asks: so many bytes each way, 0 is none.
    memory: Option<u32>,
    /// The beginning of the listener's hello.
    hello: Vec<u8>,
    reader: FrameReader,
    outgoing: Pieces,
    /// How many bytes were put into `outgoing` in all: where in the stream the next frame begins.
    queued: u64,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Pending<C> {
    caller: C,
    kind: Kind,
    /// The length of its body in bytes.
    len: u32,
    /// Where in the stream its frame begins.
    at: u64,
    /// How many one-way messages were sent before it.
    one_way: u64,
}

impl<C> Pending<C> {
    /// Whether all of its bytes were among the first `written` of the stream.
    fn is_whole(&self, written: u64) -> bool {
        self.at + HEADER_LEN as u64 + u64::from(self.len) <= written
    }
}

impl<C> Connection<C> {
    /// A session that takes answers of at most `max_message` bytes, and wants memory to share or not. Its hello goes out with
    /// the first frame.
    pub(crate) fn new(max_message: usize, shares: bool) -> Connection<C> {
        let mut outgoing = Pieces::default();
        outgoing.push_bytes(&Hello::new(Role::Multiplexed, max_message).encode());
        Connection {
            ids: Ids::default(),
            pending: ById::default(),
            ended: None,
            closing: false,
            cut: None,
            one_way: OneWay::default(),
            peer_max: None,
            knows_attachments: false,
            features: None,
            sharing: Sharing::new(shares),
            memory: None,
            hello: Vec::new(),
            reader: FrameReader::new(Sender::Listener, max_message),
            queued: outgoing.len() as u64,
            outgoing,
        }
    }

    /// Whether a body may be sent now, as [`room_for`](Connection::room_for) says of its length: JSON with bytes after the
    /// listener has said that it knows it.
    #[inline]
    pub(crate) fn room_for_body(&self, kind: MessageKind, len: usize) -> Room {
        if kind == MessageKind::Attached && !self.knows_attachments {
            return if self.is_greeted() { Room::Unknown } else { Room::Later };
        }
        self.room_for(len)
    }

    /// Whether a body of `len` bytes, JSON or bytes, may be sent now.
    #[inline]
    pub(crate) fn room_for(&self, len: usize) -> Room {
        match self.peer_max {
            Some(most) if len > most => Room::Never(most),
            None if len > ASK_FIRST => Room::Later,
            _ if self.outgoing.len() >= MOST_WAITING => Room::Later,
            _ => Room::Yes,
        }
    }

    /// Begins a call whose frame has this header, but for its id, and sets that. The frame is to be
    /// [added](Connection::add) next: frames leave in the order of their ids, which is what a goaway counts by.
    #[inline(always)]
    pub(crate) fn begin(&mut self, header: &mut Header, caller: C) -> Attempt<()> {
        self.check_takes(header.kind)?;
        let (len, at, one_way) = (header.len, self.queued, self.one_way.sent());
        let mut pending = Pending { caller, kind: header.kind, len, at, one_way };
        loop {
            header.id = self.ids.next();
            match self.pending.insert(header.id, pending) {
                Ok(()) => return Ok(()),
                // A call that has waited since that id was given before has it still.
                Err(again) => pending = again,
            }
        }
    }

    /// Begins a one-way message, whose frame is to be [added](Connection::add) next.
    pub(crate) fn begin_one_way(&mut self) -> Attempt<()> {
        self.check_takes(Kind::Broadcast)?;
        self.one_way.count();
        Ok(())
    }

    #[inline]
    fn check_takes(&self, kind: Kind) -> Attempt<()> {
        if self.ended.is_none() && !self.closing { Ok(()) } else { self.check_takes_still(kind) }
    }

    #[cold]
    fn check_takes_still(&self, kind: Kind) -> Attempt<()> {
        self.check_open()?;
        if self.closing && kind != Kind::Ack { Err(closed_meanwhile().into()) } else { Ok(()) }
    }

    /// Adds a frame to what is to be sent. Of a large body it takes what `shared` returns, a message with that body.
    #[inline]
    pub(crate) fn add(&mut self, header: &Header, body: &[u8], shared: impl FnOnce() -> Message) {
        if self.cut.is_none() {
            self.queued += (HEADER_LEN + body.len()) as u64;
            self.sharing.count(body.len());
            self.outgoing.push(&header.encode(), body, shared);
        }
    }

    /// Adds a frame without a body.
    fn add_bare(&mut self, kind: Kind, id: u32) {
        self.add(&Header::bare(kind, id), &[], Message::null);
    }

    /// Adds a frame and [sends](Connection::transmit) it at once, without copying what leaves of its body.
    pub(crate) fn add_and_transmit(
        &mut self,
        header: &Header,
        body: &[u8],
        send: impl FnMut(&[u8], &[u8]) -> io::Result<usize>,
        answers: &mut Answers<C>,
    ) -> bool {
        self.queued += (HEADER_LEN + body.len()) as u64;
        self.sharing.count(body.len());
        let sent = self.outgoing.push_and_send(&header.encode(), body, send);
        self.after_transmit(sent, answers)
    }

    /// Sends what waits, as far as `send` takes it. Where it fails, calls that have not begun to leave are told, and
    /// `false` says that nothing can follow what has left: the driver is to say so to the listener.
    pub(crate) fn transmit(
        &mut self,
        send: impl FnMut(&[u8], &[u8]) -> io::Result<usize>,
        answers: &mut Answers<C>,
    ) -> bool {
        let sent = self.outgoing.send(send);
        self.after_transmit(sent, answers)
    }

    #[inline]
    fn after_transmit(&mut self, sent: io::Result<()>, answers: &mut Answers<C>) -> bool {
        match sent {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.cut(&lost(error), answers);
                false
            }
            _ => true,
        }
    }

    /// How many bytes wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Gives a call up whose caller has left; the handler of a request is told. Whether that is to be sent.
    pub(crate) fn withdraw(&mut self, id: u32) -> bool {
        let is_request = self.pending.remove(id).is_some_and(|pending| pending.kind == Kind::Request);
        if is_request {
            self.add_bare(Kind::Cancel, id);
        }
        is_request
    }

    /// Fails once the session takes no further calls.
    pub(crate) fn check_open(&self) -> Attempt<()> {
        match &self.ended {
            Some((kind, text)) => Err(Failed::NotTaken(Error::new(*kind, text.clone()))),
            None => Ok(()),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether calls wait for their answers.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether one-way messages were sent that nobody has confirmed.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.one_way.is_unconfirmed()
    }

    /// Whether nothing is in flight, so that a listener that has said goodbye may not have been heard yet. Nobody
    /// answers a one-way message: before the first after a while the driver had better receive what is there.
    pub(crate) fn may_have_ended_unheard(&self) -> bool {
        !self.is_waiting() && !self.is_unconfirmed()
    }

    /// Whether the listener has said what it takes.
    pub(crate) fn is_greeted(&self) -> bool {
        self.peer_max.is_some()
    }

    /// What the listener knows, as the bits of its hello, once that has come.
    pub(super) fn features(&self) -> Option<u32> {
        self.features
    }

    /// What the listener has said of memory, once: nothing is to be received before that is looked after.
    #[inline(always)]
    pub(super) fn take_memory(&mut self) -> Option<u32> {
        self.memory.take()
    }

    /// Notes that the listener, which has gone, has not taken the last `untaken` bytes.
    pub(super) fn leave_out(&mut self, untaken: u64) {
        if untaken > 0 {
            let written = self.cut.unwrap_or(self.queued - self.outgoing.len() as u64);
            self.cut = Some(written.saturating_sub(untaken));
        }
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_one_way_error(&mut self) -> Option<Error> {
        self.one_way.take_error()
    }

    /// Whether [`take_one_way_error`](Connection::take_one_way_error) has something to say.
    pub(crate) fn has_one_way_error(&self) -> bool {
        self.one_way.has_error()
    }

    /// What a flush comes to whose question was answered so.
    pub(crate) fn flushed(&mut self, answer: Attempt<Reply>) -> Attempt<()> {
        match answer {
            Ok(_) => self.one_way.take_error().map_or(Ok(()), |error| Err(error.into())),
            // The session goes on, and a later flush may hear of them.
            Err(failed) if self.ended.is_none() => Err(failed),
            Err(failed) => {
                let why = Error::from(failed);
                let again = Error::new(why.kind(), why.message().to_owned());
                Err(self.one_way.retire(|| again).unwrap_or(why).into())
            }
        }
    }

    /// What to say where nobody waits any longer for what a flush would bring, for this reason.
    pub(crate) fn give_up_flushing(&mut self, error: Error) -> Error {
        self.no_more(&error);
        self.one_way.retire(|| Error::new(error.kind(), error.message().to_owned())).unwrap_or(error)
    }

    /// What is to be told of one-way messages where the session takes nothing more and another one follows it.
    pub(crate) fn retire(&mut self) -> Option<Error> {
        let (kind, text) = self.ended.as_ref()?;
        self.one_way.retire(|| Error::new(*kind, text.clone()))
    }

    /// Receives once through `receive`, which fills the slot that it is given and says how many bytes came, and takes
    /// in what is whole: callers who have their answers go to `answers`. An error ends the session; `Ok(false)` says that
    /// nothing was there.
    pub(crate) fn receive(
        &mut self,
        receive: impl FnOnce(Slot<'_>) -> io::Result<usize>,
        answers: &mut impl Tell<C>,
    ) -> Result<bool> {
        let received = if self.is_greeted() {
            receive::fill(&mut self.reader, receive)
        } else {
            self.hello.reserve(HELLO_LEN * 4);
            receive(Slot::Body(&mut self.hello, usize::MAX))
        };
        match received {
            Ok(0) => Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => self.take_in(answers).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    fn take_in(&mut self, answers: &mut impl Tell<C>) -> Result<()> {
        if self.peer_max.is_none() {
            let Some((first, rest)) = self.hello.split_first_chunk::<HELLO_LEN>() else { return Ok(()) };
            let hello = Hello::decode_from_listener(first)?;
            self.knows_attachments = hello.knows_attachments();
            self.reader.let_attach(self.knows_attachments);
            self.reader.feed(rest);
            self.peer_max = Some(hello.max_message as usize);
            self.features = Some(hello.features);
            self.hello = Vec::new();
        }
        while let Some((header, body)) = self.reader.next()? {
            if header.kind == Kind::Response
                && let Some(pending) = self.pending.take_if(header.id, |pending| pending.kind == Kind::Request)
            {
                answers.reply(pending.caller, header.message_kind(), body);
                continue;
            }
            match incoming(header, body)? {
                Incoming::Answer { id, kind, reply } => self.answer(id, kind, reply, answers.others())?,
                Incoming::Error { id: 0, error } => return Err(error),
                Incoming::Error { id, error } => {
                    if let Some(pending) = self.pending.remove(id) {
                        answers.others().push((pending.caller, Err(error.into())));
                    }
                }
                Incoming::OneWayRefused(error) => self.one_way.refuse(error),
                Incoming::Goaway { last } => self.goaway(last, answers.others()),
                Incoming::Ping { id } => self.add_bare(Kind::Pong, id),
                Incoming::Memory { bytes } => {
                    self.sharing.answered(bytes)?;
                    self.memory = Some(bytes);
                }
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        id: u32,
        kind: Kind,
        reply: Reply,
        answers: &mut Answers<C>,
    ) -> std::result::Result<(), Violation> {
        // One whose caller has left is passed over.
        let Some(asked) = self.pending.get(id).map(|pending| pending.kind) else { return Ok(()) };
        if fits(asked, kind)?
            && let Some(pending) = self.pending.remove(id)
        {
            if pending.kind == Kind::Ack {
                self.one_way.confirm(pending.one_way);
            }
            answers.push((pending.caller, Ok(reply)));
        }
        Ok(())
    }

    /// The listener took messages up to `last` and takes no more.
    fn goaway(&mut self, last: u32, answers: &mut Answers<C>) {
        let why = closing();
        self.ended = Some((why.kind(), why.message().to_owned()));
        let Connection { pending, ids, cut, .. } = self;
        // What did not leave whole was not taken either, whatever the listener knows of it.
        let is_out = |id: u32, pending: &Pending<C>| {
            ids.leaves_out(last, id) || cut.is_some_and(|written| !pending.is_whole(written))
        };
        let not_taken = pending.take_all_if(is_out).into_iter();
        answers.extend(not_taken.map(|(_, pending)| (pending.caller, Err(Failed::NotTaken(closing())))));
    }

    /// The connection takes no more: what has not begun to leave goes elsewhere. What has left waits for its answer,
    /// which may still come: why it takes no more, the listener may have said, and receiving to the end finds out.
    fn cut(&mut self, error: &Error, answers: &mut Answers<C>) {
        self.no_more(error);
        let written = self.queued - self.outgoing.len() as u64;
        self.outgoing.clear();
        self.cut = Some(written);
        let unsent = self.pending.take_all_if(|_, pending| pending.at >= written).into_iter();
        let again = || Failed::NotTaken(Error::new(error.kind(), error.message().to_owned()));
        answers.extend(unsent.map(|(_, pending)| (pending.caller, Err(again()))));
    }

    /// The client closes: calls that wait end, but for flushes, and no more begin. Handlers of requests are told.
    pub(crate) fn close(&mut self, answers: &mut Answers<C>) {
        self.closing = true;
        for (id, pending) in self.pending.take_all_if(|_, pending| pending.kind != Kind::Ack) {
            if pending.kind == Kind::Request {
                self.add_bare(Kind::Cancel, id);
            }
            answers.push((pending.caller, Err(closed_meanwhile().after_sending().into())));
        }
    }

    /// Nothing more is taken, though answers may still come.
    fn no_more(&mut self, error: &Error) {
        self.ended.get_or_insert((error.kind(), error.message().to_owned()));
    }

    /// The session is over: everyone who waits hears of it.
    pub(crate) fn end(&mut self, error: &Error, answers: &mut Answers<C>) {
        // Its hello goes out before the listener looks at a message.
        let untouched = !self.is_greeted() && says_that_the_listener_has_gone(error);
        let peer_max = self.peer_max.unwrap_or(0);
        self.no_more(error);
        let again = || Error::new(error.kind(), error.message().to_owned());
        if let Some(told) = self.one_way.retire(again) {
            self.one_way.refuse(told);
        }
        let cut = self.cut;
        let is_too_large = |pending: &Pending<C>| pending.len as usize > peer_max;
        let to_blame = self.pending.values().any(is_too_large);
        for (_, pending) in self.pending.take_all_if(|_, _| true) {
            let failed = match error.kind() {
                _ if untouched => Failed::NotTaken(again()),
                // Who speaks another version does not take a message in ours.
                ErrorKind::UnsupportedVersion => again().into(),
                ErrorKind::TooLarge if is_too_large(&pending) => again().into(),
                _ if cut.is_some_and(|written| !pending.is_whole(written)) => Failed::NotTaken(again()),
                ErrorKind::TooLarge if to_blame => lost(io::ErrorKind::UnexpectedEof.into()).after_sending().into(),
                _ => again().after_sending().into(),
            };
            answers.push((pending.caller, Err(failed)));
        }
    }
}

/// Whether a session's end was the listener's doing: [`lost`] keeps what happened as the source.
fn says_that_the_listener_has_gone(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    error.kind() == ErrorKind::ConnectionLost && source.is_some_and(listener_has_gone)
}
