//! What C hands in, checked: strings, numbers, and places to write a result to.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use simple_ipc::system::path_from_bytes;
use simple_ipc::{Channel, Error, ErrorKind, Result};

/// The error for an argument that is NULL and must not be.
pub(crate) fn null(name: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("argument \"{name}\" is NULL"))
}

/// The bytes of a string, without its terminating zero.
///
/// # Safety
/// `text` is NULL or a string that ends with a zero and stays unchanged during `'a`.
pub(crate) unsafe fn string<'a>(text: *const c_char, name: &str) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, so a string that ends with a zero.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// A text for people: broken UTF-8 is replaced.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn text(text: *const c_char, name: &str) -> Result<String> {
    // SAFETY: by this function's contract.
    unsafe { string(text, name) }.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A topic: NULL is none.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn topic<'a>(text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Ok("");
    }
    // SAFETY: by this function's contract.
    let bytes = unsafe { string(text, "topic") }?;
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, "a topic is not UTF-8; it is text of at most 255 bytes"))
}

/// The topics that a subscriber wants: as many as `count` says, and more than none.
///
/// # Safety
/// `topics` is NULL or points to `count` pointers, each as for [`string`].
pub(crate) unsafe fn topics<'a>(topics: *const *const c_char, count: usize) -> Result<Vec<&'a str>> {
    let topics = NonNull::new(topics.cast_mut()).ok_or_else(|| null("topics"))?;
    if count == 0 {
        let text = "argument \"count\" is 0: nothing would ever come; leave topics unset to get all events";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    (0..count)
        .map(|index| {
            // SAFETY: within the `count` pointers, by this function's contract.
            match unsafe { topics.add(index).read() } {
                text if text.is_null() => Err(null("topics")),
                // SAFETY: by this function's contract.
                text => unsafe { topic(text) },
            }
        })
        .collect()
}

/// A channel by its name.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn uds(name: *const c_char) -> Result<Channel> {
    // SAFETY: by this function's contract.
    let bytes = unsafe { string(name, "channel") }?;
    let name = std::str::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidName, "a channel name is not UTF-8; it may have A-Z, a-z, 0-9 and _")
    })?;
    Channel::uds(name)
}

/// A channel by its port.
pub(crate) fn ip(port: u32) -> Result<Channel> {
    let port = u16::try_from(port)
        .map_err(|_| Error::new(ErrorKind::InvalidPort, format!("port {port} is outside 1 to 65535")))?;
    Channel::ip(port)
}

/// A path, as the bytes that the system takes.
///
/// # Safety
/// As for [`string`].
pub(crate) unsafe fn path<'a>(text: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: by this function's contract.
    unsafe { string(text, name) }.map(path_from_bytes)
}

/// A length of time that has no 'never'.
pub(crate) fn milliseconds(value: i64, name: &str) -> Result<Duration> {
    u64::try_from(value)
        .map(Duration::from_millis)
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, format!("argument \"{name}\" is negative: {value} ms")))
}

/// A length of time where -1 means 'no limit'.
pub(crate) fn timeout(value: i64) -> Result<Option<Duration>> {
    if value == crate::options::SIPC_NO_TIMEOUT { Ok(None) } else { milliseconds(value, "timeout_ms").map(Some) }
}

/// A place for a result.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `place` is NULL or valid for one write for as long as the `Out` lives.
    pub(crate) unsafe fn new(place: *mut T, name: &str) -> Result<Out<T>> {
        NonNull::new(place).map(Out).ok_or_else(|| null(name))
    }

    pub(crate) fn write(self, value: T) {
        // SAFETY: valid for one write by the contract of `new`; `self` is used up.
        unsafe { self.0.write(value) };
    }
}
