//! Three things that async-nats does and a bridge must not: what is given to it while the server is away is sent later, a
//! request under which the server dies hears nothing, and messages that nobody reads in time are dropped in silence.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::{
    Channel, ErrorKind, Listener, Message, Mode, Responder, listen_uds_request_with, post_request,
    post_uds_request_with,
};
use tokio::sync::{Notify, Semaphore};

use crate::carrying::Pair;
use crate::support::{Machine, Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_made_while_the_server_is_away_fails_at_once_and_never_arrives() {
    let mut pair = Pair::of(&["late"]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let handler = move |number: u32| {
        hears.lock().unwrap().push(number);
        std::future::ready(Ok(number))
    };
    let _listener = listen_uds_request_with("late", &pair.here.options(), handler).await.unwrap();
    let options = pair.there.options();
    for round in 0..5 {
        let number: u32 = post_uds_request_with("late", round, &options).await.unwrap();
        assert_eq!(number, round);
        pair.server.kill();
        eventually("the loss", || !pair.importer.is_connected()).await;
        for number in 1000..1020 {
            let error = post_uds_request_with::<u32>("late", number, &options).await.unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
            assert!(error.message().contains("not connected"), "{error}");
        }
        pair.server.start();
        eventually("both bridges", || pair.importer.is_connected() && pair.exporter.is_connected()).await;
        // What comes afterwards shows that nothing else has come before it.
        while post_uds_request_with::<u32>("late", 500 + round, &options).await.is_err() {}
    }
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, [0, 500, 1, 501, 2, 502, 3, 503, 4, 504]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_which_the_server_dies_end_with_connection_lost_and_not_at_their_timeout() {
    let mut pair = Pair::of(&["dying"]).await;
    let (began, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, waits) = (Arc::clone(&began), Arc::clone(&go));
    let handler = move |_: Message, responder: Responder| {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        async move {
            begins.fetch_add(1, Ordering::Relaxed);
            let _permit = waits.acquire().await.unwrap();
            drop(responder.respond(&Message::null()));
        }
    };
    let channel = Channel::uds("dying").unwrap();
    let _listener = Listener::serve(&channel, Mode::Request, &pair.here.options(), handler).await.unwrap();
    pair.there.listened_on("dying").await;
    // Without limit: only the loss of the connection ends them.
    let options = pair.there.options().no_timeout();
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let (channel, options) = (channel.clone(), options.clone());
            tokio::spawn(async move { post_request(&channel, &Message::null(), &options).await })
        })
        .collect();
    eventually("all calls in flight", || began.load(Ordering::Relaxed) == 1000).await;
    pair.server.kill();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::ConnectionLost, true), "{error}");
    }
    go.add_permits(1000);
    pair.server.start();
    while post_request(&channel, &Message::null(), &pair.there.options()).await.is_err() {}
}

/// The server is stopped, so that requests wait in its socket, and goes on when their callers have gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_stopped_server_held_back_is_not_handled_when_it_goes_on() {
    let pair = Pair::of(&["held"]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let handler = move |number: u32| {
        hears.lock().unwrap().push(number);
        std::future::ready(Ok(number))
    };
    let _listener = listen_uds_request_with("held", &pair.here.options(), handler).await.unwrap();
    let options = pair.there.options();
    for number in 0..3 {
        post_uds_request_with::<u32>("held", number, &options).await.unwrap();
    }
    pair.server.signal("STOP");
    let short = options.clone().timeout(Duration::from_millis(500));
    for number in 1000..1003 {
        let error = post_uds_request_with::<u32>("held", number, &short).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TimedOut, true), "{error}");
    }
    pair.server.signal("CONT");
    while post_uds_request_with::<u32>("held", 7, &options).await.is_err() {}
    assert_eq!(*heard.lock().unwrap(), [0, 1, 2, 7]);
}

/// More requests at once than anything between keeps: each ends in one way, and none is handled whose caller was told that it
/// was not.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_answered_or_refused_one_by_one_and_none_is_lost_in_silence() {
    let (server, here, there) = (Server::new(), Machine::new(), Machine::new());
    let (handled, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counts, goes) = (Arc::clone(&handled), Arc::clone(&go));
    let handler = move |_: Message, responder: Responder| {
        counts.fetch_add(1, Ordering::Relaxed);
        let goes = Arc::clone(&goes);
        async move {
            goes.notified().await;
            drop(responder.respond(&Message::null()));
            // The next one, and so on: all go on one after another.
            goes.notify_one();
        }
    };
    let channel = Channel::uds("flood").unwrap();
    let many = here.options().max_session_in_flight(100_000).max_in_flight(100_000);
    let _listener = Listener::serve(&channel, Mode::Request, &many, handler).await.unwrap();
    let _exporter = here.bridge(&server.url()).export("flood").start().await.unwrap();
    let _importer = there.bridge(&server.url()).import("flood").start().await.unwrap();
    there.listened_on("flood").await;
    let client = Arc::new(simple_ipc::Client::connect(&channel, &there.options()).await.unwrap());
    // An import's session takes 1,024 requests at once; several sessions bring more than an export takes.
    let clients: Vec<_> = {
        let mut clients = vec![client];
        for _ in 0..5 {
            clients.push(Arc::new(simple_ipc::Client::connect(&channel, &there.options()).await.unwrap()));
        }
        clients
    };
    let calls: Vec<_> = (0..6000)
        .map(|number| {
            let client = Arc::clone(&clients[number % clients.len()]);
            tokio::spawn(async move { client.request_message(&Message::null(), None).await })
        })
        .collect();
    // What an export takes at once, no more; all others have been refused by then.
    eventually("a full export", || calls.iter().filter(|call| call.is_finished()).count() > 0).await;
    go.notify_one();
    let (mut answered, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooManyConnections, "{error}");
                assert!(!error.may_have_been_handled());
                refused += 1;
            }
        }
    }
    assert_eq!((answered + refused, handled.load(Ordering::Relaxed)), (6000, answered));
}
