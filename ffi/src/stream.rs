//! `sipc_stream`: what a subscription delivers, one after the other.

use std::ffi::c_void;
use std::sync::Arc;

use simple_ipc::event_loop::{Next, Subscription};
use simple_ipc::{Error, ErrorKind};

use crate::argument::{self, Out};
use crate::boundary;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::engine::Asynchronous;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::operation::{self, sipc_operation};
use crate::status::sipc_status;
use crate::stream::awaited::Awaited;

mod awaited;
mod untold;

/// What a subscription delivers, one after the other. Made by `sipc_subscribe_uds` and `sipc_subscribe_ip`. Any
/// number of threads may use it at once; each event comes to one of them. It has no thread: it receives inside the
/// calls below, and never holds more than 256 KiB and one event that were not taken.
pub struct sipc_stream {
    awaited: Arc<Awaited>,
}

impl Handle for sipc_stream {
    const NOUN: &'static str = "stream";
}

impl sipc_stream {
    pub(crate) fn new(subscription: Subscription) -> sipc_stream {
        sipc_stream { awaited: Arc::new(Awaited::new(subscription)) }
    }

    fn subscription(&self) -> &Subscription {
        self.awaited.subscription()
    }
}

impl Drop for sipc_stream {
    fn drop(&mut self) {
        // Operations that are still held keep the subscription in memory, but not open.
        self.subscription().close();
    }
}

/// Takes the next event, and waits for one if there is none.
///
/// `stream`: not NULL.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. 0 takes what is there. Afterwards `SIPC_TIMED_OUT` is
/// returned, which leaves the stream as it was: nothing is lost, call again.
/// `event`: where the event is stored, owned by the caller; NULL is stored at the end of the stream, which comes
/// when it was closed here, or when its publisher has closed and `reconnect` is 0; not NULL.
/// `error`: may be NULL.
///
/// While its publisher is gone, the stream looks for the next one inside this call and does not fail;
/// `sipc_message_missed` of the event after that tells what was missed. `SIPC_INVALID_BODY` is about one event that
/// says it is JSON and is not: the next call goes on behind it. Every other status but `SIPC_TIMED_OUT` ends the
/// stream, and is returned again by later calls. Handle `SIPC_TOO_SLOW`, `SIPC_TOO_LARGE`, `SIPC_CONNECTION_LOST`
/// (`reconnect` is over), `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_next(
    stream: *const sipc_stream,
    timeout_ms: i64,
    event: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (awaited, out) = (&sipc_stream::borrow(stream)?.awaited, Out::new(event, "event")?);
            let stream = awaited.subscription();
            let next = match argument::timeout(timeout_ms)? {
                Some(timeout) if timeout.is_zero() => match stream.try_next()? {
                    Next::Event(event) => Some(event),
                    Next::Ended => None,
                    _ => return Err(nothing_yet()),
                },
                timeout => stream.next(timeout)?,
            };
            out.write(match next {
                Some(event) => awaited.message_of(event)?.into_handle(),
                None => std::ptr::null_mut(),
            });
            Ok(())
        })
    }
}

/// Takes the next event without waiting; the callback gets it, or NULL at the end of the stream. Calls of one
/// stream are served in their order.
///
/// `stream`, `timeout_ms`: as for `sipc_stream_next`.
/// `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it runs exactly
/// once, and may do so before this call returns. It may make the next such call.
/// `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
/// `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// The callback's statuses are those of `sipc_stream_next`, and `SIPC_CANCELLED` after `sipc_operation_cancel`; a
/// call that is cancelled or timed out takes no event. All streams' callbacks run on one thread, started with the
/// first such call: one that does not return holds up the others. A program that wants many events takes those that
/// are there by `sipc_stream_next` with `timeout_ms` 0, and makes this call when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_next_async(
    stream: *const sipc_stream,
    timeout_ms: i64,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, move || {
            let stream = &sipc_stream::borrow(stream)?.awaited;
            let timeout = argument::timeout(timeout_ms)?;
            let call = Asynchronous::new(then)?;
            let entered = stream.enter()?;
            // While the calls are locked: the callback may free the operation, and may run before this returns.
            operation::hand_out(&call, operation);
            entered.begin(call, timeout);
            Ok(())
        })
    }
}

/// The descriptor that is readable while `sipc_stream_next` with `timeout_ms` 0 has something to do: for `poll`,
/// `epoll` or an event loop, level-triggered. It stays the same, also while the stream looks for its publisher
/// again, and the library's; only watch it. It may be readable though no event is there yet: then that call returns
/// `SIPC_TIMED_OUT`.
///
/// `stream`: NULL gives -1. -1 also in a forked child, in which the descriptor is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_descriptor(stream: *const sipc_stream) -> i32 {
    boundary::infallible(-1, || {
        // SAFETY: NULL or alive, by the header's contract.
        let stream = unsafe { sipc_stream::borrow_or_null(stream) }.map(sipc_stream::subscription);
        let stream = stream.filter(|subscription| subscription.made_in().is_current());
        stream.map_or(-1, Subscription::raw_waitable)
    })
}

/// Closes a stream: its publisher forgets it, and calls that wait for an event, here or in other threads, get the
/// end of the stream. Does not wait. May be called in any thread, any number of times.
///
/// `stream`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_close(stream: *const sipc_stream) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive, by the header's contract.
        if let Some(stream) = unsafe { sipc_stream::borrow_or_null(stream) } {
            stream.subscription().close();
        }
    });
}

/// Closes and frees a stream. Calls of `sipc_stream_next_async` that are under way get the end of the stream; no
/// other call may be using it. Legal inside a callback.
///
/// `stream`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_free(stream: *mut sipc_stream) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_stream::take(stream) }));
}

fn nothing_yet() -> Error {
    Error::new(ErrorKind::TimedOut, "no event has come; the stream goes on, call again")
}
