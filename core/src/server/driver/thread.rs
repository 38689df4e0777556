//! A busy exclusive session, driven by a thread of its own: receive, handler, send, with no
//! hand-over to another thread in between.

use std::sync::Arc;
use std::time::Duration;

use super::driven::{Driven, Next};
use super::messages::{Taken, ToHandler};
use crate::os::stream::{interrupted, would_block};
use crate::protocol::frame::FrameReader;
use crate::server::handler::BlockingHandler;
use crate::server::responder::PATIENCE;
use crate::server::session::Session;
use crate::session::receive;
use crate::session::send_queue::Sent;
use crate::session::spin_wait::SpinWait;

/// A session on which nothing has come for this long goes back to the runtime.
const QUIET: Duration = Duration::from_secs(1);

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
    let mut waiter = SpinWait::new(session.shared.options.spin);
    let mut to_handler = ToHandler::new(handler, &session.shared);
    loop {
        if let Taken::Leave(next) = to_handler.take(session, reader, u32::MAX, PATIENCE, || waiter.now()) {
            return next;
        }
        if session.shared.threads.is_short() || (session.shared.threads.is_crowded() && session.may_share_a_thread()) {
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
pub(super) fn end(session: &Session, reader: &FrameReader) -> Next {
    session.count_unfinished(reader);
    Next::End
}
