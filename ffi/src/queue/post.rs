//! The four calls that post one message from a queue.

use std::ffi::{c_char, c_void};

use simple_ipc::{Channel, Mode, Result};

use super::{sipc_queue, start};
use crate::argument;
use crate::body::sipc_body;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::error::sipc_error;
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Sends a request to a named channel; the callback gets the reply.
///
/// `queue`: not NULL.
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`. Copied.
/// `options`: may be NULL.
/// `callback`: runs exactly once inside a later call of the queue if this one returns `SIPC_OK`, else
/// never; may be NULL.
/// `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
/// `ticket`: where a number for `sipc_queue_cancel` is stored; may be NULL.
/// `error`: may be NULL.
///
/// What is clear at once is returned at once: the caller's mistakes, `SIPC_TOO_LARGE`,
/// `SIPC_NOT_LISTENING`; the rest goes to the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_post_uds_request(
    queue: *mut sipc_queue,
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(queue, || argument::uds(channel), Mode::Request, body, options, then, ticket, error) }
}

/// Sends a broadcast to a named channel; the callback hears when it has reached the handler.
///
/// The parameters and statuses are those of `sipc_queue_post_uds_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_post_uds_broadcast(
    queue: *mut sipc_queue,
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(queue, || argument::uds(channel), Mode::Broadcast, body, options, then, ticket, error) }
}

/// Sends a request to a TCP port of 127.0.0.1; the callback gets the reply.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_queue_post_uds_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_post_ip_request(
    queue: *mut sipc_queue,
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(queue, || argument::ip(port), Mode::Request, body, options, then, ticket, error) }
}

/// Sends a broadcast to a TCP port of 127.0.0.1; the callback hears when it has reached the handler.
///
/// The parameters and statuses are those of `sipc_queue_post_ip_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_post_ip_broadcast(
    queue: *mut sipc_queue,
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(queue, || argument::ip(port), Mode::Broadcast, body, options, then, ticket, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
#[expect(clippy::too_many_arguments, reason = "they are the C function's")]
unsafe fn post(
    queue: *mut sipc_queue,
    channel: impl FnOnce() -> Result<Channel>,
    mode: Mode,
    body: sipc_body,
    options: *const sipc_options,
    then: Then,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        start(queue, then, ticket, error, || {
            let (channel, message, options) = (channel()?, body.to_message()?, sipc_options::read(options)?);
            Ok(move |queue: &mut simple_ipc::event_loop::Queue| queue.post(&channel, mode, message, &options))
        })
    }
}
