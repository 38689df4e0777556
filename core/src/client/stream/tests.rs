use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::fuzzing::{Streamed, hear_stream};
use crate::message::{Message, MessageKind};
use crate::protocol::frame::{Header, Kind};
use crate::protocol::hello::{Hello, Role};
use crate::protocol::vectors::{bytes, cases, file, number, text};
use crate::session::credit::WINDOW;

fn told(item: &Message) -> Value {
    let hex: String = item.data().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut told = serde_json::json!({"bytes": item.kind() == MessageKind::Bytes, "body_hex": hex});
    if item.kind() == MessageKind::Attached {
        told["attached"] = true.into();
    }
    told
}

#[test]
fn every_session_of_a_listener_with_a_stream_means_what_its_vector_says_however_it_is_cut() {
    let file = file("streams");
    let mut played = 0;
    for case in [cases(&file, "valid"), cases(&file, "malformed")].concat() {
        if case["sender"] != "listener" {
            continue;
        }
        played += 1;
        let stream = bytes(&case["hex"]);
        let max = number(&case["max_message"]) as usize;
        for sizes in [vec![stream.len()], vec![1], vec![15, 1], vec![16], vec![7, 17, 3]] {
            for holds in [false, true] {
                check(&case, &hear_stream(max, &stream, &sizes, holds));
            }
        }
    }
    assert!(played > 30, "{played}");
}

fn check(case: &Value, heard: &Streamed) {
    let items: Vec<Value> = heard.items.iter().map(told).collect();
    assert_eq!((&items, heard.accepted), (case["items"].as_array().unwrap(), case["accepted"] == true), "{case}");
    // A client that is left in the middle of a frame says so.
    let cut = case["at_end"] == true;
    let ends = if cut { "connection_lost" } else { text(case.get("error").unwrap_or(&case["ends"])) };
    assert_eq!((heard.ends, heard.violation), (ends, case.get("error").is_some() && !cut), "{case}");
    let pongs = case.get("pongs").and_then(Value::as_array);
    assert_eq!(heard.pongs, pongs.map_or(Vec::new(), |pongs| pongs.iter().map(number).collect()), "{case}");
    if case.get("error").is_some() {
        return;
    }
    assert_eq!(heard.not_taken, case["ends"] == "closing", "{case}");
    if let Some(error) = &heard.error {
        assert_eq!(error.may_have_been_handled(), case["may_have_been_handled"] == true, "{case}");
        assert_eq!(error.handler_code(), case["handler_code"].as_str(), "{case}");
        let data = error.handler_data().map(|data| serde_json::from_str::<Value>(data).unwrap());
        assert_eq!(data.as_ref(), case.get("handler_data"), "{case}");
    }
}

fn greeting() -> Vec<u8> {
    Hello::new(Role::RequestListener, 1 << 20).encode().to_vec()
}

proptest! {
    #[test]
    fn no_listener_upsets_a_caller_and_pieces_do_not_matter(
        frames in vec((prop_oneof![Just(2u8), Just(3), Just(5), Just(7), Just(9), Just(18), Just(19), Just(20), Just(21)],
            0u8..2, 0u32..3, 0u32..3, vec(any::<u8>(), 0..20)), 0..12),
        tail in vec(any::<u8>(), 0..40),
        cut in 0u8..40,
    ) {
        let mut stream = vec![4, cut];
        stream.extend(greeting());
        for (kind, flags, id, argument, body) in frames {
            let carries = matches!(kind, 2 | 3 | 18 | 19);
            let body = if carries { body } else { Vec::new() };
            stream.extend_from_slice(&(body.len() as u32).to_le_bytes());
            stream.extend_from_slice(&[kind, if carries && kind != 3 { flags } else { 0 }, 0, 0]);
            stream.extend_from_slice(&id.to_le_bytes());
            stream.extend_from_slice(&(if kind == 21 { argument } else { 0 }).to_le_bytes());
            stream.extend_from_slice(&body);
        }
        stream.extend(tail);
        crate::fuzzing::stream(&stream);
    }
}

/// A listener that sends on without being granted anything is stopped at the window, whatever the sizes.
#[test]
fn one_who_takes_nothing_holds_a_window_and_an_item() {
    for size in [0, 1, 1000, 100_000] {
        let mut stream = greeting();
        let item = Message::bytes(vec![7; size]);
        let frame = [&Header::of(Kind::Data, 1, &item).encode()[..], item.data()].concat();
        let fit = (WINDOW as usize).div_ceil(frame.len());
        for _ in 0..fit {
            stream.extend_from_slice(&frame);
        }
        let heard = hear_stream(1 << 20, &stream, &[usize::MAX], true);
        assert_eq!((heard.items.len(), heard.ends), (fit, "connection_lost"));
        stream.extend_from_slice(&frame);
        let heard = hear_stream(1 << 20, &stream, &[usize::MAX], true);
        assert_eq!((heard.items.len(), heard.ends, heard.violation), (fit, "protocol", true));
        // To one who takes them, more may be sent: but not before it has read what is granted.
        assert!(hear_stream(1 << 20, &stream, &[usize::MAX], false).items.len() > fit);
    }
}
