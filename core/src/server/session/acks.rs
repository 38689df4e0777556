//! Acknowledgements of broadcasts whose handlers take long: when they are due.

use std::time::Duration;

use crate::lock::lock;
use crate::server::clock::Moment;
use crate::sync::Mutex;

/// A broadcast is acknowledged when its handler has run for this long, if it has not returned.
pub(crate) const ACK_AFTER: Duration = Duration::from_millis(50);

/// The acknowledgement that is due on a session: of the broadcast whose handler runs.
#[derive(Debug, Default)]
pub(crate) struct DueAck(Mutex<Option<Due>>);

#[derive(Debug)]
struct Due {
    id: u32,
    since: Moment,
}

/// What a look at it finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing is due.
    Nothing,
    /// Something will be.
    Later,
    /// This is to be sent, by the one who looked.
    Now(u32),
}

impl DueAck {
    /// The handler begins with a broadcast.
    pub(crate) fn begin(&self, id: u32, now: Moment) {
        *lock(&self.0) = Some(Due { id, since: now });
    }

    /// The handler has returned: what is to be sent, if nobody has sent it meanwhile.
    pub(crate) fn end(&self) -> Option<u32> {
        lock(&self.0).take().map(|due| due.id)
    }

    /// Takes what has been due for `after`. `now` may be from before the broadcast began.
    pub(crate) fn look(&self, now: Moment, after: Duration) -> Look {
        let mut due = lock(&self.0);
        match &*due {
            None => Look::Nothing,
            Some(Due { since, .. }) if now.since(*since) < after => Look::Later,
            Some(_) => due.take().map_or(Look::Nothing, |due| Look::Now(due.id)),
        }
    }
}
