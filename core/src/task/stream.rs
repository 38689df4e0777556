//! A stream of items, for tasks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::channel::Channel;
use crate::client::tasks::no_runtime;
use crate::client::until::Until;
use crate::error::Result;
use crate::event_loop::{self, Closer};
use crate::item::NextItem;
use crate::message::{Message, MessageRef};
use crate::options::Options;
use crate::os::async_stream::AsyncReadiness;
use crate::surface::stream_functions;
use crate::task::watch::cannot_watch;

/// How many items may follow each other before other tasks have their turn.
const IN_A_ROW: u32 = 128;

/// The caller's side of a stream: a [`Stream`] of what the handler sends, driven by the task that polls it; and a way to
/// send it items. No task or thread is started.
///
/// Items come in order, each once, and all that were sent before the end or an error come before it. An error is the
/// last item, but for that of an item whose body is not a `T`
/// ([`ErrorKind::InvalidBody`](crate::ErrorKind::InvalidBody)): the stream goes on behind that.
///
/// It holds at most 256 KiB of items and one item more each way: the handler waits when it is so far ahead, and
/// [`send`](ItemStream::send) waits when the handler is so far behind. Two sides that only send wait for each other;
/// [`Options::idle_timeout`] ends that. Dropping it tells the handler at once that nobody wants more.
///
/// ```no_run
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut numbers = simple_ipc::post_uds_stream::<u32>("count", 3).await?;
/// while let Some(number) = numbers.next().await {
///     println!("{}", number?);
/// }
/// # Ok::<(), simple_ipc::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct ItemStream<T = Message> {
    shared: Arc<Shared>,
    decode: fn(Message) -> Result<T>,
    /// It has given its last item.
    over: bool,
    /// How many items it has given without letting other tasks run.
    in_a_row: u32,
}

/// What a stream and its senders share.
#[derive(Debug)]
struct Shared {
    raw: Arc<event_loop::ItemStream>,
    /// What the runtime watches. There until this is dropped.
    ready: Option<AsyncReadiness>,
}

impl Shared {
    fn watched(&self) -> &AsyncReadiness {
        self.ready.as_ref().expect("taken only in drop")
    }

    async fn send(&self, item: MessageRef<'_>) -> Result<()> {
        loop {
            if self.raw.try_send(item)? {
                break;
            }
            self.watched().readable().await.map_err(cannot_watch)?.clear_ready();
        }
        while !self.raw.is_flushed()? {
            self.watched().readable().await.map_err(cannot_watch)?.clear_ready();
        }
        Ok(())
    }

    async fn accepted(&self) -> Result<()> {
        while !self.raw.is_accepted()? {
            self.watched().readable().await.map_err(cannot_watch)?.clear_ready();
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.raw.made_in().is_current() {
            // The runtime is the parent's: another thread of it may have held its locks at the fork.
            std::mem::forget(self.ready.take());
        }
    }
}

impl<T> ItemStream<T> {
    pub(super) async fn open(
        channel: &Channel,
        opening: &Message,
        options: &Options,
        decode: fn(Message) -> Result<T>,
    ) -> Result<ItemStream<T>> {
        Handle::try_current().map_err(|_| no_runtime())?;
        let until = Until::new(None, options.cancellation.as_ref());
        if let Some(error) = until.given_up() {
            return Err(error.on_channel(channel));
        }
        let raw = Arc::new(event_loop::ItemStream::start(channel, opening, options)?);
        let ready = AsyncReadiness::new(raw.readiness()?).map_err(cannot_watch)?;
        let shared = Arc::new(Shared { raw, ready: Some(ready) });
        let stream = ItemStream { shared, decode, over: false, in_a_row: 0 };
        let accepted = until.drive(stream.shared.accepted()).await;
        accepted.and_then(|accepted| accepted).map_err(|error| error.on_channel(channel))?;
        Ok(stream)
    }

    /// Waits for the next item; `None` is the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match self.shared.raw.try_next() {
                Ok(NextItem::Item(message)) => {
                    self.in_a_row += 1;
                    let decoded = (self.decode)(message);
                    return Poll::Ready(Some(decoded.map_err(|error| error.on_channel(self.channel()))));
                }
                Ok(NextItem::Ended) => {
                    self.over = true;
                    return Poll::Ready(None);
                }
                Ok(NextItem::NotYet) => {}
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            self.in_a_row = 0;
            match ready!(self.shared.watched().poll_readable(context)) {
                Ok(mut readable) => readable.clear_ready(),
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(cannot_watch(error))));
                }
            }
        }
    }

    /// Sends an item to the handler; waits while the handler is behind. Returns when the item has left. An item
    /// whose future is dropped is sent whole or not at all.
    ///
    /// Fails with [`ErrorKind::Closed`](crate::ErrorKind::Closed) where the listener has ended the stream, whose items are
    /// still to be read, or after [`end`](ItemStream::end) or [`close`](ItemStream::close); and with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) for an item that is larger than either side takes, which leaves
    /// the stream as it is.
    pub async fn send(&self, item: impl Serialize) -> Result<()> {
        self.send_message(&Message::json(&item)?).await
    }

    /// As [`send`](ItemStream::send), with a raw message.
    pub async fn send_message(&self, item: &Message) -> Result<()> {
        self.shared.send(item.into()).await
    }

    /// Says that no more items come from this side. Does not wait; a second time it does nothing.
    pub fn end(&self) -> Result<()> {
        self.shared.raw.end()
    }

    /// Gives the stream up: the handler is told at once, and a task that waits ends. Never waits and never fails.
    pub fn close(&self) {
        self.shared.raw.close();
    }

    /// What sends items from another task while this one reads.
    pub fn sender(&self) -> ItemSender {
        ItemSender(Arc::clone(&self.shared))
    }

    /// What closes it from another task or thread.
    pub fn closer(&self) -> Closer {
        Closer::of_stream(&self.shared.raw)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.shared.raw.channel()
    }
}

impl<T> Stream for ItemStream<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.get_mut().poll_item(context)
    }
}

impl<T> FusedStream for ItemStream<T> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<T> Drop for ItemStream<T> {
    fn drop(&mut self) {
        self.shared.raw.close();
    }
}

/// Sends the items of a caller from any task, while another one reads the [`ItemStream`]. Clones send on the same stream.
/// When that is dropped, what is sent fails with [`ErrorKind::Closed`](crate::ErrorKind::Closed).
#[derive(Clone, Debug)]
pub struct ItemSender(Arc<Shared>);

impl ItemSender {
    /// As [`ItemStream::send`].
    pub async fn send(&self, item: impl Serialize) -> Result<()> {
        self.send_message(&Message::json(&item)?).await
    }

    /// As [`ItemStream::send_message`].
    pub async fn send_message(&self, item: &Message) -> Result<()> {
        self.0.send(item.into()).await
    }

    /// As [`ItemStream::end`].
    pub fn end(&self) -> Result<()> {
        self.0.raw.end()
    }
}

stream_functions! { [async] [.await] " Dropping the future gives it up." }
