//! A subscriber's place in the log: what waits for it, what has begun to be sent, and what it missed.
//!
//! A cursor is used under its publisher's lock. What is sent is sent without it: [`claim`](Cursor::claim) says what is
//! next, and after the send [`commit`](Cursor::commit) says how much of it has left. In between no other thread claims,
//! events may be added and dropped, and credit may come.
//!
//! A frame of which no byte has left has not begun: it may still be dropped. A frame that has begun leaves whole.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::batch::{Batch, Runs};
use super::frames;
use super::log::{HEADER, Log};
use super::terms::Terms;
use crate::event::Overflow;

/// The most bytes of events that are sent with one call. A single event may be larger.
const GATHERED: usize = 256 << 10;
/// A subscriber for whom so many pieces wait that need no credit is not read: it may send pings, and take no answers.
const MOST_UNSENT: usize = 4096;
/// The most credit that may be granted and not used, in bytes.
const MOST_CREDIT: i64 = 1 << 31;
/// The credit of a new subscription, in bytes.
pub(crate) const WINDOW: i64 = 256 << 10;

/// A subscriber's place in the log.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(super) terms: Terms,
    /// How many bytes of frames it may still be sent. Below 0 where the last frame was larger than what was left.
    pub(super) credit: i64,
    /// What leaves before anything of the log: frames that have begun, the response, answers to pings.
    unsent: VecDeque<Bytes>,
    /// Events that were retained before it subscribed. They are never dropped.
    retained: VecDeque<Bytes>,
    /// The position of the first event that waits; no meaning where none does.
    next: u64,
    /// How many events of the log wait that are not claimed, and how many bytes they are.
    pub(super) waiting: Waiting,
    /// How many events were dropped right before `next` and are not told yet.
    gap: u64,
    claim: Option<Claim>,
    /// The frame that ends the subscription, until it goes into `unsent`.
    last: Option<Bytes>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// How near its end a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Open,
    /// It ends when all that waits has been sent.
    Finishing,
    /// It ends after what has begun.
    Failing,
}

/// What a thread is sending.
#[derive(Debug)]
struct Claim {
    /// The events of the log, by their positions.
    events: Range<u64>,
    /// How many bytes of events are within that.
    bytes: usize,
    /// How many bytes of `unsent` leave before them.
    front: usize,
    /// How many missed events a gap before the first event tells.
    gap: u64,
}

/// What became of a subscriber's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Kept,
    /// So many events were dropped to keep it.
    Dropped(u64),
    /// More waits than may, and nothing may be dropped.
    Exceeded,
}

impl Cursor {
    /// A place at the end of the log. `response` leaves first, and then the events that are `retained`.
    pub(crate) fn new(terms: Terms, response: Bytes, retained: VecDeque<Bytes>) -> Cursor {
        Cursor {
            terms,
            credit: WINDOW,
            unsent: VecDeque::from([response]),
            retained,
            next: 0,
            waiting: Waiting::default(),
            gap: 0,
            claim: None,
            last: None,
            ending: Ending::Open,
        }
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether events are due to it that are published from now on.
    pub(crate) fn is_open(&self) -> bool {
        self.ending == Ending::Open
    }

    /// The first position of the log that it still needs.
    pub(crate) fn needs_from(&self) -> Option<u64> {
        match &self.claim {
            Some(claim) if claim.bytes > 0 => Some(claim.events.start),
            _ => (self.waiting.events > 0).then_some(self.next),
        }
    }

    /// How many bytes of events wait for it or are being sent.
    pub(crate) fn lag(&self) -> usize {
        self.waiting.bytes + self.claim.as_ref().map_or(0, |claim| claim.bytes)
    }

    /// Whether an event of so many bytes may wait for it without a drop.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        let lag = self.lag();
        lag == 0 || lag + len <= self.terms.queue
    }

    /// Whether something may be claimed now.
    pub(crate) fn may_be_sent(&self) -> bool {
        let may = self.credit > 0 && (self.waiting.events > 0 || !self.retained.is_empty());
        self.claim.is_none() && (may || !self.unsent.is_empty() || self.last.is_some())
    }

    /// Whether all that it was to be sent has left.
    pub(crate) fn is_idle(&self) -> bool {
        self.claim.is_none()
            && self.unsent.is_empty()
            && self.retained.is_empty()
            && self.waiting.events == 0
            && self.last.is_none()
    }

    /// Whether its last frame has left.
    pub(crate) fn has_ended(&self) -> bool {
        self.ending != Ending::Open && self.is_idle()
    }

    /// Whether few enough frames wait that cost no credit. Those leave without any.
    pub(crate) fn may_receive(&self) -> bool {
        self.unsent.len() < MOST_UNSENT
    }

    /// Takes more credit. `false` if the balance would be more than may be.
    pub(crate) fn grant(&mut self, bytes: u32) -> bool {
        self.credit += i64::from(bytes);
        self.credit <= MOST_CREDIT
    }

    /// An event of its filter was added to the log, `len` bytes at a position.
    pub(crate) fn offer(&mut self, position: u64, len: usize) {
        if self.waiting.events == 0 {
            self.next = position;
        }
        self.waiting.events += 1;
        self.waiting.bytes += len;
    }

    /// Keeps the limit of its queue, as its policy says.
    pub(crate) fn keep_limit(&mut self, log: &Log) -> Limit {
        if self.waiting.bytes <= self.terms.queue || self.waiting.events <= 1 {
            return Limit::Kept;
        }
        if self.terms.overflow != Overflow::DropOldest {
            return Limit::Exceeded;
        }
        let before = self.gap;
        let mut at = self.next;
        'all: loop {
            for (position, frame) in log.frames(at) {
                at = position + frame.len() as u64;
                if !self.terms.filter.passes(frame) {
                    continue;
                }
                if self.waiting.bytes <= self.terms.queue || self.waiting.events == 1 {
                    self.next = position;
                    break 'all;
                }
                self.waiting.events -= 1;
                self.waiting.bytes -= frame.len();
                self.gap += 1;
            }
        }
        Limit::Dropped(self.gap - before)
    }

    /// So many events are missed right before the next one. `false` if that cannot be told: others wait, or are being sent, or
    /// it does not get all, so that nobody knows how many of them were due to it.
    pub(crate) fn miss(&mut self, events: u64) -> bool {
        let may = self.waiting.events == 0 && self.claim.is_none() && self.terms.filter.is_all();
        if may {
            self.gap = self.gap.saturating_add(events);
        }
        may
    }

    /// Ends the subscription with this frame when all that waits has been sent.
    pub(crate) fn finish(&mut self, last: Bytes) {
        if self.ending == Ending::Open {
            self.ending = Ending::Finishing;
            self.last = Some(last);
        }
    }

    /// Ends the subscription with this frame after what has begun.
    pub(crate) fn fail(&mut self, last: Bytes) {
        if self.ending != Ending::Failing {
            self.ending = Ending::Failing;
            self.last = Some(last);
            self.retained.clear();
            self.waiting = Waiting::default();
            self.gap = 0;
        }
    }

    /// Sends a frame that costs no credit as soon as it may be.
    pub(crate) fn push(&mut self, frame: Bytes) {
        self.unsent.push_back(frame);
    }

    /// Claims an event that alone waits, for a thread that has its bytes; `false` if it may not be sent at once.
    pub(crate) fn claim_only(&mut self, event: Range<u64>) -> bool {
        let is_alone = self.waiting.events == 1
            && self.next == event.start
            && self.gap == 0
            && self.claim.is_none()
            && self.unsent.is_empty()
            && self.retained.is_empty()
            && self.credit > 0;
        if is_alone {
            let bytes = std::mem::take(&mut self.waiting).bytes;
            self.credit -= bytes as i64;
            self.claim = Some(Claim { events: event, bytes, front: 0, gap: 0 });
        }
        is_alone
    }

    /// What is to be sent next; `None` if nothing may be now, or another thread is sending.
    pub(crate) fn claim(&mut self, log: &mut Log) -> Option<Batch> {
        if self.claim.is_some() {
            return None;
        }
        while self.credit > 0
            && let Some(event) = self.retained.pop_front()
        {
            self.credit -= event.len() as i64;
            self.unsent.push_back(event);
        }
        let is_failing = self.ending == Ending::Failing;
        if let Some(last) = self.last.take_if(|_| is_failing || (self.waiting.events == 0 && self.retained.is_empty()))
        {
            self.unsent.push_back(last);
        }
        let mut batch = Batch::default();
        for bytes in &self.unsent {
            batch.push(bytes.clone());
        }
        let front = batch.len;
        let mut claim = Claim { events: self.next..self.next, bytes: 0, front, gap: 0 };
        // An event begins right behind its gap: credit has to be left after that.
        let of_gap = if self.gap > 0 { HEADER as i64 } else { 0 };
        if self.credit > of_gap && self.waiting.events > 0 && self.retained.is_empty() {
            self.claim_events(log, &mut claim, &mut batch);
        }
        if batch.len == 0 {
            return None;
        }
        self.claim = Some(claim);
        Some(batch)
    }

    /// Adds events to a batch as far as credit goes, and the gap before them.
    fn claim_events(&mut self, log: &mut Log, claim: &mut Claim, batch: &mut Batch) {
        let mut runs = Runs::default();
        let mut left = self.waiting;
        let mut at = self.next;
        if self.gap > 0 {
            self.credit -= HEADER as i64;
        }
        'all: while left.events > 0 {
            for (position, frame) in log.frames(at) {
                at = position + frame.len() as u64;
                if !self.terms.filter.passes(frame) {
                    continue;
                }
                if claim.bytes == 0 {
                    claim.events.start = position;
                    if self.gap > 0 {
                        claim.gap = std::mem::take(&mut self.gap);
                        batch.push(frames::gap(frame, claim.gap));
                    }
                } else if self.credit <= 0 || claim.bytes + frame.len() > GATHERED {
                    at = position;
                    break 'all;
                }
                runs.add(position, at);
                claim.bytes += frame.len();
                self.credit -= frame.len() as i64;
                left.events -= 1;
                left.bytes -= frame.len();
                if left.events == 0 {
                    break 'all;
                }
            }
        }
        claim.events.end = at;
        self.next = at;
        self.waiting = left;
        runs.share(log, batch);
    }

    /// After a send of what was claimed, of which so many bytes have left. What became of the limit: events that were
    /// claimed and have not begun may have to be dropped.
    pub(crate) fn commit(&mut self, log: &mut Log, sent: usize) -> Limit {
        let Some(claim) = self.claim.take() else { return Limit::Kept };
        let of_front = sent.min(claim.front);
        self.take_off_front(of_front);
        let mut sent = sent - of_front;
        let gap = if claim.gap > 0 { HEADER } else { 0 };
        if sent == gap + claim.bytes {
            return Limit::Kept;
        }
        // What is left of frames that have begun. The log need not have it.
        let mut rest = Vec::new();
        let mut untold = claim.gap;
        let mut begins_with_the_gap = false;
        if untold > 0 && sent > 0 {
            // The gap names the event that follows it: that one has begun, too.
            if sent < HEADER {
                let first = log.frames(claim.events.start).next();
                rest.extend(first.map(|(_, frame)| frames::gap(frame, untold).split_off(sent)));
            }
            sent = sent.saturating_sub(HEADER);
            begins_with_the_gap = true;
            untold = 0;
        }
        let mut at = claim.events.start;
        let mut unbegun = Waiting { events: 0, bytes: claim.bytes };
        let mut first = None;
        while at < claim.events.end {
            let Some((position, frame)) = log.frames(at).next() else { break };
            at = position + frame.len() as u64;
            if !self.terms.filter.passes(frame) {
                continue;
            }
            if sent > 0 || std::mem::take(&mut begins_with_the_gap) {
                begins_with_the_gap = false;
                unbegun.bytes -= frame.len();
                if sent < frame.len() {
                    log.share(position + sent as u64..at, &mut rest);
                    sent = 0;
                } else {
                    sent -= frame.len();
                }
            } else {
                first.get_or_insert(position);
                unbegun.events += 1;
            }
        }
        // Before what was added meanwhile.
        rest.into_iter().rev().for_each(|piece| self.unsent.push_front(piece));
        self.credit += unbegun.bytes as i64 + if untold > 0 { HEADER as i64 } else { 0 };
        self.give_back(log, first, unbegun, untold)
    }

    /// Has events wait again that were claimed and have not begun, or drops them, if later ones have been dropped.
    fn give_back(&mut self, log: &Log, first: Option<u64>, unbegun: Waiting, untold: u64) -> Limit {
        let Some(first) = first.filter(|_| self.ending != Ending::Failing) else { return Limit::Kept };
        if self.gap > 0 {
            self.gap += untold + unbegun.events as u64;
            return Limit::Dropped(unbegun.events as u64);
        }
        self.gap = untold;
        self.next = first;
        self.waiting.events += unbegun.events;
        self.waiting.bytes += unbegun.bytes;
        self.keep_limit(log)
    }

    fn take_off_front(&mut self, mut sent: usize) {
        while sent > 0
            && let Some(first) = self.unsent.front_mut()
        {
            if sent < first.len() {
                let _has_left = first.split_to(sent);
                return;
            }
            sent -= first.len();
            self.unsent.pop_front();
        }
    }
}
