//! `sipc_client`: one channel kept open.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use simple_ipc::{Call, Channel, Result, blocking};

use crate::argument::{self, Out};
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::client::background::{Background, Time};
use crate::engine::Asynchronous;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::operation::sipc_operation;
use crate::options::sipc_options;
use crate::status::sipc_status;

pub(crate) mod background;

/// One channel kept open, for any number of threads at once. Blocking and asynchronous calls may be
/// mixed; there is no order between those two kinds.
pub struct sipc_client {
    client: blocking::Client,
    background: Arc<Background>,
}

impl Handle for sipc_client {
    const NOUN: &'static str = "client";
}

impl sipc_client {
    /// What core has of it.
    pub(crate) fn core(&self) -> &blocking::Client {
        &self.client
    }
}

/// Opens a named channel to send on.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `options`: may be NULL.
/// `client`: where the client is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// Handle `SIPC_NOT_LISTENING`, `SIPC_PERMISSION_DENIED`, `SIPC_PEER_NOT_ALLOWED`. A listener of the
/// Deno original is only looked for; whether it answers shows with the first message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_connect_uds(
    channel: *const c_char,
    options: *const sipc_options,
    client: *mut *mut sipc_client,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(|| argument::uds(channel), options, client, error) }
}

/// Opens a TCP port of 127.0.0.1 to send on.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_client_connect_uds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_connect_ip(
    port: u32,
    options: *const sipc_options,
    client: *mut *mut sipc_client,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(|| argument::ip(port), options, client, error) }
}

/// Opens the Unix socket at a path to send on.
///
/// `path`: at most 107 bytes, else `SIPC_PATH_TOO_LONG`; not NULL. The other parameters and statuses
/// are those of `sipc_client_connect_uds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_connect_path(
    path: *const c_char,
    options: *const sipc_options,
    client: *mut *mut sipc_client,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(|| Channel::path(argument::path(path, "path")?), options, client, error) }
}

/// Sends a request and waits for the reply.
///
/// `client`: not NULL.
/// `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
/// `options`: their timeout is this call's, the rest does not concern it; NULL for the timeout that
/// the client was opened with.
/// `reply`: where the reply is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// Handle `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`, `SIPC_NOT_LISTENING`,
/// `SIPC_TOO_LARGE`, `SIPC_CLOSED`, `SIPC_FORKED`; `sipc_error_may_have_been_handled` tells whether
/// sending again is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_request(
    client: *const sipc_client,
    body: sipc_body,
    options: *const sipc_options,
    reply: *mut *mut sipc_message,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let client = &sipc_client::borrow(client)?.client;
            let timeout = sipc_options::read_timeout(options, client.timeout())?;
            let answer = body.with(|message| client.request_message(message, timeout))?;
            if !reply.is_null() {
                reply.write(sipc_message::new(answer).into_handle());
            }
            Ok(())
        })
    }
}

/// Sends a broadcast. `SIPC_OK` means that it was sent; `sipc_client_flush` waits until it, and all
/// before it, have reached the handler.
///
/// `client`: not NULL. `body`: as for `sipc_client_request`. `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_broadcast(
    client: *const sipc_client,
    body: sipc_body,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let client = &sipc_client::borrow(client)?.client;
            body.with(|message| client.broadcast_message(message))
        })
    }
}

/// Waits until all broadcasts sent so far have been handed to the listener's handler, as long as the
/// timeout that the client was opened with.
///
/// `client`: not NULL. `error`: may be NULL.
///
/// Handle `SIPC_WRONG_MODE` (a request listener was sent broadcasts), `SIPC_TIMED_OUT`,
/// `SIPC_CONNECTION_LOST`: then some may not have got there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_flush(client: *const sipc_client, error: *mut *mut sipc_error) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { flush(client, |client| Ok(client.client.timeout()), error) }
}

/// As `sipc_client_flush`, with a timeout of its own.
///
/// `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`. What is not confirmed by then may arrive all
/// the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_flush_within(
    client: *const sipc_client,
    timeout_ms: i64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { flush(client, |_| argument::timeout(timeout_ms), error) }
}

/// Asks the listener for a sign of life, and waits for it as long as the timeout that the client was
/// opened with. No handler is involved.
///
/// `client`: not NULL.
/// `nanoseconds`: where the length of the round trip is stored; may be NULL.
/// `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_ping(
    client: *const sipc_client,
    nanoseconds: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { ping(client, |client| Ok(client.client.timeout()), nanoseconds, error) }
}

/// As `sipc_client_ping`, with a timeout of its own.
///
/// `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_ping_within(
    client: *const sipc_client,
    timeout_ms: i64,
    nanoseconds: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { ping(client, |_| argument::timeout(timeout_ms), nanoseconds, error) }
}

/// Sends a request without waiting; the callback gets the reply, or `SIPC_TIMED_OUT` after the
/// timeout. Any number may be under way at once.
///
/// `client`: not NULL; may be freed before the callback runs.
/// `body`, `options`: as for `sipc_client_request`. Copied.
/// `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it
/// runs exactly once, and may do so before this call returns.
/// `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
/// `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// This call itself reports the caller's mistakes, `SIPC_CLOSED` and `SIPC_FORKED`; what happens on
/// the channel goes to the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_request_async(
    client: *const sipc_client,
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
    unsafe {
        boundary::fallible(error, move || {
            let client = sipc_client::borrow(client)?;
            let timeout = sipc_options::read_timeout(options, client.client.timeout())?;
            let (message, call) = (body.to_message()?, Asynchronous::new(then)?);
            client.background.begin(call, operation, |queue, client| queue.request(client, message, timeout).map(Some))
        })
    }
}

/// Sends a broadcast without waiting; the callback gets no reply, and `SIPC_OK` when it was sent.
/// `sipc_client_flush` waits until it has reached the handler.
///
/// The parameters and statuses are those of `sipc_client_request_async`, without options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_broadcast_async(
    client: *const sipc_client,
    body: sipc_body,
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
            let client = sipc_client::borrow(client)?;
            let (message, call) = (body.to_message()?, Asynchronous::new(then)?);
            client.background.begin(call, operation, |queue, client| queue.broadcast(client, message))
        })
    }
}

/// Ends the calls of the client that wait, flushes as `sipc_client_flush` does, then closes the connection.
/// The client stays to be freed.
///
/// Requests and pings that other threads wait in return `SIPC_CANCELLED`, asynchronous requests call back
/// with it, and handlers that have them are told. When it has returned, every asynchronous call of the
/// client has called back and its `user_data` has been dropped, so that the callbacks' code may be
/// unloaded; `SIPC_TIMED_OUT` says that one has not. Inside a callback, which would wait for itself, it
/// waits for the broadcasts of blocking calls only; the rest of closing goes on after it has returned.
///
/// Closing again waits for callbacks only; sending afterwards gives `SIPC_CLOSED`.
///
/// `client`: not NULL. `error`: may be NULL; the client is closed whatever is returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_close(client: *const sipc_client, error: *mut *mut sipc_error) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { close(client, |client| Ok(client.client.timeout()), error) }
}

/// As `sipc_client_close`, with a timeout of its own for what is to be flushed and called back.
///
/// `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_close_within(
    client: *const sipc_client,
    timeout_ms: i64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { close(client, |_| argument::timeout(timeout_ms), error) }
}

/// Frees a client without waiting. Operations that are under way go on. Legal inside a callback.
///
/// `client`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_free(client: *mut sipc_client) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_client::take(client) }));
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn flush(
    client: *const sipc_client,
    timeout: impl FnOnce(&sipc_client) -> Result<Option<Duration>>,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let client = sipc_client::borrow(client)?;
            let time = Time::from_now(timeout(client)?);
            client.client.flush_with(&time.call())?;
            client.background.flush(time)
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn ping(
    client: *const sipc_client,
    timeout: impl FnOnce(&sipc_client) -> Result<Option<Duration>>,
    nanoseconds: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let client = sipc_client::borrow(client)?;
            let taken = client.client.ping_with(&Call::new().timeout(timeout(client)?))?;
            if !nanoseconds.is_null() {
                nanoseconds.write(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX));
            }
            Ok(())
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn close(
    client: *const sipc_client,
    timeout: impl FnOnce(&sipc_client) -> Result<Option<Duration>>,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let client = sipc_client::borrow(client)?;
            let time = Time::from_now(timeout(client)?);
            client.background.close_begin(time);
            let closed = client.client.close_with(&time.call());
            closed.and(client.background.close(time))
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn connect(
    channel: impl FnOnce() -> Result<Channel>,
    options: *const sipc_options,
    client: *mut *mut sipc_client,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(client, "client")?;
            let (channel, options) = (channel()?, sipc_options::read(options)?);
            let client = blocking::Client::connect(&channel, &options)?;
            out.write(sipc_client { client, background: Background::new(channel, options) }.into_handle());
            Ok(())
        })
    }
}
