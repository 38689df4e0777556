//! `sipc_operation`: an asynchronous call under way.

use std::cell::Cell;
use std::future::Future;
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use simple_ipc::{Error, ErrorKind, Message, Process, Result, background};
use tokio::sync::Notify;

use crate::argument;
use crate::boundary;
use crate::callback::{UserData, sipc_reply_callback};
use crate::client::background::UnderWay;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::status::{SIPC_OK, sipc_status};

/// An asynchronous call under way. Any thread may cancel it and wait for it.
pub struct sipc_operation(Arc<Progress>);

impl Handle for sipc_operation {
    const NOUN: &'static str = "operation";
}

/// How far a call is. Shared by C's handle and the task that does the work.
struct Progress {
    /// A child of this process has the call in its memory, but not the thread that would finish it.
    process: Process,
    cancelled: Notify,
    finished: Mutex<bool>,
    finishes: Condvar,
}

thread_local! {
    /// Whether this thread is running a callback, and so must not wait for another one.
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a callback of C's.
pub(crate) fn is_in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Fails inside a callback, where waiting could mean waiting for oneself.
pub(crate) fn check_may_wait(attempted: &str) -> Result<()> {
    if is_in_callback() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("cannot {attempted} inside a callback, where it might wait for itself; do it on another thread"),
        ));
    }
    Ok(())
}

/// Runs a callback of C's.
pub(crate) fn in_callback(call: impl FnOnce()) {
    let outer = IN_CALLBACK.replace(true);
    call();
    IN_CALLBACK.set(outer);
}

/// What is owed to C for one asynchronous call: its callback, exactly once.
struct Completion {
    owed: Option<(
        unsafe extern "C" fn(sipc_status, *mut sipc_message, *mut sipc_error, *mut std::ffi::c_void),
        UserData,
    )>,
    /// What is to be told that the callback has returned and its user data is gone.
    under_way: Option<UnderWay>,
    progress: Arc<Progress>,
}

impl Completion {
    fn finish(&mut self, result: Result<Option<Message>>) {
        let Some((callback, user_data)) = self.owed.take() else { return };
        let (status, reply, error) = match result {
            Ok(reply) => {
                (SIPC_OK, reply.map_or(null_mut(), |reply| sipc_message::new(reply).into_handle()), null_mut())
            }
            Err(error) => (error.kind().code(), null_mut(), sipc_error::new(error).into_handle()),
        };
        in_callback(|| {
            // SAFETY: a C function of this signature, which gets to own reply and error, with the data
            // that was given with it.
            unsafe { callback(status, reply, error, user_data.pointer()) };
            drop(user_data);
        });
        drop(self.under_way.take());
        *self.progress.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.progress.finishes.notify_all();
    }
}

impl Drop for Completion {
    /// Reached with the callback still owed only when the task was dropped before its end.
    fn drop(&mut self) {
        self.finish(Err(Error::new(ErrorKind::Internal, "the call was dropped before it ended").after_sending()));
    }
}

/// Starts a call on the background runtime. After `Ok` the callback runs exactly once; after an error
/// never, and `user_data` has been dropped.
///
/// # Safety
/// `operation` is NULL or good for one write.
pub(crate) unsafe fn start(
    call: impl Future<Output = Result<Option<Message>>> + Send + 'static,
    callback: sipc_reply_callback,
    user_data: UserData,
    operation: *mut *mut sipc_operation,
    under_way: Option<UnderWay>,
) -> Result<()> {
    let callback = callback.ok_or_else(|| argument::null("callback"))?;
    let runtime = background::calls()?;
    let progress = Arc::new(Progress {
        process: Process::current(),
        cancelled: Notify::new(),
        finished: Mutex::new(false),
        finishes: Condvar::new(),
    });
    // Before the task starts: the callback may free the operation, and may run before this returns.
    if !operation.is_null() {
        // SAFETY: good for one write, by this function's contract.
        unsafe { operation.write(sipc_operation(Arc::clone(&progress)).into_handle()) };
    }
    let mut completion = Completion { owed: Some((callback, user_data)), under_way, progress };
    runtime.spawn(async move {
        let progress = Arc::clone(&completion.progress);
        let result = tokio::select! {
            biased;
            () = progress.cancelled.notified() => {
                Err(Error::new(ErrorKind::Cancelled, "the call was cancelled").after_sending())
            }
            result = call => result,
        };
        completion.finish(result);
    });
    Ok(())
}

/// Cancels a call: its callback gets `SIPC_CANCELLED`, unless it has ended already or is just ending.
/// Does not wait. May be called at any time before the operation is freed, any number of times.
///
/// `operation`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_operation_cancel(operation: *const sipc_operation) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive, by the header's contract.
        if let Some(sipc_operation(progress)) = unsafe { sipc_operation::borrow_or_null(operation) }
            && progress.process.is_current()
        {
            progress.cancelled.notify_one();
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
            let sipc_operation(progress) = sipc_operation::borrow(operation)?;
            let deadline = argument::timeout(timeout_ms)?.and_then(|timeout| Instant::now().checked_add(timeout));
            progress.process.check("operation")?;
            check_may_wait("wait for an operation")?;
            let mut finished = progress.finished.lock().unwrap_or_else(PoisonError::into_inner);
            while !*finished {
                let Some(deadline) = deadline else {
                    finished = progress.finishes.wait(finished).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Error::new(
                        ErrorKind::TimedOut,
                        format!("the operation has not ended within {timeout_ms} ms; it goes on"),
                    )
                    .after_sending());
                }
                finished = progress.finishes.wait_timeout(finished, left).unwrap_or_else(PoisonError::into_inner).0;
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
