//! A model of a request in flight in core/src/server/session/in_flight.rs: `finish`, `put_aside_unanswered`, `is_quiet`.
//!
//! Its atomics are `SeqCst`, which loom takes for less; so each is a word under a lock here, which is the same.

use std::collections::HashSet;

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::lock::lock;

struct Session {
    current: Mutex<u32>,
    in_flight: Mutex<HashSet<u32>>,
    answering: Mutex<u32>,
    sent: Mutex<u32>,
}

impl Session {
    /// A request that is with the session's thread.
    fn at(id: u32) -> Arc<Session> {
        let (in_flight, answering, sent) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Session { current: Mutex::new(id), in_flight, answering, sent })
    }

    /// As `finish`, then the sending, then the drop of `Answering`. Whether it was this one that answered.
    fn answer(&self, id: u32) -> bool {
        *lock(&self.answering) += 1;
        let was_current = {
            let mut current = lock(&self.current);
            let was = *current == id;
            if was {
                *current = 0;
            }
            was
        };
        let mine = was_current || lock(&self.in_flight).remove(&id);
        if mine {
            *lock(&self.sent) += 1;
        }
        *lock(&self.answering) -= 1;
        mine
    }

    /// As `put_aside_unanswered`.
    fn put_aside_unanswered(&self, id: u32) {
        if *lock(&self.current) != id {
            return;
        }
        let mut in_flight = lock(&self.in_flight);
        let mut current = lock(&self.current);
        if *current == id {
            *current = 0;
            in_flight.insert(id);
        }
    }

    /// As `is_quiet`.
    fn is_quiet(&self) -> bool {
        let in_flight = lock(&self.in_flight);
        *lock(&self.current) == 0 && in_flight.is_empty() && *lock(&self.answering) == 0
    }
}

#[test]
fn a_request_is_answered_once_wherever_it_is_while_it_is_answered() {
    loom::model(|| {
        let session = Session::at(7);
        let elsewhere = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.answer(7))
        };
        // A cancel, while the thread puts the request aside.
        let cancel = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.answer(7))
        };
        session.put_aside_unanswered(7);
        let answers = usize::from(elsewhere.join().unwrap()) + usize::from(cancel.join().unwrap());
        assert_eq!((answers, *lock(&session.sent)), (1, 1));
        assert!(session.is_quiet());
    });
}

#[test]
fn a_session_is_not_quiet_before_its_answer_is_sent() {
    loom::model(|| {
        let session = Session::at(7);
        let elsewhere = {
            let session = Arc::clone(&session);
            thread::spawn(move || session.answer(7))
        };
        session.put_aside_unanswered(7);
        if session.is_quiet() {
            assert_eq!(*lock(&session.sent), 1, "it would end without its answer");
        }
        assert!(elsewhere.join().unwrap());
    });
}
