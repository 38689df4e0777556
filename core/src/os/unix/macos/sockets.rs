//! Sockets that neither wait nor outlive an `exec`, nor bring a signal where the peer has gone.
//!
//! All of that is set in calls of its own here: a thread that starts a program between two of them hands the socket on.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SendFlags, SocketType, sockopt};

/// How everything is sent: without waiting.
pub(in crate::os) const SEND: SendFlags = SendFlags::DONTWAIT;

/// A kind of socket that no stream socket takes a connection of.
pub(in crate::os) const NO_STREAM: SocketType = SocketType::DGRAM;

pub(in crate::os) fn open(family: AddressFamily, kind: SocketType) -> Result<OwnedFd, Errno> {
    set_up(rustix::net::socket(family, kind, None)?)
}

pub(in crate::os) fn accept(listening: impl AsFd) -> Result<OwnedFd, Errno> {
    set_up(rustix::net::accept(listening)?)
}

fn set_up(socket: OwnedFd) -> Result<OwnedFd, Errno> {
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
    match sockopt::set_socket_nosigpipe(&socket, true) {
        // The peer of one just accepted has gone already: a send fails without a signal then, or the stream ends.
        Ok(()) | Err(Errno::INVAL) => Ok(socket),
        Err(errno) => Err(errno),
    }
}
