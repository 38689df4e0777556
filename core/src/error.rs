//! What can go wrong, said once for every language.
//!
//! [`ErrorKind`] is the one table of error kinds: a stable number for C, a stable name for the wire
//! and for JavaScript's `code`, and one sentence of advice. Every binding maps exactly this table.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a handler may fail with: anything that can be shown to the caller as text. The caller gets it in one line:
/// control characters become spaces. A [`HandlerFailure`](crate::HandlerFailure) carries a code and data besides.
///
/// `?` turns every error type into it, and so do `"text".into()` and `format!(…).into()`.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a handler returns: the reply, or an error whose text the caller gets.
pub type HandlerResult<R> = std::result::Result<R, HandlerError>;

macro_rules! error_kinds {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal, $name:literal; )*) => {
        /// The kind of an [`Error`]: a closed group by hundreds, open for new members.
        ///
        /// | numbers | what is at fault |
        /// |---|---|
        /// | 1xx | the caller's own mistake |
        /// | 2xx | the channel: nobody listens, in use, no permission |
        /// | 3xx | the peer or the message |
        /// | 4xx | the wire: what arrived does not follow the protocol |
        /// | 5xx | this machine |
        ///
        /// Numbers and names are never changed or used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorKind { $( $(#[$doc])* $variant = $code, )* }

        impl ErrorKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [ErrorKind] = &[ $( ErrorKind::$variant, )* ];

            /// The stable name, as it stands on the wire and in JavaScript's `code`.
            pub const fn name(self) -> &'static str {
                match self { $( ErrorKind::$variant => $name, )* }
            }

            /// The kind with this stable number.
            pub const fn from_code(code: i32) -> Option<ErrorKind> {
                match code { $( $code => Some(ErrorKind::$variant), )* _ => None }
            }

            /// The kind with this stable name.
            pub fn from_name(name: &str) -> Option<ErrorKind> {
                match name { $( $name => Some(ErrorKind::$variant), )* _ => None }
            }
        }
    };
}

error_kinds! {
    /// An argument or option does not make sense; the message says which.
    InvalidArgument = 101, "invalid_argument";
    /// A channel name is not 1 to 85 characters of `A-Z a-z 0-9 _`.
    InvalidName = 102, "invalid_name";
    /// A port is outside 1 to 65535 (0 is allowed to listen only).
    InvalidPort = 103, "invalid_port";
    /// The socket's whole path does not fit a Unix socket address.
    PathTooLong = 104, "path_too_long";
    /// The body that was given to be sent is not JSON, or cannot become JSON.
    InvalidJson = 105, "invalid_json";
    /// The listener or client was closed before this call.
    Closed = 106, "closed";
    /// The listener or client was made before a `fork` and is used in the child.
    Forked = 107, "forked";

    /// Nobody listens on the channel.
    NotListening = 201, "not_listening";
    /// Another process (or listener) already listens on the channel.
    InUse = 202, "in_use";
    /// The operating system does not permit the access.
    PermissionDenied = 203, "permission_denied";
    /// Something that is not our socket or lock file stands at the path; it was left alone.
    PathOccupied = 204, "path_occupied";
    /// The directory of the socket does not exist.
    NoDirectory = 205, "no_directory";
    /// The process at the other end belongs to a user that is not trusted here.
    PeerNotAllowed = 206, "peer_not_allowed";
    /// A request was sent to a broadcast listener, or a broadcast to a request listener.
    WrongMode = 207, "wrong_mode";
    /// The listener takes no more connections or messages just now.
    TooManyConnections = 208, "too_many_connections";

    /// No answer within the timeout; the message may have been handled.
    TimedOut = 301, "timed_out";
    /// The caller cancelled the call.
    Cancelled = 302, "cancelled";
    /// The connection broke before the answer came.
    ConnectionLost = 303, "connection_lost";
    /// The handler failed; its text is in the message.
    HandlerFailed = 304, "handler_failed";
    /// The message is larger than one of the two sides takes.
    TooLarge = 305, "too_large";
    /// The listener closed the connection without an answer (Deno wire).
    NoReply = 306, "no_reply";
    /// The listener is closing and did not take the message.
    Closing = 307, "closing";
    /// The subscriber did not take what was published fast enough, and was cut off.
    TooSlow = 308, "too_slow";

    /// The peer broke the protocol.
    Protocol = 401, "protocol";
    /// The peer speaks another version of the protocol.
    UnsupportedVersion = 402, "unsupported_version";
    /// A body that arrived is not JSON where JSON is due, or not the type asked for.
    InvalidBody = 403, "invalid_body";

    /// The operating system reported an error that fits no other kind.
    Os = 501, "os";
    /// Out of file descriptors, memory, disk or threads.
    OutOfResources = 502, "out_of_resources";
    /// A defect of this library; please report it.
    Internal = 503, "internal";
}

impl ErrorKind {
    /// The stable number, as C sees it. `code() / 100` is the group.
    pub const fn code(self) -> i32 {
        self as i32
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a call failed: a [kind](ErrorKind), one line of text, and whether the message can have
/// been handled all the same.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    may_have_been_handled: bool,
    os_code: Option<i32>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    handler: Option<Box<FromHandler>>,
}

/// What a handler gave to its caller besides the text.
#[derive(Clone, Debug)]
struct FromHandler {
    code: Option<String>,
    data: Option<String>,
}

/// Makes a text one line: what would end the line, or the text for C, becomes a space.
pub(crate) fn one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    let breaks = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if text.contains(breaks) { text.replace(breaks, " ").into() } else { text }
}

impl Error {
    /// An error of this kind with this line of text: lower case, what was attempted, what stood in
    /// the way, what to do. Control characters in it become spaces.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: one_line(message.into()),
            may_have_been_handled: false,
            os_code: None,
            source: None,
            handler: None,
        }))
    }

    /// An error of this kind that the operating system met while doing `attempted`.
    pub(crate) fn of_system(kind: ErrorKind, attempted: impl fmt::Display, error: io::Error) -> Error {
        let mut made = Error::new(kind, format!("{attempted}: {error}"));
        made.0.os_code = error.raw_os_error();
        made.0.source = Some(Box::new(error));
        made
    }

    /// The listener was used after it was closed.
    pub(crate) fn closed_listener() -> Error {
        Error::new(ErrorKind::Closed, "the listener is closed; listen again for a new one")
    }

    /// The same once more, for one who asks again what became of something. The error behind it stays with the first.
    pub(crate) fn again(&self) -> Error {
        let Inner { kind, message, may_have_been_handled, os_code, handler, .. } = &*self.0;
        let handler = handler.clone();
        Error(Box::new(Inner {
            kind: *kind,
            message: message.clone(),
            may_have_been_handled: *may_have_been_handled,
            os_code: *os_code,
            source: None,
            handler,
        }))
    }

    /// Says that the message may have reached the handler before this error.
    #[must_use]
    pub fn after_sending(mut self) -> Error {
        self.0.may_have_been_handled = true;
        self
    }

    /// Says on which channel it happened, where the text was made by what knows only a connection.
    pub(crate) fn on_channel(mut self, channel: &impl fmt::Display) -> Error {
        use ErrorKind::{Closing, ConnectionLost, InvalidBody, NoReply, Protocol, TimedOut, TooLarge};
        use ErrorKind::{TooSlow, UnsupportedVersion, WrongMode};
        if matches!(
            self.kind(),
            Closing
                | ConnectionLost
                | InvalidBody
                | NoReply
                | Protocol
                | TimedOut
                | TooLarge
                | TooSlow
                | UnsupportedVersion
                | WrongMode
        ) {
            self.0.message = one_line(format!("channel \"{channel}\": {}", self.0.message).into());
        }
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// The kind: what a program decides by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The line of text: what a person reads.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the message can have been handled in spite of this error.
    ///
    /// `false` means that it certainly was not: sending it again cannot do the work twice.
    pub fn may_have_been_handled(&self) -> bool {
        self.0.may_have_been_handled
    }

    /// Adds what a handler gave besides its text.
    pub(crate) fn with_what_the_handler_gave(mut self, code: Option<String>, data: Option<String>) -> Error {
        if code.is_some() || data.is_some() {
            self.0.handler = Some(Box::new(FromHandler { code, data }));
        }
        self
    }

    /// The code that the handler failed with on purpose ([`HandlerFailure`](crate::HandlerFailure)), if it gave one.
    pub fn handler_code(&self) -> Option<&str> {
        self.0.handler.as_ref()?.code.as_deref()
    }

    /// The JSON text of the data that the handler failed with on purpose, if it gave any.
    pub fn handler_data(&self) -> Option<&str> {
        self.0.handler.as_ref()?.data.as_deref()
    }

    /// The operating system's error number, where one is behind this error.
    pub fn os_code(&self) -> Option<i32> {
        self.0.os_code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_kind() {
        for &kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
            assert!((1..=5).contains(&(kind.code() / 100)), "{kind} has no group");
        }
        assert_eq!(ErrorKind::from_code(0), None);
        assert_eq!(ErrorKind::from_name("no such"), None);
    }

    #[test]
    fn the_text_of_an_error_is_one_line() {
        let error = Error::new(ErrorKind::Os, "a\r\nb\0c\u{85}d\u{2028}e\tf").on_channel(&"x\ny");
        assert_eq!(error.message(), "a  b c d e f");
        let error = Error::new(ErrorKind::Closing, "bye").on_channel(&"x\ny");
        assert_eq!(error.message(), "channel \"x y\": bye");
    }
}
