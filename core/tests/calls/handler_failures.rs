//! What becomes of a handler's failure: at its caller, and at the listener's owner where no caller hears of it.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use simple_ipc::{
    Channel, ErrorKind, HandlerFailure, HandlerResult, Message, Mode, Options, Peer, Responder, Wire, blocking,
};

use crate::support::Scratch;

fn out_of_stock(_: ()) -> HandlerResult<()> {
    Err(HandlerFailure::new("only 3\nare left\0").code("out_of_stock").data(&(3, "more on Monday"))?.into())
}

fn assert_is_out_of_stock(error: &simple_ipc::Error) {
    assert_eq!(error.kind(), ErrorKind::HandlerFailed, "{error}");
    assert!(error.message().ends_with("only 3 are left "), "{error}");
    assert!(error.may_have_been_handled());
    assert_eq!(error.handler_code(), Some("out_of_stock"));
    assert_eq!(error.handler_data(), Some("[3,\"more on Monday\"]"));
}

#[test]
fn a_failure_on_purpose_brings_its_code_and_data_to_every_kind_of_caller() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let by_error = blocking::listen_uds_request_with("error", &options, out_of_stock).unwrap();
    let by_responder = blocking::Listener::serve(
        &Channel::uds("responder").unwrap(),
        Mode::Request,
        &options,
        |_: &Message, responder: Responder| {
            let failure = HandlerFailure::new("only 3\nare left\0").code("out_of_stock");
            responder.fail_with(failure.data_json("[3,\"more on Monday\"]").unwrap()).unwrap();
        },
    )
    .unwrap();
    let awaited = runtime
        .block_on(simple_ipc::listen_uds_request_with("awaited", &options, async |()| out_of_stock(())))
        .unwrap();
    for channel in [by_error.channel(), by_responder.channel(), awaited.channel()] {
        assert_is_out_of_stock(&blocking::post_request(channel, &Message::null(), &options).unwrap_err());
        let client = blocking::Client::connect(channel, &options).unwrap();
        assert_is_out_of_stock(&client.request::<()>(()).unwrap_err());
        runtime.block_on(async {
            assert_is_out_of_stock(&simple_ipc::post_request(channel, &Message::null(), &options).await.unwrap_err());
            let client = simple_ipc::Client::connect(channel, &options).await.unwrap();
            assert_is_out_of_stock(&client.request::<()>(()).await.unwrap_err());
        });
    }
}

#[test]
fn any_other_failure_is_one_line_of_text_without_code_and_data() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let handler = |(): ()| -> HandlerResult<()> { Err("first\nsecond\0third".into()) };
    let _listener = blocking::listen_uds_request_with("plain", &options, handler).unwrap();
    let error = blocking::post_uds_request_with::<()>("plain", (), &options).unwrap_err();
    assert!(error.message().ends_with("first second third"), "{error}");
    assert_eq!((error.handler_code(), error.handler_data()), (None, None));
}

#[test]
fn what_a_small_client_cannot_take_of_a_failure_is_left_out() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let handler = |(): ()| -> HandlerResult<()> {
        Err(HandlerFailure::new("no luck").code("none").data(&"d".repeat(2000))?.into())
    };
    let _listener = blocking::listen_uds_request_with("small", &options, handler).unwrap();
    let small = options.clone().max_message(4);
    let error = blocking::post_uds_request_with::<()>("small", (), &small).unwrap_err();
    assert_eq!((error.kind(), error.handler_code()), (ErrorKind::HandlerFailed, Some("none")), "{error}");
    assert_eq!(error.handler_data(), None);
    let error = blocking::post_uds_request_with::<()>("small", (), &options).unwrap_err();
    assert_eq!(error.handler_data().map(str::len), Some(2002));
}

/// What was reported of a channel.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    kind: ErrorKind,
    channel: Channel,
    mode: Mode,
    message: String,
    peer: Peer,
}

fn reporting(options: &Options) -> (Options, Receiver<Report>) {
    let (reports, reported): (Sender<Report>, _) = channel();
    let options = options.clone().on_handler_failure(move |report| {
        let (channel, message) = (report.channel().clone(), report.message().to_owned());
        let report = Report { kind: report.kind(), channel, mode: report.mode(), message, peer: report.peer() };
        let _the_test_is_over = reports.send(report);
        // Not by `panic!`: the hook writes the whole trace of a panic within a panic, which takes an emulator longer than a close waits.
        resume_unwind(Box::new("what is told may panic"));
    });
    (options, reported)
}

#[track_caller]
fn assert_reported(reported: &Receiver<Report>, channel: &Channel, mode: Mode, message: &str) {
    let report = reported.recv().unwrap();
    assert_eq!((report.kind, &report.channel, report.mode), (ErrorKind::HandlerFailed, channel, mode));
    assert_eq!(report.message, message);
    assert_eq!(report.peer.pid(), Some(std::process::id().cast_signed()));
}

fn fails(message: &Message, responder: Responder) {
    match message.data() {
        b"\"fail\"" => drop(responder.fail("on\npurpose")),
        b"\"panic\"" => panic!("this test panics in a handler"),
        _ => responder.respond(&Message::null()).unwrap(),
    }
}

#[test]
fn a_failure_that_no_caller_hears_of_is_reported_once_and_others_are_not() {
    let scratch = Scratch::new();
    let (options, reported) = reporting(&scratch.options());
    for mode in [Mode::Request, Mode::Broadcast] {
        let channel = Channel::uds("unheard").unwrap();
        let listener = blocking::Listener::serve(&channel, mode, &options, fails).unwrap();
        for wire in [Wire::Native, Wire::Deno] {
            let options = scratch.options().wire(wire);
            let post = |text: &str| match mode {
                Mode::Request => blocking::post_request(&channel, &Message::text(text), &options).map(drop),
                _ => blocking::post_broadcast(&channel, &Message::text(text), &options),
            };
            for (text, message) in [("fail", "on purpose"), ("panic", "the handler panicked")] {
                let heard = post(text).is_err_and(|error| error.kind() == ErrorKind::HandlerFailed);
                assert_eq!(heard, mode == Mode::Request && wire == Wire::Native);
                if !heard {
                    assert_reported(&reported, &channel, mode, message);
                }
            }
            post("well").unwrap();
        }
        listener.close().unwrap();
    }
    assert!(reported.try_recv().is_err());
}

#[test]
fn a_failure_whose_caller_has_gone_is_reported() {
    let scratch = Scratch::new();
    let (options, reported) = reporting(&scratch.options());
    let channel = Channel::uds("gone").unwrap();
    let handler = |message: &Message, responder: Responder| {
        while !responder.is_cancelled() {
            std::thread::yield_now();
        }
        if message.data() == b"\"panic\"" {
            panic!("this test panics in a handler");
        }
        assert_eq!(responder.fail("too late").unwrap_err().kind(), ErrorKind::Cancelled);
    };
    let _listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let impatient = scratch.options().timeout(Duration::from_millis(20));
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&channel, &impatient).await.unwrap();
        for (text, message) in [("fail", "too late"), ("panic", "the handler panicked")] {
            assert_eq!(client.request::<()>(text).await.unwrap_err().kind(), ErrorKind::TimedOut);
            tokio::task::block_in_place(|| assert_reported(&reported, &channel, Mode::Request, message));
        }
    });
}
