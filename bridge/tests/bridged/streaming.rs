//! Streams cross: in order, with their credit, their one ending and their caller's leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use futures_util::StreamExt;
use simple_ipc::{
    Channel, Error, ErrorKind, HandlerFailure, ItemStream, Listener, Message, Mode, Options, Responder, post_request,
    post_stream,
};
use tokio::sync::Notify;

use crate::carrying::Pair;
use crate::support::{Machine, Program, Server, WATCHDOG, eventually};

/// What a test's handler has done.
#[derive(Default)]
pub(crate) struct Done {
    /// Items that it has sent.
    sent: AtomicUsize,
    /// Items that it has taken.
    taken: AtomicUsize,
    /// Streams that it began, and those among them whose caller left.
    pub(crate) began: AtomicUsize,
    pub(crate) left: AtomicUsize,
    go: Notify,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn of(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

/// What the opening asks for is done. `{"do":…,"n":…,"size":…}`
async fn handle(done: Arc<Done>, opening: Message, responder: Responder) {
    let asked: serde_json::Value = opening.decode().unwrap();
    let n = asked["n"].as_u64().unwrap_or(0);
    let size = usize::try_from(asked["size"].as_u64().unwrap_or(0)).unwrap();
    count(&done.began);
    let _gave_up = match asked["do"].as_str().unwrap() {
        "single" => responder.respond(&Message::text("one")),
        "refuse" => responder
            .fail_with(HandlerFailure::new("sold out").code("out_of_stock").data_json("[1]".to_owned()).unwrap()),
        "time" => {
            let left = responder.time_left().unwrap().as_millis();
            responder.respond(&Message::json(&u64::try_from(left).unwrap()).unwrap())
        }
        "count" => {
            let reply = responder.stream().unwrap();
            for number in 0..n {
                if reply.send_async(&item(number, size)).await.is_err() {
                    return count(&done.left);
                }
                count(&done.sent);
            }
            if asked["fails"] == true {
                reply.fail_with(HandlerFailure::new("broke").code("worn_out"))
            } else {
                reply.end()
            }
        }
        // Takes what it is let.
        "sink" => {
            let items = responder.items();
            let reply = responder.stream().unwrap();
            done.go.notified().await;
            let mut number = 0;
            while let Some(Ok(got)) = items.next().await {
                assert_eq!(got, item(number, size));
                number += 1;
                count(&done.taken);
            }
            reply.send_async(&Message::json(&number).unwrap()).await.and_then(|()| reply.end())
        }
        "echo" => {
            let items = responder.items();
            let reply = responder.stream().unwrap();
            while let Some(Ok(item)) = items.next().await {
                if reply.send_async(&item).await.is_err() {
                    return;
                }
            }
            reply.end()
        }
        "silent" => {
            let reply = responder.stream().unwrap();
            reply.cancelled().await;
            Ok(())
        }
        other => panic!("{other}"),
    };
}

fn item(number: u64, size: usize) -> Message {
    Message::text(&format!("{number}:{}", "x".repeat(size)))
}

/// A handler that tells, too, when its future is dropped before its end: its caller has left.
async fn serve(channel: &str, done: &Arc<Done>, options: &Options) -> Listener {
    struct Leaves(Option<Arc<Done>>);
    impl Drop for Leaves {
        fn drop(&mut self) {
            if let Some(done) = self.0.take() {
                count(&done.left);
            }
        }
    }
    let done = Arc::clone(done);
    let handler = move |opening, responder| {
        let done = Arc::clone(&done);
        async move {
            let mut leaves = Leaves(Some(Arc::clone(&done)));
            handle(done, opening, responder).await;
            leaves.0 = None;
        }
    };
    Listener::serve(&Channel::uds(channel).unwrap(), Mode::Request, options, handler).await.unwrap()
}

fn ask(what: &str) -> Message {
    Message::json_text(what.to_owned()).unwrap()
}

pub(crate) async fn open(machine: &Machine, channel: &str, what: &str) -> Result<ItemStream, Error> {
    // The time of a whole stream is not wanted here.
    let options = Options::new().directory(machine.path()).wait(WATCHDOG).idle_timeout(WATCHDOG);
    post_stream(&Channel::uds(channel).unwrap(), &ask(what), &options).await
}

async fn next(stream: &mut ItemStream) -> Option<Result<Message, Error>> {
    tokio::time::timeout(WATCHDOG, stream.next()).await.expect("hangs")
}

/// Takes items to the end, or to an error, and holds each against its number.
async fn drain(stream: &mut ItemStream, size: usize) -> (u64, Result<(), Error>) {
    let mut number = 0;
    loop {
        match next(stream).await {
            Some(Ok(got)) => assert_eq!(got, item(number, size)),
            Some(Err(error)) => {
                assert!(next(stream).await.is_none(), "a second ending");
                return (number, Err(error));
            }
            None => return (number, Ok(())),
        }
        number += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_handler_come_in_their_order_to_the_end_or_to_its_failure() {
    let pair = Pair::of(&["down"]).await;
    let done = Arc::default();
    let _listener = serve("down", &done, &pair.here.options()).await;
    for (n, size) in [(0, 0), (1, 0), (3000, 10), (40, 100_000)] {
        for fails in [false, true] {
            let what = format!(r#"{{"do":"count","n":{n},"size":{size},"fails":{fails}}}"#);
            let mut stream = open(&pair.there, "down", &what).await.unwrap();
            let (came, ended) = drain(&mut stream, size).await;
            assert_eq!(came, n);
            match ended {
                Ok(()) => assert!(!fails),
                Err(error) => {
                    assert_eq!(
                        (error.kind(), error.handler_code()),
                        (ErrorKind::HandlerFailed, Some("worn_out")),
                        "{error}"
                    );
                    assert!(fails && error.message() == "broke", "{error}");
                }
            }
        }
    }
    let mut single = open(&pair.there, "down", r#"{"do":"single"}"#).await.unwrap();
    assert_eq!(next(&mut single).await.unwrap().unwrap(), Message::text("one"));
    assert!(next(&mut single).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_both_sides_cross_at_once_with_their_kinds_and_the_caller_s_end_is_told() {
    let pair = Pair::of(&["both"]).await;
    let done = Arc::default();
    let _listener = serve("both", &done, &pair.here.options()).await;
    let mut stream = open(&pair.there, "both", r#"{"do":"echo"}"#).await.unwrap();
    let bodies = [
        Message::null(),
        Message::text("é\n"),
        Message::bytes([]),
        Message::bytes([0, 255, 10, 13]),
        Message::attached(&[2, 3], [0, 255, 10, 13]).unwrap(),
        Message::json_text("[1.0]").unwrap(),
        Message::bytes(vec![7; (1 << 20) - 512]),
    ];
    let sender = stream.sender();
    let sent = bodies.clone();
    let sends = tokio::spawn(async move {
        for round in 0..300 {
            sender.send_message(&sent[round % 5]).await.unwrap();
        }
        sender.send_message(&sent[5]).await.unwrap();
        sender.end().unwrap();
    });
    for round in 0..300 {
        assert_eq!(next(&mut stream).await.unwrap().unwrap(), bodies[round % 5]);
    }
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), bodies[5]);
    assert!(next(&mut stream).await.is_none());
    sends.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_before_it_begins_fails_the_opening_and_the_caller_s_time_crosses() {
    let pair = Pair::of(&["opening"]).await;
    let done = Arc::default();
    let _listener = serve("opening", &done, &pair.here.options()).await;
    let error = match open(&pair.there, "opening", r#"{"do":"refuse"}"#).await {
        Err(error) => error,
        // A listener accepts a stream before its handler fails it.
        Ok(mut stream) => next(&mut stream).await.unwrap().unwrap_err(),
    };
    assert_eq!((error.kind(), error.message()), (ErrorKind::HandlerFailed, "sold out"), "{error}");
    assert_eq!((error.handler_code(), error.handler_data()), (Some("out_of_stock"), Some("[1]")));
    let options = pair.there.options().timeout(Duration::from_secs(60));
    let channel = Channel::uds("opening").unwrap();
    let mut stream = post_stream(&channel, &ask(r#"{"do":"time"}"#), &options).await.unwrap();
    let left: u64 = next(&mut stream).await.unwrap().unwrap().decode().unwrap();
    assert!(left <= 60_000, "{left}");
}

/// Neither side holds more than its windows: a local one and one over the bridge, each with an item, at each of the hops.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_does_not_take_stops_the_other_and_all_comes_when_it_does() {
    const SIZE: usize = 10_000;
    // A window and an item for each of three hops, and once more what a socket holds at each end.
    const MOST: usize = 5 * ((256 << 10) / SIZE + 2);
    let pair = Pair::of(&["credit"]).await;
    let done: Arc<Done> = Arc::default();
    let _listener = serve("credit", &done, &pair.here.options()).await;
    let what = format!(r#"{{"do":"count","n":2000,"size":{SIZE}}}"#);
    let mut down = open(&pair.there, "credit", &what).await.unwrap();
    still(|| of(&done.sent)).await;
    assert!(of(&done.sent) > 0 && of(&done.sent) <= MOST, "{} sent, and none was taken", of(&done.sent));

    let what = format!(r#"{{"do":"sink","size":{SIZE}}}"#);
    let mut up = open(&pair.there, "credit", &what).await.unwrap();
    let (sender, sent) = (up.sender(), Arc::new(AtomicUsize::new(0)));
    let sends = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        for number in 0..2000 {
            sender.send_message(&item(number, SIZE)).await.unwrap();
            count(&sends);
        }
        sender.end().unwrap();
    });
    still(|| of(&sent)).await;
    assert!(of(&sent) > 0 && of(&sent) <= MOST, "{} sent, and none was taken", of(&sent));
    // What is stuck delays nobody.
    let reply = post_request(&Channel::uds("credit").unwrap(), &ask(r#"{"do":"single"}"#), &pair.there.options()).await;
    assert_eq!(reply.unwrap(), Message::text("one"));

    done.go.notify_one();
    sending.await.unwrap();
    assert_eq!(next(&mut up).await.unwrap().unwrap().decode::<u64>().unwrap(), 2000);
    assert!(next(&mut up).await.is_none());
    let (came, ended) = drain(&mut down, SIZE).await;
    assert!(came == 2000 && ended.is_ok(), "{came} came: {ended:?}");
}

/// Waits until a number has not changed for a while.
async fn still(number: impl Fn() -> usize) {
    let (mut last, mut looks) = (number(), 0);
    while looks < 20 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        looks = if number() == last { looks + 1 } else { 0 };
        last = number();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_is_heard_of_by_the_handler_on_the_other_machine() {
    let pair = Pair::of(&["leaving"]).await;
    let done: Arc<Done> = Arc::default();
    let _listener = serve("leaving", &done, &pair.here.options()).await;
    for (round, what) in
        [r#"{"do":"silent"}"#, r#"{"do":"count","n":1000000,"size":100}"#, r#"{"do":"sink"}"#].into_iter().enumerate()
    {
        let mut stream = open(&pair.there, "leaving", what).await.unwrap();
        if what.contains("count") {
            for number in 0..5 {
                assert_eq!(next(&mut stream).await.unwrap().unwrap(), item(number, 100));
            }
        }
        drop(stream);
        eventually("the handler's end", || of(&done.left) == round + 1).await;
    }
    assert_eq!(of(&done.began), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_or_an_opening_over_the_servers_limit_ends_the_stream_with_the_setting_s_name() {
    let pair = Pair::at(Server::with("max_payload: 2048"), &["large"]).await;
    let done: Arc<Done> = Arc::default();
    let listener = serve("large", &done, &pair.here.options()).await;
    let mut down = open(&pair.there, "large", r#"{"do":"count","n":1,"size":1500}"#).await.unwrap();
    assert_eq!(drain(&mut down, 1500).await.0, 1);
    let mut down = open(&pair.there, "large", r#"{"do":"count","n":5,"size":4000}"#).await.unwrap();
    let (came, ended) = drain(&mut down, 4000).await;
    let error = ended.unwrap_err();
    assert_eq!((came, error.kind(), error.may_have_been_handled()), (0, ErrorKind::TooLarge, true), "{error}");
    assert!(error.message().contains("max_payload"), "{error}");
    eventually("the handler's end", || listener.counters().in_flight == 0).await;

    // The largest that crosses upwards, found by halves.
    let (mut fits, mut refused) = (1000, 2048);
    while refused - fits > 1 {
        let middle = fits + (refused - fits) / 2;
        let mut echo = open(&pair.there, "large", r#"{"do":"echo"}"#).await.unwrap();
        let body = Message::bytes(vec![1; middle]);
        echo.send_message(&body).await.unwrap();
        match next(&mut echo).await.unwrap() {
            Ok(same) => {
                assert_eq!(same, body);
                fits = middle;
            }
            Err(error) => {
                assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, true), "{error}");
                assert!(error.message().contains("max_payload"), "{error}");
                refused = middle;
            }
        }
    }
    assert!(fits > 1800, "{fits}");

    let before = of(&done.began);
    let opening = format!(r#"{{"do":"single","more":"{}"}}"#, "x".repeat(4000));
    let error = open(&pair.there, "large", &opening).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::TooLarge, false), "{error}");
    assert!(error.message().contains("max_payload"), "{error}");
    assert_eq!(of(&done.began), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_takes_was_certainly_not_handled() {
    let mut pair = Pair::of(&["nobody"]).await;
    let done: Arc<Done> = Arc::default();
    let listener = serve("nobody", &done, &pair.here.options()).await;
    pair.there.listened_on("nobody").await;
    listener.close().await.unwrap();
    let refused = async |kind: ErrorKind, text: &str| {
        let error = open(&pair.there, "nobody", r#"{"do":"single"}"#).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (kind, false), "{error}");
        assert!(error.message().contains(text), "{error}");
    };
    refused(ErrorKind::NotListening, "nobody").await;
    pair.exporter.close().await;
    refused(ErrorKind::NotListening, "export").await;
    pair.server.kill();
    eventually("the loss", || !pair.importer.is_connected()).await;
    refused(ErrorKind::NotListening, "not connected").await;
    assert_eq!(of(&done.began), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_subject_the_server_refuses_is_permission_denied_and_requests_go_on() {
    let configuration = r#"authorization { users = [
        { user: a, password: a },
        { user: b, password: b, permissions: { publish: { deny: ["sipc.str.>"] } } } ] }"#;
    let (server, here, there) = (Server::with(configuration), Machine::new(), Machine::new());
    let done = Arc::default();
    let _listener = serve("denied", &done, &here.options()).await;
    let _exporter = here.bridge(&server.url()).user("a").password("a").export("denied").start().await.unwrap();
    let _importer = there.bridge(&server.url()).user("b").password("b").import("denied").start().await.unwrap();
    let error = open(&there, "denied", r#"{"do":"single"}"#).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::PermissionDenied, false), "{error}");
    assert!(error.message().contains("sipc.str.denied"), "{error}");
    let reply = post_request(&Channel::uds("denied").unwrap(), &ask(r#"{"do":"single"}"#), &there.options()).await;
    assert_eq!(reply.unwrap(), Message::text("one"));
}

/// What ends under a stream that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Server,
    StoppedServer,
    Exporter,
    Importer,
    Listener,
}

/// The items that came are the first ones, in their order, and then there is one ending. The handler hears of it as well.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_under_a_stream_both_sides_hear_of_one_ending_behind_items_in_order() {
    let (mut server, here, there) = (Server::new(), Machine::new(), Machine::new());
    for ends in [Ends::Server, Ends::StoppedServer, Ends::Exporter, Ends::Importer, Ends::Listener] {
        let done: Arc<Done> = Arc::default();
        let options = here.options().grace(Duration::ZERO);
        let listener = serve("ended", &done, &options).await;
        let exporter = Program::start(&here, &[&server.url(), "--export", "ended"]);
        let importer = Program::start(&there, &[&server.url(), "--import", "ended"]);
        exporter.says("exporting channel");
        importer.says("importing channel");
        let mut quiet = open(&there, "ended", r#"{"do":"silent"}"#).await.unwrap();
        let mut busy = open(&there, "ended", r#"{"do":"count","n":100000000,"size":100}"#).await.unwrap();
        for number in 0..1000 {
            assert_eq!(next(&mut busy).await.unwrap().unwrap(), item(number, 100));
        }
        let mut kept = (Some(listener), Some(exporter), Some(importer));
        match ends {
            Ends::Server => server.kill(),
            Ends::StoppedServer => server.signal("STOP"),
            Ends::Exporter => kept.1.take().unwrap().kill(),
            Ends::Importer => kept.2.take().unwrap().kill(),
            Ends::Listener => kept.0.take().unwrap().close().await.unwrap(),
        }
        let ended = async {
            let mut number = 1000;
            loop {
                match next(&mut busy).await.expect("an end that nobody has sent") {
                    Ok(got) => assert_eq!(got, item(number, 100), "{ends:?}"),
                    Err(error) => break error,
                }
                number += 1;
            }
        };
        let busy_error = ended.await;
        assert!(next(&mut busy).await.is_none(), "{ends:?}: a second ending");
        let quiet_error = next(&mut quiet).await.unwrap().unwrap_err();
        assert!(next(&mut quiet).await.is_none(), "{ends:?}: a second ending");
        for error in [busy_error, quiet_error] {
            assert_eq!(
                (error.kind(), error.may_have_been_handled()),
                (ErrorKind::ConnectionLost, true),
                "{ends:?}: {error}"
            );
        }
        eventually("the end of both handlers", || of(&done.left) == 2).await;
        assert_eq!(of(&done.began), 2, "{ends:?}");
        drop(kept);
        match ends {
            Ends::Server => server.start(),
            Ends::StoppedServer => server.signal("CONT"),
            _ => {}
        }
    }
}

/// Another who answers on the channel's subjects: each thing that it may get wrong ends the stream, and is never passed on.
#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_that_breaks_the_rules_ends_the_stream_and_the_import_goes_on() {
    let (server, there) = (Server::new(), Machine::new());
    let client = async_nats::connect(server.url()).await.unwrap();
    let _importer = there.bridge(&server.url()).import("broken").start().await.unwrap();
    let mut info = client.subscribe("sipc.info.broken").await.unwrap();
    let mut openings = client.subscribe("sipc.str.broken").await.unwrap();
    let told = client.clone();
    tokio::spawn(async move {
        while let Some(asked) = info.next().await {
            let body = r#"{"host":"x","bridge":"y","mode":"request"}"#;
            told.publish(asked.reply.unwrap(), body.into()).await.unwrap();
        }
    });
    let mine = client.new_inbox();
    let _heard = client.subscribe(mine.clone()).await.unwrap();
    let headers = |what: &str, number: u64, kind: &str, more: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("Sipc-Stream", what);
        headers.insert("Sipc-Seq", number.to_string().as_str());
        headers.insert("Sipc-Kind", kind);
        headers.insert("Sipc-Credit", more);
        headers
    };
    let large = vec![b'7'; 300_000];
    // What is sent behind the acceptance, and the kind of the error that its caller gets.
    type Sent<'a> = (&'a str, u64, &'a str, &'a str, &'a [u8]);
    let cases: [(&[Sent<'_>], ErrorKind); 9] = [
        (&[("data", 3, "json", "", b"1")], ErrorKind::ConnectionLost),
        (&[("data", 1, "json", "", b"1")], ErrorKind::ConnectionLost),
        (&[("data", 2, "json", "", b"1"), ("end", 4, "", "", b"")], ErrorKind::ConnectionLost),
        (&[("data", 2, "json", "", b"{")], ErrorKind::InvalidBody),
        (&[("data", 2, "film", "", b"")], ErrorKind::InvalidBody),
        (&[("data", 2, "bytes", "", &large), ("data", 3, "bytes", "", b"1")], ErrorKind::ConnectionLost),
        (&[("credit", 2, "", "4294967295", b"")], ErrorKind::ConnectionLost),
        (&[("alive", 7, "", "", b"")], ErrorKind::ConnectionLost),
        (&[("gone", 0, "", "", b"")], ErrorKind::ConnectionLost),
    ];
    for (messages, kind) in cases {
        let answers = async {
            let opening = openings.next().await.unwrap();
            let to = opening.reply.unwrap();
            let accepted = headers("accepted", 1, "", "");
            client.publish_with_reply_and_headers(to.clone(), mine.clone(), accepted, "".into()).await.unwrap();
            for (what, number, kind, more, body) in messages {
                let headers = headers(what, *number, kind, more);
                let body = body.to_vec().into();
                client.publish_with_reply_and_headers(to.clone(), mine.clone(), headers, body).await.unwrap();
            }
        };
        let (stream, ()) = tokio::join!(open(&there, "broken", "1"), answers);
        // What has come before it may be told first.
        let error = match stream {
            Err(error) => error,
            Ok(mut stream) => loop {
                if let Err(error) = next(&mut stream).await.expect("an end that nobody has sent") {
                    break error;
                }
            },
        };
        assert_eq!((error.kind(), error.may_have_been_handled()), (kind, true), "{messages:?}: {error}");
    }
    // One that answers as to a request.
    let answers = async {
        let opening = openings.next().await.unwrap();
        client.publish(opening.reply.unwrap(), "1".into()).await.unwrap();
    };
    let (stream, ()) = tokio::join!(open(&there, "broken", "1"), answers);
    assert_eq!(stream.map(drop).unwrap_err().kind(), ErrorKind::Protocol);
}

/// A caller's bridge that has gone without a word, and one of whose openings has been here before.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_lets_go_of_streams_whose_caller_s_bridge_is_gone_or_knows_nothing_of_them() {
    let pair = Pair::of(&["forgotten"]).await;
    let done: Arc<Done> = Arc::default();
    let _listener = serve("forgotten", &done, &pair.here.options()).await;
    let client = async_nats::connect(pair.server.url()).await.unwrap();
    let send = async |reply: String, via: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("Sipc-Via", via);
        let body = r#"{"do":"silent"}"#.into();
        client.publish_with_reply_and_headers("sipc.str.forgotten", reply, headers, body).await.unwrap();
        client.flush().await.unwrap();
    };
    pair.there.listened_on("forgotten").await;
    // Nobody is at this inbox.
    send(client.new_inbox(), "x").await;
    eventually("the first handler's end", || of(&done.left) == 1).await;
    // Somebody is at this one who does not know the stream.
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    send(inbox, "x").await;
    let gone = async {
        while let Some(message) = answers.next().await {
            let mut headers = HeaderMap::new();
            headers.insert("Sipc-Stream", "gone");
            client.publish_with_headers(message.reply.unwrap(), headers, "".into()).await.unwrap();
        }
    };
    tokio::select! {
        () = eventually("the second handler's end", || of(&done.left) == 2) => {}
        () = gone => {}
    }
    // A loop is refused before the handler hears of it.
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    send(inbox, "1,2,3,4,5,6,7,8").await;
    let refused = tokio::time::timeout(WATCHDOG, answers.next()).await.expect("hangs").unwrap().headers.unwrap();
    assert_eq!(refused.get("Sipc-Error").unwrap().as_str(), "wrong_mode");
    assert_eq!(of(&done.began), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_cross_at_once_and_each_gets_its_own_items() {
    let pair = Pair::of(&["many"]).await;
    let done: Arc<Done> = Arc::default();
    let _listener = serve("many", &done, &pair.here.options()).await;
    pair.there.listened_on("many").await;
    let machine = Arc::new(pair.there);
    let streams: Vec<_> = (0..100_usize)
        .map(|size| {
            let machine = Arc::clone(&machine);
            tokio::spawn(async move {
                let what = format!(r#"{{"do":"count","n":200,"size":{size}}}"#);
                let mut stream = open(&machine, "many", &what).await.unwrap();
                drain(&mut stream, size).await
            })
        })
        .collect();
    for stream in streams {
        let (came, ended) = stream.await.unwrap();
        assert!(came == 200 && ended.is_ok(), "{came} came: {ended:?}");
    }
}
