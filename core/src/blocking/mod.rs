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

#[cfg(feature = "tokio")]
mod listener;
mod subscription;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "tokio")]
pub use self::listener::{
    Listener, listen_ip_broadcast, listen_ip_broadcast_with, listen_ip_publish, listen_ip_publish_with,
    listen_ip_request, listen_ip_request_with, listen_uds_broadcast, listen_uds_broadcast_with, listen_uds_publish,
    listen_uds_publish_with, listen_uds_request, listen_uds_request_with,
};
pub use self::subscription::{
    Subscription, subscribe, subscribe_ip, subscribe_ip_with, subscribe_uds, subscribe_uds_with,
};
use crate::cancellation::Call;
use crate::channel::Channel;
use crate::client::blocking_client::BlockingClient;
use crate::client::post;
use crate::error::{Error, Result};
pub use crate::event_loop::Closer;
pub use crate::interrupt::on_interrupt;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::surface::post_functions;

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

post_functions! { threads }

/// The handler has answered: what the caller makes of it does not undo that.
fn decode<A: DeserializeOwned>(reply: Message) -> Result<A> {
    reply.decode().map_err(Error::after_sending)
}

fn checked(reply: Message) -> Result<Message> {
    reply.check().map_err(Error::after_sending)?;
    Ok(reply)
}
