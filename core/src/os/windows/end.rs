//! The end of a stream's receiving that this side brings about, and who waits meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::event::Event;
use crate::lock::lock;

/// What ends a stream's receiving from this side.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Nothing more is received than what has arrived. Set by any thread, once; release, with the acquire of those who read it
    /// after they have entered `waiting`.
    has_come: AtomicBool,
    /// The events of those who wait for the stream: set when the end comes. Each is there for as long as its wait.
    waiting: Mutex<Vec<Arc<Event>>>,
}

/// A wait that the end of its stream ends, too.
#[derive(Debug)]
pub(super) struct Waiting {
    end: Arc<End>,
    event: Arc<Event>,
}

impl Waiting {
    pub(super) fn has_ended(&self) -> bool {
        self.end.has_come()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = lock(&self.end.waiting);
        if let Some(at) = waiting.iter().position(|event| Arc::ptr_eq(event, &self.event)) {
            waiting.swap_remove(at);
        }
    }
}

impl End {
    pub(super) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }

    /// Has the end set an event, too.
    pub(super) fn watch(self: &Arc<End>, event: &Arc<Event>) -> Waiting {
        lock(&self.waiting).push(Arc::clone(event));
        Waiting { end: Arc::clone(self), event: Arc::clone(event) }
    }

    /// It comes: whoever waits is told.
    pub(super) fn come(&self) {
        self.has_come.store(true, Ordering::Release);
        for event in &*lock(&self.waiting) {
            event.set();
        }
    }
}
