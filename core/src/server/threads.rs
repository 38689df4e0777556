//! The threads on which a listener runs blocking handlers.
//!
//! A thread is either dedicated to one busy session or takes jobs from a queue. Threads are made
//! when they are needed, up to a bound, and end when they have had nothing to do for a while. A
//! quarter of them (at least one) is never dedicated, so that the queue always moves. The queue has few
//! threads while its jobs are quick, and more where they are not.
//!
//! Where more than a few exclusive sessions are busy none of them keeps a thread: as many threads as there are processors
//! serve all of them, alike ([groups](crate::server::driver::group)), as long as handlers are quick. Where they are not each session gets a
//! thread, and where there are not enough of those all are served by way of the queue, and a thread is called for all the jobs
//! that a look at the sockets has brought.
//! Threads by the hundred that all want to run keep each other, and whoever has none, waiting.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::lock::{lock, wait};
use crate::os::fork;
use crate::os::online_cpus;
use crate::os::poller::Poller;
use crate::server::waiting::{Job, TURN, Waiting};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);
/// When a thread that could not be made is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How many threads for each processor take jobs from the queue before it is looked whether more would help.
const QUICK: usize = 4;
/// They would if jobs wait and each thread has been with one for about as long as there is between two looks,
const LOOK: Duration = Duration::from_millis(1);
/// unless the second look came this late: then there is no processor to spare,
const LATE: Duration = Duration::from_millis(4);
/// in as many looks as this at the most.
const MOST_LATE: u32 = 16;
/// How long after there were not enough threads for all sessions it is tried again whether there are.
const SHORTAGE: Duration = Duration::from_secs(2);

/// How many sessions for each processor keep a thread before threads are shared.
const FEW: usize = 8;
/// Where there are so many times more, those that have not begun share threads, too.
const MANY: usize = 2;
/// For how long threads are not shared where handlers turned out slow, at first and at the most; each time in a row is twice the last.
const SLOW_FOR: Duration = Duration::from_secs(1);
const SLOW_AT_MOST: Duration = Duration::from_secs(64);
/// Where they have been shared for this long before, it is the first time.
const QUICK_FOR: Duration = Duration::from_secs(10);

/// The threads of one listener.
pub(crate) struct Threads {
    state: Mutex<State>,
    /// Wakes a thread that waits for a job.
    work: Condvar,
    /// How many threads there may be.
    most: usize,
    /// How many of them may be dedicated.
    most_dedicated: usize,
    /// How many threads serve many sessions each where threads are shared; 0: they never are.
    groups: usize,
    /// How many may be dedicated before threads are shared.
    few: usize,
    /// Threads are shared: `crowded_since` of the state, for who does not lock. Written under its lock; relaxed, as nothing else is
    /// ordered by it.
    crowded: AtomicBool,
    /// Threads are not shared, as handlers are slow: `slow_until` of the state, for who does not lock. Written under its lock;
    /// relaxed, as nothing else is ordered by it.
    slow: AtomicBool,
    /// How many take jobs from the queue before it is looked whether more would help.
    quick: usize,
    /// There are not enough threads for all sessions that want one: `short_since` of the state, for who does not lock.
    /// Written under its lock; relaxed, as nothing else is ordered by it.
    short: AtomicBool,
    /// Looks after the queue, and tries again where a thread could not be made.
    runtime: Handle,
    /// A thread of the user's does all of it, and none is made.
    of_the_user: Option<Arc<Waiting>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that there are, or are being made.
    threads: usize,
    /// Those of them that wait for a job.
    idle: usize,
    /// Those of them that are reserved for a session.
    dedicated: usize,
    /// How many jobs have been taken. Counts on.
    taken: u64,
    /// Somebody looks whether the queue is stuck.
    looking: bool,
    /// A thread is about to be called.
    calling: bool,
    /// When a session first went without a thread, if that is not long ago.
    short_since: Option<Instant>,
    /// Few of the sessions that share threads were busy at the last look.
    few_are_busy: bool,
    /// Since when threads are shared.
    crowded_since: Option<Instant>,
    /// Until when they are not, as handlers are slow, and how long that was made.
    slow_until: Option<Instant>,
    slow_for: Duration,
    /// A thread could not be made, and will be tried again.
    trying_again: bool,
    /// No more jobs are to be expected: threads do not wait for them.
    closed: bool,
}

impl State {
    /// How many threads take jobs from the queue.
    fn for_the_queue(&self) -> usize {
        self.threads.saturating_sub(self.dedicated)
    }
}

impl Threads {
    pub(crate) fn new(most: usize, runtime: Handle) -> Arc<Threads> {
        let most_dedicated = most - (most / 4).max(1);
        let groups = if Poller::SERVES_MANY { online_cpus().min(most_dedicated / 2) } else { 0 };
        Arc::new(Threads {
            state: Mutex::default(),
            groups,
            few: (FEW * online_cpus()).min(most_dedicated - groups),
            crowded: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            work: Condvar::new(),
            most,
            most_dedicated,
            quick: QUICK * online_cpus(),
            short: AtomicBool::new(false),
            runtime,
            of_the_user: None,
        })
    }

    /// In their place a thread of the user's.
    pub(crate) fn of_the_user(waiting: Arc<Waiting>, runtime: Handle) -> Arc<Threads> {
        let mut threads = Threads::new(1, runtime);
        if let Some(threads) = Arc::get_mut(&mut threads) {
            threads.of_the_user = Some(waiting);
            // No session is taken to a thread of the library.
            threads.groups = 0;
        }
        threads
    }

    /// What waits for the user's thread, if that does all of it. It is to wait for no peer.
    pub(crate) fn waiting(&self) -> Option<&Arc<Waiting>> {
        self.of_the_user.as_ref()
    }

    /// How many messages of one session a job may take to the handler before it lets others have their turn.
    pub(crate) fn turn(&self) -> usize {
        if self.of_the_user.is_some() { TURN } else { usize::MAX }
    }

    /// Runs a job on a thread as soon as one is free.
    pub(crate) fn submit(self: &Arc<Threads>, job: Job) {
        if let Some(waiting) = &self.of_the_user {
            return waiting.submit(job);
        }
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        if self.short.load(Ordering::Relaxed) || self.is_crowded() {
            // More will follow at once: a thread is called for all of them.
            if !state.calling {
                state.calling = true;
                drop(state);
                let threads = Arc::clone(self);
                self.runtime.spawn(async move { threads.call() });
            }
            return;
        }
        let if_stuck = state.for_the_queue() >= self.quick;
        self.call_a_thread(state, if_stuck);
    }

    /// Sees to it that threads take the jobs that have gathered.
    fn call(self: &Arc<Threads>) {
        let mut state = lock(&self.state);
        state.calling = false;
        if !state.looking && state.jobs.len() > 1 {
            state.looking = true;
            self.runtime.spawn(Arc::clone(self).look_after(state.taken));
        }
        if state.idle == 0 {
            let if_stuck = state.for_the_queue() >= online_cpus();
            return self.call_a_thread(state, if_stuck);
        }
        let threads = state.idle.min(state.jobs.len()).min(online_cpus());
        drop(state);
        (0..threads).for_each(|_| self.work.notify_one());
    }

    /// Ends threads that have nothing to do. Jobs that come all the same are still done.
    pub(crate) fn close(&self) {
        if let Some(waiting) = &self.of_the_user {
            waiting.close();
        }
        lock(&self.state).closed = true;
        self.work.notify_all();
    }

    /// The right to a thread for long, unless there are not enough for all that want one.
    pub(crate) fn reserve(self: &Arc<Threads>) -> Option<ReservedThread> {
        if self.of_the_user.is_some() {
            return None;
        }
        let mut state = lock(&self.state);
        if state.short_since.is_some_and(|since| since.elapsed() > SHORTAGE) {
            state.short_since = None;
            self.short.store(false, Ordering::Relaxed);
        }
        if state.short_since.is_some() {
            return None;
        }
        if state.dedicated >= self.most_dedicated {
            state.short_since = Some(Instant::now());
            self.short.store(true, Ordering::Relaxed);
            return None;
        }
        state.dedicated += 1;
        Some(ReservedThread(Arc::clone(self)))
    }

    /// Who is to drive an exclusive session that is busy, one of so many that are `open`, and that `may_share` a thread with others or
    /// not.
    pub(crate) fn place(self: &Arc<Threads>, may_share: bool, open: usize) -> Place {
        if may_share && self.groups > 0 {
            let mut state = lock(&self.state);
            let is_crowd = state.dedicated >= self.few || (self.are_many(open) && !state.few_are_busy);
            if is_crowd && state.crowded_since.is_none() && self.is_quick(&mut state) {
                self.gather(&mut state);
            }
            if state.crowded_since.is_some() {
                return Place::Group;
            }
        }
        self.reserve().map_or(Place::Queue, Place::Thread)
    }

    /// Whether exclusive sessions share threads: those that have one of their own and may share are to give it back.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// How many threads are shared at the most.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// The right to a thread that serves many sessions: one for each of the [groups](Threads::groups).
    pub(crate) fn seat_of_a_group(self: &Arc<Threads>) -> ReservedThread {
        lock(&self.state).dedicated += 1;
        ReservedThread(Arc::clone(self))
    }

    /// Whether a session on which nothing has come shares a thread from the beginning, as one of so many that are `open`: where all of
    /// them begin at once it is not for the runtime to bring each to a thread.
    pub(crate) fn is_shared_by_all(&self, open: usize) -> bool {
        self.groups > 0 && self.are_many(open) && self.is_quick(&mut lock(&self.state))
    }

    fn are_many(&self, open: usize) -> bool {
        open > MANY * self.few
    }

    /// Whether threads may be shared: handlers have not been slow of late.
    #[inline]
    pub(crate) fn may_be_shared(&self) -> bool {
        !self.slow.load(Ordering::Relaxed)
    }

    fn is_quick(&self, state: &mut State) -> bool {
        if state.slow_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        state.slow_until = None;
        self.slow.store(false, Ordering::Relaxed);
        true
    }

    /// So many sessions that share threads have something at once: where they are a crowd, none keeps a thread.
    #[inline]
    pub(crate) fn note_ready(&self, sessions: usize) {
        if sessions > self.few / 2 && !self.is_crowded() {
            self.note_busy(sessions);
        }
    }

    /// So many sessions that share threads are busy. Whether they are enough for that; else each that is busy gets one again.
    pub(crate) fn note_busy(&self, sessions: usize) -> bool {
        let is_crowd = sessions > self.few / 2;
        let mut state = lock(&self.state);
        if !is_crowd {
            state.few_are_busy = true;
            self.disperse(&mut state);
        } else if state.crowded_since.is_none() && self.is_quick(&mut state) {
            self.gather(&mut state);
        }
        is_crowd
    }

    /// Handlers are slow: no session is to wait for that of another one. For a while threads are not shared.
    pub(crate) fn note_slowness(&self) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let is_first = state.slow_for.is_zero() || state.crowded_since.is_some_and(|since| now - since > QUICK_FOR);
        state.slow_for = if is_first { SLOW_FOR } else { (state.slow_for * 2).min(SLOW_AT_MOST) };
        state.slow_until = Some(now + state.slow_for);
        self.slow.store(true, Ordering::Relaxed);
        self.disperse(&mut state);
    }

    fn gather(&self, state: &mut State) {
        state.few_are_busy = false;
        state.crowded_since = Some(Instant::now());
        self.crowded.store(true, Ordering::Relaxed);
    }

    fn disperse(&self, state: &mut State) {
        state.crowded_since = None;
        self.crowded.store(false, Ordering::Relaxed);
    }

    /// Runs a job that is not to wait for others.
    pub(crate) fn call_now(self: &Arc<Threads>, job: Job) {
        let mut state = lock(&self.state);
        state.jobs.push_front(job);
        self.call_a_thread(state, false);
    }

    /// Whether sessions that have threads are to give them back, as there are not enough for all.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Runs a job that keeps its thread for long, and the right to it as long as it holds that.
    pub(crate) fn dedicate(self: &Arc<Threads>, seat: ReservedThread, job: Box<dyn FnOnce(ReservedThread) + Send>) {
        let mut state = lock(&self.state);
        // Ahead of the queue: a thread that is called now must not find other work first.
        state.jobs.push_front(Box::new(move || job(seat)));
        let if_stuck = state.short_since.is_some() && state.for_the_queue() >= self.quick;
        self.call_a_thread(state, if_stuck);
    }

    /// Sees to it that a thread takes the job that has just been queued: a new one where all are busy, or
    /// only `if_stuck`.
    fn call_a_thread(self: &Arc<Threads>, mut state: MutexGuard<'_, State>, if_stuck: bool) {
        if state.idle >= state.jobs.len() {
            drop(state);
            self.work.notify_one();
        } else if if_stuck {
            if !state.looking {
                state.looking = true;
                self.runtime.spawn(Arc::clone(self).look_after(state.taken));
            }
        } else if state.threads < self.most {
            state.threads += 1;
            drop(state);
            self.make_thread();
        }
    }

    /// Makes a thread that has been counted.
    fn make_thread(self: &Arc<Threads>) {
        let threads = Arc::clone(self);
        let made = std::thread::Builder::new().name("simple-ipc-work".into()).spawn(move || threads.run());
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

    /// Adds threads for as long as jobs wait and hardly any is taken: the handlers are slow then, or wait
    /// for something, and others need not wait for them.
    async fn look_after(self: Arc<Threads>, mut seen: u64) {
        let mut late = 0;
        loop {
            let slept = Instant::now();
            tokio::time::sleep(LOOK).await;
            late = if slept.elapsed() > LATE && late < MOST_LATE { late + 1 } else { 0 };
            let mut state = lock(&self.state);
            if state.jobs.is_empty() {
                state.looking = false;
                return;
            }
            let seen = std::mem::replace(&mut seen, state.taken);
            if late == 0 && state.taken - seen <= state.for_the_queue() as u64 {
                let room = self.most.saturating_sub(state.threads);
                let more = (state.for_the_queue() / 2).max(1).min(state.jobs.len());
                let idle = state.idle.min(more);
                let made = (more - idle).min(room);
                state.threads += made;
                drop(state);
                (0..idle).for_each(|_| self.work.notify_one());
                (0..made).for_each(|_| self.make_thread());
            }
        }
    }

    async fn try_again(self: Arc<Threads>) {
        tokio::time::sleep(TRY_AGAIN).await;
        let mut state = lock(&self.state);
        state.trying_again = false;
        if !state.jobs.is_empty() {
            self.call_a_thread(state, false);
        }
    }

    fn run(self: Arc<Threads>) {
        let born = fork::generation();
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.taken += 1;
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
            if state.closed {
                state.threads -= 1;
                return;
            }
            state.idle += 1;
            let (woken, timed_out) = wait(&self.work, &self.state, state, IDLE);
            state = woken;
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// Who drives a busy exclusive session.
pub(crate) enum Place {
    /// A thread of its own.
    Thread(ReservedThread),
    /// A thread that serves others, too.
    Group,
    /// The runtime, which takes each message to the queue.
    Queue,
}

/// The right to keep a thread.
pub(crate) struct ReservedThread(Arc<Threads>);

impl Drop for ReservedThread {
    fn drop(&mut self) {
        lock(&self.0.state).dedicated -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn at_most(most: usize) -> Arc<Threads> {
        Threads::new(most, crate::background::listeners().unwrap())
    }

    /// 48 jobs of which none ends before all have begun.
    fn assert_all_meet(threads: &Arc<Threads>) {
        let (done, results) = mpsc::channel();
        let all = Arc::new(std::sync::Barrier::new(48));
        for _ in 0..48 {
            let (done, all) = (done.clone(), Arc::clone(&all));
            threads.submit(Box::new(move || {
                all.wait();
                done.send(()).unwrap();
            }));
        }
        (0..48).for_each(|_| results.recv_timeout(Duration::from_secs(60)).unwrap());
    }

    #[test]
    fn a_job_that_blocks_does_not_hold_up_the_next() {
        let threads = at_most(2);
        let (release, blocked) = mpsc::channel::<()>();
        let (done, result) = mpsc::channel();
        threads.submit(Box::new(move || assert!(blocked.recv().is_err())));
        threads.submit(Box::new(move || done.send(1).unwrap()));
        assert_eq!(result.recv_timeout(Duration::from_secs(20)), Ok(1));
        drop(release);
    }

    #[test]
    fn jobs_that_wait_for_each_other_all_get_a_thread() {
        let threads = at_most(64);
        assert_all_meet(&threads);
    }

    #[test]
    fn quick_jobs_do_with_few_threads() {
        let threads = at_most(256);
        let (done, results) = mpsc::channel();
        for _ in 0..10_000 {
            let done = done.clone();
            threads.submit(Box::new(move || done.send(()).unwrap()));
        }
        (0..10_000).for_each(|_| results.recv_timeout(Duration::from_secs(60)).unwrap());
        let made = lock(&threads.state).threads;
        assert!(made < threads.quick + 56, "{made} threads");
    }

    #[test]
    fn where_there_are_not_enough_threads_no_session_has_one_until_it_is_tried_again() {
        let threads = at_most(16);
        let mut seats: Vec<ReservedThread> = std::iter::from_fn(|| threads.reserve()).collect();
        assert_eq!(seats.len(), 12);
        assert!(threads.is_short());
        seats.clear();
        assert!(threads.reserve().is_none());
        lock(&threads.state).short_since = Some(Instant::now() - 2 * SHORTAGE);
        seats.extend(std::iter::from_fn(|| threads.reserve()));
        assert_eq!(seats.len(), 12);
        assert!(threads.is_short());
    }

    #[test]
    fn jobs_that_gather_where_there_are_not_enough_threads_are_all_taken_though_they_wait_for_each_other() {
        let threads = at_most(64);
        let seats: Vec<ReservedThread> = std::iter::from_fn(|| threads.reserve()).collect();
        assert!(threads.is_short());
        drop(seats);
        assert_all_meet(&threads);
        let (done, results) = mpsc::channel();
        // Now threads are idle: one job at a time, and many.
        for jobs in [1, 1, 1000] {
            for _ in 0..jobs {
                let done = done.clone();
                threads.submit(Box::new(move || done.send(()).unwrap()));
            }
            (0..jobs).for_each(|_| results.recv_timeout(Duration::from_secs(60)).unwrap());
        }
    }

    #[test]
    fn more_than_a_few_busy_sessions_share_threads_until_few_are_busy_or_handlers_are_slow() {
        if !Poller::SERVES_MANY {
            return;
        }
        let threads = at_most(256);
        let gets_one = |threads: &Arc<Threads>| match threads.place(true, 1) {
            Place::Thread(seat) => Some(seat),
            _ => None,
        };
        let seats: Vec<ReservedThread> = std::iter::from_fn(|| gets_one(&threads)).collect();
        assert_eq!(seats.len(), threads.few);
        assert!(threads.is_crowded());
        // Those whose handlers are slow still get a thread each.
        assert!(matches!(threads.place(false, 1), Place::Thread(_)));
        drop(seats);
        assert!(gets_one(&threads).is_none());
        assert!(threads.note_busy(threads.few));
        assert!(!threads.note_busy(threads.few / 2));
        assert!(gets_one(&threads).is_some());
        // Where many are open the first one shares, too, unless it is known that few are busy.
        assert!(matches!(threads.place(true, usize::MAX), Place::Thread(_)));
        assert!(threads.note_busy(threads.few));
        assert!(!threads.note_busy(0));
        let fresh = at_most(256);
        assert!(fresh.is_shared_by_all(usize::MAX));
        assert!(matches!(fresh.place(true, usize::MAX), Place::Group));
        fresh.note_slowness();
        assert!(!fresh.may_be_shared() && !fresh.is_crowded() && !fresh.is_shared_by_all(usize::MAX));
        assert!(gets_one(&fresh).is_some());
        lock(&fresh.state).slow_until = Some(Instant::now());
        assert!(matches!(fresh.place(true, usize::MAX), Place::Group));
        assert!(fresh.may_be_shared());
    }

    #[test]
    fn one_thread_is_never_dedicated() {
        let threads = at_most(2);
        let (release, blocked) = mpsc::channel::<()>();
        let seat = threads.reserve().unwrap();
        threads.dedicate(seat, Box::new(move |_seat| assert!(blocked.recv().is_err())));
        assert!(threads.reserve().is_none());
        let (done, result) = mpsc::channel();
        threads.submit(Box::new(move || done.send(1).unwrap()));
        assert_eq!(result.recv_timeout(Duration::from_secs(20)), Ok(1));
        drop(release);
        assert!(at_most(1).reserve().is_none());
    }

    #[test]
    fn beyond_the_bound_jobs_wait_their_turn_and_none_is_lost() {
        let threads = at_most(3);
        let (done, results) = mpsc::channel();
        for job in 0..1000 {
            let done = done.clone();
            threads.submit(Box::new(move || done.send(job).unwrap()));
        }
        let mut seen: Vec<i32> = (0..1000).map(|_| results.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
        assert!(lock(&threads.state).threads <= 3);
    }
}
