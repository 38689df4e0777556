//! The C functions, all of them, with whatever a program may pass that keeps the header's contract: NULL, wrong
//! numbers, texts of any bytes, options in any state, in any order. Each answers with a status of the table and, where
//! it failed, with one line of text; callbacks come exactly once.
#![no_main]

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use simpleipc::{body::*, client::*, discovery::*, listen::*, operation::*, options::*};
use simpleipc::{post::*, post_async::*, publish::*, queue::*, responder::*, status::*, version::*};

#[path = "c_arguments/callbacks.rs"]
mod callbacks;
#[path = "c_arguments/clients.rs"]
mod clients;
#[path = "c_arguments/looks.rs"]
mod looks;
#[path = "c_arguments/options.rs"]
mod options;
#[path = "c_arguments/program.rs"]
mod program;
#[path = "c_arguments/publications.rs"]
mod publications;
#[path = "c_arguments/queues.rs"]
mod queues;
#[path = "c_arguments/streams.rs"]
mod streams;

use callbacks::{Came, on_drop, on_message, on_reply, on_request};
use clients::{OnClient, finish, use_client};
use looks::{check, look_at_error, look_at_listener, look_at_message};
use options::{Set, set};
use program::{Body, Call, Limit, Place, Program, Text, Then, pointer, port};
use publications::{OnStream, Publisher};
use queues::{OnQueue, use_queue};
use streams::{OnItems, Opened};

/// A directory of this process, where all channels are, and in which somebody listens.
fn directory() -> &'static CStr {
    static DIRECTORY: OnceLock<CString> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("sipc-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        // SAFETY: libFuzzer runs the target on one thread, and no other reads the environment yet.
        unsafe { std::env::set_var("SIMPLE_IPC_DIR", &path) };
        let mut listener = null_mut();
        // SAFETY: good pointers; the listener stays until the process ends.
        let status = unsafe {
            let name = c"live".as_ptr();
            sipc_listen_uds_request(name, Some(on_request), null_mut(), None, null(), &mut listener, null_mut())
        };
        assert_eq!(status, SIPC_OK);
        CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
    })
}

libfuzzer_sys::fuzz_target!(|program: Program| {
    let directory = directory();
    assert!(sipc_abi_version() == SIPC_ABI_VERSION && !sipc_version().is_null());
    // SAFETY: every pointer is NULL or what the library gave, and lives as long as the header asks for.
    unsafe {
        let options = if program.null_options { null_mut() } else { sipc_options_new() };
        for one in program.set {
            set(options, one);
        }
        let asked = program.with_error;
        for call in program.calls.into_iter().take(8) {
            let mut error = null_mut();
            let errors = if asked { &raw mut error } else { null_mut() };
            let status = match call {
                Call::PostRequest(name, body) => {
                    let mut reply = null_mut();
                    let name = name.into_c();
                    let status = sipc_post_uds_request(pointer(&name), body.as_c(), options, &mut reply, errors);
                    assert_eq!(reply.is_null(), status != SIPC_OK);
                    look_at_message(reply);
                    status
                }
                Call::PostBroadcast(name, body) => {
                    sipc_post_uds_broadcast(pointer(&name.into_c()), body.as_c(), options, errors)
                }
                Call::PostPort(choice, true, body) => {
                    sipc_post_ip_request(port(choice), body.as_c(), options, null_mut(), errors)
                }
                Call::PostPort(choice, false, body) => {
                    sipc_post_ip_broadcast(port(choice), body.as_c(), options, errors)
                }
                Call::PostAsync(name, request, body, then) => {
                    let (came, name, mut operation) = (Came::default(), name.into_c(), null_mut());
                    let post = if request { sipc_post_uds_request_async } else { sipc_post_uds_broadcast_async };
                    let (callback, user_data) = (then.callback.then_some(on_reply as _), came.user_data());
                    let (name, body) = (pointer(&name), body.as_c());
                    let status = post(name, body, options, callback, user_data, Some(on_drop), &mut operation, errors);
                    finish(status, operation, &then);
                    came.check(usize::from(status == SIPC_OK), 1);
                    status
                }
                Call::PostPortAsync(choice, request, body, then) => {
                    let (came, mut operation) = (Came::default(), null_mut());
                    let post = if request { sipc_post_ip_request_async } else { sipc_post_ip_broadcast_async };
                    let (callback, user_data) = (then.callback.then_some(on_reply as _), came.user_data());
                    let (port, body) = (port(choice), body.as_c());
                    let status = post(port, body, options, callback, user_data, Some(on_drop), &mut operation, errors);
                    finish(status, operation, &then);
                    came.check(usize::from(status == SIPC_OK), 1);
                    status
                }
                Call::Listen(name, requests, room) => {
                    // In the directory of this process, whatever path the options have.
                    let here = sipc_options_new();
                    assert_eq!(sipc_options_set_directory(here, directory.as_ptr()), SIPC_OK);
                    let name = name.into_c();
                    let mut listener = null_mut();
                    let listen = if requests { sipc_listen_uds_request } else { sipc_listen_uds_broadcast };
                    let status =
                        listen(pointer(&name), Some(on_message), null_mut(), None, here, &mut listener, errors);
                    assert_eq!(listener.is_null(), status != SIPC_OK);
                    look_at_listener(listener, room);
                    sipc_options_free(here);
                    status
                }
                Call::ListenPort(choice, requests) => {
                    let (mut listener, came) = (null_mut(), Came::default());
                    let listen = if requests { sipc_listen_ip_request } else { sipc_listen_ip_broadcast };
                    let (handler, user_data) = (Some(on_message as _), came.user_data());
                    // The system picks a port for 0, with options that are known to be good.
                    let status = listen(port(choice), handler, user_data, Some(on_drop), null(), &mut listener, errors);
                    look_at_listener(listener, 64);
                    came.check(0, 1);
                    status
                }
                Call::Client(place, calls) => {
                    let mut client = null_mut();
                    let status = match place {
                        Place::Name(name) => {
                            sipc_client_connect_uds(pointer(&name.into_c()), options, &mut client, errors)
                        }
                        Place::Path(path) => {
                            sipc_client_connect_path(pointer(&path.into_c()), options, &mut client, errors)
                        }
                        Place::Port(choice) => sipc_client_connect_ip(port(choice), options, &mut client, errors),
                    };
                    assert_eq!(client.is_null(), status != SIPC_OK);
                    use_client(client, calls, options);
                    status
                }
                Call::Queue(calls) => {
                    let mut queue = null_mut();
                    // A queue that could not be made is NULL, with which all goes on as well.
                    let status = if calls.len() % 8 == 7 { SIPC_OK } else { sipc_queue_new(&mut queue, errors) };
                    use_queue(queue, calls, options, directory);
                    status
                }
                Call::ListenToPublish(name, room) => {
                    // As for other listeners.
                    let here = sipc_options_new();
                    assert_eq!(sipc_options_set_directory(here, directory.as_ptr()), SIPC_OK);
                    let mut listener = null_mut();
                    let status = sipc_listen_uds_publish(pointer(&name.into_c()), here, &mut listener, errors);
                    assert_eq!(listener.is_null(), status != SIPC_OK);
                    look_at_listener(listener, room);
                    sipc_options_free(here);
                    status
                }
                Call::Subscribe(publisher, calls) => publications::subscribe(publisher, calls, options, errors),
                Call::Stream(opened, waits, data, calls) => streams::open(opened, waits, data, calls, options, errors),
                Call::Bodies(bytes) => {
                    let text = Text::Bytes(bytes.clone()).into_c();
                    let made = [sipc_json(pointer(&text)), sipc_text(pointer(&text))];
                    assert!(made.iter().all(|body| body.len <= bytes.len()));
                    let counted = [sipc_json_n, sipc_text_n].map(|make| make(bytes.as_ptr().cast(), bytes.len()));
                    assert!(counted.iter().all(|body| body.len == bytes.len()));
                    let (json, data) = bytes.split_at(bytes.len() / 2);
                    let parts = [
                        sipc_attach(pointer(&text), data.as_ptr().cast(), data.len()),
                        sipc_attach_n(json.as_ptr().cast(), json.len(), data.as_ptr().cast(), data.len()),
                    ];
                    assert!(parts.iter().all(|parts| parts.data_len == data.len() && parts.json_len <= bytes.len()));
                    assert_eq!(sipc_attached_body(&parts[1]).len, size_of_val(&parts[1]));
                    continue;
                }
                Call::Channels(place) => {
                    let (mut list, place) = (null_mut(), place.into_c());
                    let place = if matches!(&place, Some(text) if text.is_empty()) {
                        directory.as_ptr()
                    } else {
                        pointer(&place)
                    };
                    let status = sipc_channels(place, &mut list, errors);
                    for index in 0..sipc_channel_list_len(list) {
                        let info = &*sipc_channel_list_get(list, index);
                        assert!(!CStr::from_ptr(info.channel).to_bytes().is_empty());
                    }
                    assert!(sipc_channel_list_get(list, sipc_channel_list_len(list)).is_null());
                    sipc_channel_list_free(list);
                    status
                }
                Call::Status(status) => {
                    assert!(!sipc_status_name(status).is_null());
                    assert_eq!(sipc_status_category(status), status / 100);
                    continue;
                }
                Call::Clone => {
                    sipc_options_free(sipc_options_clone(options));
                    continue;
                }
                Call::Nothing => {
                    look_at_message(null_mut());
                    look_at_error(SIPC_OK, null_mut());
                    look_at_listener(null_mut(), 64);
                    sipc_responder_free(null_mut());
                    sipc_operation_cancel(null());
                    continue;
                }
            };
            check(status, error, asked);
        }
        sipc_options_free(options);
    }
});
