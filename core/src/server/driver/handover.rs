//! How a session changes hands between its thread and the runtime while the thread is at a batch.

use crate::lock::lock;
use crate::server::session::state::State;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Where one thread of one session is. `D` is what drives the session: whoever has it is the driver.
///
/// The state of the session says whether a thread is at a batch, at whose end it sends the answers. That
/// changes only under the lock here, and only for whoever the driver belongs to: a thread whose
/// session has been taken over must not touch what has another driver by then.
#[derive(Debug)]
pub(crate) struct Handover<D> {
    /// Odd while the thread is with the handler. Counts on, by that thread alone, released to who looks; it goes to the handler under the
    /// lock, which orders that with the look.
    steps: AtomicU32,
    /// The driver, while the thread is at a batch. Gone: the runtime has taken over.
    parked: Mutex<Option<D>>,
}

impl<D> Handover<D> {
    pub(crate) fn new() -> Handover<D> {
        Handover { steps: AtomicU32::new(0), parked: Mutex::new(None) }
    }

    /// The thread begins a batch.
    pub(crate) fn begin_batch(&self, driver: D, state: &State) {
        let mut parked = lock(&self.parked);
        *parked = Some(driver);
        state.begin_batch();
    }

    /// The driver; `None` once the runtime has taken over.
    pub(crate) fn parked(&self) -> MutexGuard<'_, Option<D>> {
        lock(&self.parked)
    }

    /// The thread goes to the handler, or comes back from it. No other thread writes the count.
    pub(crate) fn step(&self) {
        self.steps.store(self.steps.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn steps(&self) -> u32 {
        self.steps.load(Ordering::Acquire)
    }

    /// Whether the thread is with the handler, if it has not been taken over.
    pub(crate) fn is_with_the_handler(&self) -> bool {
        let parked = lock(&self.parked);
        parked.is_some() && self.steps() % 2 == 1
    }

    /// The thread ends a batch. Whoever adds an answer after this sends it; what was added before is
    /// the caller's to send.
    pub(crate) fn end_batch(&self, state: &State) {
        let parked = lock(&self.parked);
        if parked.is_some() {
            state.end_batch();
        }
    }

    /// Takes the driver from between two batches; `None` if the runtime has taken over.
    pub(crate) fn take_back(&self) -> Option<D> {
        lock(&self.parked).take()
    }

    /// The runtime takes over from a thread that is with the handler: writes so `to_runtime`. What has gathered is the
    /// caller's to send.
    pub(crate) fn take_over(&self, to_runtime: impl FnOnce(&D)) -> Option<D> {
        let mut parked = lock(&self.parked);
        let driver = parked.take()?;
        to_runtime(&driver);
        Some(driver)
    }
}
