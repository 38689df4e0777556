//! The functions that a C program hands in to be called back.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use simple_ipc::{Error, ErrorKind, Result};

use crate::argument;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::responder::sipc_responder;
use crate::status::{SIPC_OK, sipc_status};

/// Called for each message of a listener, on the library's threads: several at once where several
/// messages arrive at once. It may block; other callers are not delayed by that. For a listener of a `sipc_queue`
/// in the thread that processes the queue, one message at a time.
///
/// `message`: borrowed for the call; `sipc_message_clone` keeps it.
/// `responder`: in a request listener owned by the handler, which must use it up, now or later and
/// on any thread, with `sipc_respond`, `sipc_respond_error`, `sipc_respond_failure`, `sipc_reject`,
/// `sipc_responder_stream` or `sipc_responder_free`. In a broadcast listener borrowed for the call: it tells who sent,
/// answering it sends nothing, `sipc_respond_error` and its like have the listener count the message as failed and tell
/// `sipc_options_on_handler_failure`, and nothing uses it up.
/// `user_data`: what was given beside the handler.
///
/// A handler must return: it must neither throw nor jump out.
pub type sipc_handler =
    Option<unsafe extern "C" fn(message: *const sipc_message, responder: *mut sipc_responder, user_data: *mut c_void)>;

/// Called exactly once for each asynchronous call that returned `SIPC_OK`, on a thread of the library;
/// for a call of a `sipc_queue`, in the thread that drives the queue.
///
/// `status`: `SIPC_OK`, or why it failed; `SIPC_CANCELLED` after `sipc_operation_cancel`
/// or `sipc_queue_cancel`.
/// `reply`: the reply of a request that succeeded, or the message that `sipc_stream_next_async` waited for; else
/// NULL. The callback owns it.
/// `error`: NULL on `SIPC_OK`. The callback owns it.
/// `user_data`: what was given beside the callback.
///
/// Callbacks of one process may wait for each other, so a callback should be brief: inside one
/// `sipc_operation_wait` and `sipc_client_flush` refuse to wait, and `sipc_client_close` begins to close
/// and returns. It must neither throw nor jump out.
pub type sipc_reply_callback = Option<
    unsafe extern "C" fn(status: sipc_status, reply: *mut sipc_message, error: *mut sipc_error, user_data: *mut c_void),
>;

/// Called at most once for each `sipc_responder_on_cancel` that returned `SIPC_OK`, on a thread of the
/// library, when the caller no longer waits: it has cancelled, its time is over, or it is gone.
///
/// `user_data`: what was given beside the callback.
///
/// It should be brief, as a `sipc_reply_callback`, and must neither throw nor jump out. The responder
/// may be answered and freed inside it.
pub type sipc_cancel_callback = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Called once for each failure of a handler that no caller hears of: see
/// `sipc_options_on_handler_failure`. It should be brief, and must neither throw nor jump out.
///
/// `report`: borrowed for the call. `user_data`: what was given beside the callback.
pub type sipc_failure_callback =
    Option<unsafe extern "C" fn(report: *const sipc_handler_report, user_data: *mut c_void)>;

/// A failure of a handler that no caller hears of. Later versions may have more fields at the end.
#[repr(C)]
pub struct sipc_handler_report {
    /// The listener's channel, as `sipc_listener_channel` gives it.
    pub channel: *const c_char,
    /// `SIPC_MODE_REQUEST` or `SIPC_MODE_BROADCAST`.
    pub mode: i32,
    /// `SIPC_HANDLER_FAILED`; `SIPC_TOO_MANY_CONNECTIONS` for the warning that the listener has as many
    /// messages in flight as it may.
    pub status: sipc_status,
    /// What the handler failed with, or the warning, in one line of UTF-8.
    pub message: *const c_char,
    /// Ids of the sender: user, group and process; -1 where one is not known.
    pub uid: i64,
    /// As `uid`.
    pub gid: i64,
    /// As `uid`.
    pub pid: i64,
}

/// Releases a `user_data`. May be NULL. Called exactly once, after the last use, on any thread; also
/// when the call that it was given to fails.
pub type sipc_drop = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A `user_data` with its `drop`, which runs when this is dropped.
pub(crate) struct UserData {
    data: *mut c_void,
    drop: sipc_drop,
}

impl UserData {
    pub(crate) fn new(data: *mut c_void, drop: sipc_drop) -> UserData {
        UserData { data, drop }
    }

    pub(crate) fn pointer(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // What is dropped may have its listener: closing that here would wait for this to return.
            in_callback(|| {
                // SAFETY: the C program gave function and data together, and a `UserData` is dropped once.
                unsafe { drop(self.data) };
            });
        }
    }
}

// SAFETY: the header says that callback and drop run on the library's threads; what lies behind the
// pointer is touched by the C program alone, which knows that.
unsafe impl Send for UserData {}
// SAFETY: as above: handlers run on several threads at once, and the header says so.
unsafe impl Sync for UserData {}

/// What C wants done when a call is over: its callback, then the drop of its user data.
pub(crate) struct Then {
    callback: sipc_reply_callback,
    user_data: UserData,
}

impl Then {
    pub(crate) fn new(callback: sipc_reply_callback, user_data: *mut c_void, drop: sipc_drop) -> Then {
        Then { callback, user_data: UserData::new(user_data, drop) }
    }

    /// Fails without a callback.
    pub(crate) fn check_callback(&self) -> Result<()> {
        if self.callback.is_none() { Err(argument::null("callback")) } else { Ok(()) }
    }

    /// Calls back, then drops the user data. No lock may be held, and no reference to what C may use.
    pub(crate) fn run(self, result: Result<Option<sipc_message>>) {
        self.run_boxed(result.map(|reply| reply.map(Box::new)));
    }

    /// The same with a reply that is in its box already.
    #[inline]
    pub(crate) fn run_boxed(self, result: Result<Option<Box<sipc_message>>>) {
        let Some(callback) = self.callback else { return };
        let (status, reply, error) = match result {
            Ok(reply) => (SIPC_OK, reply.map_or(null_mut(), Handle::box_into_handle), null_mut()),
            Err(error) => (error.kind().code(), null_mut(), sipc_error::new(error).into_handle()),
        };
        // SAFETY: a C function of this signature, which gets to own reply and error, with the data
        // that was given with it.
        unsafe { callback(status, reply, error, self.user_data.pointer()) };
    }
}

thread_local! {
    /// Whether this thread is running a callback, and so must not wait for another one.
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a callback of C's.
pub(crate) fn is_in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Fails inside a callback, where waiting could mean waiting for oneself.
pub(crate) fn check_may_wait(attempted: &str) -> Result<()> {
    if is_in_callback() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("cannot {attempted} inside a callback, where it might wait for itself; do it on another thread"),
        ));
    }
    Ok(())
}

/// Runs a callback of C's.
pub(crate) fn in_callback(call: impl FnOnce()) {
    let outer = IN_CALLBACK.replace(true);
    call();
    IN_CALLBACK.set(outer);
}
