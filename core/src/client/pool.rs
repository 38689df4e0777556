//! Native sessions that are kept for the next message.

use std::sync::Mutex;

use rustc_hash::FxHashMap;

use super::replace::FreeSessions;
use super::target::Key;
use super::thread_driver::ThreadSession;
use crate::lock::lock;
use crate::os::fork::ForkLocal;

/// The most sessions with one listener that wait at a time; more are closed after use.
const MOST_IDLE: usize = 16;

/// Sessions with one listener that no call is using. The one used last comes first.
#[derive(Debug, Default)]
pub(super) struct Idle {
    #[expect(clippy::vec_box, reason = "sessions go in and out with every message")]
    sessions: Vec<Box<ThreadSession>>,
    /// Nothing is kept any more.
    closed: bool,
}

impl Idle {
    fn put(&mut self, session: Box<ThreadSession>) {
        if !self.closed && self.sessions.len() < MOST_IDLE {
            self.sessions.push(session);
        }
    }

    /// The one used last; before it the last of those that share memory, or may get it any moment: streams, which go by the socket, use the
    /// others, and these do not come to share memory as well, one after another.
    #[inline(always)]
    fn take(&mut self) -> Option<Box<ThreadSession>> {
        let last = self.sessions.last()?;
        if last.never_shares() || last.is_sharing() {
            return self.sessions.pop();
        }
        self.take_from_below()
    }

    #[inline(never)]
    fn take_from_below(&mut self) -> Option<Box<ThreadSession>> {
        match self.sessions.iter().rposition(|session| session.is_sharing()) {
            Some(nth) => Some(self.sessions.remove(nth)),
            None => self.sessions.pop(),
        }
    }

    /// The last of those that neither share memory nor may get it any moment.
    fn take_plain(&mut self) -> Option<Box<ThreadSession>> {
        let nth = self.sessions.iter().rposition(|session| !session.is_sharing())?;
        Some(self.sessions.remove(nth))
    }

    /// Lets go of all sessions, and of those that are still to come.
    pub(super) fn close(&mut self) {
        self.sessions.clear();
        self.closed = true;
    }
}

impl FreeSessions for Mutex<Idle> {
    #[inline(always)]
    fn take(&self) -> Option<Box<ThreadSession>> {
        lock(self).take()
    }

    #[inline(always)]
    fn put(&self, session: Box<ThreadSession>) {
        lock(self).put(session);
    }
}

/// The sessions of blocking posts.
static IDLE: ForkLocal<Mutex<FxHashMap<Key, Idle>>> = ForkLocal::new();

/// The sessions that all blocking posts of this process with one key use.
pub(super) struct Pooled<'a>(pub(super) &'a Key);

impl Pooled<'_> {
    /// One for a stream, which goes by the socket.
    pub(super) fn take_plain(&self) -> Option<Box<ThreadSession>> {
        lock(IDLE.get()).get_mut(self.0)?.take_plain()
    }
}

impl FreeSessions for Pooled<'_> {
    fn take(&self) -> Option<Box<ThreadSession>> {
        lock(IDLE.get()).get_mut(self.0)?.take()
    }

    fn put(&self, session: Box<ThreadSession>) {
        let mut pool = lock(IDLE.get());
        if let Some(idle) = pool.get_mut(self.0) {
            return idle.put(session);
        }
        // Sessions of listeners that are gone, which nobody may ever ask for again.
        pool.retain(|_, idle| {
            idle.sessions.retain_mut(|session| session.is_usable());
            !idle.sessions.is_empty()
        });
        pool.insert(self.0.clone(), Idle { sessions: vec![session], closed: false });
    }
}
