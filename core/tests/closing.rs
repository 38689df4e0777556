//! How a listener ends, and what its clients notice of it when another follows.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simple_ipc::{Channel, ErrorKind, HandlerResult, Message, Mode, Options, Wire, blocking};
use support::Scratch;

const EXCLUSIVE_HELLO: &[u8] = b"\xF5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04";
const MULTIPLEXED_HELLO: &[u8] = b"\xF5SIP\x01\x02\0\0\0\0\0\0\0\0\0\x04";
const LONG_GRACE: Duration = Duration::from_secs(300);

fn both_channels() -> [Channel; 2] {
    [Channel::uds("closing").unwrap(), Channel::ip(0).unwrap()]
}

fn double(number: u64) -> HandlerResult<u64> {
    Ok(number * 2)
}

fn doubler(channel: &Channel, options: &Options) -> blocking::Listener {
    let handler = |message: &Message, responder: simple_ipc::Responder| {
        responder.respond(&Message::json(&double(message.decode().unwrap()).unwrap()).unwrap()).unwrap();
    };
    blocking::Listener::serve(channel, Mode::Request, options, handler).unwrap()
}

/// A listener whose handler says when it has begun, and answers when told to.
struct Held {
    listener: blocking::Listener,
    begun: Receiver<()>,
    go: Sender<()>,
}

fn held(channel: &Channel, options: &Options, reply: Message) -> Held {
    let (began, begun) = channel_of_units();
    let (go, may_go) = channel_of_units();
    let may_go = Mutex::new(may_go);
    let handler = move |_: &Message, responder: simple_ipc::Responder| {
        began.send(()).unwrap();
        may_go.lock().unwrap().recv().unwrap();
        let _the_caller_may_be_gone = responder.respond(&reply);
    };
    Held { listener: blocking::Listener::serve(channel, Mode::Request, options, handler).unwrap(), begun, go }
}

fn channel_of_units() -> (Sender<()>, Receiver<()>) {
    channel()
}

fn raw(listener: &blocking::Listener) -> Box<dyn ReadWrite> {
    try_raw(listener).unwrap()
}

fn try_raw(listener: &blocking::Listener) -> std::io::Result<Box<dyn ReadWrite>> {
    Ok(match (listener.path(), listener.port()) {
        (Some(path), _) => Box::new(UnixStream::connect(path)?),
        (None, port) => Box::new(TcpStream::connect(("127.0.0.1", port.unwrap()))?),
    })
}

/// Waits until a listener that is closing takes nobody in any more.
fn until_nobody_listens(listener: &blocking::Listener) {
    while try_raw(listener).is_ok() {
        std::thread::yield_now();
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn close_answers_what_is_in_flight_and_what_follows_finds_nobody() {
    let scratch = Scratch::new();
    for wire in [Wire::Native, Wire::Deno] {
        for channel in both_channels() {
            let options = scratch.options().wire(wire).grace(LONG_GRACE);
            let Held { listener, begun, go } = held(&channel, &options, Message::text("done"));
            let channel = listener.channel().clone();
            std::thread::scope(|scope| {
                let caller = scope.spawn(|| blocking::post_request(&channel, &Message::null(), &options));
                begun.recv().unwrap();
                let closing = scope.spawn(|| listener.close().unwrap());
                until_nobody_listens(&listener);
                go.send(()).unwrap();
                closing.join().unwrap();
                assert_eq!(caller.join().unwrap().unwrap(), Message::text("done"), "{channel} {wire:?}");
            });
            let error = blocking::post_request(&channel, &Message::null(), &options).unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
            listener.close().unwrap();
        }
    }
}

#[test]
fn close_does_not_take_its_grace_where_all_is_answered() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    for channel in both_channels() {
        let listener = doubler(&channel, &options);
        let channel = listener.channel().clone();
        // Sessions of all kinds that have been used and stay open.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        assert_eq!(
            runtime.block_on(simple_ipc::post_request(&channel, &Message::json(&4).unwrap(), &options)).unwrap().data(),
            b"8"
        );
        assert_eq!(blocking::post_request(&channel, &Message::json(&4).unwrap(), &options).unwrap().data(), b"8");
        let client = blocking::Client::connect(&channel, &options).unwrap();
        assert_eq!(client.request::<u64>(5).unwrap(), 10);
        // Half-sent hellos and frames, and a session that never says anything. What a listener cannot
        // take for whole is not waited for.
        let mut strangers = Vec::new();
        for sent in [&EXCLUSIVE_HELLO[..7], EXCLUSIVE_HELLO, MULTIPLEXED_HELLO] {
            let mut stranger = raw(&listener);
            stranger.write_all(sent).unwrap();
            strangers.push(stranger);
        }
        for hello in [EXCLUSIVE_HELLO, MULTIPLEXED_HELLO] {
            let mut stranger = raw(&listener);
            stranger.write_all(hello).unwrap();
            stranger.read_exact(&mut [0; 16]).unwrap();
            stranger.write_all(b"\x10\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0half").unwrap();
            strangers.push(stranger);
        }
        strangers.push(raw(&listener));
        if listener.path().is_some() {
            let mut text = raw(&listener);
            text.write_all(b"3").unwrap();
            strangers.push(text);
        }
        listener.close().unwrap();
        assert_eq!(listener.counters().open, 0);
    }
}

#[test]
fn a_grace_that_is_over_cuts_off_what_is_left_of_each_dialect() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(Duration::from_millis(50));
    for wire in [Wire::Native, Wire::Deno] {
        let name = Channel::uds("cut").unwrap();
        let Held { listener, begun, go } = held(&name, &options, Message::null());
        let mut half = UnixStream::connect(listener.path().unwrap()).unwrap();
        half.write_all(b"\x00\"half of a Deno message").unwrap();
        let options = options.clone().wire(wire);
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| blocking::post_request(&name, &Message::null(), &options));
            begun.recv().unwrap();
            let error = listener.close().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert!(error.message().contains("a handler still runs after the grace period of 50ms"), "{error}");
            if wire == Wire::Native {
                let error = caller.join().unwrap().unwrap_err();
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::ConnectionLost, true), "{error}");
            }
            go.send(()).unwrap();
        });
        assert_eq!(half.read(&mut [0; 10]).unwrap_or(0), 0);
        // Closing again says when it has returned.
        while listener.close().is_err() {}
    }
}

#[test]
fn closing_twice_and_from_many_threads_is_silent() {
    let scratch = Scratch::new();
    let listener = doubler(&Channel::uds("twice").unwrap(), &scratch.options());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| listener.close().unwrap());
        }
    });
    listener.close().unwrap();
}

#[test]
fn socket_lock_and_port_are_free_right_after_close() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in both_channels() {
        let mut channel = channel;
        for _ in 0..20 {
            let listener = doubler(&channel, &options);
            channel = listener.channel().clone();
            assert_eq!(blocking::post_request(&channel, &Message::json(&1).unwrap(), &options).unwrap().data(), b"2");
            let error = blocking::Listener::serve(&channel, Mode::Request, &options, |_, _| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
            listener.close().unwrap();
            if let Some(path) = listener.path() {
                assert!(!path.exists());
                assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
            }
        }
    }
}

#[test]
fn a_listener_can_be_closed_from_within_its_own_handler_and_still_answers() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().wire(wire);
        let own: Arc<Mutex<Option<Arc<blocking::Listener>>>> = Arc::default();
        let handler = {
            let own = Arc::clone(&own);
            move |(): ()| {
                let own = Arc::clone(own.lock().unwrap().as_ref().unwrap());
                own.close().unwrap();
                // It has begun, and nobody else is taken in.
                assert!(try_raw(&own).is_err());
                Ok("last words")
            }
        };
        let listener = Arc::new(blocking::listen_uds_request_with("own", &options, handler).unwrap());
        *own.lock().unwrap() = Some(Arc::clone(&listener));
        let reply: String = blocking::post_uds_request_with("own", (), &options).unwrap();
        assert_eq!(reply, "last words");
        // From elsewhere it waits for the end.
        own.lock().unwrap().take();
        listener.close().unwrap();
        assert_eq!(Arc::strong_count(&own), 1, "the handler has not been dropped");
    }
}

#[test]
fn a_broadcast_handler_can_close_its_own_listener() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let own: Arc<Mutex<Option<blocking::Listener>>> = Arc::default();
    let handler = {
        let own = Arc::clone(&own);
        move |(): ()| Ok(own.lock().unwrap().as_ref().unwrap().close()?)
    };
    *own.lock().unwrap() = Some(blocking::listen_uds_broadcast_with("own", &options, handler).unwrap());
    blocking::post_uds_broadcast_with("own", (), &options).unwrap();
    let listener = own.lock().unwrap().take().unwrap();
    listener.close().unwrap();
    assert_eq!(listener.counters().failed, 0);
}

#[test]
fn close_that_has_begun_elsewhere_can_be_waited_for() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let channel = Channel::uds("begun").unwrap();
    let Held { listener, begun, go } = held(&channel, &options, Message::text("done"));
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| blocking::post_request(&channel, &Message::null(), &options));
        begun.recv().unwrap();
        listener.close_begin().unwrap();
        assert!(try_raw(&listener).is_err());
        go.send(()).unwrap();
        listener.close().unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), Message::text("done"));
    });
}

#[test]
fn a_listener_can_be_dropped_within_its_own_handler_and_still_answers() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().wire(wire);
        let own: Arc<Mutex<Option<blocking::Listener>>> = Arc::default();
        let handler = {
            let own = Arc::clone(&own);
            move |(): ()| {
                drop(own.lock().unwrap().take());
                Ok("last words")
            }
        };
        *own.lock().unwrap() = Some(blocking::listen_uds_request_with("own", &options, handler).unwrap());
        let reply: String = blocking::post_uds_request_with("own", (), &options).unwrap();
        assert_eq!(reply, "last words");
        assert!(own.lock().unwrap().is_none());
    }
}

#[tokio::test]
async fn an_asynchronous_listener_can_be_closed_and_dropped_within_its_own_handler() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    for close_first in [true, false] {
        let own: Arc<Mutex<Option<simple_ipc::Listener>>> = Arc::default();
        let handler = {
            let own = Arc::clone(&own);
            move |(): ()| {
                let own = Arc::clone(&own);
                async move {
                    let listener = own.lock().unwrap().take().unwrap();
                    if close_first {
                        listener.close().await.unwrap();
                    }
                    drop(listener);
                    Ok("last words")
                }
            }
        };
        let listener = simple_ipc::listen_uds_request_with("own", &options, handler).await.unwrap();
        *own.lock().unwrap() = Some(listener);
        let reply: String = simple_ipc::post_uds_request_with("own", (), &options).await.unwrap();
        assert_eq!(reply, "last words");
    }
}

#[test]
fn a_large_answer_on_its_way_is_not_cut_by_a_close_nor_does_it_hold_it_up() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for round in 0..10 {
        let reply = Message::bytes(vec![round; 8 << 20]);
        for channel in both_channels() {
            let Held { listener, begun, go } = held(&channel, &options, reply.clone());
            let channel = listener.channel().clone();
            std::thread::scope(|scope| {
                let blocking = scope.spawn(|| blocking::post_request(&channel, &Message::null(), &options));
                let task = runtime.spawn({
                    let (channel, options) = (channel.clone(), options.clone());
                    async move { simple_ipc::post_request(&channel, &Message::null(), &options).await }
                });
                for _ in 0..2 {
                    begun.recv().unwrap();
                }
                let closing = scope.spawn(|| listener.close().unwrap());
                until_nobody_listens(&listener);
                go.send(()).unwrap();
                go.send(()).unwrap();
                assert!(blocking.join().unwrap().unwrap() == reply);
                assert!(runtime.block_on(task).unwrap().unwrap() == reply);
                closing.join().unwrap();
            });
        }
    }
}

#[test]
fn no_answer_is_lost_to_a_close() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        for _ in 0..40 {
            let handled = Arc::new(Mutex::new(0u64));
            let handler = {
                let handled = Arc::clone(&handled);
                move |_: &Message, responder: simple_ipc::Responder| {
                    *handled.lock().unwrap() += 1;
                    responder.respond(&Message::null()).unwrap();
                }
            };
            let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
            let channel = listener.channel().clone();
            let answered = Arc::new(Mutex::new(0u64));
            let (started, start) = channel_of_units();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let (answered, channel, started) = (Arc::clone(&answered), &channel, started.clone());
                    let options = &options;
                    scope.spawn(move || {
                        loop {
                            match blocking::post_request(channel, &Message::null(), options) {
                                Ok(_) => *answered.lock().unwrap() += 1,
                                Err(error) => return assert_orderly(channel, &error),
                            }
                            let _ = started.send(());
                        }
                    });
                }
                let task = runtime.spawn({
                    let (channel, options, answered) = (channel.clone(), options.clone(), Arc::clone(&answered));
                    async move {
                        loop {
                            match simple_ipc::post_request(&channel, &Message::null(), &options).await {
                                Ok(_) => *answered.lock().unwrap() += 1,
                                Err(error) => return assert_orderly(&channel, &error),
                            }
                        }
                    }
                });
                start.recv().unwrap();
                listener.close().unwrap();
                drop(start);
                runtime.block_on(task).unwrap();
            });
            assert_eq!(*answered.lock().unwrap(), *handled.lock().unwrap());
        }
    }
}

/// A message that a closing listener did not take was certainly not handled. Only on a port, which can
/// still be connected to for a moment when the lock is gone already, it is spoken to as a listener of
/// the Deno original, where nobody can be certain.
fn assert_orderly(channel: &Channel, error: &simple_ipc::Error) {
    assert!(!error.may_have_been_handled() || channel.port().is_some(), "{}: {error}", error.kind());
    assert!(
        matches!(
            error.kind(),
            ErrorKind::NotListening | ErrorKind::Closing | ErrorKind::ConnectionLost | ErrorKind::NoReply
        ),
        "{error}"
    );
}

#[test]
fn the_next_message_just_works_when_a_listener_was_replaced() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        let mut listener = doubler(&channel, &options);
        let channel = listener.channel().clone();
        let client = blocking::Client::connect(&channel, &options).unwrap();
        let async_client = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
        for round in 0..20u64 {
            let message = Message::json(&round).unwrap();
            let expected = (round * 2).to_string();
            assert_eq!(client.request::<u64>(round).unwrap(), round * 2);
            assert_eq!(runtime.block_on(async_client.request::<u64>(round)).unwrap(), round * 2);
            assert_eq!(blocking::post_request(&channel, &message, &options).unwrap().data(), expected.as_bytes());
            let posted = runtime.block_on(simple_ipc::post_request(&channel, &message, &options));
            assert_eq!(posted.unwrap().data(), expected.as_bytes());
            listener.close().unwrap();
            listener = doubler(&channel, &options);
        }
    }
}

#[test]
fn a_broadcast_client_whose_messages_were_flushed_does_not_notice_a_replaced_listener() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        let start =
            |channel: &Channel| blocking::Listener::serve(channel, Mode::Broadcast, &options, |_, _| ()).unwrap();
        let mut listener = start(&channel);
        let channel = listener.channel().clone();
        let client = blocking::Client::connect(&channel, &options).unwrap();
        let async_client = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
        for round in 0..20 {
            client.broadcast(round).unwrap();
            client.flush().unwrap();
            runtime.block_on(async {
                async_client.broadcast(round).await.unwrap();
                async_client.flush().await.unwrap();
                simple_ipc::post_broadcast(&channel, &Message::null(), &options).await.unwrap();
            });
            blocking::post_broadcast(&channel, &Message::null(), &options).unwrap();
            assert_eq!(listener.counters().messages, 4);
            listener.close().unwrap();
            listener = start(&channel);
        }
    }
}

#[test]
fn a_post_may_come_before_its_listener_if_it_waits() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(LONG_GRACE);
    let name = Channel::uds("late").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let early = std::thread::spawn({
        let (name, options) = (name.clone(), options.clone());
        move || blocking::post_request(&name, &Message::json(&1).unwrap(), &options).unwrap()
    });
    let kept = std::thread::spawn({
        let (name, options) = (name.clone(), options.clone());
        move || blocking::Client::connect(&name, &options).unwrap().request::<u64>(3).unwrap()
    });
    let task = runtime.spawn({
        let (name, options) = (name.clone(), options.clone());
        async move { simple_ipc::post_request(&name, &Message::json(&2).unwrap(), &options).await.unwrap() }
    });
    let kept_task = std::thread::spawn({
        let (name, options, runtime) = (name.clone(), options.clone(), runtime.handle().clone());
        move || {
            runtime.block_on(async {
                let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
                client.request::<u64>(4).await.unwrap()
            })
        }
    });
    let _listener = doubler(&name, &options);
    assert_eq!(early.join().unwrap().data(), b"2");
    assert_eq!(kept.join().unwrap(), 6);
    assert_eq!(runtime.block_on(task).unwrap().data(), b"4");
    assert_eq!(kept_task.join().unwrap(), 8);
}

#[test]
fn waiting_for_a_listener_ends() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(Duration::from_millis(60));
    let began = Instant::now();
    let error = blocking::post_uds_request_with::<()>("never", (), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotListening);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_message_for_the_next_listener_is_not_refused_by_the_one_that_closes() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("turns").unwrap();
    let answer = |message: &Message, responder: simple_ipc::Responder| {
        responder.respond(message).unwrap();
    };
    for _ in 0..100 {
        let listener = blocking::Listener::serve(&name, Mode::Request, &options, answer).unwrap();
        blocking::post_request(&name, &Message::null(), &options).unwrap();
        drop(listener);
        let listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, |_, _| ()).unwrap();
        blocking::post_broadcast(&name, &Message::null(), &options).unwrap();
        drop(listener);
    }
}

/// Says when it is dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _the_test_is_over = self.0.send(());
    }
}

#[test]
fn the_handler_and_what_it_captured_are_gone_when_close_returns() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for round in 0..50 {
        for channel in both_channels() {
            let (drops, dropped) = channel_of_units();
            let (handler, report) = (Dropped(drops.clone()), Dropped(drops));
            let reporting = options.clone().on_handler_failure(move |_| {
                let _captured = &report;
            });
            let handler = move |message: &Message, responder: simple_ipc::Responder| {
                let _captured = &handler;
                responder.respond(message).unwrap();
            };
            let listener = blocking::Listener::serve(&channel, Mode::Request, &reporting, handler).unwrap();
            drop(reporting);
            let channel = listener.channel().clone();
            let client = blocking::Client::connect(&channel, &options).unwrap();
            for wire in [Wire::Native, Wire::Deno] {
                blocking::post_request(&channel, &Message::null(), &options.clone().wire(wire)).unwrap();
            }
            client.request::<()>(()).unwrap();
            let shared = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
            runtime.block_on(shared.request::<()>(())).unwrap();
            listener.close().unwrap();
            assert_eq!(dropped.try_iter().count(), 2, "round {round}");
        }
    }
}

#[tokio::test]
async fn an_asynchronous_handler_and_what_it_captured_are_gone_when_close_returns() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let (drops, dropped) = channel_of_units();
    let captured = Arc::new(Dropped(drops));
    let handler = move |data: u64| {
        let captured = Arc::clone(&captured);
        async move {
            tokio::task::yield_now().await;
            drop(captured);
            Ok(data)
        }
    };
    let listener = simple_ipc::listen_uds_request_with("gone", &options, handler).await.unwrap();
    let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    assert_eq!(client.request::<u64>(5).await.unwrap(), 5);
    listener.close().await.unwrap();
    assert_eq!(dropped.try_iter().count(), 1);
}

#[test]
fn close_says_that_a_handler_still_runs_and_later_that_it_does_not() {
    let scratch = Scratch::new();
    for mode in [Mode::Request, Mode::Broadcast] {
        let (began, begun) = channel_of_units();
        let (go, may_go) = channel_of_units();
        let (drops, dropped) = channel_of_units();
        let captured = (Dropped(drops), Mutex::new(may_go));
        let handler = move |_: &Message, _responder: simple_ipc::Responder| {
            began.send(()).unwrap();
            let (_dropped, may_go) = &captured;
            may_go.lock().unwrap().recv().unwrap();
        };
        let channel = Channel::uds("stuck").unwrap();
        let options = scratch.options().grace(Duration::from_millis(20));
        let listener = blocking::Listener::serve(&channel, mode, &options, handler).unwrap();
        std::thread::scope(|scope| {
            let options = scratch.options();
            scope.spawn(move || match mode {
                Mode::Request => drop(blocking::post_request(&channel, &Message::null(), &options)),
                _ => drop(blocking::post_broadcast(&channel, &Message::null(), &options)),
            });
            begun.recv().unwrap();
            for _ in 0..2 {
                assert_eq!(listener.close().unwrap_err().kind(), ErrorKind::TimedOut);
            }
            assert!(dropped.try_recv().is_err());
            go.send(()).unwrap();
            while listener.close().is_err() {}
            assert!(dropped.try_recv().is_ok());
        });
    }
}

#[test]
fn a_handler_that_a_closing_listener_cuts_off_hears_that_nobody_waits() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let combined = [Mode::Request, Mode::Broadcast].map(|mode| [(mode, Wire::Native), (mode, Wire::Deno)]);
    for (mode, wire) in combined.into_iter().flatten() {
        for asks in [false, true] {
            let (began, begun) = channel_of_units();
            let (hears, heard) = channel_of_units();
            let waits = runtime.handle().clone();
            let handler = move |_: &Message, responder: simple_ipc::Responder| {
                began.send(()).unwrap();
                if asks {
                    while !responder.is_cancelled() {
                        std::thread::yield_now();
                    }
                } else {
                    waits.block_on(responder.cancelled());
                }
                hears.send(()).unwrap();
            };
            let channel = Channel::uds("cut").unwrap();
            let options = scratch.options().grace(Duration::from_millis(20));
            let listener = blocking::Listener::serve(&channel, mode, &options, handler).unwrap();
            std::thread::scope(|scope| {
                let options = scratch.options().wire(wire);
                let caller = scope.spawn(move || match mode {
                    Mode::Request => blocking::post_request(&channel, &Message::null(), &options).map(drop),
                    _ => blocking::post_broadcast(&channel, &Message::null(), &options),
                });
                begun.recv().unwrap();
                let _the_handler_may_still_be_leaving = listener.close();
                heard.recv().unwrap();
                let told = caller.join().unwrap();
                assert!(mode == Mode::Broadcast || told.is_err());
            });
        }
    }
}

/// How many threads for handlers this process has.
fn worker_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "simple-ipc-work").count()
}

#[test]
fn listeners_that_have_closed_leave_no_threads() {
    const CYCLES: usize = 300;
    let scratch = Scratch::new();
    let options = scratch.options();
    for cycle in 0..CYCLES {
        let listener = doubler(&Channel::uds("threads").unwrap(), &options);
        let reply: u64 = blocking::post_uds_request_with("threads", cycle, &options).unwrap();
        assert_eq!(reply, 2 * cycle as u64);
        listener.close().unwrap();
    }
    // The last ones may still be ending.
    let left = worker_threads();
    assert!(left < CYCLES / 10, "{left} threads after {CYCLES} listeners");
}
#[test]
fn a_request_that_comes_too_late_on_a_busy_session_is_certainly_not_handled_and_hears_so_at_once() {
    let scratch = Scratch::new();
    for channel in both_channels() {
        let options = scratch.options().no_timeout().grace(LONG_GRACE);
        let (began, begun) = channel_of_units();
        let (go, may_go) = channel_of_units();
        let may_go = Mutex::new(may_go);
        let handler = move |message: &Message, responder: simple_ipc::Responder| {
            if message.as_text().as_deref() != Some("late") {
                began.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
            responder.respond(&Message::text("done")).unwrap();
        };
        let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let message = Message::null();
        let mut queue = simple_ipc::event_loop::Queue::new().unwrap();
        std::thread::scope(|scope| {
            runtime.block_on(async {
                let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
                let (poller, _) = queue.connect(listener.channel(), &options).unwrap();
                let early = queue.request(poller, message.clone(), None).unwrap();
                queue.submit();
                let mut closing = None;
                let first = client.request_message(&message, None);
                let second = async {
                    // Both sessions have a request with the handler.
                    for _ in 0..2 {
                        while begun.try_recv().is_err() {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    closing = Some(scope.spawn(|| listener.close().unwrap()));
                    until_nobody_listens(&listener);
                    // What comes before the listener has come round to its sessions is still taken.
                    let text = Message::text("late");
                    let late = loop {
                        if let Err(error) = client.request_message(&text, None).await {
                            break error;
                        }
                    };
                    let mut done = Vec::new();
                    let late_too = loop {
                        let ticket = match queue.request(poller, text.clone(), None) {
                            Err(error) => break error,
                            Ok(ticket) => ticket,
                        };
                        while !done.iter().any(|done: &simple_ipc::event_loop::Completion| done.ticket == ticket) {
                            queue.wait(None).unwrap();
                            queue.process(&mut done).unwrap();
                        }
                        let at = done.iter().position(|done| done.ticket == ticket).unwrap();
                        if let Err(error) = done.swap_remove(at).result {
                            break error;
                        }
                    };
                    for error in [late, late_too] {
                        assert!(!error.may_have_been_handled(), "{channel}: {error}");
                        let kinds = [ErrorKind::Closing, ErrorKind::NotListening];
                        assert!(kinds.contains(&error.kind()), "{channel}: {error}");
                    }
                    go.send(()).unwrap();
                    go.send(()).unwrap();
                    while !done.iter().any(|done| done.ticket == early) {
                        queue.wait(None).unwrap();
                        queue.process(&mut done).unwrap();
                    }
                    assert!(done.iter().all(|done| done.result.is_ok()), "{done:?}");
                };
                let (first, ()) = tokio::join!(first, second);
                assert_eq!(first.unwrap(), Message::text("done"), "{channel}");
                closing.unwrap().join().unwrap();
            });
        });
    }
}
