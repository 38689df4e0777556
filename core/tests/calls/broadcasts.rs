//! Broadcasts: what reaches the handler, in which order, and what the sender may rely on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Wire, blocking};

use crate::gate::Gate;
use crate::support::Scratch;

const MANY: u64 = 100_000;

/// A blocking broadcast listener whose messages come out of the receiver.
fn collector(channel: &Channel, options: &Options) -> (blocking::Listener, Receiver<Message>) {
    let (seen, messages) = channel_of_messages();
    let handler = move |message: &Message, _: simple_ipc::Responder| seen.send(message.clone()).unwrap();
    (blocking::Listener::serve(channel, Mode::Broadcast, options, handler).unwrap(), messages)
}

fn channel_of_messages() -> (Sender<Message>, Receiver<Message>) {
    channel()
}

async fn async_collector(channel: &Channel, options: &Options) -> (simple_ipc::Listener, Receiver<Message>) {
    let (seen, messages) = channel_of_messages();
    let handler = move |message: Message, _: simple_ipc::Responder| {
        let seen = seen.clone();
        async move { seen.send(message).unwrap() }
    };
    (simple_ipc::Listener::serve(channel, Mode::Broadcast, options, handler).await.unwrap(), messages)
}

fn assert_numbered(messages: &Receiver<Message>, count: u64) {
    for expected in 0..count {
        let message = messages.try_recv().unwrap_or_else(|_| panic!("message {expected} is not there after the flush"));
        assert_eq!(message.decode::<u64>().unwrap(), expected);
    }
    assert!(messages.try_recv().is_err(), "one message came twice");
}

#[test]
fn a_hundred_thousand_blocking_broadcasts_arrive_in_order_on_both_transports() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("many").unwrap(), Channel::ip(0).unwrap()] {
        let (listener, messages) = collector(&channel, &options);
        let client = blocking::Client::connect(listener.channel(), &options).unwrap();
        for number in 0..MANY {
            client.broadcast(number).unwrap();
        }
        client.flush().unwrap();
        assert_numbered(&messages, MANY);
        client.close().unwrap();
        assert_eq!(listener.counters().messages, MANY);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_asynchronous_broadcasts_arrive_in_order_on_both_transports() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("many").unwrap(), Channel::ip(0).unwrap()] {
        let (listener, messages) = async_collector(&channel, &options).await;
        let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
        for number in 0..MANY {
            client.broadcast(number).await.unwrap();
        }
        client.flush().await.unwrap();
        assert_numbered(&messages, MANY);
        client.close().await.unwrap();
        assert_eq!(listener.counters().messages, MANY);
    }
}

#[tokio::test]
async fn broadcasts_between_the_two_kinds_arrive_in_order() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (blocking_listener, messages) = collector(&Channel::uds("one").unwrap(), &options);
    let client = simple_ipc::Client::connect(blocking_listener.channel(), &options).await.unwrap();
    for number in 0..5000u64 {
        client.broadcast(number).await.unwrap();
    }
    client.flush().await.unwrap();
    assert_numbered(&messages, 5000);

    let (listener, messages) = async_collector(&Channel::uds("other").unwrap(), &options).await;
    let channel = listener.channel().clone();
    let send = move || {
        let client = blocking::Client::connect(&channel, &options).unwrap();
        for number in 0..5000u64 {
            client.broadcast(number).unwrap();
        }
        client.flush().unwrap();
    };
    tokio::task::spawn_blocking(send).await.unwrap();
    assert_numbered(&messages, 5000);
}

#[test]
fn large_and_small_broadcasts_keep_their_order() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (listener, messages) = collector(&Channel::uds("mixed").unwrap(), &options);
    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
    let sizes = [1, 20_000, 3, 70_000, 5, 300_000, 1_000_000, 0, 16 << 10, (16 << 10) + 1];
    for size in sizes {
        client.broadcast_message(&Message::bytes(vec![7; size])).unwrap();
    }
    client.flush().unwrap();
    let came: Vec<usize> = messages.try_iter().map(|message| message.len()).collect();
    assert_eq!(came, sizes);
}

#[test]
fn a_single_broadcast_arrives_without_a_flush() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (listener, messages) = collector(&Channel::uds("single").unwrap(), &options);
    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
    // One alone, and one that follows so closely that it may be held back for others.
    for number in 0..3u64 {
        client.broadcast(number).unwrap();
    }
    for number in 0..3u64 {
        assert_eq!(messages.recv().unwrap().decode::<u64>().unwrap(), number);
    }
}

#[tokio::test]
async fn a_single_asynchronous_broadcast_arrives_without_a_flush() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (listener, messages) = collector(&Channel::uds("single").unwrap(), &options);
    let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    client.broadcast("x").await.unwrap();
    let message = tokio::task::spawn_blocking(move || messages.recv().unwrap()).await.unwrap();
    assert_eq!(message, Message::text("x"));
}

#[test]
fn a_client_that_is_dropped_sends_what_it_has_on_both_transports() {
    let scratch = Scratch::new();
    let options = scratch.options();
    // On TCP more than the listener's side takes while its handler waits, on both less than fits.
    for (channel, count) in [(Channel::uds("dropped").unwrap(), 50), (Channel::ip(0).unwrap(), 300)] {
        let gate = Gate::default();
        let (seen, messages) = channel_of_messages();
        let handler = {
            let gate = gate.clone();
            move |message: &Message, _: simple_ipc::Responder| {
                gate.wait();
                seen.send(message.clone()).unwrap();
            }
        };
        let listener = blocking::Listener::serve(&channel, Mode::Broadcast, &options, handler).unwrap();
        let client = blocking::Client::connect(listener.channel(), &options).unwrap();
        for number in 0..count as u64 {
            client.broadcast_message(&Message::bytes([&number.to_le_bytes()[..], &[0; 2000]].concat())).unwrap();
        }
        drop(client);
        gate.open();
        for number in 0..count as u64 {
            assert_eq!(messages.recv().unwrap().data()[..8], number.to_le_bytes(), "{}", listener.address());
        }
    }
}

#[tokio::test]
async fn an_asynchronous_client_that_is_dropped_sends_what_it_has_on_both_transports() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("dropped").unwrap(), Channel::ip(0).unwrap()] {
        let (listener, messages) = collector(&channel, &options);
        let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
        for number in 0..1000u64 {
            client.broadcast_message(&Message::bytes([&number.to_le_bytes()[..], &[0; 2000]].concat())).await.unwrap();
        }
        drop(client);
        let all = move || (0..1000u64).all(|number| messages.recv().unwrap().data()[..8] == number.to_le_bytes());
        assert!(tokio::task::spawn_blocking(all).await.unwrap());
    }
}

#[test]
fn closing_a_client_hands_over_what_it_has_and_says_what_went_wrong() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (listener, messages) = collector(&Channel::uds("closing").unwrap(), &options);
    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
    for number in 0..1000u64 {
        client.broadcast(number).unwrap();
    }
    client.close().unwrap();
    assert_numbered(&messages, 1000);
    client.close().unwrap();
    assert_eq!(client.broadcast(1).unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn broadcasts_to_a_request_listener_fail_at_the_flush() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = blocking::listen_uds_request_with("requests", &options, |(): ()| Ok(())).unwrap();
    let blocking_client = blocking::Client::connect(listener.channel(), &options).unwrap();
    blocking_client.broadcast(()).unwrap();
    assert_eq!(blocking_client.flush().unwrap_err().kind(), ErrorKind::WrongMode);
    blocking_client.flush().unwrap();
    let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    client.broadcast(()).await.unwrap();
    assert_eq!(client.flush().await.unwrap_err().kind(), ErrorKind::WrongMode);
    client.flush().await.unwrap();
    // The same clients are good for requests.
    let () = blocking_client.request(()).unwrap();
    let () = client.request(()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushes_of_many_tasks_at_once_are_all_answered_and_leave_the_client_in_order() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (listener, messages) = collector(&Channel::uds("flushes").unwrap(), &options);
    let client = Arc::new(simple_ipc::Client::connect(listener.channel(), &options).await.unwrap());
    for round in 0..50 {
        for number in 0..10 {
            client.broadcast(round * 10 + number).await.unwrap();
        }
        let flushes: Vec<_> = (0..4)
            .map(|_| {
                let client = Arc::clone(&client);
                tokio::spawn(async move { client.flush().await })
            })
            .collect();
        for flush in flushes {
            flush.await.unwrap().unwrap();
        }
    }
    assert_numbered(&messages, 500);
    // Everything is confirmed, so the end of the listener is no error for anyone.
    listener.close().unwrap();
    client.close().await.unwrap();
}

#[test]
fn a_broadcast_is_acknowledged_long_before_a_slow_handler_is_done_and_not_before_it_began() {
    let scratch = Scratch::new();
    for wire in [Wire::Native, Wire::Deno] {
        let options = scratch.options().wire(wire);
        let gate = Gate::default();
        let (began, begun) = channel::<()>();
        let handler = {
            let gate = gate.clone();
            move |_: &Message, _: simple_ipc::Responder| {
                began.send(()).unwrap();
                gate.wait();
            }
        };
        let name = Channel::uds("slow").unwrap();
        let listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, handler).unwrap();
        // The handler is done only after this has returned.
        blocking::post_broadcast(&name, &Message::text("x"), &options).unwrap();
        assert!(begun.try_recv().is_ok(), "{wire:?}: it was acknowledged before the handler began");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(simple_ipc::post_broadcast(&name, &Message::text("x"), &options)).unwrap();
        assert!(begun.try_recv().is_ok(), "{wire:?}: it was acknowledged before the handler began");
        gate.open();
        listener.close().unwrap();
    }
}

#[tokio::test]
async fn an_asynchronous_slow_handler_does_not_hold_up_the_acknowledgement() {
    let scratch = Scratch::new();
    for wire in [Wire::Native, Wire::Deno] {
        let options = scratch.options().wire(wire);
        let (began, begun) = channel::<()>();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let handler = {
            let gate = Arc::clone(&gate);
            move |_: Message, _: simple_ipc::Responder| {
                began.send(()).unwrap();
                let gate = Arc::clone(&gate);
                async move { drop(gate.acquire().await) }
            }
        };
        let name = Channel::uds("slow").unwrap();
        let listener = simple_ipc::Listener::serve(&name, Mode::Broadcast, &options, handler).await.unwrap();
        simple_ipc::post_broadcast(&name, &Message::text("x"), &options).await.unwrap();
        assert!(begun.try_recv().is_ok());
        gate.add_permits(1);
        listener.close().await.unwrap();
    }
}

#[test]
fn a_ping_is_answered_while_handlers_block() {
    let scratch = Scratch::new();
    let options = scratch.options().threads(2);
    let gate = Gate::default();
    let (began, begun) = channel::<()>();
    let wait = {
        let gate = gate.clone();
        move |(): ()| {
            began.send(()).unwrap();
            gate.wait();
            Ok(())
        }
    };
    let listener = blocking::listen_uds_request_with("busy", &options, wait).unwrap();
    let client = Arc::new(blocking::Client::connect(listener.channel(), &options).unwrap());
    let busy: Vec<_> = (0..4)
        .map(|_| {
            let client = Arc::clone(&client);
            std::thread::spawn(move || client.request::<()>(()))
        })
        .collect();
    begun.recv().unwrap();
    begun.recv().unwrap();
    client.ping().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
        client.ping().await.unwrap();
    });
    gate.open();
    for caller in busy {
        caller.join().unwrap().unwrap();
    }
}

/// A listener that stops without mercy while its handler is busy with the first message.
struct Vanishing {
    listener: blocking::Listener,
    begun: Receiver<()>,
    gate: Gate,
}

impl Vanishing {
    fn start(channel: &Channel, options: &Options) -> Vanishing {
        let gate = Gate::default();
        let (began, begun) = channel_of_units();
        let handler = {
            let gate = gate.clone();
            move |_: &Message, _: simple_ipc::Responder| {
                began.send(()).unwrap();
                gate.wait();
            }
        };
        let options = options.clone().grace(Duration::ZERO);
        let listener = blocking::Listener::serve(channel, Mode::Broadcast, &options, handler).unwrap();
        Vanishing { listener, begun, gate }
    }

    fn vanish(self) {
        self.begun.recv().unwrap();
        assert_eq!(self.listener.close().unwrap_err().kind(), ErrorKind::TimedOut);
        self.gate.open();
    }
}

fn channel_of_units() -> (Sender<()>, Receiver<()>) {
    channel()
}

#[test]
fn broadcasts_that_a_vanished_listener_did_not_confirm_are_told_of_exactly_once() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("vanishing").unwrap(), Channel::ip(0).unwrap()] {
        for sent in [1, 2, 100] {
            let vanishing = Vanishing::start(&channel, &options);
            let client = blocking::Client::connect(vanishing.listener.channel(), &options).unwrap();
            for number in 0..sent {
                client.broadcast(number).unwrap();
            }
            vanishing.vanish();
            let error = client.flush().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
            assert!(error.may_have_been_handled(), "{error}");
            client.flush().unwrap();
            client.close().unwrap();
        }
    }
}

#[test]
fn a_later_call_tells_of_unconfirmed_broadcasts_where_no_flush_has() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("vanishing").unwrap();
    for sent in [1, 2, 100] {
        let vanishing = Vanishing::start(&channel, &options);
        let client = blocking::Client::connect(&channel, &options).unwrap();
        for number in 0..sent {
            client.broadcast(number).unwrap();
        }
        vanishing.vanish();
        let (_successor, messages) = collector(&channel, &options);
        // The next broadcast, unless it is held back for others that follow; then the flush.
        let told = [client.broadcast("next"), client.flush()];
        let errors: Vec<_> = told.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].kind(), ErrorKind::ConnectionLost, "{}", errors[0]);
        assert!(errors[0].may_have_been_handled(), "{}", errors[0]);
        client.broadcast("after that").unwrap();
        client.flush().unwrap();
        assert_eq!(messages.try_iter().collect::<Vec<_>>(), [Message::text("after that")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_client_tells_of_unconfirmed_broadcasts_exactly_once() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("vanishing").unwrap();
    for sent in [1, 2, 100] {
        let vanishing = Vanishing::start(&channel, &options);
        let client = simple_ipc::Client::connect(&channel, &options).await.unwrap();
        for number in 0..sent {
            client.broadcast(number).await.unwrap();
        }
        tokio::task::block_in_place(|| vanishing.vanish());
        let error = client.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(error.may_have_been_handled(), "{error}");
        client.flush().await.unwrap();
        let (_successor, messages) = collector(&channel, &options);
        client.broadcast("after that").await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(messages.try_iter().collect::<Vec<_>>(), [Message::text("after that")]);
        client.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_broadcast_that_does_not_fit_the_handlers_type_is_refused_and_never_acknowledged() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _threads = blocking::listen_uds_broadcast_with("threads", &options, |_: u8| Ok(())).unwrap();
    let _tasks = simple_ipc::listen_uds_broadcast_with("tasks", &options, async |_: u8| Ok(())).await.unwrap();
    for name in ["threads", "tasks"] {
        let refused = |error: simple_ipc::Error| {
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, false), "{error}");
            assert!(error.message().starts_with(&format!("channel \"{name}\": ")), "{error}");
        };
        refused(blocking::post_uds_broadcast_with(name, "text", &options).unwrap_err());
        refused(simple_ipc::post_uds_broadcast_with(name, "text", &options).await.unwrap_err());
        let client = blocking::Client::connect(&Channel::uds(name).unwrap(), &options).unwrap();
        client.broadcast("text").unwrap();
        assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::InvalidBody);
        client.broadcast(1).unwrap();
        client.flush().unwrap();
    }
}
