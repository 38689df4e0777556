//! Why a Python object cannot become JSON: where it stands, what it is, and what to send instead.

use std::fmt::Write as _;

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFrozenSet, PyMemoryView, PySet, PyType};

/// The most characters of a key that are shown.
const SHOWN_KEY: usize = 40;
/// The most steps that are shown at either end of a path.
const SHOWN_STEPS: usize = 8;

/// The way to what was refused, from the inside out.
#[derive(Default)]
pub(super) struct Trail(Vec<String>);

impl Trail {
    pub(super) fn index(&mut self, index: usize) {
        self.0.push(format!("[{index}]"));
    }

    pub(super) fn key(&mut self, key: &str) {
        let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let more = if key.chars().count() > SHOWN_KEY { "…" } else { "" };
        let shown: String = key.chars().take(SHOWN_KEY).collect();
        self.0.push(if is_word { format!(".{shown}{more}") } else { format!("[{:?}{more}]", shown) });
    }

    /// The path as one would write it down: `data.items[3].image`.
    pub(super) fn from(&self, root: &str) -> String {
        let mut path = root.to_owned();
        for (place, step) in self.0.iter().rev().enumerate() {
            let hidden = self.0.len() > 2 * SHOWN_STEPS && (SHOWN_STEPS..self.0.len() - SHOWN_STEPS).contains(&place);
            if !hidden {
                path.push_str(step);
            } else if place == SHOWN_STEPS {
                path.push('…');
            }
        }
        path
    }
}

/// What an object is that is not a JSON value, and what to send instead.
pub(super) fn refusal(object: &Bound<'_, PyAny>) -> String {
    let name = type_name(object);
    if object.is_instance_of::<PyBytes>()
        || object.is_instance_of::<PyByteArray>()
        || object.is_instance_of::<PyMemoryView>()
    {
        return format!("{name} inside JSON; send bytes by themselves, or as text (base64)");
    }
    let mut text = format!("an object of type {name} is not a JSON value; send ");
    let _a_string_takes_all = match advice(object) {
        Some(instead) => write!(text, "{instead}"),
        None => write!(text, "dict, list, str, int, float, bool or None, or bytes by themselves"),
    };
    text
}

/// What stands for an object of a well-known type. Types are known by name: none is imported for it.
fn advice(object: &Bound<'_, PyAny>) -> Option<&'static str> {
    if object.is_instance_of::<PySet>() || object.is_instance_of::<PyFrozenSet>() {
        return Some("a list of its members");
    }
    let class = object.get_type();
    if class.hasattr("__dataclass_fields__").unwrap_or(false) {
        return Some("dataclasses.asdict(…) of it");
    }
    class.mro().iter().find_map(|class| {
        let class = class.cast_into::<PyType>().ok()?;
        let (module, name) = (class.module().ok()?, class.qualname().ok()?);
        Some(match (module.to_str().ok()?, name.to_str().ok()?) {
            ("datetime", "timedelta") => "its total_seconds()",
            ("datetime", "date" | "time" | "datetime") => "its isoformat()",
            ("decimal", "Decimal") | ("fractions", "Fraction") => {
                "str(…) of it, or float(…) where that is exact enough"
            }
            ("uuid", "UUID") | ("pathlib" | "pathlib._local", "PurePath") => "str(…) of it",
            ("enum", "Enum") => "its value",
            ("numpy", "generic") => "its item()",
            ("numpy", "ndarray") => "its tolist(), or tobytes() by itself",
            ("array", "array") => "its tolist(), or bytes(…) of it by itself",
            ("builtins", "coroutine") => "what it returns: it was not awaited",
            ("builtins", "generator" | "range" | "dict_keys" | "dict_values") | ("collections", "deque") => {
                "list(…) of it"
            }
            ("builtins", "mappingproxy") | ("collections", "UserDict" | "ChainMap") => "dict(…) of it",
            ("builtins", "BaseException") => "its text, or raise it in a handler",
            _ => return None,
        })
    })
}

pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().qualname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}
