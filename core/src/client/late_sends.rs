//! The thread that sends what has gathered at a client where nothing else has sent it in time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::lock::{lock, wait};
use crate::os::fork::ForkLocal;

/// What has gathered is sent at the latest after this, and tried again after this where it does not leave.
const LATEST: Duration = Duration::from_millis(1);

/// Far away, for a wait that a notification ends.
const LONGEST: Duration = Duration::from_secs(3600);

/// One who gathers.
pub(crate) trait Gathers: Send + Sync {
    /// Sends what has gathered, without waiting. Whether that is done, and not to be tried again.
    fn try_send_gathered(&self) -> bool;
}

/// Has the thread send what gathers there. An error says that the thread cannot be started.
pub(crate) fn schedule(gathers: Arc<dyn Gathers>) -> std::io::Result<()> {
    LATE_SENDS.get().add(gathers)
}

static LATE_SENDS: ForkLocal<LateSends> = ForkLocal::new();

#[derive(Default)]
struct LateSends {
    state: Mutex<State>,
    /// Notified when something has come into an empty queue.
    added: Condvar,
}

#[derive(Default)]
struct State {
    /// Those who gather, each with the time at which it is due: the soonest first.
    queue: VecDeque<(Instant, Arc<dyn Gathers>)>,
    /// The thread has been started; it never ends.
    is_running: bool,
}

impl LateSends {
    fn add(&'static self, gathers: Arc<dyn Gathers>) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        if !state.is_running {
            std::thread::Builder::new().name("simple-ipc-sends".into()).spawn(move || self.run())?;
            state.is_running = true;
        }
        state.queue.push_back((Instant::now() + LATEST, gathers));
        if state.queue.len() == 1 {
            self.added.notify_one();
        }
        Ok(())
    }

    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            let left = state.queue.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                drop(state);
                std::thread::sleep(left);
                state = lock(&self.state);
                continue;
            }
            let Some((_, gathers)) = state.queue.pop_front() else {
                state = wait(&self.added, &self.state, state, LONGEST).0;
                continue;
            };
            drop(state);
            let is_done = gathers.try_send_gathered();
            state = lock(&self.state);
            if !is_done {
                state.queue.push_back((Instant::now() + LATEST, gathers));
            }
        }
    }
}
