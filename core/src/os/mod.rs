//! A duplex byte stream between two processes, who is at its other end, and the right to listen.
//!
//! What a transport owes the layers above it:
//! - bytes arrive in order and unchanged, or the stream ends;
//! - a send never blocks: it takes what goes and says how much;
//! - a receive blocks only when asked to, and then at most as long as was set;
//! - every descriptor is closed in a forked child ([`fork`]) and never touched again there;
//! - nothing is removed from the file system that this process did not put there.

pub(crate) mod interest;
#[macro_use]
mod unix;

pub(crate) use unix::system::poller;
#[cfg(feature = "log")]
pub(crate) use unix::write_to_standard_error;
pub use unix::{RawWaitable, path_from_bytes};
pub(crate) use unix::{
    async_stream, channel_lock, check_descriptors, clean, connect, discover, fork, is_out_of_resources, listener,
    lock_file, max_descriptors, online_cpus, own_owner, refusal, stream, unmapped_owner, waker,
};
