//! What the library calls back.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use simpleipc::responder::{stream::*, *};
use simpleipc::stream::{send::*, *};
use simpleipc::{body::*, error::*, message::*, status::*};

use super::{check, look_at_error, look_at_message};

pub(crate) unsafe extern "C" fn on_message(_: *const sipc_message, _: *mut sipc_responder, _: *mut c_void) {}

pub(crate) unsafe extern "C" fn on_nobody_waits(_: *mut c_void) {}

/// Answers in the way that the request's first byte says.
pub(crate) unsafe extern "C" fn on_request(
    message: *const sipc_message,
    responder: *mut sipc_responder,
    _: *mut c_void,
) {
    // SAFETY: message and responder are good, and the responder is used up once.
    unsafe {
        let (data, len) = (sipc_message_data(message).cast::<u8>(), sipc_message_len(message));
        let first = if len == 0 { 0 } else { *data };
        sipc_responder_peer_pid(responder);
        sipc_responder_peer_uid(responder);
        sipc_responder_peer_gid(responder);
        sipc_responder_is_cancelled(responder);
        sipc_responder_time_left_ms(responder);
        if first & 1 == 1 {
            check(
                sipc_responder_on_cancel(responder, Some(on_nobody_waits), null_mut(), None, null_mut()),
                null_mut(),
                false,
            );
        }
        let mut error = null_mut();
        let text = if first & 2 == 2 { null() } else { c"on \xff purpose\n".as_ptr() };
        if first & 128 == 128 {
            return answer_with_items(first, responder);
        }
        let status = match first >> 2 & 7 {
            0 => sipc_respond_error(responder, text, &mut error),
            1 => sipc_respond_failure(responder, text, c"a code".as_ptr(), c"{\"n\":1}".as_ptr(), &mut error),
            2 => sipc_respond_failure(responder, text, null(), c"no json".as_ptr(), &mut error),
            3 => sipc_reject(responder, text, &mut error),
            4 => sipc_respond(responder, sipc_json(text), &mut error),
            5 => {
                sipc_responder_free(responder);
                SIPC_OK
            }
            _ => sipc_respond(responder, sipc_bytes(data.cast(), len), &mut error),
        };
        check(status, error, true);
    }
}

/// Answers with a sequence, in the way that the first byte says.
///
/// # Safety
///
/// The responder is good, and used up once.
unsafe fn answer_with_items(first: u8, responder: *mut sipc_responder) {
    let (mut error, mut stream, mut items) = (null_mut(), null_mut(), null_mut());
    // SAFETY: as the caller promises.
    unsafe {
        let streams = sipc_responder_is_stream(responder);
        check(sipc_responder_items(responder, &mut items, &mut error), error, true);
        let status = sipc_responder_stream(responder, &mut stream, &mut error);
        assert_eq!(status == SIPC_OK, streams);
        check(status, error, true);
        let mut again = null_mut();
        let mut error = null_mut();
        check(sipc_stream_items(stream, &mut again, &mut error), error, true);
        sipc_stream_free(again);
        for of in [items, stream] {
            let (mut item, mut error) = (null_mut(), null_mut());
            check(sipc_stream_next(of, i64::from(first & 1), &mut item, &mut error), error, true);
            look_at_message(item);
            error = null_mut();
            check(sipc_stream_send(of, sipc_bytes(null(), 0), 0, &mut error), error, true);
        }
        let mut error = null_mut();
        let status = match first >> 2 & 3 {
            0 => sipc_stream_end(stream, &mut error),
            1 => sipc_stream_fail(stream, c"on purpose".as_ptr(), &mut error),
            2 => sipc_stream_fail_with(stream, null(), null(), c"no json".as_ptr(), &mut error),
            _ => SIPC_OK,
        };
        check(status, error, true);
        sipc_stream_free(items);
        sipc_stream_free(stream);
    }
}

/// How many callbacks came, and how many drops, for this `user_data`.
#[derive(Default)]
pub(crate) struct Came {
    callbacks: AtomicUsize,
    drops: AtomicUsize,
}

impl Came {
    pub(crate) fn user_data(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Every drop has come, and a callback for each call that began.
    pub(crate) fn check(&self, begun: usize, asked: usize) {
        assert_eq!((self.callbacks.load(Ordering::SeqCst), self.drops.load(Ordering::SeqCst)), (begun, asked));
    }
}

pub(crate) unsafe extern "C" fn on_reply(
    status: i32,
    reply: *mut sipc_message,
    error: *mut sipc_error,
    came: *mut c_void,
) {
    assert_eq!(status == SIPC_OK, error.is_null());
    look_at_error(status, error);
    look_at_message(reply);
    // SAFETY: it outlives the call.
    unsafe { &*came.cast::<Came>() }.callbacks.fetch_add(1, Ordering::SeqCst);
}

pub(crate) unsafe extern "C" fn on_drop(came: *mut c_void) {
    // SAFETY: it outlives the call.
    unsafe { &*came.cast::<Came>() }.drops.fetch_add(1, Ordering::SeqCst);
}
