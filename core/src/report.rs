//! What a listener's owner is told that no caller hears of.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::channel::Channel;
use crate::error::ErrorKind;
use crate::mode::Mode;
use crate::peer::Peer;

/// Something at a listener that no caller hears of: see
/// [`Options::on_handler_failure`](crate::Options::on_handler_failure).
#[derive(Clone, Debug)]
pub struct HandlerReport<'a> {
    pub(crate) kind: ErrorKind,
    pub(crate) channel: &'a Channel,
    pub(crate) mode: Mode,
    pub(crate) message: &'a str,
    pub(crate) peer: Peer,
}

impl HandlerReport<'_> {
    /// [`ErrorKind::HandlerFailed`] for a handler's failure; [`ErrorKind::TooManyConnections`] for the warning that
    /// the listener has as many messages in flight as it may.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The listener's channel.
    pub fn channel(&self) -> &Channel {
        self.channel
    }

    /// Whether the listener answers.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// One line of text: what the handler failed with, or the warning.
    pub fn message(&self) -> &str {
        self.message
    }

    /// Who sent the message.
    pub fn peer(&self) -> Peer {
        self.peer
    }
}

type Call = dyn Fn(&HandlerReport<'_>) + Send + Sync;

/// Who wants to be told, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct ReportTo(Option<Arc<Call>>);

impl ReportTo {
    pub(crate) fn new(call: impl Fn(&HandlerReport<'_>) + Send + Sync + 'static) -> ReportTo {
        ReportTo(Some(Arc::new(call)))
    }

    /// Tells. What is told may panic: that is nobody else's concern.
    pub(crate) fn tell(&self, report: &HandlerReport<'_>) {
        if let Some(call) = &self.0 {
            let _reported_by_the_panic_hook = catch_unwind(AssertUnwindSafe(|| call(report)));
        }
    }
}

impl fmt::Debug for ReportTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ReportTo(..)" } else { "ReportTo(nobody)" })
    }
}

/// Two are the same where they are one.
impl PartialEq for ReportTo {
    fn eq(&self, other: &ReportTo) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for ReportTo {}

impl Hash for ReportTo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ref().map(|call| Arc::as_ptr(call).cast::<()>()).hash(state);
    }
}
