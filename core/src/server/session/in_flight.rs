//! What of a session is in flight: which call is whose to end, and whether there is room for more.

use std::sync::atomic::Ordering;

use super::Session;
use super::calls::InOrder;
use super::state::Driver;
use crate::lock::lock;
use crate::message::Message;
use crate::server::call_id::CallId;
use crate::server::responder::Responder;
use crate::server::shared::Shared;

/// An answer on its way. Until it is sent, or given up, the session does not end and its listener
/// does not go.
pub(crate) struct Answering<'a> {
    session: &'a Session,
    /// It is not the handler that ends it.
    abandoned: bool,
}

impl Answering<'_> {
    /// Says that the handler has not settled what is ended.
    pub(crate) fn abandoned(mut self) -> Self {
        self.abandoned = true;
        self
    }

    /// Leaves it to [`answered_as`](Session::answered_as).
    pub(super) fn later(self) {
        std::mem::forget(self);
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.session.answered_as(self.abandoned);
    }
}

impl Session {
    /// Ends a call, for exactly one of those who try, who then sends the last of its answer.
    #[inline]
    pub(crate) fn finish(&self, call: CallId) -> Option<Answering<'_>> {
        // First, so that there is no moment in which the request is neither in flight nor being answered.
        self.answering.fetch_add(1, Ordering::SeqCst);
        if self.end_current(call) || self.end_other(call) {
            return Some(Answering { session: self, abandoned: false });
        }
        self.answered();
        None
    }

    /// Whether this was one of the other requests in flight, which it is no longer then.
    #[inline(never)]
    fn end_other(&self, call: CallId) -> bool {
        !self.exclusive && lock(&self.calls).end(call)
    }

    /// Whether this was the session's current request, which it is no longer then.
    #[inline]
    fn end_current(&self, call: CallId) -> bool {
        let none = CallId::NONE.bits();
        call != CallId::NONE
            && self.current.compare_exchange(call.bits(), none, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The session's current request.
    pub(crate) fn current(&self, ordering: Ordering) -> CallId {
        CallId::from_bits(self.current.load(ordering))
    }

    /// The request in flight that has this id on the wire.
    pub(crate) fn called(&self, id: u32) -> CallId {
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

    pub(crate) fn answered(&self) {
        self.answering.fetch_sub(1, Ordering::SeqCst);
        self.unstall();
    }

    /// A call has ended whose answer has been sent, or given up: by its handler, or `abandoned`.
    pub(super) fn answered_as(&self, abandoned: bool) {
        self.answered();
        if abandoned {
            self.shared.abandon();
        } else {
            self.shared.end();
        }
    }

    pub(crate) fn others_in_flight(&self) -> bool {
        !self.exclusive && !lock(&self.calls).in_flight.is_empty()
    }

    /// Whether a request still waits for its answer.
    pub(crate) fn in_flight(&self) -> bool {
        self.current(Ordering::Relaxed) != CallId::NONE || (!self.exclusive && !lock(&self.calls).in_flight.is_empty())
    }

    /// Puts a request that a thread has come back from aside if it has not been answered: somebody
    /// will do that later, and the thread goes on with the next. Whether it did.
    #[inline]
    pub(crate) fn put_aside_unanswered(&self, call: CallId) -> bool {
        if self.current(Ordering::Relaxed) != call {
            return false;
        }
        // Whoever answers it now finds it either here or, after this, there.
        let mut calls = lock(&self.calls);
        let is_aside = self.end_current(call);
        if is_aside {
            calls.in_flight.insert(call.id(), call);
        }
        is_aside
    }

    /// The thread of the session takes broadcasts to the handler itself; others queue.
    pub(crate) fn begin_delivering(&self) {
        lock(&self.calls).delivering = true;
    }

    pub(crate) fn end_delivering(&self) {
        lock(&self.calls).delivering = false;
    }

    /// Whether broadcasts, or questions, are on their way to the handler on another thread.
    pub(crate) fn is_delivering(&self) -> bool {
        let calls = lock(&self.calls);
        calls.delivering || !calls.in_order.is_empty()
    }

    /// Whether nothing is in flight, queued or unsent.
    pub(crate) fn is_quiet(&self) -> bool {
        let calls = lock(&self.calls);
        self.current(Ordering::SeqCst) == CallId::NONE
            && calls.in_flight.is_empty()
            // After the two above: an answer is counted here before it leaves them.
            && self.answering.load(Ordering::SeqCst) == 0
            && calls.requests.is_empty()
            && calls.in_order.is_empty()
            && !calls.delivering
            && self.send_queue.is_empty()
    }

    /// Whether the session may take more, by its own bounds and the listener's; if not, the driver is
    /// told when it may by its own.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.admission.has_room() && self.has_room_of_its_own()
    }

    /// Whether the session may take more, whether or not the listener may; if not, the runtime's driver is told when it
    /// may.
    pub(crate) fn has_room_of_its_own(&self) -> bool {
        self.has_room_now() || {
            self.state.stall();
            self.has_room_now()
        }
    }

    fn has_room_now(&self) -> bool {
        let Shared { options, admission, .. } = &*self.shared;
        let unsent = self.send_queue.waiting();
        let calls = lock(&self.calls);
        calls.in_flight.len() < options.max_session_in_flight
            && calls.bytes < options.max_session_waiting
            && calls.in_order.len() < options.max_session_in_flight
            && unsent < options.max_session_waiting
            && (unsent == 0 || admission.has_room_for_unsent())
    }

    /// For the thread of the session in the middle of a batch: whether it may go on, where other requests are in
    /// flight besides, or not. Where much has gathered, that is sent first.
    #[inline]
    pub(crate) fn may_go_on(&self, beside_others: bool) -> bool {
        let is_overfull = self.state.see().driver() == Driver::Overfull;
        if is_overfull {
            self.state.relieve();
            self.send_gathered();
        }
        !(beside_others || is_overfull) || (self.shared.admission.has_room() && self.has_room_now())
    }

    /// Tells the listener how much the peer has not taken: the driver's call.
    pub(crate) fn tell_unsent(&self, now: usize) {
        self.unsent.tell(now);
    }

    /// Something has left, or has ended: the driver may have waited for that.
    #[inline]
    pub(crate) fn unstall(&self) {
        if self.state.unstall() {
            self.driver.notify_one();
        }
    }

    /// Queues a request for the threads that run handlers.
    pub(crate) fn queue_request(&self, message: Message, responder: Responder) {
        lock(&self.calls).requests.push_back((message, responder));
    }

    /// Whether one more thread is wanted for the requests that wait: the first, or as many again as
    /// there are where these are `stuck`. The caller sends it.
    pub(crate) fn want_runners(&self, stuck: bool) -> usize {
        let full = self.is_send_queue_full();
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
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.calls).runners > 0
    }

    /// Whether as many answers wait for the peer as may.
    fn is_send_queue_full(&self) -> bool {
        self.send_queue.waiting() >= self.shared.options.max_session_waiting
    }

    /// Whether requests wait for a thread.
    pub(crate) fn has_requests(&self) -> bool {
        !lock(&self.calls).requests.is_empty()
    }

    /// The next request for a thread that is done with one of `done` bytes. `None` ends its turn: none is
    /// left, or the peer has to read before there are more answers. It then sends what has gathered.
    pub(crate) fn next_request(&self, done: usize) -> Option<(Message, Responder)> {
        self.shared.admission.remove_bytes(done);
        let full = self.is_send_queue_full();
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
    pub(crate) fn queue_in_order(&self, next: InOrder) -> bool {
        let mut calls = lock(&self.calls);
        if let InOrder::Broadcast { message, .. } = &next {
            calls.bytes += message.len();
            self.shared.admission.add_bytes(message.len());
        }
        if let InOrder::Question(_) = next {
            calls.questions += 1;
        }
        calls.in_order.push_back(next);
        !std::mem::replace(&mut calls.delivering, true)
    }

    /// A question that was queued has been answered.
    pub(crate) fn answered_question(&self) {
        lock(&self.calls).questions -= 1;
        self.unstall();
    }

    /// Whether questions for an acknowledgement are still to be answered.
    pub(crate) fn has_questions(&self) -> bool {
        lock(&self.calls).questions > 0
    }

    /// The next in the queue; `None` ends the caller's turn.
    pub(crate) fn next_in_order(&self) -> Option<InOrder> {
        let mut calls = lock(&self.calls);
        let next = calls.in_order.pop_front();
        if next.is_none() {
            calls.delivering = false;
            drop(calls);
            self.unstall();
        }
        next
    }

    /// Counts a message of `bytes` that goes to a handler.
    pub(crate) fn hold_bytes(&self, bytes: usize) {
        lock(&self.calls).bytes += bytes;
        self.shared.admission.add_bytes(bytes);
    }

    /// Says that a handler has returned from a message of `bytes`.
    pub(crate) fn release_bytes(&self, bytes: usize) {
        lock(&self.calls).bytes -= bytes;
        self.shared.admission.remove_bytes(bytes);
        self.unstall();
    }
}
