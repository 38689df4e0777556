//! A native session at a listener. Its books of what handlers have are in `flight`, what it sends in `sending`.
//!
//! A session has one driver at a time, which receives its frames: a task on the runtime while it is
//! quiet or multiplexed ([`cold`](crate::server::driver::runtime)), a thread of its own while it is busy and exclusive
//! ([`hot`](crate::server::driver::thread)). Answers are sent by whoever has them.

pub(in crate::server) mod acks;
mod in_flight;
mod send;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use self::in_flight::Calls;
pub(in crate::server) use self::in_flight::Cast;
use crate::counters::count;
use crate::error::ErrorKind;
use crate::lock::lock;
use crate::message::MessageKind;
use crate::mode::Mode;
use crate::os::stream::Stream;
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::frame::{ACK_WANTED, FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::server::admission::Unsent;
use crate::server::call_id::CallId;
use crate::server::clock::{Moment, Shared};
use crate::server::driver::batch::Slowness;
use crate::server::listening::Listening;
use crate::server::session::acks::DueAck;
use crate::session::send_queue::SendQueue;

/// How long a new session may take to its first message, and any one between two pieces of a message,
/// before it may be let go to make room for another.
const FIRST: Duration = Duration::from_millis(50);
const STALE: Duration = Duration::from_secs(1);

pub(crate) struct Session {
    pub(in crate::server) socket: Arc<Stream>,
    pub(in crate::server) listening: Arc<Listening>,
    pub(in crate::server) exclusive: bool,
    pub(in crate::server) send_queue: SendQueue,
    /// Tells a cold driver that there is something to do besides receiving.
    pub(in crate::server) driver: Arc<Notify>,
    /// A thread drives the session.
    pub(in crate::server) hot: AtomicBool,
    /// The listener wants the session to end once what has arrived is answered.
    pub(in crate::server) retiring: AtomicBool,
    /// It is to end now, though something may still be in flight.
    pub(in crate::server) parting: AtomicBool,
    /// Whether the handler keeps the session's threads too long.
    pub(in crate::server) slowness: Slowness,
    key: u64,
    peer: Peer,
    /// The largest body that the client takes.
    peer_max: usize,
    /// The client has gone, or the session was given up.
    gone: AtomicBool,
    cancellations: Notify,
    /// The request that is with the session's thread, or in flight on an exclusive session: a [`CallId`].
    current: AtomicU64,
    /// How many requests were taken; only the driver counts.
    requests: AtomicU32,
    /// The session's thread is at a batch, at whose end it sends the answers.
    pub(in crate::server) batching: AtomicBool,
    /// Since it has a thread, requests were put aside unanswered.
    pub(in crate::server) kept: AtomicBool,
    /// More answers have gathered than are to wait.
    overfull: AtomicBool,
    /// How much of its answers the listener counts as not taken by the peer.
    unsent: Unsent,
    /// Part of a frame is here.
    pub(in crate::server) receiving: AtomicBool,
    /// The request whose cancel was seen before the session's driver has received it.
    seen_cancel: AtomicU64,
    /// Answers that are on their way: no longer in flight, not yet sent.
    answering: AtomicU32,
    /// The last request, or broadcast with an id, that was taken.
    last_taken: AtomicU32,
    calls: Mutex<Calls>,
    /// The driver waits until less is in flight.
    stalled: AtomicBool,
    /// A broadcast whose handler runs and whose acknowledgement is due: see [`Listening::watch`].
    due_ack: DueAck,
    /// When something last came.
    active_at: Shared,
}

/// What a frame asks its driver to do.
pub(in crate::server) enum Task {
    Request { call: CallId, timeout_ms: u32, kind: MessageKind },
    Broadcast { ack: Option<u32>, kind: MessageKind },
    Ack(u32),
    Nothing,
}

impl Session {
    pub(in crate::server) fn new(
        socket: Arc<Stream>,
        listening: Arc<Listening>,
        key: u64,
        peer: Peer,
        exclusive: bool,
        peer_max: usize,
    ) -> Session {
        let now = listening.clock.now();
        let unsent = Unsent::new(Arc::clone(&listening.room));
        Session {
            socket,
            listening,
            exclusive,
            send_queue: SendQueue::default(),
            driver: Arc::default(),
            hot: AtomicBool::new(false),
            retiring: AtomicBool::new(false),
            parting: AtomicBool::new(false),
            slowness: Slowness::default(),
            key,
            peer,
            peer_max,
            gone: AtomicBool::new(false),
            cancellations: Notify::new(),
            current: AtomicU64::new(CallId::NONE.bits()),
            requests: AtomicU32::new(0),
            batching: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            overfull: AtomicBool::new(false),
            unsent,
            receiving: AtomicBool::new(false),
            seen_cancel: AtomicU64::new(CallId::NONE.bits()),
            answering: AtomicU32::new(0),
            last_taken: AtomicU32::new(0),
            calls: Mutex::default(),
            stalled: AtomicBool::new(false),
            due_ack: DueAck::default(),
            active_at: Shared::new(now),
        }
    }

    pub(in crate::server) fn key(&self) -> u64 {
        self.key
    }

    pub(in crate::server) fn peer(&self) -> Peer {
        self.peer
    }

    pub(in crate::server) fn cancellations(&self) -> &Notify {
        &self.cancellations
    }

    /// For how long nothing has come, `now`.
    pub(in crate::server) fn idle(&self, now: Moment) -> Duration {
        // Something may have come since `now`.
        self.active_at.get().map_or(Duration::ZERO, |at| now.since(at))
    }

    pub(in crate::server) fn note_activity(&self) {
        self.active_at.set(Some(self.listening.clock.now()));
    }

    /// Counts a session whose client has gone in the middle of a frame.
    pub(in crate::server) fn count_unfinished(&self, reader: &FrameReader) {
        if !reader.is_empty() {
            count(&self.listening.tally.incomplete);
        }
    }

    /// Whether the listener has room for the next frame. A request has begun with that: [`admit`](Session::admit)
    /// is to follow. What takes no room is taken always: pings, cancels, and questions.
    #[inline]
    pub(in crate::server) fn may_take(&self, header: &Header) -> bool {
        match header.kind {
            Kind::Request => self.listening.try_begin(&self.peer),
            Kind::Broadcast => self.listening.room.is_there(),
            _ => true,
        }
    }

    /// Takes a frame in that [may be taken](Session::may_take): answers what the session itself can answer, and
    /// says what is left to do.
    pub(in crate::server) fn admit(&self, header: &Header, body: &[u8]) -> Result<Task, Violation> {
        match header.kind {
            Kind::Request => {
                // A thread has one at a time; `current` is enough for that.
                let one_at_a_time = self.exclusive || self.batching.load(Ordering::Relaxed);
                let current = self.current(Ordering::Relaxed);
                let taken = if self.exclusive {
                    current != CallId::NONE
                } else {
                    let others = !one_at_a_time || self.kept.load(Ordering::Relaxed);
                    current.id() == header.id || (others && lock(&self.calls).in_flight.contains_key(&header.id))
                };
                if taken {
                    self.listening.end();
                    return Err(Violation::Malformed(if self.exclusive {
                        "a second request is in flight on an exclusive session"
                    } else {
                        "a request has the id of one that is in flight"
                    }));
                }
                if !self.acceptable(header, body, Mode::Request) {
                    self.listening.end();
                    return Ok(Task::Nothing);
                }
                self.last_taken.store(header.id, Ordering::Relaxed);
                let nth = self.requests.load(Ordering::Relaxed).wrapping_add(1);
                self.requests.store(nth, Ordering::Relaxed);
                let call = CallId::new(header.id, nth);
                if one_at_a_time {
                    self.current.store(call.bits(), Ordering::Relaxed);
                } else {
                    let mut calls = lock(&self.calls);
                    calls.in_flight.insert(header.id, call);
                    calls.bytes += body.len();
                    self.listening.room.take(body.len());
                }
                Ok(Task::Request { call, timeout_ms: header.argument, kind: header.message_kind() })
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
                self.cancel(self.called(header.id));
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

    /// Whether the session may get a thread of its own: nothing of it is elsewhere.
    pub(in crate::server) fn is_free_for_a_thread(&self) -> bool {
        if self.exclusive {
            return !self.in_flight() && self.send_queue.waiting() == 0;
        }
        let is_to_stay = self.retiring.load(Ordering::SeqCst) || self.is_running();
        !is_to_stay && self.is_quiet() && self.slowness.is_over(self.listening.clock.now())
    }

    /// Whether the session may be let go at `now` to make room for another: nothing is due on it, its
    /// client has had a moment to send its first message, and none is on its way.
    pub(in crate::server) fn may_retire(&self, now: Moment) -> bool {
        let idle = self.idle(now);
        let on_its_way = if self.receiving.load(Ordering::Relaxed) {
            self.hot.load(Ordering::Relaxed) || idle < STALE
        } else {
            self.last_taken.load(Ordering::Relaxed) == 0 && idle < FIRST
        };
        !on_its_way && !self.retiring.load(Ordering::Relaxed) && self.is_quiet()
    }

    pub(in crate::server) fn is_cancelled(&self, call: CallId, mode: Mode) -> bool {
        if self.gone.load(Ordering::Relaxed) {
            return true;
        }
        if mode == Mode::Broadcast {
            return false;
        }
        if self.current(Ordering::Relaxed) == call {
            let seen = || self.seen_cancel.load(Ordering::Relaxed) == call.bits();
            return self.exclusive && (seen() || self.unread_cancel(call));
        }
        self.exclusive || lock(&self.calls).in_flight.get(&call.id()) != Some(&call)
    }

    /// Whether the session's own thread, the only one that receives, is at this request.
    pub(in crate::server) fn is_with_its_reader(&self, call: CallId) -> bool {
        self.exclusive && self.hot.load(Ordering::Relaxed) && self.current(Ordering::Relaxed) == call
    }

    /// On a hot session nobody receives while its handler runs, so the question looks for itself.
    fn unread_cancel(&self, call: CallId) -> bool {
        if !self.hot.load(Ordering::Relaxed) || self.retiring.load(Ordering::Relaxed) {
            return false;
        }
        let mut header = [0; HEADER_LEN];
        let cancelled = match self.socket.peek(&mut header) {
            Ok(0) => true,
            Ok(HEADER_LEN) => Header::decode(&header, Sender::Client, usize::MAX)
                .is_ok_and(|header| header.kind == Kind::Cancel && header.id == call.id()),
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        };
        if cancelled {
            // The session may change hands before somebody asks again.
            self.seen_cancel.store(call.bits(), Ordering::Relaxed);
        }
        cancelled
    }

    /// Ends a request in flight whose caller gave up.
    fn cancel(&self, call: CallId) {
        if let Some(answering) = self.finish(call) {
            let _gives_its_place_back = answering.abandoned();
            self.cancellations.notify_waiters();
            self.transmit_error(call.id(), ErrorKind::Cancelled, "the caller cancelled the request", Duration::ZERO);
        }
    }

    /// Does for the session's thread, while that is with the handler, what it would do if it looked: gives up the
    /// request whose caller has left or has cancelled it.
    pub(in crate::server) fn look_for_its_caller(&self) {
        let current = self.current(Ordering::Relaxed);
        if current != CallId::NONE && self.is_cancelled(current, Mode::Request) {
            self.cancel(current);
        }
    }

    /// The client has gone: nobody waits for anything any more.
    pub(in crate::server) fn lose(&self) {
        self.gone.store(true, Ordering::Relaxed);
        let current = self.current(Ordering::Relaxed);
        if current != CallId::NONE
            && let Some(answering) = self.finish(current)
        {
            drop(answering.abandoned());
        }
        let dropped = std::mem::take(&mut lock(&self.calls).in_flight).len();
        for _ in 0..dropped {
            self.listening.abandon();
        }
        self.cancellations.notify_waiters();
        self.driver.notify_one();
    }

    /// Ends the session whatever is in flight on it: handlers hear that nobody waits any more.
    pub(in crate::server) fn cut_off(&self) {
        self.lose();
        self.socket.shutdown();
    }

    /// Asks the session's driver to say goodbye and end it, whatever is in flight.
    pub(in crate::server) fn part(&self) {
        self.parting.store(true, Ordering::SeqCst);
        self.driver.notify_one();
    }

    /// Asks the session to end: what has arrived is answered, nothing more is taken.
    pub(in crate::server) fn retire(&self) {
        self.retiring.store(true, Ordering::SeqCst);
        let _gone_already = self.socket.shutdown_read();
        self.driver.notify_one();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("key", &self.key).field("exclusive", &self.exclusive).finish_non_exhaustive()
    }
}
