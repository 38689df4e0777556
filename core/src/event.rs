//! What a subscriber gets, and what becomes of it when it does not keep up.

use std::fmt;

use crate::error::Result;
use crate::message::Message;

/// Something that was published, as a subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T = Message> {
    /// What was published.
    pub data: T,
    /// The topic that it was published on; empty where it was published on none.
    pub topic: String,
    /// How many events this subscriber was due to get and missed right before this one: 0 is none. -1: an unknown number,
    /// because the publisher was replaced by another one, or the connection to it broke and the subscription names topics.
    pub missed: i64,
    /// Whether it was published before this subscriber came, and kept as the last event of its topic.
    pub retained: bool,
}

impl Event {
    /// The same with its data decoded.
    pub(crate) fn decoded<T>(self, decode: impl FnOnce(Message) -> Result<T>) -> Result<Event<T>> {
        let Event { data, topic, missed, retained } = self;
        Ok(Event { data: decode(data)?, topic, missed, retained })
    }
}

/// What becomes of a subscriber for which more waits than its `queue` lets wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It is cut off, with [`ErrorKind::TooSlow`](crate::ErrorKind::TooSlow) behind what was sent.
    #[default]
    Fail,
    /// It misses the oldest of what waits, and is told how many with the next event.
    DropOldest,
    /// The publisher waits for it, at most for its `patience`; then it is cut off. Only with a publisher that has some.
    Block,
}

impl Overflow {
    /// Every one of them.
    const ALL: [Overflow; 3] = [Overflow::Fail, Overflow::DropOldest, Overflow::Block];

    /// `fail`, `drop_oldest` or `block`.
    pub const fn name(self) -> &'static str {
        match self {
            Overflow::Fail => "fail",
            Overflow::DropOldest => "drop_oldest",
            Overflow::Block => "block",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Overflow> {
        Overflow::ALL.into_iter().find(|overflow| overflow.name() == name)
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
