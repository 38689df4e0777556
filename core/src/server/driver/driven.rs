//! A session with what drives it: whoever has this is the driver.

use std::sync::{Arc, Mutex};

use super::group;
use super::handover::Handover;
use super::unbegun::Unbegun;
use crate::lock::lock;
use crate::protocol::Violation;
use crate::protocol::frame::FrameReader;
use crate::server::listener::Listener;
use crate::server::session::Session;
use crate::server::session::delivery::Opening;
use crate::server::shared::OpenConnection;
use crate::server::stream::OpenStream;
use crate::server::threads::ReservedThread;

/// What happens next with a session that a driver is done with.
pub(crate) enum Next {
    /// A thread of its own drives it, one message at a time.
    Thread(ReservedThread),
    /// A thread of its own drives it, a batch at a time.
    Batch(ReservedThread),
    /// A thread drives it that serves others, too.
    Group,
    /// The user's thread drives it, which takes its messages to the handler.
    Own,
    /// The runtime drives it as a subscription: its first message, of which the header is here, subscribes.
    Subscription,
    /// The runtime drives it as long as a stream runs on it, which has been opened.
    Stream(Box<Opening>),
    /// The runtime drives it: it is quiet, waits for a late answer or a slow peer, or is to end.
    Runtime,
    /// Its client broke the protocol: it is told so.
    Dismiss(Violation),
    /// Its client has gone, or the listener lets it go.
    End,
    /// This is a forked child: nothing here is its own.
    Forked,
}

/// The driver's hold on its session: when it is dropped, with the runtime too, the session ends.
pub(crate) struct Driven {
    pub(crate) session: Arc<Session>,
    pub(crate) drivers: Arc<Drivers>,
    /// What has come of frames that are not taken yet.
    pub(crate) reader: FrameReader,
    /// Nothing has come yet, and what comes first may subscribe.
    pub(crate) may_subscribe: bool,
    /// Last: it counts as open while something else here is left.
    pub(crate) _open: OpenConnection,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.session.lose();
        // Handlers that still run hold the session: the connection must not stay open for them.
        self.session.socket.shutdown();
        self.session.shared.admission.leave_line(&self.session.driver);
        self.drivers.listener.remove(&self.session);
        self.session.tell_unsent(0);
    }
}

/// What all drivers of a listener's sessions share.
pub(crate) struct Drivers {
    pub(crate) listener: Arc<Listener>,
    /// Threads that are at batches, or between two.
    batches: Mutex<Vec<BatchThread>>,
    /// Sessions that their threads keep while they are with the handler of a stream.
    kept: Mutex<Vec<KeptSession>>,
    /// Sessions that share threads.
    pub(crate) groups: group::Groups<Served>,
}

/// The sessions that one thread serves.
pub(crate) type Group = group::Group<Served>;

/// One of the connections that a thread serves together.
pub(crate) enum Served {
    Session(Box<Driven>),
    /// Nothing has come of it yet.
    Unbegun(Box<Unbegun>),
}

/// A thread of a session, while it drives that a batch at a time.
pub(crate) type BatchThread = Arc<Handover<Driven>>;

/// A session that its thread keeps while it takes a stream to the handler. `None` once somebody has it: the runtime, or the
/// thread again.
pub(crate) type KeptSession = Arc<Mutex<Option<Keeping>>>;

/// What a thread keeps: its session, its seat, and the stream.
pub(crate) struct Keeping {
    pub(crate) driven: Driven,
    pub(crate) seat: ReservedThread,
    pub(crate) open: Arc<OpenStream>,
}

impl Drivers {
    pub(crate) fn new(listener: Arc<Listener>) -> Arc<Drivers> {
        Arc::new(Drivers {
            listener,
            batches: Mutex::default(),
            kept: Mutex::default(),
            groups: group::Groups::default(),
        })
    }

    pub(crate) fn add(&self, thread: &BatchThread) {
        lock(&self.batches).push(Arc::clone(thread));
    }

    pub(crate) fn remove(&self, thread: &BatchThread) {
        lock(&self.batches).retain(|other| !Arc::ptr_eq(other, thread));
    }

    pub(crate) fn batches(&self) -> Vec<BatchThread> {
        lock(&self.batches).clone()
    }

    pub(crate) fn keep(&self, kept: &KeptSession) {
        lock(&self.kept).push(Arc::clone(kept));
    }

    pub(crate) fn release(&self, kept: &KeptSession) {
        lock(&self.kept).retain(|other| !Arc::ptr_eq(other, kept));
    }

    pub(crate) fn kept(&self) -> Vec<KeptSession> {
        lock(&self.kept).clone()
    }
}
