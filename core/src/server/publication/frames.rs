//! The frames that a publisher sends, as bytes.

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::message::{Message, MessageKind, MessageRef};
use crate::protocol::frame::{ATTACHED, HEADER_LEN, Header, Kind, RETAINED, TOPIC};
use crate::server::error_frame::ErrorFrame;

/// Where in a header its flags stand, and its id.
const FLAGS: usize = 5;
const ID: std::ops::Range<usize> = 8..12;

/// What stands before the message in the frame of an event: header and topic.
#[derive(Debug)]
pub(crate) struct Head {
    bytes: [u8; HEADER_LEN + 256],
    len: usize,
}

impl Head {
    /// `topic` has at most 255 bytes, and the message's length goes into 32 bits: that is checked before.
    pub(crate) fn of_event(sequence: u64, topic: &str, message: MessageRef<'_>) -> Head {
        let mut bytes = [0; HEADER_LEN + 256];
        bytes[..HEADER_LEN].copy_from_slice(&Header::event(sequence, topic, message).encode());
        let mut len = HEADER_LEN;
        if !topic.is_empty() {
            bytes[len] = topic.len() as u8;
            len += 1 + topic.len();
            bytes[HEADER_LEN + 1..len].copy_from_slice(topic.as_bytes());
        }
        Head { bytes, len }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The frame of an event, marked as published before its subscriber came.
pub(crate) fn retained(head: &[u8], message: &[u8]) -> Bytes {
    let mut frame = [head, message].concat();
    frame[FLAGS] |= RETAINED;
    Bytes::from(frame)
}

/// The topic of an event's frame; empty where it has none.
pub(crate) fn topic_of(frame: &[u8]) -> &[u8] {
    match frame.get(FLAGS) {
        Some(flags) if flags & TOPIC != 0 => {
            let len = frame.get(HEADER_LEN).map_or(0, |&len| usize::from(len));
            frame.get(HEADER_LEN + 1..HEADER_LEN + 1 + len).unwrap_or_default()
        }
        _ => &[],
    }
}

/// Whether the message of an event's frame is JSON with bytes.
pub(crate) fn is_attached(frame: &[u8]) -> bool {
    frame.get(FLAGS).is_some_and(|flags| flags & ATTACHED != 0)
}

/// The frame that tells how many events were missed right before this one.
pub(crate) fn gap(next: &[u8], missed: u64) -> Bytes {
    let id = next[ID].first_chunk().map_or(0, |id| u32::from_le_bytes(*id));
    Bytes::copy_from_slice(&Header::gap(id.into(), missed).encode())
}

/// A frame without a body.
pub(crate) fn bare(kind: Kind, id: u32) -> Bytes {
    Bytes::copy_from_slice(&Header::bare(kind, id).encode())
}

/// The frame that says that no more comes.
pub(crate) fn goodbye(id: u32) -> Bytes {
    bare(Kind::Goaway, id)
}

/// The frame that says that the subscription has begun.
pub(crate) fn response(id: u32, body: Vec<u8>) -> Bytes {
    let body = Message::from_parts(MessageKind::Json, body);
    Bytes::from([&Header::of(Kind::Response, id, &body).encode()[..], body.data()].concat())
}

/// The frame that says why a subscription ends, or does not begin.
pub(crate) fn error(id: u32, kind: ErrorKind, text: &str) -> Bytes {
    // Every client takes an error of this length.
    let body = ErrorFrame::of_text(kind, text).body(0);
    let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, id) };
    Bytes::from([&header.encode()[..], &body].concat())
}

/// The frame for a subscriber for which more waited than `queue` lets wait.
pub(crate) fn too_slow(id: u32, waiting: usize, queue: usize) -> Bytes {
    let text = format!(
        "the subscriber did not keep up: {waiting} bytes of events waited for it, of at most {queue}; take events faster, \
         raise the subscriber's queue, or let it drop the oldest"
    );
    error(id, ErrorKind::TooSlow, &text)
}

/// The frame for a subscriber that does not know JSON with bytes, which was published.
pub(crate) fn unknown_body(id: u32) -> Bytes {
    let text = "what was published is JSON with bytes, which the subscriber's version of the library does not know; bring the \
                subscriber up to date, or publish JSON or bytes";
    error(id, ErrorKind::UnsupportedVersion, text)
}

/// The frame for a subscriber that does not take as large a message as was published.
pub(crate) fn too_large(id: u32, len: usize, largest: usize) -> Bytes {
    let text = format!(
        "the published message of {len} bytes is larger than the {largest} that the subscriber takes; raise the subscriber's \
         largest message or publish less"
    );
    error(id, ErrorKind::TooLarge, &text)
}
