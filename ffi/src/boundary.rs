//! The border between C and Rust: no panic and no print crosses it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use simple_ipc::{Error, ErrorKind, Result};

use crate::error::sipc_error;
use crate::handle::Handle;
use crate::status::{SIPC_OK, sipc_status};

thread_local! {
    /// What this thread's last panic said, for the error that it becomes.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a fallible export. Its error goes to `*error`, unless that is NULL, and its number to C.
///
/// # Safety
/// `error` is NULL or valid for one write.
pub(crate) unsafe fn fallible(error: *mut *mut sipc_error, call: impl FnOnce() -> Result<()>) -> sipc_status {
    let failure = match guarded(call) {
        Ok(Ok(())) => return SIPC_OK,
        Ok(Err(failure)) | Err(failure) => failure,
    };
    let status = failure.kind().code();
    if !error.is_null() {
        // SAFETY: not NULL, so valid for one write by this function's contract.
        unsafe { error.write(sipc_error::new(failure).into_handle()) };
    }
    status
}

/// Runs an export that cannot fail; `fallback` is its value if the library has a defect.
pub(crate) fn infallible<T>(fallback: T, call: impl FnOnce() -> T) -> T {
    guarded(call).unwrap_or(fallback)
}

/// Runs what may have a defect; a panic becomes an error that says where.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T> {
    static SILENCE: Once = Once::new();
    // The library has a copy of Rust's runtime to itself, so the hook silences its own panics only.
    SILENCE.call_once(|| {
        #[cfg(test)]
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANIC.with(|last| last.replace(Some(panic.to_string())));
            #[cfg(test)]
            print(panic);
        }));
    });
    // A value that a panic has left half changed is behind a lock that is then poisoned, or is
    // dropped while unwinding.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
        let said = PANIC.with(RefCell::take).unwrap_or_default().replace('\n', " ");
        Error::new(ErrorKind::Internal, format!("a defect of this library, please report it: {said}")).after_sending()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{sipc_error_free, sipc_error_message};
    use crate::status::SIPC_INTERNAL;

    #[test]
    fn a_panic_becomes_an_internal_error_that_says_where() {
        let mut error = std::ptr::null_mut();
        // SAFETY: a local to write to.
        let status = unsafe { fallible(&mut error, || panic!("on purpose")) };
        assert_eq!(status, SIPC_INTERNAL);
        // SAFETY: `error` was written, as the call failed, and is freed once.
        unsafe {
            let text = std::ffi::CStr::from_ptr(sipc_error_message(error)).to_str().unwrap();
            assert!(text.contains("on purpose") && text.contains("boundary.rs"), "{text}");
            assert!(!text.contains('\n'));
            sipc_error_free(error);
        }
        assert_eq!(infallible(7, || panic!("again")), 7);
    }

    #[test]
    fn an_error_that_nobody_wants_is_only_a_number() {
        // SAFETY: NULL is allowed.
        let status = unsafe { fallible(std::ptr::null_mut(), || Err(Error::new(ErrorKind::Closed, "it is closed"))) };
        assert_eq!(status, ErrorKind::Closed.code());
    }
}
