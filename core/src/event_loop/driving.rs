//! What a subscription does next: it connects, subscribes, reads, and looks for a publisher that has gone.

use std::time::Instant;

use crate::client::connect::{Connected, Connecting, Step};
use crate::client::replace::Tries;
use crate::client::subscription::losses::{Search, is_final};
use crate::client::subscription::position::Position;
use crate::client::subscription::session::{Session, Told};
use crate::client::subscription::subscribe_body;
use crate::client::target::Target;
use crate::client::{deadline, lost, timed_out};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::os::poller::{Poller, Readiness};
use crate::os::stream::{Stream, interrupted, would_block};
use crate::session::receive::receive_into;
use crate::session::spin_wait::SpinWait;
use crate::trace::tell;

/// The token of the one stream.
const STREAM: u64 = 0;

/// What its caller drives a subscription for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// That it has subscribed. Events are left for those who want them.
    Subscribed,
    Event,
}

/// What a [`Subscription`](super::Subscription) has next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing yet: there is something to do when its descriptor is readable.
    NotYet,
    /// It is over: it was closed, or its publisher closed and [`Options::reconnect`](crate::Options::reconnect) is zero.
    Ended,
}

/// Everything of a subscription that changes. Used by one thread at a time.
pub(super) struct Driven {
    poller: Poller,
    target: Target<'static>,
    position: Position,
    phase: Phase,
    /// Whether it has subscribed, now or before.
    has_subscribed: bool,
    /// The tries of the first subscribe that no listener took.
    tries: Tries,
    /// Once the publisher was lost, until the next one has answered.
    search: Option<Search>,
    /// Somebody watches the descriptor: it is to be readable for what was received and not taken, too.
    precise: bool,
    waiter: Option<SpinWait>,
    /// How many threads wait for an event: what one of them, or another, leaves is for those who wait.
    waiting: usize,
}

enum Phase {
    /// Looks for a listener; again at `due`.
    Connecting { connecting: Connecting, due: Option<Instant> },
    /// Has a connection. `answer_due`: until when the subscribe is to be answered, where it is not yet.
    Connected { stream: Stream, session: Box<Session>, answer_due: Option<Instant>, watches_room: bool },
    /// The publisher is gone: looks for it at this time.
    Lost(Instant),
    /// It was closed.
    Closed,
    /// Its publisher closed, and no other one is looked for.
    Ended,
    /// It failed: what is said each time.
    Failed(ErrorKind, String),
}

/// What one step has brought.
enum Brought {
    /// Something else may be done at once.
    More,
    /// Nothing more can be done before the descriptor is readable.
    Nothing,
    Next(Next),
}

impl Driven {
    pub(super) fn new(target: Target<'static>) -> Result<Driven> {
        let poller = Poller::new().map_err(|error| Error::from_os("cannot make a subscription", error))?;
        let connecting = Connecting::new(None, deadline(target.connecting_time(target.options.timeout)));
        let spin = target.options.spin;
        Ok(Driven {
            poller,
            target,
            position: Position::default(),
            phase: Phase::Connecting { connecting, due: None },
            has_subscribed: false,
            tries: Tries::default(),
            search: None,
            precise: false,
            waiter: Some(SpinWait::new(spin)),
            waiting: 0,
        })
    }

    /// What tells that there is something to do.
    pub(super) fn readiness(&self) -> Readiness {
        self.poller.readiness()
    }

    pub(super) fn has_subscribed(&self) -> bool {
        self.has_subscribed
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Ended | Phase::Failed(..))
    }

    /// How its last waits went. Of two threads that wait at once the second knows nothing of it.
    pub(super) fn begin_to_wait(&mut self) -> SpinWait {
        self.waiting += 1;
        self.waiter.take().unwrap_or_else(|| SpinWait::new(self.target.options.spin))
    }

    pub(super) fn end_waiting(&mut self, waiter: SpinWait) {
        self.waiting -= 1;
        self.waiter = Some(waiter);
    }

    /// From now on the descriptor is readable for what was received and not taken, too.
    pub(super) fn be_precise(&mut self) {
        self.precise = true;
        let _the_next_drive_says_so = self.rearm();
    }

    /// Does what there is to do without waiting, until there is what is wanted or nothing more can be done.
    pub(super) fn drive(&mut self, wanted: Wanted) -> Result<Next> {
        let next = self.run(wanted);
        match (next, self.rearm()) {
            // Nobody would be told when there is something to do.
            (Ok(Next::NotYet), Err(error)) => Err(Error::from_os("cannot set the clock of a subscription", error)),
            (next, _) => next,
        }
    }

    /// The same for a thread that waits: what it leaves it comes for itself.
    pub(super) fn drive_waiting(&mut self) -> Result<Next> {
        self.waiting -= 1;
        let next = self.drive(Wanted::Event);
        self.waiting += 1;
        next
    }

    fn run(&mut self, wanted: Wanted) -> Result<Next> {
        loop {
            if wanted == Wanted::Subscribed && self.has_subscribed {
                return Ok(Next::NotYet);
            }
            let brought = match &mut self.phase {
                Phase::Connecting { .. } => self.connect()?,
                Phase::Connected { .. } => self.move_bytes()?,
                Phase::Lost(due) if Instant::now() < *due => Brought::Nothing,
                Phase::Lost(_) => {
                    // One look, without waiting for a listener.
                    let connecting = Connecting::new(None, deadline(self.target.options.timeout));
                    self.phase = Phase::Connecting { connecting, due: None };
                    Brought::More
                }
                Phase::Closed | Phase::Ended => Brought::Next(Next::Ended),
                Phase::Failed(kind, text) => return Err(Error::new(*kind, text.clone())),
            };
            match brought {
                Brought::More => {}
                Brought::Nothing => return Ok(Next::NotYet),
                Brought::Next(next) => return Ok(next),
            }
        }
    }

    /// Tries to reach a listener.
    fn connect(&mut self) -> Result<Brought> {
        let Phase::Connecting { connecting, due } = &mut self.phase else { unreachable!("it is connecting") };
        let now = Instant::now();
        if due.is_some_and(|due| now < due) {
            return Ok(Brought::Nothing);
        }
        match self.target.try_connect(connecting) {
            Ok(Step::Pause(pause)) => {
                *due = Some(now + pause);
                Ok(Brought::Nothing)
            }
            Ok(Step::Done(Connected::Native(stream))) => self.begin(stream),
            Ok(Step::Done(Connected::Deno(_))) => unreachable!("the options say native"),
            Err(error) if self.has_subscribed => self.not_found(error),
            Err(error) => {
                let error = if self.target.is_an_original(&error) { knows_no_subscribers() } else { error };
                let error = self.tries.unreached(error);
                self.fail(error)
            }
        }
    }

    /// Begins a session.
    fn begin(&mut self, stream: Stream) -> Result<Brought> {
        let options = &self.target.options;
        let body = subscribe_body(options, self.position.resumes());
        let session =
            Box::new(Session::new(options.max_message, options.topics.is_none(), &body, options.sees_messages));
        let answer_due = deadline(options.timeout);
        if let Err(error) = self.poller.watch(&stream, STREAM, false) {
            let error = Error::from_os("cannot watch the connection", error);
            return if self.has_subscribed { self.not_found(error) } else { self.fail(error) };
        }
        self.phase = Phase::Connected { stream, session, answer_due, watches_room: false };
        Ok(Brought::More)
    }

    /// Sends what is due, and takes or receives what the publisher says.
    fn move_bytes(&mut self) -> Result<Brought> {
        self.send();
        let Phase::Connected { stream, session, answer_due, .. } = &mut self.phase else {
            unreachable!("it is connected")
        };
        match session.next() {
            Ok(Told::Event { number, gap, mut event }) => {
                event.missed = self.position.deliver(number, gap);
                self.send();
                Ok(Brought::Next(Next::Event(event)))
            }
            Ok(Told::NotYet) => match session.receive(|slot| receive_into(stream, slot)) {
                Ok(1..) => Ok(Brought::More),
                Err(error) if interrupted(&error) => Ok(Brought::More),
                Err(error) if would_block(&error) => match answer_due {
                    Some(due) if Instant::now() >= *due => self.lose(timed_out(), false),
                    _ => Ok(Brought::Nothing),
                },
                Ok(0) => self.lose(lost(std::io::ErrorKind::UnexpectedEof.into()), false),
                Err(error) => self.lose(lost(error), false),
            },
            Ok(Told::Subscribed(answer)) => {
                *answer_due = None;
                self.position.subscribed(&answer);
                tell!(DEBUG, "subscribed", channel: &self.target.channel, next: answer.next);
                self.search = None;
                if !self.has_subscribed {
                    self.has_subscribed = true;
                    // A publisher that goes is looked for otherwise.
                    self.target.options.to_mut().wait = std::time::Duration::ZERO;
                }
                Ok(Brought::More)
            }
            Ok(Told::Closing(why)) => self.lose(why, true),
            Err(error) => self.lose(error, false),
        }
    }

    /// Sends what is due, as much as goes.
    fn send(&mut self) {
        let Phase::Connected { stream, session, watches_room, .. } = &mut self.phase else { return };
        while !session.outgoing().is_empty() {
            match stream.send(session.outgoing(), &[]) {
                Ok(sent) => session.sent(sent),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => break,
                // What it says until its end is read all the same.
                Err(_) => session.send_no_more(),
            }
        }
        let wants_room = !session.outgoing().is_empty();
        if wants_room != *watches_room && self.poller.watch_again(stream, STREAM, wants_room).is_ok() {
            *watches_room = wants_room;
        }
    }

    /// The session is over. `closing`: its publisher has said so.
    fn lose(&mut self, why: Error, closing: bool) -> Result<Brought> {
        tell!(DEBUG, "a subscription lost its publisher", channel: &self.target.channel, why: why);
        if !self.has_subscribed {
            // As a post that its listener did not take: another one may be about to listen.
            if closing || why.kind() == ErrorKind::ConnectionLost {
                if let Err(error) = self.tries.not_taken(why, true) {
                    return self.fail(error);
                }
                let until = deadline(self.target.connecting_time(self.target.options.timeout));
                self.phase = Phase::Connecting { connecting: Connecting::new(None, until), due: None };
                return Ok(Brought::More);
            }
            return self.fail(why);
        }
        if is_final(why.kind()) {
            return self.fail(why);
        }
        let limit = self.target.options.reconnect;
        if closing && limit.is_some_and(|limit| limit.is_zero()) {
            self.phase = Phase::Ended;
            return Ok(Brought::More);
        }
        self.search.get_or_insert_with(|| Search::new(limit));
        self.look_later(why)
    }

    /// A look for the publisher that was lost did not find it.
    fn not_found(&mut self, why: Error) -> Result<Brought> {
        if is_final(why.kind()) { self.fail(why) } else { self.look_later(why) }
    }

    fn look_later(&mut self, why: Error) -> Result<Brought> {
        match self.search.as_mut().and_then(Search::next) {
            Some(at) => {
                self.phase = Phase::Lost(at);
                Ok(Brought::Nothing)
            }
            None => self.fail(why),
        }
    }

    fn fail(&mut self, error: Error) -> Result<Brought> {
        let error = error.on_channel(&self.target.channel);
        self.phase = Phase::Failed(error.kind(), error.message().to_owned());
        Err(error)
    }

    pub(super) fn close(&mut self) {
        if !self.is_over() {
            self.phase = Phase::Closed;
        }
        let _who_waits_sees_the_end_of_the_stream = self.rearm();
    }

    /// Has the descriptor become readable when there is something to do.
    fn rearm(&mut self) -> std::io::Result<()> {
        let at = match &mut self.phase {
            Phase::Connecting { due, .. } => Some(due.unwrap_or_else(Instant::now)),
            Phase::Lost(due) => Some(*due),
            Phase::Connected { session, answer_due, .. } => {
                let is_watched = self.precise || self.waiting > 0;
                if is_watched && session.has_more() { Some(self.at_once()) } else { *answer_due }
            }
            // It tells its end to whoever asks, each time.
            Phase::Closed | Phase::Ended | Phase::Failed(..) => Some(self.at_once()),
        };
        self.poller.arm(at)
    }

    /// A time that has come; the one that is set, if it has.
    fn at_once(&self) -> Instant {
        let now = Instant::now();
        self.poller.armed().filter(|at| *at <= now).unwrap_or(now)
    }
}

fn knows_no_subscribers() -> Error {
    let text = "the listener speaks the Deno wire only, on which nothing is published; listen with this library";
    Error::new(ErrorKind::UnsupportedVersion, text)
}
