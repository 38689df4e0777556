//! What a live listener tells of itself.

use std::sync::mpsc::channel;
use std::time::Duration;

use simple_ipc::blocking::{Listener, inspect, listen_uds_publish_with, post_request, subscribe_uds_with};
use simple_ipc::{Cancellation, Channel, Counters, ErrorKind, ListenerState, Message, Mode};

use crate::gate::Gate;
use crate::support::Scratch;

fn build() -> Channel {
    Channel::uds("build").unwrap()
}

#[test]
fn a_listener_tells_of_itself_while_its_handler_is_busy() {
    let scratch = Scratch::new();
    let (gate, (busy, is_busy)) = (Gate::default(), channel());
    let handler = {
        let gate = gate.clone();
        move |message: &Message, responder: simple_ipc::Responder| {
            busy.send(()).unwrap();
            gate.wait();
            responder.respond(message).unwrap();
        }
    };
    // One thread, which the handler has: whoever answers is not waiting for it.
    let options =
        scratch.options().threads(1).max_message(5000).max_connections(7).max_in_flight(9).max_waiting(10_000);
    let listener = Listener::serve(&build(), Mode::Request, &options, handler).unwrap();
    let state = std::thread::scope(|scope| {
        let posting = scope.spawn(|| post_request(&build(), &Message::null(), &scratch.options()).unwrap());
        is_busy.recv().unwrap();
        let state = inspect(&build(), &scratch.options());
        gate.open();
        posting.join().unwrap();
        state.unwrap()
    });
    let ListenerState { version, pid, mode, is_closing, publishes, counters, limits, .. } = state;
    assert_eq!((version.as_str(), mode.as_str()), (env!("CARGO_PKG_VERSION"), "request"));
    assert_eq!((pid, is_closing, publishes), (i64::from(std::process::id()), false, false));
    let Counters { connections, open, messages, in_flight, failed, .. } = counters;
    assert_eq!((connections, open, messages, in_flight, failed), (2, 2, 1, 1, 0));
    assert_eq!((limits.max_message, limits.max_connections, limits.max_in_flight), (5000, 7, 9));
    assert_eq!((limits.max_waiting, limits.threads), (10_000, 1));
    // Who asks is no message.
    assert_eq!(listener.counters().messages, 1);
}

#[test]
fn what_is_told_again_is_of_now_and_costs_no_connection_more() {
    let scratch = Scratch::new();
    let listener = Listener::serve(&Channel::ip(0).unwrap(), Mode::Broadcast, &scratch.options(), |_, _| ()).unwrap();
    let first = inspect(listener.channel(), &scratch.options()).unwrap();
    assert_eq!((first.mode.as_str(), first.counters.messages), ("broadcast", 0));
    simple_ipc::blocking::post_broadcast(listener.channel(), &Message::null(), &scratch.options()).unwrap();
    let second = inspect(listener.channel(), &scratch.options()).unwrap();
    assert_eq!((second.counters.messages, second.counters.connections), (1, 1));
    assert!(second.uptime_ms >= first.uptime_ms);
}

#[test]
fn a_publisher_tells_who_subscribes() {
    let scratch = Scratch::new();
    let publisher = listen_uds_publish_with("build", &scratch.options()).unwrap();
    let _subscription = subscribe_uds_with::<Message>("build", &scratch.options()).unwrap();
    publisher.publish_message("", &Message::null()).unwrap();
    let state = inspect(&build(), &scratch.options()).unwrap();
    assert!(state.publishes && !state.retains);
    let keeps = scratch.options().retain(true);
    let _keeps = listen_uds_publish_with("keeps", &keeps).unwrap();
    assert!(inspect(&Channel::uds("keeps").unwrap(), &scratch.options()).unwrap().retains);
    assert_eq!((state.mode.as_str(), state.counters.subscribers, state.counters.published), ("publish", 1, 1));
}

#[test]
fn where_nobody_listens_the_error_is_that_of_a_post() {
    let scratch = Scratch::new();
    let error = inspect(&build(), &scratch.options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotListening, "{error}");
    let cancellation = Cancellation::new();
    cancellation.cancel();
    let waiting = scratch.options().wait(Duration::MAX).cancellation(&cancellation);
    assert_eq!(inspect(&build(), &waiting).unwrap_err().kind(), ErrorKind::Cancelled);
    let port = Channel::ip(0).unwrap();
    assert_eq!(inspect(&port, &scratch.options()).unwrap_err().kind(), ErrorKind::InvalidPort);
}
