//! What a stream takes: items, its end, and a handler's failure.

use std::ffi::{c_char, c_void};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::engine::Asynchronous;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::operation::{self, sipc_operation};
use crate::responder::failure_of;
use crate::status::sipc_status;
use crate::stream::sipc_stream;
use crate::stream::source::no_room_yet;

/// Sends an item, and waits until the other side has room for it.
///
/// `stream`: of `sipc_post_uds_stream` or its like, or of `sipc_responder_stream`; not NULL.
/// `data`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. 0 sends if there is room. Afterwards `SIPC_TIMED_OUT` is
/// returned, which leaves the stream as it was: the item was not sent, call again.
/// `error`: may be NULL.
///
/// There is room for 256 KiB that the other side's program has not taken, and for one item more. `SIPC_OK` says that the
/// item was sent, in the order of the calls, and not that it was taken; of a large one that was sent with `timeout_ms` 0, the
/// rest may leave inside the stream's next calls. Where both sides only send and neither takes, both wait, until a
/// `timeout_ms` or the caller's `idle_timeout` is over.
///
/// Handle `SIPC_CLOSED`: the listener has ended the stream first, whose items and end, or error, `sipc_stream_next` still
/// gives; or it was ended or closed here. Of a handler's stream `SIPC_CANCELLED` and `SIPC_CONNECTION_LOST`: its caller has left.
/// `SIPC_TOO_LARGE` (the other side takes no item of that size) and `SIPC_INVALID_JSON`: nothing was sent, the stream
/// goes on. Else what `sipc_stream_next` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_send(
    stream: *const sipc_stream,
    data: sipc_body,
    timeout_ms: i64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (stream, timeout) = (sipc_stream::borrow(stream)?.source(), argument::timeout(timeout_ms)?);
            data.with(|item| match timeout {
                Some(timeout) if timeout.is_zero() => {
                    if stream.try_send(item)? {
                        Ok(())
                    } else {
                        Err(no_room_yet())
                    }
                }
                timeout => stream.send(item, timeout),
            })
        })
    }
}

/// Sends an item without waiting; the callback gets `SIPC_OK` when it was sent. Calls of one stream send in their
/// order; there is no order between them and those of `sipc_stream_send`.
///
/// `stream`, `data`, `timeout_ms`: as for `sipc_stream_send`. The data is copied.
/// `callback`: not NULL; gets no reply. If this call returns another status than `SIPC_OK`, it never runs; else it runs
/// exactly once, and may do so before this call returns.
/// `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
/// `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// The callback's statuses are those of `sipc_stream_send`, and `SIPC_CANCELLED` after `sipc_operation_cancel`; a call that
/// is cancelled or timed out sends nothing. The callbacks run where those of `sipc_stream_next_async` do. Each call keeps
/// a copy of its item: a program that sends many sends with `sipc_stream_send` and `timeout_ms` 0, makes this call when
/// there is no room, and the next one after its callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_send_async(
    stream: *const sipc_stream,
    data: sipc_body,
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
            let (item, timeout) = (data.to_message()?, argument::timeout(timeout_ms)?);
            stream.source().check_sends()?;
            let call = Asynchronous::new(then)?;
            let entered = stream.enter()?;
            // While the calls are locked: the callback may free the operation, and may run before this returns.
            operation::hand_out(&call, operation);
            entered.send(call, timeout, item);
            Ok(())
        })
    }
}

/// Says that no more items come from here. Does not wait. A caller goes on to take the handler's items; a handler's
/// answer is complete, and its stream over.
///
/// `stream`: as for `sipc_stream_send`; not NULL.
/// `error`: may be NULL.
///
/// Calls of `sipc_stream_send_async` that are under way get `SIPC_CLOSED`: wait for their callbacks first. Of a caller's
/// stream it does nothing a second time. Of a handler's an error means that the caller has left (`SIPC_CANCELLED`,
/// `SIPC_CONNECTION_LOST`), or that it was ended, failed or closed before (`SIPC_CLOSED`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_end(stream: *const sipc_stream, error: *mut *mut sipc_error) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { boundary::fallible(error, || sipc_stream::borrow(stream)?.source().end()) }
}

/// Ends a handler's stream with an error: after the items that were sent the caller gets `SIPC_HANDLER_FAILED` with this
/// text.
///
/// `stream`: of `sipc_responder_stream`; not NULL. It is over, whatever is returned, and stays to be freed.
/// `text`: as that of `sipc_respond_error`.
/// `error`: may be NULL.
///
/// The statuses are those of `sipc_respond_error`, and `SIPC_CLOSED` where it was ended, failed or closed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_fail(
    stream: *const sipc_stream,
    text: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { fail(stream, text, std::ptr::null(), std::ptr::null(), error) }
}

/// Ends a handler's stream with an error that the caller's program can act on, as `sipc_respond_failure` does for a
/// request.
///
/// `stream`: of `sipc_responder_stream`; not NULL. It is over, whatever is returned, and stays to be freed.
/// `message`, `code`, `data_json`: as those of `sipc_respond_failure`.
/// `error`: may be NULL.
///
/// The statuses are those of `sipc_respond_failure`, and `SIPC_CLOSED` where it was ended, failed or closed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_stream_fail_with(
    stream: *const sipc_stream,
    message: *const c_char,
    code: *const c_char,
    data_json: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { fail(stream, message, code, data_json, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn fail(
    stream: *const sipc_stream,
    message: *const c_char,
    code: *const c_char,
    data_json: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let stream = sipc_stream::borrow(stream)?.source();
            match failure_of(message, code, data_json) {
                Ok((failure, None)) => stream.fail(Some(failure)),
                // The caller is told the rest; the mistake is what the handler's author must see.
                Ok((failure, Some(mistake))) => stream.fail(Some(failure)).and(Err(mistake)),
                Err(mistake) => stream.fail(None).and(Err(mistake)),
            }
        })
    }
}
