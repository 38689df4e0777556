//! When one who sends sends at once, and when that is left to others, or to the next ones.
//!
//! To send at once is what brings one event or item soonest, but in a burst it is a send for each. To add to what gathers
//! costs little, and all that has gathered meanwhile is sent together.
//!
//! The rule compares two times. `cost` is how long the sends of the last event took that was sent at once. The pause is
//! how long after the end of one publish the next one begins. While pauses are longer than `cost`, the sender spends
//! less than half of its time with sends, and each event is sent at once. After [`IN_A_ROW`] pauses that are shorter,
//! events gather until a pause is longer again. An item of a stream counts as an event.

use std::time::{Duration, Instant};

/// How many short pauses in a row make a burst: a few events on several topics are none yet.
const IN_A_ROW: u8 = 3;

/// What the rule remembers.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    /// When the last publish ended.
    ended: Option<Instant>,
    cost: Duration,
    /// How many pauses in a row were short, up to [`IN_A_ROW`].
    short: u8,
}

impl Burst {
    /// An event is published at this moment. Whether it is to be left to the drivers.
    pub(crate) fn gathers(&mut self, now: Instant) -> bool {
        let is_short = self.ended.is_some_and(|ended| now.saturating_duration_since(ended) < self.cost);
        self.short = if is_short { (self.short + 1).min(IN_A_ROW) } else { 0 };
        self.ended = Some(now);
        self.short == IN_A_ROW
    }

    /// The sends of an event that was published at `began` are done.
    pub(crate) fn sent(&mut self, began: Instant, now: Instant) {
        self.cost = now.saturating_duration_since(began);
        self.ended = Some(now);
    }

    /// What had gathered has been sent, which took until this moment.
    pub(crate) fn sent_what_gathered(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    /// The other side has answered: who waits for that is in no burst.
    pub(crate) fn is_answered(&mut self) {
        self.short = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_gather_after_short_pauses_in_a_row_and_until_a_long_one() {
        let mut burst = Burst::default();
        let mut now = Instant::now();
        let (cost, short, long) = (Duration::from_micros(20), Duration::from_micros(5), Duration::from_micros(30));
        let mut publish = |pause| {
            now += pause;
            let gathers = burst.gathers(now);
            if !gathers {
                burst.sent(now, now + cost);
                now += cost;
            }
            gathers
        };
        assert_eq!([long, long, short, short, long].map(&mut publish), [false; 5]);
        assert_eq!([short, short, short, short].map(&mut publish), [false, false, true, true]);
        assert_eq!([short, long, short, short, short].map(&mut publish), [true, false, false, false, true]);
    }
}
