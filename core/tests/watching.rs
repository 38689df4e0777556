//! A subscriber of `tracing` hears what a listener and its clients do. It is the process's, so this file has one test.

mod support;

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

use simple_ipc::{Channel, Message, Mode, Responder, blocking};
use support::Scratch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Sends on each event, and each span when it is made, as a line.
struct Lines(Sender<String>, AtomicU64);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "simple_ipc"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", attributes.metadata().name()));
        attributes.record(&mut line);
        let _nobody_listens_any_more = self.0.send(line.0);
        Id::from_u64(1 + self.1.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let _nobody_listens_any_more = self.0.send(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn listening_connecting_and_what_goes_wrong_are_told_and_messages_are_not() {
    let scratch = Scratch::new();
    let (lines, told) = channel();
    tracing::subscriber::set_global_default(Lines(lines, AtomicU64::new(0))).unwrap();
    // All that was told up to now, with a line in it that has these parts.
    let mut all: Vec<String> = Vec::new();
    let mut until = |wanted: &[&str]| {
        while !all.iter().any(|line| wanted.iter().all(|part| line.contains(part))) {
            all.push(told.recv().unwrap());
        }
        all.clone()
    };
    let options = scratch.options();
    let name = Channel::uds("watched").unwrap();
    let handler = |message: &Message, responder: Responder| match message.as_text().as_deref() {
        Some("fail") => panic!("on purpose"),
        _ => responder.respond(message).unwrap(),
    };
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    let told_before = until(&["INFO", "listening", "channel=watched", "mode=request"]);
    assert!(told_before.contains(&"span listen channel=watched mode=request".to_owned()), "{told_before:?}");

    let client = blocking::Client::connect(&name, &options).unwrap();
    let _reply: Message = client.request(Message::text("good")).unwrap();
    until(&["DEBUG", "connected", "wire=native"]);
    let before = until(&["DEBUG", "a session begins", &format!("process {}", std::process::id())]).len();
    for _ in 0..100 {
        let _reply: Message = client.request(Message::text("good")).unwrap();
    }
    client.request::<Message>(&Message::text("fail")).unwrap_err();
    let since = until(&["DEBUG", "a handler failed", "channel=watched"]).len();
    assert_eq!(since, before + 1, "nothing is told of messages that are handled well");

    let mut stranger = std::os::unix::net::UnixStream::connect(listener.path().unwrap()).unwrap();
    std::io::Write::write_all(&mut stranger, &[0xFF]).unwrap();
    until(&["WARN", "not allowed", "its first byte"]);
    drop(client);
    listener.close().unwrap();
    until(&["INFO", "closed"]);
}
