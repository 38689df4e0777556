//! Sockets that neither wait nor outlive an `exec`.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

/// How everything is sent: without waiting, and without a signal where the peer has gone.
pub(in crate::os) const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// A kind of socket that no stream socket takes a connection of.
pub(in crate::os) const NO_STREAM: SocketType = SocketType::SEQPACKET;

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

pub(in crate::os) fn open(family: AddressFamily, kind: SocketType) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(family, kind, FLAGS, None)
}

pub(in crate::os) fn accept(listening: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::net::accept_with(listening, FLAGS)
}
