//! Bodies: bytes-like objects are bytes, everything else is JSON.
//!
//! JSON is written from the objects and read into objects directly. What that cannot do exactly
//! (integers beyond 64 bits, lone surrogates, very deep values) is left to the module `json`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use simple_ipc::{ErrorKind, Message, MessageKind};

use crate::error::{exception, of_kind};

/// How deep lists and dicts may stand in one another.
const MOST_LEVELS: u32 = 500;

/// The body that an object stands for.
pub(crate) fn to_message(data: &Bound<'_, PyAny>) -> PyResult<Message> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Message::bytes(bytes.as_bytes()));
    }
    if let Ok(bytes) = data.cast::<PyByteArray>() {
        return Ok(Message::bytes(bytes.to_vec()));
    }
    if let Ok(view) = data.cast::<PyMemoryView>() {
        if !view.getattr("c_contiguous")?.extract::<bool>()? {
            let text = "cannot send a memoryview that is not contiguous; send bytes(view)";
            return Err(of_kind(data.py(), ErrorKind::InvalidArgument, text));
        }
        return Ok(Message::bytes(view.call_method0("tobytes")?.cast::<PyBytes>()?.as_bytes()));
    }
    let interrupted = Cell::new(None);
    let made = Message::json(&Value { object: data, levels: MOST_LEVELS, raised: &interrupted });
    match interrupted.into_inner() {
        Some(raised) => Err(raised),
        None => made.map_err(|error| exception(data.py(), &error)),
    }
}

/// The object that a body stands for.
pub(crate) fn to_object<'py>(py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyAny>> {
    if message.kind() == MessageKind::Bytes {
        return Ok(PyBytes::new(py, message.data()).into_any());
    }
    let mut reader = serde_json::Deserializer::from_slice(message.data());
    let read = Reader(py).deserialize(&mut reader).and_then(|object| reader.end().map(|()| object));
    match read {
        Ok(object) => Ok(object),
        Err(_) => by_module(py, message.data()),
    }
}

/// The bytes that go over the wire for `data`.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn encode<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(data.py(), to_message(data)?.data()))
}

/// The value of a JSON text.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub(crate) fn decode<'py>(py: Python<'py>, text: String) -> PyResult<Bound<'py, PyAny>> {
    let message = Message::json_text(text).map_err(|error| exception(py, &error))?;
    to_object(py, &message)
}

fn by_module<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let read = LOADS.import(py, "json", "loads")?.call1((PyBytes::new(py, text),));
    read.map_err(|error| {
        let why = format!("cannot read the body that arrived: {}", error.value(py));
        of_kind(py, ErrorKind::InvalidBody, why)
    })
}

/// A Python object that is written as JSON.
struct Value<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    levels: u32,
    /// An exception that is not about JSON.
    raised: &'a Cell<Option<PyErr>>,
}

impl<'a, 'py> Value<'a, 'py> {
    fn inner<'b>(&'b self, object: &'b Bound<'py, PyAny>) -> Value<'b, 'py> {
        Value { object, levels: self.levels - 1, raised: self.raised }
    }

    fn raise<E: serde::ser::Error>(&self, raised: PyErr) -> E {
        let text = raised.to_string();
        self.raised.set(Some(raised));
        E::custom(text)
    }

    fn text<S: Serializer>(&self, text: &Bound<'py, PyString>, serializer: S) -> Result<S::Ok, S::Error> {
        match text.to_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => escaped(text).map_err(|raised| self.raise(raised)).and_then(|raw| raw.serialize(serializer)),
        }
    }

    fn integer<S: Serializer>(&self, number: &Bound<'py, PyInt>, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(number) = number.extract::<i64>() {
            return serializer.serialize_i64(number);
        }
        let digits = number.py().get_type::<PyInt>().call_method1("__repr__", (number,));
        match digits.and_then(|digits| digits.extract::<String>()) {
            Ok(digits) => RawValue::from_string(digits).map_err(S::Error::custom)?.serialize(serializer),
            Err(why) => Err(S::Error::custom(why.value(number.py()))),
        }
    }

    fn list<S: Serializer>(
        &self,
        len: usize,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(len))?;
        for item in items {
            list.serialize_element(&self.inner(&item))?;
        }
        list.end()
    }

    /// A dict with a key that UTF-8 cannot hold, which no serializer takes: its text is put together here.
    fn unusual_dict<S: Serializer>(&self, dict: &Bound<'py, PyDict>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::from("{");
        for (key, value) in dict.iter() {
            let key = serde_json::to_string(&Value { object: &key, levels: 0, raised: self.raised });
            let value = serde_json::to_string(&self.inner(&value));
            let comma = if text.len() > 1 { "," } else { "" };
            write!(text, "{comma}{}:{}", key.map_err(S::Error::custom)?, value.map_err(S::Error::custom)?)
                .map_err(S::Error::custom)?;
        }
        text.push('}');
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }

    fn dict<S: Serializer>(&self, dict: &Bound<'py, PyDict>, serializer: S) -> Result<S::Ok, S::Error> {
        let (all_text, unusual) = (Cell::new(true), Cell::new(false));
        let looked = dict.locked_for_each(|key, _| {
            match key.cast::<PyString>() {
                Ok(key) => unusual.set(unusual.get() || key.to_str().is_err()),
                Err(_) => all_text.set(false),
            }
            Ok(())
        });
        looked.map_err(|raised| self.raise(raised))?;
        if unusual.get() && all_text.get() {
            return self.unusual_dict(dict, serializer);
        }
        let map = RefCell::new(serializer.serialize_map(Some(dict.len()))?);
        let failed = RefCell::new(None);
        let walked = dict.locked_for_each(|key, value| {
            let written = match key.cast::<PyString>() {
                Ok(text) => {
                    let key = Value { object: text.as_any(), levels: 0, raised: self.raised };
                    map.borrow_mut().serialize_entry(&key, &self.inner(&value))
                }
                Err(_) => Err(S::Error::custom(format!(
                    "a key of a dict is of type {}; keys of JSON objects are str",
                    type_name(&key)
                ))),
            };
            written.map_err(|error| {
                *failed.borrow_mut() = Some(error);
                pyo3::exceptions::PyValueError::new_err(())
            })
        });
        match (failed.into_inner(), walked) {
            (Some(error), _) => Err(error),
            (None, Err(raised)) => Err(self.raise(raised)),
            (None, Ok(())) => map.into_inner().end(),
        }
    }
}

impl Serialize for Value<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = self.object;
        if let Ok(text) = object.cast::<PyString>() {
            self.text(text, serializer)
        } else if object.is_none() {
            serializer.serialize_unit()
        } else if let Ok(truth) = object.cast::<PyBool>() {
            serializer.serialize_bool(truth.is_true())
        } else if let Ok(number) = object.cast::<PyInt>() {
            self.integer(number, serializer)
        } else if let Ok(number) = object.cast::<PyFloat>() {
            let number = number.value();
            if !number.is_finite() {
                return Err(S::Error::custom(format!("{number} is not a JSON number; send None or a string instead")));
            }
            serializer.serialize_f64(number)
        } else if self.levels == 0 {
            let text = format!("it is more than {MOST_LEVELS} levels deep, or contains itself; send it in pieces");
            Err(S::Error::custom(text))
        } else if let Ok(dict) = object.cast::<PyDict>() {
            self.dict(dict, serializer)
        } else if let Ok(list) = object.cast::<PyList>() {
            self.list(list.len(), list.iter(), serializer)
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            self.list(tuple.len(), tuple.iter(), serializer)
        } else {
            Err(S::Error::custom(format!(
                "an object of type {} is not a JSON value; send dict, list, str, int, float, bool or None, \
                 or bytes by themselves",
                type_name(object)
            )))
        }
    }
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string())
}

/// A string with lone surrogates, which UTF-8 cannot hold but JSON's escapes can.
fn escaped(text: &Bound<'_, PyString>) -> PyResult<Box<RawValue>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let raw: String = DUMPS.import(text.py(), "json", "dumps")?.call1((text,))?.extract()?;
    RawValue::from_string(raw).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
}

/// Makes Python objects of JSON.
#[derive(Clone, Copy)]
struct Reader<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Reader<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Reader<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.0, truth).to_owned().into_any())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.0, number).into_any())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.0, number).into_any())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // It may be an integer that was too large, or `-0`, which is one: `json` tells these apart.
        if number.abs() >= 9.2e18 || number == 0.0 {
            return Err(E::custom("perhaps an integer"));
        }
        Ok(PyFloat::new(self.0, number).into_any())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, text).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(item) = items.next_element_seed(self)? {
            list.append(item).map_err(A::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        while let Some(key) = entries.next_key_seed(self)? {
            let value = entries.next_value_seed(self)?;
            dict.set_item(key, value).map_err(A::Error::custom)?;
        }
        Ok(dict.into_any())
    }
}
