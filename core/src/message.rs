//! What a body is: a JSON value, bytes, or a JSON value with bytes.
//!
//! Every call is generic over serde's traits, and [`Message`] is the one type that stands for a raw
//! body of either kind in them. A type that serialises as bytes (`serde_bytes`) is a bytes body;
//! [`Attached`] is a JSON value with bytes; everything else is JSON. What JSON would change without a word is refused: NaN, infinities, and bytes inside
//! other values.

pub(crate) mod attached;
mod data;
mod strict;
mod typed;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::attached::Attached;
use self::data::Data;
use crate::error::{Error, ErrorKind, Result};

/// The kinds of body. Later versions may know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// One JSON text in UTF-8.
    Json,
    /// Bytes, as they are.
    Bytes,
    /// One JSON text with bytes beside it: see [`Attached`].
    Attached,
}

/// One body, as it stands on the wire: JSON text, bytes, or [both](Attached).
///
/// ```
/// use simple_ipc::Message;
///
/// let message = Message::json(&["a", "b"])?;
/// assert_eq!(message.data(), br#"["a","b"]"#);
/// let back: Vec<String> = message.decode()?;
/// assert_eq!(back, ["a", "b"]);
/// # Ok::<(), simple_ipc::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    kind: MessageKind,
    data: Data,
}

impl Message {
    /// The body that a value stands for: bytes for what serialises as bytes, JSON with bytes for [`Attached`], JSON for the
    /// rest.
    ///
    /// Fails with [`ErrorKind::InvalidJson`], which names the member, where a value cannot become JSON: NaN and infinities,
    /// bytes inside other values, keys that are no strings or numbers, and what its own `Serialize` refuses.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Message> {
        typed::to_message(value)
    }

    /// A JSON body from its text, which is checked.
    pub fn json_text(text: impl Into<String>) -> Result<Message> {
        let text = text.into();
        check_json(text.as_bytes())
            .map_err(|why| Error::new(ErrorKind::InvalidJson, format!("the body is not JSON: {why}")))?;
        Ok(Message::from_parts(MessageKind::Json, text.into_bytes()))
    }

    /// A JSON body from text that is known to be JSON: for bindings, whose language has just made it.
    /// Were it not JSON, it would be refused where it is read.
    pub fn json_unchecked(text: impl Into<String>) -> Message {
        Message::from_parts(MessageKind::Json, text.into().into_bytes())
    }

    /// A JSON string from plain text.
    pub fn text(text: &str) -> Message {
        let mut data = Vec::with_capacity(text.len() + 2);
        serde_json::to_writer(&mut data, text).expect("a string always becomes JSON");
        Message::from_parts(MessageKind::Json, data)
    }

    /// A bytes body.
    pub fn bytes(data: impl Into<Vec<u8>>) -> Message {
        Message::from_parts(MessageKind::Bytes, data.into())
    }

    /// A JSON value with bytes beside it, which are copied once, into the body.
    ///
    /// Fails as [`json`](Message::json) does where the value cannot become JSON.
    ///
    /// ```
    /// use simple_ipc::Message;
    ///
    /// let message = Message::attached(&[2, 3], [0; 6])?;
    /// assert_eq!(message.as_attached(), Some((&b"[2,3]"[..], &[0; 6][..])));
    /// # Ok::<(), simple_ipc::Error>(())
    /// ```
    pub fn attached<T: Serialize + ?Sized>(value: &T, data: impl AsRef<[u8]>) -> Result<Message> {
        let data = data.as_ref();
        let mut body = attached::begin(data.len() + 128);
        typed::write_json(value, &mut body)?;
        Message::finish_attached(body, data)
    }

    /// The same with the text of the JSON value, which is checked.
    pub fn attached_text(json: &str, data: impl AsRef<[u8]>) -> Result<Message> {
        check_json(json.as_bytes())
            .map_err(|why| Error::new(ErrorKind::InvalidJson, format!("the body is not JSON: {why}")))?;
        Message::attached_unchecked(json, data)
    }

    /// The same with text that is known to be JSON, as for [`json_unchecked`](Message::json_unchecked). Fails where it is longer
    /// than 4 GiB.
    pub fn attached_unchecked(json: &str, data: impl AsRef<[u8]>) -> Result<Message> {
        let data = data.as_ref();
        let mut body = attached::begin(json.len() + data.len());
        body.extend_from_slice(json.as_bytes());
        Message::finish_attached(body, data)
    }

    fn finish_attached(mut body: Vec<u8>, data: &[u8]) -> Result<Message> {
        if !attached::close(&mut body) {
            return Err(Error::new(ErrorKind::TooLarge, "the JSON beside bytes is longer than 4 GiB; send less"));
        }
        body.extend_from_slice(data);
        Ok(Message::from_parts(MessageKind::Attached, body))
    }

    /// A body that stays in the memory that it is in, such as an `Arc<[u8]>` or a mapped file: bytes, or JSON text that is known
    /// to be JSON, as for [`json_unchecked`](Message::json_unchecked), or the whole [`data`](Message::data) of a message of JSON with
    /// bytes: were it none, its receiver would end the session.
    ///
    /// `data` is dropped with the last clone of the message, by whichever thread drops that.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use simple_ipc::{Message, MessageKind};
    ///
    /// let memory: Arc<[u8]> = Arc::from([1, 2, 3]);
    /// let message = Message::shared(MessageKind::Bytes, Arc::clone(&memory));
    /// assert_eq!(message.data().as_ptr(), memory.as_ptr());
    /// ```
    pub fn shared(kind: MessageKind, data: impl AsRef<[u8]> + Send + 'static) -> Message {
        Message { kind, data: Data::Shared(Box::new(Bytes::from_owner(data))) }
    }

    /// The same body in memory that all clones of it share, so that a clone copies no bytes.
    pub fn into_shared(self) -> Message {
        Message { kind: self.kind, data: Data::Shared(Box::new(self.data.into_shared())) }
    }

    /// The JSON `null`: what a handler that returns nothing answers.
    pub fn null() -> Message {
        Message::from_parts(MessageKind::Json, b"null".to_vec())
    }

    /// A body of this kind from data that came over the wire and is not checked here.
    #[inline]
    pub(crate) fn from_parts(kind: MessageKind, data: Vec<u8>) -> Message {
        Message { kind, data: Data::Owned(data) }
    }

    /// Makes this the message that has arrived, in the memory that it has.
    #[inline(always)]
    pub(crate) fn refill(&mut self, kind: MessageKind, data: &[u8]) {
        self.kind = kind;
        self.data.refill(data);
    }

    /// Makes this the message that has arrived in memory of its own, as large ones do.
    #[inline(never)]
    pub(crate) fn replace(&mut self, kind: MessageKind, data: Vec<u8>) {
        *self = Message::from_parts(kind, data);
    }

    /// Whether [`take_large`](Message::take_large) would take memory.
    #[cfg(feature = "tokio")]
    #[inline(always)]
    pub(crate) fn is_larger(&self, kept: usize) -> bool {
        matches!(&self.data, Data::Owned(memory) if memory.capacity() > kept)
    }

    /// The memory of a body that has more than `kept` bytes of it; the body is gone then.
    pub(crate) fn take_large(&mut self, kept: usize) -> Vec<u8> {
        match &mut self.data {
            Data::Owned(memory) if memory.capacity() > kept => std::mem::take(memory),
            _ => Vec::new(),
        }
    }

    /// Which kind of body this is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The JSON text or the bytes. Of JSON with bytes it is both, as the wire has them: [`as_attached`](Message::as_attached)
    /// gives the parts.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The JSON text or the bytes, taken out without a copy, unless they are in memory that was given to
    /// [`shared`](Message::shared).
    #[inline]
    pub fn into_data(self) -> Vec<u8> {
        self.data.into_vec()
    }

    /// The length of [`data`](Message::data) in bytes.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether [`data`](Message::data) is empty; never so for JSON.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The JSON text and the bytes of a body that has both, where they lie; `None` for the other kinds. The text is as it came:
    /// [`check`](Message::check) says whether it is JSON.
    pub fn as_attached(&self) -> Option<(&[u8], &[u8])> {
        match self.kind {
            MessageKind::Attached => attached::split(&self.data),
            MessageKind::Json | MessageKind::Bytes => None,
        }
    }

    /// The text of a JSON string, unquoted; `None` for bytes and for other JSON values.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self.kind {
            MessageKind::Json => serde_json::from_slice::<typed::Text<'_>>(&self.data).ok().map(|text| text.0),
            MessageKind::Bytes | MessageKind::Attached => None,
        }
    }

    /// The value that the body stands for, as the type asked for.
    ///
    /// A bytes body goes to types that take bytes (`Message`, `serde_bytes::ByteBuf`), JSON with bytes to [`Attached`], a JSON
    /// body to all others. Fails with [`ErrorKind::InvalidBody`] where body and type do not meet.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        typed::from_message(self)
    }

    /// Fails where a JSON body that came over the wire is not JSON.
    pub fn check(&self) -> Result<()> {
        check_body(self.kind, &self.data)
            .map_err(|why| Error::new(ErrorKind::InvalidBody, format!("the body that arrived is not JSON: {why}")))
    }
}

/// Whether the JSON of a body is exactly one JSON text in UTF-8.
#[inline]
pub(crate) fn check_body(kind: MessageKind, data: &[u8]) -> std::result::Result<(), String> {
    match kind {
        MessageKind::Bytes => Ok(()),
        MessageKind::Json => check_json(data),
        MessageKind::Attached => match attached::split(data) {
            Some((json, _)) => check_json(json),
            None => Err("it is shorter than it says".to_owned()),
        },
    }
}

/// Whether this is exactly one JSON text in UTF-8. Lone surrogates in escapes are JSON.
pub(crate) fn check_json(data: &[u8]) -> std::result::Result<(), String> {
    let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

/// A body that lies elsewhere: what a blocking call sends without copying it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRef<'a> {
    kind: MessageKind,
    data: &'a [u8],
}

impl<'a> MessageRef<'a> {
    /// A bytes body.
    pub fn bytes(data: &'a [u8]) -> MessageRef<'a> {
        MessageRef { kind: MessageKind::Bytes, data }
    }

    /// A JSON body from its text, which is checked.
    pub fn json_text(text: &'a str) -> Result<MessageRef<'a>> {
        check_json(text.as_bytes())
            .map_err(|why| Error::new(ErrorKind::InvalidJson, format!("the body is not JSON: {why}")))?;
        Ok(MessageRef { kind: MessageKind::Json, data: text.as_bytes() })
    }

    /// The same as a message of its own.
    pub fn to_message(self) -> Message {
        Message::from_parts(self.kind, self.data.to_vec())
    }

    /// Which kind of body this is.
    pub fn kind(self) -> MessageKind {
        self.kind
    }

    /// The JSON text or the bytes.
    pub fn data(self) -> &'a [u8] {
        self.data
    }

    /// The length of [`data`](MessageRef::data) in bytes.
    pub fn len(self) -> usize {
        self.data.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(self) -> bool {
        self.data.is_empty()
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> MessageRef<'a> {
        MessageRef { kind: message.kind, data: &message.data }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;

    /// What is refused on every depth, and the place that its error names.
    #[test]
    fn what_json_would_change_without_a_word_is_refused_with_its_place() {
        #[derive(Serialize)]
        struct Item<T> {
            image: T,
        }
        fn refused<T: Serialize + Clone>(value: T, why: &str) {
            let nested = HashMap::from([("items", vec![Some(Item { image: (1, value.clone()) })])]);
            for (result, place) in
                [(Message::json(&value), "data: "), (Message::json(&nested), "data.items[0].image[1]: ")]
            {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidJson);
                assert!(error.message().contains(&format!("JSON: {place}{why}")), "{error}");
                assert!(std::error::Error::source(&error).is_some());
            }
        }
        refused(f64::NAN, "NaN is not a JSON number");
        refused(f32::NEG_INFINITY, "-inf is not a JSON number");
        refused(HashMap::from([((1, 2), 3)]), "key must be a string");

        let bytes = Item { image: vec![serde_bytes::ByteBuf::from([1, 2])] };
        let error = Message::json(&bytes).unwrap_err();
        assert!(error.message().contains("data.image[0]: bytes inside JSON"), "{error}");
        let raw = Item { image: Message::bytes([1]) };
        assert_eq!(Message::json(&raw).unwrap_err().kind(), ErrorKind::InvalidJson);
    }

    #[test]
    fn what_can_be_json_goes_through_as_serde_json_writes_it() {
        #[derive(Serialize)]
        enum Shape {
            Point,
            Circle(f32),
            Line(u8, i64),
            Box { side: f64 },
        }
        #[derive(Serialize)]
        struct Unit;
        #[derive(Serialize)]
        struct Pair(u128, char);
        #[derive(Serialize)]
        struct Name(&'static str);
        let shapes = (Shape::Point, Shape::Circle(0.5), Shape::Line(1, -1), Shape::Box { side: 1.0 });
        let value = (shapes, Unit, Pair(u128::MAX, 'é'), Name("x"), ((), None::<u8>, Some(true)), [1.5_f64, -0.0]);
        let map = HashMap::from([(7, serde_json::json!({ "a": [null, "\u{2028}"] }))]);
        let whole = (value, map, Message::json_text(" [1.0, 1e400]").unwrap());
        let written = Message::json(&whole).unwrap();
        assert_eq!(std::str::from_utf8(written.data()).unwrap(), serde_json::to_string(&whole).unwrap());
    }

    #[test]
    fn a_body_of_another_type_is_told_with_its_place_and_keeps_its_cause() {
        #[derive(Debug, serde::Deserialize)]
        struct Item {
            #[expect(dead_code, reason = "only read by serde")]
            count: u8,
        }
        let body = Message::json_text(r#"[{"count":1},{"count":"two"}]"#).unwrap();
        let error = body.decode::<Vec<Item>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidBody);
        assert!(error.message().contains("asked for: data[1].count: invalid type: string \"two\""), "{error}");
        assert!(std::error::Error::source(&error).unwrap().is::<serde_json::Error>());
    }

    #[test]
    fn values_become_json_and_bytes_become_bytes() {
        assert_eq!(Message::json("a\"b").unwrap().data(), br#""a\"b""#);
        assert_eq!(Message::json(&()).unwrap(), Message::null());
        let bytes = Message::bytes([0, 255]);
        assert_eq!(Message::json(&bytes).unwrap(), bytes);
        let json = Message::json_text("[1, 2]").unwrap();
        assert_eq!(Message::json(&json).unwrap(), json);
        assert_eq!(Message::json(serde_bytes::Bytes::new(b"ab")).unwrap(), Message::bytes(*b"ab"));
        assert_eq!(Message::json(&vec![1u8, 2]).unwrap(), Message::json_text("[1,2]").unwrap());
    }

    #[test]
    fn bodies_decode_to_the_type_asked_for() {
        assert_eq!(Message::text("x").decode::<String>().unwrap(), "x");
        assert_eq!(Message::json_text("[1,null]").unwrap().decode::<Vec<Option<u8>>>().unwrap(), [Some(1), None]);
        assert_eq!(Message::null().decode::<Option<u8>>().unwrap(), None);
        Message::null().decode::<()>().unwrap();
        for message in [Message::bytes([1, 2]), Message::text("x")] {
            assert_eq!(message.decode::<Message>().unwrap(), message);
        }
        assert_eq!(Message::bytes([1, 2]).decode::<serde_bytes::ByteBuf>().unwrap().as_ref(), [1, 2]);
        for (message, expected) in [(Message::bytes([1]), "byte array"), (Message::text("x"), "string \"x\"")] {
            let error = message.decode::<u32>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidBody);
            assert!(error.message().contains(expected), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn clones_of_shared_memory_copy_nothing_and_the_last_frees_it() {
        let memory: Arc<[u8]> = Arc::from(*b"[1,2]");
        let message = Message::shared(MessageKind::Json, Arc::clone(&memory));
        let (clone, again) = (message.clone(), message.clone().into_shared());
        for message in [&message, &clone, &again] {
            assert_eq!(message.data().as_ptr(), memory.as_ptr());
            assert_eq!(message.decode::<Vec<u8>>().unwrap(), [1, 2]);
            assert_eq!(*message, Message::json_text("[1,2]").unwrap());
        }
        assert_eq!(clone.into_data(), *memory);
        drop((message, again));
        assert_eq!(Arc::strong_count(&memory), 1);

        let owned = Message::bytes(vec![7; 100]);
        let place = owned.data().as_ptr();
        let shared = owned.into_shared();
        assert_eq!((shared.data().as_ptr(), shared.clone().data().as_ptr()), (place, place));
    }

    #[test]
    fn a_message_in_shared_memory_is_refilled_without_touching_that_memory() {
        let memory: Arc<[u8]> = Arc::from([1, 2, 3]);
        let mut message = Message::shared(MessageKind::Bytes, Arc::clone(&memory));
        assert!(message.take_large(0).is_empty());
        message.refill(MessageKind::Json, b"null");
        assert_eq!(message, Message::null());
        assert_eq!((&*memory, Arc::strong_count(&memory)), (&[1, 2, 3][..], 1));
    }

    #[test]
    fn memory_that_can_be_shared_makes_no_message_larger() {
        assert_eq!(size_of::<Data>(), size_of::<Vec<u8>>());
    }

    #[test]
    fn the_text_of_a_json_string_is_unquoted() {
        assert_eq!(Message::text("a\n\u{1F600}").as_text().unwrap(), "a\n\u{1F600}");
        assert!(matches!(Message::text("plain").as_text(), Some(Cow::Borrowed("plain"))));
        assert_eq!(Message::json_text("1").unwrap().as_text(), None);
        assert_eq!(Message::bytes(*b"\"x\"").as_text(), None);
    }

    #[test]
    fn json_text_is_checked() {
        for good in ["1", " {\"a\":[]} ", "\"\\ud800\"", "1e400", "\"é\""] {
            assert!(Message::json_text(good).is_ok(), "{good}");
        }
        for bad in ["", "{", "1 2", "NaN", "\u{feff}1", "\"\n\""] {
            assert_eq!(Message::json_text(bad).unwrap_err().kind(), ErrorKind::InvalidJson, "{bad:?}");
        }
        let broken = Message::from_parts(MessageKind::Json, b"\"\xff\"".to_vec());
        assert_eq!(broken.check().unwrap_err().kind(), ErrorKind::InvalidBody);
        assert_eq!(Message::json_unchecked("[1]"), Message::json_text("[1]").unwrap());
        assert_eq!(Message::json_unchecked("[").check().unwrap_err().kind(), ErrorKind::InvalidBody);
    }

    #[test]
    fn a_message_inside_another_value_is_written_as_what_it_is() {
        let inner = Message::json_text("[1]").unwrap();
        assert_eq!(serde_json::to_string(&vec![inner]).unwrap(), "[[1]]");
    }
}
