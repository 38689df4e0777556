//! One listener: its channel's files, its sessions and its handler, which it owns, and how it ends.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout, timeout_at};

use crate::channel::{Address, Channel};
use crate::counters::Counters;
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::lock::lock;
use crate::mode::{Mode, Serves};
use crate::options::Options;
use crate::os::channel_lock::ChannelLock;
use crate::os::{self, fork};
use crate::server::connecting::Connecting;
use crate::server::handler::{Dropped, Handler, UsersCode};
use crate::server::publication::Publication;
use crate::server::session::Session;
use crate::server::session::acks::ACK_AFTER;
use crate::server::shared::{Phase, Shared, until};
use crate::server::single::text_connection::TextConnection;
use crate::server::tap::Tap;
use crate::server::tapped;
use crate::server::waiting::Waiting;
use crate::trace::{Who, tell};

/// How often running handlers are looked at for that.
const ACK_CHECK: Duration = Duration::from_millis(25);
/// How soon the lock file is written again where the number of subscribers has changed again.
const TOLD_AGAIN: Duration = Duration::from_millis(100);
/// How often a listener that may take no more looks whether callers have left.
const LIMIT_CHECK: Duration = Duration::from_millis(20);
/// How long drivers may take to say goodbye when the grace period is over.
const PARTING: Duration = Duration::from_millis(100);
/// How long after the grace period threads that were cut off may take to let go of the handler.
const LETTING_GO: Duration = Duration::from_millis(250);

/// A listener: what is its own. What it shares with its connections is in [`Shared`].
pub(crate) struct Listener {
    pub(crate) shared: Arc<Shared>,
    address: Address,
    /// The process's generation (see [`fork`]) that the listener was opened in.
    born: u32,
    /// The channel's files, until the listener stops.
    channel_lock: Mutex<Option<ChannelLock>>,
    /// What is said of files that could not be removed, to the first who asks.
    files_left: Mutex<Option<Error>>,
    /// What the user gave to call, until the listener has closed.
    code: Mutex<Option<Arc<UsersCode>>>,
    code_dropped: Arc<Dropped>,
    /// When the grace period of a closing listener ends; `None` is never.
    grace_ends: OnceLock<Option<Instant>>,
    /// Sessions that have a driver, by their keys.
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
    /// Connections of which nothing has come yet, and that a thread watches which serves many.
    pub(crate) connecting: Connecting,
    /// Connections of plain text.
    texts: Mutex<Vec<Arc<TextConnection>>>,
    /// The key of the next session: a count that nothing is ordered by.
    next_key: AtomicU64,
}

impl Listener {
    /// Takes the channel. Nothing is accepted yet.
    pub(crate) fn new(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: Handler,
        check_json: bool,
        runtime: Handle,
        waiting: Option<Arc<Waiting>>,
    ) -> Result<Listener> {
        options.check()?;
        let address = options.address(channel)?;
        let label = channel.to_string();
        let publishes = mode == Mode::Publish || options.publish;
        let serves = Serves { mode, bridge: options.bridge, subscribers: publishes.then_some(0) };
        let channel_lock = ChannelLock::acquire(&address, &label, options.socket_mode, serves)?;
        let address = channel_lock.address().clone();
        let channel = match (&address, channel.port()) {
            (Address::Tcp { port, .. }, Some(0)) => Channel::ip(*port)?,
            _ => channel.clone(),
        };
        let tap = Tap::new(options);
        let handler = match &tap {
            Some(tap) => tapped::around(handler, tap),
            None => handler,
        };
        let (code, code_dropped) = UsersCode::new(handler, options.report_to.clone());
        let seats = options.max_connections.min(connections_for_descriptors());
        Ok(Listener {
            shared: Arc::new(Shared::new(channel, mode, options, &code, tap, check_json, seats, runtime, waiting)),
            address,
            born: fork::generation(),
            channel_lock: Mutex::new(Some(channel_lock)),
            files_left: Mutex::default(),
            code: Mutex::new(Some(code)),
            code_dropped,
            grace_ends: OnceLock::new(),
            sessions: Mutex::default(),
            connecting: Connecting::default(),
            texts: Mutex::default(),
            next_key: AtomicU64::new(1),
        })
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.shared.channel
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
        self.shared.mode
    }

    pub(crate) fn counters(&self) -> Counters {
        self.look_for_callers_that_left();
        self.shared.counters()
    }

    /// What is published; an error where the listener takes no subscribers.
    pub(crate) fn publication(&self) -> Result<&Publication> {
        self.shared.publication.as_deref().ok_or_else(|| {
            let text = format!(
                "cannot publish on channel \"{}\": its listener was made without the option `publish`; listen with it, or \
                 with the call that listens to publish",
                self.shared.channel
            );
            Error::new(ErrorKind::WrongMode, text)
        })
    }

    pub(crate) fn born(&self) -> u32 {
        self.born
    }

    /// A descriptor of the listening socket for the accepting task: the lock may close or replace
    /// its own at any time.
    pub(crate) fn listening_socket(&self) -> Result<os::listener::Listener> {
        let channel_lock = lock(&self.channel_lock);
        let channel_lock = channel_lock.as_ref().ok_or_else(Error::closed_listener)?;
        channel_lock.listener().map_err(|error| Error::from_os("cannot share the listening socket", error))
    }

    /// Looks whether socket and lock file still stand. `true` if the socket was made anew.
    pub(crate) fn heal(&self) -> Result<bool> {
        match lock(&self.channel_lock).as_mut() {
            Some(channel_lock) => channel_lock.heal().map(|healed| {
                if healed.socket_replaced {
                    tell!(WARN, "the socket was gone and was made anew", channel: self.shared.channel);
                }
                healed.socket_replaced
            }),
            None => Ok(false),
        }
    }

    /// Finds callers that have left, or have given up, where the thread that would read so is with the handler.
    fn look_for_callers_that_left(&self) {
        for session in self.all_sessions() {
            session.look_for_its_caller();
        }
    }

    /// Lets go of the native session that has been quiet longest, or, where none is, of such a connection
    /// of plain text, whose client would not open another by itself.
    pub(crate) fn retire_quietest(&self) {
        let now = self.shared.clock.now();
        let quietest = {
            let sessions = lock(&self.sessions);
            sessions.values().filter(|session| session.may_retire(now)).max_by_key(|session| session.idle(now)).cloned()
        };
        if let Some(session) = quietest {
            let channel = &self.shared.channel;
            tell!(INFO, "lets the quietest session go, to make room", channel: channel, peer: Who(&session.peer));
            return session.retire();
        }
        if let Some(text) =
            lock(&self.texts).iter().rev().filter(|text| text.may_retire(now)).max_by_key(|text| text.idle(now))
        {
            text.retire();
        }
    }

    pub(crate) fn add_text(&self, text: &Arc<TextConnection>) {
        lock(&self.texts).push(Arc::clone(text));
    }

    pub(crate) fn remove_text(&self, text: &Arc<TextConnection>) {
        lock(&self.texts).retain(|other| !Arc::ptr_eq(other, text));
    }

    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn add(&self, session: &Arc<Session>) {
        lock(&self.sessions).insert(session.key(), Arc::clone(session));
        if self.shared.is_closing() {
            session.retire();
        }
    }

    pub(crate) fn remove(&self, session: &Session) {
        lock(&self.sessions).remove(&session.key());
    }

    fn all_sessions(&self) -> Vec<Arc<Session>> {
        lock(&self.sessions).values().cloned().collect()
    }

    /// Sends the acknowledgements that are due; whether more may become so.
    fn send_overdue_acks(&self) -> bool {
        let sessions = self.all_sessions();
        let now = self.shared.clock.now();
        // Every session is looked at, whatever the first one says.
        sessions.iter().fold(false, |more, session| session.send_overdue_ack(now, ACK_AFTER) | more)
    }

    /// Stops taking connections and removes the channel's files. Returns at once.
    pub(crate) fn stop(&self) {
        if !self.shared.advance(Phase::Stopping) {
            return;
        }
        tell!(INFO, "closing", channel: self.shared.channel);
        if let Some(publication) = &self.shared.publication {
            publication.close();
        }
        let channel_lock = lock(&self.channel_lock).take();
        if let Some(Err(error)) = channel_lock.map(ChannelLock::release) {
            *lock(&self.files_left) = Some(error);
        }
    }

    /// Stops, answers what has arrived within the grace period, then lets every session go. Succeeds when the
    /// handler and all that it captured has been dropped.
    ///
    /// From within the listener's own handler, which would wait for itself, it only begins.
    pub(crate) async fn close(self: &Arc<Listener>) -> Result<()> {
        if self.shared.runs_its_handler() {
            self.close_in_background();
            return Ok(());
        }
        self.stop();
        let listener = Arc::clone(self);
        // In a task of its own: closing goes on if the caller does not wait for its end.
        let wound_up = self.shared.runtime.spawn(async move {
            listener.wind_up().await;
            listener.let_go_of_the_handler();
            listener.until_the_handler_is_gone().await
        });
        match wound_up.await {
            Ok(gone) => self.closed(gone),
            // The runtime has ended, and with it all that it ran.
            Err(_) => {
                self.let_go_of_the_handler();
                self.closed(self.code_dropped.is_dropped())
            }
        }
    }

    /// As [`close`](Listener::close), from a thread that may block.
    pub(crate) fn close_and_wait(self: &Arc<Listener>) -> Result<()> {
        if self.shared.runs_its_handler() {
            self.close_in_background();
            return Ok(());
        }
        if let Some(waiting) = self.shared.threads.waiting().filter(|waiting| waiting.is_this_thread()) {
            // Nobody else takes what it has to the handler, nor lets go of that.
            self.close_in_background();
            waiting.run_to_the_end()?;
        }
        self.stop();
        let listener = Arc::clone(self);
        let (ended, end) = std::sync::mpsc::channel();
        self.shared.runtime.spawn(async move {
            listener.wind_up().await;
            let _the_caller_has_left = ended.send(false);
            let _the_same = ended.send(listener.until_the_handler_is_gone().await);
        });
        // The sender goes, too, if the runtime does.
        let wound_up = interrupt::receive(&end)?;
        self.let_go_of_the_handler();
        wound_up.and(interrupt::receive(&end)?).map_or(Ok(()), |gone| self.closed(gone))
    }

    /// Stops, and winds up in the background.
    pub(crate) fn close_in_background(self: &Arc<Listener>) {
        self.stop();
        let listener = Arc::clone(self);
        self.shared.runtime.spawn(async move {
            listener.wind_up().await;
            if listener.shared.blocking {
                // What it captured may take its time to go: not on the thread that serves all listeners.
                let threads = Arc::clone(&listener.shared.threads);
                threads.submit(Box::new(move || listener.let_go_of_the_handler()));
            } else {
                listener.let_go_of_the_handler();
            }
        });
    }

    /// Stops, gives the handler up in the calling thread, and has every session cut off in the background.
    pub(crate) fn close_at_once(self: &Arc<Listener>) {
        self.stop();
        let _it_ends_already = self.grace_ends.set(Some(Instant::now()));
        self.let_go_of_the_handler();
        self.close_in_background();
    }

    fn closed(&self, gone: bool) -> Result<()> {
        if gone {
            return lock(&self.files_left).take().map_or(Ok(()), Err);
        }
        let text = format!(
            "channel \"{}\" is closed, but a handler still runs after the grace period of {:?}; \
             what it holds is released when it returns",
            self.shared.channel, self.shared.options.grace
        );
        Err(Error::new(ErrorKind::TimedOut, text))
    }

    /// When the grace period ends, which begins with the first call; `None` is never.
    fn grace_ends(&self) -> Option<Instant> {
        *self.grace_ends.get_or_init(|| Instant::now().checked_add(self.shared.options.grace))
    }

    /// Any number may do so at once.
    async fn wind_up(&self) {
        let Shared { progress, admission, .. } = &*self.shared;
        let deadline = self.grace_ends();
        let orderly = async {
            until(progress, || self.shared.has_accepted_all()).await;
            for session in self.all_sessions() {
                session.retire();
            }
            self.connecting.end_all();
            until(progress, || self.shared.open() == 0 && admission.in_flight() == 0).await;
        };
        if !self.shared.has_closed() {
            if within(deadline, orderly).await.is_none() {
                tell!(WARN, "the grace period is over: what is left is cut off", channel: self.shared.channel);
            }
            self.shared.advance(Phase::Closed);
            // Drivers first: they know up to where messages were taken, and say so.
            for session in self.all_sessions() {
                session.part();
            }
            let parted = || self.all_sessions().iter().all(|session| session.has_a_thread());
            let _what_is_left_is_cut_off = timeout(PARTING, until(progress, parted)).await;
            for session in self.all_sessions() {
                session.cut_off();
            }
            self.shared.closed.notify_waiters();
            tell!(INFO, "closed", channel: self.shared.channel);
        }
    }

    /// Gives the handler up: whoever is last with it drops it. Ends the threads that have nothing more to do.
    fn let_go_of_the_handler(&self) {
        let code = lock(&self.code).take();
        drop(code);
        self.shared.threads.close();
    }

    /// Whether it is, within the grace period and a moment for threads that were cut off.
    async fn until_the_handler_is_gone(&self) -> bool {
        let at_least = Instant::now() + LETTING_GO;
        let deadline = self.grace_ends().map(|deadline| deadline.max(at_least));
        within(deadline, until(self.code_dropped.changed(), || self.code_dropped.is_dropped())).await.is_some()
    }

    /// Sends acknowledgements of broadcasts whose handlers take long. Sleeps while there are none.
    pub(crate) async fn check_acks(self: Arc<Listener>) {
        let check = &self.shared.ack_check;
        while self.shared.until_wanted(check).await {
            let mut quiet = 0;
            while quiet < 2 {
                sleep(ACK_CHECK).await;
                quiet = if self.send_overdue_acks() { 0 } else { quiet + 1 };
                if quiet == 2 && !check.stop(|| self.send_overdue_acks()) {
                    quiet = 0;
                }
            }
        }
    }

    /// Keeps the number of subscribers in the lock file.
    pub(crate) async fn tell_subscribers(self: Arc<Listener>) {
        let Some(publication) = &self.shared.publication else { return };
        let mut told = 0;
        while !self.shared.has_closed() {
            tokio::select! {
                () = publication.subscribers_changed() => {}
                () = self.shared.until_closed() => return,
            }
            let subscribers = publication.counted().subscribers;
            if subscribers != told
                && let Some(channel_lock) = lock(&self.channel_lock).as_mut()
            {
                told = subscribers;
                channel_lock.tell_subscribers(subscribers);
            }
            sleep(TOLD_AGAIN).await;
        }
    }

    /// Where no more messages may be taken in: tells the owner once, and looks whether callers have left.
    pub(crate) async fn check_limit(self: Arc<Listener>) {
        let Shared { admission, limit_check, .. } = &*self.shared;
        while self.shared.until_wanted(limit_check).await {
            let (in_flight, abandoned) = (admission.in_flight(), admission.abandoned());
            let text = format!(
                "{in_flight} messages are in flight, as many as may be, and {abandoned} calls that nobody waits for are not \
                 settled; no more is taken until some end: look after the handlers, or allow more with max_in_flight"
            );
            if let Some(peer) = lock(&self.shared.limit_met_by).take() {
                let reporting = Arc::clone(&self.shared);
                // What it calls may block: not the runtime.
                let told = std::thread::Builder::new()
                    .name("simple-ipc-warn".into())
                    .spawn(move || reporting.report(ErrorKind::TooManyConnections, &text, peer));
                drop(told);
            }
            loop {
                self.look_for_callers_that_left();
                sleep(LIMIT_CHECK).await;
                if self.shared.has_closed() || (!admission.is_waited_for() && admission.is_half_empty()) {
                    break;
                }
            }
            *lock(&self.shared.limit_met_by) = None;
            limit_check.stop(|| false);
        }
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

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}
