//! Looking at all that an error, a message and a listener tell.

use std::ffi::CStr;
use std::ptr::null_mut;

use simpleipc::{error::*, listener::*, message::*, status::*};

/// Looks at all that an error tells, and frees it.
pub(crate) fn look_at_error(status: i32, error: *mut sipc_error) {
    // SAFETY: the error is the caller's, or NULL; it is freed once.
    unsafe {
        assert_ne!(CStr::from_ptr(sipc_status_name(status)), c"unknown");
        assert_ne!(status, SIPC_INTERNAL);
        assert_eq!(sipc_error_status(error), if error.is_null() { SIPC_OK } else { status });
        let text = CStr::from_ptr(sipc_error_message(error)).to_str().unwrap();
        assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
        sipc_error_os_code(error);
        sipc_error_may_have_been_handled(error);
        for text in [sipc_error_handler_code(error), sipc_error_handler_data(error)] {
            assert!(text.is_null() || CStr::from_ptr(text).to_str().is_ok());
        }
        sipc_error_free(error);
    }
}

pub(crate) fn check(status: i32, error: *mut sipc_error, asked: bool) {
    assert_eq!(error.is_null(), status == SIPC_OK || !asked);
    look_at_error(status, error);
}

/// Looks at all that a message tells, through a copy, and frees both.
pub(crate) fn look_at_message(message: *mut sipc_message) {
    // SAFETY: the message is the caller's, or NULL; both are freed once.
    unsafe {
        let same = sipc_message_clone(message);
        assert_eq!(same.is_null(), message.is_null());
        assert_eq!(sipc_message_kind(message), sipc_message_kind(same));
        let len = sipc_message_len(same);
        if !same.is_null() {
            let bytes = std::slice::from_raw_parts(sipc_message_data(message).cast::<u8>(), len);
            assert_eq!(bytes, std::slice::from_raw_parts(sipc_message_data(same).cast::<u8>(), len));
        }
        assert_eq!(sipc_message_missed(message), sipc_message_missed(same));
        assert_eq!(sipc_message_retained(message), sipc_message_retained(same));
        let mut json_len = 1;
        let json = sipc_message_json_n(same, &mut json_len);
        assert_eq!(json.is_null(), json_len == 0);
        for text in [sipc_message_json(same), sipc_message_text(same), sipc_message_topic(same)] {
            assert!(text.is_null() || CStr::from_ptr(text).to_str().is_ok());
        }
        sipc_message_free(message);
        sipc_message_free(same);
    }
}

/// All that a listener tells, with room for so many bytes of counters.
///
/// # Safety
///
/// `listener` is NULL or good.
pub(crate) unsafe fn look_at_listener(listener: *mut sipc_listener, room: usize) {
    let mut counters = vec![0usize; room % 1024 / size_of::<usize>() + 1];
    let room = if room % 7 == 0 { room % size_of::<usize>() } else { counters.len() * size_of::<usize>() };
    counters[0] = room;
    let mut error = null_mut();
    // SAFETY: as the caller promises, and `counters` has that many bytes.
    unsafe {
        let status = sipc_listener_counters(listener, counters.as_mut_ptr().cast::<sipc_counters>(), &mut error);
        check(status, error, true);
        assert!(status != SIPC_OK || counters[0] <= room);
        for text in [sipc_listener_channel(listener), sipc_listener_address(listener), sipc_listener_path(listener)] {
            assert!(text.is_null() || !CStr::from_ptr(text).to_bytes().is_empty());
        }
        sipc_listener_port(listener);
        let mut error = null_mut();
        let status = sipc_listener_close(listener, &mut error);
        check(status, error, true);
        sipc_listener_free(listener);
    }
}
