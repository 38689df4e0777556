//! The thread that runs a listener's blocking handler, where that is one of the user's: what is to be done waits here until it
//! comes.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::interrupt;
use crate::lock::{lock, wait};
use crate::os::RawWaitable;
use crate::os::fork;
use crate::os::poller::{Bell, Poller, RUNG};
use crate::os::stream::Stream;

/// How many messages of one session are taken to the handler before the others have their turn.
pub(crate) const TURN: usize = 64;

/// How long a thread that closes its listener waits at a time, where nothing comes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A session on which nothing has come for this long goes back to the runtime, which answers pings also while the loop is busy.
const QUIET: Duration = Duration::from_secs(1);

/// A session that the user's thread drives, between two batches of its messages. What it returns is to be done when it is watched
/// no more: something else drives it then.
pub(crate) trait OwnSession: Send {
    /// Its key among the listener's sessions.
    fn key(&self) -> u64;
    /// What is watched.
    fn socket(&self) -> &Stream;
    /// Something may have come: takes it to the handler, and sends the answers that are there then.
    fn come(&mut self) -> Option<Job>;
    /// Sends the answers that have gathered since.
    fn send(&mut self) -> Option<Job>;
    /// The runtime is to go on with it.
    fn give_back(&mut self) -> Job;
}

/// The sessions that the user's thread drives itself.
struct Own {
    poller: Poller,
    /// What the user's thread is called by. Nobody else keeps it.
    _bell: Arc<Bell>,
    /// By their keys, which are their tokens, too; with when something last came. One that is at a batch is taken out.
    sessions: HashMap<u64, (Box<dyn OwnSession>, Instant)>,
}

/// What waits for the user's thread.
pub(crate) struct Waiting {
    state: Mutex<State>,
    /// Something has come, or nothing more is to be expected: for a thread that closes the listener.
    changed: Condvar,
    /// Has the user's thread come. Called without the lock.
    wake: Box<dyn Fn() + Send + Sync>,
    /// Sessions that the user's thread drives; absent where it is called for each batch of messages instead, and gone when nobody
    /// comes any more. Locked without the other, and not while a handler runs.
    own: Option<Mutex<Option<Own>>>,
}

struct State {
    jobs: VecDeque<Job>,
    /// The user's thread has been called, and has not come since.
    is_called: bool,
    /// The thread that last came; before that, the one that made the inbox.
    thread: ThreadId,
    /// Keys of sessions on which answers have gathered.
    unsent: Vec<u64>,
    /// Keys of sessions that the runtime is to go on with.
    given_back: Vec<u64>,
    /// Keys of sessions on which more is here of which no readiness tells.
    more: Vec<u64>,
    /// The user's thread is going to [send what has gathered](Waiting::send_gathered): nobody calls it for answers that gather.
    is_held: bool,
    /// A thread that closes the listener waits for what comes. Others do not notify it: that would be a system call for each job.
    is_waited_for: bool,
    /// The listener has closed: nothing more is to be expected.
    is_over: bool,
    /// Nobody comes any more, and the listener has no handler.
    is_left: bool,
}

impl Waiting {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Arc<Waiting> {
        Arc::new(Waiting::with(wake, None))
    }

    /// For a thread that drives sessions itself: its loop watches [`raw_waitable`](Waiting::raw_waitable).
    pub(crate) fn on_own_loop() -> io::Result<Arc<Waiting>> {
        let mut poller = Poller::new()?;
        let bell = Arc::new(poller.bell()?);
        let wake = {
            let bell = Arc::downgrade(&bell);
            move || {
                if let Some(bell) = bell.upgrade() {
                    bell.ring();
                }
            }
        };
        let own = Own { poller, _bell: bell, sessions: HashMap::new() };
        Ok(Arc::new(Waiting::with(Box::new(wake), Some(Mutex::new(Some(own))))))
    }

    fn with(wake: Box<dyn Fn() + Send + Sync>, own: Option<Mutex<Option<Own>>>) -> Waiting {
        let state = State {
            jobs: VecDeque::new(),
            is_called: false,
            thread: thread::current().id(),
            unsent: Vec::new(),
            given_back: Vec::new(),
            more: Vec::new(),
            is_held: false,
            is_waited_for: false,
            is_over: false,
            is_left: false,
        };
        Waiting { state: Mutex::new(state), changed: Condvar::new(), wake, own }
    }

    /// Whether the user's thread drives sessions itself.
    pub(crate) fn drives_sessions(&self) -> bool {
        self.own.is_some()
    }

    /// What the loop watches for reading; `None` where it is woken otherwise.
    pub(crate) fn raw_waitable(&self) -> Option<RawWaitable> {
        self.with_own(|own| own.poller.readiness().raw_waitable())
    }

    fn with_own<T>(&self, look: impl FnOnce(&mut Own) -> T) -> Option<T> {
        self.own.as_ref().and_then(|own| lock(own).as_mut().map(look))
    }

    /// The user's thread drives a session from now on, of which it is at no batch. In that thread.
    pub(crate) fn adopt(&self, session: Box<dyn OwnSession>) {
        let (mut session, mut more) = (Some(session), None);
        let _where_somebody_comes = self.with_own(|own| {
            let (given, now) = (session.take()?, Instant::now());
            if own.poller.watch(given.socket(), given.key(), false).is_err() {
                session = Some(given);
                return None;
            }
            if own.poller.armed().is_none() {
                let _later = own.poller.arm(Some(now + QUIET));
            }
            if !given.socket().falls_asleep() {
                more = Some(given.key());
            }
            own.sessions.insert(given.key(), (given, now))
        });
        if let Some(key) = more {
            self.note_more(key);
        }
        if let Some(mut refused) = session {
            refused.give_back()();
        }
    }

    /// The runtime is to go on with a session, which has something to do besides receiving.
    pub(crate) fn ask_back(&self, key: u64) {
        let mut state = lock(&self.state);
        state.given_back.push(key);
        self.call(state);
    }

    /// More is here on a session than was taken, by memory that it shares, or comes at this moment: the poller will not tell.
    #[cold]
    fn note_more(&self, key: u64) {
        let mut state = lock(&self.state);
        state.more.push(key);
        self.call(state);
    }

    /// Answers have gathered on a session: sends them soon.
    pub(crate) fn note_unsent(&self, key: u64) {
        let mut state = lock(&self.state);
        if state.unsent.contains(&key) {
            return;
        }
        state.unsent.push(key);
        if !state.is_held {
            self.call(state);
        }
    }

    /// Answers gather until [`send_gathered`](Waiting::send_gathered), which the calling thread promises.
    pub(crate) fn hold(&self) {
        lock(&self.state).is_held = true;
    }

    /// Sends the answers that have gathered.
    pub(crate) fn send_gathered(&self) {
        let unsent = {
            let mut state = lock(&self.state);
            state.is_held = false;
            std::mem::take(&mut state.unsent)
        };
        for key in unsent {
            self.with_session(key, None, |session| session.send());
        }
    }

    /// Does something with a session that is at no batch, and ends watching it where it says so. `came`: something has come on it then.
    fn with_session(
        &self,
        key: u64,
        came: Option<Instant>,
        act: impl FnOnce(&mut dyn OwnSession) -> Option<Job>,
    ) -> bool {
        let Some((mut session, came_before)) = self.with_own(|own| own.sessions.remove(&key)).flatten() else {
            return false;
        };
        match act(&mut *session) {
            None => {
                let has_more = !session.socket().falls_asleep();
                // Where nobody comes any more by now, it ends.
                let _none_has_its_key =
                    self.with_own(|own| own.sessions.insert(key, (session, came.unwrap_or(came_before))));
                if has_more {
                    self.note_more(key);
                }
            }
            Some(leave) => {
                self.with_own(|own| own.poller.forget(session.socket()));
                leave();
            }
        }
        true
    }

    /// Which of the sessions that this thread drives have something, and which have been quiet for long. The loop's descriptor is
    /// readable for what comes after this, not for what came before.
    fn look(&self, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let looked = self.with_own(|own| {
            let (mut ready, mut quiet) = (Vec::new(), Vec::new());
            // Where the system refuses it for a moment, the descriptor stays readable.
            let _looked_at_next_time = own.poller.ready(&mut ready);
            ready.retain(|key| *key != RUNG);
            if own.poller.armed().is_some_and(|at| at <= now) {
                let is_quiet = |came: Instant| now.saturating_duration_since(came) >= QUIET;
                quiet.extend(own.sessions.iter().filter(|(_, (_, came))| is_quiet(*came)).map(|(key, _)| *key));
                let next = (own.sessions.len() > quiet.len()).then(|| now + QUIET);
                let _later = own.poller.arm(next);
            }
            (ready, quiet)
        });
        looked.unwrap_or_default()
    }

    /// Takes what has come on the sessions that this thread drives to the handler, and gives back to the runtime what it does not
    /// go on with. On how many something had come.
    fn run_sessions(&self, mut ready: Vec<u64>, quiet: Vec<u64>, now: Instant) -> usize {
        if self.own.is_none() {
            return 0;
        }
        let born = fork::generation();
        let (given_back, more) = {
            let mut state = lock(&self.state);
            (std::mem::take(&mut state.given_back), std::mem::take(&mut state.more))
        };
        for key in given_back {
            self.with_session(key, None, |session| Some(session.give_back()));
        }
        for key in more {
            if !ready.contains(&key) {
                ready.push(key);
            }
        }
        let mut done = 0;
        for key in ready {
            done += usize::from(self.with_session(key, Some(now), |session| session.come()));
            if born != fork::generation() {
                return done;
            }
        }
        for key in quiet {
            if self.with_own(|own| own.sessions.get(&key).is_some_and(|(_, came)| *came != now)) == Some(true) {
                self.with_session(key, None, |session| Some(session.give_back()));
            }
        }
        done
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
        let is_waited_for = state.is_waited_for;
        drop(state);
        if is_waited_for {
            self.changed.notify_all();
        }
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
        let now = Instant::now();
        // First: whoever leaves something after this calls again.
        let (ready, quiet) = self.look(now);
        let most = {
            let mut state = lock(&self.state);
            state.is_called = false;
            state.thread = thread::current().id();
            state.jobs.len()
        };
        self.send_gathered();
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
        most + self.run_sessions(ready, quiet, now)
    }

    /// Does what comes until nothing more is to be expected: for the user's thread where that closes the listener.
    pub(crate) fn run_to_the_end(&self) -> Result<()> {
        loop {
            self.run();
            let mut state = lock(&self.state);
            if state.is_over && state.jobs.is_empty() {
                return Ok(());
            }
            if state.jobs.is_empty() {
                let piece = interrupt::piece(Some(LONG)).unwrap_or(LONG);
                state.is_waited_for = true;
                wait(&self.changed, &self.state, state, piece).0.is_waited_for = false;
            }
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
        }
    }

    /// Nobody comes any more. The listener has let go of the handler: nothing that is submitted from now on calls it.
    pub(crate) fn leave(&self) -> VecDeque<Job> {
        let jobs = {
            let mut state = lock(&self.state);
            state.is_left = true;
            std::mem::take(&mut state.jobs)
        };
        let own = self.own.as_ref().and_then(|own| lock(own).take());
        drop(own);
        jobs
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
