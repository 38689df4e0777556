//! Calls in a queue, driven as an event loop drives them: by its descriptor alone.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use simple_ipc::event_loop::{Completion, Queue, Ticket};
use simple_ipc::{Channel, Error, ErrorKind, Message, Mode, Options, Responder, Result, Wire, blocking};

use crate::support::Scratch;

fn echo(channel: &Channel, options: &Options) -> blocking::Listener {
    let answer = |message: &Message, responder: Responder| responder.respond(message).unwrap();
    blocking::Listener::serve(channel, Mode::Request, options, answer).unwrap()
}

/// Waits for the descriptor to become readable, then has the queue do what there is to do.
fn look(queue: &mut Queue) -> Vec<Completion> {
    queue.submit();
    poll(&mut [PollFd::new(&queue.as_fd(), PollFlags::IN)], None).unwrap();
    let mut done = Vec::new();
    queue.process(&mut done).unwrap();
    done
}

/// Drives the queue until nothing is under way.
fn drive(queue: &mut Queue) -> HashMap<Ticket, Result<Option<Message>>> {
    let mut results = HashMap::new();
    while queue.under_way() > 0 {
        for Completion { ticket, result } in look(queue) {
            assert!(results.insert(ticket, result).is_none(), "{ticket:?} was done twice");
        }
    }
    results
}

fn one(queue: &mut Queue, ticket: Result<Ticket>) -> Result<Option<Message>> {
    drive(queue).remove(&ticket?).expect("it is done")
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn posts_are_answered_on_every_wire_and_transport() {
    let scratch = Scratch::new();
    let mut queue = Queue::new().unwrap();
    for wire in [Wire::Auto, Wire::Native, Wire::Deno] {
        for channel in [Channel::uds("echo").unwrap(), Channel::ip(0).unwrap()] {
            let options = scratch.options().wire(wire);
            let listener = echo(&channel, &options);
            for body in [vec![], vec![1], vec![2; 100_000], vec![3; 20 << 20]] {
                let message = Message::bytes(body);
                let ticket = queue.post(listener.channel(), Mode::Request, message.clone(), &options);
                let answer = one(&mut queue, ticket);
                assert!(
                    answer.as_ref().is_ok_and(|answer| answer.as_ref() == Some(&message)),
                    "{wire:?}, {channel}, {} bytes: {:?}",
                    message.len(),
                    answer.err()
                );
            }
            let ticket = queue.post(listener.channel(), Mode::Broadcast, Message::null(), &options);
            assert_eq!(kind(one(&mut queue, ticket)), ErrorKind::WrongMode);
        }
    }
}

#[test]
fn thousands_in_flight_are_all_answered_each_with_its_own() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("many").unwrap();
    let _listener = echo(&name, &options);
    let mut queue = Queue::new().unwrap();
    let mut expected = HashMap::new();
    for n in 0..5000_u32 {
        let message = Message::bytes(vec![n as u8; 1 + n as usize % 3000]);
        let ticket = queue.post(&name, Mode::Request, message.clone(), &options).unwrap();
        assert_eq!(Ticket::from_number(ticket.number()), ticket);
        expected.insert(ticket, message);
    }
    let results = drive(&mut queue);
    assert_eq!(results.len(), expected.len());
    for (ticket, result) in results {
        assert_eq!(result.unwrap().as_ref(), expected.get(&ticket));
    }
}

#[test]
fn wait_brings_answers_too() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("waited").unwrap();
    let _listener = echo(&name, &options);
    let mut queue = Queue::new().unwrap();
    let mut done = Vec::new();
    for spin in [Duration::ZERO, Duration::from_micros(100)] {
        queue.set_spin(spin);
        queue.wait(Some(Duration::from_millis(1))).unwrap();
        for _ in 0..100 {
            queue.post(&name, Mode::Request, Message::text("x"), &options).unwrap();
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
            assert_eq!(done.pop().unwrap().result.unwrap(), Some(Message::text("x")));
        }
    }
}

#[test]
fn a_client_keeps_the_order_and_its_flush_means_that_all_arrived() {
    let scratch = Scratch::new();
    for channel in [Channel::uds("ordered").unwrap(), Channel::ip(0).unwrap()] {
        let options = scratch.options();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let saw = Arc::clone(&seen);
        let note = move |message: &Message, _: Responder| saw.lock().unwrap().push(message.decode::<u32>().unwrap());
        let listener = blocking::Listener::serve(&channel, Mode::Broadcast, &options, note).unwrap();
        let mut queue = Queue::new().unwrap();
        let (client, ticket) = queue.connect(listener.channel(), &options).unwrap();
        one(&mut queue, Ok(ticket)).unwrap();
        for n in 0..20_000_u32 {
            queue.broadcast(client, Message::json(&n).unwrap()).unwrap();
        }
        let flushed = queue.flush(client);
        one(&mut queue, flushed).unwrap();
        assert_eq!(*seen.lock().unwrap(), (0..20_000).collect::<Vec<_>>());

        queue.broadcast(client, Message::json(&7).unwrap()).unwrap();
        let closed = queue.close(client);
        one(&mut queue, closed).unwrap();
        assert_eq!(seen.lock().unwrap().last(), Some(&7));
        assert_eq!(kind(queue.flush(client)), ErrorKind::Closed);
        assert_eq!(kind(queue.request(client, Message::null(), None)), ErrorKind::Closed);

        // A queue that is dropped, and a client that is abandoned, have sent what they were given.
        let (client, ticket) = queue.connect(listener.channel(), &options).unwrap();
        one(&mut queue, Ok(ticket)).unwrap();
        queue.broadcast(client, Message::json(&8).unwrap()).unwrap();
        queue.abandon(client);
        let (client, ticket) = queue.connect(listener.channel(), &options).unwrap();
        one(&mut queue, Ok(ticket)).unwrap();
        queue.broadcast(client, Message::json(&9).unwrap()).unwrap();
        drop(queue);
        while seen.lock().unwrap().len() < 20_003 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(seen.lock().unwrap()[20_001..].iter().sum::<u32>(), 17);
    }
}

#[test]
fn large_broadcasts_are_held_back_until_there_is_room() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("large").unwrap();
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let add = move |message: &Message, _: Responder| {
        count.fetch_add(message.len() as u64, Ordering::SeqCst);
    };
    let _listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, add).unwrap();
    let mut queue = Queue::new().unwrap();
    let (client, _) = queue.connect(&name, &options).unwrap();
    let mut tickets = Vec::new();
    for _ in 0..40 {
        tickets.extend(queue.broadcast(client, Message::bytes(vec![1; 1 << 20])).unwrap());
    }
    assert!(!tickets.is_empty(), "40 MiB were taken at once");
    let flush = queue.flush(client).unwrap();
    let mut results = drive(&mut queue);
    assert!(results.remove(&flush).unwrap().is_ok());
    assert!(tickets.iter().all(|ticket| results[ticket].is_ok()));
    assert_eq!(received.load(Ordering::SeqCst), 40 << 20);
}

#[test]
fn a_broadcast_that_waits_for_room_goes_on_also_where_all_before_it_left_at_once() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("large").unwrap();
    let _listener =
        blocking::Listener::serve(&name, Mode::Broadcast, &options, |_: &Message, _: Responder| ()).unwrap();
    let mut queue = Queue::new().unwrap();
    let (client, _) = queue.connect(&name, &options).unwrap();
    let mut had_to_wait = 0;
    // One at a time, each sent at once, as a program on an event loop does that awaits each: the listener takes what is before
    // it now and then just while the queue sends.
    for _ in 0..400 {
        let ticket = queue.broadcast(client, Message::bytes(vec![1; 1 << 20])).unwrap();
        queue.submit();
        if ticket.is_some() {
            had_to_wait += 1;
            for (ticket, result) in drive(&mut queue) {
                result.unwrap_or_else(|error| panic!("{ticket:?}: {error}"));
            }
        }
    }
    assert!(had_to_wait > 0, "400 MiB were taken at once");
}

#[test]
fn what_goes_wrong_is_said() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let mut queue = Queue::new().unwrap();
    let nobody = Channel::uds("nobody").unwrap();
    let mut post = |channel: &Channel, message: Message, options: &Options| {
        let ticket = queue.post(channel, Mode::Request, message, options);
        kind(one(&mut queue, ticket))
    };
    assert_eq!(post(&nobody, Message::null(), &options), ErrorKind::NotListening);
    let wait = options.clone().wait(Duration::from_millis(30));
    assert_eq!(post(&nobody, Message::null(), &wait), ErrorKind::NotListening);
    assert_eq!(post(&nobody, Message::bytes(vec![0; 11]), &options.clone().max_message(10)), ErrorKind::TooLarge);
    assert_eq!(post(&Channel::ip(0).unwrap(), Message::null(), &options), ErrorKind::InvalidPort);

    let small = Channel::uds("small").unwrap();
    let fail = |message: &Message, responder: Responder| match message.len() {
        4 => responder.fail("because").unwrap(),
        _ => std::mem::forget(responder),
    };
    let _listener = blocking::Listener::serve(&small, Mode::Request, &options.clone().max_message(1000), fail).unwrap();
    assert_eq!(post(&small, Message::null(), &options), ErrorKind::HandlerFailed);
    assert_eq!(post(&small, Message::bytes(vec![0; 1001]), &options), ErrorKind::TooLarge);
    assert_eq!(post(&small, Message::bytes(vec![0; 1 << 20]), &options), ErrorKind::TooLarge);
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().timeout(Duration::from_millis(20)).wire(wire);
        let ticket = queue.post(&small, Mode::Request, Message::bytes(vec![]), &options);
        let error = one(&mut queue, ticket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.may_have_been_handled() && error.message().contains("\"small\""), "{error}");
    }
    let deno = options.clone().wire(Wire::Deno);
    let (client, ticket) = queue.connect(&small, &deno).unwrap();
    one(&mut queue, Ok(ticket)).unwrap();
    assert_eq!(kind(queue.ping(client)), ErrorKind::UnsupportedVersion);
    let (client, ticket) = queue.connect(&small, &options).unwrap();
    one(&mut queue, Ok(ticket)).unwrap();
    let ping = queue.ping(client);
    assert_eq!(one(&mut queue, ping).unwrap(), None);
    queue.broadcast(client, Message::null()).unwrap();
    let flush = queue.flush(client);
    assert_eq!(kind(one(&mut queue, flush)), ErrorKind::WrongMode);
}

#[test]
fn a_post_waits_for_its_listener_to_appear() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(Duration::from_secs(50));
    let late = Channel::uds("late").unwrap();
    let mut queue = Queue::new().unwrap();
    let post = queue.post(&late, Mode::Request, Message::text("early"), &options).unwrap();
    let (client, met) = queue.connect(&late, &options).unwrap();
    assert_eq!(queue.under_way(), 2);
    let _listener = echo(&late, &options);
    let mut results = drive(&mut queue);
    assert_eq!(results.remove(&post).unwrap().unwrap(), Some(Message::text("early")));
    assert!(results.remove(&met).unwrap().is_ok());
    let request = queue.request(client, Message::text("on time"), None);
    assert_eq!(one(&mut queue, request).unwrap(), Some(Message::text("on time")));
}

#[test]
fn a_cancelled_call_gets_no_completion_and_its_handler_is_told() {
    let scratch = Scratch::new();
    let name = Channel::uds("cancelled").unwrap();
    let options = scratch.options();
    let (hand, responders) = channel();
    let keep = move |_: &Message, responder| hand.send(responder).unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, keep).unwrap();
    let mut queue = Queue::new().unwrap();
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().wire(wire);
        let ticket = queue.post(&name, Mode::Request, Message::null(), &options).unwrap();
        let responder: Responder = responders.recv().unwrap();
        assert!(queue.cancel(ticket));
        assert!(!queue.cancel(ticket));
        assert_eq!(queue.under_way(), 0);
        if wire == Wire::Native {
            while !responder.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(kind(responder.respond(&Message::null())), ErrorKind::Cancelled);
        } else {
            // A listener of the original ends when its caller leaves, so the connection is kept.
            responder.respond(&Message::null()).unwrap();
        }
    }
    // Nothing is left to do, and the descriptor says so once the listener's last words have been read.
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    while poll(&mut [PollFd::new(&queue.as_fd(), PollFlags::IN)], Some(&now)).unwrap() > 0 {
        queue.process(&mut Vec::new()).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_listener_that_restarts_gets_what_its_predecessor_did_not_take() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(Duration::from_secs(50));
    let name = Channel::uds("restarting").unwrap();
    let mut queue = Queue::new().unwrap();
    let mut listener = echo(&name, &options);
    let (client, _) = queue.connect(&name, &options).unwrap();
    drive(&mut queue);
    for _ in 0..20 {
        drop(listener);
        listener = echo(&name, &options);
        let post = queue.post(&name, Mode::Request, Message::text("a"), &options).unwrap();
        let request = queue.request(client, Message::text("b"), None).unwrap();
        let mut results = drive(&mut queue);
        assert_eq!(results.remove(&post).unwrap().unwrap(), Some(Message::text("a")));
        assert_eq!(results.remove(&request).unwrap().unwrap(), Some(Message::text("b")));
    }
}

#[test]
fn broadcasts_that_nobody_confirmed_are_told_of() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("lossy").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let options = options.directory(directory.path());
    let lock = std::fs::File::create(directory.path().join(".deno.lossy.socket.lock")).unwrap();
    lock.lock().unwrap();
    let socket = std::os::unix::net::UnixListener::bind(directory.path().join(".deno.lossy.socket")).unwrap();
    let mut queue = Queue::new().unwrap();
    let (client, _) = queue.connect(&name, &options).unwrap();
    drive(&mut queue);
    queue.broadcast(client, Message::null()).unwrap();
    let flush = queue.flush(client);
    queue.submit();
    drop(socket.accept().unwrap());
    let error = one(&mut queue, flush).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.may_have_been_handled());
    assert!(error.message().contains("a broadcast was not confirmed"), "{error}");
}

#[test]
fn a_queue_may_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Queue>();
    moves::<Error>();
}

#[test]
fn one_thread_waits_for_a_queue_into_which_another_puts_calls() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("echo").unwrap();
    let _listener = echo(&channel, &options);
    let queue = Mutex::new(Queue::new().unwrap());
    let readiness = queue.lock().unwrap().readiness().unwrap();
    let (completed, completions) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            loop {
                readiness.wait().unwrap();
                let mut done = Vec::new();
                queue.lock().unwrap().process(&mut done).unwrap();
                if completed.send(done).is_err() {
                    return;
                }
            }
        });
        for n in 0..100 {
            let message = Message::json(&n).unwrap();
            let asked = queue.lock().unwrap().post(&channel, Mode::Request, message, &options).unwrap();
            let answer = loop {
                if let Some(completion) = completions.recv().unwrap().pop() {
                    break completion;
                }
            };
            assert_eq!(answer.ticket, asked);
            assert_eq!(answer.result.unwrap().unwrap().decode::<u32>().unwrap(), n);
        }
        drop(completions);
        // Nothing is under way that would end the wait.
        queue.lock().unwrap().wake();
    });
}

#[test]
fn a_queue_that_was_woken_is_readable_until_it_is_processed() {
    let mut queue = Queue::new().unwrap();
    let is_readable = |queue: &Queue| {
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&queue.as_fd(), PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    assert!(!is_readable(&queue));
    queue.wake();
    assert!(look(&mut queue).is_empty());
    assert!(!is_readable(&queue));
}
