//! Python objects from JSON.

use std::cell::Cell;
use std::fmt;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use simple_ipc::{Error, ErrorKind};

/// How many different keys of JSON objects are kept while one text is read.
const KEPT_KEYS: usize = 64;
/// The longest key that is kept, in bytes.
const LONGEST_KEPT: usize = 32;

/// The value of a JSON text; fails, too, where it may be one that only the module `json` makes exactly.
pub(super) fn directly<'py>(py: Python<'py>, text: &[u8]) -> serde_json::Result<Bound<'py, PyAny>> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let object = Reader { py, keys: &Keys::default() }.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| object)
}

/// The same by the module `json`. It takes more than JSON: check the text before.
pub(super) fn by_module<'py>(py: Python<'py>, text: &[u8]) -> Result<Bound<'py, PyAny>, Error> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let load = || {
        let keywords = PyDict::new(py);
        keywords.set_item("parse_float", wrap_pyfunction!(finite, py)?)?;
        LOADS.import(py, "json", "loads")?.call((PyBytes::new(py, text),), Some(&keywords))
    };
    load().map_err(|error| {
        Error::new(ErrorKind::InvalidBody, format!("cannot read the body that arrived: {}", error.value(py)))
    })
}

/// A number that is no integer. The module `json` would make infinity of one that no float is near to.
#[pyfunction]
fn finite(digits: &str) -> PyResult<f64> {
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(PyValueError::new_err("a number is larger than any float")),
    }
}

/// A key as it stands in the text, and as a string of Python's.
type Kept<'de, 'py> = Cell<Option<(&'de str, Bound<'py, PyString>)>>;

/// Keys that have come before in a text, as Python's strings: lists of objects have the same over and over.
struct Keys<'de, 'py>([Kept<'de, 'py>; KEPT_KEYS]);

impl Default for Keys<'_, '_> {
    fn default() -> Self {
        Keys([const { Cell::new(None) }; KEPT_KEYS])
    }
}

impl<'de, 'py> Keys<'de, 'py> {
    fn get(&self, py: Python<'py>, text: &'de str) -> Bound<'py, PyString> {
        if text.len() > LONGEST_KEPT {
            return PyString::new(py, text);
        }
        // FNV-1a; two keys with the same slot take turns.
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let slot = &self.0[(hash ^ (hash >> 16)) as usize % KEPT_KEYS];
        let key = match slot.take() {
            Some((known, key)) if known == text => key,
            _ => PyString::new(py, text),
        };
        slot.set(Some((text, key.clone())));
        key
    }
}

/// Makes Python objects of JSON.
#[derive(Clone, Copy)]
struct Reader<'k, 'de, 'py> {
    py: Python<'py>,
    keys: &'k Keys<'de, 'py>,
}

/// Makes a key of a dict.
struct KeyReader<'k, 'de, 'py>(Reader<'k, 'de, 'py>);

impl<'de, 'py> DeserializeSeed<'de> for KeyReader<'_, 'de, 'py> {
    type Value = Bound<'py, PyString>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, 'py> Visitor<'de> for KeyReader<'_, 'de, 'py> {
    type Value = Bound<'py, PyString>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(self.0.keys.get(self.0.py, text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0.py, text))
    }
}

impl<'de, 'py> DeserializeSeed<'de> for Reader<'_, 'de, 'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'py> Visitor<'de> for Reader<'_, 'de, 'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.py, truth).to_owned().into_any())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.py, number).into_any())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.py, number).into_any())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // It may be an integer that was too large, or `-0`, which is one: `json` tells these apart.
        if number.abs() >= 9.2e18 || (number == 0.0 && number.is_sign_negative()) {
            return Err(E::custom("perhaps an integer"));
        }
        Ok(PyFloat::new(self.py, number).into_any())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.py, text).into_any())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.py);
        while let Some(item) = items.next_element_seed(self)? {
            list.append(item).map_err(A::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.py);
        while let Some(key) = entries.next_key_seed(KeyReader(self))? {
            let value = entries.next_value_seed(self)?;
            dict.set_item(key, value).map_err(A::Error::custom)?;
        }
        Ok(dict.into_any())
    }
}
