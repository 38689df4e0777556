//! A message that JavaScript's handler has.

use simple_ipc::{HandlerFailure, Message, Mode, Responder};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// A message that JavaScript has not settled yet.
///
/// Its session holds the message's bytes until `settled` goes: that is what makes a slow handler's peer wait.
pub(crate) struct Running {
    pub(crate) responder: Responder,
    settled: oneshot::Sender<()>,
    pub(crate) watch: Option<Watch>,
}

impl Running {
    pub(crate) fn new(responder: Responder, settled: oneshot::Sender<()>) -> Running {
        Running { responder, settled, watch: None }
    }

    /// Answers. That nobody is left to be told is no error of the handler's.
    pub(crate) fn respond(self, reply: &Message) {
        let _nobody_is_left_to_tell = self.responder.respond(reply);
        let _session_has_ended = self.settled.send(());
    }

    /// Says that the handler failed, and tells whether somebody hears of it.
    pub(crate) fn fail(self, failure: HandlerFailure) -> bool {
        let is_request = self.responder.mode() == Mode::Request;
        let told = self.responder.fail_with(failure);
        let _session_has_ended = self.settled.send(());
        is_request && told.is_ok()
    }
}

/// The task that waits until nobody waits for an answer any more; it ends with the handler.
pub(crate) struct Watch(pub(crate) AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
