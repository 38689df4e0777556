//! The threads on which a listener runs blocking handlers.
//!
//! A thread is either dedicated to one busy session or takes jobs from a queue. Threads are made
//! when they are needed, up to a bound, and end when they have had nothing to do for a while. A
//! quarter of them (at least one) is never dedicated, so that the queue always moves.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::lock::lock;
use crate::transport::fork;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);
/// When a thread that could not be made is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct Workers {
    state: Mutex<State>,
    work: Condvar,
    most: usize,
    most_dedicated: usize,
    /// Tries again where a thread could not be made.
    runtime: Handle,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    dedicated: usize,
    /// A thread could not be made, and will be tried again.
    trying_again: bool,
}

impl Workers {
    pub(crate) fn new(most: usize, runtime: Handle) -> Arc<Workers> {
        let most_dedicated = most - (most / 4).max(1);
        Arc::new(Workers { state: Mutex::default(), work: Condvar::new(), most, most_dedicated, runtime })
    }

    /// Runs a job on a thread as soon as one is free.
    pub(crate) fn submit(self: &Arc<Workers>, job: Job) {
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        self.call_a_thread(state);
    }

    /// The right to a thread for long, unless too many have one.
    pub(crate) fn reserve(self: &Arc<Workers>) -> Option<Seat> {
        let mut state = lock(&self.state);
        if state.dedicated >= self.most_dedicated {
            return None;
        }
        state.dedicated += 1;
        Some(Seat(Arc::clone(self)))
    }

    /// Runs a job that keeps its thread for long.
    pub(crate) fn dedicate(self: &Arc<Workers>, seat: Seat, job: Job) {
        let mut state = lock(&self.state);
        // Ahead of the queue: a thread that is called now must not find other work first.
        state.jobs.push_front(Box::new(move || {
            let _given_back_at_the_end = seat;
            job();
        }));
        self.call_a_thread(state);
    }

    fn call_a_thread(self: &Arc<Workers>, mut state: std::sync::MutexGuard<'_, State>) {
        if state.idle >= state.jobs.len() {
            drop(state);
            self.work.notify_one();
        } else if state.threads < self.most {
            state.threads += 1;
            drop(state);
            let workers = Arc::clone(self);
            let made = std::thread::Builder::new().name("simple-ipc-work".into()).spawn(move || workers.run());
            if made.is_err() {
                // Those that exist may be busy for long, or there are none.
                let mut state = lock(&self.state);
                state.threads -= 1;
                if !state.trying_again {
                    state.trying_again = true;
                    self.runtime.spawn(Arc::clone(self).try_again());
                }
            }
        }
    }

    async fn try_again(self: Arc<Workers>) {
        tokio::time::sleep(TRY_AGAIN).await;
        let mut state = lock(&self.state);
        state.trying_again = false;
        if !state.jobs.is_empty() {
            self.call_a_thread(state);
        }
    }

    fn run(self: Arc<Workers>) {
        let born = fork::generation();
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // Handlers' panics are caught where the handler is called; this is for what is left.
                let _reported_by_the_panic_hook = catch_unwind(AssertUnwindSafe(job));
                if born != fork::generation() {
                    // A handler forked and came back in the child: nothing here is the child's.
                    std::mem::forget(self);
                    return;
                }
                state = lock(&self.state);
                continue;
            }
            state.idle += 1;
            let (woken, timeout) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// The right to keep a thread.
pub(crate) struct Seat(Arc<Workers>);

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.0.state).dedicated -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn at_most(most: usize) -> Arc<Workers> {
        Workers::new(most, crate::background::listeners().unwrap())
    }

    #[test]
    fn a_job_that_blocks_does_not_hold_up_the_next() {
        let workers = at_most(2);
        let (release, blocked) = mpsc::channel::<()>();
        let (done, result) = mpsc::channel();
        workers.submit(Box::new(move || assert!(blocked.recv().is_err())));
        workers.submit(Box::new(move || done.send(1).unwrap()));
        assert_eq!(result.recv_timeout(Duration::from_secs(20)), Ok(1));
        drop(release);
    }

    #[test]
    fn one_thread_is_never_dedicated() {
        let workers = at_most(2);
        let (release, blocked) = mpsc::channel::<()>();
        let seat = workers.reserve().unwrap();
        workers.dedicate(seat, Box::new(move || assert!(blocked.recv().is_err())));
        assert!(workers.reserve().is_none());
        let (done, result) = mpsc::channel();
        workers.submit(Box::new(move || done.send(1).unwrap()));
        assert_eq!(result.recv_timeout(Duration::from_secs(20)), Ok(1));
        drop(release);
        assert!(at_most(1).reserve().is_none());
    }

    #[test]
    fn beyond_the_bound_jobs_wait_their_turn_and_none_is_lost() {
        let workers = at_most(3);
        let (done, results) = mpsc::channel();
        for job in 0..1000 {
            let done = done.clone();
            workers.submit(Box::new(move || done.send(job).unwrap()));
        }
        let mut seen: Vec<i32> = (0..1000).map(|_| results.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
        assert!(lock(&workers.state).threads <= 3);
    }
}
