//! One listener: its claim on the channel, its limits, its sessions, and how it ends.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout, timeout_at};

use super::accept;
use super::driver::batch;
use super::session::acks;
use crate::channel::{Address, Channel};
use crate::counters::{Counters, Tally, count};
use crate::error::{Error, ErrorKind, Result, one_line};
use crate::interrupt;
use crate::lock::lock;
use crate::mode::Mode;
use crate::options::Options;
use crate::os::async_stream::AsyncListener;
use crate::os::channel_lock::ChannelLock;
use crate::os::listener::Listener;
use crate::os::{self, fork};
use crate::peer::{Peer, Peers};
use crate::report::HandlerReport;
use crate::server::admission::Room;
use crate::server::clock::Clock;
use crate::server::handler::{Gone, Handler, UsersCode};
use crate::server::session::Session;
use crate::server::single::text::TextLine;
use crate::server::threads::Workers;

/// A broadcast is acknowledged when its handler has run for this long, if it has not returned.
pub(super) const ACK_AFTER: Duration = Duration::from_millis(50);
/// How often running handlers are looked at for that.
const ACK_CHECK: Duration = Duration::from_millis(25);
/// How often a listener that may take no more looks whether callers have left.
const LOOK: Duration = Duration::from_millis(20);
/// How long drivers may take to say goodbye when the grace period is over.
const PARTING: Duration = Duration::from_millis(100);
/// How long after the grace period threads that were cut off may take to let go of the handler.
const LETTING_GO: Duration = Duration::from_millis(250);

/// What all connections of one listener share.
pub(crate) struct Listening {
    pub(super) mode: Mode,
    /// The handler may block: it gets threads.
    pub(super) blocking: bool,
    code: Weak<UsersCode>,
    /// Until the listener has closed.
    code_owner: Mutex<Option<Arc<UsersCode>>>,
    code_gone: Arc<Gone>,
    /// The handler takes raw bodies and counts on JSON being JSON.
    pub(super) check_json: bool,
    pub(super) runtime: Handle,
    pub(super) workers: Arc<Workers>,
    pub(super) tally: Tally,
    pub(super) max_message: usize,
    pub(super) plain_text: bool,
    pub(super) peers: Peers,
    pub(super) spin: Duration,
    /// What one session may have in flight, and in bytes that wait.
    pub(super) max_session_in_flight: usize,
    pub(super) max_session_waiting: usize,
    pub(super) hello_timeout: Duration,
    pub(super) stall_timeout: Duration,
    /// What all have in hand together.
    pub(super) room: Arc<Room>,
    max_connections: usize,
    grace: Duration,
    check_interval: Duration,
    channel: Channel,
    address: Address,
    claim: Mutex<Option<ChannelLock>>,
    /// What is said of files that could not be removed, to the first who asks.
    files_left: Mutex<Option<Error>>,
    born: u32,
    pub(super) clock: Clock,
    closing: AtomicBool,
    /// As many messages are in flight as may, or not long ago were.
    is_at_the_limit: AtomicBool,
    /// When the grace period of a closing listener ends; `None` is never.
    grace_ends: OnceLock<Option<Instant>>,
    /// Wakes the accepting task: closing, or a connection has ended.
    accepting: Notify,
    /// The accepting task has taken in what was waiting and has ended.
    accepted_all: AtomicBool,
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
    /// Connections of plain text.
    texts: Mutex<Vec<Arc<TextLine>>>,
    next_key: AtomicU64,
    open: AtomicUsize,
    /// The process is out of descriptors or memory: the accepting task waits for a connection to end.
    pub(super) is_starved: AtomicBool,
    /// Something that a closing listener waits for has ended.
    progress: Notify,
    /// The look after sessions that have a thread.
    pub(super) watch: batch::Watch,
    acks: acks::Watch,
    stopping: Notify,
    closed: Notify,
    is_closed: AtomicBool,
}

impl Listening {
    /// Claims the channel and starts to accept on `runtime`.
    pub(crate) fn start(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: Handler,
        check_json: bool,
        runtime: Handle,
    ) -> Result<Arc<Listening>> {
        options.check()?;
        let address = options.address(channel)?;
        let label = channel.to_string();
        let claim = ChannelLock::acquire(&address, &label, options.socket_mode, mode == Mode::Request)?;
        let address = claim.address().clone();
        let channel = match (&address, channel.port()) {
            (Address::Tcp { port, .. }, Some(0)) => Channel::ip(*port)?,
            _ => channel.clone(),
        };
        let plain_text = options.plain_text.unwrap_or(matches!(address, Address::Unix(_)));
        let blocking = matches!(handler, Handler::Blocking(_));
        let (code, code_gone) = UsersCode::new(handler, options.report_to.clone());
        let listening = Arc::new(Listening {
            mode,
            blocking,
            code: Arc::downgrade(&code),
            code_owner: Mutex::new(Some(code)),
            code_gone,
            check_json,
            workers: Workers::new(options.threads, runtime.clone()),
            runtime,
            tally: Tally::default(),
            max_message: options.max_message,
            plain_text,
            peers: options.peers.clone(),
            spin: options.spin,
            max_session_in_flight: options.max_session_in_flight,
            max_session_waiting: options.max_session_waiting,
            hello_timeout: options.hello_timeout,
            stall_timeout: options.stall_timeout,
            room: Arc::new(Room::new(options.max_in_flight, options.max_waiting)),
            max_connections: options.max_connections.min(connections_for_descriptors()),
            grace: options.grace,
            check_interval: options.check_interval,
            channel,
            address,
            claim: Mutex::new(Some(claim)),
            files_left: Mutex::default(),
            born: fork::generation(),
            clock: Clock::start(),
            closing: AtomicBool::new(false),
            is_at_the_limit: AtomicBool::new(false),
            grace_ends: OnceLock::new(),
            accepting: Notify::new(),
            accepted_all: AtomicBool::new(false),
            sessions: Mutex::default(),
            texts: Mutex::default(),
            next_key: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            is_starved: AtomicBool::new(false),
            progress: Notify::new(),
            watch: batch::Watch::default(),
            acks: acks::Watch::default(),
            stopping: Notify::new(),
            closed: Notify::new(),
            is_closed: AtomicBool::new(false),
        });
        let accepting = Accepting(Arc::clone(&listening));
        let socket = listening.listening_socket()?;
        let watched = {
            let _runtime = listening.runtime.enter();
            AsyncListener::new(socket).map_err(|error| {
                Error::from_os(format!("cannot listen on channel \"{label}\": its socket cannot be watched"), error)
            })?
        };
        listening.runtime.spawn(accept::run(accepting, watched));
        if listening.blocking {
            listening.runtime.spawn(batch::watch(Arc::downgrade(&listening)));
        }
        if mode == Mode::Broadcast {
            listening.runtime.spawn(watch_acks(Arc::downgrade(&listening)));
        }
        Ok(listening)
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The socket's path, unless it is a port.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.address {
            Address::Unix(path) => Some(path),
            Address::Tcp { .. } => None,
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn counters(&self) -> Counters {
        self.look_for_callers_that_left();
        self.tally.read(self.room.in_flight(), self.room.abandoned())
    }

    /// The generation (see [`fork`]) that the listener was opened in.
    pub(crate) fn born(&self) -> u32 {
        self.born
    }

    /// A descriptor of the listening socket for the accepting task: the claim may close or replace
    /// its own at any time.
    pub(super) fn listening_socket(&self) -> Result<Listener> {
        let claim = lock(&self.claim);
        let claim = claim.as_ref().ok_or_else(Error::closed_listener)?;
        claim.listener().map_err(|error| Error::from_os("cannot share the listening socket", error))
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(super) fn accepting(&self) -> &Notify {
        &self.accepting
    }

    pub(super) fn check_interval(&self) -> Duration {
        self.check_interval
    }

    pub(super) fn count_message(&self) {
        count(&self.tally.messages);
    }

    /// What the user gave to call, for whoever is about to call it. `None` once the listener has closed: then no
    /// message goes to a handler any more.
    #[inline]
    pub(super) fn users_code(&self) -> Option<Arc<UsersCode>> {
        if self.is_closed.load(Ordering::SeqCst) { None } else { self.code.upgrade() }
    }

    /// Whether the listener has wound up.
    pub(super) fn has_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Tells the listener's owner what no caller hears of.
    pub(super) fn report(&self, kind: ErrorKind, text: &str, peer: Peer) {
        let message = &one_line(text.into());
        // Where nobody holds it, no handler is left that could have failed.
        if let Some(code) = self.code.upgrade() {
            code.report(&HandlerReport { kind, channel: &self.channel, mode: self.mode, message, peer });
        }
    }

    /// Looks whether socket and lock file still stand. `true` if the socket was made anew.
    pub(super) fn heal(&self) -> Result<bool> {
        match lock(&self.claim).as_mut() {
            Some(claim) => claim.heal().map(|healed| healed.socket_replaced),
            None => Ok(false),
        }
    }

    /// Takes a message in, whether there is room or not; [`end`](Listening::end) follows exactly once.
    pub(super) fn begin(&self) {
        self.room.begin();
    }

    /// Takes a message of this peer in if there is room for one more; then [`end`](Listening::end) follows exactly
    /// once, or [`abandon`](Listening::abandon).
    #[inline]
    pub(super) fn try_begin(self: &Arc<Listening>, peer: &Peer) -> bool {
        self.room.try_begin() || {
            self.at_the_limit(*peer);
            false
        }
    }

    pub(super) fn end(&self) {
        self.ended(self.room.end());
    }

    /// Nobody waits any more for a message that was taken in; [`settle`](Listening::settle) follows when its handler
    /// has settled it.
    pub(super) fn abandon(&self) {
        self.ended(self.room.abandon());
    }

    pub(super) fn settle(&self) {
        self.ended(self.room.settle());
    }

    fn ended(&self, was_the_last: bool) {
        if was_the_last && self.is_closing() {
            self.progress.notify_waiters();
        }
    }

    /// No more messages may be taken in: tells the owner once, and looks whether callers have left.
    #[cold]
    fn at_the_limit(self: &Arc<Listening>, peer: Peer) {
        if !self.room.is_full() || self.is_at_the_limit.swap(true, Ordering::SeqCst) {
            return;
        }
        let listening = Arc::clone(self);
        self.runtime.spawn(async move {
            let (in_flight, abandoned) = (listening.room.in_flight(), listening.room.abandoned());
            let text = format!(
                "{in_flight} messages are in flight, as many as may be, and {abandoned} calls that nobody waits for are not \
                 settled; no more is taken until some end: look after the handlers, or allow more with max_in_flight"
            );
            let reporting = Arc::clone(&listening);
            // What it calls may block: not the runtime.
            let told = std::thread::Builder::new()
                .name("simple-ipc-warn".into())
                .spawn(move || reporting.report(ErrorKind::TooManyConnections, &text, peer));
            drop(told);
            loop {
                listening.look_for_callers_that_left();
                sleep(LOOK).await;
                if listening.has_closed() || (!listening.room.is_waited_for() && listening.room.is_half_empty()) {
                    break;
                }
            }
            listening.is_at_the_limit.store(false, Ordering::SeqCst);
        });
    }

    /// Finds callers that have left, or have given up, where the thread that would read so is with the handler.
    fn look_for_callers_that_left(&self) {
        for session in self.all_sessions() {
            session.look_for_its_caller();
        }
    }

    /// Whether one more connection may be open.
    pub(super) fn has_seat(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.max_connections
    }

    pub(super) fn connection_opened(&self) {
        count(&self.tally.connections);
        count(&self.tally.open);
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn connection_ended(&self) {
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
        let before = self.open.fetch_sub(1, Ordering::SeqCst);
        if before == self.max_connections || self.is_starved.swap(false, Ordering::SeqCst) {
            self.accepting.notify_one();
        }
        if self.is_closing() {
            self.progress.notify_waiters();
        }
    }

    /// Lets go of the native session that has been quiet longest, or, where none is, of such a connection
    /// of plain text, whose client would not open another by itself.
    pub(super) fn retire_quietest(&self) {
        let quietest = {
            let sessions = lock(&self.sessions);
            let now = self.clock.now();
            sessions.values().filter(|session| session.may_retire(now)).max_by_key(|session| session.idle(now)).cloned()
        };
        if let Some(session) = quietest {
            return session.retire();
        }
        let now = self.clock.now();
        if let Some(text) =
            lock(&self.texts).iter().rev().filter(|text| text.may_retire(now)).max_by_key(|text| text.idle(now))
        {
            text.retire();
        }
    }

    pub(super) fn add_text(&self, text: &Arc<TextLine>) {
        lock(&self.texts).push(Arc::clone(text));
    }

    pub(super) fn remove_text(&self, text: &Arc<TextLine>) {
        lock(&self.texts).retain(|other| !Arc::ptr_eq(other, text));
    }

    pub(super) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, session: &Arc<Session>) {
        lock(&self.sessions).insert(session.key(), Arc::clone(session));
        if self.is_closing() {
            session.retire();
        }
    }

    pub(super) fn remove(&self, session: &Session) {
        if lock(&self.sessions).remove(&session.key()).is_some() {
            // Handlers that still run hold the session: the connection must not stay open for them.
            session.socket.shutdown();
            session.tell_unsent(0);
            self.connection_ended();
        }
    }

    /// A broadcast is being handled whose acknowledgement may become due.
    pub(super) fn watch_acks(&self) {
        self.acks.begun();
    }

    /// Sends the acknowledgements that are due; whether more may become so.
    fn send_overdue_acks(&self) -> bool {
        let sessions: Vec<Arc<Session>> = lock(&self.sessions).values().cloned().collect();
        let now = self.clock.now();
        // Every session is looked at, whatever the first one says.
        sessions.iter().fold(false, |more, session| session.send_overdue_ack(now, ACK_AFTER) | more)
    }

    /// Stops taking connections and removes the channel's files. Returns at once.
    pub(crate) fn stop(&self) {
        if self.closing.swap(true, Ordering::SeqCst) {
            return;
        }
        self.accepting.notify_one();
        self.stopping.notify_waiters();
        let claim = lock(&self.claim).take();
        if let Some(Err(error)) = claim.map(ChannelLock::release) {
            *lock(&self.files_left) = Some(error);
        }
    }

    /// Whether the calling thread is within the listener's handler.
    pub(super) fn runs_its_handler(&self) -> bool {
        UsersCode::is_around(self.code.as_ptr())
    }

    /// Stops, answers what has arrived within the grace period, then lets every session go. Succeeds when the
    /// handler and all that it captured has been dropped.
    ///
    /// From within the listener's own handler, which would wait for itself, it only begins.
    pub(crate) async fn close(self: &Arc<Listening>) -> Result<()> {
        if self.runs_its_handler() {
            self.close_in_background();
            return Ok(());
        }
        self.stop();
        let listening = Arc::clone(self);
        // In a task of its own: closing goes on if the caller does not wait for its end.
        let wound_up = self.runtime.spawn(async move {
            listening.wind_up().await;
            listening.let_go_of_the_handler();
            listening.until_the_handler_is_gone().await
        });
        match wound_up.await {
            Ok(gone) => self.closed(gone),
            // The runtime has ended, and with it all that it ran.
            Err(_) => {
                self.let_go_of_the_handler();
                self.closed(self.code_gone.is_so())
            }
        }
    }

    /// As [`close`](Listening::close), from a thread that may block.
    pub(crate) fn close_and_wait(self: &Arc<Listening>) -> Result<()> {
        if self.runs_its_handler() {
            self.close_in_background();
            return Ok(());
        }
        self.stop();
        let listening = Arc::clone(self);
        let (ended, end) = std::sync::mpsc::channel();
        self.runtime.spawn(async move {
            listening.wind_up().await;
            let _the_caller_has_left = ended.send(false);
            let _the_same = ended.send(listening.until_the_handler_is_gone().await);
        });
        // The sender goes, too, if the runtime does.
        let wound_up = interrupt::receive(&end)?;
        self.let_go_of_the_handler();
        wound_up.and(interrupt::receive(&end)?).map_or(Ok(()), |gone| self.closed(gone))
    }

    /// Stops, and winds up in the background.
    pub(crate) fn close_in_background(self: &Arc<Listening>) {
        self.stop();
        let listening = Arc::clone(self);
        self.runtime.spawn(async move {
            listening.wind_up().await;
            if listening.blocking {
                // What it captured may take its time to go: not on the thread that serves all listeners.
                let workers = Arc::clone(&listening.workers);
                workers.submit(Box::new(move || listening.let_go_of_the_handler()));
            } else {
                listening.let_go_of_the_handler();
            }
        });
    }

    fn closed(&self, gone: bool) -> Result<()> {
        if gone {
            return lock(&self.files_left).take().map_or(Ok(()), Err);
        }
        let text = format!(
            "channel \"{}\" is closed, but a handler still runs after the grace period of {:?}; \
             what it holds is released when it returns",
            self.channel, self.grace
        );
        Err(Error::new(ErrorKind::TimedOut, text))
    }

    /// When the grace period ends, which begins with the first call; `None` is never.
    fn grace_ends(&self) -> Option<Instant> {
        *self.grace_ends.get_or_init(|| Instant::now().checked_add(self.grace))
    }

    /// Any number may do so at once.
    async fn wind_up(&self) {
        let deadline = self.grace_ends();
        let orderly = async {
            until(&self.progress, || self.accepted_all.load(Ordering::SeqCst)).await;
            for session in self.all_sessions() {
                session.retire();
            }
            let all_done = || self.open.load(Ordering::SeqCst) == 0 && self.room.in_flight() == 0;
            until(&self.progress, all_done).await;
        };
        if !self.is_closed.load(Ordering::SeqCst) {
            let _what_is_left_is_cut_off = within(deadline, orderly).await;
            self.is_closed.store(true, Ordering::SeqCst);
            // Drivers first: they know up to where messages were taken, and say so.
            for session in self.all_sessions() {
                session.part();
            }
            let parted = || self.all_sessions().iter().all(|session| session.hot.load(Ordering::SeqCst));
            let _what_is_left_is_cut_off = timeout(PARTING, until(&self.progress, parted)).await;
            for session in self.all_sessions() {
                session.cut_off();
            }
            self.closed.notify_waiters();
        }
    }

    /// Gives the handler up: whoever is last with it drops it. Ends the threads that have nothing more to do.
    fn let_go_of_the_handler(&self) {
        let code = lock(&self.code_owner).take();
        drop(code);
        self.workers.close();
    }

    /// Whether it is, within the grace period and a moment for threads that were cut off.
    async fn until_the_handler_is_gone(&self) -> bool {
        let at_least = Instant::now() + LETTING_GO;
        let deadline = self.grace_ends().map(|deadline| deadline.max(at_least));
        within(deadline, until(self.code_gone.changed(), || self.code_gone.is_so())).await.is_some()
    }

    fn all_sessions(&self) -> Vec<Arc<Session>> {
        lock(&self.sessions).values().cloned().collect()
    }

    fn note_all_accepted(&self) {
        self.accepted_all.store(true, Ordering::SeqCst);
        self.progress.notify_waiters();
    }

    /// Completes when the listener takes nothing new.
    pub(super) async fn until_stopping(&self) {
        until(&self.stopping, || self.is_closing()).await;
    }

    /// Completes when the listener has wound up: connections that still linger end then.
    pub(super) async fn until_closed(&self) {
        until(&self.closed, || self.is_closed.load(Ordering::SeqCst)).await;
    }
}

/// The accepting task's hold on its listener: if the runtime ends, nobody is to be promised an answer.
pub(super) struct Accepting(Arc<Listening>);

impl Accepting {
    pub(super) fn listening(&self) -> &Arc<Listening> {
        &self.0
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.stop();
        self.0.note_all_accepted();
    }
}

/// How many connections the process's limit on descriptors leaves room for: an eighth of them is for all the rest.
fn connections_for_descriptors() -> usize {
    os::max_descriptors().map_or(usize::MAX, |limit| usize::try_from(limit - limit / 8).unwrap_or(usize::MAX).max(1))
}

/// What comes of it until the deadline; `None` is for ever.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline.into(), future).await.ok(),
        None => Some(future.await),
    }
}

/// Waits until `done`, which is asked again at each notification.
async fn until(changed: &Notify, done: impl Fn() -> bool) {
    loop {
        let next = changed.notified();
        tokio::pin!(next);
        next.as_mut().enable();
        if done() {
            return;
        }
        next.await;
    }
}

/// Sends acknowledgements of broadcasts whose handlers take long. Sleeps while there are none.
async fn watch_acks(listening: Weak<Listening>) {
    loop {
        let Some(strong) = listening.upgrade() else { return };
        if strong.is_closed.load(Ordering::SeqCst) {
            return;
        }
        tokio::select! {
            () = strong.acks.wanted.notified() => {}
            () = strong.until_closed() => return,
        }
        drop(strong);
        let mut quiet = 0;
        while quiet < 2 {
            sleep(ACK_CHECK).await;
            let Some(strong) = listening.upgrade() else { return };
            if strong.send_overdue_acks() {
                quiet = 0;
            } else {
                quiet += 1;
                // One that came while the last look was taken would not have called again.
                if quiet == 2 && !strong.acks.rest(|| strong.send_overdue_acks()) {
                    quiet = 0;
                }
            }
        }
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("address", &self.address).field("mode", &self.mode).finish_non_exhaustive()
    }
}
