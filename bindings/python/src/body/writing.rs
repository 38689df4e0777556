//! JSON from Python objects.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::refusing::{Trail, refusal, type_name};

/// How deep lists and dicts may stand in one another.
const MOST_LEVELS: u32 = 500;

/// A Python object that is written as JSON.
pub(super) struct Value<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    levels: u32,
    trouble: &'a Trouble,
}

/// What kept a value from becoming JSON.
#[derive(Default)]
pub(super) struct Trouble {
    /// An exception that is not about JSON.
    raised: Cell<Option<PyErr>>,
    /// What was refused and why, and the way to it.
    why: RefCell<Option<String>>,
    trail: RefCell<Trail>,
}

impl Trouble {
    /// The exception that is not about JSON, or the reason, with the path to what was refused from `root` on.
    pub(super) fn explain(self, root: &str, otherwise: &dyn std::fmt::Display) -> Result<PyErr, String> {
        match (self.raised.into_inner(), self.why.into_inner()) {
            (Some(raised), _) => Ok(raised),
            (None, Some(why)) => Err(format!("{}: {why}", self.trail.into_inner().from(root))),
            (None, None) => Err(otherwise.to_string()),
        }
    }
}

impl<'a, 'py> Value<'a, 'py> {
    pub(super) fn new(object: &'a Bound<'py, PyAny>, trouble: &'a Trouble) -> Value<'a, 'py> {
        Value { object, levels: MOST_LEVELS, trouble }
    }

    fn inner<'b>(&'b self, object: &'b Bound<'py, PyAny>) -> Value<'b, 'py> {
        Value { object, levels: self.levels - 1, trouble: self.trouble }
    }

    fn raise<E: serde::ser::Error>(&self, raised: PyErr) -> E {
        self.trouble.raised.set(Some(raised));
        E::custom("an exception was raised")
    }

    /// Why this very object is refused; those around it add where it stands.
    fn refuse<E: serde::ser::Error>(&self, why: String) -> E {
        let error = E::custom(&why);
        *self.trouble.why.borrow_mut() = Some(why);
        // A value may be tried more than once.
        *self.trouble.trail.borrow_mut() = Trail::default();
        error
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
            Err(why) => Err(self.refuse(why.value(number.py()).to_string())),
        }
    }

    fn list<S: Serializer>(
        &self,
        len: usize,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(len))?;
        for (index, item) in items.enumerate() {
            list.serialize_element(&self.inner(&item)).inspect_err(|_| self.trouble.trail.borrow_mut().index(index))?;
        }
        list.end()
    }

    /// A dict with a key that UTF-8 cannot hold, which no serializer takes: its text is put together here.
    fn unusual_dict<S: Serializer>(&self, dict: &Bound<'py, PyDict>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::from("{");
        for (key, value) in dict.iter() {
            let value = serde_json::to_string(&self.inner(&value)).inspect_err(|_| self.passed(&key));
            let key = serde_json::to_string(&Value { object: &key, levels: 0, trouble: self.trouble });
            let comma = if text.len() > 1 { "," } else { "" };
            write!(text, "{comma}{}:{}", key.map_err(S::Error::custom)?, value.map_err(S::Error::custom)?)
                .map_err(S::Error::custom)?;
        }
        text.push('}');
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }

    /// What was refused stands under this key.
    fn passed(&self, key: &Bound<'py, PyAny>) {
        self.trouble.trail.borrow_mut().key(&key.cast::<PyString>().map_or("?".into(), |key| key.to_string_lossy()));
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
                    let written = Value { object: text.as_any(), levels: 0, trouble: self.trouble };
                    map.borrow_mut().serialize_entry(&written, &self.inner(&value)).inspect_err(|_| self.passed(&key))
                }
                Err(_) => Err(self.refuse(format!(
                    "a key of type {}; keys of JSON objects are str, so send {{str(key): value, …}} or a list of pairs",
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
                return Err(self.refuse(format!("{number} is not a JSON number; send None or a string instead")));
            }
            serializer.serialize_f64(number)
        } else if self.levels == 0 {
            let text = format!("it is more than {MOST_LEVELS} levels deep, or contains itself; send it in pieces");
            Err(self.refuse(text))
        } else if let Ok(dict) = object.cast::<PyDict>() {
            self.dict(dict, serializer)
        } else if let Ok(list) = object.cast::<PyList>() {
            self.list(list.len(), list.iter(), serializer)
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            self.list(tuple.len(), tuple.iter(), serializer)
        } else {
            Err(self.refuse(refusal(object)))
        }
    }
}

/// A string with lone surrogates, which UTF-8 cannot hold but JSON's escapes can.
fn escaped(text: &Bound<'_, PyString>) -> PyResult<Box<RawValue>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let raw: String = DUMPS.import(text.py(), "json", "dumps")?.call1((text,))?.extract()?;
    RawValue::from_string(raw).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
}
