//! Two processes at one ring: no byte is lost, none waits for ever, and what was not taken is known.

use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::os::ring::{DOORBELL, Put, Receiver, Sender, Took, Words};

/// A ring of one or two bytes, and the socket beside it: bytes that ring, for either side.
struct Ring {
    words: Words,
    bytes: [AtomicU8; 2],
    sender: Sender,
    receiver: Receiver,
    bells: [Bell; 2],
}

#[derive(Default)]
struct Bell(Mutex<u32>, Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.0.lock().unwrap();
        while *rung == 0 {
            rung = self.1.wait(rung).unwrap();
        }
        *rung = 0;
    }
}

const TO_SENDER: usize = 0;
const TO_RECEIVER: usize = 1;

impl Ring {
    fn new(capacity: u64) -> Arc<Ring> {
        Arc::new(Ring {
            words: Words::new(),
            bytes: [AtomicU8::new(0), AtomicU8::new(0)],
            sender: Sender::new(capacity),
            receiver: Receiver::new(capacity),
            bells: [Bell::default(), Bell::default()],
        })
    }

    fn put(&self, data: &[u8]) -> Put {
        self.sender.put(&self.words, data.len(), |at, from, count| {
            for nth in 0..count {
                self.bytes[at + nth].store(data[from + nth], Ordering::Relaxed);
            }
        })
    }

    /// Sends all of it, and sleeps where there is no room.
    fn send(&self, mut data: &[u8]) {
        while !data.is_empty() {
            match self.put(data) {
                Put::Some { count, rings } => {
                    data = &data[count..];
                    if rings {
                        self.bells[TO_RECEIVER].ring();
                    }
                }
                Put::Full => {
                    if self.sender.want(&self.words, DOORBELL) {
                        self.bells[TO_SENDER].wait();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn take(&self, most: usize) -> (Took, Vec<u8>) {
        let mut data = vec![0; most];
        let took = self.receiver.take(&self.words, most, |at, to, count| {
            for nth in 0..count {
                data[to + nth] = self.bytes[at + nth].load(Ordering::Relaxed);
            }
        });
        data.truncate(if let Took::Some { count, .. } = took { count } else { 0 });
        (took, data)
    }

    /// Receives so many bytes, at most `most` at a time, and sleeps where there are none.
    fn receive(&self, len: usize, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            let (took, data) = self.take(most);
            all.extend(data);
            match took {
                Took::Some { wanted, .. } => {
                    if wanted & DOORBELL != 0 {
                        self.bells[TO_SENDER].ring();
                    }
                }
                Took::Empty => {
                    if self.receiver.sleep(&self.words) {
                        self.bells[TO_RECEIVER].wait();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        all
    }
}

/// Loom fails where both sleep.
#[test]
fn all_bytes_come_in_order_and_neither_side_sleeps_for_ever() {
    let mut model = loom::model::Builder::new();
    // All orders take minutes; more switches than this have found nothing else.
    model.preemption_bound = Some(3);
    model.check(|| {
        let ring = Ring::new(1);
        let sender = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.send(&[1, 2]))
        };
        assert_eq!(ring.receive(2, 1), [1, 2]);
        sender.join().unwrap();
    });
}

/// What the sender of one who closes takes for untaken was not taken, and the rest was.
#[test]
fn a_sender_knows_of_every_byte_whether_one_who_closes_has_taken_it() {
    loom::model(|| {
        let ring = Ring::new(2);
        let receiver = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                ring.receiver.close_when_empty(&ring.words);
                let mut taken = 0;
                while let (Took::Some { .. }, data) = ring.take(1) {
                    taken += data.len();
                }
                taken
            })
        };
        let put = ring.put(&[1, 2]);
        let taken = receiver.join().unwrap();
        match put {
            Put::Some { count, .. } => assert_eq!((count, taken), (2, 2)),
            Put::Closing { count } => assert_eq!(ring.sender.taken_of(&ring.words, count), Some(taken)),
            Put::Closed => assert_eq!(taken, 0),
            other => panic!("{other:?}"),
        }
    });
}

/// One thread ends the session while another one receives: a sender that sees the end knows what was not handled.
#[test]
fn what_counts_as_untaken_after_the_end_was_thrown_away() {
    loom::model(|| {
        let ring = Ring::new(2);
        let has_gone = Arc::new(AtomicU32::new(0));
        assert!(matches!(ring.put(&[1]), Put::Some { count: 1, .. }));
        let receiver = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || matches!(ring.take(1).0, Took::Some { .. }))
        };
        let ender = {
            let (ring, has_gone) = (Arc::clone(&ring), Arc::clone(&has_gone));
            thread::spawn(move || {
                ring.receiver.give_up();
                has_gone.store(1, Ordering::Release);
            })
        };
        let untaken = match has_gone.load(Ordering::Acquire) {
            1 => ring.sender.untaken(&ring.words, true),
            _ => 0,
        };
        ender.join().unwrap();
        let was_handled = receiver.join().unwrap();
        assert!(untaken == 0 || !was_handled);
    });
}
