//! The C functions with whatever a program may pass that keeps the header's contract: NULL, wrong numbers,
//! texts of any bytes, options in any state. Each answers with a status of the table and, where it failed,
//! with one line of text.
#![no_main]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::body::sipc_body;
use simpleipc::{discovery::*, error::*, listen::*, listener::*, message::*, options::*, post::*, status::*};

#[derive(Arbitrary, Debug)]
enum Set {
    Timeout(i64),
    Wire(i32),
    Path(Text),
    PathStyle(i32),
    SocketMode(u32),
    MaxMessage(usize),
    MaxConnections(usize),
    AllowSameUser,
    AllowUser(u32),
    AllowAnyone,
    Grace(i64),
    PlainText(bool),
    Threads(usize),
    Spin(i64),
    CheckInterval(i64),
}

#[derive(Arbitrary, Debug)]
enum Text {
    Null,
    Good,
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Body {
    kind: i32,
    data: Option<Vec<u8>>,
    len_when_null: usize,
}

#[derive(Arbitrary, Debug)]
enum Call {
    PostRequest(Text, Body),
    PostBroadcast(Text, Body),
    /// Only ports that cannot be: others may be somebody's.
    PostPort(Body),
    Listen(Text, bool),
    Channels,
    Status(i32),
    Clone,
}

#[derive(Arbitrary, Debug)]
struct Program {
    null_options: bool,
    with_error: bool,
    set: Vec<Set>,
    calls: Vec<Call>,
}

/// A directory of this process, where all channels are.
fn directory() -> &'static CStr {
    static DIRECTORY: OnceLock<CString> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("sipc-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        // SAFETY: libFuzzer runs the target on one thread, and no other reads the environment yet.
        unsafe { std::env::set_var("SIMPLE_IPC_DIR", &path) };
        CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
    })
}

impl Text {
    fn into_c(self) -> Option<CString> {
        match self {
            Text::Null => None,
            Text::Good => Some(c"channel".to_owned()),
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

impl Body {
    fn as_c(&self) -> sipc_body {
        match &self.data {
            Some(data) => sipc_body { kind: self.kind, data: data.as_ptr().cast(), len: data.len() },
            None => sipc_body { kind: self.kind, data: null(), len: self.len_when_null },
        }
    }
}

fn check(status: i32, error: *mut sipc_error, asked: bool) {
    // SAFETY: the error is what the call just gave, or NULL; it is freed once.
    unsafe {
        assert_ne!(CStr::from_ptr(sipc_status_name(status)), c"unknown");
        assert_ne!(status, SIPC_INTERNAL);
        assert_eq!(error.is_null(), status == SIPC_OK || !asked);
        if !error.is_null() {
            assert_eq!(sipc_error_status(error), status);
            let text = CStr::from_ptr(sipc_error_message(error)).to_str().unwrap();
            assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
            sipc_error_free(error);
        }
    }
}

unsafe extern "C" fn on_message(_: *const sipc_message, _: *mut simpleipc::responder::sipc_responder, _: *mut c_void) {}

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
            Set::AllowSameUser => sipc_options_allow_same_user(options),
            Set::AllowUser(uid) => sipc_options_allow_user(options, uid),
            Set::AllowAnyone => sipc_options_allow_anyone(options),
            Set::Grace(ms) => sipc_options_set_grace_ms(options, ms),
            Set::PlainText(accept) => sipc_options_set_plain_text(options, accept),
            Set::Threads(threads) => sipc_options_set_threads(options, threads),
            Set::Spin(us) => sipc_options_set_spin_us(options, us),
            Set::CheckInterval(ms) => sipc_options_set_check_interval_ms(options, ms),
        }
    };
    check(status, null_mut(), false);
}

libfuzzer_sys::fuzz_target!(|program: Program| {
    let directory = directory();
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
                    assert!(reply.is_null(), "nobody listens");
                    status
                }
                Call::PostBroadcast(name, body) => {
                    sipc_post_uds_broadcast(pointer(&name.into_c()), body.as_c(), options, errors)
                }
                Call::PostPort(body) => sipc_post_ip_broadcast(65536, body.as_c(), options, errors),
                Call::Listen(name, requests) => {
                    // In the directory of this process, whatever path the options have.
                    let here = sipc_options_new();
                    assert_eq!(sipc_options_set_directory(here, directory.as_ptr()), SIPC_OK);
                    let name = name.into_c();
                    let mut listener = null_mut();
                    let listen = if requests { sipc_listen_uds_request } else { sipc_listen_uds_broadcast };
                    let status =
                        listen(pointer(&name), Some(on_message), null_mut(), None, here, &mut listener, errors);
                    assert_eq!(listener.is_null(), status != SIPC_OK);
                    if !listener.is_null() {
                        assert_eq!(sipc_listener_close(listener, null_mut()), SIPC_OK);
                    }
                    sipc_listener_free(listener);
                    sipc_options_free(here);
                    status
                }
                Call::Channels => {
                    let mut list = null_mut();
                    let status = sipc_channels(directory.as_ptr(), &mut list, errors);
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
            };
            check(status, error, asked);
        }
        sipc_options_free(options);
    }
});
