//! One native session of a queue: its connection, the stream that it goes over, and the calls that wait for room.

use std::collections::VecDeque;
use std::time::Instant;

use super::call::Ticket;
use super::told::Told;
use crate::client::connection::{Answers, Connection};
use crate::client::lingering::Lingering;
use crate::client::moving;
use crate::error::Result;
use crate::message::Message;
use crate::os::interest::Interest;
use crate::os::stream::Stream;
use crate::protocol::frame::Header;
use crate::session::pieces::SMALL;

/// How much gathers before it is sent without being told to.
const GATHER: usize = 64 << 10;
/// How much gathers where the listener could be at work meanwhile, on another core.
const GATHER_BESIDE: usize = 2 << 10;
/// How often a look at a socket receives, so that none keeps the others waiting.
const RECEIVES: usize = 16;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) stream: Stream,
    pub(super) connection: Connection<Ticket>,
    /// Calls that wait for room, or for what the listener says of its limit.
    pub(super) waiting: VecDeque<Ticket>,
    /// Whether the poller watches for room.
    pub(super) watches_room: bool,
    /// It is on the list of those that have something to send.
    pub(super) listed: bool,
    /// Nobody will use it any more: it goes when everything has left.
    pub(super) released: bool,
}

impl Session {
    pub(super) fn new(stream: Stream, max_message: usize, shares: bool) -> Session {
        Session {
            stream,
            connection: Connection::new(max_message, shares),
            waiting: VecDeque::new(),
            watches_room: false,
            listed: false,
            released: false,
        }
    }

    /// Whether so much has gathered that it had better go, where the listener works at the same time or not.
    pub(super) fn is_full(&self, beside: bool) -> bool {
        self.connection.unsent() >= if beside { GATHER_BESIDE } else { GATHER }
    }

    /// Adds a frame to what is to be sent. A large body is shared with its call, not copied.
    pub(super) fn add(&mut self, header: &Header, body: &mut Option<Message>) {
        if body.as_ref().is_some_and(|message| message.len() > SMALL) {
            *body = body.take().map(Message::into_shared);
        }
        match body {
            Some(message) => self.connection.add(header, message.data(), || message.clone()),
            None => self.connection.add(header, &[], Message::null),
        }
    }

    /// Sends what the socket takes. Where it takes nothing more, calls that have not begun to leave are told.
    pub(super) fn send(&mut self, answers: &mut Answers<Ticket>) {
        let Session { stream, connection, .. } = self;
        if !moving::transmit(stream, connection, answers) {
            // Nothing can follow what is missing now: a peer that lives must not wait for it.
            let _gone_already = stream.shutdown_write();
        }
    }

    /// Sends what is left if that goes before `until`.
    pub(super) fn send_until(&mut self, until: Instant) {
        loop {
            self.send(&mut Vec::new());
            let left = until.saturating_duration_since(Instant::now());
            let is_over = self.connection.unsent() == 0 || left.is_zero();
            if is_over || self.stream.wait_for(Interest::Write, Some(left)).is_err() {
                return;
            }
        }
    }

    /// Lets go of the session. A TCP connection that is closed before all that came on it was received
    /// is reset, which takes what is on its way along.
    pub(super) fn leave(self) {
        if self.stream.is_tcp() && self.connection.is_unconfirmed() {
            drop(Lingering::new(self.stream));
        }
    }

    /// Receives what is there; an error ends the session.
    pub(super) fn receive(&mut self, told: &mut Told<'_>) -> Result<()> {
        let Session { stream, connection, .. } = self;
        for _ in 0..RECEIVES {
            // What has come is told first: more may take a while.
            if !moving::receive(stream, connection, told)? || told.has_news() {
                break;
            }
        }
        Ok(())
    }
}
