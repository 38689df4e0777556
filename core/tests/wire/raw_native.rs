//! Native sessions, spoken by hand to real listeners.

mod answers;
mod closing;

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::blocking::Listener;
use simple_ipc::{ErrorKind, Message, Mode, Options, Responder};

use crate::raw::{
    ACK, BROADCAST, CANCEL, ERROR, EXCLUSIVE, Frame, GOAWAY, MULTIPLEXED, PING, PONG, REQUEST, RESPONSE, Raw, bare,
    broadcast, frame, hello, request,
};
use crate::scratch::{Scratch, echo, eventually, next, place};

/// A request listener that hands every responder over and answers nothing itself.
fn hold(scratch: &Scratch, options: &Options) -> (Listener, Receiver<(Message, Responder)>) {
    let (sender, receiver) = channel();
    let listener = scratch.listen(Mode::Request, options, move |message, responder| {
        let _the_test_is_over = sender.send((message.clone(), responder));
    });
    (listener, receiver)
}

/// A listener whose handler blocks until the sender is dropped; it tells when it has begun.
fn block(scratch: &Scratch, mode: Mode) -> (Listener, Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (release, blocked) = channel::<()>();
    let (began, begun) = channel();
    let blocked = Mutex::new(blocked);
    let listener = scratch.listen(mode, &scratch.options(), move |message, responder| {
        let _the_test_is_over = began.send(());
        let _released = blocked.lock().unwrap().recv();
        let _the_caller_may_have_gone = responder.respond(message);
    });
    (listener, begun, release)
}

#[test]
fn a_frame_that_breaks_the_rules_is_answered_about_the_session_and_ends_it() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    let mut violations = Vec::new();
    violations.extend([0, 2, 3, 9, 10, 16, 17, 18, 19, 20, 21, 22, 255].map(|kind| frame(kind, 0, 1, 0, b"")));
    violations.extend([2, 4, 8, 0x80, 3].map(|flags| frame(REQUEST, flags, 1, 0, b"1")));
    violations.extend([4, 8, 0x82].map(|flags| frame(BROADCAST, flags, 1, 0, b"1")));
    violations.extend([ACK, CANCEL, PING, PONG].map(|kind| frame(kind, 1, 1, 0, b"")));
    violations.extend([ACK, CANCEL, PING, PONG].map(|kind| frame(kind, 0, 1, 0, b"x")));
    violations.extend([ACK, CANCEL, PING, PONG, BROADCAST].map(|kind| frame(kind, 0, 1, 5, b"")));
    violations.extend([REQUEST, ACK, CANCEL].map(|kind| frame(kind, 0, 0, 0, b"")));
    violations.push(frame(BROADCAST, 2, 0, 0, b"1"));
    for at in [6, 7] {
        let mut reserved = request(1, "1");
        reserved[at] = 1;
        violations.push(reserved);
    }
    for (nth, violation) in violations.iter().enumerate() {
        let role = if nth % 2 == 0 { EXCLUSIVE } else { MULTIPLEXED };
        let mut raw = Raw::session(&listener, role);
        // What came before it stands, what comes after it is not looked at.
        raw.send(&request(7, "\"before\""));
        assert!(raw.frame().is(RESPONSE, 7));
        raw.send_what_goes(&[violation.clone(), request(8, "\"after\"")].concat());
        raw.expect_dismissal("protocol");
        assert_eq!((listener.counters().malformed, listener.counters().messages), (nth as u64 + 1, nth as u64 + 1));
    }
    scratch.assert_serves(&listener);
}

#[test]
fn a_hello_that_breaks_the_rules_gets_the_listeners_hello_and_an_error() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    let change = |at: usize, to: &[u8]| {
        let mut bytes = hello(EXCLUSIVE);
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    for (nth, (bad, code)) in [
        (change(4, &[0]), "unsupported_version"),
        (change(4, &[2]), "unsupported_version"),
        (change(4, &[2, 9, 9, 9]), "unsupported_version"),
        (change(1, b"sip"), "protocol"),
        (change(5, &[0]), "protocol"),
        (change(5, &[3]), "protocol"),
        (change(5, &[0x11]), "protocol"),
        (change(6, &[1]), "protocol"),
        (change(12, &[0; 4]), "protocol"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut raw = Raw::to(&listener);
        raw.send_what_goes(&[bad, request(1, "\"not looked at\"")].concat());
        assert_eq!(raw.receive(16)[..6], *b"\xf5SIP\x01\x11");
        raw.expect_dismissal(code);
        assert_eq!((listener.counters().malformed, listener.counters().messages), (nth as u64 + 1, 0));
    }
    // Features that this listener does not know are ignored.
    let mut raw = Raw::to(&listener);
    raw.send(&[change(8, &[0xff; 4]), request(1, "1")].concat());
    raw.receive(16);
    assert!(raw.frame().is(RESPONSE, 1));
    scratch.assert_serves(&listener);
}

#[test]
fn a_body_over_the_limit_is_refused_from_its_header_alone() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().max_message(1000), echo);
    for role in [EXCLUSIVE, MULTIPLEXED] {
        for len in [1001u32, 1 << 20, u32::MAX] {
            let mut raw = Raw::session(&listener, role);
            let mut head = bare(REQUEST, 5);
            head[..4].copy_from_slice(&len.to_le_bytes());
            raw.send(&head);
            raw.expect_dismissal("too_large");
        }
    }
    let mut raw = Raw::session(&listener, EXCLUSIVE);
    raw.send(&frame(REQUEST, 1, 1, 0, &[7; 1000]));
    assert_eq!(raw.frame().body, [7; 1000]);
    scratch.assert_serves(&listener);
}

#[test]
fn a_second_request_on_an_exclusive_session_ends_it() {
    let scratch = Scratch::new();
    let (listener, got) = hold(&scratch, &scratch.options());
    let mut raw = Raw::session(&listener, EXCLUSIVE);
    raw.send(&request(1, "1"));
    let (_, responder) = next(&got);
    raw.send(&request(2, "2"));
    raw.expect_dismissal("protocol");
    eventually("its caller is gone", || responder.is_cancelled());
    assert!(responder.respond(&Message::null()).is_err());
    assert!(got.try_recv().is_err());
}

#[test]
fn an_id_in_flight_must_not_come_again_and_may_once_it_is_answered() {
    let scratch = Scratch::new();
    let (listener, got) = hold(&scratch, &scratch.options());
    let mut raw = Raw::session(&listener, MULTIPLEXED);
    for _ in 0..3 {
        raw.send(&request(9, "1"));
        next(&got).1.respond(&Message::null()).unwrap();
        assert!(raw.frame().is(RESPONSE, 9));
    }
    raw.send(&request(9, "1"));
    let (_, _responder) = next(&got);
    raw.send(&request(9, "2"));
    raw.expect_dismissal("protocol");
}

#[test]
fn an_id_that_is_used_again_after_a_cancel_never_gets_the_answer_of_the_cancelled_request() {
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let scratch = Scratch::new();
        let (listener, held) = hold(&scratch, &scratch.options());
        let mut raw = Raw::session(&listener, role);
        for round in 0..3 {
            raw.send(&request(1, "\"old\""));
            let (_, old) = next(&held);
            raw.send(&bare(CANCEL, 1));
            assert_eq!(raw.frame().code(), "cancelled", "{round}");
            raw.send(&request(1, "\"new\""));
            let (message, new) = next(&held);
            assert!(old.is_cancelled() && !new.is_cancelled());
            let refused = old.respond(&Message::text("the answer to the old one")).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Cancelled);
            new.respond(&message).unwrap();
            let answer = raw.frame();
            assert_eq!((answer.kind, answer.id, &answer.body[..]), (RESPONSE, 1, &b"\"new\""[..]), "{round}");
        }
        assert_eq!((listener.counters().in_flight, listener.counters().abandoned), (0, 0));
    }
}

#[test]
fn a_cancel_ends_a_request_with_one_frame_and_its_handler_is_told() {
    let scratch = Scratch::new();
    let (listener, got) = hold(&scratch, &scratch.options());
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        raw.send(&[bare(CANCEL, 77), request(1, "1")].concat());
        let (_, responder) = next(&got);
        assert!(!responder.is_cancelled());
        raw.send(&bare(CANCEL, 1));
        let answer = raw.frame();
        assert_eq!((answer.id, answer.code().as_str()), (1, "cancelled"));
        assert!(responder.is_cancelled());
        assert_eq!(responder.respond(&Message::null()).unwrap_err().kind(), ErrorKind::Cancelled);
        // A cancel that comes after the answer is ignored.
        raw.send(&request(2, "2"));
        next(&got).1.respond(&Message::null()).unwrap();
        raw.send(&[bare(CANCEL, 2), bare(CANCEL, 1), bare(PING, 3)].concat());
        assert!(raw.frame().is(RESPONSE, 2));
        assert!(raw.frame().is(PONG, 3));
    }
    assert_eq!(listener.counters().malformed, 0);
}

#[test]
fn a_ping_is_answered_while_handlers_block() {
    let scratch = Scratch::new();
    let (listener, begun, release) = block(&scratch, Mode::Request);
    let mut raw = Raw::session(&listener, MULTIPLEXED);
    raw.send(&request(1, "1"));
    next(&begun);
    raw.send(&[bare(PING, 0), bare(PONG, 5), bare(PING, 0xffff_ffff)].concat());
    assert!(raw.frame().is(PONG, 0));
    assert!(raw.frame().is(PONG, 0xffff_ffff));
    drop(release);
    assert!(raw.frame().is(RESPONSE, 1));
}

#[test]
fn an_ack_is_answered_when_everything_before_it_has_been_handed_over() {
    let scratch = Scratch::new();
    let (listener, got) = scratch.record();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        let mut stream: Vec<u8> = (0..500).flat_map(|n| broadcast(0, false, &n.to_string())).collect();
        stream.extend(bare(ACK, 41));
        stream.extend(broadcast(42, true, "500"));
        raw.send(&stream);
        assert!(raw.frame().is(ACK, 41));
        let handed: Vec<String> =
            got.try_iter().map(|message| String::from_utf8(message.into_data()).unwrap()).collect();
        assert!(handed.len() >= 500, "only {} were handed over before the answer", handed.len());
        assert!(raw.frame().is(ACK, 42));
        let rest = got.try_iter().map(|message| String::from_utf8(message.into_data()).unwrap());
        let handed: Vec<String> = handed.into_iter().chain(rest).collect();
        assert!(handed.into_iter().eq((0..=500).map(|n| n.to_string())), "out of order");
        // Nothing before it, and on a request listener, too: answered.
        raw.send(&bare(ACK, 43));
        assert!(raw.frame().is(ACK, 43));
    }
    drop(listener);
    let requests = scratch.echo();
    let mut raw = Raw::session(&requests, EXCLUSIVE);
    raw.send(&bare(ACK, 1));
    assert!(raw.frame().is(ACK, 1));
}

#[test]
fn a_broadcast_is_acknowledged_while_its_handler_still_runs() {
    let scratch = Scratch::new();
    let (listener, begun, release) = block(&scratch, Mode::Broadcast);
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        raw.send(&broadcast(6, true, "true"));
        next(&begun);
        assert!(raw.frame().is(ACK, 6));
    }
    drop(release);
}

#[test]
fn what_is_of_the_wrong_mode_is_refused_by_its_id_and_the_session_goes_on() {
    let scratch = Scratch::new();
    let requests = scratch.echo();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&requests, role);
        for (id, ack_wanted) in [(0, false), (5, false), (6, true)] {
            raw.send(&broadcast(id, ack_wanted, "1"));
            let refusal = raw.frame();
            assert_eq!((refusal.id, refusal.code().as_str()), (id, "wrong_mode"));
        }
        raw.send(&request(7, "1"));
        assert!(raw.frame().is(RESPONSE, 7));
    }
    assert_eq!((requests.counters().messages, requests.counters().malformed), (2, 0));
    drop(requests);
    let (broadcasts, got) = scratch.record();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&broadcasts, role);
        // The same id again: a refused request was never in flight.
        for _ in 0..2 {
            raw.send(&request(5, "1"));
            let refusal = raw.frame();
            assert_eq!((refusal.id, refusal.code().as_str()), (5, "wrong_mode"));
        }
        raw.send(&broadcast(6, true, "1"));
        assert!(raw.frame().is(ACK, 6));
        next(&got);
    }
}

#[test]
fn a_body_that_is_not_json_is_refused_by_its_id_and_the_session_goes_on() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        for (id, body) in [(3, &b""[..]), (3, b"{"), (4, b"\"\xff\""), (4, b"\xef\xbb\xbf1"), (4, b"1 1")] {
            raw.send(&frame(REQUEST, 0, id, 0, body));
            let refusal = raw.frame();
            assert_eq!((refusal.id, refusal.code().as_str()), (id, "invalid_body"), "{body:?}");
        }
        raw.send(&frame(REQUEST, 1, 5, 0, b""));
        assert_eq!(raw.frame(), Frame { kind: RESPONSE, flags: 1, id: 5, argument: 0, body: vec![] });
    }
    scratch.assert_serves(&listener);
}

/// A listener that reads each body by itself and rejects what is not JSON, as bindings do.
fn reading(scratch: &Scratch, mode: Mode) -> Listener {
    let handler = |message: &Message, responder: Responder| {
        let answered = match message.check() {
            Ok(()) => responder.respond(message),
            Err(error) => responder.reject(error.message()),
        };
        answered.unwrap();
    };
    Listener::serve_unchecked(&place(), mode, &scratch.options(), handler).unwrap()
}

#[test]
fn a_broadcast_that_its_handler_rejects_is_refused_by_its_id_and_never_acknowledged() {
    let scratch = Scratch::new();
    let listener = reading(&scratch, Mode::Broadcast);
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        for id in [3, 4] {
            raw.send(&broadcast(id, true, "{x"));
            let refusal = raw.frame();
            assert_eq!((refusal.id, refusal.code().as_str()), (id, "invalid_body"));
            // Those around it are acknowledged.
            raw.send(&broadcast(id + 10, true, "1"));
            assert!(raw.frame().is(ACK, id + 10));
        }
        // Without an acknowledgement asked for, it is about the session, and before the next one.
        raw.send(&broadcast(0, false, "{x"));
        raw.send(&bare(ACK, 9));
        let refusal = raw.frame();
        assert_eq!((refusal.id, refusal.code().as_str()), (0, "invalid_body"));
        assert!(raw.frame().is(ACK, 9));
    }
}

#[test]
fn what_is_cut_short_anywhere_does_no_harm() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let stream = [hello(role), request(1, "\"whole\""), request(2, "\"cut\"")].concat();
        for end in 0..stream.len() {
            let mut raw = Raw::to(&listener);
            raw.send(&stream[..end]);
            if end % 3 == 0 {
                drop(raw);
            } else {
                raw.half_close();
                raw.receive_to_end();
            }
        }
    }
    eventually("all have gone", || listener.counters().open == 0);
    assert_eq!(listener.counters().malformed, 0);
    scratch.assert_serves(&listener);
}

#[test]
fn a_listener_speaks_every_dialect_at_once_on_tcp_too() {
    let scratch = Scratch::new();
    let listener = scratch.listen_tcp(Mode::Request, &scratch.options().plain_text(true), echo);
    let mut native = Raw::session(&listener, MULTIPLEXED);
    let mut text = Raw::to(&listener);
    let mut deno = Raw::to(&listener);
    native.send(&request(1, "1"));
    text.send(b"line\n");
    deno.send(b"\0[]");
    deno.half_close();
    assert!(native.frame().is(RESPONSE, 1));
    assert_eq!(text.receive(5), b"line\n");
    assert_eq!(deno.receive_to_end(), b"\0[]");
    assert_eq!(listener.counters().connections, 3);
}
