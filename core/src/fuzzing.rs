//! What holds of every input of the parsers. The fuzz targets (`fuzz/`, `--cfg fuzzing`) and the property
//! tests call the same functions; each panics where something does not hold.

mod stream;
mod subscription;

use std::path::Path;

use crate::channel::{Address, Channel, MAX_NAME_LEN, PathStyle};
use crate::error::ErrorKind;
use crate::message::attached::split;
use crate::message::{Attached, Message, MessageKind};
use crate::os::lock_info::parse_content;
use crate::protocol::dialect::Dialect;
use crate::protocol::frame::{ERROR_ALWAYS, FrameReader, Header, Kind, MOST_TOPIC, Sender, Slot, TOPIC};
use crate::protocol::hello::{HELLO_LEN, Hello};
use crate::protocol::text::TextReader;
use crate::protocol::{Violation, deno};

pub use self::stream::stream;
#[cfg(test)]
pub(crate) use self::stream::{Streamed, hear_stream};
pub use self::subscription::subscription;
#[cfg(test)]
pub(crate) use self::subscription::{Heard, hear, went_on};

pub(crate) type Frame = (Header, Vec<u8>);

/// Reads `stream` in pieces of these sizes, over and over, partly fed in and partly received.
pub(crate) fn read(sender: Sender, stream: &[u8], sizes: &[usize], max: usize) -> (Vec<Frame>, Option<Violation>) {
    let mut reader = FrameReader::new(sender, max);
    let (mut rest, mut frames) = (stream, Vec::new());
    for (turn, size) in sizes.iter().cycle().enumerate() {
        if rest.is_empty() {
            break;
        }
        let wanted = (*size).min(rest.len());
        let count = if turn % 7 == 3 {
            reader.feed(&rest[..wanted]);
            wanted
        } else {
            match reader.slot() {
                Slot::Buffer(slot) => {
                    let count = slot.len().min(wanted);
                    slot[..count].copy_from_slice(&rest[..count]);
                    reader.filled(count);
                    count
                }
                Slot::Body(body, missing) => {
                    let count = missing.min(wanted);
                    body.extend_from_slice(&rest[..count]);
                    count
                }
            }
        };
        assert!(count > 0, "the reader left no room");
        rest = &rest[count..];
        loop {
            match reader.next() {
                Ok(Some((header, body))) => {
                    let is_last = header.is_last_on_its_socket();
                    frames.push((header, body.into_vec()));
                    // What follows on the socket only wakes, and belongs to no frame.
                    if is_last {
                        return (frames, None);
                    }
                }
                Ok(None) => break,
                Err(violation) => return (frames, Some(violation)),
            }
        }
        reader.rest();
    }
    (frames, None)
}

/// A native session: who sent it, the largest body, how it is cut, then a hello and frames.
pub fn session(data: &[u8]) {
    let [who, max, cut, stream @ ..] = data else { return };
    let (sender, max) = (if who & 1 == 0 { Sender::Client } else { Sender::Listener }, usize::from(*max) * 16);
    let Some((first, frames)) = stream.split_first_chunk::<HELLO_LEN>() else { return };
    let hello = match sender {
        Sender::Client => Hello::decode_from_client(first),
        Sender::Listener => Hello::decode_from_listener(first),
    };
    if let Ok(hello) = hello {
        assert_eq!(hello.encode(), *first, "a hello is not what it was decoded from");
    }
    let whole = read(sender, frames, &[usize::MAX], max);
    for sizes in [[1, 1], [usize::from(*cut) + 1, 3]] {
        assert_eq!(read(sender, frames, &sizes, max), whole, "cut into {sizes:?}");
    }
    for (header, body) in &whole.0 {
        assert_eq!(header.len as usize, body.len());
        let most = match header.kind {
            Kind::Error => max.max(ERROR_ALWAYS),
            Kind::Event => max + MOST_TOPIC,
            _ => max,
        };
        assert!(body.len() <= most);
        let says_where_its_topic_ends = header.kind == Kind::Event && header.flags & TOPIC != 0;
        if header.message_kind() == MessageKind::Attached && !says_where_its_topic_ends {
            assert!(split(body).is_some());
        }
        assert_eq!(Header::decode(&header.encode(), sender, max).as_ref(), Ok(header));
    }
}

/// A connection of any dialect: options and how it is cut, then the stream.
pub fn connection(data: &[u8]) {
    let [flags, cut, stream @ ..] = data else { return };
    let Some(first) = stream.first() else { return };
    let plain_text = flags & 1 != 0;
    match Dialect::of(*first, plain_text) {
        Some(Dialect::Native) => session(&[&[0, flags >> 1, *cut], stream].concat()),
        Some(Dialect::Deno) => deno_message(stream),
        Some(Dialect::Text) => {
            assert!(plain_text);
            text(&[&[flags >> 1, *cut], stream].concat());
        }
        None => assert!(!matches!(first, 0x00 | 0x01 | 0xF5)),
    }
}

fn deno_message(stream: &[u8]) {
    let Ok(message) = deno::decode(stream.to_vec(), None) else { return };
    assert_eq!(message.kind() == MessageKind::Bytes, stream[0] & 1 != 0);
    assert!(message.check().is_ok());
    let again = [&[deno::flag(message.kind()).expect("it came over this wire")], message.data()].concat();
    let again = deno::decode(again, None).expect("what was decoded is not what it says");
    assert_eq!((again.kind(), again.data()), (message.kind(), message.data()));
}

/// A body of JSON with bytes, as it came over the wire.
pub fn attached(body: &[u8]) {
    let message = Message::shared(MessageKind::Attached, body.to_vec());
    let decoded = message.decode::<Attached>();
    let Some((json, data)) = message.as_attached() else {
        assert!(message.check().is_err() && decoded.is_err());
        return;
    };
    assert!(json.len() + data.len() + 4 <= body.len() && body.ends_with(data));
    assert!(message.check().is_ok() || decoded.is_err());
    if let Ok(decoded) = decoded {
        assert_eq!(decoded.data, data);
        let again = Message::json(&decoded).expect("what was JSON becomes JSON");
        assert_eq!(again.as_attached().expect("it was just made").1, data);
        assert_eq!(again.decode::<Attached>().expect("it was just made"), decoded);
    }
}

/// Plain text: the largest message, how it is cut, then the stream.
pub fn text(data: &[u8]) {
    let [max, cut, stream @ ..] = data else { return };
    let max = usize::from(*max);
    let whole = lines(stream, stream.len().max(1), max);
    for size in [1, usize::from(*cut) + 1] {
        assert_eq!(lines(stream, size, max), whole, "cut into pieces of {size}");
    }
    assert!(whole.0.iter().all(|(text, _)| text.len() <= max && !text.contains('\n')));
}

type Lines = (Vec<(String, bool)>, Option<ErrorKind>);

fn lines(stream: &[u8], size: usize, max: usize) -> Lines {
    let mut reader = TextReader::new(max);
    let mut lines = Vec::new();
    for piece in stream.chunks(size) {
        reader.feed(piece);
        loop {
            match reader.next_line() {
                Ok(Some(line)) => lines.push((line.text, line.newline)),
                Ok(None) => break,
                Err(violation) => return (lines, Some(violation.kind())),
            }
        }
        reader.can_end();
    }
    match reader.take_rest() {
        Ok(rest) => lines.extend(rest.map(|line| (line.text, line.newline))),
        Err(violation) => return (lines, Some(violation.kind())),
    }
    (lines, None)
}

/// The body of a subscribe frame.
#[cfg(feature = "tokio")]
pub fn subscribe(body: &[u8]) {
    crate::server::check_any_subscribe(body);
}

/// The content of a lock file.
pub fn lock_file(content: &[u8]) {
    let Some(info) = parse_content(content) else { return };
    assert!(info.pid > 0);
    let again = serde_json::to_vec(&info).expect("strings and numbers always become JSON");
    assert_eq!(parse_content(&again), Some(info));
}

/// A channel as a user writes it.
pub fn channel(name: &str) {
    if let Ok(channel) = Channel::uds(name) {
        assert_eq!(channel.name(), Some(name));
        assert!(!name.is_empty() && name.len() <= MAX_NAME_LEN);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        let styles = [PathStyle::V0_0_1, PathStyle::V0_0_3, PathStyle::V0_0_5, PathStyle::V0_0_14];
        for style in styles {
            let Ok(Address::Unix(path)) = channel.address(Some(Path::new("/d")), style) else {
                panic!("a good name has no address")
            };
            assert_eq!(path.parent(), Some(Path::new("/d")));
        }
    }
    let Ok(channel) = name.parse::<Channel>() else { return };
    let again = channel.to_string().parse::<Channel>().expect("a channel does not read what it writes");
    assert_eq!(again, channel);
}
