//! One native session of a queue: what it has to send, and its books.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::call::Ticket;
use crate::client::deno::Lingering;
use crate::client::lost;
use crate::client::pending::{Answers, Ledger};
use crate::error::Result;
use crate::message::Message;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::protocol::frame::{FrameReader, Header, Kind, Sender};
use crate::protocol::hello::{Hello, Role};
use crate::session::receive;

/// Bodies up to this size are sent from one place with their headers and their neighbours.
const SMALL: usize = 16 << 10;
/// How much gathers before it is sent without being told to.
const GATHER: usize = 64 << 10;
/// How much gathers where the listener could be at work meanwhile, on another core.
const GATHER_BESIDE: usize = 2 << 10;
/// How many bytes may wait to be sent before calls wait too.
const MOST_WAITING: usize = 1 << 20;
/// A larger body than this is not sent before the listener has said what it takes.
const ASK_FIRST: usize = 64 << 10;
/// How often a look at a socket receives, so that none keeps the others waiting.
const RECEIVES: usize = 16;

/// What waits to be sent, in order.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Body(Arc<Message>),
}

impl Piece {
    fn data(&self) -> &[u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Body(message) => message.data(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Stream,
    pub(super) ledger: Ledger<Ticket>,
    /// Calls that wait for room, or for what the listener says of its limit.
    pub(super) waiting: VecDeque<Ticket>,
    reader: FrameReader,
    pieces: VecDeque<Piece>,
    /// How much of the first piece has left.
    sent: usize,
    unsent: usize,
    /// How many bytes were handed over in all.
    handed: u64,
    /// The connection takes nothing more.
    cut: bool,
    /// Whether the poller watches for room.
    pub(super) watches_room: bool,
    /// It is on the list of those that have something to send.
    pub(super) listed: bool,
    /// Nobody will use it any more: it goes when everything has left.
    pub(super) deserted: bool,
}

/// Whether a body may be sent now.
pub(super) enum Room {
    Yes,
    Later,
    /// The listener takes at most this many bytes.
    Never(usize),
}

impl Link {
    pub(super) fn new(socket: Stream, max_message: usize) -> Link {
        let hello = Hello::new(Role::Multiplexed, max_message).encode().to_vec();
        Link {
            socket,
            ledger: Ledger::default(),
            waiting: VecDeque::new(),
            reader: FrameReader::new(Sender::Listener, max_message),
            unsent: hello.len(),
            handed: hello.len() as u64,
            cut: false,
            pieces: VecDeque::from([Piece::Bytes(hello)]),
            sent: 0,
            watches_room: false,
            listed: false,
            deserted: false,
        }
    }

    pub(super) fn room_for(&self, len: usize) -> Room {
        match self.ledger.peer_max() {
            Some(most) if len > most => Room::Never(most),
            None if len > ASK_FIRST => Room::Later,
            _ if self.unsent >= MOST_WAITING => Room::Later,
            _ => Room::Yes,
        }
    }

    /// Adds a frame to what is to be sent. A large body is shared with its call, not copied.
    pub(super) fn add(&mut self, header: &Header, body: &mut Body) {
        if self.cut {
            return;
        }
        let small = body.len() <= SMALL;
        let wanted = crate::protocol::frame::HEADER_LEN + if small { body.len() } else { 0 };
        let bytes = match self.pieces.back_mut() {
            Some(Piece::Bytes(bytes)) if bytes.len() < GATHER => bytes,
            _ => {
                self.pieces.push_back(Piece::Bytes(Vec::with_capacity(wanted.max(256))));
                match self.pieces.back_mut() {
                    Some(Piece::Bytes(bytes)) => bytes,
                    _ => unreachable!("it was just added"),
                }
            }
        };
        bytes.extend_from_slice(&header.encode());
        if small {
            bytes.extend_from_slice(body.data());
        } else {
            self.pieces.push_back(Piece::Body(body.share()));
        }
        let len = crate::protocol::frame::HEADER_LEN + body.len();
        self.unsent += len;
        self.handed += len as u64;
    }

    /// Where in the stream the next frame begins.
    pub(super) fn handed(&self) -> u64 {
        self.handed
    }

    pub(super) fn is_all_sent(&self) -> bool {
        self.unsent == 0
    }

    /// Whether so much has gathered that it had better go, where the listener works at the same time or not.
    pub(super) fn is_full(&self, beside: bool) -> bool {
        self.unsent >= if beside { GATHER_BESIDE } else { GATHER }
    }

    /// Sends what the socket takes. Where it takes nothing more, calls that have not begun to leave are told.
    pub(super) fn send(&mut self, answers: &mut Answers<Ticket>) {
        while self.unsent > 0 {
            let head = &self.pieces[0].data()[self.sent..];
            let body = self.pieces.get(1).map_or(&[][..], Piece::data);
            match self.socket.send(head, body) {
                Ok(count) => self.advance(count),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => return,
                // Why, the listener may have said, or is about to: receiving to the end finds out.
                Err(error) => {
                    self.cut = true;
                    self.ledger.cut(self.handed - self.unsent as u64, &lost(error), answers);
                    self.pieces.clear();
                    (self.sent, self.unsent) = (0, 0);
                }
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.unsent -= count;
        self.sent += count;
        loop {
            let alone = self.pieces.len() == 1;
            let Some(first) = self.pieces.front_mut() else { return };
            let len = first.data().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            match first {
                // Its memory serves what comes next.
                Piece::Bytes(bytes) if alone && bytes.capacity() <= 4 * GATHER => return bytes.clear(),
                _ => drop(self.pieces.pop_front()),
            }
        }
    }

    /// Sends what is left if that goes before `until`.
    pub(super) fn send_until(&mut self, until: Instant) {
        loop {
            self.send(&mut Vec::new());
            let left = until.saturating_duration_since(Instant::now());
            if self.unsent == 0 || left.is_zero() || self.socket.wait_for(Interest::Write, Some(left)).is_err() {
                return;
            }
        }
    }

    /// Lets go of the session. A TCP connection that is closed before all that came on it was received
    /// is reset, which takes what is on its way along.
    pub(super) fn leave(self) {
        if self.socket.is_tcp() && self.ledger.is_unconfirmed() {
            drop(Lingering::new(self.socket));
        }
    }

    /// Receives what is there; an error ends the link.
    pub(super) fn receive(&mut self, answers: &mut Answers<Ticket>) -> Result<()> {
        let mut pongs = Vec::new();
        for _ in 0..RECEIVES {
            let received = if self.ledger.peer_max().is_some() {
                receive::receive(&self.socket, &mut self.reader, Wait::No)
            } else {
                self.socket.recv_spare(self.ledger.hello_slot(), usize::MAX, Wait::No)
            };
            match received {
                Ok(0) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => self.ledger.take_in(&mut self.reader, answers, &mut pongs)?,
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => break,
                Err(error) => return Err(lost(error)),
            }
            // What has come is told first: more may take a while.
            if !answers.is_empty() {
                break;
            }
        }
        for id in pongs {
            self.add(&Header::bare(Kind::Pong, id), &mut Body::default());
        }
        Ok(())
    }
}

/// A call's body: its own, until a link shares it.
#[derive(Debug, Default)]
pub(super) enum Body {
    #[default]
    None,
    Own(Message),
    Shared(Arc<Message>),
}

impl Body {
    pub(super) fn message(&self) -> Option<&Message> {
        match self {
            Body::None => None,
            Body::Own(message) => Some(message),
            Body::Shared(message) => Some(message),
        }
    }

    pub(super) fn data(&self) -> &[u8] {
        self.message().map_or(&[], Message::data)
    }

    pub(super) fn len(&self) -> usize {
        self.data().len()
    }

    fn share(&mut self) -> Arc<Message> {
        let message = match std::mem::take(self) {
            Body::Own(message) => Arc::new(message),
            Body::Shared(message) => message,
            Body::None => Arc::new(Message::null()),
        };
        *self = Body::Shared(Arc::clone(&message));
        message
    }
}
