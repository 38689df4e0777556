//! What a handler answers, how much of it, and what the client is told where it cannot have it.

use super::*;

#[test]
fn a_thousand_requests_in_one_write_are_each_answered_once() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::to(&listener);
        let mut stream = hello(role);
        (1..=1000).for_each(|id| stream.extend(request(id, &id.to_string())));
        raw.send(&stream);
        raw.receive(16);
        if role == EXCLUSIVE {
            // A client must not count on it, but this listener does not see one before it has answered
            // the last; or it says that this is against the rules.
            let first = raw.frame();
            assert!(first.is(RESPONSE, 1) || first.is(ERROR, 0), "{first:?}");
            continue;
        }
        let mut answers: Vec<Frame> = (0..1000).map(|_| raw.frame()).collect();
        answers.sort_by_key(|answer| answer.id);
        for (answer, id) in answers.iter().zip(1..) {
            assert!(answer.is(RESPONSE, id) && answer.body == id.to_string().as_bytes(), "{answer:?}");
        }
        raw.half_close();
        assert_eq!(raw.receive_to_end(), b"");
    }
    scratch.assert_serves(&listener);
}

#[test]
fn answers_to_what_came_before_a_violation_are_not_lost_with_the_session() {
    let scratch = Scratch::new();
    let listener = scratch.echo();
    for _ in 0..20 {
        let mut raw = Raw::session(&listener, MULTIPLEXED);
        let mut stream: Vec<u8> = (1..=100).flat_map(|id| request(id, &id.to_string())).collect();
        stream.extend(frame(99, 0, 1, 0, b""));
        raw.send(&stream);
        // The session's last word always comes, whatever is answered before it.
        let mut answered = 0;
        loop {
            let answer = raw.frame();
            if answer.is(ERROR, 0) {
                assert_eq!(answer.code(), "protocol");
                break;
            }
            assert_eq!((answer.kind, answer.body), (RESPONSE, answer.id.to_string().into_bytes()));
            answered += 1;
        }
        assert!(answered <= 100);
        assert_eq!(raw.receive_to_end(), b"");
    }
    // They were taken, so their handlers have run.
    eventually("all were handled", || listener.counters().messages == 2000);
}

#[test]
fn a_failure_comes_with_its_text_cut_to_what_the_client_takes() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |message, responder| match message.data() {
        b"\"drop\"" => drop(responder),
        b"\"panic\"" => panic!("this test panics in a handler"),
        _ => responder.fail(&"no \"luck\"\u{1}".repeat(10_000)).unwrap(),
    });
    for (max, role) in [(64u32 << 20, EXCLUSIVE), (2000, EXCLUSIVE), (100, MULTIPLEXED), (1, MULTIPLEXED)] {
        let mut raw = Raw::to(&listener);
        let mut greeting = hello(role);
        greeting[12..].copy_from_slice(&max.to_le_bytes());
        raw.send(&greeting);
        raw.receive(16);
        for body in ["\"fail\"", "\"drop\"", "\"panic\""] {
            raw.send(&request(1, body));
            let answer = raw.frame();
            assert_eq!((answer.id, answer.code().as_str()), (1, "handler_failed"));
            let most = max.max(1024) as usize;
            assert!(answer.body.len() <= most, "{} bytes for a client that takes {max}", answer.body.len());
        }
    }
}

#[test]
fn a_reply_larger_than_the_client_takes_becomes_an_error() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options(), |_, responder| {
        let error = responder.respond(&Message::bytes([0; 101])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    });
    let mut raw = Raw::to(&listener);
    let mut greeting = hello(EXCLUSIVE);
    greeting[12..].copy_from_slice(&100u32.to_le_bytes());
    raw.send(&greeting);
    raw.receive(16);
    raw.send(&request(1, "1"));
    let answer = raw.frame();
    assert_eq!((answer.id, answer.code().as_str()), (1, "too_large"));
    raw.send(&bare(PING, 2));
    assert!(raw.frame().is(PONG, 2));
}

#[test]
fn the_time_that_a_caller_waits_reaches_the_handler() {
    let scratch = Scratch::new();
    let (listener, got) = hold(&scratch, &scratch.options());
    let mut raw = Raw::session(&listener, MULTIPLEXED);
    raw.send(&[frame(REQUEST, 0, 1, 0, b"0"), frame(REQUEST, 0, 2, 3_600_000, b"1")].concat());
    for _ in 0..2 {
        let (message, responder) = next(&got);
        let left = responder.time_left();
        match message.data() {
            b"0" => assert_eq!(left, None),
            _ => {
                assert!(left.is_some_and(|left| left <= Duration::from_secs(3600) && left > Duration::from_secs(3000)))
            }
        }
    }
}

#[test]
fn no_more_than_1024_requests_of_a_session_are_in_flight_and_all_are_answered_in_the_end() {
    const MOST: usize = 1024;
    let scratch = Scratch::new();
    let (listener, got) = hold(&scratch, &scratch.options());
    for sent in [MOST - 1, MOST, MOST + 1, 3 * MOST] {
        let mut raw = Raw::session(&listener, MULTIPLEXED);
        raw.send(&(1..=sent as u32).flat_map(|id| request(id, "1")).collect::<Vec<u8>>());
        let mut held: Vec<Responder> = (0..sent.min(MOST)).map(|_| next(&got).1).collect();
        // Others are served meanwhile, each by way of the same handler.
        for _ in 0..3 {
            let mut other = Raw::session(&listener, MULTIPLEXED);
            other.send(&request(1, "2"));
            let (message, responder) = next(&got);
            assert_eq!(message.data(), b"2", "more than {MOST} of {sent} in flight");
            responder.respond(&Message::null()).unwrap();
            assert!(other.frame().is(RESPONSE, 1));
        }
        for _ in 0..sent {
            let responder = if held.is_empty() { next(&got).1 } else { held.swap_remove(0) };
            responder.respond(&Message::null()).unwrap();
        }
        let mut answered: Vec<u32> = (0..sent).map(|_| raw.frame().id).collect();
        answered.sort_unstable();
        assert!(answered.into_iter().eq(1..=sent as u32));
    }
}

#[test]
fn the_whole_hello_is_written_before_the_first_message_reaches_the_handler() {
    let scratch = Scratch::new();
    for mode in [Mode::Request, Mode::Broadcast] {
        for role in [EXCLUSIVE, MULTIPLEXED] {
            let (go, may_go) = channel::<()>();
            let may_go = Mutex::new(may_go);
            let listener = scratch.listen(mode, &scratch.options(), move |_, _| {
                let _the_test_has_read_it = may_go.lock().unwrap().recv();
            });
            let mut raw = Raw::to(&listener);
            // All at once, as clients do.
            let first = if mode == Mode::Request { request(1, "1") } else { broadcast(1, true, "1") };
            raw.send(&[hello(role), first].concat());
            assert_eq!(raw.receive(16)[..5], *b"\xf5SIP\x01");
            drop(go);
            let kind = if mode == Mode::Request { ERROR } else { ACK };
            assert!(raw.frame().is(kind, 1));
        }
    }
}

#[test]
fn a_broadcast_whose_handler_fails_is_acknowledged() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Broadcast, &scratch.options(), |message, responder| match message.data() {
        b"\"fail\"" => responder.fail("no luck").unwrap(),
        _ => panic!("this test panics in a handler"),
    });
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        for (id, body) in [(1, "\"fail\""), (2, "\"panic\"")] {
            raw.send(&broadcast(id, true, body));
            assert!(raw.frame().is(ACK, id));
        }
        raw.send(&bare(ACK, 3));
        assert!(raw.frame().is(ACK, 3));
    }
    assert_eq!(listener.counters().failed, 4);
}

#[test]
fn whose_limit_a_message_is_over_is_said() {
    let scratch = Scratch::new();
    let listener = scratch.listen(Mode::Request, &scratch.options().max_message(100), echo);
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::session(&listener, role);
        raw.send(&request(1, &"1".repeat(101))[..16]);
        let refusal = raw.frame();
        assert_eq!((refusal.id, refusal.code().as_str()), (0, "too_large"));
        let text = String::from_utf8(refusal.body).unwrap();
        assert!(
            text.contains("101 bytes is larger than the 100 that the listener takes; raise the listener's"),
            "{text}"
        );
    }
}
