//! `sipc_status`: the numbers of core's error kinds, under their C names.

use std::ffi::{CStr, c_char};

use simple_ipc::ErrorKind;

use crate::boundary;

/// What became of a call: `SIPC_OK` or the reason why it failed. `status / 100` is its category.
/// Numbers are never changed or used again; new ones may be added, so treat an unknown number by
/// its category.
pub type sipc_status = i32;

/// The call succeeded.
pub const SIPC_OK: sipc_status = 0;

/// 1xx, the caller's mistake: an argument or option does not make sense; the message says which.
pub const SIPC_INVALID_ARGUMENT: sipc_status = 101;
/// A channel name is not 1 to 85 characters of `A-Z a-z 0-9 _`.
pub const SIPC_INVALID_NAME: sipc_status = 102;
/// A port is outside 1 to 65535 (0 is allowed to listen only).
pub const SIPC_INVALID_PORT: sipc_status = 103;
/// The socket's whole path does not fit a Unix socket address.
pub const SIPC_PATH_TOO_LONG: sipc_status = 104;
/// The body that was given to be sent is not JSON, or not UTF-8.
pub const SIPC_INVALID_JSON: sipc_status = 105;
/// The listener or client was closed before this call, or the stream takes nothing more: the other side has ended it, or
/// it was ended here.
pub const SIPC_CLOSED: sipc_status = 106;
/// The listener or client was made before a `fork` and is used in the child.
pub const SIPC_FORKED: sipc_status = 107;

/// 2xx, the channel: nobody listens on it.
pub const SIPC_NOT_LISTENING: sipc_status = 201;
/// Another process (or listener) already listens on the channel.
pub const SIPC_IN_USE: sipc_status = 202;
/// The operating system does not permit the access.
pub const SIPC_PERMISSION_DENIED: sipc_status = 203;
/// Something that is not our socket or lock file stands at the path; it was left alone.
pub const SIPC_PATH_OCCUPIED: sipc_status = 204;
/// The directory of the socket does not exist.
pub const SIPC_NO_DIRECTORY: sipc_status = 205;
/// The process at the other end belongs to a user that is not trusted here.
pub const SIPC_PEER_NOT_ALLOWED: sipc_status = 206;
/// The listener does not take what was sent: a request where it takes broadcasts, or the other way round; a
/// subscription where it does not publish; a plain request where the handler answers with a stream. Or this process
/// publishes on a listener that does not.
pub const SIPC_WRONG_MODE: sipc_status = 207;
/// The listener takes no more connections or messages just now.
pub const SIPC_TOO_MANY_CONNECTIONS: sipc_status = 208;

/// 3xx, the peer or the message: no answer within the timeout; the message may have been handled.
pub const SIPC_TIMED_OUT: sipc_status = 301;
/// The call was cancelled.
pub const SIPC_CANCELLED: sipc_status = 302;
/// The connection broke before the answer came.
pub const SIPC_CONNECTION_LOST: sipc_status = 303;
/// The handler failed; its text is in the message.
pub const SIPC_HANDLER_FAILED: sipc_status = 304;
/// The message is larger than one of the two sides takes.
pub const SIPC_TOO_LARGE: sipc_status = 305;
/// The listener closed the connection without an answer (Deno wire).
pub const SIPC_NO_REPLY: sipc_status = 306;
/// The listener is closing and did not take the message.
pub const SIPC_CLOSING: sipc_status = 307;
/// The publisher cut the subscription off, as more waited for it than may; what was sent before came.
pub const SIPC_TOO_SLOW: sipc_status = 308;

/// 4xx, the wire: the peer broke the protocol.
pub const SIPC_PROTOCOL: sipc_status = 401;
/// The peer speaks another version of the protocol.
pub const SIPC_UNSUPPORTED_VERSION: sipc_status = 402;
/// A body that arrived is not JSON where JSON is due.
pub const SIPC_INVALID_BODY: sipc_status = 403;

/// 5xx, this machine: the operating system reported an error that fits no other status.
pub const SIPC_OS: sipc_status = 501;
/// Out of file descriptors, memory, disk or threads.
pub const SIPC_OUT_OF_RESOURCES: sipc_status = 502;
/// A defect of this library; please report it.
pub const SIPC_INTERNAL: sipc_status = 503;

/// A category: the call succeeded.
pub const SIPC_CATEGORY_OK: i32 = 0;
/// A category: the caller's own mistake.
pub const SIPC_CATEGORY_CALLER: i32 = 1;
/// A category: the channel.
pub const SIPC_CATEGORY_CHANNEL: i32 = 2;
/// A category: the peer or the message.
pub const SIPC_CATEGORY_PEER: i32 = 3;
/// A category: the wire.
pub const SIPC_CATEGORY_WIRE: i32 = 4;
/// A category: this machine.
pub const SIPC_CATEGORY_MACHINE: i32 = 5;

/// The stable name of a status, such as "not_listening"; "ok" for `SIPC_OK`, "unknown" for a number
/// that is not a status of this version. Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_status_name(status: sipc_status) -> *const c_char {
    boundary::infallible(c"unknown".as_ptr(), || name(status).as_ptr())
}

/// The category of a status, `status / 100`: one of the `SIPC_CATEGORY_` constants.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_status_category(status: sipc_status) -> i32 {
    status / 100
}

fn name(status: sipc_status) -> &'static CStr {
    if status == SIPC_OK {
        return c"ok";
    }
    let Some(kind) = ErrorKind::from_code(status) else { return c"unknown" };
    let at = ErrorKind::ALL.iter().position(|&known| known == kind);
    at.and_then(|at| names().get(at)).map_or(c"unknown", |name| name.as_c_str())
}

/// The names of all kinds with a zero at the end, in the order of [`ErrorKind::ALL`].
fn names() -> &'static [std::ffi::CString] {
    static NAMES: std::sync::OnceLock<Vec<std::ffi::CString>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| ErrorKind::ALL.iter().map(|kind| crate::error::c_string(kind.name())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's `#define SIPC_… <number>` lines that are statuses.
    fn constants_of_the_header() -> Vec<(String, i32)> {
        let header = include_str!("../../include/simple_ipc.h");
        let defined = header.lines().filter_map(|line| line.strip_prefix("#define SIPC_")?.split_once(' '));
        defined
            .filter_map(|(name, value)| Some((name.to_lowercase(), value.trim().parse::<i32>().ok()?)))
            .filter(|(_, value)| *value >= 100 && *value < 1000)
            .collect()
    }

    #[test]
    fn every_error_kind_has_its_constant_and_every_constant_its_error_kind() {
        let constants = constants_of_the_header();
        let table: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.name().to_owned(), kind.code())).collect();
        assert_eq!(constants, table);
    }

    #[test]
    fn every_status_has_its_name_and_its_category() {
        for &kind in ErrorKind::ALL {
            assert_eq!(name(kind.code()).to_str().unwrap(), kind.name());
            assert!((SIPC_CATEGORY_CALLER..=SIPC_CATEGORY_MACHINE).contains(&sipc_status_category(kind.code())));
        }
        assert_eq!(name(SIPC_OK), c"ok");
        assert_eq!(name(-1), c"unknown");
        assert_eq!(sipc_status_category(SIPC_OK), SIPC_CATEGORY_OK);
    }
}
