//! Unix: sockets, lock files, and what a fork leaves of them.

#[macro_use]
mod waitable;

pub(crate) mod async_stream;
pub(crate) mod channel_lock;
pub(crate) mod clean;
pub(crate) mod connect;
pub(crate) mod discover;
mod file_id;
pub(crate) mod fork;
mod limits;
pub(crate) mod linux;
pub(crate) mod listener;
pub(crate) mod lock_file;
mod owner;
mod ready;
pub(crate) mod refusal;
mod refused;
mod retry;
pub(crate) mod stream;
pub(crate) mod waker;

pub(crate) use limits::{check_descriptors, is_out_of_resources, max_descriptors, online_cpus};
use linux::event;
pub(crate) use owner::{own_owner, unmapped_owner};
pub use waitable::RawWaitable;
