//! What the frames of a listener say to its client.

use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::protocol::Violation;
use crate::protocol::frame::{Body, Header, Kind};

/// What a listener answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Message(Message),
    /// A broadcast, a flush or a ping is done.
    Done,
}

impl Reply {
    /// The answer, if it is one to a request.
    pub(crate) fn into_message(self) -> Option<Message> {
        match self {
            Reply::Message(message) => Some(message),
            Reply::Done => None,
        }
    }
}

/// A frame as a client sees it.
#[derive(Debug)]
pub(super) enum Incoming {
    Answer {
        id: u32,
        kind: Kind,
        reply: Reply,
    },
    /// Message `id` has failed; 0 is the session.
    Error {
        id: u32,
        error: Error,
    },
    /// One of the messages that nobody answers was refused; the session goes on.
    OneWayRefused(Error),
    /// Messages after this one were not taken, and no more are.
    Goaway {
        last: u32,
    },
    /// Memory to share that holds so many bytes each way, by which its next bytes come; 0 is none.
    Memory {
        bytes: u32,
    },
    /// It wants a pong with this id.
    Ping {
        id: u32,
    },
}

/// The answer to a request.
#[inline(always)]
pub(super) fn answer(header: Header, body: Body<'_>) -> Incoming {
    let message = Message::from_parts(header.message_kind(), body.into_vec());
    Incoming::Answer { id: header.id, kind: header.kind, reply: Reply::Message(message) }
}

/// Reads a frame.
#[inline]
pub(super) fn incoming(header: Header, body: Body<'_>) -> std::result::Result<Incoming, Violation> {
    let (id, kind) = (header.id, header.kind);
    Ok(match kind {
        Kind::Response => answer(header, body),
        // Of a stream: what a call makes of it, `fits` says.
        Kind::Ack | Kind::Pong | Kind::Data | Kind::End | Kind::Credit => {
            Incoming::Answer { id, kind, reply: Reply::Done }
        }
        Kind::Error => failure(id, body.as_slice())?,
        Kind::Goaway => Incoming::Goaway { last: id },
        Kind::Ping => Incoming::Ping { id },
        Kind::Share => Incoming::Memory { bytes: header.argument },
        Kind::Gap | Kind::Event => {
            return Err(Violation::Malformed("the listener published to one who has not subscribed"));
        }
        Kind::Request | Kind::Broadcast | Kind::Cancel | Kind::Subscribe | Kind::Ask => {
            unreachable!("not a listener's frames")
        }
    })
}

#[cold]
fn failure(id: u32, body: &[u8]) -> std::result::Result<Incoming, Violation> {
    let error = reply_error(id, body)?;
    let is_one_way = id == 0 && matches!(error.kind(), ErrorKind::WrongMode | ErrorKind::InvalidBody);
    Ok(if is_one_way { Incoming::OneWayRefused(error) } else { Incoming::Error { id, error } })
}

/// Whether an answer of kind `answer` fits a message of kind `asked`. One that does not, and that could be taken for
/// another message's, breaks the protocol; any other is passed over.
pub(crate) fn fits(asked: Kind, answer: Kind) -> std::result::Result<bool, Violation> {
    match (asked, answer) {
        (Kind::Request | Kind::Ask, Kind::Response)
        | (Kind::Broadcast | Kind::Ack, Kind::Ack)
        | (Kind::Ping, Kind::Pong) => Ok(true),
        (Kind::Broadcast | Kind::Ack, Kind::Response) => {
            Err(Violation::Malformed("the listener answered a message that nothing answers"))
        }
        (Kind::Request, Kind::Ack) => {
            Err(Violation::Malformed("the listener acknowledged a request instead of answering it"))
        }
        (_, Kind::Data | Kind::End | Kind::Credit) => {
            Err(Violation::Malformed("the listener answered with a stream where none was opened"))
        }
        _ => Ok(false),
    }
}

/// The error that a listener's error frame about message `id` speaks of; 0 is the session.
pub(crate) fn reply_error(id: u32, body: &[u8]) -> std::result::Result<Error, Violation> {
    #[derive(serde::Deserialize)]
    struct Body {
        code: String,
        message: String,
        // Of a handler that failed on purpose. Whatever else stands there is nothing that was promised.
        #[serde(default, deserialize_with = "present")]
        handler_code: Option<Box<serde_json::value::RawValue>>,
        #[serde(default, deserialize_with = "present")]
        handler_data: Option<Box<serde_json::value::RawValue>>,
        // Of a listener that passes on what another has answered.
        #[serde(default, deserialize_with = "present")]
        may_have_been_handled: Option<Box<serde_json::value::RawValue>>,
    }
    /// A member that is there, be it null.
    fn present<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
        T::deserialize(from).map(Some)
    }
    // serde takes an array for a struct, too.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    match serde_json::from_slice::<Body>(body) {
        Ok(body) if is_object => {
            let kind = ErrorKind::from_name(&body.code).unwrap_or(ErrorKind::Protocol);
            let error = Error::new(kind, body.message);
            let handled = body.may_have_been_handled.and_then(|told| serde_json::from_str(told.get()).ok());
            Ok(match kind {
                ErrorKind::HandlerFailed => {
                    let code = body.handler_code.and_then(|code| serde_json::from_str(code.get()).ok());
                    let data = body.handler_data.map(|data| data.get().to_owned());
                    error.after_sending().with_what_the_handler_gave(code, data)
                }
                _ if handled == Some(false) => error,
                _ if handled == Some(true) => error.after_sending(),
                ErrorKind::Cancelled | ErrorKind::TimedOut => error.after_sending(),
                // The message did not get past its header.
                ErrorKind::TooLarge if id == 0 => error,
                // The handler has run, and its answer does not fit; or it is not known to us.
                ErrorKind::Protocol | ErrorKind::TooLarge => error.after_sending(),
                _ => error,
            })
        }
        _ => Err(Violation::Malformed("the listener sent an error that cannot be read")),
    }
}
