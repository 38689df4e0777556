//! Subscriptions: one that blocks, and one for an event loop. Both are core's, with events as Python objects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use simple_ipc::event_loop::{self, Next};
use simple_ipc::system::RawWaitable;
use simple_ipc::{ErrorKind, Process};

use crate::body;
use crate::error::{exception, of_kind};
use crate::interpreter;
use crate::options::{Taker, channel, limit, options};

/// What a publisher has published, as it comes to one of its subscribers.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Event {
    /// The value that was published.
    #[pyo3(get)]
    data: Py<PyAny>,
    /// Its topic; empty where it has none.
    #[pyo3(get)]
    topic: Py<PyString>,
    /// How many events that were due to this subscriber were lost right before this one; -1 where nobody knows, since
    /// the publisher was replaced.
    #[pyo3(get)]
    missed: i64,
    /// Whether it is the topic's last event of before this subscriber came.
    #[pyo3(get)]
    retained: bool,
}

#[pymethods]
impl Event {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("data", "topic", "missed", "retained")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (data, topic) = (self.data.bind(py).repr()?, self.topic.bind(py).repr()?);
        let retained = if self.retained { "True" } else { "False" };
        Ok(format!("Event(data={data}, topic={topic}, missed={}, retained={retained})", self.missed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.data)
    }
}

/// A subscription of core's whose events become Python's.
struct Events {
    engine: event_loop::Subscription,
    /// What was missed before events whose value Python cannot hold: the next event tells it.
    missed: Mutex<i64>,
}

impl Events {
    fn new(engine: event_loop::Subscription) -> Events {
        Events { engine, missed: Mutex::new(0) }
    }

    /// The event as Python has it. The error is that of its value: the subscription goes on.
    fn event(&self, py: Python<'_>, event: simple_ipc::Event) -> PyResult<Event> {
        let data = body::to_object(py, &event.data);
        let mut before = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = match (std::mem::take(&mut *before), event.missed) {
            (-1, _) | (_, -1) => -1,
            (before, missed) => before.saturating_add(missed),
        };
        match data {
            Ok(data) => {
                let topic = PyString::new(py, &event.topic).unbind();
                Ok(Event { data: data.unbind(), topic, missed, retained: event.retained })
            }
            Err(error) => {
                *before = missed;
                Err(error)
            }
        }
    }
}

/// The events of one publisher, in the order in which it published them. Iterating waits for the next one; each event
/// goes to one of the threads that do. Leaving `with`, and `close`, ends it, and so does letting it go.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Subscription {
    events: Events,
    /// The process that subscribed.
    home: Process,
}

impl Subscription {
    fn own(&self, py: Python<'_>) -> PyResult<&Events> {
        if self.home.is_current() {
            return Ok(&self.events);
        }
        let text = "this subscription was opened before a fork and belongs to the parent; subscribe in the child";
        Err(of_kind(py, ErrorKind::Forked, text))
    }
}

#[pymethods]
impl Subscription {
    #[new]
    #[pyo3(signature = (channel, /, **options))]
    fn new(py: Python<'_>, channel: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Subscription> {
        let channel = self::channel(channel, false)?;
        let options =
            options.map_or_else(|| Ok(simple_ipc::Options::new()), |given| self::options(given, Taker::Subscriber))?;
        let engine = interpreter::blocking(py, || event_loop::Subscription::subscribe(&channel, &options))?;
        Ok(Subscription { events: Events::new(engine), home: Process::current() })
    }

    /// Waits for the next event, at most `timeout` seconds, `None` for no limit, and returns it; `None` where no more will
    /// come: it was closed, or its publisher ended in order and is not to be looked for again (`reconnect=0`).
    ///
    /// `TimedOutError`: nothing has come, call again. A timeout of 0 looks without waiting. `InvalidBodyError`: the value
    /// of an event cannot be read; the next one may. Every other error is the end, and is raised again.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Event>> {
        let limit = limit(py, timeout)?;
        let events = self.own(py)?;
        let event = interpreter::blocking(py, || events.engine.next(limit))?;
        event.map(|event| events.event(py, event)).transpose()
    }

    fn __iter__(slf: Py<Subscription>) -> Py<Subscription> {
        slf
    }

    /// What is there is taken with the GIL held: to get it back from another thread that is busy may take milliseconds.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        let events = self.own(py)?;
        match events.engine.try_next().map_err(|error| exception(py, &error))? {
            Next::Event(event) => events.event(py, event).map(Some),
            Next::Ended => Ok(None),
            _ => self.next(py, None),
        }
    }

    /// Ends it, from any thread: who waits for an event comes to the end of the loop. Closing again does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let events = self.own(py)?;
        py.detach(|| events.engine.close());
        Ok(())
    }

    fn __enter__(slf: Py<Subscription>) -> Py<Subscription> {
        slf
    }

    /// Closes it; in a forked child, where it is the parent's, it does nothing.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.home.is_current() { self.close(py) } else { Ok(()) }
    }
}

/// A subscription that an event loop drives. Watch `fileno()` for reading, then call `is_subscribed`, later `take`.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct LoopSubscription {
    events: Events,
    /// Whether no more events will come. The loop's thread writes and reads it.
    ended: AtomicBool,
}

#[pymethods]
impl LoopSubscription {
    /// Begins to connect and to subscribe.
    #[new]
    #[pyo3(signature = (where_, keywords, /))]
    fn new(where_: &Bound<'_, PyAny>, keywords: &Bound<'_, PyDict>) -> PyResult<LoopSubscription> {
        let py = where_.py();
        let (channel, options) = (channel(where_, false)?, options(keywords, Taker::SubscriberOnLoop)?);
        let engine = py.detach(|| event_loop::Subscription::begin(&channel, &options));
        let engine = engine.map_err(|error| exception(py, &error))?;
        Ok(LoopSubscription { events: Events::new(engine), ended: AtomicBool::new(false) })
    }

    fn fileno(&self) -> RawWaitable {
        self.events.engine.raw_waitable()
    }

    /// Goes on with subscribing, without waiting; whether it is done.
    fn is_subscribed(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.events.engine.is_subscribed()).map_err(|error| exception(py, &error))
    }

    /// The next event. `None` where none has come, or none will: see `ended`. With the GIL held, as by
    /// `Subscription.__next__`.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        match self.events.engine.try_next().map_err(|error| exception(py, &error))? {
            Next::Event(event) => self.events.event(py, event).map(Some),
            Next::Ended => {
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

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.events.engine.close());
    }
}
