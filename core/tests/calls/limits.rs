//! Limits: messages that are too large, connections and threads that are too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Wire, blocking, event_loop};

use crate::support::Scratch;

fn bytes(size: usize) -> Message {
    Message::bytes(vec![1; size])
}

/// Answers with as many bytes as it is asked for (in the first 8), and counts.
fn sized(options: &Options, handled: &Arc<AtomicUsize>) -> blocking::Listener {
    let handled = Arc::clone(handled);
    let handler = move |message: &Message, responder: simple_ipc::Responder| {
        handled.fetch_add(1, Ordering::SeqCst);
        let size = message.data().first_chunk().map_or(0, |size| u64::from_le_bytes(*size));
        let _the_caller_is_told = responder.respond(&bytes(size as usize));
    };
    blocking::Listener::serve(&Channel::uds("sized").unwrap(), Mode::Request, options, handler).unwrap()
}

fn asking_for(size: u64) -> Message {
    Message::bytes(size.to_le_bytes())
}

fn post_both_ways(channel: &Channel, message: &Message, options: &Options) -> [simple_ipc::Result<Message>; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    [
        blocking::post_request(channel, message, options),
        runtime.block_on(simple_ipc::post_request(channel, message, options)),
    ]
}

#[test]
fn the_callers_limit_holds_for_what_it_sends_and_for_what_it_gets() {
    let scratch = Scratch::new();
    let handled = Arc::default();
    let listener = sized(&scratch.options(), &handled);
    for max in [8, 1000, 70_000] {
        for wire in [Wire::Native, Wire::Deno] {
            let options = scratch.options().max_message(max).wire(wire);
            for size in [max - 1, max] {
                for reply in post_both_ways(listener.channel(), &asking_for(size as u64), &options) {
                    assert_eq!(reply.unwrap().len(), size, "{wire:?}");
                }
            }
            for reply in post_both_ways(listener.channel(), &asking_for(max as u64 + 1), &options) {
                let error = reply.unwrap_err();
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, true), "{error}");
                if wire == Wire::Native {
                    let text = format!("channel \"{}\": the reply of {} bytes is", listener.channel(), max + 1);
                    assert!(error.message().starts_with(&text) && error.message().contains("caller takes"), "{error}");
                }
            }
            let before = handled.load(Ordering::SeqCst);
            for reply in post_both_ways(listener.channel(), &bytes(max + 1), &options) {
                let error = reply.unwrap_err();
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");
            }
            assert_eq!(handled.load(Ordering::SeqCst), before);
        }
    }
}

#[test]
fn the_listeners_limit_is_known_to_the_caller_before_anything_is_handled() {
    let scratch = Scratch::new();
    for max in [100, 70_000, 200_000] {
        let handled = Arc::default();
        let listener = sized(&scratch.options().max_message(max), &handled);
        let options = scratch.options().wire(Wire::Native);
        let mut message = bytes(max);
        for _ in 0..2 {
            for reply in post_both_ways(listener.channel(), &zeroed(max), &options) {
                assert_eq!(reply.unwrap().len(), 0);
            }
            assert_eq!(std::mem::replace(&mut message, bytes(max)).len(), max);
            for size in [max + 1, max + 100_000] {
                let before = handled.load(Ordering::SeqCst);
                for reply in post_both_ways(listener.channel(), &bytes(size), &options) {
                    let error = reply.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                    assert!(!error.may_have_been_handled(), "{max} {size}: {error}");
                }
                assert_eq!(handled.load(Ordering::SeqCst), before);
            }
        }
        listener.close().unwrap();
    }
}

fn zeroed(size: usize) -> Message {
    Message::bytes(vec![0; size])
}

#[tokio::test]
async fn a_message_too_large_for_the_listener_does_not_disturb_the_clients_other_requests() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handler = {
        let gate = Arc::clone(&gate);
        move |(): ()| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                Ok(())
            }
        }
    };
    let limited = options.clone().max_message(1000);
    let listener = simple_ipc::listen_uds_request_with("limited", &limited, handler).await.unwrap();
    let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    client.ping().await.unwrap();
    let waiting = client.request::<()>(());
    tokio::pin!(waiting);
    let too_large = bytes(2000);
    let refused = async {
        let error = client.request_message(&too_large, None).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");
    };
    tokio::select! {
        biased;
        reply = &mut waiting => panic!("{reply:?}"),
        () = refused => {}
    }
    gate.add_permits(1);
    waiting.await.unwrap();
}

#[test]
fn the_text_of_a_failure_passes_whatever_the_callers_limit_is() {
    let scratch = Scratch::new();
    let text = "\u{1}".repeat(5000);
    let fail = move |_: &Message, responder: simple_ipc::Responder| responder.fail(&text).unwrap();
    let name = Channel::uds("failing").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &scratch.options(), fail).unwrap();
    for reply in post_both_ways(&name, &bytes(1), &scratch.options().max_message(60)) {
        let error = reply.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandlerFailed, "{error}");
    }
}

#[test]
fn a_broadcast_too_large_for_the_listener_leaves_those_before_it_and_their_order_alone() {
    let scratch = Scratch::new();
    let (seen, messages) = std::sync::mpsc::channel();
    let handler = move |message: &Message, _: simple_ipc::Responder| seen.send(message.len()).unwrap();
    let limited = scratch.options().max_message(100_000);
    let name = Channel::uds("limited").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Broadcast, &limited, handler).unwrap();
    let client = blocking::Client::connect(&name, &scratch.options()).unwrap();
    for size in 0..100 {
        client.broadcast_message(&bytes(size)).unwrap();
    }
    assert_eq!(client.broadcast_message(&bytes(100_001)).unwrap_err().kind(), ErrorKind::TooLarge);
    client.broadcast_message(&bytes(100)).unwrap();
    client.flush().unwrap();
    assert!(messages.try_iter().eq(0..=100));
}

#[test]
fn more_clients_than_connections_are_all_served() {
    let scratch = Scratch::new();
    let handled = Arc::default();
    for limit in [1, 4] {
        let listener = sized(&scratch.options().max_connections(limit), &handled);
        let options = scratch.options();
        let clients: Vec<_> =
            (0..20).map(|_| blocking::Client::connect(listener.channel(), &options).unwrap()).collect();
        for round in 0..3 {
            for client in &clients {
                let reply = client.request_message(&asking_for(round), None).unwrap();
                assert_eq!(reply.len() as u64, round);
            }
        }
        assert!(listener.counters().open <= limit as u64);
        listener.close().unwrap();
    }
}

#[test]
fn a_port_whose_queue_is_full_is_tried_until_the_time_is_over() {
    use std::os::fd::AsRawFd;
    let scratch = Scratch::new();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the descriptor is open; the call only shortens the queue of a socket that listens.
    assert_eq!(unsafe { libc::listen(busy.as_raw_fd(), 1) }, 0);
    let address = busy.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let _queue: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    let options = scratch.options().timeout(Duration::from_millis(100));
    for reply in post_both_ways(&Channel::ip(address.port()).unwrap(), &bytes(1), &options) {
        let error = reply.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, false), "{error}");
    }
}

#[test]
fn large_messages_get_through_where_connections_are_contended() {
    let scratch = Scratch::new();
    let handled = Arc::default();
    let listener = sized(&scratch.options().max_connections(2), &handled);
    let options = scratch.options();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
                    let reply = client.request_message(&zeroed(2_000_000), None).unwrap();
                    assert!(reply.is_empty());
                }
            });
        }
    });
}

#[test]
fn a_handful_of_threads_serves_everybody() {
    let scratch = Scratch::new();
    for threads in [1, 2, 4] {
        let handled = Arc::default();
        let listener = sized(&scratch.options().threads(threads), &handled);
        let options = scratch.options();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
                    for size in 0..50 {
                        assert_eq!(client.request_message(&asking_for(size), None).unwrap().len() as u64, size);
                    }
                });
            }
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    for size in 0..50 {
                        let reply = simple_ipc::post_request(listener.channel(), &asking_for(size), &options).await;
                        assert_eq!(reply.unwrap().len() as u64, size);
                    }
                });
            });
        });
        assert_eq!(handled.load(Ordering::SeqCst), 17 * 50);
        assert_eq!(listener.counters().messages, 17 * 50);
        assert_eq!(listener.counters().failed, 0);
        listener.close().unwrap();
    }
}

#[test]
fn no_more_than_16_sessions_with_a_listener_wait_for_the_next_post() {
    for posts in [15, 16, 17, 20] {
        let scratch = Scratch::new();
        let all = Arc::new(std::sync::Barrier::new(posts));
        let handler = move |_: &Message, responder: simple_ipc::Responder| {
            // So that each post has a session of its own.
            all.wait();
            responder.respond(&Message::null()).unwrap();
        };
        let name = Channel::uds("pooled").unwrap();
        let listener = blocking::Listener::serve(&name, Mode::Request, &scratch.options(), handler).unwrap();
        let options = scratch.options().wire(Wire::Native);
        std::thread::scope(|scope| {
            for _ in 0..posts {
                scope.spawn(|| blocking::post_request(&name, &bytes(1), &options).unwrap());
            }
        });
        let begun = std::time::Instant::now();
        while listener.counters().open != posts.min(16) as u64 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} are open after {posts}", listener.counters().open);
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_error_about_a_limit_says_whose_it_is_and_on_which_channel() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("limits").unwrap();
    let handler = |_: &Message, responder: simple_ipc::Responder| {
        let _told_to_the_caller = responder.respond(&Message::bytes(vec![0; 3000]));
    };
    let small = options.clone().max_message(5000);
    let _listener = blocking::Listener::serve(&name, Mode::Request, &small, handler).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut queue = event_loop::Queue::new().unwrap();
    let mut ways = |message: Message, options: &Options| -> Vec<String> {
        // Once the hello is known, the message is refused before it is sent.
        let mut errors = vec![
            blocking::post_request(&name, &message, options).unwrap_err(),
            blocking::Client::connect(&name, options).unwrap().request_message(&message, None).unwrap_err(),
            runtime.block_on(simple_ipc::post_request(&name, &message, options)).unwrap_err(),
            runtime.block_on(async {
                let client = simple_ipc::Client::connect(&name, options).await.unwrap();
                client.request_message(&message, None).await.unwrap_err()
            }),
        ];
        let (client, _) = queue.connect(&name, options).unwrap();
        let mut done = Vec::new();
        for ticket in [queue.post(&name, Mode::Request, message.clone(), options), queue.request(client, message, None)]
        {
            match ticket {
                Err(error) => errors.push(error),
                Ok(ticket) => {
                    while !done.iter().any(|done: &event_loop::Completion| done.ticket == ticket) {
                        queue.wait(None).unwrap();
                        queue.process(&mut done).unwrap();
                    }
                    let at = done.iter().position(|done| done.ticket == ticket).unwrap();
                    errors.push(done.swap_remove(at).result.unwrap_err());
                }
            }
        }
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::TooLarge), "{errors:?}");
        errors.iter().map(|error| error.message().to_owned()).collect()
    };
    let own = ways(Message::bytes(vec![0; 2001]), &options.clone().max_message(2000));
    let listeners = ways(Message::bytes(vec![0; 70_000]), &options);
    let answer = ways(Message::null(), &options.clone().max_message(2000));
    for (texts, whose) in [
        (own, "2001 bytes is larger than the 2000 that this client allows"),
        (listeners, "70000 bytes is larger than the 5000 that the listener takes"),
        (answer, "3000 bytes is larger than the 2000 that the caller takes"),
    ] {
        for text in texts {
            assert!(text.starts_with("channel \"limits\": ") && text.contains(whose), "{text}");
        }
    }
}
