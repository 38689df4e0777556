//! Calls that nobody waits for any more and whose handlers do not settle: they do not use a listener up.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Responder, Wire, blocking};

use crate::support::Scratch;

const IMPATIENT: Duration = Duration::from_millis(30);

/// A listener whose handler keeps those who say "stuck" until the gate goes, on its thread or, where it `keeps` the
/// responder, elsewhere.
fn stuck(options: &Options, keeps: bool) -> (blocking::Listener, Receiver<()>, Sender<()>) {
    let (gate, gated) = channel::<()>();
    let (began, begun) = channel();
    let gated = Arc::new(Mutex::new(gated));
    let handler = move |message: &Message, responder: Responder| {
        if message.as_text().as_deref() != Some("stuck") {
            return responder.respond(message).unwrap();
        }
        began.send(()).unwrap();
        let gated = Arc::clone(&gated);
        let settle = move || {
            let _gone = gated.lock().unwrap().recv();
            let _nobody_waits = responder.respond(&Message::null());
        };
        if keeps {
            std::thread::spawn(settle);
        } else {
            settle();
        }
    };
    let channel = Channel::uds("stuck").unwrap();
    (blocking::Listener::serve(&channel, Mode::Request, options, handler).unwrap(), begun, gate)
}

/// Asks again and again until it is so; the scratch's watchdog ends what never comes.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// By what a caller comes that goes before it has its answer.
#[derive(Clone, Copy, Debug)]
enum By {
    SessionOfAThread,
    SharedSession,
    DenoWire,
}

#[test]
fn a_call_that_nobody_waits_for_gives_its_place_back_however_it_came() {
    const MOST: usize = 3;
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stuck_text = Message::text("stuck");
    for (by, keeps) in
        [By::SessionOfAThread, By::SharedSession, By::DenoWire].into_iter().flat_map(|by| [(by, false), (by, true)])
    {
        let (listener, begun, gate) = stuck(&scratch.options().max_in_flight(MOST), keeps);
        let channel = listener.channel();
        let impatient = scratch.options().timeout(IMPATIENT);
        for _ in 0..MOST {
            match by {
                By::SessionOfAThread => {
                    let error = blocking::post_request(channel, &stuck_text, &impatient).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    begun.recv().unwrap();
                }
                By::SharedSession => {
                    runtime.block_on(async {
                        let client = simple_ipc::Client::connect(channel, &impatient).await.unwrap();
                        assert_eq!(client.request::<()>("stuck").await.unwrap_err().kind(), ErrorKind::TimedOut);
                    });
                    begun.recv().unwrap();
                }
                By::DenoWire => {
                    let mut deno = UnixStream::connect(listener.path().unwrap()).unwrap();
                    deno.write_all(b"\0\"stuck\"").unwrap();
                    deno.shutdown(std::net::Shutdown::Write).unwrap();
                    begun.recv().unwrap();
                }
            }
        }
        let healthy = Message::text("healthy");
        assert_eq!(blocking::post_request(channel, &healthy, &scratch.options()).unwrap(), healthy, "{by:?} {keeps}");
        let deno = scratch.options().wire(Wire::Deno);
        assert_eq!(blocking::post_request(channel, &healthy, &deno).unwrap(), healthy);
        until(|| listener.counters().abandoned == MOST as u64);
        drop(gate);
        until(|| {
            let counters = listener.counters();
            (counters.abandoned, counters.in_flight) == (0, 0)
        });
        listener.close().unwrap();
    }
}

#[test]
fn abandoned_calls_are_bounded_too_and_the_owner_is_warned_once() {
    const MOST: usize = 3;
    let scratch = Scratch::new();
    let (warns, warned) = channel();
    let options = scratch.options().max_in_flight(MOST).on_handler_failure(move |report| {
        let _the_test_is_over = warns.send((report.kind(), report.message().to_owned()));
    });
    let (listener, begun, gate) = stuck(&options, true);
    let impatient = scratch.options().timeout(IMPATIENT);
    // As many as may be abandoned, and then as many as may be in flight.
    for _ in 0..2 * MOST {
        let error = blocking::post_request(listener.channel(), &Message::text("stuck"), &impatient).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        begun.recv().unwrap();
    }
    let error = blocking::post_request(listener.channel(), &Message::text("stuck"), &impatient).unwrap_err();
    assert_eq!((error.kind(), begun.try_recv().is_err()), (ErrorKind::TimedOut, true));
    // Those who only ask whether it is there still hear that it is.
    let client = blocking::Client::connect(listener.channel(), &scratch.options()).unwrap();
    client.ping().unwrap();
    client.flush().unwrap();
    let (kind, text) = warned.recv().unwrap();
    assert_eq!(kind, ErrorKind::TooManyConnections);
    assert!(text.starts_with("3 messages are in flight") && text.contains("max_in_flight"), "{text}");
    drop(gate);
    let healthy = Message::text("healthy");
    assert_eq!(blocking::post_request(listener.channel(), &healthy, &scratch.options()).unwrap(), healthy);
    until(|| listener.counters().abandoned == 0);
    assert!(warned.try_iter().all(|(kind, _)| kind == ErrorKind::HandlerFailed));
}

#[test]
fn a_cancelled_call_of_a_thread_is_answered_once_though_its_handler_is_stuck() {
    let scratch = Scratch::new();
    let (listener, begun, gate) = stuck(&scratch.options(), false);
    let mut raw = UnixStream::connect(listener.path().unwrap()).unwrap();
    let frame = |kind: u8, id: u8, body: &[u8]| {
        [&[body.len() as u8, 0, 0, 0, kind, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0], body].concat()
    };
    raw.write_all(b"\xF5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04").unwrap();
    raw.write_all(&frame(1, 7, b"\"stuck\"")).unwrap();
    begun.recv().unwrap();
    raw.write_all(&frame(6, 7, b"")).unwrap();
    until(|| listener.counters().abandoned == 1);
    let mut answer = [0; 32];
    raw.read_exact(&mut answer[..16]).unwrap();
    raw.read_exact(&mut answer[..16]).unwrap();
    assert_eq!((answer[4], answer[8]), (3, 7));
    raw.read_exact(&mut vec![0; usize::from(answer[0])]).unwrap();
    drop(gate);
    raw.write_all(&frame(1, 8, b"1")).unwrap();
    raw.read_exact(&mut answer[..17]).unwrap();
    assert_eq!((answer[4], answer[8], answer[16]), (2, 8, b'1'));
    assert_eq!(listener.counters().abandoned, 0);
}
