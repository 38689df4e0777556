//! A connection of which nothing has come yet, where many are open: the thread that serves many sessions watches it, and greets its
//! client when the first bytes come.
//!
//! Hundreds of clients begin at once. Those that have begun, and the threads that serve them, want the processors as much as the
//! one thread of the runtime does, and whoever is greeted by that comes late. In the thread that serves them all each gets its turn.

use std::sync::Arc;

use super::driven::{Driven, Drivers};
use crate::mode::Mode;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::peer::Peer;
use crate::protocol::Violation;
use crate::protocol::dialect::Dialect;
use crate::protocol::frame::{FrameReader, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, PUBLISH_SUBSCRIBE, Role};
use crate::server::session::Session;
use crate::server::shared::OpenConnection;
use crate::trace::{Who, tell};

/// Room for the first bytes of a connection.
pub(crate) const FIRST: usize = 4096;

/// An accepted connection, and what has come on it.
pub(crate) struct Accepted {
    pub(crate) drivers: Arc<Drivers>,
    pub(crate) open: OpenConnection,
    pub(crate) socket: Arc<Stream>,
    pub(crate) peer: Peer,
    pub(crate) first: Vec<u8>,
    /// It may still be watched by a thread that serves many.
    pub(crate) may_be_watched: bool,
}

/// One of which nothing has come.
pub(crate) struct Unbegun {
    accepted: Accepted,
    place: Place,
    /// Has the runtime go on with it.
    on_the_runtime: fn(Accepted),
}

/// A place among those that [wait](crate::server::connecting).
struct Place {
    drivers: Arc<Drivers>,
    key: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.drivers.listener.connecting.remove(self.key);
    }
}

/// What comes of a connection on which something has come.
pub(crate) enum Begun {
    /// An exclusive session, whose client has been greeted.
    Session(Box<Driven>),
    /// Nothing has come after all.
    NotYet(Box<Unbegun>),
    /// Another session, something else, or a part of a hello: it is the runtime's to see to.
    Other(Box<Unbegun>),
    /// It has ended.
    Gone,
}

impl Unbegun {
    pub(crate) fn new(accepted: Accepted, on_the_runtime: fn(Accepted)) -> Unbegun {
        let listener = &accepted.drivers.listener;
        let key = listener.connecting.add(&accepted.socket);
        if listener.shared.is_closing() {
            let _gone_already = accepted.socket.shutdown_read();
        }
        let place = Place { drivers: Arc::clone(&accepted.drivers), key };
        Unbegun { accepted, place, on_the_runtime }
    }

    pub(crate) fn socket(&self) -> &Arc<Stream> {
        &self.accepted.socket
    }

    pub(crate) fn drivers(&self) -> &Arc<Drivers> {
        &self.accepted.drivers
    }

    /// Has the runtime go on with it.
    pub(crate) fn leave(self) {
        let Unbegun { mut accepted, place, on_the_runtime } = self;
        drop(place);
        accepted.may_be_watched = false;
        on_the_runtime(accepted);
    }

    /// Receives what has come.
    pub(crate) fn begin(mut self: Box<Self>) -> Begun {
        let Accepted { drivers, socket, peer, first, .. } = &mut self.accepted;
        first.reserve_exact(FIRST);
        match socket.recv_spare(first, usize::MAX, Wait::No) {
            Ok(1..) => {}
            Err(error) if would_block(&error) || interrupted(&error) => return Begun::NotYet(self),
            Ok(0) | Err(_) => {
                drivers.listener.shared.incomplete(peer);
                return Begun::Gone;
            }
        }
        let hello =
            first.first_chunk::<HELLO_LEN>().filter(|hello| Dialect::of(hello[0], false) == Some(Dialect::Native));
        let Some(Ok(hello)) = hello.map(Hello::decode_from_client) else { return Begun::Other(self) };
        if hello.role != Role::Exclusive {
            return Begun::Other(self);
        }
        let Unbegun { accepted, place, .. } = *self;
        drop(place);
        begin(accepted, &Ok(hello)).map_or(Begun::Gone, |driven| Begun::Session(Box::new(driven)))
    }
}

/// Makes a session of a connection whose first bytes are the hello `theirs`, and greets its client. `None` if that has gone.
pub(crate) fn begin(accepted: Accepted, theirs: &Result<Hello, Violation>) -> Option<Driven> {
    let Accepted { drivers, open, socket, peer, first, .. } = accepted;
    let listener = &drivers.listener;
    let shared = &listener.shared;
    let role = match shared.mode {
        Mode::Request => Role::RequestListener,
        Mode::Broadcast | Mode::Publish => Role::BroadcastListener,
    };
    let ours = Hello::new(role, shared.options.max_message);
    let theirs = theirs.as_ref().ok();
    let session = Arc::new(Session::new(socket, Arc::clone(shared), listener.next_key(), peer, theirs));
    listener.add(&session);
    let mut reader = FrameReader::new(Sender::Client, shared.options.max_message);
    reader.let_attach(theirs.is_some_and(Hello::knows_attachments));
    reader.feed(&first[HELLO_LEN..]);
    let may_subscribe =
        theirs.is_some_and(|hello| hello.role == Role::Multiplexed && hello.features & PUBLISH_SUBSCRIBE != 0);
    let driven = Driven { session, drivers: Arc::clone(&drivers), reader, may_subscribe, _open: open };
    if !driven.session.greet(&ours) {
        return None;
    }
    if theirs.is_some() {
        tell!(DEBUG, "a session begins", channel: driven.session.shared.channel, peer: Who(&peer));
    }
    Some(driven)
}
