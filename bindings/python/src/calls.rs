//! Calls that block, with the GIL released.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{ErrorKind, Mode, Options, Process, blocking};

use crate::body::{self, Body};
use crate::error::{exception, of_kind};
use crate::interpreter;
use crate::options::{Taker, call_options, channel, close_options, options, stream_options};
use crate::stream::Stream;

/// Posts to a name or a port; returns the reply of a request.
#[pyfunction]
#[pyo3(signature = (where_, request, data, keywords, /))]
pub(crate) fn post<'py>(
    py: Python<'py>,
    where_: &Bound<'py, PyAny>,
    request: bool,
    data: &Bound<'py, PyAny>,
    keywords: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let (channel, options) = (channel(where_, false)?, options(keywords, Taker::Caller)?);
    let body = Body::of(data)?;
    if request {
        let reply = interpreter::blocking(py, || blocking::post_request_unchecked(&channel, body.message(), &options))?;
        body::of_reply(py, &reply)
    } else {
        interpreter::blocking(py, || blocking::post_broadcast(&channel, body.message(), &options))?;
        Ok(py.None().into_bound(py))
    }
}

type Found = (String, String, Option<&'static str>, Option<i32>, Option<u64>, Option<String>, bool, Option<u64>);

/// The live channels of a directory: channel, address, mode, process id, start in ms, version, whether it takes
/// subscribers, and how many it has.
#[pyfunction]
#[pyo3(signature = (directory=None, /))]
pub(crate) fn channels(py: Python<'_>, directory: Option<PathBuf>) -> PyResult<Vec<Found>> {
    let found = py.detach(|| simple_ipc::channels(directory.as_deref())).map_err(|error| exception(py, &error))?;
    Ok(found
        .into_iter()
        .map(|channel| {
            (
                channel.channel,
                channel.address,
                channel.mode.map(Mode::name),
                channel.pid,
                channel.started_ms,
                channel.version,
                channel.publishes,
                channel.subscribers,
            )
        })
        .collect())
}

/// A channel kept open, for any number of threads at once.
///
/// Each request in flight has a session of its own; broadcasts share one and keep their order. A session
/// that breaks is replaced by the next call. `with` closes it at the end.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Client {
    client: blocking::Client,
    /// Those of its streams, unless a stream is given others.
    options: Options,
    /// Whether `close` was called. Written and read by any thread; relaxed, since it is true on its own.
    closed: AtomicBool,
    /// The process that opened it.
    home: Process,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (channel, /, **options))]
    fn new(py: Python<'_>, channel: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Client> {
        let channel = self::channel(channel, false)?;
        let options = options.map_or_else(|| Ok(Options::new()), |given| self::options(given, Taker::Streamer))?;
        let client = interpreter::blocking(py, || blocking::Client::connect(&channel, &options))?;
        Ok(Client { client, options, closed: AtomicBool::new(false), home: Process::current() })
    }

    /// Sends a request and returns its answer. `timeout` is in seconds, `None` for no limit; without it
    /// the client's own holds. `cancellation` gives it up from another thread.
    #[pyo3(signature = (data, /, **options))]
    fn request<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = call_options(options, Taker::Caller)?;
        let body = Body::of(data)?;
        let reply = interpreter::blocking(py, || self.client.request_message_unchecked_with(body.message(), &call))?;
        body::of_reply(py, &reply)
    }

    /// Calls a method of a listener whose handler is a table of functions: `client.call("add", 1, 2)`. Parameters are given by
    /// position or by name. `request({"method": "add", "params": [1, 2]})` is the same, and takes options.
    #[pyo3(signature = (method, /, *params, **named))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &Bound<'py, PyAny>,
        params: &Bound<'py, PyTuple>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let named = named.cloned().unwrap_or_else(|| PyDict::new(py));
        let message = py.import("simple_ipc._methods")?.call_method1("call_of", (method, params, named))?;
        self.request(py, &message, None)
    }

    /// Opens a stream, and waits until the listener has accepted it: iterate over it for the items of its handler, and send
    /// it items. It has a session of its own, and goes on where the client is closed.
    ///
    /// `timeout` is for the whole stream; without it, and without `idle_timeout`, what the client was given holds.
    #[pyo3(signature = (data, /, **options))]
    fn stream(&self, py: Python<'_>, data: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Stream> {
        let mut own = self.options.clone();
        if let Some(given) = options {
            own = stream_options(own, given, Taker::Streamer)?;
        }
        let opening = body::to_message(data)?;
        if self.closed.load(Ordering::Relaxed) {
            let text = "the client is closed; connect again for a new one";
            return Err(of_kind(py, ErrorKind::Closed, text));
        }
        interpreter::blocking(py, || ItemStream::post(self.client.channel(), &opening, &own)).map(Stream::new)
    }

    /// Sends a message that nobody answers, without waiting for its arrival; `flush` makes sure of it.
    #[pyo3(signature = (data, /))]
    fn broadcast(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let body = Body::of(data)?;
        interpreter::blocking(py, || self.client.broadcast_message(body.message()))
    }

    /// Waits until every broadcast before it has been handed to the listener's handler. Options as for `request`.
    #[pyo3(signature = (**options))]
    fn flush(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let call = call_options(options, Taker::Caller)?;
        interpreter::blocking(py, || self.client.flush_with(&call))
    }

    /// Asks the listener whether it is there; returns how many seconds the answer took. Options as for `request`.
    #[pyo3(signature = (**options))]
    fn ping(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<f64> {
        let call = call_options(options, Taker::Caller)?;
        interpreter::blocking(py, || self.client.ping_with(&call)).map(|took| took.as_secs_f64())
    }

    /// Ends the calls that wait in other threads with `CancelledError`, flushes, and closes. Closing again does
    /// nothing; other calls then raise `ClosedError`. Options as for `request`, for the flush: when its time is over
    /// the client is closed all the same, and the error says how many broadcasts were not confirmed.
    #[pyo3(signature = (**options))]
    fn close(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let call = close_options(options, Taker::Caller)?;
        if self.home.is_current() {
            self.closed.store(true, Ordering::Relaxed);
        }
        interpreter::blocking(py, || self.client.close_with(&call))
    }

    fn __enter__(slf: Py<Client>) -> Py<Client> {
        slf
    }

    /// Closes it; in a forked child, where it is the parent's, it does nothing.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.home.is_current() { self.close(py, None) } else { Ok(()) }
    }
}
