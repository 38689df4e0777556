//! The limits and choices of a listener, a client or a single call.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::cancellation::Cancellation;
use crate::channel::{Address, Channel, PathStyle};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Overflow;
use crate::peer::Peers;
use crate::report::{HandlerReport, ReportTo};

/// How long a call waits for its answer unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest message, in bytes, unless told otherwise: 64 MiB.
pub const DEFAULT_MAX_MESSAGE: usize = 64 << 20;
/// The most connections of one listener unless told otherwise.
pub const DEFAULT_MAX_CONNECTIONS: usize = 1024;
/// The most messages of one session that are in flight unless told otherwise.
pub const DEFAULT_MAX_SESSION_IN_FLIGHT: usize = 1024;
/// The most messages of one listener that are in flight unless told otherwise.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 16_384;
/// The most bytes of one session that wait unless told otherwise: 4 MiB.
pub const DEFAULT_MAX_SESSION_WAITING: usize = 4 << 20;
/// The most bytes of one listener that wait unless told otherwise: 256 MiB.
pub const DEFAULT_MAX_WAITING: usize = 256 << 20;
/// The most bytes of events that wait for one subscriber unless told otherwise: 4 MiB.
pub const DEFAULT_QUEUE: usize = 4 << 20;
/// How many bytes of memory a listener shares with its clients unless told otherwise: none.
pub(crate) const DEFAULT_SHARED_MEMORY: usize = 0;
/// What says how many bytes otherwise, for a whole process.
const SHARED_MEMORY_VARIABLE: &str = "SIMPLE_IPC_SHARED_MEMORY";
/// How long a connection may take to its first byte, and then to the end of its hello, unless told otherwise.
pub const DEFAULT_HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a sender may be silent inside a message unless told otherwise.
pub const DEFAULT_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The most threads that one listener runs blocking handlers on unless told otherwise.
pub const DEFAULT_THREADS: usize = 256;
/// How long a closing listener waits for the handlers that are running, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// Which dialect a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wire {
    /// Native where the listener's lock file says that it is this library, else the Deno wire.
    #[default]
    Auto,
    /// Native sessions only: where no listener of this library holds the lock file, nobody listens. Where
    /// the lock file is not for this user to ask, it is tried.
    Native,
    /// The Deno original's wire only: one connection per message.
    Deno,
}

/// Choices for listening and posting. One type serves both; what does not concern a call is ignored.
///
/// ```
/// use std::time::Duration;
/// use simple_ipc::{Options, Wire};
///
/// let options = Options::new().timeout(Duration::from_secs(2)).wire(Wire::Deno);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    pub(crate) timeout: Option<Duration>,
    /// Whether `timeout` is what the caller said, and not the default of calls.
    pub(crate) timeout_was_set: bool,
    /// `None`: as long as it takes, but for a stream's acceptance.
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) wire: Wire,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) path_style: PathStyle,
    pub(crate) socket_mode: u32,
    pub(crate) max_message: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_session_in_flight: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_session_waiting: usize,
    pub(crate) max_waiting: usize,
    pub(crate) hello_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) peers: Peers,
    pub(crate) grace: Duration,
    pub(crate) wait: Duration,
    pub(crate) plain_text: Option<bool>,
    pub(crate) threads: usize,
    pub(crate) spin: Duration,
    pub(crate) shared_memory: usize,
    pub(crate) check_interval: Duration,
    pub(crate) report_to: ReportTo,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) publish: bool,
    pub(crate) retain: bool,
    pub(crate) patience: Duration,
    /// `None`: all of them.
    pub(crate) topics: Option<Vec<String>>,
    pub(crate) overflow: Overflow,
    pub(crate) queue: usize,
    /// `None`: without limit.
    pub(crate) reconnect: Option<Duration>,
    pub(crate) bridge: bool,
    pub(crate) tap: bool,
    /// Of a subscription: it gets what passes at the listener, not what that publishes.
    pub(crate) sees_messages: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout: Some(DEFAULT_TIMEOUT),
            timeout_was_set: false,
            idle_timeout: None,
            wire: Wire::Auto,
            directory: None,
            path: None,
            path_style: PathStyle::default(),
            socket_mode: 0o600,
            max_message: DEFAULT_MAX_MESSAGE,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_session_in_flight: DEFAULT_MAX_SESSION_IN_FLIGHT,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            max_session_waiting: DEFAULT_MAX_SESSION_WAITING,
            max_waiting: DEFAULT_MAX_WAITING,
            hello_timeout: DEFAULT_HELLO_TIMEOUT,
            stall_timeout: DEFAULT_STALL_TIMEOUT,
            peers: Peers::SameOwner,
            grace: DEFAULT_GRACE,
            wait: Duration::ZERO,
            plain_text: None,
            threads: DEFAULT_THREADS,
            spin: Duration::from_micros(100),
            shared_memory: default_shared_memory(),
            check_interval: Duration::from_secs(30),
            report_to: ReportTo::default(),
            cancellation: None,
            publish: false,
            retain: false,
            patience: Duration::ZERO,
            topics: None,
            overflow: Overflow::Fail,
            queue: DEFAULT_QUEUE,
            reconnect: None,
            bridge: false,
            tap: false,
            sees_messages: false,
        }
    }
}

impl Options {
    /// The defaults, which suit most programs.
    pub fn new() -> Options {
        Options::default()
    }

    /// How long a call may take from being made to its answer. Default: 30 s. Of a stream it is the time of the whole
    /// stream, and there is none unless it is set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Options {
        self.timeout_was_set = true;
        self.timeout = Some(timeout);
        self
    }

    /// Lets a call wait without limit. The listener's end ends it all the same.
    #[must_use]
    pub fn no_timeout(mut self) -> Options {
        self.timeout_was_set = true;
        self.timeout = None;
        self
    }

    /// The longest that the caller of a stream waits for its acceptance, for an item, and for room for one; each ends
    /// the stream with [`ErrorKind::TimedOut`]. Default: 30 s for the acceptance, and as long as it takes for items and room.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Options {
        self.idle_timeout = Some(timeout);
        self
    }

    /// These, for a stream of a client that has them. Of those that the call gave, what concerns one call alone counts.
    pub(crate) fn for_stream(&self, given: Option<&Options>) -> Options {
        let mut options = self.clone();
        if let Some(given) = given {
            options.timeout = given.timeout;
            options.timeout_was_set = given.timeout_was_set;
            options.idle_timeout = given.idle_timeout;
            options.cancellation = given.cancellation.clone();
        }
        options
    }

    /// How long a stream may take as a whole.
    pub(crate) fn stream_timeout(&self) -> Option<Duration> {
        self.timeout.filter(|_| self.timeout_was_set)
    }

    /// How long a stream may take to be accepted.
    pub(crate) fn acceptance_timeout(&self) -> Duration {
        self.idle_timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// Which dialect to speak. Default: [`Wire::Auto`].
    #[must_use]
    pub fn wire(mut self, wire: Wire) -> Options {
        self.wire = wire;
        self
    }

    /// The directory of sockets and lock files, instead of `SIMPLE_IPC_DIR` or `/tmp`.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Options {
        self.directory = Some(directory.into());
        self
    }

    /// The socket's full path, instead of one made from the directory and the channel's name.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Options {
        self.path = Some(path.into());
        self
    }

    /// How the socket's file is called. Default: [`PathStyle::V0_0_1`].
    #[must_use]
    pub fn path_style(mut self, style: PathStyle) -> Options {
        self.path_style = style;
        self
    }

    /// The permission bits of the socket's file, 0 to 0o777. Default: 0o600.
    ///
    /// Letting another user in needs [`peers`](Options::peers) too.
    #[must_use]
    pub fn socket_mode(mut self, mode: u32) -> Options {
        self.socket_mode = mode;
        self
    }

    /// The largest body, in bytes, that is sent or taken. Default: 64 MiB; at most 4 GiB - 1.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Options {
        self.max_message = bytes;
        self
    }

    /// The most connections that a listener holds at once. Default: 1024. It holds no more than seven eighths of the
    /// process's soft limit on descriptors (`RLIMIT_NOFILE`) when it begins to listen.
    ///
    /// At the limit, and where the process runs out of descriptors or memory, a listener lets go of the native session
    /// that has been idle longest (its client opens a new one when it needs it), and where none is idle, new
    /// connections wait their turn.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Options {
        self.max_connections = connections;
        self
    }

    /// The most requests of one session that a listener has in flight, and broadcasts that wait in it.
    /// Default: 1024. At the limit the listener stops reading the session.
    #[must_use]
    pub fn max_session_in_flight(mut self, messages: usize) -> Options {
        self.max_session_in_flight = messages;
        self
    }

    /// The most messages that a listener has in flight on all connections together: taken and not yet
    /// answered. Default: 16384. At the limit the listener stops reading those who send more, and goes on
    /// with one after another as there is room. A one-way message that goes from its session straight to
    /// the handler is not counted: there is one of those for each session's thread at the most.
    ///
    /// A call that nobody waits for any more gives its place back, though its handler has not settled it, as long as
    /// there are no more of those than may be in flight ([`Counters::abandoned`](crate::Counters::abandoned)). At the
    /// limit pings, cancels and flushes are answered, and [`on_handler_failure`](Options::on_handler_failure) is told.
    #[must_use]
    pub fn max_in_flight(mut self, messages: usize) -> Options {
        self.max_in_flight = messages;
        self
    }

    /// The most bytes of one session's messages that wait for handlers, and of its answers that wait for
    /// the client to read, each. Default: 4 MiB. At the limit the listener stops reading the session. A
    /// single larger message still passes.
    #[must_use]
    pub fn max_session_waiting(mut self, bytes: usize) -> Options {
        self.max_session_waiting = bytes;
        self
    }

    /// The most bytes, on all connections of a listener together, of messages that wait for handlers, and
    /// of answers that wait for clients to read, each. Default: 256 MiB. At the limit for messages the
    /// listener stops reading; at that for answers, only those clients that do not read. A single larger
    /// message still passes.
    #[must_use]
    pub fn max_waiting(mut self, bytes: usize) -> Options {
        self.max_waiting = bytes;
        self
    }

    /// How long a new connection may take to its first byte, and then to the end of its hello. Default:
    /// 10 s each. It is closed then, and counted as incomplete.
    #[must_use]
    pub fn hello_timeout(mut self, timeout: Duration) -> Options {
        self.hello_timeout = timeout;
        self
    }

    /// How long the other end of a connection without a session (Deno wire, plain text) may be silent
    /// inside a message, or take nothing of its answer. Default: 30 s. It is closed then, and counted as
    /// incomplete where its message was. Native sessions that stop inside a message are let go when
    /// their connection is needed for others.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Options {
        self.stall_timeout = timeout;
        self
    }

    /// Which users may be at the other end. Default: the same user, [`Peers::SameOwner`].
    #[must_use]
    pub fn peers(mut self, peers: Peers) -> Options {
        self.peers = peers;
        self
    }

    /// How long a closing listener waits for handlers that are running. Default: 5 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Options {
        self.grace = grace;
        self
    }

    /// How long a post waits for a listener to appear before it fails with 'not listening'.
    /// Default: not at all. The [timeout](Options::timeout) starts after it.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Options {
        self.wait = wait;
        self
    }

    /// Whether a listener takes plain text. Default: yes on Unix sockets, no on TCP, where a web
    /// page could make a browser send it.
    #[must_use]
    pub fn plain_text(mut self, accept: bool) -> Options {
        self.plain_text = Some(accept);
        self
    }

    /// The most threads that a listener runs blocking handlers on. Default: 256. Beyond them
    /// messages wait for a thread; none is refused for that reason.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Options {
        self.threads = threads;
        self
    }

    /// How long a thread that owns a session polls for the next message before it blocks, where
    /// polling has lately paid. Default: 100 µs, which must outlast the waking of an idle core;
    /// zero turns polling off.
    #[must_use]
    pub fn spin(mut self, spin: Duration) -> Options {
        self.spin = spin;
        self
    }

    /// How many bytes of memory a listener shares with its clients, all sessions together; and whether a client asks for any, which
    /// it does unless this is 0. Default: what the environment variable `SIMPLE_IPC_SHARED_MEMORY` says, a number of bytes, else 0.
    ///
    /// Where both sides have it, are of one user and on Linux, a busy session on a Unix socket goes over to two rings of 256 KiB,
    /// one each way (516 KiB in all), after 8 messages or 64 KiB. Messages then pass without a system call while both sides
    /// are awake. The socket stays for waking a side that sleeps and to tell that a process has gone. Where memory cannot be
    /// had, or a listener shares all that it may, sessions stay as they are. Streams and subscriptions always go by their socket.
    #[must_use]
    pub fn shared_memory(mut self, bytes: usize) -> Options {
        self.shared_memory = bytes;
        self
    }

    /// How often a listener looks whether its socket and lock file still stand, and puts them back
    /// if something removed them. Default: 30 s.
    #[must_use]
    pub fn check_interval(mut self, interval: Duration) -> Options {
        self.check_interval = interval;
        self
    }

    /// Has a listener call `report` once for each failure of its handler that no caller hears of: of a broadcast, of a
    /// request whose caller has gone or gave up, or cannot be told the text (Deno wire, plain text). Panics of the
    /// handler in these cases count. It is called once, too, when the listener first has as many messages in flight as
    /// it may ([`HandlerReport::kind`] tells the two apart), and again no sooner than when half of them have ended.
    ///
    /// It runs on the handler's thread, or on one of the library's, and should be quick. Default: nobody is told.
    #[must_use]
    pub fn on_handler_failure(mut self, report: impl Fn(&HandlerReport<'_>) + Send + Sync + 'static) -> Options {
        self.report_to = ReportTo::new(report);
        self
    }

    /// What gives a post up from another thread, or the connecting of a client, whose calls have a
    /// [`Call::cancellation`](crate::Call::cancellation) of their own. Default: nothing.
    ///
    /// An [`event_loop`](crate::event_loop) queue refuses it: there a call is given up by its ticket.
    #[must_use]
    pub fn cancellation(mut self, cancellation: &Cancellation) -> Options {
        self.cancellation = Some(cancellation.clone());
        self
    }

    /// Whether a listener for requests or broadcasts takes subscribers besides, to whom it publishes. Default: no. A
    /// listener that was made to publish does so in any case.
    #[must_use]
    pub fn publish(mut self, publish: bool) -> Options {
        self.publish = publish;
        self
    }

    /// Whether a listener lets its messages, its answers and the items of its streams be seen while they pass, by processes of its
    /// own user and root: see [`blocking::tap`](crate::blocking::tap()). Default: no.
    #[must_use]
    pub fn tap(mut self, tap: bool) -> Options {
        self.tap = tap;
        self
    }

    /// Whether a publisher keeps the last event of each topic for subscribers who come later: they get those first,
    /// marked as [`retained`](crate::Event::retained). Default: no.
    ///
    /// They count as [`max_waiting`](Options::max_waiting): a publish that would need more fails with
    /// [`ErrorKind::OutOfResources`]. Publishing no bytes on a topic forgets what it has.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Options {
        self.retain = retain;
        self
    }

    /// How long one publish waits for subscribers with [`Overflow::Block`] that have no room; those who have none then
    /// are cut off. Default: not at all, and such subscribers are refused.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Options {
        self.patience = patience;
        self
    }

    /// Which topics a subscriber gets, each exactly as it is published; an empty text is what is published on none.
    /// Default: all. From 1 to 1,024, of at most 255 bytes each.
    #[must_use]
    pub fn topics(mut self, topics: impl IntoIterator<Item = impl Into<String>>) -> Options {
        self.topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    /// What becomes of a subscriber for which more waits than [`queue`](Options::queue). Default: [`Overflow::Fail`].
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Options {
        self.overflow = overflow;
        self
    }

    /// The most bytes that wait at the publisher for a subscriber. Default: 4 MiB. The publisher lowers it to its own
    /// [`max_session_waiting`](Options::max_session_waiting). A single larger event still passes.
    #[must_use]
    pub fn queue(mut self, bytes: usize) -> Options {
        self.queue = bytes;
        self
    }

    /// How long a subscription that has lost its publisher looks for it, or for the next one. Default: without limit.
    /// With zero it ends with its publisher.
    #[must_use]
    pub fn reconnect(mut self, reconnect: Duration) -> Options {
        self.reconnect = Some(reconnect);
        self
    }

    /// Lets a subscription look for its publisher without limit, which is the default.
    #[must_use]
    pub fn no_reconnect_limit(mut self) -> Options {
        self.reconnect = None;
        self
    }

    /// Refuses what only a subscriber is told and that makes no sense.
    pub(crate) fn check_subscription(&self) -> Result<()> {
        let complaint = if self.queue == 0 {
            "a subscription needs room for at least one byte that waits".to_owned()
        } else if let Some(topics) = &self.topics {
            if topics.is_empty() {
                "a subscription names no topic; leave `topics` out to get all".to_owned()
            } else if topics.len() > MOST_TOPICS {
                format!("a subscription names {} topics, of at most {MOST_TOPICS}", topics.len())
            } else {
                return topics.iter().try_for_each(|topic| check_topic(topic));
            }
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidArgument, complaint))
    }

    /// Has a listener say in its lock file that it passes messages on to a listener of another machine, so that `ls` shows it and
    /// bridges do not pass on what has come over one. Its broadcasts are acknowledged when the handler has returned, however
    /// long that takes, and its streams are accepted when the handler takes the caller's items or answers with a sequence, and
    /// not when it begins. Default: no.
    #[must_use]
    pub fn bridge(mut self, bridge: bool) -> Options {
        self.bridge = bridge;
        self
    }

    /// Refuses values that make no sense, before anything is done with them.
    pub(crate) fn check(&self) -> Result<()> {
        let complaint = if self.socket_mode & !0o777 != 0 {
            format!("socket mode {:#o} has bits beyond 0o777", self.socket_mode)
        } else if self.max_message == 0 || u32::try_from(self.max_message).is_err() {
            format!("largest message of {} bytes is outside 1 to {}", self.max_message, u32::MAX)
        } else if self.max_connections == 0 {
            "a listener needs at least one connection".to_owned()
        } else if self.threads == 0 {
            "a listener needs at least one thread".to_owned()
        } else if self.max_session_in_flight == 0 || self.max_in_flight == 0 {
            "a listener needs room for at least one message in flight".to_owned()
        } else if self.max_session_waiting == 0 || self.max_waiting == 0 {
            "a listener needs room for at least one byte that waits".to_owned()
        } else if self.hello_timeout.is_zero() || self.stall_timeout.is_zero() {
            "a listener has to give its clients some time".to_owned()
        } else if self.check_interval.is_zero() {
            "the check interval is zero".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidArgument, complaint))
    }

    /// The address that a channel stands for under these options.
    pub(crate) fn address(&self, channel: &Channel) -> Result<Address> {
        match (&self.path, channel.port()) {
            (Some(path), None) => Channel::path(path.as_path())?.address(None, self.path_style),
            _ => channel.address(self.directory.as_deref().map(Path::new), self.path_style),
        }
    }
}

/// What `SIMPLE_IPC_SHARED_MEMORY` says, when it is first asked for; else none.
fn default_shared_memory() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    let said = || std::env::var(SHARED_MEMORY_VARIABLE).ok()?.trim().parse().ok();
    *BYTES.get_or_init(|| said().unwrap_or(DEFAULT_SHARED_MEMORY))
}

/// The most topics that one subscription names.
pub(crate) const MOST_TOPICS: usize = 1024;
/// The longest topic, in bytes of UTF-8.
pub(crate) const LONGEST_TOPIC: usize = 255;

/// Refuses a topic that is too long to be published on, or subscribed to.
pub(crate) fn check_topic(topic: &str) -> Result<()> {
    if topic.len() <= LONGEST_TOPIC {
        return Ok(());
    }
    let text = format!("a topic of {} bytes is too long: at most {LONGEST_TOPIC} are allowed", topic.len());
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_sense_are_refused() {
        assert!(Options::new().check().is_ok());
        for bad in [
            Options::new().socket_mode(0o1777),
            Options::new().max_message(0),
            Options::new().max_message(u32::MAX as usize + 1),
            Options::new().max_connections(0),
            Options::new().threads(0),
            Options::new().max_session_in_flight(0),
            Options::new().max_in_flight(0),
            Options::new().max_session_waiting(0),
            Options::new().max_waiting(0),
            Options::new().hello_timeout(Duration::ZERO),
            Options::new().stall_timeout(Duration::ZERO),
            Options::new().check_interval(Duration::ZERO),
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn values_without_sense_are_refused_to_a_subscription() {
        assert!(Options::new().check_subscription().is_ok());
        assert!(Options::new().topics(["", &"x".repeat(255)]).check_subscription().is_ok());
        for bad in [
            Options::new().queue(0),
            Options::new().topics([""; 0]),
            Options::new().topics(["x"; 1025]),
            Options::new().topics(["a".to_owned(), "é".repeat(128)]),
        ] {
            assert_eq!(bad.check_subscription().unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }

    /// `core/options.json` describes every option for all languages; its defaults are those of the code.
    #[test]
    fn the_defaults_are_those_of_the_table_of_options() {
        let table: serde_json::Value = serde_json::from_str(include_str!("../options.json")).unwrap();
        let defaults = Options::new();
        let listed = |name: &str| {
            let options = table["options"].as_array().unwrap();
            options.iter().find(|option| option["name"] == name).unwrap_or_else(|| panic!("{name}"))["default"].clone()
        };
        let milliseconds = |of: Duration| of.as_secs_f64() * 1000.0;
        for (name, duration) in [
            ("timeout", defaults.timeout.unwrap()),
            ("wait", defaults.wait),
            ("spin", defaults.spin),
            ("hello_timeout", defaults.hello_timeout),
            ("stall_timeout", defaults.stall_timeout),
            ("grace", defaults.grace),
            ("check_interval", defaults.check_interval),
            ("patience", defaults.patience),
        ] {
            assert_eq!(listed(name).as_f64(), Some(milliseconds(duration)), "{name}");
        }
        for (name, number) in [
            ("max_message", defaults.max_message),
            ("socket_mode", defaults.socket_mode as usize),
            ("max_connections", defaults.max_connections),
            ("max_session_in_flight", defaults.max_session_in_flight),
            ("max_in_flight", defaults.max_in_flight),
            ("max_session_waiting", defaults.max_session_waiting),
            ("max_waiting", defaults.max_waiting),
            ("threads", defaults.threads),
            ("queue", defaults.queue),
            ("shared_memory", DEFAULT_SHARED_MEMORY),
        ] {
            assert_eq!(listed(name).as_u64(), Some(number as u64), "{name}");
        }
        for name in [
            "directory",
            "path",
            "plain_text",
            "cancellation",
            "on_handler_failure",
            "topics",
            "reconnect",
            "idle_timeout",
        ] {
            assert!(listed(name).is_null(), "{name}");
        }
        assert_eq!((listed("wire"), listed("peers")), ("auto".into(), "same_user".into()));
        assert_eq!(listed("path_style"), "v0.0.1");
        assert_eq!(listed("overflow"), defaults.overflow.name());
        assert_eq!((listed("publish"), listed("retain")), (defaults.publish.into(), defaults.retain.into()));
        assert_eq!((listed("tap"), listed("bridge")), (defaults.tap.into(), defaults.bridge.into()));
        assert_eq!((defaults.topics, defaults.reconnect, defaults.idle_timeout), (None, None, None));
        assert_eq!(
            (defaults.wire, defaults.peers, defaults.path_style),
            (Wire::Auto, Peers::SameOwner, PathStyle::V0_0_1)
        );
    }

    #[test]
    fn a_full_path_replaces_directory_and_name_but_not_a_port() {
        let options = Options::new().directory("/run/x").path("/run/y.sock");
        assert_eq!(options.address(&Channel::uds("a").unwrap()).unwrap().to_string(), "/run/y.sock");
        assert_eq!(options.address(&Channel::ip(5).unwrap()).unwrap().to_string(), "127.0.0.1:5");
    }
}
