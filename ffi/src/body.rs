//! `sipc_body`: what is to be sent, by value.

use std::ffi::{c_char, c_void};

use simple_ipc::{Error, ErrorKind, Message, MessageRef, Result};

use crate::argument;

/// The kind of a body: JSON text.
pub const SIPC_KIND_JSON: i32 = 1;
/// The kind of a body: bytes, as they are.
pub const SIPC_KIND_BYTES: i32 = 2;
/// The kind of a `sipc_body` only: text, which becomes a JSON string. It arrives as `SIPC_KIND_JSON`.
pub const SIPC_KIND_TEXT: i32 = 3;

/// The kind of a body: a JSON text with bytes beside it.
pub const SIPC_KIND_ATTACHED: i32 = 4;

/// What is to be sent. Made by `sipc_json`, `sipc_text`, `sipc_bytes` or `sipc_attached_body`; it points at the caller's
/// memory, which is copied or written before the call that takes the body returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sipc_body {
    /// `SIPC_KIND_JSON`, `SIPC_KIND_BYTES`, `SIPC_KIND_TEXT` or `SIPC_KIND_ATTACHED`.
    pub kind: i32,
    /// The text or bytes, or the `sipc_attached`; not changed.
    pub data: *const c_void,
    /// Its length in bytes, without a terminating zero.
    pub len: usize,
}

/// A JSON value with bytes beside it, to be sent: `sipc_attached_body` makes a body of it. Made by `sipc_attach` or
/// `sipc_attach_n`; it points at the caller's memory, as a `sipc_body` does.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sipc_attached {
    /// The JSON text; not changed.
    pub json: *const c_char,
    /// Its length in bytes, without a terminating zero.
    pub json_len: usize,
    /// The bytes; not changed.
    pub data: *const c_void,
    /// How many there are.
    pub data_len: usize,
}

impl sipc_attached {
    /// # Safety
    /// `json` and `data` are NULL or valid for reading as many bytes as their lengths say.
    unsafe fn to_message(self) -> Result<Message> {
        let json = sipc_body { kind: SIPC_KIND_JSON, data: self.json.cast(), len: self.json_len };
        let data = sipc_body { kind: SIPC_KIND_BYTES, data: self.data, len: self.data_len };
        // SAFETY: by this function's contract; the bytes are not kept.
        let (json, data) = unsafe { (json.bytes()?, data.bytes()?) };
        Message::attached_text(utf8(json)?, data)
    }
}

impl sipc_body {
    /// Calls with the message that the body stands for, which is not copied where it need not be.
    ///
    /// # Safety
    /// `data` is NULL or valid for reading `len` bytes.
    pub(crate) unsafe fn with<T>(self, call: impl FnOnce(MessageRef<'_>) -> Result<T>) -> Result<T> {
        // SAFETY: by this function's contract; the bytes are not kept.
        let data = unsafe { self.bytes() }?;
        match self.kind {
            // SAFETY: by this function's contract.
            SIPC_KIND_ATTACHED => call((&unsafe { attached(data) }?).into()),
            SIPC_KIND_BYTES => call(MessageRef::bytes(data)),
            SIPC_KIND_JSON => call(MessageRef::json_text(utf8(data)?)?),
            SIPC_KIND_TEXT => call((&Message::text(utf8(data)?)).into()),
            other => Err(unknown_kind(other)),
        }
    }

    /// The message that the body stands for.
    ///
    /// # Safety
    /// `data` is NULL or valid for reading `len` bytes.
    pub(crate) unsafe fn to_message(self) -> Result<Message> {
        // SAFETY: by this function's contract; the bytes are not kept.
        let data = unsafe { self.bytes() }?;
        match self.kind {
            // SAFETY: by this function's contract.
            SIPC_KIND_ATTACHED => unsafe { attached(data) },
            SIPC_KIND_BYTES => Ok(Message::bytes(data)),
            SIPC_KIND_JSON => Message::json_text(utf8(data)?),
            SIPC_KIND_TEXT => Ok(Message::text(utf8(data)?)),
            other => Err(unknown_kind(other)),
        }
    }

    /// # Safety
    /// `data` is NULL or valid for reading `len` bytes during `'a`.
    unsafe fn bytes<'a>(self) -> Result<&'a [u8]> {
        match (self.data.is_null(), self.kind, self.len) {
            (true, SIPC_KIND_BYTES, 0) => Ok(&[]),
            (true, ..) => Err(argument::null("body")),
            // SAFETY: not NULL, so valid for `len` bytes by this function's contract.
            (false, _, len) => Ok(unsafe { std::slice::from_raw_parts(self.data.cast::<u8>(), len) }),
        }
    }
}

/// The message of a `sipc_attached` that lies here.
///
/// # Safety
/// Where it is as long as one, it is one, whose pointers are NULL or valid for reading as many bytes as their lengths say.
unsafe fn attached(memory: &[u8]) -> Result<Message> {
    if memory.len() != size_of::<sipc_attached>() {
        let text = "a body of JSON with bytes is no sipc_attached; make it with sipc_attached_body";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    // SAFETY: it is as long as one, and so is one, which need not be aligned here, by this function's contract.
    unsafe { memory.as_ptr().cast::<sipc_attached>().read_unaligned().to_message() }
}

fn unknown_kind(kind: i32) -> Error {
    let text = format!(
        "a body has the unknown kind {kind}; make it with sipc_json, sipc_text, sipc_bytes or sipc_attached_body"
    );
    Error::new(ErrorKind::InvalidArgument, text)
}

fn utf8(data: &[u8]) -> Result<&str> {
    std::str::from_utf8(data).map_err(|error| {
        Error::new(ErrorKind::InvalidJson, format!("the body is not UTF-8: {error}; send other data with sipc_bytes"))
    })
}

/// A body that is one JSON text, such as `{"n":1}`. It is checked by the call that takes it.
///
/// `text`: NUL-terminated UTF-8; NULL makes that call return `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_json(text: *const c_char) -> sipc_body {
    // SAFETY: as this function's contract.
    unsafe { terminated(SIPC_KIND_JSON, text) }
}

/// As `sipc_json`, for a text of `len` bytes that needs no terminating zero.
///
/// `text`: NULL makes the call that takes the body return `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_json_n(text: *const c_char, len: usize) -> sipc_body {
    sipc_body { kind: SIPC_KIND_JSON, data: text.cast(), len }
}

/// A body that is a string: it is quoted as JSON for the wire.
///
/// `text`: NUL-terminated UTF-8; NULL makes the call that takes it return `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_text(text: *const c_char) -> sipc_body {
    // SAFETY: as this function's contract.
    unsafe { terminated(SIPC_KIND_TEXT, text) }
}

/// As `sipc_text`, for a text of `len` bytes, which may contain zeros.
///
/// `text`: NULL makes the call that takes the body return `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_text_n(text: *const c_char, len: usize) -> sipc_body {
    sipc_body { kind: SIPC_KIND_TEXT, data: text.cast(), len }
}

/// A body that is bytes, as they are.
///
/// `data`: may be NULL when `len` is 0.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_bytes(data: *const c_void, len: usize) -> sipc_body {
    sipc_body { kind: SIPC_KIND_BYTES, data, len }
}

/// A JSON value with bytes beside it: an array with its shape, a picture with its name. `sipc_attached_body` makes a body of it.
///
/// `json`: NUL-terminated UTF-8, one JSON text, checked by the call that takes the body; NULL makes that call return
/// `SIPC_INVALID_ARGUMENT`.
/// `data`: `len` bytes; may be NULL when `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_attach(json: *const c_char, data: *const c_void, len: usize) -> sipc_attached {
    // SAFETY: as this function's contract.
    let json_len = unsafe { argument::string(json, "json") }.map_or(0, <[u8]>::len);
    sipc_attached { json, json_len, data, data_len: len }
}

/// As `sipc_attach`, for a JSON text of `json_len` bytes that needs no terminating zero.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_attach_n(
    json: *const c_char,
    json_len: usize,
    data: *const c_void,
    len: usize,
) -> sipc_attached {
    sipc_attached { json, json_len, data, data_len: len }
}

/// A body that is a JSON value with bytes beside it. Its largest message counts both, with up to 11 bytes between them.
///
/// Listeners of version 0.1.0 do not know it, and the Deno wire does not have it: the call that takes the body fails there with
/// `SIPC_UNSUPPORTED_VERSION`, and nothing is sent.
///
/// `parts`: must live until the call that takes the body has returned; NULL makes that call return `SIPC_INVALID_ARGUMENT`.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_attached_body(parts: *const sipc_attached) -> sipc_body {
    sipc_body { kind: SIPC_KIND_ATTACHED, data: parts.cast(), len: size_of::<sipc_attached>() }
}

/// # Safety
/// `text` is NULL or ends with a zero.
unsafe fn terminated(kind: i32, text: *const c_char) -> sipc_body {
    // SAFETY: by this function's contract.
    let len = unsafe { argument::string(text, "text") }.map_or(0, <[u8]>::len);
    sipc_body { kind, data: text.cast(), len }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    fn message(body: sipc_body) -> Result<Message> {
        // SAFETY: the tests below make bodies of static data.
        unsafe { body.to_message() }
    }

    #[test]
    fn bodies_become_the_messages_they_stand_for() {
        // SAFETY: static strings.
        let (json, text) = unsafe { (sipc_json(c"[1]".as_ptr()), sipc_text(c"a\"b".as_ptr())) };
        assert_eq!(message(json).unwrap(), Message::json_text("[1]").unwrap());
        assert_eq!(message(text).unwrap(), Message::text("a\"b"));
        assert_eq!(message(sipc_text_n(b"a\0b".as_ptr().cast(), 3)).unwrap(), Message::text("a\0b"));
        assert_eq!(message(sipc_bytes(ptr::null(), 0)).unwrap(), Message::bytes([]));
        // SAFETY: static data.
        let parts = unsafe { sipc_attach(c"[1]".as_ptr(), b"ab".as_ptr().cast(), 2) };
        let expected = Message::attached(&[1], *b"ab").unwrap();
        assert_eq!(message(sipc_attached_body(&parts)).unwrap(), expected);
        // SAFETY: static data.
        let with = unsafe { sipc_attached_body(&parts).with(|message| Ok(message.to_message())) };
        assert_eq!(with.unwrap(), expected);
        let parts = sipc_attach_n(c"null".as_ptr(), 4, ptr::null(), 0);
        assert_eq!(message(sipc_attached_body(&parts)).unwrap(), Message::attached(&(), []).unwrap());
    }

    #[test]
    fn bodies_that_are_none_are_refused() {
        // SAFETY: NULL or a static string.
        let (null, broken) = unsafe { (sipc_json(ptr::null()), sipc_json(c"{".as_ptr())) };
        assert_eq!(message(null).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(message(broken).unwrap_err().kind(), ErrorKind::InvalidJson);
        assert_eq!(message(sipc_text_n(c"\xff".as_ptr(), 1)).unwrap_err().kind(), ErrorKind::InvalidJson);
        assert_eq!(message(sipc_bytes(ptr::null(), 1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        for (parts, kind) in [
            (sipc_attach_n(ptr::null(), 4, ptr::null(), 0), ErrorKind::InvalidArgument),
            (sipc_attach_n(c"null".as_ptr(), 4, ptr::null(), 1), ErrorKind::InvalidArgument),
            (sipc_attach_n(c"null".as_ptr(), 3, ptr::null(), 0), ErrorKind::InvalidJson),
            (sipc_attach_n(c"null".as_ptr(), 0, ptr::null(), 0), ErrorKind::InvalidJson),
        ] {
            assert_eq!(message(sipc_attached_body(&parts)).unwrap_err().kind(), kind);
        }
        assert_eq!(message(sipc_attached_body(ptr::null())).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let short = sipc_body { kind: SIPC_KIND_ATTACHED, data: c"abc".as_ptr().cast(), len: 3 };
        assert_eq!(message(short).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let zeroed = sipc_body { kind: 0, data: ptr::null(), len: 0 };
        assert_eq!(message(zeroed).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
