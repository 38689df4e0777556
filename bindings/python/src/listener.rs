//! Listeners whose handlers run on threads.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyTuple};
use simple_ipc::blocking;
use simple_ipc::{Counters, Error, ErrorKind, HandlerFailure, Message, Mode, Peer, Responder};

use crate::body::{self, Body};
use crate::context::Context;
use crate::error::{exception, of_kind};
use crate::exchange::{CallerItems, Exchange, Reply, no_more};
use crate::interpreter::{self, attach_again, call_user};
use crate::options::{Taker, channel, options, topic};

/// A listener whose handler runs on threads of the library, or that only publishes.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Listener {
    /// Absent when it was abandoned.
    listener: Mutex<Option<Arc<blocking::Listener>>>,
    address: String,
    path: Option<String>,
    port: Option<u16>,
    /// Under which `WITHIN` has it: 1 and more; 0 where there is no handler.
    number: u64,
    /// What it had counted when it was abandoned.
    counted: Mutex<Option<Counters>>,
}

thread_local! {
    /// Whose handler the thread runs, by number; 0 for none.
    static WITHIN: Cell<u64> = const { Cell::new(0) };
}

impl Listener {
    fn of(listener: blocking::Listener, number: u64) -> Listener {
        Listener {
            address: listener.address().to_owned(),
            path: listener.path().map(|path| path.to_string_lossy().into_owned()),
            port: listener.port(),
            listener: Mutex::new(Some(Arc::new(listener))),
            number,
            counted: Mutex::default(),
        }
    }

    fn get(&self) -> Option<Arc<blocking::Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Listener {
    /// `handler(data)`, or with `context` `handler(data, context)`, returns the reply, an iterator of items, or raises.
    /// `send_all` sends such items. `failed` and `unheard` have logged what nobody else hears of.
    #[new]
    #[pyo3(signature = (where_, request, callbacks, context, keywords, /))]
    fn new(
        where_: &Bound<'_, PyAny>,
        request: bool,
        callbacks: (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>),
        context: bool,
        keywords: &Bound<'_, PyDict>,
    ) -> PyResult<Listener> {
        let (channel, options) = (channel(where_, true)?, options(keywords, Taker::Listener)?);
        let mode = if request { Mode::Request } else { Mode::Broadcast };
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (handler, send_all, failed, unheard) = callbacks;
        let callbacks = Callbacks { handler, send_all, failed, unheard, context, number };
        let answer = move |message: &Message, responder: Responder| handle(&callbacks, message, responder);
        let listener = interpreter::blocking(where_.py(), || {
            match mode {
                Mode::Request => blocking::Listener::serve_unchecked(&channel, mode, &options, answer),
                // A broadcast is acknowledged after a moment, and it may take longer until Python has a turn to read it.
                _ => blocking::Listener::serve(&channel, mode, &options, answer),
            }
        })?;
        Ok(Listener::of(listener, number))
    }

    /// A listener without a handler.
    #[staticmethod]
    #[pyo3(signature = (where_, keywords, /))]
    fn publisher(where_: &Bound<'_, PyAny>, keywords: &Bound<'_, PyDict>) -> PyResult<Listener> {
        let (channel, options) = (channel(where_, true)?, options(keywords, Taker::Publisher)?);
        let serve = || blocking::Listener::serve_publish(&channel, &options);
        interpreter::blocking(where_.py(), serve).map(|listener| Listener::of(listener, 0))
    }

    /// Publishes an event, and waits for subscribers that let themselves be waited for; returns for how many it was
    /// queued.
    #[pyo3(signature = (topic, data, /))]
    fn publish(&self, py: Python<'_>, topic: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (topic, body) = (self::topic(topic)?, Body::of(data)?);
        let listener = self.get().ok_or_else(|| cannot_publish(py))?;
        interpreter::blocking(py, || listener.publish_message(topic, body.message()))
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

    /// Whether the calling thread runs the handler.
    fn is_within(&self) -> bool {
        self.number != 0 && WITHIN.get() == self.number
    }

    /// Begins to close, and waits for nothing.
    fn close_begin(&self, py: Python<'_>) -> PyResult<()> {
        match self.get() {
            Some(listener) => listener.close_begin().map_err(|error| exception(py, &error)),
            None => Ok(()),
        }
    }

    fn counters(&self) -> Numbers {
        let counted = || *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        numbers(self.get().map(|listener| listener.counters()).or_else(counted).unwrap_or_default())
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
        if let Some(listener) = self.get() {
            *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.counters());
        }
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(listener));
    }
}

/// The exception of a publish on a listener that was abandoned.
pub(crate) fn cannot_publish(py: Python<'_>) -> PyErr {
    of_kind(py, ErrorKind::Closed, "cannot publish: the listener is closed; listen again for a new one")
}

/// Counters in the order of `simple_ipc.Counters`.
pub(crate) type Numbers = [u64; 14];

pub(crate) fn numbers(counters: Counters) -> Numbers {
    let Counters { connections, open, messages, failed, malformed, refused, incomplete, in_flight, abandoned, .. } =
        counters;
    let Counters { subscribers, published, dropped, too_slow, streams, .. } = counters;
    [
        connections,
        open,
        messages,
        failed,
        malformed,
        refused,
        incomplete,
        in_flight,
        abandoned,
        subscribers,
        published,
        dropped,
        too_slow,
        streams,
    ]
}

/// What a listener calls in Python.
struct Callbacks {
    handler: Py<PyAny>,
    /// `send_all(items, reply)`: sends what an iterator gives, where there is a reply, and closes it.
    send_all: Py<PyAny>,
    /// `failed(error, untold)`: the handler failed, and why its caller could not be told, if so.
    failed: Py<PyAny>,
    /// `unheard(text)`: what became of an answer that could not be sent.
    unheard: Py<PyAny>,
    context: bool,
    number: u64,
}

fn handle(callbacks: &Callbacks, message: &Message, responder: Responder) {
    let around = WITHIN.replace(callbacks.number);
    let (peer, time_left, mode) = (responder.peer(), responder.time_left(), responder.mode());
    let exchange = Arc::new(Exchange::new(responder));
    let outcome = attach_again(|py| {
        let context = callbacks.context.then(|| {
            let deadline = time_left.and_then(|left| Instant::now().checked_add(left));
            context(py, peer, deadline, &exchange)
        });
        run(py, callbacks, message, context, mode, &exchange)
    });
    WITHIN.set(around);
    let (answer, raised) = outcome.unwrap_or_else(|| (Answer::at_the_end(), None));
    let given = exchange.give(answer);
    if raised.is_some() || given.is_err() {
        // Nobody is left to be told where the interpreter is at its end.
        let _told = attach_again(|py| tell(py, callbacks, raised, given));
    }
}

/// What the handler may know about its caller.
fn context(py: Python<'_>, peer: Peer, deadline: Option<Instant>, exchange: &Arc<Exchange>) -> PyResult<Context> {
    let items = exchange.items().map(|items| Py::new(py, CallerItems::new(Some(items)))).transpose()?;
    Ok(Context::new(peer, deadline, Some(Arc::clone(exchange)), items.map(Py::into_any)))
}

/// Has what went wrong logged. The thread goes on whatever that raises.
fn tell(py: Python<'_>, callbacks: &Callbacks, raised: Option<PyErr>, given: simple_ipc::Result<()>) {
    let told = match (raised, given) {
        (Some(raised), given) => {
            let untold = given.err().map(|error| error.message().to_owned());
            call_user_with(py, &callbacks.failed, (raised.into_value(py), untold))
        }
        (None, Err(error)) => call_user_with(py, &callbacks.unheard, (unheard(&error),)),
        (None, Ok(())) => Ok(()),
    };
    if let Err(error) = told {
        error.write_unraisable(py, Some(callbacks.handler.bind(py)));
    }
}

/// What is logged of an answer that nobody got.
pub(crate) fn unheard(error: &Error) -> String {
    format!("has answered, and the answer could not be sent: {}", error.message())
}

fn call_user_with<'py>(
    py: Python<'py>,
    callback: &Py<PyAny>,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<()> {
    call_user(callback.bind(py), &arguments.into_pyobject(py)?).map(drop)
}

/// What a caller gets.
pub(crate) enum Answer {
    Reply(Message),
    /// The handler failed.
    Failure(HandlerFailure),
    /// The body cannot be read, and why; the handler was not called.
    Rejection(String),
    /// The handler answers with a sequence, which the caller of a request cannot be given.
    Sequence,
}

impl Answer {
    /// The handler has returned what cannot be sent; the reason is the library's.
    pub(crate) fn of_bad_reply(py: Python<'_>, error: &PyErr) -> Answer {
        Answer::Failure(HandlerFailure::new(error.value(py).to_string()))
    }

    fn at_the_end() -> Answer {
        Answer::Failure(HandlerFailure::new("the listener's process is ending"))
    }

    /// An error where the caller does not get it.
    pub(crate) fn give(self, responder: Responder) -> simple_ipc::Result<()> {
        match self {
            Answer::Reply(reply) => responder.respond(&reply),
            Answer::Failure(failure) => responder.fail_with(failure),
            Answer::Rejection(text) => responder.reject(&text),
            Answer::Sequence => {
                let _the_caller_is_told = responder.stream();
                Ok(())
            }
        }
    }
}

/// Runs the handler, and sends its items where it answers with a sequence. What it raised, if it has to be told, comes
/// besides the answer that is made of it.
fn run(
    py: Python<'_>,
    callbacks: &Callbacks,
    message: &Message,
    context: Option<PyResult<Context>>,
    mode: Mode,
    exchange: &Arc<Exchange>,
) -> (Answer, Option<PyErr>) {
    let data = match body::to_object(py, message) {
        Ok(data) => data,
        Err(error) => return (Answer::Rejection(error.value(py).to_string()), None),
    };
    let arguments = match context {
        None => PyTuple::new(py, [data]),
        Some(context) => context
            .and_then(|context| Py::new(py, context))
            .and_then(|context| PyTuple::new(py, [data, context.into_bound(py).into_any()])),
    };
    match arguments.and_then(|arguments| call_user(callbacks.handler.bind(py), &arguments)) {
        Ok(_) if mode == Mode::Broadcast => (Answer::Reply(Message::null()), None),
        Ok(reply) if reply.is_instance_of::<PyIterator>() => send_all(py, callbacks, reply, exchange),
        Ok(reply) => body::of_answer(&reply)
            .map_or_else(|error| (Answer::of_bad_reply(py, &error), Some(error)), |reply| (Answer::Reply(reply), None)),
        Err(error) => failed(py, exchange, error),
    }
}

/// Sends the items of a handler's iterator.
fn send_all(
    py: Python<'_>,
    callbacks: &Callbacks,
    items: Bound<'_, PyAny>,
    exchange: &Arc<Exchange>,
) -> (Answer, Option<PyErr>) {
    // Where it cannot begin, who asked for one answer has been told, and who has left needs none: the iterator is closed.
    let begun = py.detach(|| exchange.begin_items()).is_ok();
    let reply = match begun.then(|| Py::new(py, Reply(Arc::clone(exchange)))).transpose() {
        Ok(reply) => reply,
        Err(error) => return failed(py, exchange, error),
    };
    match call_user_with(py, &callbacks.send_all, (items, reply.as_ref())) {
        Ok(()) => (no_more(), None),
        Err(error) => failed(py, exchange, error),
    }
}

fn failed(py: Python<'_>, exchange: &Exchange, error: PyErr) -> (Answer, Option<PyErr>) {
    let answer = exchange.answer_of(py, &error);
    let is_worth_telling = !exchange.is_of_leaving(py, &error);
    (answer, is_worth_telling.then_some(error))
}
