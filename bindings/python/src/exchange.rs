//! A message that waits for its answer, as a handler's context, the items of its caller and those of its answer share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use simple_ipc::{ErrorKind, HandlerFailure, Items, Message, MessageRef, NextItem, ReplyStream, Responder};

use crate::body::{self, Body};
use crate::error::exception;
use crate::failure::{failure_of, is_of_leaving};
use crate::interpreter;
use crate::listener::Answer;
use crate::options::limit;

/// The right to answer one message.
pub(crate) struct Exchange {
    /// Written by the thread that answers, for a moment. To send waits with it read: that is the thread that answers.
    stage: RwLock<Stage>,
    /// Whether the caller has opened a stream. Never written again.
    is_stream: bool,
    /// Whether the handler gave an item that cannot become a body. The thread that answers writes and reads it; relaxed.
    has_bad_item: AtomicBool,
}

enum Stage {
    Unanswered(Responder),
    /// Items are being sent.
    Sending(ReplyStream),
    Over,
}

impl Exchange {
    pub(crate) fn new(responder: Responder) -> Exchange {
        let is_stream = responder.is_stream();
        Exchange { stage: RwLock::new(Stage::Unanswered(responder)), is_stream, has_bad_item: AtomicBool::new(false) }
    }

    fn stage(&self) -> RwLockReadGuard<'_, Stage> {
        self.stage.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn stage_to_change(&self) -> RwLockWriteGuard<'_, Stage> {
        self.stage.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what a handler has raised says no more than that the caller of its stream has left.
    pub(crate) fn is_of_leaving(&self, py: Python<'_>, raised: &PyErr) -> bool {
        self.is_stream && self.is_cancelled() && is_of_leaving(py, raised)
    }

    /// Whether nobody waits for the answer any more. Of one that was answered it is not known.
    pub(crate) fn is_cancelled(&self) -> bool {
        match &*self.stage() {
            Stage::Unanswered(responder) => responder.is_cancelled(),
            Stage::Sending(reply) => reply.is_cancelled(),
            Stage::Over => false,
        }
    }

    /// What the right to answer tells; `None` where the answer has begun.
    pub(crate) fn of_responder<T>(&self, ask: impl FnOnce(&Responder) -> T) -> Option<T> {
        match &*self.stage() {
            Stage::Unanswered(responder) => Some(ask(responder)),
            _ => None,
        }
    }

    /// The items of the caller, where it has opened a stream.
    pub(crate) fn items(&self) -> Option<Items> {
        match &*self.stage() {
            Stage::Unanswered(responder) if responder.is_stream() => Some(responder.items()),
            _ => None,
        }
    }

    /// The answer is a sequence. An error where the caller did not open a stream, which it is told, or has left.
    pub(crate) fn begin_items(&self) -> simple_ipc::Result<()> {
        let mut stage = self.stage_to_change();
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Unanswered(responder) => *stage = Stage::Sending(responder.stream()?),
            other => *stage = other,
        }
        Ok(())
    }

    /// The body of an item of the answer.
    pub(crate) fn body<'a>(&self, item: &'a Bound<'_, PyAny>) -> PyResult<Body<'a>> {
        Body::of_item(item).inspect_err(|_| self.has_bad_item.store(true, Ordering::Relaxed))
    }

    /// The answer where the handler, or one of its items, has come to this.
    pub(crate) fn answer_of(&self, py: Python<'_>, error: &PyErr) -> Answer {
        if self.is_of_leaving(py, error) {
            return no_more();
        }
        if self.has_bad_item.load(Ordering::Relaxed) {
            return Answer::of_bad_reply(py, error);
        }
        Answer::Failure(failure_of(py, error))
    }

    /// Sends an item; `false` where there is no room.
    pub(crate) fn try_send(&self, item: MessageRef<'_>) -> simple_ipc::Result<bool> {
        match &*self.stage() {
            Stage::Sending(reply) => reply.try_send(item),
            _ => Err(simple_ipc::Error::new(ErrorKind::Closed, "cannot send an item: the handler's answer has ended")),
        }
    }

    /// Sends an item, and waits for room. What changes the stage is this same thread.
    fn send(&self, item: MessageRef<'_>) -> simple_ipc::Result<()> {
        match &*self.stage() {
            Stage::Sending(reply) => reply.send(item, None),
            _ => Err(simple_ipc::Error::new(ErrorKind::Closed, "cannot send an item: the handler's answer has ended")),
        }
    }

    /// Answers, or ends the sequence: with all that was to be sent, or with a failure. Nothing where it has ended before.
    /// An error where the caller does not get it, unless it has left a stream.
    pub(crate) fn give(&self, answer: Answer) -> simple_ipc::Result<()> {
        let stage = std::mem::replace(&mut *self.stage_to_change(), Stage::Over);
        match stage {
            Stage::Unanswered(responder) => {
                let given = answer.give(responder);
                given.or_else(|error| if self.is_stream && has_left(&error) { Ok(()) } else { Err(error) })
            }
            Stage::Sending(reply) => {
                let given = match answer {
                    Answer::Reply(_) | Answer::Sequence => reply.end(),
                    Answer::Failure(failure) => reply.fail_with(failure),
                    Answer::Rejection(text) => reply.fail_with(HandlerFailure::new(text)),
                };
                given.or_else(|error| if has_left(&error) { Ok(()) } else { Err(error) })
            }
            Stage::Over => Ok(()),
        }
    }
}

/// Whether an error says that the caller has left.
fn has_left(error: &simple_ipc::Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::ConnectionLost | ErrorKind::Closed)
}

/// Where the items of a handler's iterator go, in the thread of that handler.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Reply(pub(crate) Arc<Exchange>);

#[pymethods]
impl Reply {
    /// Sends an item, and waits for room; `False` where the caller has left.
    #[pyo3(signature = (item, /))]
    fn send(&self, item: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = item.py();
        let body = self.0.body(item)?;
        let sent = match self.0.try_send(body.message()) {
            Ok(false) => py.detach(|| self.0.send(body.message())),
            sent => sent.map(drop),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(_) if self.0.is_cancelled() => Ok(false),
            Err(error) => Err(exception(py, &error)),
        }
    }
}

/// The items that the caller of a stream sends, as its handler reads them: an iterator, which waits for the next one. It
/// ends when the caller has ended them; of a plain request there are none.
///
/// When the caller leaves, `CancelledError` or `ConnectionLostError` is raised, in a thread that waits, too.
#[pyclass(frozen, module = "simple_ipc", name = "Items")]
pub(crate) struct CallerItems(Option<Items>);

impl CallerItems {
    pub(crate) fn new(items: Option<Items>) -> CallerItems {
        CallerItems(items)
    }

    fn wait<'py>(&self, py: Python<'py>, limit: Option<Duration>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(items) = &self.0 else { return Ok(None) };
        let item = interpreter::blocking(py, || items.recv(limit))?;
        item.map(|item| body::to_object(py, &item)).transpose()
    }
}

#[pymethods]
impl CallerItems {
    /// Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises `StopIteration` at
    /// the end. `TimedOutError`: nothing has come, call again. A timeout of 0 looks without waiting.
    #[pyo3(signature = (timeout=None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let limit = limit(py, timeout)?;
        self.wait(py, limit)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    fn __iter__(slf: Py<CallerItems>) -> Py<CallerItems> {
        slf
    }

    /// With the GIL held where it is there, as `Stream.__next__`.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(items) = &self.0 else { return Ok(None) };
        match items.try_next().map_err(|error| exception(py, &error))? {
            NextItem::Item(item) => body::to_object(py, &item).map(Some),
            NextItem::Ended => Ok(None),
            _ => self.wait(py, None),
        }
    }
}

/// The same for a handler on an event loop, which is told of each change by its listener's inbox.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct LoopItems {
    items: Items,
    /// Whether no more items will come. The loop's thread writes and reads it.
    ended: AtomicBool,
}

impl LoopItems {
    pub(crate) fn new(items: Items) -> LoopItems {
        LoopItems { items, ended: AtomicBool::new(false) }
    }
}

#[pymethods]
impl LoopItems {
    /// As `LoopStream.take`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match self.items.try_next().map_err(|error| exception(py, &error))? {
            NextItem::Item(item) => PyTuple::new(py, [body::to_object(py, &item)?]).map(Some),
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
}

/// The message of an answer that ends a sequence.
pub(crate) fn no_more() -> Answer {
    Answer::Reply(Message::null())
}
