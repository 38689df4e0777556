//! The sessions that streams use, and what is left of them.

use std::collections::HashSet;
use std::sync::mpsc;

use serde_json::json;
use simple_ipc::{Channel, ErrorKind, Message, Mode, Responder, blocking};

use crate::callers::{Caller, count, for_each_caller, opening};
use crate::serving::{Serving, channel, item};
use crate::support::Scratch;

for_each_caller! {
    a_session_is_used_again_after_every_kind_of_ending
    streams_are_carried_over_tcp_as_well
}

/// Ends a stream in every way there is.
fn end_in_every_way<C: Caller>(channel: &Channel, options: &simple_ipc::Options, done: &dyn Fn()) {
    let open = |asked| C::open(channel, &opening(asked), options).unwrap();
    let drain = |mut stream: C| while stream.next().is_ok_and(|item| item.is_some()) {};
    for round in 0..3 {
        drain(open(json!({"do": "count", "n": 10})));
        done();
        drain(open(json!({"do": "fail", "n": round})));
        done();
        drain(open(json!({"do": "answer", "with": 1})));
        done();
        let mut left = open(json!({"do": "forever", "size": 10}));
        left.next().unwrap().unwrap();
        drop(left);
        done();
        drop(open(json!({"do": "silent"})));
        done();
        let mut ended_first = open(json!({"do": "first", "n": 1}));
        while ended_first.send(&Message::text("x")).is_ok() {}
        drain(ended_first);
        done();
        let mut echo = open(json!({"do": "echo"}));
        echo.send(&Message::text("x")).unwrap();
        echo.end().unwrap();
        drain(echo);
        done();
        let mut unread = open(json!({"do": "forever", "size": 100_000}));
        unread.next().unwrap().unwrap();
        unread.close();
        drop(unread);
        done();
    }
}

fn a_session_is_used_again_after_every_kind_of_ending<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let asked = json!({"do": "answer", "with": 7});
    let request = || blocking::post_uds_request_with::<u32>("streams", &asked, &scratch.options()).unwrap();
    end_in_every_way::<C>(&channel(), &scratch.options(), &|| {
        serving.wait_for_quiet();
        assert_eq!(request(), 7);
    });
    // One that is on its way back to the pool when the next is wanted costs a connection; no more than every second is.
    let connections = serving.listener.counters().connections;
    assert!(connections <= 24, "{connections} connections for 24 streams and 24 requests");
}

fn streams_are_carried_over_tcp_as_well<C: Caller>() {
    let scratch = Scratch::new();
    let serving = Serving::on(&Channel::ip(0).unwrap(), &scratch.options());
    let channel = Channel::ip(serving.listener.port().unwrap()).unwrap();
    end_in_every_way::<C>(&channel, &scratch.options(), &|| serving.wait_for_quiet());
}

#[test]
fn one_after_another_streams_and_requests_take_one_session() {
    // A stream goes by the socket: beside a session that shares memory it has one of its own.
    for (shared_memory, most) in [(0, 1), (16 << 20, 2)] {
        let scratch = Scratch::new();
        let options = scratch.options().shared_memory(shared_memory);
        let serving = Serving::start(&options);
        for _ in 0..100 {
            let mut stream = crate::callers::Thread::open(&channel(), &count(3, 0), &options).unwrap();
            while stream.next().unwrap().is_some() {}
            let asked = json!({"do": "answer", "with": 7});
            blocking::post_uds_request_with::<u32>("streams", &asked, &options).unwrap();
        }
        let connections = serving.listener.counters().connections;
        assert!(connections <= most, "{connections} with {shared_memory} bytes to share");
    }
}

#[test]
fn many_streams_at_once_do_not_hold_each_other_up() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch.options());
    let sleeps: Vec<_> = (0..20)
        .map(|_| {
            let asked = opening(json!({"do": "forever", "size": 1000}));
            blocking::post_stream(&channel(), &asked, &scratch.options()).unwrap()
        })
        .collect();
    let mut seen = HashSet::new();
    let asked = json!({"do": "count", "n": 1000, "size": 1000});
    for next in blocking::post_uds_stream_with::<String>("streams", &asked, &scratch.options()).unwrap() {
        assert!(seen.insert(next.unwrap()));
    }
    assert!(seen.len() == 1000 && seen.contains(&item(999, 1000)));
    drop(sleeps);
    serving.wait_for_left(20);
    serving.wait_for_quiet();
}

/// Behind short ones, since the thread of their session takes it to the handler; and nobody receives meanwhile but for a check.
#[test]
fn a_stream_whose_handler_neither_sends_nor_waits_is_accepted_and_its_callers_leaving_heard() {
    let scratch = Scratch::new();
    let (sender, over) = mpsc::channel();
    let handler = move |opening: &Message, responder: Responder| {
        let only_looks = opening.decode::<bool>().unwrap();
        while only_looks && !responder.is_cancelled() {
            std::thread::yield_now();
        }
        let stream = responder.stream().unwrap();
        let sent = stream.send(&Message::text("x"), None).and_then(|()| stream.end());
        sender.send(sent.map_err(|error| error.kind())).unwrap();
    };
    let listener = blocking::Listener::serve(&channel(), Mode::Request, &scratch.options(), handler).unwrap();
    let open = |only_looks: bool| {
        blocking::post_uds_stream_with::<String>("streams", &only_looks, &scratch.options()).unwrap()
    };
    for _ in 0..3 {
        for _ in 0..20 {
            assert_eq!(open(false).map(simple_ipc::Result::unwrap).collect::<Vec<_>>(), ["x"]);
            assert_eq!(over.recv().unwrap(), Ok(()));
        }
        drop(open(true));
        assert_eq!(over.recv().unwrap(), Err(ErrorKind::Cancelled));
    }
    drop(listener);
}
