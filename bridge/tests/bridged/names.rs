//! One owner for each name, and no loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::HeaderMap;
use simple_ipc::{ErrorKind, channel_info, listen_uds_request_with, post_uds_request_with};
use simple_ipc_bridge::Progress;

use crate::carrying::Pair;
use crate::support::{Machine, Program, Server, Told, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_shown_as_a_bridge_and_a_second_one_is_refused() {
    let pair = Pair::of(&["owned"]).await;
    let _listener = listen_uds_request_with("owned", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    pair.there.listened_on("owned").await;
    let listed = simple_ipc::channels(Some(pair.there.path())).unwrap();
    assert_eq!((listed.len(), listed[0].channel.as_str(), listed[0].bridge), (1, "owned", true));
    assert!(!simple_ipc::channels(Some(pair.here.path())).unwrap()[0].bridge);
    let again = pair.there.bridge(&pair.server.url()).import("owned").start().await;
    let error = again.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    assert!(error.message().contains("imports it already"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_lives_here_cannot_be_imported_and_an_import_cannot_be_exported() {
    let pair = Pair::of(&["lives"]).await;
    let _listener = listen_uds_request_with("lives", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    pair.there.listened_on("lives").await;
    let url = pair.server.url();
    let error = pair.here.bridge(&url).import("lives").start().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    assert!(error.message().contains("listens on it here"), "{error}");
    let error = pair.there.bridge(&url).prefix("other").export("lives").start().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongMode, "{error}");
    assert!(error.message().contains("loop"), "{error}");
    let error = pair.there.bridge(&url).import("x").export("x").start().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

/// An export that started while nobody listened finds a bridge there later.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_channel_becomes_an_import_refuses_what_comes_for_it() {
    let (server, first, second) = (Server::new(), Machine::new(), Machine::new());
    let _export = second.bridge(&server.url()).prefix("onwards").export("ring").start().await.unwrap();
    let _home = first.bridge(&server.url()).export("ring").start().await.unwrap();
    let _listener = listen_uds_request_with("ring", &first.options(), async |(): ()| Ok(())).await.unwrap();
    let _import = second.bridge(&server.url()).import("ring").start().await.unwrap();
    second.listened_on("ring").await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let answer = client.request("onwards.req.ring", "null".into()).await.unwrap();
    let headers = answer.headers.unwrap();
    assert_eq!(headers.get("Sipc-Error").unwrap().as_str(), "wrong_mode");
    assert_eq!(headers.get("Sipc-Handled").unwrap().as_str(), "no");
}

/// Three machines in a ring: each would import the name from the one before it and export it to the next.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_goes_round_a_ring_of_three_bridges() {
    let server = Server::new();
    let machines = [Machine::new(), Machine::new(), Machine::new()];
    let url = server.url();
    let prefixes = ["ab", "bc", "ca"];
    let mut bridges = Vec::new();
    let mut told = Vec::new();
    for (at, machine) in machines.iter().enumerate() {
        let heard = Told::default();
        let export = heard.hears(machine.bridge(&url).prefix(prefixes[at]).export("ring"));
        bridges.push(export.start().await.unwrap());
        let import = heard.hears(machine.bridge(&url).prefix(prefixes[(at + 2) % 3]).import("ring"));
        bridges.push(import.start().await.unwrap());
        told.push(heard);
    }
    // Nobody listens anywhere, so that nobody imports: there is no ring of imports alone.
    for heard in &told {
        heard.until("that nobody listens", |progress| matches!(progress, Progress::NotImporting { .. })).await;
    }
    let handled = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&handled);
    let handler = move |(): ()| {
        counts.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(()))
    };
    let _listener = listen_uds_request_with("ring", &machines[0].options(), handler).await.unwrap();
    machines[1].listened_on("ring").await;
    post_uds_request_with::<()>("ring", (), &machines[1].options()).await.unwrap();
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    // The second machine has it from the first, and does not pass it on.
    told[2]
        .until(
            "why it does not go on",
            |progress| matches!(progress, Progress::NotImporting { why, .. } if why.contains("loop")),
        )
        .await;
    assert_eq!(channel_info(&"ring".parse().unwrap(), &machines[2].options()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_has_passed_eight_bridges_is_refused_unhandled() {
    let pair = Pair::of(&["hops"]).await;
    let listener = listen_uds_request_with("hops", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    pair.there.listened_on("hops").await;
    let client = async_nats::connect(pair.server.url()).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Sipc-Via", "1,2,3,4,5,6,7,8");
    let answer = client.request_with_headers("sipc.req.hops", headers, "null".into()).await.unwrap();
    assert_eq!(answer.headers.unwrap().get("Sipc-Error").unwrap().as_str(), "wrong_mode");
    assert_eq!(listener.counters().messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_import_takes_over_when_the_first_is_killed() {
    let (server, here, there) = (Server::new(), Machine::new(), Machine::new());
    let _listener = listen_uds_request_with("heir", &here.options(), async |(): ()| Ok(())).await.unwrap();
    let first = Program::start(&there, &[&server.url(), "--import", "heir"]);
    // Before there is an exporter neither listens, so that both start.
    let second = Program::start(&there, &[&server.url(), "--import", "heir"]);
    first.says("not imported yet");
    second.says("not imported yet");
    let _exporter = here.bridge(&server.url()).export("heir").start().await.unwrap();
    there.listened_on("heir").await;
    let holder = channel_info(&"heir".parse().unwrap(), &there.options()).unwrap().unwrap().pid.unwrap();
    let (holds, waits) = if holder == first.pid().cast_signed() { (first, second) } else { (second, first) };
    waits.says("already listens there");
    holds.kill();
    waits.says("importing channel");
    post_uds_request_with::<()>("heir", (), &there.options()).await.unwrap();
}

/// What `simple-ipc ls` shows is tested where that program is; here it is the lock file that says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_lock_file_of_an_import_says_that_it_is_a_bridge() {
    let pair = Pair::of(&["said"]).await;
    let _listener = listen_uds_request_with("said", &pair.here.options(), async |(): ()| Ok(())).await.unwrap();
    pair.there.listened_on("said").await;
    let text = std::fs::read_to_string(pair.there.path().join(".deno.said.socket.lock")).unwrap();
    assert!(text.contains("\"bridge\":true"), "{text}");
    pair.importer.close().await;
    eventually("the end of the import", || {
        channel_info(&"said".parse().unwrap(), &pair.there.options()).unwrap().is_none()
    })
    .await;
}
