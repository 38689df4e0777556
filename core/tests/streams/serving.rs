//! A listener whose handler does what the opening says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, HandlerFailure, Items, Message, MessageKind, Mode, Options, ReplyStream, Responder};

use crate::gate::Gate;

/// Its listener, and what it has seen.
pub(crate) struct Serving {
    pub(crate) listener: Listener,
    /// How many handlers have found that their caller had left.
    pub(crate) left: Arc<AtomicUsize>,
    /// What handlers that ignore their callers wait at.
    pub(crate) gate: Gate,
}

pub(crate) fn channel() -> Channel {
    Channel::uds("streams").unwrap()
}

/// Item `nth` of `size` characters.
pub(crate) fn item(nth: usize, size: usize) -> String {
    let mut item = format!("item:{nth}:");
    item.extend(std::iter::repeat_n('x', size.saturating_sub(item.len())));
    item
}

impl Serving {
    pub(crate) fn start(options: &Options) -> Serving {
        Serving::on(&channel(), options)
    }

    pub(crate) fn on(channel: &Channel, options: &Options) -> Serving {
        let (left, gate) = (Arc::new(AtomicUsize::new(0)), Gate::default());
        let (count, waits) = (Arc::clone(&left), gate.clone());
        let listener = Listener::serve(channel, Mode::Request, options, move |opening, responder| {
            if handle(opening, responder, &waits).is_err() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Serving { listener: listener.unwrap(), left, gate }
    }

    /// Until so many handlers have found that their caller had left.
    pub(crate) fn wait_for_left(&self, count: usize) {
        while self.left.load(Ordering::SeqCst) < count {
            std::thread::yield_now();
        }
    }

    /// Until nothing is in flight.
    pub(crate) fn wait_for_quiet(&self) {
        loop {
            let counters = self.listener.counters();
            if (counters.in_flight, counters.streams, counters.abandoned) == (0, 0, 0) {
                return;
            }
            std::thread::yield_now();
        }
    }
}

fn handle(opening: &Message, responder: Responder, gate: &Gate) -> simple_ipc::Result<()> {
    let Ok(asked) = opening.decode::<Value>() else { return responder.fail("unknown") };
    let number = |name: &str| asked[name].as_u64().unwrap_or(0) as usize;
    match asked["do"].as_str().unwrap_or_default() {
        "answer" => responder.respond(&Message::json(&asked["with"])?),
        "total" => {
            let (mut items, mut chars, mut in_order) = (0, 0, true);
            for next in &responder.items().typed::<String>() {
                let next = next?;
                in_order &= next == item(items, next.len());
                (items, chars) = (items + 1, chars + next.len());
            }
            responder.respond(&Message::json(&json!({"items": items, "chars": chars, "in_order": in_order}))?)
        }
        other => sequence(other, &number, responder.stream()?, gate),
    }
}

fn sequence(what: &str, number: &dyn Fn(&str) -> usize, stream: ReplyStream, gate: &Gate) -> simple_ipc::Result<()> {
    let send = |stream: &ReplyStream, nth, size| stream.send(&Message::json(&item(nth, size))?, None);
    let items: Items = stream.items();
    match what {
        "count" => {
            for nth in 0..number("n") {
                send(&stream, nth, number("size"))?;
            }
            stream.end()
        }
        "empty" => {
            for _ in 0..number("n") {
                stream.send(&Message::bytes([]), None)?;
            }
            stream.end()
        }
        "fail" => {
            for nth in 0..number("n") {
                send(&stream, nth, 0)?;
            }
            let failure = HandlerFailure::new("on purpose").code("stopped").data(&number("n"))?;
            stream.fail_with(failure)
        }
        "first" => {
            for _ in 0..number("n") {
                items.recv(None)?;
            }
            stream.send(&Message::json(&number("n"))?, None)?;
            stream.end()
        }
        "echo" => {
            for next in &items {
                let next = next?;
                assert!(next.kind() == MessageKind::Bytes || next.check().is_ok());
                stream.send(&next, None)?;
            }
            stream.end()
        }
        "forever" => {
            for nth in 0.. {
                send(&stream, nth, number("size"))?;
            }
            unreachable!("it sends for ever")
        }
        "silent" => {
            for next in &items {
                next?;
            }
            // The caller may have ended; it is there until it leaves.
            while !stream.is_cancelled() {
                std::thread::yield_now();
            }
            Err(simple_ipc::Error::new(simple_ipc::ErrorKind::Cancelled, "the caller has left"))
        }
        "asleep" => {
            gate.wait();
            stream.end()
        }
        "stubborn" => {
            send(&stream, 0, 0)?;
            gate.wait();
            stream.end()
        }
        _ => stream.fail("unknown"),
    }
}
