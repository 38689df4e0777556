//! Threads that publish, and the driver of a subscriber's session.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use loom::sync::Arc;
use loom::thread;

use crate::event::Overflow;
use crate::message::MessageRef;
use crate::server::publication::burst::IS_BURST;
use crate::server::publication::publisher::{MakesRoom, Outlet, Published, Publisher, Pumped};
use crate::server::publication::terms::{Filter, Terms};
use crate::stand_ins::{Notify, Stream};

struct Subscriber {
    socket: Arc<Stream>,
    driver: Arc<Notify>,
    key: usize,
}

/// How long the frame of an event is that is here.
const FRAME: usize = 17;
const RESPONSE: &[u8] = b"r";

fn subscribe(publisher: &Publisher, room: usize, overflow: Overflow, queue: usize) -> Subscriber {
    let (socket, driver) = (Arc::new(Stream::new(room, usize::MAX)), Arc::new(Notify::default()));
    let terms = Terms { filter: Filter::All, overflow, queue, largest: 100, knows_attachments: true };
    let outlet = Outlet { socket: Arc::clone(&socket), driver: Arc::clone(&driver), id: 1 };
    let key = publisher.subscribe(terms, outlet, 0, |_, _| Bytes::from_static(RESPONSE)).unwrap();
    Subscriber { socket, driver, key }
}

fn publish(publisher: &Publisher, byte: u8) {
    let (published, _) = publisher.publish("", MessageRef::bytes(&[byte]), false);
    assert!(matches!(published, Published::For(_)));
}

/// The events in what a socket has taken: the numbers, in order, with their bodies. Fails where any is not whole.
fn events(taken: &[u8]) -> Vec<(u32, u8)> {
    let taken = taken.strip_prefix(RESPONSE).unwrap();
    let whole = |frame: &[u8]| {
        assert_eq!((frame.len(), frame[0], frame[4]), (FRAME, 1, 18), "{frame:?}");
        (u32::from_le_bytes(*frame[8..].first_chunk().unwrap()), frame[16])
    };
    taken.chunks(FRAME).map(whole).collect()
}

/// Drives a subscription, from what a first look has found on, until it has been sent so many events. Nobody publishes any
/// more: a driver that found nothing to do has been told if there is something, or this waits for ever.
fn drive(publisher: &Publisher, subscriber: &Subscriber, mut found: Pumped, count: usize) {
    while subscriber.socket.taken().len() < RESPONSE.len() + count * FRAME {
        match found {
            Pumped::Quiet => subscriber.driver.wait(),
            Pumped::Full => subscriber.socket.make_room(),
            Pumped::More => {}
            Pumped::Ended => panic!("it has ended"),
        }
        found = pump(publisher, subscriber);
    }
}

fn pump(publisher: &Publisher, subscriber: &Subscriber) -> Pumped {
    publisher.pump(subscriber.key).0.unwrap()
}

#[test]
fn what_two_threads_publish_goes_whole_and_in_order_whoever_sends() {
    // Room for the response and for nothing, part of an event, one, or all; in a burst and not.
    for (room, is_burst) in [(1, false), (5, false), (18, false), (usize::MAX, false), (5, true), (usize::MAX, true)] {
        IS_BURST.store(is_burst, Ordering::SeqCst);
        loom::model(move || {
            let publisher = Arc::new(Publisher::new(None));
            let subscriber = subscribe(&publisher, room, Overflow::Fail, 1000);
            assert_eq!(pump(&publisher, &subscriber), Pumped::Quiet);
            let others = [b'a', b'b'].map(|byte| {
                let publisher = Arc::clone(&publisher);
                thread::spawn(move || publish(&publisher, byte))
            });
            let found = pump(&publisher, &subscriber);
            for other in others {
                other.join().unwrap();
            }
            drive(&publisher, &subscriber, found, 2);
            let got = events(&subscriber.socket.taken());
            assert_eq!([got[0].0, got[1].0], [1, 2]);
            assert_eq!(got.iter().map(|event| event.1).collect::<HashSet<_>>(), HashSet::from([b'a', b'b']));
        });
    }
    IS_BURST.store(false, Ordering::SeqCst);
}

#[test]
fn who_subscribes_while_an_event_is_published_gets_it_whole_or_not_at_all_and_every_one_after_it() {
    loom::model(|| {
        let publisher = Arc::new(Publisher::new(None));
        let other = {
            let publisher = Arc::clone(&publisher);
            thread::spawn(move || publish(&publisher, b'a'))
        };
        let subscriber = subscribe(&publisher, usize::MAX, Overflow::Fail, 1000);
        publish(&publisher, b'b');
        other.join().unwrap();
        drive(&publisher, &subscriber, Pumped::More, 1);
        let _all_that_is_left = pump(&publisher, &subscriber);
        let got = events(&subscriber.socket.taken());
        assert!(got.iter().any(|event| event.1 == b'b'), "{got:?}");
        assert!(got.is_sorted());
    });
}

#[test]
fn an_event_of_a_subscriber_who_has_left_is_not_sent_to_who_has_its_place() {
    loom::model(|| {
        let publisher = Arc::new(Publisher::new(None));
        let leaves = subscribe(&publisher, 3, Overflow::Fail, 1000);
        assert_eq!(pump(&publisher, &leaves), Pumped::Quiet);
        let other = {
            let publisher = Arc::clone(&publisher);
            thread::spawn(move || publish(&publisher, b'a'))
        };
        let _makes_room = publisher.remove(leaves.key);
        let comes = subscribe(&publisher, 5, Overflow::Fail, 1000);
        assert_eq!(comes.key, leaves.key);
        let _sends_the_response = pump(&publisher, &comes);
        publish(&publisher, b'b');
        other.join().unwrap();
        let found = pump(&publisher, &comes);
        drive(&publisher, &comes, found, 1);
        comes.socket.make_room();
        let _all_that_is_left = pump(&publisher, &comes);
        let got = events(&comes.socket.taken());
        assert!([1, 2].iter().any(|number| got.contains(&(*number, b'b'))) && got.is_sorted(), "{got:?}");
    });
}

#[test]
fn who_waits_for_room_is_told_when_there_is_some() {
    loom::model(|| {
        let publisher = Arc::new(Publisher::new(None));
        // Takes the response; one event waits.
        let subscriber = Arc::new(subscribe(&publisher, 1, Overflow::Block, 20));
        let _sends_the_response = pump(&publisher, &subscriber);
        publish(&publisher, b'a');
        let room = Arc::new(Notify::default());
        let driving = {
            let (publisher, subscriber, room) = (Arc::clone(&publisher), Arc::clone(&subscriber), Arc::clone(&room));
            thread::spawn(move || {
                // Sends the one that waits.
                loop {
                    let (pumped, MakesRoom(makes_room)) = publisher.pump(subscriber.key);
                    if makes_room {
                        room.notify_one();
                    }
                    match pumped.unwrap() {
                        Pumped::Full => subscriber.socket.make_room(),
                        _ if subscriber.socket.taken().len() > RESPONSE.len() => return,
                        _ => subscriber.driver.wait(),
                    }
                }
            })
        };
        while publisher.publish("", MessageRef::bytes(b"b"), false).0 == Published::NoRoom {
            room.wait();
        }
        driving.join().unwrap();
        drive(&publisher, &subscriber, Pumped::More, 2);
        assert_eq!(events(&subscriber.socket.taken()), [(1, b'a'), (2, b'b')]);
    });
}
