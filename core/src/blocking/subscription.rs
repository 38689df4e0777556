//! What a publisher publishes, for threads.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::error::Result;
use crate::event::Event;
use crate::event_loop::{self, Closer};
use crate::message::Message;
use crate::options::Options;
use crate::surface::subscribe_functions;

/// What a publisher publishes: an iterator that waits in the calling thread for each event. No thread is started.
///
/// An event that is published after the subscription was made reaches it, or is counted in [`Event::missed`] of the one
/// that follows. The iterator goes on when the publisher does, and ends when the subscription is closed, or when its
/// publisher closed and [`Options::reconnect`] is zero. An error is the last item, but for that of an event whose body
/// is not a `T` ([`ErrorKind::InvalidBody`](crate::ErrorKind::InvalidBody)), and of a signal that interrupted the wait
/// ([`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled)): the iterator goes on behind those. Dropping it closes it.
///
/// ```no_run
/// use simple_ipc::blocking::subscribe_uds;
///
/// for event in subscribe_uds::<u64>("clock")? {
///     let event = event?;
///     println!("{}, {} missed before it", event.data, event.missed);
/// }
/// # Ok::<(), simple_ipc::Error>(())
/// ```
#[derive(Debug)]
pub struct Subscription<T = Message> {
    raw: Arc<event_loop::Subscription>,
    decode: fn(Message) -> Result<T>,
    /// It has given its last item.
    over: bool,
}

impl<T> Subscription<T> {
    pub(super) fn open(
        channel: &Channel,
        options: &Options,
        decode: fn(Message) -> Result<T>,
    ) -> Result<Subscription<T>> {
        let raw = Arc::new(event_loop::Subscription::subscribe(channel, options)?);
        Ok(Subscription { raw, decode, over: false })
    }

    /// Waits for the next event, at most for `timeout`. `Ok(None)` is the end.
    ///
    /// Fails with [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) where nothing has come: the next call may have more.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<Event<T>>> {
        match self.raw.next(Some(timeout))? {
            Some(event) => self.decoded(event).map(Some),
            None => Ok(None),
        }
    }

    fn decoded(&self, event: Event) -> Result<Event<T>> {
        event.decoded(self.decode).map_err(|error| error.on_channel(self.raw.channel()))
    }

    /// Closes it: a wait in another thread ends.
    pub fn close(&self) {
        self.raw.close();
    }

    /// What closes it from another thread, or from a signal handler's thread, while this one iterates.
    pub fn closer(&self) -> Closer {
        Closer::of_subscription(&self.raw)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.raw.channel()
    }
}

impl<T> Iterator for Subscription<T> {
    type Item = Result<Event<T>>;

    fn next(&mut self) -> Option<Result<Event<T>>> {
        if self.over {
            return None;
        }
        match self.raw.next(None) {
            Ok(Some(event)) => Some(self.decoded(event)),
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = self.raw.is_over();
                Some(Err(error))
            }
        }
    }
}

impl<T> std::iter::FusedIterator for Subscription<T> {}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.raw.close();
    }
}

subscribe_functions! { [] [] "" }
