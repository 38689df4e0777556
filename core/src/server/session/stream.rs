//! What a stream has of its session: how it begins, how its frames leave, and how its handler answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Session, Task};
use crate::counters::count;
use crate::error::{ErrorKind, Result};
use crate::message::MessageRef;
use crate::mode::Mode;
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::frame::Header;
use crate::server::call_id::CallId;
use crate::server::error_frame::ErrorFrame;
use crate::server::responder::{Changes, Recipient};
use crate::server::stream::{Carrier, OpenStream};
use crate::session::send_queue::Sent;

impl Session {
    /// Takes in a request that opens a stream, for which there is room.
    #[cold]
    #[inline(never)]
    pub(super) fn admit_stream(&self, header: &Header, body: &[u8]) -> Result<Task, Violation> {
        let is_taken =
            self.knows_streams && self.acceptable(header, body, Mode::Request) && self.may_begin_stream(header);
        if !is_taken {
            self.shared.end();
            return if self.knows_streams { Ok(Task::Nothing) } else { Err(unknown()) };
        }
        let call = CallId::new(header.id, self.last_taken().nth().wrapping_add(1));
        self.last_taken.store(call.bits(), Ordering::Relaxed);
        self.current.store(call.bits(), Ordering::Relaxed);
        Ok(Task::Stream { call, timeout_ms: header.argument, kind: header.message_kind() })
    }

    fn may_begin_stream(&self, header: &Header) -> bool {
        if !self.exclusive {
            let text = "a stream has a session of its own; open it on an exclusive one";
            self.transmit_error(header.id, ErrorKind::WrongMode, text, Duration::ZERO);
            return false;
        }
        // On one that is to end it is not taken: the goodbye that follows says so.
        self.state.begin_stream()
    }

    /// Takes in a frame of a stream where none runs, or another one.
    #[cold]
    pub(super) fn admit_of_a_stream(&self, header: &Header) -> Result<Task, Violation> {
        if !self.knows_streams {
            return Err(unknown());
        }
        if header.id != 0 && self.called(header.id).id() == header.id {
            return Err(Violation::Malformed("an item, an end or a credit belongs to a request that opened no stream"));
        }
        // The stream has ended here, and its client had not read that.
        Ok(Task::Nothing)
    }
}

fn unknown() -> Violation {
    Violation::Malformed("a client uses streams whose hello does not know them")
}

/// Has a stream begin on its session, which was taken in.
pub(crate) fn open(session: &Arc<Session>, call: CallId) -> (Arc<OpenStream>, Arc<dyn Recipient>) {
    count(&session.shared.tally.streams);
    let open = OpenStream::new(Arc::clone(session) as _, call, session.shared.check_json);
    let caller = Caller { session: Arc::clone(session), open: Arc::clone(&open) };
    (open, Arc::new(caller))
}

impl Carrier for Session {
    fn peer(&self) -> Peer {
        self.peer
    }

    fn peer_max(&self) -> usize {
        self.peer_max
    }

    fn knows_attachments(&self) -> bool {
        self.knows_attachments
    }

    fn unsent(&self) -> usize {
        self.send_queue.waiting()
    }

    fn send(&self, header: &Header, body: &[u8]) -> bool {
        // What has gathered goes out with it, and not before, by a send of its own.
        if self.send_queue.waiting() > 0 {
            let is_there = self.gather(header, body).is_some();
            self.flush();
            return is_there;
        }
        self.transmit(header, body, Duration::ZERO)
    }

    fn gather(&self, header: &Header, body: &[u8]) -> Option<usize> {
        let waiting = self.send_queue.append(&header.encode(), body);
        if waiting.is_err() {
            self.lose();
        }
        self.driver.notify_one();
        waiting.ok()
    }

    fn flush(&self) {
        match self.send_queue.flush(&self.socket, Duration::ZERO) {
            Ok(Sent::Gone) => self.unstall(),
            Ok(Sent::Waiting) => self.driver.notify_one(),
            Err(_) => self.lose(),
        }
    }

    fn end(&self, call: CallId) -> bool {
        self.finish(call).map(|answering| answering.later()).is_some()
    }

    fn ended(&self, settled: bool) {
        self.answered_as(!settled);
        if self.shared.blocking {
            // A thread is to wait for what comes next. Where there is none, that wakes the driver.
            self.driver.notify_one();
        }
    }

    fn settle(&self) {
        self.shared.settle();
    }

    fn has_closed(&self) -> bool {
        self.shared.has_closed()
    }

    fn fail(&self, frame: ErrorFrame<'_>, tell: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        self.shared.fail(frame, self.peer, tell)
    }

    fn leave(&self) {
        self.shared.tally.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who has opened a stream, as its handler answers it.
#[derive(Debug)]
struct Caller {
    session: Arc<Session>,
    open: Arc<OpenStream>,
}

impl Recipient for Caller {
    fn peer(&self) -> Peer {
        self.session.peer
    }

    fn reply(&self, _call: CallId, reply: MessageRef<'_>) -> Result<()> {
        self.open.respond(reply)
    }

    fn fail(&self, _call: CallId, frame: ErrorFrame<'_>, _patience: Duration) -> Result<()> {
        self.open.fail(frame)
    }

    fn discard(&self, _call: CallId) {
        self.open.discard();
    }

    fn is_cancelled(&self, _call: CallId) -> bool {
        self.open.is_cancelled()
    }

    fn changes(&self, _call: CallId) -> Changes<'_> {
        Changes { noted: self.open.left(), closed: &self.session.shared.closed, unread: None }
    }

    fn stream(&self) -> Option<&Arc<OpenStream>> {
        Some(&self.open)
    }
}
