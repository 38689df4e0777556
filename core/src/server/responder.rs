//! The right, and the duty, to answer one message.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::error::{Error, ErrorKind, HandlerResult, Result};
use crate::failure::HandlerFailure;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::peer::Peer;
use crate::server::call_id::CallId;
use crate::server::error_frame::ErrorFrame;
use crate::server::stream::{Items, OpenStream, ReplyStream};

/// How often a call is looked at whose end nobody notes.
const LOOK: Duration = Duration::from_millis(20);
/// How long a thread waits for a peer that is slow to take an answer before the runtime takes over.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Where answers to messages go: a session, or a connection with one message.
pub(crate) trait Recipient: fmt::Debug + Send + Sync {
    /// Who sent the messages.
    fn peer(&self) -> Peer;

    /// Answers a request. Waits as long as the calling thread [may](patience) for a peer that is slow to take it.
    fn reply(&self, call: CallId, reply: MessageRef<'_>) -> Result<()>;

    /// Tells of a failure, as far as it can be told: of a request's, or of a broadcast's, which has no [`CallId`].
    fn fail(&self, call: CallId, frame: ErrorFrame<'_>, patience: Duration) -> Result<()>;

    /// Lets go of a request that no handler gets any more.
    fn discard(&self, call: CallId);

    /// Whether nobody waits for an answer any more, or the listener has closed.
    fn is_cancelled(&self, call: CallId) -> bool;

    /// What tells that [`is_cancelled`](Recipient::is_cancelled) may say something else now.
    fn changes(&self, call: CallId) -> Changes<'_>;

    /// The stream that the caller has opened; `None` of any other message.
    fn stream(&self) -> Option<&Arc<OpenStream>> {
        None
    }
}

/// Where it is told that nobody waits any more.
pub(crate) struct Changes<'a> {
    /// Somebody has noted it.
    pub(crate) noted: &'a Notify,
    /// The listener has closed.
    pub(crate) closed: &'a Notify,
    /// The thread that reads is with the handler, so that nobody notes what comes: it is looked at now and then, by
    /// the clock of this runtime.
    pub(crate) unread: Option<&'a Handle>,
}

/// Answers one message: at once or later, from any thread, exactly once.
///
/// A responder that is dropped unanswered tells the caller that the handler failed. For a broadcast
/// there is nobody to answer, and answering does nothing.
#[derive(Debug)]
pub struct Responder {
    to: Option<Arc<dyn Recipient>>,
    /// The request; none for a broadcast.
    call: CallId,
    deadline: Option<Instant>,
}

impl Responder {
    /// Answers a call whose caller waits until the deadline.
    #[inline]
    pub(crate) fn new(to: Arc<dyn Recipient>, call: CallId, deadline: Option<Instant>) -> Responder {
        Responder { to: Some(to), call, deadline }
    }

    /// Sends the reply. For a broadcast it does nothing.
    ///
    /// Fails with [`ErrorKind::TooLarge`] where the caller takes no message of that size (it is told
    /// so), with [`ErrorKind::Cancelled`] where the caller no longer wants the answer, and with
    /// [`ErrorKind::ConnectionLost`] where it has gone.
    pub fn respond<'a>(self, reply: impl Into<MessageRef<'a>>) -> Result<()> {
        self.respond_within(reply.into())
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

    /// Passes on the error with which somebody else has answered the message: its kind, its text, what a handler gave with
    /// it, and whether the message may have been handled. For programs that stand between a caller and a listener elsewhere.
    ///
    /// For a broadcast that is instead of the acknowledgement, if the handler says so before it has returned (and, unless the
    /// listener has [`Options::bridge`](crate::Options::bridge), within 50 ms); later, and where the caller wants no
    /// acknowledgement, nobody is told. Errors as [`fail`](Responder::fail).
    pub fn refuse(mut self, error: &Error) -> Result<()> {
        self.answer_failure(ErrorFrame::of_error(error), patience())
    }

    /// Who sent the message.
    pub fn peer(&self) -> Peer {
        self.to().peer()
    }

    /// Whether the message is a request or a broadcast.
    pub fn mode(&self) -> Mode {
        if self.call == CallId::NONE { Mode::Broadcast } else { Mode::Request }
    }

    /// Whether the caller has cancelled the request or has gone, or the listener has closed and cut it off: nobody
    /// waits for the answer.
    pub fn is_cancelled(&self) -> bool {
        self.to().is_cancelled(self.call)
    }

    /// Completes when nobody waits for the answer any more. Cancelling it changes nothing.
    ///
    /// The future is apart from the responder: it may complete, too, once the responder is used up.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let (to, call) = (Arc::clone(self.to()), self.call);
        async move {
            loop {
                let Changes { noted, closed, unread } = to.changes(call);
                let (noted, closed) = (noted.notified(), closed.notified());
                tokio::pin!(noted, closed);
                noted.as_mut().enable();
                closed.as_mut().enable();
                if to.is_cancelled(call) {
                    return;
                }
                tokio::select! {
                    () = noted => {}
                    () = closed => {}
                    () = look_again(unread) => {}
                }
            }
        }
    }

    /// Whether the caller has opened a stream: it takes a sequence of items for its answer, and may send some itself.
    /// [`respond`](Responder::respond) gives it its one and last item.
    pub fn is_stream(&self) -> bool {
        self.to().stream().is_some()
    }

    /// The items that the caller sends after its opening; of a message that opens no stream there are none. May be taken more
    /// than once: they are the same, and each goes to one of those who take.
    pub fn items(&self) -> Items {
        let open = self.to().stream().cloned();
        if let Some(open) = &open {
            open.use_it();
        }
        Items::new(open)
    }

    /// Answers with a sequence.
    ///
    /// Where the caller has opened no stream it fails with [`ErrorKind::WrongMode`], and the caller gets that error, too.
    /// Where the caller has left meanwhile it succeeds, and sending fails.
    pub fn stream(mut self) -> Result<ReplyStream> {
        if let Some(open) = self.to().stream().cloned() {
            self.to = None;
            open.use_it();
            return Ok(ReplyStream::new(open));
        }
        let text = "the answer is a sequence of items; post a stream";
        let _the_handler_hears_more = self.answer_failure(ErrorFrame::of_text(ErrorKind::WrongMode, text), patience());
        Err(Error::new(ErrorKind::WrongMode, "cannot answer with a sequence: the caller has opened no stream"))
    }

    /// How much longer the caller waits, if it said so. Zero when its time is over.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The same right, whose answer goes by way of something else.
    pub(crate) fn by_way_of(mut self, way: impl FnOnce(Arc<dyn Recipient>) -> Arc<dyn Recipient>) -> Responder {
        Responder { to: self.to.take().map(way), call: self.call, deadline: self.deadline }
    }

    /// Answers with what a typed handler returned.
    pub(crate) fn finish<A: Serialize>(mut self, result: HandlerResult<A>) -> Result<()> {
        let patience = patience();
        match result {
            Ok(_) if self.call == CallId::NONE => self.respond_within((&Message::null()).into()),
            Ok(reply) => match Message::json(&reply) {
                Ok(reply) => self.respond_within((&reply).into()),
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
    pub(crate) fn discard(mut self) {
        if let Some(to) = self.to.take()
            && self.call != CallId::NONE
        {
            to.discard(self.call);
        }
    }

    fn respond_within(mut self, reply: MessageRef<'_>) -> Result<()> {
        match self.to.take() {
            Some(to) if self.call != CallId::NONE => to.reply(self.call, reply),
            _ => Ok(()),
        }
    }

    fn answer_failure(&mut self, frame: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        self.to.take().map_or(Ok(()), |to| to.fail(self.call, frame, patience))
    }

    fn to(&self) -> &Arc<dyn Recipient> {
        self.to.as_ref().expect("answering takes the responder")
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.to.is_none() {
            return;
        }
        let panicking = std::thread::panicking();
        if self.call == CallId::NONE && !panicking {
            return;
        }
        let text = if panicking { "the handler panicked" } else { "the handler ended without an answer" };
        let _nobody_is_left_to_tell =
            self.answer_failure(ErrorFrame::of_text(ErrorKind::HandlerFailed, text), Duration::ZERO);
    }
}

/// How long the calling thread may wait for a slow peer: not at all where it is a runtime's.
pub(crate) fn patience() -> Duration {
    if Handle::try_current().is_ok() { Duration::ZERO } else { PATIENCE }
}

/// Completes when it is time to look again, on whatever runtime it is awaited, or on none; without a clock never.
async fn look_again(clock: Option<&Handle>) {
    let Some(clock) = clock else { return std::future::pending().await };
    let pause = {
        let _timer = clock.enter();
        sleep(LOOK)
    };
    pause.await;
}
