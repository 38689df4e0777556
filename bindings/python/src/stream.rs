//! The caller's side of streams: one that blocks, and one for an event loop. Both are core's, with items as Python objects.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use simple_ipc::event_loop::ItemStream;
use simple_ipc::system::RawWaitable;
use simple_ipc::{ErrorKind, Message, MessageRef, NextItem, Process};

use crate::body::{self, Body};
use crate::error::{exception, of_kind};
use crate::interpreter;
use crate::options::{Taker, channel, limit, options, stream_options};

/// The largest item that is sent with the GIL held, in bytes: to get it back from another thread that is busy may take
/// milliseconds, and to copy a larger one takes about as long as the others may be kept waiting.
const QUICK: usize = 64 << 10;

/// A stream to a listener: an iterator over the items that its handler sends, and a way to send it items. Made by
/// `post_uds_stream`, `post_ip_stream` and `Client.stream`.
///
/// Threads may share it: one sends while another iterates. Leaving `with`, `close`, and letting it go cancel it, and its
/// handler is told at once.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Stream {
    engine: ItemStream,
    /// The process that opened it.
    home: Process,
}

impl Stream {
    pub(crate) fn new(engine: ItemStream) -> Stream {
        Stream { engine, home: Process::current() }
    }

    fn own(&self, py: Python<'_>) -> PyResult<&ItemStream> {
        if self.home.is_current() {
            return Ok(&self.engine);
        }
        let text = "this stream was opened before a fork and belongs to the parent; open one in the child";
        Err(of_kind(py, ErrorKind::Forked, text))
    }
}

/// Opens a stream on a name or a port, and waits until the listener has accepted it.
#[pyfunction]
#[pyo3(signature = (where_, data, keywords, /))]
pub(crate) fn post_stream(
    py: Python<'_>,
    where_: &Bound<'_, PyAny>,
    data: &Bound<'_, PyAny>,
    keywords: &Bound<'_, PyDict>,
) -> PyResult<Stream> {
    let (channel, options) = (channel(where_, false)?, options(keywords, Taker::Streamer)?);
    let opening = body::to_message(data)?;
    interpreter::blocking(py, || ItemStream::post(&channel, &opening, &options)).map(Stream::new)
}

#[pymethods]
impl Stream {
    /// Sends an item, and waits for room, at most `timeout` seconds, `None` for no limit.
    ///
    /// Items arrive in the order of the calls. `TimedOutError` of this timeout: nothing was sent, and the stream is as it
    /// was. `ClosedError`: the listener has ended the stream, or `end` or `close` was called; what the listener has sent
    /// can still be read.
    #[pyo3(signature = (item, /, *, timeout=None))]
    fn send(&self, py: Python<'_>, item: &Bound<'_, PyAny>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let limit = limit(py, timeout)?;
        let engine = self.own(py)?;
        let body = Body::of(item)?;
        let message = body.message();
        if message.data().len() <= QUICK && engine.try_send(message).map_err(|error| exception(py, &error))? {
            if engine.is_flushed().map_err(|error| exception(py, &error))? {
                return Ok(());
            }
            return interpreter::blocking(py, || engine.flush(limit));
        }
        interpreter::blocking(py, || engine.send(body.message(), limit))
    }

    /// No more items are sent from here; the handler's go on. Waits for nothing; ending again does nothing.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        let engine = self.own(py)?;
        py.detach(|| engine.end()).map_err(|error| exception(py, &error))
    }

    /// Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises `StopIteration` at
    /// the end.
    ///
    /// `TimedOutError` of this timeout: nothing has come, call again. A timeout of 0 looks without waiting. Every other
    /// error is the end, and is raised again, but `InvalidBodyError`: the value of an item cannot be read.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit(py, timeout)?;
        let engine = self.own(py)?;
        let item = interpreter::blocking(py, || engine.next(limit))?;
        item.map_or_else(|| Err(PyStopIteration::new_err(())), |item| body::of_reply(py, &item))
    }

    fn __iter__(slf: Py<Stream>) -> Py<Stream> {
        slf
    }

    /// What is there is taken with the GIL held: to get it back from another thread that is busy may take milliseconds.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let engine = self.own(py)?;
        match engine.try_next().map_err(|error| exception(py, &error))? {
            NextItem::Item(item) => body::of_reply(py, &item).map(Some),
            NextItem::Ended => Ok(None),
            _ => {
                let item = interpreter::blocking(py, || engine.next(None))?;
                item.map(|item| body::of_reply(py, &item)).transpose()
            }
        }
    }

    /// Ends it, both ways, from any thread: where the handler still runs it is told at once. Who waits for an item comes to
    /// the end of the loop. It waits for nothing and never fails; closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let engine = self.own(py)?;
        py.detach(|| engine.close());
        Ok(())
    }

    fn __enter__(slf: Py<Stream>) -> Py<Stream> {
        slf
    }

    /// Closes it; in a forked child, where it is the parent's, it does nothing.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.home.is_current() { self.close(py) } else { Ok(()) }
    }
}

/// An item of which not all has left: there was no room for it, or in the socket for the rest of it.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Unsent {
    message: Message,
    /// Whether it was taken. The loop's thread writes and reads it; relaxed.
    taken: AtomicBool,
}

impl Unsent {
    /// Sends an item unless others wait that were there before it; what has not left.
    pub(crate) fn unless_sent(
        body: Body<'_>,
        behind: bool,
        try_send: impl FnOnce(MessageRef<'_>) -> simple_ipc::Result<bool>,
        is_flushed: impl FnOnce() -> simple_ipc::Result<bool>,
    ) -> simple_ipc::Result<Option<Unsent>> {
        if behind || !try_send(body.message())? {
            return Ok(Some(Unsent { message: body.into_message(), taken: AtomicBool::new(false) }));
        }
        let left = is_flushed()?;
        Ok((!left).then(|| Unsent { message: Message::null(), taken: AtomicBool::new(true) }))
    }

    /// Whether all of it has left now.
    pub(crate) fn again(
        &self,
        try_send: impl FnOnce(MessageRef<'_>) -> simple_ipc::Result<bool>,
        is_flushed: impl FnOnce() -> simple_ipc::Result<bool>,
    ) -> simple_ipc::Result<bool> {
        if !self.taken.load(Ordering::Relaxed) {
            if !try_send((&self.message).into())? {
                return Ok(false);
            }
            self.taken.store(true, Ordering::Relaxed);
        }
        is_flushed()
    }
}

#[pymethods]
impl Unsent {
    #[getter]
    fn taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A stream that an event loop drives. Watch `fileno()` for reading, then call what is waited for.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct LoopStream {
    engine: ItemStream,
    /// Whether no more items will come. The loop's thread writes and reads it.
    ended: AtomicBool,
}

#[pymethods]
impl LoopStream {
    /// Begins to connect and to open the stream; `call` are those of a client's call, where it is one.
    #[new]
    #[pyo3(signature = (where_, data, keywords, call=None, /))]
    fn new(
        where_: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        keywords: &Bound<'_, PyDict>,
        call: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<LoopStream> {
        let py = where_.py();
        let (channel, mut options) = (channel(where_, false)?, options(keywords, Taker::StreamerOnLoop)?);
        if let Some(call) = call {
            options = stream_options(options, call, Taker::StreamerOnLoop)?;
        }
        let opening = body::to_message(data)?;
        let engine = py.detach(|| ItemStream::begin(&channel, &opening, &options));
        let engine = engine.map_err(|error| exception(py, &error))?;
        Ok(LoopStream { engine, ended: AtomicBool::new(false) })
    }

    fn fileno(&self) -> RawWaitable {
        self.engine.raw_waitable()
    }

    /// Goes on with opening it, without waiting; whether it was accepted.
    fn is_accepted(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.engine.is_accepted()).map_err(|error| exception(py, &error))
    }

    /// The next item, by itself in a tuple. `None` where none has come, or none will: see `ended`. With the GIL held, as by
    /// `Stream.__next__`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match self.engine.try_next().map_err(|error| exception(py, &error))? {
            NextItem::Item(item) => PyTuple::new(py, [body::of_reply(py, &item)?]).map(Some),
            NextItem::Ended => {
                self.ended.store(true, Ordering::Relaxed);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    #[getter]
    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Sends an item, or returns it where not all of it has left, or where it has to stand `behind` others.
    #[pyo3(signature = (item, behind, /))]
    fn send(&self, item: &Bound<'_, PyAny>, behind: bool) -> PyResult<Option<Unsent>> {
        let body = Body::of(item)?;
        let sent = Unsent::unless_sent(body, behind, |item| self.engine.try_send(item), || self.engine.is_flushed());
        sent.map_err(|error| exception(item.py(), &error))
    }

    /// Goes on with what was returned before; whether all of it has left.
    #[pyo3(signature = (unsent, /))]
    fn send_again(&self, py: Python<'_>, unsent: &Unsent) -> PyResult<bool> {
        let sent = unsent.again(|item| self.engine.try_send(item), || self.engine.is_flushed());
        sent.map_err(|error| exception(py, &error))
    }

    /// Whether all that was sent has left.
    fn is_flushed(&self, py: Python<'_>) -> PyResult<bool> {
        self.engine.is_flushed().map_err(|error| exception(py, &error))
    }

    /// Those who were told that there is nothing yet wait no more.
    fn forget_waits(&self) {
        self.engine.forget_waits();
    }

    fn end(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.engine.end()).map_err(|error| exception(py, &error))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.engine.close());
    }
}
