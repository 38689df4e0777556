//! Where threads of the library meet the interpreter: the GIL, signals, and its end.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use simple_ipc::Result;

use crate::error::exception;

/// Set just before the interpreter ends: no thread of the library begins anything in Python after it.
/// Written once, by the thread that ends the interpreter; sequentially consistent, as `LEAVING` is, since each side writes one
/// and then reads the other.
static SHUT: AtomicBool = AtomicBool::new(false);

/// How many threads of the library are about to end and give back what the interpreter knows of them. Written by each of them,
/// read by the thread that ends the interpreter.
static LEAVING: AtomicUsize = AtomicUsize::new(0);

/// How long the end of the interpreter waits for them: far longer than they take. A forked child may have a count of its parent's.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// Refuses to be imported in a subinterpreter. What is kept for the process (exception classes, the gate above), and
/// the threads that run handlers, belong to the main interpreter.
#[pyfunction]
pub(crate) fn check_interpreter(_py: Python<'_>) -> PyResult<()> {
    // SAFETY: the calling thread holds the GIL, as the token says, so it has an interpreter.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if number == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(format!(
        "simple_ipc cannot be imported in a subinterpreter (number {number}): its handlers run in the main interpreter; \
         import it there, or take a process of its own (mod_wsgi: WSGIApplicationGroup %{{GLOBAL}})"
    )))
}

/// The process that an object of Python's was made in.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Process(simple_ipc::Process);

#[pymethods]
impl Process {
    #[new]
    fn new() -> Process {
        Process(simple_ipc::Process::current())
    }

    /// Whether it is this one; not so in a forked child.
    fn is_current(&self) -> bool {
        self.0.is_current()
    }
}

thread_local! {
    /// What a signal handler raised in a blocking call of this thread.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Keeps threads of the library out of Python from now on, and waits for those that are just leaving it for good. For the end of
/// the interpreter, which ends whoever waits for the GIL: a thread that is at its own end already cannot be ended once more.
#[pyfunction]
pub(crate) fn shut_gate(py: Python<'_>) {
    SHUT.store(true, Ordering::SeqCst);
    py.detach(|| {
        let began = Instant::now();
        while LEAVING.load(Ordering::SeqCst) > 0 && began.elapsed() < LEAVING_TIME {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Has blocking calls run Python's signal handlers.
pub(crate) fn watch_signals() {
    // A second import in one process finds the same check in place.
    let _already_there = simple_ipc::blocking::on_interrupt(signal_raised);
}

fn signal_raised() -> bool {
    attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            RAISED.with(|slot| *slot.borrow_mut() = Some(raised));
            true
        }
    })
    .unwrap_or(false)
}

/// Runs a call that may wait, with the GIL released. What a signal handler raises ends it.
pub(crate) fn blocking<T: Send>(py: Python<'_>, call: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let result = py.detach(call);
    match RAISED.with(|slot| slot.borrow_mut().take()) {
        Some(raised) => Err(raised),
        None => result.map_err(|error| exception(py, &error)),
    }
}

/// Enters Python from a thread of the library; `None` where the interpreter is at its end.
pub(crate) fn attach<T>(inside: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    if SHUT.load(Ordering::SeqCst) { None } else { Python::try_attach(inside) }
}

/// As [`attach`], for a thread that will come again: what the interpreter knows of the thread stays from one
/// call to the next, until the thread ends. To make and to free it each time takes several system calls.
pub(crate) fn attach_again<T>(inside: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    thread_local! {
        static KEPT: Kept = const { Kept(Cell::new(false)) };
    }
    attach(|py| {
        KEPT.with(Kept::keep);
        inside(py)
    })
}

/// Whether this thread holds its thread state of the interpreter by one more count.
struct Kept(Cell<bool>);

impl Kept {
    /// The GIL is held.
    fn keep(&self) {
        if !self.0.replace(true) {
            // SAFETY: the GIL is held, so that this only counts. Its counterpart is in `drop`.
            unsafe { ffi::PyGILState_Ensure() };
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.0.get() {
            // Before it is looked whether the gate is shut.
            LEAVING.fetch_add(1, Ordering::SeqCst);
            // Nothing to give back where the interpreter has ended: it has freed what it knew of its threads.
            // SAFETY: the GIL is held, the count is the one taken in `keep`, and `attach` has another of its own.
            attach(|_| unsafe { ffi::PyGILState_Release(ffi::PyGILState_STATE::PyGILState_LOCKED) });
            LEAVING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

unsafe extern "C-unwind" {
    fn PyObject_CallObject(callable: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

/// Before 3.14, CPython ends a thread that runs Python code when the interpreter is finalised by
/// unwinding it with `pthread_exit`. Rust's frames must not be unwound like that: the thread rests
/// here for the moment until the process has ended, as later versions have it do by themselves.
struct Rest;

impl Drop for Rest {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// Calls code of the user in a thread of the library.
pub(crate) fn call_user<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let rest = Rest;
    // SAFETY: both are objects that live through the call, and the GIL is held. The only unwinding that
    // can come out of it ends at `rest`.
    let returned = unsafe { PyObject_CallObject(callable.as_ptr(), arguments.as_ptr()) };
    std::mem::forget(rest);
    // SAFETY: it is a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), returned) }
}
