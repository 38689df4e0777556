//! How a call comes to the session that it belongs on, or to a connection of its own, and how it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::{Call, ClientId, Id, State, Ticket, What};
use super::session::Session;
use super::{Completion, MOST_SPARE, MOST_SPARE_BYTES, Queue, Transport};
use crate::client::connect::{Connected, Connecting, Presence, Step};
use crate::client::deno::{Exchange, Progress};
use crate::client::target::Target;
use crate::client::{closed, deadline, no_ping};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::options::Wire;
use crate::os::interest::Interest;
use crate::os::stream::Stream;

impl Queue {
    pub(super) fn begin(
        &mut self,
        what: What,
        target: Arc<Target<'static>>,
        client: Option<ClientId>,
        body: Option<Message>,
        timeout: Option<Duration>,
    ) -> Ticket {
        let ticket = Ticket(self.calls.insert(Call::new(what, target, client, body, timeout)));
        self.start(ticket);
        ticket
    }

    /// Puts a call on the session that it belongs on, or has it look for one.
    pub(super) fn start(&mut self, ticket: Ticket) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        call.state = State::Starting;
        if call.client.is_some_and(|client| self.clients.get(client.0).is_none()) {
            let error = call.tries().why().unwrap_or_else(closed);
            return self.finish(ticket, Err(error));
        }
        if let Some(began) = call.looks_since() {
            let target = Arc::clone(&call.target);
            match target.look_once(began) {
                Ok(Step::Done(Presence::Native)) => {}
                Ok(Step::Done(Presence::Other)) => {
                    let is_ping = matches!(call.what, What::Ping);
                    return self.finish(ticket, if is_ping { Err(no_ping()) } else { Ok(None) });
                }
                Ok(Step::Pause(pause)) => {
                    let wake = Some(Instant::now() + pause);
                    call.wake_at(wake);
                    return self.note_due(wake);
                }
                Err(error) => return self.finish(ticket, Err(error)),
            }
        }
        if let Some(session) = self.session_for(ticket) {
            return self.enqueue(ticket, session);
        }
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        if let What::Flush | What::Close = call.what {
            // Nothing was sent on a session that would still be there.
            return self.finish(ticket, Ok(None));
        }
        let until = deadline(call.target.connecting_time(call.timeout));
        let body = call.body.as_ref().map(Message::kind);
        call.state = State::Connecting(Box::new(Connecting::new(body, until)));
        self.connect_on(ticket);
    }

    /// The session that a call belongs on, if it is still good.
    pub(super) fn session_for(&mut self, ticket: Ticket) -> Option<Id> {
        let call = self.calls.get(ticket.0)?;
        if call.target.options.wire == Wire::Deno {
            return None;
        }
        let id = match call.client {
            Some(client) => self.clients.get(client.0)?.session?,
            None => *self.shared.get(&call.target.key)?,
        };
        match self.transports.get(id) {
            Some(Transport::Session(session)) if session.connection.is_open() => Some(id),
            // What the listener still answers on it is of no use to a new call, except to a flush.
            Some(Transport::Session(_)) if matches!(call.what, What::Flush | What::Close) => Some(id),
            _ => None,
        }
    }

    /// Goes on with a call that looks for a listener.
    pub(super) fn connect_on(&mut self, ticket: Ticket) {
        // Another call may have made the session meanwhile.
        if let Some(session) = self.session_for(ticket) {
            return self.enqueue(ticket, session);
        }
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        let State::Connecting(connecting) = &mut call.state else { return };
        let target = Arc::clone(&call.target);
        match target.try_connect(connecting) {
            Err(error) => {
                let error = call.tries().unreached(error);
                self.finish(ticket, Err(error));
            }
            Ok(Step::Pause(pause)) => {
                let wake = Some(Instant::now() + pause);
                call.wake_at(wake);
                self.note_due(wake);
            }
            Ok(Step::Done(Connected::Native(socket))) => match self.add_session(ticket, socket) {
                Ok(session) => self.enqueue(ticket, session),
                Err(error) => self.finish(ticket, Err(error)),
            },
            Ok(Step::Done(Connected::Deno(socket))) => self.exchange(ticket, socket),
        }
    }

    pub(super) fn add_session(&mut self, ticket: Ticket, socket: Stream) -> Result<Id> {
        let call = self.calls.get(ticket.0).expect("it is connecting");
        let options = &call.target.options;
        let session = Session::new(socket, options.max_message, options.shared_memory > 0);
        let (client, key) = (call.client, call.target.key.clone());
        let id = self.transports.insert(Transport::Session(Box::new(session)));
        let Some(Transport::Session(session)) = self.transports.get(id) else { unreachable!("it was just added") };
        if let Err(error) = self.poller.watch(&session.stream, id.number(), false) {
            self.transports.remove(id);
            return Err(Error::from_os("cannot watch the connection", error));
        }
        match client {
            Some(client) => {
                if let Some(client) = self.clients.get_mut(client.0)
                    && let Some(before) = client.session.replace(id)
                {
                    if let Some(Transport::Session(retired)) = self.transports.get_mut(before)
                        && let Some(told) =
                            retired.connection.take_one_way_error().or_else(|| retired.connection.retire())
                    {
                        client.one_way_error.get_or_insert(told);
                    }
                    self.release(before);
                }
            }
            None => {
                if let Some(before) = self.shared.insert(key, id) {
                    self.release(before);
                }
            }
        }
        Ok(id)
    }

    /// Posts one message on a connection of its own.
    pub(super) fn exchange(&mut self, ticket: Ticket, socket: Stream) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        let Some(mode) = call.what.mode() else {
            let result = if matches!(call.what, What::Ping) { Err(no_ping()) } else { Ok(None) };
            return self.finish(ticket, result);
        };
        call.wake_at(None);
        let until = deadline(call.timeout);
        call.deadline = until;
        let exchange = Exchange::new(socket, mode, call.target.options.max_message);
        let id = self.transports.insert(Transport::Exchange(Box::new(exchange), ticket));
        call.state = State::Exchanging(id);
        self.note_due(until);
        let Some(Transport::Exchange(exchange, _)) = self.transports.get(id) else { unreachable!("just added") };
        let Some(socket) = exchange.socket() else { return };
        match self.poller.watch(socket, id.number(), false) {
            Ok(()) => self.exchange_on(id),
            Err(error) => {
                self.remove(id);
                self.finish(ticket, Err(Error::from_os("cannot watch the connection", error)));
            }
        }
    }

    pub(super) fn exchange_on(&mut self, id: Id) {
        let Some(Transport::Exchange(exchange, ticket)) = self.transports.get_mut(id) else { return };
        let ticket = *ticket;
        let Some(call) = self.calls.get(ticket.0) else { return };
        let message = call.body.as_ref().expect("what goes over the Deno wire has a body");
        let result = match exchange.step(message.into()) {
            Ok(Progress::Wants(what)) => {
                let room = what == Interest::Write;
                let socket = exchange.socket().expect("it is not over");
                match self.poller.watch_again(socket, id.number(), room) {
                    Ok(()) => return,
                    Err(error) => Err(Error::from_os("cannot watch the connection", error).after_sending()),
                }
            }
            Ok(Progress::Done(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        self.remove(id);
        self.finish(ticket, result);
    }

    /// A session certainly did not take a call: another one may.
    pub(super) fn try_again(&mut self, ticket: Ticket, why: Error) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        if let Err(error) = call.tries().not_taken(why, true) {
            return self.finish(ticket, Err(error));
        }
        self.start(ticket);
    }

    /// A call is over.
    pub(super) fn finish(&mut self, ticket: Ticket, result: Result<Option<Message>>) {
        let Some(call) = self.calls.remove(ticket.0) else { return };
        let mut result = result;
        if let (What::Close, Some(id)) = (&call.what, call.client) {
            result = match (result, self.take_one_way_error(id)) {
                (Ok(_), Some(told)) => Err(told),
                (Err(error), None) => Err(self.give_up_flushing(id, error)),
                (result, _) => result,
            };
            if let Some(session) = self.clients.remove(id.0).and_then(|client| client.session) {
                self.release(session);
            }
        }
        let result = result.map_err(|error| error.on_channel(&call.target.channel));
        self.done.push(Completion { ticket, result });
        keep_spare(&mut self.spare, call.body);
    }

    /// What to say where nobody waits any longer for what the flush of a client would bring.
    fn give_up_flushing(&mut self, client: ClientId, error: Error) -> Error {
        let session = self.clients.get(client.0).and_then(|client| client.session);
        match session.and_then(|session| self.transports.get_mut(session)) {
            Some(Transport::Session(session)) => session.connection.give_up_flushing(error),
            _ => error,
        }
    }
}

/// Keeps the memory of a small body for the next.
#[inline]
pub(super) fn keep_spare(spare: &mut Vec<Vec<u8>>, body: Option<Message>) {
    let Some(mut body) = body else { return };
    let mut data = body.take_large(0);
    if (1..=MOST_SPARE_BYTES).contains(&data.capacity()) && spare.len() < MOST_SPARE {
        data.clear();
        spare.push(data);
    }
}
