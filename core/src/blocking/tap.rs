//! What passes at a listener, for threads.

use std::time::Duration;

use super::Subscription;
use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Overflow};
use crate::event_loop::Closer;
use crate::options::Options;
use crate::passed::Passed;

/// What passes at a listener: an iterator that waits in the calling thread for each message. It goes on when its listener is
/// replaced by another one, and ends when it is closed. Where it is too slow it misses the oldest, and is told how many; the
/// listener waits for nobody. Made by [`tap`]; dropping it closes it.
#[derive(Debug)]
pub struct Tap(Subscription);

/// Looks on at what passes at the listener of a channel from now on: messages that go to its handler, and what becomes of them.
///
/// The listener must allow it ([`Options::tap`]; else [`ErrorKind::WrongMode`]), and this process must act for the listener's own
/// user or root (else [`ErrorKind::PeerNotAllowed`]; on TCP as far as the system tells who connects). A listener of a version that
/// lets nobody see its messages gives [`ErrorKind::UnsupportedVersion`]. Of the options `queue`, `reconnect` and `max_message` hold
/// as for subscribers; a message over `max_message` ends it with [`ErrorKind::TooLarge`].
pub fn tap(channel: &Channel, options: &Options) -> Result<Tap> {
    let options = Options { sees_messages: true, topics: None, overflow: Overflow::DropOldest, ..options.clone() };
    Subscription::open(channel, &options, Ok).map(Tap)
}

impl Tap {
    /// Waits for what passes next, at most for `timeout`. `Ok(None)` is the end.
    ///
    /// Fails with [`ErrorKind::TimedOut`] where nothing has passed: the next call may have more.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<Passed>> {
        self.0.next_timeout(timeout)?.map(|event| self.passed(event)).transpose()
    }

    fn passed(&self, event: Event) -> Result<Passed> {
        let Event { data, topic, missed, .. } = event;
        Passed::of(&topic, data, missed).ok_or_else(|| {
            let error = Error::new(ErrorKind::Protocol, "what the listener tells of a message cannot be read");
            error.on_channel(self.0.channel())
        })
    }

    /// Closes it: a wait in another thread ends.
    pub fn close(&self) {
        self.0.close();
    }

    /// What closes it from another thread, or from a signal handler's thread, while this one iterates.
    pub fn closer(&self) -> Closer {
        self.0.closer()
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.0.channel()
    }
}

impl Iterator for Tap {
    type Item = Result<Passed>;

    fn next(&mut self) -> Option<Result<Passed>> {
        let event = self.0.next()?;
        Some(event.and_then(|event| self.passed(event)))
    }
}

impl std::iter::FusedIterator for Tap {}
