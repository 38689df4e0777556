//! Listeners whose handlers run on an event loop.
//!
//! The library makes a descriptor readable; the loop takes requests out and calls their handlers there and then, as many as have
//! come. What a task of the library has to wait for, broadcasts and changes of streams, lies in a [`Post`]. No thread of the
//! library runs Python for it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use simple_ipc::system::RawWaitable;
use simple_ipc::{Counters, HandlerFailure, Listener, Message, Mode, Responder, background};
use tokio::sync::oneshot;

use crate::body::Body;
use crate::call::{Call, give_or_log};
use crate::error::exception;
use crate::exchange::Exchange;
use crate::interpreter::{self, call_user};
use crate::listener::{Answer, Numbers, cannot_publish, numbers};
use crate::options::{Taker, channel, options, topic};
use crate::os;
use crate::post::{Arrived, News, Post, Waiting};
use crate::publication::{Attempt, Publication};

thread_local! {
    /// What takes requests to the handler, while this thread is in `take`.
    static TAKING: RefCell<Option<Taking>> = const { RefCell::new(None) };
}

/// One `take` of a thread that runs an event loop.
struct Taking {
    /// Called with each request and its value.
    begin: Py<PyAny>,
    /// What the first of these calls raised that raised something.
    raised: Option<PyErr>,
}

/// A listener whose messages an event loop takes out. Watch `fileno()` for reading, then call `take`.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Inbox {
    post: Arc<Post>,
    /// Absent when it was abandoned.
    listener: Mutex<Option<Arc<Listener>>>,
    /// Where requests wait for the loop; absent of a listener that takes none, and when it was abandoned.
    requests: Mutex<Option<Arc<simple_ipc::Inbox>>>,
    address: String,
    path: Option<String>,
    port: Option<u16>,
    /// What it had counted when it was abandoned.
    counted: Mutex<Option<Counters>>,
}

impl Inbox {
    fn of(post: Arc<Post>, listener: Listener, requests: Option<simple_ipc::Inbox>) -> Inbox {
        Inbox {
            address: listener.address().to_owned(),
            path: listener.path().map(|path| path.to_string_lossy().into_owned()),
            port: listener.port(),
            post,
            listener: Mutex::new(Some(Arc::new(listener))),
            requests: Mutex::new(requests.map(Arc::new)),
            counted: Mutex::default(),
        }
    }

    fn get(&self) -> Option<Arc<Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes a request to the handler, in the loop's thread, which is in `take`.
fn take_in(post: &Arc<Post>, message: &Message, responder: Responder) {
    if responder.is_stream() {
        return carry_stream(post, message.clone(), responder);
    }
    // Where nobody is in `take`, the listener is being let go of: the caller is told.
    let Some(begin) = TAKING.with_borrow(|taking| {
        let taking = taking.as_ref()?;
        Python::try_attach(|py| taking.begin.clone_ref(py))
    }) else {
        return;
    };
    let peer = responder.peer();
    let call = Call::of_request(post.number(), peer, Exchange::new(responder), post);
    Python::try_attach(|py| {
        // Of one that cannot be read its caller has been told.
        let Ok(value) = call.value(py, message) else { return };
        let begun = Py::new(py, call)
            .and_then(|call| PyTuple::new(py, [call.into_bound(py).into_any(), value]))
            .and_then(|arguments| call_user(begin.bind(py), &arguments));
        if let Err(error) = begun {
            TAKING.with_borrow_mut(|taking| {
                if let Some(taking) = taking {
                    taking.raised.get_or_insert(error);
                }
            });
        }
    });
}

/// Hands a broadcast to the loop, and waits until it is handled.
async fn carry(post: Arc<Post>, message: Message, responder: Responder) {
    let (answer, answered) = oneshot::channel();
    let (peer, mode) = (responder.peer(), responder.mode());
    post.put(move |number| News::Message(Arrived { number, message, peer, mode, caller: Waiting::Task(answer) }));
    let Ok(sent) = answered.await else {
        let failure = HandlerFailure::new("the listener's event loop has ended");
        let _nobody_is_left_to_tell = Answer::Failure(failure).give(responder);
        return;
    };
    give_or_log(&post, sent, |answer| answer.give(responder));
}

/// Hands a message that opens a stream to the loop, which answers it by itself, and has the loop told of each change.
fn carry_stream(post: &Arc<Post>, message: Message, responder: Responder) {
    let (peer, mode) = (responder.peer(), responder.mode());
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
    post.put(move |_| News::Message(Arrived { number, message, peer, mode, caller }));
    // What has changed before the message was there the loop could not see.
    tell();
}

/// A publication's number, and for how many subscribers it was queued, or why it was not published.
type Published = (u64, Option<usize>, Option<PyErr>);

/// What `take` returns: broadcasts and openings of streams that wait for their answers, numbers of calls that nobody waits for,
/// and of those whose streams have changed, what is to be logged, what became of publications, whether the listener has
/// closed, and what a request's handler has raised that ends the loop.
type Taken = (Vec<Call>, Vec<u64>, Vec<u64>, Vec<String>, Vec<Published>, bool, Option<PyErr>);

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
        let (listener, requests) = interpreter::blocking(py, || {
            background::calls()?.block_on(async {
                if request {
                    let take_in = move |message: &Message, responder| take_in(&inbox, message, responder);
                    let bell = Arc::clone(&post);
                    let made = os::serve(&channel, mode, &options, move || bell.wake(), take_in).await;
                    return made.map(|(listener, requests)| (listener, Some(requests)));
                }
                // A broadcast is acknowledged after a moment, and the loop may be slower to read it. The next one of its
                // sender waits until it is handled, also where that takes a task of the loop.
                let handler = move |message, responder| carry(Arc::clone(&inbox), message, responder);
                Listener::serve(&channel, mode, &options, handler).await.map(|listener| (listener, None))
            })
        })?;
        Ok(Inbox::of(post, listener, requests))
    }

    /// A listener without a handler.
    #[staticmethod]
    #[pyo3(signature = (where_, keywords, /))]
    fn publisher(where_: &Bound<'_, PyAny>, keywords: &Bound<'_, PyDict>) -> PyResult<Inbox> {
        let py = where_.py();
        let (channel, options) = (channel(where_, true)?, options(keywords, Taker::Publisher)?);
        let post = Post::new(py)?;
        let serve = || background::calls()?.block_on(Listener::serve_publish(&channel, &options));
        interpreter::blocking(py, serve).map(|listener| Inbox::of(post, listener, None))
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

    /// What is to be watched besides, in the same way.
    fn second_fileno(&self) -> Option<RawWaitable> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.raw_waitable()
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

    /// Takes out what has come. `begin(call, value)` is called for each request that is no stream, at once: answers that are
    /// there when it returns leave together.
    #[pyo3(signature = (begin, /))]
    fn take(&self, py: Python<'_>, begin: Py<PyAny>) -> Taken {
        let news = self.post.take();
        let mut taken = Taken::default();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(requests) = requests {
            let outer = TAKING.replace(Some(Taking { begin, raised: None }));
            // In a forked child, where it is the parent's, there is nothing to take.
            let _run = requests.run();
            taken.6 = TAKING.replace(outer).and_then(|taking| taking.raised);
        }
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
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop((requests, listener)));
    }
}
