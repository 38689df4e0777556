//! A session on which a stream runs: takes what its caller sends as it comes, and sends what its handler has left.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::driven::{Driven, Next};
use super::runtime::receive;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::protocol::Violation;
use crate::protocol::frame::{self, FrameReader, Kind};
use crate::server::session::state::Ending;
use crate::server::session::{NotedAs, Session, Task};
use crate::server::stream::OpenStream;
use crate::server::threads::Place;
use crate::session::send_queue::Sent;

/// A stream whose session has a driver: without one it is lost, unless it has ended.
struct Driving(Arc<OpenStream>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.lose();
    }
}

/// Drives a session until its stream has ended and something else comes, or the session ends.
pub(crate) async fn drive(driven: &mut Driven, open: Arc<OpenStream>) -> Next {
    let driving = Driving(open);
    let Driven { session, reader, .. } = driven;
    let next = serve(session, reader, &driving.0).await;
    if let Next::Dismiss(Violation::TooLarge { .. }) = &next
        && let Next::Dismiss(violation) = &next
    {
        driving.0.refuse(violation.kind(), &violation.told_by_listener());
    }
    if session.state.end_stream().is_to_end() {
        // As the listener had it when the stream still needed its caller's frames.
        let _gone_already = session.socket.shutdown_read();
    }
    next
}

async fn serve(session: &Arc<Session>, reader: &mut FrameReader, open: &OpenStream) -> Next {
    let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) else { return Next::End };
    // A handler that begins at once has its first item sent together with what says that the stream was accepted.
    yield_now().await;
    session.note_activity();
    loop {
        if let Err(violation) = take_frames(session, reader, open) {
            return Next::Dismiss(violation);
        }
        let Ok(sent) = session.send_queue.flush(&session.socket, Duration::ZERO) else {
            session.lose();
            return Next::End;
        };
        let unsent = session.send_queue.waiting();
        session.tell_unsent(unsent);
        open.make_room();
        let is_to_end = session.state.see().is_to_end();
        if open.is_over() && (is_to_end || !reader.is_empty() || session.is_quiet()) {
            return after(session, is_to_end);
        }
        match session.state.see().ending() {
            Ending::Open | Ending::Retiring => {}
            Ending::Lost => return Next::End,
            Ending::Over => {
                session.say_goaway();
                return Next::End;
            }
        }
        // Pongs that the caller does not read are no reason to make more of them. What a stream itself leaves unsent is less.
        let options = &session.shared.options;
        let may_receive = unsent <= options.max_session_waiting.saturating_add(options.max_message);
        reader.rest();
        session.send_queue.rest();
        session.state.note_partial_frame(!reader.is_empty());
        tokio::select! {
            () = session.driver.notified() => {}
            guard = fd.writable(), if sent == Sent::Waiting => {
                let Ok(mut guard) = guard else { return Next::End };
                if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                    guard.clear_ready();
                }
            }
            received = receive(&fd, &session.socket, reader), if may_receive => {
                if !matches!(received, Ok(1..)) {
                    session.count_unfinished(reader);
                    return Next::End;
                }
                session.note_activity();
            }
        }
    }
}

/// Who drives the session when its stream has ended: a thread, where handlers block, as after any request.
fn after(session: &Session, is_to_end: bool) -> Next {
    if session.shared.blocking && !is_to_end && session.is_quiet() {
        match session.shared.threads.place(session.may_share_a_thread(), session.shared.open()) {
            Place::Thread(seat) => return Next::Thread(seat),
            Place::Group => return Next::Group,
            Place::Queue => {}
        }
    }
    Next::Runtime
}

/// Takes the frames that are here, up to a request that follows the stream.
fn take_frames(session: &Arc<Session>, reader: &mut FrameReader, open: &OpenStream) -> Result<(), Violation> {
    let id = open.call().id();
    let may_take = |header: &frame::Header| header.kind != Kind::Request || !open.is_over();
    while let frame::Next::Frame(header, body) = reader.next_if(may_take)? {
        match header.kind {
            Kind::Data if header.id == id => open.data(&header, body)?,
            Kind::End if header.id == id => open.end()?,
            Kind::Credit if header.id == id => open.credit(header.argument)?,
            Kind::Cancel if header.id == id => open.cancel(),
            Kind::Data | Kind::End | Kind::Credit | Kind::Cancel => {}
            Kind::Request => {
                return Err(Violation::Malformed("a second request is in flight on an exclusive session"));
            }
            _ => match session.admit(&header, body.as_slice(), NotedAs::TheOnlyOne)? {
                Task::Ack(id) => session.ack(id, Duration::ZERO),
                Task::Request { .. } | Task::Stream { .. } | Task::Broadcast { .. } | Task::Nothing => {}
            },
        }
    }
    Ok(())
}
