//! What one JavaScript environment has open, and the queue of what is ready for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use napi::Env;
use napi::bindgen_prelude::{Function, Object};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Client, Counters, Error, ErrorKind, ItemStream, Result, Subscription, background};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::convert::Batch;
use crate::deliver::{Deliver, Delivered, Source};
use crate::event::{Event, Outcome};
use crate::lock;
use crate::loop_calls::LoopCalls;
use crate::on_loop::{AtWork, OnLoop, Turned};
use crate::open::{Connected, Listening, Streaming, Subscribed};
use crate::os::own_loop::{self, Readable, Receiver};
use crate::running::Running;

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

/// The hubs of this process, by number: one for each environment that has loaded the add-on and has not ended.
///
/// JavaScript has numbers and no objects: some runtimes take an environment's objects away while its timers still run.
static HUBS: RwLock<BTreeMap<u32, Arc<Hub>>> = RwLock::new(BTreeMap::new());
static LAST_HUB: AtomicU32 = AtomicU32::new(0);

/// The hub of this number.
pub(crate) fn hub(number: u32) -> Result<Arc<Hub>> {
    let hubs = HUBS.read().unwrap_or_else(PoisonError::into_inner);
    let hub = hubs.get(&number).filter(|hub| !hub.has_ended());
    hub.cloned().ok_or_else(ending)
}

/// The hub of this number, though its environment is ending.
pub(crate) fn open_or_ended(number: u32) -> Option<Arc<Hub>> {
    HUBS.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
}

/// Why nothing can be done in an environment that is ending.
pub(crate) fn ending() -> Error {
    Error::new(ErrorKind::Closed, "this process or worker is ending, and with it everything that it had open")
}

/// A call that the hub ends with its environment, or when JavaScript cancels it.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the call without an outcome, and tells whether it had none.
    fn cancel(&self) -> bool;
}

/// Who drives the calls of an environment's clients.
#[derive(Default)]
enum Driver {
    /// There is no client yet, or the environment has ended.
    #[default]
    Undecided,
    /// The library's runtime, on threads of its own.
    Runtime,
    /// The environment's event loop.
    OwnLoop(Box<LoopCalls>),
}

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
    calls: Mutex<HashMap<u32, Arc<dyn Cancel>>>,
    pub(crate) running: Mutex<HashMap<u32, Running>>,
    listeners: Mutex<HashMap<u32, Arc<Listening>>>,
    /// Those of them that are on the environment's loop.
    on_loop: Mutex<HashMap<u32, OnLoop>>,
    /// What listeners had counted that were open when the environment ended.
    counted: Mutex<HashMap<u32, Counters>>,
    clients: Mutex<HashMap<u32, Arc<Connected>>>,
    subscriptions: Mutex<HashMap<u32, Arc<Subscribed>>>,
    streams: Mutex<HashMap<u32, Arc<Streaming>>>,
    /// Who drives the calls of clients. JavaScript's thread decides it, at its first client, and uses it; whoever ends the hub
    /// takes what is in it.
    driver: Mutex<Driver>,
    /// How JavaScript is called from its own loop; `None` where that is not done.
    receiver: Option<Receiver>,
    last_id: AtomicU32,
    ended: AtomicBool,
}

impl Hub {
    /// Makes the hub of the environment that runs now, and tells its number; `deliver` gets the events, one flat array
    /// at a time. `own_loop`: calls may be driven by the loop that Node-API names.
    pub(crate) fn open(
        env: &Env,
        deliver: &Function<'_, Delivered, ()>,
        resource: &Object<'_>,
        own_loop: bool,
    ) -> napi::Result<u32> {
        let receiver = if own_loop { Some(Receiver::new(env, deliver)?) } else { None };
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
            on_loop: Mutex::default(),
            counted: Mutex::default(),
            clients: Mutex::default(),
            subscriptions: Mutex::default(),
            streams: Mutex::default(),
            driver: Mutex::default(),
            receiver,
            last_id: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        });
        let source = Arc::downgrade(&hub);
        *lock(&hub.deliver) = Some(Deliver::new(env, deliver, resource, source)?);
        let number = LAST_HUB.fetch_add(1, Ordering::Relaxed);
        HUBS.write().unwrap_or_else(PoisonError::into_inner).insert(number, hub);
        env.add_env_cleanup_hook(number, |number| {
            let hub = HUBS.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
            if let Some(hub) = hub {
                hub.end();
            }
        })?;
        Ok(number)
    }

    /// Whether what is open keeps the environment alive.
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> napi::Result<()> {
        match &*lock(&self.deliver) {
            Some(deliver) => deliver.keep_alive(env, alive),
            None => Ok(()),
        }
    }

    /// Decides who drives the calls of clients, if it is not yet decided.
    pub(crate) fn choose_driver(self: &Arc<Hub>, env: &Env) {
        let mut driver = lock(&self.driver);
        if matches!(*driver, Driver::Undecided) && !self.has_ended() {
            *driver = self.watch_loop(env).map_or(Driver::Runtime, |calls| Driver::OwnLoop(Box::new(calls)));
        }
    }

    /// The calls that the environment's own loop drives; `None` where the runtime drives them.
    pub(crate) fn on_loop<T>(&self, inside: impl FnOnce(&mut LoopCalls) -> T) -> Option<T> {
        match &mut *lock(&self.driver) {
            Driver::OwnLoop(calls) => Some(inside(calls)),
            Driver::Undecided | Driver::Runtime => None,
        }
    }

    fn watch_loop(self: &Arc<Hub>, env: &Env) -> Option<LoopCalls> {
        let receiver = self.receiver.as_ref()?;
        let queue = Queue::new().ok()?;
        let hub: Arc<dyn Readable> = Arc::clone(self) as _;
        let is_watched = own_loop::watch(env, queue.raw_waitable(), receiver, Arc::downgrade(&hub));
        if !is_watched.is_ok_and(|watch| watch.is_some()) {
            return None;
        }
        // A loop that sleeps at this moment, as one may that is part of another, has not seen the new descriptor.
        self.call_javascript();
        Some(LoopCalls::new(queue))
    }

    /// How JavaScript is called from its own loop; `None` where that is not done.
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.receiver.as_ref()
    }

    /// A number for a listener or a message; used again after four thousand million others.
    pub(crate) fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn remember(&self, id: u32, call: Arc<dyn Cancel>) {
        lock(&self.calls).insert(id, call);
    }

    pub(crate) fn forget(&self, id: u32) {
        lock(&self.calls).remove(&id);
    }

    /// Ends a call, and tells whether it has ended without an outcome; else the outcome is on its way to JavaScript.
    pub(crate) fn cancel(&self, id: u32) -> bool {
        if let Some(had_none) = self.on_loop(|calls| calls.cancel(id)).flatten() {
            return had_none;
        }
        let call = lock(&self.calls).remove(&id);
        call.is_some_and(|call| call.cancel())
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
        if self.called.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut deliver = lock(&self.deliver);
        if deliver.as_ref().is_some_and(|deliver| !deliver.call()) {
            std::mem::forget(deliver.take());
        }
    }

    /// What JavaScript gets after its loop has turned: it comes again after every turn until nothing is left.
    pub(crate) fn resume(&self) -> Batch {
        self.note_turn();
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

    /// A running handler's message, taken out: whoever has it answers.
    pub(crate) fn settle(&self, id: u32) -> Option<Running> {
        lock(&self.running).remove(&id)
    }

    pub(crate) fn add_listener(&self, id: u32, listening: Listening, on_loop: Option<OnLoop>) {
        lock(&self.listeners).insert(id, Arc::new(listening));
        if let Some(on_loop) = on_loop {
            lock(&self.on_loop).insert(id, on_loop);
        }
    }

    /// What ends when a closed listener on the environment's loop has no handler that runs.
    pub(crate) fn at_work(&self, id: u32) -> Option<AtWork> {
        lock(&self.on_loop).get(&id).map(OnLoop::at_work)
    }

    /// What a listener has of the environment's loop.
    pub(crate) fn take_on_loop(&self, id: u32) -> Option<OnLoop> {
        lock(&self.on_loop).remove(&id)
    }

    pub(crate) fn listener(&self, id: u32) -> Option<Arc<Listening>> {
        lock(&self.listeners).get(&id).cloned()
    }

    pub(crate) fn take_listener(&self, id: u32) -> Option<Arc<Listening>> {
        lock(&self.listeners).remove(&id)
    }

    /// What a listener has counted, also one that ended with its environment.
    pub(crate) fn counters(&self, id: u32) -> Option<Counters> {
        let open = self.listener(id).map(|listening| listening.listener.counters());
        open.or_else(|| lock(&self.counted).get(&id).copied())
    }

    pub(crate) fn add_client(&self, client: Client) -> u32 {
        let id = self.next_id();
        lock(&self.clients).insert(id, Arc::new(Connected::new(client)));
        id
    }

    pub(crate) fn client(&self, id: u32) -> Result<Arc<Connected>> {
        let client = lock(&self.clients).get(&id).cloned();
        client.ok_or_else(|| Error::new(ErrorKind::Closed, "the client is closed"))
    }

    /// Lets go of a client: what it has gathered is still sent.
    pub(crate) fn release_client(&self, id: u32) {
        let client = lock(&self.clients).remove(&id);
        drop(client);
    }

    pub(crate) fn add_subscription(&self, subscription: Subscription) -> u32 {
        let id = self.next_id();
        lock(&self.subscriptions).insert(id, Arc::new(Subscribed::new(subscription)));
        id
    }

    pub(crate) fn subscription(&self, id: u32) -> Result<Arc<Subscribed>> {
        let subscribed = lock(&self.subscriptions).get(&id).cloned();
        subscribed.ok_or_else(|| Error::new(ErrorKind::Closed, "the subscription is closed"))
    }

    /// Lets go of a subscription, which closes it.
    pub(crate) fn release_subscription(&self, id: u32) {
        let subscribed = lock(&self.subscriptions).remove(&id);
        drop(subscribed);
    }

    pub(crate) fn add_stream(&self, stream: ItemStream) -> u32 {
        let id = self.next_id();
        lock(&self.streams).insert(id, Arc::new(Streaming::new(stream)));
        id
    }

    pub(crate) fn stream(&self, id: u32) -> Result<Arc<Streaming>> {
        let streaming = lock(&self.streams).get(&id).cloned();
        streaming.ok_or_else(|| Error::new(ErrorKind::Closed, "the stream has ended, or was closed"))
    }

    /// Lets go of a stream, which closes it.
    pub(crate) fn release_stream(&self, id: u32) {
        let streaming = lock(&self.streams).remove(&id);
        if let Some(streaming) = streaming {
            streaming.close();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The process ends: workers' environments end with it, and not every runtime tells them.
    pub(crate) fn end_all() {
        let hubs: Vec<_> = HUBS.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for hub in hubs {
            hub.end();
        }
    }

    /// The environment ends: listeners close, calls are cancelled, and nothing calls JavaScript any more.
    pub(crate) fn end(&self) {
        if self.ended.swap(true, Ordering::SeqCst) {
            return;
        }
        let _on_the_runtime = self.runtime.enter();
        let deliver = lock(&self.deliver).take();
        drop(deliver);
        self.room.close();
        let listeners = std::mem::take(&mut *lock(&self.listeners));
        lock(&self.counted).extend(listeners.iter().map(|(id, listening)| (*id, listening.listener.counters())));
        drop(listeners);
        let calls = std::mem::take(&mut *lock(&self.calls));
        for call in calls.into_values() {
            call.cancel();
        }
        let clients = std::mem::take(&mut *lock(&self.clients));
        drop(clients);
        let subscriptions = std::mem::take(&mut *lock(&self.subscriptions));
        drop(subscriptions);
        let streams = std::mem::take(&mut *lock(&self.streams));
        drop(streams);
        let driver = std::mem::take(&mut *lock(&self.driver));
        drop(driver);
        let running = std::mem::take(&mut *lock(&self.running));
        drop(running);
        // After the messages: their callers have been told that nobody answers.
        let on_loop = std::mem::take(&mut *lock(&self.on_loop));
        drop(on_loop);
        let queue = std::mem::take(&mut *lock(&self.queue));
        drop(queue);
    }
}

impl Turned for Hub {
    fn note_turn(&self) {
        *lock(&self.turned) = Instant::now();
    }
}

impl Readable for Hub {
    fn readable(&self) -> Option<Batch> {
        // Or this would not be called.
        self.note_turn();
        let events = self.on_loop(LoopCalls::process)?;
        (!events.is_empty()).then_some(Batch(events))
    }
}

impl Source for Hub {
    fn turn(&self) -> Batch {
        let mut events = self.take();
        if events.len() >= TURN_EVENTS || self.is_to_turn() || !self.wait_for_a_call() {
            events.push(Event::Pause);
        }
        Batch(events)
    }

    fn ended(&self) {
        std::mem::forget(lock(&self.deliver).take());
        self.end();
    }
}
