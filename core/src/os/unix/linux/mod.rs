//! What only Linux tells: who is at the other end, who listens where, which users exist.

pub(super) mod event;
pub(crate) mod peer;
pub(crate) mod poller;
pub(crate) mod socket_table;
pub(crate) mod tcp_table;
pub(crate) mod users;
