//! The messages of exclusive sessions, on their way to the handler in the thread that has received them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::driven::Next;
use crate::message::{Message, MessageKind};
use crate::os::fork;
use crate::protocol::frame::{self, Body, FrameReader};
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::Responder;
use crate::server::session::delivery::Opening;
use crate::server::session::{NotedAs, Session, Task};
use crate::server::shared::Shared;

/// Messages with more memory than this are the reader's, not copied from its buffer.
const KEPT: usize = 64 << 10;

/// What has become of the frames that were there.
pub(crate) enum Taken {
    /// All have been taken.
    All,
    /// As many as were allowed; more may be there.
    Most,
    /// Something else drives the session.
    Leave(Next),
}

/// Takes messages to the handler in one thread, one after another.
pub(crate) struct ToHandler<'a> {
    handler: &'a BlockingHandler,
    /// The generation (see [`fork`]) of the process that the thread belongs to.
    born: u32,
    /// The message that the handler has: small ones come in the memory that is there already.
    message: Message,
    handled: Handled<'a>,
}

impl ToHandler<'_> {
    pub(crate) fn new<'a>(handler: &'a BlockingHandler, shared: &'a Shared) -> ToHandler<'a> {
        ToHandler {
            handler,
            born: fork::generation(),
            message: Message::null(),
            handled: Handled { total: &shared.tally.messages, untold: 0 },
        }
    }

    /// Takes the frames that are here, at most so many. Acknowledgements wait for `patience` where the client does not read, and
    /// `now` tells when a message came.
    #[inline]
    pub(crate) fn take(
        &mut self,
        session: &Arc<Session>,
        reader: &mut FrameReader,
        most: u32,
        patience: Duration,
        now: impl Fn() -> Instant,
    ) -> Taken {
        let taken = self.take_frames(session, reader, most, patience, now);
        self.handled.tell();
        taken
    }

    #[inline(always)]
    fn take_frames(
        &mut self,
        session: &Arc<Session>,
        reader: &mut FrameReader,
        most: u32,
        patience: Duration,
        now: impl Fn() -> Instant,
    ) -> Taken {
        for _ in 0..most {
            let (header, body) = match reader.next_if(|header| session.may_take(header)) {
                Ok(frame::Next::Frame(header, body)) => (header, body),
                Ok(frame::Next::NotYet) => return Taken::All,
                // The listener has its hands full: the runtime waits until it has room.
                Ok(frame::Next::NotNow) => return Taken::Leave(Next::Runtime),
                Err(violation) => return Taken::Leave(Next::Dismiss(violation)),
            };
            let deadline_of =
                |timeout_ms: u32| (timeout_ms != 0).then(|| now() + Duration::from_millis(timeout_ms.into()));
            if let Some(call) = session.admit_plain(&header) {
                put_into(&mut self.message, header.message_kind(), body);
                let deadline = if call == CallId::NONE {
                    self.handled.one_more();
                    None
                } else {
                    session.shared.count_message();
                    deadline_of(header.argument)
                };
                if let Some(next) = self.call(session, reader, call, deadline) {
                    return Taken::Leave(next);
                }
                continue;
            }
            let task = match session.admit(&header, body.as_slice(), NotedAs::TheOnlyOne) {
                Ok(task) => task,
                Err(violation) => return Taken::Leave(Next::Dismiss(violation)),
            };
            let next = match task {
                Task::Request { call, timeout_ms, kind } => {
                    put_into(&mut self.message, kind, body);
                    session.shared.count_message();
                    self.call(session, reader, call, deadline_of(timeout_ms))
                }
                Task::Stream { call, timeout_ms, kind } => {
                    let opening = Message::from_parts(kind, body.into_vec());
                    self.handled.tell();
                    Some(Next::Stream(Box::new(Opening::new(session, call, opening, deadline_of(timeout_ms)))))
                }
                Task::Broadcast { ack, kind } => {
                    put_into(&mut self.message, kind, body);
                    self.handled.one_more();
                    if ack.is_some() {
                        self.handled.tell();
                        session.begin_ack(ack);
                    }
                    let next = self.call(session, reader, CallId::NONE, None);
                    if ack.is_some() && next.is_none() {
                        session.end_ack(patience);
                    }
                    next
                }
                Task::Ack(id) => {
                    self.handled.tell();
                    session.ack(id, patience);
                    None
                }
                Task::Nothing => None,
            };
            if let Some(next) = next {
                return Taken::Leave(next);
            }
        }
        Taken::Most
    }

    /// Calls the handler with the message. What happens next with the session, if its thread does not go on.
    #[inline(always)]
    fn call(
        &mut self,
        session: &Arc<Session>,
        reader: &mut FrameReader,
        call: CallId,
        deadline: Option<Instant>,
    ) -> Option<Next> {
        let responder = Responder::new(Arc::clone(session) as _, call, deadline);
        call_blocking(self.handler, &self.message, responder);
        if self.message.is_larger(KEPT) {
            reader.recycle(self.message.take_large(KEPT));
        }
        if self.born != fork::generation() {
            return Some(Next::Forked);
        }
        // An answer that comes later, from elsewhere: meanwhile the runtime listens.
        (call != CallId::NONE && session.in_flight()).then_some(Next::Runtime)
    }
}

/// Counts one-way messages in a stream of them: the total, which other threads write too, is told now
/// and then, and before anybody hears that they were handled.
struct Handled<'a> {
    total: &'a AtomicU64,
    untold: u64,
}

impl Handled<'_> {
    fn one_more(&mut self) {
        self.untold += 1;
    }

    fn tell(&mut self) {
        if self.untold > 0 {
            self.total.fetch_add(self.untold, Ordering::Relaxed);
            self.untold = 0;
        }
    }
}

impl Drop for Handled<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Makes `message` the one that has arrived: small ones in the memory that is there already.
#[inline(always)]
pub(super) fn put_into(message: &mut Message, kind: MessageKind, body: Body<'_>) {
    match body {
        Body::Buffered(bytes) => message.refill(kind, bytes),
        Body::Owned(bytes) => message.replace(kind, bytes),
    }
}
