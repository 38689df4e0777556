//! JSON with bytes, spoken by hand: with peers that do not know it, and with bodies that are none.

use std::sync::mpsc::channel;

use simple_ipc::blocking::{self, Client, Listener, post_broadcast, post_request};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Error, ErrorKind, Message, MessageKind, Mode, Options, Wire};

use crate::fake::Fake;
use crate::raw::{
    BROADCAST, DATA, ERROR, EVENT, EXCLUSIVE, MULTIPLEXED, REQUEST, REQUEST_LISTENER, RESPONSE, Raw, SUBSCRIBE, frame,
    hello, request,
};
use crate::scratch::{Scratch, build, next, place};

/// The flag of such a body.
const ATTACHED: u8 = 0x40;
/// All features but JSON with bytes, those of the future as well.
const ALL_OTHERS: u32 = !8;

fn hello_with(role: u8, features: u32) -> Vec<u8> {
    let mut hello = hello(role);
    hello[8..12].copy_from_slice(&features.to_le_bytes());
    hello
}

fn body() -> Message {
    Message::attached(&"name", [1, 2, 3]).unwrap()
}

/// A client of a listener with these features in its hello.
fn session(listener: &Listener, role: u8, features: u32) -> Raw {
    let mut raw = Raw::to(listener);
    raw.send(&hello_with(role, features));
    raw.receive(16);
    raw
}

/// Every way to send a message to the channel `build`: all that takes a body.
fn every_way(options: &Options) -> Vec<(&'static str, Error)> {
    let client = Client::connect(&build(), options).unwrap();
    let stream = blocking::post_stream(&build(), &Message::null(), options);
    let mut ways = vec![
        ("post a request", post_request(&build(), &body(), options).unwrap_err()),
        ("post a broadcast", post_broadcast(&build(), &body(), options).unwrap_err()),
        ("request", client.request_message(&body(), None).unwrap_err()),
        ("broadcast", client.broadcast_message(&body()).unwrap_err()),
    ];
    drop(client);
    if let Ok(stream) = stream {
        ways.push(("item", stream.send_message(&body()).unwrap_err()));
        stream.close();
        let opened = blocking::post_stream(&build(), &body(), options).and_then(|mut stream| stream.next().unwrap());
        ways.push(("stream", opened.unwrap_err()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&build(), options).await.unwrap();
        ways.push(("request of a task", client.request_message(&body(), None).await.unwrap_err()));
        ways.push(("broadcast of a task", client.broadcast_message(&body()).await.unwrap_err()));
    });
    let mut queue = Queue::new().unwrap();
    let (client, _) = queue.connect(&build(), options).unwrap();
    let mut completions = Vec::new();
    let started = [
        queue.request(client, body(), None),
        queue.post(&build(), Mode::Request, body(), options),
        queue.broadcast(client, body()).map(|ticket| ticket.expect("it is not on its way")),
    ];
    let mut due = 0;
    for start in started {
        match start {
            Ok(_) => due += 1,
            Err(error) => ways.push(("queue", error)),
        }
    }
    while due > 0 {
        queue.submit();
        queue.wait(None).unwrap();
        queue.process(&mut completions).unwrap();
        for done in completions.drain(..) {
            if let Err(error) = done.result {
                ways.push(("queue", error));
                due -= 1;
            }
        }
    }
    ways
}

#[test]
fn a_listener_whose_hello_does_not_know_it_is_sent_none() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw: Raw| {
        raw.receive(16);
        raw.send(&hello_with(REQUEST_LISTENER, ALL_OTHERS & !2));
        // Nothing of it comes: only the question behind the refusal.
        let asked = raw.frame();
        assert_eq!((asked.kind, asked.flags), (REQUEST, 0));
        raw.send(&frame(RESPONSE, 0, asked.id, 0, b"1"));
        raw.receive_to_end();
    });
    // The stand-in claims to know memory that both share, and answers no question for it.
    let options = scratch.options().shared_memory(0);
    let client = Client::connect(&build(), &options).unwrap();
    for _ in 0..2 {
        let error = client.request_message(&body(), None).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::UnsupportedVersion, false), "{error}");
        assert!(error.message().contains("does not know JSON with bytes; bring it up to date"), "{error}");
    }
    assert_eq!(client.request_message(&Message::null(), None).unwrap().data(), b"1");
    for (way, error) in every_way(&options) {
        let told = (error.kind(), error.may_have_been_handled());
        assert_eq!(told, (ErrorKind::UnsupportedVersion, false), "{way}: {error}");
    }
}

#[test]
fn an_original_is_not_even_connected_to_nor_the_deno_wire_used() {
    let scratch = Scratch::new();
    let fake = Fake::original(&scratch, |_, _| ());
    for (way, error) in every_way(&scratch.options()) {
        assert_eq!((error.kind(), fake.connections()), (ErrorKind::UnsupportedVersion, 0), "{way}: {error}");
        assert!(error.message().contains("the Deno wire"), "{way}: {error}");
    }
    let deno = scratch.options().wire(Wire::Deno);
    let error = post_request(&build(), &body(), &deno).unwrap_err();
    assert_eq!((error.kind(), fake.connections()), (ErrorKind::UnsupportedVersion, 0), "{error}");
}

#[test]
fn a_caller_that_does_not_know_it_is_told_so_instead_and_so_is_the_handler() {
    let scratch = Scratch::new();
    let (told, tells) = channel();
    let listener = scratch.listen(Mode::Request, &scratch.options(), move |_, responder| {
        let _the_test_is_over = told.send(responder.respond(&body()).unwrap_err());
    });
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = session(&listener, role, ALL_OTHERS);
        for id in 1..3 {
            raw.send(&request(id, "1"));
            let answer = raw.frame();
            assert!(answer.is(ERROR, id), "{answer:?}");
            let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(
                (&error["code"], &error["may_have_been_handled"]),
                (&"unsupported_version".into(), &true.into())
            );
            assert!(error["message"].as_str().unwrap().contains("bring the caller up to date"), "{error}");
            assert_eq!(next(&tells).kind(), ErrorKind::UnsupportedVersion);
        }
    }
    // The Deno wire says nothing at all, and plain text as little.
    for message in [&b"\0null"[..], b"null"] {
        let mut raw = Raw::to(&listener);
        raw.send(message);
        raw.half_close();
        assert_eq!(raw.receive_to_end(), b"");
        assert_eq!(next(&tells).kind(), ErrorKind::UnsupportedVersion);
    }
}

#[test]
fn a_stream_ends_whose_caller_does_not_know_an_item() {
    let scratch = Scratch::new();
    let (told, tells) = channel();
    let listener = scratch.listen(Mode::Request, &scratch.options(), move |_, responder| {
        let stream = responder.stream().unwrap();
        stream.send(&Message::null(), None).unwrap();
        let _the_test_is_over = told.send(stream.send(&body(), None).unwrap_err());
    });
    let mut raw = session(&listener, EXCLUSIVE, ALL_OTHERS);
    raw.send(&frame(REQUEST, 0x20, 1, 0, b"1"));
    let kinds: Vec<u8> = std::iter::repeat_with(|| raw.frame().kind).take_while(|kind| *kind != ERROR).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == DATA).count(), 1, "{kinds:?}");
    assert_eq!(next(&tells).kind(), ErrorKind::UnsupportedVersion);
}

#[test]
fn a_subscription_ends_whose_subscriber_does_not_know_an_event_and_others_go_on() {
    let scratch = Scratch::new();
    let listener = Listener::serve_publish(&place(), &scratch.options().retain(true)).unwrap();
    let subscribe = |features| {
        let mut raw = session(&listener, MULTIPLEXED, features);
        raw.send(&frame(SUBSCRIBE, 0, 1, 0, b"{}"));
        assert!(raw.frame().is(RESPONSE, 1));
        raw
    };
    let (mut old, mut new) = (subscribe(ALL_OTHERS), subscribe(u32::MAX));
    assert_eq!(listener.publish_message("", &body()).unwrap(), 1);
    let event = new.frame();
    assert_eq!((event.kind, event.flags, &event.body[..]), (EVENT, ATTACHED, body().data()));
    let error = old.frame();
    assert!(error.kind == ERROR && error.body.starts_with(br#"{"code":"unsupported_version""#), "{error:?}");
    // What is retained is one, too.
    let error = subscribe(ALL_OTHERS).frame();
    assert!(error.kind == ERROR && error.body.starts_with(br#"{"code":"unsupported_version""#), "{error:?}");
    assert_eq!(subscribe(u32::MAX).frame().flags, ATTACHED | 0x10);
}

#[test]
fn a_body_that_is_shorter_than_it_says_or_comes_unannounced_ends_the_session() {
    let scratch = Scratch::new();
    for mode in [Mode::Request, Mode::Broadcast] {
        let listener = scratch.listen(mode, &scratch.options(), |_, _| panic!("it was handed over"));
        let kind = if mode == Mode::Request { REQUEST } else { BROADCAST };
        let long = [&[0, 0, 2, 0][..], &[b' '; 100_000]].concat();
        for body in [&b""[..], b"\0\0\0", b"\x05\0\0\0null", &long] {
            let mut raw = session(&listener, EXCLUSIVE, u32::MAX);
            raw.send_what_goes(&frame(kind, ATTACHED, 1, 0, body));
            raw.expect_dismissal("protocol");
        }
        let mut raw = session(&listener, EXCLUSIVE, ALL_OTHERS);
        raw.send(&frame(kind, ATTACHED, 1, 0, body().data()));
        raw.expect_dismissal("protocol");
        listener.close().unwrap();
    }
}

#[test]
fn a_caller_takes_no_such_body_from_a_listener_that_breaks_the_rules() {
    for (features, body) in [(ALL_OTHERS, body().data().to_vec()), (u32::MAX, b"\xff\xff\xff\xffnull".to_vec())] {
        let scratch = Scratch::new();
        let _fake = Fake::native(&scratch, move |_, mut raw: Raw| {
            raw.receive(16);
            raw.send(&hello_with(REQUEST_LISTENER, features));
            let asked = raw.frame();
            raw.send(&frame(RESPONSE, ATTACHED, asked.id, 0, &body));
            raw.receive_to_end();
        });
        let error = post_request(&build(), &Message::null(), &scratch.options()).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Protocol, true), "{error}");
    }
}

#[test]
fn json_in_it_is_checked_as_json_is() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| {
        assert_eq!(message.kind(), MessageKind::Attached);
        responder.respond(message).unwrap();
    });
    let mut raw = session(&listener, EXCLUSIVE, u32::MAX);
    raw.send(&frame(REQUEST, ATTACHED, 1, 0, b"\0\0\0\0\xff"));
    assert!(raw.frame().is(ERROR, 1));
    raw.send(&frame(REQUEST, ATTACHED, 2, 0, body().data()));
    let answer = raw.frame();
    assert_eq!((answer.kind, answer.flags, &answer.body[..]), (RESPONSE, ATTACHED, body().data()));
}
