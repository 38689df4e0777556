//! What a program does with streams of items.

use std::ptr::{null, null_mut};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::stream::{send::*, *};
use simpleipc::{client::*, error::*, options::*, post_stream::*, status::*};

use super::publications::brief;
use super::{Body, Came, Limit, Text, Then, check, finish, look_at_message, on_drop, on_reply, pointer, port};

#[derive(Arbitrary, Debug)]
pub(crate) enum OnItems {
    Send(Body, Limit),
    SendAsync(Body, Limit, Then),
    Next(Limit),
    NextAsync(Limit, Then),
    End,
    Fail(Text),
    FailWith(Text, Text, Text),
    Look,
    Close,
}

/// Where a stream is opened.
#[derive(Arbitrary, Debug)]
pub(crate) enum Opened {
    Name(Text),
    Port(u8),
    Client,
    Null,
}

/// Opens a stream with what the handler is told by, waiting or not, and calls what a program calls.
///
/// # Safety
///
/// `options` is NULL or good, and `errors` NULL or a place for an error.
pub(crate) unsafe fn open(
    opened: Opened,
    waits: bool,
    data: Body,
    calls: Vec<OnItems>,
    options: *mut sipc_options,
    errors: *mut *mut sipc_error,
) -> i32 {
    let (mut client, mut stream) = (null_mut(), null_mut());
    // SAFETY: as the caller promises; what is made here is freed here.
    unsafe {
        let status = match opened {
            Opened::Name(name) => {
                let post = if waits { sipc_post_uds_stream } else { sipc_begin_uds_stream };
                post(pointer(&name.into_c()), data.as_c(), options, &mut stream, errors)
            }
            Opened::Port(choice) => {
                let post = if waits { sipc_post_ip_stream } else { sipc_begin_ip_stream };
                post(port(choice), data.as_c(), options, &mut stream, errors)
            }
            Opened::Client => {
                // With options that are known to be good; the stream has those of the program.
                assert_eq!(sipc_client_connect_uds(c"live".as_ptr(), null(), &mut client, null_mut()), SIPC_OK);
                let post = if waits { sipc_client_stream } else { sipc_client_begin_stream };
                post(client, data.as_c(), options, &mut stream, errors)
            }
            // A stream that could not be opened is NULL, with which all goes on as well.
            Opened::Null => SIPC_OK,
        };
        use_items(stream, calls);
        sipc_client_free(client);
        status
    }
}

/// # Safety
///
/// `stream` is NULL or good.
unsafe fn use_items(stream: *mut sipc_stream, calls: Vec<OnItems>) {
    let came = Came::default();
    let (mut begun, mut asked) = (0, 0);
    // SAFETY: as the caller promises.
    unsafe {
        for call in calls.into_iter().take(16) {
            let mut error = null_mut();
            let status = match call {
                OnItems::Send(data, limit) => sipc_stream_send(stream, data.as_c(), brief(limit, false), &mut error),
                OnItems::SendAsync(data, limit, then) => {
                    let (mut operation, callback) = (null_mut(), then.callback.then_some(on_reply as _));
                    let (user_data, drop) = (came.user_data(), Some(on_drop as _));
                    let (data, ms) = (data.as_c(), brief(limit, false));
                    let status =
                        sipc_stream_send_async(stream, data, ms, callback, user_data, drop, &mut operation, &mut error);
                    finish(status, operation, &then);
                    (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
                    status
                }
                OnItems::Next(limit) => {
                    let mut item = null_mut();
                    let status = sipc_stream_next(stream, brief(limit, false), &mut item, &mut error);
                    look_at_message(item);
                    status
                }
                OnItems::NextAsync(limit, then) => {
                    let (mut operation, callback) = (null_mut(), then.callback.then_some(on_reply as _));
                    let (user_data, drop) = (came.user_data(), Some(on_drop as _));
                    let ms = brief(limit, false);
                    let status =
                        sipc_stream_next_async(stream, ms, callback, user_data, drop, &mut operation, &mut error);
                    finish(status, operation, &then);
                    (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
                    status
                }
                OnItems::End => sipc_stream_end(stream, &mut error),
                OnItems::Fail(text) => sipc_stream_fail(stream, pointer(&text.into_c()), &mut error),
                OnItems::FailWith(text, code, data) => {
                    let (text, code, data) = (text.into_c(), code.into_c(), data.into_c());
                    sipc_stream_fail_with(stream, pointer(&text), pointer(&code), pointer(&data), &mut error)
                }
                OnItems::Look => {
                    assert_eq!(sipc_stream_descriptor(stream) < 0, stream.is_null());
                    sipc_stream_is_over(stream);
                    continue;
                }
                OnItems::Close => {
                    sipc_stream_close(stream);
                    assert!(sipc_stream_is_over(stream));
                    continue;
                }
            };
            check(status, error, true);
        }
        sipc_stream_free(stream);
    }
    came.check(begun, asked);
}
