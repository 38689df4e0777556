//! How streams end, and what cannot be one.

use std::os::unix::net::UnixListener;
use std::sync::atomic::Ordering;

use serde_json::json;
use simple_ipc::blocking::{self, Listener};
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Cancellation, ErrorKind, Message, Mode, Wire};

use crate::callers::{Caller, count, for_each_caller, opening, stays_over};
use crate::serving::{Serving, channel};
use crate::support::Scratch;

for_each_caller! {
    one_who_leaves_tells_the_handler_at_once
    closing_twice_or_late_changes_nothing
    nobody_listens
    a_listener_that_takes_no_requests_refuses_a_stream
    a_listener_of_the_deno_original_knows_no_streams
    a_listener_that_goes_is_a_lost_connection_behind_what_it_sent
    an_opening_that_is_too_large_is_refused
    a_large_opening_arrives
}

fn one_who_leaves_tells_the_handler_at_once<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let mut left = 0;
    for (what, takes) in [("forever", 3), ("forever", 0), ("silent", 0), ("echo", 0)] {
        for closes in [true, false] {
            let asked = opening(json!({"do": what, "size": 100}));
            let mut stream = C::open(&channel(), &asked, &scratch.options()).unwrap();
            for _ in 0..takes {
                stream.next().unwrap().unwrap();
            }
            if closes {
                stream.close();
                assert!(stream.next().unwrap().is_none(), "{what}");
            }
            drop(stream);
            left += 1;
            serving.wait_for_left(left);
        }
    }
    serving.wait_for_quiet();
}

fn closing_twice_or_late_changes_nothing<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let mut stream = C::open(&channel(), &count(2, 0), &scratch.options()).unwrap();
    while stream.next().unwrap().is_some() {}
    stream.close();
    stream.close();
    assert!(stream.next().unwrap().is_none());
    let mut failed = C::open(&channel(), &opening(json!({"do": "fail", "n": 1})), &scratch.options()).unwrap();
    failed.next().unwrap().unwrap();
    assert_eq!(failed.next().unwrap_err().kind(), ErrorKind::HandlerFailed);
    failed.close();
    serving.wait_for_quiet();
    assert_eq!(serving.left.load(Ordering::SeqCst), 0);
}

fn nobody_listens<C: Caller>() {
    let scratch = Scratch::new();
    let error = C::open(&channel(), &count(1, 0), &scratch.options()).err().unwrap();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false));
}

fn a_listener_that_takes_no_requests_refuses_a_stream<C: Caller>() {
    let scratch = Scratch::new();
    for mode in [Mode::Broadcast, Mode::Publish] {
        let options = scratch.options();
        let listener = match mode {
            Mode::Publish => Listener::serve_publish(&channel(), &options),
            _ => Listener::serve(&channel(), mode, &options, |_, responder| drop(responder)),
        };
        let error = C::open(&channel(), &count(1, 0), &options).err().unwrap();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::WrongMode, false), "{mode:?}");
        listener.unwrap().close().unwrap();
    }
}

fn a_listener_of_the_deno_original_knows_no_streams<C: Caller>() {
    let scratch = Scratch::new();
    let path = channel_path(&scratch);
    let _original = UnixListener::bind(path).unwrap();
    for options in [scratch.options(), scratch.options().wire(Wire::Deno)] {
        let error = C::open(&channel(), &count(1, 0), &options).err().unwrap();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::UnsupportedVersion, false));
    }
}

fn channel_path(scratch: &Scratch) -> std::path::PathBuf {
    // As the table of addresses has it.
    let listener = Listener::serve_publish(&channel(), &scratch.options()).unwrap();
    let path = listener.path().unwrap().to_owned();
    listener.close().unwrap();
    path
}

fn a_listener_that_goes_is_a_lost_connection_behind_what_it_sent<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options().grace(std::time::Duration::ZERO));
    let mut stream = C::open(&channel(), &opening(json!({"do": "stubborn"})), &scratch.options()).unwrap();
    serving.listener.close_begin().unwrap();
    stream.next().unwrap().unwrap();
    let error = stream.next().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::Closing), "{error}");
    assert!(error.may_have_been_handled());
    stays_over(&mut stream, error.kind());
    serving.gate.open();
}

fn an_opening_that_is_too_large_is_refused<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options().max_message(100_000));
    for (size, most) in [(1001, 1000), (100_001, usize::from(u16::MAX) * 100)] {
        let large = Message::text(&"x".repeat(size));
        let error = C::open(&channel(), &large, &scratch.options().max_message(most)).err().unwrap();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{size}");
    }
}

fn a_large_opening_arrives<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let with = "y".repeat(5_000_000);
    for _ in 0..2 {
        let asked = opening(json!({"do": "answer", "with": with}));
        let mut stream = C::open(&channel(), &asked, &scratch.options()).unwrap();
        assert_eq!(stream.next().unwrap().unwrap().decode::<String>().unwrap(), with);
        assert!(stream.next().unwrap().is_none());
    }
}

#[test]
fn a_close_ends_those_who_wait_in_other_threads() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = blocking::post_stream(&channel(), &opening(json!({"do": "silent"})), &scratch.options()).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| (&stream).next());
        stream.closer().close();
        assert!(waits.join().unwrap().is_none());
    });
    serving.wait_for_left(1);
    assert_eq!(stream.send(1).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_close_ends_one_who_waits_for_room() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = blocking::post_stream(&channel(), &opening(json!({"do": "asleep"})), &scratch.options()).unwrap();
    std::thread::scope(|scope| {
        let sends = scope.spawn(|| (0..).find_map(|_| stream.send("x".repeat(10_000)).err()).unwrap());
        stream.closer().close();
        assert_eq!(sends.join().unwrap().kind(), ErrorKind::Closed);
    });
    serving.gate.open();
}

#[test]
fn a_cancellation_gives_up_an_opening() {
    let scratch = Scratch::new();
    let cancellation = Cancellation::new();
    let options = scratch.options().wait(std::time::Duration::MAX).cancellation(&cancellation);
    std::thread::scope(|scope| {
        let opens = scope.spawn(|| blocking::post_stream(&channel(), &count(1, 0), &options).err().unwrap());
        cancellation.cancel();
        assert_eq!(opens.join().unwrap().kind(), ErrorKind::Cancelled);
    });
    let error = ItemStream::begin(&channel(), &count(1, 0), &options).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(simple_ipc::post_stream(&channel(), &count(1, 0), &options)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn typed_items_are_decoded_and_one_of_another_type_ends_nothing() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let asked = json!({"do": "count", "n": 2, "size": 0});
    let mut words = blocking::post_uds_stream_with::<String>("streams", &asked, &scratch.options()).unwrap();
    assert_eq!(words.next().unwrap().unwrap(), "item:0:");
    let numbers = blocking::post_uds_stream_with::<u32>("streams", &asked, &scratch.options()).unwrap();
    let kinds: Vec<_> = numbers.map(|item| item.unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::InvalidBody, ErrorKind::InvalidBody]);
}

#[test]
fn a_client_opens_streams_beside_its_requests() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let asked = json!({"do": "count", "n": 2, "size": 0});
    let answer = json!({"do": "answer", "with": 7});
    let client = blocking::Client::connect(&channel(), &scratch.options()).unwrap();
    let stream = client.stream::<String>(&asked).unwrap();
    assert_eq!(client.request::<u32>(&answer).unwrap(), 7);
    client.close().unwrap();
    assert_eq!(stream.map(Result::unwrap).collect::<Vec<_>>(), ["item:0:", "item:1:"]);
    assert_eq!(client.stream::<String>(&asked).unwrap_err().kind(), ErrorKind::Closed);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&channel(), &scratch.options()).await.unwrap();
        let mut stream = client.stream::<String>(&asked).await.unwrap();
        assert_eq!(client.request::<u32>(&answer).await.unwrap(), 7);
        assert_eq!(stream.next().await.unwrap().unwrap(), "item:0:");
        let begun = client.begin_stream(&opening(asked.clone()), None).unwrap();
        assert_eq!(begun.next(None).unwrap().unwrap().decode::<String>().unwrap(), "item:0:");
    });
}
