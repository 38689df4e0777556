//! What threads of the library leave for an event loop: no thread of the library runs Python for it.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use simple_ipc::system::{RawWaitable, Waker};
use simple_ipc::{Error, Items, Message, Mode, Peer};
use tokio::sync::oneshot;

use crate::error::exception;
use crate::exchange::Exchange;
use crate::listener::Answer;

pub(crate) enum News {
    Message(Arrived),
    /// Nobody waits for the answer to this message any more.
    Cancelled(u64),
    /// Something has changed about the stream that this message has opened: an item, room, or its caller has left.
    Changed(u64, Arc<AtomicBool>),
    /// What is to be logged: why an answer could not be sent.
    Undelivered(String),
    /// What became of the publication with this number, for how many subscribers it was queued.
    Published(u64, simple_ipc::Result<usize>),
    Closed,
}

pub(crate) struct Arrived {
    pub(crate) number: u64,
    pub(crate) message: Message,
    pub(crate) peer: Peer,
    pub(crate) mode: Mode,
    pub(crate) caller: Waiting,
}

/// Who waits for the answer to a message.
pub(crate) enum Waiting {
    /// A task of the library, for the caller of a broadcast.
    Task(oneshot::Sender<Sent>),
    /// The caller of a stream.
    Stream(Arc<Exchange>, Items),
}

/// An answer, and whether somebody has to hear of it where its caller does not.
pub(crate) struct Sent {
    pub(crate) answer: Answer,
    pub(crate) matters: bool,
}

/// Where threads of the library leave news for one event loop.
pub(crate) struct Post {
    /// What has not been taken, and the last number that was given.
    news: Mutex<(VecDeque<News>, u64)>,
    /// Readable while there are news.
    waker: Waker,
}

impl Post {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Arc<Post>> {
        let waker = Waker::new().map_err(|error| exception(py, &Error::from_os("cannot make an inbox", error)))?;
        Ok(Arc::new(Post { news: Mutex::default(), waker }))
    }

    pub(crate) fn raw_waitable(&self) -> RawWaitable {
        self.waker.raw_waitable()
    }

    fn news(&self) -> MutexGuard<'_, (VecDeque<News>, u64)> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the loop come.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// A number that nothing else of this loop has.
    pub(crate) fn number(&self) -> u64 {
        let mut news = self.news();
        news.1 += 1;
        news.1
    }

    pub(crate) fn put(&self, make: impl FnOnce(u64) -> News) -> u64 {
        let mut news = self.news();
        news.1 += 1;
        let number = news.1;
        news.0.push_back(make(number));
        if news.0.len() == 1 {
            self.waker.wake();
        }
        number
    }

    /// Takes all that has come.
    pub(crate) fn take(&self) -> VecDeque<News> {
        self.waker.clear();
        std::mem::take(&mut self.news().0)
    }
}
