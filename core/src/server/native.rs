//! A native session at a listener: what is in flight on it, and how it is answered.
//!
//! A session has one driver at a time, which receives its frames: a task on the runtime while it is
//! quiet or multiplexed ([`cold`](super::cold)), a thread of its own while it is busy and exclusive
//! ([`hot`](super::hot)). Answers are sent by whoever has them.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustc_hash::FxHashSet;
use tokio::sync::Notify;

use super::batches::Slowness;
use super::counters::count;
use super::listening::Listening;
use super::responder::Responder;
use super::{Mode, PATIENCE};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::{Message, MessageKind, MessageRef};
use crate::outbox::{Outbox, Sent};
use crate::protocol::Violation;
use crate::protocol::frame::{ACK_WANTED, FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::protocol::hello::Hello;
use crate::transport::peer::Peer;
use crate::transport::socket::Socket;

/// The most requests of one session that are in flight before the listener stops reading it.
const MOST_IN_FLIGHT: usize = 1024;
/// The most bytes of one session that wait for handlers, or of its answers that wait for the peer,
/// before the listener stops reading it. A single larger message still passes.
const MOST_WAITING: usize = 4 << 20;

/// An answer of this many bytes does not wait for others.
const LARGE_ANSWER: usize = 16 << 10;

/// How long a new session may take to its first message, and any one between two pieces of a message,
/// in milliseconds, before it may be let go to make room for another.
const FIRST_MS: u32 = 50;
const STALE_MS: u32 = 1000;

pub(crate) struct Session {
    pub(super) socket: Arc<Socket>,
    pub(super) listening: Arc<Listening>,
    pub(super) exclusive: bool,
    pub(super) outbox: Outbox,
    /// Tells a cold driver that there is something to do besides receiving.
    pub(super) driver: Notify,
    /// A thread drives the session.
    pub(super) hot: AtomicBool,
    /// The listener wants the session to end once what has arrived is answered.
    pub(super) retiring: AtomicBool,
    /// Whether the handler keeps the session's threads too long.
    pub(super) slowness: Slowness,
    key: u64,
    peer: Peer,
    /// The largest body that the client takes.
    peer_max: usize,
    /// The client has gone, or the session was given up.
    gone: AtomicBool,
    cancellations: Notify,
    /// The request that is with the session's thread, or in flight on an exclusive session; 0 for none.
    current: AtomicU32,
    /// The session's thread is at a batch, at whose end it sends the answers.
    pub(super) batching: AtomicBool,
    /// Since it has a thread, requests were put aside unanswered.
    pub(super) kept: AtomicBool,
    /// Part of a frame is here.
    pub(super) receiving: AtomicBool,
    /// Answers that are on their way: no longer in flight, not yet sent.
    answering: AtomicU32,
    /// The last request, or broadcast with an id, that was taken.
    last_taken: AtomicU32,
    calls: Mutex<Calls>,
    /// The driver waits until less is in flight.
    stalled: AtomicBool,
    /// A broadcast whose handler runs and whose acknowledgement is due: see [`Listening::watch`].
    /// Its id in the upper half, the time in milliseconds in the lower.
    due_ack: AtomicU64,
    /// When something last came, in milliseconds since the listener started.
    active_at: AtomicU32,
}

#[derive(Default)]
struct Calls {
    /// Requests in flight on a multiplexed session.
    in_flight: FxHashSet<u32>,
    /// Those of them that no thread has begun with yet.
    requests: VecDeque<(Message, Responder)>,
    /// Threads that take `requests` to the handler, one after another.
    runners: usize,
    /// Broadcasts that wait for the one before them, and questions for an acknowledgement.
    casts: VecDeque<Cast>,
    /// Somebody is taking `casts` to the handler.
    casting: bool,
    /// The bytes of messages that handlers have not yet returned from.
    bytes: usize,
}

/// What is handed over in the order sent.
pub(super) enum Cast {
    Message {
        message: Message,
        ack: Option<u32>,
    },
    /// The client asks to be told when all before this is handed over.
    Ack(u32),
}

/// What a frame asks its driver to do.
pub(super) enum Task {
    Request { id: u32, timeout_ms: u32, kind: MessageKind },
    Broadcast { ack: Option<u32>, kind: MessageKind },
    Ack(u32),
    Nothing,
}

/// An answer on its way. Until it is sent, or given up, the session does not end and its listener
/// does not go.
struct Answering<'a>(&'a Session);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.answered();
        self.0.listening.end();
    }
}

impl Session {
    pub(super) fn new(
        socket: Arc<Socket>,
        listening: Arc<Listening>,
        key: u64,
        peer: Peer,
        exclusive: bool,
        peer_max: usize,
    ) -> Session {
        let now = listening.now_ms();
        Session {
            socket,
            listening,
            exclusive,
            outbox: Outbox::default(),
            driver: Notify::new(),
            hot: AtomicBool::new(false),
            retiring: AtomicBool::new(false),
            slowness: Slowness::default(),
            key,
            peer,
            peer_max,
            gone: AtomicBool::new(false),
            cancellations: Notify::new(),
            current: AtomicU32::new(0),
            batching: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            receiving: AtomicBool::new(false),
            answering: AtomicU32::new(0),
            last_taken: AtomicU32::new(0),
            calls: Mutex::default(),
            stalled: AtomicBool::new(false),
            due_ack: AtomicU64::new(0),
            active_at: AtomicU32::new(now),
        }
    }

    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn cancellations(&self) -> &Notify {
        &self.cancellations
    }

    /// For how many milliseconds nothing has come, `now`.
    pub(super) fn idle(&self, now: u32) -> u32 {
        // Something may have come since `now`.
        now.wrapping_sub(self.active_at.load(Ordering::Relaxed)).cast_signed().max(0).cast_unsigned()
    }

    pub(super) fn note_activity(&self) {
        self.active_at.store(self.listening.now_ms(), Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        count(&self.listening.tally.failed);
    }

    /// Counts a session whose client has gone in the middle of a frame.
    pub(super) fn count_unfinished(&self, reader: &FrameReader) {
        if !reader.is_empty() {
            count(&self.listening.tally.incomplete);
        }
    }

    /// Takes a frame in: answers what the session itself can answer, and says what is left to do.
    pub(super) fn admit(&self, header: &Header, body: &[u8]) -> std::result::Result<Task, Violation> {
        match header.kind {
            Kind::Request => {
                // A thread has one at a time; `current` is enough for that.
                let one_at_a_time = self.exclusive || self.batching.load(Ordering::Relaxed);
                let current = self.current.load(Ordering::Relaxed);
                let taken = if self.exclusive {
                    current != 0
                } else {
                    let others = !one_at_a_time || self.kept.load(Ordering::Relaxed);
                    current == header.id || (others && lock(&self.calls).in_flight.contains(&header.id))
                };
                if taken {
                    return Err(Violation::Malformed(if self.exclusive {
                        "a second request is in flight on an exclusive session"
                    } else {
                        "a request has the id of one that is in flight"
                    }));
                }
                if !self.acceptable(header, body, Mode::Request) {
                    return Ok(Task::Nothing);
                }
                self.last_taken.store(header.id, Ordering::Relaxed);
                self.listening.begin();
                if one_at_a_time {
                    self.current.store(header.id, Ordering::Relaxed);
                } else {
                    let mut calls = lock(&self.calls);
                    calls.in_flight.insert(header.id);
                    calls.bytes += body.len();
                }
                Ok(Task::Request { id: header.id, timeout_ms: header.timeout_ms, kind: header.message_kind() })
            }
            Kind::Broadcast => {
                let ack = (header.flags & ACK_WANTED != 0).then_some(header.id);
                if !self.acceptable(header, body, Mode::Broadcast) {
                    return Ok(Task::Nothing);
                }
                if header.id != 0 {
                    self.last_taken.store(header.id, Ordering::Relaxed);
                }
                Ok(Task::Broadcast { ack, kind: header.message_kind() })
            }
            Kind::Ack => Ok(Task::Ack(header.id)),
            Kind::Cancel => {
                if let Some(_answering) = self.finish(header.id) {
                    self.cancellations.notify_waiters();
                    self.transmit_error(
                        header.id,
                        ErrorKind::Cancelled,
                        "the caller cancelled the request",
                        Duration::ZERO,
                    );
                }
                Ok(Task::Nothing)
            }
            Kind::Ping => {
                self.transmit(&Header::bare(Kind::Pong, header.id), &[], Duration::ZERO);
                Ok(Task::Nothing)
            }
            Kind::Pong | Kind::Response | Kind::Error | Kind::Goaway => Ok(Task::Nothing),
        }
    }

    /// Whether a message is of the listener's mode, and JSON where it says so. If not, says so.
    fn acceptable(&self, header: &Header, body: &[u8], mode: Mode) -> bool {
        let (kind, text) = if self.listening.mode != mode {
            if self.listening.is_closing() {
                // It is meant for the next listener on the channel: the goodbye that follows says that
                // it was not taken.
                return false;
            }
            (
                ErrorKind::WrongMode,
                match self.listening.mode {
                    Mode::Request => "the listener answers requests and takes no broadcasts; post a request",
                    Mode::Broadcast => "the listener takes broadcasts and answers no requests; post a broadcast",
                },
            )
        } else if self.listening.check_json
            && header.message_kind() == MessageKind::Json
            && crate::message::check_json(body).is_err()
        {
            (ErrorKind::InvalidBody, "the body is not JSON")
        } else {
            return true;
        };
        self.transmit_error(header.id, kind, text, Duration::ZERO);
        false
    }

    /// Sends the reply to a request in flight.
    pub(super) fn respond(&self, id: u32, reply: MessageRef<'_>, patience: Duration) -> Result<()> {
        let _answering = self.still_wanted(id)?;
        if reply.len() > self.peer_max {
            let text = format!(
                "the reply of {} bytes is larger than the {} that the caller takes",
                reply.len(),
                self.peer_max
            );
            self.transmit_error(id, ErrorKind::TooLarge, &text, patience);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let header = Header::of(Kind::Response, id, reply);
        if self.batching.load(Ordering::SeqCst) {
            if reply.len() < LARGE_ANSWER {
                return self.gather(&header, reply.data());
            }
            self.send_gathered();
        } else if self.others_in_flight() {
            // It goes out with the answers that are about to follow.
            if self.outbox.append(&header.encode(), reply.data()).is_err() {
                return Err(self.lost());
            }
            // A runner sends what has gathered after it has counted itself out.
            if lock(&self.calls).runners == 0 {
                self.driver.notify_one();
            }
            return Ok(());
        }
        if self.transmit(&header, reply.data(), patience) { Ok(()) } else { Err(self.lost()) }
    }

    /// Adds an answer to those that the thread of the session sends at the end of its batch.
    fn gather(&self, header: &Header, body: &[u8]) -> Result<()> {
        if self.outbox.append(&header.encode(), body).is_err() {
            return Err(self.lost());
        }
        // The batch may have ended meanwhile; another thread's answer is not seen to by anyone then.
        if !self.batching.load(Ordering::SeqCst) {
            self.send_gathered();
        }
        Ok(())
    }

    /// Says that a request in flight failed.
    pub(super) fn fail(&self, id: u32, kind: ErrorKind, text: &str, patience: Duration) -> Result<()> {
        let _answering = self.still_wanted(id)?;
        if self.transmit_error(id, kind, text, patience) { Ok(()) } else { Err(self.lost()) }
    }

    fn still_wanted(&self, id: u32) -> Result<Answering<'_>> {
        if let Some(answering) = self.finish(id) {
            return Ok(answering);
        }
        if self.gone.load(Ordering::Relaxed) {
            return Err(self.lost());
        }
        Err(Error::new(ErrorKind::Cancelled, "cannot answer: the caller cancelled the request"))
    }

    fn lost(&self) -> Error {
        Error::new(ErrorKind::ConnectionLost, "cannot answer: the caller has gone")
    }

    /// Takes a request out of flight, for exactly one of those who try, who then answers it.
    fn finish(&self, id: u32) -> Option<Answering<'_>> {
        // First, so that there is no moment in which the request is neither in flight nor being answered.
        self.answering.fetch_add(1, Ordering::SeqCst);
        let was_current = id != 0 && self.current.compare_exchange(id, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if was_current || (!self.exclusive && lock(&self.calls).in_flight.remove(&id)) {
            return Some(Answering(self));
        }
        self.answered();
        None
    }

    fn answered(&self) {
        self.answering.fetch_sub(1, Ordering::SeqCst);
        if !self.hot.load(Ordering::SeqCst) {
            self.unstall();
        }
    }

    fn others_in_flight(&self) -> bool {
        !self.exclusive && !lock(&self.calls).in_flight.is_empty()
    }

    /// Whether a request still waits for its answer.
    pub(super) fn in_flight(&self) -> bool {
        self.current.load(Ordering::Relaxed) != 0 || (!self.exclusive && !lock(&self.calls).in_flight.is_empty())
    }

    /// Puts a request that a thread has come back from aside if it has not been answered: somebody
    /// will do that later, and the thread goes on with the next.
    pub(super) fn keep_unanswered(&self, id: u32) {
        if self.current.load(Ordering::Relaxed) != id {
            return;
        }
        // Whoever answers it now finds it either here or, after this, there.
        let mut calls = lock(&self.calls);
        if self.current.compare_exchange(id, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            calls.in_flight.insert(id);
            self.kept.store(true, Ordering::Relaxed);
        }
    }

    /// The thread of the session takes broadcasts to the handler itself; others queue.
    pub(super) fn begin_casting(&self) {
        lock(&self.calls).casting = true;
    }

    pub(super) fn end_casting(&self) {
        lock(&self.calls).casting = false;
    }

    /// Whether nothing is in flight, queued or unsent.
    pub(super) fn is_quiet(&self) -> bool {
        let calls = lock(&self.calls);
        self.current.load(Ordering::SeqCst) == 0
            && calls.in_flight.is_empty()
            // After the two above: an answer is counted here before it leaves them.
            && self.answering.load(Ordering::SeqCst) == 0
            && calls.requests.is_empty()
            && calls.casts.is_empty()
            && !calls.casting
            && self.outbox.is_empty()
    }

    /// Whether the session may get a thread of its own: nothing of it is elsewhere.
    pub(super) fn is_free_for_a_thread(&self) -> bool {
        if self.exclusive {
            return !self.in_flight() && self.outbox.waiting() == 0;
        }
        let is_to_stay = self.retiring.load(Ordering::SeqCst) || self.is_running();
        !is_to_stay && self.is_quiet() && self.slowness.is_over(self.listening.now_ms())
    }

    /// Whether the session may be let go at `now` to make room for another: nothing is due on it, its
    /// client has had a moment to send its first message, and none is on its way.
    pub(super) fn may_retire(&self, now: u32) -> bool {
        let idle = self.idle(now);
        let on_its_way = if self.receiving.load(Ordering::Relaxed) {
            self.hot.load(Ordering::Relaxed) || idle < STALE_MS
        } else {
            self.last_taken.load(Ordering::Relaxed) == 0 && idle < FIRST_MS
        };
        !on_its_way && !self.retiring.load(Ordering::Relaxed) && self.is_quiet()
    }

    pub(super) fn is_cancelled(&self, id: u32, mode: Mode) -> bool {
        if self.gone.load(Ordering::Relaxed) {
            return true;
        }
        if mode == Mode::Broadcast {
            return false;
        }
        if self.current.load(Ordering::Relaxed) == id {
            return self.exclusive && self.unread_cancel(id);
        }
        self.exclusive || !lock(&self.calls).in_flight.contains(&id)
    }

    /// On a hot session nobody receives while its handler runs, so the question looks for itself.
    fn unread_cancel(&self, id: u32) -> bool {
        if !self.hot.load(Ordering::Relaxed) || self.retiring.load(Ordering::Relaxed) {
            return false;
        }
        let mut header = [0; HEADER_LEN];
        match self.socket.peek(&mut header) {
            Ok(0) => true,
            Ok(HEADER_LEN) => Header::decode(&header, Sender::Client, usize::MAX)
                .is_ok_and(|header| header.kind == Kind::Cancel && header.id == id),
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Whether the session may take more; if not, the driver is told when it may.
    pub(super) fn has_room(&self) -> bool {
        let room = || {
            let calls = lock(&self.calls);
            calls.in_flight.len() < MOST_IN_FLIGHT
                && calls.bytes < MOST_WAITING
                && calls.casts.len() < MOST_IN_FLIGHT
                && self.outbox.waiting() < MOST_WAITING
        };
        if room() {
            return true;
        }
        self.stalled.store(true, Ordering::SeqCst);
        room()
    }

    fn unstall(&self) {
        let stalled = self.stalled.load(Ordering::SeqCst) && self.stalled.swap(false, Ordering::SeqCst);
        if stalled || self.retiring.load(Ordering::SeqCst) {
            self.driver.notify_one();
        }
    }

    /// Queues a request for the threads that run handlers.
    pub(super) fn queue_request(&self, message: Message, responder: Responder) {
        lock(&self.calls).requests.push_back((message, responder));
    }

    /// Whether one more thread is wanted for the requests that wait: the first, or as many again as
    /// there are where these are `stuck`. The caller sends it.
    pub(super) fn want_runners(&self, stuck: bool) -> usize {
        let mut calls = lock(&self.calls);
        let wanted = match calls.runners {
            _ if calls.requests.is_empty() => 0,
            0 => 1,
            runners if stuck => runners.min(calls.requests.len()),
            _ => 0,
        };
        calls.runners += wanted;
        wanted
    }

    /// Whether threads are busy with requests: the driver then looks after them now and then.
    pub(super) fn is_running(&self) -> bool {
        lock(&self.calls).runners > 0
    }

    /// The next request for a thread that is done with one of `done` bytes. `None` ends its turn:
    /// it then sends what has gathered.
    pub(super) fn next_request(&self, done: usize) -> Option<(Message, Responder)> {
        let mut calls = lock(&self.calls);
        calls.bytes -= done;
        let next = calls.requests.pop_front();
        if next.is_none() {
            calls.runners -= 1;
        }
        drop(calls);
        if done > 0 || next.is_none() {
            self.unstall();
        }
        next
    }

    /// Sends what has gathered.
    pub(super) fn send_gathered(&self) {
        match self.outbox.flush(&self.socket, PATIENCE) {
            // One that has stalled, or is to end, has waited for this.
            Ok(Sent::Gone) => self.unstall(),
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Err(_) => self.lose(),
        }
    }

    /// Queues what is handed over in order. True if the caller is now the one who takes it there.
    pub(super) fn queue_cast(&self, cast: Cast) -> bool {
        let mut calls = lock(&self.calls);
        if let Cast::Message { message, .. } = &cast {
            calls.bytes += message.len();
        }
        calls.casts.push_back(cast);
        !std::mem::replace(&mut calls.casting, true)
    }

    /// The next in the queue; `None` ends the caller's turn.
    pub(super) fn next_cast(&self) -> Option<Cast> {
        let mut calls = lock(&self.calls);
        let cast = calls.casts.pop_front();
        if cast.is_none() {
            calls.casting = false;
            drop(calls);
            self.unstall();
        }
        cast
    }

    /// Says that a handler has returned from a message of `bytes`.
    pub(super) fn release_bytes(&self, bytes: usize) {
        lock(&self.calls).bytes -= bytes;
        self.unstall();
    }

    /// Runs `handing_over` a broadcast, and acknowledges it when that is done or has taken a while.
    pub(super) fn begin_ack(&self, ack: Option<u32>) {
        if let Some(id) = ack {
            let now = u64::from(self.listening.now_ms());
            self.due_ack.store(u64::from(id) << 32 | now, Ordering::SeqCst);
            self.listening.watch_acks();
        }
    }

    /// The other end of [`begin_ack`](Session::begin_ack): the handler has returned.
    pub(super) fn end_ack(&self, patience: Duration) {
        let due = self.due_ack.swap(0, Ordering::SeqCst);
        if due != 0 {
            self.transmit(&Header::bare(Kind::Ack, (due >> 32) as u32), &[], patience);
        }
    }

    /// Acknowledges a broadcast whose handler has been running for `after` milliseconds. Whether
    /// one is still waiting for that.
    pub(super) fn send_overdue_ack(&self, now: u32, after: u32) -> bool {
        let due = self.due_ack.load(Ordering::SeqCst);
        if due == 0 {
            return false;
        }
        if now.wrapping_sub(due as u32) < after {
            return true;
        }
        if self.due_ack.compare_exchange(due, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.transmit(&Header::bare(Kind::Ack, (due >> 32) as u32), &[], Duration::ZERO);
        }
        false
    }

    /// Answers a client's question whether all before it has been handed over.
    pub(super) fn ack(&self, id: u32, patience: Duration) {
        self.transmit(&Header::bare(Kind::Ack, id), &[], patience);
    }

    /// Sends the listener's hello. False: the client lives, and cannot be told. Without a hello it takes it
    /// that nothing was taken, and may send its messages elsewhere.
    pub(super) fn greet(&self, hello: &Hello) -> bool {
        match self.outbox.send(&self.socket, &hello.encode(), &[], Duration::ZERO) {
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Ok(Sent::Gone) => {}
            // What it sent before it left is still handled.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(_) => return false,
        }
        true
    }

    /// Sends an error frame about a message, or with id 0 about the session.
    pub(super) fn transmit_error(&self, id: u32, kind: ErrorKind, text: &str, patience: Duration) -> bool {
        let body = super::error_body(kind, text, self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, id) };
        self.transmit(&header, &body, patience)
    }

    /// Hands over the last thing that is said on the session: an error about it.
    pub(super) fn transmit_last(&self, kind: ErrorKind, text: &str) {
        let body = super::error_body(kind, text, self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, 0) };
        let _gone_already = self.outbox.append_last(&header.encode(), &body);
    }

    /// Sends a frame. Whether the client was still there.
    fn transmit(&self, header: &Header, body: &[u8], patience: Duration) -> bool {
        match self.outbox.send(&self.socket, &header.encode(), body, patience) {
            Ok(Sent::Gone) => {
                // The driver may have been waiting for just that.
                self.unstall();
                true
            }
            Ok(Sent::Waiting) => {
                self.driver.notify_one();
                true
            }
            Err(_) => {
                self.lose();
                false
            }
        }
    }

    /// Says goodbye: what was taken is answered, nothing after it was.
    pub(super) fn say_goaway(&self) {
        let header = Header::bare(Kind::Goaway, self.last_taken.load(Ordering::Relaxed));
        self.transmit(&header, &[], Duration::ZERO);
    }

    /// The client has gone: nobody waits for anything any more.
    pub(super) fn lose(&self) {
        self.gone.store(true, Ordering::Relaxed);
        let current = self.current.load(Ordering::Relaxed);
        if current != 0 {
            drop(self.finish(current));
        }
        let dropped = std::mem::take(&mut lock(&self.calls).in_flight).len();
        for _ in 0..dropped {
            self.listening.end();
        }
        self.cancellations.notify_waiters();
        self.driver.notify_one();
    }

    /// Asks the session to end: what has arrived is answered, nothing more is taken.
    pub(super) fn retire(&self) {
        self.retiring.store(true, Ordering::SeqCst);
        let _gone_already = self.socket.shutdown_recv();
        self.driver.notify_one();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("key", &self.key).field("exclusive", &self.exclusive).finish_non_exhaustive()
    }
}
