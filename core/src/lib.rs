//! Processes on one machine talk by naming a channel.
//!
//! One side listens, the other posts. A name is a Unix-domain socket (`/tmp/.deno.{name}.socket`), a port
//! is TCP on 127.0.0.1. A request gets an answer, a broadcast gets none. Bodies are whatever serde turns
//! into JSON, or bytes ([`Message`]).
//!
//! The functions here are for tasks on a tokio runtime; [`blocking`] has the same for threads.
//!
//! ```
//! # let directory = tempfile::tempdir().unwrap();
//! # let options = simple_ipc::Options::new().directory(directory.path());
//! # use simple_ipc::{listen_uds_request_with, post_uds_request_with};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let listener = listen_uds_request_with("example_channel", &options, async |data: String| {
//!     println!("{data}"); // request-foo
//!     Ok("response-bar")
//! })
//! .await?;
//! let reply: String = post_uds_request_with("example_channel", "request-foo", &options).await?;
//! assert_eq!(reply, "response-bar");
//! listener.close().await?;
//! # Ok::<(), simple_ipc::Error>(())
//! # }).unwrap();
//! ```
//!
//! | | requests | broadcasts |
//! |---|---|---|
//! | listen on a name | [`listen_uds_request`] | [`listen_uds_broadcast`] |
//! | listen on a port | [`listen_ip_request`] | [`listen_ip_broadcast`] |
//! | post to a name | [`post_uds_request`] | [`post_uds_broadcast`] |
//! | post to a port | [`post_ip_request`] | [`post_ip_broadcast`] |
//!
//! | | publications |
//! |---|---|
//! | publish on a name | [`listen_uds_publish`], [`Listener::publish`] |
//! | publish on a port | [`listen_ip_publish`] |
//!
//! | | streams |
//! |---|---|
//! | answer with sequences on a name, on a port | [`listen_uds_stream`], [`listen_ip_stream`] |
//! | open one to a name, to a port | [`post_uds_stream`], [`post_ip_stream`], [`Client::stream`] |
//!
//! A broadcast goes to the one listener of its channel; what is published goes to all who subscribe to its publisher.
//!
//! Each has a twin that takes [`Options`] (`…_with`). [`Client`] keeps a channel open, for many
//! messages; [`Listener::serve`] gives a handler the raw [`Message`] and a [`Responder`], with which it can
//! answer later, see who asks, and hear that nobody waits any more.
//!
//! Posts need no set-up: sessions with listeners of this library are kept in a pool of the process, and a
//! listener of the Deno original is spoken to on its own wire. What is promised about order, delivery,
//! limits, crashes and `fork` stands in `docs/guarantees.md`; the wire in `docs/protocol.md`.
//!
//! # Errors
//!
//! Every call that can fail returns an [`Error`]: its [`kind`](Error::kind) is for programs, its text for
//! people, and [`may_have_been_handled`](Error::may_have_been_handled) tells whether to send again is safe.
//!
//! # Giving up
//!
//! Dropping the future of an asynchronous call gives it up; a [`Cancellation`] gives up blocking calls, too, from any thread
//! ([`Options::cancellation`], [`Call`]); closing a client ends what waits on it. A handler that has such a request is
//! told on native sessions, and may ask its [`Responder`]. Every wait has a limit that can be set, [`Options::wait`]
//! and the timeout of `ping`, `flush` and `close` among them; `Duration::MAX` is as good as for ever.
//!
//! # Threads
//!
//! A blocking post waits in the calling thread and starts no other. A blocking listener runs its handlers
//! on threads of its own, at most [`DEFAULT_THREADS`], beside one background thread for all listeners of the
//! process. Asynchronous calls run on the caller's runtime; those of [`event_loop`] in the thread that drives
//! them, behind a descriptor for any event loop.
//!
//! # Features
//!
//! `tokio`, which is on by default: listeners, and what a task awaits. Without it there are the posts, the client and the
//! subscriptions of [`blocking`], and [`event_loop`]; tokio is not built. `tracing`: spans and events for subscribers of that crate.
//! `log`: `SIMPLE_IPC_LOG` shows them on standard error.

// rustdoc says which feature brings an item; docs.rs and `make docs` set this flag.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "what clients share with listeners and tasks has parts that these alone use")
)]

// First, since its macro is used below.
#[macro_use]
mod os;

#[cfg(feature = "tokio")]
pub mod background;
pub mod blocking;
mod cancellation;
mod channel;
mod client;
mod counters;
mod error;
mod event;
pub mod event_loop;
mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod inspection;
mod interrupt;
mod item;
mod lock;
mod log;
mod message;
#[cfg(feature = "tokio")]
mod methods;
mod mode;
mod options;
mod passed;
mod peer;
mod protocol;
mod report;
#[cfg(feature = "tokio")]
mod server;
mod session;
mod surface;
mod sync;
#[cfg(feature = "tokio")]
mod task;
mod trace;
#[cfg(all(test, unix))]
#[path = "../tests/support/watchdog.rs"]
mod watchdog;

/// What bindings need of the operating system, so that they name none.
pub mod system {
    pub use crate::os::waker::Waker;
    pub use crate::os::{RawWaitable, path_from_bytes};
    #[cfg(feature = "tokio")]
    pub use crate::task::{ItemStreamWatch, SubscriptionWatch};
}

pub use cancellation::{Call, Cancellation};
pub use channel::{Channel, DIRECTORY_VARIABLE, MAX_NAME_LEN, MAX_PATH_LEN, PathStyle};
pub use counters::Counters;
pub use error::{Error, ErrorKind, HandlerError, HandlerResult, Result};
pub use event::{Event, Overflow};
pub use event_loop::Closer;
pub use failure::HandlerFailure;
pub use inspection::{ListenerLimits, ListenerState};
pub use item::NextItem;
pub use message::{Attached, Message, MessageKind, MessageRef};
#[cfg(feature = "tokio")]
pub use methods::{MethodTable, Methods};
pub use mode::Mode;
pub use options::{
    DEFAULT_GRACE, DEFAULT_HELLO_TIMEOUT, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_MESSAGE,
    DEFAULT_MAX_SESSION_IN_FLIGHT, DEFAULT_MAX_SESSION_WAITING, DEFAULT_MAX_WAITING, DEFAULT_QUEUE,
    DEFAULT_STALL_TIMEOUT, DEFAULT_THREADS, DEFAULT_TIMEOUT, Options, Wire,
};
pub use os::clean::Removed;
pub use os::discover::ChannelInfo;
pub use os::fork::{ForkLocal, Process};
pub use passed::Passed;
pub use peer::{Owner, Peer, Peers};
pub use report::HandlerReport;
#[cfg(feature = "tokio")]
pub use server::{Inbox, Items, ItemsInThread, ReplyStream, Responder};
#[cfg(feature = "tokio")]
pub use task::{
    Client, ItemSender, ItemStream, Listener, Subscription, listen_ip_broadcast, listen_ip_broadcast_with,
    listen_ip_publish, listen_ip_publish_with, listen_ip_request, listen_ip_request_with, listen_ip_stream,
    listen_ip_stream_with, listen_uds_broadcast, listen_uds_broadcast_with, listen_uds_publish,
    listen_uds_publish_with, listen_uds_request, listen_uds_request_with, listen_uds_stream, listen_uds_stream_with,
    post_broadcast, post_ip_broadcast, post_ip_broadcast_with, post_ip_request, post_ip_request_with, post_ip_stream,
    post_ip_stream_with, post_request, post_stream, post_uds_broadcast, post_uds_broadcast_with, post_uds_request,
    post_uds_request_with, post_uds_stream, post_uds_stream_with, subscribe, subscribe_ip, subscribe_ip_with,
    subscribe_uds, subscribe_uds_with,
};

/// The live channels whose lock files are in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), by name.
pub fn channels(directory: Option<&std::path::Path>) -> Result<Vec<ChannelInfo>> {
    os::discover::discover(directory)
}

/// The directory of sockets and lock files where a call names none: `SIMPLE_IPC_DIR`, or `/tmp`.
pub fn default_directory() -> std::path::PathBuf {
    channel::directory_or_default(None)
}

/// Where the socket of a channel stands, or would stand; `None` of a port.
pub fn socket_path(channel: &Channel, options: &Options) -> Result<Option<std::path::PathBuf>> {
    Ok(match options.address(channel)? {
        channel::Address::Unix(path) => Some(path),
        channel::Address::Tcp { .. } => None,
    })
}

/// The live listener of one channel, as its lock file describes it; `None` where no listener of this library lives there.
///
/// Takes a few system calls and waits for nothing. Where the lock file cannot be read, what it would say is `None`.
pub fn channel_info(channel: &Channel, options: &Options) -> Result<Option<ChannelInfo>> {
    Ok(os::discover::look_at(channel, &options.address(channel)?))
}

/// Removes the sockets and lock files that dead listeners of this user left in `directory` (or `SIMPLE_IPC_DIR`,
/// or `/tmp`), and says what it removed, by channel.
///
/// A listener that ends in order leaves nothing, and one that starts takes over what stands at its own address;
/// this is for the channels on which nobody may ever listen again. Only lock files are believed: one that reads like
/// this library's, belongs to this process's user, is held by nobody and has nobody listening at its address is
/// removed, with its socket. Everything else stays: links, files of other users (also where root asks), sockets
/// without a lock file, and whatever is not a socket. Listeners may start meanwhile.
///
/// An error names the first file that could not be removed; the others have been. Does not wait.
pub fn clean(directory: Option<&std::path::Path>) -> Result<Vec<Removed>> {
    os::clean::clean(directory)
}

/// The Rust programs of the pages in `docs` compile, and those that end by themselves run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/start.md")]
    struct Start;

    #[doc = include_str!("../../docs/errors.md")]
    struct Errors;

    #[doc = include_str!("../../docs/deadlines.md")]
    struct Deadlines;
}
