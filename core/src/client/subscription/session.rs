//! One session of a subscription: which frames may come, and what goes back.

use std::io;

use super::asking::Answer;
use crate::client::incoming::reply_error;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::message::{Message, MessageKind};
use crate::protocol::frame::{
    Body, FrameReader, HEADER_LEN, Header, Kind, Next, RETAINED, Sender, Slot, TOPIC, check_attached,
};
use crate::protocol::hello::{ATTACHMENTS, HELLO_LEN, Hello, INSPECTION, PUBLISH_SUBSCRIBE, Role};
use crate::protocol::{Violation, sequence};
use crate::session::credit::Granted;
use crate::session::receive;

/// The id of the one message that a subscriber sends.
const SUBSCRIBE: u32 = 1;

/// What the bytes that have come tell next.
#[derive(Debug)]
pub(crate) enum Told {
    /// Nothing: more has to be received.
    NotYet,
    /// The subscription stands: what is published from now on is due.
    Subscribed(Answer),
    /// Something that was published. It is the user's now.
    Event {
        /// The number of an event that was due; `None` of a retained one.
        number: Option<u64>,
        /// How many were missed right before it on this session.
        gap: u64,
        event: Event,
    },
    /// The publisher is closing: nothing more comes.
    Closing(Error),
}

/// Where a session is.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The listener's hello, or its answer, has not come.
    Asking,
    /// Retained events may come, and then those that are due.
    Retained,
    /// No more retained events may come.
    Live,
}

/// One session: bytes in, what they tell and bytes to send out.
#[derive(Debug)]
pub(crate) struct Session {
    stage: Stage,
    /// The listener's hello, as much of it as has come.
    hello: Vec<u8>,
    is_greeted: bool,
    reader: FrameReader,
    max_message: usize,
    credit: Granted,
    /// Whether every number is due: a subscription that names topics is not sent all.
    all: bool,
    /// The number before the one that is due, or before the first that may be.
    last: u64,
    /// How many were missed, as told by gaps since the last event.
    gap: u64,
    /// The bytes of those gaps: they are taken with the event that follows.
    gap_bytes: usize,
    /// It asks for what passes at the listener.
    sees_messages: bool,
    /// What is to be sent.
    outgoing: Vec<u8>,
}

impl Session {
    /// A session that is to subscribe with this body. `all`: the body names no topics.
    /// `sees_messages`: it asks for what passes at the listener.
    pub(crate) fn new(max_message: usize, all: bool, subscribe: &[u8], sees_messages: bool) -> Session {
        let mut outgoing = Hello::new(Role::Multiplexed, max_message).encode().to_vec();
        let len = u32::try_from(subscribe.len()).expect("1,024 topics of 255 bytes fit");
        outgoing.extend_from_slice(&Header { len, ..Header::bare(Kind::Subscribe, SUBSCRIBE) }.encode());
        outgoing.extend_from_slice(subscribe);
        Session {
            stage: Stage::Asking,
            hello: Vec::with_capacity(HELLO_LEN),
            is_greeted: false,
            reader: FrameReader::new(Sender::Listener, max_message),
            max_message,
            credit: Granted::new(),
            all,
            last: 0,
            gap: 0,
            gap_bytes: 0,
            sees_messages,
            outgoing,
        }
    }

    /// Receives once through `receive`, which fills a slot and says how many bytes came. Only where
    /// [`next`](Session::next) has told all.
    pub(crate) fn receive(&mut self, receive: impl FnOnce(Slot<'_>) -> io::Result<usize>) -> io::Result<usize> {
        if self.is_greeted {
            return receive::fill(&mut self.reader, receive);
        }
        let missing = HELLO_LEN - self.hello.len();
        receive(Slot::Body(&mut self.hello, missing))
    }

    /// What is to be sent.
    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// So many bytes of it have left.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.outgoing.drain(..bytes);
    }

    /// The listener takes nothing more. What it still says is read all the same.
    pub(crate) fn send_no_more(&mut self) {
        self.outgoing.clear();
    }

    /// Whether [`next`](Session::next) has something to tell without more being received.
    pub(crate) fn has_more(&mut self) -> bool {
        self.is_greeted && !matches!(self.reader.next_if(|_| false), Ok(Next::NotYet))
    }

    /// What has come tells next. An error ends the session.
    pub(crate) fn next(&mut self) -> Result<Told> {
        self.tell().map_err(|stop| match stop {
            Stop::Violation(Violation::TooLarge { len, max }) => too_large(len, max),
            Stop::Violation(violation) => violation.into(),
            Stop::Error(error) => error,
        })
    }

    fn tell(&mut self) -> std::result::Result<Told, Stop> {
        if !self.is_greeted {
            let Some(hello) = self.hello.first_chunk::<HELLO_LEN>() else { return Ok(Told::NotYet) };
            let features = Hello::decode_from_listener(hello)?.features;
            if features & PUBLISH_SUBSCRIBE == 0 {
                return Err(Stop::Error(does_not_know()));
            }
            if self.sees_messages && features & INSPECTION == 0 {
                return Err(Stop::Error(shows_nothing()));
            }
            self.reader.let_attach(features & ATTACHMENTS != 0);
            self.is_greeted = true;
        }
        loop {
            let Session { reader, .. } = self;
            let Some((header, body)) = reader.next()? else { return Ok(Told::NotYet) };
            match header.kind {
                Kind::Event => {
                    let message = EventBody::split(&header, body, self.max_message)?;
                    return self.event(&header, message);
                }
                Kind::Gap => self.gap(&header)?,
                Kind::Response => {
                    let answer = Answer::read(body.as_slice())?;
                    return self.answered(&header, answer);
                }
                Kind::Error => {
                    let error = reply_error(header.id, body.as_slice())?;
                    let error = Error::new(error.kind(), error.message().to_owned());
                    return if error.kind() == ErrorKind::Closing {
                        Ok(Told::Closing(error))
                    } else {
                        Err(Stop::Error(error))
                    };
                }
                Kind::Goaway => return Ok(Told::Closing(is_closing())),
                Kind::Ping => {
                    let pong = Header::bare(Kind::Pong, header.id).encode();
                    self.outgoing.extend_from_slice(&pong);
                }
                Kind::Pong => {}
                _ => return Err(Violation::Malformed("the listener answered what a subscriber never asks").into()),
            }
        }
    }

    fn answered(&mut self, header: &Header, answer: Answer) -> std::result::Result<Told, Stop> {
        if self.stage != Stage::Asking || header.id != SUBSCRIBE || header.flags != 0 {
            return Err(Violation::Malformed("the listener answered a subscription that was not asked for").into());
        }
        self.stage = Stage::Retained;
        self.last = answer.next - 1;
        Ok(Told::Subscribed(answer))
    }

    fn event(&mut self, header: &Header, body: EventBody) -> std::result::Result<Told, Stop> {
        let bytes = HEADER_LEN + header.len as usize;
        self.publishes(bytes)?;
        let retained = header.flags & RETAINED != 0;
        let number = match (retained, &self.stage) {
            (true, Stage::Retained) => None,
            (true, _) => return Err(Violation::Malformed("a retained event comes behind one that is due").into()),
            (false, _) => Some(self.due(header.id)?),
        };
        if let Some(number) = number {
            self.stage = Stage::Live;
            self.last = number;
        }
        let taken = bytes + std::mem::take(&mut self.gap_bytes);
        self.grant(taken);
        let gap = std::mem::take(&mut self.gap);
        let event = Event { data: body.message, topic: body.topic, missed: 0, retained };
        Ok(Told::Event { number, gap, event })
    }

    /// The number of an event with these low 32 bits.
    fn due(&self, low: u32) -> std::result::Result<u64, Violation> {
        let number = sequence::widen(low, self.last);
        if self.all && number != sequence::after(self.last, 1) {
            return Err(Violation::Malformed("the listener left out an event and did not tell that it was missed"));
        }
        Ok(number)
    }

    fn gap(&mut self, header: &Header) -> std::result::Result<(), Violation> {
        self.publishes(HEADER_LEN)?;
        self.stage = Stage::Live;
        self.gap_bytes += HEADER_LEN;
        self.gap = self.gap.saturating_add(header.argument.into());
        let least = sequence::after(self.last, u64::from(header.argument) + 1);
        let next = sequence::widen(header.id, least - 1);
        if self.all && next != least && header.argument != u32::MAX {
            return Err(Violation::Malformed("the listener's gap does not lead to the event that it names"));
        }
        self.last = next - 1;
        Ok(())
    }

    /// A frame of what is published has come.
    fn publishes(&mut self, bytes: usize) -> std::result::Result<(), Violation> {
        if self.stage == Stage::Asking {
            return Err(Violation::Malformed("the listener published before it answered the subscription"));
        }
        self.credit.spend(bytes)
    }

    fn grant(&mut self, taken: usize) {
        let mut granted = self.credit.take(taken);
        while granted > 0 {
            self.outgoing.extend_from_slice(&Header::credit(SUBSCRIBE, granted).encode());
            granted = self.credit.grant();
        }
    }
}

/// Why a session ends.
enum Stop {
    Violation(Violation),
    Error(Error),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Violation(violation)
    }
}

/// The body of an event.
struct EventBody {
    topic: String,
    message: Message,
}

impl EventBody {
    /// Splits a body, whose message may have at most `max` bytes.
    fn split(header: &Header, body: Body<'_>, max: usize) -> std::result::Result<EventBody, Violation> {
        let mut topic = String::new();
        let mut before = 0;
        if header.flags & TOPIC != 0 {
            let bytes = body.as_slice();
            let text = bytes.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len)));
            let text = text.ok_or(Violation::Malformed("an event is shorter than its topic"))?;
            let text =
                std::str::from_utf8(text).map_err(|_| Violation::Malformed("the topic of an event is not UTF-8"))?;
            topic = text.to_owned();
            before = 1 + topic.len();
        }
        let len = header.len as usize - before;
        if len > max {
            return Err(Violation::TooLarge { len, max });
        }
        let data = match body {
            Body::Buffered(bytes) => bytes[before..].to_vec(),
            Body::Owned(mut bytes) => {
                bytes.drain(..before);
                bytes
            }
        };
        if header.message_kind() == MessageKind::Attached {
            check_attached(&data)?;
        }
        Ok(EventBody { topic, message: Message::from_parts(header.message_kind(), data) })
    }
}

fn too_large(len: usize, max: usize) -> Error {
    let text = format!(
        "what was published has {len} bytes, more than the {max} that this subscriber takes; raise its largest message"
    );
    Error::new(ErrorKind::TooLarge, text)
}

fn does_not_know() -> Error {
    let text = "the listener is of a version that knows no subscribers; bring it up to date";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

fn shows_nothing() -> Error {
    let text = "the listener is of a version that lets nobody see its messages; bring it up to date";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

fn is_closing() -> Error {
    Error::new(ErrorKind::Closing, "the publisher is closing; subscribe again when the next one listens")
}

#[cfg(test)]
mod tests;
