//! Our clients against listeners that break the protocol, or leave at every possible moment.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::blocking::{self, post_broadcast, post_request};
use simple_ipc::{Error, ErrorKind, Message, Options, Wire};

use crate::fake::Fake;
use crate::raw::{
    ACK, BROADCAST, ERROR, GOAWAY, PING, PONG, REQUEST, REQUEST_LISTENER, RESPONSE, Raw, bare, frame, hello,
};
use crate::scratch::{Scratch, build, eventually};

/// Takes the hello and the first frame, which must be a request, whole; says hello. Its id.
fn take_request(raw: &mut Raw) -> u32 {
    raw.receive(16);
    raw.send(&hello(REQUEST_LISTENER));
    let request = raw.frame();
    assert_eq!(request.kind, REQUEST);
    request.id
}

fn answer(id: u32) -> Vec<u8> {
    frame(RESPONSE, 0, id, 0, b"\"fine\"")
}

/// One request in each way that there is to make one, each on a listener of its own.
fn each_way(
    options: impl Fn(&Scratch) -> Options,
    serve: impl Fn(usize, Raw) + Send + Sync + Clone + 'static,
    check: impl Fn(&str, Result<Message, Error>, usize),
) {
    let message = Message::text("request-foo");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for way in ["blocking post", "blocking client", "asynchronous post", "asynchronous client"] {
        let scratch = Scratch::new();
        let options = options(&scratch);
        let fake = Fake::native(&scratch, serve.clone());
        let timeout = Some(Duration::from_secs(30));
        let result = match way {
            "blocking post" => post_request(&build(), &message, &options),
            "blocking client" => blocking::Client::connect(&build(), &options)
                .and_then(|client| client.request_message(&message, timeout)),
            "asynchronous post" => runtime.block_on(simple_ipc::post_request(&build(), &message, &options)),
            _ => runtime.block_on(async {
                let client = simple_ipc::Client::connect(&build(), &options).await?;
                client.request_message(&message, timeout).await
            }),
        };
        check(way, result, fake.connections());
    }
}

fn fails(serve: impl Fn(usize, Raw) + Send + Sync + Clone + 'static, kind: ErrorKind, may_have_been_handled: bool) {
    each_way(Scratch::options, serve, |way, result, _| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), kind, "{way}: {error}");
        assert_eq!(error.may_have_been_handled(), may_have_been_handled, "{way}: {error}");
        assert!(!error.message().is_empty() && !error.message().contains('\n'), "{way}: {error}");
    });
}

#[test]
fn a_listener_that_leaves_before_its_hello_has_not_handled_anything() {
    for received in [0, 16] {
        let leave = move |_, mut raw: Raw| {
            raw.receive(received);
        };
        fails(leave, ErrorKind::ConnectionLost, false);
    }
    // Half a hello is none.
    let half = |_, mut raw: Raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER)[..9]);
    };
    fails(half, ErrorKind::ConnectionLost, false);
}

#[test]
fn a_listener_that_leaves_after_its_hello_may_have_handled_the_message_and_gets_it_once() {
    for sent in [0, 1, 15, 16, 20] {
        let taken = Arc::new(AtomicUsize::new(0));
        let serve = {
            let taken = Arc::clone(&taken);
            move |_, mut raw: Raw| {
                let id = take_request(&mut raw);
                taken.fetch_add(1, Ordering::SeqCst);
                raw.send(&answer(id)[..sent]);
            }
        };
        fails(serve, ErrorKind::ConnectionLost, true);
        assert_eq!(taken.load(Ordering::SeqCst), 4, "one for each way");
    }
}

#[test]
fn a_listener_that_was_gone_for_a_moment_is_tried_again() {
    let serve = |nth, mut raw: Raw| {
        if nth > 0 {
            let id = take_request(&mut raw);
            raw.send(&answer(id));
            raw.receive_to_end();
        }
    };
    each_way(Scratch::options, serve, |way, result, connections| {
        assert_eq!(result.unwrap(), Message::text("fine"), "{way}");
        assert_eq!(connections, 2, "{way}");
    });
}

#[test]
fn a_message_that_a_goaway_leaves_out_goes_to_a_new_connection() {
    let serve = |nth, mut raw: Raw| {
        let id = take_request(&mut raw);
        if nth == 0 {
            raw.send(&bare(GOAWAY, id - 1));
            return;
        }
        // This one is taken: it is answered after the goaway.
        raw.send(&[bare(GOAWAY, id), answer(id)].concat());
        raw.receive_to_end();
    };
    each_way(Scratch::options, serve, |way, result, connections| {
        assert_eq!(result.unwrap(), Message::text("fine"), "{way}");
        assert_eq!(connections, 2, "{way}");
    });
}

#[test]
fn a_listener_that_only_ever_says_goaway_ends_in_a_clear_error() {
    let serve = |_, mut raw: Raw| {
        let id = take_request(&mut raw);
        raw.send(&bare(GOAWAY, id - 1));
    };
    fails(serve, ErrorKind::Closing, false);
}

#[test]
fn garbage_for_a_hello_is_named_and_the_message_is_not_sent_again() {
    for (at, byte, kind) in [
        (0, 0x00, ErrorKind::Protocol),
        (3, b'p', ErrorKind::Protocol),
        (4, 2, ErrorKind::UnsupportedVersion),
        (5, 1, ErrorKind::Protocol),
        (5, 0x13, ErrorKind::Protocol),
        (7, 1, ErrorKind::Protocol),
    ] {
        let serve = move |_, mut raw: Raw| {
            raw.receive(16);
            let mut bad = hello(REQUEST_LISTENER);
            bad[at] = byte;
            raw.send(&bad);
            raw.receive_to_end();
        };
        each_way(Scratch::options, serve, |way, result, connections| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), kind, "{way}: {error}");
            assert_eq!(connections, 1, "{way}");
            // Who speaks another version does not take a message in ours.
            assert_eq!(error.may_have_been_handled(), kind == ErrorKind::Protocol, "{way}: {error}");
        });
    }
}

#[test]
fn garbage_for_an_answer_is_named_and_the_message_may_have_been_handled() {
    let mut endless = answer(1);
    endless[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bad, kind) in [
        (vec![0xff; 40], ErrorKind::Protocol),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), ErrorKind::Protocol),
        (endless, ErrorKind::TooLarge),
        (frame(REQUEST, 0, 1, 0, b"1"), ErrorKind::Protocol),
        (frame(BROADCAST, 0, 1, 0, b"1"), ErrorKind::Protocol),
        (frame(RESPONSE, 0, 0, 0, b"1"), ErrorKind::Protocol),
        (frame(RESPONSE, 4, 1, 0, b"1"), ErrorKind::Protocol),
        (frame(RESPONSE, 0, 1, 1, b"1"), ErrorKind::Protocol),
        (frame(ERROR, 0, 1, 0, b"no object"), ErrorKind::Protocol),
        (frame(ERROR, 0, 1, 0, br#"["protocol","an array"]"#), ErrorKind::Protocol),
        (frame(RESPONSE, 0, 1, 0, b"{"), ErrorKind::InvalidBody),
        (bare(ACK, 1), ErrorKind::Protocol),
    ] {
        let serve = move |_, mut raw: Raw| {
            take_request(&mut raw);
            raw.send(&bad);
            raw.receive_to_end();
        };
        fails(serve, kind, true);
    }
}

#[test]
fn an_error_frame_becomes_the_error_that_it_names() {
    for (code, kind, may_have_been_handled) in [
        ("handler_failed", ErrorKind::HandlerFailed, true),
        ("wrong_mode", ErrorKind::WrongMode, false),
        ("invalid_body", ErrorKind::InvalidBody, false),
        ("closing", ErrorKind::Closing, false),
        ("cancelled", ErrorKind::Cancelled, true),
        ("timed_out", ErrorKind::TimedOut, true),
        ("some_later_one", ErrorKind::Protocol, true),
    ] {
        let serve = move |_, mut raw: Raw| {
            let id = take_request(&mut raw);
            let body = format!(r#"{{"code":"{code}","message":"what stood in the way","more":[1]}}"#);
            raw.send(&frame(ERROR, 0, id, 0, body.as_bytes()));
            raw.receive_to_end();
        };
        each_way(Scratch::options, serve, |way, result, connections| {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), kind, "{way}");
            // The listener's words, and where it is not the handler that speaks, the channel.
            let said = error.message();
            assert!(said.ends_with("what stood in the way"), "{way}: {said}");
            assert!(said == "what stood in the way" || said.starts_with("channel \""), "{way}: {said}");
            assert_eq!(error.may_have_been_handled(), may_have_been_handled, "{way}: {code}");
            assert_eq!(connections, 1, "{way}");
        });
    }
}

#[test]
fn an_error_about_the_session_ends_the_call() {
    let serve = |_, mut raw: Raw| {
        take_request(&mut raw);
        raw.send(&frame(ERROR, 0, 0, 0, br#"{"code":"protocol","message":"frame kind 16 is unknown"}"#));
        raw.receive_to_end();
    };
    fails(serve, ErrorKind::Protocol, true);
}

#[test]
fn what_nobody_waits_for_is_passed_over() {
    let serve = |_, mut raw: Raw| {
        let id = take_request(&mut raw);
        raw.send(&[answer(id + 1), answer(id + 1000), bare(PONG, 5), bare(ACK, 77), bare(PING, 8)].concat());
        raw.send(&frame(ERROR, 0, id + 3, 0, br#"{"code":"cancelled","message":"late"}"#));
        // The answer comes only to who has answered the ping.
        assert!(raw.frame().is(PONG, 8));
        raw.send(&answer(id));
        raw.receive_to_end();
    };
    each_way(Scratch::options, serve, |way, result, _| {
        assert_eq!(result.unwrap(), Message::text("fine"), "{way}");
    });
}

#[test]
fn a_listener_that_never_answers_is_given_up_in_time() {
    let options = |scratch: &Scratch| scratch.options().timeout(Duration::from_millis(50));
    let message = Message::null();
    for silent_from in ["the start", "the hello", "the answer"] {
        let scratch = Scratch::new();
        let _fake = Fake::native(&scratch, move |_, mut raw| {
            raw.receive(16);
            if silent_from != "the start" {
                raw.send(&hello(REQUEST_LISTENER)[..if silent_from == "the hello" { 8 } else { 16 }]);
            }
            raw.receive_to_end();
        });
        let error = post_request(&build(), &message, &options(&scratch)).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{silent_from}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(simple_ipc::post_request(&build(), &message, &options(&scratch))).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{silent_from}");
        // One that is too large to be sent before the listener has said what it takes was not sent.
        let large = Message::bytes(vec![0; 1 << 20]);
        if silent_from != "the answer" {
            let error = post_request(&build(), &large, &options(&scratch)).unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, false), "{silent_from}");
        }
    }
}

#[test]
fn a_message_that_the_listener_does_not_take_is_refused_before_it_is_sent() {
    let serve = |_, mut raw: Raw| {
        raw.receive(16);
        let mut small = hello(REQUEST_LISTENER);
        small[12..].copy_from_slice(&100_000u32.to_le_bytes());
        raw.send(&small);
        assert_eq!(raw.receive_to_end(), b"", "some of it was sent");
    };
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, serve);
    let error = post_request(&build(), &Message::bytes(vec![0; 100_001]), &scratch.options()).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false));
}

#[test]
fn a_broadcast_that_is_refused_fails_the_next_flush() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER));
        loop {
            let frame = raw.frame();
            match frame.kind {
                BROADCAST => raw.send(&crate::raw::frame(
                    ERROR,
                    0,
                    frame.id,
                    0,
                    br#"{"code":"wrong_mode","message":"requests only"}"#,
                )),
                _ => raw.send(&bare(ACK, frame.id)),
            }
        }
    });
    let client = blocking::Client::connect(&build(), &scratch.options()).unwrap();
    let _told_at_the_flush_at_the_latest = client.broadcast("x");
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::WrongMode);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&build(), &scratch.options()).await.unwrap();
        client.broadcast("x").await.unwrap();
        assert_eq!(client.flush().await.unwrap_err().kind(), ErrorKind::WrongMode);
    });
    let error = post_broadcast(&build(), &Message::null(), &scratch.options()).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::WrongMode, false));
}

#[test]
fn the_deno_wire_at_every_end_that_it_can_come_to() {
    for (reply, kind) in [
        (&b""[..], Some(ErrorKind::NoReply)),
        (b"\0{", Some(ErrorKind::InvalidBody)),
        (b"\xf4\"x\"", None),
        (b"\0", None),
        (b"\xff\x01\x02", None),
    ] {
        let scratch = Scratch::new();
        let _fake = Fake::original(&scratch, move |_, mut stream| {
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.write_all(reply).unwrap();
        });
        match (post_request(&build(), &Message::null(), &scratch.options()), kind) {
            (Ok(_), None) => {}
            (Err(error), Some(kind)) => {
                assert_eq!((error.kind(), error.may_have_been_handled()), (kind, true), "{reply:?}");
            }
            (result, _) => panic!("{result:?} for {reply:?}"),
        }
        let broadcast = post_broadcast(&build(), &Message::null(), &scratch.options());
        match reply {
            b"" => broadcast.unwrap(),
            _ => assert_eq!(broadcast.unwrap_err().kind(), ErrorKind::WrongMode),
        }
    }
}

#[test]
fn a_client_that_stops_waiting_on_the_deno_wire_stays_to_the_end() {
    let scratch = Scratch::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let _fake = Fake::original(&scratch, {
        let seen = Arc::clone(&seen);
        move |_, mut stream| {
            stream.read_to_end(&mut Vec::new()).unwrap();
            released.lock().unwrap().recv().unwrap();
            // Larger than any buffer: it goes only if the client receives it.
            let sent = stream.write_all(&vec![b' '; 16 << 20]).and_then(|()| stream.write_all(b"1"));
            seen.lock().unwrap().push(sent.is_ok());
        }
    });
    let options = scratch.options().timeout(Duration::from_millis(20)).wire(Wire::Deno);
    let error = post_request(&build(), &Message::null(), &options).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(simple_ipc::post_request(&build(), &Message::null(), &options)).unwrap_err();
    runtime.block_on(async {
        let (channel, message) = (build(), Message::null());
        let dropped = simple_ipc::post_request(&channel, &message, &options);
        tokio::select! {
            biased;
            _ = dropped => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
    });
    drop(runtime);
    (0..3).for_each(|_| release.send(()).unwrap());
    eventually("all three could be answered", || seen.lock().unwrap().len() == 3);
    assert_eq!(*seen.lock().unwrap(), [true; 3]);
}

#[test]
fn an_answer_of_the_wrong_kind_breaks_the_protocol_and_ends_the_session() {
    // A response to a broadcast and to a question, an ack to a request.
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER));
        loop {
            let frame = raw.frame();
            match frame.kind {
                REQUEST => raw.send(&bare(ACK, frame.id)),
                BROADCAST if frame.id == 0 => {}
                _ => raw.send(&answer(frame.id)),
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = scratch.options();
    let posts = [
        post_request(&build(), &Message::null(), &options).map(drop),
        post_broadcast(&build(), &Message::null(), &options),
        runtime.block_on(simple_ipc::post_request(&build(), &Message::null(), &options)).map(drop),
        runtime.block_on(simple_ipc::post_broadcast(&build(), &Message::null(), &options)),
    ];
    for (nth, post) in posts.into_iter().enumerate() {
        let error = post.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Protocol, true), "{nth}: {error}");
    }
    let client = blocking::Client::connect(&build(), &options).unwrap();
    client.broadcast(1).unwrap();
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::Protocol);
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&build(), &options).await.unwrap();
        client.broadcast(1).await.unwrap();
        assert_eq!(client.flush().await.unwrap_err().kind(), ErrorKind::Protocol);
    });
}

#[test]
fn a_goaway_with_an_id_that_was_never_sent_says_nothing_about_a_message() {
    for never_sent in [2, 1000, u32::MAX] {
        let serve = move |_, mut raw: Raw| {
            let id = take_request(&mut raw);
            assert_eq!(id, 1);
            raw.send(&bare(GOAWAY, never_sent));
            raw.send(&answer(id));
            raw.receive_to_end();
        };
        each_way(Scratch::options, serve, |way, result, connections| {
            assert_eq!(result.unwrap(), Message::text("fine"), "{way}");
            assert_eq!(connections, 1, "{way}: it was sent again");
        });
    }
}

#[test]
fn an_error_frame_is_taken_whatever_the_clients_limit_is() {
    let options = |scratch: &Scratch| scratch.options().max_message(20);
    let serve = |_, mut raw: Raw| {
        let id = take_request(&mut raw);
        let text = "x".repeat(1024 - r#"{"code":"handler_failed","message":""}"#.len());
        let body = format!(r#"{{"code":"handler_failed","message":"{text}"}}"#);
        assert_eq!(body.len(), 1024);
        raw.send(&frame(ERROR, 0, id, 0, body.as_bytes()));
        raw.receive_to_end();
    };
    each_way(options, serve, |way, result, _| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::HandlerFailed, "{way}");
    });
}

/// A listener that stops reading once it has the first request, and answers it, and says goodbye, only when told to.
/// What comes on later connections it answers.
fn stops_reading(scratch: &Scratch) -> (Fake, std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (stopped, has_stopped) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let may_go = Mutex::new(may_go);
    let fake = Fake::native(scratch, move |nth, mut raw| {
        let id = take_request(&mut raw);
        if nth == 0 {
            raw.stop_reading();
            stopped.send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
            raw.send(&[answer(id), bare(GOAWAY, id)].concat());
            return;
        }
        raw.send(&answer(id));
        raw.receive_to_end();
    });
    (fake, has_stopped, go)
}

#[test]
fn an_answer_that_comes_after_a_write_has_failed_is_taken_and_what_did_not_leave_goes_elsewhere() {
    let scratch = Scratch::new();
    let (fake, stopped, go) = stops_reading(&scratch);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let message = Message::null();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&build(), &scratch.options()).await.unwrap();
        let first = client.request_message(&message, None);
        let later = async {
            while stopped.try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Answered while the first still waits.
            let second = client.request_message(&message, None).await.unwrap();
            go.send(()).unwrap();
            second
        };
        let (first, second) = tokio::join!(first, later);
        assert_eq!((first.unwrap(), second), (Message::text("fine"), Message::text("fine")));
    });
    assert_eq!(fake.connections(), 2);

    let scratch = Scratch::new();
    let (fake, stopped, go) = stops_reading(&scratch);
    let mut queue = simple_ipc::event_loop::Queue::new().unwrap();
    let (client, _) = queue.connect(&build(), &scratch.options()).unwrap();
    let first = queue.request(client, Message::null(), None).unwrap();
    queue.submit();
    stopped.recv().unwrap();
    let second = queue.request(client, Message::null(), None).unwrap();
    let mut done = Vec::new();
    while !done.iter().any(|done: &simple_ipc::event_loop::Completion| done.ticket == second) {
        queue.wait(None).unwrap();
        queue.process(&mut done).unwrap();
    }
    go.send(()).unwrap();
    while !done.iter().any(|done| done.ticket == first) {
        queue.wait(None).unwrap();
        queue.process(&mut done).unwrap();
    }
    assert!(done.iter().all(|done| done.result.is_ok()), "{done:?}");
    assert_eq!(fake.connections(), 2);
}

#[test]
fn half_a_message_was_not_handled_and_why_is_heard_to_the_end() {
    // The listener takes a part of a message, stops reading, and says why a moment later.
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER));
        raw.receive(1 << 20);
        raw.stop_reading();
        raw.send(&frame(ERROR, 0, 0, 0, br#"{"code":"too_large","message":"enough"}"#));
    });
    let large = Message::bytes(vec![0; 32 << 20]);
    let error = post_request(&build(), &large, &scratch.options()).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");

    // And one that goes on elsewhere where it has only said goodbye.
    let scratch = Scratch::new();
    let fake = Fake::native(&scratch, |nth, mut raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER));
        if nth == 0 {
            raw.receive(1 << 20);
            raw.stop_reading();
            raw.send(&bare(GOAWAY, 0));
            return;
        }
        let id = raw.frame().id;
        raw.send(&answer(id));
        raw.receive_to_end();
    });
    assert_eq!(post_request(&build(), &large, &scratch.options()).unwrap(), Message::text("fine"));
    assert_eq!(fake.connections(), 2);
}
