//! What holds of every stream and every message, tried with arbitrary ones.

use proptest::collection::vec;
use proptest::prelude::*;

use super::deno;
use super::frame::{FrameReader, HEADER_LEN, Header, Kind, MOST_TOPIC, Sender};
use super::hello::{HELLO_LEN, Hello};
use super::text::{TextReader, encode_reply};
use crate::fuzzing::{self, Frame, read};
use crate::message::{Message, MessageKind};

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..64),
        1 => (0usize..200_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    let bare = (any::<bool>(), 1u32..)
        .prop_map(|(ping, id)| (Header::bare(if ping { Kind::Ping } else { Kind::Cancel }, id), Vec::new()));
    let request = (body(), 1u32.., any::<u32>(), any::<bool>()).prop_map(|(body, id, argument, bytes)| {
        let kind = if bytes { MessageKind::Bytes } else { MessageKind::Json };
        let message = Message::from_parts(kind, body);
        (Header { argument, ..Header::of(Kind::Request, id, &message) }, message.into_data())
    });
    prop_oneof![1 => bare, 3 => request]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![json().prop_map(|value| Message::json(&value).unwrap()), body().prop_map(Message::bytes),]
}

proptest! {
    #[test]
    fn frames_come_out_of_a_stream_the_same_however_it_is_cut(
        frames in vec(frame(), 0..12),
        sizes in vec(prop_oneof![1usize..40, 1usize..70_000], 1..20),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|(header, body)| [&header.encode()[..], body].concat()).collect();
        prop_assert_eq!(read(Sender::Client, &stream, &sizes, 1 << 20), (frames.clone(), None));
        prop_assert_eq!(read(Sender::Client, &stream, &[usize::MAX], 1 << 20), (frames, None));
    }

    #[test]
    fn a_broken_stream_ends_in_the_same_place_however_it_is_cut(
        frames in vec(frame(), 0..4),
        garbage in vec(any::<u8>(), 0..64),
        sizes in vec(1usize..40, 1..20),
    ) {
        let mut stream: Vec<u8> = frames.iter().flat_map(|(header, body)| [&header.encode()[..], body].concat()).collect();
        stream.extend_from_slice(&garbage);
        prop_assert_eq!(read(Sender::Client, &stream, &sizes, 300_000), read(Sender::Client, &stream, &[usize::MAX], 300_000));
    }

    #[test]
    fn arbitrary_bytes_never_upset_a_decoder(stream in vec(any::<u8>(), 0..200), max in 0usize..100) {
        for sender in [Sender::Client, Sender::Listener] {
            let mut reader = FrameReader::new(sender, max);
            reader.feed(&stream);
            while let Ok(Some((header, body))) = reader.next() {
                prop_assert!(body.as_slice().len() <= max + MOST_TOPIC && body.as_slice().len() == header.len as usize);
            }
        }
        if let Some(hello) = stream.first_chunk::<HELLO_LEN>() {
            let _either_way = (Hello::decode_from_client(hello), Hello::decode_from_listener(hello));
        }
        for empty in [None, Some(&b"null"[..])] {
            if let Ok(message) = deno::decode(stream.clone(), empty) {
                prop_assert!(message.check().is_ok());
            }
        }
        let mut reader = TextReader::new(max);
        reader.feed(&stream);
        while let Ok(Some(line)) = reader.next_line() {
            prop_assert!(line.text.len() <= max && !line.text.contains('\n'));
        }
        let _either_way = (reader.can_end(), reader.take_rest());
        let _not_an_error_frame = crate::client::incoming::reply_error(1, &stream);
    }

    #[test]
    fn a_valid_header_survives_decoding_and_no_other_is_accepted(bytes in any::<[u8; HEADER_LEN]>()) {
        // Mostly zero bytes: arbitrary ones are nearly never a header.
        let sparse: [u8; HEADER_LEN] = std::array::from_fn(|at| if bytes[at] < 160 { bytes[at] % 3 } else { 0 });
        for sender in [Sender::Client, Sender::Listener] {
            if let Ok(header) = Header::decode(&sparse, sender, usize::MAX) {
                prop_assert_eq!(header.encode(), sparse);
            }
        }
    }

    #[test]
    fn a_message_goes_through_a_frame_and_the_deno_wire_unchanged(message in message()) {
        let stream = [vec![deno::flag(message.kind()).unwrap()], message.data().to_vec()].concat();
        prop_assert_eq!(deno::decode(stream, None).unwrap(), message.clone());
        let header = Header::of(Kind::Broadcast, 0, &message);
        let stream = [&header.encode()[..], message.data()].concat();
        let (frames, _) = read(Sender::Client, &stream, &[1000], usize::MAX);
        let (header, body) = frames.into_iter().next().unwrap();
        prop_assert_eq!(Message::from_parts(header.message_kind(), body), message);
    }

    #[test]
    fn a_text_goes_there_and_back_as_it_was(text in any::<String>()) {
        prop_assume!(!text.contains('\n') && !text.ends_with('\r'));
        let mut reader = TextReader::new(1 << 20);
        reader.feed(&[text.as_bytes(), b"\n"].concat());
        let line = reader.next_line().unwrap().unwrap();
        prop_assert_eq!((&line.text, line.newline), (&text, true));
        prop_assert_eq!(encode_reply(&Message::text(&line.text), false), text.as_bytes());
    }

    #[test]
    fn lines_come_out_of_a_text_the_same_however_it_is_cut(text in "[a-z\n\ré😀]{0,60}", sizes in vec(1usize..9, 1..9)) {
        let lines = |sizes: &[usize]| {
            let (mut reader, mut lines) = (TextReader::new(1 << 20), Vec::new());
            let (mut rest, mut sizes) = (text.as_bytes(), sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, beyond) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                reader.feed(piece);
                while let Some(line) = reader.next_line().unwrap() {
                    lines.push(line);
                }
                rest = beyond;
                // Asked between any two pieces, as the driver does.
                let _a_quiet_while_could_end_it = reader.can_end();
            }
            lines.extend(reader.take_rest().unwrap());
            lines
        };
        prop_assert_eq!(lines(&sizes), lines(&[usize::MAX]));
    }

    #[test]
    fn any_stream_gives_the_same_events_however_it_is_cut(
        start in prop_oneof![Just(vec![0xF5, b'S', b'I', b'P', 1, 1]), Just(vec![0]), Just(vec![1]), Just(vec![]), Just(b"a\r\n".to_vec())],
        parameters in any::<[u8; 2]>(),
        stream in vec(any::<u8>(), 0..120),
    ) {
        fuzzing::connection(&[&parameters[..], &start, &stream].concat());
    }

    #[test]
    fn any_lock_file_and_any_name_is_taken_as_what_it_is(content in vec(any::<u8>(), 0..200), name in any::<String>()) {
        fuzzing::attached(&content);
        fuzzing::lock_file(&content);
        #[cfg(feature = "tokio")]
        fuzzing::subscribe(&content);
        fuzzing::channel(&name);
    }
}
