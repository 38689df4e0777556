//! The options of publishers and of subscribers.

use std::ffi::c_char;

use simple_ipc::Overflow;

use crate::argument;
use crate::options::{SIPC_NO_TIMEOUT, set, sipc_options, unknown};
use crate::status::sipc_status;

/// The subscription ends with `SIPC_TOO_SLOW`. The default.
pub const SIPC_OVERFLOW_FAIL: i32 = 0;
/// The oldest events that wait for it are dropped; the next event tells how many were missed.
pub const SIPC_OVERFLOW_DROP_OLDEST: i32 = 1;
/// `sipc_publish` waits, for as long as the publisher's `patience` says; then the subscription ends with
/// `SIPC_TOO_SLOW`.
pub const SIPC_OVERFLOW_BLOCK: i32 = 2;

/// Whether a listener for requests or broadcasts publishes besides, so that others may subscribe to the same
/// channel: no unless set. A listener of `sipc_listen_uds_publish` always does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_publish(options: *mut sipc_options, publish: bool) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.publish(publish))) }
}

/// Whether a publisher keeps the last event of each topic for those who subscribe later: no unless set. They get
/// it first, marked `sipc_message_retained`. What is kept counts against `max_waiting`; a publication beyond it
/// fails with `SIPC_OUT_OF_RESOURCES`. Empty bytes on a topic forget it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_retain(options: *mut sipc_options, retain: bool) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.retain(retain))) }
}

/// How long one `sipc_publish` waits for subscribers with `SIPC_OVERFLOW_BLOCK` that have no room: 0 unless set,
/// which refuses such subscribers with `SIPC_WRONG_MODE`. Those without room afterwards are cut off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_patience_ms(options: *mut sipc_options, patience_ms: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.patience(argument::milliseconds(patience_ms, "patience_ms")?))) }
}

/// The topics that a subscriber wants, each as a whole: an event comes if it was published to one of them. All
/// events unless set. Copied.
///
/// `topics`: `count` texts of at most 255 bytes of UTF-8; the empty one stands for events without a topic.
/// `count`: 1 to 1024. NULL, as `topics` or in it, and 0 give `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_topics(
    options: *mut sipc_options,
    topics: *const *const c_char,
    count: usize,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.topics(argument::topics(topics, count)?))) }
}

/// What becomes of a subscription for which more waits than its queue holds: one of the `SIPC_OVERFLOW_`
/// constants, `SIPC_OVERFLOW_FAIL` unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_overflow(options: *mut sipc_options, overflow: i32) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.overflow(match overflow {
                SIPC_OVERFLOW_FAIL => Overflow::Fail,
                SIPC_OVERFLOW_DROP_OLDEST => Overflow::DropOldest,
                SIPC_OVERFLOW_BLOCK => Overflow::Block,
                other => return Err(unknown("overflow", other)),
            }))
        })
    }
}

/// The most bytes that may wait at the publisher for a subscriber: 4 MiB unless set, more than 0, at most the
/// publisher's `max_session_waiting`, to which more is lowered. A single larger event still passes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_queue(options: *mut sipc_options, bytes: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.queue(bytes))) }
}

/// How long a subscription looks for its publisher again, once that has closed or died: `SIPC_NO_TIMEOUT`, no
/// limit, unless set. 0 does not look: the end of the publisher's own accord is the end of the stream, and its
/// death `SIPC_CONNECTION_LOST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_reconnect_ms(options: *mut sipc_options, reconnect_ms: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(if reconnect_ms == SIPC_NO_TIMEOUT {
                options.no_reconnect_limit()
            } else {
                options.reconnect(argument::milliseconds(reconnect_ms, "reconnect_ms")?)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simple_ipc::Options;

    use super::*;
    use crate::options::{sipc_options_free, sipc_options_new};
    use crate::status::{SIPC_INVALID_ARGUMENT, SIPC_OK};

    #[test]
    fn setters_set_what_they_name() {
        let options = sipc_options_new();
        // SAFETY: `options` is alive until it is freed at the end; strings are static.
        unsafe {
            let statuses = [
                sipc_options_set_publish(options, true),
                sipc_options_set_retain(options, true),
                sipc_options_set_patience_ms(options, 20),
                sipc_options_set_topics(options, [c"a".as_ptr(), c"".as_ptr()].as_ptr(), 2),
                sipc_options_set_overflow(options, SIPC_OVERFLOW_DROP_OLDEST),
                sipc_options_set_queue(options, 21),
                sipc_options_set_reconnect_ms(options, 22),
            ];
            assert!(statuses.iter().all(|&status| status == SIPC_OK), "{statuses:?}");
            let expected = Options::new()
                .publish(true)
                .retain(true)
                .patience(Duration::from_millis(20))
                .topics(["a", ""])
                .overflow(Overflow::DropOldest)
                .queue(21)
                .reconnect(Duration::from_millis(22));
            assert_eq!(sipc_options::read(options).unwrap(), expected);
            assert_eq!(sipc_options_set_reconnect_ms(options, SIPC_NO_TIMEOUT), SIPC_OK);
            assert_eq!(sipc_options_set_overflow(options, SIPC_OVERFLOW_BLOCK), SIPC_OK);
            let expected = expected.no_reconnect_limit().overflow(Overflow::Block);
            assert_eq!(sipc_options::read(options).unwrap(), expected);
            assert_eq!(sipc_options_set_overflow(options, SIPC_OVERFLOW_FAIL), SIPC_OK);
            assert_eq!(sipc_options::read(options).unwrap(), expected.overflow(Overflow::Fail));
            sipc_options_free(options);
        }
    }

    #[test]
    fn topics_that_are_none_and_numbers_without_sense_are_refused() {
        let (nothing, broken) = (std::ptr::null(), [c"a".as_ptr(), c"\xff".as_ptr(), std::ptr::null()]);
        let refused = |set: &dyn Fn(*mut sipc_options) -> sipc_status| {
            let options = sipc_options_new();
            assert_eq!(set(options), SIPC_INVALID_ARGUMENT);
            // SAFETY: alive until it is freed here.
            unsafe {
                assert!(sipc_options::read(options).is_err());
                sipc_options_free(options);
            }
        };
        for (topics, count) in [(nothing, 0), (nothing, 2), (broken.as_ptr(), 0), (broken.as_ptr(), 3)] {
            // SAFETY: `options` is alive, and there are `count` topics, or NULL.
            refused(&|options| unsafe { sipc_options_set_topics(options, topics, count) });
        }
        // SAFETY: `options` is alive.
        unsafe {
            refused(&|options| sipc_options_set_overflow(options, 3));
            refused(&|options| sipc_options_set_patience_ms(options, -1));
            refused(&|options| sipc_options_set_reconnect_ms(options, -2));
        }
    }
}
