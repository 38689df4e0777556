//! The bridge between serde's types and [`Message`].
//!
//! `Message` announces itself to serde as a newtype struct of a name that no other type has. Before
//! a value is turned into JSON, [`Outermost`] looks at its outermost layer only: that newtype, or
//! bytes, become the body as they are; so do the two parts of an [`Attached`](super::Attached), which has such a name, too. On the
//! way back [`Whole`] gives a `Message` its body whole
//! and bytes to types that take bytes. Everything else is `serde_json`'s.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, SerializeStruct, SerializeTuple, Serializer};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::attached::{self, ATTACHED, PartsOf, Raw};
use super::strict::Strict;
use super::{Message, MessageKind};
use crate::error::{Error, ErrorKind, Result};

/// The name by which `Message` is known to this module's serializer and deserializer.
const MESSAGE: &str = "$simple_ipc::Message";

pub(super) fn to_message<T: Serialize + ?Sized>(value: &T) -> Result<Message> {
    if let Ok(raw) = value.serialize(Outermost { within: Within::Nothing }) {
        return Ok(raw);
    }
    let mut data = Vec::with_capacity(128);
    write_json(value, &mut data)?;
    Ok(Message::from_parts(MessageKind::Json, data))
}

/// Writes a value as JSON behind what is in `data`.
pub(super) fn write_json<T: Serialize + ?Sized>(value: &T, data: &mut Vec<u8>) -> Result<()> {
    value.serialize(Strict::<_, true>(&mut serde_json::Serializer::new(data))).map_err(|error| refusal(value, error))
}

/// Why a value cannot become JSON, with the member that cannot: found by going through the value once more.
fn refusal<T: Serialize + ?Sized>(value: &T, error: serde_json::Error) -> Error {
    let mut track = serde_path_to_error::Track::new();
    let mut nowhere = serde_json::Serializer::new(std::io::sink());
    let tracked = serde_path_to_error::Serializer::new(Strict::<_, true>(&mut nowhere), &mut track);
    let _it_fails_again = value.serialize(Strict::<_, false>(tracked));
    let place = place("data", &track.path());
    Error::new(ErrorKind::InvalidJson, format!("the value cannot become JSON: {place}: {error}")).with_source(error)
}

/// A member of a body in words: `data.items[3].image`, or `data` for the body itself, where that is called `data`.
pub(super) fn place(body: &str, path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    match path.as_bytes().first() {
        Some(b'[') => format!("{body}{path}"),
        _ if path == "." || path.is_empty() => body.to_owned(),
        _ => format!("{body}.{path}"),
    }
}

pub(super) fn from_message<T: DeserializeOwned>(message: &Message) -> Result<T> {
    match (T::deserialize(Whole(message)), message.kind) {
        (Err(Elsewhere(_)), MessageKind::Json) => serde_json::from_slice(&message.data)
            .map_err(|error| not_asked_for(&member::<T>(message, error.to_string()), error)),
        (whole, _) => whole.map_err(|error| not_asked_for(&error.to_string(), error)),
    }
}

fn not_asked_for(why: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::InvalidBody, format!("the body that arrived is not what was asked for: {why}"))
        .with_source(source)
}

/// Which member of a body is not of its type, and why: found by going through the body once more.
fn member<T: DeserializeOwned>(message: &Message, why: String) -> String {
    let json = &mut serde_json::Deserializer::from_slice(&message.data);
    match serde_path_to_error::deserialize::<_, T>(json) {
        Err(error) if error.path().iter().next().is_some() => {
            format!("{}: {}", place("data", error.path()), error.inner())
        }
        _ => why,
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(MESSAGE, &Body(self))
    }
}

/// What stands inside the newtype.
struct Body<'a>(&'a Message);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0.kind {
            MessageKind::Bytes => serializer.serialize_bytes(&self.0.data),
            MessageKind::Attached => {
                serializer.serialize_newtype_variant(MESSAGE, 0, attached::NAME, &Raw(&self.0.data))
            }
            MessageKind::Json => {
                let raw: &RawValue = serde_json::from_slice(&self.0.data).map_err(ser::Error::custom)?;
                raw.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Message, D::Error> {
        deserializer.deserialize_newtype_struct(MESSAGE, MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message body")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Message, E> {
        self.visit_string(text.to_owned())
    }

    /// From [`Whole`]: JSON text.
    fn visit_string<E: de::Error>(self, text: String) -> std::result::Result<Message, E> {
        Ok(Message::from_parts(MessageKind::Json, text.into_bytes()))
    }

    /// From [`Whole`]: bytes.
    fn visit_byte_buf<E: de::Error>(self, data: Vec<u8>) -> std::result::Result<Message, E> {
        Ok(Message::from_parts(MessageKind::Bytes, data))
    }

    /// From [`Whole`]: JSON with bytes.
    fn visit_bytes<E: de::Error>(self, data: &[u8]) -> std::result::Result<Message, E> {
        Ok(Message::from_parts(MessageKind::Attached, data.to_vec()))
    }

    /// From any other deserializer: a value inside another.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Message, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        to_message(&value).map_err(de::Error::custom)
    }
}

/// The answer 'not for this serializer or deserializer', with the reason where one was given.
#[derive(Debug)]
struct Elsewhere(String);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Elsewhere {}

impl ser::Error for Elsewhere {
    fn custom<T: fmt::Display>(why: T) -> Elsewhere {
        Elsewhere(why.to_string())
    }
}

impl de::Error for Elsewhere {
    fn custom<T: fmt::Display>(why: T) -> Elsewhere {
        Elsewhere(why.to_string())
    }
}

/// A deserializer over one whole body: for `Message`, and for what takes bytes.
struct Whole<'a>(&'a Message);

impl<'de> Deserializer<'de> for Whole<'de> {
    type Error = Elsewhere;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Elsewhere> {
        match self.0.kind {
            MessageKind::Bytes => visitor.visit_byte_buf(self.0.data.to_vec()),
            MessageKind::Json => Err(Elsewhere(String::new())),
            MessageKind::Attached => Err(de::Error::invalid_type(de::Unexpected::Other(attached::NAME), &visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, Elsewhere> {
        match self.0.kind {
            MessageKind::Attached if name == MESSAGE => visitor.visit_bytes(&self.0.data),
            MessageKind::Attached if name == ATTACHED => match self.0.as_attached() {
                Some(parts) => visitor.visit_seq(PartsOf::new(parts)),
                None => Err(de::Error::custom("a body of JSON with bytes is shorter than it says of its JSON")),
            },
            MessageKind::Bytes if name == ATTACHED => {
                Err(de::Error::invalid_type(de::Unexpected::Other("bytes without JSON"), &visitor))
            }
            MessageKind::Json if name == MESSAGE => {
                let text = String::from_utf8(self.0.data.to_vec()).map_err(de::Error::custom)?;
                visitor.visit_string(text)
            }
            MessageKind::Bytes | MessageKind::Attached if name != MESSAGE => visitor.visit_newtype_struct(self),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A serializer that takes only what is a body as it stands: a `Message`, bytes, or an `Attached`.
struct Outermost<'a> {
    within: Within<'a>,
}

/// What stands round the value that is looked at.
enum Within<'a> {
    /// Nothing: it is the outermost one.
    Nothing,
    /// A `Message`.
    Message,
    /// An `Attached`.
    Attached,
    /// The bytes of an `Attached`, which are written behind this.
    Data(&'a mut Vec<u8>),
}

/// The parts of an `Attached`: the value is written first, then the bytes.
struct AttachedParts {
    body: Vec<u8>,
    has_value: bool,
}

impl SerializeTuple for AttachedParts {
    type Ok = Message;
    type Error = Elsewhere;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, part: &T) -> std::result::Result<(), Elsewhere> {
        if self.has_value {
            return part.serialize(Outermost { within: Within::Data(&mut self.body) }).map(drop);
        }
        self.has_value = true;
        write_json(part, &mut self.body).map_err(ser::Error::custom)?;
        if attached::close(&mut self.body) { Ok(()) } else { Err(Elsewhere(String::new())) }
    }

    fn end(self) -> std::result::Result<Message, Elsewhere> {
        Ok(Message::from_parts(MessageKind::Attached, self.body))
    }
}

/// `serde_json`'s raw JSON inside a `Message`: a struct with one field, the text.
struct RawJson(Option<Message>);

impl SerializeStruct for RawJson {
    type Ok = Message;
    type Error = Elsewhere;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        _: &'static str,
        value: &T,
    ) -> std::result::Result<(), Elsewhere> {
        self.0 = Some(value.serialize(Outermost { within: Within::Message })?);
        Ok(())
    }

    fn end(self) -> std::result::Result<Message, Elsewhere> {
        self.0.ok_or_else(|| Elsewhere(String::new()))
    }
}

macro_rules! elsewhere {
    ($($method:ident($($argument:ty),*) -> $out:ty;)*) => {
        $( fn $method(self, $(_: $argument),*) -> std::result::Result<$out, Elsewhere> {
            Err(Elsewhere(String::new()))
        } )*
    };
}

impl Serializer for Outermost<'_> {
    type Ok = Message;
    type Error = Elsewhere;
    type SerializeSeq = Impossible<Message, Elsewhere>;
    type SerializeTuple = AttachedParts;
    type SerializeTupleStruct = Impossible<Message, Elsewhere>;
    type SerializeTupleVariant = Impossible<Message, Elsewhere>;
    type SerializeMap = Impossible<Message, Elsewhere>;
    type SerializeStruct = RawJson;
    type SerializeStructVariant = Impossible<Message, Elsewhere>;

    fn serialize_bytes(self, data: &[u8]) -> std::result::Result<Message, Elsewhere> {
        if let Within::Data(body) = self.within {
            body.extend_from_slice(data);
            return Ok(Message::from_parts(MessageKind::Bytes, Vec::new()));
        }
        Ok(Message::from_parts(MessageKind::Bytes, data.to_vec()))
    }

    fn serialize_tuple(self, _: usize) -> std::result::Result<AttachedParts, Elsewhere> {
        match self.within {
            Within::Attached => Ok(AttachedParts { body: attached::begin(128), has_value: false }),
            _ => Err(Elsewhere(String::new())),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> std::result::Result<Message, Elsewhere> {
        let within = match name {
            MESSAGE => Within::Message,
            ATTACHED => Within::Attached,
            _ => Within::Nothing,
        };
        value.serialize(Outermost { within })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> std::result::Result<RawJson, Elsewhere> {
        if let Within::Message = self.within { Ok(RawJson(None)) } else { Err(Elsewhere(String::new())) }
    }

    fn serialize_str(self, text: &str) -> std::result::Result<Message, Elsewhere> {
        if let Within::Message = self.within {
            Ok(Message::from_parts(MessageKind::Json, text.as_bytes().to_vec()))
        } else {
            Err(Elsewhere(String::new()))
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> std::result::Result<Message, Elsewhere> {
        Err(Elsewhere(String::new()))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> std::result::Result<Message, Elsewhere> {
        let Within::Message = self.within else { return Err(Elsewhere(String::new())) };
        let whole = value.serialize(Outermost { within: Within::Nothing })?;
        Ok(Message { kind: MessageKind::Attached, data: whole.data })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> std::result::Result<Message, Elsewhere> {
        Err(Elsewhere(String::new()))
    }

    elsewhere! {
        serialize_bool(bool) -> Message;
        serialize_i8(i8) -> Message;
        serialize_i16(i16) -> Message;
        serialize_i32(i32) -> Message;
        serialize_i64(i64) -> Message;
        serialize_u8(u8) -> Message;
        serialize_u16(u16) -> Message;
        serialize_u32(u32) -> Message;
        serialize_u64(u64) -> Message;
        serialize_f32(f32) -> Message;
        serialize_f64(f64) -> Message;
        serialize_char(char) -> Message;
        serialize_none() -> Message;
        serialize_unit() -> Message;
        serialize_unit_struct(&'static str) -> Message;
        serialize_unit_variant(&'static str, u32, &'static str) -> Message;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
