//! `sipc_responder`: where the answer to one request goes.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock};

use simple_ipc::{Error, HandlerFailure, Mode, Process, Responder, Result};

use crate::argument;
use crate::body::sipc_body;
use crate::boundary;
use crate::callback::{UserData, sipc_cancel_callback, sipc_drop};
use crate::cancellation::Notice;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::options::SIPC_NO_TIMEOUT;
use crate::status::sipc_status;
use crate::stream::handled::Handled;

mod memory;
pub mod stream;

/// Where the answer to one message goes, and who sent it.
pub struct sipc_responder {
    responder: Responder,
    /// What C has asked of it besides an answer. Boxed, since most handlers answer and no more.
    asked: OnceLock<Box<Asked>>,
    process: Process,
}

/// What C has asked of a responder.
#[derive(Default)]
struct Asked {
    /// Tells C that the caller no longer waits.
    notice: OnceLock<Notice>,
    /// The caller's items.
    handled: OnceLock<Arc<Handled>>,
    /// What the handler of a broadcast has said that it failed with.
    failed: OnceLock<Failed>,
}

/// Why a request was not answered.
enum Failed {
    Handler(HandlerFailure),
    Body(String),
}

impl Failed {
    fn tell(self, responder: Responder) -> Result<()> {
        match self {
            Failed::Handler(failure) => responder.fail_with(failure),
            Failed::Body(text) => responder.reject(&text),
        }
    }
}

impl Handle for sipc_responder {
    const NOUN: &'static str = "responder";
}

impl sipc_responder {
    /// Hands a responder to a handler: to keep for a request, to look at for a broadcast, which has
    /// no answer that C could owe.
    pub(crate) fn pass(responder: Responder, call: impl FnOnce(*mut sipc_responder)) {
        let mut responder = sipc_responder { responder, asked: OnceLock::new(), process: Process::current() };
        match responder.responder.mode() {
            Mode::Request => call(memory::hand_out(responder)),
            _ => {
                call(&mut responder);
                if responder.asked.get().is_some() {
                    responder.tell_failure();
                }
            }
        }
    }

    /// What C has asked of it, and asks now.
    fn asked(&self) -> &Asked {
        self.asked.get_or_init(Box::default)
    }

    /// The handler of a broadcast may have said that it failed: the listener counts it and tells its owner.
    #[cold]
    fn tell_failure(self) {
        if let Some(failed) = self.asked.into_inner().and_then(|asked| asked.failed.into_inner()) {
            let _a_broadcast_has_no_caller = failed.tell(self.responder);
        }
    }

    /// The responder of a request, taken back from C, to whom no callback comes any more; `None` for
    /// one that C was only lent. In a forked child it is left alone: the parent's is the one that
    /// answers, and the child's descriptor of that number may be anything.
    ///
    /// # Safety
    /// `responder` came from [`pass`](sipc_responder::pass) and is not used again.
    unsafe fn reclaim(responder: *mut sipc_responder) -> Result<Option<Responder>> {
        // SAFETY: by this function's contract.
        Ok(unsafe { sipc_responder::reclaim_whole(responder) }?.map(|taken| {
            let sipc_responder { responder, asked, .. } = taken;
            // Before the answer: no callback comes after it.
            drop(asked);
            responder
        }))
    }

    /// The same with all that C has asked of it.
    ///
    /// # Safety
    /// As for [`reclaim`](sipc_responder::reclaim).
    unsafe fn reclaim_whole(responder: *mut sipc_responder) -> Result<Option<sipc_responder>> {
        // SAFETY: by this function's contract alive.
        let lent = unsafe { sipc_responder::borrow(responder) }?;
        lent.process.check("responder")?;
        if lent.responder.mode() == Mode::Broadcast {
            return Ok(None);
        }
        // SAFETY: the responder of a request came from `hand_out` and is not used again.
        Ok(Some(unsafe { memory::take_back(responder) }))
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
/// `text`: NUL-terminated UTF-8, of which control characters become spaces; broken UTF-8 is replaced.
/// NULL gives `SIPC_INVALID_ARGUMENT` here and 'handler failed' without a text to the caller.
/// `error`: may be NULL.
///
/// An error means that the caller cannot be told, which `sipc_options_on_handler_failure` hears of:
/// `SIPC_CONNECTION_LOST`, `SIPC_CANCELLED` and `SIPC_CLOSED` that it is gone or does not wait,
/// `SIPC_NO_REPLY` that its wire carries no text. For a broadcast nothing is sent and `SIPC_OK`
/// returned; the listener counts it as failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_respond_error(
    responder: *mut sipc_responder,
    text: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe {
        fail(responder, error, || Ok((Failed::Handler(HandlerFailure::new(argument::text(text, "text")?)), None)))
    }
}

/// Answers a request with an error that the caller's program can act on: besides the text it gets a code
/// (`sipc_error_handler_code`) and data (`sipc_error_handler_data`). Where they do not fit its largest
/// message, the data is left out first, then the code.
///
/// `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
/// `message`: as the text of `sipc_respond_error`.
/// `code`: one word, such as "out_of_stock"; NULL for none.
/// `data_json`: one JSON text; NULL for none. What is not JSON gives `SIPC_INVALID_JSON` here; the caller
/// is told the rest.
/// `error`: may be NULL.
///
/// The statuses are those of `sipc_respond_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_respond_failure(
    responder: *mut sipc_responder,
    message: *const c_char,
    code: *const c_char,
    data_json: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe {
        fail(responder, error, || {
            let (failure, mistake) = failure_of(message, code, data_json)?;
            Ok((Failed::Handler(failure), mistake))
        })
    }
}

/// Refuses a request whose body is not what the handler takes: the caller gets `SIPC_INVALID_BODY` with
/// this text, and knows that it was not handled.
///
/// The parameters and statuses are those of `sipc_respond_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_reject(
    responder: *mut sipc_responder,
    text: *const c_char,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe { fail(responder, error, || Ok((Failed::Body(argument::text(text, "text")?), None))) }
}

/// What a handler has failed with on purpose, and the mistake in it that leaves the rest to be told.
///
/// # Safety
/// Texts are NULL or good for what the header says.
pub(crate) unsafe fn failure_of(
    message: *const c_char,
    code: *const c_char,
    data_json: *const c_char,
) -> Result<(HandlerFailure, Option<Error>)> {
    // SAFETY: by this function's contract.
    unsafe {
        let mut failure = HandlerFailure::new(argument::text(message, "message")?);
        if !code.is_null() {
            failure = failure.code(argument::text(code, "code")?);
        }
        if data_json.is_null() {
            return Ok((failure, None));
        }
        Ok(match failure.clone().data_json(argument::text(data_json, "data_json")?) {
            Ok(with_data) => (with_data, None),
            Err(mistake) => (failure, Some(mistake)),
        })
    }
}

/// Uses a responder up with what `what` gives, and returns the mistake that it gives besides.
///
/// # Safety
/// Pointers are NULL or good for what the header says, and the responder is given up.
unsafe fn fail(
    responder: *mut sipc_responder,
    error: *mut *mut sipc_error,
    what: impl FnOnce() -> Result<(Failed, Option<Error>)>,
) -> sipc_status {
    // SAFETY: by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            let (told, mistake) = match sipc_responder::reclaim(responder)? {
                Some(taken) => {
                    let (failed, mistake) = what()?;
                    (failed.tell(taken), mistake)
                }
                None => {
                    // A broadcast counts as failed however its handler says so.
                    let without_text = |_| (Failed::Handler(HandlerFailure::new("the handler gave no text")), None);
                    let (failed, mistake) = what().unwrap_or_else(without_text);
                    let _the_first_counts = sipc_responder::borrow(responder)?.asked().failed.set(failed);
                    (Ok(()), mistake)
                }
            };
            mistake.map_or(told, Err)
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
            Notice::start(&it.asked().notice, it.responder.cancelled(), callback, user_data)
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
