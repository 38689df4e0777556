//! A native session at a listener: what of a frame it answers itself, and how it ends.
//!
//! | file | holds |
//! |---|---|
//! | `state` | who drives it and how near its end it is |
//! | `calls` | the requests in flight and the broadcasts in their order, as they lie there |
//! | `in_flight` | the same for a session: taking one out to answer it, room for more |
//! | `send` | what is sent on it; the answers of its responders |
//! | `acks` | acknowledgements of broadcasts whose handlers take long |
//! | `sharing` | memory that it shares with its client |
//! | `stream` | what a stream has of its session, and how it begins |
//! | `delivery` | how messages come to the handler, on other threads than the driver's |
//!
//! A session has one [driver](crate::server::driver) at a time, which receives its frames. Answers are sent by whoever
//! has them.

pub(crate) mod acks;
mod calls;
pub(crate) mod delivery;
mod in_flight;
mod send;
pub(crate) mod sharing;
pub(crate) mod state;
pub(crate) mod stream;

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use self::acks::DueAck;
use self::calls::Calls;
use self::sharing::Memory;
use self::state::{Ending, State};
use crate::error::ErrorKind;
use crate::lock::lock;
use crate::message::MessageKind;
use crate::mode::Mode;
use crate::os::stream::Stream;
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::frame::{ACK_WANTED, BYTES, FrameReader, HEADER_LEN, Header, Kind, STREAM, Sender};
use crate::protocol::hello::{Hello, INSPECTION, Role, SHARED_MEMORY, STREAMS};
use crate::server::admission::Unsent;
use crate::server::call_id::CallId;
use crate::server::clock::{Moment, SharedMoment};
use crate::server::shared::Shared;
use crate::session::send_queue::SendQueue;

/// How long a new session may take to its first message, and any one between two pieces of a message,
/// before it may be let go to make room for another.
const FIRST: Duration = Duration::from_millis(50);
const STALE: Duration = Duration::from_secs(1);
/// For how long a session whose handler was slow stays with the runtime.
const SLOW_FOR: Duration = Duration::from_secs(1);

/// A native session. Atomics without a word on their order are relaxed: they are true on their own.
pub(crate) struct Session {
    pub(crate) socket: Arc<Stream>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) exclusive: bool,
    pub(crate) send_queue: SendQueue,
    /// Who drives it and how near its end it is.
    pub(crate) state: State,
    /// Tells the runtime's driver that there is something to do besides receiving. Also its place in the line of those
    /// who wait for room at the listener.
    pub(crate) driver: Arc<Notify>,
    key: u64,
    pub(crate) peer: Peer,
    /// The largest body that the client takes, in bytes.
    pub(crate) peer_max: usize,
    /// The client knows streams.
    knows_streams: bool,
    /// The client takes JSON with bytes.
    knows_attachments: bool,
    /// The client knows what a listener tells of itself.
    knows_inspection: bool,
    /// The client knows memory that both share.
    knows_sharing: bool,
    /// What it shares with the client. Written once, by the driver.
    memory: OnceLock<Memory>,
    /// Until when no thread of its own drives it, or, of an exclusive one, no thread that serves others, too: its handler was slow.
    /// Written by who finds that out.
    no_thread_until: SharedMoment,
    /// When its handler last kept a thread that serves others, too. Written by that thread.
    kept_a_thread_at: SharedMoment,
    /// When something last came, within a second where a thread serves the session together with others. Written by the driver.
    active_at: SharedMoment,
    /// Something that nobody waits for any more has been noted.
    cancellations: Notify,
    /// What was last taken: the count of requests, and the id of a request or of a broadcast that has one, as the bits of
    /// a [`CallId`]. Written by the driver.
    last_taken: AtomicU64,
    /// The request that the session's thread, or an exclusive session, has: the bits of a [`CallId`]. Written by the
    /// driver, and taken out by whoever ends the call, once: sequentially consistent with `answering`.
    current: AtomicU64,
    /// The request whose cancel was seen before the driver has received it: the bits of a [`CallId`]. Written by whoever
    /// asks whether it is cancelled.
    seen_cancel: AtomicU64,
    /// Answers that are on their way: their calls have ended, and they are not yet sent. Written by whoever answers,
    /// sequentially consistent with `current`: a call is counted here before it leaves there.
    answering: AtomicU32,
    /// The other requests in flight, and what waits.
    calls: Mutex<Calls>,
    /// How many bytes of its answers the listener counts as not taken by the peer. Written by the driver.
    unsent: Unsent,
    /// The broadcast whose handler runs and whose acknowledgement is due.
    due_ack: DueAck,
}

/// What a frame asks its driver to do.
pub(crate) enum Task {
    Request {
        call: CallId,
        timeout_ms: u32,
        kind: MessageKind,
    },
    /// A request that opens a stream.
    Stream {
        call: CallId,
        timeout_ms: u32,
        kind: MessageKind,
    },
    Broadcast {
        ack: Option<u32>,
        kind: MessageKind,
    },
    Ack(u32),
    Nothing,
}

/// Where a request is noted that is taken.
#[derive(Clone, Copy)]
pub(crate) enum NotedAs {
    /// In `current`: none besides it is in flight.
    TheOnlyOne,
    /// In `current`: others are in flight besides.
    Current,
    /// With the others.
    OneOfMany,
}

impl Session {
    pub(crate) fn new(
        socket: Arc<Stream>,
        shared: Arc<Shared>,
        key: u64,
        peer: Peer,
        hello: Option<&Hello>,
    ) -> Session {
        let now = shared.clock.now();
        let unsent = Unsent::new(Arc::clone(&shared.admission));
        Session {
            socket,
            shared,
            exclusive: hello.is_some_and(|hello| hello.role == Role::Exclusive),
            send_queue: SendQueue::default(),
            state: State::default(),
            driver: Arc::default(),
            key,
            peer,
            peer_max: hello.map_or(usize::MAX, |hello| hello.max_message as usize),
            knows_streams: hello.is_some_and(|hello| hello.features & STREAMS != 0),
            knows_attachments: hello.is_some_and(Hello::knows_attachments),
            knows_inspection: hello.is_some_and(|hello| hello.features & INSPECTION != 0),
            knows_sharing: hello.is_some_and(|hello| hello.features & SHARED_MEMORY != 0),
            memory: OnceLock::new(),
            no_thread_until: SharedMoment::default(),
            kept_a_thread_at: SharedMoment::default(),
            active_at: SharedMoment::new(now),
            cancellations: Notify::new(),
            last_taken: AtomicU64::new(CallId::NONE.bits()),
            current: AtomicU64::new(CallId::NONE.bits()),
            seen_cancel: AtomicU64::new(CallId::NONE.bits()),
            answering: AtomicU32::new(0),
            calls: Mutex::default(),
            unsent,
            due_ack: DueAck::default(),
        }
    }

    /// Whether the client knows what a listener tells of itself.
    pub(crate) fn knows_inspection(&self) -> bool {
        self.knows_inspection
    }

    /// Whether the client takes JSON with bytes.
    pub(crate) fn knows_attachments(&self) -> bool {
        self.knows_attachments
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// For how long nothing has come, `now`.
    pub(crate) fn idle(&self, now: Moment) -> Duration {
        // Something may have come since `now`.
        self.active_at.get().map_or(Duration::ZERO, |at| now.since(at))
    }

    pub(crate) fn note_activity(&self) {
        self.active_at.set(Some(self.shared.clock.now()));
    }

    /// Counts a session whose client has gone in the middle of a frame.
    pub(crate) fn count_unfinished(&self, reader: &FrameReader) {
        if !reader.is_empty() {
            self.shared.incomplete(&self.peer);
        }
    }

    /// Whether the listener has room for the next frame. A request has begun with that: [`admit`](Session::admit)
    /// is to follow. What takes no room is taken always: pings, cancels, and questions.
    #[inline]
    pub(crate) fn may_take(&self, header: &Header) -> bool {
        match header.kind {
            Kind::Request => self.shared.try_begin(&self.peer),
            Kind::Broadcast => self.shared.admission.has_room(),
            _ => true,
        }
    }

    /// As [`admit`](Session::admit) of the only one, where it is a message that needs nothing but the handler, as most are: its call,
    /// which a broadcast has not. `None`: nothing has been taken in, and `admit` is to be asked.
    #[inline(always)]
    pub(crate) fn admit_plain(&self, header: &Header) -> Option<CallId> {
        if header.flags != BYTES && (header.flags != 0 || self.shared.check_json) {
            return None;
        }
        match (header.kind, self.shared.mode) {
            (Kind::Request, Mode::Request) if self.current(Ordering::Relaxed) == CallId::NONE => {
                let call = CallId::new(header.id, self.last_taken().nth().wrapping_add(1));
                self.last_taken.store(call.bits(), Ordering::Relaxed);
                self.current.store(call.bits(), Ordering::Relaxed);
                Some(call)
            }
            (Kind::Broadcast, Mode::Broadcast) if header.id == 0 => Some(CallId::NONE),
            _ => None,
        }
    }

    /// Takes a frame in that [may be taken](Session::may_take), a request as `noted_as`: answers what the session itself
    /// can answer, and says what is left to do.
    pub(crate) fn admit(&self, header: &Header, body: &[u8], noted_as: NotedAs) -> Result<Task, Violation> {
        match header.kind {
            Kind::Request => {
                let current = self.current(Ordering::Relaxed);
                let is_taken = match noted_as {
                    NotedAs::TheOnlyOne => current != CallId::NONE,
                    NotedAs::Current | NotedAs::OneOfMany => {
                        current.id() == header.id || lock(&self.calls).in_flight.contains_key(&header.id)
                    }
                };
                if is_taken {
                    self.shared.end();
                    return Err(Violation::Malformed(if self.exclusive {
                        "a second request is in flight on an exclusive session"
                    } else {
                        "a request has the id of one that is in flight"
                    }));
                }
                if header.flags & STREAM != 0 {
                    return self.admit_stream(header, body);
                }
                if !self.acceptable(header, body, Mode::Request) {
                    self.shared.end();
                    return Ok(Task::Nothing);
                }
                let call = CallId::new(header.id, self.last_taken().nth().wrapping_add(1));
                self.last_taken.store(call.bits(), Ordering::Relaxed);
                if let NotedAs::OneOfMany = noted_as {
                    let mut calls = lock(&self.calls);
                    calls.in_flight.insert(header.id, call);
                    calls.bytes += body.len();
                    self.shared.admission.add_bytes(body.len());
                } else {
                    self.current.store(call.bits(), Ordering::Relaxed);
                }
                Ok(Task::Request { call, timeout_ms: header.argument, kind: header.message_kind() })
            }
            Kind::Broadcast => {
                let ack = (header.flags & ACK_WANTED != 0).then_some(header.id);
                if !self.acceptable(header, body, Mode::Broadcast) {
                    return Ok(Task::Nothing);
                }
                if header.id != 0 {
                    let taken = CallId::new(header.id, self.last_taken().nth());
                    self.last_taken.store(taken.bits(), Ordering::Relaxed);
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
            Kind::Subscribe => Err(Violation::Malformed(
                "only the first message of a multiplexed session whose hello says so subscribes",
            )),
            Kind::Ask => self.admit_question(header),
            Kind::Share => self.admit_sharing(header),
            Kind::Data | Kind::End | Kind::Credit => self.admit_of_a_stream(header),
            Kind::Pong | Kind::Response | Kind::Error | Kind::Goaway | Kind::Gap | Kind::Event => Ok(Task::Nothing),
        }
    }

    /// Answers a question about the listener at once, whatever its handler does.
    #[cold]
    fn admit_question(&self, header: &Header) -> Result<Task, Violation> {
        if !self.knows_inspection {
            return Err(Violation::Malformed("a client asks whose hello does not say that it knows how to"));
        }
        self.tell_state(header.id);
        Ok(Task::Nothing)
    }

    /// Whether a message is of the listener's mode, and JSON where it says so. If not, says so.
    #[inline]
    fn acceptable(&self, header: &Header, body: &[u8], mode: Mode) -> bool {
        let is_of_the_mode = self.shared.mode == mode;
        let is_to_be_json = self.shared.check_json && header.message_kind() != MessageKind::Bytes;
        if is_of_the_mode && (!is_to_be_json || crate::message::check_body(header.message_kind(), body).is_ok()) {
            return true;
        }
        self.refuse(header, is_of_the_mode);
        false
    }

    #[cold]
    fn refuse(&self, header: &Header, is_of_the_mode: bool) {
        let (kind, text) = if is_of_the_mode {
            (ErrorKind::InvalidBody, "the body is not JSON")
        } else if self.shared.is_closing() {
            // It is meant for the next listener on the channel: the goodbye that follows says that it was not taken.
            return;
        } else if self.shared.mode == Mode::Publish {
            let text = "the listener takes neither requests nor broadcasts, it publishes; subscribe to it";
            (ErrorKind::WrongMode, text)
        } else if self.shared.mode == Mode::Request {
            let text = "the listener answers requests and takes no broadcasts; post a request";
            (ErrorKind::WrongMode, text)
        } else {
            let text = "the listener takes broadcasts and answers no requests; post a broadcast";
            (ErrorKind::WrongMode, text)
        };
        self.transmit_error(header.id, kind, text, Duration::ZERO);
    }

    /// What was last taken: its id on the wire, and how many requests were.
    fn last_taken(&self) -> CallId {
        CallId::from_bits(self.last_taken.load(Ordering::Relaxed))
    }

    /// Whether a thread of its own drives the session.
    pub(crate) fn has_a_thread(&self) -> bool {
        self.state.see().has_a_thread()
    }

    /// Whether the session may get a thread of its own: nothing of it is elsewhere.
    pub(crate) fn is_free_for_a_thread(&self) -> bool {
        if self.exclusive {
            // Not before those broadcasts are with the handler that were taken to the queue.
            return !self.in_flight() && self.send_queue.waiting() == 0 && !self.is_delivering();
        }
        let is_to_stay = self.state.see().is_to_end() || self.is_running();
        let was_slow = || self.no_thread_until.get().is_some_and(|until| self.shared.clock.now() < until);
        !is_to_stay && self.is_quiet() && !was_slow()
    }

    /// Whether a thread may serve the session together with others: its handler has not been slow lately.
    pub(crate) fn may_share_a_thread(&self) -> bool {
        self.no_thread_until.get().is_none_or(|until| self.shared.clock.now() >= until)
    }

    /// Its handler has kept a thread that serves others, too. It may have been the system that did; where it happens again soon, it was not.
    pub(crate) fn note_that_it_kept_a_thread(&self) {
        let now = self.shared.clock.now();
        let is_again = self.kept_a_thread_at.get().is_some_and(|at| now.since(at) < SLOW_FOR);
        self.kept_a_thread_at.set(Some(now));
        if is_again {
            self.note_slowness();
        }
    }

    /// Its handler is slow: the session had better stay with the runtime for a while.
    pub(crate) fn note_slowness(&self) {
        self.no_thread_until.set(Some(self.shared.clock.now().after(SLOW_FOR)));
    }

    /// Whether the session may be let go at `now` to make room for another: nothing is due on it, its
    /// client has had a moment to send its first message, and none is on its way.
    pub(crate) fn may_retire(&self, now: Moment) -> bool {
        let (idle, state) = (self.idle(now), self.state.see());
        let on_its_way = if state.has_partial_frame() {
            state.has_a_thread() || idle < STALE
        } else {
            self.last_taken().id() == 0 && idle < FIRST
        };
        !on_its_way && !state.is_to_end() && !state.is_subscription() && self.is_quiet()
    }

    /// Whether nobody waits for an answer any more; of a broadcast, which has no call, whether its client has gone.
    fn is_lost_or_cancelled(&self, call: CallId) -> bool {
        if self.state.see().is_lost() {
            return true;
        }
        if call == CallId::NONE {
            return false;
        }
        if self.current(Ordering::Relaxed) == call {
            let seen = || self.seen_cancel.load(Ordering::Relaxed) == call.bits();
            return self.exclusive && (seen() || self.unread_cancel(call));
        }
        self.exclusive || lock(&self.calls).in_flight.get(&call.id()) != Some(&call)
    }

    /// Whether the session's own thread, the only one that receives, is at this request.
    fn is_with_its_reader(&self, call: CallId) -> bool {
        self.exclusive && self.has_a_thread() && self.current(Ordering::Relaxed) == call
    }

    /// While the session's own thread is with the handler nobody receives, so the question looks for itself.
    fn unread_cancel(&self, call: CallId) -> bool {
        let state = self.state.see();
        if !state.has_a_thread() || state.is_to_end() {
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
    pub(crate) fn look_for_its_caller(&self) {
        let current = self.current(Ordering::Relaxed);
        if current != CallId::NONE && self.is_lost_or_cancelled(current) {
            self.cancel(current);
        }
    }

    /// The client has gone: nobody waits for anything any more.
    pub(crate) fn lose(&self) {
        self.state.end(Ending::Lost);
        let current = self.current(Ordering::Relaxed);
        if current != CallId::NONE
            && let Some(answering) = self.finish(current)
        {
            drop(answering.abandoned());
        }
        let dropped = std::mem::take(&mut lock(&self.calls).in_flight).len();
        for _ in 0..dropped {
            self.shared.abandon();
        }
        self.cancellations.notify_waiters();
        self.driver.notify_one();
    }

    /// Ends the session whatever is in flight on it: handlers hear that nobody waits any more.
    pub(crate) fn cut_off(&self) {
        self.lose();
        self.socket.shutdown();
    }

    /// Asks the session's driver to say goodbye and end it, whatever is in flight.
    pub(crate) fn part(&self) {
        self.state.end(Ending::Over);
        self.driver.notify_one();
    }

    /// Asks the session to end: what has arrived is answered, nothing more is taken.
    pub(crate) fn retire(&self) {
        // Credit is still taken of a subscriber, until what waits for it has been sent, and of a stream until it has ended.
        if !self.state.end(Ending::Retiring).is_read_to_its_end() {
            let _gone_already = self.socket.shutdown_read();
        }
        self.driver.notify_one();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("key", &self.key).field("exclusive", &self.exclusive).finish_non_exhaustive()
    }
}
