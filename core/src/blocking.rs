//! The same calls for threads that may block: no runtime is needed, none is started to post.
//!
//! ```
//! # let directory = tempfile::tempdir().unwrap();
//! # let options = simple_ipc::Options::new().directory(directory.path());
//! # use simple_ipc::blocking::{listen_uds_request_with, post_uds_request_with};
//! let listener = listen_uds_request_with("example_channel", &options, |data: String| {
//!     println!("{data}"); // request-foo
//!     Ok("response-bar")
//! })?;
//! let reply: String = post_uds_request_with("example_channel", "request-foo", &options)?;
//! assert_eq!(reply, "response-bar");
//! listener.close()?;
//! # Ok::<(), simple_ipc::Error>(())
//! ```

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::background;
use crate::cancellation::Call;
use crate::channel::Channel;
use crate::client::blocking_client::BlockingClient;
use crate::client::post;
use crate::counters::Counters;
use crate::error::{HandlerResult, Result};
pub use crate::interrupt::on_interrupt;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork;
use crate::server::Responder;
use crate::server::handler::Handler;
use crate::server::{listener, start};

/// A listener on a channel. Dropping it stops it at once and closes it in the background, so that its handler, and
/// what it captured, may be dropped later; [`close`](Listener::close) waits for that.
#[derive(Debug)]
pub struct Listener {
    listening: ManuallyDrop<Arc<listener::Listener>>,
    address: String,
}

impl Listener {
    /// Listens with a handler of raw messages. JSON bodies that it gets are JSON.
    ///
    /// The handler runs on threads of the library, any number of times at once; it may block, and
    /// answer at once or later through its [`Responder`].
    pub fn serve(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<Listener> {
        Listener::start(channel, mode, options, handler, true)
    }

    /// As [`serve`](Listener::serve), but JSON bodies that the handler gets are what has arrived: for a
    /// handler that reads each anyway, and [rejects](Responder::reject) those that are not JSON.
    pub fn serve_unchecked(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<Listener> {
        Listener::start(channel, mode, options, handler, false)
    }

    fn start(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
        check_json: bool,
    ) -> Result<Listener> {
        let handler = Handler::Blocking(Box::new(handler));
        let listening = start::start(channel, mode, options, handler, check_json, background::listeners()?)?;
        let address = listening.address().to_string();
        Ok(Listener { listening: ManuallyDrop::new(listening), address })
    }

    fn request<Q, A>(
        channel: &Channel,
        options: &Options,
        handler: impl Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
    ) -> Result<Listener>
    where
        Q: DeserializeOwned,
        A: Serialize,
    {
        let typed = move |message: &Message, responder: Responder| {
            let _nobody_is_left_to_tell = match message.decode() {
                Ok(request) => responder.finish(handler(request)),
                Err(error) => responder.reject(error.message()),
            };
        };
        Listener::start(channel, Mode::Request, options, typed, false)
    }

    fn broadcast<Q>(
        channel: &Channel,
        options: &Options,
        handler: impl Fn(Q) -> HandlerResult<()> + Send + Sync + 'static,
    ) -> Result<Listener>
    where
        Q: DeserializeOwned,
    {
        let typed = move |message: &Message, responder: Responder| {
            let _nobody_is_told = match message.decode() {
                Ok(data) => responder.finish(handler(data)),
                Err(error) => responder.reject(error.message()),
            };
        };
        Listener::start(channel, Mode::Broadcast, options, typed, false)
    }

    /// The channel; for port 0 with the port that the system picked.
    pub fn channel(&self) -> &Channel {
        self.listening.channel()
    }

    /// The socket's path, or `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The socket's path, unless it is a TCP channel.
    pub fn path(&self) -> Option<&Path> {
        self.listening.path()
    }

    /// The port, if it is a TCP channel.
    pub fn port(&self) -> Option<u16> {
        self.listening.channel().port()
    }

    /// Whether it answers.
    pub fn mode(&self) -> Mode {
        self.listening.mode()
    }

    /// The process that listens: a forked child of it does not.
    pub fn made_in(&self) -> fork::Process {
        fork::Process::of(self.listening.born())
    }

    /// What it has seen so far.
    pub fn counters(&self) -> Counters {
        self.listening.counters()
    }

    /// Stops taking messages, waits until those that it has are answered (at most the grace period), and
    /// returns when the handler and all that it captured has been dropped. Closing twice is fine.
    ///
    /// Fails with [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) where a handler still runs after the grace
    /// period: the listener is closed then, but what the handler holds goes only when it returns. A later call says
    /// whether it has.
    ///
    /// On the thread of one of this listener's handlers it begins to close and returns at once, as
    /// [`close_begin`](Listener::close_begin) does: the handler's answer still goes out.
    pub fn close(&self) -> Result<()> {
        fork::check(self.listening.born(), "listener")?;
        self.listening.close_and_wait()
    }

    /// Stops taking messages and returns at once; what it has is answered in the background, within the grace
    /// period. [`close`](Listener::close) can wait for the end of that.
    pub fn close_begin(&self) -> Result<()> {
        fork::check(self.listening.born(), "listener")?;
        self.listening.close_in_background();
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.listening.born() != fork::generation() {
            return; // Everything in it belongs to the parent.
        }
        self.listening.close_in_background();
        // SAFETY: it is not used again.
        unsafe { ManuallyDrop::drop(&mut self.listening) };
    }
}

/// A channel kept open, for any number of threads at once.
///
/// Each request in flight has a session of its own. One-way messages share one and keep their order.
/// A session that breaks is replaced by the next call.
pub struct Client(BlockingClient);

impl Client {
    /// Connects to a channel. A listener of the Deno original is only looked for, not connected to.
    pub fn connect(channel: &Channel, options: &Options) -> Result<Client> {
        BlockingClient::open(channel, options).map(Client)
    }

    /// Sends a request and waits for its answer, within the options' timeout.
    pub fn request<A: DeserializeOwned>(&self, data: impl Serialize) -> Result<A> {
        decode(self.named(self.0.request((&Message::json(&data)?).into(), self.0.timeout(), None))?)
    }

    /// Sends a raw request and waits for its answer, within `timeout`; `None` is without limit. A
    /// JSON answer has been checked to be JSON.
    pub fn request_message<'a>(
        &self,
        message: impl Into<MessageRef<'a>>,
        timeout: Option<Duration>,
    ) -> Result<Message> {
        checked(self.request_message_unchecked(message, timeout)?)
    }

    /// As [`request_message`](Client::request_message), but a JSON answer is what has arrived: for callers
    /// that read it anyway.
    pub fn request_message_unchecked<'a>(
        &self,
        message: impl Into<MessageRef<'a>>,
        timeout: Option<Duration>,
    ) -> Result<Message> {
        self.named(self.0.request(message.into(), timeout, None))
    }

    /// As [`request_message`](Client::request_message), and `call` may give it up from another thread.
    pub fn request_message_with<'a>(&self, message: impl Into<MessageRef<'a>>, call: &Call) -> Result<Message> {
        checked(self.request_message_unchecked_with(message, call)?)
    }

    /// As [`request_message_unchecked`](Client::request_message_unchecked), and `call` may give it up from
    /// another thread.
    pub fn request_message_unchecked_with<'a>(
        &self,
        message: impl Into<MessageRef<'a>>,
        call: &Call,
    ) -> Result<Message> {
        let timeout = call.timeout_or(self.0.timeout());
        self.named(self.0.request(message.into(), timeout, call.cancellation.as_ref()))
    }

    /// Sends a message that nobody answers, without waiting for its arrival. Those that follow each
    /// other closely are sent together; [`flush`](Client::flush) makes sure of all of them.
    pub fn broadcast(&self, data: impl Serialize) -> Result<()> {
        self.named(self.0.send_one_way((&Message::json(&data)?).into()))
    }

    /// As [`broadcast`](Client::broadcast), with a raw message.
    pub fn broadcast_message<'a>(&self, message: impl Into<MessageRef<'a>>) -> Result<()> {
        self.named(self.0.send_one_way(message.into()))
    }

    /// Waits until every broadcast before it has been handed to the listener's handler.
    pub fn flush(&self) -> Result<()> {
        self.flush_with(&Call::new())
    }

    /// As [`flush`](Client::flush), with a timeout of its own, and given up from another thread. One that ends
    /// early says how many broadcasts were not confirmed; they are on their way all the same.
    pub fn flush_with(&self, call: &Call) -> Result<()> {
        self.named(self.0.flush(call))
    }

    /// Asks the listener whether it is there, and says how long the answer took.
    pub fn ping(&self) -> Result<Duration> {
        self.ping_with(&Call::new())
    }

    /// As [`ping`](Client::ping), with a timeout of its own, and given up from another thread.
    pub fn ping_with(&self, call: &Call) -> Result<Duration> {
        self.named(self.0.ping(call))
    }

    /// Ends the calls that wait in other threads, flushes, and closes. Later calls of `close` do nothing;
    /// other calls fail.
    ///
    /// Requests and pings that wait end with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), wherever they wait,
    /// and a handler that has such a request is told. Broadcasts that are being sent, and flushes that
    /// wait for their answer, come to their end first, as long as `close` itself waits.
    pub fn close(&self) -> Result<()> {
        self.close_with(&Call::new())
    }

    /// As [`close`](Client::close), with a timeout of its own for what is left to be flushed. When it is over,
    /// or given up, the client is closed all the same; the error says how many broadcasts were not confirmed.
    pub fn close_with(&self, call: &Call) -> Result<()> {
        self.named(self.0.close(call))
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        self.0.channel()
    }

    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.on_channel(self.0.channel()))
    }

    /// How long a request may take unless told otherwise; `None` is without limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("channel", self.0.channel()).finish_non_exhaustive()
    }
}

/// Posts a raw request to any channel. A JSON answer has been checked to be JSON.
pub fn post_request<'a>(channel: &Channel, message: impl Into<MessageRef<'a>>, options: &Options) -> Result<Message> {
    checked(post_request_unchecked(channel, message, options)?)
}

/// As [`post_request`], but a JSON answer is what has arrived: for callers that read it anyway.
pub fn post_request_unchecked<'a>(
    channel: &Channel,
    message: impl Into<MessageRef<'a>>,
    options: &Options,
) -> Result<Message> {
    post::post(channel, Mode::Request, message.into(), options).map(|reply| reply.expect("a request has a reply"))
}

/// Posts a raw broadcast to any channel; returns when the handler has it.
pub fn post_broadcast<'a>(channel: &Channel, message: impl Into<MessageRef<'a>>, options: &Options) -> Result<()> {
    post::post(channel, Mode::Broadcast, message.into(), options).map(drop)
}

/// Answers requests on a Unix-socket channel.
///
/// The handler runs on threads of the library, any number of times at once, and may block.
pub fn listen_uds_request<Q, A, F>(channel: &str, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
{
    listen_uds_request_with(channel, &Options::default(), handler)
}

/// As [`listen_uds_request`], with options.
pub fn listen_uds_request_with<Q, A, F>(channel: &str, options: &Options, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
{
    Listener::request(&Channel::uds(channel)?, options, handler)
}

/// Takes broadcasts on a Unix-socket channel.
///
/// The broadcasts of one client come one after another, those of different clients at once.
pub fn listen_uds_broadcast<Q, F>(channel: &str, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    F: Fn(Q) -> HandlerResult<()> + Send + Sync + 'static,
{
    listen_uds_broadcast_with(channel, &Options::default(), handler)
}

/// As [`listen_uds_broadcast`], with options.
pub fn listen_uds_broadcast_with<Q, F>(channel: &str, options: &Options, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    F: Fn(Q) -> HandlerResult<()> + Send + Sync + 'static,
{
    Listener::broadcast(&Channel::uds(channel)?, options, handler)
}

/// Answers requests on a port of 127.0.0.1; 0 lets the system pick one.
pub fn listen_ip_request<Q, A, F>(port: u16, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
{
    listen_ip_request_with(port, &Options::default(), handler)
}

/// As [`listen_ip_request`], with options.
pub fn listen_ip_request_with<Q, A, F>(port: u16, options: &Options, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    A: Serialize,
    F: Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
{
    Listener::request(&Channel::ip(port)?, options, handler)
}

/// Takes broadcasts on a port of 127.0.0.1; 0 lets the system pick one.
pub fn listen_ip_broadcast<Q, F>(port: u16, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    F: Fn(Q) -> HandlerResult<()> + Send + Sync + 'static,
{
    listen_ip_broadcast_with(port, &Options::default(), handler)
}

/// As [`listen_ip_broadcast`], with options.
pub fn listen_ip_broadcast_with<Q, F>(port: u16, options: &Options, handler: F) -> Result<Listener>
where
    Q: DeserializeOwned,
    F: Fn(Q) -> HandlerResult<()> + Send + Sync + 'static,
{
    Listener::broadcast(&Channel::ip(port)?, options, handler)
}

/// Posts a request to a Unix-socket channel and waits for its answer.
pub fn post_uds_request<A: DeserializeOwned>(channel: &str, data: impl Serialize) -> Result<A> {
    post_uds_request_with(channel, data, &Options::default())
}

/// As [`post_uds_request`], with options.
pub fn post_uds_request_with<A: DeserializeOwned>(channel: &str, data: impl Serialize, options: &Options) -> Result<A> {
    decode(post_request_unchecked(&Channel::uds(channel)?, &Message::json(&data)?, options)?)
}

/// Posts a broadcast to a Unix-socket channel; returns when the handler has it.
pub fn post_uds_broadcast(channel: &str, data: impl Serialize) -> Result<()> {
    post_uds_broadcast_with(channel, data, &Options::default())
}

/// As [`post_uds_broadcast`], with options.
pub fn post_uds_broadcast_with(channel: &str, data: impl Serialize, options: &Options) -> Result<()> {
    post_broadcast(&Channel::uds(channel)?, &Message::json(&data)?, options)
}

/// Posts a request to a port of 127.0.0.1 and waits for its answer.
pub fn post_ip_request<A: DeserializeOwned>(port: u16, data: impl Serialize) -> Result<A> {
    post_ip_request_with(port, data, &Options::default())
}

/// As [`post_ip_request`], with options.
pub fn post_ip_request_with<A: DeserializeOwned>(port: u16, data: impl Serialize, options: &Options) -> Result<A> {
    decode(post_request_unchecked(&Channel::ip(port)?, &Message::json(&data)?, options)?)
}

/// Posts a broadcast to a port of 127.0.0.1; returns when the handler has it.
pub fn post_ip_broadcast(port: u16, data: impl Serialize) -> Result<()> {
    post_ip_broadcast_with(port, data, &Options::default())
}

/// As [`post_ip_broadcast`], with options.
pub fn post_ip_broadcast_with(port: u16, data: impl Serialize, options: &Options) -> Result<()> {
    post_broadcast(&Channel::ip(port)?, &Message::json(&data)?, options)
}

/// The handler has answered: what the caller makes of it does not undo that.
fn decode<A: DeserializeOwned>(reply: Message) -> Result<A> {
    reply.decode().map_err(crate::Error::after_sending)
}

fn checked(reply: Message) -> Result<Message> {
    reply.check().map_err(crate::Error::after_sending)?;
    Ok(reply)
}
