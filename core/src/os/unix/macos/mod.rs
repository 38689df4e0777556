//! What only macOS has, or does in its own way. Every system has a folder like this one, whose files have the same
//! functions.
//!
//! It has no tables of sockets and locks to read: who holds a lock is not known here, nor who is at the other end of a TCP
//! connection, nor whether somebody listens at a port. A Unix socket whose queue is full refuses a connect as one that
//! nobody listens at does, so a caller who waits for a listener tries again, and one who does not is told that nobody
//! listens.

pub(super) mod bind;
pub(super) mod event;
pub(super) mod lock_table;
pub(super) mod peer;
pub(crate) mod poller;
pub(super) mod ports;
#[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "a client alone gives no memory"))]
pub(super) mod sharing;
pub(super) mod socket_table;
pub(super) mod sockets;
pub(super) mod tcp_table;
pub(super) mod users;
