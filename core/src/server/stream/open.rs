//! One stream of a listener, as its handler's threads and tasks share it with the driver of its session.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::flow::{Flow, Over, Taken};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::item::NextItem;
use crate::lock::{lock, wait};
use crate::message::{Message, MessageRef};
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::frame::{Body, Header, Kind};
use crate::server::call_id::CallId;
use crate::server::error_frame::ErrorFrame;
use crate::server::publication::burst::Burst;
use crate::session::credit::WINDOW;

/// An item of this many bytes is sent at once, also where small ones gather.
const LARGE: usize = 16 << 10;
/// Small items that have gathered to so many bytes are sent by the thread that has added the last of them.
const GATHERED: usize = 64 << 10;
/// How many items may follow each other in a task before other tasks have their turn.
const IN_A_ROW: u32 = 64;
/// How long a wait without a limit takes before it begins anew.
const A_WHILE: Duration = Duration::from_secs(3600);

/// What carries a stream's frames: its session.
pub(crate) trait Carrier: fmt::Debug + Send + Sync {
    fn peer(&self) -> Peer;

    /// The largest item that the caller takes, in bytes.
    fn peer_max(&self) -> usize;

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

    /// Notified when the caller has left or has given the stream up.
    pub(crate) fn left(&self) -> &Notify {
        &self.left
    }

    /// Tells the caller that its stream was accepted; the frame goes out with what follows at once, or by the driver.
    pub(crate) fn accept(&self) {
        let _gone_already = self.carrier.gather(&Header::credit(self.call.id(), 0), &[]);
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

    /// The caller has given the stream up.
    pub(crate) fn cancel(&self) {
        let frame = ErrorFrame::of_text(ErrorKind::Cancelled, "the caller cancelled the stream");
        let _ended_already = self.finish_with(frame, Over::Cancelled, false);
    }

    /// The library ends it with an error that is not the handler's.
    pub(crate) fn refuse(&self, kind: ErrorKind, text: &str) {
        let _ended_already = self.finish_with(ErrorFrame::of_text(kind, text), Over::Here, false);
    }

    /// The caller has gone, or the session ends.
    pub(crate) fn lose(&self) {
        let ends = self.carrier.end(self.call);
        let mut state = lock(&self.state);
        if state.flow.close(Over::Lost) {
            self.tell(state);
            self.leave_if_done();
        }
        if ends {
            self.carrier.ended(false);
        }
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

    // What the handler does.

    /// Sends an item, if there is room for it.
    pub(crate) fn try_send(&self, item: MessageRef<'_>) -> Result<bool> {
        self.fits(item)?;
        let begun = self.begin_item(item, &mut lock(&self.state))?;
        Ok(begun.map(|gathers| self.hand_over(item, gathers)).is_some())
    }

    /// Sends an item, waiting in the calling thread for room.
    pub(crate) fn send(&self, item: MessageRef<'_>, timeout: Option<Duration>) -> Result<()> {
        self.fits(item)?;
        let begun = self.wait(timeout, |state| self.begin_item(item, state))?;
        let gathers = begun.ok_or_else(|| {
            let text = "cannot send an item: the caller has taken too little of those before it in this time";
            Error::new(ErrorKind::TimedOut, text)
        })?;
        self.hand_over(item, gathers);
        Ok(())
    }

    /// Sends an item, or has the task woken when there may be room for it.
    pub(crate) fn poll_send(&self, item: MessageRef<'_>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.fits(item)?;
        let polled = self.poll(context, |state| self.begin_item(item, state));
        polled.map(|begun| begun.map(|gathers| self.hand_over(item, gathers)))
    }

    /// An item that is larger than the caller takes ends the stream.
    fn fits(&self, item: MessageRef<'_>) -> Result<()> {
        let max = self.carrier.peer_max();
        if item.len() <= max {
            return Ok(());
        }
        let text = format!(
            "an item of {} bytes is larger than the {max} that the caller takes; raise the caller's largest message or send \
             less",
            item.len()
        );
        self.refuse(ErrorKind::TooLarge, &text);
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// Takes credit for an item; `None` where there is none yet. Whether it gathers, or is sent at once.
    fn begin_item(&self, item: MessageRef<'_>, state: &mut State) -> Result<Option<bool>> {
        if let Some(over) = state.flow.over() {
            return Err(is_over(over, "send an item"));
        }
        // What the caller has granted lately and does not read waits here: not more than a window.
        if !state.flow.may_send() || self.carrier.unsent() >= WINDOW as usize {
            state.wants_room = true;
            return Ok(None);
        }
        state.flow.sends(item.len());
        state.handing += 1;
        Ok(Some(state.burst.gathers(Instant::now()) && item.len() < LARGE))
    }

    /// Hands over an item that has begun.
    fn hand_over(&self, item: MessageRef<'_>, gathers: bool) {
        let header = Header::of(Kind::Data, self.call.id(), item);
        let mut cost = None;
        if gathers {
            if self.carrier.gather(&header, item.data()).is_some_and(|waiting| waiting >= GATHERED) {
                self.carrier.flush();
            }
        } else {
            let began = Instant::now();
            // Who has gone is noted where it is found out, and told by the driver.
            let _gone_already = self.carrier.send(&header, item.data());
            cost = Some((began, Instant::now()));
        }
        let mut state = lock(&self.state);
        if let Some((began, now)) = cost {
            state.burst.sent(began, now);
        }
        state.handing -= 1;
        if state.handing == 0
            && let Some(last) = state.last.take()
        {
            drop(state);
            self.hand_over_last(&last);
        }
    }

    /// The caller's next item, if it is there.
    pub(crate) fn try_next(&self) -> Result<NextItem> {
        let mut grants = Vec::new();
        let taken = self.take(&mut lock(&self.state), &mut grants)?;
        self.grant(&grants);
        Ok(match taken {
            Some(Some(item)) => NextItem::Item(item),
            Some(None) => NextItem::Ended,
            None => NextItem::NotYet,
        })
    }

    /// The caller's next item, waiting in the calling thread; `None` is the end.
    pub(crate) fn recv(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        let mut grants = Vec::new();
        let next = self.wait(timeout, |state| self.take(state, &mut grants))?;
        self.grant(&grants);
        next.ok_or_else(|| Error::new(ErrorKind::TimedOut, "no item of the caller has come in this time"))
    }

    /// The caller's next item, or has the task woken when there may be one; `None` is the end.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        let mut grants = Vec::new();
        let next = self.poll(context, |state| self.take(state, &mut grants));
        self.grant(&grants);
        next
    }

    fn take(&self, state: &mut State, grants: &mut Vec<u32>) -> Result<Option<Option<Message>>> {
        match state.flow.next() {
            Taken::Item(item) => {
                state.flow.grant(item.len(), grants);
                Ok(Some(Some(item)))
            }
            Taken::NotYet => Ok(None),
            Taken::Ended => Ok(Some(None)),
            Taken::Over(over) => Err(is_over(over, "read the caller's items")),
        }
    }

    fn grant(&self, grants: &[u32]) {
        for &bytes in grants {
            let _gone_already = self.carrier.send(&Header::credit(self.call.id(), bytes), &[]);
        }
    }

    /// Tries until it comes to something, waiting in the calling thread in between; `None` where the time is over before.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut attempt: impl FnMut(&mut State) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = lock(&self.state);
        loop {
            if let Some(done) = attempt(&mut state)? {
                return Ok(Some(done));
            }
            let left = interrupt::left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            let piece = interrupt::piece(left).unwrap_or(A_WHILE);
            state.sleepers += 1;
            state = wait(&self.threads, &self.state, state, piece).0;
            state.sleepers -= 1;
            if interrupt::wants_end() {
                return Err(interrupt::error());
            }
        }
    }

    /// Tries once; where it comes to nothing, the task is woken by the next change.
    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut State) -> Result<Option<T>>,
    ) -> Poll<Result<T>> {
        let mut state = lock(&self.state);
        if state.in_a_row >= IN_A_ROW {
            state.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match attempt(&mut state) {
            Ok(Some(done)) => {
                state.in_a_row += 1;
                Poll::Ready(Ok(done))
            }
            Ok(None) => {
                state.in_a_row = 0;
                wait_as(context, &mut state.wakers);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Completes when the caller has left or has given the stream up.
    pub(crate) fn poll_left(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if matches!(state.flow.over(), Some(Over::Cancelled | Over::Lost)) {
            return Poll::Ready(());
        }
        wait_as(context, &mut state.wakers);
        Poll::Pending
    }

    /// Completes when that is so, and the handler makes use of the stream: it is no use any more then.
    pub(crate) fn poll_abandoned(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.is_used && matches!(state.flow.over(), Some(Over::Cancelled | Over::Lost)) {
            state.is_abandoned = true;
            return Poll::Ready(());
        }
        wait_as(context, &mut state.wakers);
        Poll::Pending
    }

    /// The handler takes items, or answers with a sequence.
    pub(crate) fn use_it(&self) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.is_used, true) && state.flow.over().is_some() {
            self.tell(state);
        }
    }

    /// What is called, by a thread of the library, when there may be something to do.
    pub(crate) fn on_change(&self, call: OnChange) {
        let before = lock(&self.on_change).replace(call);
        drop(before);
        // Who ends the stream takes it out: what it holds may hold this stream.
        if self.is_over()
            && let Some(call) = { lock(&self.on_change).take() }
        {
            call();
        }
    }

    /// Whether the handler has answered, or has let go of its right to.
    pub(crate) fn is_settled(&self) -> bool {
        lock(&self.state).is_settled
    }

    // How it ends.

    /// The handler ends it, with nothing behind its items.
    pub(crate) fn finish(&self) -> Result<()> {
        self.finish_as(Header::bare(Kind::End, self.call.id()), Vec::new(), Over::Here, true)
    }

    /// The handler answers with one item, which is the last.
    pub(crate) fn respond(&self, item: MessageRef<'_>) -> Result<()> {
        if let Err(error) = self.fits(item) {
            self.settle();
            return Err(error);
        }
        let header = Header::of(Kind::Response, self.call.id(), item);
        self.finish_as(header, item.data().to_vec(), Over::Here, true)
    }

    /// The handler ends it with an error.
    pub(crate) fn fail(&self, frame: ErrorFrame<'_>) -> Result<()> {
        if lock(&self.state).is_abandoned {
            // It did not fail: what it did was dropped.
            self.settle();
            return Err(is_over(Over::Cancelled, "answer"));
        }
        self.carrier.fail(frame, &mut || self.finish_with(frame, Over::Here, true))
    }

    /// Lets go of a stream that no handler gets any more.
    pub(crate) fn discard(&self) {
        if self.carrier.end(self.call) {
            let mut state = lock(&self.state);
            state.flow.close(Over::Lost);
            state.is_settled = true;
            self.tell(state);
            self.carrier.ended(true);
            self.leave_if_done();
        } else {
            self.settle();
        }
    }

    fn finish_with(&self, frame: ErrorFrame<'_>, over: Over, settled: bool) -> Result<()> {
        let body = frame.body(self.carrier.peer_max());
        let header = Header { len: body.len() as u32, ..Header::bare(Kind::Error, self.call.id()) };
        self.finish_as(header, body, over, settled)
    }

    /// Ends it with its last frame, behind the items that are being handed over.
    fn finish_as(&self, header: Header, body: Vec<u8>, over: Over, settled: bool) -> Result<()> {
        if !self.carrier.end(self.call) {
            if settled {
                self.settle();
            }
            let over = lock(&self.state).flow.over();
            return Err(is_over(over.unwrap_or(Over::Lost), "answer"));
        }
        if settled && self.carrier.has_closed() {
            let mut state = lock(&self.state);
            state.flow.close(Over::Lost);
            state.is_settled = true;
            self.tell(state);
            self.carrier.ended(true);
            self.leave_if_done();
            return Err(is_over(Over::Lost, "answer"));
        }
        let last = Last { header, body, settled };
        let mut state = lock(&self.state);
        state.flow.close(over);
        state.is_settled |= settled;
        if state.handing > 0 {
            state.last = Some(last);
            self.tell(state);
        } else {
            drop(state);
            self.hand_over_last(&last);
            self.tell(lock(&self.state));
        }
        self.leave_if_done();
        Ok(())
    }

    fn hand_over_last(&self, last: &Last) {
        let _gone_already = self.carrier.send(&last.header, &last.body);
        self.carrier.ended(last.settled);
    }

    /// The handler settles a stream that somebody else has ended.
    pub(crate) fn settle(&self) {
        let was_settled = std::mem::replace(&mut lock(&self.state).is_settled, true);
        if !was_settled {
            self.carrier.settle();
            self.leave_if_done();
        }
    }

    /// Does not count as open any more when it is over and settled.
    fn leave_if_done(&self) {
        let leaves = {
            let mut state = lock(&self.state);
            let is_done = state.is_settled && state.flow.over().is_some();
            is_done && std::mem::replace(&mut state.is_counted, false)
        };
        if leaves {
            self.carrier.leave();
        }
    }
}

/// Has the task be woken by the next change.
fn wait_as(context: &Context<'_>, wakers: &mut Vec<Waker>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
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

#[cfg(test)]
mod tests;
