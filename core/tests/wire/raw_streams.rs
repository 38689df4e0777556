//! Streams, spoken by hand to real listeners.

use std::sync::mpsc::{Receiver, channel};

use simple_ipc::blocking::Listener;
use simple_ipc::{ErrorKind, Items, Message, MessageKind, MessageRef, Mode, NextItem, Options, ReplyStream, Responder};

use crate::raw::{
    CANCEL, CREDIT, DATA, END, ERROR, EXCLUSIVE, Frame, GOAWAY, MULTIPLEXED, PING, PONG, REQUEST, RESPONSE, Raw, bare,
    frame, request, streaming_hello,
};
use crate::scratch::{Scratch, echo, eventually, next};

/// The flag of a request that opens a stream.
const STREAM: u8 = 0x20;
/// What either side may send at first, in bytes.
const WINDOW: usize = 256 << 10;

fn open(id: u32, body: &str) -> Vec<u8> {
    frame(REQUEST, STREAM, id, 0, body.as_bytes())
}

fn data(id: u32, body: &str) -> Vec<u8> {
    frame(DATA, 0, id, 0, body.as_bytes())
}

fn credit(id: u32, bytes: u32) -> Vec<u8> {
    frame(CREDIT, 0, id, bytes, b"")
}

/// An exclusive session of a client that knows streams.
fn session(listener: &Listener) -> Raw {
    let mut raw = Raw::to(listener);
    raw.send(&streaming_hello(EXCLUSIVE));
    raw.receive(16);
    raw
}

/// The next frame that is no credit.
fn told(raw: &mut Raw) -> Frame {
    loop {
        let frame = raw.frame();
        if frame.kind != CREDIT {
            return frame;
        }
    }
}

/// A listener that hands every stream over.
fn streams(scratch: &Scratch, options: &Options) -> (Listener, Receiver<(Message, ReplyStream, Items)>) {
    let (sender, receiver) = channel();
    let listener = scratch.listen(Mode::Request, options, move |message, responder| {
        if responder.is_stream() {
            let items = responder.items();
            let _the_test_is_over = sender.send((message.clone(), responder.stream().unwrap(), items));
        } else {
            echo(message, responder);
        }
    });
    (listener, receiver)
}

#[test]
fn a_stream_is_accepted_and_items_go_both_ways_until_its_one_ending() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    raw.send(&request(1, "1"));
    assert!(raw.frame().is(RESPONSE, 1));
    raw.send(&open(2, "[2]"));
    let (opening, reply, items) = next(&opened);
    assert_eq!(opening.data(), b"[2]");
    let accepted = raw.frame();
    assert_eq!((accepted.kind, accepted.id, accepted.argument), (CREDIT, 2, 0));
    raw.send(&[data(2, "1"), frame(DATA, 1, 2, 0, b""), bare(PING, 9), bare(END, 2)].concat());
    assert!(raw.frame().is(PONG, 9));
    assert_eq!(items.recv(None).unwrap().unwrap().data(), b"1");
    let empty = reply.items().recv(None).unwrap().unwrap();
    assert_eq!((empty.kind(), empty.len()), (MessageKind::Bytes, 0));
    assert_eq!((items.recv(None).unwrap(), items.try_next().unwrap()), (None, NextItem::Ended));
    reply.send(MessageRef::bytes(b"x"), None).unwrap();
    assert!(reply.try_send(&Message::text("y")).unwrap());
    assert_eq!(listener.counters().streams, 1);
    reply.end().unwrap();
    assert_eq!(reply.end().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(reply.try_send(&Message::null()).unwrap_err().kind(), ErrorKind::Closed);
    drop(reply);
    let item = raw.frame();
    assert_eq!((item.kind, item.flags, item.id, &item.body[..]), (DATA, 1, 2, &b"x"[..]));
    let item = raw.frame();
    assert_eq!((item.kind, item.flags, item.id, &item.body[..]), (DATA, 0, 2, &b"\"y\""[..]));
    assert_eq!(raw.frame(), Frame { kind: END, flags: 0, id: 2, argument: 0, body: vec![] });
    let counters = listener.counters();
    assert_eq!((counters.streams, counters.in_flight, counters.abandoned, counters.failed), (0, 0, 0, 0));
    raw.send(&request(3, "3"));
    assert!(raw.frame().is(RESPONSE, 3));
}

#[test]
fn a_single_answer_to_a_stream_is_its_one_and_last_item() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    let mut raw = session(&listener);
    raw.send(&[open(1, "\"a\""), data(1, "2")].concat());
    let answer = told(&mut raw);
    assert_eq!((answer.kind, answer.id, &answer.body[..]), (RESPONSE, 1, &b"\"a\""[..]));
    // What comes late for it is ignored, whoever drives the session.
    raw.send(&[data(1, "3"), credit(1, 5), bare(END, 1), bare(CANCEL, 1), data(1, "4"), request(2, "2")].concat());
    assert!(told(&mut raw).is(RESPONSE, 2));
    raw.send(&[data(1, "5"), open(3, "3")].concat());
    assert!(told(&mut raw).is(RESPONSE, 3));
    eventually("the stream has left", || listener.counters().streams == 0);
    let counters = listener.counters();
    assert_eq!((counters.messages, counters.malformed, counters.in_flight), (3, 0, 0));
}

#[test]
fn a_sequence_for_a_plain_request_is_wrong_mode_on_both_sides() {
    let scratch = Scratch::new();
    let (sender, told_here) = channel();
    let listener = scratch.listen(Mode::Request, &scratch.options(), move |_, responder| {
        let items = responder.items();
        assert_eq!((items.recv(None).unwrap(), items.try_next().unwrap()), (None, NextItem::Ended));
        let _the_test_is_over = sender.send((responder.is_stream(), responder.stream().map(drop)));
    });
    let mut raw = session(&listener);
    raw.send(&request(1, "1"));
    let answer = raw.frame();
    assert_eq!((answer.id, answer.code().as_str()), (1, "wrong_mode"));
    let (is_stream, answered) = next(&told_here);
    assert!(!is_stream);
    assert_eq!(answered.unwrap_err().kind(), ErrorKind::WrongMode);
    let typed =
        simple_ipc::blocking::listen_ip_stream_with(0, &scratch.options(), |_: u32, _: Items<()>| Ok([Ok(1)])).unwrap();
    let mut raw = session(&typed);
    raw.send(&request(1, "1"));
    assert_eq!(raw.frame().code(), "wrong_mode");
    raw.send(&open(2, "1"));
    assert_eq!(told(&mut raw).body, b"1");
    assert!(raw.frame().is(END, 2));
}

#[test]
fn a_stream_is_refused_where_none_can_be_and_what_breaks_its_rules_ends_the_session() {
    let scratch = Scratch::new();
    let (broadcasts, _) = scratch.record();
    let mut raw = session(&broadcasts);
    raw.send(&open(1, "1"));
    assert_eq!(raw.frame().code(), "wrong_mode");
    drop((raw, broadcasts));
    let (listener, opened) = streams(&scratch, &scratch.options().max_message(1000));
    let mut raw = Raw::to(&listener);
    raw.send(&[streaming_hello(MULTIPLEXED), open(1, "1"), request(2, "2")].concat());
    raw.receive(16);
    let refused = raw.frame();
    assert_eq!((refused.id, refused.code().as_str()), (1, "wrong_mode"));
    assert!(raw.frame().is(RESPONSE, 2));
    // A request of that session which opens no stream, while it is in flight.
    for role in [EXCLUSIVE, MULTIPLEXED] {
        for first in [open(1, "1"), data(1, ""), bare(END, 1), credit(1, 1)] {
            let mut raw = Raw::session(&listener, role);
            raw.send(&first);
            raw.expect_dismissal("protocol");
        }
    }
    for broken in [
        [bare(END, 1), data(1, "")].concat(),
        [bare(END, 1), bare(END, 1)].concat(),
        credit(1, 1 << 31),
        open(2, ""),
        request(2, ""),
        frame(DATA, STREAM, 1, 0, b""),
        data(1, "1234567890").repeat(11_000),
    ] {
        let mut raw = session(&listener);
        raw.send(&open(1, "1"));
        let (_, reply, items) = next(&opened);
        raw.send_what_goes(&broken);
        let mut last = told(&mut raw);
        while !last.is(ERROR, 0) {
            last = raw.frame();
        }
        assert_eq!(last.code(), "protocol");
        eventually("the handler has heard", || reply.is_cancelled());
        assert_eq!(items.recv(None).unwrap_err().kind(), ErrorKind::ConnectionLost);
        assert_eq!(reply.end().unwrap_err().kind(), ErrorKind::ConnectionLost);
    }
    // An item that is too large ends the stream with that, and the session.
    let mut raw = session(&listener);
    raw.send(&open(1, "1"));
    let (_, reply, _) = next(&opened);
    raw.send(&data(1, &"x".repeat(1001)));
    let answer = told(&mut raw);
    assert_eq!((answer.id, answer.code().as_str()), (1, "too_large"));
    raw.expect_dismissal("too_large");
    assert_eq!(reply.try_send(&Message::null()).unwrap_err().kind(), ErrorKind::Closed);
    drop(reply);
    eventually("all is settled", || {
        let counters = listener.counters();
        (counters.streams, counters.in_flight, counters.abandoned) == (0, 0, 0)
    });
}

#[test]
fn a_cancel_is_seen_at_once_and_ends_the_stream_for_both() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    for id in 1..20 {
        raw.send(&[open(id, "1"), data(id, "1")].concat());
        let (_, reply, items) = next(&opened);
        // One thread waits for the second item, one for room.
        let (sender, first) = channel();
        let waits = std::thread::spawn(move || {
            sender.send(items.recv(None).unwrap().unwrap()).unwrap();
            items.recv(None).unwrap_err().kind()
        });
        while reply.try_send(MessageRef::bytes(&[0; 1000])).unwrap() {}
        let sends = std::thread::spawn(move || (reply.send(&Message::null(), None).unwrap_err().kind(), reply));
        assert_eq!(next(&first).data(), b"1");
        raw.send(&bare(CANCEL, id));
        let mut last = told(&mut raw);
        while last.kind == DATA {
            last = told(&mut raw);
        }
        assert_eq!((last.id, last.code().as_str()), (id, "cancelled"));
        let (kind, reply) = sends.join().unwrap();
        assert_eq!(kind, ErrorKind::Cancelled);
        assert!(reply.is_cancelled());
        assert_eq!(waits.join().unwrap(), ErrorKind::Cancelled);
        let counters = listener.counters();
        assert_eq!((counters.in_flight, counters.abandoned, counters.streams), (0, 1, 1));
        drop(reply);
        let counters = listener.counters();
        assert_eq!((counters.in_flight, counters.abandoned, counters.streams, counters.failed), (0, 0, 0, 0));
    }
    raw.send(&request(99, "9"));
    assert!(told(&mut raw).is(RESPONSE, 99));
}

#[test]
fn a_caller_that_goes_is_heard_of_at_once() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    for waits in [false, true] {
        let mut raw = session(&listener);
        raw.send(&open(1, "1"));
        let (_, reply, items) = next(&opened);
        let waiting = waits.then(|| std::thread::spawn(move || items.recv(None).unwrap_err().kind()));
        drop(raw);
        eventually("the caller has gone", || reply.is_cancelled());
        assert_eq!(reply.try_send(&Message::null()).unwrap_err().kind(), ErrorKind::ConnectionLost);
        if let Some(waiting) = waiting {
            assert_eq!(waiting.join().unwrap(), ErrorKind::ConnectionLost);
        }
        assert_eq!(listener.counters().streams, 1);
        assert_eq!(reply.fail("nobody hears").unwrap_err().kind(), ErrorKind::ConnectionLost);
        assert_eq!(listener.counters().streams, 0);
    }
}

#[test]
fn no_more_is_sent_than_the_caller_grants_and_no_more_is_taken_than_was_granted_to_it() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    raw.send(&open(1, "1"));
    let (_, reply, items) = next(&opened);
    let item = [7; 984];
    let mut sent = 0;
    while reply.try_send(MessageRef::bytes(&item)).unwrap() {
        sent += 1;
    }
    assert_eq!(sent, WINDOW.div_ceil(1000));
    for _ in 0..sent {
        assert_eq!(told(&mut raw).body, item);
    }
    let beyond = (sent * 1000 - WINDOW) as u32;
    raw.send(&[credit(1, 0), credit(1, beyond), bare(PING, 1)].concat());
    assert!(told(&mut raw).is(PONG, 1));
    assert!(!reply.try_send(MessageRef::bytes(&item)).unwrap());
    raw.send(&credit(1, 1));
    eventually("there is room", || reply.try_send(MessageRef::bytes(&[0; 1 << 20])).unwrap());
    assert_eq!(told(&mut raw).body.len(), 1 << 20);
    assert!(!reply.try_send(MessageRef::bytes(&item)).unwrap());

    // What the handler has not taken is not granted again; half a window is at the latest.
    let up = frame(DATA, 1, 1, 0, &item);
    raw.send(&up.repeat(WINDOW / 1000 + 1));
    raw.send(&bare(PING, 2));
    assert!(raw.frame().is(PONG, 2));
    let mut taken = 0;
    while taken < WINDOW / 2 {
        taken += 16 + items.recv(None).unwrap().unwrap().len();
    }
    let granted = raw.frame();
    assert!(granted.is(CREDIT, 1) && granted.argument as usize == taken, "{granted:?}");
    reply.fail("on purpose").unwrap();
    let last = raw.frame();
    assert_eq!((last.id, last.code().as_str()), (1, "handler_failed"));
}

#[test]
fn an_item_that_the_caller_does_not_take_ends_the_stream_behind_those_before_it() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = Raw::to(&listener);
    let mut hello = streaming_hello(EXCLUSIVE);
    hello[12..].copy_from_slice(&2000u32.to_le_bytes());
    raw.send(&hello);
    raw.receive(16);
    for id in 1..3 {
        raw.send(&open(id, "1"));
        let (_, reply, _) = next(&opened);
        reply.send(MessageRef::bytes(&[0; 2000]), None).unwrap();
        assert_eq!(reply.try_send(MessageRef::bytes(&[0; 2001])).unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(reply.try_send(MessageRef::bytes(&[0])).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(told(&mut raw).body.len(), 2000);
        let last = raw.frame();
        assert_eq!((last.id, last.code().as_str()), (id, "too_large"));
        assert_eq!(listener.counters().abandoned, 1);
        drop(reply);
        assert_eq!(listener.counters().abandoned, 0);
    }
}

#[test]
fn an_event_loop_is_told_of_items_room_and_the_caller_s_leaving() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    raw.send(&open(1, "1"));
    let (_, reply, items) = next(&opened);
    let (sender, told_of) = channel();
    reply.on_change(Box::new(move || {
        let _the_test_is_over = sender.send(());
    }));
    assert_eq!(items.try_next().unwrap(), NextItem::NotYet);
    raw.send(&data(1, "5"));
    next(&told_of);
    assert_eq!(items.try_next().unwrap(), NextItem::Item(Message::json(&5).unwrap()));
    while reply.try_send(MessageRef::bytes(&[0; 5000])).unwrap() {}
    while told_of.try_recv().is_ok() {}
    for _ in 0..53 {
        raw.frame();
    }
    raw.send(&credit(1, 5016 * 53));
    next(&told_of);
    eventually("there is room", || reply.try_send(MessageRef::bytes(&[0])).unwrap());
    raw.send(&bare(CANCEL, 1));
    eventually("the caller has left", || reply.is_cancelled());
    // A last time, and then what is called is dropped.
    while told_of.recv().is_ok() {}
    let (sender, told_of) = channel::<()>();
    items.on_change(Box::new(move || sender.send(()).unwrap()));
    next(&told_of);
    assert!(told_of.recv().is_err());
}

#[test]
fn a_stream_runs_on_while_its_listener_closes_and_is_cut_off_after_the_grace_period() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    raw.send(&open(1, "1"));
    let (_, reply, items) = next(&opened);
    listener.close_begin().unwrap();
    raw.send(&data(1, "5"));
    assert_eq!(items.recv(None).unwrap().unwrap().data(), b"5");
    reply.send(MessageRef::bytes(b"x"), None).unwrap();
    assert_eq!(told(&mut raw).body, b"x");
    raw.send(&bare(PING, 3));
    assert!(raw.frame().is(PONG, 3));
    reply.end().unwrap();
    assert!(raw.frame().is(END, 1));
    assert!(raw.frame().is(GOAWAY, 1));
    assert_eq!(raw.receive_to_end(), b"");
    listener.close().unwrap();

    let (listener, opened) = streams(&scratch, &scratch.options().grace(std::time::Duration::from_millis(50)));
    let mut raw = session(&listener);
    raw.send(&open(1, "1"));
    let (_, reply, _) = next(&opened);
    listener.close().unwrap();
    assert!(reply.is_cancelled());
    assert_eq!(reply.end().unwrap_err().kind(), ErrorKind::ConnectionLost);
    assert!(told(&mut raw).is(GOAWAY, 1));
    assert_eq!(raw.receive_to_end(), b"");
}

#[test]
fn a_handler_that_lets_go_of_its_stream_has_failed() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder: Responder| {
        let reply = responder.stream().unwrap();
        reply.send(message, None).unwrap();
        if message.data() == b"2" {
            panic!("on purpose: what a handler that panics tells its caller");
        }
    });
    let mut raw = session(&listener);
    for (id, text) in [(1, "the handler did not end its stream"), (2, "the handler panicked")] {
        raw.send(&open(id, &id.to_string()));
        assert!(told(&mut raw).is(DATA, id));
        let last = raw.frame();
        assert_eq!((last.id, last.code().as_str()), (id, "handler_failed"));
        assert!(String::from_utf8(last.body).unwrap().contains(text));
    }
    assert_eq!(listener.counters().failed, 2);
}

#[test]
fn a_caller_that_reads_nothing_has_a_window_and_an_item_kept_for_it_and_delays_nobody() {
    let scratch = Scratch::new();
    let (listener, opened) = streams(&scratch, &scratch.options());
    let mut raw = session(&listener);
    raw.send(&[open(1, "1"), credit(1, (1 << 31) - WINDOW as u32)].concat());
    let (_, reply, _) = next(&opened);
    let mut sent = 0;
    // The socket takes some, and a window lies here; without the bound it would be 2 GiB.
    loop {
        if reply.try_send(MessageRef::bytes(&[0; 50_000])).unwrap() {
            sent += 50_000;
            assert!(sent < 64 << 20);
        } else if reply.send(MessageRef::bytes(&[0; 50_000]), Some(std::time::Duration::from_millis(300))).is_err() {
            break;
        }
    }
    scratch.assert_serves(&listener);
    raw.send(&[bare(PING, 3), bare(CANCEL, 1)].concat());
    eventually("the caller has left", || reply.is_cancelled());
}
