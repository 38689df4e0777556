//! The calls that open a stream.

use std::ffi::c_char;

use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Channel, Message, Options, Result};

use crate::argument::{self, Out};
use crate::body::sipc_body;
use crate::boundary;
use crate::client::sipc_client;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::options::sipc_options;
use crate::status::sipc_status;
use crate::stream::sipc_stream;
use crate::stream::source::Source;

/// Sends a request to a named channel whose answer is a sequence: `sipc_stream_next` takes its items. More items may
/// be sent to the handler (`sipc_stream_send`, `sipc_stream_end`). Waits until the handler has begun.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `data`: what opens the stream, which the handler gets as its message; from `sipc_json`, `sipc_text` or `sipc_bytes`.
/// `options`: `timeout` is the time of the whole stream, and none unless it was set; `idle_timeout` ends a stream on which
/// nothing moves; may be NULL.
/// `stream`: where the stream is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// A handler that answers with one message gives a stream of one item. A stream that is closed or freed before its end
/// tells the handler at once that its caller has left. Each stream has a connection to itself while it lasts.
///
/// Handle `SIPC_NOT_LISTENING`, `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`, `SIPC_TOO_LARGE`,
/// `SIPC_WRONG_MODE` (the listener takes no requests), `SIPC_UNSUPPORTED_VERSION` (its library is older than streams, or
/// it speaks the Deno wire only); `sipc_error_may_have_been_handled` tells whether opening it again is safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_uds_stream(
    channel: *const c_char,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open(|| argument::uds(channel), data, options, stream, error, ItemStream::post) }
}

/// Opens a stream on a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_post_uds_stream`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_post_ip_stream(
    port: u32,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open(|| argument::ip(port), data, options, stream, error, ItemStream::post) }
}

/// As `sipc_post_uds_stream`, without waiting: what opening it comes to is told by the first call of `sipc_stream_next`
/// or `sipc_stream_send`, or of their `_async` forms, and repeated by later ones. It goes on inside the calls of the
/// stream, whose descriptor tells when there is something to do.
///
/// `SIPC_NOT_LISTENING` comes here where that is clear at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_begin_uds_stream(
    channel: *const c_char,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open(|| argument::uds(channel), data, options, stream, error, ItemStream::begin) }
}

/// As `sipc_begin_uds_stream`, on a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_begin_ip_stream(
    port: u32,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open(|| argument::ip(port), data, options, stream, error, ItemStream::begin) }
}

/// Opens a stream on the channel of a client, and waits until the handler has begun.
///
/// `client`: not NULL. To close or free it does not end its streams.
/// `options`: their `timeout` and `idle_timeout` are the stream's, the rest does not concern it; NULL for those that the
/// client was opened with. The other parameters and the statuses are those of `sipc_post_uds_stream`; handle
/// `SIPC_CLOSED` and `SIPC_FORKED`, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_stream(
    client: *const sipc_client,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open_of(client, data, options, stream, error, await_acceptance) }
}

/// As `sipc_client_stream`, without waiting, as `sipc_begin_uds_stream`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_client_begin_stream(
    client: *const sipc_client,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { open_of(client, data, options, stream, error, |_| Ok(())) }
}

/// `ItemStream::post` or `ItemStream::begin`.
type Open = fn(&Channel, &Message, &Options) -> Result<ItemStream>;

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn open(
    channel: impl FnOnce() -> Result<Channel>,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
    open: Open,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(stream, "stream")?;
            let (channel, message, options) = (channel()?, data.to_message()?, sipc_options::read(options)?);
            out.write(sipc_stream::new(Source::Handler(open(&channel, &message, &options)?)).into_handle());
            Ok(())
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn open_of(
    client: *const sipc_client,
    data: sipc_body,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
    accepted: fn(&ItemStream) -> Result<()>,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let (client, out) = (sipc_client::borrow(client)?, Out::new(stream, "stream")?);
            let given = if options.is_null() { None } else { Some(sipc_options::read(options)?) };
            let stream = client.core().begin_stream(&data.to_message()?, given.as_ref())?;
            accepted(&stream)?;
            out.write(sipc_stream::new(Source::Handler(stream)).into_handle());
            Ok(())
        })
    }
}

fn await_acceptance(stream: &ItemStream) -> Result<()> {
    while !stream.is_accepted()? {
        stream.wait(None)?;
    }
    Ok(())
}
