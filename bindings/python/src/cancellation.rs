//! Giving calls that block up, from another thread.

use pyo3::prelude::*;

/// Gives calls up that wait in other threads: any number of posts and of a client's calls that were given it as
/// `cancellation=`. They raise `CancelledError`, and a handler that has such a request is told.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Cancellation(simple_ipc::Cancellation);

impl Cancellation {
    pub(crate) fn core(&self) -> simple_ipc::Cancellation {
        self.0.clone()
    }
}

#[pymethods]
impl Cancellation {
    #[new]
    fn new() -> Cancellation {
        Cancellation(simple_ipc::Cancellation::new())
    }

    /// Ends every call that waits with it, and every later one before anything is sent. Returns at once, from any
    /// thread and from a signal handler; later calls do nothing.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it has been cancelled.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}
