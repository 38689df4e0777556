//! Sockets that others connect to: bound to their address, listening or not yet.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::fork::ForkFd;
use super::refusal::{Refusal, by};
use super::stream::Stream;
use super::system::sockets;

/// A socket that others connect to. Every one that was opened of it takes from the same queue.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: ForkFd,
    tcp: bool,
}

impl Listener {
    pub(super) fn new(fd: ForkFd, tcp: bool) -> Listener {
        Listener { fd, tcp }
    }

    /// Takes a connection that waits, without waiting for one.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        Stream::accept(&self.fd, self.tcp)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A non-blocking stream socket bound to the port of 127.0.0.1 (0: a free one), and the port.
pub(super) fn tcp(port: u16) -> Result<(ForkFd, u16), Refusal> {
    let socket = stream_socket(AddressFamily::INET).map_err(by("socket"))?;
    // A listener must be able to come back while old connections are still being forgotten. On
    // Linux this does not let two sockets listen on one port.
    sockopt::set_socket_reuseaddr(&socket, true).map_err(by("setsockopt"))?;
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).map_err(by("bind"))?;
    let bound = rustix::net::getsockname(&socket).and_then(SocketAddrV4::try_from).map_err(by("getsockname"))?;
    Ok((socket, bound.port()))
}

pub(super) fn stream_socket(family: AddressFamily) -> Result<ForkFd, Errno> {
    ForkFd::open(|| sockets::open(family, SocketType::STREAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_free_is_picked_and_one_that_is_not_is_refused() {
        let (socket, port) = tcp(0).unwrap();
        assert_ne!(port, 0);
        rustix::net::listen(&socket, 1).unwrap();
        assert_eq!(tcp(port).unwrap_err().errno, Errno::ADDRINUSE);
    }
}
