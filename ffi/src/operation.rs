//! `sipc_operation`: an asynchronous call under way.

use std::sync::Arc;
use std::time::Instant;

use simple_ipc::event_loop::{Queue, Ticket};
use simple_ipc::{Error, ErrorKind, Process, Result};

use crate::argument;
use crate::boundary;
use crate::callback::check_may_wait;
use crate::engine::{Asynchronous, Entered, Progress};
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::status::sipc_status;

/// An asynchronous call under way. Any thread may cancel it and wait for it.
pub struct sipc_operation {
    progress: Arc<Progress>,
    /// A child of this process has the call in its memory, but not the thread that would finish it.
    process: Process,
}

impl Handle for sipc_operation {
    const NOUN: &'static str = "operation";
}

/// Begins a call in the engine, after which its callback runs exactly once.
///
/// # Safety
/// `operation` is NULL or good for one write.
pub(crate) unsafe fn begin(
    mut engine: Entered<'_>,
    call: Asynchronous,
    operation: *mut *mut sipc_operation,
    begin: impl FnOnce(&mut Queue) -> Result<Option<Ticket>>,
) {
    // While the engine is locked: the callback may free the operation, and may run before this returns.
    // SAFETY: by this function's contract.
    unsafe { hand_out(&call, operation) };
    engine.begin(call, begin);
}

/// Stores the operation of a call, where C wants it.
///
/// # Safety
/// `operation` is NULL or good for one write.
pub(crate) unsafe fn hand_out(call: &Asynchronous, operation: *mut *mut sipc_operation) {
    if !operation.is_null() {
        let handle = sipc_operation { progress: Arc::clone(call.progress()), process: Process::current() };
        // SAFETY: good for one write, by this function's contract.
        unsafe { operation.write(handle.into_handle()) };
    }
}

/// Cancels a call: its callback gets `SIPC_CANCELLED`, unless it has ended already or is just ending.
/// Does not wait. May be called at any time before the operation is freed, any number of times.
///
/// `operation`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_operation_cancel(operation: *const sipc_operation) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive, by the header's contract.
        let operation = unsafe { sipc_operation::borrow_or_null(operation) };
        if let Some(operation) = operation.filter(|operation| operation.process.is_current()) {
            operation.progress.cancel();
        }
    });
}

/// Waits until the call's callback has returned and its user data has been dropped.
///
/// `operation`: not NULL.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. Afterwards `SIPC_TIMED_OUT` is returned; the
/// call goes on.
/// `error`: may be NULL.
///
/// Inside a callback it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_operation_wait(
    operation: *const sipc_operation,
    timeout_ms: i64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let operation = sipc_operation::borrow(operation)?;
            let until = argument::timeout(timeout_ms)?.and_then(|timeout| Instant::now().checked_add(timeout));
            operation.process.check("operation")?;
            check_may_wait("wait for an operation")?;
            if !operation.progress.wait(until) {
                let text = format!("the operation has not ended within {timeout_ms} ms; it goes on");
                return Err(Error::new(ErrorKind::TimedOut, text).after_sending());
            }
            Ok(())
        })
    }
}

/// Frees an operation. Neither cancels it nor waits for it: its callback runs all the same. Legal
/// inside the callback.
///
/// `operation`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_operation_free(operation: *mut sipc_operation) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_operation::take(operation) }));
}
