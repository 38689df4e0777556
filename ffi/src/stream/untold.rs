//! What was missed before an event that C is not given.

use std::sync::Mutex;

use simple_ipc::{Event, Result};

use crate::lock::lock;
use crate::message::sipc_message;

/// How many events were missed before those that were refused, which the next event is to tell; -1 for an unknown number.
/// Locked for an instant by whoever takes an event.
#[derive(Default)]
pub(crate) struct Untold(Mutex<i64>);

impl Untold {
    /// What C is given for an event.
    pub(crate) fn message_of(&self, mut event: Event) -> Result<sipc_message> {
        // C asks for strings, and cannot look whether they are JSON.
        let checked = event.data.check();
        event.missed = self.missed_before(event.missed, checked.is_ok());
        checked.map(|()| sipc_message::event(event))
    }

    /// What the next event tells as missed, of which `missed` were before it alone; where it is not given, that is kept.
    fn missed_before(&self, missed: i64, is_given: bool) -> i64 {
        let mut untold = lock(&self.0);
        let together = if *untold < 0 || missed < 0 { -1 } else { untold.saturating_add(missed) };
        *untold = if is_given { 0 } else { together };
        together
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_before_an_event_that_is_refused_the_next_one_tells() {
        let untold = Untold::default();
        assert_eq!(untold.missed_before(2, true), 2);
        untold.missed_before(3, false);
        untold.missed_before(0, false);
        assert_eq!(untold.missed_before(4, true), 7);
        assert_eq!(untold.missed_before(0, true), 0);
        untold.missed_before(-1, false);
        assert_eq!(untold.missed_before(4, true), -1);
        assert_eq!(untold.missed_before(1, true), 1);
    }
}
