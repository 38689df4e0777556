//! How bytes get from one process to another, and who is at the other end. Knows no messages.

mod bind;
mod claim;
mod discover;
mod lock;
mod peer;
mod place;
mod unix_table;
#[cfg(test)]
mod watchdog;

pub use discover::ChannelInfo;
pub use peer::Peer;
