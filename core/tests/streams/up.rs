//! What a caller sends.

use serde_json::{Value, json};
use simple_ipc::{ErrorKind, Message, blocking};

use crate::callers::{Caller, drain, for_each_caller, opening};
use crate::serving::{Serving, channel, item};
use crate::support::Scratch;

for_each_caller! {
    a_handler_gets_all_items_in_order_and_the_end
    an_upload_loop_stops_where_the_listener_has_ended_and_its_result_is_still_there
    nothing_can_be_sent_behind_the_end
    an_item_that_the_listener_does_not_take_is_refused_and_the_stream_goes_on
    an_end_before_the_acceptance_is_told_after_it
}

fn total(items: usize, size: usize) -> Value {
    let chars: usize = (0..items).map(|nth| item(nth, size).len()).sum();
    json!({"items": items, "chars": chars, "in_order": true})
}

fn a_handler_gets_all_items_in_order_and_the_end<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for (items, size) in [(0, 0), (1, 0), (10_000, 0), (200, 20_000), (3, 2_000_000)] {
        let mut stream = C::open(&channel(), &opening(json!({"do": "total"})), &scratch.options()).unwrap();
        for nth in 0..items {
            stream.send(&Message::text(&item(nth, size))).unwrap();
        }
        stream.end().unwrap();
        stream.end().unwrap();
        let answer = stream.next().unwrap().unwrap();
        assert_eq!(answer.decode::<Value>().unwrap(), total(items, size));
        assert!(stream.next().unwrap().is_none());
    }
}

fn an_upload_loop_stops_where_the_listener_has_ended_and_its_result_is_still_there<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let mut stream = C::open(&channel(), &opening(json!({"do": "first", "n": 3})), &scratch.options()).unwrap();
    let error = (0..).find_map(|nth| stream.send(&Message::text(&item(nth, 1000))).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(stream.next().unwrap().unwrap().decode::<u32>().unwrap(), 3);
    assert!(stream.next().unwrap().is_none());
}

fn nothing_can_be_sent_behind_the_end<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let mut stream = C::open(&channel(), &opening(json!({"do": "echo"})), &scratch.options()).unwrap();
    stream.end().unwrap();
    assert_eq!(stream.send(&Message::null()).unwrap_err().kind(), ErrorKind::Closed);
    assert!(stream.next().unwrap().is_none());
    assert_eq!(stream.send(&Message::null()).unwrap_err().kind(), ErrorKind::Closed);
}

fn an_item_that_the_listener_does_not_take_is_refused_and_the_stream_goes_on<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options().max_message(10_000));
    let mut stream = C::open(&channel(), &opening(json!({"do": "total"})), &scratch.options()).unwrap();
    let error = stream.send(&Message::text(&item(0, 10_001))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    stream.send(&Message::text(&item(0, 9_000))).unwrap();
    stream.end().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().decode::<Value>().unwrap(), total(1, 9_000));
    let small = scratch.options().max_message(100);
    let mut stream = C::open(&channel(), &opening(json!({"do": "total"})), &small).unwrap();
    assert_eq!(stream.send(&Message::text(&item(0, 101))).unwrap_err().kind(), ErrorKind::TooLarge);
}

fn an_end_before_the_acceptance_is_told_after_it<C: Caller>() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let stream =
        simple_ipc::event_loop::ItemStream::begin(&channel(), &opening(json!({"do": "total"})), &scratch.options());
    let stream = stream.unwrap();
    stream.end().unwrap();
    let answer = stream.next(None).unwrap().unwrap();
    assert_eq!(answer.decode::<Value>().unwrap(), total(0, 0));
}

/// Enough that credit runs out again and again. Under Wine each call of the system may be one to another process.
const MANY: usize = if cfg!(windows) { 2_000 } else { 20_000 };

#[test]
fn one_thread_sends_while_another_one_takes() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for (items, size) in [(MANY, 0), (300, 50_000)] {
        let stream = blocking::post_stream(&channel(), &opening(json!({"do": "echo"})), &scratch.options()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for nth in 0..items {
                    stream.send(item(nth, size)).unwrap();
                }
                stream.end().unwrap();
            });
            let mut taken = 0;
            for next in &stream {
                assert_eq!(next.unwrap().decode::<String>().unwrap(), item(taken, size));
                taken += 1;
            }
            assert_eq!(taken, items);
        });
    }
}

#[test]
fn one_task_sends_while_another_one_takes() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for threads in [false, true] {
        let mut builder = if threads {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async {
            for (items, size) in [(MANY, 0), (300, 50_000)] {
                let opening = opening(json!({"do": "echo"}));
                let mut stream = simple_ipc::post_stream(&channel(), &opening, &scratch.options()).await.unwrap();
                let sender = stream.sender();
                let sending = tokio::spawn(async move {
                    for nth in 0..items {
                        sender.send(item(nth, size)).await.unwrap();
                    }
                    sender.end().unwrap();
                });
                let mut taken = 0;
                while let Some(next) = stream.next().await {
                    assert_eq!(next.unwrap().decode::<String>().unwrap(), item(taken, size));
                    taken += 1;
                }
                assert_eq!(taken, items);
                sending.await.unwrap();
            }
        });
    }
}

#[test]
fn an_event_loop_that_does_both_gets_everything_back() {
    use simple_ipc::event_loop::{ItemStream, NextItem};
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    for (items, size) in [(MANY, 0), (300, 50_000)] {
        let stream = ItemStream::begin(&channel(), &opening(json!({"do": "echo"})), &scratch.options()).unwrap();
        let (mut sent, mut taken) = (0, 0);
        loop {
            while sent < items && stream.try_send(&Message::text(&item(sent, size))).unwrap() {
                sent += 1;
                if sent == items {
                    stream.end().unwrap();
                }
            }
            match stream.try_next().unwrap() {
                NextItem::Item(next) => {
                    assert_eq!(next.decode::<String>().unwrap(), item(taken, size));
                    taken += 1;
                }
                NextItem::Ended => break,
                _ => assert!(stream.wait(None).unwrap()),
            }
        }
        assert_eq!((sent, taken), (items, items));
    }
}

#[test]
fn drained_after_its_result_an_upload_counts_nothing_twice() {
    let scratch = Scratch::new();
    let _serving = Serving::start(&scratch.options());
    let mut stream =
        crate::callers::Thread::open(&channel(), &crate::callers::count(3, 10), &scratch.options()).unwrap();
    let (items, end) = drain(&mut stream, 10);
    assert_eq!((items, end.is_ok()), (3, true));
}

#[test]
fn items_of_a_burst_arrive_though_their_caller_does_nothing_more() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let stream = blocking::post_stream(&channel(), &opening(json!({"do": "first", "n": 1000})), &scratch.options());
    let stream = stream.unwrap();
    for nth in 0..1000 {
        stream.send(item(nth, 0)).unwrap();
    }
    // The handler ends when it has them all.
    serving.wait_for_quiet();
    assert_eq!(stream.send(1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stream.map(|item| item.unwrap().decode::<u32>().unwrap()).collect::<Vec<_>>(), [1000]);
}
