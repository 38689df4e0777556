//! Calls that are given up from another thread, or with a time of their own, wherever they wait.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use simple_ipc::{Call, Cancellation, Channel, Error, ErrorKind, Message, Mode, Options, Responder, Result, Wire};
use simple_ipc::{blocking, event_loop};

use crate::support::Scratch;

/// A listener whose handlers wait until the test lets them go, and hand out their responders.
struct Held {
    listener: blocking::Listener,
    responders: Receiver<Responder>,
}

fn hold(channel: &Channel, mode: Mode, options: &Options) -> Held {
    let (hand, responders) = channel_of();
    let handler = move |_: &Message, responder: Responder| {
        let _the_test_is_over = hand.send(responder);
    };
    let listener = blocking::Listener::serve(channel, mode, options, handler).unwrap();
    Held { listener, responders }
}

fn channel_of<T>() -> (Sender<T>, Receiver<T>) {
    channel()
}

/// A broadcast listener whose handler does not return before the sender that comes with it sends or goes.
fn stuck(channel: &Channel, options: &Options) -> (blocking::Listener, Sender<()>, Receiver<()>) {
    let (go, may_go) = channel_of::<()>();
    let (began, begun) = channel_of();
    let may_go = std::sync::Mutex::new(may_go);
    let handler = move |_: &Message, _: Responder| {
        let _the_test_is_over = began.send(());
        let _or_all_may_go = may_go.lock().unwrap().recv();
    };
    (blocking::Listener::serve(channel, Mode::Broadcast, options, handler).unwrap(), go, begun)
}

fn is_told(responder: &Responder) {
    while !responder.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn assert_cancelled<T>(result: Result<T>, may_have_been_handled: bool) {
    let error = result.err().expect("it was given up");
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Cancelled, may_have_been_handled), "{error}");
}

/// A socket on which somebody listens and takes nothing; its queue of connections is full.
fn full_backlog(directory: &Path, name: &str) -> (UnixListener, Vec<std::os::unix::net::UnixStream>) {
    let path = directory.join(format!(".deno.{name}.socket"));
    let listener = UnixListener::bind(&path).unwrap();
    // SAFETY: it takes a descriptor that is open, and a number.
    assert_eq!(unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) }, 0);
    let mut waiting = Vec::new();
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    loop {
        let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
        let (unix, stream) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM);
        let socket = rustix::net::socket_with(unix, stream, flags, None).unwrap();
        match rustix::net::connect(&socket, &address) {
            Ok(()) => waiting.push(socket.into()),
            Err(rustix::io::Errno::AGAIN) => return (listener, waiting),
            Err(errno) => panic!("{errno}"),
        }
    }
}

#[test]
fn a_cancelled_post_ends_and_its_handler_is_told() {
    let scratch = Scratch::new();
    for (wire, channel) in [
        (Wire::Native, Channel::uds("post").unwrap()),
        (Wire::Native, Channel::ip(0).unwrap()),
        (Wire::Deno, Channel::uds("post_deno").unwrap()),
    ] {
        let options = scratch.options().no_timeout().wire(wire);
        let held = hold(&channel, Mode::Request, &options);
        let cancellation = Cancellation::new();
        let options = options.cancellation(&cancellation);
        std::thread::scope(|scope| {
            let call = scope.spawn(|| blocking::post_request(held.listener.channel(), &Message::null(), &options));
            let responder = held.responders.recv().unwrap();
            cancellation.cancel();
            assert_cancelled(call.join().unwrap(), true);
            if wire == Wire::Native {
                is_told(&responder);
            }
        });
        assert_cancelled(blocking::post_request(held.listener.channel(), &Message::null(), &options), false);
        assert!(held.responders.try_recv().is_err(), "nothing is sent once it is cancelled");
    }
}

#[test]
fn a_cancelled_request_of_a_client_ends_and_disturbs_no_other() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("request").unwrap();
    let held = hold(&name, Mode::Request, &options);
    let client = blocking::Client::connect(&name, &options).unwrap();
    let cancellation = Cancellation::new();
    let call = Call::new().cancellation(&cancellation);
    std::thread::scope(|scope| {
        let stays = scope.spawn(|| client.request_message(&Message::null(), None));
        let stays_responder = held.responders.recv().unwrap();
        let goes = scope.spawn(|| client.request_message_with(&Message::null(), &call));
        let goes_responder = held.responders.recv().unwrap();
        cancellation.cancel();
        assert_cancelled(goes.join().unwrap(), true);
        is_told(&goes_responder);
        assert!(!stays_responder.is_cancelled());
        stays_responder.respond(&Message::text("x")).unwrap();
        assert_eq!(stays.join().unwrap().unwrap(), Message::text("x"));
    });
    std::thread::scope(|scope| {
        let later = scope.spawn(|| client.request_message(&Message::null(), None));
        held.responders.recv().unwrap().respond(&Message::text("y")).unwrap();
        assert_eq!(later.join().unwrap().unwrap(), Message::text("y"));
    });
}

/// Makes a call in a thread, cancels it once it has surely begun, and expects it to end.
fn ends_unhandled<T: Send>(what: &str, call: impl FnOnce(&Cancellation) -> Result<T> + Send) {
    let cancellation = Cancellation::new();
    let (began, begun) = channel_of();
    std::thread::scope(|scope| {
        let cancellation = &cancellation;
        let calling = scope.spawn(move || {
            began.send(()).unwrap();
            call(cancellation)
        });
        begun.recv().unwrap();
        // Whether it waits already or is about to: either way it ends.
        std::thread::yield_now();
        cancellation.cancel();
        let error: Error = calling.join().unwrap().err().expect(what);
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Cancelled, false), "{what}: {error}");
    });
}

#[test]
fn a_call_that_waits_to_be_sent_is_given_up_and_certainly_not_handled() {
    let scratch = Scratch::new();
    let nobody = Channel::uds("nobody").unwrap();
    let options = scratch.options().no_timeout().wait(Duration::MAX);
    ends_unhandled("a post waits for a listener", |cancellation| {
        blocking::post_request(&nobody, &Message::null(), &options.clone().cancellation(cancellation))
    });
    ends_unhandled("a client waits for a listener", |cancellation| {
        blocking::Client::connect(&nobody, &options.clone().cancellation(cancellation))
    });
    let directory = tempfile::tempdir().unwrap();
    let options = options.directory(directory.path());
    let full = Channel::uds("full").unwrap();
    let _full = full_backlog(directory.path(), "full");
    for wire in [Wire::Native, Wire::Deno] {
        ends_unhandled("a post waits for the listener's queue", |cancellation| {
            let options = options.clone().wire(wire).cancellation(cancellation);
            blocking::post_request(&full, &Message::null(), &options)
        });
    }
    let deaf = Channel::uds("deaf").unwrap();
    let _deaf = UnixListener::bind(directory.path().join(".deno.deaf.socket")).unwrap();
    let large = Message::bytes(vec![0; 32 << 20]);
    for wire in [Wire::Native, Wire::Deno] {
        ends_unhandled("a post waits for room", |cancellation| {
            let options = options.clone().wire(wire).cancellation(cancellation);
            blocking::post_request(&deaf, &large, &options)
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_given_up_wherever_it_waits() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout().wait(Duration::MAX);
    let nobody = Channel::uds("nobody").unwrap();
    let cancellation = Cancellation::new();
    let waiting = options.clone().cancellation(&cancellation);
    let post = async { simple_ipc::post_request(&nobody, &Message::null(), &waiting).await };
    let connect = async { simple_ipc::Client::connect(&nobody, &waiting).await };
    let (posted, connected, ()) = tokio::join!(post, connect, async {
        tokio::task::yield_now().await;
        cancellation.cancel();
    });
    assert_cancelled(posted, false);
    assert_cancelled(connected, false);

    let name = Channel::uds("held").unwrap();
    let held = hold(&name, Mode::Request, &options);
    let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
    let cancellation = Cancellation::new();
    let call = Call::new().cancellation(&cancellation);
    let message = Message::null();
    let (requested, responder) = tokio::join!(client.request_message_with(&message, &call), async {
        let responder = next(&held.responders).await;
        cancellation.cancel();
        responder
    });
    assert_cancelled(requested, true);
    responder.cancelled().await;
    assert_cancelled(client.ping_with(&call).await, false);
    client.ping().await.unwrap();
}

async fn next<T>(receiver: &Receiver<T>) -> T {
    loop {
        match receiver.try_recv() {
            Ok(value) => return value,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[test]
fn a_queue_says_that_its_calls_are_given_up_by_their_tickets() {
    let scratch = Scratch::new();
    let name = Channel::uds("queue").unwrap();
    let _held = hold(&name, Mode::Request, &scratch.options());
    let mut queue = event_loop::Queue::new().unwrap();
    let cancellation = Cancellation::new();
    let options = scratch.options().cancellation(&cancellation);
    let error = queue.post(&name, Mode::Request, Message::null(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let (client, _) = queue.connect(&name, &scratch.options()).unwrap();
    let error = queue.ping_with(client, &Call::new().cancellation(&cancellation)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_queue_that_closes_a_client_ends_its_waiting_requests_and_their_handlers_are_told() {
    let scratch = Scratch::new();
    for (name, wire) in [("native", Wire::Native), ("deno", Wire::Deno)] {
        let options = scratch.options().wire(wire).no_timeout();
        let name = Channel::uds(name).unwrap();
        let held = hold(&name, Mode::Request, &scratch.options());
        let mut queue = event_loop::Queue::new().unwrap();
        let (client, met) = queue.connect(&name, &options).unwrap();
        let (other, _) = queue.connect(&name, &options).unwrap();
        let calls = [client, client, other].map(|client| queue.request(client, Message::null(), None).unwrap());
        queue.submit();
        let mut done = Vec::new();
        let responders = [(); 3].map(|()| {
            loop {
                queue.wait(Some(Duration::from_millis(1))).unwrap();
                queue.process(&mut done).unwrap();
                if let Ok(responder) = held.responders.try_recv() {
                    return responder;
                }
            }
        });
        let closed = queue.close(client).unwrap();
        while !done.iter().any(|completion| completion.ticket == closed) {
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
        }
        let ended = |ticket| done.iter().position(|completion| completion.ticket == ticket);
        assert!(ended(met).is_some());
        assert!(ended(calls[2]).is_none(), "another client's request goes on");
        for call in &calls[..2] {
            let completion = &done[ended(*call).expect("it has ended")];
            let error = completion.result.as_ref().unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Cancelled, true), "{error}");
        }
        if wire == Wire::Native {
            let told = || responders.iter().filter(|responder| responder.is_cancelled()).count();
            while told() < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(queue.cancel(calls[2]));
    }
}

#[test]
fn flush_and_close_end_in_a_time_of_their_own_and_say_what_was_not_confirmed() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("stuck").unwrap();
    let (_listener, go, begun) = stuck(&name, &options);
    let soon = Call::new().timeout(Some(Duration::from_millis(30)));
    let client = blocking::Client::connect(&name, &options).unwrap();
    client.broadcast(1).unwrap();
    begun.recv().unwrap();
    let error = client.flush_with(&soon).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    assert!(error.message().contains("a broadcast was not confirmed"), "{error}");
    client.broadcast(2).unwrap();
    let error = client.close_with(&soon).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    assert_eq!(client.broadcast(3).unwrap_err().kind(), ErrorKind::Closed);
    drop(go);
}

#[test]
fn a_flush_is_given_up_from_another_thread() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("flush").unwrap();
    let (_listener, go, begun) = stuck(&name, &options);
    let client = blocking::Client::connect(&name, &options).unwrap();
    client.broadcast(1).unwrap();
    begun.recv().unwrap();
    let cancellation = Cancellation::new();
    let call = Call::new().cancellation(&cancellation);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| client.flush_with(&call));
        let turn = scope.spawn(|| client.flush_with(&call));
        cancellation.cancel();
        // One of them may have waited for its turn only.
        for flush in [flush, turn] {
            assert_eq!(flush.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        }
    });
    drop(go);
}

#[test]
fn a_timeout_of_any_length_is_allowed() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::MAX).wait(Duration::MAX);
    let name = Channel::uds("ever").unwrap();
    let _listener = blocking::listen_uds_request_with("ever", &options, |n: u32| Ok(n + 1)).unwrap();
    let reply: u32 = blocking::post_uds_request_with("ever", 1, &options).unwrap();
    assert_eq!(reply, 2);
    let client = blocking::Client::connect(&name, &options).unwrap();
    assert_eq!(client.request::<u32>(2).unwrap(), 3);
    client.ping_with(&Call::new().timeout(Some(Duration::MAX))).unwrap();
    client.close().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let reply: u32 = simple_ipc::post_uds_request_with("ever", 1, &options).await.unwrap();
        assert_eq!(reply, 2);
        let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
        assert_eq!(client.request::<u32>(2).await.unwrap(), 3);
        client.close().await.unwrap();
    });
    let mut queue = event_loop::Queue::new().unwrap();
    queue.post(&name, Mode::Request, Message::json(&1).unwrap(), &options).unwrap();
    let (client, _) = queue.connect(&name, &options).unwrap();
    queue.request(client, Message::json(&1).unwrap(), Some(Duration::MAX)).unwrap();
    let mut done = Vec::new();
    while queue.under_way() > 0 {
        queue.wait(Some(Duration::MAX)).unwrap();
        queue.process(&mut done).unwrap();
    }
    assert!(done.iter().all(|done| done.result.is_ok()), "{done:?}");
}

fn both_transports() -> [Channel; 2] {
    [Channel::uds("closing").unwrap(), Channel::ip(0).unwrap()]
}

#[test]
fn closing_a_blocking_client_ends_the_calls_that_wait_and_their_handlers_are_told() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    for channel in both_transports() {
        let held = hold(&channel, Mode::Request, &options);
        let client = blocking::Client::connect(held.listener.channel(), &options).unwrap();
        std::thread::scope(|scope| {
            let calls = [(); 3].map(|()| scope.spawn(|| client.request_message(&Message::null(), None)));
            let responders = [(); 3].map(|()| held.responders.recv().unwrap());
            client.close().unwrap();
            calls.into_iter().for_each(|call| assert_cancelled(call.join().unwrap(), true));
            responders.iter().for_each(is_told);
        });
        assert_eq!(client.request_message(&Message::null(), None).unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn closing_a_blocking_client_ends_calls_on_the_deno_wire_and_those_that_wait_for_a_listener() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout().wait(Duration::MAX);
    let name = Channel::uds("deno").unwrap();
    let held = hold(&name, Mode::Request, &options);
    let client = blocking::Client::connect(&name, &options.clone().wire(Wire::Deno)).unwrap();
    let patient = blocking::Client::connect(&name, &options).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| client.request_message(&Message::null(), None));
        let responder = held.responders.recv().unwrap();
        client.close().unwrap();
        assert_cancelled(call.join().unwrap(), true);
        drop(responder);
        held.listener.close().unwrap();
        let (began, begun) = channel_of();
        let patient = &patient;
        let [request, broadcast] = [true, false].map(|is_request| {
            let began = began.clone();
            scope.spawn(move || {
                began.send(()).unwrap();
                if is_request {
                    patient.request_message(&Message::null(), None).map(drop)
                } else {
                    patient.broadcast(1)
                }
            })
        });
        (0..2).for_each(|_| begun.recv().unwrap());
        std::thread::yield_now();
        patient.close().unwrap();
        for call in [request, broadcast] {
            let error = call.join().unwrap().unwrap_err();
            // It may not have begun before the client was closed.
            assert!(matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Closed), "{error}");
            assert!(!error.may_have_been_handled(), "{error}");
        }
    });
}

#[test]
fn closing_a_blocking_client_ends_a_broadcast_that_finds_no_room_when_its_time_is_over() {
    let scratch = Scratch::new();
    let directory = tempfile::tempdir().unwrap();
    let options = scratch.options().directory(directory.path()).no_timeout().wire(Wire::Native);
    let _deaf = UnixListener::bind(directory.path().join(".deno.deaf.socket")).unwrap();
    // What a listener of this library holds while it lives.
    let lock = std::fs::File::create(directory.path().join(".deno.deaf.socket.lock")).unwrap();
    lock.lock().unwrap();
    let client = blocking::Client::connect(&Channel::uds("deaf").unwrap(), &options).unwrap();
    let piece = Message::bytes(vec![0; 60 << 10]);
    std::thread::scope(|scope| {
        let (sent, sending) = channel_of();
        let (client, piece) = (&client, &piece);
        let sender = scope.spawn(move || {
            loop {
                if let Err(error) = client.broadcast_message(piece) {
                    return error;
                }
                sent.send(()).unwrap();
            }
        });
        // It goes on until there is no room: nothing more is sent for a while then.
        while sending.recv_timeout(Duration::from_millis(200)).is_ok() {}
        let error = client.close_with(&Call::new().timeout(Some(Duration::from_millis(20)))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        let error = sender.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_an_asynchronous_client_ends_the_calls_that_wait_and_their_handlers_are_told() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    for channel in both_transports() {
        let held = hold(&channel, Mode::Request, &options);
        let client = simple_ipc::Client::connect(held.listener.channel(), &options).await.unwrap();
        let message = Message::null();
        let (one, two, responders) =
            tokio::join!(client.request_message(&message, None), client.request_message(&message, None), async {
                let responders = [next(&held.responders).await, next(&held.responders).await];
                client.close().await.unwrap();
                responders
            });
        assert_cancelled(one, true);
        assert_cancelled(two, true);
        for responder in &responders {
            responder.cancelled().await;
        }
        assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    }
    // And one that waits for a listener.
    let gone = Channel::uds("gone").unwrap();
    let held = hold(&gone, Mode::Request, &options);
    let client = simple_ipc::Client::connect(&gone, &options.clone().wait(Duration::MAX)).await.unwrap();
    tokio::task::block_in_place(|| held.listener.close().unwrap());
    let message = Message::null();
    let (waiting, ()) = tokio::join!(client.request_message(&message, None), async {
        tokio::task::yield_now().await;
        client.close().await.unwrap();
    });
    assert_cancelled(waiting, false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_close_ends_in_its_time_and_says_what_was_not_confirmed() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("stuck").unwrap();
    let (_listener, go, begun) = stuck(&name, &options);
    let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
    client.broadcast(1).await.unwrap();
    next(&begun).await;
    let soon = Call::new().timeout(Some(Duration::from_millis(30)));
    assert_eq!(client.flush_with(&soon).await.unwrap_err().kind(), ErrorKind::TimedOut);
    let error = client.close_with(&soon).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    assert!(error.message().contains("a broadcast was not confirmed"), "{error}");
    drop(go);
}

fn complete(queue: &mut event_loop::Queue, ticket: event_loop::Ticket) -> Result<Option<Message>> {
    let mut done = Vec::new();
    loop {
        queue.wait(None)?;
        queue.process(&mut done)?;
        if let Some(at) = done.iter().position(|done| done.ticket == ticket) {
            return done.swap_remove(at).result;
        }
    }
}

#[test]
fn closing_a_queues_client_ends_its_calls_and_their_handlers_are_told() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    for channel in both_transports() {
        let held = hold(&channel, Mode::Request, &options);
        let mut queue = event_loop::Queue::new().unwrap();
        let (client, ticket) = queue.connect(held.listener.channel(), &options).unwrap();
        complete(&mut queue, ticket).unwrap();
        let (other, ticket) = queue.connect(held.listener.channel(), &options).unwrap();
        complete(&mut queue, ticket).unwrap();
        let requests = [(); 2].map(|()| queue.request(client, Message::null(), None).unwrap());
        let stays = queue.request(other, Message::text("stays"), None).unwrap();
        queue.submit();
        let responders = [(); 3].map(|()| held.responders.recv().unwrap());
        let close = queue.close(client).unwrap();
        let mut done = Vec::new();
        while done.len() < 3 {
            queue.wait(None).unwrap();
            queue.process(&mut done).unwrap();
        }
        for done in done {
            match done.ticket {
                ticket if ticket == close => drop(done.result.unwrap()),
                ticket if requests.contains(&ticket) => assert_cancelled(done.result, true),
                ticket => panic!("{ticket:?}"),
            }
        }
        // Those of the client that has closed, and no other.
        while responders.iter().filter(|responder| responder.is_cancelled()).count() < 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let stayed = responders.into_iter().find(|responder| !responder.is_cancelled()).unwrap();
        stayed.respond(&Message::text("answer")).unwrap();
        assert_eq!(complete(&mut queue, stays).unwrap(), Some(Message::text("answer")));
        assert_eq!(queue.ping(client).unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn a_queues_close_ends_in_its_time_and_says_what_was_not_confirmed() {
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("stuck").unwrap();
    let (_listener, go, begun) = stuck(&name, &options);
    let mut queue = event_loop::Queue::new().unwrap();
    let (client, ticket) = queue.connect(&name, &options).unwrap();
    complete(&mut queue, ticket).unwrap();
    queue.broadcast(client, Message::null()).unwrap();
    queue.submit();
    begun.recv().unwrap();
    let soon = Call::new().timeout(Some(Duration::from_millis(30)));
    let flush = queue.flush_with(client, &soon).unwrap();
    assert_eq!(complete(&mut queue, flush).unwrap_err().kind(), ErrorKind::TimedOut);
    let close = queue.close_with(client, &soon).unwrap();
    let error = complete(&mut queue, close).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    assert!(error.message().contains("a broadcast was not confirmed"), "{error}");
    assert_eq!(queue.ping(client).unwrap_err().kind(), ErrorKind::Closed);
    drop(go);
}
