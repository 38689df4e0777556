//! A session whose stream nobody wants any longer: it is of use again once the listener has ended the stream.

use std::sync::Arc;

use super::session::Session;
use super::state::Ending;
use crate::client::lingering::{Ends, Step, end_later};
use crate::client::pool::Pooled;
use crate::client::replace::FreeSessions;
use crate::client::target::Key;
use crate::os::stream::Stream;
use crate::session::items::Items;

/// The listener has ended the stream: how, and what has come and was not taken. The session is kept for its next use.
pub(crate) fn finish(mut session: Box<Session>, key: &Key) -> (Items, Ending) {
    let ended = session.take_ending();
    go(session, key);
    ended
}

/// The caller wants no more: tells the listener, and keeps the session for its next use once that has ended the stream.
/// Does not wait.
pub(crate) fn leave(mut session: Box<Session>, key: &Key) {
    if session.cancel() {
        go(session, key);
    } else {
        // The end of the connection says the rest, where something has left.
        give_back(*session, key);
    }
}

fn go(session: Box<Session>, key: &Key) {
    let mut leaving = Leaving::new(session, key.clone());
    if let Step::Waits { .. } = leaving.step() {
        end_later(Box::new(leaving));
    }
}

/// A session on its way back to the pool.
struct Leaving {
    socket: Arc<Stream>,
    /// There until it is done.
    session: Option<Box<Session>>,
    key: Key,
}

impl Leaving {
    fn new(session: Box<Session>, key: Key) -> Leaving {
        Leaving { socket: Arc::clone(session.socket()), session: Some(session), key }
    }
}

impl Ends for Leaving {
    fn socket(&self) -> &Arc<Stream> {
        &self.socket
    }

    fn step(&mut self) -> Step {
        let Some(session) = &mut self.session else { return Step::Done };
        if !session.come_to_an_end() {
            return Step::Waits { room: session.wants_room() };
        }
        if let Some(session) = self.session.take() {
            give_back(*session, &self.key);
        }
        Step::Done
    }
}

/// Keeps a session that is of use for the next call or stream.
fn give_back(session: Session, key: &Key) {
    if let Some(mut wire) = session.into_wire().filter(|wire| wire.is_open()) {
        wire.rest();
        Pooled(key).put(wire);
    }
}
