//! Listeners whose handlers run where a queue is processed.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use simple_ipc::blocking::{Inbox, Listener};
use simple_ipc::{Channel, Mode, Result};

use super::{borrow, sipc_queue};
use crate::argument::{self, Out};
use crate::boundary;
use crate::callback::{sipc_drop, sipc_handler};
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::listen::Handler;
use crate::listener::sipc_listener;
use crate::options::sipc_options;
use crate::status::sipc_status;

/// Listens for requests on a named channel, with a handler that runs inside `sipc_queue_process` and
/// `sipc_queue_wait`: for a program with an event loop, which needs no lock for what its handlers use.
///
/// The queue's descriptor is readable when messages have come; they wait, as far as the listener's limits go,
/// until the queue is processed. The handler is called for one message at a time, and for at most 64 of a
/// session before others have their turn. While it runs the loop does nothing else: a handler that has to wait
/// for something returns, keeps its responder, and answers later. Inside it calls of the same queue may be
/// started and cancelled, and any listener closed or freed; the queue must not be processed, waited for or freed.
/// A call that waits for the answer of a listener of this queue waits in vain. Answers wait for no caller.
///
/// A caller's stream comes as any request. `sipc_stream_next` and `sipc_stream_send` of a handler wait, and the
/// loop with them: their `_async` forms do not. Their callbacks, and that of `sipc_responder_on_cancel`, run on a
/// thread of the library.
///
/// `sipc_listener_close` takes what has come to the handler itself where it is called in the thread that
/// processes the queue; a responder that is kept is waited for, at most for the grace period. In another thread it
/// waits for the queue to be processed. `sipc_listener_free` does not wait: what has come is still taken to
/// the handler by `sipc_queue_process`, which calls `drop` when the listener has closed. `sipc_queue_free` closes the
/// listener without calling the handler again, and calls `drop`; the listener itself stays to be freed.
///
/// `queue`: not NULL. The first listener of a queue takes a descriptor for it. The other parameters and
/// statuses are those of `sipc_listen_uds_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_listen_uds_request(
    queue: *mut sipc_queue,
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
    unsafe { listen(queue, || argument::uds(channel), Mode::Request, handler, options, listener, error) }
}

/// Listens for broadcasts on a named channel. The parameters and statuses are those of
/// `sipc_queue_listen_uds_request`; the handler has nothing to answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_listen_uds_broadcast(
    queue: *mut sipc_queue,
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
    unsafe { listen(queue, || argument::uds(channel), Mode::Broadcast, handler, options, listener, error) }
}

/// Listens for requests on a TCP port of 127.0.0.1.
///
/// `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
/// parameters are those of `sipc_queue_listen_uds_request`, the statuses those of `sipc_listen_ip_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_listen_ip_request(
    queue: *mut sipc_queue,
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
    unsafe { listen(queue, || argument::ip(port), Mode::Request, handler, options, listener, error) }
}

/// Listens for broadcasts on a TCP port of 127.0.0.1. The parameters and statuses are those of
/// `sipc_queue_listen_ip_request`; the handler has nothing to answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_listen_ip_broadcast(
    queue: *mut sipc_queue,
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
    unsafe { listen(queue, || argument::ip(port), Mode::Broadcast, handler, options, listener, error) }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn listen(
    queue: *mut sipc_queue,
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
        // SAFETY: NULL or alive, and the queue used by nobody else, by this function's contract.
        let (options, queue) = unsafe { (sipc_options::read(options)?, borrow(queue)?) };
        let bell = queue.calls.queue.bell()?;
        let (listener, inbox) = Listener::serve_in_own_thread(&channel, mode, &options, move || bell.ring(), handler)?;
        queue.inboxes.push(Arc::new(inbox));
        out.write(sipc_listener::new(listener).into_handle());
        Ok(())
    };
    // SAFETY: `error` is NULL or good for one write, by this function's contract.
    unsafe { boundary::fallible(error, call) }
}

impl sipc_queue {
    /// Takes what waits in the listeners' inboxes to their handlers.
    ///
    /// # Safety
    /// `queue` is alive, and no reference to it is.
    pub(super) unsafe fn run_handlers(queue: *mut sipc_queue) -> Result<()> {
        let mut index = 0;
        let mut failed = Ok(());
        // SAFETY: by this function's contract, here and below; no reference lasts while a handler runs, which may listen, too.
        while let Some(inbox) = unsafe { &*queue }.inbox_at(index) {
            index += 1;
            failed = failed.and(inbox.run().map(drop));
        }
        // SAFETY: as above: no handler runs.
        drop(unsafe { &mut *queue }.take_those_that_are_over());
        failed
    }

    fn inbox_at(&self, index: usize) -> Option<Arc<Inbox>> {
        self.inboxes.get(index).map(Arc::clone)
    }

    fn take_those_that_are_over(&mut self) -> Vec<Arc<Inbox>> {
        self.inboxes.extract_if(.., |inbox| inbox.is_over()).collect()
    }
}
