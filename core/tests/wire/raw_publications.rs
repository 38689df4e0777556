//! Subscriptions, spoken by hand to real publishers.

mod limits;

use std::time::Duration;

use serde_json::{Value, json};
use simple_ipc::blocking::Listener;
use simple_ipc::{ErrorKind, Message, Mode, Options};

use crate::raw::{
    CANCEL, CREDIT, ERROR, EVENT, EXCLUSIVE, Frame, GAP, GOAWAY, MULTIPLEXED, PING, PONG, RESPONSE, Raw, SUBSCRIBE,
    bare, broadcast, frame, hello, request, subscribers_hello,
};
use crate::scratch::{Scratch, echo, eventually, place};

/// The id of every subscribe here.
const ID: u32 = 7;
/// An event's flags.
const BYTES: u8 = 0x01;
const TOPIC: u8 = 0x08;
const RETAINED: u8 = 0x10;

pub(crate) fn publisher(options: &Options) -> Listener {
    Listener::serve_publish(&place(), options).unwrap()
}

/// A session that subscribes, and what it is answered.
pub(crate) fn subscribe(listener: &Listener, body: &Value) -> (Raw, Value) {
    let mut raw = Raw::to(listener);
    raw.send(&[subscribers_hello(MULTIPLEXED), frame(SUBSCRIBE, 0, ID, 0, body.to_string().as_bytes())].concat());
    raw.receive(16);
    let answer = raw.frame();
    assert!(answer.is(RESPONSE, ID), "{answer:?}");
    (raw, serde_json::from_slice(&answer.body).unwrap())
}

/// An event's number, topic and body.
fn event(frame: &Frame) -> (u32, String, Vec<u8>) {
    assert_eq!((frame.kind, frame.argument), (EVENT, 0), "{frame:?}");
    if frame.flags & TOPIC == 0 {
        return (frame.id, String::new(), frame.body.clone());
    }
    let (topic, body) = frame.body[1..].split_at(frame.body[0].into());
    (frame.id, String::from_utf8(topic.to_vec()).unwrap(), body.to_vec())
}

fn grant(bytes: u32) -> Vec<u8> {
    frame(CREDIT, 0, ID, bytes, b"")
}

#[test]
fn a_subscriber_is_answered_and_gets_every_event_of_its_topics_from_then_on() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    assert_eq!(listener.publish("to nobody").unwrap(), 0);
    let (mut all, answer) = subscribe(&listener, &json!({}));
    assert_eq!((&answer["next"], &answer["queue"]), (&json!(2), &json!(4 << 20)));
    let epoch = answer["epoch"].as_str().unwrap();
    assert!(epoch.len() == 16 && epoch.bytes().all(|digit| digit.is_ascii_hexdigit()), "{epoch}");
    assert_eq!(answer.as_object().unwrap().len(), 3);
    let (mut some, answer) = subscribe(&listener, &json!({ "topics": ["a", ""], "queue": 1_u64 << 40 }));
    assert_eq!((&answer["next"], &answer["queue"], &answer["epoch"]), (&json!(2), &json!(4 << 20), &json!(epoch)));

    assert_eq!(listener.publish(1).unwrap(), 2);
    assert_eq!(listener.publish_to("a", "x").unwrap(), 2);
    assert_eq!(listener.publish_to("ab", "y").unwrap(), 1);
    assert_eq!(listener.publish_message("a", &Message::bytes([0, 255])).unwrap(), 2);
    let longest = "é".repeat(127) + "x";
    assert_eq!(listener.try_publish_message(&longest, &Message::bytes([])).unwrap(), Some(1));
    let expected = [
        (2, 0, "", b"1".to_vec()),
        (3, TOPIC, "a", b"\"x\"".to_vec()),
        (4, TOPIC, "ab", b"\"y\"".to_vec()),
        (5, TOPIC | BYTES, "a", vec![0, 255]),
        (6, TOPIC | BYTES, &longest, vec![]),
    ];
    for (raw, topics) in [(&mut all, None), (&mut some, Some(["", "a"]))] {
        for (number, flags, topic, body) in &expected {
            if topics.is_none_or(|topics| topics.contains(topic)) {
                let frame = raw.frame();
                assert_eq!(event(&frame), (*number, (*topic).to_owned(), body.clone()));
                assert_eq!(frame.flags, *flags);
            }
        }
    }
    let counters = listener.counters();
    assert_eq!((counters.subscribers, counters.published, counters.dropped, counters.too_slow), (2, 6, 0, 0));
    drop(some);
    eventually("one has left", || listener.counters().subscribers == 1);
    assert_eq!(listener.publish_to("a", 1).unwrap(), 1);
}

#[test]
fn requests_broadcasts_and_subscribers_go_beside_each_other_on_one_channel() {
    let scratch = Scratch::new();
    for mode in [Mode::Request, Mode::Broadcast] {
        let listener = scratch.listen(mode, &scratch.options().publish(true), echo);
        let (mut raw, _) = subscribe(&listener, &json!({}));
        scratch.assert_serves(&listener);
        assert_eq!(listener.publish("news").unwrap(), 1);
        assert_eq!(event(&raw.frame()).2, b"\"news\"");
        raw.send(&bare(PING, 9));
        assert!(raw.frame().is(PONG, 9));
    }
}

#[test]
fn who_cannot_subscribe_is_told_why_with_the_id_of_the_subscribe() {
    let scratch = Scratch::new();
    let plain = scratch.echo();
    let tcp = Listener::serve_publish(&simple_ipc::Channel::ip(0).unwrap(), &scratch.options()).unwrap();
    for (listener, body, code) in [
        (&plain, "{}", "wrong_mode"),
        (&tcp, r#"{"overflow":"block"}"#, "wrong_mode"),
        (&tcp, r#"{"topics":[]}"#, "invalid_body"),
        (&tcp, r#"{"after":1}"#, "invalid_body"),
        (&tcp, r#"{"queue":0}"#, "invalid_body"),
        (&tcp, r#"{"overflow":"drop_newest"}"#, "invalid_body"),
        (&tcp, "", "invalid_body"),
    ] {
        let mut raw = Raw::to(listener);
        raw.send(&[subscribers_hello(MULTIPLEXED), frame(SUBSCRIBE, 0, ID, 0, body.as_bytes())].concat());
        raw.receive(16);
        let answer = raw.frame();
        assert_eq!((answer.id, answer.code().as_str()), (ID, code), "{body}");
        assert_eq!(raw.receive_to_end(), b"");
    }
    assert_eq!((plain.counters().malformed, tcp.counters().malformed, tcp.counters().subscribers), (0, 0, 0));
    let error = plain.publish(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongMode);
    assert!(error.message().contains("`publish`"), "{error}");
    scratch.assert_serves(&plain);
}

#[test]
fn what_a_subscription_must_not_send_ends_it_with_protocol() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().publish(true));
    let subscribes = || frame(SUBSCRIBE, 0, ID, 0, b"{}");
    // Before it, or instead.
    for begins in [
        [subscribers_hello(EXCLUSIVE), subscribes()].concat(),
        [hello(MULTIPLEXED), subscribes()].concat(),
        [subscribers_hello(MULTIPLEXED), bare(PING, 1), subscribes()].concat(),
        [subscribers_hello(MULTIPLEXED), grant(1), subscribes()].concat(),
        [subscribers_hello(MULTIPLEXED), frame(SUBSCRIBE, 0, 0, 0, b"{}")].concat(),
    ] {
        let mut raw = Raw::to(&listener);
        raw.send_what_goes(&begins);
        raw.receive(16);
        let mut last = raw.frame();
        if last.kind == PONG {
            last = raw.frame();
        }
        assert_eq!((last.id, last.code().as_str()), (0, "protocol"));
        assert_eq!(raw.receive_to_end(), b"");
    }
    // After it.
    let violations = [
        bare(CANCEL, ID),
        request(8, "1"),
        broadcast(0, false, "1"),
        subscribes(),
        frame(CREDIT, 0, ID + 1, 5, b""),
        frame(CREDIT, 0, ID, 0, b""),
        frame(CREDIT, 0, ID, (1 << 31) + 1, b""),
        [grant(1 << 30), grant(1 << 30)].concat(),
    ];
    for (nth, violation) in violations.iter().enumerate() {
        let (mut raw, _) = subscribe(&listener, &json!({}));
        raw.send_what_goes(violation);
        let last = raw.frame();
        assert_eq!((last.id, last.code().as_str()), (0, "protocol"), "{violation:?}");
        assert_eq!(raw.receive_to_end(), b"");
        assert_eq!(listener.counters().malformed, nth as u64 + 6);
    }
    eventually("all have left", || listener.counters().subscribers == 0);
}

#[test]
fn a_publisher_takes_nothing_else_on_any_wire() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    let mut raw = Raw::to(&listener);
    raw.send(&[hello(EXCLUSIVE), request(3, "1")].concat());
    assert_eq!(raw.receive(16)[..9], *b"\xf5SIP\x01\x12\0\0\x1f");
    let answer = raw.frame();
    assert_eq!((answer.id, answer.code().as_str()), (3, "wrong_mode"));
    raw.send(&broadcast(4, true, "1"));
    let answer = raw.frame();
    assert_eq!((answer.id, answer.code().as_str()), (4, "wrong_mode"));
    // The Deno wire: flag and body up to the half-close.
    let mut raw = Raw::to(&listener);
    raw.send(&[0, b'1', b'2']);
    raw.half_close();
    assert_eq!(raw.receive_to_end(), b"");
    assert_eq!(listener.counters().malformed, 0);
    let mut raw = Raw::to(&listener);
    raw.send_what_goes(b"plain text\n");
    assert_eq!(raw.receive_to_end(), b"");
    eventually("it is counted", || listener.counters().malformed == 1);
    assert_eq!(listener.counters().messages, 0);
}

#[test]
fn what_was_retained_comes_first_and_marked_and_is_forgotten_by_an_empty_message() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().retain(true).max_waiting(300));
    for (topic, value) in [("a", 1), ("b", 2), ("a", 3), ("", 4), ("c", 5)] {
        listener.publish_to(topic, value).unwrap();
    }
    listener.publish_message("c", &Message::bytes([])).unwrap();
    let (mut raw, answer) = subscribe(&listener, &json!({}));
    assert_eq!(answer["next"], 7);
    for (number, topic, value) in [(2, "b", "2"), (3, "a", "3"), (4, "", "4")] {
        let frame = raw.frame();
        assert_eq!(event(&frame), (number, topic.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(frame.flags & RETAINED, RETAINED);
    }
    listener.publish_to("a", 6).unwrap();
    let frame = raw.frame();
    assert_eq!((event(&frame).0, frame.flags), (7, TOPIC));

    let (mut raw, _) = subscribe(&listener, &json!({ "topics": ["b"] }));
    assert_eq!(event(&raw.frame()).0, 2);

    let error = listener.publish_message("d", &Message::bytes([1; 300])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfResources);
    assert!(error.message().contains("max_waiting"), "{error}");
    assert_eq!(listener.counters().published, 7);
    listener.publish_to("b", "still").unwrap();
    assert_eq!(event(&raw.frame()).0, 8);
}

#[test]
fn who_resumes_is_told_exactly_how_many_events_it_missed() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().retain(true));
    for value in 1..=10 {
        listener.publish_to(["a", "b"][value % 2], value).unwrap();
    }
    let (_, answer) = subscribe(&listener, &json!({}));
    assert!(answer.get("missed").is_none());
    let epoch = &answer["epoch"];
    let resume = |after: u32, body: Value| {
        let mut body = body;
        body["epoch"] = epoch.clone();
        body["after"] = after.into();
        subscribe(&listener, &body)
    };
    // Retained are 9 (of b) and 10 (of a).
    for (after, missed, retained) in [(10, 0, vec![]), (9, 0, vec![10]), (8, 0, vec![9, 10]), (5, 3, vec![9, 10])] {
        let (mut raw, answer) = resume(after, json!({}));
        assert_eq!((&answer["missed"], &answer["next"]), (&json!(missed), &json!(11)), "after {after}");
        for number in retained {
            let frame = raw.frame();
            assert_eq!((event(&frame).0, frame.flags & RETAINED), (number, RETAINED));
        }
    }
    // Of other topics nothing is kept by which it could be told.
    assert!(resume(5, json!({ "topics": ["a"] })).1.get("missed").is_none());
    let (_, answer) = subscribe(&listener, &json!({ "epoch": "0123456789abcdef", "after": 3 }));
    assert!(answer.get("missed").is_none());
}

#[test]
fn a_closing_publisher_sends_what_waits_and_then_goodbye_with_the_id_of_the_subscribe() {
    for tcp in [false, true] {
        let scratch = Scratch::new();
        let options = scratch.options().grace(Duration::from_secs(3600));
        let channel = if tcp { simple_ipc::Channel::ip(0).unwrap() } else { place() };
        let listener = Listener::serve_publish(&channel, &options).unwrap();
        let (mut raw, _) = subscribe(&listener, &json!({}));
        // More than the first window: the rest needs credit, which is taken though the listener closes.
        let body = vec![5; 100_000];
        for _ in 0..8 {
            assert_eq!(listener.publish_message("", &Message::bytes(&*body)).unwrap(), 1);
        }
        let listener = std::sync::Arc::new(listener);
        let closing = {
            let listener = std::sync::Arc::clone(&listener);
            std::thread::spawn(move || listener.close().unwrap())
        };
        for number in 1..=8 {
            assert_eq!(event(&raw.frame()), (number, String::new(), body.clone()));
            // After the last one it may be gone.
            raw.send_what_goes(&grant(100_016));
        }
        assert!(raw.frame().is(GOAWAY, ID));
        assert_eq!(listener.publish(1).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(raw.receive_to_end(), b"");
        drop(raw);
        closing.join().unwrap();
    }
}

#[test]
fn who_subscribes_to_a_closing_listener_is_told_that_it_was_not_taken() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().grace(Duration::from_secs(3600)));
    let (mut holds_it, _) = subscribe(&listener, &json!({}));
    listener.publish_message("", &Message::bytes(vec![0; 300_000])).unwrap();
    listener.publish_message("", &Message::bytes(vec![0; 300_000])).unwrap();
    let mut late = Raw::to(&listener);
    late.send(&subscribers_hello(MULTIPLEXED));
    late.receive(16);
    listener.close_begin().unwrap();
    assert!(late.frame().is(GOAWAY, 0));
    assert_eq!(late.receive_to_end(), b"");
    assert_eq!(event(&holds_it.frame()).0, 1);
    holds_it.send(&grant(600_032));
    assert_eq!(event(&holds_it.frame()).0, 2);
    assert!(holds_it.frame().is(GOAWAY, ID));
}

#[test]
fn a_subscribe_in_pieces_is_one_and_a_client_that_leaves_within_it_is_counted() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    let bytes = [subscribers_hello(MULTIPLEXED), frame(SUBSCRIBE, 0, ID, 0, b"{ }")].concat();
    let mut raw = Raw::to(&listener);
    for byte in &bytes {
        raw.send(&[*byte]);
    }
    assert_eq!(raw.receive(32)[20], RESPONSE);
    for cut in [17, 20, 31, 34] {
        let before = listener.counters().incomplete;
        let mut raw = Raw::to(&listener);
        raw.send(&bytes[..cut]);
        drop(raw);
        eventually("it is counted", || listener.counters().incomplete == before + 1);
    }
    assert_eq!(listener.counters().subscribers, 1);
}
