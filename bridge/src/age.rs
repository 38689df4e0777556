//! How old a message is when it arrives, without a clock that two machines share.
//!
//! A sender writes into each message how old its connection is, by its monotonic clock; the receiver compares that with its own.
//! The difference is smallest for the message that has come fastest: by so much more as another's is larger, by so much
//! longer has it been under way. Nothing depends on the time of day.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most senders that are remembered; beyond them the one that has been quiet longest is forgotten.
const MOST_SENDERS: usize = 1024;
/// How much two monotonic clocks may run apart: a tenth of a thousandth and as much again.
const DRIFT: f64 = 200e-6;

/// When the messages of each sender have come.
#[derive(Debug)]
pub(crate) struct Ages {
    started: Instant,
    senders: Mutex<HashMap<String, Sender>>,
}

#[derive(Clone, Copy, Debug)]
struct Sender {
    /// The smallest difference of the two clocks, in microseconds, corrected for drift.
    least: f64,
    /// When the last message came, by the receiver's clock, in microseconds.
    last: f64,
}

impl Ages {
    pub(crate) fn new() -> Ages {
        Ages { started: Instant::now(), senders: Mutex::default() }
    }

    /// How long the message with this `Sipc-Sent` header has been under way, beyond the fastest of its sender so far. Zero
    /// for the first of a sender, and for what cannot be read.
    pub(crate) fn of(&self, sent: Option<&str>) -> Duration {
        let Some((id, sent)) = sent.and_then(read) else { return Duration::ZERO };
        self.note(id, sent, self.started.elapsed())
    }

    fn note(&self, id: &str, sent: f64, now: Duration) -> Duration {
        let now = now.as_secs_f64() * 1e6;
        let difference = now - sent;
        let mut senders = self.lock();
        if let Some(known) = senders.get_mut(id) {
            let least = (known.least + (now - known.last) * DRIFT).min(difference);
            *known = Sender { least, last: now };
            return Duration::from_secs_f64(((difference - least) / 1e6).max(0.0));
        }
        if senders.len() >= MOST_SENDERS {
            let quietest = senders.iter().min_by(|a, b| a.1.last.total_cmp(&b.1.last)).map(|(id, _)| id.clone());
            quietest.map(|id| senders.remove(&id));
        }
        senders.insert(id.to_owned(), Sender { least: difference, last: now });
        Duration::ZERO
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sender>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header's value for a message that is sent now on a connection of this id and age.
pub(crate) fn sent(id: &str, age: Duration) -> String {
    format!("{id} {}", age.as_micros())
}

fn read(header: &str) -> Option<(&str, f64)> {
    let (id, sent) = header.split_once(' ')?;
    let sent: u64 = sent.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a connection's life are exact up to 285 years")]
    (id.len() <= 64).then_some((id, sent as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(ages: &Ages, id: &str, sent_ms: u32, now_ms: u64) -> u128 {
        ages.note(id, f64::from(sent_ms) * 1000.0, Duration::from_millis(now_ms)).as_millis()
    }

    #[test]
    fn what_was_held_up_is_as_old_as_that_took_whatever_the_clocks_show() {
        let ages = Ages::new();
        assert_eq!(note(&ages, "a", 0, 1_000_000), 0);
        assert_eq!(note(&ages, "a", 10, 1_000_010), 0);
        // Less what the clocks may have run apart meanwhile.
        assert!((4998..=5000).contains(&note(&ages, "a", 20, 1_005_020)));
        assert_eq!(note(&ages, "a", 5030, 1_005_030), 0);
        // Another sender's clock began elsewhere.
        assert_eq!(note(&ages, "b", 7_000_000, 3), 0);
        assert!((999..=1000).contains(&note(&ages, "b", 7_000_000, 1003)));
    }

    #[test]
    fn clocks_that_drift_apart_make_nothing_old() {
        let ages = Ages::new();
        let day = 86_400_000;
        assert_eq!(note(&ages, "a", 0, 0), 0);
        assert_eq!(note(&ages, "a", day, u64::from(day) + 8_640), 0);
    }

    #[test]
    fn what_cannot_be_read_is_not_old_and_senders_are_bounded() {
        let ages = Ages::new();
        for sent in [None, Some(""), Some("a"), Some("a -1"), Some("a x")] {
            assert_eq!(ages.of(sent), Duration::ZERO);
        }
        for id in 0..3000 {
            ages.of(Some(&sent(&id.to_string(), Duration::from_millis(1))));
        }
        assert!(ages.lock().len() <= MOST_SENDERS);
    }
}
