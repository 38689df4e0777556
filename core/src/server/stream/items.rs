//! The items of a caller, as a handler has them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::open::OpenStream;
use crate::error::{ErrorKind, Result};
use crate::item::NextItem;
use crate::message::Message;

/// What the caller of a stream sends after its opening, in order, until it ends: for threads, tasks and event loops. Of a
/// plain request there are none.
///
/// Credit for more is given to the caller as items are taken: 256 KiB and one item lie here at the most. All clones take from
/// the same items, each of which goes to one of them. Threads may share it.
///
/// When the caller has left, all calls fail at once, also where items are left: with [`ErrorKind::Cancelled`] where it gave
/// the stream up, and with [`ErrorKind::ConnectionLost`] where it has gone or the listener has closed. After the handler's own
/// end of the stream they fail with [`ErrorKind::Closed`]. An item that is no `T` fails with [`ErrorKind::InvalidBody`], and
/// the caller's stream ends with that.
///
/// For threads it is an iterator (`for item in &items`), for tasks a futures `Stream`. Dropping it changes nothing.
pub struct Items<T = Message> {
    /// None of a plain request.
    open: Option<Arc<OpenStream>>,
    decode: fn(Message) -> Result<T>,
    /// Of the futures `Stream`: it has given its last item.
    is_done: bool,
}

impl Items {
    pub(crate) fn new(open: Option<Arc<OpenStream>>) -> Items {
        let checks = open.as_ref().is_some_and(|open| open.checks_json());
        let decode: fn(Message) -> Result<Message> =
            if checks { |message| message.check().map(|()| message) } else { Ok };
        Items { open, decode, is_done: false }
    }

    /// The same items, each decoded to a `T`.
    pub fn typed<T: DeserializeOwned>(&self) -> Items<T> {
        Items { open: self.open.clone(), decode: |message| message.decode(), is_done: false }
    }
}

impl<T> Items<T> {
    /// The next item, if it is there. Never waits.
    pub fn try_next(&self) -> Result<NextItem<T>> {
        match &self.open {
            Some(open) => match open.try_next()? {
                NextItem::Item(item) => self.decoded(item).map(NextItem::Item),
                NextItem::NotYet => Ok(NextItem::NotYet),
                NextItem::Ended => Ok(NextItem::Ended),
            },
            None => Ok(NextItem::Ended),
        }
    }

    /// Waits in the calling thread for the next item, at most for `timeout`; `None` is without limit. `Ok(None)` is the end.
    ///
    /// Fails with [`ErrorKind::TimedOut`] when the time is over: a later call may bring the item.
    pub fn recv(&self, timeout: Option<Duration>) -> Result<Option<T>> {
        match &self.open {
            Some(open) => open.recv(timeout)?.map(|item| self.decoded(item)).transpose(),
            None => Ok(None),
        }
    }

    /// Waits for the next item in a task; `None` is the end. Dropping the future loses nothing.
    pub async fn next(&self) -> Option<Result<T>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// What a thread of the library calls whenever [`try_next`](Items::try_next) may have something to do after it said
    /// [`NextItem::NotYet`], or [`ReplyStream::try_send`](crate::ReplyStream::try_send) after a `false`, and when the caller
    /// has left: for event loops. It takes the place of what was given before, here or to
    /// [`ReplyStream::on_change`](crate::ReplyStream::on_change).
    ///
    /// It is called without a lock of this library, may call these methods, and must not block. What has changed before it was
    /// given is not told again: look once afterwards. When the stream is over it is called a last time, and dropped. Of a
    /// plain request it is dropped at once.
    pub fn on_change(&self, changed: Box<dyn Fn() + Send + Sync>) {
        if let Some(open) = &self.open {
            open.on_change(Arc::from(changed));
        }
    }

    /// Whether the caller has given the stream up or has gone, or the listener has closed.
    pub fn is_cancelled(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_cancelled())
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let Some(open) = &self.open else { return Poll::Ready(None) };
        let next = open.poll_next(context);
        next.map(|next| next.and_then(|item| item.map(|item| self.decoded(item)).transpose()).transpose())
    }

    fn decoded(&self, item: Message) -> Result<T> {
        (self.decode)(item).inspect_err(|error| {
            if let Some(open) = &self.open {
                open.refuse(ErrorKind::InvalidBody, error.message());
            }
        })
    }
}

impl<T> Clone for Items<T> {
    fn clone(&self) -> Items<T> {
        Items { open: self.open.clone(), decode: self.decode, is_done: self.is_done }
    }
}

/// The end is `None`, and so is whatever follows an error.
impl<T> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let items = self.get_mut();
        if items.is_done {
            return Poll::Ready(None);
        }
        let next = items.poll(context);
        items.is_done = matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

impl<T> IntoIterator for Items<T> {
    type Item = Result<T>;
    type IntoIter = ItemsInThread<T>;

    fn into_iter(self) -> ItemsInThread<T> {
        ItemsInThread { items: self, is_done: false }
    }
}

impl<T> IntoIterator for &Items<T> {
    type Item = Result<T>;
    type IntoIter = ItemsInThread<T>;

    fn into_iter(self) -> ItemsInThread<T> {
        self.clone().into_iter()
    }
}

/// The iterator over [`Items`], which waits in the calling thread. An error is the last that it gives.
#[derive(Debug)]
pub struct ItemsInThread<T = Message> {
    items: Items<T>,
    is_done: bool,
}

impl<T> Iterator for ItemsInThread<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.is_done {
            return None;
        }
        let next = self.items.recv(None).transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("open", &self.open).finish_non_exhaustive()
    }
}
