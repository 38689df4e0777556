//! Calls on an event loop: nothing here waits.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use simple_ipc::polled::{self, ClientId, Completion, Ticket};
use simple_ipc::{Error, Mode};

use crate::body;
use crate::calls::request_timeout;
use crate::error::exception;
use crate::options::{channel, options};

/// Calls under way on one event loop. Watch `fileno()` for reading, then call `process`.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Queue {
    state: Mutex<State>,
    descriptor: i32,
}

struct State {
    queue: polled::Queue,
    calls: HashMap<Ticket, (u64, Py<PyAny>)>,
    tickets: HashMap<u64, Ticket>,
    clients: HashMap<u64, ClientId>,
    last: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn keep(&mut self, ticket: Ticket, future: Py<PyAny>) -> u64 {
        let number = self.number();
        self.calls.insert(ticket, (number, future));
        self.tickets.insert(number, ticket);
        number
    }

    fn client(&self, number: u64) -> Result<ClientId, Error> {
        let closed = || Error::new(simple_ipc::ErrorKind::Closed, "the client is closed; connect again for a new one");
        self.clients.get(&number).copied().ok_or_else(closed)
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
        let queue = polled::Queue::new().map_err(|error| exception(py, &error))?;
        let descriptor = queue.as_fd().as_raw_fd();
        let state = State { queue, calls: HashMap::new(), tickets: HashMap::new(), clients: HashMap::new(), last: 0 };
        Ok(Queue { state: Mutex::new(state), descriptor })
    }

    fn fileno(&self) -> i32 {
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
        let (channel, options) = (channel(where_, false)?, options(Some(keywords))?);
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
        let (channel, options) = (channel(where_, false)?, options(Some(keywords))?);
        self.with(where_.py(), |state| {
            let (id, ticket) = state.queue.connect(&channel, &options)?;
            let client = state.number();
            state.clients.insert(client, id);
            Ok((client, state.keep(ticket, future)))
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
        let py = data.py();
        let usual = self.with(py, |state| state.queue.timeout(state.client(client)?))?;
        let timeout = request_timeout(Some(keywords), usual)?;
        let message = body::to_message(data)?;
        self.with(py, |state| {
            let ticket = state.queue.request(state.client(client)?, message, timeout)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Sends a broadcast; `None` where there is nothing to wait for.
    #[pyo3(signature = (client, data, future, /))]
    fn broadcast(&self, client: u64, data: &Bound<'_, PyAny>, future: Py<PyAny>) -> PyResult<Option<u64>> {
        let message = body::to_message(data)?;
        self.with(data.py(), |state| {
            let ticket = state.queue.broadcast(state.client(client)?, message)?;
            Ok(ticket.map(|ticket| state.keep(ticket, future)))
        })
    }

    #[pyo3(signature = (client, future, /))]
    fn flush(&self, py: Python<'_>, client: u64, future: Py<PyAny>) -> PyResult<u64> {
        self.with(py, |state| {
            let ticket = state.queue.flush(state.client(client)?)?;
            Ok(state.keep(ticket, future))
        })
    }

    #[pyo3(signature = (client, future, /))]
    fn ping(&self, py: Python<'_>, client: u64, future: Py<PyAny>) -> PyResult<u64> {
        self.with(py, |state| {
            let ticket = state.queue.ping(state.client(client)?)?;
            Ok(state.keep(ticket, future))
        })
    }

    /// Closes a client; its number is good for nothing afterwards.
    #[pyo3(signature = (client, future, /))]
    fn close(&self, py: Python<'_>, client: u64, future: Py<PyAny>) -> PyResult<u64> {
        self.with(py, |state| {
            let begun = state.client(client).and_then(|id| state.queue.close(id));
            state.clients.remove(&client);
            begun.map(|ticket| state.keep(ticket, future))
        })
    }

    /// Lets a client go without waiting for anything.
    #[pyo3(signature = (client, /))]
    fn abandon(&self, client: u64) {
        let mut state = self.state();
        if let Some(id) = state.clients.remove(&client) {
            state.queue.abandon(id);
        }
    }

    /// Gives a call up: its future is not given back.
    #[pyo3(signature = (call, /))]
    fn cancel(&self, call: u64) {
        let mut state = self.state();
        let future = state.tickets.remove(&call).and_then(|ticket| {
            state.queue.cancel(ticket);
            state.calls.remove(&ticket)
        });
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
                if let Some((number, future)) = state.calls.remove(&ticket) {
                    state.tickets.remove(&number);
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
