//! What goes out: calls in the line of a session, and what has gathered on it.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, ClientId, Id, State, Ticket, What};
use super::link::{Body, Room};
use super::{Connection, Queue};
use crate::client::pending::Reply;
use crate::client::replace::ended_before;
use crate::client::{Failed, deadline, too_large};
use crate::error::Error;
use crate::interrupt;
use crate::message::Message;
use crate::protocol::frame::Kind;

impl Queue {
    /// The session of a client, where a request with a body of `len` bytes can go on it this moment: by far the
    /// usual case.
    pub(super) fn link_at_hand(&self, client: ClientId, len: usize) -> Option<Id> {
        let client = self.clients.get(client.0)?;
        let id = client.link?;
        let Connection::Link(link) = self.connections.get(id)? else { return None };
        let has_room = link.waiting.is_empty() && matches!(link.room_for(len), Room::Yes);
        let says_nothing = client.one_way_error.is_none() && link.ledger.is_open() && !link.ledger.has_one_way_error();
        (has_room && says_nothing && len <= client.target.options.max_message).then_some(id)
    }

    /// Sends a request on a session that is [at hand](Queue::link_at_hand).
    pub(super) fn request_on(
        &mut self,
        id: Id,
        client: ClientId,
        message: Message,
        timeout: Option<Duration>,
    ) -> Ticket {
        let target = Arc::clone(&self.clients.get(client.0).expect("its link is at hand").target);
        let until = deadline(timeout);
        let mut call = Call::new(What::Request, target, Some(client), Body::Own(message), timeout);
        call.deadline = until;
        let ticket = Ticket(self.calls.insert(call));
        let (Some(call), Some(Connection::Link(link))) = (self.calls.get_mut(ticket.0), self.connections.get_mut(id))
        else {
            unreachable!("both are here")
        };
        let alone = !link.ledger.is_waiting();
        let at = link.handed();
        let Ok(frame) = link.ledger.begin(Kind::Request, call.body.len(), at, ticket) else {
            unreachable!("it is open")
        };
        let header = call.header(frame, timeout);
        call.state = State::Sent(id, frame);
        link.add(&header, &mut call.body);
        let is_now = alone || link.is_full(self.beside);
        self.note_due(until);
        self.list(id);
        if is_now {
            self.submit_link(id);
        }
        ticket
    }

    /// Puts a call in the line of a link.
    pub(super) fn enqueue(&mut self, ticket: Ticket, id: Id) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        call.wake = None;
        if let What::Meet(_) = call.what {
            return self.finish(ticket, Ok(None));
        }
        let until = deadline(call.timeout);
        call.deadline = until;
        call.state = State::Queued;
        self.note_due(until);
        let Some(call) = self.calls.get(ticket.0) else { return };
        // Nobody answers a one-way message, so the first after a while had better not go to a listener
        // that has said goodbye where that has not been read yet.
        if let (What::OneWay, Some(Connection::Link(link))) = (&call.what, self.connections.get(id))
            && !link.ledger.is_unconfirmed()
            && !link.ledger.is_waiting()
            && link.waiting.is_empty()
        {
            self.receive(id);
        }
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else {
            return self.try_again(ticket, ended_before());
        };
        link.waiting.push_back(ticket);
        self.pump(id, Some(ticket));
    }

    /// Sends what the link has room for of the calls in its line, which `fresh` has just joined.
    pub(super) fn pump(&mut self, id: Id, fresh: Option<Ticket>) {
        loop {
            let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
            let Some(&ticket) = link.waiting.front() else { return };
            let Some(call) = self.calls.get_mut(ticket.0) else {
                // It was given up.
                link.waiting.pop_front();
                continue;
            };
            let len = call.body.len();
            match link.room_for(len) {
                Room::Yes => {}
                Room::Later => {
                    // The hello has to go out before the listener says what it takes.
                    self.list(id);
                    return self.submit_link(id);
                }
                Room::Never(most) => {
                    link.waiting.pop_front();
                    self.finish(ticket, Err(too_large(len, most)));
                    continue;
                }
            }
            link.waiting.pop_front();
            let alone = !link.ledger.is_waiting() && link.waiting.is_empty();
            let at = link.handed();
            let begun = match &call.what {
                What::OneWay => link.ledger.send_one_way().map(|()| 0),
                What::Flush | What::Close => {
                    match link.ledger.is_unconfirmed().then(|| link.ledger.begin(Kind::Ack, 0, at, ticket)) {
                        // Nothing to make sure of, but what is to be said is said.
                        None => link.ledger.flushed(Ok(Reply::Done)).map(|()| 0),
                        Some(Ok(frame)) => Ok(frame),
                        Some(Err(failed)) => link.ledger.flushed(Err(failed)).map(|()| 0),
                    }
                }
                what => link.ledger.begin(what.kind(), len, at, ticket),
            };
            let frame = match begun {
                Err(Failed::NotTaken(error)) if !matches!(call.what, What::Flush | What::Close) => {
                    self.try_again(ticket, error);
                    continue;
                }
                Err(failed) => {
                    self.finish(ticket, Err(failed.into()));
                    continue;
                }
                Ok(frame) => frame,
            };
            if frame == 0 && !matches!(call.what, What::OneWay) {
                // Nothing to make sure of.
                self.finish(ticket, Ok(None));
                continue;
            }
            let left = if fresh == Some(ticket) { call.timeout } else { interrupt::left(call.deadline) };
            let header = call.header(frame, left);
            call.state = State::Sent(id, frame);
            link.add(&header, &mut call.body);
            let is_one_way = matches!(call.what, What::OneWay);
            let is_now = link.is_full(self.beside) || (alone && !is_one_way);
            self.list(id);
            if is_now {
                self.submit_link(id);
            }
            if is_one_way {
                self.finish(ticket, Ok(None));
            }
        }
    }

    /// Notes that a link has something to send.
    pub(super) fn list(&mut self, id: Id) {
        if let Some(Connection::Link(link)) = self.connections.get_mut(id)
            && !link.listed
            && !link.is_all_sent()
        {
            link.listed = true;
            self.unsent.push(id);
        }
    }

    pub(super) fn submit_link(&mut self, id: Id) {
        if let Some(at) = self.unsent.iter().position(|listed| *listed == id) {
            self.unsent.swap_remove(at);
            self.send(id);
        }
    }

    /// Sends what a link has gathered, as far as the socket takes it.
    pub(super) fn send(&mut self, id: Id) {
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
        link.listed = false;
        let mut answers = Vec::new();
        link.send(&mut answers);
        let room = !link.is_all_sent();
        if room != link.watches_room {
            link.watches_room = room;
            if let Err(error) = self.poller.watch_again(&link.socket, id.number(), room) {
                return self.end(id, &Error::from_os("cannot watch the connection", error));
            }
        }
        self.drop_if_over(id);
        self.tell(answers);
    }
}
