//! The four calls that post one message and wait.

use std::ffi::c_char;

use simple_ipc::{Channel, Result, blocking};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Sends a request to a named channel and waits for the reply.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
/// `options`: may be NULL.
/// `reply`: where the reply is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// Handle `SIPC_NOT_LISTENING`, `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`,
/// `SIPC_TOO_LARGE`, `SIPC_WRONG_MODE`; `sipc_error_may_have_been_handled` tells whether sending
/// again is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_uds_request(
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    reply: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { request(|| argument::uds(channel), body, options, reply, error) }
}

/// Sends a broadcast to a named channel. `SIPC_OK` means that a listener has handed it to its
/// handler (on the Deno wire: that a listener took it).
///
/// The parameters and statuses are those of `sipc_post_uds_request`, without a reply.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_uds_broadcast(
    channel: *const c_char,
    body: sipc_body,
    options: *const sipc_options,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { broadcast(|| argument::uds(channel), body, options, error) }
}

/// Sends a request to a TCP port of 127.0.0.1 and waits for the reply.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_post_uds_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_ip_request(
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    reply: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { request(|| argument::ip(port), body, options, reply, error) }
}

/// Sends a broadcast to a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_post_uds_broadcast`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_ip_broadcast(
    port: u32,
    body: sipc_body,
    options: *const sipc_options,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { broadcast(|| argument::ip(port), body, options, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn request(
    channel: impl FnOnce() -> Result<Channel>,
    body: sipc_body,
    options: *const sipc_options,
    reply: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let (channel, options) = (channel()?, sipc_options::share(options)?);
            let answer = body.with(|message| blocking::post_request(&channel, message, &options))?;
            if !reply.is_null() {
                reply.write(sipc_message::new(answer).into_handle());
            }
            Ok(())
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn broadcast(
    channel: impl FnOnce() -> Result<Channel>,
    body: sipc_body,
    options: *const sipc_options,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let (channel, options) = (channel()?, sipc_options::share(options)?);
            body.with(|message| blocking::post_broadcast(&channel, message, &options))
        })
    }
}
