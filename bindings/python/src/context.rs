//! What a handler may know about its caller.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use simple_ipc::{Peer, Responder};

/// A responder that a handler's context looks at until it is taken to answer.
pub(crate) type Shared = Arc<Mutex<Option<Responder>>>;

/// Takes the responder out, to answer.
pub(crate) fn take(shared: &Shared) -> Option<Responder> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).take()
}

pub(crate) enum Caller {
    OnThread(Shared),
    OnLoop(Arc<AtomicBool>),
}

/// What a handler may know about the message that it has: who sent it, and whether the answer is
/// still wanted. Good for as long as the handler runs.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Context {
    peer: Peer,
    deadline: Option<Instant>,
    caller: Caller,
}

impl Context {
    pub(crate) fn new(peer: Peer, deadline: Option<Instant>, caller: Caller) -> Context {
        Context { peer, deadline, caller }
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
        match &self.caller {
            Caller::OnThread(responder) => {
                responder.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Responder::is_cancelled)
            }
            Caller::OnLoop(cancelled) => cancelled.load(Ordering::Relaxed),
        }
    }

    /// For how many more seconds the caller waits; `None` where it did not say.
    #[getter]
    fn time_left(&self) -> Option<f64> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }
}
