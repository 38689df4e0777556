//! What a thread does that serves the sessions of a [group](super::group).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driven::{Driven, Group, Next, Served};
use super::group_members;
use super::group_members::{Leaves, Turn};
use super::messages::{Taken, ToHandler};
use super::thread::end;
use super::unbegun::{Begun, Unbegun};
use crate::os::fork;
use crate::os::stream::{Wait, interrupted, would_block};
use crate::server::handler::BlockingHandler;
use crate::server::shared::Shared;
use crate::session::receive;

/// How often it is looked which sessions are busy. Those that are not give memory back; where few are, these get threads of their own.
const SWEEP: Duration = Duration::from_secs(1);
/// How many messages of one session are taken to the handler before another session's turn.
const MOST_IN_A_ROW: u32 = 64;
/// A session with a body of which this much is still to come is not served together with others.
const LARGE: usize = 256 << 10;

/// How the thread came to its end.
pub(crate) enum End {
    /// No session is left, or another thread has the turn.
    Over,
    /// This is a forked child: nothing here is its own.
    Forked,
}

/// Takes the messages to the handler that a session already has, in a thread that may be kept: what happens next with the session;
/// `None`: it may join a group.
pub(crate) fn begin(driven: &mut Driven) -> Option<Next> {
    let Driven { session, reader, .. } = driven;
    let Some(code) = session.shared.users_code() else { return Some(Next::End) };
    session.state.to_thread();
    let (handler, within) = code.blocking();
    let mut to_handler = ToHandler::new(handler, &session.shared);
    let taken = to_handler.take(session, reader, u32::MAX, Duration::ZERO, Instant::now);
    drop(to_handler);
    drop(within);
    if let Taken::Leave(Next::Forked) = taken {
        std::mem::forget(code);
    }
    after(driven, taken)
}

/// Serves the sessions of a group as long as the thread has the turn. What `leave`s is driven elsewhere.
pub(crate) fn serve(
    group: &Arc<Group>,
    turn: Turn,
    shared: &Arc<Shared>,
    active: impl Fn() -> usize,
    leave: impl Fn(Served, Next),
) -> End {
    let Some(code) = shared.users_code() else {
        // The listener has closed: sessions end.
        group.sweep(turn, Leaves::All, |_, _| false).for_each(|served| leave(served, Next::Runtime));
        group.end_turn(turn);
        return End::Over;
    };
    let born = fork::generation();
    let (handler, within) = code.blocking();
    let serving = Serving { group, turn, shared, handler, leave: &leave };
    serving.serve(active);
    drop(within);
    if born != fork::generation() {
        std::mem::forget(code);
        return End::Forked;
    }
    End::Over
}

struct Serving<'a, L> {
    group: &'a Group,
    turn: Turn,
    shared: &'a Shared,
    handler: &'a BlockingHandler,
    leave: &'a L,
}

/// What a session in hand leads to.
enum Then {
    /// The next session's turn.
    GoOn,
    /// The thread is done: another one has the turn, or this is a forked child.
    Done,
}

impl<L: Fn(Served, Next)> Serving<'_, L> {
    /// Serves until another thread has the turn. `active` tells on how many sessions of all groups something has come of late.
    fn serve(&self, active: impl Fn() -> usize) {
        let Serving { group, turn, shared, .. } = *self;
        let mut to_handler = ToHandler::new(self.handler, shared);
        let mut tokens = Vec::new();
        let mut swept = Instant::now();
        // Nothing has come since then: there is nothing to be swept.
        let mut is_quiet = false;
        while !group.end_turn(turn) {
            tokens.clear();
            let most = (!is_quiet).then(|| SWEEP.saturating_sub(swept.elapsed()));
            if !shared.threads.may_be_shared() || group.ready(&mut tokens, most).is_err() {
                // Handlers are slow, or nothing is known of their sockets any more.
                self.sweep(Leaves::All);
                continue;
            }
            shared.threads.note_ready(tokens.len());
            for &token in &tokens {
                if let Then::Done = self.serve_one(token, &mut to_handler) {
                    return;
                }
            }
            let now = Instant::now();
            if now - swept < SWEEP {
                continue;
            }
            swept = now;
            is_quiet = group.count() == 0;
            let is_crowd = shared.threads.note_busy(active());
            self.sweep(if is_crowd { Leaves::None } else { Leaves::Active });
        }
    }

    /// Has sessions go back to the runtime, and gives memory back that the others do not need.
    fn sweep(&self, leaves: Leaves) {
        let may_stay = |served: &mut Served, was_active: bool| {
            let Served::Session(driven) = served else { return true };
            let Driven { session, reader, .. } = &mut **driven;
            if was_active {
                session.note_activity();
            } else {
                reader.rest();
                session.send_queue.rest();
            }
            // An acknowledgement that another thread has sent may have been too much for the socket.
            session.send_queue.waiting() == 0
        };
        self.group.sweep(self.turn, leaves, may_stay).for_each(|served| (self.leave)(served, Next::Runtime));
    }

    /// Serves one session on which something has come.
    fn serve_one(&self, token: u64, to_handler: &mut ToHandler<'_>) -> Then {
        let Serving { group, turn, shared, leave, .. } = *self;
        let mut receives = true;
        loop {
            let served = match group.take(turn, token) {
                group_members::Taken::Session(served) => served,
                group_members::Taken::Gone => return Then::GoOn,
                group_members::Taken::NotYourTurn => return Then::Done,
            };
            let mut driven = match served {
                Served::Session(driven) => driven,
                Served::Unbegun(unbegun) => match self.begin(token, unbegun) {
                    Ok(driven) => {
                        receives = false;
                        driven
                    }
                    Err(then) => return then,
                },
            };
            shared.stuck_check.want();
            let (next, is_done) = serve_in_hand(&mut driven, to_handler, receives);
            if let Some(Next::Forked) = next {
                std::mem::forget(driven);
                return Then::Done;
            }
            if let Some(next) = next {
                group.leave(turn, token);
                leave(Served::Session(driven), next);
                return Then::GoOn;
            }
            // Where a session shares memory, of what is left there, or comes at this moment, nobody else would tell.
            let sleeps = driven.session.socket.falls_asleep();
            if let Err(served) = group.put_back(turn, token, Served::Session(driven)) {
                if let Served::Session(driven) = &served {
                    driven.session.note_that_it_kept_a_thread();
                }
                leave(served, Next::Runtime);
                return Then::Done;
            }
            if is_done && sleeps {
                return Then::GoOn;
            }
            receives = is_done;
        }
    }

    /// Greets the client of a connection on which something has come. What that leads to where it is no session of this thread's.
    fn begin(&self, token: u64, unbegun: Box<Unbegun>) -> Result<Box<Driven>, Then> {
        let Serving { group, turn, leave, .. } = *self;
        match unbegun.begin() {
            Begun::Session(driven) => {
                driven.session.state.to_thread();
                Ok(driven)
            }
            Begun::NotYet(unbegun) => {
                if let Err(served) = group.put_back(turn, token, Served::Unbegun(unbegun)) {
                    leave(served, Next::Runtime);
                    return Err(Then::Done);
                }
                Err(Then::GoOn)
            }
            Begun::Other(unbegun) => {
                group.leave(turn, token);
                leave(Served::Unbegun(unbegun), Next::Runtime);
                Err(Then::GoOn)
            }
            Begun::Gone => {
                group.leave(turn, token);
                Err(Then::GoOn)
            }
        }
    }
}

/// Receives what has come on a session and takes it to the handler, up to so many messages. What happens next with it, if it does not
/// stay, and whether all that has come was taken.
fn serve_in_hand(driven: &mut Driven, to_handler: &mut ToHandler<'_>, receives: bool) -> (Option<Next>, bool) {
    let Driven { session, reader, .. } = driven;
    if receives {
        match receive::receive(&session.socket, reader, Wait::No) {
            Ok(0) if session.state.see().is_to_end() => return (Some(Next::Runtime), true),
            Ok(0) => return (Some(end(session, reader)), true),
            Ok(_) => {}
            Err(error) if interrupted(&error) || would_block(&error) => return (None, true),
            Err(_) => return (Some(end(session, reader)), true),
        }
    }
    let taken = to_handler.take(session, reader, MOST_IN_A_ROW, Duration::ZERO, Instant::now);
    let is_done = !matches!(taken, Taken::Most);
    (after(driven, taken), is_done)
}

/// What happens next with a session whose messages have been taken; `None`: it is served together with others.
fn after(driven: &mut Driven, taken: Taken) -> Option<Next> {
    let Driven { session, reader, .. } = driven;
    if let Taken::Leave(next) = taken {
        return Some(next);
    }
    // What the client does not take is the runtime's to send; so is what another thread is sending, and may not get rid of.
    if !session.send_queue.is_empty() {
        let _told_to_the_runtime = session.send_queue.flush(&session.socket, Duration::ZERO);
        if !session.send_queue.is_empty() {
            return Some(Next::Runtime);
        }
    }
    if reader.missing() > LARGE {
        return Some(Next::Runtime);
    }
    session.state.note_partial_frame(!reader.is_empty());
    None
}
