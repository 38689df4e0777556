//! What a publisher promises to all its subscribers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use simple_ipc::blocking::{self, Client, Listener, Subscription};
use simple_ipc::{Channel, ErrorKind, Event, Message, Mode, Overflow};

use crate::support::Scratch;

fn channels() -> [Channel; 2] {
    [Channel::uds("clock").unwrap(), Channel::ip(0).unwrap()]
}

/// The number in an event.
fn number(event: &Event) -> u32 {
    u32::from_le_bytes(*event.data.data().first_chunk().unwrap())
}

/// A body with a number in it, so many bytes long.
fn body(number: u32, len: usize) -> Message {
    let mut body = vec![b'x'; len.max(4)];
    body[..4].copy_from_slice(&number.to_le_bytes());
    Message::bytes(body)
}

#[test]
fn a_subscription_that_has_returned_misses_nothing_however_soon_an_event_follows() {
    let scratch = Scratch::new();
    for channel in channels() {
        let listener = Arc::new(Listener::serve_publish(&channel, &scratch.options()).unwrap());
        let told = Arc::new(AtomicU32::new(0));
        // Publishes without a pause: each subscriber comes in the middle of something.
        let publishing = {
            let (listener, told) = (Arc::clone(&listener), Arc::clone(&told));
            std::thread::spawn(move || {
                let mut nth = 0;
                while told.load(Ordering::SeqCst) != u32::MAX {
                    nth += 1;
                    // What is told before an event is published is before it.
                    told.fetch_max(nth, Ordering::SeqCst);
                    listener.publish_message("", &body(nth, 4)).unwrap();
                }
            })
        };
        for _ in 0..300 {
            let subscription = blocking::subscribe(listener.channel(), &scratch.options()).unwrap();
            // The publish of this one may have begun, that of the one after it has not.
            let begun = told.load(Ordering::SeqCst);
            let first = subscription.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
            assert!(number(&first) <= begun + 1 && first.missed == 0, "{first:?} after {begun}");
        }
        told.store(u32::MAX, Ordering::SeqCst);
        publishing.join().unwrap();
    }
}

/// Reads to the end, which is told by an event of four bytes. What was delivered, and how many were missed.
fn read_all(mut subscription: Subscription, pause_after: usize) -> (Vec<u32>, u64) {
    let (mut delivered, mut missed) = (Vec::new(), 0);
    while let Some(event) = subscription.next().transpose().unwrap() {
        missed += u64::try_from(event.missed).unwrap();
        assert!(!event.retained);
        if event.data.len() == 4 {
            return (delivered, missed);
        }
        delivered.push(number(&event));
        if pause_after > 0 && delivered.len().is_multiple_of(pause_after) {
            std::thread::yield_now();
        }
    }
    panic!("it ended before it was told so");
}

#[test]
fn every_event_is_delivered_once_in_one_order_or_told_as_missed() {
    const THREADS: u32 = 4;
    const EACH: u32 = 3000;
    let scratch = Scratch::new();
    for channel in channels() {
        let options = scratch.options().patience(Duration::from_secs(3600));
        let listener = Listener::serve_publish(&channel, &options).unwrap();
        // A queue for all of them, none to speak of, and one that makes the publisher wait.
        let all = usize::try_from(THREADS * EACH).unwrap() * 1000;
        let ways = [
            (Overflow::Fail, all, None),
            (Overflow::DropOldest, 20_000, None),
            (Overflow::DropOldest, 1, Some("even")),
            (Overflow::Block, 20_000, None),
            (Overflow::Block, 1, Some("even")),
        ];
        let largest = scratch.options();
        let listener = &listener;
        let got = std::thread::scope(|scope| {
            let reading: Vec<_> = ways
                .iter()
                .enumerate()
                .map(|(nth, (overflow, queue, topic))| {
                    let mut options = largest.clone().overflow(*overflow).queue(*queue);
                    if let Some(topic) = topic {
                        options = options.topics([*topic]);
                    }
                    let subscription = blocking::subscribe(listener.channel(), &options).unwrap();
                    scope.spawn(move || read_all(subscription, [0, 1, 7][nth % 3]))
                })
                .collect();
            let publishing: Vec<_> = (0..THREADS)
                .map(|thread| {
                    scope.spawn(move || {
                        for nth in 0..EACH {
                            let number = thread * EACH + nth;
                            let topic = if nth.is_multiple_of(2) { "even" } else { "" };
                            listener.publish_message(topic, &body(number, 8 + nth as usize % 900)).unwrap();
                        }
                    })
                })
                .collect();
            publishing.into_iter().for_each(|thread| thread.join().unwrap());
            listener.publish_message("even", &body(0, 4)).unwrap();
            reading.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let counters = listener.counters();
        assert_eq!((counters.published, counters.too_slow), (u64::from(THREADS * EACH) + 1, 0));
        assert_eq!(counters.dropped, got.iter().map(|(_, missed)| missed).sum::<u64>());
        // The first of them missed nothing: its order is that of `publish`.
        let order = &got[0].0;
        assert_eq!(order.len(), (THREADS * EACH) as usize);
        for thread in 0..THREADS {
            let of_one = order.iter().filter(|number| **number / EACH == thread);
            assert!(of_one.is_sorted(), "the events of one thread came in another order");
        }
        for ((overflow, _, topic), (delivered, missed)) in ways.iter().zip(&got) {
            let due = order.iter().filter(|number| topic.is_none() || (**number % EACH).is_multiple_of(2));
            assert_eq!(delivered.len() as u64 + missed, due.clone().count() as u64, "{overflow} {topic:?}");
            let mut due = due;
            assert!(delivered.iter().all(|number| due.any(|other| other == number)), "{overflow}: another order");
            assert!(*missed == 0 || *overflow == Overflow::DropOldest);
        }
    }
}

#[test]
fn a_subscriber_that_never_reads_holds_up_neither_the_publisher_nor_others() {
    let scratch = Scratch::new();
    let channel = &channels()[0];
    let listener = Listener::serve_publish(channel, &scratch.options()).unwrap();
    let never_reads = |overflow| blocking::subscribe(channel, &scratch.options().overflow(overflow)).unwrap();
    let stopped = [never_reads(Overflow::Fail), never_reads(Overflow::DropOldest)];
    let reads = blocking::subscribe(channel, &scratch.options()).unwrap();
    for nth in 0..500 {
        // No patience: publishing never waits.
        listener.publish_message("", &body(nth, 50_000)).unwrap();
        let event = reads.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((number(&event), event.missed), (nth, 0));
    }
    let counters = listener.counters();
    assert_eq!((counters.too_slow, counters.subscribers), (1, 2));
    assert!(counters.dropped > 0);
    // What the first one was sent, and then why it was ended.
    let [mut fails, drops] = stopped;
    let error = fails.find_map(|event| event.err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::TooSlow);
    assert!(error.message().contains("queue"), "{error}");
    let mut due = 0;
    while due < 500 {
        let event = drops.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
        due += u32::try_from(event.missed).unwrap();
        assert_eq!(number(&event), due);
        due += 1;
    }
}

#[test]
fn a_thousand_events_reach_each_of_two_hundred_subscribers() {
    let scratch = Scratch::new();
    let channel = &channels()[0];
    let listener = Listener::serve_publish(channel, &scratch.options().patience(Duration::from_secs(3600))).unwrap();
    let options = scratch.options().overflow(Overflow::Block);
    let subscriptions: Vec<_> = (0..200).map(|_| blocking::subscribe(channel, &options).unwrap()).collect();
    assert_eq!(listener.counters().subscribers, 200);
    for nth in 0..1000 {
        assert_eq!(listener.publish_message("", &body(nth, 20)).unwrap(), 200);
    }
    for subscription in &subscriptions {
        for nth in 0..1000 {
            let event = subscription.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!((number(&event), event.missed), (nth, 0));
        }
    }
}

#[test]
fn a_listener_of_broadcasts_passes_them_on_to_all_from_within_its_handler() {
    let scratch = Scratch::new();
    let channel = &channels()[0];
    let hub: Arc<std::sync::OnceLock<Listener>> = Arc::default();
    let passes_on = Arc::clone(&hub);
    let options = scratch.options().publish(true);
    let listener = Listener::serve(channel, Mode::Broadcast, &options, move |message, _| {
        passes_on.wait().publish_message("said", message).unwrap();
    })
    .unwrap();
    hub.set(listener).unwrap();
    let subscriptions = [(); 2].map(|()| blocking::subscribe(channel, &scratch.options()).unwrap());
    let client = Client::connect(channel, &scratch.options()).unwrap();
    for nth in 0..100 {
        client.broadcast(nth).unwrap();
    }
    client.flush().unwrap();
    for subscription in subscriptions {
        for nth in 0..100 {
            let event = subscription.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!((event.data.decode::<u32>().unwrap(), event.topic.as_str()), (nth, "said"));
        }
    }
    hub.wait().close_begin().unwrap();
}

#[tokio::test]
async fn a_task_that_publishes_without_a_pause_lets_the_others_of_its_thread_run() {
    let scratch = Scratch::new();
    let listener = simple_ipc::Listener::serve_publish(&channels()[0], &scratch.options()).await.unwrap();
    // The drivers that send are such tasks.
    let turns = Arc::new(AtomicU32::new(0));
    let takes_turns = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            takes_turns.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    for nth in 0..10_000 {
        listener.publish_message("", &body(nth, 60)).await.unwrap();
    }
    assert!(turns.load(Ordering::SeqCst) > 10);
    other.abort();
}

#[tokio::test]
async fn a_publish_that_waits_as_a_task_is_given_up_by_dropping_it_and_publishes_nothing() {
    let scratch = Scratch::new();
    let channel = &channels()[0];
    let options = scratch.options().patience(Duration::from_secs(3600));
    let listener = simple_ipc::Listener::serve_publish(channel, &options).await.unwrap();
    let subscriber = scratch.options().overflow(Overflow::Block).queue(1);
    let mut subscription = simple_ipc::subscribe(channel, &subscriber).await.unwrap();
    for nth in 0..2 {
        assert_eq!(listener.publish_message("", &body(nth, 300_000)).await.unwrap(), 1);
    }
    let given_up = body(2, 300_000);
    let waits = tokio::time::timeout(Duration::from_millis(20), listener.publish_message("", &given_up));
    assert!(waits.await.is_err());
    assert_eq!(listener.counters().published, 2);
    let (published, taken) = tokio::join!(listener.publish("goes on"), async {
        let first = number(&subscription.next().await.unwrap().unwrap());
        (first, number(&subscription.next().await.unwrap().unwrap()))
    });
    assert_eq!((published.unwrap(), taken), (1, (0, 1)));
    assert_eq!(subscription.next().await.unwrap().unwrap().data.as_text().unwrap(), "goes on");
}

#[test]
fn what_is_published_to_nobody_is_counted_and_kept_for_nobody() {
    let scratch = Scratch::new();
    let channel = &channels()[0];
    let listener = Listener::serve_publish(channel, &scratch.options()).unwrap();
    for nth in 0..1000 {
        assert_eq!(listener.publish_message("", &body(nth, 1000)).unwrap(), 0);
    }
    let subscription = blocking::subscribe(channel, &scratch.options()).unwrap();
    listener.publish_message("", &body(1000, 1000)).unwrap();
    let event = subscription.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
    assert_eq!((number(&event), event.missed, listener.counters().published), (1000, 0, 1001));
}
