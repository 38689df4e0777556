//! The books of a session with several calls in flight: who waits for which answer, what the listener
//! takes, what became of one-way messages, why the session ended. Bytes and waiting are others' matter.

use std::collections::hash_map::Entry;
use std::io;

use rustc_hash::FxHashMap;

use super::casts::Casts;
use super::{Attempt, Failed, listener_has_gone, lost, reply_error};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::protocol::frame::{FrameReader, Kind};
use crate::protocol::hello::{HELLO_LEN, Hello};

const NOT_TAKEN: &str = "the listener is closing and did not take the message";

/// What a listener answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Message(Message),
    /// A broadcast, a flush or a ping is done.
    Done,
}

impl Reply {
    /// The answer to a request.
    pub(crate) fn into_message(self) -> Attempt<Message> {
        match self {
            Reply::Message(message) => Ok(message),
            Reply::Done => {
                Err(Error::new(ErrorKind::Protocol, "the listener acknowledged a request instead of answering it")
                    .after_sending()
                    .into())
            }
        }
    }
}

/// Callers (`C`) and what they are to be told.
pub(crate) type Answers<C> = Vec<(C, Attempt<Reply>)>;

/// The books; `C` is how a caller is told.
#[derive(Debug)]
pub(crate) struct Ledger<C> {
    last_id: u32,
    pending: FxHashMap<u32, Pending<C>>,
    /// The session takes nothing more, and why.
    ended: Option<(ErrorKind, String)>,
    casts: Casts,
    /// The largest message that the listener takes, once it has said.
    peer_max: Option<usize>,
    /// The beginning of its hello.
    hello: Vec<u8>,
}

/// The frame that ends a call in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Response,
    Ack,
    /// An ack, which says that every one-way message sent before the call has been handled.
    Flush,
    Pong,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Pending<C> {
    caller: C,
    awaits: Awaits,
    /// How many one-way messages had been sent when it began.
    sent: u64,
    /// The length of its body.
    len: usize,
}

impl<C> Default for Ledger<C> {
    fn default() -> Self {
        Ledger {
            last_id: 0,
            pending: FxHashMap::default(),
            ended: None,
            casts: Casts::default(),
            peer_max: None,
            hello: Vec::new(),
        }
    }
}

impl<C> Ledger<C> {
    /// Notes a call with a body of `len` bytes; its frame bears the returned id.
    pub(crate) fn begin(&mut self, len: usize, awaits: Awaits, caller: C) -> Attempt<u32> {
        self.check_open()?;
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if let Entry::Vacant(vacant) = self.pending.entry(self.last_id) {
                vacant.insert(Pending { caller, awaits, sent: self.casts.sent(), len });
                return Ok(self.last_id);
            }
        }
    }

    /// Notes a one-way message.
    pub(crate) fn cast(&mut self) -> Attempt<()> {
        self.check_open()?;
        self.casts.count();
        Ok(())
    }

    /// Takes a call out whose caller has left. Whether it still waited.
    pub(crate) fn withdraw(&mut self, id: u32) -> bool {
        self.pending.remove(&id).is_some()
    }

    /// Fails once the session takes nothing more.
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
        self.casts.is_unconfirmed()
    }

    /// The largest message that the listener takes, once it has said.
    pub(crate) fn peer_max(&self) -> Option<usize> {
        self.peer_max
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_cast_error(&mut self) -> Option<Error> {
        self.casts.take_error()
    }

    /// Whether [`take_cast_error`](Ledger::take_cast_error) has something to say.
    pub(crate) fn has_cast_error(&self) -> bool {
        self.casts.has_error()
    }

    /// What a flush comes to.
    pub(crate) fn flushed(&mut self, answer: Attempt<Reply>) -> Attempt<()> {
        match answer {
            // What was sent before it was confirmed as its ack came in.
            Ok(_) => self.casts.take_error().map_or(Ok(()), |error| Err(error.into())),
            // The session goes on, and a later flush may hear of them.
            Err(failed) if self.ended.is_none() => Err(failed),
            Err(failed) => {
                let why = Error::from(failed);
                let again = Error::new(why.kind(), why.message().to_owned());
                Err(self.casts.retire(|| again).unwrap_or(why).into())
            }
        }
    }

    /// What is to be told of one-way messages where the session takes nothing more and another one follows it.
    pub(crate) fn retire(&mut self) -> Option<Error> {
        let (kind, text) = self.ended.as_ref()?;
        self.casts.retire(|| Error::new(*kind, text.clone()))
    }

    /// Where to receive while the listener's hello is not complete, which is while
    /// [`peer_max`](Ledger::peer_max) is not known.
    pub(crate) fn hello_slot(&mut self) -> &mut Vec<u8> {
        self.hello.reserve(HELLO_LEN * 4);
        &mut self.hello
    }

    /// Takes in what was received: callers who have their answers go to `answers`, ids that are to be
    /// answered with a pong to `pongs`. An error ends the session.
    pub(crate) fn take_in(
        &mut self,
        reader: &mut FrameReader,
        answers: &mut Answers<C>,
        pongs: &mut Vec<u32>,
    ) -> Result<()> {
        if self.peer_max.is_none() {
            let Some((first, rest)) = self.hello.split_first_chunk::<HELLO_LEN>() else { return Ok(()) };
            let hello = Hello::decode_from_listener(first)?;
            reader.feed(rest);
            self.peer_max = Some(hello.max_message as usize);
            self.hello = Vec::new();
        }
        while let Some((header, body)) = reader.next()? {
            let id = header.id;
            match header.kind {
                Kind::Response => {
                    let message = Message::from_parts(header.message_kind(), body.into_vec());
                    self.check_awaited(id, &[Awaits::Response])?;
                    self.answer(id, Ok(Reply::Message(message)), answers);
                }
                Kind::Ack => {
                    self.check_awaited(id, &[Awaits::Ack, Awaits::Flush])?;
                    if let Some(Pending { awaits: Awaits::Flush, sent, .. }) = self.pending.get(&id) {
                        self.casts.confirm(*sent);
                    }
                    self.answer(id, Ok(Reply::Done), answers);
                }
                // A pong that nobody asked for is ignored.
                Kind::Pong if self.pending.get(&id).is_some_and(|pending| pending.awaits == Awaits::Pong) => {
                    self.answer(id, Ok(Reply::Done), answers);
                }
                Kind::Pong => {}
                Kind::Error => {
                    let error = reply_error(id, body.as_slice());
                    if id != 0 {
                        self.answer(id, Err(error.into()), answers);
                    } else if matches!(error.kind(), ErrorKind::WrongMode | ErrorKind::InvalidBody) {
                        self.casts.refuse(error);
                    } else {
                        return Err(error);
                    }
                }
                Kind::Goaway => self.goaway(id, answers),
                Kind::Ping => pongs.push(id),
                Kind::Request | Kind::Broadcast | Kind::Cancel => unreachable!("not a listener's frames"),
            }
        }
        Ok(())
    }

    /// Fails where the call with this id cannot be answered by a frame that ends only these.
    fn check_awaited(&self, id: u32, ends: &[Awaits]) -> Result<()> {
        match self.pending.get(&id) {
            Some(pending) if !ends.contains(&pending.awaits) => {
                Err(Error::new(ErrorKind::Protocol, "the listener answered a call with a frame of another kind"))
            }
            _ => Ok(()),
        }
    }

    fn answer(&mut self, id: u32, answer: Attempt<Reply>, answers: &mut Answers<C>) {
        if let Some(pending) = self.pending.remove(&id) {
            answers.push((pending.caller, answer));
        }
    }

    /// The listener took messages up to `last` and takes no more.
    pub(crate) fn goaway(&mut self, last: u32, answers: &mut Answers<C>) {
        self.ended.get_or_insert((ErrorKind::Closing, NOT_TAKEN.to_owned()));
        let not_taken = self.pending.extract_if(|id, _| (id.wrapping_sub(last) as i32) > 0);
        let failed = || Failed::NotTaken(Error::new(ErrorKind::Closing, NOT_TAKEN));
        answers.extend(not_taken.map(|(_, pending)| (pending.caller, Err(failed()))));
    }

    /// Nothing more is taken, though answers may still come.
    pub(crate) fn no_more(&mut self, error: &Error) {
        self.ended.get_or_insert((error.kind(), error.message().to_owned()));
    }

    /// The session is over: everyone who waits hears of it.
    pub(crate) fn end(&mut self, error: &Error, answers: &mut Answers<C>) {
        // Its hello goes out before the listener looks at a message.
        let untouched = self.peer_max.is_none() && says_that_the_listener_has_gone(error);
        let peer_max = self.peer_max.unwrap_or(0);
        self.no_more(error);
        let again = || Error::new(error.kind(), error.message().to_owned());
        if let Some(told) = self.casts.retire(again) {
            self.casts.refuse(told);
        }
        let to_blame = self.pending.values().any(|pending| pending.len > peer_max);
        for (_, pending) in self.pending.drain() {
            let failed = match error.kind() {
                _ if untouched => Failed::NotTaken(again()),
                // Who speaks another version does not take a message in ours.
                ErrorKind::UnsupportedVersion => again().into(),
                ErrorKind::TooLarge if pending.len > peer_max => again().into(),
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
