//! What is published crosses, in order, and what does not is told as missed.

use simple_ipc::{
    Event, Listener, Message, Options, Subscription, listen_uds_publish_with, listen_uds_request_with,
    post_uds_request_with, subscribe_uds_with,
};

use crate::carrying::Pair;
use crate::support::{Machine, Server, eventually};

async fn next(events: &mut Subscription<Message>) -> Event {
    tokio::time::timeout(crate::support::WATCHDOG, events.next()).await.expect("hangs").expect("an end").unwrap()
}

/// Publishes the text until it reaches the subscriber: bridges may be about to meet. What came before it is skipped.
async fn until_heard(listener: &Listener, events: &mut Subscription<Message>, text: &str) -> Event {
    loop {
        listener.publish(text).await.unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(200), events.next()).await;
        if let Ok(Some(Ok(event))) = waited
            && event.data == Message::text(text)
        {
            return event;
        }
    }
}

/// A publisher here and a subscriber there who has heard of it, with nothing on the way.
async fn heard(pair: &Pair, channel: &str, options: Options) -> (Listener, Subscription<Message>) {
    let listener = listen_uds_publish_with(channel, &pair.here.options()).await.unwrap();
    pair.there.listened_on(channel).await;
    let mut events = subscribe_uds_with(channel, &options).await.unwrap();
    eventually("the bridge's subscription", || listener.counters().subscribers == 1).await;
    until_heard(&listener, &mut events, "begin").await;
    listener.publish("ready").await.unwrap();
    while next(&mut events).await.data != Message::text("ready") {}
    (listener, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_cross_in_their_order_with_topics_and_kinds_and_none_is_missed() {
    let pair = Pair::of(&["clock"]).await;
    let (listener, mut events) = heard(&pair, "clock", pair.there.options()).await;
    let bodies =
        [Message::null(), Message::text("é\n"), Message::bytes([0, 255]), Message::json_text("[1.0]").unwrap()];
    for round in 0..200 {
        let topic = ["", "a", "a.b c", "é%"][round % 4];
        listener.publish_message(topic, &bodies[round % 4]).await.unwrap();
    }
    for round in 0..200 {
        let event = next(&mut events).await;
        assert_eq!((event.topic.as_str(), &event.data), (["", "a", "a.b c", "é%"][round % 4], &bodies[round % 4]));
        assert_eq!((event.missed, event.retained), (0, false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_one_topic_gets_that_alone_and_a_listener_that_answers_publishes_too() {
    let pair = Pair::of(&["both"]).await;
    let options = pair.here.options().publish(true);
    let listener = listen_uds_request_with("both", &options, async |number: u32| Ok(number + 1)).await.unwrap();
    pair.there.listened_on("both").await;
    let mut events = subscribe_uds_with::<Message>("both", &pair.there.options().topics(["b"])).await.unwrap();
    eventually("the bridge's subscription", || listener.counters().subscribers == 1).await;
    assert_eq!(post_uds_request_with::<u32>("both", 1, &pair.there.options()).await.unwrap(), 2);
    for number in 0..10 {
        listener.publish_to(if number % 2 == 0 { "a" } else { "b" }, number).await.unwrap();
    }
    for number in [1, 3, 5, 7, 9] {
        let event = next(&mut events).await;
        assert_eq!((event.data.decode::<u32>().unwrap(), event.missed), (number, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_while_the_server_is_away_is_told_as_missed_before_the_next_event() {
    let mut pair = Pair::of(&["away"]).await;
    let (listener, mut events) = heard(&pair, "away", pair.there.options()).await;
    pair.server.kill();
    eventually("the loss", || !pair.exporter.is_connected() && !pair.importer.is_connected()).await;
    for _ in 0..5 {
        listener.publish("nobody hears").await.unwrap();
    }
    pair.server.start();
    eventually("both bridges", || pair.exporter.is_connected() && pair.importer.is_connected()).await;
    let mut due = 5;
    let event = loop {
        due += 1;
        listener.publish("again").await.unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(200), events.next()).await;
        if let Ok(event) = waited {
            break event.unwrap().unwrap();
        }
    };
    // The first that was heard; those that were published after it are on their way.
    assert!(event.missed >= 5 && event.missed < due, "{} of {due}", event.missed);
    listener.publish("next").await.unwrap();
    let mut event = next(&mut events).await;
    while event.data == Message::text("again") {
        event = next(&mut events).await;
    }
    assert_eq!((event.data, event.missed), (Message::text("next"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_the_servers_limit_is_told_as_missed_and_the_next_ones_come() {
    let pair = Pair::at(Server::with("max_payload: 2048"), &["large"]).await;
    let (listener, mut events) = heard(&pair, "large", pair.there.options()).await;
    listener.publish("x".repeat(5000)).await.unwrap();
    listener.publish("small").await.unwrap();
    let event = next(&mut events).await;
    assert_eq!((event.data, event.missed), (Message::text("small"), 1));
    listener.publish("next").await.unwrap();
    assert_eq!(next(&mut events).await.missed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_publisher_is_told_as_an_unknown_number() {
    let pair = Pair::of(&["replaced"]).await;
    let (listener, mut events) = heard(&pair, "replaced", pair.there.options()).await;
    listener.close().await.unwrap();
    let listener = listen_uds_publish_with("replaced", &pair.here.options()).await.unwrap();
    eventually("the bridge's subscription", || listener.counters().subscribers == 1).await;
    let event = until_heard(&listener, &mut events, "new").await;
    assert_eq!(event.missed, -1);
}

/// Two importers get what one exporter publishes; a bridge's own events do not go back.
#[tokio::test(flavor = "multi_thread")]
async fn every_importer_gets_every_event_once() {
    let pair = Pair::of(&["many"]).await;
    let third = Machine::new();
    let _third = third.bridge(&pair.server.url()).import("many").start().await.unwrap();
    let (listener, mut events) = heard(&pair, "many", pair.there.options()).await;
    third.listened_on("many").await;
    let mut others = subscribe_uds_with::<Message>("many", &third.options()).await.unwrap();
    until_heard(&listener, &mut others, "third").await;
    for number in 0..50 {
        listener.publish(number).await.unwrap();
    }
    for events in [&mut events, &mut others] {
        let mut event = next(events).await;
        while event.data.as_text().is_some() {
            event = next(events).await;
        }
        for number in 0..50 {
            assert_eq!((event.data.decode::<u32>().unwrap(), event.missed), (number, 0));
            if number < 49 {
                event = next(events).await;
            }
        }
    }
}

/// What a subscriber that comes now gets first: topics and values, if all are marked as retained. One that comes while the
/// import has another listener begin gets some as events.
async fn retained(pair: &Pair, channel: &str, count: usize) -> Vec<(String, Message)> {
    let mut events = subscribe_uds_with::<Message>(channel, &pair.there.options()).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        let event = next(&mut events).await;
        if event.retained {
            all.push((event.topic, event.data));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Waits until a subscriber that comes there gets these.
async fn retains(pair: &Pair, channel: &str, due: &[(&str, Message)]) {
    let due: Vec<_> = due.iter().map(|(topic, data)| ((*topic).to_owned(), data.clone())).collect();
    let began = std::time::Instant::now();
    loop {
        let found = tokio::time::timeout(std::time::Duration::from_secs(1), retained(pair, channel, due.len())).await;
        if found.as_ref() == Ok(&due) {
            return;
        }
        assert!(began.elapsed() < crate::support::WATCHDOG, "hangs: {found:?} instead of {due:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_subscriber_gets_the_last_event_of_each_topic_as_retained_and_of_others_nothing() {
    let mut pair = Pair::of(&["kept"]).await;
    let keeps = pair.here.options().retain(true);
    let listener = listen_uds_publish_with("kept", &keeps).await.unwrap();
    for (topic, number) in [("a", 1), ("b c", 2), ("a", 3)] {
        listener.publish_to(topic, number).await.unwrap();
    }
    listener.publish(4).await.unwrap();
    let json = |number: u32| Message::json(&number).unwrap();
    retains(&pair, "kept", &[("", json(4)), ("a", json(3)), ("b c", json(2))]).await;

    // What is published now is an event for those who are there, and kept for those who come.
    let mut events = subscribe_uds_with::<Message>("kept", &pair.there.options().topics(["a"])).await.unwrap();
    assert!(next(&mut events).await.retained);
    listener.publish_to("a", 5).await.unwrap();
    let event = next(&mut events).await;
    assert_eq!((event.data, event.retained, event.missed), (json(5), false, 0));
    // No bytes forget a topic.
    listener.publish_message("b c", &Message::bytes([])).await.unwrap();
    retains(&pair, "kept", &[("", json(4)), ("a", json(5))]).await;

    // While the server is away.
    pair.server.kill();
    eventually("the loss", || !pair.exporter.is_connected() && !pair.importer.is_connected()).await;
    listener.publish_to("a", 6).await.unwrap();
    listener.publish_to("d", 7).await.unwrap();
    pair.server.start();
    retains(&pair, "kept", &[("", json(4)), ("a", json(6)), ("d", json(7))]).await;

    // Another publisher has values of its own.
    listener.close().await.unwrap();
    let listener = listen_uds_publish_with("kept", &keeps).await.unwrap();
    listener.publish_to("a", 8).await.unwrap();
    retains(&pair, "kept", &[("a", json(8))]).await;
    listener.close().await.unwrap();

    // One that keeps none has none kept for it elsewhere.
    let listener = listen_uds_publish_with("kept", &pair.here.options()).await.unwrap();
    listener.publish_to("a", 9).await.unwrap();
    eventually("the import of a publisher that keeps nothing", || {
        simple_ipc::blocking::inspect(&"kept".parse().unwrap(), &pair.there.options()).is_ok_and(|state| !state.retains)
    })
    .await;
    let mut events = subscribe_uds_with::<Message>("kept", &pair.there.options()).await.unwrap();
    let event = until_heard(&listener, &mut events, "plain").await;
    assert!(!event.retained);
}
