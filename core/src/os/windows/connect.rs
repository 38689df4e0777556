//! Reaching a listening socket, and how that fails.

use std::io;
use std::net::TcpStream;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::path::Path;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_NO_DATA, ERROR_PATH_NOT_FOUND, ERROR_PIPE_BUSY,
    ERROR_PIPE_NOT_CONNECTED, ERROR_SEM_TIMEOUT, GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Networking::WinSock::{
    SIO_TCP_INITIAL_RTO, SOCKADDR_IN, TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS, TCP_INITIAL_RTO_PARAMETERS,
    WSAECONNREFUSED, WSAECONNRESET, WSAEMFILE, WSAEWOULDBLOCK, WSAIoctl, connect,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::WaitNamedPipeW;

use super::lock_file::Probe;
use super::pipe::{End, Pipe};
use super::refusal::{Refusal, by};
use super::stream::{self, Stream};
use super::{listener, lock_file, pipe_name, tcp_table};
use crate::channel::Address;
use crate::error::Error;
use crate::os::interest::Interest;
use crate::os::lock_info::Named;

/// How long a connect to this machine may take to be answered.
const ANSWER: Duration = Duration::from_millis(100);

/// Why a connection was not made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectFailure {
    /// Nobody listens: nothing stands at the address, or what a dead listener left.
    Refused(Refusal),
    /// A listener is there, and its queue of connections is full. To be tried again.
    Full(Refusal),
    /// A listener was there, and went before it took the connection in.
    Gone(Refusal),
    /// The system refused for a reason of its own: for want of handles or memory, say.
    Other(Refusal),
}

impl ConnectFailure {
    fn of(refusal: Refusal) -> ConnectFailure {
        match refusal.code {
            WSAECONNREFUSED => ConnectFailure::Refused(refusal),
            WSAECONNRESET => ConnectFailure::Gone(refusal),
            WSAEWOULDBLOCK => ConnectFailure::Full(refusal),
            code => match code.cast_unsigned() {
                ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND => ConnectFailure::Refused(refusal),
                ERROR_PIPE_BUSY => ConnectFailure::Full(refusal),
                ERROR_NO_DATA | ERROR_BROKEN_PIPE | ERROR_PIPE_NOT_CONNECTED => ConnectFailure::Gone(refusal),
                _ => ConnectFailure::Other(refusal),
            },
        }
    }

    /// The error for a caller, where this is the end: what was attempted, what stood in the way, what to do.
    pub(crate) fn into_error(self, attempted: &str) -> Error {
        let (ConnectFailure::Refused(refusal)
        | ConnectFailure::Full(refusal)
        | ConnectFailure::Gone(refusal)
        | ConnectFailure::Other(refusal)) = self;
        let advice = match refusal.code {
            WSAEMFILE => "; close some files",
            code if code == ERROR_ACCESS_DENIED.cast_signed() => {
                "; act as the listener's user, or have the listener let this one in by the mode of its socket"
            }
            _ => "",
        };
        refusal.into_error(format_args!("{attempted}: the system refused {}{advice}", refusal.call))
    }
}

impl Stream {
    /// Connects without waiting, but for the moment that the system takes on its own machine.
    ///
    /// Refused, too, where the connection leads back to this socket itself: the system picks the port that
    /// a connection comes from, and where nobody listens at a port of the range that it picks from, that
    /// may be the very one that is sought.
    pub(crate) fn try_connect(address: &Address) -> Result<Stream, ConnectFailure> {
        match address {
            Address::Tcp { port, .. } => connect_to_port(*port).map_err(ConnectFailure::of),
            Address::Unix(path) => connect_to_pipe(path, address).map_err(ConnectFailure::of),
        }
    }
}

/// Opens the pipe of a path. The process at its other end is the one that holds the channel's lock file, or nobody listens there: who
/// has made a pipe of that name without the lock is not spoken to.
fn connect_to_pipe(path: &Path, address: &Address) -> Result<Stream, Refusal> {
    let name = pipe_name::of(path);
    // SAFETY: the name ends with a zero; nothing else is pointed to.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE,
            0,
            std::ptr::null(),
            OPEN_EXISTING,
            FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
            std::ptr::null_mut(),
        )
    };
    let failed = by("CreateFile");
    let nobody = || failed(error(ERROR_FILE_NOT_FOUND.cast_signed()));
    if handle == INVALID_HANDLE_VALUE {
        let error = io::Error::last_os_error();
        // A listener that closes leaves its connections behind, and with them a pipe that takes nobody more.
        let is_left = error.raw_os_error() == Some(ERROR_PIPE_BUSY.cast_signed()) && has_no_lock(address);
        return Err(if is_left { nobody() } else { failed(error) });
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
    let stream = Stream::of_pipe(Pipe::adopt(handle, End::Client).map_err(by("CreateIoCompletionPort"))?);
    let listener = lock_file::read_live(&address.lock_path(), Named::AsOne).flatten().map(|info| info.pid);
    if listener.is_some() && listener != stream.peer_process().and_then(|pid| i32::try_from(pid).ok()) {
        return Err(nobody());
    }
    if listener.is_none() && has_no_lock(address) {
        return Err(nobody());
    }
    Ok(stream)
}

/// Whether it is certain that nobody holds the lock of an address.
fn has_no_lock(address: &Address) -> bool {
    matches!(lock_file::probe(address), Probe::Free | Probe::Missing)
}

fn connect_to_port(port: u16) -> Result<Stream, Refusal> {
    let socket = listener::open().map_err(by("socket"))?;
    fail_at_once(&socket);
    let stream = Stream::adopt(TcpStream::from(socket)).map_err(by("ioctlsocket"))?;
    let address = listener::address(port);
    let socket = stream.tcp().ok_or_else(|| by("connect")(error(WSAECONNREFUSED)))?;
    // SAFETY: the structure is an address of the given length, which outlives the call.
    let begun = unsafe { connect(stream::raw(socket), (&raw const address).cast(), size_of::<SOCKADDR_IN>() as i32) };
    if let Err(failed) = listener::check(begun) {
        if failed.raw_os_error() != Some(WSAEWOULDBLOCK) {
            return Err(by("connect")(failed));
        }
        stream.wait_for(Interest::Write, Some(ANSWER)).map_err(by("connect"))?;
        if let Some(failed) = socket.take_error().map_err(by("getsockopt"))? {
            return Err(by("connect")(failed));
        }
        if socket.peer_addr().is_err() {
            return Err(by("connect")(error(WSAEWOULDBLOCK)));
        }
    }
    if socket.local_addr().map_err(by("getsockname"))?.port() == port {
        stream.abandon();
        return Err(by("connect")(error(WSAECONNREFUSED)));
    }
    Ok(stream)
}

/// Has a connect that is refused fail with the first refusal: the system would try for two seconds.
fn fail_at_once(socket: &std::os::windows::io::OwnedSocket) {
    let once = TCP_INITIAL_RTO_PARAMETERS {
        Rtt: u16::MAX,
        MaxSynRetransmissions: TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS as u8,
    };
    let mut returned = 0;
    // SAFETY: the structure has the form and length that the call takes, and outlives it; nothing is overlapped.
    let _it_takes_longer_then = unsafe {
        WSAIoctl(
            listener::raw(socket),
            SIO_TCP_INITIAL_RTO,
            (&raw const once).cast(),
            size_of::<TCP_INITIAL_RTO_PARAMETERS>() as u32,
            std::ptr::null_mut(),
            0,
            &raw mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// Whether it is certain that a connect would find nobody. Only ports are asked about: who dials one that
/// nobody listens at takes it for the moment from a listener that is about to.
pub(crate) fn nobody_listens(address: &Address) -> bool {
    matches!(address, Address::Tcp { port, .. } if tcp_table::listens(*port) == Some(false))
}

/// Whether somebody listens at an address, or is about to, as far as that can be told without connecting.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the question may be refused")]
pub(crate) fn somebody_listens(address: &Address) -> Result<bool, ConnectFailure> {
    Ok(match address {
        Address::Unix(path) => is_there(path),
        Address::Tcp { .. } => !nobody_listens(address),
    })
}

/// Whether a pipe of the path's name is there.
fn is_there(path: &Path) -> bool {
    let name = pipe_name::of(path);
    // SAFETY: the name ends with a zero. It waits for a millisecond at most.
    let has_room = unsafe { WaitNamedPipeW(name.as_ptr(), 1) } != 0;
    has_room || io::Error::last_os_error().raw_os_error() == Some(ERROR_SEM_TIMEOUT.cast_signed())
}

/// Whether one direction of a stream to this address can be ended by itself: a pipe's cannot.
pub(crate) fn can_end_one_way(address: &Address) -> bool {
    matches!(address, Address::Tcp { .. })
}

/// Whether something stands at the path that is no socket: what a channel's path leads to is no file here.
pub(crate) fn is_no_socket(_path: &Path) -> bool {
    false
}
