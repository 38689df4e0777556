//! A connected duplex byte stream between two processes: a named pipe, or loopback TCP.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::windows::io::{AsRawSocket, AsSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use windows_sys::Win32::Networking::WinSock::{
    LINGER, MSG_PEEK, SEND_RECV_FLAGS, SO_LINGER, SOCKET, SOCKET_ERROR, SOL_SOCKET, WSABUF, WSAESHUTDOWN, WSARecv,
    WSASend, setsockopt,
};

use super::ask::{self, Ask, Askable, HasRoom, Kernel, Room};
use super::end::End;
use super::event::Event;
use super::peer;
use super::pipe::Pipe;
use super::socket_poll::{self, ABORT, found};
use super::waker::Waker;
use crate::os::interest::Interest;
pub(crate) use crate::os::transfer::{Wait, advance, interrupted, would_block};
use crate::peer::{Ownership, Peer};

/// Memory to offer a peer: there is none.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) enum Offer {}

#[cfg(feature = "tokio")]
impl Offer {
    pub(crate) fn capacity(&self) -> u32 {
        match *self {}
    }
}

/// What one stream's memory takes, in bytes.
#[cfg(feature = "tokio")]
pub(crate) const SHARED_BYTES: usize = 0;

/// A time that is not set.
const NEVER: u64 = u64::MAX;
/// How much of what nobody took is thrown away before a connection goes, in bytes.
const UNREAD: usize = 1 << 20;

/// A connected stream. Its socket never waits: a receive that may is a wait and a receive.
pub(crate) struct Stream {
    core: Arc<Core>,
    /// Whether a receive with [`Wait::Yes`] waits. Written and read by whoever drives the stream; relaxed, since it orders nothing
    /// else.
    blocking: AtomicBool,
    /// How long at most, in microseconds; [`NEVER`] is without limit. The same.
    recv_timeout: AtomicU64,
}

/// What a stream is: those who watch it know it, and do not keep it open.
#[derive(Debug)]
pub(super) struct Core {
    kind: Kind,
    end: Arc<End>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Pipe(Pipe),
}

impl Core {
    /// Asks the kernel when it is ready.
    fn ask_kernel(self: &Arc<Core>, interest: Interest, event: &Arc<Event>) -> io::Result<Kernel> {
        let pipe = match &self.kind {
            Kind::Tcp(socket) => return ask::of_socket(socket.as_socket(), interest, event).map(Kernel::Socket),
            Kind::Pipe(pipe) => pipe,
        };
        let mut room = None;
        if interest != Interest::Read {
            if pipe.has_room() {
                return Ok(Kernel::Ready);
            }
            let stream = Arc::downgrade(self);
            room = Some(Room::new(stream, pipe.room()));
        }
        let read = if interest == Interest::Write { None } else { Some(pipe.ask_read(event)?) };
        Ok(match read {
            // There is something, or the end.
            Some(None) => Kernel::Ready,
            read => Kernel::Pipe { read: read.flatten(), room },
        })
    }
}

impl Core {
    /// A connection that goes while something waits in it is reset, and at a reset the peer's Winsock throws away what the peer has not
    /// read yet: the last answers. What comes after the end was said is therefore taken.
    fn throw_away_what_is_late(&self, socket: &TcpStream) {
        let (mut scrap, mut taken) = ([0; 4096], 0);
        while self.end.has_come() && taken < UNREAD {
            // SAFETY: the array is that many bytes of memory that is written to.
            match unsafe { recv(socket, scrap.as_mut_ptr(), scrap.len(), 0) } {
                Ok(0) | Err(_) => return,
                Ok(count) => taken += count,
            }
        }
    }
}

impl HasRoom for Core {
    fn has_room(&self) -> bool {
        match &self.kind {
            Kind::Tcp(_) => true,
            Kind::Pipe(pipe) => pipe.has_room(),
        }
    }
}

impl Askable for Arc<Core> {
    fn ask(&self, interest: Interest, event: &Arc<Event>) -> io::Result<Ask> {
        // From here on its end sets the event.
        let ends = self.end.watch(event);
        event.clear();
        Ok(Ask { kernel: self.ask_kernel(interest, event)?, ends: Some(ends) })
    }
}

impl Stream {
    /// Takes over a socket: one just connected, or one just accepted.
    pub(super) fn adopt(socket: TcpStream) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Stream::new(Kind::Tcp(socket)))
    }

    /// Takes over one end of a pipe.
    pub(super) fn of_pipe(pipe: Pipe) -> Stream {
        Stream::new(Kind::Pipe(pipe))
    }

    fn new(kind: Kind) -> Stream {
        Stream {
            core: Arc::new(Core { kind, end: Arc::default() }),
            blocking: AtomicBool::new(false),
            recv_timeout: AtomicU64::new(NEVER),
        }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends a TCP connection to somebody who is not meant, so that nothing of it keeps its ports in use.
    pub(crate) fn abandon(self) {
        let Kind::Tcp(socket) = &self.core.kind else { return };
        let at_once = LINGER { l_onoff: 1, l_linger: 0 };
        // SAFETY: the socket is open, and the structure has the form and length that the option takes.
        let _nothing_depends_on_it = unsafe {
            setsockopt(raw(socket), SOL_SOCKET, SO_LINGER, (&raw const at_once).cast(), size_of::<LINGER>() as i32)
        };
    }

    /// The generation (see [`fork`](super::fork)) that the stream was made in: there is one.
    pub(crate) fn born(&self) -> u32 {
        super::fork::generation()
    }

    /// Whether it is TCP, where unread bytes at the end lead to a reset.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.core.kind, Kind::Tcp(_))
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        let socket = match &self.core.kind {
            Kind::Tcp(socket) => socket,
            Kind::Pipe(pipe) => return peer::of_process(pipe.peer_process()),
        };
        match (socket.local_addr(), socket.peer_addr()) {
            (Ok(SocketAddr::V4(local)), Ok(SocketAddr::V4(remote))) => peer::of_tcp(local, remote),
            _ => Peer::new(Ownership::Untold),
        }
    }

    /// Receives into `buffer`. 0 is the end of the stream.
    pub(crate) fn recv(&self, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        let (memory, most) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the buffer is `most` bytes of memory that is written to.
        self.waiting_as_set(wait, || unsafe { self.recv_into(memory, most) })
    }

    /// Receives at most `most` bytes behind what `buffer` holds, within its capacity, of which some must
    /// be free. 0 is the end.
    pub(crate) fn recv_spare(&self, buffer: &mut Vec<u8>, most: usize, wait: Wait) -> io::Result<usize> {
        let spare = buffer.spare_capacity_mut();
        debug_assert!(most > 0 && !spare.is_empty());
        let (memory, most) = (spare.as_mut_ptr().cast::<u8>(), most.min(spare.len()));
        // SAFETY: the vector has `most` bytes of memory there, which is written to and not read.
        let count = self.waiting_as_set(wait, || unsafe { self.recv_into(memory, most) })?;
        // SAFETY: the call has just written that many bytes behind the vector's length.
        unsafe { buffer.set_len(buffer.len() + count) };
        Ok(count)
    }

    /// Whether anything waits to be received; copies what waits, up to `buffer`, and leaves it there.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.core.kind {
            // SAFETY: the buffer is that many bytes of memory that is written to.
            Kind::Tcp(socket) => unsafe { recv(socket, buffer.as_mut_ptr(), buffer.len(), MSG_PEEK) },
            Kind::Pipe(pipe) => pipe.peek(buffer),
        }
    }

    /// # Safety
    ///
    /// `memory` is `most` bytes that may be written.
    unsafe fn recv_into(&self, memory: *mut u8, most: usize) -> io::Result<usize> {
        // SAFETY: as the caller promises.
        let received = unsafe {
            match &self.core.kind {
                Kind::Tcp(socket) => recv(socket, memory, most, 0),
                Kind::Pipe(pipe) => pipe.recv(memory, most),
            }
        };
        match received {
            Err(error) if would_block(&error) && self.core.end.has_come() => Ok(0),
            done => done,
        }
    }

    /// Makes a call again, after a wait, for as long as it would block and may wait.
    fn waiting_as_set(&self, wait: Wait, call: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
        let mut deadline = None;
        loop {
            match call() {
                Err(error) if would_block(&error) && wait == Wait::Yes && self.blocking.load(Ordering::Relaxed) => {
                    let left = match self.recv_timeout.load(Ordering::Relaxed) {
                        NEVER => None,
                        micros => {
                            let now = Instant::now();
                            let until = *deadline.get_or_insert_with(|| now + Duration::from_micros(micros));
                            Some(until.saturating_duration_since(now))
                        }
                    };
                    if left.is_some_and(|left| left.is_zero()) {
                        return Err(error);
                    }
                    self.wait_for(Interest::Read, left)?;
                }
                done => return done,
            }
        }
    }

    /// Sends as much as goes without waiting: first of `head`, then of `body`.
    pub(crate) fn send(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        match &self.core.kind {
            Kind::Tcp(socket) => send(socket, &[part(head), part(body)]),
            Kind::Pipe(pipe) => pipe.send([head, body].into_iter()),
        }
    }

    /// Sends as much as goes without waiting of slices that follow each other, at most 1024.
    #[cfg(feature = "tokio")]
    pub(crate) fn send_all_of(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match &self.core.kind {
            Kind::Tcp(socket) => send(socket, &parts.iter().map(|slice| part(slice)).collect::<Vec<WSABUF>>()),
            Kind::Pipe(pipe) => pipe.send(parts.iter().map(|slice| &**slice)),
        }
    }

    /// Says that nothing more will be sent. A pipe's peer is told only when the stream ends.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match &self.core.kind {
            Kind::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Kind::Pipe(pipe) => {
                pipe.send_no_more();
                Ok(())
            }
        }
    }

    /// Takes nothing more than what has arrived: it is still received, then the stream ends. Whoever waits on it wakes up. The
    /// peer is not told: Winsock would throw away what has arrived, and a pipe cannot.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
    pub(crate) fn shutdown_read(&self) -> io::Result<()> {
        self.core.end.come();
        Ok(())
    }

    /// Ends the stream both ways at once; whoever waits on it wakes up.
    pub(crate) fn shutdown(&self) {
        match &self.core.kind {
            Kind::Tcp(socket) => {
                self.core.throw_away_what_is_late(socket);
                let _already_gone = socket.shutdown(Shutdown::Both);
            }
            Kind::Pipe(pipe) => pipe.close(),
        }
        self.core.end.come();
    }

    /// Whether a receive with [`Wait::Yes`] waits.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
    pub(crate) fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        self.blocking.store(blocking, Ordering::Relaxed);
        Ok(())
    }

    /// How long a receive with [`Wait::Yes`] waits in blocking mode; `None` is for ever.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
    pub(crate) fn set_recv_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let micros = timeout.map_or(NEVER, |timeout| u64::try_from(timeout.as_micros()).unwrap_or(NEVER));
        self.recv_timeout.store(micros, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the stream is ready as asked; `false` where the time is over: the caller looks at its deadline and comes again.
    pub(crate) fn wait_for(&self, interest: Interest, timeout: Option<Duration>) -> io::Result<bool> {
        ask::wait(&self.core, interest, std::iter::empty(), timeout)
    }

    /// The same; `false` also where one of `wakers` was woken.
    pub(crate) fn wait_or_woken(
        &self,
        interest: Interest,
        wakers: &[Arc<Waker>],
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        ask::wait(&self.core, interest, wakers.iter().map(|waker| waker.handle()), timeout)
    }

    /// Whether the peer has gone altogether, not just stopped sending.
    pub(crate) fn hung_up(&self) -> bool {
        let socket = match &self.core.kind {
            Kind::Tcp(socket) => socket,
            Kind::Pipe(pipe) => return pipe.hung_up(),
        };
        let Ok(event) = Event::new() else { return false };
        socket_poll::begin(raw(socket), ABORT, &event).is_ok_and(|poll| poll.is_done() && found(&poll) & ABORT != 0)
    }

    /// Whether the two processes of the stream may share memory: on this system all goes by the stream itself.
    pub(crate) fn may_share(&self) -> bool {
        false
    }

    /// Nothing.
    #[cfg(feature = "tokio")]
    pub(crate) fn make_offer(&self) -> io::Result<Offer> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn send_offer(&self, _: &[u8], offer: Offer) -> io::Result<()> {
        match offer {}
    }

    pub(crate) fn expect_offer(&self, _: bool) {}

    pub(crate) fn accept_offer(&self, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn receive_by_memory(&self) -> bool {
        false
    }

    pub(crate) fn send_by_memory(&self) {}

    pub(crate) fn may_have_more(&self) -> bool {
        false
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn hears_of_room(&self) -> bool {
        true
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn clear_bells(&self) {}

    pub(crate) fn falls_asleep(&self) -> bool {
        true
    }

    pub(crate) fn untaken(&self) -> u64 {
        0
    }

    /// The socket, where it is one.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match &self.core.kind {
            Kind::Tcp(socket) => Some(socket),
            Kind::Pipe(_) => None,
        }
    }

    /// The process that listens, of a pipe's client.
    pub(super) fn peer_process(&self) -> Option<u32> {
        match &self.core.kind {
            Kind::Tcp(_) => None,
            Kind::Pipe(pipe) => pipe.peer_process(),
        }
    }
}

pub(super) fn raw(socket: &TcpStream) -> SOCKET {
    socket.as_raw_socket() as SOCKET
}

/// # Safety
///
/// `memory` is `most` bytes that may be written.
unsafe fn recv(socket: &TcpStream, memory: *mut u8, most: usize, flags: SEND_RECV_FLAGS) -> io::Result<usize> {
    let part = WSABUF { len: u32::try_from(most).unwrap_or(u32::MAX), buf: memory };
    let (mut received, mut flags) = (0, flags as u32);
    // SAFETY: the socket is open, `part` is one buffer that the caller lets be written, and nothing is overlapped: the call is over
    // when it returns.
    let result = unsafe {
        WSARecv(raw(socket), &raw const part, 1, &raw mut received, &raw mut flags, std::ptr::null_mut(), None)
    };
    if result != SOCKET_ERROR {
        return Ok(received as usize);
    }
    let error = io::Error::last_os_error();
    // This side has shut it.
    if error.raw_os_error() == Some(WSAESHUTDOWN) { Ok(0) } else { Err(error) }
}

fn send(socket: &TcpStream, parts: &[WSABUF]) -> io::Result<usize> {
    let mut sent = 0;
    // SAFETY: the socket is open, the parts are slices that outlive the call, which only reads them, and nothing is overlapped.
    let result = unsafe {
        WSASend(raw(socket), parts.as_ptr(), parts.len() as u32, &raw mut sent, 0, std::ptr::null_mut(), None)
    };
    if result != SOCKET_ERROR {
        return Ok(sent as usize);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(WSAESHUTDOWN) { Err(io::ErrorKind::BrokenPipe.into()) } else { Err(error) }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("kind", &self.core.kind).finish_non_exhaustive()
    }
}

/// The pointer is not to be written through: the calls that send take it without `const`.
fn part(slice: &[u8]) -> WSABUF {
    WSABUF { len: u32::try_from(slice.len()).unwrap_or(u32::MAX), buf: slice.as_ptr().cast_mut() }
}
