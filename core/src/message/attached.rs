//! A JSON value with bytes beside it, in one body: the length of the JSON text in four bytes, the JSON text, the bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::BytesDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::typed::place;

/// The name by which [`Attached`] is known to this crate's serializer and deserializer.
pub(super) const ATTACHED: &str = "$simple_ipc::Attached";
/// What such a body is called in errors.
pub(super) const NAME: &str = "JSON with bytes";
/// How many bytes the length of the JSON text has.
const LENGTH: usize = 4;
/// The bytes begin at a multiple of this, counted from the beginning of the body, so that numbers in them can be used where
/// they lie: spaces behind the JSON text see to that.
const ALIGNMENT: usize = 8;

/// A JSON value with bytes beside it: an array with its shape, a picture with its name. One body, without base64.
///
/// It stands wherever a body may: in requests, answers, broadcasts, events and items of streams. Listeners and clients of
/// version 0.1.0 do not know it, and the Deno wire and plain text have no such body: a call fails there with
/// [`ErrorKind::UnsupportedVersion`](crate::ErrorKind::UnsupportedVersion) before anything is sent. The largest message
/// counts the whole body: four bytes, the JSON text with up to seven spaces behind it, and the bytes.
///
/// ```
/// use simple_ipc::{Attached, Message};
///
/// let picture = Attached { value: ("cat.png".to_owned(), 640, 480), data: vec![0x89, 0x50] };
/// let message = Message::json(&picture)?;
/// assert_eq!(message.decode::<Attached<(String, u32, u32)>>()?, picture);
/// # Ok::<(), simple_ipc::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attached<T = serde_json::Value> {
    /// The JSON value: anything that becomes JSON. Bytes inside it are refused, as in any JSON body.
    pub value: T,
    /// The bytes, as they are. They may be empty.
    pub data: Vec<u8>,
}

impl<T> Attached<T> {
    /// The value and the bytes.
    pub fn new(value: T, data: impl Into<Vec<u8>>) -> Attached<T> {
        Attached { value, data: data.into() }
    }
}

/// The JSON text, without spaces behind it, and the bytes of a body; `None` where it is shorter than it says. The text is
/// not looked at.
#[inline]
pub(crate) fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = body.split_first_chunk::<LENGTH>()?;
    let (json, data) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some((json.trim_ascii_end(), data))
}

/// A body, of which the JSON text is written first: the length of it is put in by [`close`].
pub(super) fn begin(room: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(LENGTH + room + ALIGNMENT);
    body.extend_from_slice(&[0; LENGTH]);
    body
}

/// Says that the JSON text of a body is written, so that the bytes may follow. `false`: it is longer than can be said.
pub(super) fn close(body: &mut Vec<u8>) -> bool {
    body.resize(body.len().next_multiple_of(ALIGNMENT), b' ');
    match u32::try_from(body.len() - LENGTH) {
        Ok(len) => {
            body[..LENGTH].copy_from_slice(&len.to_le_bytes());
            true
        }
        Err(_) => false,
    }
}

impl<T: Serialize> Serialize for Attached<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ATTACHED, &Parts(self))
    }
}

/// What stands inside the newtype.
struct Parts<'a, T>(&'a Attached<T>);

impl<T: Serialize> Serialize for Parts<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(2)?;
        parts.serialize_element(&self.0.value)?;
        parts.serialize_element(&Raw(&self.0.data))?;
        parts.end()
    }
}

/// Bytes, as serde's data model has them.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Attached<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Attached<T>, D::Error> {
        deserializer.deserialize_newtype_struct(ATTACHED, AttachedVisitor(PhantomData))
    }
}

struct AttachedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AttachedVisitor<T> {
    type Value = Attached<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }

    /// From a whole body: the value, then the bytes.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Attached<T>, A::Error> {
        let value = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let data = parts.next_element::<Taken>()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
        Ok(Attached { value, data: data.0 })
    }

    /// From a JSON text.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Attached<T>, D::Error> {
        Err(de::Error::custom(format_args!("JSON without bytes, expected {NAME}")))
    }
}

/// The bytes of [`PartsOf`].
struct Taken(Vec<u8>);

impl<'de> Deserialize<'de> for Taken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Taken, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Taken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Taken, E> {
                Ok(Taken(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The two parts of a body, one after the other.
pub(super) struct PartsOf<'a, E> {
    /// What has not been taken, the JSON text first.
    json: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    error: PhantomData<E>,
}

impl<'a, E> PartsOf<'a, E> {
    pub(super) fn new((json, data): (&'a [u8], &'a [u8])) -> PartsOf<'a, E> {
        PartsOf { json: Some(json), data: Some(data), error: PhantomData }
    }
}

impl<'de, E: de::Error> SeqAccess<'de> for PartsOf<'de, E> {
    type Error = E;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, E> {
        let Some(json) = self.json.take() else {
            return self.data.take().map(|data| seed.deserialize(BytesDeserializer::new(data))).transpose();
        };
        let mut track = serde_path_to_error::Track::new();
        let mut reader = serde_json::Deserializer::from_slice(json);
        let value = seed.deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track));
        match value.and_then(|value| reader.end().map(|()| value)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(E::custom(format_args!("{}: {error}", place("value", &track.path())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::ErrorKind;
    use crate::message::{Message, MessageKind};

    #[test]
    fn a_value_and_bytes_come_out_as_they_went_in() {
        for data in [vec![], vec![0], (0..=255).collect::<Vec<u8>>(), vec![7; 100_000]] {
            let attached = Attached::new(HashMap::from([("shape".to_owned(), vec![2, 3])]), data.clone());
            let message = Message::json(&attached).unwrap();
            assert_eq!(message.kind(), MessageKind::Attached);
            assert_eq!(message, Message::attached(&attached.value, &data).unwrap());
            assert_eq!(message, Message::attached_text(r#"{"shape":[2,3]}"#, &data).unwrap());
            message.check().unwrap();
            assert_eq!(message.decode::<Attached<HashMap<String, Vec<u8>>>>().unwrap(), attached);
            let (json, bytes) = message.as_attached().unwrap();
            assert_eq!((json, bytes), (&br#"{"shape":[2,3]}"#[..], &data[..]));
            assert_eq!(message.decode::<Message>().unwrap(), message);
            assert_eq!(Message::json(&message).unwrap(), message);
        }
    }

    #[test]
    fn the_bytes_begin_where_numbers_of_eight_bytes_may_lie() {
        for len in 0..20 {
            let text = "7".repeat(len + 1);
            let message = Message::attached_text(&text, [1, 2]).unwrap();
            assert_eq!((message.len() - 2) % 8, 0);
            assert_eq!(message.as_attached().unwrap(), (text.as_bytes(), &[1, 2][..]));
        }
    }

    #[test]
    fn what_is_no_json_with_bytes_is_refused_with_what_it_is() {
        let why = |message: Message| message.decode::<Attached>().unwrap_err().message().to_owned();
        assert!(
            why(Message::null()).contains("JSON without bytes, expected JSON with bytes"),
            "{}",
            why(Message::null())
        );
        assert!(why(Message::bytes([1])).contains("bytes without JSON, expected JSON with bytes"));
        let message = Message::attached(&[1], [2]).unwrap();
        let told = |error: crate::Error| {
            assert_eq!(error.kind(), ErrorKind::InvalidBody);
            assert!(error.message().contains("JSON with bytes, expected"), "{error}");
        };
        told(message.decode::<Vec<u8>>().unwrap_err());
        told(message.decode::<serde_json::Value>().unwrap_err());
        told(message.decode::<serde_bytes::ByteBuf>().unwrap_err());
        let error = message.decode::<Attached<Vec<String>>>().unwrap_err();
        assert!(error.message().contains("value[0]: invalid type: integer `1`"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_become_json_is_refused_and_bytes_stay_out_of_json() {
        for error in [
            Message::json(&Attached::new(f64::NAN, [1])).unwrap_err(),
            Message::attached(&f64::NAN, [1]).unwrap_err(),
            Message::attached(&Message::bytes([1]), [1]).unwrap_err(),
            Message::attached_text("{", [1]).unwrap_err(),
            Message::json(&[Attached::new(1, [1])]).unwrap_err(),
            Message::json(&[Message::attached(&1, [1]).unwrap()]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidJson, "{error}");
        }
    }

    #[test]
    fn a_body_that_is_shorter_than_it_says_has_no_parts() {
        for body in [&[][..], &[0, 0, 0], &[1, 0, 0, 0], &[3, 0, 0, 0, b'1', b'2'], &[255, 255, 255, 255, b'1']] {
            assert_eq!(split(body), None);
            let message = Message::shared(MessageKind::Attached, body.to_vec());
            assert_eq!(message.as_attached(), None);
            assert_eq!(message.check().unwrap_err().kind(), ErrorKind::InvalidBody);
            assert_eq!(message.decode::<Attached>().unwrap_err().kind(), ErrorKind::InvalidBody);
        }
        let no_json = Message::shared(MessageKind::Attached, vec![0, 0, 0, 0, 9]);
        assert_eq!(no_json.as_attached(), Some((&[][..], &[9][..])));
        assert_eq!(no_json.check().unwrap_err().kind(), ErrorKind::InvalidBody);
    }
}
