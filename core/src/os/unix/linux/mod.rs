//! What only Linux has, or does in its own way. Every system has a folder like this one, whose files have the same
//! functions.

pub(super) mod bind;
pub(super) mod event;
pub(super) mod lock_table;
mod memory;
pub(super) mod peer;
pub(crate) mod poller;
pub(super) mod ports;
mod ring;
#[cfg(test)]
mod ring_tests;
#[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "a client alone gives no memory"))]
pub(super) mod sharing;
pub(super) mod socket_table;
pub(super) mod sockets;
mod table;
pub(super) mod tcp_table;
mod turns;
pub(super) mod users;
