//! Clients: reaching a listener, and waiting for its answer.
//!
//! | module | holds |
//! |---|---|
//! | `target` | where messages go, and how that is reached: connecting, and looking whether somebody listens |
//! | `connect` | one try to reach a listener, and its dialect |
//! | `replace` | a call on a session that is there or on a new one, and again where a session did not take it |
//! | `pool` | sessions that are kept for the next call |
//! | `thread_driver` | a session that one thread at a time owns: blocking callers |
//! | `connection` | a session with any number of calls in flight, without input and output |
//! | `tasks` | what is called from tasks on a tokio runtime, where the feature of that name is on: `session` drives a `connection`; `event_loop` drives one in its caller's thread |
//! | `incoming` | what a listener's frames say to a client |
//! | `one_way` | which one-way messages of a session are confirmed |
//! | `ids` | the ids of messages, and what a goaway says about them |
//! | `deno` | one message on the Deno wire, however its caller waits |
//! | `lingering` | receiving to their end the connections that nobody waits on any longer |
//! | `late_sends` | sending what has gathered at a blocking client where nothing else has sent it |
//! | `subscription` | what a subscriber gets, without input and output; `event_loop` drives it |
//! | `stream` | the caller's side of a stream, without waiting; `event_loop` drives it |
//! | `post`, `tasks::post` | the one-shot posts; a question to a listener about itself |
//! | `blocking_client`, `tasks::client` | a channel kept open |
//! | `until` | until when, or until what, a call waits |

pub(crate) mod blocking_client;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod deno;
mod ids;
pub(crate) mod incoming;
pub(crate) mod late_sends;
pub(crate) mod lingering;
pub(crate) mod moving;
pub(crate) mod one_way;
mod pool;
pub(crate) mod post;
pub(crate) mod replace;
mod sharing;
pub(crate) mod stream;
pub(crate) mod subscription;
pub(crate) mod target;
#[cfg(feature = "tokio")]
pub(crate) mod tasks;
pub(crate) mod thread_driver;
pub(crate) mod until;

use std::io;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::protocol::Violation;

/// How a try to have a message handled failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// For good.
    Error(Error),
    /// The listener certainly did not take the message: another connection may try.
    NotTaken(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Error(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Error(error) | Failed::NotTaken(error) => error,
        }
    }
}

/// The result of one try.
pub(crate) type Attempt<T> = Result<T, Failed>;

/// When a call that is made now is to end.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    // A timeout too long for the clock is none.
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed; connect again for a new one")
}

/// What a call says that its caller's [`Cancellation`](crate::Cancellation) has given up.
pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was cancelled by its caller")
}

/// What a call says that waited when its client was closed.
pub(crate) fn closed_meanwhile() -> Error {
    Error::new(ErrorKind::Cancelled, "the client was closed while the call waited")
}

pub(crate) fn no_ping() -> Error {
    Error::new(
        ErrorKind::UnsupportedVersion,
        "the listener speaks the Deno wire only, which has no ping; post a message instead",
    )
}

/// The listener's version knows nothing of being asked.
fn tells_nothing() -> Error {
    let text = "the listener is of a version that does not tell of itself; bring it up to date, or ping it";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

/// The listener's version does not know JSON with bytes.
pub(crate) fn knows_no_attachments() -> Error {
    let text =
        "the listener is of a version that does not know JSON with bytes; bring it up to date, or send JSON or bytes";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

/// The listener speaks a wire that has no JSON with bytes.
pub(crate) fn wire_has_no_attachments() -> Error {
    let text =
        "the Deno wire has no JSON with bytes; send JSON or bytes, or take a listener that speaks native sessions";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

/// The error of a message that the listener left out when it said goodbye.
pub(crate) fn closing() -> Error {
    Error::new(ErrorKind::Closing, "the listener is closing and did not take the message")
}

/// The listener has said in its hello that it does not take so much.
pub(crate) fn too_large(len: usize, max: usize) -> Error {
    Error::new(ErrorKind::TooLarge, Violation::TooLarge { len, max }.told_by_listener())
}

pub(crate) fn timed_out() -> Error {
    Error::new(ErrorKind::TimedOut, "no answer came within the timeout; allow more time or look after the listener")
}

pub(crate) fn lost(error: io::Error) -> Error {
    let text = if listener_has_gone(&error) {
        "the listener closed the connection before it answered".to_owned()
    } else {
        format!("the connection to the listener broke: {error}")
    };
    Error::new(ErrorKind::ConnectionLost, text).with_source(error)
}

/// Whether an error says that the listener has ended the connection, and not that this side cannot go
/// on with it, for want of memory, say: then the listener may be handling what was sent.
fn listener_has_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// What to say when a session ends before `count` one-way messages were confirmed.
fn unconfirmed(count: u64, why: Error) -> Error {
    let text = match count {
        1 => format!("a broadcast was not confirmed: {why}"),
        count => format!("{count} broadcasts were not confirmed: {why}"),
    };
    Error::new(why.kind(), text).after_sending().with_source(why)
}
