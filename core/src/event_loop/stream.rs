//! A stream that is driven by whoever uses it, behind one descriptor.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::waiting::Watched;
use crate::cancellation::Cancellation;
use crate::channel::Channel;
use crate::client::late_sends::{self, Gathers};
use crate::client::stream::session::{Wanted, no_streams_there};
use crate::client::target::Target;
use crate::client::{cancelled, deadline};
use crate::error::{Error, ErrorKind, Result};
use crate::item::NextItem;
use crate::lock::lock;
use crate::message::{Message, MessageRef};
use crate::options::{Options, Wire};
use crate::os::{RawWaitable, fork, poller};
use crate::session::spin_wait::SpinWait;

/// A request whose answer is a sequence of items, and which the caller may follow with a sequence of its own. No thread is
/// started for it: it is driven by whoever calls its methods, in the calling thread. Threads may share it.
/// Small items that are sent in a burst gather; a thread of the library sends them where nothing else has after a
/// millisecond.
///
/// Items come in order, each once, and all that were sent before the end or an error come before it. It holds at most
/// 256 KiB of items and one item more each way: the handler waits when it is so far ahead of the one who takes, and there
/// is no room to send when the handler is so far behind.
///
/// JSON items are what has arrived, for callers that read them anyway: [`Message::check`] tells whether one is JSON.
/// Dropping it closes it. A forked child cannot use it: its calls fail with [`ErrorKind::Forked`].
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let options = simple_ipc::Options::new().directory(directory.path());
/// use simple_ipc::event_loop::ItemStream;
/// use simple_ipc::{Channel, ErrorKind, Message};
///
/// let channel = Channel::uds("count")?;
/// let nobody = ItemStream::begin(&channel, &Message::json(&3)?, &options);
/// assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotListening);
/// # Ok::<(), simple_ipc::Error>(())
/// ```
pub struct ItemStream {
    channel: Channel,
    /// What tells that there is something to do. Never written again.
    watched: Watched,
    /// Everything that changes. Held for a step, which never waits, by whoever drives it or closes it.
    exchange: Arc<Mutex<Exchange>>,
}

impl Gathers for Mutex<Exchange> {
    fn try_send_gathered(&self) -> bool {
        lock(self).send_late()
    }
}

impl ItemStream {
    /// Begins to connect and to open the stream, and returns at once: the rest is done as it is driven, by any of its calls.
    ///
    /// Fails at once where that is clear at once: nobody listens and [`Options::wait`] is zero, or the options make no
    /// sense. A [`Cancellation`] is refused, since nobody waits: [`close`](ItemStream::close) gives it up.
    pub fn begin(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        if options.cancellation.is_some() {
            let text = "a stream that is begun takes no cancellation; close it";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        ItemStream::start(channel, opening, options)
    }

    /// As [`begin`](ItemStream::begin), for callers who look after the cancellation themselves.
    pub(crate) fn start(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        if options.wire == Wire::Deno {
            return Err(no_streams_there().on_channel(channel));
        }
        let native = options.clone().wire(Wire::Native);
        let target = Target::new(channel, &native)?.into_owned();
        target.check_body(opening)?;
        let exchange = Exchange::new(target, opening)?;
        let watched = Watched::new(exchange.readiness());
        let made = ItemStream { channel: channel.clone(), watched, exchange: Arc::new(Mutex::new(exchange)) };
        made.is_accepted()?;
        // That was a step, and nobody's wait: else the acceptance would be something to do for as long as nobody asks for it.
        made.forget_waits();
        Ok(made)
    }

    /// Opens a stream, waiting in the calling thread until it is accepted: its handler has begun.
    ///
    /// Waits for a listener to appear as a post does ([`Options::wait`]), for the acceptance at most
    /// [`Options::idle_timeout`], and is given up by [`Options::cancellation`], which concerns the opening alone. Fails with
    /// [`ErrorKind::WrongMode`] where the listener takes no requests, with [`ErrorKind::UnsupportedVersion`] where it knows
    /// no streams, and with what its handler has failed with before it began to answer.
    pub fn post(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        let cancellation = options.cancellation.as_ref();
        if cancellation.is_some_and(Cancellation::is_cancelled) {
            return Err(cancelled());
        }
        let made = ItemStream::start(channel, opening, options)?;
        made.watched.until(cancellation, || made.is_accepted(), || made.due())?;
        Ok(made)
    }

    /// Whether it was accepted: its handler has begun. Drives it without waiting. An error says that it failed, and is
    /// repeated.
    pub fn is_accepted(&self) -> Result<bool> {
        self.exchange()?.is_accepted()
    }

    /// The next item, if it is there. Drives the stream without waiting. The handler may send more as items are taken.
    ///
    /// The answer of a listener that answers with a single value is one item, and then the end. An error ends the stream,
    /// and is repeated.
    pub fn try_next(&self) -> Result<NextItem> {
        self.exchange()?.next()
    }

    /// Sends an item, unless there is no room for it, or the stream is not accepted, yet: `false`, and nothing was taken.
    /// Drives the stream without waiting.
    ///
    /// Of an item that was taken a part may wait for room in the socket ([`is_flushed`](ItemStream::is_flushed)). Fails with
    /// [`ErrorKind::Closed`] where the listener has ended the stream, whose items are still to be read, or after
    /// [`end`](ItemStream::end) or [`close`](ItemStream::close); and with [`ErrorKind::TooLarge`] for an item that is larger
    /// than either side takes, which leaves the stream as it is.
    pub fn try_send<'a>(&self, item: impl Into<MessageRef<'a>>) -> Result<bool> {
        let mut exchange = self.exchange()?;
        let sent = exchange.send(item.into());
        self.look_after_what_gathers(exchange);
        sent
    }

    /// Has somebody send what gathers, where nothing else does in time.
    fn look_after_what_gathers(&self, mut exchange: MutexGuard<'_, Exchange>) {
        if exchange.schedules_a_send() {
            drop(exchange);
            if late_sends::schedule(Arc::clone(&self.exchange) as Arc<dyn Gathers>).is_err() {
                self.exchange.try_send_gathered();
            }
        }
    }

    /// Whether all of the items that were taken has left. Sends what goes without waiting. Where it has not, the rest leaves
    /// as the stream is driven, and the descriptor is readable when there is room.
    pub fn is_flushed(&self) -> Result<bool> {
        self.exchange()?.is_flushed()
    }

    /// Says that no more items come from this side, behind those that were sent. Never waits; a second time it does nothing.
    pub fn end(&self) -> Result<()> {
        self.exchange()?.end()
    }

    /// Waits in the calling thread for the next item, at most for `timeout`; `None` is without limit. `Ok(None)` is the end:
    /// the handler sends no more, or the stream was closed.
    ///
    /// [`ErrorKind::TimedOut`] of this time and [`ErrorKind::Cancelled`] (a signal that wants it to end) say that there is
    /// nothing yet: call it again ([`is_over`](ItemStream::is_over) tells). Any other error, and that of
    /// [`Options::timeout`] or [`Options::idle_timeout`], ends the stream, and is repeated.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        let mut exchange = self.exchange()?;
        // In most cases it is there, or a step away.
        if let Some(done) = had(exchange.next()) {
            return done;
        }
        let waiter = exchange.begin_to_wait(Wanted::Item);
        drop(exchange);
        let look = || had(self.exchange().and_then(|mut exchange| exchange.next_waiting()));
        self.find(Wanted::Item, waiter, deadline(timeout), look)?.ok_or_else(|| {
            let text = "no item came within the timeout; ask again, or allow more time";
            Error::new(ErrorKind::TimedOut, text).on_channel(&self.channel)
        })
    }

    /// Sends an item, waiting in the calling thread for room, at most for `timeout`; `None` is without limit. Returns when
    /// the item has left.
    ///
    /// [`ErrorKind::TimedOut`] of this time and [`ErrorKind::Cancelled`] (a signal that wants it to end) say that nothing
    /// was sent. Fails otherwise as [`try_send`](ItemStream::try_send).
    pub fn send<'a>(&self, item: impl Into<MessageRef<'a>>, timeout: Option<Duration>) -> Result<()> {
        let item = item.into();
        let mut exchange = self.exchange()?;
        if exchange.send(item)? {
            if !exchange.is_flushed()? {
                drop(exchange);
                return self.flush_until(deadline(timeout));
            }
            self.look_after_what_gathers(exchange);
            return Ok(());
        }
        let until = deadline(timeout);
        let waiter = exchange.begin_to_wait(Wanted::Room);
        drop(exchange);
        let look = || match self.exchange().and_then(|mut exchange| exchange.send_waiting(item)) {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        self.find(Wanted::Room, waiter, until, look)?.ok_or_else(|| {
            let text = "there was no room for the item within the timeout; send it again, or allow more time";
            Error::new(ErrorKind::TimedOut, text).on_channel(&self.channel)
        })?;
        self.flush_until(until)
    }

    /// Waits in the calling thread until what was taken has left, at most for `timeout`; `None` is without limit. Where the
    /// time is over before, the rest leaves later, as the stream is driven.
    pub fn flush(&self, timeout: Option<Duration>) -> Result<()> {
        self.flush_until(deadline(timeout))
    }

    fn flush_until(&self, until: Option<Instant>) -> Result<()> {
        let mut exchange = self.exchange()?;
        if exchange.is_flushed()? {
            self.look_after_what_gathers(exchange);
            return Ok(());
        }
        let waiter = exchange.begin_to_wait(Wanted::Room);
        drop(exchange);
        let look = || match self.is_flushed() {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        match self.find(Wanted::Room, waiter, until, look) {
            // The item was taken: a signal does not undo that.
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(()),
            done => done.map(drop),
        }
    }

    fn find<T>(
        &self,
        wanted: Wanted,
        mut waiter: SpinWait,
        until: Option<Instant>,
        look: impl FnMut() -> Option<Result<T>>,
    ) -> Result<Option<T>> {
        let found = self.watched.find(&mut waiter, until, look, || self.due());
        if let Ok(mut exchange) = self.exchange() {
            exchange.end_waiting(wanted, waiter);
        }
        found
    }

    /// Waits in the calling thread, at most for `timeout`, until there is something to do: `false` where there is not.
    /// May return early.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.exchange()?.be_precise();
        self.watched.wait(deadline(timeout))
    }

    /// Gives it up, from any thread and at any time: its handler is told at once, what has come and was not taken is dropped,
    /// and calls that wait end, `next` with `Ok(None)`. Never waits and never fails; closing twice, or what is over, is fine.
    /// In a forked child it does nothing.
    ///
    /// Its session waits in the background, at most for a second, until the listener has ended the stream, and is used again.
    pub fn close(&self) {
        if let Ok(mut exchange) = self.exchange() {
            exchange.close();
        }
    }

    /// Whether it is over: it was closed, it ended and all items were taken, or it failed.
    pub fn is_over(&self) -> bool {
        self.exchange().map_or(true, |exchange| exchange.is_over())
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The process that opened it: a forked child of it cannot use this.
    pub fn made_in(&self) -> fork::Process {
        fork::Process::of(self.watched.born)
    }

    /// What an event loop watches for reading, for as long as this lives: a descriptor, the same one all the time. It is
    /// readable while there is something to do for one who has asked and was told that there is nothing yet: by
    /// [`try_next`](ItemStream::try_next), by [`try_send`](ItemStream::try_send), or by
    /// [`is_accepted`](ItemStream::is_accepted) or [`is_flushed`](ItemStream::is_flushed). Who takes items asks until there
    /// is none. The passing of the stream's times counts as something to do.
    pub fn raw_waitable(&self) -> RawWaitable {
        if let Ok(mut exchange) = self.exchange() {
            exchange.be_precise();
        }
        self.watched.readiness.raw_waitable()
    }

    /// For event loops whose callers give waits up (a time of their own, a task that is cancelled): all who were told that
    /// there is nothing yet wait no more, and the descriptor is not readable for their sake. Those who still wait ask again.
    /// How long was waited still counts for [`Options::idle_timeout`].
    pub fn forget_waits(&self) {
        if let Ok(mut exchange) = self.exchange() {
            exchange.forget_waits();
        }
    }

    /// The same as something to hold on to, for a runtime that owns what it watches.
    pub(crate) fn readiness(&self) -> Result<poller::Readiness> {
        let mut exchange = self.exchange()?;
        exchange.be_precise();
        Ok(exchange.readiness())
    }

    /// When a thread that waits is to look again by itself.
    fn due(&self) -> Option<Instant> {
        self.exchange().ok().and_then(|exchange| exchange.due())
    }

    fn exchange(&self) -> Result<MutexGuard<'_, Exchange>> {
        // Another thread may have held the lock when the process was forked.
        fork::check(self.watched.born, "stream")?;
        Ok(lock(&self.exchange))
    }
}

/// What came, if anything did.
fn had(next: Result<NextItem>) -> Option<Result<Option<Message>>> {
    match next {
        Ok(NextItem::Item(item)) => Some(Ok(Some(item))),
        Ok(NextItem::Ended) => Some(Ok(None)),
        Ok(NextItem::NotYet) => None,
        Err(error) => Some(Err(error)),
    }
}

impl Drop for ItemStream {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for ItemStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ItemStream").field("channel", &self.channel).finish_non_exhaustive()
    }
}
