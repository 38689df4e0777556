//! Mutexes and waits that a panicking thread does not spoil.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Locks. What a panic has interrupted is for its owner to end: see `Engine::break_down`.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while `goes_on` says so, at the latest until then. Whether it still says so comes second: the time is over.
pub(crate) fn wait_while<'a, T>(
    notified: &Condvar,
    guard: MutexGuard<'a, T>,
    until: Option<Instant>,
    mut goes_on: impl FnMut(&mut T) -> bool,
) -> (MutexGuard<'a, T>, bool) {
    let Some(until) = until else {
        return (notified.wait_while(guard, goes_on).unwrap_or_else(PoisonError::into_inner), false);
    };
    let left = until.saturating_duration_since(Instant::now());
    let (mut guard, _) = notified.wait_timeout_while(guard, left, &mut goes_on).unwrap_or_else(PoisonError::into_inner);
    let is_over = goes_on(&mut guard);
    (guard, is_over)
}
