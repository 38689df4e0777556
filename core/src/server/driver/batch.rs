//! A busy multiplexed session with a blocking handler, driven by a thread of its own, a batch at a
//! time: receive what has come, take it to the handler, send all the answers with one call.
//!
//! While the thread is with the handler, its hold on the session lies ready for whoever finds it [stuck](super::stuck)
//! there: then the runtime goes on with the session, and other threads with its messages.
//! The thread notices when it comes back, and ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driven::{BatchThread, Driven, Next};
use super::handover::Handover;
use super::messages::put_into;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::fork;
use crate::os::stream::{interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::{self, FrameReader};
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::{PATIENCE, Responder};
use crate::server::session::delivery::run_in_order;
use crate::server::session::{NotedAs, Session, Task};
use crate::session::receive;
use crate::session::send_queue::Sent;
use crate::session::spin_wait::SpinWait;

/// A session on which nothing has come for this long goes back to the runtime.
const QUIET: Duration = Duration::from_secs(1);
/// Messages with more memory than this are the reader's, not copied from its buffer.
const KEPT: usize = 64 << 10;
/// Answers are sent when handlers have taken this long since the last look at the clock.
const SLOW: Duration = Duration::from_micros(20);
/// How many answers gather where the client could be at work meanwhile, on another core.
const GATHER_BESIDE: u32 = 24;
/// The most messages between two looks at the clock.
const MOST_BLIND: u32 = 16;
/// Drives a session until it goes quiet, turns out to be slow, or ends. `None` if somebody else drives it by then, and
/// in a forked child.
pub(crate) fn drive(driven: Driven) -> Option<(Driven, Next)> {
    let session = Arc::clone(&driven.session);
    let Some(code) = session.shared.users_code() else { return Some((driven, Next::End)) };
    session.state.to_thread();
    if session.socket.set_blocking(true).and(session.socket.set_recv_timeout(Some(QUIET))).is_err() {
        return Some((driven, Next::Runtime));
    }
    let drivers = Arc::clone(&driven.drivers);
    let thread = BatchThread::new(Handover::new());
    drivers.add(&thread);
    let (handler, within) = code.blocking();
    let Ok(done) = serve(&session, &thread, driven, handler) else {
        // All that lies here is the parent's.
        std::mem::forget((session, thread, drivers, code));
        return None;
    };
    drop(within);
    // Before the session goes on elsewhere: who sees it end sees the handler let go.
    drop(code);
    drivers.remove(&thread);
    done
}

/// This is a forked child: nothing here is its own.
pub(super) struct Forked;

fn serve(
    session: &Arc<Session>,
    thread: &Handover<Driven>,
    mut driven: Driven,
    handler: &BlockingHandler,
) -> Result<Option<(Driven, Next)>, Forked> {
    let mut waiter = SpinWait::new(session.shared.options.spin);
    let mut message = Message::null();
    // Requests were put aside unanswered: others are in flight besides the one that the thread has.
    let mut beside_others = false;
    let delivers = session.shared.mode == Mode::Broadcast;
    if delivers {
        session.begin_delivering();
    }
    loop {
        thread.begin_batch(driven, &session.state);
        let batch = serve_batch(session, thread, &mut message, handler, waiter.pays(), &mut beside_others)?;
        let Some(mine) = thread.take_back() else {
            if delivers {
                // Those that came meanwhile wait for the one that this thread was stuck with.
                run_in_order(session, Some(handler));
            }
            return Ok(None);
        };
        driven = mine;
        let next = match batch {
            Batch::Violated(violation) => Some(Next::Dismiss(violation)),
            Batch::Full => Some(Next::Runtime),
            Batch::Over if session.shared.threads.is_short() => Some(Next::Runtime),
            Batch::Over => receive(session, &mut driven.reader, &mut waiter),
        };
        if let Some(next) = next {
            if delivers {
                session.end_delivering();
            }
            return Ok(Some((driven, next)));
        }
    }
}

/// How a batch ended.
pub(super) enum Batch {
    /// All that was there has been handled, or the runtime has taken over.
    Over,
    /// The session, or its listener, has as much in hand as it may.
    Full,
    Violated(Violation),
}

/// Takes the frames that are here to the handler, and sends the answers together; some at a time where the
/// client could work `beside` it, on another core.
pub(super) fn serve_batch(
    session: &Arc<Session>,
    thread: &Handover<Driven>,
    message: &mut Message,
    handler: &BlockingHandler,
    beside: bool,
    beside_others: &mut bool,
) -> Result<Batch, Forked> {
    let born = fork::generation();
    let mut gathered = 0;
    let mut pace = Pace::new();
    let over = loop {
        let (responder, call) = {
            let mut parked = thread.parked();
            let Some(Driven { reader, .. }) = parked.as_mut() else { break Batch::Over };
            if !session.may_go_on(*beside_others) && !reader.is_empty() {
                break Batch::Full;
            }
            let (header, body) = match reader.next_if(|header| session.may_take(header)) {
                Ok(frame::Next::Frame(header, body)) => (header, body),
                Ok(frame::Next::NotYet) => break Batch::Over,
                Ok(frame::Next::NotNow) => break Batch::Full,
                Err(violation) => break Batch::Violated(violation),
            };
            let plain = if *beside_others { None } else { session.admit_plain(&header) };
            let (call, kind) = match plain {
                Some(call) => (call, header.message_kind()),
                None => {
                    let noted_as = if *beside_others { NotedAs::Current } else { NotedAs::TheOnlyOne };
                    match session.admit(&header, body.as_slice(), noted_as) {
                        Ok(Task::Request { call, kind, .. }) => (call, kind),
                        Ok(Task::Broadcast { ack, kind }) => {
                            if ack.is_some() {
                                session.begin_ack(ack);
                            }
                            (CallId::NONE, kind)
                        }
                        Ok(Task::Ack(id)) => {
                            session.ack(id, PATIENCE);
                            continue;
                        }
                        // A stream is refused on a session with several requests.
                        Ok(Task::Nothing | Task::Stream { .. }) => continue,
                        Err(violation) => break Batch::Violated(violation),
                    }
                }
            };
            put_into(message, kind, body);
            // Where somebody may look: before this the thread is not with the handler.
            thread.step();
            let deadline = pace.deadline(header.argument);
            (Responder::new(Arc::clone(session) as _, call, deadline), call)
        };
        session.shared.stuck_check.want();
        // Before anybody hears that it was handled.
        session.shared.count_message();
        call_blocking(handler, message, responder);
        thread.step();
        if born != fork::generation() {
            return Err(Forked);
        }
        if session.shared.mode == Mode::Broadcast {
            session.end_ack(PATIENCE);
        } else {
            *beside_others |= session.put_aside_unanswered(call);
        }
        gathered += 1;
        if pace.is_slow() || (beside && gathered >= GATHER_BESIDE) {
            // Answers do not wait for a handler that is not quick, nor for more where they need not.
            session.send_gathered();
            gathered = 0;
        }
        if message.len() > KEPT
            && let Some(driven) = thread.parked().as_mut()
        {
            driven.reader.recycle(message.take_large(KEPT));
        }
    };
    thread.end_batch(&session.state);
    // After that: whoever adds an answer from now on sends it.
    if session.send_queue.waiting() > 0 {
        session.send_gathered();
    }
    Ok(over)
}

/// Waits for more. What happens next where the thread is done with the session.
fn receive(session: &Session, reader: &mut FrameReader, waiter: &mut SpinWait) -> Option<Next> {
    if session.in_flight() {
        // Answers come later, from elsewhere: meanwhile the runtime listens.
        session.note_slowness();
        return Some(Next::Runtime);
    }
    // A client that no longer reads may still have sent something: that is taken to its end.
    if session.send_queue.waiting() > 0
        && let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, PATIENCE)
    {
        return Some(Next::Runtime);
    }
    session.state.note_partial_frame(!reader.is_empty());
    let received = waiter.receive_body(reader.missing(), |wait| receive::receive(&session.socket, reader, wait));
    match received {
        Ok(0) if session.state.see().is_to_end() => Some(Next::Runtime),
        Ok(1..) => None,
        Err(error) if interrupted(&error) => None,
        // Nothing for a while; an unfinished body goes on under the runtime's eyes.
        Err(error) if would_block(&error) => Some(Next::Runtime),
        Ok(0) | Err(_) => {
            session.count_unfinished(reader);
            Some(Next::End)
        }
    }
}

/// How quick the handler is, found out with few looks at the clock.
struct Pace {
    /// The last look, at the beginning of a batch or between two messages.
    looked: Option<Instant>,
    /// Messages since, and how many go by before the next look.
    since: u32,
    every: u32,
}

impl Pace {
    fn new() -> Pace {
        Pace { looked: None, since: 0, every: 1 }
    }

    /// Until when the sender of a message that has come with this batch waits.
    fn deadline(&mut self, timeout_ms: u32) -> Option<Instant> {
        let looked = *self.looked.get_or_insert_with(Instant::now);
        (timeout_ms != 0).then(|| looked + Duration::from_millis(timeout_ms.into()))
    }

    /// Whether the handler has taken long for the messages since the last look.
    fn is_slow(&mut self) -> bool {
        self.since += 1;
        if self.since < self.every {
            return false;
        }
        let now = Instant::now();
        let taken = self.looked.map_or(Duration::ZERO, |looked| now - looked);
        let slow = taken > SLOW;
        self.every = if slow { 1 } else { (self.every * 2).min(MOST_BLIND) };
        self.looked = Some(now);
        self.since = 0;
        slow
    }
}
