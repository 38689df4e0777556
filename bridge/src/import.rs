//! An imported channel: a listener on its name here, whose messages are handled on another machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use simple_ipc::{Channel, DEFAULT_TIMEOUT, Error, ErrorKind, HandlerFailure, Listener, Message, Mode, Responder};
use tokio::sync::watch;

use crate::connection::{Connection, Outcome};
use crate::events::Positions;
use crate::import_events::Held;
use crate::info::{self, Info, NoInfo};
use crate::link::Link;
use crate::progress::Progress;
use crate::retained::Given;
use crate::wire::{self, Answered, Subjects};

/// How often an exporter is looked for while there is none.
const SEARCH: Duration = Duration::from_millis(500);
/// How often it is asked whether it is still there. Its answers keep the age of messages known as well.
const LOOK: Duration = Duration::from_secs(1);

/// One imported channel.
pub(crate) struct Import {
    pub(crate) link: Arc<Link>,
    channel: Channel,
    pub(crate) subjects: Subjects,
    /// Where it is in what exporters publish, and what came after a hole. Written by the task that publishes.
    pub(crate) positions: Mutex<Positions>,
    pub(crate) held: Mutex<Option<Held>>,
    /// How often all exporters were found gone: calls under way then have lost theirs. Written by the task of the import.
    pub(crate) gone: watch::Sender<u64>,
}

/// Listens on the channel whenever somebody exports it, until the bridge ends.
pub(crate) async fn run(link: Arc<Link>, channel: Channel) {
    let subjects = Subjects::new(&link.settings.prefix, &channel);
    let import = Arc::new(Import {
        link,
        channel,
        subjects,
        positions: Mutex::default(),
        held: Mutex::default(),
        gone: watch::Sender::new(0),
    });
    tokio::select! {
        () = import.link.closed() => {}
        () = import.search() => {}
    }
}

impl Import {
    /// Looks for an exporter, and listens while the bridge lives. Comes back from a listener only to start another: dropped, it
    /// closes the listener in the background.
    async fn search(self: &Arc<Import>) {
        let mut told = None;
        while let Some(connection) = self.link.connected().await {
            let why = match info::ask(&self.link, &connection, &self.subjects).await {
                Ok(info) => match info.mode() {
                    Some(mode) => match self.listen(&connection, mode, &info).await {
                        Ok(()) => {
                            told = None;
                            continue;
                        }
                        Err(error) => error.to_string(),
                    },
                    None => info.why.unwrap_or_else(|| format!("nobody listens on it at {}", info.host)),
                },
                Err(NoInfo::Nobody) => format!("nobody exports it at {}", connection.server()),
                Err(NoInfo::Unknown(why)) => why,
            };
            if told.as_ref() != Some(&why) {
                self.link.tell(&Progress::NotImporting { channel: self.channel.to_string(), why: why.clone() });
                told = Some(why);
            }
            tokio::time::sleep(SEARCH).await;
        }
    }

    /// Listens as the exporter's listener does, until that is another one.
    async fn listen(self: &Arc<Import>, connection: &Connection, mode: Mode, info: &Info) -> simple_ipc::Result<()> {
        let options = self.link.settings.options.clone().bridge(true).publish(info.publishes);
        let (import, options) = (Arc::clone(self), options.retain(info.retained.is_some()));
        // Before there can be subscribers, to whom all is due from then on.
        let events = if info.publishes { Some(self.events_over(connection).await?) } else { None };
        // After that: what is published meanwhile is among the events.
        let given = match info.retained {
            Some(_) => Some(Given::ask(connection, &self.subjects.values).await?),
            None => None,
        };
        let handler = move |message, responder: Responder| {
            let import = Arc::clone(&import);
            async move {
                if responder.is_stream() {
                    // In a task of its own: this one is dropped when the caller leaves.
                    tokio::spawn(async move { import.pass_on_stream(message, responder).await });
                } else {
                    import.pass_on(mode, message, responder).await;
                }
            }
        };
        let listener = match mode {
            Mode::Publish => Listener::serve_publish(&self.channel, &options).await?,
            _ => Listener::serve(&self.channel, mode, &options, handler).await?,
        };
        let (channel, from) = (self.channel.to_string(), info.host.clone());
        self.link.tell(&Progress::Importing { channel, mode: mode.name().to_owned(), from });
        let closes = Closes { link: &self.link, listener: Some(listener) };
        let publishing = async {
            match (events, &closes.listener) {
                (Some(events), Some(listener)) => self.publish_all(listener, events, given).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.until_another_listener(info) => {}
            () = publishing => {}
        }
        closes.close().await
    }

    async fn until_another_listener(&self, listened: &Info) {
        let of = |info: &Info| (info.mode(), info.publishes, info.retained.is_some());
        // Of several exporters of one channel each has a publisher of its own.
        let is_another = |info: &Info| info.bridge == listened.bridge && info.retained != listened.retained;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(connection) = self.link.connection() else { continue };
            match info::ask(&self.link, &connection, &self.subjects).await {
                Ok(info) if info.mode().is_some() && (of(&info) != of(listened) || is_another(&info)) => return,
                // What waits for an answer waits in vain: who would give it is no longer at the server.
                Err(NoInfo::Nobody) => self.gone.send_modify(|times| *times += 1),
                Ok(_) | Err(NoInfo::Unknown(_)) => {}
            }
        }
    }

    /// Has a local message handled by whoever exports the channel.
    async fn pass_on(&self, mode: Mode, message: Message, responder: Responder) {
        match self.call(mode, message, &responder).await {
            Ok(Some(reply)) => drop(responder.respond(&reply)),
            // Nobody waits any more.
            Ok(None) => {}
            Err(answered) => refuse(responder, answered),
        }
    }

    async fn call(&self, mode: Mode, message: Message, responder: &Responder) -> Result<Option<Message>, Answered> {
        let refused = Answered::Error;
        let connection = self.link.connection().ok_or_else(|| refused(self.link.not_connected()))?;
        // A broadcast's caller does not say how long it waits, and those that follow wait for this one.
        let left = responder.time_left().or_else(|| (mode == Mode::Broadcast).then_some(DEFAULT_TIMEOUT));
        let headers = self.headers(&connection, &message, responder, left);
        let body = Bytes::from(message.into_data());
        let size = wire::size(&headers, &body);
        if size > connection.max_payload() {
            return Err(refused(too_large("message", size, &connection)));
        }
        let subject = if mode == Mode::Request { &self.subjects.requests } else { &self.subjects.broadcasts };
        let mut gone = self.gone.subscribe();
        let mut cancel = Cancel { import: self, connection: &connection, reply: String::new() };
        let outcome = tokio::select! {
            biased;
            outcome = connection.request(subject, headers, body, |reply| reply.clone_into(&mut cancel.reply)) => outcome,
            () = responder.cancelled() => {
                cancel.send().await;
                return Ok(None);
            }
            // The caller of a request gives it up itself.
            () = after(left), if mode == Mode::Broadcast => {
                cancel.send().await;
                let text = format!("no answer came over the bridge from {} in time", connection.server());
                return Err(refused(Error::new(ErrorKind::TimedOut, text).after_sending()));
            }
            _ = gone.changed() => {
                let text = format!("whoever handled the message is no longer connected to {}", connection.server());
                return Err(refused(Error::new(ErrorKind::ConnectionLost, text).after_sending()));
            }
        };
        match outcome {
            Outcome::Answer(answer) => wire::answer(&answer).map(Some),
            other => Err(refused(self.no_answer(other, subject, &connection))),
        }
    }

    pub(crate) fn headers(
        &self,
        connection: &Connection,
        message: &Message,
        responder: &Responder,
        left: Option<Duration>,
    ) -> async_nats::HeaderMap {
        let mut headers = wire::headers_of(message);
        let left = left.map_or_else(|| "none".to_owned(), |left| left.as_millis().max(1).to_string());
        headers.insert(wire::TIMEOUT, left.as_str());
        headers.insert(wire::SENT, connection.sent().as_str());
        headers.insert(wire::VIA, self.link.id.as_str());
        let peer = responder.peer();
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let (uid, pid) = (number(peer.uid().map(i64::from)), number(peer.pid().map(i64::from)));
        headers.insert(wire::FROM, format!("{}/{uid}/{pid}", self.link.host).as_str());
        headers
    }

    /// The error of a message that got no answer.
    pub(crate) fn no_answer(&self, outcome: Outcome, subject: &str, connection: &Connection) -> Error {
        let server = connection.server();
        match outcome {
            Outcome::NobodyThere => {
                Error::new(ErrorKind::NotListening, format!("nobody exports channel \"{}\" at {server}", self.channel))
            }
            Outcome::Denied => Error::new(
                ErrorKind::PermissionDenied,
                format!("{server} does not let this bridge publish on {subject}; permit that to its user"),
            ),
            Outcome::NotSent => self.link.not_connected(),
            Outcome::Lost | Outcome::Answer(_) => {
                let text = format!("the connection to {server} was lost before the answer came");
                Error::new(ErrorKind::ConnectionLost, text).after_sending()
            }
        }
    }
}

/// Tells a local caller of an error with which its message was answered elsewhere.
pub(crate) fn refuse(responder: Responder, answered: Answered) {
    let _gave_up = match answered {
        Answered::Error(error) => responder.refuse(&error),
        Answered::Failed { text, code, data } => responder.fail_with(failure(text, code, data)),
    };
}

/// A failure as a handler elsewhere has given it.
pub(crate) fn failure(text: String, code: Option<String>, data: Option<String>) -> HandlerFailure {
    let mut failure = HandlerFailure::new(text);
    if let Some(code) = code {
        failure = failure.code(code);
    }
    // Data that is no JSON is left out; the failure is told all the same.
    data.and_then(|data| failure.clone().data_json(data).ok()).unwrap_or(failure)
}

/// The error for what does not fit into a message of the server's.
pub(crate) fn too_large(what: &str, size: usize, connection: &Connection) -> Error {
    let text = format!(
        "the {what} of {size} bytes with its headers is larger than the {} that {} takes; raise max_payload in the server's \
         configuration",
        connection.max_payload(),
        connection.server()
    );
    Error::new(ErrorKind::TooLarge, text)
}

async fn after(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// Tells exporters that nobody waits for a call any more.
pub(crate) struct Cancel<'a> {
    pub(crate) import: &'a Import,
    pub(crate) connection: &'a Connection,
    pub(crate) reply: String,
}

impl Cancel<'_> {
    pub(crate) async fn send(self) {
        let subject = self.import.subjects.cancel.clone();
        let body = Bytes::from(self.reply);
        // Where it does not get through, the exporter goes on in vain.
        let _not_sent = self.connection.publish(subject, async_nats::HeaderMap::new(), body).await;
    }
}

/// Closes a listener, also where the bridge ends meanwhile: the bridge waits for that.
struct Closes<'a> {
    link: &'a Arc<Link>,
    listener: Option<Listener>,
}

impl Closes<'_> {
    async fn close(mut self) -> simple_ipc::Result<()> {
        match self.listener.take() {
            Some(listener) => listener.close().await,
            None => Ok(()),
        }
    }
}

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            self.link.ending(async move {
                let _what_could_not_be_removed_stays = listener.close().await;
            });
        }
    }
}
