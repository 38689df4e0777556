//! Who is at the other end of a connection.
//!
//! A Unix socket carries its peer's credentials. For TCP the kernel is asked whose the peer's socket
//! is; it can tell the user alone, and not always that.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use super::super::owner::ownership;
use super::tcp_table;
use crate::peer::{Ownership, Peer};

/// The peer of a connected Unix socket (`SO_PEERCRED`).
pub(in crate::os) fn of_unix(socket: impl AsFd) -> Peer {
    match credentials(socket) {
        // What the kernel says of a socket without a peer: no ids (-1) and no process (0).
        Ok(found) if found.uid != u32::MAX => {
            Peer::new(ownership(found.uid)).with_ids(Some(found.gid), (found.pid > 0).then_some(found.pid))
        }
        _ => Peer::new(Ownership::Missing),
    }
}

/// The peer of a connected TCP socket of this machine, by the socket's two addresses.
pub(in crate::os) fn of_tcp(local: SocketAddrV4, remote: SocketAddrV4) -> Peer {
    Peer::new(tcp_table::owner_of(remote, local).map_or(Ownership::Untold, ownership))
}

/// Not rustix's: its process id cannot be 0, which is what a process of another pid namespace has.
fn credentials(socket: impl AsFd) -> Result<libc::ucred, Errno> {
    let mut found = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `found` is `len` bytes of plain integers that outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut len,
        )
    };
    if result == 0 {
        Ok(found)
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Owner, Peers};
    use crate::watchdog::Watchdog;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => panic!("{address} is not IPv4"),
        }
    }

    fn peer_of(stream: &TcpStream) -> Peer {
        of_tcp(v4(stream.local_addr().unwrap()), v4(stream.peer_addr().unwrap()))
    }

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn own() -> Owner {
        Owner::from_uid(own_uid())
    }

    #[test]
    fn the_peer_of_a_unix_socket_is_known_by_user_group_and_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = of_unix(&one);
        assert_eq!(peer.uid(), Some(own_uid()));
        assert_eq!(peer.gid(), Some(rustix::process::getegid().as_raw()));
        assert_eq!(peer.pid(), Some(std::process::id().cast_signed()));
        let no_socket = std::fs::File::open("/dev/null").unwrap();
        let peer = of_unix(&no_socket);
        assert_eq!((peer.uid(), peer.pid()), (None, None));
        assert!(!peer.allowed(&Peers::SameOwner, own()));
    }

    #[test]
    fn the_peer_of_a_tcp_socket_is_known_by_user_before_and_after_it_was_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(peer_of(&client).uid(), Some(own_uid()), "not accepted yet: the listener's user");
        let (server, _) = listener.accept().unwrap();
        assert_eq!(peer_of(&client).uid(), Some(own_uid()));
        assert_eq!(peer_of(&server).uid(), Some(own_uid()));
        assert_eq!((peer_of(&server).gid(), peer_of(&server).pid()), (None, None));
    }

    #[test]
    fn another_users_tcp_client_is_known_as_such() {
        if own_uid() != 0 {
            return; // only root can start a process of another user
        }
        let _watchdog = Watchdog::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut child = Command::new("bash")
            .args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read -r -u 3")])
            .uid(65534)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (server, _) = listener.accept().unwrap();
        let peer = peer_of(&server);
        assert_eq!(peer.uid(), Some(65534));
        assert!(!peer.allowed(&Peers::SameOwner, own()));
        assert!(peer.allowed(&Peers::uids([7, 65534]), own()));
        assert!(peer.allowed(&Peers::Anyone, own()));
        drop(server);
        child.wait().unwrap();
    }

    #[test]
    fn a_peer_that_the_kernel_has_no_socket_of_is_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = v4(listener.local_addr().unwrap());
        // Nobody is connected from there; the kernel would offer the listener instead.
        let nobody = SocketAddrV4::new(*at.ip(), 1);
        assert_eq!(of_tcp(nobody, at).uid(), None);
        assert_eq!(of_tcp(at, nobody).uid(), None);

        // Who closes first waits in TIME_WAIT, where the kernel has forgotten the user.
        let client = TcpStream::connect(at).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (local, remote) = (v4(server.local_addr().unwrap()), v4(server.peer_addr().unwrap()));
        drop(client);
        let mut buffer = [0];
        assert_eq!(std::io::Read::read(&mut &server, &mut buffer).unwrap(), 0);
        drop(server);
        let peer = of_tcp(local, remote);
        assert_eq!(peer.uid(), None);
        assert!(peer.allowed(&Peers::SameOwner, own()), "on TCP who cannot be told may talk");
    }
}
