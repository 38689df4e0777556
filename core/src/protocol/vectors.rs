//! Every golden vector of `tests/vectors`, through the decoders and back.

use serde_json::Value;

use super::Violation;
use super::deno;
use super::dialect::Dialect;
use super::frame::{ACK_WANTED, ATTACHED, BYTES, FrameReader, Header, Kind, Sender, Slot};
use super::hello::{HELLO_LEN, Hello, Role};
use super::text::{Line, TextReader, encode_reply};
use crate::message::{Message, MessageKind};

pub(crate) fn file(name: &str) -> Value {
    // Where the tests run, which may be another machine than that on which they were built.
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let path = format!("{package}/../tests/vectors/{name}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// The cases of one list, which is never empty: a test that reads nothing would prove nothing.
pub(crate) fn cases(file: &Value, list: &str) -> Vec<Value> {
    let cases = file[list].as_array().unwrap_or_else(|| panic!("no list {list}")).clone();
    assert!(!cases.is_empty(), "{list} is empty");
    cases
}

pub(crate) fn bytes(hex: &Value) -> Vec<u8> {
    match hex {
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        _ => {
            let digits: Vec<u8> = text(hex)
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
                .collect();
            digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
        }
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|value| value.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

fn max_message(case: &Value) -> usize {
    number(&case["max_message"]) as usize
}

fn canonical(case: &Value) -> Vec<u8> {
    bytes(case.get("canonical_hex").unwrap_or(&case["hex"]))
}

fn sender(case: &Value) -> Sender {
    match text(&case["sender"]) {
        "client" => Sender::Client,
        "listener" => Sender::Listener,
        other => panic!("no sender {other}"),
    }
}

fn kind(name: &str) -> Kind {
    match name {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "error" => Kind::Error,
        "broadcast" => Kind::Broadcast,
        "ack" => Kind::Ack,
        "cancel" => Kind::Cancel,
        "ping" => Kind::Ping,
        "ask" => Kind::Ask,
        "share" => Kind::Share,
        "pong" => Kind::Pong,
        "goaway" => Kind::Goaway,
        "subscribe" => Kind::Subscribe,
        "gap" => Kind::Gap,
        "event" => Kind::Event,
        "data" => Kind::Data,
        "end" => Kind::End,
        "credit" => Kind::Credit,
        other => panic!("no kind {other}"),
    }
}

fn message_kind(case: &Value) -> MessageKind {
    match text(&case["kind"]) {
        "json" => MessageKind::Json,
        "bytes" => MessageKind::Bytes,
        other => panic!("no kind of body {other}"),
    }
}

fn role(name: &str) -> Role {
    match name {
        "exclusive" => Role::Exclusive,
        "multiplexed" => Role::Multiplexed,
        "request" => Role::RequestListener,
        "broadcast" => Role::BroadcastListener,
        other => panic!("no role {other}"),
    }
}

fn decode_hello(bytes: &[u8; HELLO_LEN], sender: Sender) -> Result<Hello, Violation> {
    match sender {
        Sender::Client => Hello::decode_from_client(bytes),
        Sender::Listener => Hello::decode_from_listener(bytes),
    }
}

#[test]
fn every_hello_means_what_its_vector_says() {
    let file = file("hello");
    for case in cases(&file, "valid") {
        let bytes = bytes(&case["hex"]);
        let hello = decode_hello(bytes[..].try_into().unwrap(), sender(&case)).unwrap();
        let expected = Hello {
            role: role(text(&case["role"])),
            features: number(&case["features"]),
            max_message: number(&case["max_message"]),
        };
        assert_eq!(hello, expected, "{case}");
        assert_eq!(hello.encode()[..], canonical(&case), "{case}");
    }
    for case in cases(&file, "malformed") {
        let bytes = bytes(&case["hex"]);
        match <&[u8; HELLO_LEN]>::try_from(&bytes[..]) {
            Ok(bytes) => {
                let violation = decode_hello(bytes, sender(&case)).unwrap_err();
                assert_eq!(violation.kind().name(), text(&case["error"]), "{case}");
            }
            Err(_) => assert_eq!(case["at_end"], true, "{case}"),
        }
    }
}

type Frame = (Header, Vec<u8>);

/// What a reader makes of a stream received in these pieces, by the calls that the drivers make.
fn read_frames(reader: &mut FrameReader, pieces: &[&[u8]]) -> (Vec<Frame>, Option<Violation>) {
    let mut frames = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let count = match reader.slot() {
                Slot::Buffer(slot) => {
                    let count = slot.len().min(rest.len());
                    slot[..count].copy_from_slice(&rest[..count]);
                    reader.filled(count);
                    count
                }
                Slot::Body(body, missing) => {
                    let count = missing.min(rest.len());
                    body.extend_from_slice(&rest[..count]);
                    count
                }
            };
            rest = &rest[count..];
            loop {
                match reader.next() {
                    Ok(Some((header, body))) => frames.push((header, body.into_vec())),
                    Ok(None) => break,
                    Err(violation) => return (frames, Some(violation)),
                }
            }
        }
    }
    (frames, None)
}

/// Cuts a stream at every byte; the last cut leaves it whole.
fn every_split(stream: &[u8]) -> impl Iterator<Item = [&[u8]; 2]> {
    (0..=stream.len()).map(|at| [&stream[..at], &stream[at..]])
}

#[test]
fn every_frame_means_what_its_vector_says_however_it_is_cut() {
    let file = file("frames");
    for case in cases(&file, "valid") {
        let stream = bytes(&case["hex"]);
        let body = bytes(&case["body_hex"]);
        let header = Header {
            len: body.len() as u32,
            kind: kind(text(&case["kind"])),
            flags: number(&case["flags"]) as u8,
            id: number(&case["id"]),
            argument: number(&case["argument"]),
        };
        for pieces in every_split(&stream) {
            let mut reader = FrameReader::new(sender(&case), max_message(&case));
            let (frames, violation) = read_frames(&mut reader, &pieces);
            assert_eq!((frames.as_slice(), violation), (&[(header, body.clone())][..], None), "{case}");
            assert!(reader.is_empty(), "{case}");
        }
        assert_eq!([header.encode().to_vec(), body.clone()].concat(), canonical(&case), "{case}");
        if header.kind == Kind::Error {
            let error = crate::client::incoming::reply_error(header.id, &body).unwrap();
            if crate::ErrorKind::from_name(text(&case["code"])).is_some() {
                assert_eq!(error.kind().name(), text(&case["code"]), "{case}");
            } else {
                assert_eq!(error.kind(), crate::ErrorKind::Protocol, "{case}");
            }
            assert_eq!(error.message(), text(&case["message"]), "{case}");
        }
    }
    for case in cases(&file, "malformed") {
        let stream = bytes(&case["hex"]);
        for pieces in every_split(&stream) {
            let mut reader = FrameReader::new(sender(&case), max_message(&case));
            match read_frames(&mut reader, &pieces) {
                (frames, Some(violation)) => {
                    assert_eq!((frames.len(), violation.kind().name()), (0, text(&case["error"])), "{case}");
                }
                (frames, None) if case["at_end"] == true => {
                    assert!(frames.is_empty() && (!reader.is_empty() || stream.is_empty()), "{case}");
                }
                (frames, None) => {
                    // The header is fine: the fault is in an error's body.
                    assert_eq!((frames[0].0.kind, text(&case["error"])), (Kind::Error, "protocol"), "{case}");
                    let violation = crate::client::incoming::reply_error(frames[0].0.id, &frames[0].1).unwrap_err();
                    assert_eq!(violation.kind(), crate::ErrorKind::Protocol, "{case}");
                }
            }
        }
    }
}

/// Whether a frame is what an event of a session's vector tells of.
fn is_event(event: &Value, (header, body): &Frame) -> bool {
    let named = |kind| header.kind == kind && header.id == number(&event["id"]);
    let carries = || {
        (header.flags & BYTES != 0) == event["bytes"].as_bool().unwrap()
            && (header.flags & ATTACHED != 0) == (event["attached"] == true)
            && *body == bytes(&event["body_hex"])
    };
    match text(&event["event"]) {
        "request" => named(Kind::Request) && carries() && header.argument == number(&event["timeout_ms"]),
        "broadcast" => {
            named(Kind::Broadcast)
                && carries()
                && (header.flags & ACK_WANTED != 0) == event["ack_wanted"].as_bool().unwrap()
        }
        "refused" => named(Kind::Request) || named(Kind::Broadcast),
        other => named(kind(other)),
    }
}

#[test]
fn every_session_is_split_into_the_frames_of_its_vector_however_it_is_cut() {
    let file = file("native_sessions");
    for case in [cases(&file, "valid"), cases(&file, "malformed")].concat() {
        let stream = bytes(&case["hex"]);
        let events = case["events"].as_array().unwrap();
        let hello = stream.first_chunk::<HELLO_LEN>().map(Hello::decode_from_client);
        let hello = match hello {
            Some(Ok(hello)) => hello,
            Some(Err(violation)) => {
                assert_eq!((violation.kind().name(), events.len()), (text(&case["error"]), 0), "{case}");
                continue;
            }
            None => {
                assert_eq!((&case["at_end"], events.len()), (&Value::Bool(true), 0), "{case}");
                continue;
            }
        };
        assert_eq!(hello.role, role(text(&events[0]["role"])), "{case}");
        assert_eq!(hello.features, number(&events[0]["features"]), "{case}");
        assert_eq!(hello.max_message, number(&events[0]["max_message"]), "{case}");
        let events = &events[1..];
        for pieces in every_split(&stream[HELLO_LEN..]) {
            let mut reader = FrameReader::new(Sender::Client, max_message(&case));
            reader.let_attach(hello.knows_attachments());
            let (frames, violation) = read_frames(&mut reader, &pieces);
            for (event, frame) in events.iter().zip(&frames) {
                assert!(is_event(event, frame), "{event} is not {frame:?}: {case}");
            }
            match (case.get("error"), violation) {
                (None, violation) => assert_eq!((frames.len(), violation), (events.len(), None), "{case}"),
                (Some(error), Some(violation)) => {
                    assert_eq!((frames.len(), violation.kind().name()), (events.len(), text(error)), "{case}");
                }
                (Some(_), None) if case["at_end"] == true => {
                    assert!(frames.len() == events.len() && !reader.is_empty(), "{case}");
                }
                // The fault is not in a frame by itself: what must not follow the others.
                (Some(_), None) => {
                    assert!(
                        matches!(
                            frames[events.len()].0.kind,
                            Kind::Request | Kind::Subscribe | Kind::Ask | Kind::Share
                        ),
                        "{case}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_first_byte_leads_to_the_dialect_of_its_vector() {
    let file = file("dialect");
    let mut seen = 0;
    for case in [cases(&file, "valid"), cases(&file, "malformed")].concat() {
        let first = bytes(&case["hex"])[0];
        for (transport, plain_text) in [("unix", true), ("tcp", false)] {
            let expected = case.get(transport).and_then(Value::as_str).map(|name| match name {
                "native" => Dialect::Native,
                "deno" => Dialect::Deno,
                "text" => Dialect::Text,
                other => panic!("no dialect {other}"),
            });
            assert_eq!(Dialect::of(first, plain_text), expected, "{case}");
        }
        seen += 1;
    }
    assert_eq!(seen, 256);
}

#[test]
fn every_deno_message_means_what_its_vector_says() {
    let file = file("deno");
    let directions = |case: &Value| match text(&case["direction"]) {
        "request" => vec![None],
        "reply" => vec![Some(&b"null"[..])],
        "either" => vec![None, Some(&b"null"[..])],
        other => panic!("no direction {other}"),
    };
    for case in cases(&file, "valid") {
        let stream = bytes(&case["hex"]);
        assert!(stream.len() <= max_message(&case) + 1, "{case}");
        let expected = Message::from_parts(message_kind(&case), bytes(&case["body_hex"]));
        for empty in directions(&case) {
            let message = deno::decode(stream.clone(), empty).unwrap_or_else(|violation| panic!("{violation}: {case}"));
            assert_eq!(message, expected, "{case}");
            let again =
                [vec![deno::flag(message.kind()).expect("it came over this wire")], message.into_data()].concat();
            assert_eq!(again, canonical(&case), "{case}");
        }
    }
    for case in cases(&file, "malformed") {
        let stream = bytes(&case["hex"]);
        for empty in directions(&case) {
            match text(&case["error"]) {
                "too_large" => assert!(stream.len() > max_message(&case) + 1, "{case}"),
                "empty" | "no_reply" => assert!(stream.is_empty(), "{case}"),
                _ => assert!(deno::decode(stream.clone(), empty).is_err(), "{case}"),
            }
        }
    }
}

/// The lines of one connection whose bytes come in `pieces`, with a quiet while after some.
fn read_lines(pieces: &[(&[u8], bool)], max: usize) -> (Vec<(Line, &'static str)>, Option<Violation>) {
    let mut reader = TextReader::new(max);
    let mut lines = Vec::new();
    let mut run = || {
        for (at, (piece, quiet)) in pieces.iter().enumerate() {
            reader.feed(piece);
            while let Some(line) = reader.next_line()? {
                lines.push((line, "newline"));
            }
            if *quiet && reader.can_end() {
                lines.extend(reader.take_rest()?.map(|line| (line, "quiet")));
            }
            if at + 1 == pieces.len() {
                lines.extend(reader.take_rest()?.map(|line| (line, "end")));
            }
        }
        Ok(())
    };
    let result: Result<(), Violation> = run();
    (lines, result.err())
}

#[test]
fn every_text_connection_means_what_its_vector_says_however_it_is_cut() {
    let file = file("text");
    for case in [cases(&file, "valid"), cases(&file, "malformed")].concat() {
        let parts: Vec<Vec<u8>> = case["hex"].as_array().unwrap().iter().map(bytes).collect();
        let quiet: Vec<u32> =
            case.get("quiet_after").and_then(Value::as_array).map_or(vec![], |list| list.iter().map(number).collect());
        let expected: Vec<(String, &str)> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| (String::from_utf8(bytes(&message["text_hex"])).unwrap(), text(&message["ended_by"])))
            .collect();
        for (cut, part) in parts.iter().enumerate() {
            for split in every_split(part) {
                let mut pieces = Vec::new();
                for (at, part) in parts.iter().enumerate() {
                    let is_quiet = quiet.contains(&(at as u32));
                    if at == cut {
                        pieces.extend([(split[0], false), (split[1], is_quiet)]);
                    } else {
                        pieces.push((&part[..], is_quiet));
                    }
                }
                let (lines, violation) = read_lines(&pieces, max_message(&case));
                let lines: Vec<(String, &str)> = lines
                    .into_iter()
                    .map(|(line, ended_by)| {
                        assert_eq!(line.newline, ended_by == "newline", "{case}");
                        (line.text, ended_by)
                    })
                    .collect();
                assert_eq!(lines, expected, "{case}");
                let error = violation.map(|violation| violation.kind().name());
                assert_eq!(error, case.get("error").map(text), "{case}");
            }
        }
    }
    for case in cases(&file, "replies") {
        let reply = Message::from_parts(message_kind(&case), bytes(&case["body_hex"]));
        assert_eq!(encode_reply(&reply, case["newline"].as_bool().unwrap()), bytes(&case["hex"]), "{case}");
    }
}
