//! The Deno wire, spoken by hand to real listeners.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use simple_ipc::blocking::Listener;
use simple_ipc::{Counters, Message, Mode, Responder};

use crate::raw::{EXCLUSIVE, Raw};
use crate::scratch::{Scratch, echo, eventually, next};

/// Sends one message, and everything that comes back.
fn exchange(raw: &mut Raw, message: &[u8]) -> Vec<u8> {
    raw.send_what_goes(message);
    raw.half_close();
    raw.receive_to_end()
}

#[test]
fn a_reply_is_a_flag_and_a_body_and_then_the_end() {
    let scratch = Scratch::new();
    let unix = scratch.echo();
    let tcp = scratch.listen_tcp(Mode::Request, &scratch.options(), echo);
    for listener in [&unix, &tcp] {
        for (sent, expected) in [
            (&b"\0\"request-foo\""[..], &b"\0\"request-foo\""[..]),
            (b"\0 [1, 2]\n", b"\0 [1, 2]\n"),
            (b"\x01\x00\xff\xf5", b"\x01\x00\xff\xf5"),
            (b"\x01", b"\x01"),
            (b"\0\xef\xbb\xbf1", b"\x001"),
            (b"\0\"\xff\xfe\"", b"\0\"\xef\xbf\xbd\xef\xbf\xbd\""),
        ] {
            assert_eq!(exchange(&mut Raw::to(listener), sent), expected);
        }
        assert_eq!(listener.counters().malformed, 0);
        scratch.assert_serves(listener);
    }
}

#[test]
fn what_is_not_json_is_closed_without_a_byte_and_counted() {
    let scratch = Scratch::new();
    let unix = scratch.echo();
    let tcp = scratch.listen_tcp(Mode::Request, &scratch.options(), echo);
    let (broadcasts, _got) = {
        let other = scratch.options().path(scratch.path("broadcasts"));
        let (sender, receiver) = channel();
        let handler = move |message: &Message, _| sender.send(message.clone()).unwrap();
        (scratch.listen(Mode::Broadcast, &other, handler), receiver)
    };
    for listener in [&unix, &tcp, &broadcasts] {
        for (nth, sent) in [&b"\0"[..], b"\0{", b"\0\"a\"b", b"\0\xef\xbb\xbf", b"\0\xff1", b"\0NaN"].iter().enumerate()
        {
            assert_eq!(exchange(&mut Raw::to(listener), sent), b"");
            assert_eq!(listener.counters().malformed, nth as u64 + 1, "{sent:?}");
        }
        assert_eq!(listener.counters().messages, 0);
    }
    scratch.assert_serves(&unix);
    scratch.assert_serves(&tcp);
}

#[test]
fn a_message_is_handled_when_its_sender_has_half_closed_and_not_before() {
    let scratch = Scratch::new();
    let (listener, got) = scratch.record();
    let mut raw = Raw::to(&listener);
    raw.send(b"\x001");
    // Whole as it looks: a second message that comes and goes meanwhile overtakes it.
    assert_eq!(exchange(&mut Raw::to(&listener), b"\x002"), b"");
    assert_eq!(next(&got).data(), b"2");
    assert_eq!(exchange(&mut raw, b"3"), b"");
    assert_eq!(next(&got).data(), b"13");
}

#[test]
fn a_failed_handler_closes_without_a_byte_and_the_listener_lives() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| match message.data() {
        b"\"fail\"" => responder.fail("no luck").unwrap(),
        b"\"panic\"" => panic!("this test panics in a handler"),
        b"\"drop\"" => drop(responder),
        _ => responder.respond(message).unwrap(),
    });
    for (nth, sent) in [&b"\0\"fail\""[..], b"\0\"drop\"", b"\0\"panic\""].iter().enumerate() {
        assert_eq!(exchange(&mut Raw::to(&listener), sent), b"");
        assert_eq!((listener.counters().failed, listener.counters().malformed), (nth as u64 + 1, 0), "{sent:?}");
    }
    scratch.assert_serves(&listener);
}

#[test]
fn a_broadcast_listener_sends_nothing_on_any_dialect_without_sessions() {
    let scratch = Scratch::new();
    let (listener, got) = scratch.record();
    for (sent, expected) in
        [(&b"\0[]"[..], &b"[]"[..]), (b"\x01\0", b"\0"), (b"line\n", b"\"line\""), (b"end", b"\"end\"")]
    {
        assert_eq!(exchange(&mut Raw::to(&listener), sent), b"");
        assert_eq!(next(&got).data(), expected);
    }
    // The original's broadcaster is gone before anything could come back.
    let mut raw = Raw::to(&listener);
    raw.send(b"\0\"gone\"");
    raw.half_close();
    drop(raw);
    assert_eq!(next(&got).data(), b"\"gone\"");
    scratch.assert_serves(&listener);
}

#[test]
fn the_connection_of_a_broadcast_is_closed_while_its_handler_still_runs() {
    let scratch = Scratch::new();
    let (release, blocked) = channel::<()>();
    let blocked = Mutex::new(blocked);
    let listener = scratch.listen(Mode::Broadcast, &scratch.options(), move |_, _| {
        let _released = blocked.lock().unwrap().recv();
    });
    assert_eq!(exchange(&mut Raw::to(&listener), b"\0null"), b"");
    assert_eq!(listener.counters().messages, 1);
    drop(release);
}

#[test]
fn a_message_over_the_limit_is_closed_before_its_end_and_counted() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().max_message(1000), echo);
    let mut raw = Raw::to(&listener);
    raw.send_what_goes(&[1; 2000]);
    assert_eq!(raw.receive_to_end(), b"");
    assert_eq!(listener.counters().malformed, 1);
    let whole = [1; 1001];
    assert_eq!(exchange(&mut Raw::to(&listener), &whole), whole);
}

#[test]
fn what_is_cut_short_is_counted_and_does_no_harm() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for (nth, sent) in [&b""[..], b"\xf5", b"\xf5SIP\x01\x01"].iter().enumerate() {
        assert_eq!(exchange(&mut Raw::to(&listener), sent), b"");
        eventually("it is counted", || listener.counters().incomplete == nth as u64 + 1);
    }
    assert_eq!((listener.counters().malformed, listener.counters().messages), (0, 0));
    scratch.assert_serves(&listener);
}

/// Sends all of a message before the listener accepts the connection: its only seat is taken meanwhile.
pub(crate) fn sent_before_it_is_accepted(listener: &Listener, message: &[u8]) -> Raw {
    let holder = Raw::session(listener, EXCLUSIVE);
    let mut raw = Raw::to(listener);
    raw.send(message);
    raw.half_close();
    drop(holder);
    raw
}

#[test]
fn a_request_that_is_there_before_its_connection_is_accepted_is_answered_however_its_handler_goes_about_it() {
    let scratch = Scratch::new();
    let (release, blocked) = channel::<()>();
    let blocked = Mutex::new(blocked);
    let handler = move |message: &Message, responder: Responder| match message.data() {
        b"\"late\"" => drop(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            responder.respond(&Message::text("late")).unwrap();
        })),
        b"\"slow\"" => {
            std::thread::sleep(Duration::from_millis(20));
            responder.respond(&Message::text("slow")).unwrap();
        }
        b"\"early\"" => {
            responder.respond(&Message::text("early")).unwrap();
            let _released = blocked.lock().unwrap().recv();
        }
        b"\"large\"" => responder.respond(&Message::bytes(vec![7; 8 << 20])).unwrap(),
        b"\"watched\"" => {
            // Somebody still asks whether the caller waits when it has its answer.
            let cancelled = responder.cancelled();
            responder.respond(&Message::text("watched")).unwrap();
            std::mem::forget(cancelled);
        }
        b"\"fail\"" => responder.fail("no luck").unwrap(),
        b"\"panic\"" => panic!("this test panics in a handler"),
        _ => echo(message, responder),
    };
    let options = scratch.options().max_connections(1);
    let unix = scratch.listen(Mode::Request, &options, handler);
    let tcp = scratch.listen_tcp(Mode::Request, &options, |message, responder| match message.data() {
        b"\"large\"" => responder.respond(&Message::bytes(vec![7; 8 << 20])).unwrap(),
        _ => echo(message, responder),
    });
    let large = [&[1][..], &[7; 8 << 20]].concat();
    for _ in 0..3 {
        for (sent, expected) in [
            (&b"\0\"quick\""[..], &b"\0\"quick\""[..]),
            (b"\x01\x02", b"\x01\x02"),
            (b"\0\"late\"", b"\0\"late\""),
            (b"\0\"slow\"", b"\0\"slow\""),
            (b"\0\"watched\"", b"\0\"watched\""),
            (b"\0\"fail\"", b""),
            (b"\0\"panic\"", b""),
            (b"\0{", b""),
            (b"\0\"large\"", &large),
        ] {
            let reply = sent_before_it_is_accepted(&unix, sent).receive_to_end();
            assert!(reply == expected, "{:?}: {} bytes", String::from_utf8_lossy(sent), reply.len());
        }
    }
    // The answer does not wait for a handler that goes on.
    assert_eq!(sent_before_it_is_accepted(&unix, b"\0\"early\"").receive_to_end(), b"\0\"early\"");
    drop(release);
    assert_eq!(sent_before_it_is_accepted(&tcp, b"\0[1]").receive_to_end(), b"\0[1]");
    assert!(sent_before_it_is_accepted(&tcp, b"\0\"large\"").receive_to_end() == large);
    let Counters { messages, failed, malformed, .. } = unix.counters();
    assert_eq!((messages, failed, malformed), (3 * 8 + 1, 3 * 2, 3));
    eventually("nothing is open", || unix.counters().open == 0 && tcp.counters().open == 0);
    unix.close().unwrap();
}
