//! What passes at a listener, for threads.

use std::sync::Arc;
use std::time::Duration;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Overflow};
use crate::event_loop::{self, Closer};
use crate::options::Options;
use crate::passed::Passed;

/// What passes at a listener: an iterator that waits in the calling thread for each message. It goes on when its listener is
/// replaced by another one, and ends when it is closed. Where it is too slow it misses the oldest, and is told how many; the
/// listener waits for nobody. Made by [`tap`]; dropping it closes it.
#[derive(Debug)]
pub struct Tap {
    raw: Arc<event_loop::Subscription>,
    /// It has given its last item.
    is_over: bool,
}

/// Looks on at what passes at the listener of a channel from now on: messages that go to its handler, and what becomes of them.
///
/// The listener must allow it ([`Options::tap`]; else [`ErrorKind::WrongMode`]), and this process must act for the listener's own
/// user or root (else [`ErrorKind::PeerNotAllowed`]; on TCP as far as the system tells who connects). A listener of a version that
/// lets nobody see its messages gives [`ErrorKind::UnsupportedVersion`]. Of the options `queue`, `reconnect` and `max_message` hold
/// as for subscribers; a message over `max_message` ends it with [`ErrorKind::TooLarge`].
pub fn tap(channel: &Channel, options: &Options) -> Result<Tap> {
    let options = Options { sees_messages: true, topics: None, overflow: Overflow::DropOldest, ..options.clone() };
    Ok(Tap { raw: Arc::new(event_loop::Subscription::subscribe(channel, &options)?), is_over: false })
}

impl Tap {
    /// Waits for what passes next, at most for `timeout`. `Ok(None)` is the end.
    ///
    /// Fails with [`ErrorKind::TimedOut`] where nothing has passed: the next call may have more.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<Passed>> {
        self.raw.next(Some(timeout))?.map(|event| self.passed(event)).transpose()
    }

    fn passed(&self, event: Event) -> Result<Passed> {
        let Event { data, topic, missed, .. } = event;
        Passed::of(&topic, data, missed).ok_or_else(|| {
            let error = Error::new(ErrorKind::Protocol, "what the listener tells of a message cannot be read");
            error.on_channel(self.raw.channel())
        })
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

impl Iterator for Tap {
    type Item = Result<Passed>;

    fn next(&mut self) -> Option<Result<Passed>> {
        if self.is_over {
            return None;
        }
        match self.raw.next(None) {
            Ok(Some(event)) => Some(self.passed(event)),
            Ok(None) => {
                self.is_over = true;
                None
            }
            Err(error) => {
                self.is_over = self.raw.is_over();
                Some(Err(error))
            }
        }
    }
}

impl std::iter::FusedIterator for Tap {}

impl Drop for Tap {
    fn drop(&mut self) {
        self.raw.close();
    }
}
