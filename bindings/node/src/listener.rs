//! Listeners, and the messages that JavaScript's handlers have.

use std::sync::Arc;

use simple_ipc::{Channel, HandlerResult, Listener, Message, Mode, Options, Responder, Result};
use tokio::sync::oneshot;

use crate::hub::{Event, Hub};

/// A message that JavaScript has not settled yet.
///
/// Its session holds the message's bytes until `settled` goes: that is what makes a slow handler's peer wait.
pub(crate) enum Running {
    /// It is answered from JavaScript's thread.
    Direct { responder: Responder, settled: oneshot::Sender<()> },
    /// JavaScript wants to know when nobody waits any more, so a task has the responder.
    Watched { answer: oneshot::Sender<HandlerResult<Message>> },
}

impl Running {
    /// Answers. That nobody is left to be told is no error of the handler's.
    pub(crate) fn answer(self, answer: HandlerResult<Message>) {
        match self {
            Running::Direct { responder, settled } => {
                respond(responder, answer);
                let _session_has_ended = settled.send(());
            }
            Running::Watched { answer: to } => {
                let _environment_has_ended = to.send(answer);
            }
        }
    }
}

fn respond(responder: Responder, answer: HandlerResult<Message>) {
    let _nobody_is_left_to_tell = match answer {
        Ok(reply) => responder.respond(&reply),
        Err(why) => responder.fail(&why.to_string()),
    };
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
    hub.begin(id, Running::Direct { responder, settled });
    hub.push(Event::Message { listener, id, message, peer, _room: room });
    let _or_the_environment_has_ended = is_settled.await;
}

/// Tells JavaScript when nobody waits for the answer to this message any more.
pub(crate) fn watch(hub: &Arc<Hub>, id: u32) {
    let (responder, settled) = match hub.settle(id) {
        Some(Running::Direct { responder, settled }) => (responder, settled),
        Some(watched) => return hub.begin(id, watched),
        None => return,
    };
    let (answer, mut answered) = oneshot::channel();
    hub.begin(id, Running::Watched { answer });
    let weak = Arc::downgrade(hub);
    hub.runtime.spawn(async move {
        let early = tokio::select! {
            answer = &mut answered => Some(answer),
            () = responder.cancelled() => None,
        };
        let answer = match early {
            Some(answer) => answer,
            None => {
                if let Some(hub) = weak.upgrade() {
                    hub.push(Event::Cancelled { id });
                }
                answered.await
            }
        };
        if let Ok(answer) = answer {
            respond(responder, answer);
        }
        let _session_has_ended = settled.send(());
    });
}
