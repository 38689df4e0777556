//! An exported channel: messages from other machines are posted to the listener that lives here.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{HeaderMap, Message as NatsMessage, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use simple_ipc::{Channel, Client, DEFAULT_TIMEOUT, Error, ErrorKind, Message, Result};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::connection::{Connection, lock};
use crate::import::too_large;
use crate::info::Info;
use crate::link::Link;
use crate::local::Local;
use crate::progress::Progress;
use crate::retained::Kept;
use crate::wire::{self, Subjects};

/// The most messages of one channel that are with its listener at once.
const MOST_CALLS: usize = 4096;
/// The most bytes of their bodies together.
const MOST_BYTES: usize = 64 << 20;
/// A message that has been under way for longer is not handled, whatever time its caller has: the caller's bridge has found its
/// connection lost by then, and said so.
const MOST_AGE: Duration = Duration::from_secs(8);
/// How long the server may take to send no more.
const LEAVING: Duration = Duration::from_secs(1);
/// How long calls may go on when the bridge ends.
const GRACE: Duration = Duration::from_secs(5);

/// One exported channel.
pub(crate) struct Export {
    pub(crate) link: Arc<Link>,
    pub(crate) channel: Channel,
    subjects: Subjects,
    local: Local,
    kept: Arc<Kept>,
    /// Calls under way, by their reply subjects, and how to give them up.
    calls: Mutex<HashMap<String, oneshot::Sender<()>>>,
    /// By which requests are posted: there once somebody has listened.
    client: OnceCell<Client>,
    /// Room for messages, and for the bytes of their bodies.
    room: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// What comes from other machines.
struct Incoming {
    requests: Subscriber,
    broadcasts: Subscriber,
    streams: Subscriber,
    values: Subscriber,
    info: Subscriber,
    cancel: Subscriber,
}

/// What a message from another machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Request,
    Broadcast,
    Stream,
}

/// What a message takes up while it is handled.
struct Room {
    _message: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// Exports the channel over one connection after another, until the bridge ends.
pub(crate) async fn run(link: Arc<Link>, channel: Channel, kept: Arc<Kept>) {
    let export = Arc::new(Export {
        subjects: Subjects::new(&link.settings.prefix, &channel),
        local: Local::new(&channel, &link.settings.options, &link.settings.directory),
        link,
        channel,
        kept,
        calls: Mutex::default(),
        client: OnceCell::new(),
        room: Arc::new(Semaphore::new(MOST_CALLS)),
        bytes: Arc::new(Semaphore::new(MOST_BYTES)),
    });
    let mut told = false;
    while let Some(connection) = export.link.connected().await {
        let incoming = tokio::select! {
            () = export.link.closed() => break,
            incoming = export.subscribe(&connection) => incoming,
        };
        let channel = export.channel.to_string();
        match incoming {
            Ok(incoming) => {
                if !told {
                    export.link.tell(&Progress::Exporting { channel });
                }
                told = true;
                let subjects = export.subjects.of_exporters();
                let refused = tokio::select! {
                    () = export.serve(&connection, incoming) => continue,
                    () = connection.refuses(&subjects) => export.refusal(&connection),
                };
                if let Some(error) = refused {
                    export.not_over(&connection, &error).await;
                    told = false;
                }
            }
            Err(error) => {
                export.not_over(&connection, &error).await;
                told = false;
            }
        }
    }
    // What is under way has all the room that is taken.
    let all = u32::try_from(MOST_CALLS).unwrap_or(u32::MAX);
    let _in_vain_after_the_grace_period = tokio::time::timeout(GRACE, export.room.acquire_many(all)).await;
}

impl Export {
    async fn subscribe(&self, connection: &Connection) -> Result<Incoming> {
        let Subjects { requests, broadcasts, streams, values, info, cancel, events: _ } = &self.subjects;
        let incoming = Incoming {
            requests: connection.subscribe(requests, Some(wire::GROUP)).await?,
            broadcasts: connection.subscribe(broadcasts, Some(wire::GROUP)).await?,
            streams: connection.subscribe(streams, Some(wire::GROUP)).await?,
            values: connection.subscribe(values, Some(wire::GROUP)).await?,
            info: connection.subscribe(info, None).await?,
            cancel: connection.subscribe(cancel, None).await?,
        };
        connection.settle().await?;
        self.refusal(connection).map_or(Ok(incoming), Err)
    }

    /// The error that the server has refused one of the subjects, if it has.
    fn refusal(&self, connection: &Connection) -> Option<Error> {
        let refused = self.subjects.of_exporters().into_iter().find(|subject| connection.is_refused(subject))?;
        let text = format!(
            "{} does not let this user subscribe to {refused}; permit that, with queue group {}",
            connection.server(),
            wire::GROUP
        );
        Some(Error::new(ErrorKind::PermissionDenied, text))
    }

    /// Tells that the channel is not exported over this connection, and waits for its end: only another one may have other
    /// permissions.
    async fn not_over(&self, connection: &Connection, error: &Error) {
        let channel = self.channel.to_string();
        self.link.tell(&Progress::NotExporting { channel, why: error.to_string() });
        tokio::select! {
            () = self.link.closed() => {}
            () = connection.lost() => {}
        }
    }

    async fn serve(self: &Arc<Export>, connection: &Arc<Connection>, mut incoming: Incoming) {
        let (mut closed, mut lost) = (pin!(self.link.closed()), pin!(connection.lost()));
        loop {
            let message = tokio::select! {
                biased;
                () = &mut closed => return self.leave(connection, incoming).await,
                () = &mut lost => return,
                message = incoming.cancel.next() => {
                    if let Some(message) = message {
                        self.give_up(&message);
                    }
                    continue;
                }
                message = incoming.info.next() => {
                    if let Some(message) = message {
                        self.tell_of_it(connection, &message).await;
                    }
                    continue;
                }
                message = incoming.values.next() => {
                    if let Some(message) = message {
                        let (kept, connection) = (Arc::clone(&self.kept), Arc::clone(connection));
                        tokio::spawn(async move { kept.answer(&connection, &message).await });
                    }
                    continue;
                }
                message = incoming.requests.next() => message.map(|message| (Call::Request, message)),
                message = incoming.broadcasts.next() => message.map(|message| (Call::Broadcast, message)),
                message = incoming.streams.next() => message.map(|message| (Call::Stream, message)),
            };
            match message {
                Some((call, message)) => self.take(connection, call, message).await,
                // The client has ended.
                None => return,
            }
        }
    }

    /// Has the server send no more, and refuses what was on its way: a call whose exporter had gone without a word would wait.
    async fn leave(&self, connection: &Connection, incoming: Incoming) {
        let refuse = async {
            for mut messages in [incoming.requests, incoming.broadcasts, incoming.streams] {
                if messages.drain().await.is_err() {
                    continue;
                }
                while let Some(message) = messages.next().await {
                    let text = format!("whoever exported channel \"{}\" is ending", self.channel);
                    let (headers, body) = wire::of_error(&Error::new(ErrorKind::NotListening, text));
                    self.answer(connection, &message, headers, body).await;
                }
            }
        };
        // Where the server does not go along, its connection ends all the same.
        let _in_vain = tokio::time::timeout(LEAVING, refuse).await;
    }

    fn give_up(&self, message: &NatsMessage) {
        let reply = String::from_utf8_lossy(&message.payload);
        if let Some(call) = lock(&self.calls).remove(reply.as_ref()) {
            let _it_has_just_ended = call.send(());
        }
    }

    /// Answers one who would import the channel.
    async fn tell_of_it(&self, connection: &Connection, message: &NatsMessage) {
        // What it says of its age is kept.
        let _not_asked = self.link.ages.of(wire::header(message, wire::SENT));
        let (found, why) = match self.local.look() {
            Ok(Some(found)) if found.publishes && !self.kept.is_known() => {
                (None, Some("it is just being asked which events it keeps".to_owned()))
            }
            Ok(found) => (found, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mode = found.map(|found| found.mode.name().to_owned());
        let publishes = found.is_some_and(|found| found.publishes);
        let retained = if publishes { self.kept.epoch() } else { None };
        let info = Info { host: self.link.host.clone(), bridge: self.link.id.clone(), mode, publishes, retained, why };
        let body = serde_json::to_vec(&info).unwrap_or_default();
        self.answer(connection, message, HeaderMap::new(), body.into()).await;
    }

    /// Has a message handled, or says why not.
    async fn take(self: &Arc<Export>, connection: &Arc<Connection>, call: Call, message: NatsMessage) {
        if wire::header(&message, wire::PROBE).is_some() {
            return self.answer(connection, &message, HeaderMap::new(), Bytes::new()).await;
        }
        let admitted =
            self.admit(call, &message).and_then(|left| Ok((left, self.room_for(&message)?, wire::body(&message)?)));
        match admitted {
            Err(error) => {
                let (headers, body) = wire::of_error(&error);
                self.answer(connection, &message, headers, body).await;
            }
            Ok((left, room, body)) => {
                let (export, connection) = (Arc::clone(self), Arc::clone(connection));
                tokio::spawn(async move {
                    match call {
                        Call::Stream => export.handle_stream(&connection, &message, &body, left, room).await,
                        call => export.handle(call, &message, &body, left, room).await,
                    }
                });
            }
        }
    }

    /// How much time its caller has, or why the message is not handled.
    fn admit(&self, call: Call, message: &NatsMessage) -> Result<Option<Duration>> {
        let left = match wire::header(message, wire::TIMEOUT) {
            None if call != Call::Stream => Some(DEFAULT_TIMEOUT),
            None | Some("none") => None,
            Some(ms) => Some(Duration::from_millis(ms.parse().map_err(|_| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{} is no number of milliseconds: {ms:?}", wire::TIMEOUT),
                )
            })?)),
        };
        let age = self.link.ages.of(wire::header(message, wire::SENT));
        if age >= left.unwrap_or(Duration::MAX).min(MOST_AGE) {
            let text = format!("the message was under way for {} ms, and its caller has gone", age.as_millis());
            return Err(Error::new(ErrorKind::TimedOut, text));
        }
        if wire::goes_round(wire::header(message, wire::VIA), &self.link.id) {
            let text = format!("channel \"{}\": a loop of bridges: this message has been here", self.channel);
            return Err(Error::new(ErrorKind::WrongMode, text));
        }
        self.local.check()?;
        Ok(left.map(|left| left.saturating_sub(age)))
    }

    fn room_for(&self, message: &NatsMessage) -> Result<Room> {
        let bytes = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
        let full = |_| {
            let text = format!(
                "channel \"{}\" has as many messages in hand as its bridge takes; try again later",
                self.channel
            );
            Error::new(ErrorKind::TooManyConnections, text)
        };
        Ok(Room {
            _message: Arc::clone(&self.room).try_acquire_owned().map_err(full)?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(full)?,
        })
    }

    async fn handle_stream(
        &self,
        connection: &Arc<Connection>,
        message: &NatsMessage,
        opening: &Message,
        left: Option<Duration>,
        _room: Room,
    ) {
        // Without it there is nobody to answer.
        let Some(reply) = message.reply.as_ref().map(ToString::to_string) else { return };
        let (give_up, given_up) = oneshot::channel();
        lock(&self.calls).insert(reply.clone(), give_up);
        self.carry(connection, opening, left, reply.clone(), given_up).await;
        lock(&self.calls).remove(&reply);
    }

    async fn handle(&self, call: Call, message: &NatsMessage, body: &Message, left: Option<Duration>, _room: Room) {
        let reply = message.reply.as_ref().map(ToString::to_string);
        let (give_up, given_up) = oneshot::channel();
        if let Some(reply) = &reply {
            lock(&self.calls).insert(reply.clone(), give_up);
        }
        let posted = tokio::select! {
            biased;
            posted = self.post(call, body, left) => Some(posted),
            Ok(()) = given_up => None,
        };
        if let Some(reply) = &reply {
            lock(&self.calls).remove(reply);
        }
        // The connection over which it came may be lost by now, and another one lead to the caller as well.
        let (Some(posted), Some(connection)) = (posted, self.link.connection()) else { return };
        let (headers, body) = match posted {
            Ok(reply) => self.fitting(&connection, reply),
            Err(error) => wire::of_error(&self.without_channel(error)),
        };
        self.answer(&connection, message, headers, body).await;
    }

    async fn post(&self, call: Call, body: &Message, left: Option<Duration>) -> Result<Message> {
        let options = || self.link.settings.options.clone().no_timeout();
        if call == Call::Request {
            let connect = async || Client::connect(&self.channel, &options()).await;
            return self.client.get_or_try_init(connect).await?.request_message(body, left).await;
        }
        let options = left.map_or_else(options, |left| options().timeout(left));
        simple_ipc::post_broadcast(&self.channel, body, &options).await.map(|()| Message::null())
    }

    /// A reply for the wire, or the error that it is too large for it.
    fn fitting(&self, connection: &Connection, reply: Message) -> (HeaderMap, Bytes) {
        let headers = wire::headers_of(&reply);
        let body = Bytes::from(reply.into_data());
        let size = wire::size(&headers, &body);
        if size > connection.max_payload() {
            return wire::of_error(&too_large("reply", size, connection).after_sending());
        }
        (headers, body)
    }

    /// The error without the channel at its head, which the caller's library puts there again.
    pub(crate) fn without_channel(&self, error: Error) -> Error {
        let head = format!("channel \"{}\": ", self.channel);
        match error.message().strip_prefix(&head) {
            Some(text) if error.handler_code().is_none() && error.handler_data().is_none() => {
                let short = Error::new(error.kind(), text.to_owned());
                if error.may_have_been_handled() { short.after_sending() } else { short }
            }
            _ => error,
        }
    }

    async fn answer(&self, connection: &Connection, message: &NatsMessage, headers: HeaderMap, body: Bytes) {
        if let Some(reply) = &message.reply {
            // Where it does not get through, the caller's bridge notices the loss as well.
            let _not_sent = connection.publish(reply.to_string(), headers, body).await;
        }
    }
}
