//! A session that the runtime drives: quiet, multiplexed, or waiting for something slow.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::driven::{Driven, Next};
use super::own_loop;
use crate::message::Message;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::protocol::frame::{self, FrameReader, Kind};
use crate::server::responder::Responder;
use crate::server::session::delivery::{InOrder, Opening, hand_over_in_order, hand_over_request, run_requests};
use crate::server::session::state::Ending;
use crate::server::session::{NotedAs, Session, Task};
use crate::server::threads::Place;
use crate::session::receive;
use crate::session::send_queue::Sent;

/// When requests of one session are looked after that a thread has not come round to, at first and at
/// the latest.
const LOOK_AFTER: Duration = Duration::from_millis(1);
const LOOK_AGAIN: Duration = Duration::from_millis(64);

/// What the frames that are here lead to.
enum Then {
    /// Wait for more.
    Receive,
    /// Wait until less is in flight.
    Stall,
    /// Something else drives the session.
    Leave(Next),
}

/// Drives a session until it ends or gets a thread of its own. One that a thread `gave_back` gets
/// none again before more has come, even where part of a frame is here.
pub(crate) async fn drive(driven: &mut Driven, gave_back: bool) -> Next {
    let Driven { session, reader, may_subscribe, .. } = driven;
    let (session, state) = (&*session, &session.state);
    session.note_activity();
    let mut then = begin(may_subscribe, reader).unwrap_or_else(|| process(session, reader, gave_back));
    if let Then::Leave(next) = then {
        // Before the runtime is asked to watch the socket: the usual way of a first message.
        return next;
    }
    let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) else {
        return Next::End;
    };
    let (mut ended, mut said_goaway) = (false, false);
    let mut patience = LOOK_AFTER;
    loop {
        let stalled = match then {
            Then::Leave(next) => return next,
            Then::Receive => false,
            Then::Stall => true,
        };
        // A client that no longer reads may still have sent something: that is taken to its end.
        let sent = session.send_queue.flush(&session.socket, Duration::ZERO).unwrap_or(Sent::Gone);
        session.tell_unsent(session.send_queue.waiting());
        // There may be room for answers again.
        run_requests(session, false);
        if stalled && !session.shared.admission.has_room() {
            let _looked_at_again_right_below = session.shared.admission.get_in_line(&session.driver);
        }
        if stalled && session.has_room() {
            // What waited to be sent was what it stalled for: nobody else would say that it has gone.
            then = process(session, reader, ended);
            continue;
        }
        // Nothing is taken after this, so it is known what was. A question that was taken is answered first.
        let over = state.see().ending() == Ending::Over;
        if !said_goaway && (over || (ended && !stalled && !session.has_questions())) {
            said_goaway = true;
            session.say_goaway();
        }
        if over {
            return Next::End;
        }
        if said_goaway && session.is_quiet() {
            let _gone_already = session.socket.shutdown_write();
            return Next::End;
        }
        reader.rest();
        session.send_queue.rest();
        state.note_partial_frame(!reader.is_empty());
        tokio::select! {
            () = sleep(patience), if session.is_running() => {
                // A handler takes its time: others need not wait for it, nor answers that are ready.
                run_requests(session, session.shared.threads.waiting().is_none());
                patience = (patience * 2).min(LOOK_AGAIN);
            }
            () = session.driver.notified() => {}
            // The flush that follows looks for room.
            () = sleep(LOOK_AFTER), if sent == Sent::Waiting && !session.socket.hears_of_room() => {}
            guard = fd.writable(), if sent == Sent::Waiting => {
                let Ok(mut guard) = guard else { return Next::End };
                session.socket.clear_bells();
                if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                    guard.clear_ready();
                }
            }
            received = receive(&fd, &session.socket, reader), if !ended && !stalled => match received {
                Ok(0) if state.see().is_to_end() => ended = true,
                Ok(0) | Err(_) => {
                    session.count_unfinished(reader);
                    return Next::End;
                }
                Ok(_) => {
                    session.note_activity();
                    patience = LOOK_AFTER;
                }
            },
        }
        then = begin(may_subscribe, reader).unwrap_or_else(|| process(session, reader, ended));
    }
}

/// What the first frame of a session leads to: one that subscribes, to another driver. `None`: to what any other does.
fn begin(may_subscribe: &mut bool, reader: &FrameReader) -> Option<Then> {
    if !*may_subscribe {
        return None;
    }
    match reader.next_kind() {
        Ok(None) => Some(Then::Receive),
        Ok(Some(Kind::Subscribe)) => Some(Then::Leave(Next::Subscription)),
        Ok(Some(_)) | Err(_) => {
            *may_subscribe = false;
            None
        }
    }
}

/// Receives once something is there. Cancelling it loses nothing.
pub(super) async fn receive(fd: &AsyncStream, socket: &Stream, reader: &mut FrameReader) -> io::Result<usize> {
    if socket.may_have_more() {
        // Of what came by memory no readiness tells before it was found empty.
        match receive::receive(socket, reader, Wait::No) {
            Err(error) if would_block(&error) || interrupted(&error) => {}
            done => return done,
        }
    }
    loop {
        let mut guard = fd.readable().await?;
        match receive::receive_once(socket, reader, Wait::No) {
            Err(error) if would_block(&error) => guard.clear_ready(),
            Err(error) if interrupted(&error) => {}
            Err(error) => return Err(error),
            Ok((count, drained)) => {
                if drained && count > 0 {
                    // To try once more would only tell the same.
                    guard.clear_ready();
                }
                return Ok(count);
            }
        }
    }
}

/// Takes the frames that are here to where they are handled. Without `stay` it may be to a thread of
/// the session's own.
fn process(session: &Arc<Session>, reader: &mut FrameReader, stay: bool) -> Then {
    let then = take_frames(session, reader, stay);
    // Whatever came after them: what was taken is handled.
    run_requests(session, false);
    session.shared.admission.leave_line(&session.driver);
    then
}

fn take_frames(session: &Arc<Session>, reader: &mut FrameReader, stay: bool) -> Then {
    let noted_as = if session.exclusive { NotedAs::TheOnlyOne } else { NotedAs::OneOfMany };
    let dedicated = !stay && session.shared.blocking;
    loop {
        // Where the listener has no room, what takes none is still taken.
        if !session.has_room_of_its_own() {
            return Then::Stall;
        }
        if dedicated && !reader.is_empty() && session.shared.admission.has_room() && session.is_free_for_a_thread() {
            if own_loop::may_drive(session, reader) {
                return Then::Leave(Next::Own);
            }
            // Its client waits for exactly this: no other thread could be quicker than its own.
            let threads = &session.shared.threads;
            if !session.exclusive {
                if let Some(seat) = threads.reserve() {
                    return Then::Leave(Next::Batch(seat));
                }
            } else {
                match threads.place(session.may_share_a_thread() && reader.missing() == 0, session.shared.open()) {
                    Place::Thread(seat) => return Then::Leave(Next::Thread(seat)),
                    Place::Group => return Then::Leave(Next::Group),
                    Place::Queue => {}
                }
            }
        }
        let (header, body) = match reader.next_if(|header| session.may_take(header)) {
            Ok(frame::Next::Frame(header, body)) => (header, body),
            Ok(frame::Next::NotYet) => return Then::Receive,
            Ok(frame::Next::NotNow) => return Then::Stall,
            Err(violation) => return Then::Leave(Next::Dismiss(violation)),
        };
        let task = match session.admit(&header, body.as_slice(), noted_as) {
            Ok(task) => task,
            Err(violation) => return Then::Leave(Next::Dismiss(violation)),
        };
        match task {
            Task::Request { call, timeout_ms, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                let deadline = (timeout_ms != 0).then(|| Instant::now() + Duration::from_millis(timeout_ms.into()));
                let responder = Responder::new(Arc::clone(session) as _, call, deadline);
                hand_over_request(session, message, responder);
            }
            Task::Stream { call, timeout_ms, kind } => {
                let opening = Message::from_parts(kind, body.into_vec());
                let deadline = (timeout_ms != 0).then(|| Instant::now() + Duration::from_millis(timeout_ms.into()));
                return Then::Leave(Next::Stream(Box::new(Opening::new(session, call, opening, deadline))));
            }
            Task::Broadcast { ack, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                hand_over_in_order(session, InOrder::Broadcast { message, ack });
            }
            Task::Ack(id) => hand_over_in_order(session, InOrder::Question(id)),
            Task::Nothing => {}
        }
    }
}
