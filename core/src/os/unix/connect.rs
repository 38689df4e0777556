//! Reaching a listening socket, and how that fails.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, sockopt};

use super::bound::is_bound;
use super::fork::ForkFd;
use super::refusal::{Refusal, by};
use super::stream::Stream;
use super::system::{sockets, tcp_table};
use crate::channel::Address;
use crate::error::{Error, ErrorKind};
use crate::os::interest::Interest;

/// Why a connection was not made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectFailure {
    /// Nobody listens: nothing stands at the address, or what a dead listener left.
    Refused(Refusal),
    /// A listener is there, and its queue of connections is full; or a signal came in between. To be tried again.
    Full(Refusal),
    /// A listener was there, and went before it took the connection in.
    Gone(Refusal),
    /// What stands there is no stream socket.
    NotASocket(Refusal),
    /// The mode of the socket, or of a directory above it, keeps this user out.
    Denied(Refusal),
    /// The system refused for a reason of its own: for want of descriptors or memory, say.
    Other(Refusal),
}

impl ConnectFailure {
    fn of(refusal: Refusal, address: &Address) -> ConnectFailure {
        match refusal.errno {
            Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR => ConnectFailure::Refused(refusal),
            Errno::CONNRESET => ConnectFailure::Gone(refusal),
            Errno::AGAIN | Errno::INTR => ConnectFailure::Full(refusal),
            Errno::PROTOTYPE | Errno::NOTSOCK | Errno::ISDIR => ConnectFailure::NotASocket(refusal),
            Errno::ACCESS if refusal.call == "connect" && may_not_write_to(address) => ConnectFailure::Denied(refusal),
            _ => ConnectFailure::Other(refusal),
        }
    }

    /// The error for a caller, where this is the end: what was attempted, what stood in the way, what to do.
    pub(crate) fn into_error(self, attempted: &str) -> Error {
        let (refusal, advice) = match self {
            ConnectFailure::NotASocket(refusal) => {
                let text = format!(
                    "{attempted}: what stands there is no stream socket; remove it or choose another channel or directory"
                );
                return Error::new(ErrorKind::PathOccupied, text).with_source(refusal.errno);
            }
            ConnectFailure::Denied(refusal) => (
                refusal,
                "; act as the listener's user, or have the listener let this one in by the mode of its socket",
            ),
            ConnectFailure::Other(refusal) if refusal.errno == Errno::MFILE => {
                (refusal, "; close some files, or raise this process's limit of open files")
            }
            ConnectFailure::Refused(refusal)
            | ConnectFailure::Full(refusal)
            | ConnectFailure::Gone(refusal)
            | ConnectFailure::Other(refusal) => (refusal, ""),
        };
        refusal.into_error(format_args!("{attempted}: the system refused {}{advice}", refusal.call))
    }
}

impl Stream {
    /// Connects without waiting. The socket is in
    /// non-blocking mode. A TCP connect to the loopback address completes or fails at once.
    ///
    /// Refused, too, where the connection leads back to this socket itself: the system picks the port that
    /// a connection comes from, and where nobody listens at a port of the range that it picks from, that
    /// may be the very one that is sought.
    pub(crate) fn try_connect(address: &Address) -> Result<Stream, ConnectFailure> {
        Stream::connect(address).map_err(|refusal| ConnectFailure::of(refusal, address))
    }

    fn connect(address: &Address) -> Result<Stream, Refusal> {
        let socket = Stream::open(address)?;
        match socket.connect_now(address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                let ready = socket.wait_for(Interest::Write, Some(Duration::from_millis(10)));
                ready.map_err(|error| by("poll")(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
                sockopt::socket_error(&socket).map_err(by("getsockopt"))?.map_err(by("connect"))?;
                if rustix::net::getpeername(&socket).is_err() {
                    // Not yet there after all: the listener's queue is full, and the kernel would try
                    // again in a second only.
                    return Err(by("connect")(Errno::AGAIN));
                }
            }
            Err(errno) => return Err(by("connect")(errno)),
        }
        if let Address::Tcp { port, .. } = address
            && socket.local_port()? == *port
        {
            socket.abandon();
            return Err(by("connect")(Errno::CONNREFUSED));
        }
        Ok(socket)
    }

    fn open(address: &Address) -> Result<Stream, Refusal> {
        let family = match address {
            Address::Unix(_) => AddressFamily::UNIX,
            Address::Tcp { .. } => AddressFamily::INET,
        };
        let fd = ForkFd::open(|| sockets::open(family, SocketType::STREAM)).map_err(by("socket"))?;
        let set = by("setsockopt");
        let socket = Stream::adopt(fd, matches!(address, Address::Tcp { .. }))
            .map_err(|error| set(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        if socket.is_tcp() {
            // The port that the system picks for this connection does not keep a listener from it, neither
            // now nor while the connection is being forgotten.
            sockopt::set_socket_reuseaddr(&socket, true).map_err(set)?;
        }
        Ok(socket)
    }

    fn connect_now(&self, address: &Address) -> Result<(), Errno> {
        match address {
            Address::Unix(path) => rustix::net::connect(self, &SocketAddrUnix::new(path)?),
            Address::Tcp { port, .. } => rustix::net::connect(self, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)),
        }
    }

    /// The port that a TCP connection comes from.
    fn local_port(&self) -> Result<u16, Refusal> {
        let local = rustix::net::getsockname(self).and_then(SocketAddrV4::try_from);
        local.map(|local| local.port()).map_err(by("getsockname"))
    }
}

/// Whether the mode of a socket, or of a directory above it, keeps this user out.
fn may_not_write_to(address: &Address) -> bool {
    let Address::Unix(path) = address else { return false };
    rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS) == Err(Errno::ACCESS)
}

/// Whether it is certain that a connect would find nobody. Only ports are asked about: who dials one that
/// nobody listens at takes it for the moment from a listener that is about to.
pub(crate) fn nobody_listens(address: &Address) -> bool {
    matches!(address, Address::Tcp { port, .. } if tcp_table::listens(*port) == Some(false))
}

/// Whether somebody listens at an address, or is about to, as far as that can be told without connecting.
pub(crate) fn somebody_listens(address: &Address) -> Result<bool, ConnectFailure> {
    match address {
        Address::Unix(path) => is_bound(path).map_err(|refusal| ConnectFailure::of(refusal, address)),
        Address::Tcp { .. } => Ok(!nobody_listens(address)),
    }
}

/// Whether one direction of a stream to this address can be ended by itself.
pub(crate) fn can_end_one_way(_address: &Address) -> bool {
    true
}

/// Whether something stands at the path that is no socket.
pub(crate) fn is_no_socket(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Socket)
}
