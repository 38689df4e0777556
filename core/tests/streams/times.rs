//! How long streams may take.

use std::time::Duration;

use serde_json::json;
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Error, ErrorKind, Message, NextItem, Options};

use crate::callers::{Caller, for_each_caller, opening, stays_over};
use crate::serving::{Serving, channel};
use crate::support::Scratch;

const SHORT: Duration = Duration::from_millis(50);

for_each_caller! {
    a_stream_that_takes_too_long_as_a_whole_is_given_up
    a_stream_on_which_nothing_comes_is_given_up
    a_stream_on_which_nothing_is_taken_is_given_up
    the_timeout_of_calls_is_none_of_a_stream
}

/// Opens a stream with options that have a short time, and longer ones where the machine is too busy to accept it in that.
fn open_within<C: Caller>(asked: &Message, options: impl Fn(Duration) -> Options) -> C {
    let mut time = SHORT;
    loop {
        match C::open(&channel(), asked, &options(time)) {
            Ok(stream) => return stream,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
        time *= 2;
    }
}

fn timed_out(error: Error) {
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
}

fn a_stream_that_takes_too_long_as_a_whole_is_given_up<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let asked = opening(json!({"do": "forever"}));
    let mut stream: C = open_within(&asked, |time| scratch.options().timeout(time));
    let error = (0..).find_map(|_| stream.next().err()).unwrap();
    timed_out(error);
    stays_over(&mut stream, ErrorKind::TimedOut);
    serving.wait_for_left(1);
}

fn a_stream_on_which_nothing_comes_is_given_up<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let asked = opening(json!({"do": "silent"}));
    let mut stream: C = open_within(&asked, |time| scratch.options().idle_timeout(time));
    timed_out(stream.next().unwrap_err());
    serving.wait_for_left(1);
}

fn a_stream_on_which_nothing_is_taken_is_given_up<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let asked = opening(json!({"do": "asleep"}));
    let mut stream: C = open_within(&asked, |time| scratch.options().idle_timeout(time));
    let item = Message::text(&"x".repeat(10_000));
    timed_out((0..).find_map(|_| stream.send(&item).err()).unwrap());
    serving.gate.open();
}

fn the_timeout_of_calls_is_none_of_a_stream<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let client = simple_ipc::blocking::Client::connect(&channel(), &scratch.options()).unwrap();
    assert_eq!(client.timeout(), Some(simple_ipc::DEFAULT_TIMEOUT));
    let mut stream = C::open(&channel(), &opening(json!({"do": "answer", "with": 1})), &scratch.options()).unwrap();
    assert!(stream.next().unwrap().is_some());
}

#[test]
fn a_time_that_is_given_to_one_wait_leaves_the_stream_as_it_was() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = ItemStream::post(&channel(), &opening(json!({"do": "stubborn"})), &scratch.options()).unwrap();
    assert!(stream.next(Some(Duration::from_secs(60))).unwrap().is_some());
    let error = stream.next(Some(SHORT)).unwrap_err();
    assert_eq!((error.kind(), stream.is_over()), (ErrorKind::TimedOut, false));
    let item = Message::text(&"x".repeat(10_000));
    let error = (0..).find_map(|_| stream.send(&item, Some(SHORT)).err()).unwrap();
    assert_eq!((error.kind(), stream.is_over()), (ErrorKind::TimedOut, false));
    serving.gate.open();
    assert!(stream.next(None).unwrap().is_none());
    assert!(stream.is_over());
}

#[test]
fn a_listener_that_does_not_accept_in_time_is_given_up() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options().threads(1));
    let asked = opening(json!({"do": "asleep"}));
    let _first = ItemStream::post(&channel(), &asked, &scratch.options()).unwrap();
    // The one thread is with the first.
    let error = ItemStream::post(&channel(), &asked, &scratch.options().idle_timeout(SHORT)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    serving.gate.open();
}

#[test]
fn a_wait_that_was_given_up_does_not_wake_those_who_wait_for_something_else() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = ItemStream::begin(&channel(), &opening(json!({"do": "stubborn"})), &scratch.options()).unwrap();
    assert!(matches!(stream.try_next(), Ok(NextItem::NotYet)));
    stream.forget_waits();
    // The handler sends an item and takes none: there comes to be no room, and stays so.
    let item = Message::text(&"x".repeat(10_000));
    let has_no_room = || !(0..1000).all(|_| stream.try_send(&item).unwrap());
    while !stream.is_accepted().unwrap() {
        stream.wait(None).unwrap();
    }
    while has_no_room() && stream.wait(Some(SHORT)).unwrap() {}
    assert!(matches!(stream.try_next(), Ok(NextItem::Item(_))));
    serving.gate.open();
}

#[test]
fn the_acceptance_of_a_stream_that_was_begun_is_news_to_nobody_who_did_not_ask_for_it() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = ItemStream::begin(&channel(), &opening(json!({"do": "silent"})), &scratch.options()).unwrap();
    // As for an event loop.
    let _watched = stream.raw_waitable();
    while serving.listener.counters().streams == 0 {
        std::thread::yield_now();
    }
    // Once the acceptance has been seen there is nothing to do: one who looks for ever ends at the watchdog.
    assert!(matches!(stream.try_next(), Ok(NextItem::NotYet)));
    while stream.wait(Some(SHORT)).unwrap() {
        assert!(matches!(stream.try_next(), Ok(NextItem::NotYet)));
    }
}
