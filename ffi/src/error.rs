//! `sipc_error`: why a call failed.

use std::ffi::{CString, c_char};

use simple_ipc::Error;

use crate::boundary;
use crate::handle::Handle;
use crate::status::{SIPC_OK, sipc_status};

/// Why a call failed. Owned by whoever got it; `sipc_error_free` frees it.
pub struct sipc_error {
    error: Error,
    message: CString,
    handler_code: Option<CString>,
    handler_data: Option<CString>,
}

impl Handle for sipc_error {
    const NOUN: &'static str = "error";
}

impl sipc_error {
    pub(crate) fn new(error: Error) -> sipc_error {
        let message = c_string(error.message());
        let (handler_code, handler_data) = (error.handler_code().map(c_string), error.handler_data().map(c_string));
        sipc_error { error, message, handler_code, handler_data }
    }
}

/// A text for C, which takes the first zero for its end.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{FFFD}")).expect("zeros have been replaced")
}

/// The error in one line of UTF-8: what was attempted, what stood in the way, what to do.
///
/// `error`: may be NULL, which is "no error". The text lives as long as `error`. Never NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_message(error: *const sipc_error) -> *const c_char {
    boundary::infallible(c"".as_ptr(), || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_error::borrow_or_null(error) }.map_or(c"no error".as_ptr(), |error| error.message.as_ptr())
    })
}

/// The status that the failed call returned.
///
/// `error`: may be NULL, which is `SIPC_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_status(error: *const sipc_error) -> sipc_status {
    boundary::infallible(SIPC_OK, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_error::borrow_or_null(error) }.map_or(SIPC_OK, |error| error.error.kind().code())
    })
}

/// The operating system's error number (`errno`) behind the error, or 0 where there is none.
///
/// `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_os_code(error: *const sipc_error) -> i32 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_error::borrow_or_null(error) }.and_then(|error| error.error.os_code()).unwrap_or(0)
    })
}

/// Whether the message can have been handled in spite of the error. `false` means that it certainly
/// was not: sending it again cannot do the work twice.
///
/// `error`: may be NULL, which is `false`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_may_have_been_handled(error: *const sipc_error) -> bool {
    boundary::infallible(true, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_error::borrow_or_null(error) }.is_some_and(|error| error.error.may_have_been_handled())
    })
}

/// The code that a handler failed with on purpose (`sipc_respond_failure`), such as "out_of_stock". Lives as
/// long as `error`.
///
/// `error`: may be NULL. NULL where the handler gave none, and for every other error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_handler_code(error: *const sipc_error) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { text_of(error, |error| error.handler_code.as_ref()) }
}

/// The data that a handler failed with on purpose, as JSON text. Lives as long as `error`.
///
/// `error`: may be NULL. NULL where the handler gave none, where it did not fit the caller's largest
/// message, and for every other error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_handler_data(error: *const sipc_error) -> *const c_char {
    // SAFETY: NULL or alive, by the header's contract.
    unsafe { text_of(error, |error| error.handler_data.as_ref()) }
}

/// # Safety
/// `error` is NULL or alive.
unsafe fn text_of(error: *const sipc_error, ask: impl FnOnce(&sipc_error) -> Option<&CString>) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: by this function's contract.
        let text = unsafe { sipc_error::borrow_or_null(error) }.and_then(ask);
        text.map_or(std::ptr::null(), |text| text.as_ptr())
    })
}

/// Frees an error.
///
/// `error`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_error_free(error: *mut sipc_error) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_error::take(error) }));
}
