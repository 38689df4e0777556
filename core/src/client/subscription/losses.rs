//! Which ends of a session lead to another one, and how long a subscription looks for it.

use std::time::{Duration, Instant};

use crate::error::ErrorKind;

/// The pauses between tries to find a publisher again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Whether an error ends a subscription that had its publisher before. Any other says that the publisher is gone for
/// now.
pub(crate) fn is_final(kind: ErrorKind) -> bool {
    use ErrorKind::{Forked, Internal, UnsupportedVersion, WrongMode};
    use ErrorKind::{InvalidArgument, InvalidBody, PeerNotAllowed, PermissionDenied, Protocol, TooLarge, TooSlow};
    matches!(
        kind,
        PermissionDenied
            | PeerNotAllowed
            | WrongMode
            | Protocol
            | UnsupportedVersion
            | TooSlow
            | TooLarge
            | InvalidBody
            | InvalidArgument
            | Forked
            | Internal
    )
}

/// The time of one look for a publisher that was lost.
#[derive(Debug)]
pub(crate) struct Search {
    pause: Duration,
    /// When it is given up; `None` is never.
    ends: Option<Instant>,
}

impl Search {
    /// A search that begins now, for at most so long; `None` is without limit.
    pub(crate) fn new(limit: Option<Duration>) -> Search {
        Search { pause: FIRST_PAUSE, ends: limit.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// When to look next; `None`: the time is over.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let next = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match self.ends {
            Some(ends) if now >= ends => None,
            // The last look is at the end.
            Some(ends) => Some(next.min(ends)),
            None => Some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_the_last_look_is_at_the_end() {
        let mut search = Search::new(None);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(search.pause.as_millis());
            assert!(search.next().is_some());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        let mut search = Search::new(Some(Duration::from_millis(5)));
        assert_eq!(search.next(), search.ends);
        assert_eq!(Search::new(Some(Duration::ZERO)).next(), None);
    }
}
