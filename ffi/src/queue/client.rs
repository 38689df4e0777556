//! Channels that a queue keeps open.

use std::ffi::{c_char, c_void};

use simple_ipc::event_loop::{ClientId, Queue, Ticket};
use simple_ipc::{Channel, Result};

use super::{Whom, borrow, sipc_queue, start};
use crate::argument::{self, Out};
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{Then, sipc_drop, sipc_reply_callback};
use crate::error::sipc_error;
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Opens a named channel in a queue: one session, on which messages keep their order.
///
/// `queue`: not NULL.
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `options`: may be NULL. With `wait_ms` it may wait for the listener inside the queue: messages may
/// be sent meanwhile.
/// `client`: where a number for the client is stored, good until it is closed or its queue is freed;
/// not NULL.
/// `error`: may be NULL.
///
/// `SIPC_NOT_LISTENING` and the caller's mistakes are returned at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_connect_uds(
    queue: *mut sipc_queue,
    channel: *const c_char,
    options: *const sipc_options,
    client: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(queue, || argument::uds(channel), options, client, error) }
}

/// Opens a TCP port of 127.0.0.1 in a queue.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_queue_connect_uds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_connect_ip(
    queue: *mut sipc_queue,
    port: u32,
    options: *const sipc_options,
    client: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(queue, || argument::ip(port), options, client, error) }
}

/// Opens the Unix socket at a path in a queue.
///
/// `path`: at most 107 bytes, else `SIPC_PATH_TOO_LONG`; not NULL. The other parameters and statuses
/// are those of `sipc_queue_connect_uds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_connect_path(
    queue: *mut sipc_queue,
    path: *const c_char,
    options: *const sipc_options,
    client: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { connect(queue, || Channel::path(argument::path(path, "path")?), options, client, error) }
}

/// Sends a request; the callback gets the reply.
///
/// `client`: as `sipc_queue_connect_uds` stored it.
/// `options`: their timeout is this call's, the rest does not concern it; NULL for the timeout that
/// the client was opened with.
/// The other parameters and statuses are those of `sipc_queue_post_uds_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_request(
    queue: *mut sipc_queue,
    client: u64,
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
    unsafe {
        start(queue, then, ticket, error, || {
            let client = ClientId::from_number(client);
            borrow(queue)?.check_broadcasts(client)?;
            let timeout = sipc_options::read_own_timeout(options)?;
            Ok(move |queue: &mut Queue| body.with(|body| queue.request_copied(client, body, timeout)))
        })
    }
}

/// Sends a broadcast; `sipc_queue_flush` makes sure that it, and all before it, have reached the
/// handler. While more than 1 MiB waits to be sent it waits in the queue, and counts as under way.
///
/// `client`: as `sipc_queue_connect_uds` stored it.
/// `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`. Copied. `error`: may be NULL.
///
/// An error of earlier broadcasts is told by the next call that involves the client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_broadcast(
    queue: *mut sipc_queue,
    client: u64,
    body: sipc_body,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (message, client) = (body.to_message()?, ClientId::from_number(client));
            let queue = borrow(queue)?;
            queue.check_broadcasts(client)?;
            if let Some(ticket) = queue.calls.queue.broadcast(client, message)? {
                queue.calls.owe(ticket, Whom::Client(client));
            }
            Ok(())
        })
    }
}

/// Has the callback called when all broadcasts of a client so far have been handed to the listener's
/// handler.
///
/// The parameters are those of `sipc_queue_request`, without body and options. The callback's statuses
/// are those of `sipc_client_flush`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_flush(
    queue: *mut sipc_queue,
    client: u64,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { on_client(queue, client, then, ticket, error, Queue::flush) }
}

/// Asks the listener for a sign of life, of which the callback hears. No handler is involved.
///
/// The parameters are those of `sipc_queue_flush`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_ping(
    queue: *mut sipc_queue,
    client: u64,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { on_client(queue, client, then, ticket, error, Queue::ping) }
}

/// Flushes a client, then closes it, of which the callback hears. Requests and pings of it that are still
/// under way end with `SIPC_CANCELLED`, and a handler that has such a request is told.
///
/// The parameters are those of `sipc_queue_flush`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_close(
    queue: *mut sipc_queue,
    client: u64,
    callback: sipc_reply_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let then = Then::new(callback, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { on_client(queue, client, then, ticket, error, Queue::close) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn on_client(
    queue: *mut sipc_queue,
    client: u64,
    then: Then,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
    call: fn(&mut Queue, ClientId) -> Result<Ticket>,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        start(queue, then, ticket, error, || Ok(move |queue: &mut Queue| call(queue, ClientId::from_number(client))))
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn connect(
    queue: *mut sipc_queue,
    channel: impl FnOnce() -> Result<Channel>,
    options: *const sipc_options,
    client: *mut u64,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(client, "client")?;
            let (client, _ticket) = borrow(queue)?.calls.queue.connect(&channel()?, &sipc_options::read(options)?)?;
            out.write(client.number());
            Ok(())
        })
    }
}
