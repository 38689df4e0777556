//! Whether somebody is at a path.

use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};

use super::fork::ForkFd;
use super::refusal::{Refusal, by};
use super::retry;
use super::system::sockets;

/// Whether a living socket is bound to the path, listening or about to: asked of the kernel by way of a
/// connect with a socket of another type. Where a stream socket is bound, that is refused for its type, and
/// nobody hears of it. This knows sockets of other network namespaces, too, and needs no `/proc`.
pub(super) fn is_bound(path: &Path) -> Result<bool, Refusal> {
    let socket = ForkFd::open(|| sockets::open(AddressFamily::UNIX, sockets::NO_STREAM)).map_err(by("socket"))?;
    let address = SocketAddrUnix::new(path).map_err(by("connect"))?;
    match retry::on_interrupt(|| rustix::net::connect(&socket, &address)) {
        Err(Errno::PROTOTYPE) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT | Errno::NOTDIR) => Ok(false),
        // It takes packets: no stream socket, and now somebody has heard of it.
        Ok(()) => Err(by("connect")(Errno::PROTOTYPE)),
        Err(errno) => Err(by("connect")(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    #[test]
    fn whether_a_socket_lives_is_asked_without_connecting_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        assert_eq!(is_bound(&path), Ok(false));
        assert_eq!(is_bound(&path.join("below")), Ok(false));
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(is_bound(&path), Ok(true));
        assert!(listener.accept().is_err(), "it was connected to");
        let _client = UnixStream::connect(&path).unwrap();
        let _connection = listener.accept().unwrap();
        drop(listener);
        assert_eq!(is_bound(&path), Ok(false), "only a connection is left");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(is_bound(&path), Ok(false), "a file is no socket");
        let _datagrams = UnixDatagram::bind(directory.path().join("log")).unwrap();
        assert_eq!(is_bound(&directory.path().join("log")), Ok(true), "it lives, and takes datagrams");
    }
}
