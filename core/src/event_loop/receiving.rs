//! What comes in: answers, and the ends of sessions.

use std::time::Instant;

use super::call::{Id, State, Ticket, What};
use super::told::Told;
use super::{Queue, Transport};
use crate::client::connection::Answers;
use crate::client::incoming::Reply;
use crate::client::moving;
use crate::client::replace::ended_before;
use crate::client::{Attempt, Failed};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::os::poller;

impl Queue {
    /// Does all that can be done without waiting.
    pub(super) fn progress(&mut self) -> Result<()> {
        self.send_gathered();
        let mut tokens: Vec<u64> = self.unread.drain(..).map(Id::number).collect();
        self.poller
            .ready(&mut tokens)
            .map_err(|error| Error::from_os("cannot look after the calls under way", error))?;
        for token in tokens {
            if token == poller::RUNG {
                self.is_rung = true;
                continue;
            }
            let id = Id::from_number(token);
            match self.transports.get(id) {
                Some(Transport::Session(session)) => {
                    if session.watches_room {
                        self.send(id);
                    }
                    self.receive(id);
                    self.pump(id, None);
                }
                Some(Transport::Exchange(..)) => self.exchange_on(id),
                None => {}
            }
        }
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.look_at_the_clock();
        }
        self.send_gathered();
        Ok(())
    }

    /// Receives what a session has, and tells those whom it concerns.
    pub(super) fn receive(&mut self, id: Id) {
        let Some(Transport::Session(session)) = self.transports.get_mut(id) else { return };
        let mut told = Told::new(&mut self.calls, &mut self.done, &mut self.spare);
        let received = session.receive(&mut told);
        let others = told.others;
        if received.is_ok() && !session.stream.falls_asleep() && !self.unread.contains(&id) {
            // The poller will not tell of what is left there.
            self.unread.push(id);
        }
        self.list(id);
        self.tell(others);
        if let Err(error) = received {
            self.end(id, &error);
        }
        self.drop_if_over(id);
    }

    pub(super) fn tell(&mut self, answers: Answers<Ticket>) {
        for (ticket, answer) in answers {
            self.answered(ticket, answer);
        }
    }

    pub(super) fn answered(&mut self, ticket: Ticket, answer: Attempt<Reply>) {
        let Some(call) = self.calls.get(ticket.0) else { return };
        let result: Attempt<Option<Message>> = match (&call.what, answer) {
            (What::Flush | What::Close, answer) => {
                let State::Sent(id, _) = call.state else { return };
                match self.transports.get_mut(id) {
                    Some(Transport::Session(session)) => session.connection.flushed(answer).map(|()| None),
                    _ => answer.map(|_| None),
                }
            }
            (_, answer) => answer.map(Reply::into_message),
        };
        match result {
            // A flush that was not taken: what it was to make sure of went to the session that ended.
            Err(Failed::NotTaken(error)) if !matches!(call.what, What::Flush | What::Close) => {
                self.try_again(ticket, error);
            }
            result => self.finish(ticket, result.map_err(Error::from)),
        }
    }

    /// A session is over.
    pub(super) fn end(&mut self, id: Id, error: &Error) {
        let Some(Transport::Session(session)) = self.transports.get_mut(id) else { return };
        let mut answers = Vec::new();
        moving::end(&session.stream, &mut session.connection, error, &mut answers);
        let waiting = std::mem::take(&mut session.waiting);
        // Before the session is gone: what a flush comes to is in its books.
        self.tell(answers);
        if let Some(Transport::Session(mut session)) = self.remove(id) {
            self.shared.retain(|_, shared| *shared != id);
            let owner = self.clients.iter().find(|(_, client)| client.session == Some(id)).map(|(id, _)| id);
            if let Some(client) = owner.and_then(|owner| self.clients.get_mut(owner)) {
                client.session = None;
                if client.one_way_error.is_none() {
                    client.one_way_error = session.connection.take_one_way_error();
                }
            }
        }
        for ticket in waiting {
            self.try_again(ticket, ended_before());
        }
    }

    /// Takes a connection out of all that watches it.
    pub(super) fn remove(&mut self, id: Id) -> Option<Transport> {
        let connection = self.transports.remove(id)?;
        match &connection {
            Transport::Session(session) => self.poller.forget(&session.stream),
            // It is gone where the exchange is over.
            Transport::Exchange(exchange, _) => {
                exchange.socket().into_iter().for_each(|socket| self.poller.forget(socket))
            }
        }
        Some(connection)
    }

    /// Nobody will put anything on this session any more.
    pub(super) fn release(&mut self, id: Id) {
        let Some(Transport::Session(session)) = self.transports.get_mut(id) else { return };
        session.released = true;
        self.list(id);
        self.submit_session(id);
        self.drop_if_over(id);
    }

    /// Lets go of a released session once everything has been sent and answered.
    pub(super) fn drop_if_over(&mut self, id: Id) {
        let Some(Transport::Session(session)) = self.transports.get(id) else { return };
        let is_over =
            session.connection.unsent() == 0 && !session.connection.is_waiting() && session.waiting.is_empty();
        if session.released
            && is_over
            && let Some(Transport::Session(session)) = self.remove(id)
        {
            session.leave();
        }
    }
}
