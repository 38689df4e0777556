//! Sessions that go over to memory that both processes share: what a caller sees is the same, and nothing is left of it.
#![cfg(target_os = "linux")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::event_loop::{Completion, Queue};
use simple_ipc::{Channel, ErrorKind, ListenerState, Message, Mode, Options, Responder, blocking};
use support::Scratch;

/// What one session shares.
const ONE: u64 = 4096 + 2 * (256 << 10);

/// Options by which a few sessions share memory.
fn options(scratch: &Scratch) -> Options {
    scratch.options().shared_memory(16 << 20)
}

fn echo(channel: &Channel, options: &Options) -> blocking::Listener {
    let answer = |message: &Message, responder: Responder| responder.respond(message).unwrap();
    blocking::Listener::serve(channel, Mode::Request, options, answer).unwrap()
}

/// What the listener tells, asked without memory.
fn state(channel: &Channel, options: &Options) -> ListenerState {
    blocking::inspect(channel, &options.clone().shared_memory(0)).unwrap()
}

fn patterned(size: usize, seed: usize) -> Message {
    Message::bytes((0..size).map(|at| (at * 31 + at / 251 + seed) as u8).collect::<Vec<u8>>())
}

/// Sizes at which something changes on the way: the ring holds 262,144 bytes.
const SIZES: [usize; 11] = [0, 1, 100, 512, 16 << 10, 33_000, 65_536, 262_128, 262_144, 262_145, 1 << 20];

#[test]
fn a_busy_session_shares_memory_and_every_body_comes_back_as_it_went() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let listener = echo(&Channel::uds("echo").unwrap(), &options);
    let client = blocking::Client::connect(listener.channel(), &options).unwrap();
    assert_eq!(state(listener.channel(), &options).shared_memory, 0, "it is not busy yet");
    for round in 0..6 {
        for size in SIZES {
            let message = patterned(size, round);
            assert_eq!(client.request_message(&message, None).unwrap(), message, "{size} bytes in round {round}");
        }
    }
    assert_eq!(state(listener.channel(), &options).shared_memory, ONE);
    drop(client);
    assert_eq!(listener.counters().malformed, 0);
}

#[test]
fn threads_with_sessions_of_their_own_do_not_mix() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let listener = echo(&Channel::uds("echo").unwrap(), &options);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (channel, options) = (listener.channel(), &options);
            scope.spawn(move || {
                for number in 0..300 {
                    let message = Message::json(&(thread, number)).unwrap();
                    assert_eq!(blocking::post_request(channel, &message, options).unwrap(), message);
                }
            });
        }
    });
    assert!(state(listener.channel(), &options).shared_memory >= ONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_session_that_shares_memory() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let answer = |message: Message, responder: Responder| async move { responder.respond(&message).unwrap() };
    let name = Channel::uds("tasks").unwrap();
    let listener = simple_ipc::Listener::serve(&name, Mode::Request, &options, answer).await.unwrap();
    let client = Arc::new(simple_ipc::Client::connect(&name, &options).await.unwrap());
    for round in 0..22 {
        let size = SIZES[round % SIZES.len()];
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    let message = patterned(size, task);
                    assert_eq!(client.request_message(&message, None).await.unwrap(), message);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    let told = tokio::task::spawn_blocking(move || state(&name, &options)).await.unwrap();
    assert_eq!(told.shared_memory, ONE);
    drop(listener);
}

#[test]
fn a_queue_drives_a_session_that_shares_memory() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let listener = echo(&Channel::uds("queue").unwrap(), &options);
    let mut queue = Queue::new().unwrap();
    let client = queue.connect(listener.channel(), &options).unwrap().0;
    for round in 0..22 {
        let size = SIZES[round % SIZES.len()];
        let mut wanted = std::collections::HashMap::new();
        for nth in 0..8 {
            let message = patterned(size, nth);
            wanted.insert(queue.request(client, message.clone(), None).unwrap(), message);
        }
        while !wanted.is_empty() {
            queue.wait(None).unwrap();
            let mut done = Vec::new();
            queue.process(&mut done).unwrap();
            for Completion { ticket, result } in done {
                // The first one is the connecting.
                if let Some(answer) = result.unwrap() {
                    assert_eq!(Some(answer), wanted.remove(&ticket), "{size} bytes");
                }
            }
        }
    }
    assert_eq!(state(listener.channel(), &options).shared_memory, ONE);
}

#[test]
fn one_way_messages_arrive_in_order_and_a_flush_waits_for_all() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = {
        let seen = Arc::clone(&seen);
        move |message: &Message, _: Responder| seen.lock().unwrap().push(message.decode::<u32>().unwrap())
    };
    let name = Channel::uds("notes").unwrap();
    let listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, note).unwrap();
    let client = blocking::Client::connect(&name, &options).unwrap();
    for number in 0..40_000_u32 {
        client.broadcast(number).unwrap();
        if number % 3_000 == 0 {
            client.flush().unwrap();
            assert_eq!(seen.lock().unwrap().len(), number as usize + 1);
        }
    }
    client.flush().unwrap();
    assert!(seen.lock().unwrap().iter().copied().eq(0..40_000));
    assert_eq!(state(listener.channel(), &options).shared_memory, ONE);
}

#[test]
fn a_listener_shares_no_more_than_it_may_and_gets_back_what_clients_leave() {
    let scratch = Scratch::new();
    let options = scratch.options().shared_memory(2 * ONE as usize);
    let listener = echo(&Channel::uds("few").unwrap(), &options);
    let busy = || {
        let client = blocking::Client::connect(listener.channel(), &options).unwrap();
        for number in 0..40_u32 {
            assert_eq!(client.request::<u32>(number).unwrap(), number);
        }
        client
    };
    let clients = [busy(), busy(), busy()];
    assert_eq!(state(listener.channel(), &options).shared_memory, 2 * ONE, "the third one goes on by its socket");
    drop(clients);
    while state(listener.channel(), &options).shared_memory > 0 {
        std::thread::yield_now();
    }
    let _client = busy();
    assert_eq!(state(listener.channel(), &options).shared_memory, ONE);
}

#[test]
fn nothing_is_shared_where_one_side_does_not_want_it_nor_by_port() {
    let scratch = Scratch::new();
    let (with, without) = (options(&scratch), scratch.options().shared_memory(0));
    let uds = Channel::uds("echo").unwrap();
    for (channel, listens, posts) in
        [(&uds, &with, &without), (&uds, &without, &with), (&Channel::ip(0).unwrap(), &with, &with)]
    {
        let listener = echo(channel, listens);
        let client = blocking::Client::connect(listener.channel(), posts).unwrap();
        for number in 0..1_000_u32 {
            assert_eq!(client.request::<u32>(number).unwrap(), number);
        }
        assert_eq!(state(listener.channel(), listens).shared_memory, 0);
    }
}

#[test]
fn the_next_message_goes_to_the_next_listener_as_it_does_by_a_socket() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let name = Channel::uds("again").unwrap();
    let client = {
        let listener = echo(&name, &options);
        let client = blocking::Client::connect(&name, &options).unwrap();
        for number in 0..40_u32 {
            assert_eq!(client.request::<u32>(number).unwrap(), number);
        }
        assert_eq!(state(&name, &options).shared_memory, ONE);
        listener.close().unwrap();
        client
    };
    assert_eq!(client.request::<u32>(1).unwrap_err().kind(), ErrorKind::NotListening);
    let _listener = echo(&name, &options);
    for number in 0..40_u32 {
        assert_eq!(client.request::<u32>(number).unwrap(), number);
    }
}

#[test]
fn requests_given_up_are_told_to_their_handlers_by_memory_as_well() {
    let scratch = Scratch::new();
    let options = options(&scratch);
    let cancelled = Arc::new(AtomicUsize::new(0));
    let handler = {
        let cancelled = Arc::clone(&cancelled);
        move |message: &Message, responder: Responder| {
            if message.decode::<bool>().unwrap() {
                while !responder.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                cancelled.fetch_add(1, Ordering::SeqCst);
            } else {
                responder.respond(message).unwrap();
            }
        }
    };
    let name = Channel::uds("waits").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    let mut queue = Queue::new().unwrap();
    let client = queue.connect(&name, &options).unwrap().0;
    let finish = |queue: &mut Queue| {
        let mut done = Vec::new();
        while done.is_empty() {
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
        }
    };
    for _ in 0..20 {
        queue.request(client, Message::json(&false).unwrap(), None).unwrap();
        finish(&mut queue);
    }
    let ticket = queue.request(client, Message::json(&true).unwrap(), None).unwrap();
    queue.submit();
    assert!(queue.cancel(ticket));
    queue.request(client, Message::json(&false).unwrap(), None).unwrap();
    finish(&mut queue);
    while cancelled.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}
