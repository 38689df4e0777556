//! What other threads tell a poller by that there is something to do.

use std::sync::Arc;

use super::waker::Waker;

/// Makes a poller's descriptor readable, from any thread, until the poller has been asked what is
/// [ready](super::poller::Poller::ready). Clones are the same one. In a forked child it does nothing.
#[derive(Clone, Debug)]
pub(crate) struct Bell(pub(super) Arc<Waker>);

impl Bell {
    /// Does not wait.
    pub(crate) fn ring(&self) {
        self.0.wake();
    }
}
