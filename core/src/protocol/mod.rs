//! Everything about the wire: bytes in, events out; messages in, bytes out.
//!
//! Nothing here knows of sockets, threads or clocks. `docs/protocol.md` is the specification.

pub(crate) mod deno;
pub(crate) mod dialect;
pub(crate) mod frame;
pub(crate) mod hello;
#[cfg(test)]
mod properties;
pub(crate) mod sequence;
pub(crate) mod text;
#[cfg(test)]
pub(crate) mod vectors;

use std::fmt;

use crate::error::{Error, ErrorKind};

/// What a peer did that the protocol does not allow. The connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The peer speaks a version that this library does not know.
    Version(u8),
    /// A body is larger than this side takes; both in bytes.
    TooLarge { len: usize, max: usize },
    /// Anything else; the text says what.
    Malformed(&'static str),
}

impl Violation {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Violation::Version(_) => ErrorKind::UnsupportedVersion,
            Violation::TooLarge { .. } => ErrorKind::TooLarge,
            Violation::Malformed(_) => ErrorKind::Protocol,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Version(version) => {
                write!(f, "protocol version {version} is not known here, only {}", hello::VERSION)
            }
            Violation::TooLarge { len, max } => write!(f, "a body of {len} bytes is larger than the {max} allowed"),
            Violation::Malformed(what) => f.write_str(what),
        }
    }
}

impl Violation {
    /// What a listener tells its client, which cannot see whose limit it was.
    pub(crate) fn told_by_listener(&self) -> String {
        match self {
            Violation::TooLarge { len, max } => format!(
                "the message of {len} bytes is larger than the {max} that the listener takes; \
                 raise the listener's largest message or send less"
            ),
            _ => self.to_string(),
        }
    }
}

/// What a client's caller is told of a listener that did not keep to the protocol.
impl From<Violation> for Error {
    fn from(violation: Violation) -> Error {
        let text = match violation {
            Violation::TooLarge { len, max } => format!(
                "the listener's answer of {len} bytes is larger than the {max} that this client takes; \
                 raise the client's largest message"
            ),
            _ => violation.to_string(),
        };
        Error::new(violation.kind(), text)
    }
}
