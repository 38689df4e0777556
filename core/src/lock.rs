//! Locks that a panicking handler cannot poison.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks, whether or not a thread panicked while it held the lock: no state in this crate is left
/// half changed by a panic, because no user code runs under a lock.
#[cfg(not(simple_ipc_tsan))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for ThreadSanitizer (tests/races), which sees what is compiled into this crate, as trying is, and not
/// what the standard library does while it waits.
#[cfg(simple_ipc_tsan)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    use std::sync::TryLockError;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
}

/// Waits for a notification for so long, or a little while for nothing. Whether the time is over comes second.
pub(crate) fn wait<'a, T>(
    notified: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    most: Duration,
) -> (MutexGuard<'a, T>, bool) {
    if cfg!(simple_ipc_tsan) {
        // The wait would let go and lock again where ThreadSanitizer does not see it.
        drop(guard);
        std::thread::sleep(Duration::from_millis(1).min(most));
        return (lock(mutex), false);
    }
    let (guard, timeout) = notified.wait_timeout(guard, most).unwrap_or_else(PoisonError::into_inner);
    (guard, timeout.timed_out())
}
