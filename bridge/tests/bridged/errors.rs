//! What does not cross, and what its caller hears.

use simple_ipc::{
    Channel, ErrorKind, Listener, Message, Mode, Responder, listen_uds_broadcast_with, listen_uds_request_with,
    post_broadcast, post_request, post_uds_request_with,
};

use crate::carrying::Pair;
use crate::support::{Machine, Server, Told, eventually};
use simple_ipc_bridge::Progress;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_servers_limit_is_refused_before_it_is_sent_and_one_just_below_crosses() {
    let pair = Pair::at(Server::with("max_payload: 2048"), &["echo"]).await;
    let echo = async |message: Message, responder: Responder| drop(responder.respond(&message));
    let channel = Channel::uds("echo").unwrap();
    let listener = Listener::serve(&channel, Mode::Request, &pair.here.options(), echo).await.unwrap();
    let post = async |len: usize| post_request(&channel, &Message::bytes(vec![1; len]), &pair.there.options()).await;
    assert_eq!(post(1000).await.unwrap().len(), 1000);
    // The largest that crosses: its headers count as well, and their length is the bridge's own affair.
    let mut fits = 1000;
    let mut refused = 2048;
    while refused - fits > 1 {
        let middle = fits + (refused - fits) / 2;
        match post(middle).await {
            Ok(_) => fits = middle,
            Err(error) => {
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");
                assert!(error.message().contains("max_payload"), "{error}");
                refused = middle;
            }
        }
    }
    assert!(fits > 1500, "{fits}");
    let before = listener.counters().messages;
    let error = post(4096).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");
    assert_eq!(listener.counters().messages, before);
    assert!(pair.importer.is_connected(), "the server was not offended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_over_the_servers_limit_is_told_as_that_and_as_handled() {
    let pair = Pair::at(Server::with("max_payload: 2048"), &["large"]).await;
    let handler = async |(): ()| Ok("x".repeat(5000));
    let _listener = listen_uds_request_with("large", &pair.here.options(), handler).await.unwrap();
    let error = post_uds_request_with::<String>("large", (), &pair.there.options()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, true), "{error}");
    assert!(error.message().contains("max_payload"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_has_gone_and_an_exporter_that_has_gone_are_not_listening() {
    let pair = Pair::of(&["gone"]).await;
    let listener = listen_uds_request_with("gone", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    let options = pair.there.options();
    post_uds_request_with::<()>("gone", (), &options).await.unwrap();
    listener.close().await.unwrap();
    let error = post_uds_request_with::<()>("gone", (), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
    pair.exporter.close().await;
    let error = post_uds_request_with::<()>("gone", (), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
    assert!(error.message().contains("export"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_nobody_takes_fails_like_a_request() {
    let pair = Pair::of(&["casts"]).await;
    let listener = listen_uds_broadcast_with("casts", &pair.here.options(), async |_: u8| Ok(())).await.unwrap();
    let (channel, options) = (Channel::uds("casts").unwrap(), pair.there.options());
    post_broadcast(&channel, &Message::json(&1).unwrap(), &options).await.unwrap();
    let error = post_broadcast(&channel, &Message::text("no number"), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidBody, "{error}");
    listener.close().await.unwrap();
    let error = post_broadcast(&channel, &Message::json(&1).unwrap(), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_has_the_mode_of_the_listener_there_and_changes_with_it() {
    let pair = Pair::of(&["changes"]).await;
    let channel = Channel::uds("changes").unwrap();
    let options = pair.there.options();
    let broadcasts = listen_uds_broadcast_with("changes", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    post_broadcast(&channel, &Message::null(), &options).await.unwrap();
    let error = post_request(&channel, &Message::null(), &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::WrongMode, false), "{error}");
    broadcasts.close().await.unwrap();
    let _requests = listen_uds_request_with("changes", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    let is_request = || {
        let info = simple_ipc::channel_info(&channel, &options).unwrap();
        info.is_some_and(|info| info.mode == Some(Mode::Request) && info.bridge)
    };
    eventually("the import in the other mode", is_request).await;
    post_request(&channel, &Message::null(), &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_listens_only_once_somebody_exports_it_and_says_what_it_waits_for() {
    let server = Server::new();
    let (here, there, told) = (Machine::new(), Machine::new(), Told::default());
    let importing = told.hears(there.bridge(&server.url()).import("later"));
    let _importer = importing.start().await.unwrap();
    told.until("that nobody exports it", |progress| matches!(progress, Progress::NotImporting { .. })).await;
    let options = there.options().wait(std::time::Duration::ZERO);
    let error = post_uds_request_with::<()>("later", (), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotListening);
    let _listener = listen_uds_request_with("later", &here.options(), async |(): ()| Ok(())).await.unwrap();
    let _exporter = here.bridge(&server.url()).export("later").start().await.unwrap();
    post_uds_request_with::<()>("later", (), &there.options()).await.unwrap();
}
