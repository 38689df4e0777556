//! The frames of a native session: a header of 16 bytes, then the body.

use std::ops::Range;
use std::time::Duration;

use super::Violation;
use crate::message::{MessageKind, MessageRef, attached};

/// The length of a frame's header in bytes.
pub(crate) const HEADER_LEN: usize = 16;

/// Error frames up to this many bytes are taken, and so may be sent, whatever a client's largest message.
pub(crate) const ERROR_ALWAYS: usize = 1024;

/// The body is bytes, not JSON.
pub(crate) const BYTES: u8 = 0x01;
/// The sender of a broadcast wants to know that the handler has it.
pub(crate) const ACK_WANTED: u8 = 0x02;
/// An event's body begins with its topic: the length in one byte, then the text.
pub(crate) const TOPIC: u8 = 0x08;
/// An event was published before its subscriber came: it is what was last published on its topic.
pub(crate) const RETAINED: u8 = 0x10;
/// The request opens a stream: its answer, and what follows it from the client, may be sequences.
pub(crate) const STREAM: u8 = 0x20;
/// The body is JSON with bytes. Never together with [`BYTES`].
pub(crate) const ATTACHED: u8 = 0x40;

/// How many bytes an event's topic may add to the largest message: its length, and 255.
pub(crate) const MOST_TOPIC: usize = 256;
/// The most bytes that one credit frame may grant, and that may be granted and not used.
pub(crate) const MOST_CREDIT: u32 = 1 << 31;

/// Bodies up to this many bytes come out of the reader's buffer; larger ones are received straight
/// into memory of their own.
const BUFFERED_BODY: usize = 32 << 10;
/// How much room a receive into the buffer has at first, and at the most.
const FIRST_BUFFER: usize = 8 << 10;
const LARGEST_BUFFER: usize = 256 << 10;
/// The largest body whose memory is kept for the next one while a session is busy.
const MOST_SPARE: usize = 16 << 20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message that wants an answer.
    Request = 1,
    /// The answer.
    Response = 2,
    /// Instead of an answer, or (id 0) about the session.
    Error = 3,
    /// A message that wants no answer.
    Broadcast = 4,
    /// From a client: tell me when all before this is handed over. From a listener: it is.
    Ack = 5,
    /// The answer to this request is no longer wanted.
    Cancel = 6,
    /// Are you there?
    Ping = 7,
    /// Yes.
    Pong = 8,
    /// The listener takes nothing more on this session.
    Goaway = 9,
    /// From a client, first and only message of its session: send me what is published.
    Subscribe = 16,
    /// The subscriber has missed so many events before the next one.
    Gap = 17,
    /// Something that was published.
    Event = 18,
    /// One item of a stream, from either side.
    Data = 19,
    /// No more items come from its sender. From a listener: the end of the stream.
    End = 20,
    /// The sender of this takes so many bytes more, of events or of items.
    Credit = 21,
    /// From a client: what follows may go by memory that we share (argument 0), or: my next bytes come by it. From a listener: no
    /// (argument 0), or: here it is, and my next bytes come by it. The argument is then how many bytes each direction holds.
    Share = 22,
    /// From a client: tell me of yourself. A response answers it.
    Ask = 23,
}

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Listener,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        const KINDS: [Option<Kind>; 24] = {
            use Kind::*;
            let all = [
                Request, Response, Error, Broadcast, Ack, Cancel, Ping, Pong, Goaway, Subscribe, Gap, Event, Data, End,
                Credit, Share, Ask,
            ];
            let mut kinds = [None; 24];
            let mut at = 0;
            while at < all.len() {
                kinds[all[at] as usize] = Some(all[at]);
                at += 1;
            }
            kinds
        };
        KINDS.get(usize::from(byte)).copied().flatten()
    }

    fn may_come_from(self, sender: Sender) -> bool {
        match self {
            Kind::Request | Kind::Broadcast | Kind::Cancel | Kind::Subscribe | Kind::Ask => sender == Sender::Client,
            Kind::Response | Kind::Error | Kind::Goaway | Kind::Gap | Kind::Event => sender == Sender::Listener,
            Kind::Ack | Kind::Ping | Kind::Pong | Kind::Data | Kind::End | Kind::Credit | Kind::Share => true,
        }
    }

    fn flags(self) -> u8 {
        match self {
            Kind::Request => BYTES | ATTACHED | STREAM,
            Kind::Response | Kind::Data => BYTES | ATTACHED,
            Kind::Broadcast => BYTES | ATTACHED | ACK_WANTED,
            Kind::Event => BYTES | ATTACHED | TOPIC | RETAINED,
            _ => 0,
        }
    }

    fn has_body(self) -> bool {
        use Kind::{Broadcast, Data, Error, Event, Request, Response, Subscribe};
        matches!(self, Request | Response | Error | Broadcast | Subscribe | Event | Data)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The body's length in bytes.
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) id: u32,
    /// What the kind makes of it. In a request: how long its sender still waits, in milliseconds, 0 is for ever. In a
    /// gap: how many events were missed, `u32::MAX` for that many or more. In a credit: bytes, 0 for a stream alone. In a
    /// share: how many bytes each direction of the memory holds, 0 where there is none. Other kinds: 0.
    pub(crate) argument: u32,
}

impl Header {
    /// The header of a frame without a body.
    pub(crate) fn bare(kind: Kind, id: u32) -> Header {
        Header { len: 0, kind, flags: 0, id, argument: 0 }
    }

    /// The header of a frame that carries a message.
    pub(crate) fn of<'a>(kind: Kind, id: u32, message: impl Into<MessageRef<'a>>) -> Header {
        let message = message.into();
        let flags = match message.kind() {
            MessageKind::Json => 0,
            MessageKind::Bytes => BYTES,
            MessageKind::Attached => ATTACHED,
        };
        let len = u32::try_from(message.len()).expect("the limit on messages is checked before");
        Header { len, kind, flags, id, argument: 0 }
    }

    /// The header of a request whose sender still waits for so long; `None` is for ever.
    pub(crate) fn request<'a>(id: u32, message: impl Into<MessageRef<'a>>, left: Option<Duration>) -> Header {
        let milliseconds =
            |left: Duration| left.as_secs().saturating_mul(1000).saturating_add(left.subsec_millis().into());
        let argument = left.map_or(0, |left| u32::try_from(milliseconds(left)).unwrap_or(u32::MAX).max(1));
        Header { argument, ..Header::of(Kind::Request, id, message) }
    }

    /// The header of a request that opens a stream, whose sender still waits for so long; `None` is for ever.
    pub(crate) fn opening<'a>(id: u32, message: impl Into<MessageRef<'a>>, left: Option<Duration>) -> Header {
        let header = Header::request(id, message, left);
        Header { flags: header.flags | STREAM, ..header }
    }

    /// The header of a broadcast whose sender wants to know that the handler has it.
    pub(crate) fn acknowledged_broadcast<'a>(id: u32, message: impl Into<MessageRef<'a>>) -> Header {
        let header = Header::of(Kind::Broadcast, id, message);
        Header { flags: header.flags | ACK_WANTED, ..header }
    }

    /// The header of an event whose body has its topic, if that is not empty, before the message.
    pub(crate) fn event<'a>(sequence: u64, topic: &str, message: impl Into<MessageRef<'a>>) -> Header {
        let header = Header::of(Kind::Event, sequence as u32, message);
        if topic.is_empty() {
            return header;
        }
        Header { len: header.len + 1 + topic.len() as u32, flags: header.flags | TOPIC, ..header }
    }

    /// The header of a gap before the event of this sequence number.
    pub(crate) fn gap(next: u64, missed: u64) -> Header {
        let argument = u32::try_from(missed).unwrap_or(u32::MAX);
        Header { argument, ..Header::bare(Kind::Gap, next as u32) }
    }

    /// The header of a grant of so many bytes, at most [`MOST_CREDIT`]; 0 for a stream alone.
    pub(crate) fn credit(id: u32, bytes: u32) -> Header {
        Header { argument: bytes, ..Header::bare(Kind::Credit, id) }
    }

    /// The header of a share, of memory that holds so many bytes in each direction; 0 asks for it, or refuses it.
    pub(crate) fn share(bytes: u32) -> Header {
        Header { argument: bytes, ..Header::bare(Kind::Share, 0) }
    }

    /// Whether it is the last frame that its sender sends on the socket.
    pub(crate) fn is_last_on_its_socket(&self) -> bool {
        self.kind == Kind::Share && self.argument != 0
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.len.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = self.flags;
        bytes[8..12].copy_from_slice(&self.id.to_le_bytes());
        bytes[12..].copy_from_slice(&self.argument.to_le_bytes());
        bytes
    }

    /// The header in these bytes, if `sender` may send such a frame and its body is not over `max`.
    #[inline(always)]
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], sender: Sender, max: usize) -> Result<Header, Violation> {
        match Header::of_a_message(bytes, sender, max) {
            Some(header) => Ok(header),
            None => Header::of_any(bytes, sender, max),
        }
    }

    /// As [`of_any`](Header::of_any) where the header is that of a request, a response or a broadcast and breaks no rule, as
    /// most are. It is in line wherever frames are received, and costs a few comparisons of words.
    #[inline(always)]
    fn of_a_message(bytes: &[u8; HEADER_LEN], sender: Sender, max: usize) -> Option<Header> {
        // The word behind the length: kind, flags and the reserved field.
        const JSON_OR_BYTES: u32 = !((BYTES as u32) << 8);
        const OF_A_BROADCAST: u32 = JSON_OR_BYTES & !((ACK_WANTED as u32) << 8);
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (len, what, id, argument) = (word(0), word(4), word(8), word(12));
        let kind = match sender {
            Sender::Client if what & JSON_OR_BYTES == Kind::Request as u32 && id != 0 => Kind::Request,
            Sender::Client if what & OF_A_BROADCAST == Kind::Broadcast as u32 && argument == 0 => Kind::Broadcast,
            Sender::Listener if what & JSON_OR_BYTES == Kind::Response as u32 && argument == 0 && id != 0 => {
                Kind::Response
            }
            _ => return None,
        };
        let flags = (what >> 8) as u8;
        let has_its_id = id != 0 || flags & ACK_WANTED == 0;
        (len as usize <= max && has_its_id).then_some(Header { len, kind, flags, id, argument })
    }

    #[inline(always)]
    fn read(kind: Kind, bytes: &[u8; HEADER_LEN]) -> Header {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Header { len: word(0), kind, flags: bytes[5], id: word(8), argument: word(12) }
    }

    /// As [`decode`](Header::decode), for all kinds, and for what is wrong with them.
    #[inline(never)]
    fn of_any(bytes: &[u8; HEADER_LEN], sender: Sender, max: usize) -> Result<Header, Violation> {
        let kind = Kind::from_byte(bytes[4]).ok_or(Violation::Malformed("a frame is of an unknown kind"))?;
        let header = Header::read(kind, bytes);
        let complaint = if !kind.may_come_from(sender) {
            "a frame goes in the wrong direction"
        } else if header.flags & !kind.flags() != 0 {
            "a frame has a flag that its kind does not know"
        } else if header.flags & (BYTES | ATTACHED) == BYTES | ATTACHED {
            "a frame says of its body that it is bytes, and that it is JSON with bytes"
        } else if bytes[6..8] != [0, 0] {
            "the reserved field of a frame is not zero"
        } else if header.len > 0 && !kind.has_body() {
            "a frame has a body that its kind does not know"
        } else if header.argument != 0
            && kind != Kind::Request
            && !matches!(kind, Kind::Gap | Kind::Credit | Kind::Share)
        {
            "a frame has an argument that its kind does not know"
        } else if header.argument == 0 && kind == Kind::Gap {
            "a gap has no number"
        } else if header.argument > MOST_CREDIT && kind == Kind::Credit {
            "a credit is larger than any may be"
        } else if header.id == 0 && header.needs_id(sender) {
            "a frame has no message id"
        } else if header.len as usize > max && header.len as usize > header.most(max) {
            return Err(Violation::TooLarge { len: header.len as usize, max });
        } else {
            return Ok(header);
        };
        Err(Violation::Malformed(complaint))
    }

    /// How long the body may be where messages of at most `max` bytes are taken.
    #[cold]
    fn most(&self, max: usize) -> usize {
        match self.kind {
            Kind::Error => max.max(ERROR_ALWAYS),
            Kind::Event if self.flags & TOPIC != 0 => max.saturating_add(MOST_TOPIC),
            _ => max,
        }
    }

    fn needs_id(&self, sender: Sender) -> bool {
        match self.kind {
            Kind::Request | Kind::Response | Kind::Ack | Kind::Ask => true,
            Kind::Subscribe | Kind::Gap | Kind::Event | Kind::Data | Kind::End | Kind::Credit => true,
            Kind::Broadcast => self.flags & ACK_WANTED != 0,
            Kind::Cancel => sender == Sender::Client,
            Kind::Error | Kind::Ping | Kind::Pong | Kind::Goaway | Kind::Share => false,
        }
    }

    /// The kind of body that the frame carries.
    pub(crate) fn message_kind(&self) -> MessageKind {
        if self.flags & BYTES != 0 {
            MessageKind::Bytes
        } else if self.flags & ATTACHED != 0 {
            MessageKind::Attached
        } else {
            MessageKind::Json
        }
    }
}

/// A frame's body, where the reader has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// In the reader's buffer, until the next call.
    Buffered(&'a [u8]),
    /// In memory of its own.
    Owned(Vec<u8>),
}

impl Body<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Body::Buffered(bytes) => bytes,
            Body::Owned(bytes) => bytes,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Body::Buffered(bytes) => bytes.to_vec(),
            Body::Owned(bytes) => bytes,
        }
    }
}

/// What a reader has.
pub(crate) enum Next<'a> {
    Frame(Header, Body<'a>),
    /// No whole frame is here.
    NotYet,
    /// One is here that may not be taken now.
    NotNow,
}

/// Where the next bytes of a session are to be received.
pub(crate) enum Slot<'a> {
    /// Into this; then [`FrameReader::filled`] says how many came.
    Buffer(&'a mut [u8]),
    /// Behind what this vector holds, within its capacity: this many bytes at the most.
    Body(&'a mut Vec<u8>, usize),
}

/// Splits a session's bytes into frames without copying what fits its buffer.
///
/// The buffer is taken with the first receive, grows while receives fill it, and is given back by
/// [`rest`](FrameReader::rest) when the session goes idle.
#[derive(Debug)]
pub(crate) struct FrameReader {
    sender: Sender,
    max: usize,
    /// Whether the sender's hello lets it send bodies that are JSON with bytes.
    may_attach: bool,
    buffer: Vec<u8>,
    filled: Range<usize>,
    /// A body too large for the buffer: its header, and as much of it as has come.
    large: Option<(Header, Vec<u8>)>,
    /// Memory of an earlier large body, for the next one.
    spare: Vec<u8>,
}

impl FrameReader {
    /// A reader of frames that `sender` sends, with bodies of at most `max` bytes.
    pub(crate) fn new(sender: Sender, max: usize) -> FrameReader {
        FrameReader { sender, max, may_attach: true, buffer: Vec::new(), filled: 0..0, large: None, spare: Vec::new() }
    }

    /// Says whether the sender's hello has the feature bit of JSON with bytes: without it such a body is a violation.
    pub(crate) fn let_attach(&mut self, may_attach: bool) {
        self.may_attach = may_attach;
    }

    /// Whether bytes of an unfinished frame, or of frames not yet taken, are here.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.large.is_none()
    }

    /// What the next frame is, once its header is here.
    #[cfg(feature = "tokio")]
    pub(crate) fn next_kind(&self) -> Result<Option<Kind>, Violation> {
        match &self.large {
            Some((header, _)) => Ok(Some(header.kind)),
            None => Ok(self.header()?.map(|header| header.kind)),
        }
    }

    /// How much of a large body has not come yet.
    pub(crate) fn missing(&self) -> usize {
        self.large.as_ref().map_or(0, |(header, body)| header.len as usize - body.len())
    }

    /// Takes the memory of a large body back: the system need not make new memory for the next one.
    #[inline]
    pub(crate) fn recycle(&mut self, mut body: Vec<u8>) {
        if body.capacity() > self.spare.capacity() && body.capacity() <= MOST_SPARE {
            body.clear();
            self.spare = body;
        }
    }

    /// Gives the buffer back where nothing is in it.
    pub(crate) fn rest(&mut self) {
        self.spare = Vec::new();
        if self.filled.is_empty() {
            self.buffer = Vec::new();
            self.filled = 0..0;
        }
    }

    /// Where to receive next.
    pub(crate) fn slot(&mut self) -> Slot<'_> {
        if let Some((header, body)) = &mut self.large {
            let missing = header.len as usize - body.len();
            return Slot::Body(body, missing);
        }
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        if self.buffer.is_empty() {
            self.buffer.resize(FIRST_BUFFER, 0);
        } else if self.filled.end == self.buffer.len() {
            if self.filled.start > 0 {
                self.buffer.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.len();
            }
            if self.filled.len() * 2 > self.buffer.len() && self.buffer.len() < LARGEST_BUFFER {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        Slot::Buffer(&mut self.buffer[self.filled.end..])
    }

    /// Says that `count` bytes were received into the buffer's slot.
    pub(crate) fn filled(&mut self, count: usize) {
        self.filled.end += count;
        // A receive that filled all there was would have brought more: make room for the next.
        if self.filled == (0..self.buffer.len()) && self.buffer.len() < LARGEST_BUFFER {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// Takes in, by copying, bytes that were received elsewhere.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if let Some((header, body)) = &mut self.large {
            let (belongs, beyond) = bytes.split_at(bytes.len().min(header.len as usize - body.len()));
            body.extend_from_slice(belongs);
            bytes = beyond;
        }
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        let end = self.filled.end + bytes.len();
        if self.buffer.len() < end {
            self.buffer.resize(end.max(FIRST_BUFFER), 0);
        }
        self.buffer[self.filled.end..end].copy_from_slice(bytes);
        self.filled.end = end;
    }

    /// The next whole frame.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<(Header, Body<'_>)>, Violation> {
        if let Some((header, body)) = self.message_at_hand() {
            self.filled.start = body.end;
            return Ok(Some((header, Body::Buffered(&self.buffer[body]))));
        }
        match self.next_of_any(|_| true)? {
            Next::Frame(header, body) => Ok(Some((header, body))),
            Next::NotYet | Next::NotNow => Ok(None),
        }
    }

    /// The next whole frame, if by its header it `may` be taken now.
    #[inline(always)]
    pub(crate) fn next_if(&mut self, may: impl FnOnce(&Header) -> bool) -> Result<Next<'_>, Violation> {
        let Some((header, body)) = self.message_at_hand() else { return self.next_of_any(may) };
        if !may(&header) {
            return Ok(Next::NotNow);
        }
        self.filled.start = body.end;
        Ok(Next::Frame(header, Body::Buffered(&self.buffer[body])))
    }

    /// What is next, where it is a whole message in the buffer and breaks no rule: its header, and where its body lies.
    #[inline(always)]
    fn message_at_hand(&self) -> Option<(Header, Range<usize>)> {
        if self.large.is_some() {
            return None;
        }
        let bytes = self.buffer.get(self.filled.clone())?.first_chunk()?;
        let header = Header::of_a_message(bytes, self.sender, self.max)?;
        let start = self.filled.start + HEADER_LEN;
        let end = start + header.len as usize;
        (end <= self.filled.end).then_some((header, start..end))
    }

    /// As [`next_if`](FrameReader::next_if), for all frames.
    #[inline(never)]
    fn next_of_any(&mut self, may: impl FnOnce(&Header) -> bool) -> Result<Next<'_>, Violation> {
        if let Some((header, body)) = &mut self.large {
            if body.len() < header.len as usize {
                return Ok(Next::NotYet);
            }
            check_parts(header, body)?;
            if !may(header) {
                return Ok(Next::NotNow);
            }
            let (header, body) = (*header, std::mem::take(body));
            self.large = None;
            return Ok(Next::Frame(header, Body::Owned(body)));
        }
        let Some(header) = self.header()? else { return Ok(Next::NotYet) };
        let start = self.filled.start + HEADER_LEN;
        let end = start + header.len as usize;
        if end > self.filled.end {
            self.start_large()?;
            return Ok(Next::NotYet);
        }
        check_parts(&header, &self.buffer[start..end])?;
        if !may(&header) {
            return Ok(Next::NotNow);
        }
        self.filled.start = end;
        if header.is_last_on_its_socket() {
            // What else has come on the socket only woke this side.
            self.filled = 0..0;
        }
        Ok(Next::Frame(header, Body::Buffered(&self.buffer[start..end])))
    }

    #[inline(always)]
    fn header(&self) -> Result<Option<Header>, Violation> {
        match self.buffer[self.filled.clone()].first_chunk() {
            Some(bytes) => {
                let header = Header::decode(bytes, self.sender, self.max)?;
                if header.flags & ATTACHED != 0 && !self.may_attach {
                    return Err(Violation::Malformed("JSON with bytes comes from one whose hello does not know it"));
                }
                Ok(Some(header))
            }
            None => Ok(None),
        }
    }

    /// Where the frame that has begun is too large for the buffer, moves it to memory of its own.
    fn start_large(&mut self) -> Result<(), Violation> {
        let Some(header) = self.header()? else { return Ok(()) };
        let len = header.len as usize;
        if len <= BUFFERED_BODY || self.filled.len() >= HEADER_LEN + len {
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.spare);
        if body.capacity() < len || body.capacity() > len.saturating_mul(4) {
            body = Vec::new();
        }
        // A length that the limits allow may still be more than there is.
        body.try_reserve_exact(len).map_err(|_| Violation::TooLarge { len, max: self.max })?;
        body.extend_from_slice(&self.buffer[self.filled.start + HEADER_LEN..self.filled.end]);
        self.filled = 0..0;
        self.large = Some((header, body));
        Ok(())
    }
}

/// Whether the body of a frame that says so is JSON with bytes. Of an event that has a topic, who takes the topic off looks.
#[inline]
fn check_parts(header: &Header, body: &[u8]) -> Result<(), Violation> {
    let has_topic = header.kind == Kind::Event && header.flags & TOPIC != 0;
    if header.flags & ATTACHED != 0 && !has_topic { check_attached(body) } else { Ok(()) }
}

/// Whether this is JSON with bytes, as far as its lengths say.
pub(crate) fn check_attached(body: &[u8]) -> Result<(), Violation> {
    match attached::split(body) {
        Some(_) => Ok(()),
        None => Err(Violation::Malformed("a body of JSON with bytes is shorter than it says of its JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn request(id: u32, body: &[u8]) -> Vec<u8> {
        let message = Message::bytes(body);
        let mut bytes = Header::of(Kind::Request, id, &message).encode().to_vec();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Everything that a reader makes of a stream received in pieces of at most `piece` bytes, by the
    /// same calls as a driver makes them.
    fn read(stream: &[u8], piece: usize) -> Vec<(Header, Vec<u8>)> {
        let mut reader = FrameReader::new(Sender::Client, 1 << 20);
        let mut rest = stream;
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let count = match reader.slot() {
                Slot::Buffer(slot) => {
                    let count = slot.len().min(rest.len()).min(piece);
                    slot[..count].copy_from_slice(&rest[..count]);
                    reader.filled(count);
                    count
                }
                Slot::Body(body, missing) => {
                    let count = missing.min(rest.len()).min(piece);
                    body.extend_from_slice(&rest[..count]);
                    count
                }
            };
            assert!(count > 0, "the reader left no room");
            rest = &rest[count..];
            while let Some((header, body)) = reader.next().unwrap() {
                frames.push((header, body.into_vec()));
            }
        }
        assert!(reader.is_empty());
        frames
    }

    #[test]
    fn the_pieces_of_a_stream_do_not_matter() {
        let sizes = [0, 1, 64, BUFFERED_BODY - 1, BUFFERED_BODY, BUFFERED_BODY + 1, 300_000, 3, 70_000, 5];
        let bodies: Vec<Vec<u8>> =
            sizes.iter().map(|&size| (0..size).map(|at| (at * 7 + size) as u8).collect()).collect();
        let stream: Vec<u8> = bodies.iter().enumerate().flat_map(|(at, body)| request(at as u32 + 1, body)).collect();
        for piece in [1, 2, 15, 16, 17, 1000, 8191, 8192, 65_536, usize::MAX] {
            let frames = read(&stream, piece);
            assert_eq!(frames.len(), bodies.len(), "pieces of {piece}");
            for (at, (header, body)) in frames.iter().enumerate() {
                assert_eq!((header.id, body), (at as u32 + 1, &bodies[at]), "pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_was_received_elsewhere_can_be_fed_in() {
        let stream: Vec<u8> = [request(1, &[1; 100_000]), request(2, b"x")].concat();
        for split in [1, 16, 5000, 100_015, 100_016, 100_017] {
            let mut reader = FrameReader::new(Sender::Client, 1 << 20);
            let mut ids = Vec::new();
            for part in [&stream[..split], &stream[split..]] {
                reader.feed(part);
                while let Some((header, body)) = reader.next().unwrap() {
                    ids.push((header.id, body.into_vec().len()));
                }
            }
            assert_eq!(ids, [(1, 100_000), (2, 1)], "split at {split}");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_from_the_header_alone() {
        let mut reader = FrameReader::new(Sender::Client, 1000);
        reader.feed(&Header { len: 1001, ..Header::bare(Kind::Request, 1) }.encode());
        assert_eq!(reader.next().unwrap_err(), Violation::TooLarge { len: 1001, max: 1000 });
    }

    #[test]
    fn the_short_way_takes_a_header_as_the_long_way_does() {
        let mut taken = 0;
        for kind in 0..=25 {
            for flags in 0..=63 {
                for (reserved, len, id, argument) in
                    [(0, 0, 1, 0), (0, 9, 0, 0), (0, 9, 7, 5), (0, 11, 1, 0), (3, 9, 1, 0)]
                {
                    let mut bytes = [0; HEADER_LEN];
                    (bytes[0], bytes[4], bytes[5], bytes[7], bytes[8], bytes[12]) =
                        (len, kind, flags, reserved, id, argument);
                    for sender in [Sender::Client, Sender::Listener] {
                        if let Some(header) = Header::of_a_message(&bytes, sender, 10) {
                            assert_eq!(Header::of_any(&bytes, sender, 10), Ok(header), "{bytes:?}");
                            taken += 1;
                        }
                    }
                }
            }
        }
        // Of kinds 1 and 2, two flags each, and of kind 4 four, each as far as its other fields may be so.
        assert_eq!(taken, 2 * 2 + 2 + (2 * 2 + 2));
    }

    #[test]
    fn error_frames_are_taken_however_small_the_limit_up_to_a_size() {
        let header = |len| Header { len, ..Header::bare(Kind::Error, 1) }.encode();
        for (len, max, fits) in [(1024, 1, true), (1025, 1, false), (1025, 1025, true), (1026, 1025, false)] {
            assert_eq!(Header::decode(&header(len), Sender::Listener, max).is_ok(), fits, "{len} {max}");
        }
        let response = Header { len: 2, ..Header::bare(Kind::Response, 1) }.encode();
        assert!(Header::decode(&response, Sender::Listener, 1).is_err());
    }

    #[test]
    fn many_small_frames_make_the_buffer_grow_and_rest_gives_it_back() {
        let mut reader = FrameReader::new(Sender::Client, 1000);
        for _ in 0..10 {
            if let Slot::Buffer(slot) = reader.slot() {
                let frames = slot.len() / HEADER_LEN;
                for (at, chunk) in slot.chunks_exact_mut(HEADER_LEN).enumerate() {
                    chunk.copy_from_slice(&Header::bare(Kind::Ping, at as u32).encode());
                }
                reader.filled(frames * HEADER_LEN);
            }
            while reader.next().unwrap().is_some() {}
        }
        assert_eq!(reader.buffer.len(), LARGEST_BUFFER);
        reader.rest();
        assert_eq!(reader.buffer.capacity(), 0);
    }
}
