//! How a stream ends: who ends it, and who sends its last frame.

use super::{Last, OpenStream, is_over};
use crate::error::{ErrorKind, Result};
use crate::lock::lock;
use crate::message::{Message, MessageKind, MessageRef};
use crate::protocol::frame::{Header, Kind};
use crate::server::error_frame::ErrorFrame;
use crate::server::stream::flow::Over;

impl OpenStream {
    /// The caller has given the stream up.
    pub(crate) fn cancel(&self) {
        let frame = ErrorFrame::of_text(ErrorKind::Cancelled, "the caller cancelled the stream");
        let _ended_already = self.finish_with(frame, Over::Cancelled, false);
    }

    /// The library ends it with an error that is not the handler's.
    pub(crate) fn refuse(&self, kind: ErrorKind, text: &str) {
        self.refuse_with(ErrorFrame::of_text(kind, text));
    }

    /// The same with a frame that says more than that.
    pub(super) fn refuse_with(&self, frame: ErrorFrame<'_>) {
        let _ended_already = self.finish_with(frame, Over::Here, false);
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

    pub(super) fn hand_over_last(&self, last: &Last) {
        let _gone_already = self.carrier.send(&last.header, &last.body);
        if let Some(seen) = self.seen.get() {
            let (what, kind) = match last.header.kind {
                Kind::Response => ("response", last.header.message_kind()),
                Kind::Error => ("error", MessageKind::Json),
                _ => ("end", MessageKind::Json),
            };
            let nothing = last.header.kind == Kind::End;
            let body = if nothing { Message::null() } else { Message::from_parts(kind, last.body.clone()) };
            seen.tell(what, (&body).into());
        }
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
