//! `sipc_options`: the limits and choices of a listener, a client or a single call.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use simple_ipc::{DEFAULT_TIMEOUT, Error, ErrorKind, HandlerReport, Options, PathStyle, Peers, Result, Wire};

use crate::argument;
use crate::boundary;
use crate::callback::{self, UserData, sipc_drop, sipc_failure_callback, sipc_handler_report};
use crate::discovery::mode_number;
use crate::error::c_string;
use crate::handle::Handle;
use crate::status::sipc_status;

pub mod publications;

/// No limit of time, where a call takes milliseconds.
pub const SIPC_NO_TIMEOUT: i64 = -1;

/// Native where the listener is this library, else the Deno wire. The default.
pub const SIPC_WIRE_AUTO: i32 = 0;
/// Native sessions only: `SIPC_NOT_LISTENING` where no listener of this library is there.
pub const SIPC_WIRE_NATIVE: i32 = 1;
/// The Deno original's wire only: one connection per message.
pub const SIPC_WIRE_DENO: i32 = 2;

/// `.deno.{name}.socket`: this library; the Deno original's v0.0.1 and v0.0.2. The default.
pub const SIPC_PATH_V0_0_1: i32 = 0;
/// `.{name}.socket`: the original's v0.0.3 and v0.0.4.
pub const SIPC_PATH_V0_0_3: i32 = 1;
/// `.{name}.sock`: the original's v0.0.5 to v0.0.13.
pub const SIPC_PATH_V0_0_5: i32 = 2;
/// `{name}.sock`: the original's v0.0.14.
pub const SIPC_PATH_V0_0_14: i32 = 3;

/// Limits and choices for listening, posting, connecting and subscribing. What does not concern a call is ignored
/// by it. Calls copy what they need: options may be changed or freed right after.
///
/// A setter that is given nonsense returns `SIPC_INVALID_ARGUMENT`, and so does every call that is
/// given such options afterwards, with the text: a program may ignore what setters return.
#[derive(Clone)]
pub struct sipc_options {
    /// Shared with the posts that use them, which so copy nothing.
    options: Arc<Options>,
    /// The timeout once more, for calls of a client that has options of its own.
    timeout: Option<Duration>,
    /// The users allowed one by one so far.
    users: Vec<u32>,
    /// What the first setter that failed said.
    mistake: Option<String>,
}

impl Handle for sipc_options {
    const NOUN: &'static str = "options";
}

impl sipc_options {
    fn new() -> sipc_options {
        sipc_options {
            options: Arc::new(Options::new()),
            timeout: Some(DEFAULT_TIMEOUT),
            users: Vec::new(),
            mistake: None,
        }
    }

    /// The options that C gave: NULL means the defaults.
    ///
    /// # Safety
    /// `options` is NULL or alive, and not changed meanwhile.
    pub(crate) unsafe fn read(options: *const sipc_options) -> Result<Options> {
        // SAFETY: by this function's contract.
        unsafe { sipc_options::share(options) }.map(Arc::unwrap_or_clone)
    }

    /// The same, which stay what they are while C changes or frees its own.
    ///
    /// # Safety
    /// As for [`read`](sipc_options::read).
    pub(crate) unsafe fn share(options: *const sipc_options) -> Result<Arc<Options>> {
        static DEFAULTS: OnceLock<Arc<Options>> = OnceLock::new();
        // SAFETY: by this function's contract.
        match unsafe { sipc_options::borrow_or_null(options) } {
            None => Ok(Arc::clone(DEFAULTS.get_or_init(Arc::default))),
            Some(sipc_options { mistake: Some(mistake), .. }) => {
                Err(Error::new(ErrorKind::InvalidArgument, mistake.clone()))
            }
            Some(given) => Ok(Arc::clone(&given.options)),
        }
    }

    /// The timeout of a call of a client: NULL means the client's own.
    ///
    /// # Safety
    /// As for [`read`](sipc_options::read).
    pub(crate) unsafe fn read_timeout(
        options: *const sipc_options,
        of_client: Option<Duration>,
    ) -> Result<Option<Duration>> {
        // SAFETY: by this function's contract.
        Ok(unsafe { sipc_options::read_own_timeout(options) }?.unwrap_or(of_client))
    }

    /// The same; `None` is that of the client, where a call has no options.
    ///
    /// # Safety
    /// `options` is NULL or alive.
    pub(crate) unsafe fn read_own_timeout(options: *const sipc_options) -> Result<Option<Option<Duration>>> {
        // SAFETY: by this function's contract.
        match unsafe { sipc_options::borrow_or_null(options) } {
            None => Ok(None),
            Some(sipc_options { mistake: Some(mistake), .. }) => {
                Err(Error::new(ErrorKind::InvalidArgument, mistake.clone()))
            }
            Some(given) => Ok(Some(given.timeout)),
        }
    }
}

/// Sets one option.
///
/// # Safety
/// `options` is NULL or alive and used by nobody else meanwhile.
unsafe fn set(
    options: *mut sipc_options,
    change: impl FnOnce(Options, &mut sipc_options) -> Result<Options>,
) -> sipc_status {
    // SAFETY: no place for an error; `options` by this function's contract.
    unsafe {
        boundary::fallible(std::ptr::null_mut(), || {
            let given = sipc_options::borrow_mut_or_null(options).ok_or_else(|| argument::null("options"))?;
            match change(Options::clone(&given.options), given) {
                Ok(changed) => given.options = Arc::new(changed),
                Err(mistake) => {
                    given.mistake.get_or_insert_with(|| mistake.message().to_owned());
                    return Err(mistake);
                }
            }
            Ok(())
        })
    }
}

/// The defaults, which suit most programs. Owned by the caller.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_options_new() -> *mut sipc_options {
    boundary::infallible(std::ptr::null_mut(), || sipc_options::new().into_handle())
}

/// A copy, owned by the caller.
///
/// `options`: NULL gives the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_clone(options: *const sipc_options) -> *mut sipc_options {
    boundary::infallible(std::ptr::null_mut(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let given = unsafe { sipc_options::borrow_or_null(options) };
        given.cloned().unwrap_or_else(sipc_options::new).into_handle()
    })
}

/// Frees options.
///
/// `options`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_free(options: *mut sipc_options) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_options::take(options) }));
}

/// How long a call may take from being made to its answer: 30000 unless set, `SIPC_NO_TIMEOUT` for
/// no limit. Of a stream it is the time of the whole stream, which has no limit unless this is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_timeout_ms(options: *mut sipc_options, timeout_ms: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, given| {
            given.timeout = argument::timeout(timeout_ms)?;
            Ok(match given.timeout {
                Some(timeout) => options.timeout(timeout),
                None => options.no_timeout(),
            })
        })
    }
}

/// The longest that the caller of a stream waits for the handler to begin, for an item, and for room to send one: then the
/// stream ends with `SIPC_TIMED_OUT`. Unless set, 30000 for the beginning, and no limit for the other two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_idle_timeout_ms(
    options: *mut sipc_options,
    idle_timeout_ms: i64,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| Ok(options.idle_timeout(argument::milliseconds(idle_timeout_ms, "idle_timeout_ms")?)))
    }
}

/// Which dialect a client speaks: one of the `SIPC_WIRE_` constants, `SIPC_WIRE_AUTO` unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_wire(options: *mut sipc_options, wire: i32) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.wire(match wire {
                SIPC_WIRE_AUTO => Wire::Auto,
                SIPC_WIRE_NATIVE => Wire::Native,
                SIPC_WIRE_DENO => Wire::Deno,
                other => return Err(unknown("wire", other)),
            }))
        })
    }
}

/// The directory of sockets and lock files, instead of that in the environment variable
/// `SIMPLE_IPC_DIR` or `/tmp`. Copied.
///
/// `directory`: NULL gives `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_directory(
    options: *mut sipc_options,
    directory: *const c_char,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.directory(argument::path(directory, "directory")?))) }
}

/// The socket's full path, instead of one made from the directory and the channel's name. Copied.
///
/// `path`: NULL gives `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_path(options: *mut sipc_options, path: *const c_char) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.path(argument::path(path, "path")?))) }
}

/// How the socket's file is called: one of the `SIPC_PATH_` constants, `SIPC_PATH_V0_0_1` unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_path_style(options: *mut sipc_options, path_style: i32) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.path_style(match path_style {
                SIPC_PATH_V0_0_1 => PathStyle::V0_0_1,
                SIPC_PATH_V0_0_3 => PathStyle::V0_0_3,
                SIPC_PATH_V0_0_5 => PathStyle::V0_0_5,
                SIPC_PATH_V0_0_14 => PathStyle::V0_0_14,
                other => return Err(unknown("path style", other)),
            }))
        })
    }
}

/// The permission bits of a listener's socket file, 0 to 0777: 0600 unless set. Letting another user
/// in needs `sipc_options_allow_user` too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_socket_mode(options: *mut sipc_options, mode: u32) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.socket_mode(mode))) }
}

/// The largest body, in bytes, that is sent or taken: 64 MiB unless set, at most 4 GiB - 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_message(options: *mut sipc_options, bytes: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_message(bytes))) }
}

/// The most connections that a listener holds at once: 1024 unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_connections(
    options: *mut sipc_options,
    connections: usize,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_connections(connections))) }
}

/// The most requests of one session that a listener has in flight, and broadcasts that wait in it: 1024
/// unless set. At the limit the listener stops reading the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_session_in_flight(
    options: *mut sipc_options,
    messages: usize,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_session_in_flight(messages))) }
}

/// The most messages that a listener has in flight on all connections together: 16384 unless set. At the
/// limit it stops reading those who send more. Threads that take messages at the same moment may
/// exceed it by one each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_in_flight(options: *mut sipc_options, messages: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_in_flight(messages))) }
}

/// The most bytes of one session's messages that wait for handlers, and of its answers that wait for the
/// client to read, each: 4 MiB unless set. At the limit the listener stops reading the session. A single
/// larger message still passes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_session_waiting(options: *mut sipc_options, bytes: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_session_waiting(bytes))) }
}

/// The most bytes, on all connections of a listener together, of messages that wait for handlers, and of
/// answers that wait for clients to read, each: 256 MiB unless set. At the limit for messages the
/// listener stops reading; at that for answers, only those clients that do not read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_max_waiting(options: *mut sipc_options, bytes: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.max_waiting(bytes))) }
}

/// How long a new connection to a listener may take to its first byte, and then to the end of its hello:
/// 10000 each unless set, more than 0. It is closed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_hello_timeout_ms(
    options: *mut sipc_options,
    hello_timeout_ms: i64,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.hello_timeout(argument::milliseconds(hello_timeout_ms, "hello_timeout_ms")?))
        })
    }
}

/// How long the other end of a connection without a session (Deno wire, plain text) may be silent inside
/// a message, or take nothing of its answer: 30000 unless set, more than 0. It is closed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_stall_timeout_ms(
    options: *mut sipc_options,
    stall_timeout_ms: i64,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.stall_timeout(argument::milliseconds(stall_timeout_ms, "stall_timeout_ms")?))
        })
    }
}

/// Lets only the user of this process (and root) be at the other end: the default. Takes back what
/// `sipc_options_allow_user` and `sipc_options_allow_anyone` allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_allow_same_user(options: *mut sipc_options) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, given| {
            given.users.clear();
            Ok(options.peers(Peers::SameOwner))
        })
    }
}

/// Lets this user be at the other end, besides root and those allowed by earlier calls. The user of
/// this process is no longer allowed by default then; name it too if it is to be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_allow_user(options: *mut sipc_options, uid: u32) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, given| {
            given.users.push(uid);
            Ok(options.peers(Peers::uids(given.users.iter().copied())))
        })
    }
}

/// Lets every user of this machine be at the other end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_allow_anyone(options: *mut sipc_options) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, given| {
            given.users.clear();
            Ok(options.peers(Peers::Anyone))
        })
    }
}

/// How long a closing listener waits for handlers that are running: 5000 unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_grace_ms(options: *mut sipc_options, grace_ms: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.grace(argument::milliseconds(grace_ms, "grace_ms")?))) }
}

/// How long a post waits for a listener to appear before it fails with `SIPC_NOT_LISTENING`: 0 unless
/// set. The timeout starts after it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_wait_ms(options: *mut sipc_options, wait_ms: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.wait(argument::milliseconds(wait_ms, "wait_ms")?))) }
}

/// Whether a listener takes plain text: yes on Unix sockets and no on TCP unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_plain_text(options: *mut sipc_options, accept: bool) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.plain_text(accept))) }
}

/// Whether a listener lets processes of its own user and root see what passes (messages, answers, and the items of streams), with
/// `simple-ipc tap`: no unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_tap(options: *mut sipc_options, allow: bool) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.tap(allow))) }
}

/// The most threads that a listener runs handlers on: 256 unless set. Beyond them messages wait for
/// a thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_threads(options: *mut sipc_options, threads: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.threads(threads))) }
}

/// How long, in microseconds, a thread that owns a session polls for the next message before it
/// blocks, where polling has lately paid: 100 unless set, 0 for never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_spin_us(options: *mut sipc_options, spin_us: i64) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            let spin = u64::try_from(spin_us)
                .map_err(|_| Error::new(ErrorKind::InvalidArgument, format!("spin_us is negative: {spin_us}")))?;
            Ok(options.spin(Duration::from_micros(spin)))
        })
    }
}

/// How many bytes of memory a listener shares with its clients, all sessions together, and whether a client asks for any,
/// which it does unless this is 0: what the environment variable `SIMPLE_IPC_SHARED_MEMORY` says unless set, a number of bytes,
/// and without that 0. Between processes of one user, on Linux, a busy session on a Unix socket then goes over to memory, of
/// which it takes 516 KiB; elsewhere, and where no memory can be had, it goes on by its socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_shared_memory(options: *mut sipc_options, bytes: usize) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe { set(options, |options, _| Ok(options.shared_memory(bytes))) }
}

/// How often a listener looks whether its socket and lock file still stand, and puts them back if
/// something removed them: 30000 unless set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_set_check_interval_ms(
    options: *mut sipc_options,
    check_interval_ms: i64,
) -> sipc_status {
    // SAFETY: by the header's contract.
    unsafe {
        set(options, |options, _| {
            Ok(options.check_interval(argument::milliseconds(check_interval_ms, "check_interval_ms")?))
        })
    }
}

/// Has a listener call back once for each failure of its handler that no caller hears of: of a broadcast, or
/// of a request whose caller has gone, has given up, or speaks a wire that carries no text. It is called,
/// too, when the listener first has as many messages in flight as it may. Not called unless set.
///
/// `callback`: not NULL; on the thread of the handler or another one of the library, several at once where
/// several fail at once. `user_data`: handed to it; may be NULL. `drop`: releases it; may be NULL: called
/// when these options, their clones and all listeners that were given them are gone, or have another
/// callback; at once if this fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_options_on_handler_failure(
    options: *mut sipc_options,
    callback: sipc_failure_callback,
    user_data: *mut c_void,
    drop: sipc_drop,
) -> sipc_status {
    let user_data = UserData::new(user_data, drop);
    // SAFETY: by the header's contract.
    unsafe {
        set(options, move |options, _| {
            let callback = callback.ok_or_else(|| argument::null("callback"))?;
            Ok(options.on_handler_failure(move |report| tell(report, callback, &user_data)))
        })
    }
}

fn tell(
    report: &HandlerReport<'_>,
    callback: unsafe extern "C" fn(*const sipc_handler_report, *mut c_void),
    user_data: &UserData,
) {
    let (channel, message) = (c_string(&report.channel().to_string()), c_string(report.message()));
    let (peer, known) = (report.peer(), |id: Option<i64>| id.unwrap_or(-1));
    let report = sipc_handler_report {
        channel: channel.as_ptr(),
        mode: mode_number(Some(report.mode())),
        status: report.kind().code(),
        message: message.as_ptr(),
        uid: known(peer.uid().map(i64::from)),
        gid: known(peer.gid().map(i64::from)),
        pid: known(peer.pid().map(i64::from)),
    };
    callback::in_callback(|| {
        // SAFETY: a C function of this signature, with what it may look at during the call and the data that
        // was given with it.
        unsafe { callback(&raw const report, user_data.pointer()) };
    });
}

fn unknown(what: &str, value: i32) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("there is no {what} {value}; use one of the constants"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{SIPC_INVALID_ARGUMENT, SIPC_OK};

    #[test]
    fn setters_set_what_they_name() {
        let options = sipc_options_new();
        // SAFETY: `options` is alive until it is freed at the end; strings are static.
        unsafe {
            let statuses = [
                sipc_options_set_timeout_ms(options, SIPC_NO_TIMEOUT),
                sipc_options_set_wire(options, SIPC_WIRE_DENO),
                sipc_options_set_directory(options, c"/run/x".as_ptr()),
                sipc_options_set_path(options, c"/run/y".as_ptr()),
                sipc_options_set_path_style(options, SIPC_PATH_V0_0_14),
                sipc_options_set_socket_mode(options, 0o660),
                sipc_options_set_max_message(options, 5),
                sipc_options_set_max_connections(options, 6),
                sipc_options_allow_anyone(options),
                sipc_options_allow_user(options, 7),
                sipc_options_allow_user(options, 8),
                sipc_options_set_grace_ms(options, 9),
                sipc_options_set_wait_ms(options, 10),
                sipc_options_set_plain_text(options, true),
                sipc_options_set_threads(options, 11),
                sipc_options_set_spin_us(options, 12),
                sipc_options_set_check_interval_ms(options, 13),
                sipc_options_set_max_session_in_flight(options, 14),
                sipc_options_set_max_in_flight(options, 15),
                sipc_options_set_max_session_waiting(options, 16),
                sipc_options_set_max_waiting(options, 17),
                sipc_options_set_hello_timeout_ms(options, 18),
                sipc_options_set_stall_timeout_ms(options, 19),
                sipc_options_set_idle_timeout_ms(options, 20),
                sipc_options_set_tap(options, true),
                sipc_options_set_shared_memory(options, 21),
            ];
            assert!(statuses.iter().all(|&status| status == SIPC_OK), "{statuses:?}");
            let expected = Options::new()
                .no_timeout()
                .wire(Wire::Deno)
                .directory("/run/x")
                .path("/run/y")
                .path_style(PathStyle::V0_0_14)
                .socket_mode(0o660)
                .max_message(5)
                .max_connections(6)
                .peers(Peers::uids([7, 8]))
                .grace(Duration::from_millis(9))
                .wait(Duration::from_millis(10))
                .plain_text(true)
                .threads(11)
                .spin(Duration::from_micros(12))
                .check_interval(Duration::from_millis(13))
                .max_session_in_flight(14)
                .max_in_flight(15)
                .max_session_waiting(16)
                .max_waiting(17)
                .hello_timeout(Duration::from_millis(18))
                .stall_timeout(Duration::from_millis(19))
                .idle_timeout(Duration::from_millis(20))
                .tap(true)
                .shared_memory(21);
            let copy = sipc_options_clone(options);
            sipc_options_free(options);
            assert_eq!(sipc_options::read(copy).unwrap(), expected);
            assert_eq!(sipc_options::read_timeout(copy, Some(Duration::ZERO)).unwrap(), None);
            sipc_options_allow_same_user(copy);
            assert_eq!(sipc_options::read(copy).unwrap(), expected.peers(Peers::SameOwner));
            sipc_options_free(copy);
        }
    }

    #[test]
    fn nonsense_is_reported_by_the_setter_and_again_by_the_call_that_uses_it() {
        let options = sipc_options_new();
        // SAFETY: `options` is alive until it is freed at the end.
        unsafe {
            assert_eq!(sipc_options_set_wire(options, 9), SIPC_INVALID_ARGUMENT);
            assert_eq!(sipc_options_set_timeout_ms(options, -2), SIPC_INVALID_ARGUMENT);
            let error = sipc_options::read(options).unwrap_err();
            assert_eq!(error.message(), "there is no wire 9; use one of the constants");
            sipc_options_free(options);
            assert_eq!(sipc_options_set_threads(std::ptr::null_mut(), 1), SIPC_INVALID_ARGUMENT);
        }
    }
}
