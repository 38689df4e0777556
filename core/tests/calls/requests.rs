//! A request posted by any kind of caller is answered by any kind of listener, whatever its body.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use simple_ipc::{Channel, Error, ErrorKind, HandlerResult, Message, Mode, Options, blocking};

use crate::support::Scratch;

fn echo_message(message: &Message, responder: simple_ipc::Responder) {
    responder.respond(message).unwrap();
}

/// Bodies that have gone wrong somewhere before.
fn bodies() -> Vec<Message> {
    let mut all = vec![
        Message::bytes([]),
        Message::bytes([0]),
        Message::bytes((0..=255).collect::<Vec<u8>>()),
        Message::bytes(b"\xF5SIP\x01\x02".to_vec()),
        Message::null(),
        Message::text(""),
        Message::text("nul \0 in the middle, \u{1F980} \u{FEFF} \u{2028} \"\\\n\r\t"),
        Message::json_text(" [1, 2.5e300, {\"a\" : null}] ").unwrap(),
        Message::json_text("18446744073709551615").unwrap(),
        Message::json_text("\"\\ud83e\\udd80\"").unwrap(),
    ];
    for size in [8 << 10, (16 << 10) + 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
        all.push(Message::bytes(patterned(size)));
        all.push(Message::text(&"ä".repeat(size / 2)));
    }
    all
}

fn patterned(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A Unix-socket channel and a port, each with its listener.
fn blocking_echoes(options: &Options) -> [blocking::Listener; 2] {
    let uds = Channel::uds("echo_blocking").unwrap();
    let ip = Channel::ip(0).unwrap();
    [&uds, &ip].map(|channel| blocking::Listener::serve(channel, Mode::Request, options, echo_message).unwrap())
}

async fn async_echoes(options: &Options) -> [simple_ipc::Listener; 2] {
    let echo = |message: Message, responder: simple_ipc::Responder| async move { responder.respond(&message).unwrap() };
    let uds = Channel::uds("echo_async").unwrap();
    let ip = Channel::ip(0).unwrap();
    [
        simple_ipc::Listener::serve(&uds, Mode::Request, options, echo).await.unwrap(),
        simple_ipc::Listener::serve(&ip, Mode::Request, options, echo).await.unwrap(),
    ]
}

fn on_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_body_comes_back_as_it_went_between_every_pair_of_kinds() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let blocking = blocking_echoes(&options);
    let asynchronous = async_echoes(&options).await;
    let channels: Vec<&Channel> =
        blocking.iter().map(|one| one.channel()).chain(asynchronous.iter().map(|one| one.channel())).collect();
    for channel in channels {
        for wire in [simple_ipc::Wire::Auto, simple_ipc::Wire::Native, simple_ipc::Wire::Deno] {
            let options = options.clone().wire(wire);
            for body in bodies() {
                let reply = simple_ipc::post_request(channel, &body, &options).await.unwrap();
                assert!(reply == body, "{channel} {wire:?}: {} bytes differ, posted asynchronously", body.len());
                let reply = tokio::task::block_in_place(|| blocking::post_request(channel, &body, &options)).unwrap();
                assert!(reply == body, "{channel} {wire:?}: {} bytes differ, posted blocking", body.len());
            }
        }
    }
    for listener in blocking {
        tokio::task::block_in_place(|| listener.close()).unwrap();
    }
    for listener in asynchronous {
        listener.close().await.unwrap();
    }
}

#[test]
fn the_largest_message_goes_both_ways_on_both_transports() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let body = Message::bytes(patterned(64 << 20));
    for listener in blocking_echoes(&options) {
        let reply = blocking::post_request(listener.channel(), &body, &options).unwrap();
        assert!(reply == body, "{}", listener.channel());
        listener.close().unwrap();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for listener in async_echoes(&options).await {
            let reply = simple_ipc::post_request(listener.channel(), &body, &options).await.unwrap();
            assert!(reply == body, "{}", listener.channel());
            listener.close().await.unwrap();
        }
    });
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Order {
    item: String,
    count: Option<u32>,
    nested: Vec<Order>,
}

fn order() -> Order {
    let inner = Order { item: "größe \0 \u{1F980}".into(), count: None, nested: vec![] };
    Order { item: String::new(), count: Some(u32::MAX), nested: vec![inner] }
}

fn count_up(mut order: Order) -> HandlerResult<Order> {
    if order.item == "refuse" {
        return Err("out of \"stock\"\n".into());
    }
    order.nested.push(Order { item: "more".into(), count: None, nested: vec![] });
    Ok(order)
}

fn counted_up() -> Order {
    count_up(order()).unwrap()
}

fn refused(order: &mut Order) -> &Order {
    order.item = "refuse".into();
    order
}

fn is_handlers_failure(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::HandlerFailed);
    assert!(error.may_have_been_handled());
    assert!(error.message().contains("out of \"stock\""), "{error}");
}

#[test]
fn the_blocking_calls_carry_types_both_ways_and_the_text_of_a_failure() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _uds = blocking::listen_uds_request_with("orders", &options, count_up).unwrap();
    let ip = blocking::listen_ip_request_with(0, &options, count_up).unwrap();
    let port = ip.port().unwrap();
    assert_eq!(ip.address(), format!("127.0.0.1:{port}"));
    let reply: Order = blocking::post_uds_request_with("orders", order(), &options).unwrap();
    assert_eq!(reply, counted_up());
    let reply: Order = blocking::post_ip_request_with(port, order(), &options).unwrap();
    assert_eq!(reply, counted_up());
    let mut order = order();
    let bad = refused(&mut order);
    is_handlers_failure(&blocking::post_uds_request_with::<Order>("orders", bad, &options).unwrap_err());
    is_handlers_failure(&blocking::post_ip_request_with::<Order>(port, bad, &options).unwrap_err());
}

#[tokio::test]
async fn the_asynchronous_calls_carry_types_both_ways_and_the_text_of_a_failure() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let handler = |order| async move { count_up(order) };
    let _uds = simple_ipc::listen_uds_request_with("orders", &options, handler).await.unwrap();
    let ip = simple_ipc::listen_ip_request_with(0, &options, handler).await.unwrap();
    let port = ip.port().unwrap();
    let reply: Order = simple_ipc::post_uds_request_with("orders", order(), &options).await.unwrap();
    assert_eq!(reply, counted_up());
    let reply: Order = simple_ipc::post_ip_request_with(port, order(), &options).await.unwrap();
    assert_eq!(reply, counted_up());
    let mut order = order();
    let bad = refused(&mut order);
    is_handlers_failure(&simple_ipc::post_uds_request_with::<Order>("orders", bad, &options).await.unwrap_err());
    is_handlers_failure(&simple_ipc::post_ip_request_with::<Order>(port, bad, &options).await.unwrap_err());
}

#[tokio::test]
async fn a_blocking_listener_answers_tasks_and_an_asynchronous_one_answers_threads() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _one = blocking::listen_uds_request_with("one", &options, count_up).unwrap();
    let reply: Order = simple_ipc::post_uds_request_with("one", order(), &options).await.unwrap();
    assert_eq!(reply, counted_up());
    let other = simple_ipc::listen_ip_request_with(0, &options, |order| async move { count_up(order) }).await.unwrap();
    let port = other.port().unwrap();
    let post = move || blocking::post_ip_request_with::<Order>(port, order(), &Options::new());
    assert_eq!(tokio::task::spawn_blocking(post).await.unwrap().unwrap(), counted_up());
}

#[test]
fn units_options_and_byte_types_arrive_as_what_they_are() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _unit = blocking::listen_uds_request_with("unit", &options, |(): ()| Ok(())).unwrap();
    let () = blocking::post_uds_request_with("unit", (), &options).unwrap();
    let reply: Message = blocking::post_uds_request_with("unit", (), &options).unwrap();
    assert_eq!(reply, Message::null());

    let flip = |given: Option<u8>| Ok(if given.is_some() { None } else { Some(7) });
    let _option = blocking::listen_uds_request_with("option", &options, flip).unwrap();
    assert_eq!(blocking::post_uds_request_with::<Option<u8>>("option", Some(1), &options).unwrap(), None);
    assert_eq!(blocking::post_uds_request_with::<Option<u8>>("option", None::<u8>, &options).unwrap(), Some(7));

    let reverse = |mut given: ByteBuf| {
        given.reverse();
        Ok(given)
    };
    let _bytes = blocking::listen_uds_request_with("bytes", &options, reverse).unwrap();
    let reply: ByteBuf = blocking::post_uds_request_with("bytes", ByteBuf::from(vec![1, 0, 255]), &options).unwrap();
    assert_eq!(reply.as_slice(), [255, 0, 1]);
    let reply: ByteBuf = blocking::post_uds_request_with("bytes", ByteBuf::new(), &options).unwrap();
    assert!(reply.is_empty());
}

#[tokio::test]
async fn a_body_of_the_wrong_type_is_refused_on_either_side_and_says_who_saw_it() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _listener = blocking::listen_uds_request_with("numbers", &options, |number: u8| Ok(number)).unwrap();
    // The listener cannot make its type of it: the handler never saw it.
    let error = blocking::post_uds_request_with::<u8>("numbers", "text", &options).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, false), "{error}");
    let error = simple_ipc::post_uds_request_with::<u8>("numbers", "text", &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, false), "{error}");
    // The caller cannot make its type of the reply: the handler has run.
    let error = blocking::post_uds_request_with::<String>("numbers", 1, &options).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, true), "{error}");
    let error = simple_ipc::post_uds_request_with::<String>("numbers", 1, &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, true), "{error}");
    // The session goes on after all that.
    assert_eq!(blocking::post_uds_request_with::<u8>("numbers", 5, &options).unwrap(), 5);
    assert_eq!(simple_ipc::post_uds_request_with::<u8>("numbers", 5, &options).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_reads_bodies_itself_gets_them_as_they_came_and_can_reject_them() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let not_json = Message::json_unchecked("{");
    let answer = |message: &Message, responder: simple_ipc::Responder| {
        match message.check() {
            Ok(()) => responder.respond(&Message::json_unchecked("[")),
            Err(error) => responder.reject(error.message()),
        }
        .unwrap();
    };
    let (threads, tasks) = (Channel::uds("threads").unwrap(), Channel::uds("tasks").unwrap());
    let _threads = blocking::Listener::serve_unchecked(&threads, Mode::Request, &options, answer).unwrap();
    let serve =
        simple_ipc::Listener::serve_unchecked(&tasks, Mode::Request, &options, move |message, responder| async move {
            answer(&message, responder);
        });
    let _tasks = serve.await.unwrap();
    for channel in [threads, tasks] {
        let client = blocking::Client::connect(&channel, &options).unwrap();
        for error in [
            blocking::post_request_unchecked(&channel, &not_json, &options).unwrap_err(),
            client.request_message_unchecked(&not_json, None).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, false), "{error}");
            assert!(error.message().contains("is not JSON"), "{error}");
        }
        for reply in [
            blocking::post_request_unchecked(&channel, &Message::null(), &options),
            client.request_message_unchecked(&Message::null(), None),
        ] {
            assert_eq!(reply.unwrap(), Message::json_unchecked("["));
        }
        for reply in [
            blocking::post_request(&channel, &Message::null(), &options),
            client.request_message(&Message::null(), None),
        ] {
            let error = reply.unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::InvalidBody, true), "{error}");
        }
    }
}

#[test]
fn a_blocking_post_works_inside_a_runtime_and_inside_a_handler() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let _inner = blocking::listen_uds_request_with("inner", &options, |number: u64| Ok(number + 1)).unwrap();
    let inner = options.clone();
    let forward =
        move |number: u64| Ok(blocking::post_uds_request_with::<u64>("inner", number, &inner).map_err(Box::new)? * 2);
    let _outer = blocking::listen_uds_request_with("outer", &options, forward).unwrap();
    let post = || blocking::post_uds_request_with::<u64>("outer", 20, &options).unwrap();
    assert_eq!(on_a_thread(post), 42);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(async { post() }), 42);
}
