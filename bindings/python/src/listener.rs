//! Listeners whose handlers run on threads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use simple_ipc::blocking;
use simple_ipc::{Counters, Message, Mode, Responder};

use crate::body;
use crate::context::{Caller, Context, take};
use crate::interpreter::{self, attach_again, call_user};
use crate::options::{channel, options};

/// A listener whose handler runs on threads of the library.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Listener {
    /// Absent when it was abandoned.
    listener: Mutex<Option<Arc<blocking::Listener>>>,
    address: String,
    path: Option<String>,
    port: Option<u16>,
}

impl Listener {
    fn get(&self) -> Option<Arc<blocking::Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Listener {
    /// `handler(data)`, or with `context` `handler(data, context)`, returns the reply, or raises with the
    /// text of the failure.
    #[new]
    #[pyo3(signature = (where_, request, handler, context, keywords, /))]
    fn new(
        where_: &Bound<'_, PyAny>,
        request: bool,
        handler: Py<PyAny>,
        context: bool,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Listener> {
        let (channel, options) = (channel(where_, true)?, options(Some(keywords))?);
        let mode = if request { Mode::Request } else { Mode::Broadcast };
        let answer = move |message: &Message, responder: Responder| {
            if context {
                handle_with_context(&handler, message, responder)
            } else {
                handle(&handler, message, responder)
            }
        };
        let listener = interpreter::blocking(where_.py(), || {
            blocking::Listener::serve_unchecked(&channel, mode, &options, answer)
        })?;
        Ok(Listener {
            address: listener.address().to_owned(),
            path: listener.path().map(|path| path.to_string_lossy().into_owned()),
            port: listener.port(),
            listener: Mutex::new(Some(Arc::new(listener))),
        })
    }

    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    #[getter]
    fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    #[getter]
    fn port(&self) -> Option<u16> {
        self.port
    }

    fn counters(&self) -> Numbers {
        self.get().map_or_else(|| numbers(Counters::default()), |listener| numbers(listener.counters()))
    }

    /// Closes in order, and waits for it.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.get() {
            Some(listener) => interpreter::blocking(py, || listener.close()),
            None => Ok(()),
        }
    }

    /// Stops without waiting for anything.
    fn abandon(&self, py: Python<'_>) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(listener));
    }
}

/// Counters in the order of `simple_ipc.Counters`.
pub(crate) type Numbers = (u64, u64, u64, u64, u64, u64, u64);

pub(crate) fn numbers(counters: Counters) -> Numbers {
    let Counters { connections, open, messages, failed, malformed, refused, incomplete, .. } = counters;
    (connections, open, messages, failed, malformed, refused, incomplete)
}

fn handle(handler: &Py<PyAny>, message: &Message, responder: Responder) {
    let mode = responder.mode();
    let outcome = attach_again(|py| run(py, handler.bind(py), message, None, mode));
    outcome.unwrap_or_else(Answer::at_the_end).give(responder);
}

fn handle_with_context(handler: &Py<PyAny>, message: &Message, responder: Responder) {
    let (peer, time_left, mode) = (responder.peer(), responder.time_left(), responder.mode());
    let shared = Arc::new(Mutex::new(Some(responder)));
    let deadline = time_left.and_then(|left| Instant::now().checked_add(left));
    let context = Context::new(peer, deadline, Caller::OnThread(Arc::clone(&shared)));
    let outcome = attach_again(|py| run(py, handler.bind(py), message, Some(context), mode));
    let Some(responder) = take(&shared) else { return };
    outcome.unwrap_or_else(Answer::at_the_end).give(responder);
}

/// What a caller gets.
pub(crate) enum Answer {
    Reply(Message),
    /// The handler failed, and with what text.
    Failure(String),
    /// The body cannot be read, and why; the handler was not called.
    Rejection(String),
}

impl Answer {
    fn at_the_end() -> Answer {
        Answer::Failure("the listener's process is ending".to_owned())
    }

    pub(crate) fn give(&self, responder: Responder) {
        // What cannot be delivered has nobody to be told to: the caller has gone.
        let _delivered = match self {
            Answer::Reply(reply) => responder.respond(reply),
            Answer::Failure(text) => responder.fail(text),
            Answer::Rejection(text) => responder.reject(text),
        };
    }
}

/// Runs the handler.
fn run(py: Python<'_>, handler: &Bound<'_, PyAny>, message: &Message, context: Option<Context>, mode: Mode) -> Answer {
    let data = match body::to_object(py, message) {
        Ok(data) => data,
        Err(error) => return Answer::Rejection(text_of(py, &error)),
    };
    let arguments = match context {
        None => PyTuple::new(py, [data]),
        Some(context) => {
            Py::new(py, context).and_then(|context| PyTuple::new(py, [data, context.into_bound(py).into_any()]))
        }
    };
    let reply = arguments.and_then(|arguments| call_user(handler, &arguments)).and_then(|reply| match mode {
        Mode::Request => body::of_answer(&reply),
        Mode::Broadcast => Ok(Message::null()),
    });
    reply.map_or_else(|error| Answer::Failure(text_of(py, &error)), Answer::Reply)
}

/// The text of an exception; its type where it has none.
pub(crate) fn text_of(py: Python<'_>, error: &PyErr) -> String {
    let value = error.value(py);
    match value.str().map(|text| text.to_string_lossy().into_owned()) {
        Ok(text) if !text.is_empty() => text,
        _ => value.get_type().name().map_or_else(|_| "the handler failed".to_owned(), |name| name.to_string()),
    }
}
