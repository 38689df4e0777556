//! The four calls that post one message and call back.

use std::ffi::{c_char, c_void};

use simple_ipc::{Channel, Mode, Result};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::engine::{Asynchronous, engine};
use crate::error::sipc_error;
use crate::operation::{self, sipc_operation};
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Sends a request to a named channel without waiting; the callback gets the reply.
///
/// `channel`, `body`, `options`: as for `sipc_post_uds_request`. All are copied.
/// `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it
/// runs exactly once, and may do so before this call returns.
/// `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
/// `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// This call itself reports the caller's mistakes; what happens on the channel goes to the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_uds_request_async(
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(|| argument::uds(channel), Mode::Request, body, options, then, operation, error) }
}

/// Sends a broadcast to a named channel without waiting; the callback gets no reply, and `SIPC_OK`
/// when a listener has handed it to its handler.
///
/// The parameters and statuses are those of `sipc_post_uds_request_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_uds_broadcast_async(
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(|| argument::uds(channel), Mode::Broadcast, body, options, then, operation, error) }
}

/// Sends a request to a TCP port of 127.0.0.1 without waiting; the callback gets the reply.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_post_uds_request_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_ip_request_async(
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(|| argument::ip(port), Mode::Request, body, options, then, operation, error) }
}

/// Sends a broadcast to a TCP port of 127.0.0.1 without waiting.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_post_uds_broadcast_async`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_ip_broadcast_async(
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { post(|| argument::ip(port), Mode::Broadcast, body, options, then, operation, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn post(
    channel: impl FnOnce() -> Result<Channel>,
    mode: Mode,
    body: sipc_body,
    options: *const sipc_options,
    then: Then,
    operation: *mut *mut sipc_operation,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, move || {
            let (channel, message, options) = (channel()?, body.to_message()?, sipc_options::read(options)?);
            let call = Asynchronous::new(then)?;
            let engine = engine()?;
            operation::begin(engine.enter()?, call, operation, |queue| {
                queue.post(&channel, mode, message, &options).map(Some)
            });
            Ok(())
        })
    }
}
