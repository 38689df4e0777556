//! What JavaScript is told, and what its calls end with.

use std::time::Duration;

use simple_ipc::{Event as Publication, Message, Peer, Result};
use tokio::sync::OwnedSemaphorePermit;

/// What a call ends with.
pub(crate) enum Outcome {
    Nothing,
    Message(Message),
    /// A client, under this number.
    Client(u32),
    /// A subscription, under this number.
    Subscription(u32),
    /// A stream, under this number.
    Stream(u32),
    /// What a subscription has received.
    Publication(Publication),
    /// How many subscribers an event was queued for.
    Subscribers(usize),
    Time(Duration),
}

/// Something that JavaScript has to be told.
pub(crate) enum Event {
    Finished {
        call: u32,
        outcome: Result<Outcome>,
    },
    Message {
        listener: u32,
        id: u32,
        message: Message,
        peer: Peer,
        /// The message's share of the hub's queue, given back when JavaScript has taken the message.
        _room: Option<OwnedSemaphorePermit>,
    },
    Cancelled {
        id: u32,
    },
    /// JavaScript is to let its loop turn, and then to ask for more.
    Pause,
}

impl Event {
    /// The bytes of the body that it carries.
    pub(crate) fn len(&self) -> usize {
        match self {
            Event::Finished { outcome: Ok(Outcome::Message(message)), .. } | Event::Message { message, .. } => {
                message.len()
            }
            Event::Finished { outcome: Ok(Outcome::Publication(event)), .. } => event.data.len(),
            _ => 0,
        }
    }
}
