//! Listeners whose busy sessions a loop of the program's own drives.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Channel, ErrorKind, Inbox, Listener, Message, Mode, Options, Responder, background, blocking};

use crate::support::Scratch;

/// Far away: what hangs is to fail.
const FAR: Duration = Duration::from_secs(60);

struct Served {
    listener: Listener,
    inbox: Inbox,
}

fn serve(name: &str, options: &Options, handler: impl Fn(&Message, Responder) + Send + Sync + 'static) -> Served {
    let channel = Channel::uds(name).unwrap();
    let serving = Listener::serve_on_own_loop(&channel, Mode::Request, options, handler);
    let (listener, inbox) = background::calls().unwrap().block_on(serving).unwrap();
    Served { listener, inbox }
}

impl Served {
    /// Waits a moment for the descriptor, by that alone.
    fn wait(&self) -> bool {
        let number = self.inbox.raw_waitable().expect("it is watched");
        // SAFETY: the inbox has it open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let moment = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&moment)).unwrap() > 0
    }

    /// Is the loop until that thread is done; `then` is the rest of each turn.
    fn run_until<T>(&self, caller: &JoinHandle<T>, mut then: impl FnMut()) {
        while !caller.is_finished() {
            if self.wait() {
                self.inbox.run().unwrap();
            }
            then();
        }
    }

    fn close(self) {
        let Served { listener, inbox } = self;
        let closing = background::calls().unwrap().spawn(async move { listener.close().await });
        while !closing.is_finished() {
            inbox.run().unwrap();
            thread::yield_now();
        }
        background::calls().unwrap().block_on(closing).unwrap().unwrap();
    }
}

/// So many requests, at most so many at any time, each of which is answered with what was sent.
fn requests(name: &str, options: &Options, count: u32, in_flight: u32) -> JoinHandle<()> {
    let (channel, options) = (Channel::uds(name).unwrap(), options.clone());
    thread::spawn(move || {
        let mut queue = Queue::new().unwrap();
        let (client, _) = queue.connect(&channel, &options).unwrap();
        let (mut sent, mut sum, mut done) = (0, 0u64, Vec::new());
        let mut answered = 0;
        while answered < count {
            while sent < count && sent - answered < in_flight {
                queue.request(client, Message::json(&sent).unwrap(), Some(FAR)).unwrap();
                sent += 1;
            }
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
            for completion in done.drain(..) {
                if let Some(answer) = completion.result.unwrap() {
                    sum += u64::from(answer.decode::<u32>().unwrap());
                    answered += 1;
                }
            }
        }
        assert_eq!(sum, u64::from(count) * u64::from(count - 1) / 2, "each has its own answer");
    })
}

fn echo(message: &Message, responder: Responder) {
    let _the_caller_may_be_gone = responder.respond(message);
}

#[test]
fn every_request_is_answered_in_the_loops_thread_by_its_descriptor_alone() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let this = thread::current().id();
    let served = serve("own_loop", &options, move |message, responder| {
        assert_eq!(thread::current().id(), this);
        echo(message, responder);
    });
    for in_flight in [1, 2, 64] {
        let caller = requests("own_loop", &options, 3000, in_flight);
        served.run_until(&caller, || {});
        caller.join().unwrap();
    }
    let callers: Vec<_> = (0..5).map(|_| requests("own_loop", &options, 1000, 8)).collect();
    for caller in callers {
        served.run_until(&caller, || {});
        caller.join().unwrap();
    }
    assert_eq!(served.listener.counters().messages, 3 * 3000 + 5 * 1000);
    served.close();
}

#[test]
fn answers_that_come_later_arrive_whichever_thread_gives_them() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (kept, count) = (Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
    let (elsewhere, taken) = channel::<(Message, Responder)>();
    let keep = Arc::clone(&kept);
    let served = serve("later", &options, move |message, responder| match count.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => echo(message, responder),
        1 => keep.lock().unwrap().push((message.clone(), responder)),
        _ => elsewhere.send((message.clone(), responder)).unwrap(),
    });
    let other = thread::spawn(move || taken.into_iter().for_each(|(message, responder)| echo(&message, responder)));
    for holds in [false, true] {
        let caller = requests("later", &options, 3000, 32);
        served.run_until(&caller, || {
            if holds {
                served.inbox.hold();
            }
            for (message, responder) in kept.lock().unwrap().drain(..) {
                echo(&message, responder);
            }
            if holds {
                served.inbox.submit();
            }
        });
        caller.join().unwrap();
    }
    served.close();
    other.join().unwrap();
}

#[test]
fn while_the_handler_is_stuck_the_listener_still_answers_pings_and_hears_of_cancels() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (begun, is_begun) = channel();
    let (release, is_released) = channel::<()>();
    let is_released = Mutex::new(is_released);
    let served = serve("stuck", &options, move |message, responder| {
        if message.decode::<u32>().unwrap() == 1 {
            begun.send(()).unwrap();
            is_released.lock().unwrap().recv().unwrap();
        }
        echo(message, responder);
    });
    let channel = Channel::uds("stuck").unwrap();
    let caller = thread::spawn(move || {
        let mut queue = Queue::new().unwrap();
        let (client, _) = queue.connect(&channel, &options).unwrap();
        let mut results = Vec::new();
        let mut wait_for = |queue: &mut Queue, ticket| loop {
            if let Some(at) = results.iter().position(|done: &simple_ipc::event_loop::Completion| done.ticket == ticket)
            {
                return results.swap_remove(at).result;
            }
            queue.wait(None).unwrap();
            let mut done = Vec::new();
            queue.process(&mut done).unwrap();
            results.extend(done);
        };
        let first = queue.request(client, Message::json(&0).unwrap(), None).unwrap();
        wait_for(&mut queue, first).unwrap();
        let stuck = queue.request(client, Message::json(&1).unwrap(), None).unwrap();
        let behind = queue.request(client, Message::json(&2).unwrap(), None).unwrap();
        is_begun.recv().unwrap();
        let ping = queue.ping(client).unwrap();
        wait_for(&mut queue, ping).unwrap();
        assert!(queue.cancel(stuck));
        let again = queue.ping(client).unwrap();
        wait_for(&mut queue, again).unwrap();
        release.send(()).unwrap();
        assert_eq!(wait_for(&mut queue, behind).unwrap().unwrap().decode::<u32>().unwrap(), 2);
    });
    served.run_until(&caller, || {});
    caller.join().unwrap();
    served.close();
}

#[test]
fn a_session_that_has_gone_quiet_or_ends_is_no_longer_the_loops() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let served = serve("quiet", &options, echo);
    let busy = requests("quiet", &options, 200, 8);
    served.run_until(&busy, || {});
    busy.join().unwrap();
    let channel = Channel::uds("quiet").unwrap();
    // The loop does not come any more: new sessions are answered what needs no handler.
    let caller = thread::spawn(move || {
        blocking::Client::connect(&channel, &options).unwrap().ping().unwrap();
        let late = blocking::post_request(&channel, &Message::null(), &options.timeout(Duration::from_millis(20)));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    });
    caller.join().unwrap();
    served.close();
}

#[test]
fn an_inbox_that_is_dropped_ends_the_sessions_that_its_loop_drives() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let served = serve("dropped", &options, move |_, responder| keep.lock().unwrap().push(responder));
    let channel = Channel::uds("dropped").unwrap();
    let caller = thread::spawn(move || {
        let mut queue = Queue::new().unwrap();
        let (client, _) = queue.connect(&channel, &options).unwrap();
        for number in 0..8 {
            queue.request(client, Message::json(&number).unwrap(), None).unwrap();
        }
        let (mut done, mut ended) = (Vec::new(), 0);
        while ended < 8 {
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
            for completion in done.drain(..) {
                if let Err(error) = completion.result {
                    assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
                    ended += 1;
                }
            }
        }
    });
    while kept.lock().unwrap().len() < 8 {
        served.wait();
        served.inbox.run().unwrap();
    }
    drop(served);
    caller.join().unwrap();
}
