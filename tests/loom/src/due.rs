//! The look after acknowledgements that are due: nothing that is noted is left without somebody who looks.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use crate::server::clock::Moment;
use crate::server::repeated_check::RepeatedCheck;
use crate::server::session::acks::{DueAck, Look};

const AFTER: Duration = Duration::from_millis(50);

#[test]
fn a_broadcast_that_begins_while_the_look_ends_is_looked_after() {
    loom::model(|| {
        let (due, check) = (Arc::new(DueAck::default()), Arc::new(RepeatedCheck::default()));
        // Somebody looks, as after an earlier broadcast.
        check.want();
        check.wanted.wait();
        let handler = {
            let (due, check) = (Arc::clone(&due), Arc::clone(&check));
            thread::spawn(move || {
                due.begin(7, Moment::at(1000));
                check.want();
            })
        };
        // A look that began before the broadcast sees it as due later, and never as overdue.
        let rests = check.stop(|| match due.look(Moment::at(999), AFTER) {
            Look::Nothing => false,
            Look::Later => true,
            Look::Now(_) => panic!("acknowledged before it was due"),
        });
        if rests {
            // Nobody looks: the broadcast must have called, or is about to. Otherwise this waits for ever.
            check.wanted.wait();
        }
        handler.join().unwrap();
        assert_eq!(due.look(Moment::at(1050), AFTER), Look::Now(7));
    });
}

#[test]
fn of_the_handler_that_returns_and_the_look_exactly_one_acknowledges() {
    loom::model(|| {
        let due = Arc::new(DueAck::default());
        due.begin(7, Moment::at(0));
        let handler = {
            let due = Arc::clone(&due);
            thread::spawn(move || due.end().is_some())
        };
        let looked = due.look(Moment::at(50), AFTER) == Look::Now(7);
        assert!(looked != handler.join().unwrap());
    });
}
