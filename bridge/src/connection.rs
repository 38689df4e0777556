//! One connection to a NATS server, from its hello to its loss. It is never mended: a new one takes its place.
//!
//! async-nats keeps what it was given while the server is away, and sends it after it has reconnected: a request would be
//! executed long after its caller was told that it failed. So a connection here ends with its first loss, and what was
//! not sent by then never is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{
    AuthError, Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, PublishError,
    ServerAddr, ServerError, Subscriber,
};
use bytes::Bytes;
use futures_util::StreamExt;
use simple_ipc::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::age;
use crate::far::{self, FarStream, Over};
use crate::settings::{Settings, shown};
use crate::waiting::Waiting;
use crate::wire;

/// How long connecting may take altogether.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a quiet server is asked whether it lives; after the third question without an answer the connection is lost.
const PING: Duration = Duration::from_secs(3);
/// How often the state is looked at, besides being told of changes: async-nats drops news when there is too much of it.
const LOOK: Duration = Duration::from_millis(250);

/// A connection that is up, or was.
pub(crate) struct Connection {
    client: Client,
    server: String,
    /// Differs from that of every other connection anywhere.
    id: String,
    began: Instant,
    /// Where answers come: this and a number.
    inbox: String,
    /// The number of the next request: a count that nothing is ordered by.
    next: AtomicU64,
    waiting: Waiting,
    /// Whether it is lost. Written by the tasks that notice.
    lost: watch::Sender<bool>,
    /// The subjects that the server has refused to subscribe to. Written by the task of events.
    refused: watch::Sender<Vec<String>>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Message),
    /// Nobody has subscribed to the subject.
    NobodyThere,
    /// The server does not let this user publish on the subject.
    Denied,
    /// The connection was lost before the request was given to it.
    NotSent,
    /// The connection was lost before the answer came.
    Lost,
}

/// The connection to which its client's events belong, once it is there. Weak, since the client holds it.
type News = OnceLock<Weak<Connection>>;

impl Connection {
    /// Connects to the first server that takes this bridge, beginning with the `nth`.
    pub(crate) async fn open(settings: &Settings, nth: usize) -> Result<Arc<Connection>> {
        let mut failed = None;
        for at in 0..settings.servers.len() {
            let server = &settings.servers[(nth + at) % settings.servers.len()];
            match Connection::open_to(server, settings).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(ErrorKind::InvalidArgument, "no server is named")))
    }

    async fn open_to(server: &ServerAddr, settings: &Settings) -> Result<Arc<Connection>> {
        let news = Arc::new(News::default());
        let client = tokio::time::timeout(CONNECT, options(settings, &news, server).connect(server.clone()))
            .await
            .map_err(|_| cannot_connect(server, ErrorKind::TimedOut, "it does not answer; look whether it runs"))?
            .map_err(|error| why(server, &error))?;
        let inbox = client.new_inbox();
        let connection = Arc::new(Connection {
            client,
            server: shown(server),
            id: inbox.rsplit('.').next().unwrap_or(&inbox).to_owned(),
            began: Instant::now(),
            inbox,
            next: AtomicU64::new(0),
            waiting: Waiting::default(),
            lost: watch::Sender::new(false),
            refused: watch::Sender::default(),
        });
        // From here on async-nats is kept from reconnecting.
        let _set_here_alone = news.set(Arc::downgrade(&connection));
        let answers = connection.subscribe(&format!("{}.*", connection.inbox), None).await?;
        tokio::spawn(receive(Arc::clone(&connection), answers));
        tokio::spawn(look(Arc::clone(&connection)));
        let settled = connection.settle().await;
        if let Some(refused) = connection.refused().first() {
            let why = format!(
                "the server does not let this user subscribe to {refused}, where answers come; permit _INBOX.> to it"
            );
            connection.end();
            return Err(cannot_connect(server, ErrorKind::PermissionDenied, &why));
        }
        settled?;
        Ok(connection)
    }

    /// The server, without secrets.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The `Sipc-Sent` header of a message that is sent now.
    pub(crate) fn sent(&self) -> String {
        age::sent(&self.id, self.began.elapsed())
    }

    /// The largest message that the server takes, headers included.
    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Completes when the connection is lost.
    pub(crate) async fn lost(&self) {
        drop(self.lost.subscribe().wait_for(|lost| *lost).await);
    }

    /// Sends a request and waits for its answer, without limit. Whoever stops waiting drops the future.
    ///
    /// `replied` is told the reply subject, by which the request can be cancelled.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
        replied: impl FnOnce(&str),
    ) -> Outcome {
        let number = self.next_number();
        let answered = self.waiting.request(number, subject);
        let _forgets = Forgets { connection: self, number };
        let reply = self.reply_subject(number);
        replied(&reply);
        if self.is_lost() || self.publish_with_reply(subject.to_owned(), reply, headers, body).await.is_err() {
            return Outcome::NotSent;
        }
        // The end of the connection has all that waits be lost.
        answered.await.unwrap_or(Outcome::Lost)
    }

    /// A number at the inbox that nothing else has.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Where what is for this number comes.
    pub(crate) fn reply_subject(&self, number: u64) -> String {
        format!("{}.{number}", self.inbox)
    }

    /// Brings what comes for this number to a stream, until it is to be forgotten.
    pub(crate) fn hear_stream(&self, number: u64, stream: &Arc<FarStream>) {
        self.waiting.stream(number, stream);
        if self.is_lost() {
            stream.finish(Over::Lost);
        }
    }

    /// Nothing waits for what comes for this number.
    pub(crate) fn forget(&self, number: u64) {
        self.waiting.forget(number);
    }

    /// Sends a message that says where answers go. An error means that it was not given to the connection.
    pub(crate) async fn publish_with_reply(
        &self,
        subject: String,
        reply: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<()> {
        self.sends(self.client.publish_with_reply_and_headers(subject, reply, headers, body)).await
    }

    /// Sends a message that nobody answers. An error means that it was not given to the connection.
    pub(crate) async fn publish(&self, subject: String, headers: HeaderMap, body: Bytes) -> Result<()> {
        self.sends(self.client.publish_with_headers(subject, headers, body)).await
    }

    async fn sends(&self, publish: impl Future<Output = Result<(), PublishError>>) -> Result<()> {
        // In most cases there is room for it, and nothing to wait for.
        tokio::select! {
            biased;
            published = publish => published.map_err(|error| {
                Error::new(ErrorKind::ConnectionLost, format!("cannot send to {}: {error}", self.server))
            }),
            () = self.lost() => Err(self.not_connected()),
        }
    }

    /// What comes on a subject, each message to one of the `group` where there is one.
    pub(crate) async fn subscribe(&self, subject: &str, group: Option<&str>) -> Result<Subscriber> {
        let subscribed = match group {
            Some(group) => self.client.queue_subscribe(subject.to_owned(), group.to_owned()).await,
            None => self.client.subscribe(subject.to_owned()).await,
        };
        subscribed.map_err(|error| {
            Error::new(ErrorKind::ConnectionLost, format!("cannot subscribe to {subject} at {}: {error}", self.server))
        })
    }

    /// Waits until the server has seen all that was sent so far, and its refusals have arrived.
    pub(crate) async fn settle(&self) -> Result<()> {
        // A flush would only empty the socket. Nobody subscribes to this subject, which the server says.
        let subject = format!("{}.nobody.there", self.inbox);
        match tokio::time::timeout(CONNECT, self.request(&subject, HeaderMap::new(), Bytes::new(), |_| ())).await {
            Ok(Outcome::NotSent | Outcome::Lost) => Err(self.not_connected()),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::TimedOut, format!("{} does not answer", self.server))),
        }
    }

    /// Whether the server has refused to let this user subscribe to a subject. Known after [`settle`](Connection::settle).
    pub(crate) fn is_refused(&self, subject: &str) -> bool {
        self.refused.borrow().iter().any(|refused| refused == subject)
    }

    /// The subjects that it has refused so far.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.borrow().clone()
    }

    /// Completes when the server has refused one of these subjects: news of it may come after what [`settle`](Connection::settle)
    /// waits for.
    pub(crate) async fn refuses(&self, subjects: &[&str]) {
        let is_among = |refused: &Vec<String>| refused.iter().any(|refused| subjects.contains(&refused.as_str()));
        drop(self.refused.subscribe().wait_for(is_among).await);
    }

    /// Ends it: what waits for an answer is lost.
    pub(crate) fn end(&self) {
        if !self.lost.send_replace(true) {
            self.waiting.lose();
        }
    }

    /// The error for what was not sent.
    pub(crate) fn not_connected(&self) -> Error {
        Error::new(ErrorKind::NotListening, format!("the connection to {} is lost; it is being made anew", self.server))
    }

    /// The server has refused something, and says what in words: `Permissions Violation for Publish to "subject"`.
    fn hear_refusal(&self, text: &str) {
        let Some(subject) = text.split('"').nth(1) else { return };
        let text = text.to_ascii_lowercase();
        if text.contains("subscription") {
            self.refused.send_modify(|refused| refused.push(subject.to_owned()));
        } else if text.contains("publish") {
            self.waiting.deny(subject);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Takes a request out of those that wait, however its future ends.
struct Forgets<'a> {
    connection: &'a Connection,
    number: u64,
}

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.connection.forget(self.number);
    }
}

fn options(settings: &Settings, news: &Arc<News>, server: &ServerAddr) -> ConnectOptions {
    let (credentials, told) = (settings.credentials.clone(), Arc::clone(news));
    // When it has connected once, async-nats is not let in again: its one attempt to reconnect ends here, before anything is
    // sent, and with it the client.
    let auth = move |nonce: Vec<u8>| {
        let again = told.get().is_some();
        let auth = if again { Err(AuthError::new("a bridge connects anew instead")) } else { credentials.auth(&nonce) };
        std::future::ready(auth)
    };
    let events = Arc::clone(news);
    let mut options = ConnectOptions::with_auth_callback(auth)
        .name("simple-ipc-bridge")
        .max_reconnects(1)
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .request_timeout(None)
        .ignore_discovered_servers()
        .require_tls(server.tls_required())
        .event_callback(move |event| {
            hear(&events, event);
            std::future::ready(())
        });
    for file in &settings.authorities {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &settings.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    options
}

fn hear(news: &News, event: Event) {
    let Some(connection) = news.get().and_then(Weak::upgrade) else { return };
    match event {
        Event::Disconnected | Event::Closed => connection.end(),
        Event::ServerError(ServerError::Other(text)) => connection.hear_refusal(&text),
        _ => {}
    }
}

/// Brings answers to those who wait for them, until the connection is lost.
async fn receive(connection: Arc<Connection>, mut answers: Subscriber) {
    loop {
        let message = tokio::select! {
            message = answers.next() => message,
            () = connection.lost() => None,
        };
        let Some(message) = message else { break };
        let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        let asks_for_a_stream = wire::header(&message, far::STREAM) == Some(far::ALIVE);
        let reply = message.reply.clone().filter(|_| asks_for_a_stream);
        if !connection.waiting.hear(number, message)
            && let Some(reply) = reply
        {
            let _not_sent_is_the_end_of_it =
                connection.publish(reply.to_string(), far::of(far::GONE), Bytes::new()).await;
        }
    }
    connection.end();
}

/// Notices a loss that was not told.
async fn look(connection: Arc<Connection>) {
    while !connection.is_lost() {
        if connection.client.connection_state() != State::Connected {
            connection.end();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = connection.lost() => {}
        }
    }
}

fn cannot_connect(server: &ServerAddr, kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, format!("cannot connect to {}: {why}", shown(server)))
}

/// Why connecting failed, in words that say what to do.
fn why(server: &ServerAddr, error: &ConnectError) -> Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let (kind, advice) = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => (
            ErrorKind::PermissionDenied,
            "the server does not take these credentials; look at --creds, --token-file, --user and --password-file",
        ),
        ConnectErrorKind::Tls => (ErrorKind::PermissionDenied, "no TLS with it; look at --ca, --cert and --key"),
        ConnectErrorKind::TimedOut => (ErrorKind::TimedOut, "it does not answer; look whether it runs"),
        ConnectErrorKind::Dns => (ErrorKind::NotListening, "its name leads nowhere; look at the URL"),
        _ => (ErrorKind::NotListening, "nobody answers there as a NATS server; look at the URL and whether it runs"),
    };
    let tells = text.contains("certificate") || text.contains("invalid peer");
    let (kind, advice) = if tells {
        (ErrorKind::PermissionDenied, "no TLS with it; look at --ca, --cert and --key")
    } else {
        (kind, advice)
    };
    cannot_connect(server, kind, &format!("{advice} ({text})"))
}

/// Locks, also where a thread has panicked with the lock: what it guards is whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
