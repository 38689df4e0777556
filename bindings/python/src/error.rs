//! Each error kind is one exception class; the classes are Python's (`simple_ipc._errors`).

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use simple_ipc::{Error, ErrorKind};

/// The exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE.import(py, "simple_ipc._errors", "make").and_then(|make| {
        let handler = (error.handler_code(), error.handler_data());
        make.call1((error.kind().name(), error.message(), error.may_have_been_handled(), error.os_code(), handler))
    });
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The exception of this kind with this text.
pub(crate) fn of_kind(py: Python<'_>, kind: ErrorKind, text: impl Into<String>) -> PyErr {
    exception(py, &Error::new(kind, text.into()))
}

/// The library's table: number and name of every error kind.
#[pyfunction]
pub(crate) fn error_kinds() -> Vec<(i32, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (kind.code(), kind.name())).collect()
}
