//! How messages come to the handler, on other threads than the driver's: requests beside each other, broadcasts in order.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Session;
pub(crate) use super::calls::InOrder;
use super::stream;
use crate::message::Message;
use crate::os::fork;
use crate::server::call_id::CallId;
use crate::server::handler::{BlockingHandler, call_blocking};
use crate::server::responder::Responder;
use crate::server::stream::OpenStream;

/// A handler that takes longer than this has its answer sent at once.
const SLOW_HANDLER: Duration = Duration::from_micros(20);

/// Hands over a request that was taken.
pub(crate) fn hand_over_request(session: &Arc<Session>, message: Message, responder: Responder) {
    let shared = Arc::clone(&session.shared);
    shared.count_message();
    if shared.blocking && !session.exclusive {
        return session.queue_request(message, responder);
    }
    let session = Arc::clone(session);
    let bytes = message.len();
    if session.exclusive {
        session.hold_bytes(bytes);
    }
    shared.hand_over(message, responder, || {}, move || session.release_bytes(bytes));
}

/// A stream that was taken in, on its way to the handler.
pub(crate) struct Opening {
    message: Message,
    responder: Responder,
    open: Arc<OpenStream>,
}

impl Opening {
    pub(crate) fn new(session: &Arc<Session>, call: CallId, message: Message, deadline: Option<Instant>) -> Opening {
        let (open, caller) = stream::open(session, call);
        session.shared.count_message();
        session.hold_bytes(message.len());
        Opening { message, responder: Responder::new(caller, call, deadline), open }
    }

    pub(crate) fn open(&self) -> Arc<OpenStream> {
        Arc::clone(&self.open)
    }
}

/// Tells the caller that its handler begins. Of a bridge's listener the handler that counts is on another machine: its stream is
/// accepted when the bridge begins to use it.
fn accept(session: &Session, open: &OpenStream) {
    if !session.shared.options.bridge {
        open.accept();
    }
}

/// Hands over a stream: to a thread, or to a task, which lets go of what an asynchronous handler does with it when its caller
/// has left.
pub(crate) fn hand_over_stream(session: Arc<Session>, opening: Opening) {
    let shared = Arc::clone(&session.shared);
    if shared.blocking {
        return shared.threads.submit(Box::new(move || run_stream(session, opening)));
    }
    shared.runtime.clone().spawn(async move {
        let Opening { message, responder, open } = opening;
        let bytes = message.len();
        accept(&session, &open);
        tokio::select! {
            biased;
            () = poll_fn(|context| open.poll_abandoned(context)) => {}
            () = shared.call_async(message, responder) => {}
        }
        session.release_bytes(bytes);
    });
}

/// Takes a stream to the handler in the calling thread.
pub(crate) fn run_stream(session: Arc<Session>, opening: Opening) {
    let born = fork::generation();
    let Opening { message, responder, open } = opening;
    accept(&session, &open);
    session.shared.call_blocking(&message, responder);
    if born != fork::generation() {
        // A handler forked and came back in the child: nothing here is the child's.
        std::mem::forget((session, open));
        return;
    }
    session.release_bytes(message.len());
}

/// Sees to it that threads take the requests that wait to the handler: one, which is enough while
/// handlers are quick, and more where they are `stuck`.
pub(crate) fn run_requests(session: &Arc<Session>, stuck: bool) {
    for _ in 0..session.want_runners(stuck) {
        let session = Arc::clone(session);
        let threads = Arc::clone(&session.shared.threads);
        threads.submit(Box::new(move || run_queued(&session)));
    }
}

/// Takes the requests that wait to the handler, in the calling thread.
fn run_queued(session: &Arc<Session>) {
    let mut left = session.shared.threads.turn();
    let mut began = Instant::now();
    let mut done = 0;
    let code = session.shared.users_code();
    let blocking = code.as_ref().map(|code| code.blocking());
    while let Some((message, responder)) = session.next_request(done) {
        match &blocking {
            Some((handler, _)) if !session.shared.has_closed() => call_blocking(*handler, &message, responder),
            _ => responder.discard(),
        }
        done = message.len();
        left -= 1;
        if left == 0 {
            session.release_bytes(done);
            session.send_gathered();
            return run_others_first(session, run_queued);
        }
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

/// Goes on with the messages of a session when others of its listener have had their turn.
#[cold]
fn run_others_first(session: &Arc<Session>, go_on: fn(&Arc<Session>)) {
    let session = Arc::clone(session);
    let threads = Arc::clone(&session.shared.threads);
    threads.submit(Box::new(move || go_on(&session)));
}

/// Takes the broadcasts that wait to the handler, in the calling thread.
pub(crate) fn run_in_order(session: &Arc<Session>, handler: Option<&BlockingHandler>) {
    let mut left = session.shared.threads.turn();
    while let Some(next) = session.next_in_order() {
        if let Some((message, responder)) = begin_broadcast(session, next) {
            match handler {
                Some(handler) if !session.shared.has_closed() => call_blocking(handler, &message, responder),
                _ => responder.discard(),
            }
            end_broadcast(session, message.len());
            left -= 1;
            if left == 0 {
                return run_others_first(session, run_queued_in_order);
            }
        }
    }
}

/// Queues what is handed over in order, and sees to it that somebody hands it over.
pub(crate) fn hand_over_in_order(session: &Arc<Session>, next: InOrder) {
    if matches!(next, InOrder::Broadcast { .. }) {
        // It is waited for even if its session ends before it is handled.
        session.shared.begin();
    }
    if !session.queue_in_order(next) {
        return;
    }
    let session = Arc::clone(session);
    let shared = Arc::clone(&session.shared);
    if shared.blocking {
        let threads = Arc::clone(&shared.threads);
        threads.submit(Box::new(move || run_queued_in_order(&session)));
    } else {
        let runtime = shared.runtime.clone();
        runtime.spawn(async move {
            while let Some(next) = session.next_in_order() {
                if let Some((message, responder)) = begin_broadcast(&session, next) {
                    let bytes = message.len();
                    shared.call_async(message, responder).await;
                    end_broadcast(&session, bytes);
                }
            }
        });
    }
}

/// The same as [`run_in_order`], for a thread that is not with the handler yet.
fn run_queued_in_order(session: &Arc<Session>) {
    let code = session.shared.users_code();
    let blocking = code.as_ref().map(|code| code.blocking());
    run_in_order(session, blocking.as_ref().map(|(handler, _within)| *handler));
}

fn begin_broadcast(session: &Arc<Session>, next: InOrder) -> Option<(Message, Responder)> {
    match next {
        InOrder::Question(id) => {
            session.ack(id, Duration::ZERO);
            session.answered_question();
            None
        }
        InOrder::Broadcast { message, ack } => {
            session.begin_ack(ack);
            session.shared.count_message();
            Some((message, Responder::new(Arc::clone(session) as _, CallId::NONE, None)))
        }
    }
}

fn end_broadcast(session: &Session, bytes: usize) {
    session.end_ack(Duration::ZERO);
    session.release_bytes(bytes);
    session.shared.end();
}
