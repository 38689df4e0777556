//! Publishing from an event loop, where subscribers may have to be waited for.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use simple_ipc::{Listener, Message, background};
use tokio::task::AbortHandle;

use crate::error::exception;
use crate::post::{News, Post};

/// What came of a publish that must not wait.
#[derive(IntoPyObject)]
pub(crate) enum Attempt {
    Published(usize),
    HasToWait(Publication),
}

/// An event that is published once subscribers that let themselves be waited for have room.
#[pyclass(frozen, module = "simple_ipc._native")]
pub(crate) struct Publication {
    post: Arc<Post>,
    listener: Arc<Listener>,
    /// Topic and message, until it is started.
    event: Mutex<Option<(String, Message)>>,
    /// What waits, once it is started.
    task: Mutex<Option<AbortHandle>>,
}

impl Publication {
    pub(crate) fn new(post: Arc<Post>, listener: Arc<Listener>, topic: String, message: Message) -> Publication {
        Publication { post, listener, event: Mutex::new(Some((topic, message))), task: Mutex::default() }
    }
}

#[pymethods]
impl Publication {
    /// Begins to wait, once; returns the number with which `Inbox.take` tells what came of it.
    fn start(&self, py: Python<'_>) -> PyResult<u64> {
        let event = self.event.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (topic, message) = event.ok_or_else(|| PyRuntimeError::new_err("the publication was started before"))?;
        let (post, listener) = (Arc::clone(&self.post), Arc::clone(&self.listener));
        let number = post.number();
        let task = background::calls().map_err(|error| exception(py, &error))?.spawn(async move {
            let published = listener.publish_message(&topic, &message).await;
            post.put(|_| News::Published(number, published));
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        Ok(number)
    }

    /// Gives it up: where it still waits, nothing is published.
    fn cancel(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}
