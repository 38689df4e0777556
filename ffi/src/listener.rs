//! `sipc_listener`: a channel that this process serves.

use std::ffi::{CString, c_char};
use std::mem::offset_of;

use simple_ipc::blocking::Listener;
use simple_ipc::{Error, ErrorKind, Result};

use crate::argument;
use crate::boundary;
use crate::callback;
use crate::cancellation;
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
    /// What core has of it.
    pub(crate) fn core(&self) -> &Listener {
        &self.listener
    }

    pub(crate) fn new(listener: Listener) -> sipc_listener {
        let channel = c_string(&listener.channel().to_string());
        let address = c_string(listener.address());
        // A path that a socket is bound to has no zero in it.
        let path = listener.path().and_then(|path| CString::new(path.as_os_str().as_encoded_bytes()).ok());
        sipc_listener { listener, channel, address, path }
    }
}

/// What a listener has counted since its start. Later versions may have more fields at the end; the
/// order of those that are there does not change.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sipc_counters {
    /// Set by the caller to `sizeof(sipc_counters)`, which tells how much the program knows of; set by the
    /// library to how much it has written: what lies beyond that is as it was.
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
    /// Messages that were taken and are not yet answered, now.
    pub in_flight: u64,
    /// Requests that nobody waits for any more and whose responder has not been used up, now.
    pub abandoned: u64,
    /// Subscribers, now.
    pub subscribers: u64,
    /// Events published.
    pub published: u64,
    /// Events that were dropped for a subscriber with `SIPC_OVERFLOW_DROP_OLDEST`, each counted for each of them.
    pub dropped: u64,
    /// Subscribers that were cut off with `SIPC_TOO_SLOW`.
    pub too_slow: u64,
    /// Streams, now: opened by a caller, and either not ended or with a handler that has not used its stream up.
    pub streams: u64,
}

impl sipc_counters {
    /// Writes as much as the caller has room for, and says in `size` how much that was.
    ///
    /// # Safety
    /// `place` has a `size` that can be read, and as many bytes to write to as it says.
    unsafe fn give(mut self, place: *mut sipc_counters) -> Result<()> {
        // SAFETY: by this function's contract; the rest may be uninitialised, or not there at all.
        let room = unsafe { (&raw const (*place).size).read() };
        if room < size_of::<usize>() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("counters.size is {room}; set it to sizeof(sipc_counters) before the call"),
            ));
        }
        // Whole counters only: half a number would be another number.
        let whole = room.saturating_sub(offset_of!(sipc_counters, connections)) / size_of::<u64>();
        self.size = match whole {
            0 => size_of::<usize>(),
            whole => {
                (offset_of!(sipc_counters, connections) + whole * size_of::<u64>()).min(size_of::<sipc_counters>())
            }
        };
        // SAFETY: `place` has room for that many bytes by this function's contract.
        unsafe { std::ptr::copy_nonoverlapping((&raw const self).cast::<u8>(), place.cast::<u8>(), self.size) };
        Ok(())
    }
}

/// The channel as the command line writes it: its name, `:port`, or its path. Lives as long as
/// `listener`.
///
/// `listener`: NULL gives NULL. NULL also in a forked child, which does not listen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_channel(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| Some(&listener.channel)) }
}

/// Where it listens: the socket's path, or `127.0.0.1:port`. Lives as long as `listener`.
///
/// `listener`: NULL gives NULL. NULL also in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_address(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| Some(&listener.address)) }
}

/// The socket's path, or NULL for a TCP listener. Lives as long as `listener`.
///
/// `listener`: NULL gives NULL. NULL also in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_path(listener: *const sipc_listener) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { string_of(listener, |listener| listener.path.as_ref()) }
}

/// The TCP port, also one that the system chose; 0 for a Unix socket.
///
/// `listener`: NULL gives 0. 0 also in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_port(listener: *const sipc_listener) -> u32 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_listener::borrow_or_null(listener) }
            .filter(|listener| listener.listener.made_in().is_current())
            .and_then(|listener| listener.listener.port())
            .map_or(0, u32::from)
    })
}

/// What the listener has counted.
///
/// `listener`: not NULL.
/// `counters`: filled in; not NULL. Its `size` must be set to `sizeof(sipc_counters)` before the call. A
/// program that was built with an older header is given the counters that it knows; one that was built
/// with a newer header than the library's finds in `size` which ones it was given.
/// `error`: may be NULL.
///
/// Handle `SIPC_FORKED`.
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
            listener.listener.made_in().check("listener")?;
            let counted = listener.listener.counters();
            sipc_counters {
                size: 0,
                connections: counted.connections,
                open: counted.open,
                messages: counted.messages,
                failed: counted.failed,
                malformed: counted.malformed,
                refused: counted.refused,
                incomplete: counted.incomplete,
                in_flight: counted.in_flight,
                abandoned: counted.abandoned,
                subscribers: counted.subscribers,
                published: counted.published,
                dropped: counted.dropped,
                too_slow: counted.too_slow,
                streams: counted.streams,
            }
            .give(counters)
        })
    }
}

/// Stops accepting, answers what it has within the options' grace period, then returns. The listener
/// stays to be asked and freed.
///
/// `SIPC_OK` means that nothing of the handler is left: it does not run, and its `user_data` has been
/// dropped, so that its code may be unloaded. `SIPC_TIMED_OUT` means that the channel is closed and a
/// handler still runs, to which `user_data` belongs until it returns; to close again asks whether it has.
/// Closing again does nothing else.
///
/// Inside a handler of the listener itself, and inside a callback or `drop` on a thread of the library, it
/// would wait for itself: there it begins to close and returns `SIPC_OK` at once; the handler's answer
/// still goes out. To close again elsewhere waits for the end.
///
/// `listener`: not NULL. `error`: may be NULL.
///
/// Handle `SIPC_TIMED_OUT`, `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listener_close(
    listener: *const sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let listener = &sipc_listener::borrow(listener)?.listener;
            if callback::is_in_callback() {
                // A handler, or what the library does after it, may be waiting for this callback to return.
                return listener.close_begin();
            }
            listener.close()?;
            cancellation::wait_for_those_that_used_their_responder_up()
        })
    }
}

/// Frees a listener. If it is not closed, it stops at once and closes in the background: handlers may
/// still run, and `user_data` be dropped, after this has returned; what is to be unloaded is closed first.
/// Legal inside a handler or callback.
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
        let listener = unsafe { sipc_listener::borrow_or_null(listener) };
        let text = listener.filter(|listener| listener.listener.made_in().is_current()).and_then(ask);
        text.map_or(std::ptr::null(), |text| text.as_ptr())
    })
}
