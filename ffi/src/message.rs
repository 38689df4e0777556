//! `sipc_message`: what arrived.

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_void};
use std::sync::OnceLock;

use simple_ipc::{Message, MessageKind};

use crate::body::{SIPC_KIND_BYTES, SIPC_KIND_JSON};
use crate::boundary;
use crate::handle::Handle;

/// A body that arrived: one JSON text, or bytes. Never changes, so any number of threads may read it.
pub struct sipc_message {
    /// Owned by a message that C owns. A message that C borrows is a `Lent`, which keeps the loan.
    message: Cow<'static, Message>,
    /// What C asks for as strings, made when it first does.
    text: OnceLock<Option<CString>>,
    json: OnceLock<Option<CString>>,
}

impl Handle for sipc_message {
    const NOUN: &'static str = "message";
}

impl sipc_message {
    pub(crate) fn new(message: Message) -> sipc_message {
        sipc_message::of(Cow::Owned(message))
    }

    fn of(message: Cow<'static, Message>) -> sipc_message {
        sipc_message { message, text: OnceLock::new(), json: OnceLock::new() }
    }

    /// Lends core's message to C for the length of `call`, without copying it.
    pub(crate) fn lend(message: &Message, call: impl FnOnce(*const sipc_message)) {
        // SAFETY: the lifetime is stretched for a value that does not leave this function except as
        // the pointer that `call` gets, which the header lets C use only during the call.
        let message: &'static Message = unsafe { &*std::ptr::from_ref(message) };
        let lent = sipc_message::of(Cow::Borrowed(message));
        call(&lent);
    }
}

/// `SIPC_KIND_JSON` or `SIPC_KIND_BYTES`.
///
/// `message`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_kind(message: *const sipc_message) -> i32 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(0, |message| match message.message.kind() {
            MessageKind::Json => SIPC_KIND_JSON,
            _ => SIPC_KIND_BYTES,
        })
    })
}

/// The JSON text (UTF-8) or the bytes: `sipc_message_len` of them, without a terminating zero.
///
/// `message`: NULL gives NULL; else the result is not NULL, even if there are no bytes. It lives as
/// long as `message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_data(message: *const sipc_message) -> *const c_void {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        match unsafe { sipc_message::borrow_or_null(message) } {
            None => std::ptr::null(),
            Some(message) if message.message.is_empty() => c"".as_ptr().cast(),
            Some(message) => message.message.data().as_ptr().cast(),
        }
    })
}

/// The length of `sipc_message_data` in bytes.
///
/// `message`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_len(message: *const sipc_message) -> usize {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(0, |message| message.message.len())
    })
}

/// The text of a JSON string, unquoted: NUL-terminated UTF-8, owned by `message`.
///
/// `message`: NULL gives NULL. NULL also for bytes, for JSON that is no string, and for a string
/// that has a NUL in it, which `sipc_message_data` shows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_text(message: *const sipc_message) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let Some(message) = (unsafe { sipc_message::borrow_or_null(message) }) else { return std::ptr::null() };
        let text = message.text.get_or_init(|| CString::new(message.message.as_text()?.into_owned()).ok());
        text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
    })
}

/// The JSON text, as it arrived: NUL-terminated UTF-8, owned by `message`.
///
/// `message`: NULL gives NULL. NULL also for bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_json(message: *const sipc_message) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let Some(message) = (unsafe { sipc_message::borrow_or_null(message) }) else { return std::ptr::null() };
        let json = message.json.get_or_init(|| match message.message.kind() {
            MessageKind::Json => CString::new(message.message.data()).ok(),
            _ => None,
        });
        json.as_ref().map_or(std::ptr::null(), |json| json.as_ptr())
    })
}

/// A copy of a message, owned by the caller; it keeps a message that a handler was lent.
///
/// `message`: NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_clone(message: *const sipc_message) -> *mut sipc_message {
    boundary::infallible(std::ptr::null_mut(), || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(std::ptr::null_mut(), |message| {
            sipc_message::new(message.message.clone().into_owned()).into_handle()
        })
    })
}

/// Frees a message that the caller owns: a reply or a clone. Not the one that a handler is lent.
///
/// `message`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_free(message: *mut sipc_message) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_message::take(message) }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::ptr;

    fn strings(message: Message) -> (Option<String>, Option<String>) {
        let message = sipc_message::new(message);
        // SAFETY: `message` is alive, and so are the strings that it owns.
        unsafe {
            let owned =
                |text: *const c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_str().unwrap().to_owned());
            (owned(sipc_message_text(&message)), owned(sipc_message_json(&message)))
        }
    }

    #[test]
    fn strings_are_made_where_there_are_some() {
        assert_eq!(strings(Message::text("a\"b")), (Some("a\"b".into()), Some("\"a\\\"b\"".into())));
        assert_eq!(strings(Message::text("a\0b")), (None, Some("\"a\\u0000b\"".into())));
        assert_eq!(strings(Message::json_text("[1]").unwrap()), (None, Some("[1]".into())));
        assert_eq!(strings(Message::bytes(*b"\"x\"")), (None, None));
    }

    #[test]
    fn a_lent_message_is_the_handlers_own_memory_and_a_clone_is_not() {
        let message = Message::bytes([1, 2, 3]);
        sipc_message::lend(&message, |lent| {
            // SAFETY: `lent` is alive during this call; the clone is freed once.
            unsafe {
                assert_eq!(sipc_message_data(lent), message.data().as_ptr().cast());
                let kept = sipc_message_clone(lent);
                assert_ne!(sipc_message_data(kept), sipc_message_data(lent));
                assert_eq!(sipc_message_len(kept), 3);
                assert_eq!(sipc_message_kind(kept), SIPC_KIND_BYTES);
                sipc_message_free(kept);
            }
        });
    }

    #[test]
    fn null_is_no_message() {
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert_eq!(sipc_message_kind(ptr::null()), 0);
            assert!(sipc_message_data(ptr::null()).is_null() && sipc_message_len(ptr::null()) == 0);
            assert!(sipc_message_text(ptr::null()).is_null() && sipc_message_json(ptr::null()).is_null());
            assert!(sipc_message_clone(ptr::null()).is_null());
            sipc_message_free(ptr::null_mut());
        }
    }
}
