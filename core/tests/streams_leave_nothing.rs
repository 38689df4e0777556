//! Streams that are opened and dropped leave no descriptor, thread or handler behind. One test: it looks at its process.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use simple_ipc::{Channel, Message, Mode, blocking, event_loop};
use support::Scratch;

fn count(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

#[test]
fn ten_thousand_streams_that_are_opened_and_dropped_leave_nothing() {
    let scratch = Scratch::new();
    let channel = Channel::uds("left").unwrap();
    let running = Arc::new(AtomicUsize::new(0));
    let handlers = Arc::clone(&running);
    let listener = blocking::Listener::serve(&channel, Mode::Request, &scratch.options(), move |_, responder| {
        handlers.fetch_add(1, Ordering::SeqCst);
        if let Ok(stream) = responder.stream() {
            while stream.send(&Message::bytes([7; 1000]), None).is_ok() {}
        }
        handlers.fetch_sub(1, Ordering::SeqCst);
    });
    let listener = listener.unwrap();
    let open = |nth: usize| {
        let stream =
            event_loop::ItemStream::begin(&channel, &Message::json(&nth).unwrap(), &scratch.options()).unwrap();
        match nth % 4 {
            // Not even accepted, accepted, read in part, and in the middle of what it sends.
            0 => {}
            1 => {
                while !stream.is_accepted().unwrap() {
                    assert!(stream.wait(None).unwrap());
                }
            }
            2 => assert!(stream.next(None).unwrap().is_some()),
            _ => stream.send(&Message::bytes(vec![1; 50_000]), None).unwrap(),
        }
    };
    let quiet = || {
        loop {
            let counters = listener.counters();
            let busy = counters.streams + counters.in_flight + counters.abandoned;
            if busy == 0 && running.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    };
    (0..100).for_each(open);
    quiet();
    let (descriptors, threads) = (count("fd"), count("task"));
    (0..10_000).for_each(open);
    quiet();
    let (descriptors_now, threads_now) = (count("fd"), count("task"));
    // Idle sessions are kept, 16 at the most; a thread may be on its way out.
    assert!(descriptors_now <= descriptors + 80, "{descriptors} descriptors were open, now {descriptors_now}");
    assert!(threads_now <= threads + 40, "{threads} threads ran, now {threads_now}");
}
