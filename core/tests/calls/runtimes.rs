//! Several tokio runtimes in one process, of which one ends while another goes on.

use simple_ipc::{Channel, ErrorKind, Message, Mode, blocking};
use tokio::runtime::{Builder, Runtime};

use crate::support::Scratch;

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

fn echo(message: &Message, responder: simple_ipc::Responder) {
    responder.respond(message).unwrap();
}

#[test]
fn a_runtime_may_end_and_the_posts_of_others_go_on() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("echo").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, echo).unwrap();
    let lasting = Runtime::new().unwrap();
    for round in 0..20 {
        for runtime in runtimes() {
            let message = Message::json(&round).unwrap();
            assert_eq!(runtime.block_on(simple_ipc::post_request(&name, &message, &options)).unwrap(), message);
            assert_eq!(lasting.block_on(simple_ipc::post_request(&name, &message, &options)).unwrap(), message);
        }
    }
}

#[test]
fn a_client_outlives_the_runtime_that_drove_its_session() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("echo").unwrap();
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, echo).unwrap();
    for first in runtimes() {
        let client = first.block_on(simple_ipc::Client::connect(&name, &options)).unwrap();
        assert_eq!(first.block_on(client.request::<u64>(1)).unwrap(), 1);
        drop(first);
        for next in runtimes() {
            assert_eq!(next.block_on(client.request::<u64>(2)).unwrap(), 2);
        }
    }
}

#[test]
fn a_listener_whose_runtime_has_ended_keeps_nobody_waiting() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    for channel in [Channel::uds("ended").unwrap(), Channel::ip(0).unwrap()] {
        for runtime in runtimes() {
            let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
            let handler = move |_: Message, responder: simple_ipc::Responder| {
                began.send(()).unwrap();
                async move {
                    std::future::pending::<()>().await;
                    drop(responder);
                }
            };
            let serve = simple_ipc::Listener::serve(&channel, Mode::Request, &options, handler);
            let listener = runtime.block_on(serve).unwrap();
            let channel = listener.channel().clone();
            let other = Runtime::new().unwrap();
            std::thread::scope(|scope| {
                let blocked = scope.spawn(|| blocking::post_request(&channel, &Message::null(), &options));
                let task =
                    scope.spawn(|| other.block_on(simple_ipc::post_request(&channel, &Message::null(), &options)));
                runtime.block_on(async {
                    begun.recv().await.unwrap();
                    begun.recv().await.unwrap();
                });
                drop(runtime);
                for caller in [blocked, task] {
                    let error = caller.join().unwrap().unwrap_err();
                    assert!(error.may_have_been_handled(), "{error}");
                    assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::HandlerFailed), "{error}");
                }
            });
            let error = blocking::post_request(&channel, &Message::null(), &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotListening, "{error}");
            // It can still be closed, and the channel is free.
            other.block_on(listener.close()).unwrap();
            blocking::Listener::serve(&channel, Mode::Request, &options, echo).unwrap().close().unwrap();
        }
    }
}

#[test]
fn asynchronous_calls_outside_a_runtime_say_what_they_need() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("nowhere").unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut errors = Vec::new();
    let mut poll =
        |future: &mut (dyn Future<Output = Option<simple_ipc::Error>> + Unpin)| match std::pin::Pin::new(future)
            .poll(&mut context)
        {
            std::task::Poll::Ready(error) => errors.push(error.expect("it succeeded without a runtime")),
            std::task::Poll::Pending => panic!("it waits without a runtime"),
        };
    poll(&mut Box::pin(async { simple_ipc::post_request(&name, &Message::null(), &options).await.err() }));
    poll(&mut Box::pin(async { simple_ipc::post_broadcast(&name, &Message::null(), &options).await.err() }));
    poll(&mut Box::pin(async { simple_ipc::Client::connect(&name, &options).await.err() }));
    let handler = |(): ()| async { Ok(()) };
    poll(&mut Box::pin(async { simple_ipc::listen_uds_request_with("nowhere", &options, handler).await.err() }));
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("tokio runtime"), "{error}");
    }
}
