//! The golden vectors of streams, played to real callers and listeners.

use std::sync::mpsc::channel;

use serde_json::Value;
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Error, Message, MessageKind, Mode, Responder, blocking};

use crate::fake::Fake;
use crate::golden::{bytes, cases, number, text};
use crate::raw::{END, ERROR, RESPONSE, Raw};
use crate::scratch::{Scratch, build, eventually, next};

fn of(sender: &str) -> Vec<Value> {
    let cases: Vec<Value> =
        cases("streams", &["valid", "malformed"]).into_iter().filter(|case| case["sender"] == sender).collect();
    assert!(cases.len() > 20, "only {} sessions of a {sender}", cases.len());
    cases
}

/// The items of a stream, and how it ended.
fn take(stream: Result<ItemStream, Error>) -> (bool, Vec<Value>, Option<Error>) {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return (false, Vec::new(), Some(error)),
    };
    let mut items = Vec::new();
    loop {
        match stream.next(None) {
            Ok(Some(item)) => items.push(told(&item)),
            Ok(None) => return (true, items, None),
            Err(error) => return (true, items, Some(error)),
        }
    }
}

fn told(item: &Message) -> Value {
    let hex: String = item.data().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut told = serde_json::json!({"bytes": item.kind() == MessageKind::Bytes, "body_hex": hex});
    if item.kind() == MessageKind::Attached {
        told["attached"] = true.into();
    }
    told
}

#[test]
fn every_caller_has_of_a_listener_what_the_vector_says_however_it_is_cut() {
    for case in of("listener") {
        for piece in [usize::MAX, 1, 16] {
            let scratch = Scratch::new();
            let sent = bytes(&case["hex"]);
            let _fake = Fake::native(&scratch, move |_, mut raw| {
                raw.receive(16 + 16 + 1);
                for piece in sent.chunks(piece) {
                    raw.send_what_goes(piece);
                }
            });
            let options = scratch.options().max_message(number(&case["max_message"]) as usize);
            let opening = Message::json(&3).unwrap();
            let (accepted, items, error) = take(ItemStream::post(&build(), &opening, &options));
            assert_eq!((&items, accepted), (case["items"].as_array().unwrap(), case["accepted"] == true), "{case}");
            let cut = case["at_end"] == true;
            let ends = if cut { "connection_lost" } else { text(case.get("error").unwrap_or(&case["ends"])) };
            assert_eq!(error.as_ref().map_or("end", |error| error.kind().name()), ends, "{case}");
            if let (Some(error), Some(handled)) = (error, case.get("may_have_been_handled")) {
                assert_eq!(error.may_have_been_handled(), *handled == true, "{case}: {error}");
                assert_eq!(error.handler_code(), case["handler_code"].as_str(), "{case}");
            }
        }
    }
}

/// What a handler got: what it is to answer with, too.
type Got = (Message, Responder);

/// Answers what was taken last.
fn answer((message, responder): Got) {
    if responder.is_stream() {
        responder.stream().unwrap().end().unwrap();
    } else {
        responder.respond(&message).unwrap();
    }
}

#[test]
fn every_listener_has_of_a_caller_what_the_vector_says_however_it_is_cut() {
    for case in of("client") {
        for piece in [usize::MAX, 1, 16] {
            play(&case, piece);
        }
    }
}

fn play(case: &Value, piece: usize) {
    let scratch = Scratch::new();
    let options = scratch.options().max_message(number(&case["max_message"]) as usize);
    let (sender, got) = channel();
    let listener = scratch.listen(Mode::Request, &options, move |message, responder| {
        let _the_test_is_over = sender.send((message.clone(), responder));
    });
    let mut raw = Raw::to(&listener);
    for (at, part) in case["hex"].as_array().unwrap().iter().enumerate() {
        let answered = case["answered"].as_array().into_iter().flatten();
        for answered in answered.filter(|answered| number(&answered["before_part"]) as usize == at) {
            raw.receive(16);
            answer(next(&got));
            while !matches!(raw.frame(), frame if [RESPONSE, END].contains(&frame.kind) && frame.id == number(&answered["id"]))
            {
            }
        }
        for piece in bytes(part).chunks(piece) {
            raw.send_what_goes(piece);
        }
    }
    let cut = case["at_end"] == true;
    if let Some(error) = case.get("error").filter(|_| !cut) {
        if case["answered"].is_null() {
            raw.receive(16);
        }
        loop {
            let frame = raw.frame();
            if frame.kind == ERROR && frame.id == 0 {
                assert_eq!(frame.code(), text(error), "{case}");
                break;
            }
        }
        assert_eq!(raw.receive_to_end(), b"");
        eventually("malformed", || listener.counters().malformed == 1);
        return;
    }
    check_events(case, &got, listener.counters().malformed);
    raw.half_close();
    eventually("closed", || listener.counters().open == 0);
    assert_eq!(listener.counters().incomplete, u64::from(cut), "{case}");
}

/// The handlers that have not answered have what the last stream, or request, brought.
fn check_events(case: &Value, got: &std::sync::mpsc::Receiver<Got>, malformed: u64) {
    let events = case["events"].as_array().unwrap();
    let opens = |event: &&Value| event["event"] == "stream" || event["event"] == "request";
    let begun = events.iter().rposition(|event| opens(&event)).unwrap();
    let (message, responder) = next(got);
    assert_eq!(told(&message)["body_hex"], events[begun]["body_hex"], "{case}");
    assert_eq!(responder.is_stream(), events[begun]["event"] == "stream", "{case}");
    let items = responder.items();
    for event in events.iter().skip(begun).filter(|event| event["id"] == events[begun]["id"]) {
        match text(&event["event"]) {
            "data" => {
                let item = items.recv(None);
                if let Ok(item) = &item {
                    let item = told(item.as_ref().unwrap());
                    for member in ["body_hex", "bytes", "attached"] {
                        assert_eq!(item[member], event[member], "{case}");
                    }
                } else {
                    // A cancel gives up what was not taken.
                    assert!(events.iter().any(|event| event["event"] == "cancel"), "{case}");
                }
            }
            "end" => assert!(items.recv(None).unwrap().is_none(), "{case}"),
            "cancel" => eventually("cancelled", || items.is_cancelled()),
            _ => {}
        }
    }
    assert_eq!(malformed, 0, "{case}");
}

/// What a caller of this library does with a listener of the first version, byte by byte: it says in its hello that it has
/// no streams, and refuses the flag before its handler sees anything.
#[test]
fn a_listener_of_the_first_version_gets_no_stream_and_is_told_of_at_once() {
    let body = br#"{"code":"protocol","message":"a frame has a flag that its kind does not know"}"#;
    let hello = b"\xf5SIP\x01\x11\0\0\0\0\0\0\0\0\0\x04";
    let transcript = [&hello[..], &crate::raw::frame(ERROR, 0, 0, 0, body)].concat();
    for extra in [0u8, 1] {
        let scratch = Scratch::new();
        let mut transcript = transcript.clone();
        transcript[8] = extra;
        let fake = Fake::native(&scratch, move |_, mut raw| {
            raw.receive(16 + 16 + 1);
            raw.send_what_goes(&transcript);
        });
        let error = ItemStream::post(&build(), &Message::json(&3).unwrap(), &scratch.options()).err().unwrap();
        assert_eq!((error.kind().name(), error.may_have_been_handled()), ("unsupported_version", false));
        assert!(error.message().contains("has no streams"), "{error}");
        assert_eq!(fake.connections(), 1);
        let begun = ItemStream::begin(&build(), &Message::json(&3).unwrap(), &scratch.options());
        let error = begun.and_then(|stream| stream.next(None)).unwrap_err();
        assert_eq!(error.kind().name(), "unsupported_version");
    }
}

/// A session of the pool knows before it sends, and stays of use for what its listener knows.
#[test]
fn a_pooled_session_with_a_listener_of_the_first_version_sends_no_opening() {
    let scratch = Scratch::new();
    let fake = Fake::native(&scratch, move |_, mut raw| {
        raw.receive(16);
        raw.send(b"\xf5SIP\x01\x11\0\0\0\0\0\0\0\0\0\x04");
        for _ in 0..2 {
            let request = raw.frame();
            assert_eq!(request.flags, 0);
            raw.send(&crate::raw::frame(RESPONSE, 0, request.id, 0, b"7"));
        }
    });
    let ask = || blocking::post_uds_request_with::<u32>("build", "x", &scratch.options()).unwrap();
    assert_eq!(ask(), 7);
    let error = ItemStream::post(&build(), &Message::json(&3).unwrap(), &scratch.options()).err().unwrap();
    assert_eq!((error.kind().name(), error.may_have_been_handled()), ("unsupported_version", false));
    assert_eq!((ask(), fake.connections()), (7, 1));
}

/// Only a listener that has not taken the opening is given up for another one.
#[test]
fn an_opening_that_was_not_taken_goes_to_the_next_session() {
    for says_goodbye in [true, false] {
        let scratch = Scratch::new();
        let fake = Fake::native(&scratch, move |nth, mut raw| {
            if nth == 0 {
                if says_goodbye {
                    raw.receive(16 + 16 + 1);
                    raw.send(b"\xf5SIP\x01\x11\0\0\x03\0\0\0\0\0\0\x04");
                    raw.send(&crate::raw::bare(crate::raw::GOAWAY, 0));
                }
                return;
            }
            raw.receive(16 + 16 + 1);
            raw.send(b"\xf5SIP\x01\x11\0\0\x03\0\0\0\0\0\0\x04");
            raw.send(&crate::raw::frame(RESPONSE, 0, 1, 0, b"7"));
            raw.receive_to_end();
        });
        let stream = ItemStream::post(&build(), &Message::json(&3).unwrap(), &scratch.options()).unwrap();
        assert_eq!(stream.next(None).unwrap().unwrap().decode::<u32>().unwrap(), 7);
        assert!(stream.next(None).unwrap().is_none());
        assert_eq!(fake.connections(), 2);
    }
}
