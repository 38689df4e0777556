//! Connections of a listener that has many of them open, of which nothing has come yet: one thread watches them together.

use std::time::{Duration, Instant};

use simple_ipc::blocking::Listener;
use simple_ipc::{Mode, Options};

use crate::raw::{EXCLUSIVE, MULTIPLEXED, RESPONSE, Raw, hello, request};
use crate::scratch::{Scratch, echo, eventually};

/// With so few threads so many connections are a crowd.
const THREADS: usize = 8;
const CROWD: usize = 16;
/// A time that is over soon, and one that never is.
const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

fn listen(scratch: &Scratch, options: &Options) -> Listener {
    scratch.listen(Mode::Request, &options.clone().threads(THREADS), echo)
}

/// Connections that have been taken in, and have said nothing.
fn crowd(listener: &Listener) -> Vec<Raw> {
    let before = listener.counters().connections;
    let all = (0..CROWD).map(|_| Raw::to(listener)).collect();
    eventually("all are taken in", || listener.counters().connections == before + CROWD as u64);
    all
}

#[test]
fn each_of_a_crowd_is_served_whatever_it_speaks_however_it_is_cut_and_whenever_it_begins() {
    let scratch = Scratch::new();
    let listener = listen(&scratch, &scratch.options().hello_timeout(NEVER));
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let said = [hello(role), request(1, "\"first\"")].concat();
        for cut in [0, 1, 15, 16, 17, said.len() - 1] {
            let mut all = crowd(&listener);
            for raw in &mut all {
                raw.send(&said[..cut]);
            }
            for raw in all.iter_mut().rev() {
                raw.send(&said[cut..]);
                assert_eq!(raw.receive(16)[..6], *b"\xf5SIP\x01\x11");
                assert!(raw.frame().is(RESPONSE, 1));
                raw.send(&request(2, "\"second\""));
                assert_eq!(raw.frame().body, b"\"second\"");
            }
        }
    }
    for (sent, answer) in [
        (&b"\0\"over the Deno wire\""[..], &b"\0\"over the Deno wire\""[..]),
        (b"in plain text, here\n", b"in plain text, here\n"),
    ] {
        for cut in [0, 1, 17] {
            let mut all = crowd(&listener);
            for raw in &mut all {
                raw.send(&sent[..cut]);
            }
            for raw in &mut all {
                raw.send(&sent[cut..]);
                raw.half_close();
                assert_eq!(raw.receive_to_end(), answer);
            }
        }
    }
    assert_eq!((listener.counters().malformed, listener.counters().incomplete), (0, 0));
    let mut all = crowd(&listener);
    for raw in &mut all {
        let mut bad = hello(EXCLUSIVE);
        bad[4] = 2;
        raw.send(&bad);
        assert_eq!(raw.receive(16)[..6], *b"\xf5SIP\x01\x11");
        raw.expect_dismissal("unsupported_version");
    }
    assert_eq!(listener.counters().malformed, CROWD as u64);
    drop(crowd(&listener));
    eventually("those that have left are counted", || listener.counters().incomplete == CROWD as u64);
    scratch.assert_serves(&listener);
    listener.close().unwrap();
}

#[test]
fn those_of_a_crowd_that_say_nothing_are_closed_in_time_and_the_others_stay() {
    let scratch = Scratch::new();
    let listener = listen(&scratch, &scratch.options().hello_timeout(SOON));
    let began = Instant::now();
    let mut all: Vec<Raw> = (0..2 * CROWD).map(|_| Raw::to(&listener)).collect();
    let mut silent = all.split_off(CROWD);
    for raw in &mut all {
        raw.send(&hello(EXCLUSIVE));
        raw.receive(16);
    }
    for raw in &mut silent {
        assert_eq!(raw.receive_to_end(), b"");
    }
    assert!(began.elapsed() >= SOON);
    eventually("all are counted", || listener.counters().incomplete == CROWD as u64);
    for raw in &mut all {
        raw.send(&request(1, "1"));
        assert!(raw.frame().is(RESPONSE, 1));
    }
    scratch.assert_serves(&listener);
}

#[test]
fn a_listener_that_closes_answers_what_a_crowd_has_sent_and_waits_for_none_that_has_said_nothing() {
    let scratch = Scratch::new();
    let listener = listen(&scratch, &scratch.options().hello_timeout(NEVER).grace(NEVER));
    let (mut silent, mut all) = (crowd(&listener), crowd(&listener));
    for raw in &mut all {
        raw.send(&[hello(EXCLUSIVE), request(1, "1")].concat());
    }
    listener.close().unwrap();
    for raw in &mut all {
        raw.receive(16);
        assert!(raw.frame().is(RESPONSE, 1));
    }
    for raw in &mut silent {
        assert_eq!(raw.receive_to_end(), b"");
    }
}
