//! A ring of bytes in memory that two processes share: one of them sends, the other one receives.
//!
//! Positions count all bytes that ever went through and never wrap; where a byte lies is its position modulo the capacity,
//! which is a power of two. Each side keeps its own position in its own memory, checks what the other side writes against it,
//! and never uses a position that is out of range.
//!
//! A side that has nothing to do says so in a shared word, makes a full fence and looks once more; the other side writes its
//! position, makes a full fence and looks at that word. So at least one of the two sees what the other one wrote.
//!
//! This file moves no bytes: its callers give functions that copy from or to a place in the ring.

use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// What the receiver says of itself in [`Words::receiver`].
const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const CLOSED: u32 = 2;

/// What a sender without room waits for, as bits of [`Words::wanted`]: a byte on the socket, or the word as a futex.
pub(crate) const DOORBELL: u32 = 1;
pub(crate) const FUTEX: u32 = 2;

/// A position that is not known yet, of a receiver that is open, and of one that is about to close.
const UNKNOWN: u64 = u64::MAX;
const CLOSING: u64 = u64::MAX - 1;

/// The most bytes that go in at once: the receiver copies them out while the next ones are copied in.
const AT_ONCE: usize = 64 << 10;

/// A value in a pair of cache lines of its own, so that a write to another one does not take it from its readers.
#[repr(C, align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// The words of one ring, in shared memory. The other process may write anything into them at any time.
#[repr(C)]
pub(crate) struct Words {
    /// How many bytes were sent in all. Written by the sender, with release, after the bytes themselves.
    pub(super) tail: Apart<AtomicU64>,
    /// How many bytes were received in all. Written by the receiver, with release, after it has copied them out.
    pub(super) head: Apart<AtomicU64>,
    /// Whether the receiver is awake, asleep or has closed. The receiver writes all three, the sender changes asleep to awake and
    /// then rings. Relaxed: a full fence stands between each write here and the look at a position, on both sides.
    pub(super) receiver: Apart<AtomicU32>,
    /// How many bytes the receiver has taken when it has closed; `u64::MAX` before that is known, and one less where it is about to
    /// close. Written by the receiver, with release.
    pub(super) last: Apart<AtomicU64>,
    /// What a sender without room waits for, as bits. The sender sets bits, the receiver swaps them out and then wakes it. Relaxed: as
    /// for `receiver`.
    pub(super) wanted: Apart<AtomicU32>,
    /// On which processor the receiver last waited, one more than its number; 0 before it has. Written by the receiver; relaxed, it is a
    /// hint. This file does nothing with it.
    pub(super) place: Apart<AtomicU32>,
}

impl Words {
    /// The words of an empty ring whose receiver counts as asleep: the first bytes ring.
    pub(crate) fn new() -> Words {
        Words {
            tail: Apart(AtomicU64::new(0)),
            head: Apart(AtomicU64::new(0)),
            receiver: Apart(AtomicU32::new(ASLEEP)),
            last: Apart(AtomicU64::new(UNKNOWN)),
            wanted: Apart(AtomicU32::new(0)),
            place: Apart(AtomicU32::new(0)),
        }
    }

    /// The word that says on which processor the receiver last waited.
    pub(crate) fn place(&self) -> &AtomicU32 {
        &self.place.0
    }

    /// The word that a sender without room may wait on as a futex.
    pub(crate) fn wanted(&self) -> &AtomicU32 {
        &self.wanted.0
    }
}

/// What became of bytes that were to go in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// So many are in. The receiver sleeps and has to be woken where `rings`.
    Some { count: usize, rings: bool },
    /// So many are in, and the receiver has closed meanwhile: [`Sender::taken_of`] says how many of them it takes.
    Closing { count: usize },
    /// There is no room.
    Full,
    /// The receiver takes nothing more.
    Closed,
    /// The receiver has written a position that cannot be.
    Broken,
}

/// The sending side's own memory of a ring. Its caller sees to it that one thread sends at a time.
pub(crate) struct Sender {
    /// How many bytes were sent in all. Written by the thread that sends; relaxed, the callers' lock orders it.
    tail: AtomicU64,
    /// Up to which position there was room when it last looked. The same.
    limit: AtomicU64,
    capacity: u64,
}

/// Has `count` bytes copied, from this position of a ring on: in two pieces where they pass its end.
#[inline(always)]
fn in_pieces(position: u64, count: u64, capacity: u64, mut copy: impl FnMut(usize, usize, usize)) {
    let at = position & (capacity - 1);
    let first = count.min(capacity - at);
    copy(at as usize, 0, first as usize);
    if first < count {
        copy(0, first as usize, (count - first) as usize);
    }
}

impl Sender {
    pub(crate) fn new(capacity: u64) -> Sender {
        debug_assert!(capacity.is_power_of_two());
        Sender { tail: AtomicU64::new(0), limit: AtomicU64::new(capacity), capacity }
    }

    /// Puts bytes in, as far as there is room: `copy` is called with where in the ring, which of the bytes, and how many.
    #[inline]
    pub(crate) fn put(&self, words: &Words, len: usize, copy: impl FnMut(usize, usize, usize)) -> Put {
        let tail = self.tail.load(Ordering::Relaxed);
        let wanted = len.min(AT_ONCE) as u64;
        let mut room = self.limit.load(Ordering::Relaxed) - tail;
        if room < wanted {
            let head = words.head.0.load(Ordering::Acquire);
            if head > tail || tail - head > self.capacity {
                return Put::Broken;
            }
            room = head + self.capacity - tail;
            self.limit.store(head + self.capacity, Ordering::Relaxed);
        }
        if words.receiver.0.load(Ordering::Relaxed) == CLOSED {
            return Put::Closed;
        }
        let count = wanted.min(room);
        if count == 0 {
            return Put::Full;
        }
        in_pieces(tail, count, self.capacity, copy);
        words.tail.0.store(tail + count, Ordering::Release);
        self.tail.store(tail + count, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let count = count as usize;
        match words.receiver.0.load(Ordering::Relaxed) {
            ASLEEP => {
                let waking = words.receiver.0.compare_exchange(ASLEEP, AWAKE, Ordering::Relaxed, Ordering::Relaxed);
                match waking {
                    Err(CLOSED) => Put::Closing { count },
                    waking => Put::Some { count, rings: waking.is_ok() },
                }
            }
            CLOSED => Put::Closing { count },
            _ => Put::Some { count, rings: false },
        }
    }

    /// Says that it waits for room, as `how` tells. Whether there is still none.
    pub(crate) fn want(&self, words: &Words, how: u32) -> bool {
        words.wanted.0.fetch_or(how, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        !self.has_room(words)
    }

    /// Whether something can go in, or a send would say why not.
    pub(crate) fn has_room(&self, words: &Words) -> bool {
        let head = words.head.0.load(Ordering::Acquire);
        let full = self.tail.load(Ordering::Relaxed).checked_sub(head) == Some(self.capacity);
        !full || words.receiver.0.load(Ordering::Relaxed) == CLOSED
    }

    /// How many of the last `count` bytes the receiver takes that has closed; `None` while it has not said so.
    pub(crate) fn taken_of(&self, words: &Words, count: usize) -> Option<usize> {
        let last = words.last.0.load(Ordering::Acquire);
        let begin = self.tail.load(Ordering::Relaxed) - count as u64;
        (last < CLOSING).then(|| last.saturating_sub(begin).min(count as u64) as usize)
    }

    /// How many bytes the receiver has not taken, and never will: it has closed, or `has_gone`, as its socket says.
    pub(crate) fn untaken(&self, words: &Words, has_gone: bool) -> u64 {
        fence(Ordering::SeqCst);
        let tail = self.tail.load(Ordering::Relaxed);
        let last = match words.last.0.load(Ordering::Acquire) {
            UNKNOWN if has_gone && words.receiver.0.load(Ordering::Relaxed) != CLOSED => {
                words.head.0.load(Ordering::Acquire)
            }
            UNKNOWN | CLOSING => tail,
            last => last,
        };
        tail.saturating_sub(last).min(self.capacity)
    }
}

/// What there was to receive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// So many bytes; the sender waits for room, as these bits say, and is to be woken.
    Some { count: usize, wanted: u32 },
    /// Nothing at this moment.
    Empty,
    /// Nothing more will come: this side has closed.
    Ended,
    /// The sender has written a position that cannot be.
    Broken,
}

/// The receiving side's own memory of a ring. Its caller sees to it that one thread receives at a time; any thread may [look](Receiver::look),
/// and give it up.
pub(crate) struct Receiver {
    /// How many bytes were received in all. Written by the thread that receives; relaxed, the callers' hand-over orders it.
    head: AtomicU64,
    /// At which position it ends, `u64::MAX` while it is open. Written by the thread that receives; relaxed.
    end: AtomicU64,
    /// It has said that it sleeps and has received nothing since: the next bytes ring. Written by the thread that receives; relaxed.
    armed: AtomicBool,
    /// It is to close when nothing is there. Written once by any thread; relaxed, what ends the socket after it orders it.
    closing: AtomicBool,
    /// What is received from now on is thrown away. Written once by any thread before it ends the socket; relaxed, with a full fence
    /// after it, and one before each look.
    given_up: AtomicBool,
    capacity: u64,
}

impl Receiver {
    pub(crate) fn new(capacity: u64) -> Receiver {
        debug_assert!(capacity.is_power_of_two());
        Receiver {
            head: AtomicU64::new(0),
            end: AtomicU64::new(UNKNOWN),
            armed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            capacity,
        }
    }

    /// Takes at most `most` bytes out: `copy` is called with where in the ring, which of the bytes, and how many.
    #[inline]
    pub(crate) fn take(&self, words: &Words, most: usize, copy: impl FnMut(usize, usize, usize)) -> Took {
        let head = self.head.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        let tail = words.tail.0.load(Ordering::Acquire);
        if tail < head || tail - head > self.capacity {
            return Took::Broken;
        }
        let there = tail.min(end) - head;
        if there == 0 {
            if end == UNKNOWN && self.closing.load(Ordering::Relaxed) {
                self.close(words);
                return self.take(words, most, copy);
            }
            return if end == head { Took::Ended } else { Took::Empty };
        }
        let count = there.min(most as u64);
        in_pieces(head, count, self.capacity, copy);
        self.head.store(head + count, Ordering::Relaxed);
        self.armed.store(false, Ordering::Relaxed);
        words.head.0.store(head + count, Ordering::Release);
        // It orders the position before the looks at what the sender wants, and at whether this side was given up.
        fence(Ordering::SeqCst);
        if self.given_up.load(Ordering::Relaxed) {
            return Took::Ended;
        }
        let mut wanted = words.wanted.0.load(Ordering::Relaxed);
        if wanted != 0 {
            wanted = words.wanted.0.swap(0, Ordering::Relaxed);
        }
        Took::Some { count: count as usize, wanted }
    }

    /// How many bytes could be taken; copies none. `None` where the sender has written a position that cannot be.
    pub(crate) fn there(&self, words: &Words) -> Option<u64> {
        let head = self.head.load(Ordering::Relaxed);
        let tail = words.tail.0.load(Ordering::Acquire);
        let there = tail.min(self.end.load(Ordering::Relaxed)).checked_sub(head)?;
        (there <= self.capacity).then_some(there)
    }

    /// Copies what could be taken, up to `most` bytes, and leaves it there: any thread may call it. `None` where the thread that receives
    /// has taken some of it meanwhile.
    pub(crate) fn look(&self, words: &Words, most: usize, copy: impl FnMut(usize, usize, usize)) -> Option<usize> {
        let head = self.head.load(Ordering::Acquire);
        let count = self.there(words)?.min(most as u64);
        in_pieces(head, count, self.capacity, copy);
        fence(Ordering::SeqCst);
        (self.head.load(Ordering::Relaxed) == head).then_some(count as usize)
    }

    /// Says that it sleeps. Whether there is still nothing: then the next bytes ring.
    pub(crate) fn sleep(&self, words: &Words) -> bool {
        if self.end.load(Ordering::Relaxed) != UNKNOWN {
            return self.there(words) == Some(0);
        }
        words.receiver.0.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.there(words) == Some(0) {
            self.armed.store(true, Ordering::Relaxed);
            return true;
        }
        // Where the sender was quicker it has rung, and finds it awake as well.
        words.receiver.0.store(AWAKE, Ordering::Relaxed);
        false
    }

    /// Whether nothing says that the next bytes ring: before it waits it has to look again.
    pub(crate) fn is_awake(&self) -> bool {
        !self.armed.load(Ordering::Relaxed)
    }

    /// A bell was heard that is told to nobody else: before it waits it has to look again. For the thread that receives.
    pub(crate) fn hear(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// Has the thread that receives take nothing beyond what has been sent when it next finds nothing. For any thread, before it ends
    /// that direction of the socket: a sender that sees the end before this side has closed cannot tell what is still taken.
    pub(crate) fn close_when_empty(&self, words: &Words) {
        let _closed_already = words.last.0.compare_exchange(UNKNOWN, CLOSING, Ordering::SeqCst, Ordering::Relaxed);
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Takes nothing beyond what has been sent at this moment.
    fn close(&self, words: &Words) {
        if self.end.load(Ordering::Relaxed) == UNKNOWN {
            words.receiver.0.store(CLOSED, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let head = self.head.load(Ordering::Relaxed);
            let there = self.there(words).unwrap_or(0);
            self.end.store(head + there, Ordering::Relaxed);
            words.last.0.store(head + there, Ordering::Release);
        }
    }

    /// Takes nothing more at all. For the last one that has it.
    pub(crate) fn abandon(&self, words: &Words) {
        if self.end.load(Ordering::Relaxed) == UNKNOWN {
            let head = self.head.load(Ordering::Relaxed);
            words.receiver.0.store(CLOSED, Ordering::Relaxed);
            self.end.store(head, Ordering::Relaxed);
            words.last.0.store(head, Ordering::Release);
        }
    }

    /// Has what is received from now on thrown away. For any thread, before it ends the socket: a sender that sees the end knows by
    /// the position of this side what was not taken.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}
