//! What of a session is with handlers: the requests in flight, and the broadcasts in their order.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;

use super::Session;
use crate::lock::lock;
use crate::message::Message;
use crate::server::call_id::CallId;
use crate::server::listening::Listening;
use crate::server::responder::Responder;

#[derive(Default)]
pub(in crate::server) struct Calls {
    /// Requests in flight on a multiplexed session.
    pub(in crate::server) in_flight: FxHashMap<u32, CallId>,
    /// Those of them that no thread has begun with yet.
    pub(in crate::server) requests: VecDeque<(Message, Responder)>,
    /// Threads that take `requests` to the handler, one after another.
    pub(in crate::server) runners: usize,
    /// Broadcasts that wait for the one before them, and questions for an acknowledgement.
    pub(in crate::server) casts: VecDeque<Cast>,
    /// Questions that are not answered yet, in `casts` or on their way.
    questions: usize,
    /// Somebody is taking `casts` to the handler.
    pub(in crate::server) casting: bool,
    /// The bytes of messages that handlers have not yet returned from.
    pub(in crate::server) bytes: usize,
}

impl Calls {
    /// Takes a request out of those in flight. Whether it was there, and not another one with its id.
    fn take_out(&mut self, call: CallId) -> bool {
        let is_it = self.in_flight.get(&call.id()) == Some(&call);
        if is_it {
            self.in_flight.remove(&call.id());
        }
        is_it
    }
}

/// What is handed over in the order sent.
pub(in crate::server) enum Cast {
    Message {
        message: Message,
        ack: Option<u32>,
    },
    /// The client asks to be told when all before this is handed over.
    Ack(u32),
}

/// An answer on its way. Until it is sent, or given up, the session does not end and its listener
/// does not go.
pub(in crate::server) struct Answering<'a> {
    session: &'a Session,
    /// It is not the handler that ends it.
    abandoned: bool,
}

impl Answering<'_> {
    /// Says that the handler has not settled what is ended.
    pub(in crate::server) fn abandoned(mut self) -> Self {
        self.abandoned = true;
        self
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.session.answered();
        if self.abandoned {
            self.session.listening.abandon();
        } else {
            self.session.listening.end();
        }
    }
}

impl Session {
    /// Takes a request out of flight, for exactly one of those who try, who then answers it.
    pub(in crate::server) fn finish(&self, call: CallId) -> Option<Answering<'_>> {
        // First, so that there is no moment in which the request is neither in flight nor being answered.
        self.answering.fetch_add(1, Ordering::SeqCst);
        if self.end_current(call) || (!self.exclusive && lock(&self.calls).take_out(call)) {
            return Some(Answering { session: self, abandoned: false });
        }
        self.answered();
        None
    }

    /// Whether this was the session's current request, which it is no longer then.
    fn end_current(&self, call: CallId) -> bool {
        let none = CallId::NONE.bits();
        call != CallId::NONE
            && self.current.compare_exchange(call.bits(), none, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The session's current request.
    pub(in crate::server) fn current(&self, ordering: Ordering) -> CallId {
        CallId::from_bits(self.current.load(ordering))
    }

    /// The request in flight that has this id on the wire.
    pub(in crate::server) fn called(&self, id: u32) -> CallId {
        let current = self.current(Ordering::Relaxed);
        if current.id() == id {
            return current;
        }
        if self.exclusive {
            CallId::NONE
        } else {
            lock(&self.calls).in_flight.get(&id).copied().unwrap_or(CallId::NONE)
        }
    }

    pub(in crate::server) fn answered(&self) {
        self.answering.fetch_sub(1, Ordering::SeqCst);
        if !self.hot.load(Ordering::SeqCst) {
            self.unstall();
        }
    }

    pub(in crate::server) fn others_in_flight(&self) -> bool {
        !self.exclusive && !lock(&self.calls).in_flight.is_empty()
    }

    /// Whether a request still waits for its answer.
    pub(in crate::server) fn in_flight(&self) -> bool {
        self.current(Ordering::Relaxed) != CallId::NONE || (!self.exclusive && !lock(&self.calls).in_flight.is_empty())
    }

    /// Puts a request that a thread has come back from aside if it has not been answered: somebody
    /// will do that later, and the thread goes on with the next.
    pub(in crate::server) fn keep_unanswered(&self, call: CallId) {
        if self.current(Ordering::Relaxed) != call {
            return;
        }
        // Whoever answers it now finds it either here or, after this, there.
        let mut calls = lock(&self.calls);
        if self.end_current(call) {
            calls.in_flight.insert(call.id(), call);
            self.kept.store(true, Ordering::Relaxed);
        }
    }

    /// The thread of the session takes broadcasts to the handler itself; others queue.
    pub(in crate::server) fn begin_casting(&self) {
        lock(&self.calls).casting = true;
    }

    pub(in crate::server) fn end_casting(&self) {
        lock(&self.calls).casting = false;
    }

    /// Whether nothing is in flight, queued or unsent.
    pub(in crate::server) fn is_quiet(&self) -> bool {
        let calls = lock(&self.calls);
        self.current(Ordering::SeqCst) == CallId::NONE
            && calls.in_flight.is_empty()
            // After the two above: an answer is counted here before it leaves them.
            && self.answering.load(Ordering::SeqCst) == 0
            && calls.requests.is_empty()
            && calls.casts.is_empty()
            && !calls.casting
            && self.send_queue.is_empty()
    }

    /// Whether the session may take more, by its own bounds and the listener's; if not, the driver is
    /// told when it may by its own.
    pub(in crate::server) fn has_room(&self) -> bool {
        self.listening.room.is_there() && self.has_room_of_its_own()
    }

    /// Whether the session may take more, whether or not the listener may; if not, the driver is told when it may.
    pub(in crate::server) fn has_room_of_its_own(&self) -> bool {
        let Listening { max_session_in_flight, max_session_waiting, room: of_all, .. } = &*self.listening;
        let room = || {
            let unsent = self.send_queue.waiting();
            let calls = lock(&self.calls);
            calls.in_flight.len() < *max_session_in_flight
                && calls.bytes < *max_session_waiting
                && calls.casts.len() < *max_session_in_flight
                && unsent < *max_session_waiting
                && (unsent == 0 || of_all.is_there_for_unsent())
        };
        if room() {
            return true;
        }
        self.stalled.store(true, Ordering::SeqCst);
        room()
    }

    /// For the thread of the session in the middle of a batch: whether it may go on, as far as the session is
    /// concerned. Where much has gathered, that is sent first.
    pub(in crate::server) fn may_go_on(&self) -> bool {
        if self.overfull.load(Ordering::Relaxed) {
            self.overfull.store(false, Ordering::Relaxed);
            self.send_gathered();
            return self.has_room();
        }
        !self.kept.load(Ordering::Relaxed) || self.has_room()
    }

    /// Tells the listener how much the peer has not taken: the driver's call.
    pub(in crate::server) fn tell_unsent(&self, now: usize) {
        self.unsent.tell(now);
    }

    pub(in crate::server) fn unstall(&self) {
        let stalled = self.stalled.load(Ordering::SeqCst) && self.stalled.swap(false, Ordering::SeqCst);
        if stalled || self.retiring.load(Ordering::SeqCst) {
            self.driver.notify_one();
        }
    }

    /// Queues a request for the threads that run handlers.
    pub(in crate::server) fn queue_request(&self, message: Message, responder: Responder) {
        lock(&self.calls).requests.push_back((message, responder));
    }

    /// Whether one more thread is wanted for the requests that wait: the first, or as many again as
    /// there are where these are `stuck`. The caller sends it.
    pub(in crate::server) fn want_runners(&self, stuck: bool) -> usize {
        let full = self.is_outbox_full();
        let mut calls = lock(&self.calls);
        let wanted = match calls.runners {
            _ if full => 0,
            _ if calls.requests.is_empty() => 0,
            0 => 1,
            runners if stuck => runners.min(calls.requests.len()),
            _ => 0,
        };
        calls.runners += wanted;
        wanted
    }

    /// Whether threads are busy with requests: the driver then looks after them now and then.
    pub(in crate::server) fn is_running(&self) -> bool {
        lock(&self.calls).runners > 0
    }

    /// Whether as many answers wait for the peer as may.
    fn is_outbox_full(&self) -> bool {
        self.send_queue.waiting() >= self.listening.max_session_waiting
    }

    /// Whether requests wait for a thread.
    pub(in crate::server) fn has_requests(&self) -> bool {
        !lock(&self.calls).requests.is_empty()
    }

    /// The next request for a thread that is done with one of `done` bytes. `None` ends its turn: none is
    /// left, or the peer has to read before there are more answers. It then sends what has gathered.
    pub(in crate::server) fn next_request(&self, done: usize) -> Option<(Message, Responder)> {
        self.listening.room.give(done);
        let full = self.is_outbox_full();
        let mut calls = lock(&self.calls);
        calls.bytes -= done;
        let next = if full { None } else { calls.requests.pop_front() };
        if next.is_none() {
            calls.runners -= 1;
        }
        drop(calls);
        if done > 0 || next.is_none() {
            self.unstall();
        }
        next
    }

    /// Queues what is handed over in order. True if the caller is now the one who takes it there.
    pub(in crate::server) fn queue_cast(&self, cast: Cast) -> bool {
        let mut calls = lock(&self.calls);
        if let Cast::Message { message, .. } = &cast {
            calls.bytes += message.len();
            self.listening.room.take(message.len());
        }
        if let Cast::Ack(_) = cast {
            calls.questions += 1;
        }
        calls.casts.push_back(cast);
        !std::mem::replace(&mut calls.casting, true)
    }

    /// A question that was queued has been answered.
    pub(in crate::server) fn answered_question(&self) {
        lock(&self.calls).questions -= 1;
        self.unstall();
    }

    /// Whether questions for an acknowledgement are still to be answered.
    pub(in crate::server) fn has_questions(&self) -> bool {
        lock(&self.calls).questions > 0
    }

    /// The next in the queue; `None` ends the caller's turn.
    pub(in crate::server) fn next_cast(&self) -> Option<Cast> {
        let mut calls = lock(&self.calls);
        let cast = calls.casts.pop_front();
        if cast.is_none() {
            calls.casting = false;
            drop(calls);
            self.unstall();
        }
        cast
    }

    /// Counts a message of `bytes` that goes to a handler.
    pub(in crate::server) fn hold_bytes(&self, bytes: usize) {
        lock(&self.calls).bytes += bytes;
        self.listening.room.take(bytes);
    }

    /// Says that a handler has returned from a message of `bytes`.
    pub(in crate::server) fn release_bytes(&self, bytes: usize) {
        lock(&self.calls).bytes -= bytes;
        self.listening.room.give(bytes);
        self.unstall();
    }
}
