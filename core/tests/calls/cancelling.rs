//! Callers that stop waiting, and what handlers and responders learn of it.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Responder, Wire, blocking};

use crate::support::Scratch;

/// A blocking listener that hands its responders over to the test.
fn handing_out(channel: &Channel, options: &Options) -> (blocking::Listener, Receiver<Responder>) {
    let (hand, responders) = channel_of_responders();
    let handler = move |_: &Message, responder: Responder| hand.send(responder).unwrap();
    (blocking::Listener::serve(channel, Mode::Request, options, handler).unwrap(), responders)
}

fn channel_of_responders() -> (std::sync::mpsc::Sender<Responder>, Receiver<Responder>) {
    channel()
}

fn until_cancelled(responder: &Responder) {
    while !responder.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn assert_unwanted(responder: Responder) {
    let error = responder.respond(&Message::null()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::ConnectionLost), "{error}");
}

#[test]
fn a_responder_may_answer_later_from_another_thread() {
    let scratch = Scratch::new();
    for wire in [Wire::Native, Wire::Deno] {
        let options = scratch.options().wire(wire);
        let name = Channel::uds("later").unwrap();
        let (_listener, responders) = handing_out(&name, &options);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| blocking::post_request(&name, &Message::null(), &options).unwrap());
            responders.recv().unwrap().respond(&Message::text("later")).unwrap();
            assert_eq!(caller.join().unwrap(), Message::text("later"));
            let task = runtime.spawn({
                let (name, options) = (name.clone(), options.clone());
                async move { simple_ipc::post_request(&name, &Message::null(), &options).await.unwrap() }
            });
            responders.recv().unwrap().respond(&Message::text("later")).unwrap();
            assert_eq!(runtime.block_on(task).unwrap(), Message::text("later"));
        });
    }
}

#[test]
fn a_dropped_responder_and_a_panic_are_failures_that_say_so() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("failing").unwrap();
    let fail = |message: &Message, responder: Responder| match message.as_text().as_deref() {
        Some("drop") => drop(responder),
        Some("panic") => panic!("on purpose"),
        _ => responder.respond(&Message::null()).unwrap(),
    };
    let sync = blocking::Listener::serve(&name, Mode::Request, &options, fail).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = Channel::uds("failing_too").unwrap();
    let fail = |message: Message, responder: Responder| async move {
        tokio::task::yield_now().await;
        match message.as_text().as_deref() {
            Some("drop") => drop(responder),
            Some("panic") => panic!("on purpose"),
            _ => responder.respond(&Message::null()).unwrap(),
        }
    };
    let serve = simple_ipc::Listener::serve(&other, Mode::Request, &options, fail);
    let asynchronous = runtime.block_on(serve).unwrap();
    for name in [&name, &other] {
        for (what, said) in [("drop", "without an answer"), ("panic", "panicked")] {
            let message = Message::text(what);
            for error in [
                blocking::post_request(name, &message, &options).unwrap_err(),
                runtime.block_on(simple_ipc::post_request(name, &message, &options)).unwrap_err(),
            ] {
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::HandlerFailed, true));
                assert!(error.message().contains(said), "{name} {what}: {error}");
            }
            let error = blocking::post_request(name, &message, &options.clone().wire(Wire::Deno)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoReply);
        }
        blocking::post_request(name, &Message::null(), &options).unwrap();
    }
    for counters in [sync.counters(), asynchronous.counters()] {
        assert_eq!((counters.messages, counters.failed, counters.malformed), (7, 6, 0), "{counters:?}");
    }
}

#[test]
fn a_blocking_timeout_tells_the_caller_and_the_handler() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::from_millis(80));
    for channel in [Channel::uds("slow").unwrap(), Channel::ip(0).unwrap()] {
        let (listener, responders) = handing_out(&channel, &options);
        let began = Instant::now();
        let error = blocking::post_request(listener.channel(), &Message::null(), &options).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
        assert!(began.elapsed() >= Duration::from_millis(79));
        let responder = responders.recv().unwrap();
        until_cancelled(&responder);
        assert_unwanted(responder);
    }
}

#[test]
fn a_handler_that_runs_on_its_sessions_own_thread_sees_that_its_caller_has_left() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::from_millis(80));
    let (saw, seen) = channel::<()>();
    let handler = move |_: &Message, responder: Responder| {
        until_cancelled(&responder);
        saw.send(()).unwrap();
        assert_unwanted(responder);
    };
    let name = Channel::uds("left").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    let error = blocking::post_request(&name, &Message::null(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    seen.recv().unwrap();
}

#[test]
fn whoever_awaits_the_cancellation_hears_of_it_while_the_handler_holds_its_sessions_thread() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::from_millis(80));
    let (saw, seen) = channel::<()>();
    let handler = move |_: &Message, responder: Responder| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(responder.cancelled());
        assert!(responder.is_cancelled());
        saw.send(()).unwrap();
    };
    let name = Channel::uds("awaits").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    blocking::post_request(&name, &Message::null(), &options).unwrap_err();
    seen.recv().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_future_cancels_its_request_and_no_other() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("dropped").unwrap();
    let (_listener, responders) = handing_out(&name, &options);
    let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
    let (kept, dropped) = (Message::text("kept"), Message::text("dropped"));
    let stays = client.request_message(&kept, None);
    tokio::pin!(stays);
    let goes = Box::pin(client.request_message(&dropped, None));
    let stays_responder = tokio::select! {
        biased;
        _ = &mut stays => panic!("nobody has answered"),
        responder = next(&responders) => responder,
    };
    let goes_responder = tokio::select! {
        biased;
        _ = goes => panic!("nobody has answered"),
        responder = next(&responders) => responder,
    };
    goes_responder.cancelled().await;
    assert!(goes_responder.is_cancelled() && !stays_responder.is_cancelled());
    assert_eq!(goes_responder.respond(&Message::null()).unwrap_err().kind(), ErrorKind::Cancelled);
    stays_responder.respond(&Message::text("x")).unwrap();
    assert_eq!(stays.await.unwrap(), Message::text("x"));
}

async fn next(responders: &Receiver<Responder>) -> Responder {
    loop {
        match responders.try_recv() {
            Ok(responder) => return responder,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_handler_is_told_of_a_caller_that_left_on_either_kind_of_session() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::from_millis(50));
    let (saw, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_: Message, responder: Responder| {
        let saw = saw.clone();
        async move {
            responder.cancelled().await;
            saw.send(()).unwrap();
            assert_unwanted(responder);
        }
    };
    let name = Channel::uds("told").unwrap();
    let _listener = simple_ipc::Listener::serve(&name, Mode::Request, &options, handler).await.unwrap();
    let error = simple_ipc::post_request(&name, &Message::null(), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true));
    seen.recv().await.unwrap();
    let error = tokio::task::block_in_place(|| blocking::post_request(&name, &Message::null(), &options)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    seen.recv().await.unwrap();
}

#[test]
fn the_handler_knows_how_long_its_caller_waits() {
    let scratch = Scratch::new();
    let name = Channel::uds("time").unwrap();
    let left = |_: &Message, responder: Responder| {
        let left = responder.time_left().map(|left| left.as_millis() as u64);
        responder.respond(&Message::json(&left).unwrap()).unwrap();
    };
    let _listener = blocking::Listener::serve(&name, Mode::Request, &scratch.options(), left).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |options: &Options| -> [Option<u64>; 2] {
        [
            blocking::post_request(&name, &Message::null(), options).unwrap(),
            runtime.block_on(simple_ipc::post_request(&name, &Message::null(), options)).unwrap(),
        ]
        .map(|reply| reply.decode().unwrap())
    };
    for left in ask(&scratch.options().timeout(Duration::from_secs(1000))) {
        let left = left.unwrap();
        assert!((900_000..=1_000_000).contains(&left), "{left} ms");
    }
    assert_eq!(ask(&scratch.options().no_timeout()), [None, None]);
    assert_eq!(ask(&scratch.options().wire(Wire::Deno)), [None, None]);
}

#[test]
fn requests_of_one_session_run_side_by_side() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (go, may_go) = channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let handler = move |message: &Message, responder: Responder| {
        if message.as_text().as_deref() == Some("first") {
            may_go.lock().unwrap().recv().unwrap();
        } else {
            go.send(()).unwrap();
        }
        responder.respond(message).unwrap();
    };
    let name = Channel::uds("side_by_side").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
        let (first, second) = (Message::text("first"), Message::text("second"));
        let (one, two) = tokio::join!(client.request_message(&first, None), client.request_message(&second, None));
        assert_eq!((one.unwrap(), two.unwrap()), (first, second));
    });
}
