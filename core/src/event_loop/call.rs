//! Calls under way in a queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::connect::Connecting;
use crate::client::replace::Tries;
use crate::client::target::Target;
use crate::message::{Message, MessageKind};
use crate::mode::Mode;
use crate::protocol::frame::{Header, Kind};

/// A call under way in a [`Queue`](super::Queue). Never used twice by one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) Id);

impl Ticket {
    /// A number that stands for the ticket in other languages.
    pub fn number(self) -> u64 {
        self.0.number()
    }

    /// The ticket with this number.
    pub fn from_number(number: u64) -> Ticket {
        Ticket(Id::from_number(number))
    }
}

/// A client that a [`Queue`](super::Queue) holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(super) Id);

impl ClientId {
    /// A number that stands for the client in other languages.
    pub fn number(self) -> u64 {
        self.0.number()
    }

    /// The client with this number.
    pub fn from_number(number: u64) -> ClientId {
        ClientId(Id::from_number(number))
    }
}

/// A place in a [`Slots`], and which of its tenants is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    serial: u32,
    index: u32,
}

impl Id {
    pub(super) fn number(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.index)
    }

    pub(super) fn from_number(number: u64) -> Id {
        Id { serial: (number >> 32) as u32, index: number as u32 }
    }
}

/// Things that are found by ids which nothing else ever gets.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The slots that are free.
    free: Vec<u32>,
    /// That of the last one that came.
    serial: u32,
}

#[derive(Debug)]
struct Slot<T> {
    /// That of what is here, or of what was here last.
    serial: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        Slots { slots: Vec::new(), free: Vec::new(), serial: 0 }
    }

    /// The id that the next one gets.
    #[inline]
    pub(super) fn next_id(&self) -> Id {
        let index = self.free.last().copied().unwrap_or_else(|| self.after_all());
        Id { serial: self.serial.wrapping_add(1), index }
    }

    #[cold]
    fn after_all(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("fewer than 2^32 at a time")
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, value: T) -> Id {
        let id = self.next_id();
        self.serial = id.serial;
        match self.slots.get_mut(id.index as usize) {
            Some(slot) => {
                self.free.pop();
                slot.serial = id.serial;
                slot.value = Some(value);
            }
            None => self.slots.push(Slot { serial: id.serial, value: Some(value) }),
        }
        id
    }

    #[inline]
    fn slot(&mut self, id: Id) -> Option<&mut Slot<T>> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.serial == id.serial)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slot(id)?.value.as_mut()
    }

    #[inline]
    pub(super) fn get(&self, id: Id) -> Option<&T> {
        self.slots.get(id.index as usize).filter(|slot| slot.serial == id.serial)?.value.as_ref()
    }

    #[inline]
    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        self.take_if(id, |_| true)
    }

    /// Takes out what has this id, if it `is_meant`.
    #[inline]
    pub(super) fn take_if(&mut self, id: Id, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let taken = self.slot(id)?.value.take_if(|value| is_meant(value))?;
        self.free.push(id.index);
        Some(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        let slots = self.slots.iter().zip(0..);
        slots.filter_map(|(slot, index)| Some((Id { serial: slot.serial, index }, slot.value.as_ref()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum What {
    Request,
    /// A broadcast of a one-shot post: done when the handler has it.
    Broadcast,
    /// A broadcast of a client: done when it is on its way.
    OneWay,
    /// Done when the handler has every broadcast before it.
    Flush,
    /// As flush; then the client is closed.
    Close,
    /// Done when the listener has answered.
    Ping,
    /// Make sure that somebody listens.
    Meet,
}

impl What {
    /// How it goes over the Deno wire, if it does.
    pub(super) fn mode(&self) -> Option<Mode> {
        match self {
            What::Request => Some(Mode::Request),
            What::Broadcast | What::OneWay => Some(Mode::Broadcast),
            _ => None,
        }
    }
}

/// How far a call is.
#[derive(Debug)]
pub(super) enum State {
    /// It is about to go on a session, or has to look for one.
    Starting,
    Connecting(Box<Connecting>),
    /// In the line of a session.
    Queued,
    /// On this session, under this id.
    Sent(Id, u32),
    /// On a connection of its own.
    Exchanging(Id),
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) what: What,
    pub(super) target: Arc<Target<'static>>,
    pub(super) client: Option<ClientId>,
    pub(super) body: Option<Message>,
    pub(super) timeout: Option<Duration>,
    /// When it fails, once it no longer looks for a listener.
    pub(super) deadline: Option<Instant>,
    pub(super) state: State,
    /// What it has while it looks for a session, or has not found one at once. Boxed, since most calls find one.
    looking: Option<Box<Looking>>,
}

/// What a call has that looks for a session.
#[derive(Debug, Default)]
struct Looking {
    /// When it wants to go on by itself.
    wake: Option<Instant>,
    tries: Tries,
    /// When it was asked for, of a ping and of what makes sure that somebody listens.
    began: Option<Instant>,
}

impl Call {
    pub(super) fn new(
        what: What,
        target: Arc<Target<'static>>,
        client: Option<ClientId>,
        body: Option<Message>,
        timeout: Option<Duration>,
    ) -> Call {
        Call { what, target, client, body, timeout, deadline: None, state: State::Starting, looking: None }
    }

    /// A request that has been sent.
    #[inline(always)]
    pub(super) fn sent(
        target: Arc<Target<'static>>,
        client: ClientId,
        body: Message,
        timeout: Option<Duration>,
        deadline: Option<Instant>,
        state: State,
    ) -> Call {
        let (client, body) = (Some(client), Some(body));
        Call { what: What::Request, target, client, body, timeout, deadline, state, looking: None }
    }

    /// Its tries to find a session.
    pub(super) fn tries(&mut self) -> &mut Tries {
        &mut self.looking.get_or_insert_default().tries
    }

    /// When it was asked for, if it is to look who listens before anything else.
    pub(super) fn looks_since(&mut self) -> Option<Instant> {
        let looks = matches!(self.what, What::Ping | What::Meet);
        looks.then(|| *self.looking.get_or_insert_default().began.get_or_insert_with(Instant::now))
    }

    /// Says when it wants to go on by itself.
    pub(super) fn wake_at(&mut self, at: Option<Instant>) {
        match &mut self.looking {
            None if at.is_none() => {}
            looking => looking.get_or_insert_default().wake = at,
        }
    }

    /// The header that it goes under on a session, where it has the time that is `left`.
    pub(super) fn header(&self, left: Option<Duration>) -> Header {
        match (&self.what, &self.body) {
            (What::Request, Some(message)) => Header::request(0, message, left),
            (What::Broadcast, Some(message)) => Header::acknowledged_broadcast(0, message),
            (_, Some(message)) => Header::of(Kind::Broadcast, 0, message),
            (What::Ping, None) => Header::bare(Kind::Ping, 0),
            (_, None) => Header::bare(Kind::Ack, 0),
        }
    }

    /// The kind of its body; JSON where it has none.
    pub(super) fn body_kind(&self) -> MessageKind {
        self.body.as_ref().map_or(MessageKind::Json, Message::kind)
    }

    /// The length of its body in bytes.
    pub(super) fn len(&self) -> usize {
        self.body.as_ref().map_or(0, Message::len)
    }

    /// When something is to be done about it at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        match (self.deadline, self.looking.as_ref().and_then(|looking| looking.wake)) {
            (Some(deadline), Some(wake)) => Some(deadline.min(wake)),
            (deadline, wake) => deadline.or(wake),
        }
    }
}
