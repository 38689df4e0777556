//! Unix: sockets, lock files, and what a fork leaves of them.

#[macro_use]
mod waitable;

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "macos")]
pub(crate) mod macos;

#[cfg(feature = "tokio")]
pub(crate) mod async_stream;
pub(crate) mod bell;
mod bound;
pub(crate) mod channel_lock;
pub(crate) mod clean;
pub(crate) mod connect;
mod file_id;
pub(crate) mod fork;
mod holders;
mod limits;
pub(crate) mod listener;
pub(crate) mod lock_file;
mod number;
mod owner;
mod path;
mod ready;
pub(crate) mod refusal;
mod refused;
mod retry;
#[cfg(feature = "log")]
mod standard_error;
pub(crate) mod stream;
pub(crate) mod waker;

pub(crate) use limits::online_cpus;
#[cfg(feature = "tokio")]
pub(crate) use limits::{check_descriptors, is_out_of_resources, max_descriptors};
#[cfg(target_os = "linux")]
pub(crate) use linux as system;
#[cfg(target_os = "macos")]
pub(crate) use macos as system;
pub(crate) use owner::{own_owner, unmapped_owner};
pub use path::path_from_bytes;
#[cfg(feature = "log")]
pub(crate) use standard_error::write_to_standard_error;
use system::event;
pub(crate) use system::poller;
pub use waitable::RawWaitable;
