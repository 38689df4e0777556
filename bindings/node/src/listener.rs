//! Listeners of JavaScript's: its handlers, and what it publishes.

use std::sync::{Arc, Mutex, Weak};

use napi::Env;
use simple_ipc::{Channel, Listener, Message, Mode, Options, Responder, Result};
use tokio::sync::{mpsc, oneshot};

use crate::call::Call;
use crate::event::{Event, Outcome};
use crate::hub::Hub;
use crate::lock;
use crate::on_loop::{OnLoop, Turned};
use crate::open::{Listening, Unpublished};
use crate::os::own_loop;
use crate::running::{Held, Running, Watch};

/// Publishes an event after those that were called before. Where nobody blocks it is published when this returns.
pub(crate) fn publish(
    hub: &Arc<Hub>,
    id: u32,
    listening: Arc<Listening>,
    topic: String,
    message: Message,
) -> Result<Option<Result<Outcome>>> {
    let unpublished = Unpublished::of(listening, &message)?;
    Ok(Call::start(hub, id, async move {
        let Listening { listener, order, .. } = &*unpublished.listening;
        let _turn = order.lock().await;
        listener.publish_message(&topic, &message).await.map(Outcome::Subscribers)
    }))
}

/// Listens, with a handler that hands each message to JavaScript and waits until it is settled. Requests come on the environment's
/// own loop, where that can be had.
pub(crate) fn listen(
    hub: &Arc<Hub>,
    env: &Env,
    id: u32,
    channel: &Channel,
    mode: Mode,
    options: &Options,
) -> Result<(Listener, Option<OnLoop>)> {
    if mode == Mode::Publish {
        let serving = Listener::serve_publish(channel, options);
        return hub.runtime.block_on(serving).map(|listener| (listener, None));
    }
    if mode == Mode::Request
        && let Some(made) = listen_on_loop(hub, env, id, channel, options)?
    {
        return Ok(made);
    }
    let handler = {
        let hub = Arc::clone(hub);
        move |message, responder| handle(Arc::clone(&hub), id, message, responder)
    };
    // It does not wait: only the runtime has to be there.
    hub.runtime.block_on(Listener::serve(channel, mode, options, handler)).map(|listener| (listener, None))
}

/// Listens on the environment's loop; `None` where that cannot be had.
fn listen_on_loop(
    hub: &Arc<Hub>,
    env: &Env,
    id: u32,
    channel: &Channel,
    options: &Options,
) -> Result<Option<(Listener, Option<OnLoop>)>> {
    let Some(receiver) = hub.receiver().filter(|_| own_loop::can_be_had(env)) else { return Ok(None) };
    let events = Arc::<Mutex<Vec<Event>>>::default();
    // Nothing is sent: it ends with the handler, which the closed listener drops, and with the last message.
    let (runs, at_work) = mpsc::channel(1);
    let handler = {
        let (hub, events) = (Arc::downgrade(hub), Arc::clone(&events));
        move |message: &Message, responder: Responder| {
            let Some(hub) = hub.upgrade() else { return };
            let (message_id, peer) = (hub.next_id(), responder.peer());
            hub.begin(message_id, Running::new(responder, Held::ByLoop { _runs: runs.clone() }));
            let message = message.clone();
            lock(&events).push(Event::Message { listener: id, id: message_id, message, peer, _room: None });
        }
    };
    // It does not wait: only the runtime has to be there.
    let serving = Listener::serve_on_own_loop(channel, Mode::Request, options, handler);
    let (listener, inbox) = hub.runtime.block_on(serving)?;
    let turned: Weak<dyn Turned> = Arc::downgrade(&(Arc::clone(hub) as Arc<dyn Turned>));
    // Where a loop that can be had does not watch it, that is a defect, or want of memory: the channel is free again when these are dropped.
    Ok(OnLoop::watch(env, receiver, turned, inbox, events, at_work).map(|on_loop| (listener, Some(on_loop))))
}

async fn handle(hub: Arc<Hub>, listener: u32, message: Message, responder: Responder) {
    let room = hub.room_for(message.len()).await;
    let id = hub.next_id();
    let peer = responder.peer();
    let (settled, is_settled) = oneshot::channel();
    hub.begin(id, Running::new(responder, Held::ByTask { _settled: settled }));
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
    let cancelled = running.cancelled();
    let weak = Arc::downgrade(hub);
    let task = hub.runtime.spawn(async move {
        cancelled.await;
        if let Some(hub) = weak.upgrade() {
            hub.push(Event::Cancelled { id });
        }
    });
    running.watch = Some(Watch(task.abort_handle()));
}
