//! Bodies: bytes-like objects are bytes, an `Attached` is JSON with bytes, everything else is JSON.
//!
//! JSON is written from the objects and read into objects directly. What that cannot do exactly
//! (integers beyond 64 bits, lone surrogates, very deep values) is left to the module `json`.

mod reading;
mod refusing;
mod writing;

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use simple_ipc::{Error, ErrorKind, Message, MessageKind, MessageRef};

use self::reading::{by_module, directly};
pub(crate) use self::refusing::type_name;
use self::writing::{Trouble, Value};
use crate::attached::Attached;
use crate::error::{exception, of_kind};

/// The body that an object stands for.
pub(crate) fn to_message(data: &Bound<'_, PyAny>) -> PyResult<Message> {
    named(data, "the value", "data")
}

/// The body that a handler's answer stands for.
pub(crate) fn of_answer(answer: &Bound<'_, PyAny>) -> PyResult<Message> {
    named(answer, "the handler's answer", "answer")
}

/// The body that an item of a handler's answer stands for.
fn of_item(item: &Bound<'_, PyAny>) -> PyResult<Message> {
    named(item, "the handler's item", "item")
}

/// The body that an object stands for; in errors it is `what`, and paths into it begin with `root`.
fn named(data: &Bound<'_, PyAny>, what: &str, root: &str) -> PyResult<Message> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Message::bytes(bytes.as_bytes()));
    }
    if let Ok(bytes) = data.cast::<PyByteArray>() {
        return Ok(Message::bytes(bytes.to_vec()));
    }
    if let Ok(view) = data.cast::<PyMemoryView>() {
        return of_view(view);
    }
    if let Ok(attached) = data.cast::<Attached>() {
        return of_attached(data.py(), attached.get(), what, root);
    }
    json(data, what, root)
}

fn of_attached(py: Python<'_>, attached: &Attached, what: &str, root: &str) -> PyResult<Message> {
    let bytes = attached.bytes(py)?;
    let trouble = Trouble::default();
    let made = Message::attached(&Value::new(attached.value(py), &trouble), bytes.as_bytes());
    made.map_err(|error| explained(py, trouble, &error, what, &format!("{root}.value")))
}

fn json(data: &Bound<'_, PyAny>, what: &str, root: &str) -> PyResult<Message> {
    let trouble = Trouble::default();
    let made = Message::json(&Value::new(data, &trouble));
    made.map_err(|error| explained(data.py(), trouble, &error, what, root))
}

/// Why an object cannot become JSON, or what was raised meanwhile.
fn explained(py: Python<'_>, trouble: Trouble, error: &Error, what: &str, root: &str) -> PyErr {
    match trouble.explain(root, &error.message()) {
        Ok(raised) => raised,
        Err(why) => of_kind(py, ErrorKind::InvalidJson, format!("{what} cannot become JSON: {why}")),
    }
}

fn of_view(view: &Bound<'_, PyMemoryView>) -> PyResult<Message> {
    let refused = |text: &str| Err(of_kind(view.py(), ErrorKind::InvalidArgument, text));
    match view.getattr("c_contiguous").and_then(|contiguous| contiguous.extract::<bool>()) {
        Ok(true) => Ok(Message::bytes(view.call_method0("tobytes")?.cast::<PyBytes>()?.as_bytes())),
        Ok(false) => refused("cannot send a memoryview that is not contiguous; send bytes(view)"),
        Err(_) => refused("cannot send a memoryview that was released; send what it showed"),
    }
}

/// The body of a call that waits: what is bytes already stays where it is.
pub(crate) enum Body<'a> {
    Lent(MessageRef<'a>),
    Made(Message),
}

impl<'a> Body<'a> {
    pub(crate) fn of(data: &'a Bound<'_, PyAny>) -> PyResult<Body<'a>> {
        match data.cast::<PyBytes>() {
            Ok(bytes) => Ok(Body::Lent(MessageRef::bytes(bytes.as_bytes()))),
            Err(_) => to_message(data).map(Body::Made),
        }
    }

    /// That of an item of a handler's answer.
    pub(crate) fn of_item(item: &'a Bound<'_, PyAny>) -> PyResult<Body<'a>> {
        match item.cast::<PyBytes>() {
            Ok(bytes) => Ok(Body::Lent(MessageRef::bytes(bytes.as_bytes()))),
            Err(_) => of_item(item).map(Body::Made),
        }
    }

    pub(crate) fn message(&self) -> MessageRef<'_> {
        match self {
            Body::Lent(message) => *message,
            Body::Made(message) => message.into(),
        }
    }

    pub(crate) fn into_message(self) -> Message {
        match self {
            Body::Lent(message) => message.to_message(),
            Body::Made(message) => message,
        }
    }
}

/// The object that a body stands for; JSON that came over the wire has not been checked before.
pub(crate) fn to_object<'py>(py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyAny>> {
    read(py, message).map_err(|error| exception(py, &error))
}

/// The object that a reply stands for: where it stands for none, the message was handled all the same.
pub(crate) fn of_reply<'py>(py: Python<'py>, reply: &Message) -> PyResult<Bound<'py, PyAny>> {
    read(py, reply).map_err(|error| exception(py, &error.after_sending()))
}

fn read<'py>(py: Python<'py>, message: &Message) -> Result<Bound<'py, PyAny>, Error> {
    if message.kind() == MessageKind::Bytes {
        return Ok(PyBytes::new(py, message.data()).into_any());
    }
    let parts = message.as_attached();
    let (json, data) = parts.map_or((message.data(), None), |(json, data)| (json, Some(data)));
    let value = match directly(py, json) {
        Ok(object) => object,
        Err(_) => message.check().and_then(|()| by_module(py, json))?,
    };
    match data {
        None => Ok(value),
        Some(data) => Bound::new(py, Attached::arrived(value, data)).map(Bound::into_any).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot make an object of the body that arrived: {error}"))
        }),
    }
}

/// The bytes that go over the wire for `data`.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn encode<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(data.py(), to_message(data)?.data()))
}

/// The JSON text of the data of a handler's error.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn error_data(data: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = json(data, "the data of a HandlerError", "data")?.into_data();
    String::from_utf8(text).map_err(|error| of_kind(data.py(), ErrorKind::Internal, error.to_string()))
}

/// The value of a JSON text.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub(crate) fn decode<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    directly(py, text.as_bytes()).or_else(|_| {
        let checked = MessageRef::json_text(text).and_then(|text| by_module(py, text.data()));
        checked.map_err(|error| exception(py, &error))
    })
}
