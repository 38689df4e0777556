//! JSON text in and out: read leniently from the user, printed as one line, numbers and escapes
//! exactly as they came.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use simple_ipc::{Message, MessageKind};

use crate::report::{one_line, to_json};

/// JSON text without the white space between its tokens, so that it is one line.
///
/// Nothing else is touched: a number keeps its digits and a string its escapes. A string cannot
/// hold a raw line break, so what is valid JSON ends up on one line.
pub(crate) fn compact(json: &str) -> String {
    let mut line = Vec::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json.as_bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            continue;
        } else {
            in_string = byte == b'"';
        }
        line.push(byte);
    }
    String::from_utf8(line).expect("only whole ASCII characters were left out")
}

/// The JSON of a body that has some, as one line.
fn compact_body(message: &Message) -> String {
    let json = message.as_attached().map_or(message.data(), |(json, _)| json);
    compact(&String::from_utf8_lossy(json))
}

/// The bytes of a body that are no JSON, in base64.
fn base64_of(message: &Message) -> String {
    STANDARD.encode(message.as_attached().map_or(message.data(), |(_, bytes)| bytes))
}

/// What the user wrote as a message: JSON where it is JSON, else a string; and whether it was JSON.
pub(crate) fn message_from_text(text: &str) -> (Message, bool) {
    // Checked as it is written: without its white space `1 2` would be the number 12.
    let message = Message::json_text(text).and_then(|_| Message::json_text(compact(text)));
    match message {
        Ok(message) => (message, true),
        Err(_) => (Message::text(text), false),
    }
}

/// Whether text that is not JSON seems to have been meant as JSON, and not as text.
pub(crate) fn looks_broken(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[', '"']) || text.ends_with(['}', ']', '"'])
}

/// The remark that text which is not JSON goes as a string.
pub(crate) fn string_note(what: &str, text: &str) -> String {
    const SHOWN: usize = 40;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("{what} is not JSON and is sent as the string \"{}\"", one_line(&shown))
}

/// A message with the base64 of its bytes, as `--json` and a line of bytes show it.
#[derive(Serialize)]
pub(crate) struct Body {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    /// How many bytes there are beside JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

#[derive(Serialize)]
struct BareBytes {
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    bytes: String,
}

/// The name of a kind of body, in JSON and in a command's environment.
pub(crate) fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Json => "json",
        MessageKind::Attached => "attached",
        _ => "bytes",
    }
}

/// The record of a message's body.
pub(crate) fn body(message: &Message) -> Body {
    Body {
        kind: kind_name(message.kind()),
        body: json_of(message),
        bytes: (message.kind() != MessageKind::Json).then(|| base64_of(message)),
        size: message.as_attached().map(|(_, bytes)| bytes.len()),
    }
}

/// The JSON of a body that has some.
fn json_of(message: &Message) -> Option<Box<RawValue>> {
    let has_json = matches!(message.kind(), MessageKind::Json | MessageKind::Attached);
    has_json.then(|| RawValue::from_string(compact_body(message)).expect("a body is checked before it gets here"))
}

/// What a command reads of a message: JSON or bytes as they are, JSON with bytes as one line.
pub(crate) fn given(message: &Message) -> Cow<'_, [u8]> {
    match message.kind() {
        MessageKind::Attached => Cow::Owned(line(message).into_bytes()),
        _ => Cow::Borrowed(message.data()),
    }
}

/// The record of a body that nobody has checked: what is no JSON is shown as bytes.
pub(crate) fn body_as_it_is(message: &Message) -> Body {
    if message.kind() != MessageKind::Bytes && message.check().is_ok() {
        return body(message);
    }
    Body { kind: kind_name(message.kind()), body: None, bytes: Some(STANDARD.encode(message.data())), size: None }
}

/// An event's data, as `--json` shows it.
#[derive(Serialize)]
pub(crate) struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

/// The record of an event's data.
pub(crate) fn data(message: &Message) -> Data {
    let Body { body, bytes, .. } = body(message);
    Data { data: body, bytes }
}

/// A message's body as one line of JSON: the JSON itself, or an object with the bytes in base64, and the JSON beside them.
pub(crate) fn line(message: &Message) -> String {
    match message.kind() {
        MessageKind::Json => compact_body(message),
        _ => to_json(&BareBytes { body: json_of(message), bytes: base64_of(message) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_one_line_and_keeps_its_numbers_and_strings() {
        for (text, expected) in [
            ("null", "null"),
            (" { \"a b\" :\t[ 1.50 ,\r\n 12345678901234567890123 ] } ", "{\"a b\":[1.50,12345678901234567890123]}"),
            (r#"[ "\" \\" , "\\\" x" ]"#, r#"["\" \\","\\\" x"]"#),
            (r#"{ "z": 1, "a": 2, "a": -0.0e+10 }"#, r#"{"z":1,"a":2,"a":-0.0e+10}"#),
            ("\"é \u{2028}\"", "\"é \u{2028}\""),
            (r#" "\ud800 " "#, r#""\ud800 ""#),
        ] {
            assert_eq!(compact(text), expected);
        }
    }

    #[test]
    fn text_that_is_not_json_is_a_string() {
        assert_eq!(message_from_text("[1, 2]").0.data(), b"[1,2]");
        for text in ["response-bar", "", "{", "a b", "1 2"] {
            let (message, json) = message_from_text(text);
            assert!(!json);
            assert_eq!(message.as_text().unwrap(), text);
        }
    }

    #[test]
    fn text_that_was_meant_as_json_is_told_from_text() {
        for broken in ["{", "{a: 1}", "[1, 2", " \"x", "'x'}", "x\""] {
            assert!(looks_broken(broken), "{broken}");
        }
        for text in ["response-bar", "", "a b", "1 2", "it's [here] now"] {
            assert!(!looks_broken(text), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        assert_eq!(string_note("DATA", "a\nb"), "DATA is not JSON and is sent as the string \"a\\nb\"");
        assert!(string_note("DATA", &"x".repeat(41)).ends_with("x…\""));
    }

    #[test]
    fn a_body_that_nobody_has_checked_is_shown_whatever_it_is() {
        let shown = |message: &Message| to_json(&body_as_it_is(message));
        assert_eq!(shown(&Message::json_unchecked("{ \"a\": 1 }")), r#"{"kind":"json","body":{"a":1}}"#);
        assert_eq!(shown(&Message::json_unchecked("{")), r#"{"kind":"json","bytes":"ew=="}"#);
        assert_eq!(shown(&Message::bytes([0, 255])), r#"{"kind":"bytes","bytes":"AP8="}"#);
    }

    #[test]
    fn bytes_are_shown_in_base64() {
        assert_eq!(line(&Message::bytes([0, 255])), r#"{"bytes":"AP8="}"#);
        assert_eq!(to_json(&body(&Message::bytes([0, 255]))), r#"{"kind":"bytes","bytes":"AP8="}"#);
        assert_eq!(to_json(&body(&Message::null())), r#"{"kind":"json","body":null}"#);
        let attached = Message::attached_text("{ \"a\": 1 }", [0, 255]).unwrap();
        assert_eq!(line(&attached), r#"{"body":{"a":1},"bytes":"AP8="}"#);
        assert_eq!(to_json(&body(&attached)), r#"{"kind":"attached","body":{"a":1},"bytes":"AP8=","size":2}"#);
        assert_eq!(to_json(&data(&attached)), r#"{"data":{"a":1},"bytes":"AP8="}"#);
        assert_eq!(&*given(&attached), line(&attached).as_bytes());
        assert_eq!(&*given(&Message::bytes([1])), [1]);
    }
}
