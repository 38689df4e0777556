//! What only Linux has, or does in its own way. Every system has a folder like this one, whose files have the same
//! functions.

pub(super) mod bind;
pub(super) mod event;
pub(super) mod lock_table;
pub(super) mod peer;
pub(crate) mod poller;
pub(super) mod ports;
pub(super) mod socket_table;
pub(super) mod sockets;
mod table;
pub(super) mod tcp_table;
pub(super) mod users;
