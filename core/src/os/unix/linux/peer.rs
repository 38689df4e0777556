//! Who is at the other end of a connection.
//!
//! A Unix socket carries its peer's credentials. For TCP the kernel is asked whose the peer's socket
//! is; it can tell the user alone, and not always that.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use super::{tcp_table, users};
use crate::options::Peers;

/// Who is at the other end of a connection, as far as the operating system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    user: User,
    gid: Option<u32>,
    pid: Option<i32>,
}

/// What is known of a peer's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Known(u32),
    /// The kernel knows him, but not by an id that means him: he is one of those whom this process's user
    /// namespace does not map.
    Anybody,
    /// The kernel does not tell, which is nothing unusual: the peer is on TCP.
    Untold,
    /// The kernel does not tell, on a Unix socket.
    Missing,
}

impl User {
    fn of(uid: u32) -> User {
        if users::is_anybody(uid) { User::Anybody } else { User::Known(uid) }
    }
}

impl Peer {
    /// The user id; `None` where the system cannot tell: for some TCP connections, and for a user whom this
    /// process's user namespace does not map.
    pub fn uid(&self) -> Option<u32> {
        match self.user {
            User::Known(uid) => Some(uid),
            User::Anybody | User::Untold | User::Missing => None,
        }
    }

    /// The group id; known on Unix sockets.
    pub fn gid(&self) -> Option<u32> {
        self.gid
    }

    /// The process that connected or listens; known on Unix sockets, unless it belongs to a
    /// container that this process cannot see into. It may have passed the socket on since.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The peer of a connected Unix socket (`SO_PEERCRED`).
    pub(crate) fn of_unix(socket: impl AsFd) -> Peer {
        let peer = Peer { user: User::Missing, gid: None, pid: None };
        match credentials(socket) {
            // What the kernel says of a socket without a peer: no ids (-1) and no process (0).
            Ok(found) if found.uid != u32::MAX => {
                let user = User::of(found.uid);
                Peer { user, gid: Some(found.gid), pid: (found.pid > 0).then_some(found.pid) }
            }
            _ => peer,
        }
    }

    /// The peer of a connected TCP socket of this machine, by the socket's two addresses.
    pub(crate) fn of_tcp(local: SocketAddrV4, remote: SocketAddrV4) -> Peer {
        Peer { user: tcp_table::owner_of(remote, local).map_or(User::Untold, User::of), ..Peer::unknown_on_tcp() }
    }

    /// A TCP peer of whom nothing is known.
    pub(crate) fn unknown_on_tcp() -> Peer {
        Peer { user: User::Untold, gid: None, pid: None }
    }

    /// Whether the peer may be talked to. Root always may. A user that the system cannot tell may on
    /// TCP, whose port every user of the machine can reach anyway, and never on a Unix socket,
    /// unless everybody may. Nor may one whose id could be anybody's, on either.
    pub(crate) fn allowed(&self, peers: &Peers) -> bool {
        match (self.user, peers) {
            (User::Known(0) | User::Untold, _) | (_, Peers::Anyone) => true,
            (User::Known(uid), Peers::SameUser) => uid == rustix::process::geteuid().as_raw(),
            (User::Known(uid), Peers::Users(users)) => users.contains(&uid),
            (User::Anybody | User::Missing, Peers::SameUser | Peers::Users(_)) => false,
        }
    }

    /// Who the user is, as an error says it, and what to do about it.
    pub(crate) fn named(&self) -> (String, &'static str) {
        let allow = "allow that user or choose another channel";
        match self.user {
            User::Known(uid) => (format!("user {uid}"), allow),
            User::Anybody => (
                users::anybody(),
                "run both sides in one user namespace, as users that it maps, or allow anyone where the channel's directory keeps strangers out",
            ),
            User::Untold | User::Missing => ("an unknown user".to_owned(), "choose another channel"),
        }
    }
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
    use crate::os::watchdog::Watchdog;
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
        Peer::of_tcp(v4(stream.local_addr().unwrap()), v4(stream.peer_addr().unwrap()))
    }

    fn own_uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn the_peer_of_a_unix_socket_is_known_by_user_group_and_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of_unix(&one);
        assert_eq!(peer.uid(), Some(own_uid()));
        assert_eq!(peer.gid(), Some(rustix::process::getegid().as_raw()));
        assert_eq!(peer.pid(), Some(std::process::id().cast_signed()));
        let no_socket = std::fs::File::open("/dev/null").unwrap();
        let peer = Peer::of_unix(&no_socket);
        assert_eq!((peer.uid(), peer.pid()), (None, None));
        assert!(!peer.allowed(&Peers::SameUser));
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
        assert!(!peer.allowed(&Peers::SameUser));
        assert!(peer.allowed(&Peers::Users(vec![7, 65534])));
        assert!(peer.allowed(&Peers::Anyone));
        drop(server);
        child.wait().unwrap();
    }

    #[test]
    fn a_peer_that_the_kernel_has_no_socket_of_is_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = v4(listener.local_addr().unwrap());
        // Nobody is connected from there; the kernel would offer the listener instead.
        let nobody = SocketAddrV4::new(*at.ip(), 1);
        assert_eq!(Peer::of_tcp(nobody, at).uid(), None);
        assert_eq!(Peer::of_tcp(at, nobody).uid(), None);

        // Who closes first waits in TIME_WAIT, where the kernel has forgotten the user.
        let client = TcpStream::connect(at).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (local, remote) = (v4(server.local_addr().unwrap()), v4(server.peer_addr().unwrap()));
        drop(client);
        let mut buffer = [0];
        assert_eq!(std::io::Read::read(&mut &server, &mut buffer).unwrap(), 0);
        drop(server);
        let peer = Peer::of_tcp(local, remote);
        assert_eq!(peer.uid(), None);
        assert!(peer.allowed(&Peers::SameUser), "on TCP who cannot be told may talk");
    }

    #[test]
    fn who_may_talk_is_decided_by_user_and_root_always_may() {
        let unix = |uid: Option<u32>| Peer { user: uid.map_or(User::Missing, User::Known), gid: None, pid: None };
        for peers in [Peers::SameUser, Peers::Users(vec![]), Peers::Anyone] {
            assert!(unix(Some(0)).allowed(&peers));
        }
        let stranger = own_uid() + 1;
        assert!(unix(Some(own_uid())).allowed(&Peers::SameUser));
        assert!(!unix(Some(stranger)).allowed(&Peers::SameUser));
        assert!(unix(Some(stranger)).allowed(&Peers::Users(vec![stranger])));
        assert!(!unix(Some(stranger)).allowed(&Peers::Users(vec![stranger + 1])));
        assert!(unix(Some(stranger)).allowed(&Peers::Anyone));
        assert!(!unix(None).allowed(&Peers::SameUser));
        assert!(!unix(None).allowed(&Peers::Users(vec![stranger])));
        // Not even where the id that he shows is allowed: it is that of every such user.
        let anybody = Peer { user: User::Anybody, gid: None, pid: None };
        assert!(!anybody.allowed(&Peers::SameUser) && !anybody.allowed(&Peers::Users(vec![65534])));
        assert!(anybody.allowed(&Peers::Anyone));
        assert_eq!(anybody.uid(), None);
    }
}
