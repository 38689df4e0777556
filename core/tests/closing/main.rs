//! How a listener ends, and what its clients notice of it when another follows.

mod handed_over;
mod left_behind;
#[path = "../support/mod.rs"]
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
