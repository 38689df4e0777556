//! `docs/values.md` says what each kind of value becomes; this holds its column for Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use serde::Serialize;
use simple_ipc::{Channel, Error, ErrorKind, Message, MessageKind, Mode, Responder, Wire, blocking};

use crate::support::Scratch;

#[derive(Serialize)]
enum Color {
    DarkBlue,
}

#[derive(Serialize)]
struct Item {
    name: &'static str,
    count: u32,
}

/// What a value of each kind becomes, alone; `None` for what Rust has no value of.
fn sent(kind: &str) -> Option<Result<Message, Error>> {
    Some(match kind {
        "nothing: `None`, `null`, `()`" => Message::json(&()),
        "truth" => Message::json(&true),
        "text" => Message::json("a\u{1}"),
        "whole number" => Message::json(&-7),
        "whole number beyond 2^53 (JavaScript: `BigInt`)" => Message::json(&9_007_199_254_740_993_u64),
        "number with a fraction" => Message::json(&0.1),
        "floating-point number without a fraction" => Message::json(&1.0),
        "negative zero" => Message::json(&-0.0),
        "NaN" => Message::json(&f64::NAN),
        "infinity" => Message::json(&f32::INFINITY),
        "list" => Message::json(&(1, [(); 0])),
        "object, dictionary" => Message::json(&serde_json::json!({ "a": 1, "b": {} })),
        "keys that are numbers" => Message::json(&BTreeMap::from([(1, 2)])),
        "tuple" => Message::json(&(1, 2)),
        "set" => Message::json(&BTreeSet::from([1])),
        "bytes alone" => Message::json(serde_bytes::Bytes::new(b"\0\xff")),
        "bytes inside JSON" => Message::json(&[serde_bytes::Bytes::new(b"\0\xff")]),
        "array of numbers of one type" => Message::json(&vec![1_u8, 2]),
        "enum" => Message::json(&Color::DarkBlue),
        "object of a class or struct with members" => Message::json(&Item { name: "a", count: 2 }),
        _ => return None,
    })
}

#[test]
fn each_kind_of_value_becomes_what_the_table_of_values_says() {
    let page = include_str!("../../../docs/values.md");
    let (table, _) = page.split_once("<!-- table -->").unwrap().1.split_once("<!-- end -->").unwrap();
    let mut rows =
        table.trim().lines().map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    let column = rows.next().unwrap().iter().position(|title| *title == "Rust").unwrap();
    let mut checked = 0;
    for row in rows.skip(1) {
        let (kind, cell) = (row[0], row[column]);
        match (sent(kind), cell) {
            (None, "–") => {}
            (Some(Err(error)), "refused") => assert_eq!(error.kind(), ErrorKind::InvalidJson, "{kind}"),
            (Some(Ok(message)), "kept bytes") => assert_eq!(message.kind(), MessageKind::Bytes, "{kind}"),
            (Some(Ok(message)), _) => {
                let json = cell.split_once('`').unwrap().1.trim_end_matches('`');
                assert_eq!(std::str::from_utf8(message.data()).unwrap(), json, "{kind}");
            }
            (sent, _) => panic!("{kind}: the page says {cell:?}, and this came of it: {sent:?}"),
        }
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

/// Memory that says when it is freed.
struct Foreign(Vec<u8>, mpsc::Sender<()>);

impl AsRef<[u8]> for Foreign {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _nobody_listens_any_more = self.1.send(());
    }
}

#[test]
fn memory_of_others_is_sent_and_answered_as_it_is_and_freed_when_the_answer_is_out() {
    let scratch = Scratch::new();
    for wire in [Wire::Native, Wire::Deno] {
        let options = scratch.options().wire(wire);
        let (freed, when) = mpsc::channel();
        let (posted, expected) = (freed.clone(), vec![7; 1 << 20]);
        let answer = expected.clone();
        let handler = move |message: &Message, responder: Responder| {
            assert_eq!(message.data(), answer);
            let memory = Foreign(answer.clone(), freed.clone());
            responder.respond(&Message::shared(MessageKind::Bytes, memory)).unwrap();
        };
        let channel = Channel::uds("foreign").unwrap();
        let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
        let message = Message::shared(MessageKind::Bytes, Foreign(expected.clone(), posted));
        let reply: Message = blocking::post_request(&channel, &message, &options).unwrap();
        assert_eq!(reply.data(), expected);
        drop(message);
        for _ in ["the message", "the answer"] {
            when.recv().unwrap();
        }
        listener.close().unwrap();
    }
}
