//! Listeners whose handlers run in a thread of the program's own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use simple_ipc::blocking::{Client, Inbox, Listener, post_broadcast, post_request, post_uds_request_with};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Responder, Wire};

use crate::support::Scratch;

/// A loop: what wakes it comes by a channel.
struct Served {
    listener: Listener,
    inbox: Inbox,
    woken: Receiver<()>,
}

fn serve(
    name: &str,
    mode: Mode,
    options: &Options,
    handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
) -> Served {
    let (wake, woken) = channel();
    let wake = move || {
        let _the_loop_may_have_ended = wake.send(());
    };
    let channel = Channel::uds(name).unwrap();
    let (listener, inbox) = Listener::serve_in_own_thread(&channel, mode, options, wake, handler).unwrap();
    Served { listener, inbox, woken }
}

impl Served {
    /// Runs the handler whenever it is woken, until that thread is done.
    fn run_until<T>(&self, caller: &JoinHandle<T>) {
        while !caller.is_finished() {
            if self.woken.recv_timeout(Duration::from_millis(5)).is_ok() {
                self.inbox.run().unwrap();
            }
        }
    }
}

fn echo(message: &Message, responder: Responder) {
    let _the_caller_may_be_gone = responder.respond(message);
}

#[test]
fn handlers_run_in_the_thread_that_runs_the_inbox_and_in_no_other() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let this = thread::current().id();
    let served = serve("own", Mode::Request, &options, move |message, responder| {
        assert_eq!(thread::current().id(), this);
        echo(message, responder);
    });
    for wire in [Wire::Auto, Wire::Deno] {
        let options = options.clone().wire(wire);
        let caller = thread::spawn(move || {
            let callers: Vec<_> = (0..4)
                .map(|caller: u32| {
                    let options = options.clone();
                    thread::spawn(move || {
                        for number in 0..50 {
                            let sent = caller * 1000 + number;
                            assert_eq!(post_uds_request_with::<u32>("own", sent, &options).unwrap(), sent);
                        }
                    })
                })
                .collect();
            callers.into_iter().for_each(|caller| caller.join().unwrap());
        });
        served.run_until(&caller);
        caller.join().unwrap();
    }
    served.listener.close().unwrap();
}

#[test]
fn many_busy_sessions_leave_their_handlers_in_the_one_thread() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let this = thread::current().id();
    let served = serve("crowd", Mode::Request, &options, move |message, responder| {
        assert_eq!(thread::current().id(), this);
        echo(message, responder);
    });
    let caller = thread::spawn(move || {
        let channel = Channel::uds("crowd").unwrap();
        let mut queue = Queue::new().unwrap();
        let mut answers = Vec::new();
        let mut answered = 0;
        for round in 0..4 {
            // A post has a session to itself, which the next round takes again.
            for number in 0..150 {
                let message = Message::json(&(round * 1000 + number)).unwrap();
                queue.post(&channel, Mode::Request, message, &options).unwrap();
            }
            let posters: Vec<_> = (0..40)
                .map(|number: u32| {
                    let options = options.clone();
                    thread::spawn(move || post_uds_request_with::<u32>("crowd", number, &options).unwrap() == number)
                })
                .collect();
            while queue.under_way() > 0 {
                queue.wait(None).unwrap();
                queue.process(&mut answers).unwrap();
            }
            answered += posters.into_iter().map(|poster| usize::from(poster.join().unwrap())).sum::<usize>();
        }
        answered + answers.into_iter().filter(|answer| matches!(answer.result, Ok(Some(_)))).count()
    });
    served.run_until(&caller);
    assert_eq!(caller.join().unwrap(), 4 * 190);
}

#[test]
fn requests_that_come_together_are_answered_whoever_sends_them() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let served = serve("burst", Mode::Request, &options, echo);
    let caller = thread::spawn(move || {
        let channel = Channel::uds("burst").unwrap();
        let mut queue = Queue::new().unwrap();
        let (client, _) = queue.connect(&channel, &options).unwrap();
        for number in 0..1000 {
            queue.request(client, Message::json(&number).unwrap(), None).unwrap();
        }
        let mut answers = Vec::new();
        while queue.under_way() > 0 {
            queue.wait(None).unwrap();
            queue.process(&mut answers).unwrap();
        }
        answers.into_iter().filter(|answer| matches!(answer.result, Ok(Some(_)))).count()
    });
    served.run_until(&caller);
    assert_eq!(caller.join().unwrap(), 1000);
}

#[test]
fn a_session_that_sends_without_end_does_not_keep_the_loop() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let served = serve("endless", Mode::Broadcast, &options, move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let caller = thread::spawn(move || {
        let client = Client::connect(&Channel::uds("endless").unwrap(), &options).unwrap();
        (0..1000).for_each(|number| client.broadcast(number).unwrap());
        client.flush().unwrap();
    });
    let mut most = 0;
    while !caller.is_finished() {
        if served.woken.recv_timeout(Duration::from_millis(5)).is_ok() {
            let before = seen.load(Ordering::Relaxed);
            let pieces = served.inbox.run().unwrap();
            let handled = seen.load(Ordering::Relaxed) - before;
            assert!(handled <= 64 * pieces, "{handled} messages in {pieces} pieces");
            most = most.max(handled);
        }
    }
    caller.join().unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1000);
    assert!(most > 1, "each broadcast came by itself");
}

#[test]
fn broadcasts_keep_their_order() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let served = serve("ordered", Mode::Broadcast, &options, move |message, _| {
        list.lock().unwrap().push(message.decode::<u32>().unwrap());
    });
    let caller = thread::spawn(move || {
        let client = Client::connect(&Channel::uds("ordered").unwrap(), &options).unwrap();
        (0..500).for_each(|number| client.broadcast(number).unwrap());
        client.flush().unwrap();
        post_broadcast(&Channel::uds("ordered").unwrap(), &Message::json(&500).unwrap(), &options).unwrap();
    });
    served.run_until(&caller);
    caller.join().unwrap();
    assert!(seen.lock().unwrap().iter().copied().eq(0..=500));
}

#[test]
fn a_responder_may_be_kept_beyond_the_handler() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let served = serve("kept", Mode::Request, &options, move |_, responder| keep.lock().unwrap().push(responder));
    let caller = thread::spawn(move || post_uds_request_with::<u32>("kept", 1, &options).unwrap());
    while kept.lock().unwrap().is_empty() {
        served.woken.recv().unwrap();
        served.inbox.run().unwrap();
    }
    kept.lock().unwrap().pop().unwrap().respond(&Message::json(&2).unwrap()).unwrap();
    assert_eq!(caller.join().unwrap(), 2);
}

#[test]
fn a_stream_goes_through_the_inbox_as_any_request() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let served = serve("stream", Mode::Request, &options, |_, responder| {
        let reply = responder.stream().unwrap();
        for number in 0..3 {
            assert!(reply.try_send(&Message::json(&number).unwrap()).unwrap());
        }
        reply.end().unwrap();
    });
    let caller = thread::spawn(move || {
        let channel = Channel::uds("stream").unwrap();
        let stream = simple_ipc::blocking::post_stream(&channel, &Message::null(), &options).unwrap();
        stream.map(|item| item.unwrap().decode::<u32>().unwrap()).collect::<Vec<_>>()
    });
    served.run_until(&caller);
    assert_eq!(caller.join().unwrap(), [0, 1, 2]);
}

#[test]
fn close_takes_to_the_handler_what_has_come_and_drops_that() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let captured = Arc::new(());
    let holds = Arc::clone(&captured);
    let served = serve("closes", Mode::Request, &options, move |message, responder| {
        let _ = &holds;
        echo(message, responder);
    });
    let caller = thread::spawn(move || post_uds_request_with::<u32>("closes", 1, &options).unwrap());
    served.woken.recv().unwrap();
    served.listener.close().unwrap();
    assert_eq!(caller.join().unwrap(), 1);
    assert_eq!(Arc::strong_count(&captured), 1);
    assert!(served.inbox.is_over());
}

#[test]
fn another_thread_that_closes_waits_for_the_loop() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let served = serve("closed_elsewhere", Mode::Request, &options, echo);
    let caller = thread::spawn({
        let options = options.clone();
        move || post_uds_request_with::<u32>("closed_elsewhere", 1, &options).unwrap()
    });
    served.woken.recv().unwrap();
    let Served { listener, inbox, woken } = served;
    let closer = thread::spawn(move || listener.close());
    while !inbox.is_over() {
        inbox.run().unwrap();
        let _it_may_be_over = woken.recv_timeout(Duration::from_millis(5));
    }
    closer.join().unwrap().unwrap();
    assert_eq!(caller.join().unwrap(), 1);
}

#[test]
fn a_listener_that_its_handler_closes_answers_what_it_has() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = Arc::new(Mutex::new(None::<Listener>));
    let closes = Arc::clone(&listener);
    let served = serve("closed_inside", Mode::Request, &options, move |message, responder| {
        if let Some(listener) = &*closes.lock().unwrap() {
            listener.close().unwrap();
        }
        echo(message, responder);
    });
    let Served { listener: made, inbox, woken } = served;
    *listener.lock().unwrap() = Some(made);
    let caller = thread::spawn(move || post_uds_request_with::<u32>("closed_inside", 1, &options).unwrap());
    while !inbox.is_over() {
        inbox.run().unwrap();
        let _it_may_be_over = woken.recv_timeout(Duration::from_millis(5));
    }
    assert_eq!(caller.join().unwrap(), 1);
    let made = listener.lock().unwrap().take().unwrap();
    made.close().unwrap();
}

#[test]
fn a_listener_that_is_dropped_is_closed_and_its_handler_dropped_by_the_loop() {
    struct Told(Arc<Mutex<Option<thread::ThreadId>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }
    let scratch = Scratch::new();
    let dropped_by = Arc::new(Mutex::new(None));
    let told = Told(Arc::clone(&dropped_by));
    let served = serve("dropped", Mode::Request, &scratch.options(), move |message, responder| {
        let _ = &told;
        echo(message, responder);
    });
    drop(served.listener);
    while !served.inbox.is_over() {
        served.woken.recv().unwrap();
        served.inbox.run().unwrap();
    }
    assert_eq!(*dropped_by.lock().unwrap(), Some(thread::current().id()));
}

#[test]
fn an_inbox_that_is_dropped_lets_go_of_callers_and_of_the_handler_at_once() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(Duration::MAX);
    let captured = Arc::new(());
    let holds = Arc::clone(&captured);
    let is_called = Arc::new(AtomicBool::new(false));
    let calls = Arc::clone(&is_called);
    let served = serve("left", Mode::Request, &options, move |message, responder| {
        let _ = &holds;
        calls.store(true, Ordering::Relaxed);
        echo(message, responder);
    });
    let channel = Channel::uds("left").unwrap();
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (channel, options) = (channel.clone(), options.clone());
            thread::spawn(move || post_request(&channel, &Message::null(), &options).unwrap_err())
        })
        .collect();
    while served.listener.counters().in_flight < 3 {
        thread::yield_now();
    }
    drop(served.inbox);
    assert_eq!(Arc::strong_count(&captured), 1);
    for caller in callers {
        assert_eq!(caller.join().unwrap().kind(), ErrorKind::ConnectionLost);
    }
    assert!(!is_called.load(Ordering::Relaxed));
    served.listener.close().unwrap();
}

#[test]
fn what_waits_for_the_loop_is_bounded_by_the_listeners_limits() {
    let scratch = Scratch::new();
    let options = scratch.options().max_in_flight(5);
    let served = serve("bounded", Mode::Request, &options, echo);
    let caller = thread::spawn(move || {
        let channel = Channel::uds("bounded").unwrap();
        let mut queue = Queue::new().unwrap();
        for number in 0..50 {
            queue.post(&channel, Mode::Request, Message::json(&number).unwrap(), &options).unwrap();
        }
        let mut answers = Vec::new();
        while queue.under_way() > 0 {
            queue.wait(None).unwrap();
            queue.process(&mut answers).unwrap();
        }
        answers.into_iter().filter(|answer| matches!(answer.result, Ok(Some(_)))).count()
    });
    while served.listener.counters().in_flight < 5 {
        thread::yield_now();
    }
    let mut most = 0;
    while !caller.is_finished() {
        most = most.max(served.listener.counters().in_flight);
        if served.woken.recv_timeout(Duration::from_millis(5)).is_ok() {
            served.inbox.run().unwrap();
        }
    }
    assert_eq!(caller.join().unwrap(), 50);
    assert!(most <= 5, "{most} in flight");
}

#[test]
fn a_handler_that_panics_fails_its_caller_and_the_loop_goes_on() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let served = serve("panics", Mode::Request, &options, |message, responder| {
        assert_ne!(message.decode::<u32>().unwrap(), 1, "on purpose");
        echo(message, responder);
    });
    let caller = thread::spawn(move || {
        let failed = post_uds_request_with::<u32>("panics", 1, &options).unwrap_err();
        (failed.kind(), post_uds_request_with::<u32>("panics", 2, &options).unwrap())
    });
    served.run_until(&caller);
    assert_eq!(caller.join().unwrap(), (ErrorKind::HandlerFailed, 2));
}

#[test]
fn a_bell_ends_the_waits_of_its_queue_once() {
    let mut queue = Queue::new().unwrap();
    let bell = queue.bell().unwrap();
    let rings = bell.clone();
    let ringer = thread::spawn(move || rings.ring());
    queue.wait(None).unwrap();
    ringer.join().unwrap();
    let mut none = Vec::new();
    queue.process(&mut none).unwrap();
    assert!(none.is_empty());
    queue.wait(Some(Duration::ZERO)).unwrap();
    bell.ring();
    bell.ring();
    queue.wait(None).unwrap();
    queue.process(&mut none).unwrap();
    drop(queue);
    bell.ring();
}
