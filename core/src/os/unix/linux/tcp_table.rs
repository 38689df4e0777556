//! The kernel's table of TCP sockets, asked about one of them at a time (`NETLINK_SOCK_DIAG`): without
//! connecting, and without reading all of `/proc/net/tcp`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::super::fork::ForkFd;
use super::super::listener;
use super::users;

/// The user whose socket has this local and this remote address.
pub(crate) fn owner_of(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let connection = diagnose(local, Some(remote)).ok()?;
    match connection {
        // Not accepted yet, so it is nobody's file: it belongs to whoever listens. (A socket that
        // its process has closed is in neither of these states.)
        Diagnosis { inode: 0, state: TCP_ESTABLISHED | TCP_CLOSE_WAIT, .. } => {
            diagnose(local, None).ok().filter(|listener| listener.inode != 0).map(|listener| listener.uid)
        }
        Diagnosis { state: TCP_TIME_WAIT, .. } => None,
        // The kernel has forgotten whose it was, and says root, who may be nobody that is known here.
        Diagnosis { inode: 0, uid, .. } if uid == 0 || users::is_anybody(uid) => None,
        Diagnosis { uid, .. } => Some(uid),
    }
}

/// Whether somebody listens at a port of 127.0.0.1; `None` where the kernel does not tell.
pub(crate) fn listens(port: u16) -> Option<bool> {
    match diagnose(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), None) {
        Ok(_) => Some(true),
        // A kernel without this part of its table says the same.
        Err(Errno::NOENT) if knows_listeners() => Some(false),
        Err(_) => None,
    }
}

/// Whether the kernel finds a listener that is certainly there. Asked once.
fn knows_listeners() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let Ok((socket, port)) = listener::tcp(0) else { return false };
        rustix::net::listen(&socket, 1).is_ok() && diagnose(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), None).is_ok()
    })
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

    #[test]
    fn a_port_is_known_to_be_listened_on_only_while_somebody_does() {
        let (socket, port) = listener::tcp(0).unwrap();
        assert_eq!(listens(port), Some(false), "bound, and not listening");
        rustix::net::listen(&socket, 1).unwrap();
        assert_eq!(listens(port), Some(true));
        let _client = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(socket);
        assert_eq!(listens(port), Some(false), "a connection that is being forgotten is no listener");
    }

    #[test]
    fn whoever_listens_on_every_address_listens_on_this_one() {
        let everywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        assert_eq!(listens(everywhere.local_addr().unwrap().port()), Some(true));
        if let Ok(both) = std::net::TcpListener::bind("[::]:0") {
            assert_eq!(listens(both.local_addr().unwrap().port()), Some(true));
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_or_an_error_is_no_answer() {
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
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
