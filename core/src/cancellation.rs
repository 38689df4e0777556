//! Giving up calls that wait, from any thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lock::lock;
use crate::os::fork;
use crate::os::stream::Stream;
use crate::os::waker::Waker;
#[cfg(feature = "tokio")]
use crate::sync::Notify;

/// Gives up calls that wait, from any thread: hand a clone of it to each of them, by
/// [`Options::cancellation`](crate::Options::cancellation) or [`Call::cancellation`], and call
/// [`cancel`](Cancellation::cancel).
///
/// A call that is given up fails with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), whatever it waits for: a
/// listener, room to send, an answer. A handler that has its request is told. One `Cancellation` may serve any
/// number of calls at once and one after another; once cancelled it stays so, and later calls with it fail
/// before anything is sent. Clones are the same cancellation.
///
/// ```
/// use simple_ipc::{Cancellation, ErrorKind, Options, blocking};
/// # let directory = tempfile::tempdir().unwrap();
///
/// let cancellation = Cancellation::new();
/// let options = Options::new().wait(std::time::Duration::MAX).cancellation(&cancellation);
/// # let options = options.directory(directory.path());
/// let waiting = std::thread::spawn(move || blocking::post_uds_broadcast_with("nobody_listens", 1, &options));
/// cancellation.cancel();
/// assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
/// ```
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set under the lock of `waits`, which those who begin to wait take too: they are found there or
    /// see this. Read without the lock where a wait that has just ended, or not yet begun, looks why.
    cancelled: AtomicBool,
    waits: Mutex<Waits>,
    /// Tells tasks.
    #[cfg(feature = "tokio")]
    notify: Notify,
}

/// Who is to be woken.
#[derive(Default)]
struct Waits {
    sockets: Vec<(u64, Arc<Stream>)>,
    next: u64,
    /// Readable once cancelled, for those who must not lose their connection.
    waker: Option<Arc<Waker>>,
}

impl Cancellation {
    /// One that is not cancelled yet.
    pub fn new() -> Cancellation {
        Cancellation::default()
    }

    /// Gives up every call that waits with it. Returns at once; the calls end in their own threads.
    /// Later calls do nothing.
    pub fn cancel(&self) {
        let waits = lock(&self.0.waits);
        self.0.cancelled.store(true, Ordering::Release);
        for (_, socket) in &waits.sockets {
            wake(socket);
        }
        if let Some(waker) = &waits.waker {
            waker.wake();
        }
        drop(waits);
        #[cfg(feature = "tokio")]
        self.0.notify.notify_waiters();
    }

    /// Whether it has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Completes once it is cancelled.
    #[cfg(feature = "tokio")]
    pub(crate) async fn cancelled(&self) {
        let notified = self.0.notify.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }

    /// Has the one who waits for `socket` to bring something wake up when it is cancelled: its stream ends
    /// then, and nothing more is received on it.
    pub(crate) fn watch(&self, socket: &Arc<Stream>) -> Watch {
        let mut waits = lock(&self.0.waits);
        let key = waits.next;
        waits.next += 1;
        waits.sockets.push((key, Arc::clone(socket)));
        if self.is_cancelled() {
            wake(socket);
        }
        Watch { cancellation: self.clone(), key }
    }

    /// What ends a wait when it is cancelled; `None` where there is none to be had, and one has to look from
    /// time to time.
    pub(crate) fn waker(&self) -> Option<Arc<Waker>> {
        let mut waits = lock(&self.0.waits);
        if !waits.waker.as_ref().is_some_and(|waker| waker.is_ours()) {
            let made = Arc::new(Waker::new().ok()?);
            if self.is_cancelled() {
                made.wake();
            }
            waits.waker = Some(made);
        }
        waits.waker.clone()
    }
}

impl PartialEq for Cancellation {
    fn eq(&self, other: &Cancellation) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cancellation {}

impl std::hash::Hash for Cancellation {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl std::fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancellation").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

fn wake(socket: &Stream) {
    // The number of a descriptor from before a fork may be somebody else's in the child.
    if socket.born() == fork::generation() {
        let _gone_already = socket.shutdown_read();
    }
}

/// A wait that a [`Cancellation`] ends. Once it is dropped, the socket is left alone.
pub(crate) struct Watch {
    cancellation: Cancellation,
    key: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waits = lock(&self.cancellation.0.waits);
        if let Some(at) = waits.sockets.iter().position(|(key, _)| *key == self.key) {
            waits.sockets.swap_remove(at);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// How long one call of a client may take, and what gives it up.
///
/// ```
/// use std::time::Duration;
/// use simple_ipc::{Call, Cancellation};
///
/// let cancellation = Cancellation::new();
/// let call = Call::new().timeout(Some(Duration::from_secs(2))).cancellation(&cancellation);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Call {
    timeout: Option<Option<Duration>>,
    pub(crate) cancellation: Option<Cancellation>,
}

impl Call {
    /// As the client's options say.
    pub fn new() -> Call {
        Call::default()
    }

    /// How long the call may take, instead of what the client's options say; `None` is without limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Call {
        self.timeout = Some(timeout);
        self
    }

    /// What gives the call up from another thread.
    #[must_use]
    pub fn cancellation(mut self, cancellation: &Cancellation) -> Call {
        self.cancellation = Some(cancellation.clone());
        self
    }

    /// How long it may take, where the client's options say `otherwise`.
    pub(crate) fn timeout_or(&self, otherwise: Option<Duration>) -> Option<Duration> {
        self.timeout.unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_the_same_cancellation_and_stay_cancelled() {
        let one = Cancellation::new();
        let same = one.clone();
        assert_eq!(one, same);
        assert_ne!(one, Cancellation::new());
        same.cancel();
        same.cancel();
        assert!(one.is_cancelled());
    }

    #[test]
    fn a_call_says_what_it_was_told_and_else_what_the_client_says() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(Call::new().timeout_or(second), second);
        assert_eq!(Call::new().timeout(None).timeout_or(second), None);
    }
}
