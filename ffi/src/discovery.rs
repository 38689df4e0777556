//! Which channels are live.

use std::ffi::{CString, c_char};

use simple_ipc::{ChannelInfo, Mode};

use crate::argument::{self, Out};
use crate::boundary;
use crate::error::{c_string, sipc_error};
use crate::handle::Handle;
use crate::status::sipc_status;

/// The mode of a listener that does not say, or names one that this version does not know.
pub const SIPC_MODE_UNKNOWN: i32 = 0;
/// The mode of a listener: requests.
pub const SIPC_MODE_REQUEST: i32 = 1;
/// The mode of a listener: broadcasts.
pub const SIPC_MODE_BROADCAST: i32 = 2;

/// The mode of a listener: it publishes, and takes no messages.
pub const SIPC_MODE_PUBLISH: i32 = 3;

/// The number of a mode in C.
pub(crate) fn mode_number(mode: Option<Mode>) -> i32 {
    match mode {
        Some(Mode::Request) => SIPC_MODE_REQUEST,
        Some(Mode::Broadcast) => SIPC_MODE_BROADCAST,
        Some(Mode::Publish) => SIPC_MODE_PUBLISH,
        _ => SIPC_MODE_UNKNOWN,
    }
}

/// A live channel. Owned by its list; later versions may have more fields at the end.
#[repr(C)]
pub struct sipc_channel_info {
    /// Its name, `:port`, or the path of its socket.
    pub channel: *const c_char,
    /// The path of its socket, or `127.0.0.1:port`.
    pub address: *const c_char,
    /// `SIPC_MODE_REQUEST`, `SIPC_MODE_BROADCAST`, `SIPC_MODE_PUBLISH` or `SIPC_MODE_UNKNOWN`.
    pub mode: i32,
    /// The process that listens; 0 where its lock file does not say.
    pub pid: i64,
    /// Since when it listens, in milliseconds since 1970-01-01 00:00 UTC; 0 where its lock file does not say.
    pub started_ms: i64,
    /// The version of the library that it uses; empty where its lock file does not say.
    pub version: *const c_char,
    /// Whether it publishes, also beside requests or broadcasts.
    pub publishes: bool,
    /// How many subscribers it had a tenth of a second ago; -1 where it takes none, or its lock file does not say.
    pub subscribers: i64,
}

/// A list of live channels.
pub struct sipc_channel_list {
    channels: Vec<sipc_channel_info>,
    /// What the pointers in `channels` point at.
    _strings: Vec<CString>,
}

impl Handle for sipc_channel_list {
    const NOUN: &'static str = "list";
}

impl sipc_channel_list {
    fn new(found: &[ChannelInfo]) -> sipc_channel_list {
        let mut strings = Vec::with_capacity(found.len() * 3);
        let mut keep = |text: &str| {
            // The text is on the heap, where moving the CString does not move it.
            strings.push(c_string(text));
            strings.last().expect("just pushed").as_ptr()
        };
        let channels = found
            .iter()
            .map(|info| sipc_channel_info {
                channel: keep(&info.channel),
                address: keep(&info.address),
                mode: mode_number(info.mode),
                pid: info.pid.map_or(0, i64::from),
                started_ms: info.started_ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX)),
                version: keep(info.version.as_deref().unwrap_or_default()),
                publishes: info.publishes,
                subscribers: info.subscribers.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX)),
            })
            .collect();
        sipc_channel_list { channels, _strings: strings }
    }
}

/// Finds the live channels.
///
/// `directory`: where to look; NULL for the default (the environment variable `SIMPLE_IPC_DIR`, or
/// `/tmp`).
/// `list`: where the list is stored, owned by the caller; not NULL.
/// `error`: may be NULL.
///
/// Handle `SIPC_NO_DIRECTORY`, `SIPC_PERMISSION_DENIED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_channels(
    directory: *const c_char,
    list: *mut *mut sipc_channel_list,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(list, "list")?;
            let directory = if directory.is_null() { None } else { Some(argument::path(directory, "directory")?) };
            out.write(sipc_channel_list::new(&simple_ipc::channels(directory)?).into_handle());
            Ok(())
        })
    }
}

/// How many channels a list has.
///
/// `list`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_channel_list_len(list: *const sipc_channel_list) -> usize {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_channel_list::borrow_or_null(list) }.map_or(0, |list| list.channels.len())
    })
}

/// One channel of a list; it lives as long as the list. NULL beyond its end.
///
/// `list`: NULL gives NULL. `index`: from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_channel_list_get(
    list: *const sipc_channel_list,
    index: usize,
) -> *const sipc_channel_info {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let list = unsafe { sipc_channel_list::borrow_or_null(list) };
        list.and_then(|list| list.channels.get(index)).map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

/// Frees a list.
///
/// `list`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_channel_list_free(list: *mut sipc_channel_list) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    boundary::infallible((), || drop(unsafe { sipc_channel_list::take(list) }));
}
