//! A message that JavaScript's handler has.

use std::sync::Arc;

use simple_ipc::{HandlerFailure, Items, Message, Mode, ReplyStream, Responder, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

/// A message that JavaScript has not settled yet.
///
/// Where a task of the library has brought it, the message's session holds its bytes until that is told: that is what makes a slow
/// handler's peer wait. On the environment's own loop there is no task, and the session counts what is in flight.
pub(crate) struct Running {
    answer: Answer,
    _held: Held,
    pub(crate) watch: Option<Watch>,
}

/// What goes when the message is settled.
pub(crate) enum Held {
    /// What a task of the library waits for.
    ByTask { _settled: oneshot::Sender<()> },
    /// What tells a listener on the loop that a handler still runs: there is one for each.
    ByLoop { _runs: mpsc::Sender<()> },
}

/// What is owed to the caller.
enum Answer {
    /// One answer, or a sequence that has not begun.
    Once(Responder),
    /// The rest of a sequence. A call that sends an item shares it until that has ended.
    Sequence(Arc<ReplyStream>),
}

impl Running {
    pub(crate) fn new(responder: Responder, held: Held) -> Running {
        Running { answer: Answer::Once(responder), _held: held, watch: None }
    }

    /// Answers from now on with a sequence. Where the caller wants one answer it is told so.
    pub(crate) fn into_sequence(self) -> Result<Running> {
        let Running { answer, _held, watch } = self;
        let answer = match answer {
            Answer::Once(responder) => Answer::Sequence(Arc::new(responder.stream()?)),
            sequence @ Answer::Sequence(_) => sequence,
        };
        Ok(Running { answer, _held, watch })
    }

    /// The sequence, where the answer has become one.
    pub(crate) fn sequence(&self) -> Option<Arc<ReplyStream>> {
        match &self.answer {
            Answer::Once(_) => None,
            Answer::Sequence(sequence) => Some(Arc::clone(sequence)),
        }
    }

    /// The caller's items.
    pub(crate) fn items(&self) -> Items {
        match &self.answer {
            Answer::Once(responder) => responder.items(),
            Answer::Sequence(sequence) => sequence.items(),
        }
    }

    /// Completes when nobody waits for the answer any more.
    pub(crate) fn cancelled(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        match &self.answer {
            Answer::Once(responder) => Box::pin(responder.cancelled()),
            Answer::Sequence(sequence) => Box::pin(sequence.cancelled()),
        }
    }

    /// Answers. That nobody is left to be told is no error of the handler's.
    pub(crate) fn respond(self, reply: &Message) {
        if let Answer::Once(responder) = self.answer {
            let _nobody_is_left_to_tell = responder.respond(reply);
        }
    }

    /// Ends the sequence after its last item.
    pub(crate) fn end(self) {
        if let Answer::Sequence(sequence) = self.answer {
            let _nobody_is_left_to_tell = sequence.end();
        }
    }

    /// Says that the handler failed, and tells whether somebody hears of it.
    pub(crate) fn fail(self, failure: HandlerFailure) -> bool {
        let (is_request, told) = match self.answer {
            Answer::Once(responder) => (responder.mode() == Mode::Request, responder.fail_with(failure).is_ok()),
            Answer::Sequence(sequence) => (true, sequence.fail_with(failure).is_ok()),
        };
        is_request && told
    }
}

/// The task that waits until nobody waits for an answer any more; it ends with the handler.
pub(crate) struct Watch(pub(crate) AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
