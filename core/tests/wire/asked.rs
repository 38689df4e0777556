//! What a client makes of a listener that is asked about itself, and a listener of a client that asks too much.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use simple_ipc::blocking::{inspect, post_request, tap};
use simple_ipc::{Error, ErrorKind, ListenerState, Message, Mode, Result};

use crate::fake::Fake;
use crate::raw::{ERROR, REQUEST, REQUEST_LISTENER, RESPONSE, Raw, bare, frame, hello};
use crate::scratch::{Scratch, build, next};

/// The kind of the frame that asks.
const ASK: u8 = 23;

/// The hello of one that knows how to be asked, and to ask.
fn asking_hello(role: u8) -> Vec<u8> {
    let mut hello = hello(role);
    hello[8] = 4;
    hello
}

/// What becomes of a question that is answered so.
fn answered(answer: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Result<ListenerState> {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, move |_, mut raw: Raw| {
        raw.receive(16);
        raw.send(&asking_hello(REQUEST_LISTENER));
        let asked = raw.frame();
        assert_eq!((asked.kind, asked.flags, asked.argument, asked.body.len()), (ASK, 0, 0, 0));
        raw.send(&answer(asked.id));
        raw.receive_to_end();
    });
    inspect(&build(), &scratch.options())
}

#[test]
fn a_listener_whose_hello_does_not_know_it_is_asked_nothing() {
    let scratch = Scratch::new();
    let (told, tells) = channel();
    let told = Mutex::new(told);
    let _fake = Fake::native(&scratch, move |_, mut raw: Raw| {
        let mut theirs = hello(REQUEST_LISTENER);
        // All features but this one, those of the future as well.
        theirs[8..12].copy_from_slice(&(!4u32).to_le_bytes());
        raw.receive(16);
        raw.send(&theirs);
        let first = raw.frame();
        told.lock().unwrap().send((first.kind, first.id)).unwrap();
        raw.send(&frame(RESPONSE, 0, first.id, 0, b"1"));
        raw.receive_to_end();
    });
    // The stand-in claims to know memory that both share, and answers no question for it.
    let options = scratch.options().shared_memory(0);
    let error: Error = inspect(&build(), &options).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::UnsupportedVersion, false), "{error}");
    // The session is as good as before for what that listener does know.
    assert_eq!(post_request(&build(), &Message::null(), &options).unwrap().data(), b"1");
    assert_eq!(next(&tells), (REQUEST, 1));
}

#[test]
fn a_listener_that_takes_one_who_would_look_on_for_a_subscriber_is_left() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw: Raw| {
        raw.receive(16);
        let mut theirs = hello(0x12);
        theirs[8] = 3;
        raw.send(&theirs);
        assert!(raw.frame().is(16, 1));
        raw.send(&frame(RESPONSE, 0, 1, 0, br#"{"epoch":"0123456789abcdef","next":1,"queue":1}"#));
        raw.send(&frame(18, 0, 1, 0, b"1"));
        raw.receive_to_end();
    });
    let error = tap(&build(), &scratch.options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion, "{error}");
}

#[test]
fn a_note_that_makes_no_sense_is_named_and_what_is_new_in_one_is_not() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw: Raw| {
        raw.receive(16);
        raw.send(&asking_hello_of_a_publisher());
        let asked = raw.frame();
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!((&body["of"], &body["overflow"]), (&"messages".into(), &"drop_oldest".into()));
        raw.send(&frame(RESPONSE, 0, 1, 0, br#"{"epoch":"0123456789abcdef","next":1,"queue":1}"#));
        for (nth, topic) in
            ["", "[]", "{", r#"{"call":"x"}"#, r#"{"what":"later","call":7,"later":[]}"#].iter().enumerate()
        {
            let body = [&[topic.len() as u8], topic.as_bytes(), b"1"].concat();
            raw.send(&frame(18, 8, nth as u32 + 1, 0, &body));
        }
        raw.receive_to_end();
    });
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    for _ in 0..4 {
        assert_eq!(tap.next().unwrap().unwrap_err().kind(), ErrorKind::Protocol);
    }
    let passed = tap.next().unwrap().unwrap();
    assert_eq!((passed.what.as_str(), passed.call, passed.pid), ("later", 7, None));
}

fn asking_hello_of_a_publisher() -> Vec<u8> {
    let mut hello = hello(0x12);
    hello[8] = 5;
    hello
}

#[test]
fn an_original_is_not_even_connected_to() {
    let scratch = Scratch::new();
    let fake = Fake::original(&scratch, |_, _| ());
    let error = inspect(&build(), &scratch.options()).unwrap_err();
    assert_eq!((error.kind(), fake.connections()), (ErrorKind::UnsupportedVersion, 0), "{error}");
}

#[test]
fn members_that_are_new_or_missing_are_no_fault() {
    let body = br#"{"version":"9.9","mode":"later","counters":{"messages":5,"later":{}},"later":[]}"#;
    let state = answered(|id| frame(RESPONSE, 0, id, 0, body)).unwrap();
    assert_eq!((state.version.as_str(), state.mode.as_str(), state.counters.messages), ("9.9", "later", 5));
    assert_eq!((state.pid, state.limits.max_message), (0, 0));
}

#[test]
fn an_answer_that_makes_no_sense_is_named() {
    for body in [&b""[..], b"{", b"7", b"[]", br#"{"counters":7}"#, br#"{"pid":"x"}"#, b"\xff"] {
        let error = answered(|id| frame(RESPONSE, 0, id, 0, body)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}: {body:?}");
    }
    let refused = br#"{"code":"too_large","message":"too large"}"#;
    let error = answered(|id| frame(ERROR, 0, id, 0, refused)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

#[test]
fn one_that_takes_no_answer_of_this_size_is_told_so() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    let mut raw = Raw::to(&listener);
    let mut small = asking_hello(1);
    small[12..].copy_from_slice(&100u32.to_le_bytes());
    raw.send(&[small, bare(ASK, 7)].concat());
    raw.receive(16);
    let refused = raw.frame();
    assert_eq!((refused.id, refused.code().as_str()), (7, "too_large"));
    scratch.assert_serves(&listener);
}

#[test]
fn a_subscription_asks_nothing() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Broadcast, &scratch.options().publish(true), |_, _| ());
    let mut raw = Raw::to(&listener);
    let mut theirs = hello(2);
    theirs[8] = 5;
    raw.send(&[theirs, frame(16, 0, 1, 0, b"{}"), bare(ASK, 2)].concat());
    raw.receive(16);
    assert!(raw.frame().is(RESPONSE, 1));
    raw.expect_dismissal("protocol");
}
