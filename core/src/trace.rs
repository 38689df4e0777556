//! What happens, for those who watch: spans and events of `tracing`, with the feature of that name. Without it nothing of this
//! is compiled, and with it an event that nobody watches is one look at a number. None is on the way of a message that is
//! handled well.
//!
//! | span | is around |
//! |---|---|
//! | `listen` | taking a channel, and accepting on it |
//! | `connection` | one connection of a listener that its runtime serves |
//! | `connect` | one try to reach a listener |
//!
//! Events name their channel and their peer themselves, so that a reader who keeps no spans understands them, too.

use std::fmt;

#[cfg(feature = "tracing")]
use tracing::{Instrument, Level};

use crate::channel::Channel;
use crate::mode::Mode;
use crate::peer::Peer;

/// By which those who watch know this library's spans and events.
#[cfg(feature = "tracing")]
pub(crate) const TARGET: &str = "simple_ipc";

/// Tells those who watch: `tell!(INFO, "listening", channel: channel, mode: mode)`. Values are told as they are displayed, and
/// are made only if somebody watches.
macro_rules! tell {
    ($level:ident, $what:literal $(, $name:ident: $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        tracing::event!(target: $crate::trace::TARGET, tracing::Level::$level, $($name = %$value,)* $what);
        #[cfg(not(feature = "tracing"))]
        let _never_called = || { $(let _unused = &$value;)* };
    }};
}

pub(crate) use tell;

/// What events happen in.
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg(feature = "tracing")]
impl Span {
    pub(crate) fn listen(channel: &Channel, mode: Mode) -> Span {
        Span { span: tracing::span!(target: TARGET, Level::INFO, "listen", %channel, %mode) }
    }

    pub(crate) fn connection(peer: &Peer) -> Span {
        Span { span: tracing::span!(target: TARGET, Level::DEBUG, "connection", peer = %Who(peer)) }
    }

    pub(crate) fn connect(channel: &Channel) -> Span {
        Span { span: tracing::span!(target: TARGET, Level::DEBUG, "connect", %channel) }
    }

    /// Runs something within the span.
    pub(crate) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        self.span.in_scope(run)
    }

    /// The same for a future: within the span whenever it is polled.
    pub(crate) fn around<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        future.instrument(self.span)
    }
}

#[cfg(not(feature = "tracing"))]
impl Span {
    pub(crate) fn listen(_: &Channel, _: Mode) -> Span {
        Span {}
    }

    pub(crate) fn connection(_: &Peer) -> Span {
        Span {}
    }

    pub(crate) fn connect(_: &Channel) -> Span {
        Span {}
    }

    #[inline]
    pub(crate) fn within<T>(&self, run: impl FnOnce() -> T) -> T {
        run()
    }

    #[inline]
    pub(crate) fn around<F: Future>(self, future: F) -> F {
        future
    }
}

/// A peer as events name it: `user 1000, process 4711`.
pub(crate) struct Who<'a>(pub(crate) &'a Peer);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.owner() {
            Some(owner) => owner.fmt(f)?,
            None => f.write_str("unknown user")?,
        }
        self.0.pid().map_or(Ok(()), |pid| write!(f, ", process {pid}"))
    }
}
