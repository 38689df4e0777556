//! The log and all subscribers of a listener, behind one lock. Sends are made without it.
//!
//! One thread at a time sends to a subscriber: it claims frames under the lock, sends them without it, and commits under
//! the lock what has left. Who publishes claims for subscribers for whom nothing waits, unless it is in a [burst](Burst).
//! Everything else is sent by the driver of the subscriber's session, which calls [`pump`](Publisher::pump).

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;

use super::batch::{Direct, send_batch, send_to_all};
use super::burst::Burst;
use super::cursor::{Cursor, Limit};
use super::frames::{self, Head};
use super::log::Log;
use super::retained::Retained;
use super::terms::Terms;
use crate::event::Overflow;
use crate::lock::lock;
use crate::message::MessageRef;
use crate::os::stream::{Stream, would_block};
use crate::protocol::sequence;
use crate::sync::{Arc, Mutex, MutexGuard, Notify};

/// How many sends a thread makes for one subscriber before others have their turn.
const ROUNDS: usize = 4;
/// After so many bytes of events the log is looked through for what nobody needs any more.
const TRIMMED_AFTER: u64 = 64 << 10;

/// Where a subscriber's frames go.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) socket: Arc<Stream>,
    /// Wakes the driver of the subscriber's session.
    pub(crate) driver: Arc<Notify>,
    /// The id of its subscribe frame.
    pub(crate) id: u32,
}

/// What a publisher has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) subscribers: u64,
    pub(crate) published: u64,
    pub(crate) dropped: u64,
    pub(crate) too_slow: u64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is due to so many subscribers.
    For(usize),
    /// It was not published: a subscriber that blocks has no room.
    NoRoom,
    /// It was not published: there is no room to retain it.
    NotRetained,
    /// It was not published: the publisher has closed.
    Closed,
}

/// What is left to do for a subscriber after its driver's sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// Nothing may be sent now.
    Quiet,
    /// The socket takes no more.
    Full,
    /// More may be sent at once.
    More,
    /// The last frame has left.
    Ended,
}

/// What a thread that has changed something is to tell others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct MakesRoom(pub(crate) bool);

/// The log and all subscribers of a listener.
#[derive(Debug)]
pub(crate) struct Publisher(Mutex<State>);

#[derive(Debug)]
struct State {
    log: Log,
    subscribers: Slab<Subscriber>,
    /// The number of the next event.
    next: u64,
    retained: Option<Retained>,
    burst: Burst,
    counted: Counted,
    /// The events that wait for room.
    wanted: Option<Wanted>,
    /// Up to where the log reached when it was last trimmed, and how many sends have ended since.
    trimmed: u64,
    sends: usize,
    is_closed: bool,
    /// Memory for the next event's sends.
    spare: Vec<Direct>,
}

/// Events that wait for room.
#[derive(Debug)]
struct Wanted {
    /// How many bytes the smallest one has.
    len: usize,
    /// The topic of all of them; `None` where they are on several.
    topic: Option<Box<str>>,
}

#[derive(Debug)]
struct Subscriber {
    cursor: Cursor,
    outlet: Outlet,
    /// The driver was told that there is something to send, and has not looked yet.
    is_told: bool,
}

impl Subscriber {
    fn tell(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.outlet.driver.notify_one();
        }
    }

    fn fail(&mut self, last: Bytes) {
        self.cursor.fail(last);
        self.tell();
    }
}

impl Publisher {
    /// Retains at most so many bytes of events; `None` retains none.
    pub(crate) fn new(retains: Option<usize>) -> Publisher {
        Publisher(Mutex::new(State {
            log: Log::default(),
            subscribers: Slab::new(),
            next: 1,
            retained: retains.map(Retained::new),
            burst: Burst::default(),
            counted: Counted::default(),
            wanted: None,
            trimmed: 0,
            sends: 0,
            is_closed: false,
            spare: Vec::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    pub(crate) fn counted(&self) -> Counted {
        let state = self.state();
        let subscribers = state.subscribers.iter().filter(|(_, subscriber)| subscriber.cursor.is_open()).count();
        Counted { subscribers: subscribers as u64, ..state.counted }
    }

    /// Adds a subscriber, to whom every event is due that is published after this. It is sent first what `response` makes
    /// of the number of the next event and of how many retained events follow: those that were published after the number
    /// `after`. Its key, and whether there is something to send; `None` once the publisher has closed.
    pub(crate) fn subscribe(
        &self,
        terms: Terms,
        outlet: Outlet,
        after: u64,
        response: impl FnOnce(u64, usize) -> Bytes,
    ) -> Option<usize> {
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        let mut retained = VecDeque::new();
        if let Some(kept) = &state.retained {
            retained = kept.after(after, |topic| terms.filter.lets_through(topic.as_bytes()));
        }
        let response = response(state.next, retained.len());
        let is_unknown = !terms.knows_attachments && retained.iter().any(|kept| frames::is_attached(kept));
        let unknown = is_unknown.then(|| frames::unknown_body(outlet.id));
        let mut cursor = Cursor::new(terms, response, retained);
        if let Some(unknown) = unknown {
            cursor.fail(unknown);
        }
        Some(state.subscribers.insert(Subscriber { cursor, outlet, is_told: false }))
    }

    /// Forgets a subscriber.
    pub(crate) fn remove(&self, key: usize) -> MakesRoom {
        let mut state = self.state();
        if state.subscribers.try_remove(key).is_some() {
            state.trim();
        }
        state.makes_room()
    }

    /// Publishes an event. A subscriber that blocks and has no room is cut off if the publisher's `patience_is_over`.
    pub(crate) fn publish(
        &self,
        topic: &str,
        message: MessageRef<'_>,
        patience_is_over: bool,
    ) -> (Published, MakesRoom) {
        let began = Instant::now();
        let mut guard = self.state();
        let state = &mut *guard;
        if state.is_closed {
            return (Published::Closed, MakesRoom(false));
        }
        let sequence = state.next;
        let head = Head::of_event(sequence, topic, message);
        let (head, body) = (head.as_slice(), message.data());
        let len = head.len() + body.len();
        if !patience_is_over && !state.has_room(topic, len) {
            state.want(topic, len);
            return (Published::NoRoom, MakesRoom(false));
        }
        if !state.retain(topic, head, body) {
            return (Published::NotRetained, MakesRoom(false));
        }
        state.next = following(sequence);
        state.counted.published += 1;
        let mut direct = std::mem::take(&mut state.spare);
        let is_burst = state.burst.gathers(began);
        let due = state.offer(topic, head, body, (!is_burst).then_some(&mut direct));
        if direct.is_empty() {
            state.spare = direct;
            let makes_room = if patience_is_over { state.makes_room() } else { MakesRoom(false) };
            return (Published::For(due), makes_room);
        }
        drop(guard);
        send_to_all(&mut direct, head, body);
        let mut guard = self.state();
        let state = &mut *guard;
        for Direct { key, socket, sent } in direct.drain(..) {
            // Another subscriber may have the key of one that has gone.
            let is_the_same = |subscriber: &Subscriber| Arc::ptr_eq(&subscriber.outlet.socket, &socket);
            if !state.subscribers.get(key).is_some_and(is_the_same) {
                continue;
            }
            state.commit(key, sent);
            // What is left, and what came meanwhile, is the driver's. So is a socket that takes nothing.
            if let Some(subscriber) = state.subscribers.get_mut(key)
                && (sent < len || !subscriber.cursor.is_idle())
            {
                subscriber.tell();
            }
        }
        state.spare = direct;
        state.burst.sent(began, Instant::now());
        (Published::For(due), state.makes_room())
    }

    /// Counts so many events as missed by all subscribers, before the next one. Those to whom that cannot be told where they are
    /// now are sent away after what waits for them, and are told when they come back. `false` once the publisher has closed.
    pub(crate) fn skip(&self, missed: u64) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        state.next = sequence::after(state.next, missed);
        for (_, subscriber) in state.subscribers.iter_mut().filter(|(_, subscriber)| subscriber.cursor.is_open()) {
            if !subscriber.cursor.miss(missed) {
                subscriber.cursor.finish(frames::goodbye(subscriber.outlet.id));
                subscriber.tell();
            }
        }
        true
    }

    /// Sends what a subscriber may be sent now. An error: its client has gone.
    pub(crate) fn pump(&self, key: usize) -> (io::Result<Pumped>, MakesRoom) {
        let mut makes_room = MakesRoom(false);
        for _ in 0..ROUNDS {
            let (batch, socket) = {
                let mut guard = self.state();
                let State { log, subscribers, .. } = &mut *guard;
                let Some(subscriber) = subscribers.get_mut(key) else { return (Ok(Pumped::Ended), makes_room) };
                subscriber.is_told = false;
                match subscriber.cursor.claim(log) {
                    Some(batch) => (batch, Arc::clone(&subscriber.outlet.socket)),
                    None if subscriber.cursor.has_ended() => return (Ok(Pumped::Ended), makes_room),
                    None => return (Ok(Pumped::Quiet), makes_room),
                }
            };
            let (sent, result) = send_batch(&socket, &batch);
            let mut state = self.state();
            state.commit(key, sent);
            makes_room.0 |= state.makes_room().0;
            match result {
                Ok(()) => {}
                Err(error) if would_block(&error) => return (Ok(Pumped::Full), makes_room),
                Err(error) => return (Err(error), makes_room),
            }
        }
        (Ok(Pumped::More), makes_room)
    }

    /// A subscriber may be sent so many bytes more. `false` if that is more than may be.
    pub(crate) fn grant(&self, key: usize, bytes: u32) -> bool {
        self.state().subscribers.get_mut(key).is_none_or(|subscriber| subscriber.cursor.grant(bytes))
    }

    /// Whether a subscriber is read: what waits for it that costs no credit is not too much.
    pub(crate) fn may_receive(&self, key: usize) -> bool {
        self.state().subscribers.get(key).is_none_or(|subscriber| subscriber.cursor.may_receive())
    }

    /// Sends a subscriber a frame that costs no credit.
    pub(crate) fn push(&self, key: usize, frame: Bytes) {
        if let Some(subscriber) = self.state().subscribers.get_mut(key) {
            subscriber.cursor.push(frame);
        }
    }

    /// Ends a subscription with this frame after all that waits.
    pub(crate) fn finish(&self, key: usize, last: Bytes) {
        if let Some(subscriber) = self.state().subscribers.get_mut(key) {
            subscriber.cursor.finish(last);
        }
    }

    /// Ends a subscription with this frame after what has begun.
    pub(crate) fn fail(&self, key: usize, last: Bytes) -> MakesRoom {
        let mut state = self.state();
        if let Some(subscriber) = state.subscribers.get_mut(key) {
            subscriber.cursor.fail(last);
        }
        state.makes_room()
    }

    /// Takes no more events and no more subscribers.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }
}

impl State {
    /// Whether every subscriber that blocks has room for an event of so many bytes.
    fn has_room(&self, topic: &str, len: usize) -> bool {
        self.subscribers.iter().all(|(_, Subscriber { cursor, .. })| {
            cursor.terms().overflow != Overflow::Block
                || !cursor.is_open()
                || cursor.has_room(len)
                || !cursor.terms().filter.lets_through(topic.as_bytes())
        })
    }

    /// An event waits for room.
    fn want(&mut self, topic: &str, len: usize) {
        match &mut self.wanted {
            None => self.wanted = Some(Wanted { len, topic: Some(topic.into()) }),
            Some(wanted) => {
                wanted.len = wanted.len.min(len);
                wanted.topic = wanted.topic.take().filter(|other| **other == *topic);
            }
        }
    }

    /// Whether a publish that waits is to try again.
    fn makes_room(&mut self) -> MakesRoom {
        let has_room = match &self.wanted {
            None => false,
            Some(Wanted { len, topic: Some(topic) }) => self.has_room(topic, *len),
            Some(Wanted { topic: None, .. }) => true,
        };
        if has_room {
            self.wanted = None;
        }
        MakesRoom(has_room)
    }

    /// Keeps an event for later subscribers, where that was asked for. An empty message is not kept, and what was kept of
    /// its topic is forgotten. `false` if there is no room.
    fn retain(&mut self, topic: &str, head: &[u8], body: &[u8]) -> bool {
        let Some(retained) = &mut self.retained else { return true };
        if body.is_empty() {
            retained.forget(topic);
            return true;
        }
        let has_room = retained.has_room(topic, head.len() + body.len());
        if has_room {
            retained.keep(topic, self.next, frames::retained(head, body));
        }
        has_room
    }

    /// Adds an event to the log, and to what waits for subscribers. Those that `direct` is for are claimed, where nothing
    /// else waits for them. To how many it is due.
    fn offer(&mut self, topic: &str, head: &[u8], body: &[u8], mut direct: Option<&mut Vec<Direct>>) -> usize {
        let State { log, subscribers, counted, .. } = self;
        let len = head.len() + body.len();
        let mut due = 0;
        let mut position = None;
        let is_attached = frames::is_attached(head);
        for (key, subscriber) in subscribers.iter_mut() {
            let Subscriber { cursor, outlet, .. } = subscriber;
            let terms = cursor.terms();
            if !cursor.is_open() || !terms.filter.lets_through(topic.as_bytes()) {
                continue;
            }
            if body.len() > terms.largest {
                let last = frames::too_large(outlet.id, body.len(), terms.largest);
                subscriber.fail(last);
                continue;
            }
            if is_attached && !terms.knows_attachments {
                let last = frames::unknown_body(outlet.id);
                subscriber.fail(last);
                continue;
            }
            let (waiting, queue) = (cursor.lag() + len, terms.queue);
            let is_out_of_patience = terms.overflow == Overflow::Block && !cursor.has_room(len);
            let start = *position.get_or_insert_with(|| log.append(&[head, body]));
            cursor.offer(start, len);
            match cursor.keep_limit(log) {
                Limit::Kept if !is_out_of_patience => {}
                Limit::Dropped(events) => counted.dropped += events,
                Limit::Kept | Limit::Exceeded => {
                    counted.too_slow += 1;
                    let last = frames::too_slow(outlet.id, waiting, queue);
                    subscriber.fail(last);
                    continue;
                }
            }
            due += 1;
            match &mut direct {
                Some(direct) if cursor.claim_only(start..start + len as u64) => {
                    direct.push(Direct { key, socket: Arc::clone(&outlet.socket), sent: 0 });
                }
                _ if cursor.may_be_sent() => subscriber.tell(),
                _ => {}
            }
        }
        if self.log.end() - self.trimmed >= TRIMMED_AFTER {
            self.trim();
        }
        due
    }

    /// After a send to a subscriber.
    fn commit(&mut self, key: usize, sent: usize) {
        let State { log, subscribers, counted, .. } = self;
        let Some(subscriber) = subscribers.get_mut(key) else { return };
        match subscriber.cursor.commit(log, sent) {
            Limit::Kept => {}
            Limit::Dropped(events) => counted.dropped += events,
            Limit::Exceeded => {
                counted.too_slow += 1;
                let last =
                    frames::too_slow(subscriber.outlet.id, subscriber.cursor.lag(), subscriber.cursor.terms().queue);
                subscriber.fail(last);
            }
        }
        self.sends += 1;
        if self.sends >= self.subscribers.len() {
            self.trim();
        }
    }

    /// Forgets events that no subscriber needs any more.
    fn trim(&mut self) {
        (self.trimmed, self.sends) = (self.log.end(), 0);
        let needed = self.subscribers.iter().filter_map(|(_, subscriber)| subscriber.cursor.needs_from()).min();
        self.log.trim(needed.unwrap_or(self.trimmed));
    }
}

/// The number of the event after one. None has a number whose low 32 bits are 0.
fn following(sequence: u64) -> u64 {
    let next = sequence + 1;
    if next as u32 == 0 { next + 1 } else { next }
}

/// How many events there are after the one with the number `after` and before that with the number `next`.
pub(crate) fn between(after: u64, next: u64) -> u64 {
    let up_to = |sequence: u64| sequence - (sequence >> 32);
    up_to(next - 1).saturating_sub(up_to(after))
}
