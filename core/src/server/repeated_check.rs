//! A check that a task of the listener repeats while there is something to check, and that costs nothing meanwhile.

use crate::sync::Notify;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Whether the task repeats its check, or sleeps until it is wanted.
///
/// Why nothing is missed: whoever needs the check notes under a lock what is to be checked, and calls
/// [`want`](RepeatedCheck::want) after that. The task that stops writes `running`, and takes that same lock for one last
/// check. Either the last check comes after the note, and finds it; or it comes before, and then the lock passes on the
/// write, so that `want` sees that nobody checks.
#[derive(Debug, Default)]
pub(crate) struct RepeatedCheck {
    /// The task repeats its check. Set by who wants it and cleared by the task; relaxed, as the lock orders it.
    running: AtomicBool,
    /// Wakes the task.
    pub(crate) wanted: Notify,
}

impl RepeatedCheck {
    /// Wakes the task if it sleeps. Whether it did.
    #[inline]
    pub(crate) fn want(&self) -> bool {
        let wakes = !self.running.load(Ordering::Relaxed) && !self.running.swap(true, Ordering::Relaxed);
        if wakes {
            self.wanted.notify_one();
        }
        wakes
    }

    /// Stops, unless the `last_check` finds something. Whether it has stopped.
    pub(crate) fn stop(&self, last_check: impl FnOnce() -> bool) -> bool {
        self.running.store(false, Ordering::Relaxed);
        if last_check() {
            // Who has noted something may have woken the task, too: that is one check too many, later.
            self.running.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }
}
