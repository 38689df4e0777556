//! A busy exclusive session, driven by a thread of its own: receive, handler, send, with no
//! hand-over to another thread in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::runtime::{self, Driving};
use crate::message::{Message, MessageKind};
use crate::mode::Mode;
use crate::os::fork;
use crate::os::stream::{interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::{Body, FrameReader, Next};
use crate::server::PATIENCE;
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::Responder;
use crate::server::session::{Session, Task};
use crate::session::receive;
use crate::session::send_queue::Sent;
use crate::session::spin_wait::SpinWait;

/// A session on which nothing has come for this long goes back to the runtime.
const QUIET: Duration = Duration::from_secs(1);
/// Messages with more memory than this are the reader's, not copied from its buffer.
const KEPT: usize = 64 << 10;

/// Why a thread is done with a session.
enum Done {
    /// The runtime takes over: it is quiet, waits for a late answer or a slow peer, or is to end.
    Hand,
    /// The peer broke the protocol.
    Violated(Violation),
    /// The peer has gone.
    Ended,
    /// This is a forked child: nothing here is its own.
    Forked,
}

/// Drives a session until it goes quiet or ends.
pub(in crate::server) fn drive(driving: Driving, session: Arc<Session>, mut reader: FrameReader) {
    let Some(code) = session.listening.users_code() else { return };
    session.hot.store(true, Ordering::SeqCst);
    let done = if session.socket.set_blocking(true).and(session.socket.set_recv_timeout(Some(QUIET))).is_ok() {
        let (handler, _within) = code.blocking();
        serve(&session, &mut reader, handler)
    } else {
        Done::Hand
    };
    if let Done::Forked = done {
        return std::mem::forget((driving, session, reader, code));
    }
    // Before the session goes on elsewhere: who sees it end sees the handler let go.
    drop(code);
    session.hot.store(false, Ordering::SeqCst);
    match done {
        Done::Hand => {
            driving.hand_over();
            let runtime = session.listening.runtime.clone();
            runtime.spawn(runtime::drive(session, reader, true));
        }
        Done::Violated(violation) => {
            driving.hand_over();
            let runtime = session.listening.runtime.clone();
            runtime.spawn(runtime::dismiss(session, violation));
        }
        Done::Ended => {
            session.count_unfinished(&reader);
            drop(driving);
        }
        Done::Forked => {}
    }
}

fn serve(session: &Arc<Session>, reader: &mut FrameReader, handler: &BlockingHandler) -> Done {
    let born = fork::generation();
    let mut waiter = SpinWait::new(session.listening.spin);
    let mut message = Message::null();
    let mut handled = Handled { total: &session.listening.tally.messages, untold: 0 };
    loop {
        loop {
            let (header, body) = match reader.next_if(|header| session.may_take(header)) {
                Ok(Next::Frame(header, body)) => (header, body),
                Ok(Next::NotYet) => break,
                // The listener has its hands full: the runtime waits until it has room.
                Ok(Next::NotNow) => return Done::Hand,
                Err(violation) => return Done::Violated(violation),
            };
            let task = match session.admit(&header, body.as_slice()) {
                Ok(task) => task,
                Err(violation) => return Done::Violated(violation),
            };
            match task {
                Task::Request { call, timeout_ms, kind } => {
                    take(&mut message, kind, body);
                    session.listening.count_message();
                    let deadline = (timeout_ms != 0).then(|| waiter.now() + Duration::from_millis(timeout_ms.into()));
                    let responder = Responder::until(Arc::clone(session), call, deadline, Mode::Request);
                    call_blocking(handler, &message, responder);
                    reader.recycle(message.take_large(KEPT));
                    if born != fork::generation() {
                        return Done::Forked;
                    }
                    if session.in_flight() {
                        // The answer comes later, from elsewhere: meanwhile the runtime listens.
                        return Done::Hand;
                    }
                }
                Task::Broadcast { ack, kind } => {
                    take(&mut message, kind, body);
                    handled.one_more();
                    if ack.is_some() {
                        handled.tell();
                        session.begin_ack(ack);
                    }
                    let responder = Responder::to_session(Arc::clone(session), CallId::NONE, 0, Mode::Broadcast);
                    call_blocking(handler, &message, responder);
                    reader.recycle(message.take_large(KEPT));
                    if born != fork::generation() {
                        return Done::Forked;
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
        if session.listening.workers.is_short() {
            return Done::Hand;
        }
        // A client that no longer reads may still have sent something: that is taken to its end.
        if session.send_queue.waiting() > 0
            && let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, QUIET)
        {
            return Done::Hand;
        }
        session.receiving.store(!reader.is_empty(), Ordering::Relaxed);
        let received = waiter.receive_body(reader.missing(), |wait| receive::receive(&session.socket, reader, wait));
        match received {
            Ok(0) if session.retiring.load(Ordering::SeqCst) => return Done::Hand,
            Ok(0) => return Done::Ended,
            Ok(_) => {}
            Err(error) if interrupted(&error) => {}
            // Nothing for a while; an unfinished body goes on under the runtime's eyes.
            Err(error) if would_block(&error) => return Done::Hand,
            Err(_) => return Done::Ended,
        }
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
fn take(message: &mut Message, kind: MessageKind, body: Body<'_>) {
    match body {
        Body::Buffered(bytes) => message.refill(kind, bytes),
        Body::Owned(bytes) => *message = Message::from_parts(kind, bytes),
    }
}
