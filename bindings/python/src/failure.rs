//! What a caller is told of a handler's exception. Whatever the exception is made of, there is a text.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use simple_ipc::HandlerFailure;

/// The failure that an exception stands for: a `HandlerError`'s own message, code and data, or type and text.
pub(crate) fn failure_of(py: Python<'_>, error: &PyErr) -> HandlerFailure {
    // What user code raises meanwhile (a `__str__`, a property) is not worth more than the text that it would have made.
    on_purpose(py, error).unwrap_or_else(|| HandlerFailure::new(text_of(py, error)))
}

/// Whether the handler raised a `HandlerError`.
pub(crate) fn is_on_purpose(py: Python<'_>, error: &PyErr) -> bool {
    handler_error(py).is_ok_and(|class| error.is_instance(py, class))
}

/// Whether it is what reading or sending items comes to once the caller has left.
pub(crate) fn is_of_leaving(py: Python<'_>, error: &PyErr) -> bool {
    static CLASSES: PyOnceLock<[Py<PyType>; 2]> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || {
        let module = py.import("simple_ipc._errors")?;
        let class = |name| PyResult::Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind());
        PyResult::Ok([class("CancelledError")?, class("ConnectionLostError")?])
    });
    classes.is_ok_and(|classes| classes.iter().any(|class| error.is_instance(py, class.bind(py))))
}

fn handler_error(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "simple_ipc._errors", "HandlerError")
}

fn on_purpose(py: Python<'_>, error: &PyErr) -> Option<HandlerFailure> {
    if !is_on_purpose(py, error) {
        return None;
    }
    let error = error.value(py);
    let message = error.getattr("message").ok()?.cast_into::<PyString>().ok()?;
    let mut failure = HandlerFailure::new(message.to_string_lossy().into_owned());
    if let Some(code) = text_in(error, "code") {
        failure = failure.code(code);
    }
    match text_in(error, "_json") {
        Some(data) => failure.data_json(data).ok(),
        None => Some(failure),
    }
}

fn text_in(object: &Bound<'_, PyAny>, name: &str) -> Option<String> {
    Some(object.getattr(name).ok()?.cast_into::<PyString>().ok()?.to_string_lossy().into_owned())
}

/// `KeyError: 'nope'`: the exception's type and its text; the type alone where it has none.
pub(crate) fn text_of(py: Python<'_>, error: &PyErr) -> String {
    let value = error.value(py);
    let name = value.get_type().name().map_or_else(|_| "exception".to_owned(), |name| lossy(&name));
    match value.str().map(|text| lossy(&text)) {
        Ok(text) if !text.is_empty() => format!("{name}: {text}"),
        _ => name,
    }
}

fn lossy(text: &Bound<'_, PyString>) -> String {
    text.to_string_lossy().into_owned()
}

/// The text that a caller gets for an exception, on one line.
#[pyfunction]
#[pyo3(signature = (error, /))]
pub(crate) fn failure_text(py: Python<'_>, error: Bound<'_, PyAny>) -> String {
    failure_of(py, &PyErr::from_value(error)).message().to_owned()
}

/// Shows an exception that nobody catches, as Python does for those of finalizers.
#[pyfunction]
#[pyo3(signature = (error, origin, /))]
pub(crate) fn write_unraisable(py: Python<'_>, error: Bound<'_, PyAny>, origin: &Bound<'_, PyAny>) {
    PyErr::from_value(error).write_unraisable(py, Some(origin));
}
