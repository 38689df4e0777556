//! The golden vectors of whole connections, played to real listeners and clients.

use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;
use simple_ipc::blocking::Listener;
use simple_ipc::{Message, MessageKind, Mode, Options, Responder};

use crate::golden::{bytes, cases, number, text};
use crate::raw::{ACK, ERROR, Frame, HANGS, PONG, RESPONSE, Raw, SHARE};
use crate::scratch::{Scratch, eventually, next};

/// What a handler got: what it is to answer with, too.
type Got = (Message, Option<Responder>);

/// A listener whose handler hands over everything that it gets, in order, and answers nothing itself.
fn listen(scratch: &Scratch, case: &Value, options: &Options) -> (Listener, Receiver<Got>) {
    let mode = match case.get("listener").map(text) {
        Some("broadcast") => Mode::Broadcast,
        _ => Mode::Request,
    };
    let (sender, receiver) = channel();
    let listener = scratch.listen(mode, options, move |message, responder| {
        let responder = (responder.mode() == Mode::Request).then_some(responder);
        let _the_test_is_over = sender.send((message.clone(), responder));
    });
    (listener, receiver)
}

fn message(of: &Value) -> Message {
    let body = bytes(&of["body_hex"]);
    if of["bytes"] == true || of["kind"] == "bytes" {
        Message::bytes(body)
    } else if of["attached"] == true {
        Message::shared(MessageKind::Attached, body)
    } else {
        Message::json_text(String::from_utf8(body).unwrap()).unwrap()
    }
}

/// Plays a session in pieces of at most `piece` bytes and checks everything that comes of it.
fn play_session(scratch: &Scratch, case: &Value, options: &Options, piece: usize) {
    let (listener, got) = listen(scratch, case, &options.clone().max_message(number(&case["max_message"]) as usize));
    let mut raw = Raw::to(&listener);
    let events = case["events"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let requests = named("request");
    let mut responders: Vec<(u32, Option<Responder>)> = Vec::new();
    let mut begun = Vec::new();
    let answered = case.get("answered").and_then(Value::as_array).cloned().unwrap_or_default();
    for (at, part) in case["hex"].as_array().unwrap().iter().enumerate() {
        for answer in answered.iter().filter(|answer| number(&answer["before_part"]) as usize == at) {
            let id = number(&answer["id"]);
            // A cancelled or refused request has its frame already, or gets it without its handler.
            let ends_it = |event: &&Value| event["in_flight"] == true || event["event"] == "refused";
            if events.iter().filter(ends_it).any(|event| event["id"] == id) {
                continue;
            }
            while !responders.iter().any(|(of, responder)| *of == id && responder.is_some()) {
                let (message, responder) = next(&got);
                responders.push((number(&requests[begun.len()]["id"]), responder));
                begun.push(message);
            }
            let waiting = responders.iter_mut().find(|(of, responder)| *of == id && responder.is_some()).unwrap();
            waiting.1.take().unwrap().respond(&Message::null()).unwrap();
            // Read before more is sent: this request is no longer in flight.
        }
        for piece in bytes(part).chunks(piece) {
            raw.send_what_goes(piece);
        }
    }
    let cut = case["at_end"] == true;
    let mut expected: Vec<(u8, u32, String)> = Vec::new();
    for event in events {
        let id = || number(&event["id"]);
        match text(&event["event"]) {
            "ack" => expected.push((ACK, id(), String::new())),
            "broadcast" if event["ack_wanted"] == true => expected.push((ACK, id(), String::new())),
            "ping" => expected.push((PONG, id(), String::new())),
            "ask" => expected.push((RESPONSE, id(), String::new())),
            "share" => expected.push((SHARE, id(), String::new())),
            "cancel" if event["in_flight"] == true => expected.push((ERROR, id(), "cancelled".into())),
            "refused" => expected.push((ERROR, id(), text(&event["error"]).into())),
            _ => {}
        }
    }
    for answer in &answered {
        let id = number(&answer["id"]);
        if !expected.iter().any(|(kind, of, _)| (*kind, *of) == (ERROR, id)) {
            expected.push((RESPONSE, id, String::new()));
        }
    }
    if !events.is_empty() || (case.get("error").is_some() && !cut) {
        let role = if listener.mode() == Mode::Request { 0x11 } else { 0x12 };
        let max = number(&case["max_message"]).to_le_bytes();
        assert_eq!(raw.receive(16), [b"\xf5SIP\x01", &[role][..], &[0; 2], &[31, 0, 0, 0], &max].concat(), "{case}");
    }
    let is_error =
        |frame: &Frame| (frame.kind, frame.id, if frame.kind == ERROR { frame.code() } else { String::new() });
    let mut came: Vec<_> = (0..expected.len()).map(|_| is_error(&raw.frame())).collect();
    came.sort();
    expected.sort();
    assert_eq!(came, expected, "{case}");
    // Everything that is due has been read: what ends the session, or nothing more.
    match case.get("error").filter(|_| !cut) {
        Some(error) => {
            assert_eq!(case["answer_id"], 0, "{case}");
            raw.expect_dismissal(text(error));
            eventually("malformed", || listener.counters().malformed == 1);
        }
        None => {
            raw.half_close();
            assert_eq!(raw.receive_to_end(), b"", "{case}");
            eventually("closed", || listener.counters().open == 0);
            assert_eq!(listener.counters().malformed, 0, "{case}");
            assert_eq!(listener.counters().incomplete, u64::from(cut), "{case}");
        }
    }
    let handed: Vec<Message> =
        events.iter().filter(|event| matches!(text(&event["event"]), "request" | "broadcast")).map(message).collect();
    while begun.len() < handed.len() {
        begun.push(next(&got).0);
    }
    assert_eq!(begun, handed, "{case}");
    assert!(got.try_recv().is_err(), "more was handed over: {case}");
}

/// A raw handler has its bodies checked; vectors of listeners that do not check are for decoders.
fn is_checked_or_json(case: &Value) -> bool {
    case["check_json"] == true
        || case["events"].as_array().unwrap().iter().all(|event| {
            event["bytes"] != false
                || event["attached"] == true
                || serde_json::from_slice::<Value>(&bytes(&event["body_hex"])).is_ok()
        })
}

#[test]
fn every_native_session_goes_as_its_vector_says_however_it_is_cut() {
    let scratch = Scratch::new();
    let mut played = 0;
    for case in cases("native_sessions", &["valid", "malformed"]) {
        if !is_checked_or_json(&case) {
            continue;
        }
        // One worker, so that handlers begin in the order of the frames.
        let options = scratch.options().threads(1).shared_memory(0);
        for piece in [usize::MAX, 1, 5, 15, 16, 17] {
            play_session(&scratch, &case, &options, piece);
        }
        // A session of its own thread, where there is one request at a time.
        let exclusive = case["events"].as_array().unwrap().first().is_some_and(|event| event["role"] == "exclusive");
        if exclusive {
            for piece in [usize::MAX, 1, 16] {
                play_session(&scratch, &case, &scratch.options().shared_memory(0), piece);
            }
        }
        played += 1;
    }
    assert!(played > 40, "only {played} sessions were played");
}

#[test]
fn every_deno_message_is_taken_as_its_vector_says_however_it_is_cut() {
    let scratch = Scratch::new();
    for case in cases("deno", &["valid", "malformed"]) {
        if case["direction"] == "reply" {
            continue;
        }
        let options = scratch.options().max_message(number(&case["max_message"]) as usize);
        let (listener, got) = listen(&scratch, &case, &options);
        let stream = bytes(&case["hex"]);
        let mut sent = 0;
        for cut in 0..=stream.len() {
            let mut raw = Raw::to(&listener);
            raw.send_what_goes(&stream[..cut]);
            raw.send_what_goes(&stream[cut..]);
            if case["error"] != "too_large" {
                raw.half_close();
            }
            sent += 1;
            match case.get("error").map(text) {
                None => {
                    let (message, responder) = next(&got);
                    let kind = if message.kind() == MessageKind::Bytes { "bytes" } else { "json" };
                    assert_eq!((kind, message.data()), (text(&case["kind"]), &bytes(&case["body_hex"])[..]), "{case}");
                    responder.unwrap().respond(&Message::null()).unwrap();
                    assert_eq!(raw.receive_to_end(), b"\0null", "{case}");
                    assert_eq!(listener.counters().malformed, 0);
                }
                Some(error) => {
                    assert_eq!(raw.receive_to_end(), b"", "{case}");
                    let counters = listener.counters();
                    let expected = if error == "empty" { (0, sent) } else { (sent, 0) };
                    assert_eq!((counters.malformed, counters.incomplete), expected, "{case}");
                }
            }
        }
        assert!(got.try_recv().is_err(), "more was handed over: {case}");
    }
}

#[test]
fn every_text_connection_goes_as_its_vector_says() {
    let scratch = Scratch::new();
    for case in cases("text", &["valid", "malformed"]) {
        let options = scratch.options().max_message(number(&case["max_message"]) as usize);
        let (listener, got) = listen(&scratch, &case, &options);
        let quiet: Vec<u32> =
            case.get("quiet_after").and_then(Value::as_array).map_or(vec![], |list| list.iter().map(number).collect());
        let parts = case["hex"].as_array().unwrap();
        let mut raw = Raw::to(&listener);
        let mut expected = Vec::new();
        let mut answer_next = |message: &Value| {
            let (got, responder) = got.recv_timeout(HANGS).unwrap_or_else(|_| panic!("nothing came: {case}"));
            assert_eq!(got.as_text().unwrap().as_bytes(), bytes(&message["text_hex"]), "{case}");
            responder.unwrap().respond(&Message::text("ok")).unwrap();
            expected.extend_from_slice(if message["ended_by"] == "newline" { b"ok\n" } else { b"ok" });
        };
        let mut messages = case["messages"].as_array().unwrap().iter();
        let (mut stretch, mut pending) = (Vec::new(), Vec::new());
        for (at, part) in parts.iter().enumerate() {
            stretch.extend(bytes(part));
            if at + 1 < parts.len() && !quiet.contains(&(at as u32)) {
                continue;
            }
            // In one write: a pause of the machine between two would be a quiet while.
            raw.send_what_goes(&stretch);
            if quiet.contains(&(at as u32)) {
                let lines = stretch.iter().filter(|byte| **byte == b'\n').count();
                messages.by_ref().take(lines).for_each(&mut answer_next);
                if lines > 0 {
                    pending.clear();
                }
                pending.extend_from_slice(stretch.rsplit(|byte| *byte == b'\n').next().unwrap());
                if std::str::from_utf8(&pending).is_ok_and(|pending| !pending.is_empty()) {
                    pending.clear();
                    match messages.next() {
                        Some(message) => answer_next(message),
                        None => assert!(case.get("error").is_some(), "the quiet ends no message: {case}"),
                    }
                }
                // The quiet itself is what is tested: also where it must end nothing.
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            stretch.clear();
        }
        if case.get("error").is_none() || case["error"] == "protocol" {
            raw.half_close();
        }
        messages.for_each(&mut answer_next);
        let replies = raw.receive_to_end();
        assert_eq!(replies, expected, "{case}");
        assert_eq!(listener.counters().malformed, u64::from(case.get("error").is_some()), "{case}");
        assert!(got.try_recv().is_err(), "more was handed over: {case}");
    }
}

#[test]
fn every_text_reply_goes_out_as_its_vector_says() {
    let scratch = Scratch::new();
    for case in cases("text", &["replies"]) {
        let reply = message(&case);
        let listener = scratch.listen(Mode::Request, &scratch.options(), move |_, responder| {
            responder.respond(&reply).unwrap();
        });
        let mut raw = Raw::to(&listener);
        raw.send(if case["newline"] == true { b"x\n" } else { b"x" });
        raw.half_close();
        assert_eq!(raw.receive_to_end(), bytes(&case["hex"]), "{case}");
    }
}
