//! Plain text, typed by hand to real listeners.

use std::time::Duration;

use simple_ipc::{Message, Mode};

use crate::raw::Raw;
use crate::scratch::{Scratch, echo};

#[test]
fn a_line_is_answered_with_a_line_and_the_connection_stays() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    let mut raw = Raw::to(&listener);
    for (sent, expected) in [
        ("hello\n", "hello\n"),
        ("hello\r\n", "hello\n"),
        ("\n", "\n"),
        ("{\"a\":1}\n", "{\"a\":1}\n"),
        ("\"quoted\"\n", "\"quoted\"\n"),
        ("é😀\n", "é😀\n"),
        ("one\ntwo\nthree\n", "one\ntwo\nthree\n"),
    ] {
        raw.send(sent.as_bytes());
        assert_eq!(raw.receive(expected.len()), expected.as_bytes());
    }
    raw.send(b"the end");
    raw.half_close();
    assert_eq!(raw.receive_to_end(), b"the end");
    assert_eq!(listener.counters().malformed, 0);
}

#[test]
fn three_sends_without_a_delimiter_get_three_replies_on_one_connection() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| {
        assert_eq!(message.as_text().unwrap(), "request-foo");
        responder.respond(&Message::text("response-bar")).unwrap();
    });
    let mut raw = Raw::to(&listener);
    for _ in 0..3 {
        raw.send(b"request-foo");
        assert_eq!(raw.receive(12), b"response-bar");
    }
    raw.half_close();
    assert_eq!(raw.receive_to_end(), b"");
    assert_eq!(listener.counters().messages, 3);
}

#[test]
fn a_large_text_arrives_whole() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| {
        responder.respond(&Message::text(&format!("{};", message.as_text().unwrap().len()))).unwrap();
    });
    for end in ["", "\n"] {
        let mut raw = Raw::to(&listener);
        raw.send(&vec![b'x'; 3 << 20]);
        raw.send(end.as_bytes());
        raw.half_close();
        // Where the machine pauses for long, that is a quiet while, and there are several messages.
        let replies = String::from_utf8(raw.receive_to_end()).unwrap();
        let lens = replies.trim_end().split_terminator(';').map(|len| len.parse::<usize>().unwrap());
        assert_eq!(lens.sum::<usize>(), 3 << 20, "{replies}");
    }
    assert_eq!(listener.counters().malformed, 0);
}

#[test]
fn a_failed_handler_answers_nothing_and_keeps_the_connection() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| match message.data() {
        b"\"fail\"" => responder.fail("no luck").unwrap(),
        b"\"panic\"" => panic!("this test panics in a handler"),
        _ => responder.respond(message).unwrap(),
    });
    let mut raw = Raw::to(&listener);
    raw.send(b"fail\npanic\nwell\n");
    assert_eq!(raw.receive(5), b"well\n");
    raw.half_close();
    assert_eq!(raw.receive_to_end(), b"");
    assert_eq!(listener.counters().failed, 2);
}

#[test]
fn text_that_is_not_utf8_or_too_long_is_closed_and_counted_and_what_came_before_it_stands() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().max_message(100), echo);
    for (nth, sent) in [&b"ok\n\xff\n"[..], &[b"ok\n", &[b'x'; 200][..]].concat()].iter().enumerate() {
        let mut raw = Raw::to(&listener);
        raw.send_what_goes(sent);
        assert_eq!(raw.receive_to_end(), b"ok\n");
        assert_eq!(listener.counters().malformed, nth as u64 + 1);
    }
    scratch.assert_serves(&listener);
}

/// How a browser greets an encrypted server: a TLS 1.2 ClientHello with one cipher and the name `localhost`.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x43\x01\x00\x00\x3f\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00\x00\x14\
    \x00\x00\x00\x10\x00\x0e\x00\x00\x0blocalhost..";

/// What a browser or a scanner sends first.
const STRANGERS: [&[u8]; 7] = [
    CLIENT_HELLO,
    b"OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccess-Control-Request-Private-Network: true\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /x HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n\"hey\"",
    b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"hello\n",
];

#[test]
fn text_is_refused_on_tcp_unless_it_was_asked_for() {
    let scratch = Scratch::new();
    let listener = scratch.listen_tcp(Mode::Request, &scratch.options(), echo);
    for (nth, sent) in STRANGERS.iter().enumerate() {
        let mut raw = Raw::to(&listener);
        raw.send_what_goes(sent);
        assert_eq!(raw.receive_to_end(), b"");
        assert_eq!(listener.counters().malformed, nth as u64 + 1);
    }
    assert_eq!(listener.counters().messages, 0);
    scratch.assert_serves(&listener);

    let listener = scratch.listen_tcp(Mode::Request, &scratch.options().plain_text(true), echo);
    let mut raw = Raw::to(&listener);
    raw.send(b"hello\n");
    assert_eq!(raw.receive(6), b"hello\n");
}

#[test]
fn strangers_are_closed_without_an_answer_wherever_they_are_cut() {
    let scratch = Scratch::new();
    let listener = scratch.listen_tcp(Mode::Request, &scratch.options(), echo);
    let mut closed = 0;
    for sent in STRANGERS {
        for cut in [1, 2, 3, 5, 8, sent.len() - 1].into_iter().filter(|cut| *cut < sent.len()) {
            let mut raw = Raw::to(&listener);
            raw.send_what_goes(&sent[..cut]);
            // The first byte was enough: there is no waiting for more.
            assert_eq!(raw.receive_to_end(), b"", "{cut} bytes of {sent:?}");
            closed += 1;
            assert_eq!(listener.counters().malformed, closed);
            let mut raw = Raw::to(&listener);
            raw.send_what_goes(&sent[..cut]);
            raw.send_what_goes(&sent[cut..]);
            assert_eq!(raw.receive_to_end(), b"", "{cut} bytes of {sent:?}, then the rest");
            closed += 1;
            assert_eq!(listener.counters().malformed, closed);
        }
    }
    assert_eq!(listener.counters().messages, 0);
    scratch.assert_serves(&listener);
}

#[cfg(unix)]
#[test]
fn text_is_refused_on_a_unix_socket_where_it_was_turned_off() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().plain_text(false), echo);
    let mut raw = Raw::to(&listener);
    raw.send_what_goes(b"hello\n");
    assert_eq!(raw.receive_to_end(), b"");
    assert_eq!(listener.counters().malformed, 1);
    scratch.assert_serves(&listener);
}

#[test]
fn a_first_byte_of_no_dialect_is_closed_and_counted() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for (nth, first) in (0x80..=0xC1).chain(0xF6..=0xFF).filter(|byte| *byte != 0xF5).enumerate() {
        let mut raw = Raw::to(&listener);
        raw.send_what_goes(&[first, b'\n']);
        assert_eq!(raw.receive_to_end(), b"", "{first:#x}");
        assert_eq!(listener.counters().malformed, nth as u64 + 1);
    }
    scratch.assert_serves(&listener);
}

#[test]
fn a_quiet_connection_stays_and_does_not_hold_up_closing_for_long() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().grace(Duration::from_secs(3600)), echo);
    let mut raw = Raw::to(&listener);
    raw.send(b"hello\n");
    assert_eq!(raw.receive(6), b"hello\n");
    // The grace period is for handlers: nothing runs here, so this does not take an hour.
    listener.close().unwrap();
    assert_eq!(raw.receive_to_end(), b"");
}
