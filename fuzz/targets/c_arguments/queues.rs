//! What a program does with a queue.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::queue::{client::*, listen::*, post::*, *};
use simpleipc::{callback::*, error::*, listener::*, message::*, options::*, responder::*, status::*};

use super::{Body, Came, Limit, Place, Text, check, on_drop, on_message, on_reply, on_request, pointer, port};

#[derive(Arbitrary, Debug)]
pub(crate) enum OnQueue {
    Connect(Place),
    Request(Body, bool),
    Broadcast(Body),
    Flush,
    Ping,
    Close,
    Post(Text, bool, Body),
    PostPort(u8, bool, Body),
    Cancel(Option<u64>),
    Submit,
    Process,
    Wait(Limit),
    Listen(Text, bool, bool),
    ListenPort(u8, bool, bool),
}

/// What a program does with a queue, which may be NULL.
///
/// # Safety
///
/// `queue` and `options` are NULL or good.
pub(crate) unsafe fn use_queue(
    queue: *mut sipc_queue,
    calls: Vec<OnQueue>,
    options: *mut sipc_options,
    directory: &CStr,
) {
    let (came, served) = (Came::default(), Came::default());
    let (mut begun, mut asked, mut listened) = (0, 0, 0);
    let mut listeners = Vec::new();
    let (mut client, mut ticket) = (0, 0);
    // SAFETY: as the caller promises.
    unsafe {
        for call in calls.into_iter().take(16) {
            let mut error = null_mut();
            let errors = &raw mut error;
            let (callback, user_data, drop) = (Some(on_reply as _), came.user_data(), Some(on_drop as _));
            let calls_back = !matches!(
                call,
                OnQueue::Connect(_)
                    | OnQueue::Broadcast(_)
                    | OnQueue::Submit
                    | OnQueue::Process
                    | OnQueue::Wait(_)
                    | OnQueue::Listen(..)
                    | OnQueue::ListenPort(..)
            );
            let status = match call {
                OnQueue::Connect(Place::Name(name)) => {
                    sipc_queue_connect_uds(queue, pointer(&name.into_c()), options, &mut client, errors)
                }
                OnQueue::Connect(Place::Path(path)) => {
                    sipc_queue_connect_path(queue, pointer(&path.into_c()), options, &mut client, errors)
                }
                OnQueue::Connect(Place::Port(choice)) => {
                    sipc_queue_connect_ip(queue, port(choice), options, &mut client, errors)
                }
                OnQueue::Request(body, with_options) => {
                    let (body, options) = (body.as_c(), if with_options { options } else { null_mut() });
                    sipc_queue_request(queue, client, body, options, callback, user_data, drop, &mut ticket, errors)
                }
                OnQueue::Broadcast(body) => sipc_queue_broadcast(queue, client, body.as_c(), errors),
                OnQueue::Flush => sipc_queue_flush(queue, client, callback, user_data, drop, &mut ticket, errors),
                OnQueue::Ping => sipc_queue_ping(queue, client, callback, user_data, drop, &mut ticket, errors),
                OnQueue::Close => sipc_queue_close(queue, client, callback, user_data, drop, &mut ticket, errors),
                OnQueue::Post(name, request, body) => {
                    let name = name.into_c();
                    let post = if request { sipc_queue_post_uds_request } else { sipc_queue_post_uds_broadcast };
                    let body = body.as_c();
                    post(queue, pointer(&name), body, options, callback, user_data, drop, &mut ticket, errors)
                }
                OnQueue::PostPort(choice, request, body) => {
                    let post = if request { sipc_queue_post_ip_request } else { sipc_queue_post_ip_broadcast };
                    post(queue, port(choice), body.as_c(), options, callback, user_data, drop, &mut ticket, errors)
                }
                OnQueue::Cancel(other) => {
                    sipc_queue_cancel(queue, other.unwrap_or(ticket));
                    continue;
                }
                OnQueue::Submit => {
                    sipc_queue_submit(queue);
                    continue;
                }
                OnQueue::Process => {
                    let mut completed = 0;
                    sipc_queue_process(queue, &mut completed, errors)
                }
                OnQueue::Wait(limit) => {
                    // Without a limit it waits for a call, of which there has to be one.
                    let waits_for_ever = limit.ms() == SIPC_NO_TIMEOUT && sipc_queue_under_way(queue) == 0;
                    sipc_queue_wait(queue, if waits_for_ever { 0 } else { limit.ms() }, null_mut(), errors)
                }
                OnQueue::Listen(name, requests, closes) => {
                    // In the directory of this process, whatever path the options have.
                    let here = sipc_options_new();
                    assert_eq!(sipc_options_set_directory(here, directory.as_ptr()), SIPC_OK);
                    let (name, mut listener, data) = (name.into_c(), null_mut(), served.user_data());
                    let (listen, handler) = if requests {
                        (sipc_queue_listen_uds_request as Listen<_>, on_request as Handler)
                    } else {
                        (sipc_queue_listen_uds_broadcast as Listen<_>, on_message as Handler)
                    };
                    let name = pointer(&name);
                    let status = listen(queue, name, Some(handler), data, Some(on_drop), here, &mut listener, errors);
                    listened += 1;
                    sipc_options_free(here);
                    keep(listener, closes, &mut listeners);
                    status
                }
                OnQueue::ListenPort(choice, requests, closes) => {
                    let (mut listener, data) = (null_mut(), served.user_data());
                    let (listen, handler) = if requests {
                        (sipc_queue_listen_ip_request as Listen<_>, on_request as Handler)
                    } else {
                        (sipc_queue_listen_ip_broadcast as Listen<_>, on_message as Handler)
                    };
                    let port = port(choice);
                    let status = listen(queue, port, Some(handler), data, Some(on_drop), null(), &mut listener, errors);
                    listened += 1;
                    keep(listener, closes, &mut listeners);
                    status
                }
            };
            if calls_back {
                (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
            }
            check(status, error, true);
            assert_eq!(sipc_queue_descriptor(queue) < 0, queue.is_null());
        }
        sipc_queue_free(queue);
        served.check(0, listened);
        listeners.into_iter().for_each(|listener| sipc_listener_free(listener));
    }
    came.check(begun, asked);
}

type Handler = unsafe extern "C" fn(*const sipc_message, *mut sipc_responder, *mut c_void);
type Listen<Address> = unsafe extern "C" fn(
    *mut sipc_queue,
    Address,
    sipc_handler,
    *mut c_void,
    sipc_drop,
    *const sipc_options,
    *mut *mut sipc_listener,
    *mut *mut sipc_error,
) -> sipc_status;

/// Closes a listener, which may be NULL, at once, or keeps it until its queue is gone.
///
/// # Safety
///
/// It is NULL or good, and used by nobody else.
unsafe fn keep(listener: *mut sipc_listener, closes: bool, listeners: &mut Vec<*mut sipc_listener>) {
    if closes && !listener.is_null() {
        // SAFETY: as the caller promises.
        unsafe {
            check(sipc_listener_close(listener, null_mut()), null_mut(), false);
            sipc_listener_free(listener);
        }
    } else {
        listeners.push(listener);
    }
}
