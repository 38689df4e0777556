//! Calls that are given up, whose time is over, or that have paused.

use std::time::Instant;

use super::call::{Call, ClientId, State, Ticket, What};
use super::{Completion, Queue, Transport};
use crate::client::{closed_meanwhile, timed_out};
use crate::error::Error;

impl Queue {
    /// Takes a call out of wherever it is. Its handler is told.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> Option<Call> {
        let call = self.calls.remove(ticket.0)?;
        match &call.state {
            State::Sent(id, frame) => {
                if let Some(Transport::Session(session)) = self.transports.get_mut(*id)
                    && session.connection.withdraw(*frame)
                {
                    self.list(*id);
                }
            }
            State::Exchanging(id) => drop(self.remove(*id)),
            State::Starting | State::Connecting(_) | State::Queued => {}
        }
        Some(call)
    }

    /// Ends a call with this error, which says whether the message had left.
    fn end_call(&mut self, ticket: Ticket, why: Error) {
        let error = match self.calls.get(ticket.0).map(|call| &call.state) {
            Some(State::Sent(..)) => why.after_sending(),
            Some(State::Exchanging(id)) => match self.transports.get(*id) {
                Some(Transport::Exchange(exchange, _)) => exchange.told(why),
                _ => why,
            },
            _ => why,
        };
        if let Some(call) = self.withdraw(ticket) {
            let result = Err(error.on_channel(&call.target.channel));
            self.done.push(Completion { ticket, result });
        }
    }

    /// Ends the calls of a client that closes, but for those that the close itself waits for.
    pub(super) fn end_calls(&mut self, client: ClientId) {
        let ends = |call: &Call| match (&call.what, &call.state) {
            (What::Flush | What::Close, _) => false,
            // It goes out before the close, on the same session or on a connection of its own.
            (What::OneWay, State::Queued | State::Sent(..) | State::Exchanging(_)) => false,
            _ => call.client == Some(client),
        };
        let ending: Vec<Ticket> = self.calls.iter().filter(|(_, call)| ends(call)).map(|(id, _)| Ticket(id)).collect();
        for ticket in ending {
            self.end_call(ticket, closed_meanwhile());
        }
    }

    /// Ends calls whose time is over, and goes on with those that paused.
    pub(super) fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        let due: Vec<Ticket> = self
            .calls
            .iter()
            .filter(|(_, call)| call.due().is_some_and(|due| due <= now))
            .map(|(id, _)| Ticket(id))
            .collect();
        for ticket in due {
            let Some(call) = self.calls.get_mut(ticket.0) else { continue };
            if call.deadline.is_some_and(|deadline| deadline <= now) {
                if let What::Close = call.what {
                    // The client is gone all the same.
                    self.finish(ticket, Err(timed_out()));
                } else {
                    self.end_call(ticket, timed_out());
                }
            } else {
                call.wake_at(None);
                match call.state {
                    State::Connecting(_) => self.connect_on(ticket),
                    _ => self.start(ticket),
                }
            }
        }
        // Found anew: most calls are over before their time, and cost nothing here.
        self.due = self.calls.iter().filter_map(|(_, call)| call.due()).min();
    }

    #[inline]
    pub(super) fn note_due(&mut self, at: Option<Instant>) {
        self.due = match (self.due, at) {
            (Some(due), Some(at)) => Some(due.min(at)),
            (due, at) => due.or(at),
        };
    }

    /// Has the descriptor become readable when there is something to do.
    #[inline]
    pub(super) fn rearm(&mut self) {
        let is_due = self.has_news() || self.is_woken || !self.unread.is_empty();
        // One time that has come is as good as another, and is set already.
        let at_once = |armed: Option<Instant>| {
            let now = Instant::now();
            armed.filter(|at| *at <= now).unwrap_or(now)
        };
        let at = if is_due { Some(at_once(self.poller.armed())) } else { self.due };
        // A clock that goes too early finds nothing to do and is set again then.
        if at != self.poller.armed() {
            let _the_clock_takes_any_time = self.poller.arm(at);
        }
    }
}
