//! The time of a listener: milliseconds since it started, in 64 bits, which do not run over.

use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicU64, Ordering};

/// A moment in the life of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// So many milliseconds after the listener started.
    #[cfg(test)]
    pub(crate) const fn at(milliseconds: u64) -> Moment {
        Moment(milliseconds)
    }

    /// How long `earlier` was ago; no time at all where it was not earlier.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment that is so much later.
    pub(crate) fn after(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A moment that threads share, or none. It orders nothing else: what it says may be a little out of date.
#[derive(Debug)]
pub(crate) struct SharedMoment(AtomicU64);

/// The last moment there is stands for none.
const NONE: u64 = u64::MAX;

impl Default for SharedMoment {
    fn default() -> SharedMoment {
        SharedMoment(AtomicU64::new(NONE))
    }
}

impl SharedMoment {
    pub(crate) fn new(moment: Moment) -> SharedMoment {
        SharedMoment(AtomicU64::new(moment.0))
    }

    #[inline]
    pub(crate) fn set(&self, moment: Option<Moment>) {
        self.0.store(moment.map_or(NONE, |moment| moment.0), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Moment> {
        match self.0.load(Ordering::Relaxed) {
            NONE => None,
            milliseconds => Some(Moment(milliseconds)),
        }
    }
}

/// What tells the time.
#[derive(Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment(self.uptime_ms())
    }

    /// How long ago the listener started, in milliseconds.
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}
