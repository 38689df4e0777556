//! What a listener sends on a session: answers, errors, acknowledgements, and what it says of itself.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Session;
use super::in_flight::Answering;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::MessageRef;
use crate::protocol::frame::{Header, Kind};
use crate::protocol::hello::Hello;
use crate::server::PATIENCE;
use crate::server::call_id::CallId;
use crate::server::clock::Moment;
use crate::server::error_frame::ErrorFrame;
use crate::server::session::acks::Look;
use crate::session::send_queue::Sent;

/// An answer of this many bytes does not wait for others.
const LARGE_ANSWER: usize = 16 << 10;

impl Session {
    /// Sends the reply to a request in flight.
    pub(in crate::server) fn respond(&self, call: CallId, reply: MessageRef<'_>, patience: Duration) -> Result<()> {
        let _answering = self.still_wanted(call)?;
        let id = call.id();
        if reply.len() > self.peer_max {
            let text = format!(
                "the reply of {} bytes is larger than the {} that the caller takes; raise the caller's largest message or \
                 answer less",
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
            if self.send_queue.waiting() >= self.listening.max_session_waiting {
                self.overfull.store(true, Ordering::Relaxed);
            }
        } else if self.others_in_flight() {
            // It goes out with the answers that are about to follow.
            if self.send_queue.append(&header.encode(), reply.data()).is_err() {
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
    pub(in crate::server) fn gather(&self, header: &Header, body: &[u8]) -> Result<()> {
        let waiting = self.send_queue.append(&header.encode(), body).map_err(|_| self.lost())?;
        if waiting >= self.listening.max_session_waiting {
            self.overfull.store(true, Ordering::Relaxed);
        }
        // The batch may have ended meanwhile; another thread's answer is not seen to by anyone then.
        if !self.batching.load(Ordering::SeqCst) {
            self.send_gathered();
        }
        Ok(())
    }

    /// Says that a request in flight failed.
    pub(in crate::server) fn fail(&self, call: CallId, said: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        let _answering = self.still_wanted(call)?;
        if self.transmit_said(call.id(), said, patience) { Ok(()) } else { Err(self.lost()) }
    }

    pub(in crate::server) fn still_wanted(&self, call: CallId) -> Result<Answering<'_>> {
        if let Some(answering) = self.finish(call) {
            return Ok(answering);
        }
        // Somebody else has ended it: the handler has now settled it, too.
        self.listening.settle();
        if self.gone.load(Ordering::Relaxed) {
            return Err(self.lost());
        }
        Err(Error::new(ErrorKind::Cancelled, "cannot answer: the caller cancelled the request"))
    }

    pub(in crate::server) fn lost(&self) -> Error {
        Error::new(ErrorKind::ConnectionLost, "cannot answer: the caller has gone")
    }

    /// Sends what has gathered.
    pub(in crate::server) fn send_gathered(&self) {
        match self.send_queue.flush(&self.socket, PATIENCE) {
            // One that has stalled, or is to end, has waited for this.
            Ok(Sent::Gone) => self.unstall(),
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Err(_) => self.lose(),
        }
    }

    /// Runs `handing_over` a broadcast, and acknowledges it when that is done or has taken a while.
    pub(in crate::server) fn begin_ack(&self, ack: Option<u32>) {
        if let Some(id) = ack {
            self.due_ack.begin(id, self.listening.clock.now());
            self.listening.watch_acks();
        }
    }

    /// The other end of [`begin_ack`](Session::begin_ack): the handler has returned.
    pub(in crate::server) fn end_ack(&self, patience: Duration) {
        if let Some(id) = self.due_ack.end() {
            self.transmit(&Header::bare(Kind::Ack, id), &[], patience);
        }
    }

    /// Says that a broadcast's body cannot be read. Where that is the one `in_hand`, and it has not been acknowledged
    /// yet, the error takes the place of that; else it is about the session.
    pub(in crate::server) fn refuse_broadcast(
        &self,
        said: ErrorFrame<'_>,
        in_hand: bool,
        patience: Duration,
    ) -> Result<()> {
        let due = if in_hand { self.due_ack.end() } else { None };
        if self.transmit_said(due.unwrap_or(0), said, patience) { Ok(()) } else { Err(self.lost()) }
    }

    /// Acknowledges a broadcast whose handler has been running for `after`. Whether
    /// one is still waiting for that.
    pub(in crate::server) fn send_overdue_ack(&self, now: Moment, after: Duration) -> bool {
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
    pub(in crate::server) fn ack(&self, id: u32, patience: Duration) {
        self.transmit(&Header::bare(Kind::Ack, id), &[], patience);
    }

    /// Sends the listener's hello. False: the client lives, and cannot be told. Without a hello it takes it
    /// that nothing was taken, and may send its messages elsewhere.
    pub(in crate::server) fn greet(&self, hello: &Hello) -> bool {
        match self.send_queue.send(&self.socket, &hello.encode(), &[], Duration::ZERO) {
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Ok(Sent::Gone) => {}
            // What it sent before it left is still handled.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            Err(_) => return false,
        }
        true
    }

    /// Sends an error frame about a message, or with id 0 about the session.
    pub(in crate::server) fn transmit_error(&self, id: u32, kind: ErrorKind, text: &str, patience: Duration) -> bool {
        self.transmit_said(id, ErrorFrame::of_text(kind, text), patience)
    }

    fn transmit_said(&self, id: u32, said: ErrorFrame<'_>, patience: Duration) -> bool {
        let body = said.body(self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, id) };
        self.transmit(&header, &body, patience)
    }

    /// Hands over the last thing that is said on the session: an error about it.
    pub(in crate::server) fn transmit_last(&self, kind: ErrorKind, text: &str) {
        let body = ErrorFrame::of_text(kind, text).body(self.peer_max);
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, 0) };
        let _gone_already = self.send_queue.append_last(&header.encode(), &body);
    }

    /// Sends a frame. Whether the client was still there.
    pub(in crate::server) fn transmit(&self, header: &Header, body: &[u8], patience: Duration) -> bool {
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
    pub(in crate::server) fn say_goaway(&self) {
        let header = Header::bare(Kind::Goaway, self.last_taken.load(Ordering::Relaxed));
        self.transmit(&header, &[], Duration::ZERO);
    }
}
