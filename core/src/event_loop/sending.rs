//! What goes out: calls in the line of a session, and what has gathered on it.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, ClientId, Id, State, Ticket, What};
use super::{Queue, Transport};
use crate::client::connection::Room;
use crate::client::incoming::Reply;
use crate::client::replace::ended_before;
use crate::client::target::Target;
use crate::client::{Failed, deadline, knows_no_attachments, too_large};
use crate::error::Error;
use crate::interrupt;
use crate::message::{Message, MessageKind, MessageRef};
use crate::protocol::frame::Header;
use crate::session::pieces::SMALL;

/// A request that has been sent and is not yet noted.
pub(super) struct AtHand {
    ticket: Ticket,
    timeout: Option<Duration>,
    target: Arc<Target<'static>>,
    /// The session, and the id of its frame there.
    session: Id,
    frame: u32,
    /// What has gathered there is to be sent now.
    is_now: bool,
}

impl Queue {
    /// Sends a request on its client's session where it can go on it this moment, as it nearly always can. A `timeout` of `None`
    /// is what the client's options say. [`note_request`](Queue::note_request) is to follow, with the body in memory of its own.
    #[inline(always)]
    pub(super) fn request_at_hand(
        &mut self,
        id: ClientId,
        body: MessageRef<'_>,
        timeout: Option<Option<Duration>>,
    ) -> Option<AtHand> {
        let client = self.clients.get(id.0)?;
        let session_id = client.session?;
        let Some(Transport::Session(session)) = self.transports.get_mut(session_id) else { return None };
        let connection = &mut session.connection;
        let has_room = session.waiting.is_empty() && connection.room_for_body(body.kind(), body.len()) == Room::Yes;
        let says_nothing = client.one_way_error.is_none() && !connection.has_one_way_error();
        let options = &client.target.options;
        if !has_room || !says_nothing || body.len() > options.max_message.min(SMALL) {
            return None;
        }
        let timeout = timeout.unwrap_or(options.timeout);
        let alone = !connection.is_waiting();
        let mut header = Header::request(0, body, timeout);
        let ticket = Ticket(self.calls.next_id());
        connection.begin(&mut header, ticket).ok()?;
        connection.add(&header, body.data(), Message::null);
        if !std::mem::replace(&mut session.listed, true) {
            self.unsent.push(session_id);
        }
        let is_now = alone || session.is_full(self.beside);
        Some(AtHand {
            ticket,
            timeout,
            target: Arc::clone(&client.target),
            session: session_id,
            frame: header.id,
            is_now,
        })
    }

    /// Notes a request that has been sent [at hand](Queue::request_at_hand).
    #[inline(always)]
    pub(super) fn note_request(&mut self, client: ClientId, sent: AtHand, body: Message) -> Ticket {
        let until = deadline(sent.timeout);
        let state = State::Sent(sent.session, sent.frame);
        self.calls.insert(Call::sent(sent.target, client, body, sent.timeout, until, state));
        self.note_due(until);
        if sent.is_now {
            self.submit_session(sent.session);
        }
        self.rearm();
        sent.ticket
    }

    /// Puts a call in the line of a session.
    pub(super) fn enqueue(&mut self, ticket: Ticket, id: Id) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        call.wake_at(None);
        if let What::Meet = call.what {
            return self.finish(ticket, Ok(None));
        }
        let until = deadline(call.timeout);
        call.deadline = until;
        call.state = State::Queued;
        self.note_due(until);
        let Some(call) = self.calls.get(ticket.0) else { return };
        // Nobody answers a one-way message, so the first after a while had better not go to a listener
        // that has said goodbye where that has not been read yet.
        if let (What::OneWay, Some(Transport::Session(session))) = (&call.what, self.transports.get(id))
            && session.connection.may_have_ended_unheard()
            && session.waiting.is_empty()
        {
            self.receive(id);
        }
        let Some(Transport::Session(session)) = self.transports.get_mut(id) else {
            return self.try_again(ticket, ended_before());
        };
        session.waiting.push_back(ticket);
        self.pump(id, Some(ticket));
    }

    /// Sends what the session has room for of the calls in its line, which `fresh` has just joined.
    pub(super) fn pump(&mut self, id: Id, fresh: Option<Ticket>) {
        loop {
            let Some(Transport::Session(session)) = self.transports.get_mut(id) else { return };
            let Some(&ticket) = session.waiting.front() else { return };
            let Some(call) = self.calls.get_mut(ticket.0) else {
                // It was given up.
                session.waiting.pop_front();
                continue;
            };
            let len = call.len();
            match session.connection.room_for_body(call.body_kind(), len) {
                Room::Yes => {}
                Room::Later => {
                    // The hello has to go out before the listener says what it takes.
                    self.list(id);
                    self.submit_session(id);
                    if self.has_room_for_next(id) {
                        continue;
                    }
                    return;
                }
                Room::Unknown => {
                    session.waiting.pop_front();
                    self.finish(ticket, Err(knows_no_attachments()));
                    continue;
                }
                Room::Never(most) => {
                    session.waiting.pop_front();
                    self.finish(ticket, Err(too_large(len, most)));
                    continue;
                }
            }
            session.waiting.pop_front();
            let alone = !session.connection.is_waiting() && session.waiting.is_empty();
            let left = if fresh == Some(ticket) { call.timeout } else { interrupt::left(call.deadline) };
            let mut header = call.header(left);
            let connection = &mut session.connection;
            let is_flush = matches!(call.what, What::Flush | What::Close);
            let begun = match &call.what {
                What::OneWay => connection.begin_one_way(),
                // Nothing to make sure of, but what is to be said is said.
                _ if is_flush && !connection.is_unconfirmed() => {
                    let flushed = connection.flushed(Ok(Reply::Done));
                    self.finish(ticket, flushed.map(|()| None).map_err(Error::from));
                    continue;
                }
                _ => connection.begin(&mut header, ticket),
            };
            match begun {
                Ok(()) => {}
                Err(failed) if is_flush => {
                    let flushed = connection.flushed(Err(failed));
                    self.finish(ticket, flushed.map(|()| None).map_err(Error::from));
                    continue;
                }
                Err(Failed::NotTaken(error)) => {
                    self.try_again(ticket, error);
                    continue;
                }
                Err(Failed::Error(error)) => {
                    self.finish(ticket, Err(error));
                    continue;
                }
            }
            call.state = State::Sent(id, header.id);
            session.add(&header, &mut call.body);
            let is_one_way = matches!(call.what, What::OneWay);
            let is_now = session.is_full(self.beside) || (alone && !is_one_way);
            self.list(id);
            if is_now {
                self.submit_session(id);
            }
            if is_one_way {
                self.finish(ticket, Ok(None));
            }
        }
    }

    /// Whether the first call in the line of a session could go on it now: what has been sent may have made room.
    pub(super) fn has_room_for_next(&self, id: Id) -> bool {
        let Some(Transport::Session(session)) = self.transports.get(id) else { return false };
        let of = |call: &Call| (call.body_kind(), call.len());
        let next = session.waiting.front().map(|ticket| self.calls.get(ticket.0).map_or((MessageKind::Json, 0), of));
        next.is_some_and(|(kind, len)| session.connection.room_for_body(kind, len) != Room::Later)
    }

    /// Notes that a session has something to send.
    pub(super) fn list(&mut self, id: Id) {
        if let Some(Transport::Session(session)) = self.transports.get_mut(id)
            && !session.listed
            && session.connection.unsent() > 0
        {
            session.listed = true;
            self.unsent.push(id);
        }
    }

    /// Sends what has gathered on all sessions, and what has room in their lines then.
    pub(super) fn send_gathered(&mut self) {
        while let Some(id) = self.unsent.pop() {
            self.send(id);
            // Where all has left, no readiness of the socket will have the line looked at.
            if self.has_room_for_next(id) {
                self.pump(id, None);
            }
        }
    }

    pub(super) fn submit_session(&mut self, id: Id) {
        if let Some(at) = self.unsent.iter().position(|listed| *listed == id) {
            self.unsent.swap_remove(at);
            self.send(id);
        }
    }

    /// Sends what a session has gathered, as far as the socket takes it.
    pub(super) fn send(&mut self, id: Id) {
        let Some(Transport::Session(session)) = self.transports.get_mut(id) else { return };
        session.listed = false;
        let mut answers = Vec::new();
        session.send(&mut answers);
        let room = session.connection.unsent() > 0;
        if room != session.watches_room {
            session.watches_room = room;
            if let Err(error) = self.poller.watch_again(&session.stream, id.number(), room) {
                return self.end(id, &Error::from_os("cannot watch the connection", error));
            }
        }
        self.drop_if_over(id);
        self.tell(answers);
    }
}
