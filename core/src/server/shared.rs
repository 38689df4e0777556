//! What all of one listener share: its limits, its counters, what is in hand, the user's code, and how near its end is.
//!
//! A leaf: it knows neither sessions nor connections. Those who have them, and the files of the channel, are in
//! [`listener`](crate::server::listener).

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::channel::Channel;
use crate::counters::{Counters, Tally, count};
use crate::error::{ErrorKind, Result, one_line};
use crate::inspection::{ListenerLimits, ListenerState};
use crate::lock::lock;
use crate::message::Message;
use crate::mode::Mode;
use crate::options::Options;
use crate::peer::Peer;
use crate::report::{HandlerReport, ReportTo};
use crate::server::admission::Admission;
use crate::server::clock::Clock;
use crate::server::error_frame::ErrorFrame;
use crate::server::handler::UsersCode;
use crate::server::publication::{Counted, Publication};
use crate::server::repeated_check::RepeatedCheck;
use crate::server::responder::Responder;
use crate::server::session::sharing::Budget;
use crate::server::tap::Tap;
use crate::server::threads::Threads;
use crate::server::waiting::Waiting;
use crate::trace::{Who, tell};

/// How near its end a listener is. It goes one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It takes connections.
    Open,
    /// It takes nothing new but what has been waiting.
    Stopping,
    /// It has taken in what was waiting.
    AcceptedAll,
    /// It has wound up: no message goes to its handler any more.
    Closed,
}

/// What all connections of one listener share.
pub(crate) struct Shared {
    pub(crate) mode: Mode,
    pub(crate) channel: Channel,
    /// The handler may block: it gets threads.
    pub(crate) blocking: bool,
    /// The handler takes raw bodies and counts on JSON being JSON.
    pub(crate) check_json: bool,
    code: Weak<UsersCode>,
    pub(crate) runtime: Handle,
    pub(crate) threads: Arc<Threads>,
    pub(crate) tally: Tally,
    pub(crate) clock: Clock,
    /// What all have in hand together.
    pub(crate) admission: Arc<Admission>,
    /// What its sessions share with their clients.
    pub(crate) memory: Arc<Budget>,
    /// As the user gave them, but for what is called or ends calls: that goes with the handler.
    pub(crate) options: Options,
    /// Plain text is taken, besides the other dialects.
    pub(crate) plain_text: bool,
    /// What is published, and to whom; `None` where subscribers are not taken.
    pub(crate) publication: Option<Arc<Publication>>,
    /// What passes, and who looks; `None` where nobody may.
    pub(crate) tap: Option<Arc<Tap>>,

    /// A [`Phase`]: written by [`advance`](Shared::advance) alone. Sequentially consistent with the counts that a
    /// closing listener waits for: who ends something sees the phase, or who waits sees the end.
    phase: AtomicU8,
    /// Connections that are open: written by who accepts and who ends one, ordered as `phase`.
    open: AtomicUsize,
    /// The process is out of descriptors or memory: the accepting task waits for a connection to end. Written by that
    /// task, and by the connection that ends; ordered as `open`.
    pub(crate) is_starved: AtomicBool,
    /// Wakes the accepting task: the listener stops, or a connection has ended.
    pub(crate) accepting: Notify,
    /// Connections are [watched](crate::server::driver::unbegun) by threads that serve many: those that wait for their hello on
    /// the runtime are to be, too.
    pub(crate) crowd: Notify,
    /// Something that a closing listener waits for has ended.
    pub(crate) progress: Notify,
    /// The phase is `Stopping`, or a later one.
    stopping: Notify,
    /// The phase is `Closed`.
    pub(crate) closed: Notify,

    /// The check whether a session's thread is stuck with a handler.
    pub(crate) stuck_check: RepeatedCheck,
    /// The check for acknowledgements that are due.
    pub(crate) ack_check: RepeatedCheck,
    /// The check for callers that have left, while as many messages are in flight as may be.
    pub(crate) limit_check: RepeatedCheck,
    /// Whose message did not fit any more, for the warning.
    pub(crate) limit_met_by: Mutex<Option<Peer>>,
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing that the listener has made, and is named at the one call"
    )]
    pub(crate) fn new(
        channel: Channel,
        mode: Mode,
        options: &Options,
        code: &Arc<UsersCode>,
        tap: Option<Arc<Tap>>,
        check_json: bool,
        max_connections: usize,
        runtime: Handle,
        waiting: Option<Arc<Waiting>>,
    ) -> Shared {
        let threads = match waiting {
            Some(waiting) => Threads::of_the_user(waiting, runtime.clone()),
            None => Threads::new(options.threads, runtime.clone()),
        };
        Shared {
            mode,
            blocking: code.is_blocking(),
            check_json,
            code: Arc::downgrade(code),
            threads,
            runtime,
            tally: Tally::default(),
            clock: Clock::start(),
            publication: (mode == Mode::Publish || options.publish).then(|| Arc::new(Publication::new(options))),
            admission: Arc::new(Admission::new(options.max_in_flight, options.max_waiting)),
            memory: Budget::new(options.shared_memory),
            tap,
            plain_text: options.plain_text.unwrap_or(channel.port().is_none()),
            options: Options { report_to: ReportTo::default(), cancellation: None, max_connections, ..options.clone() },
            channel,
            phase: AtomicU8::new(Phase::Open as u8),
            open: AtomicUsize::new(0),
            is_starved: AtomicBool::new(false),
            accepting: Notify::new(),
            crowd: Notify::new(),
            progress: Notify::new(),
            stopping: Notify::new(),
            closed: Notify::new(),
            stuck_check: RepeatedCheck::default(),
            ack_check: RepeatedCheck::default(),
            limit_check: RepeatedCheck::default(),
            limit_met_by: Mutex::default(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let Shared { tally, admission, publication, .. } = self;
        let counted = publication.as_ref().map_or_else(Counted::default, |publication| publication.counted());
        let Counted { subscribers, published, dropped, too_slow } = counted;
        let counters = tally.read(admission.in_flight(), admission.abandoned());
        Counters { subscribers, published, dropped, too_slow, ..counters }
    }

    /// What the listener tells of itself to whoever asks.
    pub(crate) fn state(&self) -> ListenerState {
        let count = |number: usize| number as u64;
        let options = &self.options;
        ListenerState {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id().into(),
            mode: self.mode.name().to_owned(),
            uptime_ms: self.clock.uptime_ms(),
            is_closing: self.is_closing(),
            publishes: self.publication.is_some(),
            tap: self.tap.is_some(),
            retains: self.publication.is_some() && options.retain,
            shared_memory: count(self.memory.used()),
            counters: self.counters(),
            limits: ListenerLimits {
                max_message: count(options.max_message),
                max_connections: count(options.max_connections),
                max_in_flight: count(options.max_in_flight),
                max_waiting: count(options.max_waiting),
                threads: match self.threads.waiting() {
                    Some(_) => 1,
                    None if self.blocking => count(options.threads),
                    None => 0,
                },
                shared_memory: count(options.shared_memory),
            },
        }
    }

    #[inline]
    fn has_reached(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) >= phase as u8
    }

    /// Goes on to a phase, if it is not there yet, and tells who waits for that. Whether it was not.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        if self.phase.fetch_max(phase as u8, Ordering::SeqCst) >= phase as u8 {
            return false;
        }
        self.accepting.notify_one();
        self.stopping.notify_waiters();
        self.progress.notify_waiters();
        if phase == Phase::Closed {
            self.closed.notify_waiters();
        }
        true
    }

    /// Whether it takes nothing new.
    pub(crate) fn is_closing(&self) -> bool {
        self.has_reached(Phase::Stopping)
    }

    pub(crate) fn has_accepted_all(&self) -> bool {
        self.has_reached(Phase::AcceptedAll)
    }

    /// Whether the listener has wound up.
    #[inline]
    pub(crate) fn has_closed(&self) -> bool {
        self.has_reached(Phase::Closed)
    }

    /// Completes when the listener takes nothing new.
    pub(crate) async fn until_stopping(&self) {
        until(&self.stopping, || self.is_closing()).await;
    }

    /// Completes when the listener has wound up: connections that still linger end then.
    pub(crate) async fn until_closed(&self) {
        until(&self.closed, || self.has_closed()).await;
    }

    /// Completes when a check is wanted; false once the listener has closed.
    pub(crate) async fn until_wanted(&self, check: &RepeatedCheck) -> bool {
        tokio::select! {
            () = check.wanted.notified() => true,
            () = self.until_closed() => false,
        }
    }

    /// What the user gave to call, for whoever is about to call it. `None` once the listener has closed: then no
    /// message goes to a handler any more.
    #[inline]
    pub(crate) fn users_code(&self) -> Option<Arc<UsersCode>> {
        if self.has_closed() { None } else { self.code.upgrade() }
    }

    /// Takes a message to the handler in the calling thread; it has let go of it on return.
    pub(crate) fn call_blocking(&self, message: &Message, responder: Responder) {
        match self.users_code() {
            Some(code) => code.call_blocking(message, responder),
            None => responder.discard(),
        }
    }

    /// Takes a message to the handler on the runtime.
    pub(crate) async fn call_async(&self, message: Message, responder: Responder) {
        match self.users_code() {
            Some(code) => code.call_async(message, responder).await,
            None => responder.discard(),
        }
    }

    /// Takes a message to the handler on a thread, or on the runtime where the handler does not block: `begins` there,
    /// and `ends` when the handler is done.
    pub(crate) fn hand_over(
        self: &Arc<Shared>,
        message: Message,
        responder: Responder,
        begins: impl FnOnce() + Send + 'static,
        ends: impl FnOnce() + Send + 'static,
    ) {
        let shared = Arc::clone(self);
        if self.blocking {
            self.threads.submit(Box::new(move || {
                begins();
                shared.call_blocking(&message, responder);
                drop(message);
                ends();
            }));
        } else {
            self.runtime.spawn(async move {
                begins();
                shared.call_async(message, responder).await;
                ends();
            });
        }
    }

    /// Whether the calling thread is within the listener's handler.
    pub(crate) fn runs_its_handler(&self) -> bool {
        UsersCode::is_around(self.code.as_ptr())
    }

    /// Tells the listener's owner what no caller hears of.
    pub(crate) fn report(&self, kind: ErrorKind, text: &str, peer: Peer) {
        let message = &one_line(text.into());
        tell!(WARN, "a failure that no caller hears of", channel: self.channel, peer: Who(&peer), why: message);
        // Where nobody holds it, no handler is left that could have failed.
        if let Some(code) = self.code.upgrade() {
            code.report(&HandlerReport { kind, channel: &self.channel, mode: self.mode, message, peer });
        }
    }

    /// Counts a failure, `tell`s the caller, and has the owner told of what no caller hears of.
    pub(crate) fn fail(&self, frame: ErrorFrame<'_>, peer: Peer, tell: impl FnOnce() -> Result<()>) -> Result<()> {
        count(&self.tally.failed);
        let told = tell();
        tell!(DEBUG, "a handler failed", channel: self.channel, peer: Who(&peer), why: frame.text);
        if frame.kind == ErrorKind::HandlerFailed && (told.is_err() || self.mode == Mode::Broadcast) {
            self.report(frame.kind, frame.text, peer);
        }
        told
    }

    /// Counts a connection that was refused because of who was at its other end.
    pub(crate) fn refused(&self, peer: &Peer) {
        count(&self.tally.refused);
        tell!(WARN, "refused a connection: its user may not talk here", channel: self.channel, peer: Who(peer));
    }

    /// Counts a connection that broke the rules of its dialect.
    pub(crate) fn malformed(&self, peer: &Peer, why: impl Display) {
        count(&self.tally.malformed);
        tell!(WARN, "closes a connection that sent what is not allowed", channel: self.channel, peer: Who(peer), why: why);
    }

    /// Counts a connection that ended, or went stale, in the middle of a message.
    pub(crate) fn incomplete(&self, peer: &Peer) {
        count(&self.tally.incomplete);
        tell!(DEBUG, "a connection ended before all of a message had come", channel: self.channel, peer: Who(peer));
    }

    pub(crate) fn count_message(&self) {
        count(&self.tally.messages);
    }

    /// Takes a message in, whether there is room or not; [`end`](Shared::end) follows exactly once.
    pub(crate) fn begin(&self) {
        self.admission.begin();
    }

    /// Takes a message of this peer in if there is room for one more; then [`end`](Shared::end) follows exactly
    /// once, or [`abandon`](Shared::abandon).
    #[inline]
    pub(crate) fn try_begin(&self, peer: &Peer) -> bool {
        self.admission.try_begin() || {
            self.at_the_limit(*peer);
            false
        }
    }

    pub(crate) fn end(&self) {
        self.ended(self.admission.end());
    }

    /// Nobody waits any more for a message that was taken in; [`settle`](Shared::settle) follows when its handler
    /// has settled it.
    pub(crate) fn abandon(&self) {
        self.ended(self.admission.abandon());
    }

    pub(crate) fn settle(&self) {
        self.ended(self.admission.settle());
    }

    fn ended(&self, was_the_last: bool) {
        if was_the_last && self.is_closing() {
            self.progress.notify_waiters();
        }
    }

    /// No more messages may be taken in: the listener tells its owner once, and looks whether callers have left.
    #[cold]
    fn at_the_limit(&self, peer: Peer) {
        if self.admission.is_full() {
            lock(&self.limit_met_by).get_or_insert(peer);
            self.limit_check.want();
        }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Whether one more connection may be open.
    pub(crate) fn may_open_another(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.options.max_connections
    }

    fn connection_ended(&self) {
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
        let before = self.open.fetch_sub(1, Ordering::SeqCst);
        if before == self.options.max_connections || self.is_starved.swap(false, Ordering::SeqCst) {
            self.accepting.notify_one();
        }
        if self.is_closing() {
            self.progress.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("channel", &self.channel).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// A connection, which counts as open until this is dropped.
pub(crate) struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    pub(crate) fn new(shared: &Arc<Shared>) -> OpenConnection {
        count(&shared.tally.connections);
        count(&shared.tally.open);
        shared.open.fetch_add(1, Ordering::SeqCst);
        OpenConnection(Arc::clone(shared))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection_ended();
    }
}

/// Waits until `done`, which is asked again at each notification.
pub(crate) async fn until(changed: &Notify, done: impl Fn() -> bool) {
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
