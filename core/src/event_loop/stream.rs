//! A stream that is driven by whoever uses it, behind one descriptor.

use std::convert::Infallible;
use std::time::Duration;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::item::NextItem;
use crate::message::{Message, MessageRef};
use crate::options::Options;
use crate::os::{RawWaitable, fork, poller};

/// A request whose answer, and what the caller sends after it, are sequences of items. No thread is started for it: it is
/// driven by whoever calls its methods. Threads may share it.
///
/// JSON items are what has arrived, for callers that read them anyway: [`Message::check`] tells whether one is JSON.
/// Dropping it closes it. A forked child cannot use it: its calls fail with [`ErrorKind::Forked`].
#[derive(Debug)]
pub struct ItemStream {
    never: Infallible,
}

impl ItemStream {
    /// Begins to connect and to open the stream, and returns at once: the rest is done as it is driven, by any of its calls.
    pub fn begin(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        let _ = (opening, options);
        Err(Error::new(ErrorKind::UnsupportedVersion, "streams cannot be posted yet").on_channel(channel))
    }

    /// As [`begin`](ItemStream::begin), for callers who look after the cancellation themselves.
    pub(crate) fn start(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        ItemStream::begin(channel, opening, options)
    }

    /// Opens a stream, waiting in the calling thread until it is accepted: its handler has begun.
    pub fn post(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
        ItemStream::begin(channel, opening, options)
    }

    /// Whether it was accepted. Drives it without waiting. An error says that it failed, and is repeated.
    pub fn is_accepted(&self) -> Result<bool> {
        match self.never {}
    }

    /// The next item, if it is there. Drives the stream without waiting.
    pub fn try_next(&self) -> Result<NextItem> {
        match self.never {}
    }

    /// Sends an item, unless there is no room for it yet: `false`, and nothing was taken.
    pub fn try_send<'a>(&self, item: impl Into<MessageRef<'a>>) -> Result<bool> {
        let _ = item.into();
        match self.never {}
    }

    /// Says that no more items come from this side. Never waits; a second time it does nothing.
    pub fn end(&self) -> Result<()> {
        match self.never {}
    }

    /// Waits in the calling thread for the next item, at most for `timeout`; `None` is without limit. `Ok(None)` is the end.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        let _ = timeout;
        match self.never {}
    }

    /// Sends an item, waiting in the calling thread for room, at most for `timeout`; `None` is without limit.
    pub fn send<'a>(&self, item: impl Into<MessageRef<'a>>, timeout: Option<Duration>) -> Result<()> {
        let _ = (item.into(), timeout);
        match self.never {}
    }

    /// Waits in the calling thread, at most for `timeout`, until there is something to do: `false` where there is not.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        let _ = timeout;
        match self.never {}
    }

    /// Gives it up, from any thread and at any time. Never waits and never fails; closing twice is fine.
    pub fn close(&self) {
        match self.never {}
    }

    /// Whether it is over: it was closed, it ended, or it failed.
    pub fn is_over(&self) -> bool {
        match self.never {}
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        match self.never {}
    }

    /// The process that opened it: a forked child of it cannot use this.
    pub fn made_in(&self) -> fork::Process {
        match self.never {}
    }

    /// What an event loop watches for reading, for as long as this lives: a descriptor, the same one all the time.
    pub fn raw_waitable(&self) -> RawWaitable {
        match self.never {}
    }

    /// The same as something to hold on to, for a runtime that owns what it watches.
    pub(crate) fn readiness(&self) -> Result<poller::Readiness> {
        match self.never {}
    }
}
