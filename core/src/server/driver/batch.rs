//! A busy multiplexed session with a blocking handler, driven by a thread of its own, a batch at a
//! time: receive what has come, take it to the handler, send all the answers with one call.
//!
//! While the thread is with the handler, what it reads with lies ready for whoever finds it stuck
//! there ([`watch`]): then the runtime goes on with the session, and other threads with its messages.
//! The thread notices when it comes back, and ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::handover;
use super::runtime::{self, Driving};
use crate::lock::lock;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::fork;
use crate::os::stream::{interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::{Body, FrameReader, Next};
use crate::server::PATIENCE;
use crate::server::call_id::CallId;
use crate::server::clock::{Moment, Shared};
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::listening::Listening;
use crate::server::responder::Responder;
use crate::server::session::{Session, Task};
use crate::session::receive;
use crate::session::send_queue::Sent;
use crate::session::spin_wait::SpinWait;

/// A session on which nothing has come for this long goes back to the runtime, and one whose handler
/// was slow stays there for this long.
const QUIET: Duration = Duration::from_secs(1);
/// Messages with more memory than this are the reader's, not copied from its buffer.
const KEPT: usize = 64 << 10;
/// Answers are sent when handlers have taken this long since the last look at the clock.
const SLOW: Duration = Duration::from_micros(20);
/// How many answers gather where the client could be at work meanwhile, on another core.
const GATHER_BESIDE: u32 = 24;
/// The most messages between two looks at the clock.
const MOST_BLIND: u32 = 16;
/// A handler that two looks this far apart both find running is stuck.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks in a row find nobody at work before there are no more.
const LOOKS_AT_NOTHING: u32 = 20;

type Turn = handover::Turn<FrameReader>;

/// Whether a session had better not have a thread of its own for a while.
#[derive(Debug, Default)]
pub(in crate::server) struct Slowness(
    /// Until when, if it is to be so.
    Shared,
);

impl Slowness {
    pub(in crate::server) fn is_over(&self, now: Moment) -> bool {
        self.0.get().is_none_or(|until| now >= until)
    }

    fn begin(&self, now: Moment) {
        self.0.set(Some(now.after(QUIET)));
    }
}

/// The threads that sessions of a listener have, and the look after them.
#[derive(Debug, Default)]
pub(in crate::server) struct Watch {
    turns: Mutex<Vec<(Arc<Turn>, Weak<Session>)>>,
    looking: AtomicBool,
    wanted: Notify,
}

impl Watch {
    /// A thread goes to the handler.
    fn look(&self) {
        if !self.looking.load(Ordering::SeqCst) && !self.looking.swap(true, Ordering::SeqCst) {
            self.wanted.notify_one();
        }
    }

    fn is_any_at_work(&self) -> bool {
        lock(&self.turns).iter().any(|(turn, _)| turn.is_at_work())
    }

    fn forget(&self, turn: &Arc<Turn>) {
        lock(&self.turns).retain(|(watched, _)| !Arc::ptr_eq(watched, turn));
    }
}

/// Why a thread is done with a session.
enum Done {
    /// The runtime takes over: it is quiet, waits for a late answer or a slow peer, or is to end.
    Hand(FrameReader),
    /// The runtime has taken over.
    Taken,
    /// The peer broke the protocol.
    Violated(Violation),
    /// The peer has gone.
    Ended(FrameReader),
    /// This is a forked child: nothing here is its own.
    Forked,
}

/// Drives a session until it goes quiet, turns out to be slow, or ends.
pub(in crate::server) fn drive(driving: Driving, session: Arc<Session>, reader: FrameReader) {
    let Some(code) = session.listening.users_code() else { return };
    session.hot.store(true, Ordering::SeqCst);
    let turn = Arc::new(Turn::new());
    lock(&session.listening.watch.turns).push((Arc::clone(&turn), Arc::downgrade(&session)));
    let done = if session.socket.set_blocking(true).and(session.socket.set_recv_timeout(Some(QUIET))).is_ok() {
        let (handler, _within) = code.blocking();
        serve(&session, &turn, reader, handler)
    } else {
        Done::Hand(reader)
    };
    if let Done::Forked = done {
        return std::mem::forget((driving, session, code));
    }
    // Before the session goes on elsewhere: who sees it end sees the handler let go.
    drop(code);
    session.listening.watch.forget(&turn);
    if let Done::Taken = done {
        return driving.hand_over();
    }
    session.hot.store(false, Ordering::SeqCst);
    let runtime = session.listening.runtime.clone();
    match done {
        Done::Hand(reader) => {
            driving.hand_over();
            runtime.spawn(runtime::drive(session, reader, true));
        }
        Done::Violated(violation) => {
            driving.hand_over();
            runtime.spawn(runtime::dismiss(session, violation));
        }
        Done::Ended(reader) => {
            session.count_unfinished(&reader);
            drop(driving);
        }
        Done::Taken | Done::Forked => {}
    }
}

fn serve(session: &Arc<Session>, turn: &Turn, mut reader: FrameReader, handler: &BlockingHandler) -> Done {
    let mut waiter = SpinWait::new(session.listening.spin);
    let mut message = Message::null();
    if session.listening.mode == Mode::Broadcast {
        session.begin_casting();
    }
    session.kept.store(false, Ordering::Relaxed);
    loop {
        turn.begin_batch(reader, &session.batching);
        let batch = serve_batch(session, turn, &mut message, handler, waiter.pays());
        if let Batch::Forked = batch {
            return Done::Forked;
        }
        let Some(mine) = turn.take_back() else {
            if session.listening.mode == Mode::Broadcast {
                // Those that came meanwhile wait for the one that this thread was stuck with.
                runtime::run_casts(session, Some(handler));
            }
            return Done::Taken;
        };
        reader = mine;
        if let Batch::Violated(violation) = batch {
            session.end_casting();
            return Done::Violated(violation);
        }
        let done = if matches!(batch, Batch::Full) || session.listening.workers.is_short() {
            Some(false)
        } else {
            receive(session, &mut reader, &mut waiter)
        };
        if let Some(ended) = done {
            session.end_casting();
            return if ended { Done::Ended(reader) } else { Done::Hand(reader) };
        }
    }
}

/// How a batch ended.
enum Batch {
    /// All that was there has been handled, or the runtime has taken over.
    Over,
    /// The session, or its listener, has as much in hand as it may.
    Full,
    Forked,
    Violated(Violation),
}

/// Takes the frames that are here to the handler, and sends the answers together; some at a time where the
/// client could work `beside` it, on another core.
fn serve_batch(
    session: &Arc<Session>,
    turn: &Turn,
    message: &mut Message,
    handler: &BlockingHandler,
    beside: bool,
) -> Batch {
    let born = fork::generation();
    let mut gathered = 0;
    let mut pace = Pace::new();
    let over = loop {
        let (responder, call) = {
            let mut parked = turn.reader();
            let Some(reader) = parked.as_mut() else { break Batch::Over };
            if !session.may_go_on() && !reader.is_empty() {
                break Batch::Full;
            }
            let (header, body) = match reader.next_if(|header| session.may_take(header)) {
                Ok(Next::Frame(header, body)) => (header, body),
                Ok(Next::NotYet) => break Batch::Over,
                Ok(Next::NotNow) => break Batch::Full,
                Err(violation) => break Batch::Violated(violation),
            };
            let (call, kind) = match session.admit(&header, body.as_slice()) {
                Ok(Task::Request { call, kind, .. }) => (call, kind),
                Ok(Task::Broadcast { ack, kind }) => {
                    if ack.is_some() {
                        session.begin_ack(ack);
                    }
                    (CallId::NONE, kind)
                }
                Ok(Task::Ack(id)) => {
                    session.ack(id, PATIENCE);
                    continue;
                }
                Ok(Task::Nothing) => continue,
                Err(violation) => break Batch::Violated(violation),
            };
            match body {
                Body::Buffered(bytes) => message.refill(kind, bytes),
                Body::Owned(bytes) => *message = Message::from_parts(kind, bytes),
            }
            // Where somebody may look: before this the thread is not with the handler.
            turn.step();
            let deadline = pace.deadline(header.argument);
            (Responder::until(Arc::clone(session), call, deadline, session.listening.mode), call)
        };
        if pace.is_first() {
            session.listening.watch.look();
        }
        // Before anybody hears that it was handled.
        session.listening.count_message();
        call_blocking(handler, message, responder);
        turn.step();
        if born != fork::generation() {
            return Batch::Forked;
        }
        if session.listening.mode == Mode::Broadcast {
            session.end_ack(PATIENCE);
        } else {
            session.keep_unanswered(call);
        }
        gathered += 1;
        if pace.is_slow() || (beside && gathered >= GATHER_BESIDE) {
            // Answers do not wait for a handler that is not quick, nor for more where they need not.
            session.send_gathered();
            gathered = 0;
        }
        if message.len() > KEPT
            && let Some(reader) = turn.reader().as_mut()
        {
            reader.recycle(message.take_large(KEPT));
        }
    };
    turn.end_batch(&session.batching);
    // After that: whoever adds an answer from now on sends it.
    if session.send_queue.waiting() > 0 {
        session.send_gathered();
    }
    over
}

/// Waits for more. `Some` where the thread is done with the session; true if that has ended.
fn receive(session: &Session, reader: &mut FrameReader, waiter: &mut SpinWait) -> Option<bool> {
    if session.in_flight() {
        // Answers come later, from elsewhere: meanwhile the runtime listens.
        session.slowness.begin(session.listening.clock.now());
        return Some(false);
    }
    // A client that no longer reads may still have sent something: that is taken to its end.
    if session.send_queue.waiting() > 0
        && let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, PATIENCE)
    {
        return Some(false);
    }
    session.receiving.store(!reader.is_empty(), Ordering::Relaxed);
    let received = waiter.receive_body(reader.missing(), |wait| receive::receive(&session.socket, reader, wait));
    match received {
        Ok(0) if session.retiring.load(Ordering::SeqCst) => Some(false),
        Ok(0) => Some(true),
        Ok(_) => None,
        Err(error) if interrupted(&error) => None,
        // Nothing for a while; an unfinished body goes on under the runtime's eyes.
        Err(error) if would_block(&error) => Some(false),
        Err(_) => Some(true),
    }
}

/// How quick the handler is, found out with few looks at the clock.
struct Pace {
    /// The last look, at the beginning of a batch or between two messages.
    looked: Option<Instant>,
    /// Messages since, and how many go by before the next look.
    since: u32,
    every: u32,
}

impl Pace {
    fn new() -> Pace {
        Pace { looked: None, since: 0, every: 1 }
    }

    /// Until when the sender of a message that has come with this batch waits.
    fn deadline(&mut self, timeout_ms: u32) -> Option<Instant> {
        let looked = *self.looked.get_or_insert_with(Instant::now);
        (timeout_ms != 0).then(|| looked + Duration::from_millis(timeout_ms.into()))
    }

    fn is_first(&self) -> bool {
        self.since == 0 && self.every == 1
    }

    /// Whether the handler has taken long for the messages since the last look.
    fn is_slow(&mut self) -> bool {
        self.since += 1;
        if self.since < self.every {
            return false;
        }
        let now = Instant::now();
        let taken = self.looked.map_or(Duration::ZERO, |looked| now - looked);
        let slow = taken > SLOW;
        self.every = if slow { 1 } else { (self.every * 2).min(MOST_BLIND) };
        self.looked = Some(now);
        self.since = 0;
        slow
    }
}

/// Looks after the threads of a listener's sessions while any is at work: where one is stuck in a
/// handler, the runtime takes the session over.
pub(in crate::server) async fn watch(listening: Weak<Listening>) {
    let mut seen: Vec<(Arc<Turn>, u32)> = Vec::new();
    let mut looks_at_nothing = LOOKS_AT_NOTHING;
    loop {
        let Some(held) = listening.upgrade() else { return };
        if looks_at_nothing >= LOOKS_AT_NOTHING {
            looks_at_nothing = 0;
            seen.clear();
            held.watch.looking.store(false, Ordering::SeqCst);
            // A thread that went to the handler just before that saw that somebody looks.
            if !held.watch.is_any_at_work() {
                tokio::select! {
                    () = held.watch.wanted.notified() => {}
                    () = held.until_closed() => return,
                }
            }
            held.watch.looking.store(true, Ordering::SeqCst);
        }
        let turns = lock(&held.watch.turns).clone();
        let mut found = Vec::with_capacity(turns.len());
        let mut has_moved = turns.len() != seen.len();
        for (turn, session) in turns {
            let count = turn.count();
            let before = seen.iter().find(|(seen, _)| Arc::ptr_eq(seen, &turn)).map(|(_, count)| *count);
            has_moved |= before != Some(count);
            if count % 2 == 1
                && before == Some(count)
                && let Some(session) = session.upgrade()
            {
                take_over(&session, &turn);
            }
            found.push((turn, count));
        }
        looks_at_nothing = if has_moved { 0 } else { looks_at_nothing + 1 };
        seen = found;
        drop(held);
        sleep(LOOK).await;
    }
}

/// Goes on with a session on the runtime, and with its messages on other threads.
fn take_over(session: &Arc<Session>, turn: &Arc<Turn>) {
    let Some(reader) = turn.take_over(&session.batching) else { return };
    session.listening.watch.forget(turn);
    session.slowness.begin(session.listening.clock.now());
    session.hot.store(false, Ordering::SeqCst);
    session.listening.runtime.spawn(runtime::drive(Arc::clone(session), reader, true));
}
