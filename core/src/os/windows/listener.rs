//! What others connect to: sockets, and named pipes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::windows::io::{AsSocket, FromRawSocket, OwnedSocket};
use std::sync::{Arc, OnceLock};

use windows_sys::Win32::Networking::WinSock::{
    AF_INET, IN_ADDR, IN_ADDR_0, INVALID_SOCKET, IPPROTO_TCP, SO_EXCLUSIVEADDRUSE, SOCK_STREAM, SOCKADDR_IN, SOCKET,
    SOCKET_ERROR, SOL_SOCKET, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSADATA, WSASocketW, WSAStartup, bind,
    listen, setsockopt,
};

use super::ask::{self, Ask, Askable, Kernel};
use super::event::Event;
use super::pipe_server::PipeServer;
use super::refusal::{Refusal, by};
use super::stream::Stream;
use crate::os::interest::Interest;

const BACKLOG: i32 = 1024;

/// What others connect to. Every one that was opened of it takes from the same queue.
#[derive(Debug)]
pub(crate) enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A name, or a path.
    Pipe(Arc<PipeServer>),
}

impl Listener {
    /// Takes a connection that waits, without waiting for one.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        let listener = match self {
            Listener::Pipe(server) => return server.accept().map(Stream::of_pipe),
            Listener::Tcp(listener) => listener,
        };
        loop {
            match listener.accept() {
                Ok((socket, _)) => return Stream::adopt(socket),
                // That client has gone again; the next one may be there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets nobody connect any more, where others hold it, too. A port takes connections until the last of them lets go of it.
    pub(super) fn stop(&self) {
        if let Listener::Pipe(server) = self {
            server.stop();
        }
    }

    pub(super) fn duplicate(&self) -> io::Result<Listener> {
        Ok(match self {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            Listener::Pipe(server) => Listener::Pipe(Arc::clone(server)),
        })
    }
}

impl Askable for Listener {
    fn ask(&self, interest: Interest, event: &Arc<Event>) -> io::Result<Ask> {
        event.clear();
        let kernel = match self {
            Listener::Tcp(listener) => Kernel::Socket(ask::of_socket(listener.as_socket(), interest, event)?),
            Listener::Pipe(server) => Kernel::Server(Arc::clone(server)),
        };
        Ok(Ask { kernel, ends: None })
    }
}

/// A listening socket at the port of 127.0.0.1 (0: a free one), which no other program can take a share of, and the port.
pub(super) fn tcp(port: u16) -> Result<(Listener, u16), Refusal> {
    let socket = open().map_err(by("socket"))?;
    let raw = raw(&socket);
    let alone = 1i32;
    // SAFETY: the socket is open, and the option takes an integer of this length.
    let set =
        unsafe { setsockopt(raw, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (&raw const alone).cast(), size_of::<i32>() as i32) };
    check(set).map_err(by("setsockopt"))?;
    let address = address(port);
    // SAFETY: the structure is an address of the given length, which outlives the call.
    check(unsafe { bind(raw, (&raw const address).cast(), size_of::<SOCKADDR_IN>() as i32) }).map_err(by("bind"))?;
    // SAFETY: the call takes a socket and a number.
    check(unsafe { listen(raw, BACKLOG) }).map_err(by("listen"))?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).map_err(by("ioctlsocket"))?;
    match listener.local_addr().map_err(by("getsockname"))? {
        SocketAddr::V4(bound) => Ok((Listener::Tcp(listener), bound.port())),
        SocketAddr::V6(_) => Err(by("getsockname")(io::ErrorKind::InvalidData.into())),
    }
}

/// An IPv4 stream socket that no child inherits.
pub(super) fn open() -> io::Result<OwnedSocket> {
    start_winsock()?;
    let flags = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT;
    // SAFETY: no protocol's description is given, which the call allows.
    let socket = unsafe { WSASocketW(AF_INET.into(), SOCK_STREAM, IPPROTO_TCP, std::ptr::null(), 0, flags) };
    if socket == INVALID_SOCKET {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made the socket, and nobody else has it.
    Ok(unsafe { OwnedSocket::from_raw_socket(socket as u64) })
}

pub(super) fn raw(socket: &OwnedSocket) -> SOCKET {
    std::os::windows::io::AsRawSocket::as_raw_socket(socket) as SOCKET
}

/// The address of a port of 127.0.0.1.
pub(super) fn address(port: u16) -> SOCKADDR_IN {
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let host = IN_ADDR { S_un: IN_ADDR_0 { S_addr: u32::from_ne_bytes(at.ip().octets()) } };
    SOCKADDR_IN { sin_family: AF_INET, sin_port: port.to_be(), sin_addr: host, sin_zero: [0; 8] }
}

pub(super) fn check(result: i32) -> io::Result<()> {
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Winsock has to be started before the first socket; once more than needed does no harm.
fn start_winsock() -> io::Result<()> {
    static STARTED: OnceLock<i32> = OnceLock::new();
    let failed = *STARTED.get_or_init(|| {
        let mut data = std::mem::MaybeUninit::<WSADATA>::uninit();
        // SAFETY: the call writes to the structure, which outlives it.
        unsafe { WSAStartup(0x0202, data.as_mut_ptr()) }
    });
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}
