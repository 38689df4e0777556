//! A message that an event loop handles: its value, what its handler may know, and its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use simple_ipc::{HandlerFailure, Items, Message, Mode, Peer, Responder, background};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::body;
use crate::context::Context;
use crate::error::exception;
use crate::exchange::{Exchange, LoopItems, no_more};
use crate::failure::{failure_of, is_on_purpose};
use crate::listener::{Answer, unheard};
use crate::post::{Arrived, News, Post, Sent, Waiting};
use crate::stream::Unsent;

/// One message that waits for its answer.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Call {
    number: u64,
    mode: Mode,
    /// The body, until it is asked for; of a request that is given with the call there is none.
    message: Mutex<Option<Message>>,
    peer: Peer,
    caller: Caller,
}

/// Who waits for the answer.
enum Caller {
    /// Until it is answered.
    Task(Mutex<Option<oneshot::Sender<Sent>>>),
    Request {
        exchange: Arc<Exchange>,
        /// Where it is told what could not be sent, and that nobody waits any more.
        post: Arc<Post>,
        /// What tells that nobody waits any more, while the handler runs.
        watch: Mutex<Option<AbortHandle>>,
    },
    Stream {
        exchange: Arc<Exchange>,
        items: Items,
        /// Where it is told what could not be sent.
        post: Arc<Post>,
    },
}

impl Call {
    pub(crate) fn new(arrived: Arrived, post: &Arc<Post>) -> Call {
        let Arrived { number, message, peer, mode, caller } = arrived;
        let caller = match caller {
            Waiting::Task(answer) => Caller::Task(Mutex::new(Some(answer))),
            Waiting::Stream(exchange, items) => Caller::Stream { exchange, items, post: Arc::clone(post) },
        };
        Call { number, mode, message: Mutex::new(Some(message)), peer, caller }
    }

    /// A request, which is given to its handler with its value.
    pub(crate) fn of_request(number: u64, peer: Peer, exchange: Exchange, post: &Arc<Post>) -> Call {
        let caller = Caller::Request { exchange: Arc::new(exchange), post: Arc::clone(post), watch: Mutex::default() };
        Call { number, mode: Mode::Request, message: Mutex::default(), peer, caller }
    }

    fn answer(&self, answer: Answer, matters: bool) {
        match &self.caller {
            Caller::Task(to) => {
                if let Some(to) = to.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    // Nobody to tell: the listener was stopped.
                    let _taken = to.send(Sent { answer, matters });
                }
            }
            Caller::Request { exchange, post, watch } => {
                if let Some(watch) = watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    watch.abort();
                }
                give_or_log(post, Sent { answer, matters }, |answer| exchange.give(answer));
            }
            Caller::Stream { exchange, post, .. } => {
                if let Err(error) = exchange.give(answer)
                    && matters
                {
                    post.put(|_| News::Undelivered(unheard(&error)));
                }
            }
        }
    }

    fn stream(&self) -> PyResult<&Exchange> {
        let exchange = self.exchange().ok_or_else(no_stream)?;
        Ok(exchange)
    }

    fn exchange(&self) -> Option<&Arc<Exchange>> {
        match &self.caller {
            Caller::Task(..) | Caller::Request { .. } => None,
            Caller::Stream { exchange, .. } => Some(exchange),
        }
    }

    /// The value of a request, or, where it cannot be read, the reason, which its caller is told.
    pub(crate) fn value<'py>(&self, py: Python<'py>, message: &Message) -> PyResult<Bound<'py, PyAny>> {
        body::to_object(py, message)
            .inspect_err(|error| self.answer(Answer::Rejection(error.value(py).to_string()), false))
    }
}

/// Answers; where its caller does not get that, and somebody has to hear of it, the loop has it logged: what the handler
/// failed with comes first.
pub(crate) fn give_or_log(post: &Post, sent: Sent, give: impl FnOnce(Answer) -> simple_ipc::Result<()>) {
    let Sent { answer, matters } = sent;
    let failed = match &answer {
        Answer::Failure(failure) if matters => Some(failure.message().to_owned()),
        _ => None,
    };
    if let Err(error) = give(answer)
        && matters
    {
        let text = match failed {
            Some(failed) => format!("failed: {failed} (its caller could not be told: {})", error.message()),
            None => unheard(&error),
        };
        post.put(|_| News::Undelivered(text));
    }
}

fn no_stream() -> PyErr {
    PyRuntimeError::new_err("the message opens no stream")
}

#[pymethods]
impl Call {
    #[getter]
    fn number(&self) -> u64 {
        self.number
    }

    /// The value that has come, to be asked for once: one at a time, so that each has the memory of the one
    /// before. Where it cannot be read, its sender is told and the reason is raised.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let message = self.message.lock().unwrap_or_else(PoisonError::into_inner).take();
        let message = message.ok_or_else(|| PyRuntimeError::new_err("the value was taken before"))?;
        self.value(py, &message)
    }

    /// Whether nobody waits for the answer to a request any more.
    fn is_unwanted(&self) -> bool {
        match &self.caller {
            Caller::Request { exchange, .. } => exchange.is_cancelled(),
            Caller::Task(..) | Caller::Stream { .. } => false,
        }
    }

    /// Has the loop told, by `Inbox.take`, when nobody waits for the answer to a request any more. For a handler that takes a
    /// while: of a broadcast, and of a stream, the loop is told anyway.
    fn watch(&self, py: Python<'_>) -> PyResult<()> {
        let Caller::Request { exchange, post, watch } = &self.caller else { return Ok(()) };
        let Some(cancelled) = exchange.of_responder(Responder::cancelled) else { return Ok(()) };
        let (number, post) = (self.number, Arc::clone(post));
        let task = background::calls().map_err(|error| exception(py, &error))?.spawn(async move {
            cancelled.await;
            post.put(|_| News::Cancelled(number));
        });
        *watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        Ok(())
    }

    /// Whether the message opens a stream.
    #[getter]
    fn is_stream(&self) -> bool {
        self.exchange().is_some()
    }

    /// What the handler may know, with the items that it may read.
    #[pyo3(signature = (items, /))]
    fn context(&self, items: Py<PyAny>) -> Context {
        let (exchange, deadline) = match &self.caller {
            Caller::Task(..) => (None, None),
            Caller::Request { exchange, .. } | Caller::Stream { exchange, .. } => {
                let left = exchange.of_responder(Responder::time_left).flatten();
                let deadline = left.and_then(|left| Instant::now().checked_add(left));
                (Some(Arc::clone(exchange)), deadline)
            }
        };
        Context::new(self.peer, deadline, exchange, Some(items))
    }

    /// The items that the caller of a stream sends.
    fn items(&self) -> PyResult<LoopItems> {
        match &self.caller {
            Caller::Stream { items, .. } => Ok(LoopItems::new(items.clone())),
            Caller::Task(..) | Caller::Request { .. } => Err(no_stream()),
        }
    }

    /// Whether the caller of a stream has left.
    fn is_cancelled(&self) -> bool {
        self.exchange().is_some_and(|exchange| exchange.is_cancelled())
    }

    /// The answer is a sequence; `False` where it cannot be: who asked for one answer is told, and who has left needs
    /// none.
    fn begin_items(&self) -> bool {
        match &self.caller {
            Caller::Stream { exchange, .. } => exchange.begin_items().is_ok(),
            Caller::Task(..) | Caller::Request { .. } => {
                self.answer(Answer::Sequence, false);
                false
            }
        }
    }

    /// Sends an item, or returns it where there is no room, or where it has to stand `behind` others.
    #[pyo3(signature = (item, behind, /))]
    fn send(&self, item: &Bound<'_, PyAny>, behind: bool) -> PyResult<Option<Unsent>> {
        let exchange = self.stream()?;
        let body = exchange.body(item)?;
        // What does not leave at once the library sends by itself.
        let sent = Unsent::unless_sent(body, behind, |item| exchange.try_send(item), || Ok(true));
        sent.map_err(|error| exception(item.py(), &error))
    }

    /// Sends what was returned before; whether there was room.
    #[pyo3(signature = (unsent, /))]
    fn send_again(&self, py: Python<'_>, unsent: &Unsent) -> PyResult<bool> {
        let exchange = self.stream()?;
        let sent = unsent.again(|item| exchange.try_send(item), || Ok(true));
        sent.map_err(|error| exception(py, &error))
    }

    /// All items were sent.
    fn end_items(&self) {
        self.answer(no_more(), true);
    }

    /// Answers; a value that cannot become a body is the handler's failure, and is raised, too.
    #[pyo3(signature = (reply, /))]
    fn respond(&self, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        let message = match self.mode {
            Mode::Request => body::of_answer(reply),
            _ => Ok(Message::null()),
        };
        match message {
            Ok(message) => self.answer(Answer::Reply(message), true),
            Err(error) => {
                self.answer(Answer::of_bad_reply(reply.py(), &error), false);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Answers that the handler has raised this. Says whether it has to be logged: what is raised on purpose has not
    /// where the caller hears of it, which is logged by itself where it fails.
    #[pyo3(signature = (error, /))]
    fn raised(&self, error: Bound<'_, PyAny>) -> bool {
        let (py, error) = (error.py(), PyErr::from_value(error));
        let is_for_the_caller = self.mode == Mode::Request && is_on_purpose(py, &error);
        let is_of_leaving = self.exchange().is_some_and(|exchange| exchange.is_of_leaving(py, &error));
        let answer = self
            .exchange()
            .map_or_else(|| Answer::Failure(failure_of(py, &error)), |exchange| exchange.answer_of(py, &error));
        self.answer(answer, is_for_the_caller);
        !is_for_the_caller && !is_of_leaving
    }

    /// Answers, where nothing else has, that the handler was cancelled.
    fn cancelled(&self) {
        // A stream whose caller has left has ended as it should.
        let answer = if self.is_cancelled() {
            no_more()
        } else {
            Answer::Failure(HandlerFailure::new("the handler was cancelled"))
        };
        self.answer(answer, false);
    }
}
