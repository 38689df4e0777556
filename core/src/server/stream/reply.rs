//! The sequence that a handler answers with.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;

use super::items::Items;
use super::open::OpenStream;
use crate::error::{Error, ErrorKind, HandlerError, HandlerResult, Result};
use crate::failure::HandlerFailure;
use crate::message::{Message, MessageRef};
use crate::peer::Peer;
use crate::server::error_frame::ErrorFrame;

/// A request's answer that is a sequence of items, each of which leaves as soon as the caller has room for it: any number, and
/// then [`end`](ReplyStream::end) or [`fail`](ReplyStream::fail), once. Threads may share it. Dropped before that, it tells the
/// caller that the handler failed.
///
/// The caller lets 256 KiB of items be on their way, and more as it takes them; an item of a few bytes counts for 16 more. At
/// most 256 KiB and one item wait here for the socket.
///
/// When the caller has left, all calls fail at once: with [`ErrorKind::Cancelled`] where it gave the stream up, and with
/// [`ErrorKind::ConnectionLost`] where it has gone or the listener has closed. After the end they fail with
/// [`ErrorKind::Closed`].
pub struct ReplyStream {
    open: Arc<OpenStream>,
}

impl ReplyStream {
    pub(crate) fn new(open: Arc<OpenStream>) -> ReplyStream {
        ReplyStream { open }
    }

    /// Sends an item, unless there is no room for it yet: `false`, and nothing was taken. Never waits.
    ///
    /// Fails with [`ErrorKind::TooLarge`] where the caller takes no message of that size; its stream ends with that.
    pub fn try_send<'a>(&self, item: impl Into<MessageRef<'a>>) -> Result<bool> {
        self.open.try_send(item.into())
    }

    /// Sends an item, waiting in the calling thread for room, at most for `timeout`; `None` is without limit.
    ///
    /// Fails with [`ErrorKind::TimedOut`] when the time is over: nothing was taken then, and a later call may find room.
    pub fn send<'a>(&self, item: impl Into<MessageRef<'a>>, timeout: Option<Duration>) -> Result<()> {
        self.open.send(item.into(), timeout)
    }

    /// Sends an item, waiting in a task for room. Dropping the future before it has completed takes nothing.
    pub async fn send_async<'a>(&self, item: impl Into<MessageRef<'a>>) -> Result<()> {
        let item = item.into();
        poll_fn(|context| self.open.poll_send(item, context)).await
    }

    /// As [`send_async`](ReplyStream::send_async), for those who poll: the task is woken when there may be room.
    pub fn poll_send<'a>(&self, item: impl Into<MessageRef<'a>>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.open.poll_send(item.into(), context)
    }

    /// Ends the stream behind all items. Never waits.
    pub fn end(&self) -> Result<()> {
        self.open.finish()
    }

    /// Ends the stream behind all items with an error: the handler failed, and why, in one line. Never waits.
    ///
    /// Where the caller cannot be told, [`Options::on_handler_failure`](crate::Options::on_handler_failure) is.
    pub fn fail(&self, text: &str) -> Result<()> {
        self.open.fail(ErrorFrame::of_text(ErrorKind::HandlerFailed, text))
    }

    /// As [`fail`](ReplyStream::fail), with a code and data that the caller can act on.
    pub fn fail_with(&self, failure: HandlerFailure) -> Result<()> {
        self.open.fail(ErrorFrame::of_failure(&failure))
    }

    /// Ends the stream behind all items with the error with which somebody else has ended it: its kind, its text, what a handler
    /// gave with it, and whether the opening may have been handled. For programs that stand between a caller and a listener
    /// elsewhere. Never waits.
    pub fn refuse(&self, error: &Error) -> Result<()> {
        self.open.fail(ErrorFrame::of_error(error))
    }

    /// The caller's items: the same that [`Responder::items`](crate::Responder::items) gives.
    pub fn items(&self) -> Items {
        Items::new(Some(Arc::clone(&self.open)))
    }

    /// Who called.
    pub fn peer(&self) -> Peer {
        self.open.peer()
    }

    /// Whether the caller has given the stream up or has gone, or the listener has closed: nobody waits for items.
    pub fn is_cancelled(&self) -> bool {
        self.open.is_cancelled()
    }

    /// Completes when that is so. Cancelling it changes nothing; it is apart from the stream.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let open = Arc::clone(&self.open);
        poll_fn(move |context| open.poll_left(context))
    }

    /// Sends what a typed handler answers with, in a task.
    pub(crate) async fn answer<A: Serialize, S: Stream<Item = HandlerResult<A>>>(self, result: HandlerResult<S>) {
        let items = match result {
            Ok(items) => items,
            Err(error) => return self.failed(&error),
        };
        let mut items = pin!(items);
        while let Some(item) = poll_fn(|context| items.as_mut().poll_next(context).map(|item| item.map(encoded))).await
        {
            match item {
                // The caller has left, or has been told that the item is too large.
                Ok(item) if self.send_async(&item).await.is_err() => return,
                Ok(_) => {}
                Err(error) => return self.failed(&error),
            }
        }
        let _nobody_is_left_to_tell = self.end();
    }

    /// The same in a thread, which waits.
    pub(crate) fn answer_in_thread<A, I>(self, result: HandlerResult<I>)
    where
        A: Serialize,
        I: IntoIterator<Item = HandlerResult<A>>,
    {
        let mut items = match result {
            Ok(items) => items.into_iter(),
            Err(error) => return self.failed(&error),
        };
        while !self.is_cancelled() {
            match items.next().map(encoded) {
                Some(Ok(item)) if self.send(&item, None).is_err() => return,
                Some(Ok(_)) => {}
                Some(Err(error)) => return self.failed(&error),
                None => {
                    let _nobody_is_left_to_tell = self.end();
                    return;
                }
            }
        }
    }

    /// The opening is not what the handler asks for.
    pub(crate) fn reject(self, text: &str) {
        let _nobody_is_left_to_tell = self.open.fail(ErrorFrame::of_text(ErrorKind::InvalidBody, text));
    }

    /// A typed handler has failed.
    fn failed(&self, error: &HandlerError) {
        let is_of_the_caller = |error: &Error| matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::ConnectionLost);
        let _nobody_is_left_to_tell = match error.downcast_ref::<HandlerFailure>() {
            Some(failure) => self.open.fail(ErrorFrame::of_failure(failure)),
            // It has passed on what the caller's items told: that the caller has left.
            None if self.is_cancelled() && error.downcast_ref::<Error>().is_some_and(is_of_the_caller) => return,
            None => self.fail(&error.to_string()),
        };
    }

    /// What a thread of the library calls whenever there may be something to do: as [`Items::on_change`], whose place it takes.
    pub fn on_change(&self, changed: Box<dyn Fn() + Send + Sync>) {
        self.open.on_change(Arc::from(changed));
    }
}

/// An item as it is sent.
fn encoded<A: Serialize>(item: HandlerResult<A>) -> HandlerResult<Message> {
    Ok(Message::json(&item?)?)
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if self.open.is_settled() {
            return;
        }
        if self.is_cancelled() && !std::thread::panicking() {
            // It goes since nobody waits for it any more.
            self.open.settle();
        } else {
            let panicking = std::thread::panicking();
            let text = if panicking { "the handler panicked" } else { "the handler did not end its stream" };
            let _nobody_is_left_to_tell = self.fail(text);
        }
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("open", &self.open).finish_non_exhaustive()
    }
}
