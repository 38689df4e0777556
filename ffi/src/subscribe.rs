//! The two calls that subscribe.

use std::ffi::c_char;

use simple_ipc::event_loop::Subscription;
use simple_ipc::{Channel, Result};

use crate::argument::{self, Out};
use crate::boundary;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::options::sipc_options;
use crate::status::sipc_status;
use crate::stream::sipc_stream;
use crate::stream::source::Source;

/// Subscribes to what a named channel publishes. Once this returned `SIPC_OK`, every event whose `sipc_publish`
/// begins afterwards comes, or is counted by `sipc_message_missed`.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `options`: `topics`, `overflow`, `queue` and `reconnect` are for subscribers, and `wait` and `timeout` hold
/// as for a post; may be NULL.
/// `stream`: where the stream of events is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// Handle `SIPC_NOT_LISTENING`, `SIPC_WRONG_MODE` (nobody publishes there, or `SIPC_OVERFLOW_BLOCK` without the
/// publisher's `patience`), `SIPC_TIMED_OUT`, `SIPC_PERMISSION_DENIED`, `SIPC_PEER_NOT_ALLOWED`,
/// `SIPC_UNSUPPORTED_VERSION` (the listener's library is older than subscriptions).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_subscribe_uds(
    channel: *const c_char,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { subscribe(|| argument::uds(channel), options, stream, error) }
}

/// Subscribes to what a TCP port of 127.0.0.1 publishes.
///
/// `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
/// `sipc_subscribe_uds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_subscribe_ip(
    port: u32,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { subscribe(|| argument::ip(port), options, stream, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn subscribe(
    channel: impl FnOnce() -> Result<Channel>,
    options: *const sipc_options,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(stream, "stream")?;
            let (channel, options) = (channel()?, sipc_options::read(options)?);
            let subscription = Subscription::subscribe(&channel, &options)?;
            out.write(sipc_stream::new(Source::publisher(subscription)).into_handle());
            Ok(())
        })
    }
}
