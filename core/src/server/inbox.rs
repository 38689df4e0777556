//! What a user whose thread runs a listener's handler has of that: see [`waiting`](super::waiting).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use crate::error::Result;
use crate::os::{RawWaitable, fork};
use crate::server::listener::Listener;
use crate::server::waiting::Waiting;

/// Where the messages of a listener wait for a thread of yours: [`Listener::serve_in_own_thread`](crate::blocking::Listener::serve_in_own_thread)
/// makes it. [`run`](Inbox::run) takes them to the handler.
///
/// Dropped, it closes the listener at once: no handler is called after that, what the handler captured is dropped there and then,
/// and callers whose messages have not been answered are told that the connection is lost.
#[derive(Debug)]
pub struct Inbox {
    waiting: Arc<Waiting>,
    listener: Weak<Listener>,
    born: u32,
}

impl Inbox {
    pub(crate) fn new(waiting: Arc<Waiting>, listener: &Arc<Listener>) -> Inbox {
        Inbox { waiting, listener: Arc::downgrade(listener), born: listener.born() }
    }

    /// Calls the handler, in the calling thread, for the messages that wait now, and does what else the listener has for this
    /// thread, such as dropping the handler when it has closed. Returns how many pieces of work that were; a piece may be several
    /// messages of one session, at most 64, whose answers leave together.
    ///
    /// Waits for nothing but the handler. What comes meanwhile is left to the next call, for which the inbox calls `wake`. Any
    /// thread may call it, also several at once; then handlers run side by side.
    pub fn run(&self) -> Result<usize> {
        fork::check(self.born, "inbox")?;
        Ok(self.waiting.run())
    }

    /// What a loop watches for reading, for as long as this lives, and calls [`run`](Inbox::run) when it is readable; `None` where
    /// `wake` was given for that. [`Listener::serve_on_own_loop`](crate::Listener::serve_on_own_loop) makes such an inbox.
    pub fn raw_waitable(&self) -> Option<RawWaitable> {
        self.waiting.raw_waitable()
    }

    /// Answers that this thread gives gather from now on, until [`submit`](Inbox::submit), which is to follow soon. Without this
    /// those that are given outside [`run`](Inbox::run) gather until the next `run`, for which the loop is woken. Only of an inbox
    /// that has a [`raw_waitable`](Inbox::raw_waitable); others send such answers at once.
    pub fn hold(&self) {
        if fork::check(self.born, "inbox").is_ok() {
            self.waiting.hold();
        }
    }

    /// Sends the answers that have gathered.
    pub fn submit(&self) {
        if fork::check(self.born, "inbox").is_ok() {
            self.waiting.send_gathered();
        }
    }

    /// Whether the listener has closed and nothing waits any more: the inbox may be dropped, and will not call `wake` again.
    pub fn is_over(&self) -> bool {
        self.waiting.is_over()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            // What waits is the parent's: its callers are not this process's to tell.
            std::mem::forget(Arc::clone(&self.waiting));
            return;
        }
        if !self.waiting.is_over()
            && let Some(listener) = self.listener.upgrade()
        {
            listener.close_at_once();
        }
        let jobs = self.waiting.leave();
        // Without a handler: each lets go of its messages.
        for job in jobs {
            let _reported_by_the_panic_hook = catch_unwind(AssertUnwindSafe(job));
        }
    }
}
