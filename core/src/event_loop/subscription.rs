//! A subscription that is driven by whoever wants its events, behind one descriptor.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::driving::{Driven, Next, Wanted};
use super::waiting::Watched;
use crate::cancellation::Cancellation;
use crate::channel::Channel;
use crate::client::target::Target;
use crate::client::{cancelled, deadline};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lock::lock;
use crate::options::{Options, Wire};
use crate::os::RawWaitable;
use crate::os::fork;
use crate::os::poller;

/// What a publisher publishes, event by event. No thread is started for it: it is driven by whoever asks for the next
/// event, in the calling thread. Threads may share it; each event goes to one of those who ask.
///
/// It holds at most 256 KiB of events and one event more, and reads on as they are taken. When its publisher goes, it
/// looks for it, or for the next one on the channel, as long as [`Options::reconnect`] says, and tells with the first
/// event after that how many were missed ([`Event::missed`]).
///
/// JSON bodies are what has arrived, for callers that read them anyway: [`Message::check`](crate::Message::check) tells
/// whether one is JSON. Dropping it closes it. A forked child cannot use it: its calls fail with [`ErrorKind::Forked`].
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let options = simple_ipc::Options::new().directory(directory.path());
/// use simple_ipc::event_loop::{Next, Subscription};
/// use simple_ipc::{Channel, ErrorKind};
///
/// let channel = Channel::uds("clock")?;
/// let nobody = Subscription::subscribe(&channel, &options);
/// assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotListening);
/// # Ok::<(), simple_ipc::Error>(())
/// ```
pub struct Subscription {
    channel: Channel,
    /// What tells that there is something to do. Never written again.
    watched: Watched,
    /// Everything that changes. Held for a step, which never waits, by whoever drives it or closes it.
    driven: Mutex<Driven>,
}

impl Subscription {
    /// Begins to connect and to subscribe, and returns at once: the rest is done as it is driven, by any of its calls.
    ///
    /// Fails at once where that is clear at once: nobody listens and [`Options::wait`] is zero, or the options make no
    /// sense. A [`Cancellation`] is refused, since nobody waits: [`close`](Subscription::close) gives it up.
    pub fn begin(channel: &Channel, options: &Options) -> Result<Subscription> {
        if options.cancellation.is_some() {
            let text = "a subscription that is begun takes no cancellation; close it";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Subscription::start(channel, options)
    }

    /// As [`begin`](Subscription::begin), for callers who look after the cancellation themselves.
    pub(crate) fn start(channel: &Channel, options: &Options) -> Result<Subscription> {
        options.check_subscription()?;
        if options.wire == Wire::Deno {
            let text = "nothing is published on the Deno wire; leave the choice of the wire out";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let native = options.clone().wire(Wire::Native);
        let target = Target::new(channel, &native)?.into_owned();
        let driven = Driven::new(target)?;
        let watched = Watched::new(driven.readiness());
        let made = Subscription { channel: channel.clone(), watched, driven: Mutex::new(driven) };
        made.is_subscribed()?;
        Ok(made)
    }

    /// Connects and subscribes, waiting in the calling thread until what is published from then on is due.
    ///
    /// Waits for a listener to appear and for its answer as a post does ([`Options::wait`], [`Options::timeout`]), and is
    /// given up as one. Fails with [`ErrorKind::WrongMode`] where the listener does not publish, and with
    /// [`ErrorKind::UnsupportedVersion`] where it is of a version that cannot.
    pub fn subscribe(channel: &Channel, options: &Options) -> Result<Subscription> {
        let cancellation = options.cancellation.as_ref();
        if cancellation.is_some_and(Cancellation::is_cancelled) {
            return Err(cancelled());
        }
        let made = Subscription::start(channel, options)?;
        made.watched.until(cancellation, || made.is_subscribed(), || None)?;
        Ok(made)
    }

    /// Whether it has subscribed: what is published from then on is due, and reaches it or is told as missed. Drives it
    /// without waiting. An error says that it failed, and is repeated.
    pub fn is_subscribed(&self) -> Result<bool> {
        let mut driven = self.driven()?;
        if driven.has_subscribed() {
            return Ok(true);
        }
        driven.drive(Wanted::Subscribed)?;
        if driven.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the subscription was closed before it had begun"));
        }
        Ok(driven.has_subscribed())
    }

    /// The next event, if it is there. Drives the subscription without waiting.
    ///
    /// An error ends the subscription, and is repeated: [`ErrorKind::TooSlow`], [`ErrorKind::TooLarge`], …
    pub fn try_next(&self) -> Result<Next> {
        self.driven()?.drive(Wanted::Event)
    }

    /// Waits in the calling thread for the next event, at most for `timeout`; `None` is without limit. `Ok(None)` is the
    /// end: it was closed, or its publisher closed and [`Options::reconnect`] is zero.
    ///
    /// [`ErrorKind::TimedOut`] and [`ErrorKind::Cancelled`] (a signal that wants it to end) say that there is nothing yet:
    /// call it again. Any other error ends the subscription, and is repeated.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<Event>> {
        let mut driven = self.driven()?;
        // In most cases it is there, or a step away.
        if let Some(done) = had(driven.drive(Wanted::Event)) {
            return done;
        }
        let until = deadline(timeout);
        let mut waiter = driven.begin_to_wait();
        drop(driven);
        let look = || had(self.driven().and_then(|mut driven| driven.drive_waiting()));
        let next = self.watched.find(&mut waiter, until, look, || None);
        if let Ok(mut driven) = self.driven() {
            driven.end_waiting(waiter);
        }
        next?.ok_or_else(|| self.nothing_yet())
    }

    fn nothing_yet(&self) -> Error {
        Error::new(ErrorKind::TimedOut, "nothing was published within the timeout; ask again, or allow more time")
            .on_channel(&self.channel)
    }

    /// Waits in the calling thread, at most for `timeout`, until there is something to do: `false` where there is not.
    /// May return early.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.driven()?.be_precise();
        self.watched.wait(deadline(timeout))
    }

    /// Closes it, from any thread and at any time: a call that waits for the next event ends with `Ok(None)`. Closing
    /// twice is fine. In a forked child it does nothing.
    pub fn close(&self) {
        if let Ok(mut driven) = self.driven() {
            driven.close();
        }
    }

    /// Whether it is over: it was closed, it ended, or it failed.
    pub fn is_over(&self) -> bool {
        self.driven().map_or(true, |driven| driven.is_over())
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The process that subscribed: a forked child of it cannot use this.
    pub fn made_in(&self) -> fork::Process {
        fork::Process::of(self.watched.born)
    }

    /// What an event loop watches for reading, for as long as this lives: a descriptor, the same one all the time. It is
    /// readable while [`try_next`](Subscription::try_next), or before it [`is_subscribed`](Subscription::is_subscribed),
    /// has something to do.
    pub fn raw_waitable(&self) -> RawWaitable {
        if let Ok(mut driven) = self.driven() {
            driven.be_precise();
        }
        self.watched.readiness.raw_waitable()
    }

    /// The same as something to hold on to, for a runtime that owns what it watches.
    pub(crate) fn readiness(&self) -> Result<poller::Readiness> {
        let mut driven = self.driven()?;
        driven.be_precise();
        Ok(driven.readiness())
    }

    fn driven(&self) -> Result<MutexGuard<'_, Driven>> {
        // Another thread may have held the lock when the process was forked.
        fork::check(self.watched.born, "subscription")?;
        Ok(lock(&self.driven))
    }
}

/// What came, if anything did.
fn had(next: Result<Next>) -> Option<Result<Option<Event>>> {
    match next {
        Ok(Next::Event(event)) => Some(Ok(Some(event))),
        Ok(Next::Ended) => Some(Ok(None)),
        Ok(Next::NotYet) => None,
        Err(error) => Some(Err(error)),
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("channel", &self.channel).finish_non_exhaustive()
    }
}
