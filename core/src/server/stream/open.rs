//! One stream of a listener, as its handler's threads and tasks share it with the driver of its session.

mod ending;
#[cfg(test)]
mod tests;
mod using;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::task::Waker;

use tokio::sync::Notify;

use super::flow::{Flow, Over};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::Message;
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::frame::{Body, Header};
use crate::server::call_id::CallId;
use crate::server::error_frame::ErrorFrame;
use crate::server::publication::burst::Burst;
use crate::server::tap::TappedCall;
use crate::session::credit::WINDOW;

/// What carries a stream's frames: its session.
pub(crate) trait Carrier: fmt::Debug + Send + Sync {
    fn peer(&self) -> Peer;

    /// The largest item that the caller takes, in bytes.
    fn peer_max(&self) -> usize;

    /// Whether the caller takes JSON with bytes.
    fn knows_attachments(&self) -> bool;

    /// How many bytes the caller's socket has not taken.
    fn unsent(&self) -> usize;

    /// Sends a frame behind all that waits. What the socket does not take is the driver's to send. `false`: the caller has
    /// gone.
    fn send(&self, header: &Header, body: &[u8]) -> bool;

    /// Adds a frame, which the driver, or who calls [`flush`](Carrier::flush), sends with those that follow it. How many bytes
    /// wait now; `None`: the caller has gone.
    fn gather(&self, header: &Header, body: &[u8]) -> Option<usize>;

    /// Sends what has gathered.
    fn flush(&self);

    /// Ends a call, for exactly one of those who try; [`ended`](Carrier::ended) follows, when its last frame has been handed
    /// over.
    fn end(&self, call: CallId) -> bool;

    /// The other part of [`end`](Carrier::end): the call was `settled` by its handler, or will be.
    fn ended(&self, settled: bool);

    /// The handler has settled a call that somebody else had ended.
    fn settle(&self);

    /// The listener has closed: what handlers make of it is no answer.
    fn has_closed(&self) -> bool;

    /// Counts a handler's failure, has `tell` tell the caller, and reports what no caller hears of.
    fn fail(&self, frame: ErrorFrame<'_>, tell: &mut dyn FnMut() -> Result<()>) -> Result<()>;

    /// The stream has ended, and its handler has settled it.
    fn leave(&self);
}

type OnChange = Arc<dyn Fn() + Send + Sync>;
type BeginToDrive = Box<dyn FnOnce() + Send>;

/// One stream: what has come of it, who waits for it, and who sends its last frame.
pub(crate) struct OpenStream {
    carrier: Arc<dyn Carrier>,
    call: CallId,
    /// Items that are JSON are checked to be so, for handlers of raw messages that count on it.
    check_json: bool,
    state: Mutex<State>,
    /// Threads that wait for a change.
    threads: Condvar,
    /// The caller has left, or has given the stream up.
    left: Notify,
    /// What an event loop is told by. Called without any lock.
    on_change: Mutex<Option<OnChange>>,
    /// What is told of what passes; empty where it is not to be seen. Set once, before the handler gets the stream.
    seen: OnceLock<TappedCall>,
    /// Has the session's driver begin to receive and to send, where it has not. Taken out and called, without any lock, by
    /// whoever needs that first.
    begin_to_drive: Mutex<Option<BeginToDrive>>,
}

struct State {
    flow: Flow,
    burst: Burst,
    /// Items whose frames are being handed over without the lock.
    handing: usize,
    /// The last frame, which the last of those sends.
    last: Option<Last>,
    /// A send has found no room since the last change.
    wants_room: bool,
    /// The caller was told that its handler has begun.
    is_accepted: bool,
    /// The handler takes items, or answers with a sequence.
    is_used: bool,
    /// What the handler did has been dropped, as its caller has left.
    is_abandoned: bool,
    /// The handler has answered, or has let go of its right to.
    is_settled: bool,
    /// It counts as open.
    is_counted: bool,
    /// How many items have been sent or taken by tasks in a row.
    in_a_row: u32,
    /// How many threads wait.
    sleepers: usize,
    /// Tasks that wait.
    wakers: Vec<Waker>,
}

/// The frame that ends a stream.
#[derive(Debug)]
struct Last {
    header: Header,
    body: Vec<u8>,
    settled: bool,
}

impl OpenStream {
    pub(crate) fn new(carrier: Arc<dyn Carrier>, call: CallId, check_json: bool) -> Arc<OpenStream> {
        let state = State {
            flow: Flow::new(),
            burst: Burst::default(),
            handing: 0,
            last: None,
            wants_room: false,
            is_accepted: false,
            is_used: false,
            is_abandoned: false,
            is_settled: false,
            is_counted: true,
            in_a_row: 0,
            sleepers: 0,
            wakers: Vec::new(),
        };
        Arc::new(OpenStream {
            carrier,
            call,
            check_json,
            state: Mutex::new(state),
            threads: Condvar::new(),
            left: Notify::new(),
            on_change: Mutex::default(),
            seen: OnceLock::new(),
            begin_to_drive: Mutex::default(),
        })
    }

    pub(crate) fn call(&self) -> CallId {
        self.call
    }

    pub(crate) fn peer(&self) -> Peer {
        self.carrier.peer()
    }

    pub(crate) fn checks_json(&self) -> bool {
        self.check_json
    }

    /// Has what passes from now on be told.
    pub(crate) fn be_seen(&self, call: TappedCall) {
        let _it_is_seen_already = self.seen.set(call);
    }

    /// Tells an item that the handler has taken.
    fn tell_taken(&self, item: &Message) {
        if let Some(seen) = self.seen.get() {
            seen.tell("caller_item", item.into());
        }
    }

    /// Notified when the caller has left or has given the stream up.
    pub(crate) fn left(&self) -> &Notify {
        self.needs_its_driver();
        &self.left
    }

    /// Nobody drives its session until `begin` is called, which somebody does who needs it.
    pub(crate) fn drive_when_needed(&self, begin: BeginToDrive) {
        *lock(&self.begin_to_drive) = Some(begin);
    }

    /// Somebody waits for what the caller does, or leaves it to the driver to send something.
    fn needs_its_driver(&self) {
        let begin = lock(&self.begin_to_drive).take();
        if let Some(begin) = begin {
            begin();
        }
    }

    /// Tells the caller that its stream was accepted, if that has not been told; the frame goes out with what follows at
    /// once, or by the driver.
    pub(crate) fn accept(&self) {
        let mut state = lock(&self.state);
        let is_told = std::mem::replace(&mut state.is_accepted, true) || state.flow.over().is_some();
        drop(state);
        if !is_told {
            let _gone_already = self.carrier.gather(&Header::credit(self.call.id(), 0), &[]);
        }
    }

    // What the driver has of the caller.

    /// The caller has sent an item.
    pub(crate) fn data(&self, header: &Header, body: Body<'_>) -> Result<(), Violation> {
        self.change(|flow| flow.data(header, body))
    }

    /// The caller sends no more items.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        self.change(|flow| flow.end().map(|()| true))
    }

    /// The caller takes so many bytes more.
    pub(crate) fn credit(&self, bytes: u32) -> Result<(), Violation> {
        self.change(|flow| flow.credit(bytes))
    }

    /// The driver has sent something: there may be room.
    pub(crate) fn make_room(&self) {
        if self.carrier.unsent() < WINDOW as usize {
            let state = lock(&self.state);
            if state.wants_room {
                self.tell(state);
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.state).flow.over().is_some()
    }

    /// Whether nobody waits for it any more, and the listener has not ended it.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(lock(&self.state).flow.over(), Some(Over::Cancelled | Over::Lost)) || self.carrier.has_closed()
    }

    /// Changes what has come, and tells who waits where it says that there is something to do.
    fn change(&self, change: impl FnOnce(&mut Flow) -> Result<bool, Violation>) -> Result<(), Violation> {
        let mut state = lock(&self.state);
        if change(&mut state.flow)? {
            self.tell(state);
        }
        Ok(())
    }

    /// Tells all who wait that something has changed.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        state.wants_room = false;
        let (wakers, sleepers) = (std::mem::take(&mut state.wakers), state.sleepers);
        let has_left = matches!(state.flow.over(), Some(Over::Cancelled | Over::Lost));
        let is_over = state.flow.over().is_some();
        drop(state);
        if sleepers > 0 {
            self.threads.notify_all();
        }
        wakers.into_iter().for_each(Waker::wake);
        if has_left {
            self.left.notify_waiters();
        }
        let on_change = if is_over { lock(&self.on_change).take() } else { lock(&self.on_change).clone() };
        if let Some(on_change) = on_change {
            on_change();
        }
    }
}

/// What a handler is told that goes on with a stream that is over.
fn is_over(over: Over, attempted: &str) -> Error {
    let (kind, why) = match over {
        Over::Here => (ErrorKind::Closed, "the stream was ended here before"),
        Over::Cancelled => (ErrorKind::Cancelled, "the caller cancelled the stream"),
        Over::Lost => (ErrorKind::ConnectionLost, "the caller has gone"),
    };
    Error::new(kind, format!("cannot {attempted}: {why}"))
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream").field("call", &self.call).finish_non_exhaustive()
    }
}
