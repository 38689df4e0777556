//! What a publisher publishes, for tasks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::channel::Channel;
use crate::client::tasks::no_runtime;
use crate::client::until::Until;
use crate::error::Result;
use crate::event::Event;
use crate::event_loop::{self, Closer, Next};
use crate::message::Message;
use crate::options::Options;
use crate::os::async_stream::AsyncReadiness;
use crate::surface::subscribe_functions;
use crate::task::watch::cannot_watch;

/// How many events may follow each other before other tasks have their turn.
const IN_A_ROW: u32 = 128;

/// What a publisher publishes: a [`Stream`] of events, driven by the task that polls it. No task or thread is started.
///
/// An event that is published after the subscription was made reaches it, or is counted in [`Event::missed`] of the one
/// that follows. The stream goes on when the publisher does, and ends when the subscription is closed, or when its
/// publisher closed and [`Options::reconnect`] is zero. An error is the last item, but for that of an event whose body
/// is not a `T` ([`ErrorKind::InvalidBody`](crate::ErrorKind::InvalidBody)): the stream goes on behind that. Dropping it
/// closes it.
///
/// ```no_run
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut clock = simple_ipc::subscribe_uds::<u64>("clock").await?;
/// while let Some(event) = clock.next().await {
///     let event = event?;
///     println!("{}, {} missed before it", event.data, event.missed);
/// }
/// # Ok::<(), simple_ipc::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Subscription<T = Message> {
    raw: Arc<event_loop::Subscription>,
    /// What the runtime watches. There until the subscription is dropped.
    ready: Option<AsyncReadiness>,
    decode: fn(Message) -> Result<T>,
    /// It has given its last item.
    over: bool,
    /// How many events it has given without letting other tasks run.
    in_a_row: u32,
}

impl<T> Subscription<T> {
    async fn open(channel: &Channel, options: &Options, decode: fn(Message) -> Result<T>) -> Result<Subscription<T>> {
        Handle::try_current().map_err(|_| no_runtime())?;
        let until = Until::new(None, options.cancellation.as_ref());
        if let Some(error) = until.given_up() {
            return Err(error.on_channel(channel));
        }
        let raw = Arc::new(event_loop::Subscription::start(channel, options)?);
        let ready = AsyncReadiness::new(raw.readiness()?).map_err(cannot_watch)?;
        let subscribed = async {
            while !raw.is_subscribed()? {
                let mut readable = ready.readable().await.map_err(cannot_watch)?;
                if raw.is_subscribed()? {
                    break;
                }
                readable.clear_ready();
            }
            Ok(())
        };
        until.drive(subscribed).await.and_then(|subscribed| subscribed).map_err(|error| error.on_channel(channel))?;
        Ok(Subscription { raw, ready: Some(ready), decode, over: false, in_a_row: 0 })
    }

    /// Waits for the next event; `None` is the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event<T>>> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<T>>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match self.raw.try_next() {
                Ok(Next::Event(event)) => {
                    self.in_a_row += 1;
                    return Poll::Ready(Some(self.decoded(event)));
                }
                Ok(Next::Ended) => {
                    self.over = true;
                    return Poll::Ready(None);
                }
                Ok(Next::NotYet) => {}
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            self.in_a_row = 0;
            let watched = self.ready.as_ref().expect("taken only in drop");
            match ready!(watched.poll_readable(context)) {
                Ok(mut readable) => readable.clear_ready(),
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(cannot_watch(error))));
                }
            }
        }
    }

    fn decoded(&self, event: Event) -> Result<Event<T>> {
        event.decoded(self.decode).map_err(|error| error.on_channel(self.raw.channel()))
    }

    /// Closes it: a task that waits for the next event gets the end.
    pub fn close(&self) {
        self.raw.close();
    }

    /// What closes it from another task or thread.
    pub fn closer(&self) -> Closer {
        Closer::of_subscription(&self.raw)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.raw.channel()
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Event<T>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Event<T>>>> {
        self.get_mut().poll_event(context)
    }
}

impl<T> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        self.over
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.raw.close();
        if !self.raw.made_in().is_current() {
            // The runtime is the parent's: another thread of it may have held its locks at the fork.
            std::mem::forget(self.ready.take());
        }
    }
}

subscribe_functions! { [async] [.await] " Dropping the future gives it up." }
