//! The memory of streams whose receiver sleeps. One test: what it looks at is the process's.

#[path = "support/gate.rs"]
mod gate;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gate::Gate;
use simple_ipc::blocking::Listener;
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Channel, Message, MessageRef, Mode};
use support::Scratch;

/// How many empty items go each way, and how many of them a window has room for.
const ITEMS: u64 = 1_000_000;
const WINDOW: u64 = (256 << 10) / 16;
/// What the process may take more at any moment: both sides' windows, and what the allocator keeps.
const MORE: usize = 4 << 20;

/// How many bytes of memory the process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed().as_secs() < 60, "it never came to this: {what}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_million_empty_items_for_a_receiver_that_sleeps_take_a_window_each_way() {
    let scratch = Scratch::new();
    let gate = Gate::default();
    let sent = Arc::new(AtomicU64::new(0));
    let handler = {
        let (gate, sent) = (gate.clone(), Arc::clone(&sent));
        move |opening: &Message, responder: simple_ipc::Responder| {
            let reply = responder.stream().unwrap();
            if opening.as_text().unwrap() == "down" {
                for _ in 0..ITEMS {
                    reply.send(MessageRef::bytes(&[]), None).unwrap();
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            } else {
                gate.wait();
                let items = reply.items();
                let came = items.into_iter().map(|item| assert!(item.unwrap().is_empty())).count();
                reply.send(&Message::json(&came).unwrap(), None).unwrap();
            }
            reply.end().unwrap();
        }
    };
    let channel = Channel::uds("clock").unwrap();
    let listener = Listener::serve(&channel, Mode::Request, &scratch.options(), handler).unwrap();
    let post = |opening: &str| ItemStream::post(&channel, &Message::text(opening), &scratch.options()).unwrap();
    let before = resident();
    let assert_flat = |when: &str| {
        let now = resident();
        assert!(now < before + MORE, "{before} bytes before, {now} {when}");
    };

    let down = post("down");
    eventually("a window of items has left", || sent.load(Ordering::SeqCst) == WINDOW);
    assert_flat("while the caller sleeps");
    let mut came = 0;
    while let Some(item) = down.next(None).unwrap() {
        assert!(item.is_empty());
        came += 1;
        if came % 100_000 == 0 {
            assert_flat("while the caller takes");
        }
    }
    assert_eq!((came, sent.load(Ordering::SeqCst)), (ITEMS, ITEMS));

    let up = post("up");
    let mut went = 0;
    while up.try_send(MessageRef::bytes(&[])).unwrap() {
        went += 1;
    }
    assert_eq!(went, WINDOW);
    assert_flat("while the handler sleeps");
    gate.open();
    for nth in went..ITEMS {
        up.send(MessageRef::bytes(&[]), None).unwrap();
        if nth % 100_000 == 0 {
            assert_flat("while the handler takes");
        }
    }
    up.end().unwrap();
    assert_eq!(up.next(None).unwrap(), Some(Message::json(&ITEMS).unwrap()));
    assert_eq!(up.next(None).unwrap(), None);
    assert_eq!(listener.counters().malformed, 0);
}
