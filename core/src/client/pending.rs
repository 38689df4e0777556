//! The books of a session with several calls in flight: who waits for which answer, what the listener
//! takes, what became of one-way messages, why the session ended. Bytes and waiting are others' matter.

use std::collections::hash_map::Entry;
use std::io;

use rustc_hash::FxHashMap;

use super::ids::Ids;
use super::one_way::OneWay;
use super::{Attempt, Failed, closed_meanwhile, closing, fits, listener_has_gone, lost, reply_error};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::protocol::Violation;
use crate::protocol::frame::{FrameReader, HEADER_LEN, Kind};
use crate::protocol::hello::{HELLO_LEN, Hello};

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
            Reply::Done => unreachable!("an answer that does not fit is none"),
        }
    }
}

/// Callers (`C`) and what they are to be told.
pub(crate) type Answers<C> = Vec<(C, Attempt<Reply>)>;

/// The books; `C` is how a caller is told.
#[derive(Debug)]
pub(crate) struct Ledger<C> {
    ids: Ids,
    pending: FxHashMap<u32, Pending<C>>,
    /// The session takes nothing more, and why.
    ended: Option<(ErrorKind, String)>,
    /// Only flushes begin any more: the client closes.
    closing: bool,
    /// After so many bytes the connection took no more.
    cut: Option<u64>,
    one_way: OneWay,
    /// The largest message that the listener takes, once it has said.
    peer_max: Option<usize>,
    /// The beginning of its hello.
    hello: Vec<u8>,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Pending<C> {
    caller: C,
    kind: Kind,
    /// The length of its body.
    len: usize,
    /// Where in the stream its frame begins.
    at: u64,
    /// How many one-way messages were sent before it.
    one_way: u64,
}

impl<C> Pending<C> {
    /// Whether all of its bytes were among the first `written` of the stream.
    fn is_whole(&self, written: u64) -> bool {
        self.at + (HEADER_LEN + self.len) as u64 <= written
    }
}

impl<C> Default for Ledger<C> {
    fn default() -> Self {
        Ledger {
            ids: Ids::default(),
            pending: FxHashMap::default(),
            ended: None,
            closing: false,
            cut: None,
            one_way: OneWay::default(),
            peer_max: None,
            hello: Vec::new(),
        }
    }
}

impl<C> Ledger<C> {
    /// Notes a call with a body of `len` bytes, whose frame is of this kind, bears the returned id and begins `at`
    /// this place of the stream: calls are noted in the order in which they are sent.
    pub(crate) fn begin(&mut self, kind: Kind, len: usize, at: u64, caller: C) -> Attempt<u32> {
        self.check_open()?;
        if self.closing && kind != Kind::Ack {
            return Err(closed_meanwhile().into());
        }
        loop {
            let id = self.ids.next();
            if let Entry::Vacant(vacant) = self.pending.entry(id) {
                vacant.insert(Pending { caller, kind, len, at, one_way: self.one_way.sent() });
                return Ok(id);
            }
        }
    }

    /// Notes a one-way message, in its place among those that are sent.
    pub(crate) fn send_one_way(&mut self) -> Attempt<()> {
        self.check_open()?;
        if self.closing {
            return Err(closed_meanwhile().into());
        }
        self.one_way.count();
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
        self.one_way.is_unconfirmed()
    }

    /// The largest message that the listener takes, once it has said.
    pub(crate) fn peer_max(&self) -> Option<usize> {
        self.peer_max
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_one_way_error(&mut self) -> Option<Error> {
        self.one_way.take_error()
    }

    /// Whether [`take_one_way_error`](Ledger::take_one_way_error) has something to say.
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
                    self.answer(id, header.kind, Reply::Message(message), answers)?;
                }
                Kind::Ack | Kind::Pong => self.answer(id, header.kind, Reply::Done, answers)?,
                Kind::Error => {
                    let error = reply_error(id, body.as_slice())?;
                    if id != 0 {
                        if let Some(pending) = self.pending.remove(&id) {
                            answers.push((pending.caller, Err(error.into())));
                        }
                    } else if matches!(error.kind(), ErrorKind::WrongMode | ErrorKind::InvalidBody) {
                        self.one_way.refuse(error);
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

    fn answer(
        &mut self,
        id: u32,
        kind: Kind,
        reply: Reply,
        answers: &mut Answers<C>,
    ) -> std::result::Result<(), Violation> {
        // One whose caller has left is passed over.
        let Entry::Occupied(pending) = self.pending.entry(id) else { return Ok(()) };
        if fits(pending.get().kind, kind)? {
            let pending = pending.remove();
            if pending.kind == Kind::Ack {
                self.one_way.confirm(pending.one_way);
            }
            answers.push((pending.caller, Ok(reply)));
        }
        Ok(())
    }

    /// The listener took messages up to `last` and takes no more.
    pub(crate) fn goaway(&mut self, last: u32, answers: &mut Answers<C>) {
        let why = closing();
        self.ended = Some((why.kind(), why.message().to_owned()));
        let Ledger { pending, ids, cut, .. } = self;
        // What did not leave whole was not taken either, whatever the listener knows of it.
        let is_out = |id: u32, pending: &Pending<C>| {
            ids.leaves_out(last, id) || cut.is_some_and(|written| !pending.is_whole(written))
        };
        let not_taken = pending.extract_if(|id, pending| is_out(*id, pending));
        answers.extend(not_taken.map(|(_, pending)| (pending.caller, Err(Failed::NotTaken(closing())))));
    }

    /// The connection took `written` bytes and takes no more: what has not begun to leave goes elsewhere. What has
    /// left waits for its answer, which may still come.
    pub(crate) fn cut(&mut self, written: u64, error: &Error, answers: &mut Answers<C>) {
        self.no_more(error);
        self.cut = Some(written);
        let unsent = self.pending.extract_if(|_, pending| pending.at >= written);
        let again = || Failed::NotTaken(Error::new(error.kind(), error.message().to_owned()));
        answers.extend(unsent.map(|(_, pending)| (pending.caller, Err(again()))));
    }

    /// The client closes: calls that wait end, but for flushes, and no more begin. The requests among them, whose
    /// handlers are to be told, by their ids.
    pub(crate) fn close(&mut self, answers: &mut Answers<C>) -> Vec<u32> {
        self.closing = true;
        let mut requests = Vec::new();
        for (id, pending) in self.pending.extract_if(|_, pending| pending.kind != Kind::Ack) {
            if pending.kind == Kind::Request {
                requests.push(id);
            }
            answers.push((pending.caller, Err(closed_meanwhile().after_sending().into())));
        }
        requests
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
        if let Some(told) = self.one_way.retire(again) {
            self.one_way.refuse(told);
        }
        let cut = self.cut;
        let to_blame = self.pending.values().any(|pending| pending.len > peer_max);
        for (_, pending) in self.pending.drain() {
            let failed = match error.kind() {
                _ if untouched => Failed::NotTaken(again()),
                // Who speaks another version does not take a message in ours.
                ErrorKind::UnsupportedVersion => again().into(),
                ErrorKind::TooLarge if pending.len > peer_max => again().into(),
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
