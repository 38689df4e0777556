//! What a whole listener has in hand, its bounds, and those who wait for room under them.
//!
//! At a bound nobody is refused: who has something to hand over does not read on. Those wait in line,
//! one is called when there is room, and calls the next once it has taken what it had.

use std::collections::VecDeque;

use crate::lock::lock;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use crate::sync::{Arc, Notify};

/// What a listener has in hand. Its counts are sequentially consistent with `waiting`: who makes room and who gets in line
/// do not miss each other.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Messages that may be in flight.
    most_in_flight: usize,
    /// Bytes that may wait for handlers, and bytes that may wait for peers.
    most_waiting: usize,
    /// Messages that were taken and are not yet answered. Written by who takes one and who ends it.
    in_flight: AtomicUsize,
    /// Calls that nobody waits for any more and that are not settled, in any order of these two, so that it may be below
    /// zero for a moment. They give their places back, as far as these are no more than may be in flight: handlers that
    /// never settle are bounded, too.
    abandoned: AtomicIsize,
    /// The bytes of messages that handlers have not yet returned from. Written by who hands one over and who returns.
    bytes: AtomicUsize,
    /// The bytes of answers that peers have not taken, as far as drivers have told.
    unsent: AtomicUsize,
    /// Those who wait for room, the first in line first.
    line: Mutex<VecDeque<Arc<Notify>>>,
    /// How many are in line. Written under the lock of `line`, for who only asks whether there are any.
    waiting: AtomicUsize,
}

impl Admission {
    pub(crate) fn new(most_in_flight: usize, most_waiting: usize) -> Admission {
        Admission {
            most_in_flight,
            most_waiting,
            in_flight: AtomicUsize::new(0),
            abandoned: AtomicIsize::new(0),
            bytes: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            line: Mutex::new(VecDeque::new()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether one more message may be taken, however large.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::SeqCst) < self.most_in_flight
            && self.bytes.load(Ordering::SeqCst) < self.most_waiting
    }

    /// The same, not by an older value: whoever changes one of the two after this finds who has joined before it.
    fn has_room_now(&self) -> bool {
        let in_flight = self.in_flight.fetch_add(0, Ordering::SeqCst);
        self.bytes.fetch_add(0, Ordering::SeqCst) < self.most_waiting && in_flight < self.most_in_flight
    }

    /// Takes a message in, however many there are; [`end`](Admission::end) follows exactly once.
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes a message in if there is room; then [`end`](Admission::end) follows exactly once.
    #[inline]
    pub(crate) fn try_begin(&self) -> bool {
        let one_more = |now| (now < self.most_in_flight).then_some(now + 1);
        self.bytes.load(Ordering::SeqCst) < self.most_waiting
            && self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Whether it was the last.
    pub(crate) fn end(&self) -> bool {
        let last = self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1;
        self.wake_next();
        last
    }

    /// Instead of [`end`](Admission::end) for a call that nobody waits for any more; [`settle`](Admission::settle) follows
    /// exactly once, or has come before. Whether it was the last in flight.
    pub(crate) fn abandon(&self) -> bool {
        let before = self.abandoned.fetch_add(1, Ordering::SeqCst);
        before < self.most_in_flight.cast_signed() && self.end()
    }

    /// A call that nobody waits for has been settled. Whether what was in flight has ended with it.
    pub(crate) fn settle(&self) -> bool {
        let before = self.abandoned.fetch_sub(1, Ordering::SeqCst);
        before > self.most_in_flight.cast_signed() && self.end()
    }

    /// How many calls nobody waits for.
    pub(crate) fn abandoned(&self) -> usize {
        // Who abandons a call and who settles it count in either order.
        self.abandoned.load(Ordering::SeqCst).max(0).cast_unsigned()
    }

    /// Whether as many messages are in flight as may.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight() >= self.most_in_flight
    }

    /// Whether no more than half as many messages are in flight as may.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.in_flight() <= self.most_in_flight / 2
    }

    /// Whether anybody waits for room.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// How many messages are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Counts the bytes of a message; [`remove_bytes`](Admission::remove_bytes) follows for as many.
    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(crate) fn remove_bytes(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Ordering::SeqCst);
            self.wake_next();
        }
    }

    /// Whether a peer may be sent more that has not taken all of what it was sent. Those who have are not
    /// held up by the others.
    pub(crate) fn has_room_for_unsent(&self) -> bool {
        self.unsent.load(Ordering::SeqCst) < self.most_waiting
    }

    /// Gets in line, if not there already. Whether there is room by now; if not, `who` will be told. In
    /// any case it [leaves](Admission::leave_line) in the end.
    pub(crate) fn get_in_line(&self, who: &Arc<Notify>) -> bool {
        let mut line = lock(&self.line);
        if !line.iter().any(|other| Arc::ptr_eq(other, who)) {
            line.push_back(Arc::clone(who));
            self.waiting.store(line.len(), Ordering::SeqCst);
        }
        drop(line);
        self.has_room_now()
    }

    /// Is done with waiting, and leaves room that is there to the next.
    pub(crate) fn leave_line(&self, who: &Arc<Notify>) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let mut line = lock(&self.line);
            line.retain(|other| !Arc::ptr_eq(other, who));
            self.waiting.store(line.len(), Ordering::SeqCst);
        }
        self.wake_next();
    }

    /// Calls the first in line if there is room.
    pub(crate) fn wake_next(&self) {
        if self.waiting.load(Ordering::SeqCst) == 0 || !self.has_room_now() {
            return;
        }
        let first = {
            let mut line = lock(&self.line);
            let first = line.pop_front();
            self.waiting.store(line.len(), Ordering::SeqCst);
            first
        };
        if let Some(first) = first {
            first.notify_one();
        }
    }
}

/// What the peer of one session has not taken, in its listener's total for as long as the session stays.
#[derive(Debug)]
pub(crate) struct Unsent {
    admission: Arc<Admission>,
    /// Its part of the total. Written by the session's driver.
    bytes: AtomicUsize,
}

impl Unsent {
    pub(crate) fn new(admission: Arc<Admission>) -> Unsent {
        Unsent { admission, bytes: AtomicUsize::new(0) }
    }

    /// It is so many bytes now.
    pub(crate) fn tell(&self, now: usize) {
        let before = self.bytes.swap(now, Ordering::SeqCst);
        if now > before {
            self.admission.unsent.fetch_add(now - before, Ordering::SeqCst);
        } else if now < before {
            self.admission.unsent.fetch_sub(before - now, Ordering::SeqCst);
        }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.tell(0);
    }
}
