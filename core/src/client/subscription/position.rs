//! What a subscription has got and what it has missed, from one session to the next.

use super::asking::Answer;

/// The number of missed events that stands for an unknown one: the publisher was replaced, or cannot tell.
pub(crate) const UNKNOWN: i64 = -1;

/// Where a subscription is in what its publishers publish.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// The publisher's epoch and the last of its numbers that the user has heard of; `None` before the first answer.
    seen: Option<(String, u64)>,
    /// What the session that is there was answered: its epoch, and the last number before what is due.
    begins: Option<(String, u64)>,
    /// What the next event is to tell of what was missed between sessions.
    missed: i64,
}

impl Position {
    /// What a further subscribe is to name. `None`: it begins anew.
    pub(crate) fn resumes(&self) -> Option<(&str, u64)> {
        // With an unknown number to tell, nothing depends on a count, and retained events are to come again.
        let (epoch, after) = self.seen.as_ref().filter(|_| self.missed != UNKNOWN)?;
        Some((epoch, *after))
    }

    /// The answer to a subscribe that named what [`resumes`](Position::resumes) gave.
    pub(crate) fn subscribed(&mut self, answer: &Answer) {
        let begins = (answer.epoch.clone(), answer.next - 1);
        match &self.seen {
            None => self.seen = Some(begins.clone()),
            Some(_) if self.missed == UNKNOWN => {}
            // A publisher does not know how many were for one who named topics.
            Some((epoch, _)) if *epoch == answer.epoch => {
                self.missed = answer.missed.map_or(UNKNOWN, |missed| i64::try_from(missed).unwrap_or(i64::MAX));
            }
            Some(_) => self.missed = UNKNOWN,
        }
        self.begins = Some(begins);
    }

    /// An event goes to the user: with `number`, if it was due, and so many missed before it on its session. What it
    /// is to tell of those that were missed.
    pub(crate) fn deliver(&mut self, number: Option<u64>, gap: u64) -> i64 {
        if let Some(begins) = self.begins.take() {
            self.seen = Some(begins);
        }
        if let (Some((_, seen)), Some(number)) = (&mut self.seen, number) {
            *seen = number;
        }
        match std::mem::take(&mut self.missed) {
            UNKNOWN => UNKNOWN,
            missed => missed.saturating_add(i64::try_from(gap).unwrap_or(i64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(epoch: &str, next: u64, missed: Option<u64>) -> Answer {
        Answer { epoch: epoch.into(), next, missed }
    }

    #[test]
    fn the_first_event_after_a_loss_tells_what_the_same_publisher_counted() {
        let mut position = Position::default();
        assert_eq!(position.resumes(), None);
        position.subscribed(&answer("a", 124, None));
        assert_eq!(position.deliver(Some(124), 0), 0);
        assert_eq!(position.deliver(Some(130), 5), 5);
        assert_eq!(position.resumes(), Some(("a", 130)));
        position.subscribed(&answer("a", 140, Some(9)));
        assert_eq!(position.deliver(Some(142), 2), 11);
        assert_eq!(position.deliver(Some(143), 0), 0);
    }

    #[test]
    fn what_no_event_has_told_is_asked_again() {
        let mut position = Position::default();
        position.subscribed(&answer("a", 124, None));
        assert_eq!(position.resumes(), Some(("a", 123)));
        position.subscribed(&answer("a", 130, Some(6)));
        assert_eq!(position.resumes(), Some(("a", 123)));
        position.subscribed(&answer("a", 131, Some(7)));
        // A retained one, which has told it.
        assert_eq!(position.deliver(None, 0), 7);
        assert_eq!(position.resumes(), Some(("a", 130)));
    }

    #[test]
    fn a_replaced_publisher_is_one_event_with_an_unknown_number() {
        let mut position = Position::default();
        position.subscribed(&answer("a", 124, None));
        position.subscribed(&answer("b", 7, None));
        assert_eq!(position.resumes(), None);
        position.subscribed(&answer("b", 9, None));
        assert_eq!(position.deliver(None, 0), UNKNOWN);
        assert_eq!(position.resumes(), Some(("b", 8)));
        assert_eq!(position.deliver(Some(9), 0), 0);
        position.subscribed(&answer("a", 1, None));
        assert_eq!(position.deliver(Some(4), 3), UNKNOWN);
        assert_eq!(position.resumes(), Some(("a", 4)));
    }

    #[test]
    fn what_the_same_publisher_cannot_tell_is_unknown() {
        let mut position = Position::default();
        position.subscribed(&answer("a", 124, None));
        position.subscribed(&answer("a", 130, None));
        assert_eq!(position.deliver(Some(131), 1), UNKNOWN);
        assert_eq!(position.resumes(), Some(("a", 131)));
    }
}
