//! A busy exclusive session, driven by a thread of its own: receive, handler, send, with no
//! hand-over to another thread in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::driven::{Driven, Next};
use crate::message::{Message, MessageKind};
use crate::os::fork;
use crate::os::stream::{interrupted, would_block};
use crate::protocol::frame::{self, Body, FrameReader};
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::{PATIENCE, Responder};
use crate::server::session::delivery::Opening;
use crate::server::session::{NotedAs, Session, Task};
use crate::session::receive;
use crate::session::send_queue::Sent;
use crate::session::spin_wait::SpinWait;

/// A session on which nothing has come for this long goes back to the runtime.
const QUIET: Duration = Duration::from_secs(1);
/// Messages with more memory than this are the reader's, not copied from its buffer.
const KEPT: usize = 64 << 10;

/// Drives a session until it goes quiet or ends. Where it `is_again`, the thread has driven it before, and nobody else since.
pub(crate) fn drive(driven: &mut Driven, is_again: bool) -> Next {
    let Driven { session, reader, .. } = driven;
    let Some(code) = session.shared.users_code() else { return Next::End };
    session.state.to_thread();
    let is_set =
        is_again || session.socket.set_blocking(true).and(session.socket.set_recv_timeout(Some(QUIET))).is_ok();
    if !is_set {
        return Next::Runtime;
    }
    let (handler, within) = code.blocking();
    let next = serve(session, reader, handler);
    drop(within);
    if let Next::Forked = next {
        std::mem::forget(code);
    }
    next
}

fn serve(session: &Arc<Session>, reader: &mut FrameReader, handler: &BlockingHandler) -> Next {
    let born = fork::generation();
    let mut waiter = SpinWait::new(session.shared.options.spin);
    let mut message = Message::null();
    let mut handled = Handled { total: &session.shared.tally.messages, untold: 0 };
    loop {
        loop {
            let (header, body) = match reader.next_if(|header| session.may_take(header)) {
                Ok(frame::Next::Frame(header, body)) => (header, body),
                Ok(frame::Next::NotYet) => break,
                // The listener has its hands full: the runtime waits until it has room.
                Ok(frame::Next::NotNow) => return Next::Runtime,
                Err(violation) => return Next::Dismiss(violation),
            };
            let task = match session.admit(&header, body.as_slice(), NotedAs::TheOnlyOne) {
                Ok(task) => task,
                Err(violation) => return Next::Dismiss(violation),
            };
            match task {
                Task::Request { call, timeout_ms, kind } => {
                    take(&mut message, kind, body);
                    session.shared.count_message();
                    let deadline = (timeout_ms != 0).then(|| waiter.now() + Duration::from_millis(timeout_ms.into()));
                    let responder = Responder::new(Arc::clone(session) as _, call, deadline);
                    call_blocking(handler, &message, responder);
                    reader.recycle(message.take_large(KEPT));
                    if born != fork::generation() {
                        return Next::Forked;
                    }
                    if session.in_flight() {
                        // The answer comes later, from elsewhere: meanwhile the runtime listens.
                        return Next::Runtime;
                    }
                }
                Task::Stream { call, timeout_ms, kind } => {
                    let deadline = (timeout_ms != 0).then(|| waiter.now() + Duration::from_millis(timeout_ms.into()));
                    let opening = Message::from_parts(kind, body.into_vec());
                    handled.tell();
                    return Next::Stream(Box::new(Opening::new(session, call, opening, deadline)));
                }
                Task::Broadcast { ack, kind } => {
                    take(&mut message, kind, body);
                    handled.one_more();
                    if ack.is_some() {
                        handled.tell();
                        session.begin_ack(ack);
                    }
                    let responder = Responder::new(Arc::clone(session) as _, CallId::NONE, None);
                    call_blocking(handler, &message, responder);
                    reader.recycle(message.take_large(KEPT));
                    if born != fork::generation() {
                        return Next::Forked;
                    }
                    if ack.is_some() {
                        session.end_ack(PATIENCE);
                    }
                }
                Task::Ack(id) => {
                    handled.tell();
                    session.ack(id, PATIENCE);
                }
                Task::Nothing => {}
            }
        }
        handled.tell();
        if session.shared.threads.is_short() {
            return Next::Runtime;
        }
        // A client that no longer reads may still have sent something: that is taken to its end.
        if session.send_queue.waiting() > 0
            && let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, QUIET)
        {
            return Next::Runtime;
        }
        session.state.note_partial_frame(!reader.is_empty());
        let received = waiter.receive_body(reader.missing(), |wait| receive::receive(&session.socket, reader, wait));
        match received {
            Ok(0) if session.state.see().is_to_end() => return Next::Runtime,
            Ok(0) => return end(session, reader),
            Ok(_) => {}
            Err(error) if interrupted(&error) => {}
            // Nothing for a while; an unfinished body goes on under the runtime's eyes.
            Err(error) if would_block(&error) => return Next::Runtime,
            Err(_) => return end(session, reader),
        }
    }
}

/// The client has gone.
fn end(session: &Session, reader: &FrameReader) -> Next {
    session.count_unfinished(reader);
    Next::End
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
fn take(message: &mut Message, kind: MessageKind, body: Body<'_>) {
    match body {
        Body::Buffered(bytes) => message.refill(kind, bytes),
        Body::Owned(bytes) => message.replace(kind, bytes),
    }
}
