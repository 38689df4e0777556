//! `sipc_message`: what arrived.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::{Arc, OnceLock};

use simple_ipc::{Error, Event, Message, MessageKind, Result};

use crate::body::{SIPC_KIND_ATTACHED, SIPC_KIND_BYTES, SIPC_KIND_JSON};
use crate::boundary;
use crate::error::c_string;
use crate::handle::Handle;
use crate::queue::replies::Freed;

/// A body that arrived: one JSON text, bytes, or both. Never changes, so any number of threads may read it.
pub struct sipc_message {
    /// Owned by a message that C owns. A message that C borrows is a `Lent`, which keeps the loan.
    message: Cow<'static, Message>,
    /// What C has asked for as strings. Boxed, since most ask for none.
    strings: OnceLock<Box<Strings>>,
    /// What a subscription tells besides; `None` for a message that is no event. Boxed, since most are none.
    event: Option<Box<Told>>,
    /// Where its memory goes when C frees it; `None` for what is not a reply of a queue.
    home: Option<Arc<Freed>>,
}

/// What C asks for as strings, each made when it first does.
#[derive(Default)]
struct Strings {
    text: OnceLock<Option<CString>>,
    json: OnceLock<Option<CString>>,
}

/// What a subscription tells of an event besides its body.
struct Told {
    topic: String,
    /// The topic for C, made when it first asks.
    topic_text: OnceLock<CString>,
    missed: i64,
    retained: bool,
}

impl Told {
    fn new(topic: String, missed: i64, retained: bool) -> Told {
        Told { topic, topic_text: OnceLock::new(), missed, retained }
    }

    fn topic(&self) -> &CStr {
        if self.topic.is_empty() { c"" } else { self.topic_text.get_or_init(|| c_string(&self.topic)) }
    }
}

impl Clone for Told {
    fn clone(&self) -> Told {
        Told::new(self.topic.clone(), self.missed, self.retained)
    }
}

impl Handle for sipc_message {
    const NOUN: &'static str = "message";
}

impl sipc_message {
    pub(crate) fn new(message: Message) -> sipc_message {
        sipc_message::of(Cow::Owned(message), None)
    }

    /// What a call that is over gives C. C asks for strings, and cannot look whether they are JSON.
    pub(crate) fn answer(result: Result<Option<Message>>) -> Result<Option<sipc_message>> {
        result?.map(|reply| reply.check().map(|()| sipc_message::new(reply)).map_err(Error::after_sending)).transpose()
    }

    /// A reply of a queue that keeps its memory.
    pub(crate) fn of_queue(message: Message, home: Arc<Freed>) -> sipc_message {
        sipc_message { home: Some(home), ..sipc_message::new(message) }
    }

    /// Makes this another reply of a queue. The body that was here is returned.
    #[inline]
    pub(crate) fn refill(&mut self, message: Message, home: Arc<Freed>) -> Option<Message> {
        self.home = Some(home);
        match std::mem::replace(&mut self.message, Cow::Owned(message)) {
            Cow::Owned(before) => Some(before),
            Cow::Borrowed(_) => None,
        }
    }

    /// The JSON text, or the bytes where there are some.
    fn data(&self) -> &[u8] {
        self.message.as_attached().map_or(self.message.data(), |(_, data)| data)
    }

    /// The JSON text, where there is one.
    fn json(&self) -> Option<&[u8]> {
        match self.message.kind() {
            MessageKind::Json => Some(self.message.data()),
            _ => self.message.as_attached().map(|(json, _)| json),
        }
    }

    /// The length of its body in bytes.
    pub(crate) fn len(&self) -> usize {
        self.message.len()
    }

    /// Frees it, or gives it back.
    fn free(mut self: Box<sipc_message>) {
        if let Some(home) = self.home.take() {
            drop(self.strings.take());
            home.keep(self);
        }
    }

    /// What a subscription has delivered.
    pub(crate) fn event(event: Event) -> sipc_message {
        let Event { data, topic, missed, retained, .. } = event;
        sipc_message::of(Cow::Owned(data), Some(Box::new(Told::new(topic, missed, retained))))
    }

    fn of(message: Cow<'static, Message>, event: Option<Box<Told>>) -> sipc_message {
        sipc_message { message, strings: OnceLock::new(), event, home: None }
    }

    fn strings(&self) -> &Strings {
        self.strings.get_or_init(Box::default)
    }

    /// Lends core's message to C for the length of `call`, without copying it.
    pub(crate) fn lend(message: &Message, call: impl FnOnce(*const sipc_message)) {
        // SAFETY: the lifetime is stretched for a value that does not leave this function except as
        // the pointer that `call` gets, which the header lets C use only during the call.
        let message: &'static Message = unsafe { &*std::ptr::from_ref(message) };
        let lent = sipc_message::of(Cow::Borrowed(message), None);
        call(&lent);
    }
}

/// `SIPC_KIND_JSON`, `SIPC_KIND_BYTES` or `SIPC_KIND_ATTACHED`; later versions may have others.
///
/// `message`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_kind(message: *const sipc_message) -> i32 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(0, |message| match message.message.kind() {
            MessageKind::Json => SIPC_KIND_JSON,
            MessageKind::Attached => SIPC_KIND_ATTACHED,
            _ => SIPC_KIND_BYTES,
        })
    })
}

/// The JSON text (UTF-8) or the bytes: `sipc_message_len` of them, without a terminating zero. Of JSON with bytes they are the
/// bytes, which a sender of this library puts where numbers of eight bytes may lie.
///
/// `message`: NULL gives NULL; else the result is not NULL, even if there are no bytes. It lives as
/// long as `message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_data(message: *const sipc_message) -> *const c_void {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        match unsafe { sipc_message::borrow_or_null(message) } {
            None => std::ptr::null(),
            Some(message) if message.data().is_empty() => c"".as_ptr().cast(),
            Some(message) => message.data().as_ptr().cast(),
        }
    })
}

/// The length of `sipc_message_data` in bytes.
///
/// `message`: NULL gives 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_len(message: *const sipc_message) -> usize {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(0, |message| message.data().len())
    })
}

/// The text of a JSON string, unquoted: NUL-terminated UTF-8, owned by `message`.
///
/// `message`: NULL gives NULL. NULL also for bytes, for JSON with bytes, for JSON that is no string, and for a string
/// that has a NUL in it, which `sipc_message_data` shows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_text(message: *const sipc_message) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let Some(message) = (unsafe { sipc_message::borrow_or_null(message) }) else { return std::ptr::null() };
        let text = message.strings().text.get_or_init(|| CString::new(message.message.as_text()?.into_owned()).ok());
        text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
    })
}

/// The JSON text, as it arrived: NUL-terminated UTF-8, owned by `message`. Of JSON with bytes it is the JSON.
///
/// `message`: NULL gives NULL. NULL also for bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_json(message: *const sipc_message) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let Some(message) = (unsafe { sipc_message::borrow_or_null(message) }) else { return std::ptr::null() };
        let json = message.strings().json.get_or_init(|| CString::new(message.json()?).ok());
        json.as_ref().map_or(std::ptr::null(), |json| json.as_ptr())
    })
}

/// The JSON text, as it arrived, where it lies: UTF-8 without a terminating zero, as long as `message`. Of JSON with bytes it is
/// the JSON.
///
/// `message`: NULL gives NULL. NULL also for bytes.
/// `len`: set to the length of the text in bytes, 0 where the result is NULL; may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_json_n(message: *const sipc_message, len: *mut usize) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        let json = unsafe { sipc_message::borrow_or_null(message) }.and_then(sipc_message::json);
        if !len.is_null() {
            // SAFETY: not NULL, so valid for writing, by the header's contract.
            unsafe { len.write(json.map_or(0, <[u8]>::len)) };
        }
        json.map_or(std::ptr::null(), |json| json.as_ptr().cast())
    })
}

/// The topic that an event was published to: NUL-terminated UTF-8 of at most 255 bytes, owned by `message`;
/// empty where it has none. A zero inside a topic, which other languages may have put there, is shown as
/// U+FFFD.
///
/// `message`: NULL gives NULL. NULL also for a message that is no event of a subscription.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_topic(message: *const sipc_message) -> *const c_char {
    boundary::infallible(std::ptr::null(), || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { told(message) }.map_or(std::ptr::null(), |event| event.topic().as_ptr())
    })
}

/// How many events this subscription missed right before this one, of those that its topics let through:
/// 0 for none; -1 where nobody knows, as the publisher was replaced by another.
///
/// `message`: NULL gives 0. 0 also for a message that is no event of a subscription.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_missed(message: *const sipc_message) -> i64 {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { told(message) }.map_or(0, |event| event.missed)
    })
}

/// Whether an event was published before the subscription began, and kept for it: the last one of its topic,
/// at a publisher with the option `retain`.
///
/// `message`: NULL gives `false`. `false` also for a message that is no event of a subscription.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_retained(message: *const sipc_message) -> bool {
    boundary::infallible(false, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { told(message) }.is_some_and(|event| event.retained)
    })
}

/// What a subscription tells of an event.
///
/// # Safety
/// `message` is NULL, or alive during `'a`.
unsafe fn told<'a>(message: *const sipc_message) -> Option<&'a Told> {
    // SAFETY: by this function's contract.
    unsafe { sipc_message::borrow_or_null(message) }.and_then(|message| message.event.as_deref())
}

/// A copy of a message, owned by the caller; it keeps a message that a handler was lent.
///
/// `message`: NULL gives NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_clone(message: *const sipc_message) -> *mut sipc_message {
    boundary::infallible(std::ptr::null_mut(), || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_message::borrow_or_null(message) }.map_or(std::ptr::null_mut(), |message| {
            let copy = Cow::Owned(message.message.clone().into_owned());
            sipc_message::of(copy, message.event.clone()).into_handle()
        })
    })
}

/// Frees a message that the caller owns: a reply, an event or a clone. Not the one that a handler is lent.
///
/// `message`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_message_free(message: *mut sipc_message) {
    // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
    if let Some(message) = unsafe { sipc_message::take(message) } {
        boundary::infallible((), || message.free());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::ptr;

    fn strings(message: Message) -> (Option<String>, Option<String>) {
        let message = sipc_message::new(message);
        // SAFETY: `message` is alive, and so are the strings that it owns.
        unsafe {
            let owned =
                |text: *const c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_str().unwrap().to_owned());
            (owned(sipc_message_text(&message)), owned(sipc_message_json(&message)))
        }
    }

    #[test]
    fn strings_are_made_where_there_are_some() {
        assert_eq!(strings(Message::text("a\"b")), (Some("a\"b".into()), Some("\"a\\\"b\"".into())));
        assert_eq!(strings(Message::text("a\0b")), (None, Some("\"a\\u0000b\"".into())));
        assert_eq!(strings(Message::json_text("[1]").unwrap()), (None, Some("[1]".into())));
        assert_eq!(strings(Message::bytes(*b"\"x\"")), (None, None));
        assert_eq!(strings(Message::attached("x", [1]).unwrap()), (None, Some("\"x\"".into())));
    }

    #[test]
    fn json_with_bytes_shows_its_parts_where_they_lie() {
        for data in [&[1, 2, 3][..], &[]] {
            let message = sipc_message::new(Message::attached(&[7], data).unwrap());
            // SAFETY: `message` is alive, and so is what it shows.
            unsafe {
                assert_eq!(sipc_message_kind(&message), SIPC_KIND_ATTACHED);
                assert_eq!(sipc_message_len(&message), data.len());
                let there = sipc_message_data(&message).cast::<u8>();
                assert_eq!(std::slice::from_raw_parts(there, data.len()), data);
                let mut len = 0;
                let json = sipc_message_json_n(&message, &mut len).cast::<u8>();
                assert_eq!(std::slice::from_raw_parts(json, len), b"[7]");
                assert_eq!(sipc_message_json_n(&message, ptr::null_mut()).cast(), json);
            }
        }
        let (json, bytes) = (sipc_message::new(Message::null()), sipc_message::new(Message::bytes([1])));
        let mut len = 9;
        // SAFETY: both are alive.
        unsafe {
            assert_eq!(sipc_message_json_n(&json, &mut len).cast(), sipc_message_data(&json));
            assert_eq!(len, 4);
            assert!(sipc_message_json_n(&bytes, &mut len).is_null() && len == 0);
            assert!(sipc_message_json_n(ptr::null(), &mut len).is_null() && len == 0);
        }
    }

    #[test]
    fn a_lent_message_is_the_handlers_own_memory_and_a_clone_is_not() {
        let message = Message::bytes([1, 2, 3]);
        sipc_message::lend(&message, |lent| {
            // SAFETY: `lent` is alive during this call; the clone is freed once.
            unsafe {
                assert_eq!(sipc_message_data(lent), message.data().as_ptr().cast());
                let kept = sipc_message_clone(lent);
                assert_ne!(sipc_message_data(kept), sipc_message_data(lent));
                assert_eq!(sipc_message_len(kept), 3);
                assert_eq!(sipc_message_kind(kept), SIPC_KIND_BYTES);
                sipc_message_free(kept);
            }
        });
    }

    #[test]
    fn an_event_tells_what_its_message_does_not_and_so_does_its_clone() {
        let told = |topic: &str, missed, retained| {
            let event = Some(Box::new(Told::new(topic.to_owned(), missed, retained)));
            let event = sipc_message::of(Cow::Owned(Message::text("x")), event).into_handle();
            // SAFETY: both are alive until they are freed, once.
            unsafe {
                let clone = sipc_message_clone(event);
                sipc_message_free(event);
                let topic = CStr::from_ptr(sipc_message_topic(clone)).to_str().unwrap().to_owned();
                let told = (topic, sipc_message_missed(clone), sipc_message_retained(clone));
                sipc_message_free(clone);
                told
            }
        };
        assert_eq!(told("tick", 7, false), ("tick".to_owned(), 7, false));
        assert_eq!(told("", -1, true), (String::new(), -1, true));
        assert_eq!(told("a\0b", 0, false), ("a\u{FFFD}b".to_owned(), 0, false));
        let reply = sipc_message::new(Message::null());
        // SAFETY: `reply` is alive.
        unsafe { assert!(sipc_message_topic(&reply).is_null() && sipc_message_missed(&reply) == 0) };
    }

    #[test]
    fn null_is_no_message() {
        // SAFETY: NULL is allowed everywhere.
        unsafe {
            assert_eq!(sipc_message_kind(ptr::null()), 0);
            assert!(sipc_message_data(ptr::null()).is_null() && sipc_message_len(ptr::null()) == 0);
            assert!(sipc_message_text(ptr::null()).is_null() && sipc_message_json(ptr::null()).is_null());
            assert!(sipc_message_topic(ptr::null()).is_null() && sipc_message_missed(ptr::null()) == 0);
            assert!(!sipc_message_retained(ptr::null()));
            assert!(sipc_message_clone(ptr::null()).is_null());
            sipc_message_free(ptr::null_mut());
        }
    }
}
