//! The typed calls that listen for streams, in threads and in tasks, spoken to by hand: what handlers answer, and when what
//! they do is dropped.

use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};

use futures_core::Stream;
use simple_ipc::blocking::listen_uds_stream_with;
use simple_ipc::{HandlerFailure, HandlerResult, Items, Message};
use tokio::runtime::{Builder, Runtime};

use crate::raw::{CANCEL, CREDIT, DATA, END, ERROR, EXCLUSIVE, Frame, REQUEST, Raw, bare, frame, streaming_hello};
use crate::scratch::{Scratch, eventually, next};

/// What a handler does drops one of these.
struct Dropped(Sender<&'static str>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _the_test_is_over = self.0.send(self.1);
    }
}

/// An iterator as a stream, which after its last item waits for ever where it holds something.
struct Iter<I>(I, Option<Dropped>);

impl<I: Iterator + Unpin> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        let Iter(items, waits) = self.get_mut();
        match items.next() {
            None if waits.is_some() => Poll::Pending,
            item => Poll::Ready(item),
        }
    }
}

fn session(path: &Path) -> Raw {
    let mut raw = Raw::unix(path);
    raw.send(&streaming_hello(EXCLUSIVE));
    raw.receive(16);
    raw
}

fn open(id: u32, body: &str) -> Vec<u8> {
    frame(REQUEST, 0x20, id, 0, body.as_bytes())
}

/// The next frame that is no credit.
fn told(raw: &mut Raw) -> Frame {
    loop {
        let frame = raw.frame();
        if frame.kind != CREDIT {
            return frame;
        }
    }
}

/// All items of a stream, and what ended it.
fn all(raw: &mut Raw) -> (Vec<String>, Frame) {
    let mut items = Vec::new();
    loop {
        let frame = told(raw);
        if frame.kind != DATA {
            return (items, frame);
        }
        items.push(String::from_utf8(frame.body).unwrap());
    }
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut builder| builder.enable_all().build().unwrap())
}

/// Has a runtime run in a thread of its own, until the sender goes.
fn run(runtime: Runtime) -> tokio::sync::oneshot::Sender<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _the_test_is_over = runtime.block_on(stopped);
    });
    stop
}

/// What a handler answers to a number: so many items, and then an end or an error.
fn answers(count: i32) -> HandlerResult<impl Iterator<Item = HandlerResult<f64>> + Send> {
    if count == 0 {
        return Err("none".into());
    }
    let last = match count {
        1 => Some(Err(HandlerFailure::new("gone").code("sold").data(&1)?.into())),
        2 => Some(Ok(f64::NAN)),
        _ => None,
    };
    Ok((0..count).map(|nth| Ok(nth.into())).chain(last))
}

fn assert_answers(path: &Path) {
    let mut raw = session(path);
    raw.send(&open(1, "3"));
    let (items, last) = all(&mut raw);
    assert_eq!((items, last.kind), (vec!["0.0".to_owned(), "1.0".into(), "2.0".into()], END));
    raw.send(&open(2, "1"));
    let (items, last) = all(&mut raw);
    assert_eq!((items.len(), last.kind, last.id), (1, ERROR, 2));
    let body: serde_json::Value = serde_json::from_slice(&last.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "code": "handler_failed", "message": "gone", "handler_code": "sold", "handler_data": 1 })
    );
    for (id, body, items, code) in
        [(3, "2", 2, "handler_failed"), (4, "0", 0, "handler_failed"), (5, "\"\"", 0, "invalid_body")]
    {
        raw.send(&open(id, body));
        let (came, last) = all(&mut raw);
        assert_eq!((came.len(), last.code().as_str()), (items, code), "{body}");
    }
    raw.send(&frame(REQUEST, 0, 6, 0, b"3"));
    assert_eq!(told(&mut raw).code(), "wrong_mode");
    raw.send(&open(7, "100000"));
    for nth in 0..100_000 {
        let item = told(&mut raw);
        assert_eq!(String::from_utf8(item.body).unwrap(), format!("{nth}.0"));
        if nth % 1000 == 0 {
            raw.send(&frame(CREDIT, 0, 7, 24_000, b""));
        }
    }
    assert_eq!(told(&mut raw).kind, END);
}

#[test]
fn what_a_handler_returns_are_the_items_and_its_error_is_behind_those_before_it() {
    let scratch = Scratch::new();
    let listener =
        listen_uds_stream_with("build", &scratch.options(), |count: i32, _: Items<()>| answers(count)).unwrap();
    assert_answers(listener.path().unwrap());
    assert_eq!(listener.counters().streams, 0);
    listener.close().unwrap();
    for runtime in runtimes() {
        let listener = runtime.block_on(simple_ipc::listen_uds_stream_with(
            "build",
            &scratch.options(),
            |count: i32, _: Items<()>| async move { answers(count).map(|items| Iter(items, None)) },
        ));
        let listener = listener.unwrap();
        let runs = run(runtime);
        assert_answers(listener.path().unwrap());
        assert_eq!(listener.counters().streams, 0);
        drop((listener, runs));
    }
}

#[test]
fn a_handler_reads_the_caller_s_items_to_their_end_and_one_that_is_not_of_its_type_ends_the_stream() {
    let scratch = Scratch::new();
    let total = |items: Items<u32>| items.into_iter().try_fold(0, |sum, item| HandlerResult::Ok(sum + item?));
    let listener = listen_uds_stream_with("build", &scratch.options(), move |(), items: Items<u32>| Ok([total(items)]));
    let listener = listener.unwrap();
    let [_, runtime] = runtimes();
    let options = scratch.options().path(scratch.path("tasks"));
    let tasks =
        runtime.block_on(simple_ipc::listen_uds_stream_with("tasks", &options, |(), items: Items<u32>| async move {
            let mut sum = 0;
            while let Some(item) = items.next().await {
                sum += item?;
            }
            Ok(Iter([Ok(sum)].into_iter(), None))
        }));
    for path in [listener.path().unwrap(), tasks.unwrap().path().unwrap()] {
        let mut raw = session(path);
        raw.send(&open(1, "null"));
        for _ in 0..1000 {
            raw.send(&frame(DATA, 0, 1, 0, b"1"));
        }
        raw.send(&bare(END, 1));
        let (items, last) = all(&mut raw);
        assert_eq!((items, last.kind), (vec!["1000".to_owned()], END));
        raw.send(&[open(2, "null"), frame(DATA, 0, 2, 0, b"1"), frame(DATA, 0, 2, 0, b"\"a\"")].concat());
        let (items, last) = all(&mut raw);
        assert_eq!((items.len(), last.id, last.code().as_str()), (0, 2, "invalid_body"));
        raw.send(&[open(3, "null"), bare(END, 3)].concat());
        assert_eq!(all(&mut raw).0, ["0"]);
    }
}

/// Each way to leave a stream, while its handler is in a state that the opening names.
fn assert_dropped(path: &Path, dropped: &Receiver<&'static str>, states: &[&'static str]) {
    for &state in states {
        for leaves in [false, true] {
            let mut raw = session(path);
            raw.send(&open(1, &format!("\"{state}\"")));
            assert!(told(&mut raw).is(DATA, 1));
            if leaves {
                drop(raw);
                assert_eq!(next(dropped), state);
            } else {
                raw.send(&bare(CANCEL, 1));
                assert_eq!(all(&mut raw).1.code(), "cancelled");
                assert_eq!(next(dropped), state);
                raw.send(&frame(REQUEST, 0, 2, 0, b"1"));
                assert_eq!(told(&mut raw).code(), "wrong_mode");
            }
        }
    }
}

#[test]
fn what_an_asynchronous_handler_does_is_dropped_in_its_task_as_soon_as_its_caller_leaves() {
    let scratch = Scratch::new();
    for runtime in runtimes() {
        let (sender, dropped) = channel();
        let handler = move |state: String, items: Items<u32>| {
            let sender = sender.clone();
            async move {
                // Tells the test that it is there by its first item, but for the one that waits before it has any.
                let first = [Ok(1)].into_iter();
                match state.as_str() {
                    "before" => {
                        let _dropped = Dropped(sender, "before");
                        let _never = items.next().await;
                        Ok(Iter(first, None))
                    }
                    "between" => Ok(Iter(first, Some(Dropped(sender, "between")))),
                    _ => Err("no such state".into()),
                }
            }
        };
        let listener =
            runtime.block_on(simple_ipc::listen_uds_stream_with("build", &scratch.options(), handler)).unwrap();
        let runs = run(runtime);
        let path = listener.path().unwrap();
        let mut raw = session(path);
        raw.send(&open(1, "\"before\""));
        assert_eq!(raw.frame().kind, CREDIT);
        raw.send(&bare(CANCEL, 1));
        assert_eq!(next(&dropped), "before");
        assert_dropped(path, &dropped, &["between"]);
        eventually("all is settled", || {
            let counters = listener.counters();
            // The one failure is the plain request that was answered with `wrong_mode`.
            (counters.streams, counters.in_flight, counters.abandoned, counters.failed) == (0, 0, 0, 1)
        });
        drop((listener, runs));
    }
}

#[test]
fn what_a_blocking_handler_returned_is_dropped_in_its_thread_and_its_waits_end_at_once() {
    struct Steps {
        state: &'static str,
        items: Items<u32>,
        nth: u32,
        _dropped: Dropped,
    }
    impl Iterator for Steps {
        type Item = HandlerResult<Message>;
        fn next(&mut self) -> Option<HandlerResult<Message>> {
            self.nth += 1;
            match self.state {
                _ if self.nth == 1 => {}
                "receiving" => match self.items.recv(None) {
                    Err(error) => return Some(Err(error.into())),
                    Ok(item) => panic!("the caller sent {item:?}"),
                },
                // It waits for room, which the caller does not give.
                "sending" => return Some(Ok(Message::bytes([0; 100_000]))),
                state => panic!("no state {state}"),
            }
            Some(Ok(Message::null()))
        }
    }
    let scratch = Scratch::new();
    let (sender, dropped) = channel();
    let reported = channel();
    let options = scratch.options().on_handler_failure(move |report| {
        let _the_test_is_over = reported.0.send(report.message().to_owned());
    });
    let listener = listen_uds_stream_with("build", &options, move |state: String, items: Items<u32>| {
        let state = if state == "receiving" { "receiving" } else { "sending" };
        Ok(Steps { state, items, nth: 0, _dropped: Dropped(sender.clone(), state) })
    });
    let listener = listener.unwrap();
    assert_dropped(listener.path().unwrap(), &dropped, &["receiving", "sending"]);
    eventually("all is settled", || {
        let counters = listener.counters();
        // The failures are the plain requests that were answered with `wrong_mode`.
        (counters.streams, counters.in_flight, counters.abandoned, counters.failed) == (0, 0, 0, 2)
    });
    assert!(reported.1.try_recv().is_err(), "a caller that left is no failure of the handler");
}
