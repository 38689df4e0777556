//! The thread that runs a listener's blocking handler, where that is one of the user's: what is to be done waits here until it
//! comes.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::error::Result;
use crate::interrupt;
use crate::lock::{lock, wait};
use crate::os::fork;

/// How many messages of one session are taken to the handler before the others have their turn.
pub(crate) const TURN: usize = 64;

/// How long a thread that closes its listener waits at a time, where nothing comes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// What waits for the user's thread.
pub(crate) struct Waiting {
    state: Mutex<State>,
    /// Something has come, or nothing more is to be expected: for a thread that closes the listener.
    changed: Condvar,
    /// Has the user's thread come. Called without the lock.
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State {
    jobs: VecDeque<Job>,
    /// The user's thread has been called, and has not come since.
    is_called: bool,
    /// The thread that last came; before that, the one that made the inbox.
    thread: ThreadId,
    /// The listener has closed: nothing more is to be expected.
    is_over: bool,
    /// Nobody comes any more, and the listener has no handler.
    is_left: bool,
}

impl Waiting {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Arc<Waiting> {
        let state = State {
            jobs: VecDeque::new(),
            is_called: false,
            thread: thread::current().id(),
            is_over: false,
            is_left: false,
        };
        Arc::new(Waiting { state: Mutex::new(state), changed: Condvar::new(), wake })
    }

    /// Leaves a job to the user's thread. Where nobody comes any more it is done here: no handler is left.
    pub(crate) fn submit(&self, job: Job) {
        let mut state = lock(&self.state);
        if state.is_left {
            drop(state);
            return job();
        }
        state.jobs.push_back(job);
        self.call(state);
    }

    /// Nothing more is to be expected.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_over = true;
        self.call(state);
    }

    fn call(&self, mut state: MutexGuard<'_, State>) {
        let is_called = std::mem::replace(&mut state.is_called, true);
        drop(state);
        self.changed.notify_all();
        if !is_called {
            (self.wake)();
        }
    }

    /// Whether nothing more is to be expected, and nothing waits.
    pub(crate) fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.is_over && state.jobs.is_empty()
    }

    /// Whether the calling thread is the one that comes.
    pub(crate) fn is_this_thread(&self) -> bool {
        let state = lock(&self.state);
        !state.is_left && state.thread == thread::current().id()
    }

    /// Does what waits now, in the calling thread; not what comes meanwhile. Returns how many jobs that were.
    pub(crate) fn run(&self) -> usize {
        let born = fork::generation();
        let most = {
            let mut state = lock(&self.state);
            state.is_called = false;
            state.thread = thread::current().id();
            state.jobs.len()
        };
        for done in 0..most {
            // One by one: a handler may come here itself, by closing another listener.
            let Some(job) = lock(&self.state).jobs.pop_front() else { return done };
            // Handlers' panics are caught where the handler is called; this is for what is left.
            let _reported_by_the_panic_hook = catch_unwind(AssertUnwindSafe(job));
            if born != fork::generation() {
                // A handler forked and came back in the child, which has nothing to do here.
                return done;
            }
        }
        most
    }

    /// Does what comes until nothing more is to be expected: for the user's thread where that closes the listener.
    pub(crate) fn run_to_the_end(&self) -> Result<()> {
        loop {
            self.run();
            let state = lock(&self.state);
            if state.is_over && state.jobs.is_empty() {
                return Ok(());
            }
            if state.jobs.is_empty() {
                let piece = interrupt::piece(Some(LONG)).unwrap_or(LONG);
                drop(wait(&self.changed, &self.state, state, piece));
            }
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
        }
    }

    /// Nobody comes any more. The listener has let go of the handler: nothing that is submitted from now on calls it.
    pub(crate) fn leave(&self) -> VecDeque<Job> {
        let mut state = lock(&self.state);
        state.is_left = true;
        std::mem::take(&mut state.jobs)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
