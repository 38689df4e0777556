//! The four calls that post one message and call back.

use std::ffi::{c_char, c_void};

use simple_ipc::{Channel, Result};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{UserData, sipc_drop, sipc_reply_callback};
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
    let then = Then { callback, user_data: UserData::new(user_data, drop), operation };
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { request(|| argument::uds(channel), body, options, then, error) }
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
    let then = Then { callback, user_data: UserData::new(user_data, drop), operation };
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { broadcast(|| argument::uds(channel), body, options, then, error) }
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
    let then = Then { callback, user_data: UserData::new(user_data, drop), operation };
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { request(|| argument::ip(port), body, options, then, error) }
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
    let then = Then { callback, user_data: UserData::new(user_data, drop), operation };
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { broadcast(|| argument::ip(port), body, options, then, error) }
}

/// What C wants done afterwards, and where it wants the operation.
struct Then {
    callback: sipc_reply_callback,
    user_data: UserData,
    operation: *mut *mut sipc_operation,
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn request(
    channel: impl FnOnce() -> Result<Channel>,
    body: sipc_body,
    options: *const sipc_options,
    then: Then,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, move || {
            let (channel, message, options) = (channel()?, body.to_message()?, sipc_options::read(options)?);
            let call = async move { simple_ipc::post_request(&channel, &message, &options).await.map(Some) };
            operation::start(call, then.callback, then.user_data, then.operation, None)
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn broadcast(
    channel: impl FnOnce() -> Result<Channel>,
    body: sipc_body,
    options: *const sipc_options,
    then: Then,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, move || {
            let (channel, message, options) = (channel()?, body.to_message()?, sipc_options::read(options)?);
            let call = async move { simple_ipc::post_broadcast(&channel, &message, &options).await.map(|()| None) };
            operation::start(call, then.callback, then.user_data, then.operation, None)
        })
    }
}
