//! What is said on a session whose listener closes.

use super::*;

#[test]
fn closing_answers_what_was_taken_and_says_up_to_where_it_took() {
    let scratch = Scratch::new();
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let (listener, got) = hold(&scratch, &scratch.options().grace(Duration::from_secs(3600)));
        let mut raw = Raw::session(&listener, role);
        let mut idle = Raw::session(&listener, role);
        raw.send(&request(5, "1"));
        let (_, responder) = next(&got);
        let listener = Arc::new(listener);
        let closing = {
            let listener = Arc::clone(&listener);
            std::thread::spawn(move || listener.close().unwrap())
        };
        assert!(idle.frame().is(GOAWAY, 0));
        assert_eq!(idle.receive_to_end(), b"");
        responder.respond(&Message::null()).unwrap();
        let mut said = [raw.frame(), raw.frame()];
        said.sort();
        assert!(said[0].is(RESPONSE, 5) && said[1].is(GOAWAY, 5), "{said:?}");
        assert_eq!(raw.receive_to_end(), b"");
        closing.join().unwrap();
        assert!(!scratch.socket().exists() && !scratch.lock_file().exists());
    }
}

#[test]
fn goodbye_is_said_as_soon_as_nothing_more_is_taken_while_handlers_still_run() {
    let scratch = Scratch::new();
    for (role, tcp) in [(MULTIPLEXED, false), (MULTIPLEXED, true), (EXCLUSIVE, false), (EXCLUSIVE, true)] {
        let options = scratch.options().grace(Duration::from_secs(3600));
        let (sender, got) = channel();
        let handler = move |message: &Message, responder: Responder| {
            let _the_test_is_over = sender.send((message.clone(), responder));
        };
        let listener = match tcp {
            true => scratch.listen_tcp(Mode::Request, &options, handler),
            false => scratch.listen(Mode::Request, &options, handler),
        };
        let mut raw = Raw::session(&listener, role);
        raw.send(&request(5, "1"));
        let (_, responder) = next(&got);
        let closing = std::thread::spawn(move || listener.close().unwrap());
        assert!(raw.frame().is(GOAWAY, 5));
        // What comes too late is not handled.
        raw.send_what_goes(&request(6, "2"));
        responder.respond(&Message::null()).unwrap();
        assert!(raw.frame().is(RESPONSE, 5));
        assert_eq!(raw.receive_to_end(), b"");
        closing.join().unwrap();
        assert!(got.try_recv().is_err(), "{role} {tcp}");
    }
}

#[test]
fn a_question_that_was_taken_is_answered_before_the_goodbye() {
    let scratch = Scratch::new();
    let (began, begun) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let options = scratch.options().grace(Duration::from_secs(3600));
    let listener = scratch.listen(Mode::Broadcast, &options, move |_, _| {
        let _the_test_is_over = began.send(());
        let _or_may_go = may_go.lock().unwrap().recv();
    });
    let mut raw = Raw::session(&listener, MULTIPLEXED);
    raw.send(&[broadcast(0, false, "1"), broadcast(0, false, "2"), bare(ACK, 3)].concat());
    begun.recv().unwrap();
    // One that waits elsewhere shows that closing has begun.
    let mut idle = Raw::session(&listener, MULTIPLEXED);
    let closing = std::thread::spawn(move || listener.close().unwrap());
    assert!(idle.frame().is(GOAWAY, 0));
    drop(go);
    assert!(raw.frame().is(ACK, 3));
    assert!(raw.frame().is(GOAWAY, 0));
    assert_eq!(raw.receive_to_end(), b"");
    closing.join().unwrap();
}

#[test]
fn what_was_not_taken_is_told_of_before_a_cut_off() {
    let scratch = Scratch::new();
    for grace in [Duration::ZERO, Duration::from_millis(50)] {
        // The second request stays where it is: no more than one may be in flight.
        let options = scratch.options().grace(grace).max_session_in_flight(1);
        let (listener, got) = hold(&scratch, &options);
        let mut raw = Raw::session(&listener, MULTIPLEXED);
        raw.send(&[request(1, "1"), request(2, "2")].concat());
        let (_, responder) = next(&got);
        listener.close().unwrap();
        assert!(raw.frame().is(GOAWAY, 1), "{grace:?}");
        assert_eq!(raw.receive_to_end(), b"");
        assert!(got.try_recv().is_err() && responder.is_cancelled());
    }
}

#[test]
fn an_answer_is_never_lost_to_a_listener_that_closes_at_the_same_moment() {
    let scratch = Scratch::new();
    for round in 0..100 {
        let role = if round % 2 == 0 { EXCLUSIVE } else { MULTIPLEXED };
        let (listener, got) = hold(&scratch, &scratch.options().grace(Duration::from_secs(3600)));
        let mut raw = Raw::session(&listener, role);
        raw.send(&request(1, "1"));
        let (_, responder) = next(&got);
        let body = vec![b'x'; if round % 4 < 2 { 10 } else { 3 << 20 }];
        let answering = std::thread::spawn(move || responder.respond(&Message::bytes(body)).unwrap());
        let reading = std::thread::spawn(move || {
            let mut said = [raw.frame(), raw.frame()];
            said.sort();
            assert!(said[0].is(RESPONSE, 1) && said[1].is(GOAWAY, 1));
            assert_eq!(raw.receive_to_end(), b"");
        });
        listener.close().unwrap();
        answering.join().unwrap();
        reading.join().unwrap();
    }
}
