//! Waiting until subscribers have room.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::error::Result;
use crate::interrupt;
use crate::lock::{lock, wait};

/// How long a wait without a limit takes before it begins anew.
const A_WHILE: Duration = Duration::from_secs(3600);

/// Wakes those who wait for room, threads and tasks.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// How often there may have been room. Written by who makes some, under the lock.
    times: Mutex<u64>,
    threads: Condvar,
    tasks: Notify,
}

impl Room {
    /// How often there may have been room: to be looked at before it is looked for.
    pub(crate) fn seen(&self) -> u64 {
        *lock(&self.times)
    }

    /// Completes when there may be room: to be enabled before it is looked for.
    pub(crate) fn opened(&self) -> Notified<'_> {
        self.tasks.notified()
    }

    /// There may be room.
    pub(crate) fn open(&self) {
        *lock(&self.times) += 1;
        self.threads.notify_all();
        self.tasks.notify_waiters();
    }

    /// Waits until there may have been room since it was `seen`, or until the deadline; `None` is never. An error: a
    /// signal wants the call to end.
    pub(crate) fn wait(&self, seen: u64, deadline: Option<Instant>) -> Result<()> {
        let mut times = lock(&self.times);
        while *times == seen {
            let left = interrupt::left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let piece = interrupt::piece(left).unwrap_or(A_WHILE);
            times = wait(&self.threads, &self.times, times, piece).0;
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
        }
        Ok(())
    }
}
