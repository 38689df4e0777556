//! What a listener takes in hand at most, and how long it waits: each bound below, at and above it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::blocking::Listener;
use simple_ipc::{Message, Mode, Options, Responder};

use crate::raw::{EXCLUSIVE, MULTIPLEXED, RESPONSE, Raw, hello, request};
use crate::scratch::{Scratch, echo, eventually, next};

/// Far beyond any test: what would end by this time does not end.
const NEVER: Duration = Duration::from_secs(3600);
/// Over at once: what ends by this time is waited for.
const SOON: Duration = Duration::from_millis(50);

/// How many there are at once, and were at most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn up(&self) {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn down(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// A request listener that hands every responder over, and counts those that are not yet given back.
fn hold(scratch: &Scratch, options: &Options) -> (Listener, Receiver<Responder>, Arc<Gauge>) {
    let (sender, receiver) = channel();
    let gauge = Arc::new(Gauge::default());
    let counting = Arc::clone(&gauge);
    let listener = scratch.listen(Mode::Request, options, move |_, responder| {
        counting.up();
        let _the_test_is_over = sender.send(responder);
    });
    (listener, receiver, gauge)
}

/// A listener whose handlers stay until they are let go, one by one.
fn block(scratch: &Scratch, options: &Options) -> (Listener, Receiver<usize>, Sender<()>, Arc<Gauge>) {
    let (release, blocked) = channel::<()>();
    let (began, begun) = channel();
    let blocked = Mutex::new(blocked);
    let gauge = Arc::new(Gauge::default());
    let counting = Arc::clone(&gauge);
    let listener = scratch.listen(Mode::Request, options, move |message: &Message, responder: Responder| {
        counting.up();
        let _the_test_is_over = began.send(message.len());
        let _released = blocked.lock().unwrap().recv();
        counting.down();
        let _the_caller_may_have_gone = responder.respond(&Message::null());
    });
    (listener, begun, release, gauge)
}

fn requests(count: usize, body: &str) -> Vec<u8> {
    (1..=count as u32).flat_map(|id| request(id, body)).collect()
}

fn ids(raw: &mut Raw, count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..count).map(|_| raw.frame().id).collect();
    ids.sort_unstable();
    ids
}

/// Answers `count` requests: those that are `held`, and then those that come.
fn answer_all(got: &Receiver<Responder>, gauge: &Gauge, held: &mut VecDeque<Responder>, count: usize) {
    for _ in 0..count {
        let responder = held.pop_front().unwrap_or_else(|| next(got));
        gauge.down();
        responder.respond(&Message::null()).unwrap();
    }
}

#[test]
fn a_session_has_no_more_requests_in_flight_than_it_may() {
    const MOST: usize = 4;
    let scratch = Scratch::new();
    let (listener, got, gauge) = hold(&scratch, &scratch.options().max_session_in_flight(MOST));
    for sent in [MOST - 1, MOST, MOST + 1, 5 * MOST] {
        gauge.most.store(0, Ordering::SeqCst);
        let mut raw = Raw::session(&listener, MULTIPLEXED);
        raw.send(&requests(sent, "1"));
        let mut held: VecDeque<Responder> = (0..sent.min(MOST)).map(|_| next(&got)).collect();
        // Others are served meanwhile, by way of the same handler.
        for _ in 0..3 {
            let mut other = Raw::session(&listener, EXCLUSIVE);
            other.send(&request(1, "2"));
            let responder = next(&got);
            gauge.down();
            responder.respond(&Message::null()).unwrap();
            assert!(other.frame().is(RESPONSE, 1));
        }
        answer_all(&got, &gauge, &mut held, sent);
        assert!(ids(&mut raw, sent).into_iter().eq(1..=sent as u32));
        // One of the others was there besides.
        assert_eq!(gauge.most(), sent.min(MOST) + 1);
    }
}

#[test]
fn a_listener_has_no_more_messages_in_flight_than_it_may_whatever_they_come_by() {
    const MOST: usize = 6;
    let scratch = Scratch::new();
    for sent in [MOST - 1, MOST, MOST + 1, 8 * MOST] {
        let (listener, got, gauge) = hold(&scratch, &scratch.options().max_in_flight(MOST));
        // A third each on a session of many, on sessions of one, and on the Deno wire.
        let mut many = Raw::session(&listener, MULTIPLEXED);
        many.send(&requests(sent.div_ceil(3), "1"));
        let mut held: VecDeque<Responder> = (0..sent.div_ceil(3).min(MOST)).map(|_| next(&got)).collect();
        let mut others: Vec<Raw> = Vec::new();
        for nth in 0..sent - sent.div_ceil(3) {
            let mut other = if nth % 2 == 0 { Raw::session(&listener, EXCLUSIVE) } else { Raw::to(&listener) };
            other.send(&if nth % 2 == 0 { request(1, "1") } else { b"\x001".to_vec() });
            if nth % 2 == 1 {
                other.half_close();
            }
            others.push(other);
            if held.len() < MOST {
                held.push_back(next(&got));
            }
        }
        // Whoever connects is greeted all the same.
        drop(Raw::session(&listener, EXCLUSIVE));
        assert_eq!(held.len(), sent.min(MOST));
        answer_all(&got, &gauge, &mut held, sent);
        assert!(ids(&mut many, sent.div_ceil(3)).into_iter().eq(1..=sent.div_ceil(3) as u32));
        for (nth, other) in others.iter_mut().enumerate() {
            if nth % 2 == 0 {
                assert!(other.frame().is(RESPONSE, 1));
            } else {
                assert_eq!(other.receive_to_end(), b"\0null");
            }
        }
        assert_eq!(gauge.most(), sent.min(MOST));
    }
}

#[test]
fn who_waits_for_room_and_leaves_does_not_take_the_room_of_others_along() {
    let scratch = Scratch::new();
    let (listener, got, gauge) = hold(&scratch, &scratch.options().max_in_flight(1));
    let mut first = Raw::session(&listener, MULTIPLEXED);
    first.send(&request(1, "1"));
    let mut held = VecDeque::from([next(&got)]);
    let mut sessions: Vec<Raw> = (0..10).map(|_| Raw::session(&listener, MULTIPLEXED)).collect();
    for session in &mut sessions {
        session.send(&request(1, "1"));
    }
    let mut stay = sessions.split_off(5);
    drop(sessions);
    // What has been sent is handled, whoever has gone.
    for _ in 0..11 {
        let responder = held.pop_front().unwrap_or_else(|| next(&got));
        gauge.down();
        let _its_caller_may_have_gone = responder.respond(&Message::null());
    }
    for session in stay.iter_mut().chain([&mut first]) {
        assert!(session.frame().is(RESPONSE, 1));
    }
    // A call whose caller has left gives its place back while its handler still has it, and of those there are no more
    // besides than may be in flight.
    assert!((1..=2).contains(&gauge.most()), "{}", gauge.most());
}

#[test]
fn a_session_has_no_more_bytes_with_handlers_than_it_may() {
    let body = format!("\"{}\"", "x".repeat(998));
    let scratch = Scratch::new();
    // One is with the session's own thread besides.
    for (sent, begins) in [(3, 3), (4, 4), (5, 4), (10, 4)] {
        let (listener, begun, release, gauge) = block(&scratch, &scratch.options().max_session_waiting(3000));
        let mut raw = Raw::session(&listener, MULTIPLEXED);
        raw.send(&requests(sent, &body));
        for _ in 0..begins {
            assert_eq!(next(&begun), 1000);
        }
        for _ in 0..3 {
            // Others are heard meanwhile.
            let mut other = Raw::session(&listener, EXCLUSIVE);
            other.send(&request(1, "2"));
            assert_eq!(next(&begun), 1, "{sent} sent");
        }
        assert_eq!(gauge.most(), begins + 3);
        drop(release);
        assert!(ids(&mut raw, sent).into_iter().eq(1..=sent as u32));
        listener.close().unwrap();
    }
}

#[test]
fn a_listener_has_no_more_bytes_with_handlers_than_it_may() {
    let body = format!("\"{}\"", "x".repeat(998));
    let scratch = Scratch::new();
    for (sent, begins) in [(2, 2), (3, 3), (4, 3), (9, 3)] {
        let (listener, begun, release, gauge) = block(&scratch, &scratch.options().max_waiting(3000));
        let mut all: Vec<Raw> = Vec::new();
        for nth in 0..sent {
            let mut raw = Raw::to(&listener);
            // On the Deno wire, and in plain text: its quotes belong to the message there.
            raw.send(&if nth % 2 == 0 { [b"\0", body.as_bytes()].concat() } else { [body.as_bytes(), b"\n"].concat() });
            raw.half_close();
            all.push(raw);
            if nth < begins {
                assert!(next(&begun) >= 1000);
            }
        }
        drop(Raw::session(&listener, EXCLUSIVE));
        for _ in 0..sent {
            // One at a time: each that is done makes room for one.
            release.send(()).unwrap();
        }
        for (nth, raw) in all.iter_mut().enumerate() {
            assert_eq!(raw.receive_to_end(), if nth % 2 == 0 { &b"\0null"[..] } else { b"null\n" });
        }
        assert_eq!(gauge.most(), begins);
        listener.close().unwrap();
    }
}

/// A listener that answers a number with as many kB, and counts.
fn sized(scratch: &Scratch, options: &Options) -> (Listener, Arc<AtomicUsize>) {
    let handled = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&handled);
    let listener = scratch.listen(Mode::Request, options, move |message: &Message, responder: Responder| {
        counting.fetch_add(1, Ordering::SeqCst);
        let size: usize = std::str::from_utf8(message.data()).unwrap().parse().unwrap();
        let _the_caller_may_have_gone = responder.respond(&Message::bytes(vec![1; size * 1000]));
    });
    (listener, handled)
}

#[test]
fn who_does_not_read_its_answers_gets_no_more_of_them_than_may_wait() {
    let scratch = Scratch::new();
    // Each by the session's bound and by the listener's. The kernel keeps some 8 MB besides.
    let bounds = [scratch.options().max_session_waiting(1_000_000), scratch.options().max_waiting(1_000_000)];
    for (options, size) in bounds.iter().flat_map(|options| [(options, 500), (options, 12)]) {
        let (listener, handled) = sized(&scratch, options);
        let count = 100_000 / size.max(20);
        let mut stuck: Vec<Raw> = (0..2).map(|_| Raw::session(&listener, MULTIPLEXED)).collect();
        for raw in &mut stuck {
            raw.send(&requests(count, &size.to_string()));
        }
        eventually("some have been handled", || handled.load(Ordering::SeqCst) * size >= 2000);
        for _ in 0..200 {
            let mut good = Raw::session(&listener, EXCLUSIVE);
            good.send(&request(1, "100"));
            assert_eq!(good.frame().body.len(), 100_000);
        }
        let megabytes = (handled.load(Ordering::SeqCst) - 200) * size / 1000;
        assert!(megabytes < 50, "{megabytes} MB of answers while nobody reads them");
        for raw in &mut stuck {
            assert!(ids(raw, count).into_iter().eq(1..=count as u32));
        }
        listener.close().unwrap();
    }
}

#[test]
fn handlers_run_on_no_more_threads_than_there_may_be() {
    const MOST: usize = 3;
    let scratch = Scratch::new();
    for sent in [MOST - 1, MOST, MOST + 1, 4 * MOST] {
        for role in [EXCLUSIVE, MULTIPLEXED] {
            let (listener, begun, release, gauge) = block(&scratch, &scratch.options().threads(MOST));
            let mut all: Vec<Raw> = (0..sent).map(|_| Raw::session(&listener, role)).collect();
            for raw in &mut all {
                raw.send(&request(1, "1"));
            }
            for _ in 0..sent.min(MOST) {
                next(&begun);
            }
            drop(release);
            for raw in &mut all {
                assert!(raw.frame().is(RESPONSE, 1));
            }
            assert_eq!(gauge.most(), sent.min(MOST));
            listener.close().unwrap();
        }
    }
}

#[test]
fn a_connection_that_says_nothing_or_half_a_hello_is_closed_in_time_and_not_before() {
    let scratch = Scratch::new();
    let soon = scratch.listen(Mode::Request, &scratch.options().hello_timeout(SOON), echo);
    let later = scratch.options().hello_timeout(NEVER).path(scratch.path("later"));
    let later = scratch.listen(Mode::Request, &later, echo);
    let whole = hello(EXCLUSIVE);
    for (nth, said) in [0, 1, 15].into_iter().enumerate() {
        let mut raw = Raw::to(&soon);
        raw.send(&whole[..said]);
        assert_eq!(raw.receive_to_end(), b"", "after {said} bytes");
        assert_eq!(soon.counters().incomplete, nth as u64 * 2 + 1);
        let mut patient = Raw::to(&later);
        patient.send(&whole[..said]);
        // One that has said all of it need not say more.
        let mut greeted = Raw::session(&soon, EXCLUSIVE);
        drop(Raw::to(&soon).receive_to_end());
        greeted.send(&request(1, "1"));
        assert!(greeted.frame().is(RESPONSE, 1));
        patient.send(&whole[said..]);
        patient.receive(16);
    }
    assert_eq!(later.counters().incomplete, 0);
    scratch.assert_serves(&soon);
}

#[test]
fn a_message_without_a_session_that_does_not_go_on_is_closed_in_time_and_not_before() {
    let scratch = Scratch::new();
    let soon = scratch.listen(Mode::Request, &scratch.options().stall_timeout(SOON), echo);
    let later = scratch.options().stall_timeout(NEVER).path(scratch.path("later"));
    let later = scratch.listen(Mode::Request, &later, echo);
    // On the Deno wire, and in plain text in the middle of a character.
    let halves = [(&b"\0\"hal"[..], &b"f\""[..], &b"\0\"half\""[..]), (b"caf\xc3", b"\xa9\n", b"caf\xc3\xa9\n")];
    for (nth, (begin, end, answer)) in halves.into_iter().enumerate() {
        let mut patient = Raw::to(&later);
        patient.send(begin);
        let mut raw = Raw::to(&soon);
        raw.send(begin);
        assert_eq!(raw.receive_to_end(), b"");
        eventually("it is counted", || soon.counters().incomplete == nth as u64 + 1);
        patient.send(end);
        patient.half_close();
        assert_eq!(patient.receive_to_end(), answer);
    }
    assert_eq!((soon.counters().messages, later.counters().incomplete), (0, 0));
    scratch.assert_serves(&soon);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up_in_time() {
    let scratch = Scratch::new();
    let (listener, _) = sized(&scratch, &scratch.options().stall_timeout(SOON));
    let mut raw = Raw::to(&listener);
    raw.send(b"\x0050000");
    raw.half_close();
    eventually("the answer is given up", || listener.counters().open == 0 && listener.counters().messages == 1);
    assert!(raw.receive_to_end().len() < 50_000_000);
}

#[test]
fn the_quietest_connection_of_plain_text_makes_room_for_others_where_there_is_none() {
    const MOST: usize = 3;
    let scratch = Scratch::new();
    for count in [MOST - 1, MOST] {
        let listener = scratch.listen(Mode::Request, &scratch.options().max_connections(MOST), echo);
        let mut texts: Vec<Raw> = (0..count).map(|_| Raw::to(&listener)).collect();
        for text in &mut texts {
            text.send(b"hello\n");
            assert_eq!(text.receive(6), b"hello\n");
        }
        let mut new = Raw::session(&listener, EXCLUSIVE);
        new.send(&request(1, "1"));
        assert!(new.frame().is(RESPONSE, 1));
        let stay = texts.split_off(count + 1 - MOST);
        for mut gone in texts {
            assert_eq!(gone.receive_to_end(), b"");
        }
        for mut text in stay {
            text.send(b"again\n");
            assert_eq!(text.receive(6), b"again\n");
        }
        listener.close().unwrap();
    }
}

#[test]
fn what_a_peer_left_unread_does_not_count_when_it_has_gone() {
    // More than the system takes for a peer that does not read.
    const MOST: usize = 16 << 20;
    let scratch = Scratch::new();
    let (listener, got, gauge) = hold(&scratch, &scratch.options().max_waiting(MOST).max_session_waiting(2 * MOST));
    for round in 0..8 {
        let mut raw = Raw::session(&listener, if round % 4 < 2 { EXCLUSIVE } else { MULTIPLEXED });
        // The beginning of another request is there when the first is answered.
        raw.send(&[request(1, "1"), request(2, "1")[..8].to_vec()].concat());
        next(&got).respond(&Message::bytes(vec![0; MOST * 3 / 2])).unwrap();
        if round % 2 == 0 {
            assert!(raw.frame().is(RESPONSE, 1));
        } else {
            raw.receive(100_000);
        }
    }
    eventually("all sessions have ended", || listener.counters().open == 0);
    gauge.most.store(0, Ordering::SeqCst);
    // One that does not read its answers is still served, since they are few.
    let mut slow = Raw::session(&listener, MULTIPLEXED);
    slow.send(&requests(10, "1"));
    next(&got).respond(&Message::bytes(vec![0; 9 << 20])).unwrap();
    slow.send(&request(11, "1"));
    for _ in 0..10 {
        next(&got).respond(&Message::null()).unwrap();
    }
    assert_eq!(ids(&mut slow, 11), (1..=11).collect::<Vec<_>>());
}
