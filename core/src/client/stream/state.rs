//! The caller's side of one stream, without input and output: frames in, items, grants and endings out.

use crate::client::incoming::reply_error;
use crate::client::sharing::UNASKED_MEMORY;
use crate::error::{Error, ErrorKind};
use crate::message::{Message, MessageRef};
use crate::protocol::Violation;
use crate::protocol::frame::{Body, HEADER_LEN, Header, Kind};
use crate::session::credit::{Allowance, Granted};
use crate::session::items::{Items, cost};

/// How the listener has ended a stream, or how else it ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// In order.
    Ended,
    /// The caller has closed it.
    Closed,
    Failed(Error),
}

/// What a frame has brought.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing that the user sees.
    Nothing,
    /// An item, and it was not wanted now: it is held.
    Held,
    /// The item that was wanted.
    Item(Message),
    /// The session has failed.
    SessionFailed(Error),
    /// The listener takes nothing on this session behind the message with this id.
    Goaway(u32),
}

/// One stream, from its opening to the frame that ends it.
#[derive(Debug)]
pub(crate) struct State {
    id: u32,
    is_accepted: bool,
    /// The caller has said that no more items come from it.
    has_ended: bool,
    /// The caller has given it up: what still comes is passed over.
    is_cancelled: bool,
    /// The frame that ends it has come.
    is_over: bool,
    /// How the listener has ended it, until that is taken.
    ending: Ending,
    /// What the caller may send.
    allowance: Allowance,
    /// What the listener may send.
    granted: Granted,
    /// What has come and was not taken.
    held: Items,
    /// Frames that are due to the listener, besides items.
    due: Vec<u8>,
}

impl State {
    /// A stream whose opening has this id.
    pub(crate) fn new(id: u32) -> State {
        State {
            id,
            is_accepted: false,
            has_ended: false,
            is_cancelled: false,
            is_over: false,
            ending: Ending::Closed,
            allowance: Allowance::new(),
            granted: Granted::new(),
            held: Items::default(),
            due: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Whether its handler has begun.
    pub(crate) fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// Whether the frame that ends it has come.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether an item has come and was not taken.
    pub(crate) fn has_items(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether an item may be sent, as far as the listener lets.
    pub(crate) fn may_send(&self) -> bool {
        self.is_accepted && !self.has_ended && !self.is_cancelled && !self.is_over() && self.allowance.is_there()
    }

    /// The header of an item.
    pub(crate) fn header(&self, item: MessageRef<'_>) -> Header {
        Header::of(Kind::Data, self.id, item)
    }

    /// An item is sent. Only where one [may be](State::may_send).
    pub(crate) fn spend(&mut self, item: MessageRef<'_>) {
        self.allowance.spend(HEADER_LEN + item.len());
    }

    /// No more items come from this side. Before the stream is accepted the listener is not told.
    pub(crate) fn end(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        if self.is_accepted {
            self.say_the_end();
        }
    }

    fn say_the_end(&mut self) {
        if !self.is_cancelled && !self.is_over() {
            self.due.extend_from_slice(&Header::bare(Kind::End, self.id).encode());
        }
    }

    /// The caller gives it up: what has come and what still comes is passed over.
    pub(crate) fn cancel(&mut self) {
        self.held.clear();
        if !self.is_over() && !std::mem::replace(&mut self.is_cancelled, true) {
            self.due.extend_from_slice(&Header::bare(Kind::Cancel, self.id).encode());
        }
    }

    /// What is due to the listener besides items.
    pub(crate) fn take_due(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.due)
    }

    /// The first item that has come and was not taken.
    pub(crate) fn take(&mut self) -> Option<Message> {
        let (message, cost) = self.held.pop()?;
        self.grant(cost);
        Some(message)
    }

    /// The user has an item that cost so much.
    fn grant(&mut self, cost: usize) {
        let mut granted = self.granted.take(cost);
        while granted > 0 && !self.is_over() && !self.is_cancelled {
            self.due.extend_from_slice(&Header::credit(self.id, granted).encode());
            granted = self.granted.grant();
        }
    }

    /// How it ended, and what has come and was not taken.
    pub(crate) fn finish(&mut self) -> (Items, Ending) {
        (std::mem::take(&mut self.held), std::mem::replace(&mut self.ending, Ending::Closed))
    }

    /// A frame has come. `wanted`: an item goes to the user now, where none is held before it.
    pub(crate) fn frame(&mut self, header: &Header, body: Body<'_>, wanted: bool) -> Result<Heard, Violation> {
        match header.kind {
            Kind::Ping => {
                self.due.extend_from_slice(&Header::bare(Kind::Pong, header.id).encode());
                Ok(Heard::Nothing)
            }
            Kind::Goaway => Ok(Heard::Goaway(header.id)),
            Kind::Error if header.id == 0 => {
                let error = reply_error(0, body.as_slice())?;
                // These two leave a session open: they are about a message that nobody waits for.
                let is_one_way = matches!(error.kind(), ErrorKind::WrongMode | ErrorKind::InvalidBody);
                Ok(if is_one_way { Heard::Nothing } else { Heard::SessionFailed(error) })
            }
            Kind::Gap | Kind::Event => {
                Err(Violation::Malformed("the listener published to one who has not subscribed"))
            }
            Kind::Share => Err(UNASKED_MEMORY),
            _ if header.id != self.id || self.is_over() => Ok(Heard::Nothing),
            _ => self.of_this(header, body, wanted),
        }
    }

    fn of_this(&mut self, header: &Header, body: Body<'_>, wanted: bool) -> Result<Heard, Violation> {
        let heard = match header.kind {
            Kind::Data => {
                self.granted.spend(cost(header))?;
                self.item(header, body, wanted)
            }
            Kind::Response => {
                let heard = self.item(header, body, wanted);
                (self.is_over, self.ending) = (true, Ending::Ended);
                heard
            }
            Kind::End => {
                (self.is_over, self.ending) = (true, Ending::Ended);
                Heard::Nothing
            }
            Kind::Error => {
                let error = reply_error(header.id, body.as_slice())?;
                (self.is_over, self.ending) = (true, Ending::Failed(error));
                return Ok(Heard::Nothing);
            }
            Kind::Credit => {
                self.allowance.grant(header.argument)?;
                Heard::Nothing
            }
            Kind::Ack => return Err(Violation::Malformed("the listener acknowledged a stream")),
            // A pong that nobody asked for.
            _ => return Ok(Heard::Nothing),
        };
        if !std::mem::replace(&mut self.is_accepted, true) && self.has_ended {
            self.say_the_end();
        }
        Ok(heard)
    }

    fn item(&mut self, header: &Header, body: Body<'_>, wanted: bool) -> Heard {
        if self.is_cancelled {
            return Heard::Nothing;
        }
        if !wanted || !self.held.is_empty() {
            self.held.push(header, body);
            return Heard::Held;
        }
        self.grant(cost(header));
        Heard::Item(Message::from_parts(header.message_kind(), body.into_vec()))
    }
}
