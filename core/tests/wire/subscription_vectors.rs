//! The golden vectors of what a subscriber sends, played to a real publisher.

use std::time::Duration;

use serde_json::Value;
use simple_ipc::blocking::Listener;

use crate::golden::{bytes, cases, number, text};
use crate::raw::{ACK, ERROR, PONG, RESPONSE, Raw};
use crate::scratch::{Scratch, eventually, place};

fn play(case: &Value, piece: usize) {
    let scratch = Scratch::new();
    let options =
        scratch.options().max_message(number(&case["max_message"]) as usize).patience(Duration::from_secs(60));
    let publisher = Listener::serve_publish(&place(), &options).unwrap();
    let mut raw = Raw::to(&publisher);
    for piece in bytes(&case["hex"]).chunks(piece) {
        raw.send_what_goes(piece);
    }
    assert_eq!(raw.receive(16)[..9], *b"\xf5SIP\x01\x12\0\0\x1f", "{case}");
    let mut expected = Vec::new();
    let mut refused = false;
    for event in case["events"].as_array().unwrap() {
        match text(&event["event"]) {
            "subscribe" => expected.push((RESPONSE, number(&event["id"]), String::new())),
            "ping" => expected.push((PONG, number(&event["id"]), String::new())),
            "ack" => expected.push((ACK, number(&event["id"]), String::new())),
            "refused" => {
                refused = true;
                expected.push((ERROR, number(&event["id"]), text(&event["error"]).to_owned()));
            }
            _ => {}
        }
    }
    for (kind, id, code) in expected {
        let frame = raw.frame();
        assert_eq!((frame.kind, frame.id), (kind, id), "{frame:?} {case}");
        if kind == ERROR {
            assert_eq!(frame.code(), code, "{case}");
        }
    }
    match case.get("error") {
        Some(error) => {
            raw.expect_dismissal(text(error));
            eventually("malformed", || publisher.counters().malformed == 1);
        }
        None => {
            if !refused {
                raw.half_close();
            }
            assert_eq!(raw.receive_to_end(), b"", "{case}");
            eventually("closed", || publisher.counters().open == 0);
            assert_eq!(publisher.counters().malformed, 0, "{case}");
        }
    }
    assert_eq!(publisher.counters().subscribers, 0);
}

#[test]
fn every_session_of_a_subscriber_goes_as_its_vector_says_however_it_is_cut() {
    let mut played = 0;
    for case in cases("subscriptions", &["valid", "malformed"]) {
        if case["sender"] == "client" {
            for piece in [usize::MAX, 1, 16, 17] {
                play(&case, piece);
            }
            played += 1;
        }
    }
    assert!(played > 30, "{played}");
}
