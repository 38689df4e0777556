//! What a program does with a client, and with an operation.

use std::ptr::null_mut;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::{client::*, operation::*, options::*, status::*};

use super::{Body, Came, Limit, Then, check, look_at_message, on_drop, on_reply};

#[derive(Arbitrary, Debug)]
pub(crate) enum OnClient {
    Request(Body, bool),
    Broadcast(Body),
    Flush,
    FlushWithin(Limit),
    Ping,
    PingWithin(Limit),
    RequestAsync(Body, Then),
    BroadcastAsync(Body, Then),
    Close,
    CloseWithin(Limit),
}

/// Waits for the end of an operation, in the way that `then` says, and frees it.
///
/// # Safety
///
/// `operation` is what a call that returned `status` stored.
pub(crate) unsafe fn finish(status: i32, operation: *mut sipc_operation, then: &Then) {
    assert_eq!(operation.is_null(), status != SIPC_OK);
    // SAFETY: as the caller promises.
    unsafe {
        if then.cancel {
            sipc_operation_cancel(operation);
        }
        let mut error = null_mut();
        let waited = sipc_operation_wait(operation, then.first.ms(), &mut error);
        check(waited, error, true);
        if !operation.is_null() {
            assert_eq!(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, null_mut()), SIPC_OK);
        }
        sipc_operation_free(operation);
    }
}

/// What a program does with a client.
///
/// # Safety
///
/// `client` and `options` are NULL or good.
pub(crate) unsafe fn use_client(client: *mut sipc_client, calls: Vec<OnClient>, options: *mut sipc_options) {
    let came = Came::default();
    let (mut begun, mut asked) = (0, 0);
    // SAFETY: as the caller promises.
    unsafe {
        for call in calls.into_iter().take(8) {
            let mut error = null_mut();
            let status = match call {
                OnClient::Request(body, wanted) => {
                    let mut reply = null_mut();
                    let place = if wanted { &raw mut reply } else { null_mut() };
                    let status = sipc_client_request(client, body.as_c(), options, place, &mut error);
                    look_at_message(reply);
                    status
                }
                OnClient::Broadcast(body) => sipc_client_broadcast(client, body.as_c(), &mut error),
                OnClient::Flush => sipc_client_flush(client, &mut error),
                OnClient::FlushWithin(limit) => sipc_client_flush_within(client, limit.ms(), &mut error),
                OnClient::Ping => sipc_client_ping(client, null_mut(), &mut error),
                OnClient::PingWithin(limit) => {
                    let mut nanoseconds = 0;
                    sipc_client_ping_within(client, limit.ms(), &mut nanoseconds, &mut error)
                }
                OnClient::RequestAsync(body, then) => {
                    let (mut operation, callback) = (null_mut(), then.callback.then_some(on_reply as _));
                    let (body, user_data) = (body.as_c(), came.user_data());
                    let status = sipc_client_request_async(
                        client,
                        body,
                        options,
                        callback,
                        user_data,
                        Some(on_drop),
                        &mut operation,
                        &mut error,
                    );
                    finish(status, operation, &then);
                    (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
                    status
                }
                OnClient::BroadcastAsync(body, then) => {
                    let (mut operation, callback) = (null_mut(), then.callback.then_some(on_reply as _));
                    let (body, user_data) = (body.as_c(), came.user_data());
                    let status = sipc_client_broadcast_async(
                        client,
                        body,
                        callback,
                        user_data,
                        Some(on_drop),
                        &mut operation,
                        &mut error,
                    );
                    finish(status, operation, &then);
                    (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
                    status
                }
                OnClient::Close => sipc_client_close(client, &mut error),
                OnClient::CloseWithin(limit) => sipc_client_close_within(client, limit.ms(), &mut error),
            };
            check(status, error, true);
        }
        sipc_client_free(client);
    }
    came.check(begun, asked);
}
