//! How a session changes hands between its thread and the runtime while the thread is at a batch.

use crate::lock::lock;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Where one thread of one session is. `R` is what it reads with.
///
/// `batching` is the session's: whether a thread is at a batch, at whose end it sends the answers.
/// It changes only under the lock here, and only for whoever the reader belongs to: a thread whose
/// session has been taken over must not touch what has another driver by then.
#[derive(Debug)]
pub(crate) struct Turn<R> {
    /// Odd while the thread is with the handler. Counts on.
    count: AtomicU32,
    /// The reader, while the thread is at a batch. Gone: the runtime has taken over.
    parked: Mutex<Option<R>>,
}

impl<R> Turn<R> {
    pub(crate) fn new() -> Turn<R> {
        Turn { count: AtomicU32::new(0), parked: Mutex::new(None) }
    }

    /// The thread begins a batch.
    pub(crate) fn begin_batch(&self, reader: R, batching: &AtomicBool) {
        let mut parked = lock(&self.parked);
        *parked = Some(reader);
        batching.store(true, Ordering::SeqCst);
    }

    /// The reader; `None` once the runtime has taken over.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Option<R>> {
        lock(&self.parked)
    }

    /// The thread goes to the handler, or comes back from it.
    pub(crate) fn step(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.count() % 2 == 1
    }

    /// The thread ends a batch. Whoever adds an answer after this sends it; what was added before is
    /// the caller's to send.
    pub(crate) fn end_batch(&self, batching: &AtomicBool) {
        let parked = lock(&self.parked);
        if parked.is_some() {
            batching.store(false, Ordering::SeqCst);
        }
    }

    /// Takes the reader from between two batches; `None` if the runtime has taken over.
    pub(crate) fn take_back(&self) -> Option<R> {
        lock(&self.parked).take()
    }

    /// The runtime takes over from a thread that is with the handler. What has gathered is the
    /// caller's to send.
    pub(crate) fn take_over(&self, batching: &AtomicBool) -> Option<R> {
        let mut parked = lock(&self.parked);
        let reader = parked.take()?;
        batching.store(false, Ordering::SeqCst);
        Some(reader)
    }
}
