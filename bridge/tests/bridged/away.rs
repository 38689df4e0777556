//! Servers, bridges and listeners that are killed, stopped or come late.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simple_ipc::{
    Channel, ErrorKind, Listener, Message, Mode, Responder, listen_uds_request_with, post_request,
    post_uds_request_with, post_uds_stream_with,
};
use simple_ipc_bridge::Progress;
use tokio::sync::Semaphore;

use crate::support::{Machine, Program, Server, Told, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_starts_before_its_server_works_when_the_server_comes() {
    let mut server = Server::new();
    server.kill();
    let (here, there, told) = (Machine::new(), Machine::new(), Told::default());
    let exporter = told.hears(here.bridge(&server.url()).export("early"));
    let exporter = exporter.start().await.unwrap();
    let _importer = there.bridge(&server.url()).import("early").start().await.unwrap();
    assert!(!exporter.is_connected());
    told.until("that it tries again", |progress| matches!(progress, Progress::Retrying { .. })).await;
    let _listener = listen_uds_request_with("early", &here.options(), async |(): ()| Ok(())).await.unwrap();
    server.start();
    post_uds_request_with::<()>("early", (), &there.options()).await.unwrap();
}

/// A call whose importer is killed is `connection_lost` at its local session; one whose exporter is killed as soon as that is known.
#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_end_with_connection_lost_when_either_bridge_is_killed() {
    let (server, here, there) = (Server::new(), Machine::new(), Machine::new());
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
    let channel = Channel::uds("killed").unwrap();
    let _listener = Listener::serve(&channel, Mode::Request, &here.options(), handler).await.unwrap();
    for killed in ["importer", "exporter"] {
        began.store(0, Ordering::Relaxed);
        let exporter = Program::start(&here, &[&server.url(), "--export", "killed"]);
        let importer = Program::start(&there, &[&server.url(), "--import", "killed"]);
        exporter.says("exporting channel");
        importer.says("importing channel");
        let options = there.options().no_timeout();
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let (channel, options) = (channel.clone(), options.clone());
                tokio::spawn(async move { post_request(&channel, &Message::null(), &options).await })
            })
            .collect();
        eventually("all calls in flight", || began.load(Ordering::Relaxed) == 1000).await;
        let _other = if killed == "importer" {
            importer.kill();
            exporter
        } else {
            exporter.kill();
            importer
        };
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::ConnectionLost, true), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_is_given_up_and_the_bridges_find_the_next() {
    let (first, second) = (Server::new(), Server::new());
    let (here, there, told) = (Machine::new(), Machine::new(), Told::default());
    let urls = format!("{},{}", first.url(), second.url());
    let handler = async |number: u32| Ok(number);
    let _listener = listen_uds_request_with("next", &here.options(), handler).await.unwrap();
    // Both bridges have to meet: the second server is stopped until the first has both.
    second.signal("STOP");
    let _exporter = told.hears(here.bridge(&urls).export("next")).start().await.unwrap();
    let _importer = there.bridge(&urls).import("next").start().await.unwrap();
    let options = there.options();
    assert_eq!(post_uds_request_with::<u32>("next", 1, &options).await.unwrap(), 1);
    first.signal("STOP");
    second.signal("CONT");
    told.until("the loss", |progress| matches!(progress, Progress::Lost { .. })).await;
    eventually_answers("next", &options).await;
    first.signal("CONT");
}

async fn eventually_answers(channel: &str, options: &simple_ipc::Options) {
    let short = options.clone().timeout(Duration::from_secs(1));
    while post_uds_request_with::<u32>(channel, 2, &short).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was under way when its caller was told arrives within this, on a busy machine as well. What would be sent when a server
/// has come back arrives later.
const LATE: Duration = Duration::from_secs(2);

/// A request's number, whether it was answered or else may have been handled, and when its caller was told.
type Answer = (u64, Result<(), bool>, Instant);

/// What a listener answers to the opening of a stream with a single value: that item, and then an end or an error.
async fn only_item(channel: &str, number: u64, options: &simple_ipc::Options) -> simple_ipc::Result<u64> {
    let mut items = post_uds_stream_with::<u64>(channel, number, options).await?;
    let item = items.next().await.expect("an end before the item")?;
    if let Some(more) = items.next().await {
        return more.map(|more| panic!("a second item: {more}"));
    }
    Ok(item)
}

/// How often something is killed in the test below; SIMPLE_IPC_BRIDGE_KILLS says otherwise.
const KILLS: usize = 12;

/// Requests and streams go on all the time while the server, either bridge and the listener are killed in turn. What each caller hears is
/// held against what the handlers have seen: no request twice, none whose caller was told that it was not handled, and
/// none long after its caller was told of its end.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_no_request_is_doubled_late_or_wrongly_not_handled() {
    let kills = std::env::var("SIMPLE_IPC_BRIDGE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (mut server, here, there) = (Server::new(), Machine::new(), Machine::new());
    let heard: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
    let listen = async || {
        let hears = Arc::clone(&heard);
        let handler = move |number: u64| {
            hears.lock().unwrap().push((number, Instant::now()));
            std::future::ready(Ok(number))
        };
        // The name is free again a moment after a listener has ended.
        loop {
            match listen_uds_request_with("journal", &here.options(), handler.clone()).await {
                Ok(listener) => return listener,
                Err(error) => assert_eq!(error.kind(), ErrorKind::InUse, "{error}"),
            }
        }
    };
    let start = |machine: &Machine, what: &str| Program::start(machine, &[&server.url(), what, "journal"]);
    let url = server.url();
    let mut listener = listen().await;
    let mut exporter = start(&here, "--export");
    let mut importer = start(&there, "--import");
    importer.says("importing channel");

    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (next, stop, answers) = (Arc::clone(&next), Arc::clone(&stop), Arc::clone(&answers));
            let options = there.options().wait(Duration::ZERO).timeout(Duration::from_secs(2));
            tokio::spawn(async move {
                while stop.available_permits() == 0 {
                    let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                    let answer = if caller < 6 {
                        post_uds_request_with::<u64>("journal", number, &options).await
                    } else {
                        only_item("journal", number, &options).await
                    };
                    if let Ok(echoed) = &answer {
                        assert_eq!(*echoed, number);
                    }
                    let refused = answer.is_err();
                    let answer = answer.map(drop).map_err(|error| error.may_have_been_handled());
                    answers.lock().unwrap().push((number, answer, Instant::now()));
                    if refused {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    let answered = || answers.lock().unwrap().iter().filter(|(_, answer, _)| answer.is_ok()).count();
    for round in 0..kills {
        let before = answered();
        eventually("answers before the next kill", || answered() > before + 20).await;
        match round % 4 {
            0 => {
                server.kill();
                server.start();
            }
            1 => {
                importer.kill();
                importer = Program::start(&there, &[&url, "--import", "journal"]);
            }
            2 => {
                exporter.kill();
                exporter = Program::start(&here, &[&url, "--export", "journal"]);
            }
            _ => {
                drop(listener);
                listener = listen().await;
            }
        }
    }
    let before = answered();
    eventually("answers after the last kill", || answered() > before + 20).await;
    stop.add_permits(1);
    for caller in callers {
        caller.await.unwrap();
    }
    drop((listener, exporter, importer));
    let heard = heard.lock().unwrap();
    let seen: HashMap<u64, Instant> = heard.iter().copied().collect();
    assert_eq!(seen.len(), heard.len(), "a request was handled twice");
    let answers = answers.lock().unwrap();
    for (number, answer, told) in answers.iter() {
        match (answer, seen.get(number)) {
            (Ok(()), None) => panic!("{number} was answered and never handled"),
            (Err(false), Some(_)) => panic!("{number} was handled though its caller was told that it was not"),
            (Err(true), Some(handled)) => assert!(*handled < *told + LATE, "{number} was handled late"),
            (Ok(()), Some(_)) | (Err(_), None) => {}
        }
    }
}
