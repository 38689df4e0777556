//! Callers on the Deno wire who leave. On a port one who has closed looks like one who has ended its sending.

use std::future::Future;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::time::Duration;

use simple_ipc::{ErrorKind, Message, Mode, Responder};

use crate::raw::Raw;
use crate::raw_deno::sent_before_it_is_accepted;
use crate::scratch::{Scratch, eventually, next};

#[test]
fn a_caller_that_leaves_is_noticed_while_its_handler_runs() {
    let scratch = Scratch::new();
    let (sender, got) = channel();
    let listener =
        scratch.listen(Mode::Request, &scratch.options(), move |_, responder| sender.send(responder).unwrap());
    let mut raw = Raw::to(&listener);
    raw.send(b"\x001");
    raw.half_close();
    let responder = next(&got);
    assert!(!responder.is_cancelled(), "a half-close is not leaving");
    drop(raw);
    eventually("the caller is gone", || responder.is_cancelled());
    assert_eq!(responder.respond(&Message::null()).unwrap_err().kind(), ErrorKind::ConnectionLost);
}

#[test]
fn a_caller_that_had_sent_all_before_it_was_accepted_and_leaves_is_noticed() {
    let scratch = Scratch::new();
    let (sender, got) = channel();
    let (tell, told) = channel();
    let handler = move |_: &Message, responder: Responder| {
        sender.send(()).unwrap();
        let mut cancelled = std::pin::pin!(responder.cancelled());
        let mut context = Context::from_waker(Waker::noop());
        while cancelled.as_mut().poll(&mut context).is_pending() {
            std::thread::sleep(Duration::from_millis(1));
        }
        tell.send(responder.respond(&Message::null()).unwrap_err().kind()).unwrap();
    };
    let listener = scratch.listen(Mode::Request, &scratch.options().max_connections(1), handler);
    let raw = sent_before_it_is_accepted(&listener, b"\x001");
    next(&got);
    drop(raw);
    assert_eq!(next(&told), ErrorKind::ConnectionLost);
    listener.close().unwrap();
}
