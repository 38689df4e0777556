//! A duplex byte stream between two processes, who is at its other end, and the right to listen.
//!
//! What a transport owes the layers above it:
//! - bytes arrive in order and unchanged, or the stream ends;
//! - a send never blocks: it takes what goes and says how much;
//! - a receive blocks only when asked to, and then at most as long as was set;
//! - every descriptor is closed in a forked child ([`fork`]) and never touched again there;
//! - nothing is removed from the file system that this process did not put there.

mod bind;
pub(crate) mod claim;
pub(crate) mod clean;
pub(crate) mod discover;
pub(crate) mod fork;
pub(crate) mod lock;
pub(crate) mod peer;
mod place;
pub(crate) mod readiness;
pub(crate) mod refused;
mod retry;
pub(crate) mod socket;
pub(crate) mod tcp_table;
pub(crate) mod unix_table;
pub(crate) mod users;
pub(crate) mod wait;
pub(crate) mod watch;
#[cfg(test)]
mod watchdog;
