//! The operating system: the only folder that names one. Everything above it uses the types of this page, and another
//! operating system is another folder beside `unix` and `windows` with modules of the same names.
//!
//! # What a system has to give
//!
//! Readiness, whatever is below it: who waits is told that a stream can be used, and uses it then.
//!
//! | module | gives |
//! |---|---|
//! | `stream` | [`Stream`](stream::Stream): `send`, `recv` and `recv_spare`, `peek`, `wait_for` an [`Interest`](interest::Interest), `shutdown_write`, `peer`; where the system has it, memory that both processes share carries the same bytes (`send_offer`, `accept_offer`), and nobody above sees a difference but `may_have_more` and `untaken` |
//! | `async_stream` | [`AsyncStream`](async_stream::AsyncStream) and `AsyncListener`: the same ones, watched by the runtime; a stream goes in and comes out again; `hang_up` waits for the peer to leave |
//! | `connect` | `Stream::try_connect`, and [`ConnectFailure`](connect::ConnectFailure) in place of error numbers; whether somebody listens, without connecting; whether a stream to an address has directions that end by themselves |
//! | `listener` | [`Listener`](listener::Listener): a socket that takes connections |
//! | `channel_lock` | [`ChannelLock`](channel_lock::ChannelLock): `acquire`, `heal`, `release` of the right to listen |
//! | `lock_file` | `probe`: whether a listener of this library holds a channel |
//! | `clean` | what dead listeners left in a directory (`discover`, which lists the live ones, is the same everywhere) |
//! | `poller` | [`Poller`](poller::Poller): many streams and a clock behind one [`RawWaitable`], which a program's own event loop watches; its [`Bell`](poller::Bell), by which other threads make that readable |
//! | `waker` | [`Waker`](waker::Waker): what one thread makes readable for another one's wait |
//! | `fork` | what a forked child must know |
//! | `refusal` | [`Refusal`](refusal::Refusal): a call that failed, for an error's text |
//!
//! # What it promises
//!
//! - Bytes arrive in order and unchanged, or the stream ends.
//! - A send never blocks: it takes what goes and says how much. 'Would block' means that nothing went.
//! - A receive blocks only when asked to, and then at most as long as was set.
//! - A wait may end early: at a signal, or without a reason. The caller looks at its deadline and comes again.
//! - Readiness may be said where there is none: the call that follows answers 'would block'.
//! - A stream is used by any number of threads. Whether two sends may mix is the caller's concern.
//! - Every descriptor is closed in a forked child ([`fork`]) and never touched again there; nothing outlives an `exec`.
//! - Nothing is removed from the file system that this process did not put there, but for what a dead listener left.
//! - An error is an `io::Error`, of whose kinds the callers look at `WouldBlock` and `Interrupted` alone, a `Refusal` or a
//!   `ConnectFailure`; [`Error::from_os`](crate::Error::from_os) finds its [`ErrorKind`](crate::ErrorKind).
//!
//! # What it need not promise
//!
//! - That one direction of a stream can be closed by itself: a session is ended by its goaway and the answer to that.
//! - That bytes which arrived are still there when the stream was shut: BSD throws them away.
//! - That a peer is known: [`Peer`](crate::Peer) says how much is.

pub(crate) mod discover;
pub(crate) mod interest;
pub(crate) mod lock_info;
mod removed;
mod transfer;
#[cfg(unix)]
#[macro_use]
mod unix;
#[cfg(windows)]
#[macro_use]
mod windows;

#[cfg(unix)]
use unix as leaf;
#[cfg(windows)]
use windows as leaf;

#[cfg(feature = "log")]
pub(crate) use leaf::write_to_standard_error;
pub use leaf::{RawWaitable, path_from_bytes};
#[cfg(feature = "tokio")]
pub(crate) use leaf::{async_stream, channel_lock, check_descriptors, is_out_of_resources, listener, max_descriptors};
pub(crate) use leaf::{
    clean, connect, fork, lock_file, online_cpus, own_owner, poller, refusal, stream, unmapped_owner, waker,
};
