//! JSON from Python objects.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

/// How deep lists and dicts may stand in one another.
const MOST_LEVELS: u32 = 500;

/// A Python object that is written as JSON.
pub(super) struct Value<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    levels: u32,
    /// An exception that is not about JSON.
    raised: &'a Cell<Option<PyErr>>,
}

impl<'a, 'py> Value<'a, 'py> {
    pub(super) fn new(object: &'a Bound<'py, PyAny>, raised: &'a Cell<Option<PyErr>>) -> Value<'a, 'py> {
        Value { object, levels: MOST_LEVELS, raised }
    }

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
        // Without a GIL another thread may change the dict while its values are written.
        #[cfg(Py_GIL_DISABLED)]
        let dict = &dict.copy().map_err(|raised| self.raise(raised))?;
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
