//! What C holds by pointer.

use simple_ipc::Result;

use crate::argument;

/// A type whose values live in a `Box` while C holds them.
///
/// Making, borrowing, taking back and freeing go through this trait alone, so a pointer to one type
/// cannot be freed as another, and a type that C only borrows cannot be freed at all.
pub(crate) trait Handle: Sized {
    /// What error texts call it.
    const NOUN: &'static str;

    /// Hands the value to C, which has to free it.
    fn into_handle(self) -> *mut Self {
        Self::box_into_handle(Box::new(self))
    }

    /// The same for a value that is in its box already.
    fn box_into_handle(boxed: Box<Self>) -> *mut Self {
        Box::into_raw(boxed)
    }

    /// Looks at a value that C holds. NULL is the caller's mistake.
    ///
    /// # Safety
    /// `handle` is NULL or came from [`into_handle`](Handle::into_handle) (or is borrowed from the
    /// library), and is neither freed nor changed during `'a`.
    unsafe fn borrow<'a>(handle: *const Self) -> Result<&'a Self> {
        // SAFETY: by this function's contract.
        unsafe { Self::borrow_or_null(handle) }.ok_or_else(|| argument::null(Self::NOUN))
    }

    /// Looks at a value that C holds, where NULL is allowed.
    ///
    /// # Safety
    /// As for [`borrow`](Handle::borrow).
    unsafe fn borrow_or_null<'a>(handle: *const Self) -> Option<&'a Self> {
        // SAFETY: NULL, or alive and unchanged during `'a`.
        unsafe { handle.as_ref() }
    }

    /// Changes a value that C holds. `None` for NULL.
    ///
    /// # Safety
    /// As for [`borrow`](Handle::borrow), and nothing else uses the value during `'a`.
    unsafe fn borrow_mut_or_null<'a>(handle: *mut Self) -> Option<&'a mut Self> {
        // SAFETY: NULL, or alive and used by nobody else during `'a`.
        unsafe { handle.as_mut() }
    }

    /// Takes a value back from C. `None` for NULL.
    ///
    /// # Safety
    /// `handle` is NULL or came from [`into_handle`](Handle::into_handle), and is not used again.
    unsafe fn take(handle: *mut Self) -> Option<Box<Self>> {
        // SAFETY: a pointer that is not NULL came from Box::into_raw and is taken back only here.
        (!handle.is_null()).then(|| unsafe { Box::from_raw(handle) })
    }
}
