//! Listeners that stand between a caller and a listener elsewhere: what they say of themselves, and errors passed on.

use std::time::Duration;

use simple_ipc::{
    Channel, Error, ErrorKind, Listener, Message, Mode, Options, Responder, blocking, channel_info, channels,
};
use tokio::sync::Semaphore;

use crate::support::Scratch;

/// What the listener elsewhere has answered: a kind, and whether the message may have been handled.
const ANSWERED: [(ErrorKind, bool); 6] = [
    (ErrorKind::NotListening, false),
    (ErrorKind::TimedOut, true),
    (ErrorKind::TimedOut, false),
    (ErrorKind::ConnectionLost, true),
    (ErrorKind::TooLarge, false),
    (ErrorKind::InvalidBody, false),
];

fn error(index: usize) -> Error {
    let (kind, handled) = ANSWERED[index];
    let error = Error::new(kind, format!("answer {index}"));
    if handled { error.after_sending() } else { error }
}

async fn refuse(message: Message, responder: Responder) {
    let _nobody_waits = responder.refuse(&error(message.decode().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_is_passed_on_reaches_every_kind_of_caller_with_its_kind_and_whether_it_was_handled() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("passing").unwrap();
    let blocking_channel = Channel::uds("blocking").unwrap();
    let _listener = Listener::serve(&channel, Mode::Request, &options, refuse).await.unwrap();
    let _blocking = blocking::Listener::serve(&blocking_channel, Mode::Request, &options, |message, responder| {
        let _nobody_waits = responder.refuse(&error(message.decode().unwrap()));
    })
    .unwrap();
    for channel in [&channel, &blocking_channel] {
        for (index, (kind, handled)) in ANSWERED.into_iter().enumerate() {
            let message = Message::json(&index).unwrap();
            let awaited = simple_ipc::post_request(channel, &message, &options).await.unwrap_err();
            let (channel, options) = (channel.clone(), options.clone());
            let posted = tokio::task::spawn_blocking(move || blocking::post_request(&channel, &message, &options));
            for error in [awaited, posted.await.unwrap().unwrap_err()] {
                assert_eq!((error.kind(), error.may_have_been_handled()), (kind, handled), "{error}");
                assert!(error.message().ends_with(&format!("answer {index}")), "{error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_that_a_bridge_refuses_fails_and_its_session_goes_on() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("casts").unwrap();
    let _listener = Listener::serve(&channel, Mode::Broadcast, &options.clone().bridge(true), refuse).await.unwrap();
    let client = simple_ipc::Client::connect(&channel, &options).await.unwrap();
    for (index, (kind, handled)) in ANSWERED.into_iter().enumerate() {
        let message = Message::json(&index).unwrap();
        let error = simple_ipc::post_broadcast(&channel, &message, &options).await.unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (kind, handled), "{error}");
        // Without an acknowledgement nobody is told, or the next flush.
        client.broadcast_message(&message).await.unwrap();
    }
    assert_eq!(client.flush().await.unwrap_err().kind(), ErrorKind::InvalidBody);
    client.ping().await.unwrap();
}

/// A handler that takes longer than the 50 ms after which others are acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_to_a_bridge_is_acknowledged_when_its_handler_is_done_and_not_before() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("slow").unwrap();
    static GO: Semaphore = Semaphore::const_new(0);
    let handler = async |_: Message, responder: Responder| {
        GO.acquire().await.unwrap().forget();
        let _nobody_waits = responder.refuse(&Error::new(ErrorKind::NotListening, "nobody there"));
    };
    let _listener = Listener::serve(&channel, Mode::Broadcast, &options.clone().bridge(true), handler).await.unwrap();
    let message = Message::null();
    let short = options.clone().timeout(Duration::from_millis(300));
    let error = simple_ipc::post_broadcast(&channel, &message, &short).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    GO.add_permits(2);
    let error = simple_ipc::post_broadcast(&channel, &message, &options).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{error}");
}

#[test]
fn a_bridge_is_known_by_its_lock_file_and_other_listeners_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().directory(directory.path());
    let handler = |_: &Message, responder: Responder| drop(responder);
    let serve = |name: &str, options: &Options| {
        blocking::Listener::serve(&Channel::uds(name).unwrap(), Mode::Request, options, handler).unwrap()
    };
    let bridge = serve("far", &options.clone().bridge(true));
    let _plain = serve("near", &options);
    let listed = channels(Some(directory.path())).unwrap();
    let found: Vec<_> = listed.iter().map(|info| (info.channel.as_str(), info.bridge)).collect();
    assert_eq!(found, [("far", true), ("near", false)]);
    for info in listed {
        let channel = Channel::uds(&info.channel).unwrap();
        assert_eq!(channel_info(&channel, &options).unwrap(), Some(info));
    }
    bridge.close().unwrap();
    assert_eq!(channel_info(&Channel::uds("far").unwrap(), &options).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_publisher_has_missed_itself_is_told_to_each_subscriber_before_the_next_event() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = simple_ipc::listen_uds_publish_with("relay", &options).await.unwrap();
    let mut all = simple_ipc::subscribe_uds_with::<u32>("relay", &options).await.unwrap();
    let mut some = simple_ipc::subscribe_uds_with::<u32>("relay", &options.clone().topics(["a"])).await.unwrap();
    listener.publish_to("a", 1).await.unwrap();
    for events in [&mut all, &mut some] {
        assert_eq!(events.next().await.unwrap().unwrap().missed, 0);
    }
    listener.publish_missed(5).unwrap();
    listener.publish_missed(2).unwrap();
    // The one of all topics stays, the other comes back.
    let mut published = 1;
    let first_of_some = loop {
        published += 1;
        listener.publish_to("a", published).await.unwrap();
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(100), some.next()).await {
            break event.unwrap().unwrap();
        }
    };
    assert_eq!(first_of_some.missed, -1);
    for number in 2..=published {
        let event = all.next().await.unwrap().unwrap();
        assert_eq!((event.data, event.missed), (number, if number == 2 { 7 } else { 0 }));
    }
}

/// More waits for the subscriber than it takes at once, so that it cannot be told where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_what_was_missed_when_it_has_what_waited() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = simple_ipc::listen_uds_publish_with("slow_relay", &options).await.unwrap();
    let mut events = simple_ipc::subscribe_uds_with::<Message>("slow_relay", &options).await.unwrap();
    let large = Message::bytes(vec![1; 200 << 10]);
    for _ in 0..5 {
        listener.publish_message("", &large).await.unwrap();
    }
    listener.publish_missed(7).unwrap();
    let (mut due, mut delivered, mut missed) = (5 + 7, 0, 0);
    loop {
        match tokio::time::timeout(Duration::from_millis(100), events.next()).await {
            Ok(event) => {
                let event = event.unwrap().unwrap();
                delivered += 1;
                missed += event.missed;
                if event.data != large {
                    break;
                }
            }
            Err(_quiet) => {
                listener.publish("end").await.unwrap();
                due += 1;
            }
        }
    }
    // Further ends that have been published are on their way.
    while delivered + missed < due {
        let event = events.next().await.unwrap().unwrap();
        delivered += 1;
        missed += event.missed;
    }
    assert_eq!(delivered + missed, due);
    assert!(missed >= 7, "{missed}");
}

/// The handler that counts is on another machine: until it has begun, the stream can fail as one that was never opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_at_a_bridge_is_accepted_when_its_handler_uses_it_and_fails_with_the_error_of_somebody_else() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("far_streams").unwrap();
    static GO: Semaphore = Semaphore::const_new(0);
    let handler = async |message: Message, responder: Responder| {
        let index: usize = message.decode().unwrap();
        if index.is_multiple_of(2) {
            return drop(responder.refuse(&error(index)));
        }
        GO.acquire().await.unwrap().forget();
        let reply = responder.stream().unwrap();
        // The caller that gave up has left.
        if reply.send_async(&Message::null()).await.is_ok() {
            let _nobody_waits = reply.refuse(&error(index));
        }
    };
    let _listener = Listener::serve(&channel, Mode::Request, &options.clone().bridge(true), handler).await.unwrap();
    for (index, (kind, handled)) in ANSWERED.into_iter().enumerate() {
        let opening = Message::json(&index).unwrap();
        let refused = if index.is_multiple_of(2) {
            simple_ipc::post_stream(&channel, &opening, &options).await.unwrap_err()
        } else {
            let short = options.clone().idle_timeout(Duration::from_millis(50));
            let error = simple_ipc::post_stream(&channel, &opening, &short).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            // One is for the handler of the stream that was given up, where that is still to begin to wait.
            GO.add_permits(2);
            let mut items = simple_ipc::post_stream(&channel, &opening, &options).await.unwrap();
            assert_eq!(items.next().await.unwrap().unwrap(), Message::null());
            items.next().await.unwrap().unwrap_err()
        };
        assert_eq!((refused.kind(), refused.may_have_been_handled()), (kind, handled), "{refused}");
        assert!(refused.message().ends_with(&format!("answer {index}")), "{refused}");
    }
}
