//! Answers that have come: those to requests, as nearly all are, are done as they come, with no other look at their calls.

use super::call::{Call, Slots, Ticket, What};
use super::starting::keep_spare;
use super::{Completion, MOST_SPARE_BYTES};
use crate::client::connection::{Answers, Tell};
use crate::client::incoming::Reply;
use crate::message::{Message, MessageKind};
use crate::protocol::frame::Body;

/// What one receive of a session has brought.
pub(super) struct Told<'a> {
    calls: &'a mut Slots<Call>,
    done: &'a mut Vec<Completion>,
    /// How many were done before.
    before: usize,
    spare: &'a mut Vec<Vec<u8>>,
    /// What is to be looked at by itself.
    pub(super) others: Answers<Ticket>,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        calls: &'a mut Slots<Call>,
        done: &'a mut Vec<Completion>,
        spare: &'a mut Vec<Vec<u8>>,
    ) -> Told<'a> {
        let before = done.len();
        Told { calls, done, before, spare, others: Vec::new() }
    }

    /// Whether somebody is told something.
    pub(super) fn has_news(&self) -> bool {
        self.done.len() > self.before || !self.others.is_empty()
    }
}

impl Tell<Ticket> for Told<'_> {
    #[inline]
    fn reply(&mut self, ticket: Ticket, kind: MessageKind, body: Body<'_>) {
        let data = match body {
            Body::Buffered(bytes) if bytes.len() <= MOST_SPARE_BYTES => {
                let mut data = self.spare.pop().unwrap_or_default();
                data.extend_from_slice(bytes);
                data
            }
            body => body.into_vec(),
        };
        let reply = Message::from_parts(kind, data);
        match self.calls.take_if(ticket.0, |call| matches!(call.what, What::Request)) {
            Some(call) => {
                self.done.push(Completion { ticket, result: Ok(Some(reply)) });
                keep_spare(self.spare, call.body);
            }
            None => self.others.push((ticket, Ok(Reply::Message(reply)))),
        }
    }

    fn others(&mut self) -> &mut Answers<Ticket> {
        &mut self.others
    }
}
