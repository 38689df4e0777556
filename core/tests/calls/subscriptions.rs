//! Subscribing, as users do it, in every way that Rust has.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simple_ipc::blocking::{self, Listener};
use simple_ipc::event_loop::{Next, Subscription};
use simple_ipc::{Cancellation, Channel, Error, ErrorKind, Event, Message, Mode, Options, Overflow, Wire};

use crate::support::Scratch;

fn channel() -> Channel {
    Channel::uds("clock").unwrap()
}

fn publisher(options: &Options) -> Listener {
    Listener::serve_publish(&channel(), options).unwrap()
}

/// What every kind of subscriber can do. None of them waits for ever: the watchdog ends what hangs.
trait Subscriber: Sized {
    const NAME: &'static str;
    fn subscribe(channel: &Channel, options: &Options) -> Result<Self, Error>;
    /// The next event; `None` is the end.
    fn next(&mut self) -> Result<Option<Event>, Error>;
}

struct Thread(blocking::Subscription);

impl Subscriber for Thread {
    const NAME: &'static str = "thread";

    fn subscribe(channel: &Channel, options: &Options) -> Result<Thread, Error> {
        blocking::subscribe(channel, options).map(Thread)
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        self.0.next().transpose()
    }
}

struct Task(Option<simple_ipc::Subscription>, tokio::runtime::Runtime);

impl Subscriber for Task {
    const NAME: &'static str = "task";

    fn subscribe(channel: &Channel, options: &Options) -> Result<Task, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let subscription = runtime.block_on(simple_ipc::subscribe(channel, options))?;
        Ok(Task(Some(subscription), runtime))
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        self.1.block_on(self.0.as_mut().unwrap().next()).transpose()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let _in_the_runtime = self.1.enter();
        self.0 = None;
    }
}

/// Acts only when its descriptor is readable.
struct EventLoop(Subscription);

impl EventLoop {
    fn wait(&self) -> Result<(), Error> {
        assert!(self.0.wait(None)?);
        Ok(())
    }
}

impl Subscriber for EventLoop {
    const NAME: &'static str = "event loop";

    fn subscribe(channel: &Channel, options: &Options) -> Result<EventLoop, Error> {
        let subscriber = EventLoop(Subscription::begin(channel, options)?);
        while !subscriber.0.is_subscribed()? {
            subscriber.wait()?;
        }
        Ok(subscriber)
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            self.wait()?;
            match self.0.try_next()? {
                Next::Event(event) => return Ok(Some(event)),
                Next::Ended => return Ok(None),
                _ => {}
            }
        }
    }
}

/// Has a generic function run for each kind of subscriber.
macro_rules! each_kind {
    ($check:ident) => {
        $check::<Thread>();
        $check::<Task>();
        $check::<EventLoop>();
    };
}

fn refused<S: Subscriber>(options: &Options) -> ErrorKind {
    match S::subscribe(&channel(), options) {
        Ok(_) => panic!("{}: it has subscribed", S::NAME),
        Err(error) => {
            assert!(!error.message().contains('\n') && !error.may_have_been_handled(), "{error}");
            error.kind()
        }
    }
}

fn number<S: Subscriber>(subscriber: &mut S) -> u64 {
    let event = subscriber.next().unwrap().unwrap_or_else(|| panic!("{}: it has ended", S::NAME));
    assert_eq!((event.missed, event.retained, event.topic.as_str()), (0, false, ""), "{}", S::NAME);
    event.data.decode().unwrap()
}

#[test]
fn what_is_published_after_a_subscribe_returned_reaches_it() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        for (channel, options) in [(channel(), scratch.options()), (Channel::ip(0).unwrap(), scratch.options())] {
            let publisher = Listener::serve_publish(&channel, &options).unwrap();
            for round in 0..100 {
                let mut subscriber = S::subscribe(publisher.channel(), &options).unwrap();
                assert!(publisher.publish(round).unwrap() >= 1, "{}", S::NAME);
                publisher.publish(round + 1).unwrap();
                assert_eq!((number(&mut subscriber), number(&mut subscriber)), (round, round + 1), "{}", S::NAME);
            }
        }
    }
    each_kind!(check);
}

#[test]
fn who_subscribes_to_nobody_is_told_or_waits_for_somebody() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        assert_eq!(refused::<S>(&scratch.options()), ErrorKind::NotListening, "{}", S::NAME);
        let waits = scratch.options().wait(Duration::MAX);
        std::thread::scope(|scope| {
            let subscribing = scope.spawn(|| {
                let mut subscriber = S::subscribe(&channel(), &waits).unwrap();
                number(&mut subscriber)
            });
            let publisher = publisher(&scratch.options());
            while publisher.counters().subscribers == 0 {
                std::thread::yield_now();
            }
            publisher.publish(7).unwrap();
            assert_eq!(subscribing.join().unwrap(), 7, "{}", S::NAME);
        });
    }
    each_kind!(check);
}

#[test]
fn who_cannot_be_published_to_is_told_why() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let echo = |message: &Message, responder: simple_ipc::Responder| {
            let _the_caller_may_have_gone = responder.respond(message);
        };
        let listener = Listener::serve(&channel(), Mode::Request, &scratch.options(), echo).unwrap();
        assert_eq!(refused::<S>(&scratch.options()), ErrorKind::WrongMode, "{}", S::NAME);
        drop(listener);
        let publisher = publisher(&scratch.options());
        let blocks = scratch.options().overflow(Overflow::Block);
        assert_eq!(refused::<S>(&blocks), ErrorKind::WrongMode, "{}", S::NAME);
        for bad in [
            scratch.options().topics([""; 0]),
            scratch.options().topics(["x".repeat(256)]),
            scratch.options().queue(0),
            scratch.options().wire(Wire::Deno),
        ] {
            assert_eq!(refused::<S>(&bad), ErrorKind::InvalidArgument, "{}", S::NAME);
        }
        assert_eq!(publisher.counters().subscribers, 0);
    }
    each_kind!(check);
}

#[test]
fn a_listener_of_the_deno_original_is_not_connected_to() {
    fn check<S: Subscriber>() {
        let (scratch, directory) = (Scratch::new(), tempfile::tempdir().unwrap());
        let original = UnixListener::bind(directory.path().join(".deno.clock.socket")).unwrap();
        original.set_nonblocking(true).unwrap();
        assert_eq!(
            refused::<S>(&scratch.options().directory(directory.path())),
            ErrorKind::UnsupportedVersion,
            "{}",
            S::NAME
        );
        assert_eq!(original.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    each_kind!(check);
}

#[test]
fn a_subscribe_that_waits_is_given_up_from_another_thread() {
    let scratch = Scratch::new();
    let cancellation = Cancellation::new();
    let options = scratch.options().wait(Duration::MAX).cancellation(&cancellation);
    let error = Subscription::begin(&channel(), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| refused::<Thread>(&options));
        let task = scope.spawn(|| refused::<Task>(&options));
        cancellation.cancel();
        assert_eq!((thread.join().unwrap(), task.join().unwrap()), (ErrorKind::Cancelled, ErrorKind::Cancelled));
    });
    let _publisher = publisher(&scratch.options());
    assert_eq!((refused::<Thread>(&options), refused::<Task>(&options)), (ErrorKind::Cancelled, ErrorKind::Cancelled));
}

#[test]
fn a_listener_that_does_not_answer_is_waited_for_as_long_as_a_post_waits() {
    fn check<S: Subscriber>() {
        let (scratch, directory) = (Scratch::new(), tempfile::tempdir().unwrap());
        let lock = std::fs::File::create(directory.path().join(".deno.clock.socket.lock")).unwrap();
        lock.lock().unwrap();
        let _silent = UnixListener::bind(directory.path().join(".deno.clock.socket")).unwrap();
        let options = scratch.options().directory(directory.path()).timeout(Duration::from_millis(20));
        assert_eq!(refused::<S>(&options), ErrorKind::TimedOut, "{}", S::NAME);
    }
    each_kind!(check);
}

#[test]
fn a_replaced_publisher_is_one_event_with_an_unknown_number_of_missed_ones() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let options = scratch.options();
        let first = publisher(&options);
        let mut subscriber = S::subscribe(&channel(), &options).unwrap();
        first.publish(1).unwrap();
        assert_eq!(number(&mut subscriber), 1);
        for _ in 0..3 {
            first.close().unwrap();
            let next = publisher(&options);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while next.counters().subscribers == 0 {
                        std::thread::yield_now();
                    }
                    next.publish(2).unwrap();
                    next.publish(3).unwrap();
                });
                let event = subscriber.next().unwrap().unwrap();
                assert_eq!((event.missed, event.data.decode::<u64>().unwrap()), (-1, 2), "{}", S::NAME);
                assert_eq!(number(&mut subscriber), 3);
            });
            next.close().unwrap();
        }
    }
    each_kind!(check);
}

#[test]
fn a_closing_publisher_is_the_end_where_none_is_looked_for_and_all_that_was_queued_comes_before() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let options = scratch.options().reconnect(Duration::ZERO);
        let publisher = publisher(&options);
        let mut subscriber = S::subscribe(&channel(), &options).unwrap();
        for n in 0..100 {
            publisher.publish(n).unwrap();
        }
        publisher.close_begin().unwrap();
        for n in 0..100 {
            assert_eq!(number(&mut subscriber), n, "{}", S::NAME);
        }
        for _ in 0..3 {
            assert!(subscriber.next().unwrap().is_none(), "{}", S::NAME);
        }
    }
    each_kind!(check);
}

#[test]
fn a_publisher_that_does_not_come_back_in_time_is_an_error() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let options = scratch.options().reconnect(Duration::from_millis(30));
        let publisher = publisher(&options);
        let mut subscriber = S::subscribe(&channel(), &options).unwrap();
        publisher.close().unwrap();
        assert_eq!(subscriber.next().unwrap_err().kind(), ErrorKind::NotListening, "{}", S::NAME);
    }
    each_kind!(check);
}

#[test]
fn who_is_too_slow_is_told_behind_what_was_sent_or_is_told_what_it_missed() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let publisher = publisher(&scratch.options());
        let options = scratch.options().queue(100_000);
        let mut fails = S::subscribe(&channel(), &options).unwrap();
        let mut drops = S::subscribe(&channel(), &options.clone().overflow(Overflow::DropOldest)).unwrap();
        let body = "x".repeat(1000);
        let published = 10_000;
        for n in 0..published {
            publisher.publish((n, &body)).unwrap();
        }
        publisher.publish((published, "the last")).unwrap();
        let mut expected = 0;
        let error = loop {
            match fails.next() {
                Ok(event) => {
                    let event = event.unwrap();
                    assert_eq!((event.missed, event.data.decode::<(u64, String)>().unwrap().0), (0, expected));
                    expected += 1;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::TooSlow, "{}", S::NAME);
        assert!(expected > 0 && expected < published);
        let mut due = 0;
        loop {
            let event = drops.next().unwrap().unwrap();
            due += u64::try_from(event.missed).unwrap();
            let (n, text) = event.data.decode::<(u64, String)>().unwrap();
            assert_eq!(n, due, "{}", S::NAME);
            due += 1;
            if text == "the last" {
                break;
            }
        }
        assert_eq!(due, published + 1, "{}", S::NAME);
        let counters = publisher.counters();
        assert_eq!((counters.too_slow, counters.published), (1, published + 1));
        assert!(counters.dropped > 0);
    }
    each_kind!(check);
}

#[test]
fn who_blocks_loses_nothing_and_the_publisher_waits() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let options = scratch.options().patience(Duration::from_secs(3600)).overflow(Overflow::Block).queue(10_000);
        let publisher = publisher(&options);
        let mut subscriber = S::subscribe(&channel(), &options).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|n| assert_eq!(publisher.publish((n, "x".repeat(1000))).unwrap(), 1)));
            for expected in 0..1000 {
                let event = subscriber.next().unwrap().unwrap();
                assert_eq!((event.missed, event.data.decode::<(u64, String)>().unwrap().0), (0, expected));
            }
        });
    }
    each_kind!(check);
}

#[test]
fn retained_events_come_first_and_only_those_of_the_topics_that_were_asked_for() {
    fn check<S: Subscriber>() {
        let scratch = Scratch::new();
        let publisher = publisher(&scratch.options().retain(true));
        for (topic, n) in [("a", 1), ("b", 2), ("a", 3), ("", 4)] {
            publisher.publish_to(topic, n).unwrap();
        }
        let mut subscriber = S::subscribe(&channel(), &scratch.options().topics(["a", ""])).unwrap();
        for (topic, n) in [("b", 5), ("a", 6)] {
            publisher.publish_to(topic, n).unwrap();
        }
        for expected in [("a", 3, true), ("", 4, true), ("a", 6, false)] {
            let event = subscriber.next().unwrap().unwrap();
            assert_eq!((event.topic.as_str(), event.data.decode().unwrap(), event.retained), expected, "{}", S::NAME);
        }
    }
    each_kind!(check);
}

#[test]
fn a_body_of_another_type_is_told_and_the_loop_goes_on() {
    let scratch = Scratch::new();
    let publisher = publisher(&scratch.options());
    let mut numbers = blocking::subscribe_uds_with::<u64>("clock", &scratch.options()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut tasks = runtime.block_on(simple_ipc::subscribe_uds_with::<u64>("clock", &scratch.options())).unwrap();
    for data in
        [Message::json(&1).unwrap(), Message::text("x"), Message::json_unchecked("{"), Message::json(&4).unwrap()]
    {
        publisher.publish_message("", &data).unwrap();
    }
    assert_eq!(numbers.next().unwrap().unwrap().data, 1);
    for _ in 0..2 {
        let error = numbers.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidBody);
        assert!(error.message().contains("clock"), "{error}");
    }
    assert_eq!(numbers.next_timeout(Duration::MAX).unwrap().unwrap().data, 4);
    assert_eq!(numbers.next_timeout(Duration::ZERO).unwrap_err().kind(), ErrorKind::TimedOut);
    runtime.block_on(async {
        assert_eq!(tasks.next().await.unwrap().unwrap().data, 1);
        for _ in 0..2 {
            assert_eq!(tasks.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidBody);
        }
        assert_eq!(tasks.next().await.unwrap().unwrap().data, 4);
        drop(tasks);
    });
    // A raw JSON body has been checked.
    let mut raw = blocking::subscribe(&channel(), &scratch.options()).unwrap();
    publisher.publish_message("", &Message::json_unchecked("{")).unwrap();
    assert_eq!(raw.next().unwrap().unwrap_err().kind(), ErrorKind::InvalidBody);
}

#[test]
fn an_error_is_the_last_item_of_an_iterator_and_of_a_stream() {
    let scratch = Scratch::new();
    let publisher = publisher(&scratch.options());
    let small = scratch.options().max_message(200);
    let mut thread = blocking::subscribe(&channel(), &small).unwrap();
    let raw = Subscription::subscribe(&channel(), &small).unwrap();
    publisher.publish("x".repeat(300)).unwrap();
    assert_eq!(thread.next().unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(thread.next().is_none() && thread.next().is_none());
    for _ in 0..3 {
        assert_eq!(raw.next(None).unwrap_err().kind(), ErrorKind::TooLarge);
    }
    assert!(raw.is_over());
}

#[test]
fn a_wait_for_an_event_has_its_time_wherever_the_subscription_is() {
    let scratch = Scratch::new();
    let briefly = Some(Duration::from_millis(30));
    let begun = Subscription::begin(&channel(), &scratch.options().wait(Duration::MAX)).unwrap();
    assert_eq!(begun.next(briefly).unwrap_err().kind(), ErrorKind::TimedOut);
    let publisher = publisher(&scratch.options());
    while publisher.counters().subscribers == 0 {
        assert_eq!(begun.next(briefly).unwrap_err().kind(), ErrorKind::TimedOut);
    }
    publisher.close().unwrap();
    assert_eq!(begun.next(briefly).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(!begun.is_over());
}

#[test]
fn closing_ends_a_wait_wherever_the_subscription_is() {
    let scratch = Scratch::new();
    // It waits for a publisher, for an event, and for the publisher to come back.
    let begun = Subscription::begin(&channel(), &scratch.options().wait(Duration::MAX)).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| begun.next(None).unwrap().is_none());
        begun.close();
        assert!(waiting.join().unwrap());
        assert_eq!(begun.is_subscribed().unwrap_err().kind(), ErrorKind::Closed);
    });
    for is_lost in [false, true] {
        let publisher = publisher(&scratch.options());
        let mut subscription = blocking::subscribe(&channel(), &scratch.options()).unwrap();
        let closer = subscription.closer();
        if is_lost {
            drop(publisher);
        }
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || subscription.next().is_none());
            closer.close();
            assert!(waiting.join().unwrap());
        });
    }
}

#[test]
fn a_publisher_may_be_closed_and_a_subscription_left_inside_the_subscribers_loop() {
    let scratch = Scratch::new();
    let publisher = publisher(&scratch.options());
    let options = scratch.options().reconnect(Duration::ZERO);
    let mut numbers = blocking::subscribe_uds_with::<u64>("clock", &options).unwrap();
    publisher.publish(1).unwrap();
    let mut got = Vec::new();
    for event in &mut numbers {
        got.push(event.unwrap().data);
        publisher.close().unwrap();
    }
    assert_eq!(got, [1]);
    assert!(numbers.next().is_none());
}

#[test]
fn threads_that_share_a_subscription_get_each_event_once() {
    let scratch = Scratch::new();
    let publisher = publisher(&scratch.options().patience(Duration::from_secs(3600)));
    let options = scratch.options().overflow(Overflow::Block).reconnect(Duration::ZERO);
    let subscription = Subscription::subscribe(&channel(), &options).unwrap();
    let sum = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(event) = subscription.next(None).unwrap() {
                    sum.fetch_add(event.data.decode::<usize>().unwrap(), Ordering::Relaxed);
                }
            });
        }
        (1..=2000_usize).for_each(|n| assert_eq!(publisher.publish(n).unwrap(), 1));
        publisher.close().unwrap();
    });
    assert_eq!(sum.into_inner(), 2000 * 2001 / 2);
}

#[test]
fn a_subscription_may_move_between_threads_and_its_stream_stands_with_others() {
    fn assert_send<T: Send + 'static>(value: T) -> T {
        value
    }
    fn assert_sync<T: Send + Sync>() {}
    assert_sync::<Subscription>();
    assert_sync::<simple_ipc::Subscription<u64>>();
    assert_sync::<blocking::Subscription<u64>>();
    let scratch = Scratch::new();
    let publisher = Arc::new(publisher(&scratch.options()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = scratch.options();
    runtime.block_on(async {
        let mut subscription = simple_ipc::Subscription::<u64>::typed(&channel(), &options).await.unwrap();
        let publishing = {
            let publisher = Arc::clone(&publisher);
            std::thread::spawn(move || (0..500_u64).for_each(|n| assert_eq!(publisher.publish(n).unwrap(), 1)))
        };
        let reading = tokio::spawn(assert_send(async move {
            for expected in 0..500 {
                assert_eq!(subscription.next().await.unwrap().unwrap().data, expected);
            }
        }));
        reading.await.unwrap();
        publishing.join().unwrap();
    });
}
