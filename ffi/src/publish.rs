//! Publishing: the two calls that listen for subscribers and nothing else, and the one that publishes.

use std::ffi::c_char;

use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Result};

use crate::argument::{self, Out};
use crate::body::sipc_body;
use crate::boundary;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::listener::sipc_listener;
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Listens for subscribers on a named channel: `sipc_publish` sends each of them what is published.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `options`: may be NULL.
/// `listener`: where the listener is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// A listener for requests or broadcasts publishes, too, if `sipc_options_set_publish` says so. Handle what
/// `sipc_listen_uds_request` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_uds_publish(
    channel: *const c_char,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::uds(channel), options, listener, error) }
}

/// Listens for subscribers on a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
/// parameters are those of `sipc_listen_uds_publish`; handle what `sipc_listen_ip_request` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_ip_publish(
    port: u32,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::ip(port), options, listener, error) }
}

/// Publishes one event: to each subscriber whose topics let it through, in the order of the calls, which is the
/// same for all subscribers. Nothing is kept for those who subscribe later, unless the listener retains.
///
/// `listener`: of `sipc_listen_uds_publish` or `sipc_listen_ip_publish`, or one with the option `publish`; not NULL.
/// `topic`: at most 255 bytes of UTF-8; NULL and the empty text are an event without a topic.
/// `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
/// `queued`: where the number of subscribers is stored for which it was queued, or to which it was sent
/// already; NULL if it is not wanted.
/// `error`: may be NULL.
///
/// Any number of threads may publish at once, also in handlers. It waits only for subscribers with
/// `SIPC_OVERFLOW_BLOCK` that have no room, at most for the listener's `patience`, and cuts off those without
/// room then; a subscriber that does not read holds up nobody else. `SIPC_OK` does not say that a subscriber has
/// read it: what a subscriber misses, its next event tells.
///
/// On another status nothing was published. Handle `SIPC_TOO_LARGE`, `SIPC_CLOSED`, `SIPC_OUT_OF_RESOURCES` (the
/// listener retains all that it may), `SIPC_WRONG_MODE` (the listener does not publish), `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_publish(
    listener: *const sipc_listener,
    topic: *const c_char,
    body: sipc_body,
    queued: *mut usize,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (listener, topic) = (sipc_listener::borrow(listener)?.core(), argument::topic(topic)?);
            let subscribers = body.with(|message| listener.publish_message(topic, message))?;
            if !queued.is_null() {
                queued.write(subscribers);
            }
            Ok(())
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn listen(
    channel: impl FnOnce() -> Result<Channel>,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(listener, "listener")?;
            let (channel, options) = (channel()?, sipc_options::read(options)?);
            out.write(sipc_listener::new(Listener::serve_publish(&channel, &options)?).into_handle());
            Ok(())
        })
    }
}
