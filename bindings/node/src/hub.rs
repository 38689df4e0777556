//! What one JavaScript environment has open, and the queue of what is ready for it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use simple_ipc::{Listener, Message, Peer, Result, background};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::{Call, Outcome};
use crate::convert::Batch;
use crate::listener::Running;
use crate::lock;

/// The bytes of messages, over all listeners, that may be in the queue at once. What is beyond waits in its session.
const QUEUE_BYTES: u32 = 16 << 20;
/// What a message counts besides its body.
const OVERHEAD: u32 = 256;
/// How many events JavaScript takes at once.
const TURN_EVENTS: usize = 256;
/// How many bytes of bodies it takes at once, and one body.
const TURN_BYTES: usize = 1 << 20;
/// When its loop has not turned for so long, JavaScript gets no more before it has, so that timers and other sockets
/// have their turn: a threadsafe function that is called again and again gets a thousand calls before that, and a
/// program that awaits what has ended already goes on for ever.
const TURN_TIME: Duration = Duration::from_millis(2);

/// Something that JavaScript has to be told.
pub(crate) enum Event {
    Finished {
        call: u32,
        outcome: Result<Outcome>,
    },
    Message {
        listener: u32,
        id: u32,
        message: Message,
        peer: Peer,
        _room: Option<OwnedSemaphorePermit>,
    },
    Cancelled {
        id: u32,
    },
    /// JavaScript is to let its loop turn, and then to [`resume`](Hub::resume).
    Pause,
}

impl Event {
    fn len(&self) -> usize {
        match self {
            Event::Finished { outcome: Ok(Outcome::Message(message)), .. } | Event::Message { message, .. } => {
                message.len()
            }
            _ => 0,
        }
    }
}

/// The hubs of this process: one for each environment that has loaded the add-on.
static HUBS: Mutex<Vec<Weak<Hub>>> = Mutex::new(Vec::new());

/// What JavaScript is called with.
pub(crate) type Delivered = FnArgs<(Batch,)>;

type Deliver = ThreadsafeFunction<(), (), Delivered, Status, false, true>;

/// One JavaScript environment.
pub(crate) struct Hub {
    pub(crate) runtime: Handle,
    /// Gone when the environment is.
    deliver: Mutex<Option<Deliver>>,
    /// Whether JavaScript has been called and has not come yet, or will come by itself.
    called: AtomicBool,
    /// When its loop has last turned, as far as is known.
    turned: Mutex<Instant>,
    queue: Mutex<VecDeque<Event>>,
    room: Arc<Semaphore>,
    calls: Mutex<HashMap<u32, Arc<Call>>>,
    running: Mutex<HashMap<u32, Running>>,
    listeners: Mutex<HashMap<u32, Arc<Listener>>>,
    last_id: AtomicU32,
    ended: AtomicBool,
}

impl Hub {
    /// The hub of the environment that runs now; `deliver` gets the events, one flat array at a time.
    pub(crate) fn new(env: &Env, deliver: &Function<'_, Delivered, ()>) -> napi::Result<Arc<Hub>> {
        let runtime = background::calls().map_err(|error| napi::Error::from_reason(error.message()))?;
        let hub = Arc::new(Hub {
            runtime,
            deliver: Mutex::new(None),
            called: AtomicBool::new(false),
            turned: Mutex::new(Instant::now()),
            queue: Mutex::default(),
            room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)),
            calls: Mutex::default(),
            running: Mutex::default(),
            listeners: Mutex::default(),
            last_id: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&hub);
        let function = deliver.build_threadsafe_function::<()>().weak::<true>().build_callback(move |_context| {
            let events = weak.upgrade().map_or_else(Vec::new, |hub| hub.turn());
            Ok(FnArgs::from((Batch(events),)))
        })?;
        *lock(&hub.deliver) = Some(function);
        let mut hubs = lock(&HUBS);
        hubs.retain(|hub| hub.strong_count() > 0);
        hubs.push(Arc::downgrade(&hub));
        drop(hubs);
        env.add_env_cleanup_hook(Arc::downgrade(&hub), |hub| {
            if let Some(hub) = hub.upgrade() {
                hub.end();
            }
        })?;
        Ok(hub)
    }

    /// Whether what is open keeps the environment alive.
    #[expect(deprecated, reason = "the environment is kept alive by what is open, not by the function's owners")]
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> napi::Result<()> {
        match &mut *lock(&self.deliver) {
            Some(deliver) if alive => deliver.refer(env),
            Some(deliver) => deliver.unref(env),
            None => Ok(()),
        }
    }

    /// A number for a listener or a message; used again after four thousand million others.
    pub(crate) fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn remember(&self, id: u32, call: &Arc<Call>) {
        lock(&self.calls).insert(id, Arc::clone(call));
    }

    pub(crate) fn forget(&self, id: u32) {
        lock(&self.calls).remove(&id);
    }

    pub(crate) fn cancel(&self, id: u32) {
        let call = lock(&self.calls).remove(&id);
        if let Some(call) = call {
            call.cancel();
        }
    }

    pub(crate) fn finished(&self, call: u32, outcome: Result<Outcome>) {
        self.push(Event::Finished { call, outcome });
    }

    /// Waits until the queue has room for a message of this many bytes; a large one has it to itself.
    pub(crate) async fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(QUEUE_BYTES).saturating_add(OVERHEAD).min(QUEUE_BYTES);
        Arc::clone(&self.room).acquire_many_owned(bytes).await.ok()
    }

    /// Tells JavaScript; it is called only if it is not on its way already.
    pub(crate) fn push(&self, event: Event) {
        if self.has_ended() {
            return;
        }
        lock(&self.queue).push_back(event);
        self.call_javascript();
    }

    fn call_javascript(&self) {
        if !self.called.swap(true, Ordering::SeqCst)
            && let Some(deliver) = &*lock(&self.deliver)
        {
            deliver.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// What JavaScript gets when it was called.
    fn turn(&self) -> Vec<Event> {
        let mut events = self.take();
        if events.len() >= TURN_EVENTS || self.is_to_turn() || !self.wait_for_a_call() {
            events.push(Event::Pause);
        }
        events
    }

    /// What JavaScript gets after its loop has turned: it comes again after every turn until nothing is left.
    pub(crate) fn resume(&self) -> Batch {
        *lock(&self.turned) = Instant::now();
        let mut events = self.take();
        if !events.is_empty() || !self.wait_for_a_call() {
            events.push(Event::Pause);
        }
        Batch(events)
    }

    /// Whether JavaScript's loop is to turn before it gets more.
    pub(crate) fn is_to_turn(&self) -> bool {
        lock(&self.turned).elapsed() >= TURN_TIME
    }

    /// As much of the queue as JavaScript takes at once.
    fn take(&self) -> Vec<Event> {
        let mut queue = lock(&self.queue);
        let (mut count, mut bytes) = (0, 0);
        while count < queue.len().min(TURN_EVENTS) && bytes < TURN_BYTES {
            bytes += queue[count].len();
            count += 1;
        }
        queue.drain(..count).collect()
    }

    /// From now on JavaScript is called when something is there, unless something is there already.
    fn wait_for_a_call(&self) -> bool {
        let queue = lock(&self.queue);
        if queue.is_empty() {
            self.called.store(false, Ordering::SeqCst);
        }
        queue.is_empty()
    }

    pub(crate) fn begin(&self, id: u32, running: Running) {
        lock(&self.running).insert(id, running);
        if self.has_ended() {
            self.settle(id);
        }
    }

    /// The running handler of a message, taken out: whoever has it answers.
    pub(crate) fn settle(&self, id: u32) -> Option<Running> {
        lock(&self.running).remove(&id)
    }

    pub(crate) fn add_listener(&self, id: u32, listener: Listener) {
        lock(&self.listeners).insert(id, Arc::new(listener));
    }

    pub(crate) fn listener(&self, id: u32) -> Option<Arc<Listener>> {
        lock(&self.listeners).get(&id).cloned()
    }

    pub(crate) fn take_listener(&self, id: u32) -> Option<Arc<Listener>> {
        lock(&self.listeners).remove(&id)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The process ends: workers' environments end with it, and not every runtime tells them.
    pub(crate) fn end_all() {
        let hubs = lock(&HUBS).clone();
        for hub in hubs.iter().filter_map(Weak::upgrade) {
            hub.end();
        }
    }

    /// The environment ends: listeners close, calls are cancelled, and nothing calls JavaScript any more.
    pub(crate) fn end(&self) {
        if self.ended.swap(true, Ordering::SeqCst) {
            return;
        }
        let _on_the_runtime = self.runtime.enter();
        drop(lock(&self.deliver).take());
        self.room.close();
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        drop(listeners);
        let calls = std::mem::take(&mut *lock(&self.calls));
        for call in calls.into_values() {
            call.cancel();
        }
        let running = std::mem::take(&mut *lock(&self.running));
        drop(running);
        let queue = std::mem::take(&mut *lock(&self.queue));
        drop(queue);
    }
}
