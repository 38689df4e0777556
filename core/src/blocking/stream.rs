//! A stream of items, for threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::error::Result;
use crate::event_loop::{self, Closer};
use crate::message::{Message, MessageRef};
use crate::options::Options;
use crate::surface::stream_functions;

/// The caller's side of a stream: an iterator over what the handler sends, which waits in the calling thread for each
/// item; and a way to send it items. No thread is started. Threads may share it: one sends while another one iterates
/// (`for item in &stream`).
///
/// Items come in order, each once, and all that were sent before the end or an error come before it. An error is the
/// last item, but for that of an item whose body is not a `T`
/// ([`ErrorKind::InvalidBody`](crate::ErrorKind::InvalidBody)), and of a signal that interrupted the wait
/// ([`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled)): the iterator goes on behind those.
///
/// It holds at most 256 KiB of items and one item more each way: the handler waits when it is so far ahead, and
/// [`send`](ItemStream::send) waits when the handler is so far behind. Two sides that only send wait for each other;
/// [`Options::idle_timeout`] ends that. Dropping it tells the handler at once that nobody wants more.
///
/// ```no_run
/// use simple_ipc::blocking::post_uds_stream;
///
/// for number in post_uds_stream::<u32>("count", 3)? {
///     println!("{}", number?);
/// }
/// # Ok::<(), simple_ipc::Error>(())
/// ```
#[derive(Debug)]
pub struct ItemStream<T = Message> {
    raw: Arc<event_loop::ItemStream>,
    decode: fn(Message) -> Result<T>,
    /// The iterator has given its last item. Written by whoever iterates; relaxed, since it is true on its own.
    over: AtomicBool,
}

impl<T> ItemStream<T> {
    pub(super) fn open(
        channel: &Channel,
        opening: &Message,
        options: &Options,
        decode: fn(Message) -> Result<T>,
    ) -> Result<ItemStream<T>> {
        let raw = Arc::new(event_loop::ItemStream::post(channel, opening, options)?);
        Ok(ItemStream { raw, decode, over: AtomicBool::new(false) })
    }

    /// Waits for the next item, at most for `timeout`. `Ok(None)` is the end.
    ///
    /// Fails with [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) where nothing has come: the next call may have more.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<T>> {
        self.raw.next(Some(timeout))?.map(|message| self.decoded(message)).transpose()
    }

    /// Sends an item to the handler; waits while the handler is behind.
    ///
    /// Fails with [`ErrorKind::Closed`](crate::ErrorKind::Closed) where the listener has ended the stream, whose items are
    /// still to be read, or after [`end`](ItemStream::end) or [`close`](ItemStream::close); and with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) for an item that is larger than either side takes, which leaves
    /// the stream as it is.
    pub fn send(&self, item: impl Serialize) -> Result<()> {
        self.send_message(&Message::json(&item)?)
    }

    /// As [`send`](ItemStream::send), with a raw message.
    pub fn send_message<'a>(&self, item: impl Into<MessageRef<'a>>) -> Result<()> {
        self.raw.send(item, None)
    }

    /// Says that no more items come from this side. Does not wait; a second time it does nothing.
    pub fn end(&self) -> Result<()> {
        self.raw.end()
    }

    /// Gives the stream up: the handler is told at once, and a wait in another thread ends. Never waits and never fails.
    pub fn close(&self) {
        self.raw.close();
    }

    /// What closes it from another thread, or from a signal handler's thread, while this one iterates or sends.
    pub fn closer(&self) -> Closer {
        Closer::of_stream(&self.raw)
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.raw.channel()
    }

    fn decoded(&self, message: Message) -> Result<T> {
        (self.decode)(message).map_err(|error| error.on_channel(self.raw.channel()))
    }

    fn step(&self) -> Option<Result<T>> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        match self.raw.next(None) {
            Ok(Some(message)) => Some(self.decoded(message)),
            Ok(None) => {
                self.over.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => {
                self.over.store(self.raw.is_over(), Ordering::Relaxed);
                Some(Err(error))
            }
        }
    }
}

impl<T> Iterator for ItemStream<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.step()
    }
}

impl<T> Iterator for &ItemStream<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.step()
    }
}

impl<T> std::iter::FusedIterator for ItemStream<T> {}

impl<T> Drop for ItemStream<T> {
    fn drop(&mut self) {
        self.raw.close();
    }
}

stream_functions! { [] [] "" }
