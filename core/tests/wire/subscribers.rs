//! Subscribers against a stand-in that publishes what a test has it say.

use std::sync::mpsc::channel;
use std::time::Duration;

use simple_ipc::event_loop::{Next, Subscription};
use simple_ipc::{ErrorKind, Event, Options, blocking};

use crate::fake::Fake;
use crate::raw::{
    CREDIT, ERROR, EVENT, GAP, GOAWAY, HANGS, PING, PONG, RESPONSE, Raw, SUBSCRIBE, bare, frame, knowing_hello,
};
use crate::scratch::{Scratch, build, eventually};

const EPOCH: &str = "0123456789abcdef";

/// Takes the hello and the subscribe of a client, says hello, and answers. The body of the subscribe.
fn take_subscriber(raw: &mut Raw, next: u64, missed: Option<u64>) -> serde_json::Value {
    let body = meet(raw);
    raw.send(&answer(EPOCH, next, missed));
    body
}

/// Takes the hello and the subscribe of a client, and says hello. The body of the subscribe.
fn meet(raw: &mut Raw) -> serde_json::Value {
    raw.receive(16);
    raw.send(&knowing_hello());
    let asked = raw.frame();
    assert_eq!((asked.kind, asked.id), (SUBSCRIBE, 1));
    serde_json::from_slice(&asked.body).unwrap()
}

fn answer(epoch: &str, next: u64, missed: Option<u64>) -> Vec<u8> {
    let mut body = serde_json::json!({"epoch": epoch, "next": next, "queue": 4194304});
    if let Some(missed) = missed {
        body["missed"] = missed.into();
    }
    frame(RESPONSE, 0, 1, 0, body.to_string().as_bytes())
}

fn event(id: u32, body: &str) -> Vec<u8> {
    frame(EVENT, 0, id, 0, body.as_bytes())
}

/// The options of a subscriber that ends with its publisher.
fn once(scratch: &Scratch) -> Options {
    scratch.options().reconnect(Duration::ZERO)
}

/// All that a subscriber in each language of Rust gets: the events, and what it ended with.
type Got = (Vec<(String, String, i64, bool)>, Option<ErrorKind>);

fn told(event: &Event) -> (String, String, i64, bool) {
    (event.topic.clone(), String::from_utf8_lossy(event.data.data()).into_owned(), event.missed, event.retained)
}

fn by_threads(options: &Options) -> Got {
    let mut got = Vec::new();
    let subscription = match blocking::subscribe(&build(), options) {
        Ok(subscription) => subscription,
        Err(error) => return (got, Some(error.kind())),
    };
    for event in subscription {
        match event {
            Ok(event) => got.push(told(&event)),
            Err(error) => return (got, Some(error.kind())),
        }
    }
    (got, None)
}

fn by_tasks(options: &Options) -> Got {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut got = Vec::new();
        let mut subscription = match simple_ipc::subscribe(&build(), options).await {
            Ok(subscription) => subscription,
            Err(error) => return (got, Some(error.kind())),
        };
        while let Some(event) = subscription.next().await {
            match event {
                Ok(event) => got.push(told(&event)),
                Err(error) => return (got, Some(error.kind())),
            }
        }
        (got, None)
    })
}

/// Watches the descriptor, and does something only when that is readable.
fn by_an_event_loop(options: &Options) -> Got {
    let mut got = Vec::new();
    let run = |got: &mut Vec<_>| {
        let subscription = Subscription::begin(&build(), options)?;
        while !subscription.is_subscribed()? {
            assert!(subscription.wait(Some(HANGS))?, "it does not tell that there is something to do");
        }
        loop {
            match subscription.try_next()? {
                Next::Event(event) => got.push(told(&event)),
                Next::Ended => return Ok::<(), simple_ipc::Error>(()),
                _ => assert!(subscription.wait(Some(HANGS))?, "it does not tell that there is something to do"),
            }
        }
    };
    let ended = run(&mut got);
    (got, ended.err().map(|error| error.kind()))
}

/// Plays a publisher to every kind of subscriber.
fn each_way(
    options: impl Fn(&Scratch) -> Options,
    serve: impl Fn(usize, Raw) + Send + Sync + Clone + 'static,
    check: impl Fn(&str, Got),
) {
    type Way = fn(&Options) -> Got;
    let ways: [(&str, Way); 3] = [("threads", by_threads), ("tasks", by_tasks), ("event loop", by_an_event_loop)];
    for (way, subscribe) in ways {
        let scratch = Scratch::new();
        let _fake = Fake::native(&scratch, serve.clone());
        check(way, subscribe(&options(&scratch)));
    }
}

fn gets(serve: impl Fn(usize, Raw) + Send + Sync + Clone + 'static, bodies: &[&str], ends: Option<ErrorKind>) {
    each_way(once, serve, |way, (got, ended)| {
        let got: Vec<_> = got.into_iter().map(|(_, body, ..)| body).collect();
        assert_eq!(
            (got.as_slice(), ended),
            (bodies.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>().as_slice(), ends),
            "{way}"
        );
    });
}

#[test]
fn events_come_with_their_topic_and_what_was_missed_and_end_with_their_publisher() {
    let serve = |_, mut raw: Raw| {
        assert_eq!(take_subscriber(&mut raw, 124, None), serde_json::json!({"overflow": "fail", "queue": 4194304}));
        raw.send(&frame(EVENT, 0x18, 3, 0, b"\x04tick\"old\""));
        raw.send(&frame(EVENT, 0x08, 124, 0, b"\x04tick1"));
        raw.send(&frame(EVENT, 0x01, 125, 0, b"\x00\xff"));
        raw.send(&frame(GAP, 0, 130, 4, b""));
        raw.send(&event(130, "[2]"));
        raw.send(&bare(PING, 9));
        raw.send(&bare(GOAWAY, 1));
        assert!(raw.frame().is(PONG, 9));
        raw.receive_to_end();
    };
    each_way(once, serve, |way, (got, ended)| {
        let expected = [
            ("tick", "\"old\"", 0, true),
            ("tick", "1", 0, false),
            ("", "\0\u{fffd}", 0, false),
            ("", "[2]", 4, false),
        ];
        let expected: Vec<_> =
            expected.map(|(topic, body, missed, old)| (topic.into(), body.into(), missed, old)).into();
        assert_eq!((got, ended), (expected, None), "{way}");
    });
}

#[test]
fn what_breaks_the_protocol_ends_a_subscription_behind_the_events_before() {
    let broken: &[&[u8]] = &[
        &event(126, "2"),
        &event(124, "2"),
        &frame(EVENT, 0x10, 3, 0, b"1"),
        &[frame(GAP, 0, 127, 3, b""), event(127, "1")].concat(),
        &[frame(GAP, 0, 128, 2, b""), event(129, "1")].concat(),
        &frame(EVENT, 0x08, 125, 0, b""),
        &frame(EVENT, 0x08, 125, 0, b"\x05tick"),
        &frame(EVENT, 0x08, 125, 0, b"\x01\xff1"),
        &answer(EPOCH, 125, None),
        &frame(RESPONSE, 0, 2, 0, b"{}"),
        &frame(RESPONSE, 1, 1, 0, b"{}"),
        &bare(5, 1),
        &frame(SUBSCRIBE, 0, 1, 0, b"{}"),
        &frame(CREDIT, 0, 1, 1, b""),
        &frame(ERROR, 0, 1, 0, b"{"),
    ];
    for frames in broken {
        let frames = frames.to_vec();
        let serve = move |_, mut raw: Raw| {
            take_subscriber(&mut raw, 124, None);
            raw.send(&event(124, "1"));
            raw.send(&frames);
            raw.receive_to_end();
        };
        gets(serve, &["1"], Some(ErrorKind::Protocol));
    }
    for first in [event(1, "1"), frame(GAP, 0, 1, 1, b""), bare(5, 1), frame(RESPONSE, 0, 1, 0, b"[]")] {
        let serve = move |_, mut raw: Raw| {
            meet(&mut raw);
            raw.send(&first);
            raw.receive_to_end();
        };
        gets(serve, &[], Some(ErrorKind::Protocol));
    }
}

#[test]
fn an_error_is_the_end_behind_what_was_sent() {
    for (code, kind) in
        [("too_slow", ErrorKind::TooSlow), ("too_large", ErrorKind::TooLarge), ("wrong_mode", ErrorKind::WrongMode)]
    {
        let body = format!("{{\"code\":\"{code}\",\"message\":\"why not\"}}");
        let refused = {
            let body = body.clone();
            move |_, mut raw: Raw| {
                meet(&mut raw);
                raw.send(&frame(ERROR, 0, 1, 0, body.as_bytes()));
                raw.receive_to_end();
            }
        };
        gets(refused, &[], Some(kind));
        let cut_off = move |_, mut raw: Raw| {
            take_subscriber(&mut raw, 1, None);
            raw.send(&event(1, "1"));
            raw.send(&frame(ERROR, 0, 1, 0, body.as_bytes()));
            raw.receive_to_end();
        };
        gets(cut_off, &["1"], Some(kind));
    }
}

#[test]
fn a_publisher_that_is_gone_without_a_word_is_a_lost_connection_where_none_is_looked_for() {
    let serve = |_, mut raw: Raw| {
        take_subscriber(&mut raw, 1, None);
        raw.send(&event(1, "1"));
    };
    gets(serve, &["1"], Some(ErrorKind::ConnectionLost));
}

#[test]
fn a_subscriber_goes_on_with_the_same_publisher_and_tells_what_it_missed() {
    let serve = |nth, mut raw: Raw| match nth {
        0 => {
            take_subscriber(&mut raw, 10, None);
            raw.send(&event(10, "1"));
        }
        1 => {
            let body = take_subscriber(&mut raw, 15, Some(4));
            assert_eq!((&body["epoch"], &body["after"]), (&EPOCH.into(), &10.into()));
            raw.send(&event(15, "2"));
            raw.send(&bare(GOAWAY, 1));
        }
        _ => {
            meet(&mut raw);
            raw.send(&answer("fedcba9876543210", 1, None));
            raw.send(&event(1, "3"));
            raw.send(&event(2, "4"));
            raw.send(&frame(ERROR, 0, 1, 0, b"{\"code\":\"too_slow\",\"message\":\"enough\"}"));
            raw.receive_to_end();
        }
    };
    each_way(Scratch::options, serve, |way, (got, ended)| {
        let got: Vec<_> = got.iter().map(|(_, body, missed, _)| (body.as_str(), *missed)).collect();
        assert_eq!(got, [("1", 0), ("2", 4), ("3", -1), ("4", 0)], "{way}");
        assert_eq!(ended, Some(ErrorKind::TooSlow), "{way}");
    });
}

/// What the listener of version 0.1.0 answered to a hello and a subscribe, before it closed.
const LISTENER_OF_0_1_0: &[u8] = b"\xf5SIP\x01\x11\0\0\0\0\0\0\0\0\0\x04\
    \x3d\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0{\"code\":\"protocol\",\"message\":\"a frame is of an unknown kind\"}";

/// What the client of version 0.1.0 sent to post the request `"x"`, with 30 seconds to wait.
const CLIENT_OF_0_1_0: &[u8] = b"\xf5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04\
    \x03\0\0\0\x01\0\0\0\x01\0\0\0\x30\x75\0\0\"x\"";

/// What the listener of version 0.1.0 answered to that.
const ANSWER_OF_0_1_0: &[u8] = b"\xf5SIP\x01\x11\0\0\0\0\0\0\0\0\0\x04\
    \x03\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\"x\"";

#[test]
fn a_listener_of_0_1_0_is_said_to_be_of_a_version_that_cannot_publish() {
    // It may have closed before the subscribe was whole.
    for answered in [LISTENER_OF_0_1_0.len(), 16] {
        let serve = move |_, mut raw: Raw| {
            raw.receive(16);
            raw.send(&LISTENER_OF_0_1_0[..answered]);
        };
        gets(serve, &[], Some(ErrorKind::UnsupportedVersion));
    }
}

#[test]
fn clients_and_listeners_of_0_1_0_are_served_as_ever() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw: Raw| {
        let sent = raw.receive(CLIENT_OF_0_1_0.len());
        // But for the bit of a feature, which that listener passes over.
        assert_eq!((&sent[..8], &sent[9..]), (&CLIENT_OF_0_1_0[..8], &CLIENT_OF_0_1_0[9..]));
        raw.send(ANSWER_OF_0_1_0);
        raw.receive_to_end();
    });
    let reply = blocking::post_request(&build(), &simple_ipc::Message::text("x"), &scratch.options()).unwrap();
    assert_eq!(reply, simple_ipc::Message::text("x"));

    let scratch = Scratch::new();
    let listener = scratch.listen(simple_ipc::Mode::Request, &scratch.options().publish(true), crate::scratch::echo);
    let mut raw = Raw::to(&listener);
    raw.send(CLIENT_OF_0_1_0);
    let answered = raw.receive(ANSWER_OF_0_1_0.len());
    assert_eq!((&answered[..8], &answered[9..]), (&ANSWER_OF_0_1_0[..8], &ANSWER_OF_0_1_0[9..]));
}

#[test]
fn what_is_taken_is_granted_and_no_more_is_read() {
    // 1,000 bytes a frame.
    let body = format!("\"{}\"", "x".repeat(982));
    let serve = move |_, mut raw: Raw| {
        take_subscriber(&mut raw, 1, None);
        let mut sent = 0;
        for id in 1..=1000 {
            raw.send(&event(id, &body));
            sent += 1000;
            // The window is used up by whole frames: what is granted is what was taken.
            if sent % 263_000 == 0 {
                let mut granted = 0;
                while granted < 131_072 {
                    let grant = raw.frame();
                    assert!(grant.is(CREDIT, 1), "{grant:?}");
                    granted += grant.argument;
                }
                sent -= granted as usize / 1000 * 1000;
            }
        }
        raw.send(&bare(GOAWAY, 1));
        raw.receive_to_end();
    };
    each_way(once, serve, |way, (got, ended)| {
        assert_eq!((got.len(), ended), (1000, None), "{way}");
    });
}

#[test]
fn an_event_over_the_subscribers_limit_ends_it_and_the_topic_does_not_count() {
    let serve = |_, mut raw: Raw| {
        take_subscriber(&mut raw, 1, None);
        raw.send(&frame(EVENT, 9, 1, 0, &[b"\x04tick".as_slice(), &[0; 100]].concat()));
        raw.send(&frame(EVENT, 9, 2, 0, &[b"\x04tick".as_slice(), &[0; 101]].concat()));
        raw.receive_to_end();
    };
    each_way(
        |scratch| once(scratch).max_message(100),
        serve,
        |way, (got, ended)| {
            assert_eq!((got.len(), ended), (1, Some(ErrorKind::TooLarge)), "{way}");
        },
    );
}

#[test]
fn close_ends_a_wait_in_another_thread_and_the_stream_of_a_task() {
    let scratch = Scratch::new();
    let _fake = Fake::native(&scratch, |_, mut raw: Raw| {
        take_subscriber(&mut raw, 1, None);
        raw.receive_to_end();
    });
    let mut subscription = blocking::subscribe(&build(), &scratch.options()).unwrap();
    let closer = subscription.closer();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || subscription.next().is_none());
        closer.close();
        assert!(waiting.join().unwrap());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut subscription = simple_ipc::subscribe(&build(), &scratch.options()).await.unwrap();
        let closer = subscription.closer();
        let closing = std::thread::spawn(move || closer.close());
        assert!(subscription.next().await.is_none());
        closing.join().unwrap();
    });
}

#[test]
fn the_other_side_hears_at_once_that_a_subscription_was_dropped() {
    let scratch = Scratch::new();
    let (left, has_left) = channel();
    let _fake = Fake::native(&scratch, move |_, mut raw: Raw| {
        take_subscriber(&mut raw, 1, None);
        raw.receive_to_end();
        left.send(()).unwrap();
    });
    drop(blocking::subscribe(&build(), &scratch.options()).unwrap());
    crate::scratch::next(&has_left);
    let subscription = Subscription::subscribe(&build(), &scratch.options()).unwrap();
    subscription.close();
    crate::scratch::next(&has_left);
    assert!(subscription.is_over());
    assert!(subscription.next(None).unwrap().is_none());
    eventually("it stays readable", || subscription.wait(Some(Duration::ZERO)).unwrap());
}
