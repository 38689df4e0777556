//! Listeners of requests on the environment's own loop: JavaScript's thread receives, calls the handlers and sends, and what has come
//! in a turn is one call into JavaScript, whose answers leave together.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use napi::Env;
use simple_ipc::{Channel, Error, ErrorKind, Inbox, Listener, Message, Mode, Options, Responder, Result};
use tokio::sync::{Mutex as FairMutex, mpsc};
use tokio::time::timeout;

use crate::convert::Batch;
use crate::event::Event;
use crate::hub::Hub;
use crate::lock;
use crate::open::Listening;
use crate::os::own_loop::{self, Readable, Watch};
use crate::running::{Held, Running};

/// How long after its listener has closed a handler may take to end, where the grace period is over.
const LETTING_GO: Duration = Duration::from_millis(250);

/// Ends when a listener has closed and no handler of it runs any more.
pub(crate) type AtWork = Arc<FairMutex<mpsc::Receiver<()>>>;

/// Closes a listener, and says so where one of its handlers on the loop still runs.
pub(crate) async fn close(listening: &Listening, at_work: Option<AtWork>) -> Result<()> {
    let (listener, began) = (&listening.listener, Instant::now());
    listener.close().await?;
    let Some(at_work) = at_work else { return Ok(()) };
    // One whose caller has left is not waited for by the listener itself.
    let left = listening.grace.saturating_sub(began.elapsed()).max(LETTING_GO);
    if timeout(left, async { at_work.lock().await.recv().await }).await.is_ok() {
        return Ok(());
    }
    let text = format!(
        "channel \"{}\" is closed, but a handler still runs after the grace period; what it holds is released when it returns",
        listener.channel()
    );
    Err(Error::new(ErrorKind::TimedOut, text))
}

/// What a listener on the loop has of it, until JavaScript lets go of it.
pub(crate) struct OnLoop {
    /// What the loop has come for: it holds no more than a weak hold on it.
    come: Arc<Come>,
    watch: Watch,
    /// Ends when no handler runs any more.
    at_work: AtWork,
}

impl OnLoop {
    /// What ends when the listener has closed and no handler of it runs any more.
    pub(crate) fn at_work(&self) -> AtWork {
        Arc::clone(&self.at_work)
    }

    /// Ends it. On JavaScript's thread.
    pub(crate) fn close(self, env: &Env) {
        self.watch.close(env);
        drop(self.come);
    }
}

/// The messages of one listener, as the loop takes them.
struct Come {
    hub: Weak<Hub>,
    inbox: Inbox,
    /// What the handler has put there in this turn. JavaScript's thread fills and empties it.
    events: Arc<Mutex<Vec<Event>>>,
}

impl Readable for Come {
    fn readable(&self) -> Option<Batch> {
        self.hub.upgrade()?.note_turn();
        self.inbox.hold();
        // In a forked child, where it is the parent's, there is nothing to take.
        let _run = self.inbox.run();
        let events = std::mem::take(&mut *lock(&self.events));
        if events.is_empty() {
            self.inbox.submit();
            return None;
        }
        Some(Batch(events))
    }

    fn called(&self) {
        self.inbox.submit();
    }
}

/// Listens on the environment's loop; `None` where that cannot be had.
pub(crate) fn listen(
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
    let descriptor = inbox.raw_waitable();
    let come = Arc::new(Come { hub: Arc::downgrade(hub), inbox, events });
    let source: Arc<dyn Readable> = Arc::clone(&come) as _;
    let watch =
        descriptor.and_then(|number| own_loop::watch(env, number, receiver, Arc::downgrade(&source)).ok().flatten());
    match watch {
        Some(watch) => Ok(Some((listener, Some(OnLoop { come, watch, at_work: Arc::new(FairMutex::new(at_work)) })))),
        // Of a loop that can be had this is a defect, or want of memory: the channel is free again when these are dropped.
        None => Ok(None),
    }
}
