//! One stream between two bridges: what comes of it, what may be sent, and how it ends. Both sides have the same.
//!
//! All messages of a stream go from one bridge's inbox to the other's, and carry the number of each in its direction. A
//! number that is left out is a message that was lost: the stream ends there. Credit is that of local streams: a side sends
//! 262,144 bytes at first, and then what the other one grants, which is what its local side has taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{HeaderMap, Message as NatsMessage, StatusCode};
use bytes::Bytes;
use simple_ipc::{Error, ErrorKind, Message, Result};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};

use crate::connection::{Connection, lock};
use crate::import::too_large;
use crate::wire::{self, Answered, SEQUENCE};

/// What a message of a stream is.
pub(crate) const STREAM: &str = "Sipc-Stream";
/// How many bytes more the sender of the message takes.
pub(crate) const CREDIT: &str = "Sipc-Credit";

/// The handler has begun.
pub(crate) const ACCEPTED: &str = "accepted";
/// One item.
const DATA: &str = "data";
/// No more items.
const END: &str = "end";
/// More may be sent.
const GRANT: &str = "credit";
/// The stream has failed.
const ERROR: &str = "error";
/// The sender has this stream, and has sent so many messages.
pub(crate) const ALIVE: &str = "alive";
/// The sender has no such stream.
pub(crate) const GONE: &str = "gone";

/// What may be sent at first, in bytes.
const WINDOW: i64 = 256 << 10;
/// What an item costs besides its body, in bytes.
const ITEM: usize = 16;
/// The largest balance, in bytes.
const MOST_CREDIT: i64 = 1 << 31;
/// How often a side that has nothing else to send says that it is there.
const TICK: Duration = Duration::from_secs(1);
/// How many of those the other side may leave out.
const MOST_SILENT: u32 = 15;

/// A stream, as the connection that hears of it and the tasks that carry it share it.
pub(crate) struct FarStream {
    connection: Arc<Connection>,
    /// Its number at this side's inbox.
    number: u64,
    /// Where the other side's messages come.
    inbox: String,
    /// The subject of the opening, where this side has sent it.
    pub(crate) subject: Option<String>,
    state: Mutex<State>,
    /// How many messages have been sent. Held for a send, so that they leave in the order of their numbers.
    sent: AsyncMutex<u64>,
    /// An item, an end or the acceptance has come, or it is over.
    came: Notify,
    /// There may be room to send, or it is over.
    room: Notify,
    /// Whether it is over. Written by whoever ends it, once.
    over: watch::Sender<bool>,
}

struct State {
    /// Where to send: the other side's inbox, when that is known.
    to: Option<String>,
    /// How many messages have come.
    heard: u64,
    is_accepted: bool,
    /// Items that have come and were not taken.
    items: VecDeque<Message>,
    /// The other side sends no more items.
    has_ended: bool,
    is_over: bool,
    /// Why it is over, until somebody has taken that.
    over: Option<Over>,
    /// How many bytes the other side may send; below zero by no more than the last item.
    granted: i64,
    /// How many bytes were taken and are not granted again.
    taken: usize,
    /// How many bytes this side may send; below zero by no more than the last item.
    allowance: i64,
    /// Whether anything was sent, and was heard, since the last tick.
    has_sent: bool,
    has_heard: bool,
    silent_ticks: u32,
}

/// How it has ended.
#[derive(Debug)]
pub(crate) enum Over {
    /// The other side has ended it with an error.
    Failed(Answered),
    /// Nobody takes streams on the subject of the opening.
    NobodyThere,
    /// The server does not let this user publish on that subject.
    Denied,
    /// The connection is lost.
    Lost,
    /// The other side has gone, or has nothing of it: why, in words.
    Gone(&'static str),
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Message),
    /// No more items come.
    End,
    Over(Over),
}

impl FarStream {
    /// The caller's side, which sends its opening to the subject.
    pub(crate) fn of_caller(connection: &Arc<Connection>, subject: &str) -> Open {
        FarStream::open(connection, Some(subject.to_owned()), None)
    }

    /// The listener's side of a stream whose opening names that inbox.
    pub(crate) fn of_listener(connection: &Arc<Connection>, to: String) -> Open {
        FarStream::open(connection, None, Some(to))
    }

    fn open(connection: &Arc<Connection>, subject: Option<String>, to: Option<String>) -> Open {
        let state = State {
            to,
            heard: 0,
            is_accepted: false,
            items: VecDeque::new(),
            has_ended: false,
            is_over: false,
            over: None,
            granted: WINDOW,
            taken: 0,
            allowance: WINDOW,
            has_sent: false,
            has_heard: false,
            silent_ticks: 0,
        };
        let number = connection.next_number();
        let far = Arc::new(FarStream {
            connection: Arc::clone(connection),
            number,
            inbox: connection.reply_subject(number),
            subject,
            state: Mutex::new(state),
            sent: AsyncMutex::new(0),
            came: Notify::new(),
            room: Notify::new(),
            over: watch::Sender::new(false),
        });
        connection.hear_stream(number, &far);
        Open(far)
    }

    /// Where its messages come.
    pub(crate) fn inbox(&self) -> &str {
        &self.inbox
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Takes in what has come at its inbox. Never waits.
    pub(crate) fn hear(&self, message: NatsMessage) {
        let over = {
            let mut state = lock(&self.state);
            state.has_heard = true;
            if state.is_over {
                return;
            }
            state.take_in(message).err()
        };
        match over {
            Some(over) => self.finish(over),
            None => {
                self.came.notify_one();
                self.room.notify_one();
            }
        }
    }

    /// Ends it: who waits hears so when what had come before is taken.
    pub(crate) fn finish(&self, over: Over) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.is_over, true) {
            state.over = Some(over);
        }
        drop(state);
        self.came.notify_one();
        self.over.send_replace(true);
    }

    /// Waits until the handler on the other machine has begun, which is the first that comes, or until it is over.
    pub(crate) async fn accepted(&self) -> Result<(), Over> {
        loop {
            {
                let mut state = lock(&self.state);
                if state.is_accepted {
                    return Ok(());
                }
                if let Some(over) = state.over.take() {
                    return Err(over);
                }
            }
            self.came.notified().await;
        }
    }

    /// Waits for the next item of the other side. For one task.
    pub(crate) async fn next(&self) -> Next {
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(item) = state.items.pop_front() {
                    return Next::Item(item);
                }
                // A listener that has ended its stream has forgotten it, and may have said so since.
                if state.has_ended {
                    return Next::End;
                }
                if let Some(over) = state.over.take() {
                    return Next::Over(over);
                }
            }
            self.came.notified().await;
        }
    }

    /// Completes when it is over, whatever items are left.
    pub(crate) async fn over(&self) {
        drop(self.over.subscribe().wait_for(|over| *over).await);
    }

    /// The item of so many bytes that came last has gone on: the other side may send as much more.
    pub(crate) async fn taken(&self, len: usize) {
        let grant = {
            let mut state = lock(&self.state);
            state.taken += ITEM + len;
            if (state.taken as i64) < WINDOW / 2 || state.has_ended || state.is_over {
                return;
            }
            let grant = std::mem::take(&mut state.taken);
            state.granted += grant as i64;
            grant
        };
        let mut headers = of(GRANT);
        headers.insert(CREDIT, grant.to_string().as_str());
        self.send(headers, Bytes::new()).await;
    }

    /// Waits until an item may be sent. For one task. When it is over it waits for ever: whoever hears of that stops this.
    pub(crate) async fn room(&self) {
        loop {
            {
                let state = lock(&self.state);
                if state.allowance > 0 && !state.is_over {
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Sends an item, for which there is room. An error says that it is larger than the server takes.
    pub(crate) async fn item(&self, item: Message) -> Result<()> {
        let mut headers = wire::headers_of(&item);
        headers.insert(STREAM, DATA);
        // As long as a number can be.
        headers.insert(SEQUENCE, u64::MAX.to_string().as_str());
        let body = Bytes::from(item.into_data());
        let size = wire::size(&headers, &body);
        if size > self.connection.max_payload() {
            return Err(too_large("item", size, &self.connection).after_sending());
        }
        lock(&self.state).allowance -= (ITEM + body.len()) as i64;
        self.send(headers, body).await;
        Ok(())
    }

    /// Says that the handler has begun.
    pub(crate) async fn accept(&self) {
        self.send(of(ACCEPTED), Bytes::new()).await;
    }

    /// Says that no more items come from this side.
    pub(crate) async fn end(&self) {
        self.send(of(END), Bytes::new()).await;
    }

    /// Ends it with an error.
    pub(crate) async fn fail(&self, error: &Error) {
        let (mut headers, body) = wire::of_error(error);
        headers.insert(STREAM, ERROR);
        self.send(headers, body).await;
    }

    /// Tells the other side now and then that this one is there, and ends the stream where that one is silent. Never
    /// completes.
    pub(crate) async fn stay(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            let (has_sent, is_silent) = {
                let mut state = lock(&self.state);
                let is_known = state.to.is_some();
                state.silent_ticks = if std::mem::take(&mut state.has_heard) { 0 } else { state.silent_ticks + 1 };
                (std::mem::take(&mut state.has_sent) || !is_known, state.silent_ticks > MOST_SILENT)
            };
            if is_silent {
                self.finish(Over::Gone("the bridge at the other end of the stream is silent"));
            }
            if !has_sent {
                let sent = self.sent.lock().await;
                self.publish(of(ALIVE), *sent, Bytes::new()).await;
            }
        }
    }

    /// Sends a message with the next number. What does not get through ends the stream at the other side, or with its connection.
    async fn send(&self, headers: HeaderMap, body: Bytes) {
        let mut sent = self.sent.lock().await;
        self.publish(headers, *sent + 1, body).await;
        *sent += 1;
    }

    async fn publish(&self, mut headers: HeaderMap, number: u64, body: Bytes) {
        let to = {
            let mut state = lock(&self.state);
            state.has_sent = true;
            state.to.clone()
        };
        let Some(to) = to else { return };
        headers.insert(SEQUENCE, number.to_string().as_str());
        if self.connection.publish_with_reply(to, self.inbox.clone(), headers, body).await.is_err() {
            self.finish(Over::Lost);
        }
    }
}

impl State {
    /// An error says that the stream is over, and why.
    fn take_in(&mut self, message: NatsMessage) -> Result<(), Over> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            let had_begun = self.heard > 0 || self.to.is_some();
            return Err(if had_begun { Over::Gone(HAS_GONE) } else { Over::NobodyThere });
        }
        let what = wire::header(&message, STREAM).map(str::to_owned);
        let number = wire::sequence(&message);
        match what.as_deref() {
            Some(GONE) => return Err(Over::Gone("the bridge at the other end knows nothing of the stream any more")),
            Some(ALIVE) if number == self.heard => {}
            Some(_) if number == self.heard + 1 => self.heard = number,
            // An answer that is no stream's, of one who answers requests alone.
            None if self.heard == 0 => return Err(Over::Failed(not_a_stream(&message))),
            _ => return Err(Over::Gone("a message of the stream was lost on its way")),
        }
        if let Some(reply) = &message.reply {
            self.to = Some(reply.to_string());
        }
        match what.as_deref() {
            Some(ACCEPTED) => self.is_accepted = true,
            Some(DATA) => {
                if self.granted <= 0 || self.has_ended {
                    return Err(Over::Gone("the other side sent more than was granted"));
                }
                self.granted -= (ITEM + message.payload.len()) as i64;
                let item =
                    wire::body(&message).map_err(|error| Over::Failed(Answered::Error(error.after_sending())))?;
                self.items.push_back(item);
            }
            Some(END) => self.has_ended = true,
            Some(GRANT) => {
                let granted = wire::header(&message, CREDIT).and_then(|granted| granted.parse().ok()).unwrap_or(0_u32);
                self.allowance += i64::from(granted);
                if self.allowance > MOST_CREDIT {
                    return Err(Over::Gone("the other side granted more than may be"));
                }
            }
            Some(ERROR) => {
                return Err(Over::Failed(wire::answer(&message).err().unwrap_or_else(|| not_a_stream(&message))));
            }
            // What a later version says besides.
            _ => {}
        }
        Ok(())
    }
}

/// Why a stream is over whose other side is not at the server any more.
const HAS_GONE: &str = "the bridge at the other end of the stream has gone";

/// What was answered to an opening instead of a stream.
fn not_a_stream(message: &NatsMessage) -> Answered {
    match wire::answer(message) {
        Err(answered) => answered,
        Ok(_) => {
            let text = "the answer to the opening of a stream is none; look who else answers on its subject";
            Answered::Error(Error::new(ErrorKind::Protocol, text).after_sending())
        }
    }
}

/// The headers of what belongs to a stream.
pub(crate) fn of(what: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(STREAM, what);
    headers
}

/// A stream until this is dropped: then its connection hears nothing of it any more.
pub(crate) struct Open(Arc<FarStream>);

impl std::ops::Deref for Open {
    type Target = FarStream;

    fn deref(&self) -> &FarStream {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connection.forget(self.0.number);
    }
}
