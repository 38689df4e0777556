//! What a handler does with its stream, in threads, tasks and event loops: sending, taking, waiting.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{OnChange, OpenStream, State, is_over};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::item::NextItem;
use crate::lock::{lock, wait};
use crate::message::{Message, MessageKind, MessageRef};
use crate::protocol::frame::{Header, Kind};
use crate::server::error_frame::{ErrorFrame, UNKNOWN_BODY};
use crate::server::stream::flow::{Over, Taken};
use crate::session::credit::WINDOW;

/// An item of this many bytes is sent at once, also where small ones gather.
const LARGE: usize = 16 << 10;
/// Small items that have gathered to so many bytes are sent by the thread that has added the last of them.
const GATHERED: usize = 64 << 10;
/// How many items may follow each other in a task before other tasks have their turn.
const IN_A_ROW: u32 = 64;
/// How long a wait without a limit takes before it begins anew.
const A_WHILE: Duration = Duration::from_secs(3600);

impl OpenStream {
    /// Sends an item, if there is room for it.
    pub(crate) fn try_send(&self, item: MessageRef<'_>) -> Result<bool> {
        self.fits(item)?;
        let begun = self.begin_item(item, &mut lock(&self.state))?;
        if begun.is_none() {
            self.needs_its_driver();
        }
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

    /// An item that is larger than the caller takes, or of a kind that it does not know, ends the stream.
    pub(super) fn fits(&self, item: MessageRef<'_>) -> Result<()> {
        if item.kind() == MessageKind::Attached && !self.carrier.knows_attachments() {
            self.refuse_with(ErrorFrame::of_unknown_body());
            return Err(Error::new(ErrorKind::UnsupportedVersion, UNKNOWN_BODY));
        }
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
            self.needs_its_driver();
            if self.carrier.gather(&header, item.data()).is_some_and(|waiting| waiting >= GATHERED) {
                self.carrier.flush();
            }
        } else {
            let began = Instant::now();
            // Who has gone is noted where it is found out, and told by the driver.
            let _gone_already = self.carrier.send(&header, item.data());
            cost = Some((began, Instant::now()));
        }
        if let Some(seen) = self.seen.get() {
            seen.tell("item", item);
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
        if taken.is_none() {
            self.needs_its_driver();
        }
        self.grant(&grants);
        Ok(match taken {
            Some(Some(item)) => {
                self.tell_taken(&item);
                NextItem::Item(item)
            }
            Some(None) => NextItem::Ended,
            None => NextItem::NotYet,
        })
    }

    /// The caller's next item, waiting in the calling thread; `None` is the end.
    pub(crate) fn recv(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        let mut grants = Vec::new();
        let next = self.wait(timeout, |state| self.take(state, &mut grants))?;
        self.grant(&grants);
        if let Some(Some(item)) = &next {
            self.tell_taken(item);
        }
        next.ok_or_else(|| Error::new(ErrorKind::TimedOut, "no item of the caller has come in this time"))
    }

    /// The caller's next item, or has the task woken when there may be one; `None` is the end.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        let mut grants = Vec::new();
        let next = self.poll(context, |state| self.take(state, &mut grants));
        self.grant(&grants);
        if let Poll::Ready(Ok(Some(item))) = &next {
            self.tell_taken(item);
        }
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
        let mut is_driven = false;
        let mut state = lock(&self.state);
        loop {
            if let Some(done) = attempt(&mut state)? {
                return Ok(Some(done));
            }
            let left = interrupt::left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            if !is_driven {
                drop(state);
                self.needs_its_driver();
                is_driven = true;
                state = lock(&self.state);
                continue;
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
                drop(state);
                self.needs_its_driver();
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
        drop(state);
        self.needs_its_driver();
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
        drop(state);
        self.needs_its_driver();
        Poll::Pending
    }

    /// The handler takes items, or answers with a sequence.
    pub(crate) fn use_it(&self) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.is_used, true) && state.flow.over().is_some() {
            return self.tell(state);
        }
        let is_accepted = state.is_accepted;
        drop(state);
        if !is_accepted {
            self.accept();
        }
    }

    /// What is called, by a thread of the library, when there may be something to do.
    pub(crate) fn on_change(&self, call: OnChange) {
        let before = lock(&self.on_change).replace(call);
        drop(before);
        self.needs_its_driver();
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
}

/// Has the task be woken by the next change.
fn wait_as(context: &Context<'_>, wakers: &mut Vec<Waker>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}
