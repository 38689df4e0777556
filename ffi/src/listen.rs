//! The four calls that listen.

use std::ffi::{c_char, c_void};

use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Message, Mode, Responder, Result};

use crate::argument::{self, Out};
use crate::boundary;
use crate::callback::{UserData, sipc_drop, sipc_handler};
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::listener::sipc_listener;
use crate::message::sipc_message;
use crate::options::sipc_options;
use crate::responder::sipc_responder;
use crate::status::sipc_status;

/// Listens for requests on a named channel.
///
/// `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
/// `handler`: called for each request; not NULL.
/// `user_data`: handed to the handler; may be NULL. `drop`: releases it; may be NULL.
/// `options`: may be NULL.
/// `listener`: where the listener is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// Handle `SIPC_IN_USE` (the error names the process), `SIPC_INVALID_NAME`, `SIPC_NO_DIRECTORY`,
/// `SIPC_PATH_TOO_LONG`, `SIPC_PATH_OCCUPIED`, `SIPC_PERMISSION_DENIED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_uds_request(
    channel: *const c_char,
    handler: sipc_handler,
    user_data: *mut c_void,
    drop: sipc_drop,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let handler = Handler::new(handler, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::uds(channel), Mode::Request, handler, options, listener, error) }
}

/// Listens for broadcasts on a named channel. The parameters and statuses are those of
/// `sipc_listen_uds_request`; the handler has nothing to answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_uds_broadcast(
    channel: *const c_char,
    handler: sipc_handler,
    user_data: *mut c_void,
    drop: sipc_drop,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let handler = Handler::new(handler, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::uds(channel), Mode::Broadcast, handler, options, listener, error) }
}

/// Listens for requests on a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
/// parameters are those of `sipc_listen_uds_request`.
///
/// Handle `SIPC_IN_USE`, `SIPC_INVALID_PORT`, `SIPC_PERMISSION_DENIED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_ip_request(
    port: u32,
    handler: sipc_handler,
    user_data: *mut c_void,
    drop: sipc_drop,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let handler = Handler::new(handler, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::ip(port), Mode::Request, handler, options, listener, error) }
}

/// Listens for broadcasts on a TCP port of 127.0.0.1. The parameters and statuses are those of
/// `sipc_listen_ip_request`; the handler has nothing to answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_listen_ip_broadcast(
    port: u32,
    handler: sipc_handler,
    user_data: *mut c_void,
    drop: sipc_drop,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let handler = Handler::new(handler, user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { listen(|| argument::ip(port), Mode::Broadcast, handler, options, listener, error) }
}

/// A handler as C gave it. Dropped, and with it the user data, when no message can reach it any more.
pub(crate) struct Handler {
    handler: sipc_handler,
    user_data: UserData,
}

impl Handler {
    pub(crate) fn new(handler: sipc_handler, user_data: *mut c_void, drop: sipc_drop) -> Handler {
        Handler { handler, user_data: UserData::new(user_data, drop) }
    }

    /// The same for core. Fails without a function.
    pub(crate) fn into_function(self) -> Result<impl Fn(&Message, Responder) + Send + Sync + 'static> {
        let function = self.handler.ok_or_else(|| argument::null("handler"))?;
        let user_data = self.user_data;
        Ok(move |message: &Message, responder| {
            sipc_message::lend(message, |message| {
                sipc_responder::pass(responder, |responder| {
                    // SAFETY: a C function of this signature, with pointers that are good for what
                    // the header promises and the data that was given with it.
                    unsafe { function(message, responder, user_data.pointer()) }
                });
            });
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn listen(
    channel: impl FnOnce() -> Result<Channel>,
    mode: Mode,
    handler: Handler,
    options: *const sipc_options,
    listener: *mut *mut sipc_listener,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let call = move || {
        // SAFETY: NULL or good for one write, by this function's contract.
        let out = unsafe { Out::new(listener, "listener") }?;
        let handler = handler.into_function()?;
        let channel = channel()?;
        // SAFETY: NULL or alive, by this function's contract.
        let options = unsafe { sipc_options::read(options) }?;
        let listener = Listener::serve(&channel, mode, &options, handler)?;
        out.write(sipc_listener::new(listener).into_handle());
        Ok(())
    };
    // SAFETY: `error` is NULL or good for one write, by this function's contract.
    unsafe { boundary::fallible(error, call) }
}
