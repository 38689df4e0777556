//! One ring in one thread: what goes in comes out, and nothing that the other side writes leads out of it.

use std::cell::RefCell;
use std::collections::VecDeque;

use proptest::prelude::*;

use super::ring::*;
use std::sync::atomic::Ordering;

const CAPACITY: usize = 64;

/// A ring in the memory of this process.
struct Ring {
    words: Words,
    bytes: RefCell<Vec<u8>>,
    sender: Sender,
    receiver: Receiver,
}

impl Ring {
    fn new() -> Ring {
        let capacity = CAPACITY as u64;
        let (sender, receiver) = (Sender::new(capacity), Receiver::new(capacity));
        Ring { words: Words::new(), bytes: RefCell::new(vec![0; CAPACITY]), sender, receiver }
    }

    fn put(&self, data: &[u8]) -> Put {
        self.sender.put(&self.words, data.len(), |at, from, count| {
            self.bytes.borrow_mut()[at..at + count].copy_from_slice(&data[from..from + count]);
        })
    }

    fn take(&self, most: usize) -> (Took, Vec<u8>) {
        let mut data = vec![0; most];
        let took = self.receiver.take(&self.words, most, |at, to, count| {
            data[to..to + count].copy_from_slice(&self.bytes.borrow()[at..at + count]);
        });
        if let Took::Some { count, .. } = took {
            data.truncate(count);
        }
        (took, data)
    }

    fn look(&self, most: usize) -> Option<usize> {
        self.receiver.look(&self.words, most, |_, _, _| {})
    }
}

proptest! {
    #[test]
    fn bytes_come_out_in_order_and_unchanged_whatever_goes_in_and_out_at_a_time(
        steps in prop::collection::vec((any::<bool>(), 0_usize..100), 1..200),
    ) {
        let ring = Ring::new();
        let mut model = VecDeque::new();
        let mut next = 0_u8;
        for (puts, len) in steps {
            if puts {
                let data: Vec<u8> = (0..len).map(|at| next.wrapping_add(at as u8)).collect();
                match ring.put(&data) {
                    Put::Some { count, .. } => {
                        prop_assert_eq!(count, len.min(CAPACITY - model.len()));
                        model.extend(&data[..count]);
                        next = next.wrapping_add(count as u8);
                    }
                    Put::Full => prop_assert!(len == 0 || model.len() == CAPACITY),
                    other => prop_assert!(false, "{:?}", other),
                }
            } else {
                prop_assert_eq!(ring.look(len), Some(len.min(model.len())));
                let (took, data) = ring.take(len);
                match took {
                    Took::Some { count, .. } => {
                        prop_assert_eq!(count, len.min(model.len()));
                        prop_assert_eq!(data, model.drain(..count).collect::<Vec<u8>>());
                    }
                    Took::Empty => prop_assert!(model.is_empty()),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }

    /// The other process may write anything: no place outside of the ring is touched, and nobody goes on for ever.
    #[test]
    fn whatever_the_other_process_writes_no_place_outside_is_touched(
        writes in prop::collection::vec((0_usize..5, any::<u64>(), 0_u64..200, any::<bool>(), 0_usize..200), 1..100),
    ) {
        let ring = Ring::new();
        for (word, wild, near, is_near, len) in writes {
            let value = if is_near { near } else { wild };
            match word {
                0 => ring.words.tail.0.store(value, Ordering::Relaxed),
                1 => ring.words.head.0.store(value, Ordering::Relaxed),
                2 => ring.words.receiver.0.store(value as u32, Ordering::Relaxed),
                3 => ring.words.last.0.store(value, Ordering::Relaxed),
                _ => ring.words.wanted.0.store(value as u32, Ordering::Relaxed),
            }
            // A place out of range panics in the functions that copy.
            if let Put::Closing { count } = ring.put(&vec![7; len]) {
                prop_assert!(ring.sender.taken_of(&ring.words, count).is_none_or(|taken| taken <= count));
            }
            let (took, _) = ring.take(len);
            let is_too_much = matches!(took, Took::Some { count, .. } if count > len);
            prop_assert!(!is_too_much);
            ring.look(len);
            ring.receiver.sleep(&ring.words);
            ring.sender.want(&ring.words, DOORBELL);
            prop_assert!(ring.sender.untaken(&ring.words, true) <= CAPACITY as u64);
        }
    }
}

#[test]
fn only_a_receiver_that_sleeps_is_rung_for_and_only_once() {
    let ring = Ring::new();
    assert_eq!(ring.put(b"a"), Put::Some { count: 1, rings: true }, "it has never looked");
    assert_eq!(ring.put(b"b"), Put::Some { count: 1, rings: false });
    assert!(!ring.receiver.sleep(&ring.words), "something is there");
    assert!(ring.receiver.is_awake());
    assert_eq!(ring.take(9).0, Took::Some { count: 2, wanted: 0 });
    assert!(ring.receiver.sleep(&ring.words));
    assert!(!ring.receiver.is_awake());
    assert_eq!(ring.put(b"c"), Put::Some { count: 1, rings: true });
    assert_eq!(ring.take(9).0, Took::Some { count: 1, wanted: 0 });
    assert!(ring.receiver.is_awake());
}

#[test]
fn a_sender_without_room_is_woken_by_the_next_byte_that_leaves() {
    let ring = Ring::new();
    ring.put(&[0; CAPACITY]);
    assert_eq!(ring.put(b"a"), Put::Full);
    assert!(ring.sender.want(&ring.words, DOORBELL));
    assert!(ring.sender.want(&ring.words, FUTEX));
    assert_eq!(ring.take(1).0, Took::Some { count: 1, wanted: DOORBELL | FUTEX });
    assert_eq!(ring.take(1).0, Took::Some { count: 1, wanted: 0 });
    assert!(!ring.sender.want(&ring.words, DOORBELL), "there is room");
}

#[test]
fn a_receiver_that_closes_says_how_much_it_has_taken() {
    let ring = Ring::new();
    ring.put(b"abc");
    ring.receiver.close_when_empty(&ring.words);
    assert_eq!(ring.put(b"de"), Put::Some { count: 2, rings: false }, "it is still taken");
    assert_eq!(ring.sender.untaken(&ring.words, true), 0, "nobody knows yet");
    assert_eq!(ring.take(9).1, b"abcde");
    assert_eq!(ring.take(9).0, Took::Ended);
    assert_eq!(ring.put(b"f"), Put::Closed);
    assert_eq!(ring.sender.untaken(&ring.words, false), 0);
}

#[test]
fn what_was_sent_to_one_who_closes_at_that_moment_is_counted_out() {
    let ring = Ring::new();
    ring.put(b"abc");
    // As if the receiver had closed when it had taken one byte, between the sender's look and its position.
    assert_eq!(ring.take(1).1, b"a");
    ring.receiver.abandon(&ring.words);
    assert_eq!(ring.sender.taken_of(&ring.words, 3), Some(1));
    assert_eq!(ring.sender.untaken(&ring.words, false), 2);
    assert_eq!(ring.take(9).0, Took::Ended);
}

#[test]
fn one_that_was_given_up_takes_nothing_and_the_sender_can_tell() {
    let ring = Ring::new();
    ring.put(b"abc");
    assert_eq!(ring.take(1).1, b"a");
    assert_eq!(ring.sender.untaken(&ring.words, true), 2);
    assert_eq!(ring.sender.untaken(&ring.words, false), 0, "it may still take them");
    ring.receiver.give_up();
    assert_eq!(ring.take(9).0, Took::Ended);
}
