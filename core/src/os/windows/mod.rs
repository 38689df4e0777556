//! Windows: Winsock, named pipes, and lock files that the system locks.
//!
//! A process is not forked here, no signal interrupts a call, and nobody is told of a peer that has gone by a signal: what the
//! contract says of those is said in a line each.

#[macro_use]
mod waitable;

mod ask;
#[cfg(feature = "tokio")]
pub(crate) mod async_stream;
pub(crate) mod channel_lock;
pub(crate) mod clean;
pub(crate) mod connect;
mod end;
mod event;
mod file;
pub(crate) mod fork;
mod limits;
pub(crate) mod listener;
pub(crate) mod lock_file;
mod operation;
mod owner;
mod path;
mod peer;
mod pipe;
mod pipe_name;
mod pipe_server;
pub(crate) mod poller;
mod pool_wait;
pub(crate) mod refusal;
mod refused;
mod sid;
mod socket_poll;
#[cfg(feature = "log")]
mod standard_error;
pub(crate) mod stream;
mod tcp_table;
pub(crate) mod waker;

pub(crate) use limits::online_cpus;
#[cfg(feature = "tokio")]
pub(crate) use limits::{check_descriptors, is_out_of_resources, max_descriptors};
pub(crate) use owner::{own_owner, unmapped_owner};
pub use path::path_from_bytes;
#[cfg(feature = "log")]
pub(crate) use standard_error::write_to_standard_error;
pub use waitable::RawWaitable;
