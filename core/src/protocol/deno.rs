//! The Deno wire: a flag byte, then the body up to the end of the stream, one message each way.

use super::Violation;
use crate::message::{Message, MessageKind};

/// Bit 0 of the flag: the body is bytes. The other bits mean nothing and are sent as zero.
const BYTES: u8 = 1;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The flag byte that goes before a body of this kind; `None` for JSON with bytes, which this wire does not have.
pub(crate) fn flag(kind: MessageKind) -> Option<u8> {
    match kind {
        MessageKind::Json => Some(0),
        MessageKind::Bytes => Some(BYTES),
        MessageKind::Attached => None,
    }
}

/// The message that `stream` is, flag and all, once it has ended.
///
/// Broken UTF-8 becomes U+FFFD and one leading byte-order mark is dropped, as the original does. A
/// JSON message without a body is `empty`, or a violation where none is given.
pub(crate) fn decode(mut stream: Vec<u8>, empty: Option<&[u8]>) -> Result<Message, Violation> {
    let Some(flag) = stream.first() else {
        return Err(Violation::Malformed("the stream ended without a byte"));
    };
    if flag & BYTES != 0 {
        stream.remove(0);
        return Ok(Message::from_parts(MessageKind::Bytes, stream));
    }
    let skip = if stream[1..].starts_with(BYTE_ORDER_MARK) { 1 + BYTE_ORDER_MARK.len() } else { 1 };
    stream.drain(..skip);
    if stream.is_empty() {
        let value = empty.ok_or(Violation::Malformed("a JSON message has no body"))?;
        return Ok(Message::from_parts(MessageKind::Json, value.to_vec()));
    }
    let text = match String::from_utf8(stream) {
        Ok(text) => text,
        Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
    };
    let message = Message::from_parts(MessageKind::Json, text.into_bytes());
    message.check().map_err(|_| Violation::Malformed("the body is not JSON"))?;
    Ok(message)
}
