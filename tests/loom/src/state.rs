//! The state of a session: a thread at a batch, a handler's answer that comes from elsewhere, the runtime that takes over,
//! a driver that has stalled, and the end.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use crate::server::driver::handover::Handover;
use crate::server::session::state::{Driver, Ending, State};
use crate::session::send_queue::SendQueue;
use crate::stand_ins::Stream;

/// The part of a session that this is about. What drives it is a list of messages, the last one first.
struct Session {
    handover: Handover<Vec<u8>>,
    state: State,
    send_queue: SendQueue,
    socket: Stream,
}

impl Session {
    fn new() -> Arc<Session> {
        Arc::new(Session {
            handover: Handover::new(),
            state: State::default(),
            send_queue: SendQueue::default(),
            socket: Stream::new(usize::MAX, usize::MAX),
        })
    }

    fn flush(&self) {
        let _gone = self.send_queue.flush(&self.socket, Duration::ZERO).unwrap();
    }

    /// As `Session::respond` and `Session::gather` in core/src/server/session/send.rs.
    fn answer(&self, with: u8) {
        if self.state.see().is_at_a_batch() {
            let _waiting = self.send_queue.append(&[with], &[]).unwrap();
            if !self.state.see().is_at_a_batch() {
                self.flush();
            }
        } else {
            let _gone = self.send_queue.send(&self.socket, &[with], &[], Duration::ZERO).unwrap();
        }
    }

    /// As `serve_batch` in core/src/server/driver/batch.rs.
    fn serve_batch(&self) {
        loop {
            let message = {
                let mut parked = self.handover.parked();
                let Some(message) = parked.as_mut().and_then(Vec::pop) else { break };
                self.handover.step();
                message
            };
            self.answer(message);
            self.handover.step();
        }
        self.handover.end_batch(&self.state);
        if self.send_queue.waiting() > 0 {
            self.flush();
        }
    }

    /// As `serve`: two batches. Whether the thread still had the session after them.
    fn serve(&self, batches: [Vec<u8>; 2]) -> bool {
        let [first, second] = batches;
        self.state.to_thread();
        self.handover.begin_batch(first, &self.state);
        self.serve_batch();
        let Some(mut reader) = self.handover.take_back() else { return false };
        reader.extend(second);
        self.handover.begin_batch(reader, &self.state);
        self.serve_batch();
        self.handover.take_back().is_some()
    }

    /// As `check` in core/src/server/driver/stuck.rs. True if it took over.
    fn look(&self) -> bool {
        self.handover.is_with_the_handler() && self.take_over()
    }

    /// As `take_over`, at whatever moment: what `check` has seen may be over by then.
    fn take_over(&self) -> bool {
        let Some(rest) = self.handover.take_over(|_| self.state.to_runtime()) else { return false };
        self.flush();
        for message in rest.into_iter().rev() {
            self.answer(message);
        }
        true
    }

    fn assert_all_sent(&self, expected: &[u8]) {
        assert!(!self.state.see().is_at_a_batch(), "the next answers would wait for a batch that is over");
        assert!(self.send_queue.is_empty(), "answers that nobody sends");
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

#[test]
fn a_batch_that_is_overfull_is_so_for_its_thread_alone_and_ends_with_it() {
    loom::model(|| {
        let session = Session::new();
        session.state.to_thread();
        let other = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.state.overfill())
        };
        session.handover.begin_batch(vec![], &session.state);
        if session.state.see().driver() == Driver::Overfull {
            session.state.relieve();
            assert_eq!(session.state.see().driver(), Driver::Batch);
        }
        session.handover.end_batch(&session.state);
        other.join().unwrap();
        assert_eq!(session.state.see().driver(), Driver::Thread);
        session.state.to_runtime();
        session.state.overfill();
        assert_eq!(session.state.see().driver(), Driver::Runtime, "no batch is there that could be overfull");
    });
}

#[test]
fn a_driver_that_stalls_sees_the_room_that_is_made_or_is_woken_by_exactly_one() {
    loom::model(|| {
        let shared = Arc::new((State::default(), loom::sync::Mutex::new(0)));
        let others = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                *shared.1.lock().unwrap() += 1;
                shared.0.unstall()
            })
        });
        // As `Session::has_room_of_its_own` in core/src/server/session/in_flight.rs.
        shared.0.stall();
        let has_room = *shared.1.lock().unwrap() == 2;
        let woken = others.map(|other| other.join().unwrap()).into_iter().filter(|&wakes| wakes).count();
        assert!(woken <= 1, "two say that they have woken it");
        assert!(has_room || woken == 1, "it sleeps, and there is room");
    });
}

#[test]
fn an_end_that_comes_while_the_driver_changes_is_kept_and_the_later_one_stands() {
    loom::model(|| {
        let session = Session::new();
        let listener = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.state.end(Ending::Retiring))
        };
        let client = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.state.end(Ending::Lost))
        };
        session.state.to_thread();
        session.state.note_partial_frame(true);
        listener.join().unwrap();
        client.join().unwrap();
        let seen = session.state.see();
        assert_eq!((seen.driver(), seen.ending()), (Driver::Thread, Ending::Lost));
        assert!(seen.has_partial_frame() && seen.is_lost() && !seen.is_to_end());
    });
}

#[test]
fn a_session_that_is_to_end_wakes_its_driver_with_the_last_answer() {
    loom::model(|| {
        let shared = Arc::new((State::default(), loom::sync::Mutex::new(1)));
        let answers = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                *shared.1.lock().unwrap() -= 1;
                shared.0.unstall()
            })
        };
        shared.0.end(Ending::Retiring);
        // As the runtime's driver: it has been woken by the end, and looks whether anything is in flight.
        let is_quiet = *shared.1.lock().unwrap() == 0;
        assert!(answers.join().unwrap() || is_quiet, "it waits for an answer that has been sent");
    });
}

#[test]
fn a_thread_whose_session_was_taken_over_does_not_end_the_batch_of_the_next() {
    loom::model(|| {
        let session = Session::new();
        session.state.to_thread();
        session.handover.begin_batch(vec![], &session.state);
        let stuck = {
            let session = Arc::clone(&session);
            thread::spawn(move || {
                session.handover.end_batch(&session.state);
                session.handover.take_back().is_some()
            })
        };
        let next = Handover::new();
        let taken = session.handover.take_over(|_| session.state.to_runtime());
        let is_taken = taken.is_some();
        if let Some(rest) = taken {
            session.state.to_thread();
            next.begin_batch(rest, &session.state);
        }
        assert_ne!(stuck.join().unwrap(), is_taken);
        assert_eq!(session.state.see().driver(), if is_taken { Driver::Batch } else { Driver::Thread });
    });
}

/// As `Session::retire` in core/src/server/session/mod.rs, and `drive` in core/src/server/driver/stream.rs: the first closes the
/// receiving side of a session that is to end, but leaves it to the second while a stream still needs its caller's frames.
#[test]
fn the_receiving_side_of_a_session_that_is_to_end_is_closed_by_exactly_one_and_not_while_a_stream_runs() {
    loom::model(|| {
        let state = Arc::new(State::default());
        let retire = {
            let state = Arc::clone(&state);
            thread::spawn(move || !state.end(Ending::Retiring).is_read_to_its_end())
        };
        let begun = state.begin_stream();
        // While it runs its caller is read.
        let was_to_end = state.see().is_to_end();
        let closes = begun && state.end_stream().is_to_end();
        let retired = retire.join().unwrap();
        assert!(retired != closes, "begun: {begun}, retired: {retired}, closes: {closes}");
        assert!(begun || was_to_end);
        assert!(!state.see().is_read_to_its_end());
    });
}
