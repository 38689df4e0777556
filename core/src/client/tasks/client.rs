//! The asynchronous client: one channel kept open on one session, used from any number of tasks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::call::{SharedSession, call_async};
use super::no_runtime;
use super::session::{Operation, TaskSession};
use crate::cancellation::{Call, Cancellation};
use crate::channel::Channel;
use crate::client::connect::{Connected, Presence, Purpose};
use crate::client::target::Target;
use crate::client::until::Until;
use crate::client::{closed, closed_meanwhile, no_ping};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::message::Message;
use crate::options::Options;
use crate::os::fork;
use crate::os::stream::Stream;

/// A channel kept open.
pub(crate) struct TaskClient {
    target: Target<'static>,
    session: ClientSession,
    /// The process generation that made it (see `os::fork`): no other may use its session.
    born: u32,
}

/// The session of a client.
struct ClientSession {
    current: Mutex<Option<TaskSession>>,
    /// Set once, by `close`, before it takes the session away: under `current`'s lock nobody who sees it unset starts
    /// one that would stay.
    closed: AtomicBool,
    /// Ends, when the client closes, what waits to be sent.
    closing: Cancellation,
    max_message: usize,
    shares: bool,
}

impl SharedSession for ClientSession {
    fn current(&self) -> Result<Option<TaskSession>> {
        let Some(session) = lock(&self.current).clone() else { return Ok(None) };
        // What became of earlier one-way messages is said before anything else is sent.
        session.take_one_way_error().map_err(Error::from)?;
        if session.is_usable() {
            return Ok(Some(session));
        }
        session.retire().map_or(Ok(None), Err)
    }

    fn start(&self, stream: Stream) -> Result<TaskSession> {
        let mut current = lock(&self.current);
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed_meanwhile());
        }
        // Another task may have been quicker; order wants one session.
        if let Some(session) = current.as_ref().filter(|session| session.is_usable()) {
            return Ok(session.clone());
        }
        let session = TaskSession::start(stream, self.max_message, self.shares)?;
        *current = Some(session.clone());
        Ok(session)
    }
}

impl TaskClient {
    pub(crate) async fn open(channel: &Channel, options: &Options) -> Result<TaskClient> {
        let target = Target::new(channel, options)?.into_owned();
        Handle::try_current().map_err(|_| no_runtime())?;
        let session = ClientSession {
            current: Mutex::default(),
            closed: AtomicBool::new(false),
            closing: Cancellation::new(),
            max_message: options.max_message,
            shares: options.shared_memory > 0,
        };
        let client = TaskClient { target, session, born: fork::generation() };
        let until = Until { caller: options.cancellation.as_ref(), ..Until::default() };
        if let Presence::Native = client.target.look_async(&until).await? {
            let connected =
                client.target.connect_async(Purpose { body: None, timeout: options.timeout }, &until).await?;
            // A listener of the Deno original may have taken its place: it was only looked for.
            if let Connected::Native(stream) = connected {
                client.session.start(stream)?;
            }
        }
        Ok(client)
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.target.channel
    }

    /// The options of a stream that is opened with it.
    pub(crate) fn stream_options(&self, given: Option<&Options>) -> Result<Options> {
        self.check_open()?;
        Ok(self.target.options.for_stream(given))
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.target.options.timeout
    }

    pub(crate) async fn request(
        &self,
        message: &Message,
        timeout: Option<Duration>,
        caller: Option<&Cancellation>,
    ) -> Result<Message> {
        let reply = self.call(Operation::Request(message), timeout, caller).await?;
        Ok(reply.unwrap_or_else(Message::null))
    }

    pub(crate) async fn send_one_way(&self, message: &Message) -> Result<()> {
        self.call(Operation::OneWay(message), self.timeout(), None).await.map(drop)
    }

    pub(crate) async fn ping(&self, call: &Call) -> Result<Duration> {
        self.check_open()?;
        let until = Until { caller: call.cancellation.as_ref(), ..Until::default() };
        if let Presence::Other = self.target.look_async(&until).await? {
            return Err(no_ping());
        }
        let began = Instant::now();
        self.call(Operation::Ping, call.timeout_or(self.timeout()), call.cancellation.as_ref()).await?;
        Ok(began.elapsed())
    }

    pub(crate) async fn flush(&self, call: &Call) -> Result<()> {
        self.check_open()?;
        let session = lock(&self.session.current).clone();
        let until = Until::new(call.timeout_or(self.timeout()), call.cancellation.as_ref());
        match session {
            Some(session) => session.flush(&until).await.map_err(Error::from),
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self, call: &Call) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.session.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.session.closing.cancel();
        // Nobody makes another one from now on: see `ClientSession::start`.
        let session = lock(&self.session.current).take();
        let Some(session) = session else { return Ok(()) };
        session.close();
        let until = Until::new(call.timeout_or(self.timeout()), call.cancellation.as_ref());
        let flushed = session.flush(&until).await.map_err(Error::from);
        flushed.map_err(|error| session.give_up_flushing(error))
    }

    fn check_open(&self) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.session.closed.load(Ordering::Relaxed) { Err(closed()) } else { Ok(()) }
    }

    async fn call(
        &self,
        operation: Operation<'_>,
        timeout: Option<Duration>,
        caller: Option<&Cancellation>,
    ) -> Result<Option<Message>> {
        self.check_open()?;
        if let Some((message, _)) = operation.as_post() {
            self.target.check_body(message)?;
        }
        let until = Until { deadline: None, caller, client: Some(&self.session.closing) };
        call_async(&self.target, &self.session, timeout, &until, operation).await
    }
}
