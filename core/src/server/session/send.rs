//! What a listener sends on a session: answers, errors, acknowledgements, and what it says of itself.

use std::io;
use std::time::Duration;

use super::Session;
use super::acks::Look;
use super::in_flight::Answering;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::{MessageKind, MessageRef};
use crate::peer::Peer;
use crate::protocol::frame::{Header, Kind};
use crate::protocol::hello::Hello;
use crate::server::call_id::CallId;
use crate::server::clock::Moment;
use crate::server::error_frame::{ErrorFrame, UNKNOWN_BODY};
use crate::server::responder::{Changes, PATIENCE, Recipient, patience};
use crate::server::shared::Shared;
use crate::server::waiting::Waiting;
use crate::session::send_queue::Sent;

/// An answer of this many bytes does not wait for others.
const LARGE_ANSWER: usize = 16 << 10;

impl Recipient for Session {
    fn peer(&self) -> Peer {
        self.peer
    }

    fn reply(&self, call: CallId, reply: MessageRef<'_>) -> Result<()> {
        self.respond(call, reply)
    }

    fn fail(&self, call: CallId, frame: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        let patience = patience.min(self.most_patience());
        self.shared.fail(frame, self.peer, || {
            if call != CallId::NONE {
                let _answering = self.still_wanted(call)?;
                self.transmit_frame(call.id(), frame, patience)
            } else if frame.refuses_a_broadcast() {
                // Of the broadcast in hand that takes the place of the acknowledgement, if that has not been sent; else
                // it is about the session, which other kinds would end.
                let due = if self.shared.runs_its_handler() { self.due_ack.end() } else { None };
                match due {
                    None if frame.kind != ErrorKind::InvalidBody => Ok(()),
                    due => self.transmit_frame(due.unwrap_or(0), frame, patience),
                }
            } else {
                Ok(())
            }
        })
    }

    fn discard(&self, call: CallId) {
        let _ended_when_the_session_was_cut_off = self.still_wanted(call);
    }

    fn is_cancelled(&self, call: CallId) -> bool {
        self.shared.has_closed() || self.is_lost_or_cancelled(call)
    }

    fn changes(&self, call: CallId) -> Changes<'_> {
        let Shared { closed, runtime, .. } = &*self.shared;
        let unread = self.is_with_its_reader(call).then_some(runtime);
        Changes { noted: &self.cancellations, closed, unread }
    }
}

impl Session {
    /// Sends the reply to a request in flight.
    fn respond(&self, call: CallId, reply: MessageRef<'_>) -> Result<()> {
        let _answering = self.still_wanted(call)?;
        let id = call.id();
        if reply.len() > self.peer_max {
            let text = format!(
                "the reply of {} bytes is larger than the {} that the caller takes; raise the caller's largest message or \
                 answer less",
                reply.len(),
                self.peer_max
            );
            self.transmit_error(id, ErrorKind::TooLarge, &text, self.patience());
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if reply.kind() == MessageKind::Attached && !self.knows_attachments {
            let _gone_already = self.transmit_frame(id, ErrorFrame::of_unknown_body(), patience());
            return Err(Error::new(ErrorKind::UnsupportedVersion, UNKNOWN_BODY));
        }
        let header = Header::of(Kind::Response, id, reply);
        if self.state.see().is_at_a_batch() {
            if reply.len() < LARGE_ANSWER {
                return self.gather(&header, reply.data());
            }
            self.send_gathered();
            if self.send_queue.waiting() >= self.shared.options.max_session_waiting {
                self.state.overfill();
            }
        } else if let Some(waiting) = self.own_loop() {
            // It goes out with the other answers of this turn of the loop.
            if self.send_queue.append(&header.encode(), reply.data()).is_err() {
                return Err(lost());
            }
            waiting.note_unsent(self.key());
            return Ok(());
        } else if self.others_in_flight() {
            // It goes out with the answers that are about to follow.
            if self.send_queue.append(&header.encode(), reply.data()).is_err() {
                return Err(lost());
            }
            // A runner sends what has gathered after it has counted itself out.
            if lock(&self.calls).runners == 0 {
                self.driver.notify_one();
            }
            return Ok(());
        }
        if self.transmit(&header, reply.data(), self.patience()) { Ok(()) } else { Err(lost()) }
    }

    /// The loop that drives the session, where this is its thread.
    fn own_loop(&self) -> Option<&Waiting> {
        let waiting = self.shared.threads.waiting().filter(|waiting| waiting.drives_sessions())?;
        (self.state.see().has_a_thread() && waiting.is_this_thread()).then_some(&**waiting)
    }

    /// How long the calling thread may wait for a client that is slow to take an answer.
    fn patience(&self) -> Duration {
        patience().min(self.most_patience())
    }

    /// How long any thread may: one of the user's, which has a loop to go on with, not at all.
    fn most_patience(&self) -> Duration {
        if self.shared.threads.waiting().is_some() { Duration::ZERO } else { Duration::MAX }
    }

    /// Adds an answer to those that the thread of the session sends at the end of its batch.
    fn gather(&self, header: &Header, body: &[u8]) -> Result<()> {
        let waiting = self.send_queue.append(&header.encode(), body).map_err(|_| lost())?;
        if waiting >= self.shared.options.max_session_waiting {
            self.state.overfill();
        }
        // The batch may have ended meanwhile; another thread's answer is not seen to by anyone then.
        if !self.state.see().is_at_a_batch() {
            self.send_gathered();
        }
        Ok(())
    }

    /// Ends a call that the handler has settled, for an answer; an error if somebody else has ended it, or the listener has
    /// closed: from then on handlers hear that nobody waits, and what they make of that is no answer.
    #[inline]
    fn still_wanted(&self, call: CallId) -> Result<Answering<'_>> {
        match self.finish(call) {
            Some(_ends_unanswered) if self.shared.has_closed() => Err(lost()),
            Some(answering) => Ok(answering),
            None => Err(self.not_wanted()),
        }
    }

    /// Somebody else has ended a call: the handler has now settled it, too.
    #[cold]
    fn not_wanted(&self) -> Error {
        self.shared.settle();
        if self.state.see().is_lost() {
            return lost();
        }
        Error::new(ErrorKind::Cancelled, "cannot answer: the caller cancelled the request")
    }

    /// Sends what has gathered.
    pub(crate) fn send_gathered(&self) {
        match self.send_queue.flush(&self.socket, PATIENCE.min(self.most_patience())) {
            // One that has stalled, or is to end, has waited for this.
            Ok(Sent::Gone) => self.unstall(),
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Err(_) => self.lose(),
        }
    }

    /// Runs `handing_over` a broadcast, and acknowledges it when that is done or has taken a while.
    pub(crate) fn begin_ack(&self, ack: Option<u32>) {
        if let Some(id) = ack {
            self.due_ack.begin(id, self.shared.clock.now());
            self.shared.ack_check.want();
        }
    }

    /// The other end of [`begin_ack`](Session::begin_ack): the handler has returned.
    pub(crate) fn end_ack(&self, patience: Duration) {
        if let Some(id) = self.due_ack.end() {
            self.transmit(&Header::bare(Kind::Ack, id), &[], patience);
        }
    }

    /// Acknowledges a broadcast whose handler has been running for `after`. Whether
    /// one is still waiting for that.
    pub(crate) fn send_overdue_ack(&self, now: Moment, after: Duration) -> bool {
        match self.due_ack.look(now, after) {
            Look::Nothing => false,
            Look::Later => true,
            Look::Now(id) => {
                self.transmit(&Header::bare(Kind::Ack, id), &[], Duration::ZERO);
                false
            }
        }
    }

    /// Answers a client's question whether all before it has been handed over.
    pub(crate) fn ack(&self, id: u32, patience: Duration) {
        self.transmit(&Header::bare(Kind::Ack, id), &[], patience);
    }

    /// Answers a question about the listener.
    pub(super) fn tell_state(&self, id: u32) {
        let body = serde_json::to_vec(&self.shared.state()).expect("texts and numbers always become JSON");
        if body.len() > self.peer_max {
            let text =
                "what the listener tells of itself is larger than what the caller takes; raise its largest message";
            return self.transmit_error(id, ErrorKind::TooLarge, text, Duration::ZERO);
        }
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Response, id) };
        self.transmit(&header, &body, Duration::ZERO);
    }

    /// Sends the listener's hello. False: the client lives, and cannot be told. Without a hello it takes it
    /// that nothing was taken, and may send its messages elsewhere.
    pub(crate) fn greet(&self, hello: &Hello) -> bool {
        match self.send_queue.send(&self.socket, &hello.encode(), &[], Duration::ZERO) {
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Ok(Sent::Gone) => {}
            // What it sent before it left is still handled.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(_) => return false,
        }
        true
    }

    /// Sends an error frame about a message, or with id 0 about the session. An error if the client has gone.
    fn transmit_frame(&self, id: u32, frame: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        let body = frame.body(self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, id) };
        if self.transmit(&header, &body, patience) { Ok(()) } else { Err(lost()) }
    }

    /// The same, where nobody asks whether it is told.
    pub(crate) fn transmit_error(&self, id: u32, kind: ErrorKind, text: &str, patience: Duration) {
        let _gone_already = self.transmit_frame(id, ErrorFrame::of_text(kind, text), patience);
    }

    /// Hands over the last thing that is said on the session: an error about it.
    pub(crate) fn transmit_last(&self, kind: ErrorKind, text: &str) {
        let body = ErrorFrame::of_text(kind, text).body(self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, 0) };
        let _gone_already = self.send_queue.append_last(&header.encode(), &body);
    }

    /// Sends a frame. Whether the client was still there.
    pub(crate) fn transmit(&self, header: &Header, body: &[u8], patience: Duration) -> bool {
        match self.send_queue.send(&self.socket, &header.encode(), body, patience) {
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
    pub(crate) fn say_goaway(&self) {
        let header = Header::bare(Kind::Goaway, self.last_taken().id());
        self.transmit(&header, &[], Duration::ZERO);
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "cannot answer: the caller has gone")
}
