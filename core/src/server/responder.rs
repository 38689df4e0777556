//! The right, and the duty, to answer one message exactly once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use super::error_frame::ErrorFrame;
use crate::counters::count;
use crate::error::{Error, ErrorKind, HandlerResult, Result};
use crate::failure::HandlerFailure;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::peer::Peer;
use crate::server::call_id::CallId;
use crate::server::listening::Listening;
use crate::server::session::Session;
use crate::server::single::connection::{Caller, InFlight};

/// Answers one message: at once or later, from any thread, exactly once.
///
/// A responder that is dropped unanswered tells the caller that the handler failed. For a broadcast
/// there is nobody to answer, and answering does nothing.
#[derive(Debug)]
pub struct Responder {
    to: Option<To>,
    deadline: Option<Instant>,
    mode: Mode,
}

/// Where an answer goes.
#[derive(Debug)]
enum To {
    Session {
        session: Arc<Session>,
        call: CallId,
    },
    /// A request's answer goes to whoever waits for it; until then it is in flight.
    Caller {
        caller: Arc<Caller>,
        answer: Option<(oneshot::Sender<Answer>, Arc<InFlight>)>,
    },
}

impl To {
    fn peer(&self) -> Peer {
        match self {
            To::Session { session, .. } => session.peer(),
            To::Caller { caller, .. } => caller.peer,
        }
    }

    fn listening(&self) -> &Arc<Listening> {
        match self {
            To::Session { session, .. } => &session.listening,
            To::Caller { caller, .. } => &caller.listening,
        }
    }

    fn is_cancelled(&self, mode: Mode) -> bool {
        if self.listening().has_closed() {
            return true;
        }
        match self {
            To::Session { session, call } => session.is_cancelled(*call, mode),
            To::Caller { caller, .. } => {
                caller.gone.load(Ordering::Relaxed) || (mode == Mode::Request && caller.socket.hung_up())
            }
        }
    }

    /// Whether the thread that reads the session is with the handler, so that nobody notes what comes.
    fn is_with_its_reader(&self) -> bool {
        matches!(self, To::Session { session, call } if session.is_with_its_reader(*call))
    }

    /// Completes when it is time to look again, on whatever runtime it is awaited, or on none.
    async fn look_again(&self) {
        let pause = {
            let _timer = self.listening().runtime.enter();
            sleep(LOOK)
        };
        pause.await;
    }

    fn went(&self) -> &Notify {
        match self {
            To::Session { session, .. } => session.cancellations(),
            To::Caller { caller, .. } => &caller.went,
        }
    }

    fn without_answer(&self) -> To {
        match self {
            To::Session { session, call } => To::Session { session: Arc::clone(session), call: *call },
            To::Caller { caller, .. } => To::Caller { caller: Arc::clone(caller), answer: None },
        }
    }
}

/// How often a session is looked at whose reading thread is with the handler.
const LOOK: Duration = Duration::from_millis(20);

/// A reply, or the text of a failure.
pub(crate) type Answer = std::result::Result<Message, String>;

impl Responder {
    pub(super) fn to_session(session: Arc<Session>, call: CallId, timeout_ms: u32, mode: Mode) -> Responder {
        let deadline = (timeout_ms != 0).then(|| Instant::now() + Duration::from_millis(timeout_ms.into()));
        Responder::until(session, call, deadline, mode)
    }

    pub(super) fn until(session: Arc<Session>, call: CallId, deadline: Option<Instant>, mode: Mode) -> Responder {
        Responder { to: Some(To::Session { session, call }), deadline, mode }
    }

    pub(super) fn to_caller(
        caller: Arc<Caller>,
        answer: Option<(oneshot::Sender<Answer>, Arc<InFlight>)>,
        mode: Mode,
    ) -> Responder {
        Responder { to: Some(To::Caller { caller, answer }), deadline: None, mode }
    }

    /// Sends the reply. For a broadcast it does nothing.
    ///
    /// Fails with [`ErrorKind::TooLarge`] where the caller takes no message of that size (it is told
    /// so), with [`ErrorKind::Cancelled`] where the caller no longer wants the answer, and with
    /// [`ErrorKind::ConnectionLost`] where it has gone.
    pub fn respond<'a>(self, reply: impl Into<MessageRef<'a>>) -> Result<()> {
        self.respond_within(reply.into(), patience())
    }

    /// Tells the caller that the handler failed, and why, in one line.
    ///
    /// Fails where the caller cannot be told: with [`ErrorKind::Cancelled`] or [`ErrorKind::ConnectionLost`] where
    /// it gave up or has gone, and with [`ErrorKind::NoReply`] where its wire carries no error text (Deno wire, plain
    /// text). For a broadcast there is nobody to tell, and it succeeds. In all these cases
    /// [`Options::on_handler_failure`](crate::Options::on_handler_failure) is told.
    pub fn fail(mut self, text: &str) -> Result<()> {
        self.answer_failure(ErrorFrame::of_text(ErrorKind::HandlerFailed, text), patience())
    }

    /// Tells the caller that the handler failed, with a code and data that it can act on.
    ///
    /// Errors, and broadcasts, as [`fail`](Responder::fail).
    pub fn fail_with(mut self, failure: HandlerFailure) -> Result<()> {
        self.answer_failure(ErrorFrame::of_failure(&failure), patience())
    }

    /// Tells the caller that its body cannot be read, and why: it gets [`ErrorKind::InvalidBody`].
    ///
    /// For a broadcast that is instead of the acknowledgement, if the handler says so before it has returned (and
    /// within 50 ms); later, it is told about the session.
    pub fn reject(mut self, text: &str) -> Result<()> {
        self.answer_failure(ErrorFrame::of_text(ErrorKind::InvalidBody, text), Duration::ZERO)
    }

    /// Who sent the message.
    pub fn peer(&self) -> Peer {
        self.to().peer()
    }

    /// Whether the message is a request or a broadcast.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the caller has cancelled the request or has gone, or the listener has closed and cut it off: nobody
    /// waits for the answer.
    pub fn is_cancelled(&self) -> bool {
        self.to().is_cancelled(self.mode)
    }

    /// Completes when nobody waits for the answer any more. Cancelling it changes nothing.
    ///
    /// The future is apart from the responder: it may complete, too, once the responder is used up.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let (to, mode) = (self.to().without_answer(), self.mode);
        async move {
            loop {
                let changed = to.went().notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if to.is_cancelled(mode) {
                    return;
                }
                tokio::select! {
                    () = changed => {}
                    () = to.look_again(), if to.is_with_its_reader() => {}
                    () = to.listening().until_closed() => {}
                }
            }
        }
    }

    /// How much longer the caller waits, if it said so. Zero when its time is over.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Answers with what a typed handler returned.
    pub(crate) fn finish<A: Serialize>(mut self, result: HandlerResult<A>) -> Result<()> {
        let patience = patience();
        match result {
            Ok(_) if self.mode == Mode::Broadcast => self.respond_within((&Message::null()).into(), patience),
            Ok(reply) => match Message::json(&reply) {
                Ok(reply) => self.respond_within((&reply).into(), patience),
                Err(error) => {
                    self.answer_failure(ErrorFrame::of_text(ErrorKind::HandlerFailed, error.message()), patience)
                }
            },
            Err(error) => match error.downcast_ref::<HandlerFailure>() {
                Some(failure) => self.answer_failure(ErrorFrame::of_failure(failure), patience),
                None => {
                    self.answer_failure(ErrorFrame::of_text(ErrorKind::HandlerFailed, &error.to_string()), patience)
                }
            },
        }
    }

    /// Lets go of a message that no handler gets any more: its listener has closed.
    pub(super) fn discard(mut self) {
        if let Some(To::Session { session, call }) = self.to.take()
            && self.mode == Mode::Request
        {
            let _ended_when_the_session_was_cut_off = session.still_wanted(call);
        }
    }

    fn respond_within(mut self, reply: MessageRef<'_>, patience: Duration) -> Result<()> {
        match self.to.take() {
            Some(To::Session { session, call }) if self.mode == Mode::Request => session.respond(call, reply, patience),
            Some(To::Caller { caller, answer: Some((answer, _in_flight)) }) => {
                let has_left = caller.gone.load(Ordering::Relaxed) || caller.socket.hung_up();
                if has_left || answer.send(Ok(reply.to_message())).is_err() {
                    return Err(gone());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn answer_failure(&mut self, said: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        let Some(to) = self.to.take() else { return Ok(()) };
        let (listening, peer) = (Arc::clone(to.listening()), to.peer());
        count(&listening.tally.failed);
        let told = match to {
            To::Session { session, call } if self.mode == Mode::Request => session.fail(call, said, patience),
            To::Session { session, .. } if said.kind == ErrorKind::InvalidBody => {
                session.refuse_broadcast(said, listening.runs_its_handler(), patience)
            }
            To::Caller { answer: Some((answer, _in_flight)), .. } => {
                answer.send(Err(said.text.to_owned())).map_err(|_| gone()).and(Err(no_text()))
            }
            To::Session { .. } | To::Caller { .. } => Ok(()),
        };
        if said.kind == ErrorKind::HandlerFailed && (told.is_err() || self.mode == Mode::Broadcast) {
            listening.report(said.kind, said.text, peer);
        }
        told
    }

    fn to(&self) -> &To {
        self.to.as_ref().expect("answering takes the responder")
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.to.is_none() {
            return;
        }
        let panicking = std::thread::panicking();
        if self.mode == Mode::Broadcast && !panicking {
            return;
        }
        let text = if panicking { "the handler panicked" } else { "the handler ended without an answer" };
        let _nobody_is_left_to_tell =
            self.answer_failure(ErrorFrame::of_text(ErrorKind::HandlerFailed, text), Duration::ZERO);
    }
}

/// How long the calling thread may wait for a slow peer: not at all where it is a runtime's.
fn patience() -> Duration {
    if tokio::runtime::Handle::try_current().is_ok() { Duration::ZERO } else { super::PATIENCE }
}

fn no_text() -> Error {
    let text = "cannot tell the caller why its request failed: its wire carries no error text; it gets no reply";
    Error::new(ErrorKind::NoReply, text)
}

fn gone() -> Error {
    Error::new(ErrorKind::ConnectionLost, "cannot answer: the caller has gone")
}
