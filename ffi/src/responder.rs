//! `sipc_responder`: where the answer to one request goes.

use std::ffi::{c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use simple_ipc::{Mode, Process, Responder, Result};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{UserData, sipc_cancel_callback, sipc_drop};
use crate::cancellation::Notice;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::options::SIPC_NO_TIMEOUT;
use crate::status::sipc_status;

/// Where the answer to one message goes, and who sent it.
pub struct sipc_responder {
    responder: Responder,
    /// Tells C that the caller no longer waits.
    notice: OnceLock<Notice>,
    /// The handler of a broadcast has said that it failed.
    failed: AtomicBool,
    process: Process,
}

impl Handle for sipc_responder {
    const NOUN: &'static str = "responder";
}

impl sipc_responder {
    /// Hands a responder to a handler: to keep for a request, to look at for a broadcast, which has
    /// no answer that C could owe.
    pub(crate) fn pass(responder: Responder, call: impl FnOnce(*mut sipc_responder)) {
        let mut responder = sipc_responder {
            responder,
            notice: OnceLock::new(),
            failed: AtomicBool::new(false),
            process: Process::current(),
        };
        match responder.responder.mode() {
            Mode::Request => call(responder.into_handle()),
            Mode::Broadcast => {
                call(&mut responder);
                if responder.failed.into_inner() {
                    // Counted by the listener; of a broadcast nobody is told.
                    let _counted = responder.responder.fail("");
                }
            }
        }
    }

    /// The responder of a request, taken back from C, to whom no callback comes any more; `None` for
    /// one that C was only lent. In a forked child it is left alone: the parent's is the one that
    /// answers, and the child's descriptor of that number may be anything.
    ///
    /// # Safety
    /// `responder` came from [`pass`](sipc_responder::pass) and is not used again.
    unsafe fn reclaim(responder: *mut sipc_responder) -> Result<Option<Responder>> {
        // SAFETY: by this function's contract alive.
        let lent = unsafe { sipc_responder::borrow(responder) }?;
        lent.process.check("responder")?;
        if lent.responder.mode() == Mode::Broadcast {
            return Ok(None);
        }
        // SAFETY: the responder of a request came from `into_handle` and is not used again.
        Ok(unsafe { sipc_responder::take(responder) }.map(|responder| responder.responder))
    }
}

/// Answers a request.
///
/// `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
/// `body`: the reply. One that is not JSON gives `SIPC_INVALID_JSON` here and 'handler failed' to
/// the caller, one over the limit `SIPC_TOO_LARGE`.
/// `error`: may be NULL.
///
/// `SIPC_CONNECTION_LOST` and `SIPC_CLOSED` mean that the caller is gone; most handlers ignore that.
/// For a broadcast nothing is sent and `SIPC_OK` returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_respond(
    responder: *mut sipc_responder,
    body: sipc_body,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let Some(responder) = sipc_responder::reclaim(responder)? else { return Ok(()) };
            let mut responder = Some(responder);
            let responded = body.with(|reply| responder.take().map_or(Ok(()), |responder| responder.respond(reply)));
            if let (Err(mistake), Some(responder)) = (&responded, responder) {
                // The caller may be gone; the mistake is what the handler's author must see.
                let _told = responder.fail(&format!("the handler's reply was refused: {mistake}"));
            }
            responded
        })
    }
}

/// Answers a request with an error: the caller gets `SIPC_HANDLER_FAILED` with this text.
///
/// `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
/// `text`: one line of NUL-terminated UTF-8; broken UTF-8 is replaced. NULL gives
/// `SIPC_INVALID_ARGUMENT` here and 'handler failed' without a text to the caller.
/// `error`: may be NULL.
///
/// `SIPC_CONNECTION_LOST` and `SIPC_CLOSED` mean that the caller is gone. For a broadcast nothing is
/// sent and `SIPC_OK` returned; the listener counts it as failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_respond_error(
    responder: *mut sipc_responder,
    text: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let Some(taken) = sipc_responder::reclaim(responder)? else {
                sipc_responder::borrow(responder)?.failed.store(true, Ordering::Relaxed);
                return Ok(());
            };
            let text = argument::string(text, "text")?;
            taken.fail(&String::from_utf8_lossy(text))
        })
    }
}

/// Whether the caller no longer waits: it has cancelled, or it is gone.
///
/// `responder`: NULL gives `true`. `true` also in a forked child, for which nobody waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_is_cancelled(responder: *const sipc_responder) -> bool {
    boundary::infallible(true, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_responder::borrow_or_null(responder) }
            .is_none_or(|it| !it.process.is_current() || it.responder.is_cancelled())
    })
}

/// Asks to be told when the caller no longer waits, which `sipc_responder_is_cancelled` tells when
/// asked: for handlers that keep their responder, or work for long.
///
/// `responder`: not NULL. `callback`: not NULL; called at most once, at once if nobody waits already,
/// and perhaps before this returns. `user_data`: handed to the callback; may be NULL. `drop`: releases
/// it; may be NULL. `error`: may be NULL.
///
/// Once `sipc_respond`, `sipc_respond_error` or `sipc_responder_free` of this responder has returned,
/// the callback does not run, nor begin to, and `user_data` has been dropped; for the responder of a
/// broadcast, once the handler has returned. They wait for a callback that is running, except inside
/// it: do not hold a lock around them that the callback takes.
///
/// A second time for the same responder it returns `SIPC_INVALID_ARGUMENT`. Not to be called while
/// another thread uses the responder up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_on_cancel(
    responder: *const sipc_responder,
    callback: sipc_cancel_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
    error: *mut *mut sipc_error,
) -> sipc_status {
    let user_data = UserData::new(user_data, drop);
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let it = sipc_responder::borrow(responder)?;
            it.process.check("responder")?;
            Notice::start(&it.notice, it.responder.cancelled(), callback, user_data)
        })
    }
}

/// How long the caller still waits, in milliseconds; `SIPC_NO_TIMEOUT` if it does not say.
///
/// `responder`: NULL gives 0. 0 also in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_time_left_ms(responder: *const sipc_responder) -> i64 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_responder::borrow_or_null(responder) }.filter(|it| it.process.is_current()).map_or(0, |it| {
            it.responder.time_left().map_or(SIPC_NO_TIMEOUT, |left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
        })
    })
}

/// The user id of the sender, or -1 where it is not known (TCP).
///
/// `responder`: NULL gives -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_peer_uid(responder: *const sipc_responder) -> i64 {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { about_peer(responder, |responder| responder.peer().uid().map(i64::from)) }
}

/// The group id of the sender, or -1 where it is not known (TCP).
///
/// `responder`: NULL gives -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_peer_gid(responder: *const sipc_responder) -> i64 {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { about_peer(responder, |responder| responder.peer().gid().map(i64::from)) }
}

/// The process id of the sender, or -1 where it is not known (TCP). It may have ended meanwhile and
/// its number may have been given to another process.
///
/// `responder`: NULL gives -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_peer_pid(responder: *const sipc_responder) -> i64 {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { about_peer(responder, |responder| responder.peer().pid().map(i64::from)) }
}

/// Frees a responder. If it has not been answered, its caller gets `SIPC_HANDLER_FAILED`. In a forked
/// child it does nothing: the parent answers.
///
/// `responder`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_free(responder: *mut sipc_responder) {
    // SAFETY: NULL (which `reclaim` refuses) or given up by the caller, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_responder::reclaim(responder) }));
}

/// # Safety
/// `responder` is NULL or alive.
unsafe fn about_peer(responder: *const sipc_responder, ask: impl FnOnce(&Responder) -> Option<i64>) -> i64 {
    boundary::infallible(-1, || {
        // SAFETY: by this function's contract.
        unsafe { sipc_responder::borrow_or_null(responder) }.and_then(|it| ask(&it.responder)).unwrap_or(-1)
    })
}
