//! A thread at a batch, a handler's answer that comes from elsewhere, and the runtime that takes over.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::server::driver::handover::Turn;
use crate::session::send_queue::SendQueue;
use crate::stand_ins::Stream;

/// The part of a session that this is about. Its reader is a list of messages, the last one first.
struct Session {
    turn: Turn<Vec<u8>>,
    batching: AtomicBool,
    outbox: SendQueue,
    socket: Stream,
}

impl Session {
    fn new() -> Arc<Session> {
        Arc::new(Session {
            turn: Turn::new(),
            batching: AtomicBool::new(false),
            outbox: SendQueue::default(),
            socket: Stream::new(usize::MAX, usize::MAX),
        })
    }

    fn flush(&self) {
        let _gone = self.outbox.flush(&self.socket, Duration::ZERO).unwrap();
    }

    /// As `Session::respond` and `Session::gather` in core/src/server/session/send.rs.
    fn answer(&self, with: u8) {
        if self.batching.load(Ordering::SeqCst) {
            self.outbox.append(&[with], &[]).unwrap();
            if !self.batching.load(Ordering::SeqCst) {
                self.flush();
            }
        } else {
            let _gone = self.outbox.send(&self.socket, &[with], &[], Duration::ZERO).unwrap();
        }
    }

    /// As `serve_batch` in core/src/server/driver/batch.rs.
    fn serve_batch(&self) {
        loop {
            let message = {
                let mut parked = self.turn.reader();
                let Some(message) = parked.as_mut().and_then(Vec::pop) else { break };
                self.turn.step();
                message
            };
            self.answer(message);
            self.turn.step();
        }
        self.turn.end_batch(&self.batching);
        if self.outbox.waiting() > 0 {
            self.flush();
        }
    }

    /// As `serve`: two batches. Whether the thread still had the session after them.
    fn serve(&self, batches: [Vec<u8>; 2]) -> bool {
        let [first, second] = batches;
        self.turn.begin_batch(first, &self.batching);
        self.serve_batch();
        let Some(mut reader) = self.turn.take_back() else { return false };
        reader.extend(second);
        self.turn.begin_batch(reader, &self.batching);
        self.serve_batch();
        self.turn.take_back().is_some()
    }

    /// As `watch`. True if it took over.
    fn look(&self) -> bool {
        self.turn.is_at_work() && self.take_over()
    }

    /// As `take_over`, at whatever moment: what `watch` has seen may be over by then.
    fn take_over(&self) -> bool {
        let Some(rest) = self.turn.take_over(&self.batching) else { return false };
        self.flush();
        for message in rest.into_iter().rev() {
            self.answer(message);
        }
        true
    }

    fn assert_all_sent(&self, expected: &[u8]) {
        assert!(!self.batching.load(Ordering::SeqCst), "the next answers would wait for a batch that is over");
        assert!(self.outbox.is_empty(), "answers that nobody sends");
        let mut sent = self.socket.taken();
        sent.sort_unstable();
        assert_eq!(sent, expected);
    }
}

#[test]
fn an_answer_from_elsewhere_is_sent_whenever_the_batch_ends() {
    loom::model(|| {
        let session = Session::new();
        let other = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.answer(9))
        };
        assert!(session.serve([vec![1], vec![2]]));
        other.join().unwrap();
        session.assert_all_sent(&[1, 2, 9]);
    });
}

#[test]
fn a_session_that_is_taken_over_at_any_moment_has_one_driver_and_sends_everything() {
    loom::model(|| {
        let session = Session::new();
        let runtime = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.look())
        };
        let kept = session.serve([vec![2, 1], vec![]]);
        assert_ne!(kept, runtime.join().unwrap(), "as many drivers as one");
        session.assert_all_sent(&[1, 2]);
    });
}

#[test]
fn a_look_that_is_late_does_not_leave_answers_to_a_batch_that_nobody_ends() {
    loom::model(|| {
        let session = Session::new();
        let runtime = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.take_over())
        };
        let kept = session.serve([vec![1], vec![]]);
        let taken = runtime.join().unwrap();
        assert_ne!(kept, taken);
        session.answer(9);
        session.assert_all_sent(&[1, 9]);
    });
}
