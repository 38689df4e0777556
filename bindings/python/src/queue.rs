//! Calls on an event loop: nothing here waits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use simple_ipc::event_loop::{self, ClientId, Completion, Ticket};
use simple_ipc::system::RawWaitable;
use simple_ipc::{Error, Message, Mode};

use crate::body::{self, Body};
use crate::error::exception;
use crate::options::{Taker, call_options, channel, close_options, options, request_timeout};

/// Calls under way on one event loop. Watch `fileno()` for reading, then call `process`.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Queue {
    state: Mutex<State>,
    descriptor: RawWaitable,
}

struct State {
    queue: event_loop::Queue,
    /// The futures of the calls under way.
    calls: HashMap<Ticket, Py<PyAny>>,
}

impl State {
    fn keep(&mut self, ticket: Ticket, future: Py<PyAny>) -> u64 {
        self.calls.insert(ticket, future);
        ticket.number()
    }

    fn message(&mut self, body: Body<'_>) -> Message {
        match body {
            Body::Lent(body) => self.queue.copy(body),
            Body::Made(message) => message,
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at or changes the state, which is free again before an exception is made: that runs Python,
    /// which may come back here from another thread or from a finalizer.
    fn with<T>(&self, py: Python<'_>, inside: impl FnOnce(&mut State) -> Result<T, Error>) -> PyResult<T> {
        let result = inside(&mut self.state());
        result.map_err(|error| exception(py, &error))
    }
}

/// A call's future, its value or its exception.
type Done<'py> = (Py<PyAny>, Option<Bound<'py, PyAny>>, Option<PyErr>);

#[pymethods]
impl Queue {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Queue> {
        let queue = event_loop::Queue::new().map_err(|error| exception(py, &error))?;
        let descriptor = queue.raw_waitable();
        let state = State { queue, calls: HashMap::new() };
        Ok(Queue { state: Mutex::new(state), descriptor })
    }

    fn fileno(&self) -> RawWaitable {
        self.descriptor
    }

    /// Posts; the future is given back by `process`. Returns the call's number.
    #[pyo3(signature = (where_, request, data, keywords, future, /))]
    fn post(
        &self,
        where_: &Bound<'_, PyAny>,
        request: bool,
        data: &Bound<'_, PyAny>,
        keywords: &Bound<'_, PyDict>,
        future: Py<PyAny>,
    ) -> PyResult<u64> {
        let (channel, options) = (channel(where_, false)?, options(keywords, Taker::CallerOnLoop)?);
        let mode = if request { Mode::Request } else { Mode::Broadcast };
        let message = body::to_message(data)?;
        self.with(where_.py(), |state| {
            let ticket = state.queue.post(&channel, mode, message, &options)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Opens a client; returns its number and the call's.
    #[pyo3(signature = (where_, keywords, future, /))]
    fn connect(
        &self,
        where_: &Bound<'_, PyAny>,
        keywords: &Bound<'_, PyDict>,
        future: Py<PyAny>,
    ) -> PyResult<(u64, u64)> {
        let (channel, options) = (channel(where_, false)?, options(keywords, Taker::StreamerOnLoop)?);
        self.with(where_.py(), |state| {
            let (client, ticket) = state.queue.connect(&channel, &options)?;
            Ok((client.number(), state.keep(ticket, future)))
        })
    }

    #[pyo3(signature = (client, data, keywords, future, /))]
    fn request(
        &self,
        client: u64,
        data: &Bound<'_, PyAny>,
        keywords: &Bound<'_, PyDict>,
        future: Py<PyAny>,
    ) -> PyResult<u64> {
        let (client, given, body) = (ClientId::from_number(client), request_timeout(keywords)?, Body::of(data)?);
        self.with(data.py(), |state| {
            let timeout = given.map_or_else(|| state.queue.timeout(client), Ok)?;
            let message = state.message(body);
            let ticket = state.queue.request(client, message, timeout)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Sends a broadcast; `None` where there is nothing to wait for.
    #[pyo3(signature = (client, data, future, /))]
    fn broadcast(&self, client: u64, data: &Bound<'_, PyAny>, future: Py<PyAny>) -> PyResult<Option<u64>> {
        let body = Body::of(data)?;
        self.with(data.py(), |state| {
            let message = state.message(body);
            let ticket = state.queue.broadcast(ClientId::from_number(client), message)?;
            Ok(ticket.map(|ticket| state.keep(ticket, future)))
        })
    }

    #[pyo3(signature = (client, keywords, future, /))]
    fn flush(&self, py: Python<'_>, client: u64, keywords: &Bound<'_, PyDict>, future: Py<PyAny>) -> PyResult<u64> {
        let call = call_options(Some(keywords), Taker::CallerOnLoop)?;
        self.with(py, |state| {
            let ticket = state.queue.flush_with(ClientId::from_number(client), &call)?;
            Ok(state.keep(ticket, future))
        })
    }

    #[pyo3(signature = (client, keywords, future, /))]
    fn ping(&self, py: Python<'_>, client: u64, keywords: &Bound<'_, PyDict>, future: Py<PyAny>) -> PyResult<u64> {
        let call = call_options(Some(keywords), Taker::CallerOnLoop)?;
        self.with(py, |state| {
            let ticket = state.queue.ping_with(ClientId::from_number(client), &call)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Closes a client; its number is good for nothing afterwards.
    #[pyo3(signature = (client, keywords, future, /))]
    fn close(&self, py: Python<'_>, client: u64, keywords: &Bound<'_, PyDict>, future: Py<PyAny>) -> PyResult<u64> {
        let call = close_options(Some(keywords), Taker::CallerOnLoop)?;
        self.with(py, |state| {
            let ticket = state.queue.close_with(ClientId::from_number(client), &call)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Lets a client go without waiting for anything.
    #[pyo3(signature = (client, /))]
    fn abandon(&self, client: u64) {
        self.state().queue.abandon(ClientId::from_number(client));
    }

    /// Gives a call up: its future is not given back.
    #[pyo3(signature = (call, /))]
    fn cancel(&self, call: u64) {
        let ticket = Ticket::from_number(call);
        let mut state = self.state();
        let future = state.calls.remove(&ticket);
        if future.is_some() {
            state.queue.cancel(ticket);
        }
        drop(state);
        drop(future);
    }

    /// Whether something has gathered that `submit` would send.
    fn has_unsent(&self) -> bool {
        self.state().queue.has_unsent()
    }

    /// Sends what has gathered.
    fn submit(&self) {
        self.state().queue.submit();
    }

    /// Does what there is to do; returns the calls that are done.
    fn process<'py>(&self, py: Python<'py>) -> PyResult<Vec<Done<'py>>> {
        let mut done = Vec::new();
        self.with(py, |state| {
            let mut completions = Vec::new();
            state.queue.process(&mut completions)?;
            for Completion { ticket, result } in completions {
                if let Some(future) = state.calls.remove(&ticket) {
                    done.push((future, result));
                }
            }
            Ok(())
        })?;
        Ok(done
            .into_iter()
            .map(|(future, result)| match result {
                Ok(None) => (future, None, None),
                Ok(Some(reply)) => match body::of_reply(py, &reply) {
                    Ok(value) => (future, Some(value), None),
                    Err(error) => (future, None, Some(error)),
                },
                Err(error) => (future, None, Some(exception(py, &error))),
            })
            .collect())
    }
}
