//! What a program does with a publisher and with streams of its events.

use std::ptr::{null, null_mut};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::{error::*, listener::*, message::*, options::*, publish::*, status::*, stream::*, subscribe::*};

use super::{Body, Came, Limit, Text, Then, check, finish, look_at_message, on_drop, on_reply, pointer, port};

#[derive(Arbitrary, Debug)]
pub(crate) enum OnStream {
    /// To a topic, with a place for the number or not.
    Publish(Text, Body, bool),
    Next(Limit),
    NextAsync(Limit, Then),
    Descriptor,
    Close,
}

/// Where a subscription goes.
#[derive(Arbitrary, Debug)]
pub(crate) enum Publisher {
    Name(Text),
    Port(u8),
    Own,
    Null,
}

/// # Safety
///
/// `options` is NULL or good, and `errors` NULL or a place for an error.
pub(crate) unsafe fn subscribe(
    publisher: Publisher,
    calls: Vec<OnStream>,
    options: *mut sipc_options,
    errors: *mut *mut sipc_error,
) -> i32 {
    let (mut listener, mut stream) = (null_mut(), null_mut());
    // SAFETY: as the caller promises; what is made here is freed here.
    unsafe {
        assert_eq!(sipc_listen_ip_publish(0, null(), &mut listener, null_mut()), SIPC_OK);
        let status = match publisher {
            Publisher::Name(name) => sipc_subscribe_uds(pointer(&name.into_c()), options, &mut stream, errors),
            Publisher::Port(choice) => sipc_subscribe_ip(port(choice), options, &mut stream, errors),
            // With options that are known to be good, as those for listening are.
            Publisher::Own => sipc_subscribe_ip(sipc_listener_port(listener), null(), &mut stream, errors),
            // A stream that could not be made is NULL, with which all goes on as well.
            Publisher::Null => SIPC_OK,
        };
        use_stream(listener, stream, calls);
        sipc_listener_free(listener);
        status
    }
}

/// # Safety
///
/// `listener` is good, and `stream` NULL or good.
unsafe fn use_stream(listener: *mut sipc_listener, stream: *mut sipc_stream, calls: Vec<OnStream>) {
    let came = Came::default();
    let (mut begun, mut asked, mut waits) = (0, 0, 0);
    // SAFETY: as the caller promises.
    unsafe {
        for call in calls.into_iter().take(16) {
            let mut error = null_mut();
            let status = match call {
                OnStream::Publish(topic, body, counted) => {
                    let (mut queued, topic) = (0, topic.into_c());
                    let place = if counted { &raw mut queued } else { null_mut() };
                    let status = sipc_publish(listener, pointer(&topic), body.as_c(), place, &mut error);
                    waits += usize::from(status == SIPC_OK);
                    status
                }
                OnStream::Next(limit) => {
                    let mut event = null_mut();
                    let status = sipc_stream_next(stream, brief(limit, waits > 0), &mut event, &mut error);
                    if !event.is_null() {
                        assert!(!sipc_message_topic(event).is_null() && sipc_message_missed(event) >= -1);
                        waits -= 1;
                    }
                    look_at_message(event);
                    status
                }
                OnStream::NextAsync(limit, then) => {
                    let (mut operation, callback) = (null_mut(), then.callback.then_some(on_reply as _));
                    let (user_data, drop) = (came.user_data(), Some(on_drop as _));
                    let ms = brief(limit, false);
                    let status =
                        sipc_stream_next_async(stream, ms, callback, user_data, drop, &mut operation, &mut error);
                    finish(status, operation, &then);
                    // It has taken an event, or has not.
                    waits = 0;
                    (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
                    status
                }
                OnStream::Descriptor => {
                    assert_eq!(sipc_stream_descriptor(stream) < 0, stream.is_null());
                    continue;
                }
                OnStream::Close => {
                    sipc_stream_close(stream);
                    continue;
                }
            };
            check(status, error, true);
        }
        sipc_stream_free(stream);
    }
    came.check(begun, asked);
}

/// A time that is over soon: without a limit something has to come.
pub(crate) fn brief(limit: Limit, comes: bool) -> i64 {
    match limit.ms() {
        SIPC_NO_TIMEOUT if !comes => 1,
        ms => ms,
    }
}
