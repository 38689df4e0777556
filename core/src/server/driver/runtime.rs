//! A session that the runtime drives: quiet, multiplexed, or waiting for something slow.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::batch;
use super::thread;
use crate::counters::count;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::{self, FrameReader};
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::Responder;
use crate::server::session::{Cast, Session, Task};
use crate::server::threads::Seat;
use crate::session::receive;
use crate::session::send_queue::Sent;

/// How long a peer that broke the protocol may take to read that it did.
const FAREWELL: Duration = Duration::from_secs(1);
/// How much more of what it sends is thrown away meanwhile.
const FAREWELL_BYTES: usize = 64 << 20;

/// When requests of one session are looked after that a thread has not come round to, at first and at
/// the latest.
const LOOK_AFTER: Duration = Duration::from_millis(1);
const LOOK_AGAIN: Duration = Duration::from_millis(64);
/// A handler that takes longer than this has its answer sent at once.
const SLOW_HANDLER: Duration = Duration::from_micros(20);
/// How soon it is looked again whether another thread has sent what it had.
const SENDING: Duration = Duration::from_millis(1);

/// What the frames that are here lead to.
enum Next {
    /// Wait for more.
    Receive,
    /// Wait until less is in flight.
    Stall,
    /// Go on with a thread of its own.
    GoHot(Seat),
    Violated(Violation),
}

/// Drives a session until it ends or gets a thread of its own. One that a thread `gave_back` gets
/// none again before more has come, even where part of a frame is here.
pub(in crate::server) async fn drive(session: Arc<Session>, mut reader: FrameReader, gave_back: bool) {
    let driving = Driving(Some(Arc::clone(&session)));
    session.note_activity();
    let mut next = process(&session, &mut reader, gave_back);
    if let Next::GoHot(seat) = next {
        // Before the runtime is asked to watch the socket: the usual way of a first message.
        return go_hot(driving, session, reader, seat);
    }
    let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) else { return };
    let (mut ended, mut said_goaway) = (false, false);
    let mut patience = LOOK_AFTER;
    loop {
        let stalled = match next {
            Next::GoHot(seat) => {
                drop(fd);
                return go_hot(driving, session, reader, seat);
            }
            Next::Violated(violation) => {
                drop(fd);
                driving.hand_over();
                return dismiss(session, violation).await;
            }
            Next::Receive => false,
            Next::Stall => true,
        };
        // A client that no longer reads may still have sent something: that is taken to its end.
        let sent = session.send_queue.flush(&session.socket, Duration::ZERO).unwrap_or(Sent::Gone);
        session.tell_unsent(session.send_queue.waiting());
        // There may be room for answers again.
        run_requests(&session, false);
        if stalled && !session.listening.room.is_there() {
            let _looked_at_again_right_below = session.listening.room.join(&session.driver);
        }
        if stalled && session.has_room() {
            // What waited to be sent was what it stalled for: nobody else would say that it has gone.
            next = process(&session, &mut reader, ended);
            continue;
        }
        // Nothing is taken after this, so it is known what was. A question that was taken is answered first.
        let over = session.parting.load(Ordering::SeqCst);
        if !said_goaway && (over || (ended && !stalled && !session.has_questions())) {
            said_goaway = true;
            session.say_goaway();
        }
        if over {
            break;
        }
        if said_goaway && session.is_quiet() {
            let _gone_already = session.socket.shutdown_write();
            break;
        }
        reader.rest();
        session.send_queue.rest();
        session.receiving.store(!reader.is_empty(), Ordering::Relaxed);
        tokio::select! {
            () = sleep(patience), if session.is_running() => {
                // A handler takes its time: others need not wait for it, nor answers that are ready.
                run_requests(&session, true);
                patience = (patience * 2).min(LOOK_AGAIN);
            }
            () = session.driver.notified() => {}
            guard = fd.writable(), if sent == Sent::Waiting => {
                let Ok(mut guard) = guard else { break };
                if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                    guard.clear_ready();
                }
            }
            received = receive(&fd, &session.socket, &mut reader), if !ended && !stalled => match received {
                Ok(0) if session.retiring.load(Ordering::SeqCst) => ended = true,
                Ok(0) | Err(_) => {
                    session.count_unfinished(&reader);
                    break;
                }
                Ok(_) => {
                    session.note_activity();
                    patience = LOOK_AFTER;
                }
            },
        }
        next = process(&session, &mut reader, ended);
    }
}

/// Ends a session that nobody drives yet.
pub(in crate::server) fn abandon(session: Arc<Session>) {
    drop(Driving(Some(session)));
}

/// A driver's hold on its session: with the driver, and so with its runtime, the session ends.
pub(in crate::server) struct Driving(Option<Arc<Session>>);

impl Driving {
    /// Somebody else drives the session from now on.
    pub(in crate::server) fn hand_over(mut self) {
        self.0 = None;
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.lose();
            session.socket.shutdown();
            session.listening.room.leave(&session.driver);
            session.listening.remove(&session);
        }
    }
}

/// Receives once something is there. Cancelling it loses nothing.
async fn receive(fd: &AsyncStream, socket: &Stream, reader: &mut FrameReader) -> io::Result<usize> {
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
fn process(session: &Arc<Session>, reader: &mut FrameReader, stay: bool) -> Next {
    let next = take_frames(session, reader, stay);
    // Whatever came after them: what was taken is handled.
    run_requests(session, false);
    session.listening.room.leave(&session.driver);
    next
}

fn take_frames(session: &Arc<Session>, reader: &mut FrameReader, stay: bool) -> Next {
    let dedicated = !stay && session.listening.blocking;
    loop {
        // Where the listener has no room, what takes none is still taken.
        if !session.has_room_of_its_own() {
            return Next::Stall;
        }
        if dedicated && !reader.is_empty() && session.listening.room.is_there() && session.is_free_for_a_thread() {
            // Its client waits for exactly this: no other thread could be quicker than its own.
            if let Some(seat) = session.listening.workers.reserve() {
                return Next::GoHot(seat);
            }
        }
        let (header, body) = match reader.next_if(|header| session.may_take(header)) {
            Ok(frame::Next::Frame(header, body)) => (header, body),
            Ok(frame::Next::NotYet) => return Next::Receive,
            Ok(frame::Next::NotNow) => return Next::Stall,
            Err(violation) => return Next::Violated(violation),
        };
        let task = match session.admit(&header, body.as_slice()) {
            Ok(task) => task,
            Err(violation) => return Next::Violated(violation),
        };
        match task {
            Task::Request { call, timeout_ms, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                let responder = Responder::to_session(Arc::clone(session), call, timeout_ms, Mode::Request);
                hand_over_request(session, message, responder);
            }
            Task::Broadcast { ack, kind } => {
                let message = Message::from_parts(kind, body.into_vec());
                hand_over_cast(session, Cast::Message { message, ack });
            }
            Task::Ack(id) => hand_over_cast(session, Cast::Ack(id)),
            Task::Nothing => {}
        }
    }
}

/// Gives the session a thread of its own.
fn go_hot(driving: Driving, session: Arc<Session>, reader: FrameReader, seat: Seat) {
    let listening = Arc::clone(&session.listening);
    listening.workers.dedicate(
        seat,
        Box::new(move || {
            if session.exclusive {
                thread::drive(driving, session, reader)
            } else {
                batch::drive(driving, session, reader)
            }
        }),
    );
}

fn hand_over_request(session: &Arc<Session>, message: Message, responder: Responder) {
    let listening = Arc::clone(&session.listening);
    listening.count_message();
    let session = Arc::clone(session);
    let bytes = message.len();
    if session.exclusive {
        session.hold_bytes(bytes);
    }
    if !listening.blocking {
        let runtime = listening.runtime.clone();
        runtime.spawn(async move {
            match listening.users_code() {
                Some(code) => code.call_async(message, responder).await,
                None => responder.discard(),
            }
            session.release_bytes(bytes);
        });
    } else if session.exclusive {
        let workers = Arc::clone(&listening.workers);
        workers.submit(Box::new(move || {
            match listening.users_code() {
                Some(code) => code.call_blocking(&message, responder),
                None => responder.discard(),
            }
            session.release_bytes(bytes);
        }));
    } else {
        session.queue_request(message, responder);
    }
}

/// Sees to it that threads take the requests that wait to the handler: one, which is enough while
/// handlers are quick, and more where they are `stuck`.
fn run_requests(session: &Arc<Session>, stuck: bool) {
    for _ in 0..session.want_runners(stuck) {
        let session = Arc::clone(session);
        let workers = Arc::clone(&session.listening.workers);
        workers.submit(Box::new(move || run_queued(&session)));
    }
}

/// Takes the requests that wait to the handler, in the calling thread.
fn run_queued(session: &Session) {
    let mut began = Instant::now();
    let mut done = 0;
    let code = session.listening.users_code();
    let blocking = code.as_ref().map(|code| code.blocking());
    while let Some((message, responder)) = session.next_request(done) {
        match &blocking {
            Some((handler, _)) if !session.listening.has_closed() => call_blocking(*handler, &message, responder),
            _ => responder.discard(),
        }
        done = message.len();
        let now = Instant::now();
        if now - began > SLOW_HANDLER {
            // Answers do not wait for a handler that is not quick.
            session.send_gathered();
        }
        began = now;
    }
    session.send_gathered();
    if session.has_requests() {
        session.driver.notify_one();
    }
}

/// Takes the broadcasts that wait to the handler, in the calling thread.
pub(in crate::server) fn run_casts(session: &Arc<Session>, handler: Option<&BlockingHandler>) {
    while let Some(cast) = session.next_cast() {
        if let Some((message, responder)) = begin_cast(session, cast) {
            match handler {
                Some(handler) if !session.listening.has_closed() => call_blocking(handler, &message, responder),
                _ => responder.discard(),
            }
            end_cast(session, message.len());
        }
    }
}

/// Queues what is handed over in order, and sees to it that somebody hands it over.
fn hand_over_cast(session: &Arc<Session>, cast: Cast) {
    if matches!(cast, Cast::Message { .. }) {
        // It is waited for even if its session ends before it is handled.
        session.listening.begin();
    }
    if !session.queue_cast(cast) {
        return;
    }
    let session = Arc::clone(session);
    let listening = Arc::clone(&session.listening);
    if listening.blocking {
        let workers = Arc::clone(&listening.workers);
        workers.submit(Box::new(move || {
            let code = listening.users_code();
            let blocking = code.as_ref().map(|code| code.blocking());
            run_casts(&session, blocking.as_ref().map(|(handler, _within)| *handler));
        }));
    } else {
        let runtime = listening.runtime.clone();
        runtime.spawn(async move {
            while let Some(cast) = session.next_cast() {
                if let Some((message, responder)) = begin_cast(&session, cast) {
                    let bytes = message.len();
                    match listening.users_code() {
                        Some(code) => code.call_async(message, responder).await,
                        None => responder.discard(),
                    }
                    end_cast(&session, bytes);
                }
            }
        });
    }
}

fn begin_cast(session: &Arc<Session>, cast: Cast) -> Option<(Message, Responder)> {
    match cast {
        Cast::Ack(id) => {
            session.ack(id, Duration::ZERO);
            session.answered_question();
            None
        }
        Cast::Message { message, ack } => {
            session.begin_ack(ack);
            session.listening.count_message();
            Some((message, Responder::to_session(Arc::clone(session), CallId::NONE, 0, Mode::Broadcast)))
        }
    }
}

fn end_cast(session: &Session, bytes: usize) {
    session.end_ack(Duration::ZERO);
    session.release_bytes(bytes);
    session.listening.end();
}

/// Ends a session whose client broke the protocol: tells it so, and gives it a moment to read that
/// before the connection goes.
pub(in crate::server) async fn dismiss(session: Arc<Session>, violation: Violation) {
    let _driving = Driving(Some(Arc::clone(&session)));
    count(&session.listening.tally.malformed);
    session.transmit_last(violation.kind(), &violation.told_by_listener());
    if let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) {
        let mut scrap = vec![0; 16 << 10];
        let mut left = FAREWELL_BYTES;
        let _slow_peers_are_not_waited_for = timeout(FAREWELL, async {
            send_the_rest(&fd, &session).await;
            let _gone_already = session.socket.shutdown_write();
            while let Ok(mut guard) = fd.readable().await {
                match session.socket.recv(&mut scrap, Wait::No) {
                    Ok(0) => break,
                    Ok(count) if count < left => left -= count,
                    Ok(_) => break,
                    Err(error) if would_block(&error) => guard.clear_ready(),
                    Err(error) if interrupted(&error) => {}
                    Err(_) => break,
                }
            }
        })
        .await;
    }
}

/// Completes when everything is with the kernel that was to be sent, also by other threads.
async fn send_the_rest(fd: &AsyncStream, session: &Session) {
    while let Ok(sent) = session.send_queue.flush(&session.socket, Duration::ZERO) {
        if sent == Sent::Waiting {
            let Ok(mut guard) = fd.writable().await else { return };
            if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                guard.clear_ready();
            }
        } else if session.send_queue.is_empty() {
            return;
        } else {
            // A thread is in the middle of a send, and does not say when it has ended.
            sleep(SENDING).await;
        }
    }
}
