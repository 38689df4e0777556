//! `sipc_stream`: messages, one after the other, from a publisher, from a handler to its caller, or the other way round.

use std::ffi::c_void;
use std::sync::Arc;

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
use crate::stream::source::{Came, Source};

mod awaited;
pub(crate) mod handled;
pub mod send;
pub(crate) mod source;
mod untold;

/// Messages, one after the other. What it is depends on who made it:
///
/// - `sipc_subscribe_uds` and `sipc_subscribe_ip`: the events of a publisher. Nothing is sent on it.
/// - `sipc_post_uds_stream` and its like: the items that a handler answers with. `sipc_stream_send` sends items to it.
/// - `sipc_responder_stream`: a handler's side of the same; the items are the caller's, and what is sent goes to it.
/// - `sipc_responder_items`: the caller's items alone, for a handler that answers with one message.
///
/// Any number of threads may use it at once; each message comes to one of them. Those of callers and subscribers have
/// no thread: they receive inside the calls below. It never holds more than 256 KiB and one message that were not
/// taken, and the other side sends no more until some are taken.
pub struct sipc_stream {
    awaited: Arc<Awaited>,
}

impl Handle for sipc_stream {
    const NOUN: &'static str = "stream";
}

impl sipc_stream {
    pub(crate) fn new(source: Source) -> sipc_stream {
        sipc_stream { awaited: Arc::new(Awaited::new(source)) }
    }

    fn source(&self) -> &Source {
        self.awaited.source()
    }
}

impl Drop for sipc_stream {
    fn drop(&mut self) {
        // Operations that are still held keep the stream in memory, but not open.
        self.source().close();
    }
}

/// Takes the next message, and waits for one if there is none.
///
/// `stream`: not NULL.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. 0 takes what is there. Afterwards `SIPC_TIMED_OUT` is
/// returned, which leaves the stream as it was: nothing is lost, call again.
/// `item`: where the message is stored, owned by the caller; NULL is stored at the end of the stream, which comes
/// when the other side has ended it or it was closed here; of a subscription, when its publisher has closed and
/// `reconnect` is 0; not NULL.
/// `error`: may be NULL.
///
/// `SIPC_INVALID_BODY` of a subscription and of a caller's stream may be about one message that says it is JSON and is
/// not: the next call goes on behind it. Every other status but the `SIPC_TIMED_OUT` of `timeout_ms` ends the stream, and is returned again by later calls;
/// `sipc_stream_is_over` tells. All that was sent before an error comes before it.
///
/// Of a caller's stream handle `SIPC_HANDLER_FAILED` (`sipc_error_handler_code` and `_data` as for a request),
/// `SIPC_CONNECTION_LOST`, `SIPC_TIMED_OUT` (`timeout` or `idle_timeout` of its options is over), `SIPC_TOO_LARGE`, and
/// what `sipc_post_uds_stream` says where `sipc_begin_uds_stream` has opened it. Of a handler's: `SIPC_CANCELLED` and
/// `SIPC_CONNECTION_LOST`, its caller has left.
///
/// Of a subscription: while its publisher is gone, the stream looks for the next one inside this call and does not fail;
/// `sipc_message_missed` of the event after that tells what was missed. Handle `SIPC_TOO_SLOW`, `SIPC_TOO_LARGE`,
/// `SIPC_CONNECTION_LOST` (`reconnect` is over), `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_next(
    stream: *const sipc_stream,
    timeout_ms: i64,
    item: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (stream, out) = (sipc_stream::borrow(stream)?.source(), Out::new(item, "item")?);
            let next = match argument::timeout(timeout_ms)? {
                Some(timeout) if timeout.is_zero() => match stream.try_next()? {
                    Came::Message(message) => Some(message),
                    Came::Ended => None,
                    Came::NotYet => return Err(stream.nothing_yet()),
                },
                timeout => stream.next(timeout)?,
            };
            out.write(next.map_or(std::ptr::null_mut(), Handle::into_handle));
            Ok(())
        })
    }
}

/// Takes the next message without waiting; the callback gets it, or NULL at the end of the stream. Calls of one
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
/// call that is cancelled or timed out takes nothing. All streams' callbacks run on one thread, started with the
/// first such call: one that does not return holds up the others. A program that wants many messages takes those that
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
            entered.receive(call, timeout);
            Ok(())
        })
    }
}

/// The caller's items once more, as `sipc_responder_items` gives them, of a handler's stream: so that one thread or part of
/// the handler takes them while another one sends.
///
/// `stream`: of `sipc_responder_stream` or `sipc_responder_items`; not NULL.
/// `items`: where the stream of items is stored, owned by the caller; not NULL.
/// `error`: may be NULL. `SIPC_INVALID_ARGUMENT` of any other stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_items(
    stream: *const sipc_stream,
    items: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (stream, out) = (sipc_stream::borrow(stream)?.source(), Out::new(items, "items")?);
            stream.check_process()?;
            out.write(sipc_stream::new(stream.items()?).into_handle());
            Ok(())
        })
    }
}

/// The descriptor that is readable while `sipc_stream_next` with `timeout_ms` 0 has something to do, or
/// `sipc_stream_send` after it has found no room: for `poll`, `epoll` or an event loop, level-triggered. It stays the
/// same, also while a subscription looks for its publisher again, and the library's; only watch it. It may be readable
/// though nothing is there yet: then that call returns `SIPC_TIMED_OUT`.
///
/// `stream`: NULL gives -1. -1 also for a handler's stream, which has none, and in a forked child, in which the
/// descriptor is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_descriptor(stream: *const sipc_stream) -> i32 {
    boundary::infallible(-1, || {
        // SAFETY: NULL or alive, by the header's contract.
        let stream = unsafe { sipc_stream::borrow_or_null(stream) };
        stream.and_then(|stream| stream.source().descriptor()).unwrap_or(-1)
    })
}

/// Whether a stream is over: it has ended, failed, or was closed, and nothing is left to take; a handler's, too, when
/// its caller has left. Where it is not, `SIPC_TIMED_OUT` says that there is nothing yet.
///
/// `stream`: NULL gives `true`. `true` also in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_is_over(stream: *const sipc_stream) -> bool {
    boundary::infallible(true, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_stream::borrow_or_null(stream) }.is_none_or(|stream| stream.source().is_over())
    })
}

/// Closes a stream. Calls that wait for a message, here or in other threads, get the end of the stream; those that send
/// get `SIPC_CLOSED`. Does not wait and does not fail. May be called in any thread, any number of times.
///
/// A publisher forgets the subscription. A handler learns at once that its caller has left. A handler that closes its
/// stream without `sipc_stream_end` has failed: its caller gets `SIPC_HANDLER_FAILED`. Closing a stream of
/// `sipc_responder_items` concerns that stream alone.
///
/// `stream`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_close(stream: *const sipc_stream) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive, by the header's contract.
        if let Some(stream) = unsafe { sipc_stream::borrow_or_null(stream) } {
            stream.source().close();
        }
    });
}

/// Closes and frees a stream. Asynchronous calls that are under way end as for `sipc_stream_close`; no other call may
/// be using it. Legal inside a callback.
///
/// `stream`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_free(stream: *mut sipc_stream) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive until the next line, by the header's contract.
        let stays = unsafe { sipc_stream::borrow_or_null(stream) }.is_some_and(|stream| stream.source().is_inherited());
        if !stays {
            // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
            drop(unsafe { sipc_stream::take(stream) });
        }
    });
}
