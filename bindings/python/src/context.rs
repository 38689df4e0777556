//! What a handler may know about its caller.

use std::sync::Arc;
use std::time::Instant;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use simple_ipc::Peer;

use crate::exchange::{CallerItems, Exchange};

/// What a handler may know about the message that it has: who sent it, and whether the answer is
/// still wanted. Good for as long as the handler runs.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Context {
    peer: Peer,
    deadline: Option<Instant>,
    /// What tells whether the caller still waits; absent of a broadcast, for which nobody does.
    exchange: Option<Arc<Exchange>>,
    /// The items of the caller, as the handler reads them; absent where there are none to read on a thread.
    items: Option<Py<PyAny>>,
}

impl Context {
    pub(crate) fn new(
        peer: Peer,
        deadline: Option<Instant>,
        exchange: Option<Arc<Exchange>>,
        items: Option<Py<PyAny>>,
    ) -> Context {
        Context { peer, deadline, exchange, items }
    }
}

#[pymethods]
impl Context {
    /// The sender's process id, where the system tells it.
    #[getter]
    fn pid(&self) -> Option<i32> {
        self.peer.pid()
    }

    /// The sender's user id, where the system tells it.
    #[getter]
    fn uid(&self) -> Option<u32> {
        self.peer.uid()
    }

    /// The sender's group id, where the system tells it.
    #[getter]
    fn gid(&self) -> Option<u32> {
        self.peer.gid()
    }

    /// Whether nobody waits for the answer any more.
    #[getter]
    fn cancelled(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.is_cancelled())
    }

    /// The items that the caller sends, where it has opened a stream; of a plain request there are none. To be iterated
    /// over; each item is given once.
    #[getter]
    fn items(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.items {
            Some(items) => Ok(items.clone_ref(py)),
            None => Ok(Py::new(py, CallerItems::new(None))?.into_any()),
        }
    }

    /// For how many more seconds the caller waits; `None` where it did not say.
    #[getter]
    fn time_left(&self) -> Option<f64> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.items)
    }
}
