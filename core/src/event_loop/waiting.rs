//! Waiting in the calling thread for something that its user drives behind a descriptor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancellation::Cancellation;
use crate::client::cancelled;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::os::fork;
use crate::os::poller::Readiness;
use crate::os::stream::Wait;
use crate::os::waker::Waker;
use crate::session::spin_wait::SpinWait;

/// How often to look at a cancellation that has no waker.
const LOOK: Duration = Duration::from_millis(20);

/// What tells that there is something to do.
pub(super) struct Watched {
    /// The generation of the process that made it. Never written again.
    pub(super) born: u32,
    /// Never written again.
    pub(super) readiness: Readiness,
}

impl Watched {
    pub(super) fn new(readiness: Readiness) -> Watched {
        Watched { born: fork::generation(), readiness }
    }

    /// Waits until `is_done`, which drives it without waiting, or `cancellation` gives it up. `due` is when it is to be driven
    /// again though the descriptor does not say so.
    pub(super) fn until(
        &self,
        cancellation: Option<&Cancellation>,
        mut is_done: impl FnMut() -> Result<bool>,
        due: impl Fn() -> Option<Instant>,
    ) -> Result<()> {
        let waker = cancellation.map(Cancellation::waker);
        while !is_done()? {
            // Where there is no waker to be had, one has to look from time to time.
            let look = matches!(waker, Some(None)).then_some(LOOK);
            let most = [look, interrupt::left(due())].into_iter().flatten().min();
            self.once(waker.clone().flatten(), most)?;
            if cancellation.is_some_and(Cancellation::is_cancelled) {
                return Err(cancelled());
            }
            // Asked each time: the wait for a listener ends every few milliseconds by itself.
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
        }
        Ok(())
    }

    /// Waits until `look`, which drives it without waiting, has found something: `None` where the time was over before. `due`: as
    /// for [`until`](Watched::until).
    pub(super) fn find<T>(
        &self,
        waiter: &mut SpinWait,
        until: Option<Instant>,
        mut look: impl FnMut() -> Option<Result<T>>,
        due: impl Fn() -> Option<Instant>,
    ) -> Result<Option<T>> {
        loop {
            let mut found = None;
            let waited = waiter.receive(|wait| {
                if wait == Wait::Yes {
                    let next = [until, due()].into_iter().flatten().min();
                    return self.poll(None, interrupt::piece(interrupt::left(next)));
                }
                found = look();
                if found.is_some() { Ok(true) } else { Err(std::io::ErrorKind::WouldBlock.into()) }
            });
            if let Some(found) = found.or_else(&mut look) {
                return found.map(Some);
            }
            match waited {
                Ok(_) if interrupt::wants_end() => return Err(interrupt::error()),
                Ok(_) if until.is_some_and(|until| Instant::now() >= until) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(cannot_wait(error)),
            }
        }
    }

    /// Waits, at most for `timeout`, until there is something to do: `false` where there is not. May return early.
    pub(super) fn wait(&self, until: Option<Instant>) -> Result<bool> {
        loop {
            if self.once(None, interrupt::left(until))? {
                return Ok(true);
            }
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(false);
            }
        }
    }

    /// Waits once, for a piece of the time: `false` where it is over, or `waker` was woken.
    fn once(&self, waker: Option<Arc<Waker>>, most: Option<Duration>) -> Result<bool> {
        self.poll(waker, interrupt::piece(most)).map_err(cannot_wait)
    }

    fn poll(&self, waker: Option<Arc<Waker>>, most: Option<Duration>) -> std::io::Result<bool> {
        if fork::generation() != self.born {
            return Ok(true); // What comes next says so.
        }
        self.readiness.wait_or_woken(waker.as_deref(), most)
    }
}

fn cannot_wait(error: std::io::Error) -> Error {
    Error::from_os("cannot wait for the other side", error)
}
