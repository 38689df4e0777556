//! What crosses: requests, broadcasts, bytes, errors of handlers, deadlines, cancelling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::{
    Channel, Client, ErrorKind, HandlerFailure, HandlerResult, Listener, Message, Mode, Responder,
    listen_ip_request_with, listen_uds_broadcast_with, listen_uds_request_with, post_request, post_uds_broadcast_with,
    post_uds_request_with,
};
use tokio::sync::Notify;

use simple_ipc_bridge::Progress;

use crate::support::{Machine, Server, Told, eventually};

/// Two machines with a bridge each: what lives on the first is reached from the second.
pub(crate) struct Pair {
    pub(crate) server: Server,
    pub(crate) here: Machine,
    pub(crate) there: Machine,
    pub(crate) exporter: simple_ipc_bridge::Bridge,
    pub(crate) importer: simple_ipc_bridge::Bridge,
}

impl Pair {
    pub(crate) async fn of(channels: &[&str]) -> Pair {
        Pair::at(Server::new(), channels).await
    }

    pub(crate) async fn at(server: Server, channels: &[&str]) -> Pair {
        let (here, there) = (Machine::new(), Machine::new());
        let exports = channels.iter().fold(here.bridge(&server.url()), |builder, channel| builder.export(*channel));
        let imports = channels.iter().fold(there.bridge(&server.url()), |builder, channel| builder.import(*channel));
        let exporter = exports.start().await.unwrap();
        let importer = imports.start().await.unwrap();
        Pair { server, here, there, exporter, importer }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_by_the_listener_on_the_other_machine() {
    let pair = Pair::of(&["example_channel"]).await;
    let handler = async |data: String| Ok(data.replace("request-foo", "response-bar"));
    let _listener = listen_uds_request_with("example_channel", &pair.here.options(), handler).await.unwrap();
    // The import appears once there is a listener there; the post waits for it.
    let reply: String = post_uds_request_with("example_channel", "request-foo", &pair.there.options()).await.unwrap();
    assert_eq!(reply, "response-bar");
    pair.exporter.close().await;
    pair.importer.close().await;
    assert_eq!(simple_ipc::channels(Some(pair.there.path())).unwrap(), []);
}

/// The machines of a test share the ports of one, so that the port cannot be imported as well; what an import would send is.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_exported_under_a_subject_of_its_own_and_where_it_is_taken_it_is_not_imported() {
    let (server, here, there, told) = (Server::new(), Machine::new(), Machine::new(), Told::default());
    let handler = async |data: u32| Ok(data + 1);
    let listener = listen_ip_request_with(0, &here.options(), handler).await.unwrap();
    let channel = listener.channel().to_string();
    let exporter = told.hears(here.bridge(&server.url()).export(&channel));
    let _exporter = exporter.start().await.unwrap();
    told.until("the export", |progress| matches!(progress, Progress::Exporting { .. })).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let subject = format!("sipc.req.tcp-{}", listener.port().unwrap());
    assert_eq!(client.request(subject, "1".into()).await.unwrap().payload.as_ref(), b"2");

    let _importer = told.hears(there.bridge(&server.url()).import(&channel)).start().await.unwrap();
    let is_taken = |progress: &Progress| matches!(progress, Progress::NotImporting { why, .. } if why.contains("cannot listen on channel"));
    told.until("that the port is taken", is_taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_and_json_cross_unchanged_up_to_what_the_server_takes() {
    let pair = Pair::of(&["echo"]).await;
    let echo = async |message: Message, responder: Responder| drop(responder.respond(&message));
    let channel = Channel::uds("echo").unwrap();
    let _listener = Listener::serve(&channel, Mode::Request, &pair.here.options(), echo).await.unwrap();
    let large = (1 << 20) - 512;
    let bodies = [
        Message::null(),
        Message::text("é\n\u{1F600}"),
        Message::json_text(" {\"a\": [1.0, 1e400]} ").unwrap(),
        Message::bytes([]),
        Message::bytes([0, 255, 10, 13]),
        Message::attached(&[2, 3], [0, 255, 10, 13]).unwrap(),
        Message::attached(&(), []).unwrap(),
        Message::bytes(vec![7; large]),
        Message::text(&"x".repeat(large)),
    ];
    for body in bodies {
        assert_eq!(post_request(&channel, &body, &pair.there.options()).await.unwrap(), body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_is_acknowledged_when_the_handler_on_the_other_machine_has_it() {
    let pair = Pair::of(&["builds"]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let handler = move |number: u32| {
        hears.lock().unwrap().push(number);
        std::future::ready(Ok(()))
    };
    let _listener = listen_uds_broadcast_with("builds", &pair.here.options(), handler).await.unwrap();
    for number in 0..20 {
        post_uds_broadcast_with("builds", number, &pair.there.options()).await.unwrap();
        assert_eq!(heard.lock().unwrap().len(), number as usize + 1);
    }
    // Without acknowledgements, in their order.
    let client = Client::connect(&Channel::uds("builds").unwrap(), &pair.there.options()).await.unwrap();
    for number in 20..120 {
        client.broadcast(number).await.unwrap();
    }
    client.flush().await.unwrap();
    eventually("all broadcasts", || heard.lock().unwrap().len() == 120).await;
    assert_eq!(*heard.lock().unwrap(), (0..120).collect::<Vec<u32>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_on_purpose_brings_its_code_and_data_over_the_bridge() {
    let pair = Pair::of(&["shop"]).await;
    let handler = async |(): ()| -> HandlerResult<()> {
        Err(HandlerFailure::new("only 3 are left").code("out_of_stock").data(&(3, "more\non Monday"))?.into())
    };
    let _listener = listen_uds_request_with("shop", &pair.here.options(), handler).await.unwrap();
    let error = post_uds_request_with::<()>("shop", (), &pair.there.options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HandlerFailed, "{error}");
    assert_eq!(error.message(), "only 3 are left");
    assert!(error.may_have_been_handled());
    assert_eq!((error.handler_code(), error.handler_data()), (Some("out_of_stock"), Some("[3,\"more\\non Monday\"]")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_on_the_other_machine_hears_that_its_caller_gave_up_and_how_long_it_waits() {
    let pair = Pair::of(&["slow"]).await;
    let (left, gave_up) = (Arc::new(Mutex::new(None)), Arc::new(Notify::new()));
    let (left_of, tells) = (Arc::clone(&left), Arc::clone(&gave_up));
    let handler = move |_: Message, responder: Responder| {
        let (left, tells) = (Arc::clone(&left_of), Arc::clone(&tells));
        async move {
            *left.lock().unwrap() = responder.time_left();
            responder.cancelled().await;
            tells.notify_one();
        }
    };
    let channel = Channel::uds("slow").unwrap();
    let _listener = Listener::serve(&channel, Mode::Request, &pair.here.options(), handler).await.unwrap();
    pair.there.listened_on("slow").await;
    let options = pair.there.options().timeout(Duration::from_secs(3));
    let error = post_request(&channel, &Message::null(), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    gave_up.notified().await;
    let told = left.lock().unwrap().expect("the caller's time crosses");
    assert!(told <= Duration::from_secs(3), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exporters_of_one_name_share_its_requests() {
    let server = Server::new();
    let (first, second, there) = (Machine::new(), Machine::new(), Machine::new());
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let mut kept = Vec::new();
    for (machine, count) in [&first, &second].into_iter().zip(&counts) {
        let count = Arc::clone(count);
        let handler = move |(): ()| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(()))
        };
        let listener = listen_uds_request_with("shared", &machine.options(), handler).await.unwrap();
        let bridge = machine.bridge(&server.url()).export("shared").start().await.unwrap();
        kept.push((listener, bridge));
    }
    let _importer = there.bridge(&server.url()).import("shared").start().await.unwrap();
    let of = |at: usize| counts[at].load(Ordering::Relaxed);
    let mut posted = 0;
    while of(0) == 0 || of(1) == 0 {
        post_uds_request_with::<()>("shared", (), &there.options()).await.unwrap();
        posted += 1;
        assert!(posted < 10_000, "all requests go to one exporter");
        assert_eq!(of(0) + of(1), posted);
    }
}
