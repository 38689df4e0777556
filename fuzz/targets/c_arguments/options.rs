//! What a program sets of its options.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::callback::sipc_handler_report;
use simpleipc::options::{publications::*, *};

use super::{Limit, Text, check, pointer};

#[derive(Arbitrary, Debug)]
pub(crate) enum Set {
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
    IdleTimeout(i64),
    AllowSameUser,
    AllowUser(u32),
    AllowAnyone,
    Grace(i64),
    Wait(i64),
    PlainText(bool),
    Tap(bool),
    Threads(usize),
    Spin(i64),
    SharedMemory(usize),
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

pub(crate) unsafe extern "C" fn on_failure(_: *const sipc_handler_report, _: *mut c_void) {}

/// # Safety
///
/// `options` is what `sipc_options_new` gave.
pub(crate) unsafe fn set(options: *mut sipc_options, set: Set) {
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
            Set::IdleTimeout(ms) => sipc_options_set_idle_timeout_ms(options, ms),
            Set::AllowSameUser => sipc_options_allow_same_user(options),
            Set::AllowUser(uid) => sipc_options_allow_user(options, uid),
            Set::AllowAnyone => sipc_options_allow_anyone(options),
            Set::Grace(ms) => sipc_options_set_grace_ms(options, ms),
            // Mistakes, and waits that are over at once.
            Set::Wait(ms) => sipc_options_set_wait_ms(options, ms.min(1)),
            Set::PlainText(accept) => sipc_options_set_plain_text(options, accept),
            Set::Tap(allow) => sipc_options_set_tap(options, allow),
            Set::Threads(threads) => sipc_options_set_threads(options, threads),
            Set::Spin(us) => sipc_options_set_spin_us(options, us),
            Set::SharedMemory(bytes) => sipc_options_set_shared_memory(options, bytes),
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
