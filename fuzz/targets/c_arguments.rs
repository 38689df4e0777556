//! The C functions, all of them, with whatever a program may pass that keeps the header's contract: NULL, wrong
//! numbers, texts of any bytes, options in any state, in any order. Each answers with a status of the table and, where
//! it failed, with one line of text; callbacks come exactly once.
#![no_main]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::callback::sipc_handler_report;
use simpleipc::options::publications::*;
use simpleipc::queue::{client::*, post::*, *};
use simpleipc::{body::*, client::*, discovery::*, error::*, listen::*, listener::*, message::*, operation::*};
use simpleipc::{options::*, post::*, post_async::*, publish::*, responder::*, status::*, version::*};

#[path = "c_arguments/publications.rs"]
mod publications;

use publications::{OnStream, Publisher};

#[derive(Arbitrary, Debug)]
enum Set {
    Timeout(i64),
    Wire(i32),
    Path(Text),
    PathStyle(i32),
    SocketMode(u32),
    MaxMessage(usize),
    MaxConnections(usize),
    MaxInFlight(usize),
    MaxSessionInFlight(usize),
    MaxWaiting(usize),
    MaxSessionWaiting(usize),
    HelloTimeout(i64),
    StallTimeout(i64),
    AllowSameUser,
    AllowUser(u32),
    AllowAnyone,
    Grace(i64),
    Wait(i64),
    PlainText(bool),
    Threads(usize),
    Spin(i64),
    CheckInterval(i64),
    OnHandlerFailure(bool),
    Publish(bool),
    Retain(bool),
    Patience(i64),
    Topics(Vec<Text>),
    NoTopics(bool),
    Overflow(i32),
    QueueOf(usize),
    Reconnect(Limit),
}

#[derive(Arbitrary, Debug)]
enum Text {
    Null,
    Good,
    /// A channel on which somebody listens.
    Live,
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Body {
    kind: i32,
    data: Option<Vec<u8>>,
    len_when_null: usize,
}

/// How long something may take that ends by itself: most values are mistakes, none waits for long.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Limit {
    None,
    Brief(u8),
    Negative(i64),
}

/// Only ports that cannot be: others may be somebody's.
const NO_PORTS: [u32; 3] = [0, 65536, u32::MAX];

#[derive(Arbitrary, Debug)]
enum Call {
    PostRequest(Text, Body),
    PostBroadcast(Text, Body),
    PostPort(u8, bool, Body),
    PostAsync(Text, bool, Body, Then),
    PostPortAsync(u8, bool, Body, Then),
    Listen(Text, bool, usize),
    ListenPort(u8, bool),
    Client(Place, Vec<OnClient>),
    Queue(Vec<OnQueue>),
    ListenToPublish(Text, usize),
    Subscribe(Publisher, Vec<OnStream>),
    Bodies(Vec<u8>),
    Channels(Text),
    Status(i32),
    Clone,
    Nothing,
}

#[derive(Arbitrary, Debug)]
enum Place {
    Name(Text),
    Path(Text),
    Port(u8),
}

/// What is done with an operation.
#[derive(Arbitrary, Debug)]
struct Then {
    callback: bool,
    cancel: bool,
    first: Limit,
}

#[derive(Arbitrary, Debug)]
enum OnClient {
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

#[derive(Arbitrary, Debug)]
enum OnQueue {
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
}

#[derive(Arbitrary, Debug)]
struct Program {
    null_options: bool,
    with_error: bool,
    set: Vec<Set>,
    calls: Vec<Call>,
}

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

impl Text {
    fn into_c(self) -> Option<CString> {
        match self {
            Text::Null => None,
            Text::Good => Some(c"channel".to_owned()),
            Text::Live => Some(c"live".to_owned()),
            Text::Bytes(mut bytes) => {
                bytes.retain(|&byte| byte != 0);
                Some(CString::new(bytes).unwrap())
            }
        }
    }
}

fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(null(), |text| text.as_ptr())
}

fn port(choice: u8) -> u32 {
    NO_PORTS[usize::from(choice) % NO_PORTS.len()]
}

impl Body {
    fn as_c(&self) -> sipc_body {
        match &self.data {
            Some(data) => sipc_body { kind: self.kind, data: data.as_ptr().cast(), len: data.len() },
            None => sipc_body { kind: self.kind, data: null(), len: self.len_when_null },
        }
    }
}

impl Limit {
    fn ms(self) -> i64 {
        match self {
            Limit::None => SIPC_NO_TIMEOUT,
            Limit::Brief(ms) => i64::from(ms % 4),
            Limit::Negative(ms) => -1 - (ms & i64::MAX),
        }
    }
}

/// Looks at all that an error tells, and frees it.
fn look_at_error(status: i32, error: *mut sipc_error) {
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

fn check(status: i32, error: *mut sipc_error, asked: bool) {
    assert_eq!(error.is_null(), status == SIPC_OK || !asked);
    look_at_error(status, error);
}

/// Looks at all that a message tells, through a copy, and frees both.
fn look_at_message(message: *mut sipc_message) {
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
        for text in [sipc_message_json(same), sipc_message_text(same), sipc_message_topic(same)] {
            assert!(text.is_null() || CStr::from_ptr(text).to_str().is_ok());
        }
        sipc_message_free(message);
        sipc_message_free(same);
    }
}

unsafe extern "C" fn on_message(_: *const sipc_message, _: *mut sipc_responder, _: *mut c_void) {}

unsafe extern "C" fn on_nobody_waits(_: *mut c_void) {}

unsafe extern "C" fn on_failure(_: *const sipc_handler_report, _: *mut c_void) {}

/// Answers in the way that the request's first byte says.
unsafe extern "C" fn on_request(message: *const sipc_message, responder: *mut sipc_responder, _: *mut c_void) {
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

/// How many callbacks came, and how many drops, for this `user_data`.
#[derive(Default)]
struct Came {
    callbacks: AtomicUsize,
    drops: AtomicUsize,
}

impl Came {
    fn user_data(&self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Every drop has come, and a callback for each call that began.
    fn check(&self, begun: usize, asked: usize) {
        assert_eq!((self.callbacks.load(Ordering::SeqCst), self.drops.load(Ordering::SeqCst)), (begun, asked));
    }
}

unsafe extern "C" fn on_reply(status: i32, reply: *mut sipc_message, error: *mut sipc_error, came: *mut c_void) {
    assert_eq!(status == SIPC_OK, error.is_null());
    look_at_error(status, error);
    look_at_message(reply);
    // SAFETY: it outlives the call.
    unsafe { &*came.cast::<Came>() }.callbacks.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn on_drop(came: *mut c_void) {
    // SAFETY: it outlives the call.
    unsafe { &*came.cast::<Came>() }.drops.fetch_add(1, Ordering::SeqCst);
}

/// # Safety
///
/// `options` is what `sipc_options_new` gave.
unsafe fn set(options: *mut sipc_options, set: Set) {
    // SAFETY: as the caller promises; texts live until the call returns.
    let status = unsafe {
        match set {
            Set::Timeout(ms) => sipc_options_set_timeout_ms(options, ms),
            Set::Wire(wire) => sipc_options_set_wire(options, wire),
            Set::Path(path) => sipc_options_set_path(options, pointer(&path.into_c())),
            Set::PathStyle(style) => sipc_options_set_path_style(options, style),
            Set::SocketMode(mode) => sipc_options_set_socket_mode(options, mode),
            Set::MaxMessage(bytes) => sipc_options_set_max_message(options, bytes),
            Set::MaxConnections(connections) => sipc_options_set_max_connections(options, connections),
            Set::MaxInFlight(messages) => sipc_options_set_max_in_flight(options, messages),
            Set::MaxSessionInFlight(messages) => sipc_options_set_max_session_in_flight(options, messages),
            Set::MaxWaiting(bytes) => sipc_options_set_max_waiting(options, bytes),
            Set::MaxSessionWaiting(bytes) => sipc_options_set_max_session_waiting(options, bytes),
            Set::HelloTimeout(ms) => sipc_options_set_hello_timeout_ms(options, ms),
            Set::StallTimeout(ms) => sipc_options_set_stall_timeout_ms(options, ms),
            Set::AllowSameUser => sipc_options_allow_same_user(options),
            Set::AllowUser(uid) => sipc_options_allow_user(options, uid),
            Set::AllowAnyone => sipc_options_allow_anyone(options),
            Set::Grace(ms) => sipc_options_set_grace_ms(options, ms),
            // Mistakes, and waits that are over at once.
            Set::Wait(ms) => sipc_options_set_wait_ms(options, ms.min(1)),
            Set::PlainText(accept) => sipc_options_set_plain_text(options, accept),
            Set::Threads(threads) => sipc_options_set_threads(options, threads),
            Set::Spin(us) => sipc_options_set_spin_us(options, us),
            Set::CheckInterval(ms) => sipc_options_set_check_interval_ms(options, ms),
            Set::OnHandlerFailure(some) => {
                sipc_options_on_handler_failure(options, some.then_some(on_failure), null_mut(), None)
            }
            Set::Publish(publish) => sipc_options_set_publish(options, publish),
            Set::Retain(retain) => sipc_options_set_retain(options, retain),
            // As waits: what is no mistake is over at once.
            Set::Patience(ms) => sipc_options_set_patience_ms(options, ms.min(1)),
            Set::Topics(topics) => {
                let topics: Vec<_> = topics.into_iter().map(Text::into_c).collect();
                let pointers: Vec<_> = topics.iter().map(pointer).collect();
                sipc_options_set_topics(options, pointers.as_ptr(), pointers.len())
            }
            Set::NoTopics(counted) => sipc_options_set_topics(options, null(), usize::from(counted)),
            Set::Overflow(overflow) => sipc_options_set_overflow(options, overflow),
            Set::QueueOf(bytes) => sipc_options_set_queue(options, bytes),
            Set::Reconnect(limit) => sipc_options_set_reconnect_ms(options, limit.ms()),
        }
    };
    check(status, null_mut(), false);
}

/// Waits for the end of an operation, in the way that `then` says, and frees it.
///
/// # Safety
///
/// `operation` is what a call that returned `status` stored.
unsafe fn finish(status: i32, operation: *mut sipc_operation, then: &Then) {
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
unsafe fn use_client(client: *mut sipc_client, calls: Vec<OnClient>, options: *mut sipc_options) {
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

/// What a program does with a queue, which may be NULL.
///
/// # Safety
///
/// `queue` and `options` are NULL or good.
unsafe fn use_queue(queue: *mut sipc_queue, calls: Vec<OnQueue>, options: *mut sipc_options) {
    let came = Came::default();
    let (mut begun, mut asked) = (0, 0);
    let (mut client, mut ticket) = (0, 0);
    // SAFETY: as the caller promises.
    unsafe {
        for call in calls.into_iter().take(16) {
            let mut error = null_mut();
            let errors = &raw mut error;
            let (callback, user_data, drop) = (Some(on_reply as _), came.user_data(), Some(on_drop as _));
            let calls_back = !matches!(
                call,
                OnQueue::Connect(_) | OnQueue::Broadcast(_) | OnQueue::Submit | OnQueue::Process | OnQueue::Wait(_)
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
            };
            if calls_back {
                (begun, asked) = (begun + usize::from(status == SIPC_OK), asked + 1);
            }
            check(status, error, true);
            assert_eq!(sipc_queue_descriptor(queue) < 0, queue.is_null());
        }
        sipc_queue_free(queue);
    }
    came.check(begun, asked);
}

/// All that a listener tells, with room for so many bytes of counters.
///
/// # Safety
///
/// `listener` is NULL or good.
unsafe fn look_at_listener(listener: *mut sipc_listener, room: usize) {
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
                    use_queue(queue, calls, options);
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
                Call::Bodies(bytes) => {
                    let text = Text::Bytes(bytes.clone()).into_c();
                    let made = [sipc_json(pointer(&text)), sipc_text(pointer(&text))];
                    assert!(made.iter().all(|body| body.len <= bytes.len()));
                    let counted = [sipc_json_n, sipc_text_n].map(|make| make(bytes.as_ptr().cast(), bytes.len()));
                    assert!(counted.iter().all(|body| body.len == bytes.len()));
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
