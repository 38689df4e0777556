//! What a stream does next: it connects, opens, sends and reads, and ends on time.

use std::time::Instant;

use super::own_poller::OwnPoller;
use crate::client::connect::{Connected, Connecting, Step};
use crate::client::replace::Tries;
use crate::client::stream::leaving;
use crate::client::stream::session::{Got, Session, Wanted, no_streams_there, pooled};
use crate::client::stream::state::Ending;
use crate::client::target::Target;
use crate::client::{Failed, deadline, knows_no_attachments, timed_out, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::item::NextItem;
use crate::message::{Message, MessageKind, MessageRef};
use crate::os::poller::Readiness;
use crate::session::items::Items;
use crate::session::spin_wait::SpinWait;
use crate::trace::tell;

/// The token of the one socket.
const SOCKET: u64 = 0;

/// Why the descriptor is to be readable: one bit for each of those who may wait for it.
mod reason {
    pub(super) const ACCEPTED: u8 = 1;
    pub(super) const ITEM: u8 = 2;
    pub(super) const ROOM: u8 = 4;
}

/// Everything of a stream that changes. Used by one thread at a time.
pub(super) struct Exchange {
    poller: OwnPoller,
    target: Target<'static>,
    /// There until the stream is accepted: until then another session may be tried.
    opening: Option<Message>,
    phase: Phase,
    tries: Tries,
    /// The caller has said that no more items come from it.
    has_ended: bool,
    /// When the whole stream is to be over.
    ends: Option<Instant>,
    waits: Waits,
    /// Somebody watches the descriptor: it is to be readable for what was received and not taken, too.
    precise: bool,
    /// The thread of `late_sends` is to send what gathers.
    send_is_scheduled: bool,
    /// Why the descriptor is readable, apart from the socket.
    told: u8,
    /// When there is something to do by itself. Threads that wait look at it; only where somebody else watches the descriptor is
    /// its clock set to it.
    due: Option<Instant>,
    waiter: Option<SpinWait>,
}

/// Who waits for what.
#[derive(Default)]
struct Waits {
    /// Somebody was told that it was not accepted yet.
    acceptance: bool,
    /// Somebody was told that there is no item yet, then; what has begun to come since counts anew.
    item: Option<Instant>,
    /// Somebody was told that there is no room yet, then.
    room: Option<Instant>,
    /// Whether who was told so still waits, and has not given it up: for an item, and for room.
    is_item_awaited: bool,
    is_room_awaited: bool,
    /// How many threads wait for an item, and for room: what one of them, or another, leaves is for those who wait.
    threads_for_items: usize,
    threads_for_room: usize,
}

enum Phase {
    /// Looks for a listener; again at `due`.
    Connecting { connecting: Connecting, due: Option<Instant> },
    /// Has a session. `accept_by`: until when it is to be accepted, where it is not yet.
    Open { session: Box<Session>, accept_by: Option<Instant>, watches_room: bool },
    /// It is over; what has come before and was not taken. `by_listener`: the frame that ends it has come.
    Over { items: Items, ending: Ending, by_listener: bool },
}

impl Exchange {
    pub(super) fn new(target: Target<'static>, opening: &Message) -> Result<Exchange> {
        let poller = OwnPoller::take().map_err(|error| Error::from_os("cannot make a stream", error))?;
        let spin = target.options.spin;
        let mut exchange = Exchange {
            poller,
            opening: Some(opening.clone()),
            phase: nothing(),
            tries: Tries::default(),
            has_ended: false,
            ends: None,
            waits: Waits::default(),
            precise: false,
            send_is_scheduled: false,
            told: 0,
            due: None,
            waiter: Some(SpinWait::new(spin)),
            target,
        };
        exchange.look_for_a_session();
        Ok(exchange)
    }

    /// What tells that there is something to do.
    pub(super) fn readiness(&self) -> Readiness {
        self.poller.readiness()
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(&self.phase, Phase::Over { items, .. } if items.is_empty())
    }

    /// From now on the descriptor is readable for what was received and not taken, too.
    pub(super) fn be_precise(&mut self) {
        self.precise = true;
        self.poller.make_known();
        let _the_next_drive_says_so = self.rearm();
    }

    /// How its last waits went. Of two threads that wait at once the second knows nothing of it.
    pub(super) fn begin_to_wait(&mut self, wanted: Wanted) -> SpinWait {
        *self.waits.threads(wanted) += 1;
        let _the_next_drive_says_so = self.rearm();
        self.waiter.take().unwrap_or_else(|| SpinWait::new(self.target.options.spin))
    }

    pub(super) fn end_waiting(&mut self, wanted: Wanted, waiter: SpinWait) {
        *self.waits.threads(wanted) -= 1;
        self.waiter = Some(waiter);
    }

    /// Whether it was accepted. An error is that of a stream that failed before.
    pub(super) fn is_accepted(&mut self) -> Result<bool> {
        let got = self.drive(Wanted::Acceptance);
        let accepted = match got {
            Ok(Got::NotYet) => Ok(false),
            Ok(Got::Over) => match &self.phase {
                Phase::Over { ending: Ending::Failed(error), .. } => Err(error.again()),
                Phase::Over { ending: Ending::Closed, .. } => {
                    Err(Error::new(ErrorKind::Closed, "the stream was closed before it was accepted"))
                }
                _ => Ok(true),
            },
            Ok(Got::Done | Got::Item(_)) => Ok(true),
            Err(error) => Err(error),
        };
        self.waits.acceptance = matches!(accepted, Ok(false));
        self.then_rearm(accepted)
    }

    pub(super) fn next(&mut self) -> Result<NextItem> {
        let got = self.drive(Wanted::Item);
        let next = match got {
            Ok(Got::NotYet) => Ok(NextItem::NotYet),
            Ok(Got::Item(item)) => Ok(NextItem::Item(item)),
            Ok(Got::Done) => unreachable!("an item was wanted"),
            Ok(Got::Over) => self.end_told(),
            Err(error) => Err(error),
        };
        match next {
            Ok(NextItem::NotYet) => {
                self.waits.item.get_or_insert_with(Instant::now);
            }
            _ => self.waits.item = None,
        }
        self.waits.is_item_awaited = self.waits.item.is_some();
        self.then_rearm(next)
    }

    /// The same for a thread that waits: what it leaves it comes for itself.
    pub(super) fn next_waiting(&mut self) -> Result<NextItem> {
        self.waits.threads_for_items -= 1;
        let next = self.next();
        self.waits.threads_for_items += 1;
        next
    }

    /// How it has ended, to one who has all items.
    fn end_told(&self) -> Result<NextItem> {
        match &self.phase {
            Phase::Over { ending: Ending::Failed(error), .. } => Err(error.again()),
            _ => Ok(NextItem::Ended),
        }
    }

    /// Sends an item: `false` where there is no room yet.
    pub(super) fn send(&mut self, item: MessageRef<'_>) -> Result<bool> {
        let sent = self.try_send(item);
        match sent {
            Ok(false) => {
                self.waits.room.get_or_insert_with(Instant::now);
            }
            _ => self.waits.room = None,
        }
        self.waits.is_room_awaited = self.waits.room.is_some();
        self.then_rearm(sent)
    }

    /// The same for a thread that waits.
    pub(super) fn send_waiting(&mut self, item: MessageRef<'_>) -> Result<bool> {
        self.waits.threads_for_room -= 1;
        let sent = self.send(item);
        self.waits.threads_for_room += 1;
        sent
    }

    /// Those who were told that there is nothing yet wait no more.
    pub(super) fn forget_waits(&mut self) {
        self.waits.acceptance = false;
        self.waits.is_item_awaited = false;
        self.waits.is_room_awaited = false;
        let _who_asks_next_sees_it = self.rearm();
    }

    /// Whether all of the items that were sent has left. Nothing more leaves of a stream that is over.
    pub(super) fn is_flushed(&mut self) -> Result<bool> {
        let Phase::Open { session, .. } = &mut self.phase else { return Ok(true) };
        if session.gathers() {
            return Ok(true);
        }
        let before = session.unsent();
        session.flush();
        let left = session.unsent();
        if left == 0 {
            self.waits.room = None;
        } else if left < before || self.waits.room.is_none() {
            self.waits.room = Some(Instant::now());
        } else if let Some(error) = self.late(Wanted::Room) {
            self.fail(error);
        }
        self.waits.is_room_awaited = self.waits.room.is_some();
        self.then_rearm(Ok(left == 0))
    }

    /// Whether items gather that somebody is yet to be told to send.
    pub(super) fn schedules_a_send(&mut self) -> bool {
        let gathers = matches!(&self.phase, Phase::Open { session, .. } if session.gathers());
        gathers && !std::mem::replace(&mut self.send_is_scheduled, true)
    }

    /// Sends what gathers, where nothing else has. Whether that is done.
    pub(super) fn send_late(&mut self) -> bool {
        let is_sent = match &mut self.phase {
            Phase::Open { session, .. } => {
                session.flush();
                session.unsent() == 0
            }
            _ => true,
        };
        self.send_is_scheduled = !is_sent;
        let _the_next_drive_says_so = self.rearm();
        is_sent
    }

    fn try_send(&mut self, item: MessageRef<'_>) -> Result<bool> {
        if self.has_ended && !matches!(self.phase, Phase::Over { .. }) {
            return Err(Error::new(ErrorKind::Closed, "no more items can be sent: this side of the stream has ended"));
        }
        self.target.check_body(item)?;
        match self.drive(Wanted::Room)? {
            Got::NotYet => Ok(false),
            Got::Done => {
                let Phase::Open { session, .. } = &mut self.phase else { unreachable!("there is room") };
                if item.kind() == MessageKind::Attached && !session.knows_attachments() {
                    return Err(knows_no_attachments().on_channel(&self.target.channel));
                }
                match session.peer_max() {
                    Some(most) if item.len() > most => {
                        Err(too_large(item.len(), most).on_channel(&self.target.channel))
                    }
                    _ => Ok(session.send(item)),
                }
            }
            Got::Item(_) => unreachable!("room was wanted"),
            Got::Over => match &self.phase {
                Phase::Over { ending: Ending::Failed(error), by_listener: false, .. } => Err(error.again()),
                Phase::Over { ending: Ending::Closed, .. } => {
                    Err(Error::new(ErrorKind::Closed, "no more items can be sent: the stream was closed"))
                }
                _ => Err(Error::new(ErrorKind::Closed, "no more items can be sent: the listener has ended the stream")),
            },
        }
    }

    /// Says that no more items come from this side.
    pub(super) fn end(&mut self) -> Result<()> {
        self.has_ended = true;
        match &mut self.phase {
            Phase::Open { session, .. } => session.end(),
            Phase::Connecting { .. } => {}
            Phase::Over { ending: Ending::Failed(error), by_listener: false, .. } => return Err(error.again()),
            Phase::Over { .. } => {}
        }
        self.then_rearm(Ok(()))
    }

    pub(super) fn close(&mut self) {
        if !self.is_over() {
            self.finish(Items::default(), Ending::Closed);
        }
        let _who_waits_sees_the_end = self.rearm();
    }

    /// Does what there is to do without waiting, until there is what is wanted or nothing more can be done.
    fn drive(&mut self, wanted: Wanted) -> Result<Got> {
        loop {
            if self.ends.is_some_and(|ends| Instant::now() >= ends) && matches!(self.phase, Phase::Open { .. }) {
                self.fail(too_late(
                    "the stream took longer than its timeout; allow more time or look after the listener",
                ));
            }
            match &mut self.phase {
                Phase::Connecting { .. } => match self.connect()? {
                    true => {}
                    false => return Ok(Got::NotYet),
                },
                Phase::Open { session, .. } => {
                    let (was_accepted, was_inside) = (session.is_accepted(), session.is_inside_an_item());
                    let got = match session.drive(wanted) {
                        Ok(got) => got,
                        Err(failed) => {
                            self.failed(failed);
                            continue;
                        }
                    };
                    let (is_accepted, is_inside) = (session.is_accepted(), session.is_inside_an_item());
                    if is_accepted && !was_accepted {
                        self.accepted();
                    }
                    if is_inside && !was_inside && self.waits.item.is_some() {
                        self.waits.item = Some(Instant::now());
                    }
                    match got {
                        // The frame that ends it may be there already: the session is of use to others from then on.
                        Got::Over => self.listener_has_ended(),
                        Got::NotYet => match self.late(wanted) {
                            Some(error) => self.fail(error),
                            None => return Ok(Got::NotYet),
                        },
                        got => return Ok(got),
                    }
                }
                Phase::Over { items, .. } => {
                    let item = if wanted == Wanted::Item { items.pop() } else { None };
                    return Ok(item.map_or(Got::Over, |(item, _)| Got::Item(item)));
                }
            }
        }
    }

    /// Looks for a session from the start.
    fn look_for_a_session(&mut self) {
        let accept_within = self.target.options.acceptance_timeout();
        let until = deadline(self.target.connecting_time(Some(accept_within)));
        self.phase = Phase::Connecting { connecting: Connecting::new(None, until), due: None };
    }

    /// Takes a session that is there, or tries to reach a listener. Whether there is something to do at once.
    fn connect(&mut self) -> Result<bool> {
        let Phase::Connecting { connecting, due } = &mut self.phase else { unreachable!("it is connecting") };
        let now = Instant::now();
        if due.is_some_and(|due| now < due) {
            return Ok(false);
        }
        let opening = self.opening.as_ref().expect("it is not accepted");
        let ends = self.ends.or_else(|| deadline(self.target.options.stream_timeout()));
        let begun = match pooled(&self.target, opening) {
            Ok(Some(wire)) => Ok(Some(Session::on_pooled(wire, opening, ends))),
            Ok(None) => match self.target.try_connect(connecting) {
                Ok(Step::Pause(pause)) => {
                    *due = Some(now + pause);
                    Ok(None)
                }
                Ok(Step::Done(Connected::Native(stream))) => {
                    Session::on_new(&self.target, stream, opening, ends).map(Some)
                }
                Ok(Step::Done(Connected::Deno(_))) => unreachable!("the options say native"),
                Err(error) => {
                    let error = if self.target.is_an_original(&error) { no_streams_there() } else { error };
                    Err(self.tries.unreached(error))
                }
            },
            Err(error) => Err(error),
        };
        match begun {
            Ok(Some(session)) => {
                if let Err(error) = self.poller.watch(session.socket(), SOCKET, false) {
                    self.fail(Error::from_os("cannot watch the connection", error));
                    return Ok(true);
                }
                let accept_by = deadline(Some(self.target.options.acceptance_timeout()));
                let mut session = Box::new(session);
                if self.has_ended {
                    session.end();
                }
                self.ends = ends;
                self.phase = Phase::Open { session, accept_by, watches_room: false };
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => {
                self.fail(error);
                Ok(true)
            }
        }
    }

    fn accepted(&mut self) {
        self.opening = None;
        if let Phase::Open { accept_by, .. } = &mut self.phase {
            *accept_by = None;
        }
        tell!(DEBUG, "a stream was accepted", channel: &self.target.channel);
    }

    /// The session has failed, or did not take the opening: then another one is tried.
    fn failed(&mut self, failed: Failed) {
        let Phase::Open { session, .. } = &mut self.phase else { unreachable!("it has a session") };
        let is_new = session.is_new();
        match self.tries.failed(failed, is_new) {
            Ok(()) => {
                self.poller.forget(session.socket());
                self.look_for_a_session();
            }
            Err(error) => self.fail(error),
        }
    }

    /// What has taken too long for one who wants this, if something has.
    fn late(&self, wanted: Wanted) -> Option<Error> {
        let Phase::Open { accept_by, .. } = &self.phase else { return None };
        let now = Instant::now();
        let is_over = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if is_over(*accept_by) {
            return Some(timed_out().after_sending());
        }
        match wanted {
            Wanted::Item if is_over(self.idle_at(self.waits.item)) => {
                Some(too_late("no item came within the idle timeout; allow more time or look after the listener"))
            }
            Wanted::Room if is_over(self.idle_at(self.waits.room)) => {
                Some(too_late("there was no room for an item within the idle timeout: the other side takes none"))
            }
            _ => None,
        }
    }

    /// When a wait that began then is too long.
    fn idle_at(&self, since: Option<Instant>) -> Option<Instant> {
        since?.checked_add(self.target.options.idle_timeout?)
    }

    fn listener_has_ended(&mut self) {
        let Phase::Open { session, .. } = std::mem::replace(&mut self.phase, nothing()) else { return };
        self.poller.forget(session.socket());
        let (items, ending) = leaving::finish(session, &self.target.key);
        self.phase = Phase::Over { items, ending: self.named(ending), by_listener: true };
    }

    /// It fails on this side. What has come before is there all the same.
    fn fail(&mut self, error: Error) {
        let items = match &mut self.phase {
            Phase::Open { session, .. } => session.take_items(),
            _ => Items::default(),
        };
        self.finish(items, Ending::Failed(error));
    }

    fn finish(&mut self, items: Items, ending: Ending) {
        let over = Phase::Over { items, ending: self.named(ending), by_listener: false };
        if let Phase::Open { session, .. } = std::mem::replace(&mut self.phase, over) {
            self.poller.forget(session.socket());
            leaving::leave(session, &self.target.key);
        }
        self.opening = None;
    }

    fn named(&self, ending: Ending) -> Ending {
        match ending {
            Ending::Failed(error) => Ending::Failed(error.on_channel(&self.target.channel)),
            ending => ending,
        }
    }

    fn then_rearm<T>(&mut self, done: Result<T>) -> Result<T> {
        match (done, self.rearm()) {
            // Nobody would be told when there is something to do.
            (Ok(_), Err(error)) => Err(Error::from_os("cannot set the clock of a stream", error)),
            (done, _) => done,
        }
    }

    /// Has the descriptor become readable when there is something to do.
    fn rearm(&mut self) -> std::io::Result<()> {
        if let Phase::Open { session, watches_room, .. } = &mut self.phase {
            let wants_room = session.wants_room();
            if wants_room != *watches_room {
                self.poller.watch_again(session.socket(), SOCKET, wants_room)?;
                *watches_room = wants_room;
            }
        }
        let reasons = self.reasons();
        let is_news = reasons & !self.told != 0;
        self.told = reasons;
        if reasons != 0 {
            // A time that has come. Where it is the one that is set, a poller that waits for changes hears nothing.
            let now = Instant::now();
            let at = self.poller.armed().filter(|at| !is_news && *at <= now).unwrap_or(now);
            return self.poller.arm(Some(at));
        }
        let at = match &mut self.phase {
            Phase::Connecting { due, .. } => Some(due.unwrap_or_else(Instant::now)),
            Phase::Open { accept_by, .. } => {
                let accept_by = *accept_by;
                let item = self.waits.item.filter(|_| self.waits.is_item_awaited);
                let room = self.waits.room.filter(|_| self.waits.is_room_awaited);
                [self.ends, accept_by, self.idle_at(item), self.idle_at(room)].into_iter().flatten().min()
            }
            Phase::Over { .. } => None,
        };
        self.due = at;
        self.poller.arm(at.filter(|_| self.precise))
    }

    /// When a thread that waits is to look again by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Why the descriptor is to be readable, apart from the socket and the time.
    fn reasons(&mut self) -> u8 {
        let waits = &self.waits;
        let nobody = !waits.acceptance && !waits.is_item_awaited && !waits.is_room_awaited;
        let by_threads = waits.threads_for_items > 0 || waits.threads_for_room > 0;
        if !self.precise && !by_threads {
            return 0;
        }
        let for_items = waits.is_item_awaited || waits.threads_for_items > 0 || nobody;
        let for_room = waits.is_room_awaited || waits.threads_for_room > 0;
        let (accepted, item, room) = match &mut self.phase {
            Phase::Connecting { .. } => (false, false, false),
            Phase::Open { session, .. } => (session.is_accepted(), session.has_next(), session.has_room()),
            Phase::Over { .. } => (true, true, true),
        };
        let mut reasons = 0;
        for (is_so, reason) in [
            (accepted && waits.acceptance, reason::ACCEPTED),
            (item && for_items, reason::ITEM),
            (room && for_room, reason::ROOM),
        ] {
            if is_so {
                reasons |= reason;
            }
        }
        reasons
    }
}

impl Waits {
    fn threads(&mut self, wanted: Wanted) -> &mut usize {
        if wanted == Wanted::Room { &mut self.threads_for_room } else { &mut self.threads_for_items }
    }
}

/// A stream of which nothing is left.
fn nothing() -> Phase {
    Phase::Over { items: Items::default(), ending: Ending::Closed, by_listener: false }
}

fn too_late(text: &'static str) -> Error {
    Error::new(ErrorKind::TimedOut, text).after_sending()
}
