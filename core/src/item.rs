//! What a side of a stream has next.

use crate::error::Result;
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

impl NextItem {
    /// The same with its item decoded.
    pub(crate) fn decoded<T>(self, decode: impl FnOnce(Message) -> Result<T>) -> Result<NextItem<T>> {
        Ok(match self {
            NextItem::Item(message) => NextItem::Item(decode(message)?),
            NextItem::NotYet => NextItem::NotYet,
            NextItem::Ended => NextItem::Ended,
        })
    }
}
