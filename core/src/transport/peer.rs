//! Who is at the other end of a connection.
//!
//! A Unix socket carries its peer's credentials. For TCP the kernel is asked whose the peer's socket
//! is (`NETLINK_SOCK_DIAG`); it can tell the user alone, and not always that.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::fork::ForkFd;
use crate::options::Peers;

/// Who is at the other end of a connection, as far as the operating system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    uid: Option<u32>,
    gid: Option<u32>,
    pid: Option<i32>,
    /// Whether an unknown user is nothing unusual: it is on TCP, and never on a Unix socket.
    may_be_unknown: bool,
}

impl Peer {
    /// The user id; `None` where the system cannot tell (some TCP connections).
    pub fn uid(&self) -> Option<u32> {
        self.uid
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
        let peer = Peer { uid: None, gid: None, pid: None, may_be_unknown: false };
        match credentials(socket) {
            // What the kernel says of a socket without a peer: no ids (-1) and no process (0).
            Ok(found) if found.uid != u32::MAX => {
                Peer { uid: Some(found.uid), gid: Some(found.gid), pid: (found.pid > 0).then_some(found.pid), ..peer }
            }
            _ => peer,
        }
    }

    /// The peer of a connected TCP socket of this machine, by the socket's two addresses.
    pub(crate) fn of_tcp(local: SocketAddrV4, remote: SocketAddrV4) -> Peer {
        Peer { uid: owner_of_tcp(remote, local), ..Peer::unknown_on_tcp() }
    }

    /// A TCP peer of whom nothing is known.
    pub(crate) fn unknown_on_tcp() -> Peer {
        Peer { uid: None, gid: None, pid: None, may_be_unknown: true }
    }

    /// Whether the peer may be talked to. Root always may. A user that the system cannot tell may on
    /// TCP, whose port every user of the machine can reach anyway, and never on a Unix socket,
    /// unless everybody may.
    pub(crate) fn allowed(&self, peers: &Peers) -> bool {
        let Some(uid) = self.uid else {
            return self.may_be_unknown || *peers == Peers::Anyone;
        };
        uid == 0
            || match peers {
                Peers::SameUser => uid == rustix::process::geteuid().as_raw(),
                Peers::Users(users) => users.contains(&uid),
                Peers::Anyone => true,
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

/// The user whose TCP socket has this local and this remote address.
fn owner_of_tcp(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let connection = diagnose(local, Some(remote)).ok()?;
    match connection {
        // Not accepted yet, so it is nobody's file: it belongs to whoever listens. (A socket that
        // its process has closed is in neither of these states.)
        Diagnosis { inode: 0, state: TCP_ESTABLISHED | TCP_CLOSE_WAIT, .. } => {
            diagnose(local, None).ok().filter(|listener| listener.inode != 0).map(|listener| listener.uid)
        }
        // The kernel has forgotten whose it was.
        Diagnosis { inode: 0, uid: 0, .. } | Diagnosis { state: TCP_TIME_WAIT, .. } => None,
        Diagnosis { uid, .. } => Some(uid),
    }
}

/// What the kernel says of one TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Diagnosis {
    state: u8,
    uid: u32,
    inode: u32,
}

// include/net/tcp_states.h
const TCP_ESTABLISHED: u8 = 1;
const TCP_TIME_WAIT: u8 = 6;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// `struct nlmsghdr` of linux/netlink.h: len u32, type u16, flags u16, seq u32, pid u32; in the
/// machine's own byte order, as all here but ports and addresses.
const HEADER_LEN: usize = 16;
const NLM_F_REQUEST: u16 = 1;
/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// `struct inet_diag_req_v2` of linux/inet_diag.h: family u8, protocol u8, extensions u8, pad u8,
/// states u32, then the `struct inet_diag_sockid` of the socket that is sought.
const REQUEST_LEN: usize = 8 + ID_LEN;
/// `struct inet_diag_sockid`: source port be16, destination port be16, source 16 bytes, destination
/// 16 bytes, interface u32, cookie 2 × u32. An IPv4 address takes the first 4 of its 16 bytes.
const ID_LEN: usize = 48;
const ID_SOURCE: usize = 4;
const ID_DESTINATION: usize = 20;
const ID_COOKIE: usize = 40;
/// `struct inet_diag_msg`: family u8, state u8, timer u8, retransmissions u8, the id, expires u32,
/// receive queue u32, send queue u32, uid u32, inode u32.
const REPLY_STATE: usize = 1;
const REPLY_ID: usize = 4;
const REPLY_UID: usize = REPLY_ID + ID_LEN + 12;
const REPLY_INODE: usize = REPLY_UID + 4;
const REPLY_LEN: usize = REPLY_INODE + 4;

/// Asks the kernel for the connection between two addresses, or for the listener at one.
fn diagnose(local: SocketAddrV4, remote: Option<SocketAddrV4>) -> Result<Diagnosis, Errno> {
    let kernel = SocketAddrNetlink::new(0, 0);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = || rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG));
    let socket = ForkFd::open(open)?;
    let request = request(local, remote);
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &kernel)?;
    // The answer is there when the request has been sent: the kernel works it out in that call.
    let mut reply = [0; 1024];
    let (len, _, sender) = rustix::net::recvfrom(&socket, &mut reply, RecvFlags::empty())?;
    if sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok()) != Some(kernel) {
        return Err(Errno::PROTO);
    }
    let found = parse(&reply[..len], &request)?;
    if (found.state == TCP_LISTEN) == remote.is_none() { Ok(found) } else { Err(Errno::NOENT) }
}

fn request(local: SocketAddrV4, remote: Option<SocketAddrV4>) -> [u8; HEADER_LEN + REQUEST_LEN] {
    let mut message = [0; HEADER_LEN + REQUEST_LEN];
    let len = (HEADER_LEN + REQUEST_LEN) as u32;
    message[..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    let body = &mut message[HEADER_LEN..];
    body[0] = libc::AF_INET as u8;
    body[1] = libc::IPPROTO_TCP as u8;
    body[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    let id = &mut body[8..];
    id[..2].copy_from_slice(&local.port().to_be_bytes());
    id[ID_SOURCE..ID_SOURCE + 4].copy_from_slice(&local.ip().octets());
    if let Some(remote) = remote {
        id[2..4].copy_from_slice(&remote.port().to_be_bytes());
        id[ID_DESTINATION..ID_DESTINATION + 4].copy_from_slice(&remote.ip().octets());
    }
    // INET_DIAG_NOCOOKIE: any socket with these addresses.
    id[ID_COOKIE..].fill(0xff);
    message
}

/// Reads the kernel's answer. The kernel falls back to a listener where there is no connection, so
/// the addresses are compared, too.
fn parse(reply: &[u8], request: &[u8]) -> Result<Diagnosis, Errno> {
    let u32_at = |at: usize| u32::from_ne_bytes([reply[at], reply[at + 1], reply[at + 2], reply[at + 3]]);
    if reply.len() < HEADER_LEN + 4 {
        return Err(Errno::PROTO);
    }
    if reply[4..6] != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        // NLMSG_ERROR: a negative error number follows; ENOENT where there is no such socket.
        let errno = u32_at(HEADER_LEN).cast_signed().checked_neg().filter(|errno| (1..4096).contains(errno));
        return Err(errno.map_or(Errno::PROTO, Errno::from_raw_os_error));
    }
    if reply.len() < HEADER_LEN + REPLY_LEN {
        return Err(Errno::PROTO);
    }
    let state = reply[HEADER_LEN + REPLY_STATE];
    let id = &reply[HEADER_LEN + REPLY_ID..][..ID_LEN];
    let wanted = &request[HEADER_LEN + 8..][..ID_LEN];
    let same = if state == TCP_LISTEN {
        id[..2] == wanted[..2]
    } else {
        id[..4] == wanted[..4]
            && id[ID_SOURCE..ID_SOURCE + 4] == wanted[ID_SOURCE..ID_SOURCE + 4]
            && id[ID_DESTINATION..ID_DESTINATION + 4] == wanted[ID_DESTINATION..ID_DESTINATION + 4]
    };
    if !same {
        return Err(Errno::NOENT);
    }
    Ok(Diagnosis { state, uid: u32_at(HEADER_LEN + REPLY_UID), inode: u32_at(HEADER_LEN + REPLY_INODE) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::watchdog::Watchdog;
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
        let unix = |uid| Peer { uid, gid: None, pid: None, may_be_unknown: false };
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
    }

    #[test]
    fn an_answer_that_is_cut_short_or_an_error_is_no_answer() {
        let at = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 1);
        let request = request(at, None);
        for len in 0..HEADER_LEN + REPLY_LEN {
            let mut reply = vec![0; len];
            if let Some(kind) = reply.get_mut(4..6) {
                kind.copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            assert_eq!(parse(&reply, &request), Err(Errno::PROTO), "{len}");
        }
        let mut error = [0; 36];
        error[4] = 2;
        error[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        assert_eq!(parse(&error, &request), Err(Errno::NOENT));
        error[16..20].copy_from_slice(&i32::MIN.to_ne_bytes());
        assert_eq!(parse(&error, &request), Err(Errno::PROTO));
    }
}
