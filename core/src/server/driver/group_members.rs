//! The sessions that one thread serves together, and whose turn it is to serve them.
//!
//! A thread has the turn. It takes one session after another out, serves it with nothing locked, and puts it back. While it
//! has one in hand, others may take the turn away from it, which then goes to another thread together with all sessions but the one
//! in hand. The thread notices when it puts that back, and is given it instead.

use slab::Slab;

use crate::lock::lock;
use crate::sync::{Mutex, MutexGuard};

/// A thread's turn, by its number: no two threads have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

/// What a look at them finds: whose turn it is, and how often the thread has taken a session out or put one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    turn: Turn,
    steps: u64,
}

impl Look {
    /// Whether the thread had a session in hand.
    pub(crate) fn finds_one_in_hand(self) -> bool {
        self.steps % 2 == 1
    }
}

/// Drivers `D`, by the tokens under which their sockets `S` are watched. `R` is the right of the thread to be there.
pub(crate) struct Members<D, S, R>(Mutex<Inner<D, S, R>>);

struct Inner<D, S, R> {
    members: Slab<Member<D, S>>,
    /// The right of the thread whose turn it is; `None`: no thread is there.
    right: Option<R>,
    /// The turn that was given last. Counts on.
    turn: u64,
    /// Odd while the thread has a session in hand. Counts on, over all turns.
    steps: u64,
    /// How many times a session was taken out since a turn was last taken away.
    taken_since: u64,
}

struct Member<D, S> {
    socket: S,
    /// `None`: in the hand of the thread whose turn it is.
    driver: Option<D>,
    /// It was taken out since the last sweep.
    is_active: bool,
}

/// What became of a session that wants to join.
pub(crate) enum Joined {
    /// The thread that is there serves it.
    Served,
    /// No thread is there: the caller starts one, whose turn this is.
    Alone(Turn),
}

/// A turn that was taken away.
pub(crate) struct TakenOver<S> {
    /// The socket that the thread keeps, which is not to be watched here any more.
    pub(crate) kept: S,
    /// The next thread's turn; `None` where no sessions are left.
    pub(crate) next: Option<Turn>,
    /// How many times the thread, and those before it since the last time, had taken a session out.
    pub(crate) taken: u64,
}

/// Which sessions leave at a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    None,
    /// Those that were taken out since the last time.
    Active,
    All,
}

/// What a thread gets that wants a session.
pub(crate) enum Taken<D> {
    Session(D),
    /// It has left.
    Gone,
    /// It is another thread's turn.
    NotYourTurn,
}

impl<D, S: Clone, R> Members<D, S, R> {
    pub(crate) fn new() -> Members<D, S, R> {
        Members(Mutex::new(Inner { members: Slab::new(), right: None, turn: 0, steps: 0, taken_since: 0 }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<D, S, R>> {
        lock(&self.0)
    }

    /// Adds a session whose socket has to be watched under the token that `watch` is given. Where no thread is there one has to be
    /// started, with the `right` to be there. The driver comes back where the socket cannot be watched.
    pub(crate) fn join<E>(
        &self,
        socket: S,
        driver: D,
        right: impl FnOnce() -> R,
        watch: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<Joined, D> {
        let mut inner = self.inner();
        let token = inner.members.vacant_key();
        if watch(token as u64).is_err() {
            return Err(driver);
        }
        inner.members.insert(Member { socket, driver: Some(driver), is_active: true });
        if inner.right.is_some() {
            return Ok(Joined::Served);
        }
        inner.right = Some(right());
        Ok(Joined::Alone(inner.next_turn()))
    }

    /// Takes a session out, for the thread that has the turn.
    pub(crate) fn take(&self, turn: Turn, token: u64) -> Taken<D> {
        let mut inner = self.inner();
        if inner.turn != turn.0 {
            return Taken::NotYourTurn;
        }
        let member = usize::try_from(token).ok().and_then(|token| inner.members.get_mut(token));
        let Some(member) = member else { return Taken::Gone };
        member.is_active = true;
        let Some(driver) = member.driver.take() else { return Taken::Gone };
        inner.steps += 1;
        inner.taken_since += 1;
        Taken::Session(driver)
    }

    /// Puts a session back. The thread gets it back, for good, where the turn was taken away meanwhile.
    pub(crate) fn put_back(&self, turn: Turn, token: u64, driver: D) -> Result<(), D> {
        let mut inner = self.inner();
        if inner.turn != turn.0 {
            return Err(driver);
        }
        inner.steps += 1;
        inner.members[token as usize].driver = Some(driver);
        Ok(())
    }

    /// Has the session that the thread has in hand leave. The socket that is not to be watched any more; `None` where the turn was
    /// taken away, and the socket is not watched.
    pub(crate) fn leave(&self, turn: Turn, token: u64) -> Option<S> {
        let mut inner = self.inner();
        if inner.turn != turn.0 {
            return None;
        }
        inner.steps += 1;
        Some(inner.members.remove(token as usize).socket)
    }

    /// Ends the turn of a thread that has no session in hand, where none is left. Whether it has ended, or was taken away.
    pub(crate) fn end_turn(&self, turn: Turn) -> bool {
        let mut inner = self.inner();
        if inner.turn == turn.0 && !inner.members.is_empty() {
            return false;
        }
        if inner.turn == turn.0 {
            inner.turn += 1;
            inner.right = None;
        }
        true
    }

    /// On how many sessions something has come since the last sweep.
    pub(crate) fn active(&self) -> usize {
        self.inner().members.iter().filter(|(_, member)| member.is_active).count()
    }

    /// Has sessions leave, for the thread that has the turn and none in hand. Of the others `may_stay` is told whether they were taken
    /// out since the last time, and says whether they stay.
    pub(crate) fn sweep(
        &self,
        turn: Turn,
        leaves: Leaves,
        mut may_stay: impl FnMut(&mut D, bool) -> bool,
    ) -> Vec<(S, D)> {
        let mut inner = self.inner();
        let mut left = Vec::new();
        if inner.turn != turn.0 {
            return left;
        }
        inner.members.retain(|_, member| {
            let was_active = std::mem::replace(&mut member.is_active, false);
            let leaves = leaves == Leaves::All || (leaves == Leaves::Active && was_active);
            let leaves = leaves || member.driver.as_mut().is_some_and(|driver| !may_stay(driver, was_active));
            if leaves && let Some(driver) = member.driver.take() {
                left.push((member.socket.clone(), driver));
                return false;
            }
            true
        });
        left
    }

    /// Where the thread is that has the turn; `None`: there is none.
    pub(crate) fn look(&self) -> Option<Look> {
        let inner = self.inner();
        inner.right.as_ref().map(|_| Look { turn: Turn(inner.turn), steps: inner.steps })
    }

    /// Takes the turn away from a thread that has the same session in hand as at an earlier `look`.
    pub(crate) fn take_over(&self, look: Look) -> Option<TakenOver<S>> {
        let mut inner = self.inner();
        if inner.turn != look.turn.0 || inner.steps != look.steps || !look.finds_one_in_hand() {
            return None;
        }
        let in_hand = inner.members.iter().find(|(_, member)| member.driver.is_none()).map(|(token, _)| token)?;
        let kept = inner.members.remove(in_hand).socket;
        inner.steps += 1;
        let taken = std::mem::take(&mut inner.taken_since);
        let turn = inner.next_turn();
        let is_empty = inner.members.is_empty();
        if is_empty {
            inner.right = None;
        }
        Some(TakenOver { kept, next: (!is_empty).then_some(turn), taken })
    }
}

impl<D, S, R> Inner<D, S, R> {
    fn next_turn(&mut self) -> Turn {
        self.turn += 1;
        Turn(self.turn)
    }
}
