//! Listeners, and the messages that JavaScript's handlers have.

use std::sync::Arc;

use simple_ipc::{Channel, HandlerFailure, Listener, Message, Mode, Options, Responder, Result};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::hub::{Event, Hub};
use crate::lock;

/// A message that JavaScript has not settled yet.
///
/// Its session holds the message's bytes until `settled` goes: that is what makes a slow handler's peer wait.
pub(crate) struct Running {
    responder: Responder,
    settled: oneshot::Sender<()>,
    watch: Option<Watch>,
}

impl Running {
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
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens, with a handler that hands each message to JavaScript and waits until it is settled.
pub(crate) fn listen(hub: &Arc<Hub>, id: u32, channel: &Channel, mode: Mode, options: &Options) -> Result<Listener> {
    let handler = {
        let hub = Arc::clone(hub);
        move |message, responder| handle(Arc::clone(&hub), id, message, responder)
    };
    // It does not wait: only the runtime has to be there.
    hub.runtime.block_on(Listener::serve(channel, mode, options, handler))
}

async fn handle(hub: Arc<Hub>, listener: u32, message: Message, responder: Responder) {
    let room = hub.room_for(message.len()).await;
    let id = hub.next_id();
    let peer = responder.peer();
    let (settled, is_settled) = oneshot::channel();
    hub.begin(id, Running { responder, settled, watch: None });
    hub.push(Event::Message { listener, id, message, peer, _room: room });
    let _or_the_environment_has_ended = is_settled.await;
}

/// Has JavaScript told when nobody waits for the answer to this message any more.
pub(crate) fn watch(hub: &Arc<Hub>, id: u32) {
    let mut running = lock(&hub.running);
    let Some(running) = running.get_mut(&id) else { return };
    if running.watch.is_some() {
        return;
    }
    let cancelled = running.responder.cancelled();
    let weak = Arc::downgrade(hub);
    let task = hub.runtime.spawn(async move {
        cancelled.await;
        if let Some(hub) = weak.upgrade() {
            hub.push(Event::Cancelled { id });
        }
    });
    running.watch = Some(Watch(task.abort_handle()));
}
