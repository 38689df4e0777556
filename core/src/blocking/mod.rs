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
mod stream;
mod subscription;
mod tap;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "tokio")]
pub use self::listener::{
    Listener, listen_ip_broadcast, listen_ip_broadcast_with, listen_ip_publish, listen_ip_publish_with,
    listen_ip_request, listen_ip_request_with, listen_ip_stream, listen_ip_stream_with, listen_uds_broadcast,
    listen_uds_broadcast_with, listen_uds_publish, listen_uds_publish_with, listen_uds_request,
    listen_uds_request_with, listen_uds_stream, listen_uds_stream_with,
};
pub use self::stream::{
    ItemStream, post_ip_stream, post_ip_stream_with, post_stream, post_uds_stream, post_uds_stream_with,
};
pub use self::subscription::{
    Subscription, subscribe, subscribe_ip, subscribe_ip_with, subscribe_uds, subscribe_uds_with,
};
pub use self::tap::{Tap, tap};
use crate::cancellation::Call;
use crate::channel::Channel;
use crate::client::blocking_client::BlockingClient;
use crate::client::post;
use crate::error::{Error, Result};
pub use crate::event_loop::Closer;
use crate::inspection::ListenerState;
pub use crate::interrupt::on_interrupt;
use crate::message::{Message, MessageRef};
#[cfg(feature = "tokio")]
pub use crate::methods::BlockingMethods as Methods;
use crate::mode::Mode;
use crate::options::Options;
#[cfg(feature = "tokio")]
pub use crate::server::Inbox;
use crate::surface::{MethodCall, client_methods, client_streams, post_functions};

/// A channel kept open, for any number of threads at once.
///
/// Each request in flight has a session of its own. One-way messages share one and keep their order.
/// A session that breaks is replaced by the next call.
pub struct Client(BlockingClient);

client_methods! {
    threads BlockingClient,
    "Ends the calls that wait in other threads, flushes, and closes. Later calls of `close` do nothing; other calls fail.

Requests and pings that wait end with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), wherever they wait, and a handler
that has such a request is told. Broadcasts that are being sent, and flushes that wait for their answer, come to their end
first, as long as `close` itself waits."
}

impl Client {
    /// As [`request_message`](Client::request_message), but a JSON answer is what has arrived: for callers
    /// that read it anyway.
    pub fn request_message_unchecked<'a>(
        &self,
        message: impl Into<MessageRef<'a>>,
        timeout: Option<Duration>,
    ) -> Result<Message> {
        self.named(self.0.request(message.into(), timeout, None))
    }

    /// As [`request_message_unchecked`](Client::request_message_unchecked), with what a [`Call`] says.
    pub fn request_message_unchecked_with<'a>(
        &self,
        message: impl Into<MessageRef<'a>>,
        call: &Call,
    ) -> Result<Message> {
        self.named(self.0.request(message.into(), call.timeout_or(self.timeout()), call.cancellation.as_ref()))
    }
}

client_streams! { [] [] "" }

/// Posts a raw request to any channel. A JSON answer has been checked to be JSON.
pub fn post_request<'a>(channel: &Channel, message: impl Into<MessageRef<'a>>, options: &Options) -> Result<Message> {
    let reply = post_request_unchecked(channel, message, options)?;
    reply.check().map_err(Error::after_sending)?;
    Ok(reply)
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

/// Asks the listener of a channel what it tells of itself: its version, its counters, its limits. Its handler is not called,
/// and may be busy.
///
/// Any process may ask that may connect. Waits in the calling thread for the listener to appear as a post does
/// ([`Options::wait`]), and for its answer ([`Options::timeout`]). Fails with
/// [`ErrorKind::UnsupportedVersion`](crate::ErrorKind::UnsupportedVersion) where the listener is of a version that tells
/// nothing of itself, or speaks the Deno wire only.
pub fn inspect(channel: &Channel, options: &Options) -> Result<ListenerState> {
    post::inspect(channel, options)
}

post_functions! { threads }
