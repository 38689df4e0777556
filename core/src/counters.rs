//! What a listener has seen, in numbers.

use serde::{Deserialize, Serialize};

use crate::sync::atomic::{AtomicU64, Ordering};

/// What a listener has seen since it started, and what it has in hand now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Messages handed to the handler.
    pub messages: u64,
    /// Messages whose handler failed: it said so, panicked, or ended without an answer.
    pub failed: u64,
    /// Connections closed because what they sent follows no dialect, or broke its rules.
    pub malformed: u64,
    /// Connections refused because of who was at the other end.
    pub refused: u64,
    /// Connections that ended, or went stale, before a whole message or a hello had come.
    pub incomplete: u64,
    /// Messages that were taken and are not yet answered, now.
    pub in_flight: u64,
    /// Requests that nobody waits for any more and that their handler has not settled: neither answered nor dropped
    /// their [`Responder`](crate::Responder), now.
    pub abandoned: u64,
    /// Subscribers now.
    pub subscribers: u64,
    /// Events published, whoever heard them.
    pub published: u64,
    /// Events that subscribers missed because they were too slow, each counted once for every subscriber.
    pub dropped: u64,
    /// Subscribers that were cut off because they were too slow.
    pub too_slow: u64,
    /// Streams open now: opened, and either not ended or with a handler that has not settled.
    pub streams: u64,
}

/// The counters while they count.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) incomplete: AtomicU64,
    pub(crate) streams: AtomicU64,
}

impl Tally {
    pub(crate) fn read(&self, in_flight: usize, abandoned: usize) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            connections: read(&self.connections),
            open: read(&self.open),
            messages: read(&self.messages),
            failed: read(&self.failed),
            malformed: read(&self.malformed),
            refused: read(&self.refused),
            incomplete: read(&self.incomplete),
            streams: read(&self.streams),
            in_flight: in_flight as u64,
            abandoned: abandoned as u64,
            // What is published counts for itself.
            ..Counters::default()
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
