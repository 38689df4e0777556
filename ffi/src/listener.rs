//! `sipc_listener`: a channel that this process serves.

use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt;

use simple_ipc::blocking::Listener;
use simple_ipc::{Error, ErrorKind};

use crate::argument;
use crate::boundary;
use crate::error::{c_string, sipc_error};
use crate::handle::Handle;
use crate::status::sipc_status;

/// A channel that this process serves. Made by the `sipc_listen_` calls.
pub struct sipc_listener {
    listener: Listener,
    channel: CString,
    address: CString,
    path: Option<CString>,
}

impl Handle for sipc_listener {
    const NOUN: &'static str = "listener";
}

impl sipc_listener {
    pub(crate) fn new(listener: Listener) -> sipc_listener {
        let channel = c_string(&listener.channel().to_string());
        let address = c_string(listener.address());
        // A path that a socket is bound to has no zero in it.
        let path = listener.path().and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
        sipc_listener { listener, channel, address, path }
    }
}

/// What a listener has counted since its start.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sipc_counters {
    /// Set by the caller to `sizeof(sipc_counters)`: a library that counts more writes no further.
    pub size: usize,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Messages handed to the handler.
    pub messages: u64,
    /// Messages whose handler failed.
    pub failed: u64,
    /// Connections closed because what arrived was no message of any dialect.
    pub malformed: u64,
    /// Connections refused because of who was at the other end.
    pub refused: u64,
    /// Connections that ended, or went stale, before a whole message had come.
    pub incomplete: u64,
}

/// The channel as the command line writes it: its name, `:port`, or its path. Lives as long as
/// `listener`.
///
/// `listener`: NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_channel(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| Some(&listener.channel)) }
}

/// Where it listens: the socket's path, or `127.0.0.1:port`. Lives as long as `listener`.
///
/// `listener`: NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_address(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| Some(&listener.address)) }
}

/// The socket's path, or NULL for a TCP listener. Lives as long as `listener`.
///
/// `listener`: NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_path(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| listener.path.as_ref()) }
}

/// The TCP port, also one that the system chose; 0 for a Unix socket.
///
/// `listener`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_port(listener: *const sipc_listener) -> u32 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_listener::borrow_or_null(listener) }
            .and_then(|listener| listener.listener.port())
            .map_or(0, u32::from)
    })
}

/// What the listener has counted.
///
/// `listener`: not NULL.
/// `counters`: filled in; not NULL. Its `size` must be set to `sizeof(sipc_counters)` before the call.
/// `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_counters(
    listener: *const sipc_listener,
    counters: *mut sipc_counters,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let listener = sipc_listener::borrow(listener)?;
            if counters.is_null() {
                return Err(argument::null("counters"));
            }
            // Only `size` is known to be initialised and, for an older header, to be there at all.
            let size = (&raw const (*counters).size).read();
            if size < size_of::<sipc_counters>() {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("counters.size is {size}; set it to sizeof(sipc_counters) before the call"),
                ));
            }
            let counted = listener.listener.counters();
            counters.write(sipc_counters {
                size,
                connections: counted.connections,
                open: counted.open,
                messages: counted.messages,
                failed: counted.failed,
                malformed: counted.malformed,
                refused: counted.refused,
                incomplete: counted.incomplete,
            });
            Ok(())
        })
    }
}

/// Stops accepting, answers what it has within the options' grace period, then returns. Closing
/// again does nothing. The listener stays to be asked and freed.
///
/// `listener`: not NULL. `error`: may be NULL.
///
/// Inside a handler of the listener itself it would wait for that very handler; use
/// `sipc_listener_free` there. Handle `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_close(
    listener: *const sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { boundary::fallible(error, || sipc_listener::borrow(listener)?.listener.close()) }
}

/// Frees a listener. If it is not closed, it stops at once: it does not wait for handlers that are
/// running, and their answers may not get out. Legal inside a handler or callback.
///
/// `listener`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_free(listener: *mut sipc_listener) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_listener::take(listener) }));
}

/// # Safety
/// `listener` is NULL or alive.
unsafe fn string_of(
    listener: *const sipc_listener,
    ask: impl FnOnce(&sipc_listener) -> Option<&CString>,
) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: by this function's contract.
        let text = unsafe { sipc_listener::borrow_or_null(listener) }.and_then(ask);
        text.map_or(std::ptr::null(), |text| text.as_ptr())
    })
}
