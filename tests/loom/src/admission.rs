//! Those who wait for room at a listener that has its hands full, while messages end.

use loom::sync::Arc;
use loom::thread;

use crate::server::admission::{Admission, Unsent};
use crate::sync::Notify;

/// As `begin` in core/src/server/single/connection.rs.
fn take_when_there_is_room(room: &Admission) {
    let called = Arc::new(Notify::default());
    while !room.try_begin() {
        if !room.get_in_line(&called) {
            called.wait();
        }
    }
    room.leave_line(&called);
}

/// As a session whose client goes while it waits: `Driving` in core/src/server/driver/runtime.rs.
fn give_up(room: &Admission) {
    let called = Arc::new(Notify::default());
    let _room_or_not = room.get_in_line(&called);
    room.leave_line(&called);
}

/// For three threads: a thread is interrupted at most twice where it could go on, or there would be too many orders.
fn in_most_orders(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(test);
}

#[test]
fn whoever_waits_for_a_message_to_end_is_called() {
    loom::model(|| {
        let room = Arc::new(Admission::new(1, 100));
        room.begin();
        let waits = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                take_when_there_is_room(&room);
                room.end();
            })
        };
        room.end();
        waits.join().unwrap();
        assert_eq!(room.in_flight(), 0);
    });
}

#[test]
fn whoever_waits_for_a_message_and_for_bytes_is_called_by_the_later_of_the_two() {
    in_most_orders(|| {
        let room = Arc::new(Admission::new(1, 100));
        room.begin();
        room.add_bytes(100);
        let ends = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.end())
        };
        let gives = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.remove_bytes(100))
        };
        take_when_there_is_room(&room);
        ends.join().unwrap();
        gives.join().unwrap();
        assert_eq!(room.in_flight(), 1);
    });
}

#[test]
fn two_that_come_at_once_are_never_in_flight_together_where_one_may_be() {
    in_most_orders(|| {
        let room = Arc::new(Admission::new(1, 100));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let room = Arc::clone(&room);
                thread::spawn(move || {
                    take_when_there_is_room(&room);
                    assert_eq!(room.in_flight(), 1);
                    room.end();
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!(room.in_flight(), 0);
    });
}

#[test]
fn one_who_is_called_and_gives_up_calls_the_next() {
    in_most_orders(|| {
        let room = Arc::new(Admission::new(1, 100));
        room.begin();
        let gone = {
            let room = Arc::clone(&room);
            thread::spawn(move || give_up(&room))
        };
        let waits = {
            let room = Arc::clone(&room);
            thread::spawn(move || take_when_there_is_room(&room))
        };
        room.end();
        gone.join().unwrap();
        waits.join().unwrap();
        assert_eq!(room.in_flight(), 1);
    });
}

#[test]
fn a_call_that_is_abandoned_while_its_handler_settles_it_gives_its_place_back_once() {
    loom::model(|| {
        let room = Arc::new(Admission::new(1, 100));
        room.begin();
        let settles = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.settle())
        };
        room.abandon();
        settles.join().unwrap();
        assert_eq!((room.in_flight(), room.abandoned()), (0, 0));
    });
}

#[test]
fn abandoned_calls_beyond_the_bound_keep_their_places_until_they_are_settled() {
    in_most_orders(|| {
        let room = Arc::new(Admission::new(1, 100));
        room.begin();
        room.abandon();
        room.begin();
        let settles = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.settle())
        };
        let abandons = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.abandon())
        };
        settles.join().unwrap();
        abandons.join().unwrap();
        assert_eq!((room.in_flight(), room.abandoned()), (0, 1));
        room.settle();
        assert_eq!((room.in_flight(), room.abandoned()), (0, 0));
    });
}

#[test]
fn what_a_session_has_not_sent_leaves_the_total_with_it() {
    loom::model(|| {
        let room = Arc::new(Admission::new(1, 100));
        let stays = Unsent::new(Arc::clone(&room));
        stays.tell(50);
        let leaves = {
            let room = Arc::clone(&room);
            thread::spawn(move || Unsent::new(room).tell(70))
        };
        stays.tell(99);
        leaves.join().unwrap();
        assert!(room.has_room_for_unsent());
        stays.tell(100);
        assert!(!room.has_room_for_unsent());
        drop(stays);
        assert!(room.has_room_for_unsent());
    });
}
