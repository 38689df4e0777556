//! What a listener publishes: to whom, and what becomes of those who are slow.
//!
//! | file | holds |
//! |---|---|
//! | `log` | the frames of events, each once for all subscribers |
//! | `cursor` | a subscriber's place in the log: its credit, limit, and what it missed |
//! | `terms` | what a subscriber asked for |
//! | `batch` | what is sent with one call |
//! | `publisher` | the log and all cursors behind one lock; who sends |
//! | `retained` | the last event of each topic |
//! | `subscribe` | what a client asks for, and what it is answered |
//! | `room` | waiting until subscribers have room |
//! | `frames` | what is sent, as bytes |
//!
//! Sessions are driven elsewhere: nothing here knows them.

mod batch;
mod cursor;
mod frames;
mod log;
mod publisher;
mod retained;
mod room;
#[cfg(test)]
mod schedules;
mod subscribe;
mod terms;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::coop::consume_budget;

pub(crate) use self::publisher::{Counted, MakesRoom, Pumped};
use self::publisher::{Outlet, Published, Publisher, between};
use self::room::Room;
pub(crate) use self::subscribe::asks_for_messages;
#[cfg(any(test, fuzzing))]
pub(crate) use self::subscribe::check_any;
use self::subscribe::{Answer, Asked};
use self::terms::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Overflow;
use crate::message::MessageRef;
use crate::options::{Options, check_topic};
use crate::os::stream::Stream;
use crate::protocol::frame::Kind;
pub(crate) use crate::session::burst;

/// What a listener publishes, and to whom.
#[derive(Debug)]
pub(crate) struct Publication {
    publisher: Publisher,
    room: Room,
    /// Tells this publisher from those before and after it on the channel: 16 hexadecimal digits.
    epoch: String,
    /// How long one publish waits for subscribers that block.
    patience: Duration,
    /// The most bytes that may wait for one subscriber.
    most_queue: usize,
    /// The largest message, in bytes.
    max_message: usize,
    /// The most bytes of events that are retained.
    max_retained: usize,
    /// Notified when a subscriber has come or gone.
    subscribers_changed: Notify,
}

/// Why a client cannot subscribe.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is told so.
    Error(ErrorKind, String),
    /// The publisher has closed.
    Closed,
}

/// A subscriber's place at a publication, for the driver of its session. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    publication: Arc<Publication>,
    key: usize,
    /// The id of the subscribe frame.
    id: u32,
}

impl Publication {
    pub(crate) fn new(options: &Options) -> Publication {
        let at_random = RandomState::new().hash_one((std::process::id(), Instant::now()));
        Publication {
            publisher: Publisher::new(options.retain.then_some(options.max_waiting)),
            room: Room::default(),
            epoch: format!("{at_random:016x}"),
            patience: options.patience,
            most_queue: options.max_session_waiting,
            max_message: options.max_message,
            max_retained: options.max_waiting,
            subscribers_changed: Notify::new(),
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        self.publisher.counted()
    }

    /// Completes when a subscriber has come or gone since the last time.
    pub(crate) async fn subscribers_changed(&self) {
        self.subscribers_changed.notified().await;
    }

    /// Publishes a message; waits in the calling thread for subscribers that block. To how many it is due.
    pub(crate) fn publish(&self, topic: &str, message: MessageRef<'_>) -> Result<usize> {
        self.check(topic, message)?;
        let mut until = Until::new(self.patience);
        loop {
            let seen = self.room.seen();
            if let Some(due) = self.try_once(topic, message, until.is_over())? {
                return Ok(due);
            }
            self.room.wait(seen, until.deadline())?;
        }
    }

    /// The same, and waits as a task does.
    pub(crate) async fn publish_async(&self, topic: &str, message: MessageRef<'_>) -> Result<usize> {
        self.check(topic, message)?;
        // The drivers that are to send it may be tasks of the same thread.
        consume_budget().await;
        let mut until = Until::new(self.patience);
        loop {
            let opened = self.room.opened();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if let Some(due) = self.try_once(topic, message, until.is_over())? {
                return Ok(due);
            }
            match until.deadline() {
                Some(deadline) => drop(tokio::time::timeout_at(deadline.into(), opened).await),
                None => opened.await,
            }
        }
    }

    /// Publishes a message unless a subscriber that blocks has no room now: `None`.
    pub(crate) fn try_publish(&self, topic: &str, message: MessageRef<'_>) -> Result<Option<usize>> {
        self.check(topic, message)?;
        self.try_once(topic, message, self.patience.is_zero())
    }

    /// Has all subscribers miss so many events before the next one.
    pub(crate) fn skip(&self, missed: u64) -> Result<()> {
        if self.publisher.skip(missed) { Ok(()) } else { Err(Error::closed_listener()) }
    }

    fn check(&self, topic: &str, message: MessageRef<'_>) -> Result<()> {
        check_topic(topic)?;
        if message.len() <= self.max_message {
            return Ok(());
        }
        let text = format!(
            "cannot publish a message of {} bytes: the listener's largest is {}; raise its largest message or publish less",
            message.len(),
            self.max_message
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    fn try_once(&self, topic: &str, message: MessageRef<'_>, patience_is_over: bool) -> Result<Option<usize>> {
        let (published, makes_room) = self.publisher.publish(topic, message, patience_is_over);
        self.tell(makes_room);
        match published {
            Published::For(due) => Ok(Some(due)),
            Published::NoRoom => Ok(None),
            Published::Closed => Err(Error::closed_listener()),
            Published::NotRetained => {
                let text = format!(
                    "cannot publish: what is retained would be more than {} bytes; raise the listener's max_waiting, or \
                     publish empty bytes on topics that are done with",
                    self.max_retained
                );
                Err(Error::new(ErrorKind::OutOfResources, text))
            }
        }
    }

    fn tell(&self, MakesRoom(makes_room): MakesRoom) {
        if makes_room {
            self.room.open();
        }
    }

    /// Takes no more events and no more subscribers. A publish that waits fails.
    pub(crate) fn close(&self) {
        self.publisher.close();
        self.room.open();
    }

    /// Takes a subscriber in, whose subscribe frame had this id and body. `largest` is the largest message that it takes,
    /// `knows_attachments` whether it takes JSON with bytes.
    pub(crate) fn subscribe(
        self: &Arc<Publication>,
        id: u32,
        body: &[u8],
        largest: usize,
        knows_attachments: bool,
        socket: Arc<Stream>,
        driver: Arc<Notify>,
    ) -> std::result::Result<Place, Refusal> {
        let Asked { filter, overflow, queue, resumes } =
            subscribe::parse(body).map_err(|text| Refusal::Error(ErrorKind::InvalidBody, text))?;
        if overflow == Overflow::Block && self.patience.is_zero() {
            let text =
                "the publisher waits for no subscriber; give it some patience, or take another overflow than block";
            return Err(Refusal::Error(ErrorKind::WrongMode, text.to_owned()));
        }
        let queue = queue.min(self.most_queue);
        let after = resumes.filter(|resumes| resumes.epoch == self.epoch).map(|resumes| resumes.after);
        let is_told_how_many = filter.is_all();
        let terms = Terms { filter, overflow, queue, largest, knows_attachments };
        let answer = |next: u64, retained: usize| {
            // Events of other topics than the subscriber's are not kept: how many were for it cannot be told.
            let missed = after.filter(|_| is_told_how_many).map(|after| between(after, next) - retained as u64);
            frames::response(id, Answer { epoch: &self.epoch, next, queue, missed }.to_json())
        };
        let key = self.publisher.subscribe(terms, Outlet { socket, driver, id }, after.unwrap_or(0), answer);
        self.subscribers_changed.notify_one();
        key.map(|key| Place { publication: Arc::clone(self), key, id }).ok_or(Refusal::Closed)
    }
}

/// When the patience of one publish is over.
struct Until {
    patience: Duration,
    /// `None` in an `Option` that is there: never.
    deadline: Option<Option<Instant>>,
}

impl Until {
    fn new(patience: Duration) -> Until {
        Until { patience, deadline: None }
    }

    /// When it is over; it begins with the first call.
    fn deadline(&mut self) -> Option<Instant> {
        let patience = self.patience;
        *self.deadline.get_or_insert_with(|| Instant::now().checked_add(patience))
    }

    fn is_over(&self) -> bool {
        let is_past = |deadline: Option<Instant>| deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.patience.is_zero() || self.deadline.is_some_and(is_past)
    }
}

impl Place {
    /// Sends what may be sent now. An error: the client has gone.
    pub(crate) fn pump(&self) -> io::Result<Pumped> {
        let (pumped, makes_room) = self.publication.publisher.pump(self.key);
        self.publication.tell(makes_room);
        pumped
    }

    /// Takes credit; `false` if it is more than may be.
    pub(crate) fn grant(&self, bytes: u32) -> bool {
        self.publication.publisher.grant(self.key, bytes)
    }

    /// Whether the client is read now.
    pub(crate) fn may_receive(&self) -> bool {
        self.publication.publisher.may_receive(self.key)
    }

    /// Answers a ping.
    pub(crate) fn pong(&self, id: u32) {
        self.publication.publisher.push(self.key, frames::bare(Kind::Pong, id));
    }

    /// Says goodbye after all that waits.
    pub(crate) fn finish(&self) {
        self.publication.publisher.finish(self.key, frames::goodbye(self.id));
    }

    /// Ends the subscription now: with an error, after the frame that has begun.
    pub(crate) fn fail(&self, kind: ErrorKind, text: &str) {
        let makes_room = self.publication.publisher.fail(self.key, frames::error(0, kind, text));
        self.publication.tell(makes_room);
    }

    /// Ends the subscription now: with a goodbye, after the frame that has begun.
    pub(crate) fn part(&self) {
        let makes_room = self.publication.publisher.fail(self.key, frames::goodbye(self.id));
        self.publication.tell(makes_room);
    }

    /// The id of the subscribe frame.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let makes_room = self.publication.publisher.remove(self.key);
        self.publication.tell(makes_room);
        self.publication.subscribers_changed.notify_one();
    }
}
