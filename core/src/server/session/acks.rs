//! Acknowledgements of broadcasts whose handlers take long: when they are due, and who looks after them.

use std::time::Duration;

use crate::lock::lock;
use crate::server::clock::Moment;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, Notify};

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

/// Whether somebody looks after the acknowledgements of a listener.
///
/// Why none is forgotten: a broadcast is noted under its session's lock before [`begun`](Watch::begun) asks whether
/// somebody looks, and whoever stops looking says so before it takes that same lock for its last look. Either the last
/// look comes after the note, and finds it; or it comes before, and then the lock passes on what was said before it,
/// so that whoever noted sees that nobody looks.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    looking: AtomicBool,
    pub(crate) wanted: Notify,
}

impl Watch {
    /// A broadcast has been [noted](DueAck::begin).
    #[inline]
    pub(crate) fn begun(&self) {
        // The lock has ordered it: see above.
        if !self.looking.load(Ordering::Relaxed) && !self.looking.swap(true, Ordering::Relaxed) {
            self.wanted.notify_one();
        }
    }

    /// Stops looking, unless the last `look` finds that something will be due.
    pub(crate) fn rest(&self, look: impl FnOnce() -> bool) -> bool {
        self.looking.store(false, Ordering::Relaxed);
        if look() {
            // Who has noted one may have called meanwhile, too: that is one look too many, later.
            self.looking.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }
}
