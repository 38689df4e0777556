//! What a subscriber asked for.

use std::collections::HashSet;

use super::frames;
use crate::event::Overflow;

/// Which events a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    All,
    /// Those whose topic is one of these.
    Topics(HashSet<Box<str>>),
}

impl Filter {
    pub(crate) fn lets_through(&self, topic: &[u8]) -> bool {
        match self {
            Filter::All => true,
            Filter::Topics(topics) => std::str::from_utf8(topic).is_ok_and(|topic| topics.contains(topic)),
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Filter::All)
    }

    pub(crate) fn passes(&self, frame: &[u8]) -> bool {
        self.is_all() || self.lets_through(frames::topic_of(frame))
    }
}

/// What a subscriber asked for.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) filter: Filter,
    pub(crate) overflow: Overflow,
    /// How many bytes of events may wait for it, headers included. A single event may be larger.
    pub(crate) queue: usize,
    /// The largest message that it takes, in bytes.
    pub(crate) largest: usize,
    /// Whether it takes JSON with bytes.
    pub(crate) knows_attachments: bool,
}
