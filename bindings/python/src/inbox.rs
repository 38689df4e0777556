//! Listeners whose handlers run on an event loop.
//!
//! The library's thread puts messages into an inbox and makes a descriptor readable; the loop takes
//! them out. No thread of the library runs Python for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use simple_ipc::system::RawWaitable;
use simple_ipc::{Counters, HandlerFailure, Listener, Message, Mode, Responder, background};
use tokio::sync::oneshot;

use crate::body::Body;
use crate::call::Call;
use crate::error::exception;
use crate::exchange::Exchange;
use crate::interpreter;
use crate::listener::{Answer, Numbers, cannot_publish, numbers, unheard};
use crate::options::{Taker, channel, options, topic};
use crate::post::{Arrived, News, Post, Sent, Waiting};
use crate::publication::{Attempt, Publication};

/// A listener whose messages an event loop takes out. Watch `fileno()` for reading, then call `take`.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Inbox {
    post: Arc<Post>,
    /// Absent when it was abandoned.
    listener: Mutex<Option<Arc<Listener>>>,
    address: String,
    path: Option<String>,
    port: Option<u16>,
    /// What it had counted when it was abandoned.
    counted: Mutex<Option<Counters>>,
}

impl Inbox {
    fn of(post: Arc<Post>, listener: Listener) -> Inbox {
        Inbox {
            address: listener.address().to_owned(),
            path: listener.path().map(|path| path.to_string_lossy().into_owned()),
            port: listener.port(),
            post,
            listener: Mutex::new(Some(Arc::new(listener))),
            counted: Mutex::default(),
        }
    }

    fn get(&self) -> Option<Arc<Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Hands a message to the loop and its answer back.
async fn carry(post: Arc<Post>, message: Message, responder: Responder) {
    if responder.is_stream() {
        return carry_stream(&post, message, responder);
    }
    let (answer, mut answered) = oneshot::channel();
    let (peer, mode) = (responder.peer(), responder.mode());
    let deadline = responder.time_left().and_then(|left| Instant::now().checked_add(left));
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let number = post.put(move |number| {
        let caller = Waiting::Task { cancelled: flag, answer };
        News::Message(Arrived { number, message, peer, deadline, mode, caller })
    });
    let outcome = tokio::select! {
        outcome = &mut answered => outcome,
        () = responder.cancelled(), if mode == Mode::Request => {
            cancelled.store(true, Ordering::Relaxed);
            post.put(|_| News::Cancelled(number));
            answered.await
        }
    };
    let Ok(Sent { answer, matters }) = outcome else {
        let failure = HandlerFailure::new("the listener's event loop has ended");
        let _nobody_is_left_to_tell = Answer::Failure(failure).give(responder);
        return;
    };
    let failed = match &answer {
        Answer::Failure(failure) if matters => Some(failure.message().to_owned()),
        _ => None,
    };
    if let Err(error) = answer.give(responder)
        && matters
    {
        let text = match failed {
            Some(failed) => format!("failed: {failed} (its caller could not be told: {})", error.message()),
            None => unheard(&error),
        };
        post.put(|_| News::Undelivered(text));
    }
}

/// Hands a message that opens a stream to the loop, which answers it by itself, and has the loop told of each change.
fn carry_stream(post: &Arc<Post>, message: Message, responder: Responder) {
    let (peer, mode) = (responder.peer(), responder.mode());
    let deadline = responder.time_left().and_then(|left| Instant::now().checked_add(left));
    let items = responder.items();
    let number = post.number();
    // Set while the loop has been told of a change that it has not looked at.
    let told = Arc::new(AtomicBool::new(false));
    let to = Arc::clone(post);
    let tell = move || {
        if !told.swap(true, Ordering::SeqCst) {
            to.put(|_| News::Changed(number, Arc::clone(&told)));
        }
    };
    items.on_change(Box::new(tell.clone()));
    let caller = Waiting::Stream(Arc::new(Exchange::new(responder)), items);
    post.put(move |_| News::Message(Arrived { number, message, peer, deadline, mode, caller }));
    // What has changed before the message was there the loop could not see.
    tell();
}

/// A publication's number, and for how many subscribers it was queued, or why it was not published.
type Published = (u64, Option<usize>, Option<PyErr>);

/// What `take` returns: messages that wait for their answers, numbers of calls that nobody waits for, and of those whose
/// streams have changed, what is to be logged, what became of publications, whether the listener has closed.
type Taken = (Vec<Call>, Vec<u64>, Vec<u64>, Vec<String>, Vec<Published>, bool);

#[pymethods]
impl Inbox {
    #[new]
    #[pyo3(signature = (where_, request, keywords, /))]
    fn new(where_: &Bound<'_, PyAny>, request: bool, keywords: &Bound<'_, PyDict>) -> PyResult<Inbox> {
        let py = where_.py();
        let (channel, options) = (channel(where_, true)?, options(keywords, Taker::Listener)?);
        let mode = if request { Mode::Request } else { Mode::Broadcast };
        let post = Post::new(py)?;
        let inbox = Arc::clone(&post);
        let handler = move |message, responder| carry(Arc::clone(&inbox), message, responder);
        let listener = interpreter::blocking(py, || {
            background::calls()?.block_on(async {
                match mode {
                    Mode::Request => Listener::serve_unchecked(&channel, mode, &options, handler).await,
                    // A broadcast is acknowledged after a moment, and the loop may be slower to read it.
                    _ => Listener::serve(&channel, mode, &options, handler).await,
                }
            })
        })?;
        Ok(Inbox::of(post, listener))
    }

    /// A listener without a handler.
    #[staticmethod]
    #[pyo3(signature = (where_, keywords, /))]
    fn publisher(where_: &Bound<'_, PyAny>, keywords: &Bound<'_, PyDict>) -> PyResult<Inbox> {
        let py = where_.py();
        let (channel, options) = (channel(where_, true)?, options(keywords, Taker::Publisher)?);
        let post = Post::new(py)?;
        let serve = || background::calls()?.block_on(Listener::serve_publish(&channel, &options));
        interpreter::blocking(py, serve).map(|listener| Inbox::of(post, listener))
    }

    /// Publishes an event where no subscriber has to be waited for, and returns for how many it was queued. Else, and
    /// where it has to stand `behind` others, a `Publication` that is to be started.
    #[pyo3(signature = (topic, data, behind, /))]
    fn publish(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        behind: bool,
    ) -> PyResult<Attempt> {
        let (topic, body) = (self::topic(topic)?, Body::of(data)?);
        let listener = self.get().ok_or_else(|| cannot_publish(py))?;
        if !behind {
            let attempt = py.detach(|| listener.try_publish_message(topic, body.message()));
            if let Some(queued) = attempt.map_err(|error| exception(py, &error))? {
                return Ok(Attempt::Published(queued));
            }
        }
        let message = body.into_message();
        Ok(Attempt::HasToWait(Publication::new(Arc::clone(&self.post), listener, topic.to_owned(), message)))
    }

    fn fileno(&self) -> RawWaitable {
        self.post.raw_waitable()
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
        let counted = || *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        numbers(self.get().map(|listener| listener.counters()).or_else(counted).unwrap_or_default())
    }

    /// Takes out what has come.
    fn take(&self, py: Python<'_>) -> Taken {
        let news = self.post.take();
        let mut taken = Taken::default();
        for item in news {
            match item {
                News::Message(arrived) => taken.0.push(Call::new(arrived, &self.post)),
                News::Cancelled(number) => taken.1.push(number),
                News::Changed(number, told) => {
                    // Before it is looked at: what changes from now on is told again.
                    told.store(false, Ordering::SeqCst);
                    taken.2.push(number);
                }
                News::Undelivered(text) => taken.3.push(text),
                News::Published(number, Ok(queued)) => taken.4.push((number, Some(queued), None)),
                News::Published(number, Err(error)) => taken.4.push((number, None, Some(exception(py, &error)))),
                News::Closed => taken.5 = true,
            }
        }
        taken
    }

    /// Begins to close; `take` tells when it is done. `False` where there is nothing to close.
    fn close(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(listener) = self.get() else { return Ok(false) };
        let post = Arc::clone(&self.post);
        let runtime = background::calls().map_err(|error| exception(py, &error))?;
        runtime.spawn(async move {
            // Whether a handler still runs after the grace period the loop knows by itself.
            let _closed = listener.close().await;
            post.put(|_| News::Closed);
        });
        Ok(true)
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
