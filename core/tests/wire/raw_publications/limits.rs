//! Subscribers that are slow, or take less than is published.

use std::sync::Arc;

use super::*;

/// Events with a number as their body, in this many bytes each, header included.
fn flood(listener: &Listener, count: usize, size: usize) {
    for nth in 0..count {
        let mut body = vec![b'x'; size - 16];
        body[..8].copy_from_slice(&(nth as u64).to_le_bytes());
        listener.publish_message("", &Message::bytes(body)).unwrap();
    }
}

#[test]
fn nothing_is_begun_without_credit_and_what_has_begun_leaves_whole() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    let (mut raw, _) = subscribe(&listener, &json!({}));
    // The window is 262,144 bytes: the third begins with 62,144 of them left.
    flood(&listener, 5, 100_000);
    let mut numbers = vec![raw.frame().id, raw.frame().id, raw.frame().id];
    // An answer to a ping shows that nothing else came.
    raw.send(&bare(PING, 1));
    assert!(raw.frame().is(PONG, 1));
    // 37,856 more than the window have been sent: that much makes it 0, which is not enough.
    raw.send(&[grant(37_856), bare(PING, 2)].concat());
    assert!(raw.frame().is(PONG, 2));
    raw.send(&grant(1));
    numbers.push(raw.frame().id);
    raw.send(&[grant(99_999), bare(PING, 3)].concat());
    assert!(raw.frame().is(PONG, 3));
    raw.send(&grant(1));
    numbers.push(raw.frame().id);
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn who_does_not_keep_up_is_cut_off_after_what_was_sent_and_told_so() {
    for tcp in [false, true] {
        let scratch = Scratch::new();
        let channel = if tcp { simple_ipc::Channel::ip(0).unwrap() } else { place() };
        let listener = Listener::serve_publish(&channel, &scratch.options()).unwrap();
        let (mut raw, answer) = subscribe(&listener, &json!({ "queue": 500_000 }));
        assert_eq!(answer["queue"], 500_000);
        let (mut other, _) = subscribe(&listener, &json!({ "topics": ["other"] }));
        flood(&listener, 9, 100_000);
        eventually("it was cut off", || listener.counters().too_slow == 1);
        assert_eq!(listener.publish(1).unwrap(), 0);
        let mut next = 1;
        let last = loop {
            let frame = raw.frame();
            if frame.kind == ERROR {
                break frame;
            }
            assert_eq!(event(&frame).0, next);
            next += 1;
        };
        assert!((2..=4).contains(&next), "{next}");
        assert_eq!((last.id, last.code().as_str()), (ID, "too_slow"));
        assert_eq!(raw.receive_to_end(), b"");
        eventually("it has left", || listener.counters().subscribers == 1);
        listener.publish_to("other", 1).unwrap();
        assert_eq!(event(&other.frame()).0, 11);
        assert_eq!(listener.counters().dropped, 0);
    }
}

#[test]
fn who_drops_the_oldest_is_told_how_many_right_before_the_next_event() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    let (mut raw, _) = subscribe(&listener, &json!({ "overflow": "drop_oldest", "queue": 250_000 }));
    let (mut some, _) =
        subscribe(&listener, &json!({ "overflow": "drop_oldest", "queue": 250_000, "topics": ["odd"] }));
    let count = 41_u32;
    for number in 1..=count {
        let topic = if number % 2 == 1 { "odd" } else { "" };
        listener.publish_message(topic, &Message::bytes(vec![0; 100_000 - 16])).unwrap();
    }
    let mut told = 0;
    for (raw, step) in [(&mut raw, 1), (&mut some, 2)] {
        let (mut due, mut missed) = (1, 0);
        loop {
            let frame = raw.frame();
            raw.send(&grant(100_020));
            if frame.kind == GAP {
                missed += frame.argument;
                due += frame.argument * step;
                // The gap names the event that follows.
                assert_eq!(frame.id, due);
                continue;
            }
            assert_eq!(event(&frame).0, due);
            due += step;
            if frame.id == count {
                break;
            }
        }
        assert!(missed > 0);
        told += u64::from(missed);
    }
    assert_eq!((listener.counters().dropped, listener.counters().too_slow), (told, 0));
}

#[test]
fn a_single_event_larger_than_the_queue_still_passes() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().patience(Duration::from_secs(3600)));
    for overflow in ["fail", "drop_oldest", "block"] {
        let (mut raw, _) = subscribe(&listener, &json!({ "overflow": overflow, "queue": 1 }));
        for _ in 0..3 {
            listener.publish_message("", &Message::bytes(vec![1; 600_000])).unwrap();
            let frame = raw.frame();
            assert_eq!((frame.kind, frame.body.len()), (EVENT, 600_000), "{overflow}");
            raw.send(&grant(600_016));
            // An answer to a ping shows that the credit has come.
            raw.send(&bare(PING, 1));
            assert!(raw.frame().is(PONG, 1));
        }
    }
}

#[test]
fn a_publish_waits_for_who_blocks_and_loses_nothing() {
    let scratch = Scratch::new();
    let listener = Arc::new(publisher(&scratch.options().patience(Duration::from_secs(3600))));
    let (mut raw, _) = subscribe(&listener, &json!({ "overflow": "block", "queue": 250_000 }));
    // Two in the window and a third begun, two in the queue.
    flood(&listener, 5, 100_000);
    let body = Message::bytes(vec![b'x'; 100_000]);
    assert_eq!(listener.try_publish_message("", &body).unwrap(), None);
    assert_eq!(listener.try_publish_message("", &body).unwrap(), None);
    assert_eq!(listener.counters().published, 5);
    let publishing = {
        let listener = Arc::clone(&listener);
        std::thread::spawn(move || flood(&listener, 20, 100_000))
    };
    for number in 1..=25 {
        assert_eq!(event(&raw.frame()).0, number);
        raw.send(&grant(100_000));
    }
    publishing.join().unwrap();
    let counters = listener.counters();
    assert_eq!((counters.published, counters.dropped, counters.too_slow), (25, 0, 0));
}

#[test]
fn who_blocks_past_the_publishers_patience_is_cut_off_and_others_go_on() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().patience(Duration::from_millis(20)));
    let (mut raw, _) = subscribe(&listener, &json!({ "overflow": "block", "queue": 250_000 }));
    let (mut other, _) = subscribe(&listener, &json!({ "overflow": "block" }));
    flood(&listener, 5, 100_000);
    let began = std::time::Instant::now();
    assert_eq!(listener.publish(1).unwrap(), 2);
    assert_eq!(listener.publish_message("", &Message::bytes(vec![0; 100_000])).unwrap(), 1);
    assert!(began.elapsed() >= Duration::from_millis(20));
    assert_eq!(listener.counters().too_slow, 1);
    let last = (1..=4).map(|_| raw.frame()).find(|frame| frame.kind == ERROR).unwrap();
    assert_eq!((last.id, last.code().as_str()), (ID, "too_slow"));
    for number in 1..=7 {
        assert_eq!(event(&other.frame()).0, number);
        other.send(&grant(100_016));
    }
}

#[test]
fn a_publish_that_waits_ends_with_its_listener_and_with_the_subscriber_it_waits_for() {
    let scratch = Scratch::new();
    let options = scratch.options().patience(Duration::from_secs(3600)).grace(Duration::from_millis(1));
    let listener = Arc::new(publisher(&options));
    let wait = || {
        let listener = Arc::clone(&listener);
        let body = Message::bytes(vec![0; 600_000]);
        std::thread::spawn(move || listener.publish_message("", &body))
    };
    let (raw, _) = subscribe(&listener, &json!({ "overflow": "block", "queue": 1 }));
    flood(&listener, 2, 300_000);
    let waits = wait();
    drop(raw);
    assert_eq!(waits.join().unwrap().unwrap(), 0);
    let (_raw, _) = subscribe(&listener, &json!({ "overflow": "block", "queue": 1 }));
    flood(&listener, 2, 300_000);
    let waits = wait();
    listener.close().unwrap();
    assert_eq!(waits.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_publish_waits_for_those_alone_who_get_its_topic() {
    let scratch = Scratch::new();
    let listener = Arc::new(publisher(&scratch.options().patience(Duration::from_secs(3600))));
    let asks = |topic: &str| json!({ "overflow": "block", "queue": 1, "topics": [topic] });
    let (_never_reads, _) = subscribe(&listener, &asks("a"));
    let (mut reads, _) = subscribe(&listener, &asks("b"));
    let body = Message::bytes(vec![0; 300_000]);
    for topic in ["a", "a", "b", "b"] {
        listener.publish_message(topic, &body).unwrap();
    }
    assert_eq!(listener.try_publish_message("a", &body).unwrap(), None);
    let waits = {
        let (listener, body) = (Arc::clone(&listener), body.clone());
        std::thread::spawn(move || listener.publish_message("b", &body))
    };
    for number in [3, 4, 5] {
        assert_eq!(event(&reads.frame()).0, number);
        reads.send(&grant(300_018));
    }
    assert_eq!(waits.join().unwrap().unwrap(), 1);
}

#[test]
fn thousands_of_retained_topics_come_to_who_subscribes() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().retain(true));
    for number in 1..=5000 {
        listener.publish_to(&number.to_string(), number).unwrap();
    }
    let (mut raw, _) = subscribe(&listener, &json!({}));
    for number in 1..=5000 {
        assert_eq!(event(&raw.frame()).0, number);
    }
}

#[cfg(unix)]
#[test]
fn who_sends_pings_and_reads_no_answers_is_not_read_any_more() {
    use std::io::{Read, Write};

    let scratch = Scratch::new();
    let listener = publisher(&scratch.options());
    let mut stream = std::os::unix::net::UnixStream::connect(listener.path().unwrap()).unwrap();
    stream.write_all(&[subscribers_hello(MULTIPLEXED), frame(SUBSCRIBE, 0, ID, 0, b"{}")].concat()).unwrap();
    let mut answer = [0; 32];
    stream.read_exact(&mut answer).unwrap();
    let mut rest = vec![0; answer[16].into()];
    stream.read_exact(&mut rest).unwrap();
    // Far more than the system holds in both directions.
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let pings = bare(PING, 9).repeat(4096);
    let sent = (0..1000).take_while(|_| stream.write_all(&pings).is_ok()).count();
    assert!(sent < 1000, "64 MiB of pings were taken");
    // Once it reads, it goes on.
    listener.publish(1).unwrap();
    let mut frame = [0; 16];
    while frame[4] != EVENT {
        stream.read_exact(&mut frame).unwrap();
        assert!([PONG, EVENT].contains(&frame[4]));
    }
}

#[test]
fn a_message_over_a_subscribers_limit_ends_that_subscription_and_over_the_publishers_nothing_is_published() {
    let scratch = Scratch::new();
    let listener = publisher(&scratch.options().max_message(2000));
    let mut small = Raw::to(&listener);
    let mut greeting = subscribers_hello(MULTIPLEXED);
    greeting[12..].copy_from_slice(&1000_u32.to_le_bytes());
    small.send(&[greeting, frame(SUBSCRIBE, 0, ID, 0, b"{}")].concat());
    small.receive(16);
    assert!(small.frame().is(RESPONSE, ID));
    let (mut large, _) = subscribe(&listener, &json!({}));
    // The topic does not count.
    let topic = "t".repeat(255);
    assert_eq!(listener.publish_message(&topic, &Message::bytes([0; 1000])).unwrap(), 2);
    assert_eq!(event(&small.frame()).2.len(), 1000);
    assert_eq!(listener.publish_message("", &Message::bytes([0; 1001])).unwrap(), 1);
    let last = small.frame();
    assert_eq!((last.id, last.code().as_str()), (ID, "too_large"));
    assert_eq!(small.receive_to_end(), b"");
    for _ in 0..2 {
        large.frame();
    }
    let error = listener.publish_message("", &Message::bytes([0; 2001])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = listener.publish_to(&"t".repeat(256), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!((listener.counters().published, listener.counters().too_slow), (2, 0));
}
