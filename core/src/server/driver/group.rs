//! Threads that serve many busy exclusive sessions each: what is ready is received, handled and answered in one wake-up.
//!
//! A thread for each session is best while there are few. By the hundred they all want to run, and each of their messages wakes one.
//! Few threads that look at many sockets find some ready whenever they look. What such a thread must not do is wait: where a
//! handler keeps it, the [check](super::stuck) gives the other sessions to another thread, and where handlers keep doing that, all
//! sessions go to threads of their own.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::group_members::{Joined, Leaves, Look, Members, Taken, TakenOver, Turn};
use crate::os::poller::Poller;
use crate::os::stream::Stream;
use crate::server::threads::ReservedThread;

/// The sessions that one thread serves, with their drivers `D`.
pub(crate) struct Group<D> {
    poller: Poller,
    members: Members<D, Arc<Stream>, ReservedThread>,
    /// On how many sessions something had come, as of the last sweep. Written by the thread whose turn it is; relaxed: it orders
    /// nothing.
    active: AtomicUsize,
    /// On how many sessions something had come at the last look at the sockets: all that wait for the one in hand. Written by the thread
    /// whose turn it is; relaxed: it orders nothing.
    ready: AtomicUsize,
}

impl<D> Group<D> {
    fn new() -> io::Result<Group<D>> {
        Ok(Group {
            poller: Poller::new()?,
            members: Members::new(),
            active: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
        })
    }

    /// Adds a session. The driver comes back where its socket cannot be watched.
    pub(crate) fn join(
        &self,
        socket: &Arc<Stream>,
        driver: D,
        right: impl FnOnce() -> ReservedThread,
    ) -> Result<Joined, D> {
        self.members.join(Arc::clone(socket), driver, right, |token| self.poller.watch(socket, token, false))
    }

    /// The tokens of sessions on which something has come. Waits for so long for the first, `None` is for ever; none may be an early
    /// end of that.
    pub(crate) fn ready(&self, tokens: &mut Vec<u64>, most: Option<Duration>) -> io::Result<()> {
        self.poller.ready(tokens)?;
        if tokens.is_empty() && self.poller.wait(most)? {
            self.poller.ready(tokens)?;
        }
        self.ready.store(tokens.len(), Ordering::Relaxed);
        Ok(())
    }

    /// On how many sessions something had come at the last look at the sockets.
    pub(crate) fn last_ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self, turn: Turn, token: u64) -> Taken<D> {
        self.members.take(turn, token)
    }

    pub(crate) fn put_back(&self, turn: Turn, token: u64, driver: D) -> Result<(), D> {
        self.members.put_back(turn, token, driver)
    }

    /// Has the session that the thread has in hand leave.
    pub(crate) fn leave(&self, turn: Turn, token: u64) {
        if let Some(socket) = self.members.leave(turn, token) {
            self.poller.forget(&socket);
        }
    }

    /// Counts the sessions on which something has come since the last sweep.
    pub(crate) fn count(&self) -> usize {
        let active = self.members.active();
        self.active.store(active, Ordering::Relaxed);
        active
    }

    /// Has sessions leave. Of the others `may_stay` is told whether something has come since the last time, and says whether they stay.
    pub(crate) fn sweep(
        &self,
        turn: Turn,
        leaves: Leaves,
        may_stay: impl FnMut(&mut D, bool) -> bool,
    ) -> impl Iterator<Item = D> {
        let left = self.members.sweep(turn, leaves, may_stay);
        left.into_iter().map(|(socket, driver)| {
            self.poller.forget(&socket);
            driver
        })
    }

    pub(crate) fn end_turn(&self, turn: Turn) -> bool {
        self.members.end_turn(turn)
    }

    pub(crate) fn look(&self) -> Option<Look> {
        self.members.look()
    }

    /// Takes the turn away from a thread that has the same session in hand as at an earlier `look`. The next thread's turn, if there
    /// are sessions left, and how many times one had been taken out since the last time.
    pub(crate) fn take_over(&self, look: Look) -> Option<(Option<Turn>, u64)> {
        let TakenOver { kept, next, taken } = self.members.take_over(look)?;
        self.poller.forget(&kept);
        Some((next, taken))
    }
}

/// The groups of a listener, made when they are needed first.
pub(crate) struct Groups<D> {
    /// `None` where they could not be made.
    groups: OnceLock<Option<Vec<Arc<Group<D>>>>>,
    /// The one that the next session joins, over and over. Relaxed: it orders nothing.
    next: AtomicUsize,
}

impl<D> Default for Groups<D> {
    fn default() -> Groups<D> {
        Groups { groups: OnceLock::new(), next: AtomicUsize::new(0) }
    }
}

impl<D> Groups<D> {
    /// Those that there are.
    pub(crate) fn all(&self) -> &[Arc<Group<D>>] {
        self.groups.get().and_then(Option::as_deref).unwrap_or_default()
    }

    /// The group that the next session joins, of so many; `None` where the system gives none.
    pub(crate) fn next(&self, of: usize) -> Option<&Arc<Group<D>>> {
        let make = || (0..of).map(|_| Group::new().map(Arc::new)).collect::<io::Result<Vec<_>>>().ok();
        let groups = self.groups.get_or_init(make).as_ref()?;
        groups.get(self.next.fetch_add(1, Ordering::Relaxed) % groups.len().max(1))
    }

    /// On how many of their sessions something has come of late.
    pub(crate) fn active(&self) -> usize {
        self.all().iter().map(|group| group.active.load(Ordering::Relaxed)).sum()
    }
}
