//! A busy multiplexed session with a blocking handler, driven by a thread of its own, a batch at a
//! time: receive what has come, take it to the handler, send all the answers with one call.
//!
//! While the thread is with the handler, what it reads with lies ready for whoever finds it stuck
//! there ([`watch`]): the runtime then receives, and other threads take what waits to the handler.
//! The thread notices when it comes back, and ends.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::handler::{BlockingHandler, Handler};
use super::listening::Listening;
use super::native::{Cast, Session, Task};
use super::responder::Responder;
use super::{Mode, PATIENCE, cold};
use crate::inbox;
use crate::lock::lock;
use crate::message::Message;
use crate::outbox::Sent;
use crate::protocol::Violation;
use crate::protocol::frame::FrameReader;
use crate::transport::fork;
use crate::transport::socket::{interrupted, would_block};
use crate::transport::wait::Waiter;

/// A session on which nothing has come for this long goes back to the runtime, and one whose handler
/// was slow stays there for this long.
const QUIET: Duration = Duration::from_secs(1);
/// A handler that two looks this far apart both find running is stuck.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks in a row find nobody at work before there are no more.
const LOOKS_AT_NOTHING: u32 = 20;

/// Where the thread of one session is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Odd while it is with the handler. Counts on.
    count: AtomicU32,
    /// What it reads with, while it is with the handler.
    parked: Mutex<Option<FrameReader>>,
    /// Until then the session has no thread of its own, in milliseconds since the listener started; 0
    /// is never.
    slow_until: AtomicU32,
}

impl Turn {
    /// Whether the session may have a thread of its own now.
    pub(super) fn may_begin(&self, now: u32) -> bool {
        let until = self.slow_until.load(Ordering::Relaxed);
        until == 0 || now.wrapping_sub(until).cast_signed() >= 0
    }

    fn note_slow(&self, now: u32) {
        self.slow_until.store(now.wrapping_add(QUIET.as_millis() as u32).max(1), Ordering::Relaxed);
    }
}

/// The sessions of a listener that have a thread, and the look after them.
#[derive(Debug, Default)]
pub(super) struct Watch {
    sessions: Mutex<Vec<Weak<Session>>>,
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
pub(super) fn drive(session: Arc<Session>, reader: FrameReader) {
    let Handler::Blocking(handler) = &session.listening.handler else {
        unreachable!("an asynchronous handler runs on its runtime")
    };
    let handler = Arc::clone(handler);
    session.hot.store(true, Ordering::SeqCst);
    lock(&session.listening.watch.sessions).push(Arc::downgrade(&session));
    let done = if session.socket.set_blocking(true).and(session.socket.set_recv_timeout(Some(QUIET))).is_ok() {
        serve(&session, reader, &*handler)
    } else {
        Done::Hand(reader)
    };
    if let Done::Forked = done {
        return std::mem::forget((session, handler));
    }
    forget(&session);
    if let Done::Taken = done {
        return;
    }
    session.hot.store(false, Ordering::SeqCst);
    let runtime = session.listening.runtime.clone();
    match done {
        Done::Hand(reader) => drop(runtime.spawn(cold::drive(session, reader, true))),
        Done::Violated(violation) => drop(runtime.spawn(cold::dismiss(session, violation))),
        Done::Ended(reader) => {
            session.count_unfinished(&reader);
            session.lose();
            session.listening.remove(&session);
        }
        Done::Taken | Done::Forked => {}
    }
}

fn serve(session: &Arc<Session>, mut reader: FrameReader, handler: &BlockingHandler) -> Done {
    let born = fork::generation();
    let turn = &session.turn;
    let mut waiter = Waiter::new(session.listening.spin);
    loop {
        let work = match take_batch(session, &mut reader) {
            Ok(work) => work,
            Err(violation) => return Done::Violated(violation),
        };
        if work.casts || work.requests {
            *lock(&turn.parked) = Some(reader);
            turn.count.fetch_add(1, Ordering::SeqCst);
            session.listening.watch.look();
            let step = || _ = turn.count.fetch_add(2, Ordering::Relaxed);
            if work.casts {
                cold::run_casts(session, handler, step);
            }
            if work.requests {
                cold::run_queued(session, handler, step);
            }
            if born != fork::generation() {
                return Done::Forked;
            }
            turn.count.fetch_add(1, Ordering::SeqCst);
            match lock(&turn.parked).take() {
                Some(mine) => reader = mine,
                None => return Done::Taken,
            }
        }
        if session.in_flight() || !session.has_room() {
            // Answers come later, from elsewhere: meanwhile the runtime listens.
            turn.note_slow(session.listening.now_ms());
            return Done::Hand(reader);
        }
        // A client that no longer reads may still have sent something: that is taken to its end.
        if session.outbox.waiting() > 0
            && let Ok(Sent::Waiting) = session.outbox.flush(&session.socket, PATIENCE)
        {
            return Done::Hand(reader);
        }
        session.receiving.store(!reader.is_empty(), Ordering::Relaxed);
        let received = waiter.receive(|wait| inbox::receive(&session.socket, &mut reader, wait));
        match received {
            Ok(0) if session.retiring.load(Ordering::SeqCst) => return Done::Hand(reader),
            Ok(0) => return Done::Ended(reader),
            Ok(_) => {}
            Err(error) if interrupted(&error) => {}
            // Nothing for a while; an unfinished body goes on under the runtime's eyes.
            Err(error) if would_block(&error) => return Done::Hand(reader),
            Err(_) => return Done::Ended(reader),
        }
    }
}

/// What there is for the calling thread to take to the handler.
struct Work {
    requests: bool,
    casts: bool,
}

/// Queues what has come.
fn take_batch(session: &Arc<Session>, reader: &mut FrameReader) -> Result<Work, Violation> {
    let mut work = Work { requests: false, casts: false };
    while let Some((header, body)) = reader.next()? {
        match session.admit(&header, body.as_slice())? {
            Task::Request { id, timeout_ms, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                let responder = Responder::to_session(Arc::clone(session), id, timeout_ms, Mode::Request);
                session.listening.count_message();
                session.queue_request(message, responder);
                work.requests = true;
            }
            Task::Broadcast { ack, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                // It is waited for even if its session ends before it is handled.
                session.listening.begin();
                work.casts |= session.queue_cast(Cast::Message { message, ack });
            }
            Task::Ack(id) => work.casts |= session.queue_cast(Cast::Ack(id)),
            Task::Nothing => {}
        }
        if !session.has_room() {
            break;
        }
    }
    // The first thread, and so far the only one.
    work.requests = work.requests && session.want_runners(false) > 0;
    Ok(work)
}

fn forget(session: &Arc<Session>) {
    let this = Arc::as_ptr(session);
    lock(&session.listening.watch.sessions).retain(|watched| watched.as_ptr() != this);
}

/// Looks after the threads of a listener's sessions while any is at work: where one is stuck in a
/// handler, the runtime takes the session over.
pub(super) async fn watch(listening: Weak<Listening>) {
    let mut seen: Vec<(u64, u32)> = Vec::new();
    let mut looks_at_nothing = LOOKS_AT_NOTHING;
    loop {
        let Some(held) = listening.upgrade() else { return };
        if looks_at_nothing >= LOOKS_AT_NOTHING {
            looks_at_nothing = 0;
            seen.clear();
            held.watch.looking.store(false, Ordering::SeqCst);
            // A thread that went to the handler just before that saw that somebody looks.
            if !is_any_at_work(&held) {
                tokio::select! {
                    () = held.watch.wanted.notified() => {}
                    () = held.until_closed() => return,
                }
            }
            held.watch.looking.store(true, Ordering::SeqCst);
        }
        let mut found = Vec::new();
        let sessions: Vec<Arc<Session>> = lock(&held.watch.sessions).iter().filter_map(Weak::upgrade).collect();
        for session in &sessions {
            let count = session.turn.count.load(Ordering::SeqCst);
            let was = seen.iter().find(|(of, _)| *of == session.key()).map(|(_, count)| *count);
            if count % 2 == 1 && was == Some(count) {
                take_over(session);
            }
            found.push((session.key(), count));
        }
        looks_at_nothing = if found == seen { looks_at_nothing + 1 } else { 0 };
        seen = found;
        drop((sessions, held));
        sleep(LOOK).await;
    }
}

fn is_any_at_work(listening: &Listening) -> bool {
    lock(&listening.watch.sessions)
        .iter()
        .filter_map(Weak::upgrade)
        .any(|session| session.turn.count.load(Ordering::SeqCst) % 2 == 1)
}

fn take_over(session: &Arc<Session>) {
    let Some(reader) = lock(&session.turn.parked).take() else { return };
    forget(session);
    session.turn.note_slow(session.listening.now_ms());
    session.hot.store(false, Ordering::SeqCst);
    session.listening.runtime.spawn(cold::drive(Arc::clone(session), reader, true));
}
