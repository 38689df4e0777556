//! Connections that are received to their end after their callers have left: a listener of the Deno original ends its process
//! where it cannot answer, and a TCP connection that is closed with bytes unread takes along what is on its way. And sessions
//! whose stream was given up, until the listener has ended it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::lock::lock;
use crate::os::fork::{self, ForkLocal};
use crate::os::poller::Poller;
use crate::os::stream::{Stream, Wait, interrupted, would_block};

/// The most connections that are received to their end at a time; one more is closed at once.
const MOST_LINGERING: usize = 256;
/// How long the end of a stream that was given up is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// What a session has come to that its caller has left.
pub(super) enum Step {
    /// It waits to receive, and for room to send if `room`.
    Waits { room: bool },
    /// It is done; what was to be done with it has been.
    Done,
}

/// A session that has something left to do when its caller has left.
pub(super) trait Ends: Send {
    fn socket(&self) -> &Arc<Stream>;

    /// Does what goes without waiting.
    fn step(&mut self) -> Step;
}

/// Has the thread bring a session to its end, for a second at the most; then it is dropped.
pub(super) fn end_later(ends: Box<dyn Ends>) {
    let socket = Arc::clone(ends.socket());
    if socket.born() == fork::generation() {
        ABANDONED.get().add(Left { socket, ends: Some((ends, Instant::now() + LONGEST)) });
    }
}

/// A connection that is received to its end, whoever has left.
pub(crate) struct Lingering(Option<Arc<Stream>>);

impl Lingering {
    pub(crate) fn new(socket: Stream) -> Lingering {
        Lingering::of(Arc::new(socket))
    }

    pub(crate) fn of(socket: Arc<Stream>) -> Lingering {
        Lingering(Some(socket))
    }

    /// The connection, unless it is over.
    pub(super) fn unless_over(&self) -> Option<&Stream> {
        self.0.as_deref()
    }

    pub(super) fn get(&self) -> &Arc<Stream> {
        self.0.as_ref().expect("taken only at the end")
    }

    /// The stream has ended: nothing is left to wait for.
    pub(super) fn done(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take().filter(|socket| socket.born() == fork::generation()) {
            let _told_already = socket.shutdown_write();
            ABANDONED.get().add(Left { socket, ends: None });
        }
    }
}

/// The connections of this process that nobody else receives on.
static ABANDONED: ForkLocal<Abandoned> = ForkLocal::new();

/// A connection that somebody has left.
struct Left {
    socket: Arc<Stream>,
    /// What is to be done besides receiving, and until when.
    ends: Option<(Box<dyn Ends>, Instant)>,
}

impl Left {
    /// Does what goes without waiting.
    fn step(&mut self, scrap: &mut [u8]) -> Step {
        match &mut self.ends {
            Some((ends, _)) => ends.step(),
            None if has_ended(&self.socket, scrap) => Step::Done,
            None => Step::Waits { room: false },
        }
    }

    /// How much of its time is left, if that is limited.
    fn time_left(&self, now: Instant) -> Option<Duration> {
        self.ends.as_ref().map(|(_, until)| until.saturating_duration_since(now))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.time_left(now).is_some_and(|left| left.is_zero())
    }
}

#[derive(Default)]
struct Abandoned(Mutex<State>);

#[derive(Default)]
struct State {
    /// By the tokens by which `poller` knows them.
    left: Slab<Option<Left>>,
    /// There as long as a thread receives, which ends with the last connection.
    poller: Option<Arc<Poller>>,
}

impl Abandoned {
    /// Has the thread look after a connection. Where that cannot be had, or there are too many, the connection is closed.
    fn add(&'static self, left: Left) {
        let mut state = lock(&self.0);
        if state.left.len() >= MOST_LINGERING {
            return;
        }
        let running = state.poller.clone();
        let Some(poller) = running.clone().or_else(|| Poller::new().ok().map(Arc::new)) else { return };
        let place = state.left.vacant_entry();
        // Room there is in most cases: a thread that waits for others looks at this one's time, too.
        if poller.watch(&left.socket, place.key() as u64, left.ends.is_some()).is_err() {
            return;
        }
        let token = place.key();
        place.insert(Some(left));
        if running.is_some() {
            return;
        }
        state.poller = Some(Arc::clone(&poller));
        let thread = std::thread::Builder::new().name("simple-ipc-ends".into());
        if thread.spawn(move || self.look_after_all(&poller)).is_err() {
            state.left.remove(token);
            state.poller = None;
        }
    }

    /// Goes on until no connection is left.
    fn look_after_all(&self, poller: &Poller) {
        let mut scrap = vec![0; 16 << 10];
        let mut ready = Vec::new();
        // How long until the first of those that have a time is over. Otherwise it looks from time to time: one whose
        // socket has no room wakes nobody when it comes.
        let mut left = None;
        loop {
            ready.clear();
            let looked = poller.wait(Some(left.unwrap_or(LONGEST))).and_then(|_| poller.ready(&mut ready));
            for &token in &ready {
                let token = usize::try_from(token).expect("it was a usize");
                // Nobody else takes one out, and what it comes to may want the lock.
                let Some(mut one) = lock(&self.0).left.get_mut(token).and_then(Option::take) else { continue };
                let step = one.step(&mut scrap);
                if let Step::Waits { room } = step
                    && poller.watch_again(&one.socket, token as u64, room).is_ok()
                {
                    lock(&self.0).left[token] = Some(one);
                } else {
                    poller.forget(&one.socket);
                    lock(&self.0).left.remove(token);
                }
            }
            let mut state = lock(&self.0);
            if looked.is_err() {
                state.left.clear();
            }
            let now = Instant::now();
            let is_over = |left: &Option<Left>| left.as_ref().is_some_and(|left| left.is_over(now));
            let over: Vec<usize> =
                state.left.iter().filter(|(_, left)| is_over(left)).map(|(token, _)| token).collect();
            let over: Vec<_> = over.into_iter().map(|token| state.left.remove(token)).collect();
            left = state.left.iter().filter_map(|(_, left)| left.as_ref()?.time_left(now)).min();
            let is_done = state.left.is_empty();
            if is_done {
                state.poller = None;
            }
            drop(state);
            drop(over);
            if is_done {
                return;
            }
        }
    }
}

/// Receives once. Whether nothing more will come.
fn has_ended(socket: &Stream, scrap: &mut [u8]) -> bool {
    match socket.recv(scrap, Wait::No) {
        Ok(count) => count == 0,
        Err(error) => !would_block(&error) && !interrupted(&error),
    }
}
