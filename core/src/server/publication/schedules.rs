//! Random schedules of publishers, sends and subscribers over the real log and cursors.
//!
//! A send is a claim, and later, after whatever else, a commit of as much as the socket took. What has left is taken apart
//! by the reader of a client, which grants credit as its user takes events.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::batch::Batch;
use super::cursor::{Cursor, Limit, WINDOW};
use super::frames::{self, Head};
use super::log::{HEADER, Log};
use super::terms::{Filter, Terms};
use crate::event::Overflow;
use crate::message::MessageRef;
use crate::protocol::frame::{FrameReader, Kind, Sender};

const TOPICS: [&str; 3] = ["", "a", "b"];
/// The largest body here, in bytes; what is larger than a chunk is in the log's own tests.
const LARGEST: usize = 500;
/// The largest frame: header, topic and body.
const LARGEST_FRAME: usize = HEADER + 2 + LARGEST;

/// A body by which its event is known.
fn body_of(sequence: u32, len: usize) -> Vec<u8> {
    sequence.to_le_bytes().into_iter().cycle().take(len).collect()
}

/// A subscriber: its cursor at the publisher, the connection, and what its user has seen.
struct Subscriber {
    cursor: Cursor,
    window: i64,
    sending: Option<Batch>,
    reader: FrameReader,
    /// What has left and is not received, and what is received and not taken.
    under_way: VecDeque<u8>,
    arrived: VecDeque<(Kind, u32, u32, Vec<u8>)>,
    /// Bytes of frames taken and not granted.
    owed: u32,
    /// Bytes of frames that have left, less what was granted.
    outstanding: i64,
    due: Vec<(u32, usize)>,
    delivered: u64,
    missed: u64,
    /// Which event a gap has named that follows it.
    named: Option<u32>,
    pings: usize,
    pongs: usize,
    has_failed: bool,
    is_told: bool,
    dropped: u64,
}

impl Subscriber {
    fn new(overflow: Overflow, filter: Filter, queue: usize, window: i64, retained: usize) -> Subscriber {
        let terms = Terms { filter, overflow, queue, largest: LARGEST, knows_attachments: true };
        let kept = |nth: usize| frames::retained(head(nth as u64 + 1, "a", &[1; 30]).as_slice(), &[1; 30]);
        let mut cursor = Cursor::new(terms, frames::response(1, b"{}".to_vec()), (0..retained).map(kept).collect());
        cursor.credit = window;
        Subscriber {
            cursor,
            window,
            sending: None,
            reader: FrameReader::new(Sender::Listener, LARGEST),
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            owed: 0,
            outstanding: 0,
            due: Vec::new(),
            delivered: 0,
            missed: 0,
            named: None,
            pings: 0,
            pongs: 0,
            has_failed: false,
            is_told: false,
            dropped: 0,
        }
    }

    fn limit(&mut self, limit: Limit) {
        match limit {
            Limit::Kept => {}
            Limit::Dropped(events) => self.dropped += events,
            Limit::Exceeded => {
                assert_eq!(self.cursor.terms.overflow, Overflow::Fail, "a limit that was to be kept");
                self.has_failed = true;
                self.cursor.fail(frames::bare(Kind::Goaway, 1));
            }
        }
    }

    fn begin_send(&mut self, log: &mut Log) {
        if self.sending.is_none() {
            self.sending = self.cursor.claim(log);
            assert!(self.sending.as_ref().is_none_or(|batch| batch.pieces.concat().len() == batch.len));
        }
    }

    /// Ends a send of which the socket took a part: so many thousandths.
    fn end_send(&mut self, log: &mut Log, part: usize) {
        let Some(batch) = self.sending.take() else { return };
        let sent = if part >= 1000 { batch.len } else { batch.len * part / 1000 };
        self.under_way.extend(&batch.pieces.concat()[..sent]);
        let limit = self.cursor.commit(log, sent);
        self.limit(limit);
    }

    fn receive(&mut self, most: usize) {
        let bytes: Vec<u8> = self.under_way.drain(..most.min(self.under_way.len())).collect();
        self.reader.feed(&bytes);
        while let Some((header, body)) = self.reader.next().unwrap() {
            let len = (HEADER + header.len as usize) as u32;
            if matches!(header.kind, Kind::Event | Kind::Gap) {
                assert!(self.outstanding < self.window, "a {:?} began without credit", header.kind);
                self.outstanding += i64::from(len);
            }
            self.arrived.push_back((header.kind, header.id, header.argument, body.into_vec()));
            assert!(
                self.outstanding <= self.window + (LARGEST_FRAME + HEADER) as i64,
                "{} bytes were sent beyond what was granted",
                self.outstanding
            );
        }
    }

    /// The user takes the next frame; credit is granted as a client does.
    fn take(&mut self) {
        let Some((kind, id, argument, body)) = self.arrived.pop_front() else { return };
        match kind {
            Kind::Event if self.cursor_is_retained(&body) => self.owed += (HEADER + body.len()) as u32,
            Kind::Event => {
                self.owed += (HEADER + body.len()) as u32;
                let nth = (self.delivered + self.missed) as usize;
                let (sequence, len) = self.due[nth];
                assert_eq!(id, sequence, "event {nth} of those that were due");
                assert!(self.named.take().is_none_or(|named| named == id), "a gap named another event");
                let body = if body.len() > len { &body[body.len() - len..] } else { &body[..] };
                assert!(body == body_of(sequence, len));
                self.delivered += 1;
            }
            Kind::Gap => {
                self.owed += HEADER as u32;
                self.missed += u64::from(argument);
                assert!(self.named.replace(id).is_none(), "two gaps follow each other");
            }
            Kind::Pong => self.pongs += 1,
            Kind::Response => {}
            Kind::Goaway => self.is_told = true,
            kind => panic!("{kind:?}"),
        }
        let is_half = i64::from(self.owed) * 2 >= self.window;
        if self.owed > 0 && (is_half || (self.arrived.is_empty() && self.under_way.is_empty())) {
            assert!(self.cursor.grant(self.owed));
            self.outstanding -= i64::from(std::mem::take(&mut self.owed));
        }
    }

    fn cursor_is_retained(&self, body: &[u8]) -> bool {
        body.len() == 32 && body[..2] == *b"\x01a" && body[2..] == [1; 30]
    }

    fn check(&self) {
        let queued = self.cursor.waiting.bytes;
        assert!(queued <= self.cursor.terms.queue.max(LARGEST_FRAME), "{queued} bytes wait");
        assert_eq!(queued == 0, self.cursor.waiting.events == 0);
        if self.cursor.terms.overflow == Overflow::Block {
            assert!(self.cursor.lag() <= self.cursor.terms.queue.max(LARGEST_FRAME));
        }
    }

    fn is_done(&self) -> bool {
        self.cursor.is_idle() && self.sending.is_none() && self.under_way.is_empty() && self.arrived.is_empty()
    }
}

fn head(sequence: u64, topic: &str, body: &[u8]) -> Head {
    Head::of_event(sequence, topic, MessageRef::bytes(body))
}

/// A publisher as it uses its log and cursors, without its lock and without sockets.
#[derive(Default)]
struct Publisher {
    log: Log,
    subscribers: Vec<Subscriber>,
    published: u32,
}

impl Publisher {
    /// `false`: a subscriber that blocks has no room. With `at_once` the event is claimed where it may be, as a thread
    /// does that sends it itself.
    fn publish(&mut self, topic: &str, len: usize, at_once: bool) -> bool {
        let sequence = self.published + 1;
        let body = body_of(sequence, len);
        let head = head(sequence.into(), topic, &body);
        let len = head.as_slice().len() + body.len();
        let for_it = |subscriber: &Subscriber| {
            subscriber.cursor.is_open() && subscriber.cursor.terms.filter.lets_through(topic.as_bytes())
        };
        let blocks = |subscriber: &Subscriber| {
            subscriber.cursor.terms.overflow == Overflow::Block && !subscriber.cursor.has_room(len)
        };
        if self.subscribers.iter().any(|subscriber| for_it(subscriber) && blocks(subscriber)) {
            return false;
        }
        self.published = sequence;
        let start = self.log.append(&[head.as_slice(), &body]);
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| for_it(subscriber)) {
            subscriber.due.push((sequence, body.len()));
            subscriber.cursor.offer(start, len);
            let limit = subscriber.cursor.keep_limit(&self.log);
            subscriber.limit(limit);
            if at_once && subscriber.sending.is_none() && subscriber.cursor.claim_only(start..start + len as u64) {
                let pieces = vec![Bytes::from([head.as_slice(), &body].concat())];
                subscriber.sending = Some(Batch { pieces, len });
            }
        }
        true
    }

    fn trim(&mut self) {
        let needed = self.subscribers.iter().filter_map(|subscriber| subscriber.cursor.needs_from()).min();
        self.log.trim(needed.unwrap_or(self.log.end()));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish { topic: usize, len: usize, at_once: bool },
    BeginSend,
    EndSend(usize),
    Receive(usize),
    Take,
    Ping,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![Just(0), Just(1), Just(40), Just(100), Just(LARGEST)];
    prop_oneof![
        4 => (0..TOPICS.len(), len, any::<bool>())
            .prop_map(|(topic, len, at_once)| Step::Publish { topic, len, at_once }),
        3 => Just(Step::BeginSend),
        3 => prop_oneof![Just(0), Just(1000), 0..1000_usize].prop_map(Step::EndSend),
        3 => (1..2000_usize).prop_map(Step::Receive),
        3 => Just(Step::Take),
        1 => Just(Step::Ping),
    ]
}

fn subscriber() -> impl Strategy<Value = (Overflow, bool, usize, i64, usize)> {
    let overflow = prop_oneof![Just(Overflow::Fail), Just(Overflow::DropOldest), Just(Overflow::Block)];
    let queue = prop_oneof![Just(1), Just(200), Just(400), Just(1000), Just(5000)];
    (overflow, any::<bool>(), queue, prop_oneof![Just(100), Just(300), Just(4000)], 0..4_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_schedule_every_event_that_was_due_is_delivered_or_told_as_missed(
        subscribers in proptest::collection::vec(subscriber(), 1..5),
        steps in proptest::collection::vec((any::<proptest::sample::Index>(), step()), 0..400),
    ) {
        let mut publisher = Publisher::default();
        for (overflow, is_all, queue, window, retained) in subscribers {
            let filter = if is_all { Filter::All } else { Filter::Topics(HashSet::from(["a".into(), "".into()])) };
            publisher.subscribers.push(Subscriber::new(overflow, filter, queue, window, retained));
        }
        for (which, step) in steps {
            let Publisher { log, subscribers, .. } = &mut publisher;
            let which = which.index(subscribers.len());
            let subscriber = &mut subscribers[which];
            match step {
                Step::Publish { topic, len, at_once } => {
                    let _waits = publisher.publish(TOPICS[topic], len, at_once);
                }
                Step::BeginSend => subscriber.begin_send(log),
                Step::EndSend(part) => {
                    subscriber.end_send(log, part);
                    publisher.trim();
                }
                Step::Receive(most) => subscriber.receive(most),
                Step::Take => subscriber.take(),
                Step::Ping => {
                    subscriber.pings += 1;
                    subscriber.cursor.push(frames::bare(Kind::Pong, 1));
                }
            }
            publisher.subscribers.iter().for_each(Subscriber::check);
        }
        // Everybody reads to the end.
        for _ in 0..5000 {
            let Publisher { log, subscribers, .. } = &mut publisher;
            for subscriber in subscribers {
                subscriber.end_send(log, 1000);
                subscriber.begin_send(log);
                subscriber.receive(usize::MAX);
                subscriber.take();
            }
            publisher.trim();
            if publisher.subscribers.iter().all(Subscriber::is_done) {
                break;
            }
        }
        for subscriber in &publisher.subscribers {
            prop_assert!(subscriber.is_done(), "a subscriber is stuck");
            prop_assert_eq!(subscriber.pings, subscriber.pongs);
            prop_assert!(subscriber.named.is_none(), "a gap names an event that never came");
            prop_assert_eq!(subscriber.has_failed, subscriber.is_told);
            if !subscriber.has_failed {
                prop_assert_eq!(subscriber.delivered + subscriber.missed, subscriber.due.len() as u64);
                prop_assert_eq!(subscriber.missed, subscriber.dropped);
            }
            prop_assert!(subscriber.missed == 0 || subscriber.cursor.terms.overflow == Overflow::DropOldest);
        }
        prop_assert_eq!(publisher.log.len(), 0);
    }
}

#[test]
fn more_credit_than_may_be_is_refused() {
    let mut subscriber = Subscriber::new(Overflow::Fail, Filter::All, 1, WINDOW, 0);
    assert!(subscriber.cursor.grant((1 << 31) - WINDOW as u32));
    assert!(!subscriber.cursor.grant(1));
}
