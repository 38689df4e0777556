//! A connection of plain text as its listener sees it.

use std::time::Duration;

use tokio::sync::Notify;

use crate::server::clock::{Moment, SharedMoment};

/// One that has been quiet for this long may be let go to make room for another.
const IDLE: Duration = Duration::from_secs(1);

/// A connection of plain text as its listener sees it.
#[derive(Debug, Default)]
pub(crate) struct TextConnection {
    /// Since when it waits for its next message, if it does. Written by its task.
    pub(crate) waiting_since: SharedMoment,
    /// The listener lets it go.
    pub(crate) retire: Notify,
}

impl TextConnection {
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        self.waiting_since.get().map_or(Duration::ZERO, |since| now.since(since))
    }

    pub(crate) fn may_retire(&self, now: Moment) -> bool {
        self.idle(now) >= IDLE
    }

    pub(crate) fn retire(&self) {
        self.retire.notify_one();
    }
}
