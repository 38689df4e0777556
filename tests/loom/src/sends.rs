//! Threads that send on one outbox.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use crate::session::send_queue::{SendQueue, Sent};
use crate::stand_ins::Stream;

/// The frame of one thread: a head and a body that belong together.
fn frame(of: u8) -> ([u8; 2], [u8; 1]) {
    ([b'<', of], *b">")
}

/// The frames in what a socket has taken, in order of threads. Fails where any is not whole.
fn frames(taken: &[u8]) -> Vec<u8> {
    let mut all: Vec<u8> = taken
        .chunks(3)
        .map(|whole| match whole {
            [b'<', of, b'>'] => *of,
            other => panic!("{other:?} in {taken:?}"),
        })
        .collect();
    all.sort_unstable();
    all
}

fn send(outbox: &SendQueue, socket: &Stream, of: u8) -> std::io::Result<Sent> {
    let (head, body) = frame(of);
    outbox.send(socket, &head, &body, Duration::ZERO)
}

#[test]
fn what_three_threads_send_goes_whole_and_nothing_stays() {
    loom::model(|| {
        let shared = Arc::new((SendQueue::default(), Stream::new(usize::MAX, usize::MAX)));
        let others = [1, 2].map(|of| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || assert_eq!(send(&shared.0, &shared.1, of).unwrap(), Sent::Gone))
        });
        assert_eq!(send(&shared.0, &shared.1, 3).unwrap(), Sent::Gone);
        for other in others {
            other.join().unwrap();
        }
        assert!(shared.0.is_empty());
        assert_eq!(frames(&shared.1.taken()), [1, 2, 3]);
    });
}

#[test]
fn what_waits_is_somebodys_to_send() {
    // Room for none, for part of the first, for one, for one and a part.
    for room in [0, 1, 3, 4] {
        loom::model(move || {
            let shared = Arc::new((SendQueue::default(), Stream::new(room, usize::MAX)));
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || send(&shared.0, &shared.1, 1).unwrap())
            };
            let told = [send(&shared.0, &shared.1, 2).unwrap(), other.join().unwrap()];
            assert!(told.contains(&Sent::Waiting), "six bytes do not fit into {room}");
            shared.1.make_room();
            assert_eq!(shared.0.flush(&shared.1, Duration::ZERO).unwrap(), Sent::Gone);
            assert!(shared.0.is_empty());
            assert_eq!(frames(&shared.1.taken()), [1, 2]);
        });
    }
}

#[test]
fn the_driver_and_two_senders_lose_nothing() {
    loom::model(|| {
        let shared = Arc::new((SendQueue::default(), Stream::new(2, usize::MAX)));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || send(&shared.0, &shared.1, 1).unwrap() == Sent::Waiting)
        };
        let driver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.make_room();
                shared.0.flush(&shared.1, Duration::ZERO).unwrap() == Sent::Waiting
            })
        };
        let mine = send(&shared.0, &shared.1, 2).unwrap() == Sent::Waiting;
        // All must be asked.
        let told = [mine, other.join().unwrap(), driver.join().unwrap()];
        if told.contains(&true) {
            assert_eq!(shared.0.flush(&shared.1, Duration::ZERO).unwrap(), Sent::Gone);
        }
        assert!(shared.0.is_empty(), "{told:?}");
        assert_eq!(frames(&shared.1.taken()), [1, 2]);
    });
}

#[test]
fn after_a_send_that_fails_nothing_goes_and_the_end_is_said_once() {
    for breaks_at in [0, 3] {
        loom::model(move || {
            let shared = Arc::new((SendQueue::default(), Stream::new(usize::MAX, breaks_at)));
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || send(&shared.0, &shared.1, 1).is_err())
            };
            let mine = send(&shared.0, &shared.1, 2).is_err();
            let theirs = other.join().unwrap();
            assert!(mine || theirs);
            assert_eq!(shared.1.taken().len(), breaks_at);
            assert_eq!(shared.1.ends(), 1);
            assert!(shared.0.is_empty());
            assert!(send(&shared.0, &shared.1, 3).is_err());
        });
    }
}
