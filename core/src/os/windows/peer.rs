//! Who is at the other end of a connection.
//!
//! The table of TCP connections names the process of each, and the process its user, unless that is another user's whom this one may
//! not ask about.

use std::net::SocketAddrV4;

use super::{owner, tcp_table};
use crate::peer::{Ownership, Peer};

/// The peer of a connected TCP socket of this machine, by the socket's two addresses.
pub(super) fn of_tcp(local: SocketAddrV4, remote: SocketAddrV4) -> Peer {
    let Some(pid) = tcp_table::process_of(remote, local) else { return Peer::new(Ownership::Untold) };
    Peer::new(owner::of_process(pid).unwrap_or(Ownership::Untold))
}

/// The peer at the other end of a pipe, by its process. Who may not be asked about is another user, and it cannot be told which.
pub(super) fn of_process(pid: Option<u32>) -> Peer {
    let Some(pid) = pid else { return Peer::new(Ownership::Missing) };
    Peer::new(owner::of_process(pid).unwrap_or(Ownership::Anybody)).with_ids(None, i32::try_from(pid).ok())
}
