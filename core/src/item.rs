//! What a side of a stream has next.

use crate::message::Message;

/// What the other side of a stream has sent next, as one who does not wait finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextItem<T = Message> {
    /// An item.
    Item(T),
    /// Nothing yet.
    NotYet,
    /// No more items come.
    Ended,
}
