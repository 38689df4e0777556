//! Looking on at what passes at a listener.

use simple_ipc::blocking::{Listener, Tap, inspect, post_broadcast, post_request, post_stream, tap};
use simple_ipc::{Channel, ErrorKind, HandlerFailure, Message, Mode, Options, Passed, Responder, Wire};

use crate::support::Scratch;

fn build() -> Channel {
    Channel::uds("build").unwrap()
}

fn listen(mode: Mode, options: &Options, handler: impl Fn(&Message, Responder) + Send + Sync + 'static) -> Listener {
    Listener::serve(&build(), mode, options, handler).unwrap()
}

fn echo(message: &Message, responder: Responder) {
    let _the_caller_may_have_gone = responder.respond(message);
}

/// The next that passes: what it is, of which call, and its message.
fn next(tap: &mut Tap) -> (String, u64, Message) {
    let Passed { what, call, message, missed, .. } = tap.next().expect("it goes on").unwrap();
    assert_eq!(missed, 0, "{what}");
    (what, call, message)
}

/// So many, of several calls at once, in the order of their calls.
fn sorted(tap: &mut Tap, count: usize) -> Vec<(u64, String, Message)> {
    let mut passed: Vec<_> = (0..count).map(|_| next(tap)).map(|(what, call, message)| (call, what, message)).collect();
    passed.sort_by_key(|(call, ..)| *call);
    passed
}

fn text(message: &Message) -> &str {
    std::str::from_utf8(message.data()).unwrap()
}

#[test]
fn requests_pass_with_their_answers_on_every_wire() {
    let scratch = Scratch::new();
    let _listener = listen(Mode::Request, &scratch.options().tap(true), echo);
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    for (nth, wire) in [(1, Wire::Native), (2, Wire::Native), (3, Wire::Deno)] {
        let message = if nth == 2 { Message::bytes([0, 255]) } else { Message::text("request-foo") };
        post_request(&build(), &message, &scratch.options().wire(wire)).unwrap();
        let asked = tap.next().unwrap().unwrap();
        assert_eq!((asked.what.as_str(), asked.call, &asked.message), ("request", nth, &message));
        assert_eq!((asked.took_us, asked.missed), (None, 0));
        assert!(asked.at_ms > 1_700_000_000_000);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(asked.pid, Some(std::process::id().cast_signed()));
            assert_eq!(asked.user.unwrap(), rustix::process::geteuid().as_raw().to_string());
        }
        let answered = tap.next().unwrap().unwrap();
        assert_eq!((answered.what.as_str(), answered.call, &answered.message), ("response", nth, &message));
        assert!(answered.took_us.is_some());
    }
    let state = inspect(&build(), &scratch.options()).unwrap();
    assert!(state.tap && !state.publishes);
    assert_eq!(state.counters.subscribers, 0, "one who looks on is no subscriber");
}

#[test]
fn broadcasts_and_failures_pass() {
    let scratch = Scratch::new();
    let handler = |message: &Message, responder: Responder| {
        if message.data() == b"2" {
            let failure = HandlerFailure::new("no luck").code("luck");
            responder.fail_with(failure).unwrap();
        }
    };
    let listener = listen(Mode::Broadcast, &scratch.options().tap(true), handler);
    let mut first = tap(&build(), &scratch.options()).unwrap();
    let mut second = tap(&build(), &scratch.options()).unwrap();
    for number in [1, 2] {
        post_broadcast(&build(), &Message::json(&number).unwrap(), &scratch.options()).unwrap();
    }
    for tap in [&mut first, &mut second] {
        assert_eq!(next(tap), ("broadcast".into(), 1, Message::json(&1).unwrap()));
        assert_eq!(next(tap), ("broadcast".into(), 2, Message::json(&2).unwrap()));
        let (what, call, error) = next(tap);
        assert_eq!((what.as_str(), call), ("error", 2));
        assert_eq!(text(&error), r#"{"code":"handler_failed","message":"no luck","handler_code":"luck"}"#);
    }
    listener.close().unwrap();
    let options = scratch.options().tap(true);
    // The next listener on the channel is found again.
    let _listener = listen(Mode::Request, &options, |_, responder| drop(responder));
    let again = |tap: &mut Tap| loop {
        let _failed = post_request(&build(), &Message::null(), &scratch.options());
        match tap.next_timeout(std::time::Duration::from_millis(20)) {
            Ok(passed) => return passed.unwrap(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
    };
    assert_eq!(again(&mut first).what, "request");
}

#[test]
fn the_items_of_a_stream_pass_both_ways_and_its_end() {
    let scratch = Scratch::new();
    let handler = |_: &Message, responder: Responder| {
        let stream = responder.stream().unwrap();
        for item in stream.items() {
            stream.send(&item.unwrap(), None).unwrap();
        }
        stream.end().unwrap();
    };
    let _listener = listen(Mode::Request, &scratch.options().tap(true), handler);
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    let mut stream = post_stream(&build(), &Message::text("open"), &scratch.options()).unwrap();
    for item in [1, 2] {
        let item = Message::json(&item).unwrap();
        stream.send_message(&item).unwrap();
        assert_eq!(stream.next().unwrap().unwrap(), item);
    }
    stream.end().unwrap();
    assert!(stream.next().is_none());
    assert_eq!(next(&mut tap), ("stream".into(), 1, Message::text("open")));
    for item in [1, 2] {
        for what in ["caller_item", "item"] {
            assert_eq!(next(&mut tap), (what.into(), 1, Message::json(&item).unwrap()));
        }
    }
    assert_eq!(next(&mut tap), ("end".into(), 1, Message::null()));
}

#[test]
fn answers_that_come_later_and_those_that_nobody_waits_for_are_told_apart() {
    let scratch = Scratch::new();
    let (kept, keeps) = std::sync::mpsc::channel();
    let _listener =
        listen(Mode::Request, &scratch.options().tap(true), move |_, responder| kept.send(responder).unwrap());
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    let soon = scratch.options().timeout(std::time::Duration::from_millis(20));
    assert_eq!(post_request(&build(), &Message::null(), &soon).unwrap_err().kind(), ErrorKind::TimedOut);
    let responder = keeps.recv().unwrap();
    while !responder.is_cancelled() {
        std::thread::yield_now();
    }
    responder.respond(&Message::null()).unwrap_err();
    assert_eq!(next(&mut tap).0, "request");
    let (what, call, why) = next(&mut tap);
    assert_eq!((what.as_str(), call), ("unanswered", 1));
    assert!(text(&why).starts_with(r#"{"code":"c"#), "cancelled or connection_lost: {}", text(&why));
}

#[test]
fn a_task_is_seen_as_a_thread_is() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = scratch.options().tap(true);
    let listener = runtime.block_on(simple_ipc::listen_uds_request_with("build", &options, async |n: u32| Ok(n + 1)));
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    let message = Message::json(&41).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| post_request(&build(), &message, &scratch.options()).unwrap());
        }
    });
    for (at, (call, what, message)) in sorted(&mut tap, 16).into_iter().enumerate() {
        let expected = if at % 2 == 0 { ("request", "41") } else { ("response", "42") };
        assert_eq!((call, what.as_str(), text(&message)), (at as u64 / 2 + 1, expected.0, expected.1));
    }
    runtime.block_on(listener.unwrap().close()).unwrap();
}

#[test]
fn who_does_not_look_holds_up_nobody_and_hears_how_much_it_missed() {
    let scratch = Scratch::new();
    let _listener = listen(Mode::Request, &scratch.options().tap(true), echo);
    let mut tap = tap(&build(), &scratch.options().queue(100_000)).unwrap();
    let large = Message::bytes(vec![7; 50_000]);
    for _ in 0..60 {
        post_request(&build(), &large, &scratch.options()).unwrap();
    }
    let (mut seen, mut missed, mut last) = (0, 0, 0);
    while seen + missed < 120 {
        let passed = tap.next().unwrap().unwrap();
        missed += passed.missed;
        seen += 1;
        assert!(passed.call >= last && passed.message == large);
        last = passed.call;
    }
    assert!(missed > 0 && last == 60, "{seen} seen, {missed} missed");
}

#[test]
fn a_listener_that_does_not_allow_it_shows_nothing() {
    let scratch = Scratch::new();
    for options in [scratch.options(), scratch.options().publish(true), scratch.options().tap(false)] {
        let listener = listen(Mode::Request, &options, echo);
        let error = tap(&build(), &scratch.options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongMode, "{error}");
        assert!(error.message().contains("have it listen with `tap`"), "{error}");
        listener.close().unwrap();
    }
    assert_eq!(tap(&build(), &scratch.options()).unwrap_err().kind(), ErrorKind::NotListening);
}

#[test]
fn what_is_published_is_not_mixed_with_what_passes() {
    let scratch = Scratch::new();
    let listener = listen(Mode::Broadcast, &scratch.options().tap(true).publish(true), |_, _| ());
    let mut subscription = simple_ipc::blocking::subscribe(&build(), &scratch.options()).unwrap();
    let mut tap = tap(&build(), &scratch.options()).unwrap();
    listener.publish_message("", &Message::text("news")).unwrap();
    post_broadcast(&build(), &Message::text("a broadcast"), &scratch.options()).unwrap();
    listener.publish_message("", &Message::text("more news")).unwrap();
    assert_eq!(next(&mut tap), ("broadcast".into(), 1, Message::text("a broadcast")));
    for expected in ["news", "more news"] {
        assert_eq!(subscription.next().unwrap().unwrap().data, Message::text(expected));
    }
    assert_eq!((listener.counters().published, listener.counters().subscribers), (2, 1));
}
