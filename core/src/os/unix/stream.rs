//! A connected duplex byte stream between two processes: a Unix socket or loopback TCP.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, Shutdown, sockopt};

use super::fork::ForkFd;
use super::owner::own_owner;
use super::system::sharing::{self, Sharing};
#[cfg(feature = "tokio")]
pub(crate) use super::system::sharing::{Offer, SHARED_BYTES};
use super::system::{peer, sockets};
use super::waker::Waker;
use super::{ready, retry};
use crate::os::interest::Interest;
pub(crate) use crate::os::transfer::{Wait, advance, interrupted, would_block};
use crate::peer::{Ownership, Peer};

/// How much the kernel may hold of what a sender wrote: large bodies pass with few wake-ups. Memory
/// is taken only while bytes are on the way.
const SEND_BUFFER: usize = 4 << 20;

/// A connected stream socket. Sends never block; receives do when asked to.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: ForkFd,
    tcp: bool,
    /// What of it goes by memory that both processes share.
    sharing: Sharing,
}

impl Stream {
    /// Ends a TCP connection to somebody who is not meant, so that nothing of it keeps its ports in use.
    pub(crate) fn abandon(self) {
        let _nothing_depends_on_it = sockopt::set_socket_linger(&self, Some(Duration::ZERO));
    }

    /// Takes a connection that waits in a listening socket, without waiting for one.
    pub(crate) fn accept(listening: &ForkFd, tcp: bool) -> io::Result<Stream> {
        let accept = || match ForkFd::open(|| sockets::accept(listening)) {
            // That client has gone again; the next one may be there.
            Err(Errno::CONNABORTED) => Err(Errno::INTR),
            done => done,
        };
        Stream::adopt(retry::on_interrupt(accept)?, tcp)
    }

    /// Takes over a stream socket: one just made, or one just accepted.
    pub(super) fn adopt(fd: ForkFd, tcp: bool) -> io::Result<Stream> {
        let socket = Stream { fd, tcp, sharing: Sharing::default() };
        if tcp {
            sockopt::set_tcp_nodelay(&socket, true)?;
        } else {
            // The kernel cuts this down to its own limit; the default works too.
            let _smaller_is_fine = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
        }
        Ok(socket)
    }

    /// The generation (see [`fork`](super::fork)) that the socket was made in.
    pub(crate) fn born(&self) -> u32 {
        self.fd.born()
    }

    /// Whether it is a TCP socket, where unread bytes at the end lead to a reset.
    pub(crate) fn is_tcp(&self) -> bool {
        self.tcp
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        if !self.tcp {
            return peer::of_unix(self.as_fd());
        }
        let local = rustix::net::getsockname(self).ok().and_then(|address| SocketAddrV4::try_from(address).ok());
        let remote =
            rustix::net::getpeername(self).ok().flatten().and_then(|address| SocketAddrV4::try_from(address).ok());
        match (local, remote) {
            (Some(local), Some(remote)) => peer::of_tcp(local, remote),
            _ => Peer::new(Ownership::Untold),
        }
    }

    /// Receives into `buffer`. 0 is the end of the stream.
    pub(crate) fn recv(&self, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        if !self.sharing.is_plain() {
            // SAFETY: bytes that are there are bytes that may be there; nothing but bytes is written.
            let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
            return self.sharing.receive(&self.fd, buffer, wait);
        }
        let (_, received) = rustix::net::recv(self, buffer, wait.flags())?;
        Ok(received)
    }

    /// Receives at most `most` bytes behind what `buffer` holds, within its capacity, of which some must
    /// be free. 0 is the end.
    pub(crate) fn recv_spare(&self, buffer: &mut Vec<u8>, most: usize, wait: Wait) -> io::Result<usize> {
        let spare = buffer.spare_capacity_mut();
        debug_assert!(most > 0 && !spare.is_empty());
        let most = most.min(spare.len());
        let count = if self.sharing.is_plain() {
            let ((received, _), _) = rustix::net::recv(self, &mut spare[..most], wait.flags())?;
            received.len()
        } else {
            self.sharing.receive(&self.fd, &mut spare[..most], wait)?
        };
        // SAFETY: the call has just written that many bytes behind the vector's length.
        unsafe { buffer.set_len(buffer.len() + count) };
        Ok(count)
    }

    /// Whether anything waits to be received; copies what waits, up to `buffer`, and leaves it there.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.sharing.is_plain() {
            return self.sharing.peek(&self.fd, buffer);
        }
        let (_, there) = rustix::net::recv(self, buffer, RecvFlags::DONTWAIT | RecvFlags::PEEK)?;
        Ok(there)
    }

    /// Sends as much as goes without waiting: first of `head`, then of `body`.
    pub(crate) fn send(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        if !self.sharing.is_plain()
            && let Some(sent) = self.sharing.send(&self.fd, head, body)
        {
            return sent;
        }
        let sent = if body.is_empty() {
            rustix::net::send(self, head, sockets::SEND)?
        } else {
            let parts = [io::IoSlice::new(head), io::IoSlice::new(body)];
            rustix::net::sendmsg(self, &parts, &mut SendAncillaryBuffer::default(), sockets::SEND)?
        };
        Ok(sent)
    }

    /// Sends as much as goes without waiting of slices that follow each other, at most 1024. Not for a stream that shares memory.
    #[cfg(feature = "tokio")]
    pub(crate) fn send_all_of(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::net::sendmsg(self, parts, &mut SendAncillaryBuffer::default(), sockets::SEND)?)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.sharing.say_last();
        Ok(rustix::net::shutdown(self, Shutdown::Write)?)
    }

    /// Takes nothing more than what has arrived: it is still received, then the stream ends. On a
    /// Unix socket the peer's next send fails, so it knows that it was not taken.
    pub(crate) fn shutdown_read(&self) -> io::Result<()> {
        self.sharing.close_when_empty();
        Ok(rustix::net::shutdown(self, Shutdown::Read)?)
    }

    /// Ends the stream both ways at once; whoever waits on it wakes up.
    pub(crate) fn shutdown(&self) {
        self.sharing.give_up();
        let _already_gone = rustix::net::shutdown(self, Shutdown::Both);
    }

    /// Whether a receive with [`Wait::Yes`] waits in the kernel.
    pub(crate) fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(self, !blocking)?)
    }

    /// How long a receive with [`Wait::Yes`] waits in blocking mode; `None` is for ever.
    pub(crate) fn set_recv_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(self, sockopt::Timeout::Recv, timeout.map(at_least_a_microsecond))?)
    }

    /// Waits until the stream is ready as asked; `false` where the time is over or a signal came: the caller looks
    /// at its deadline and comes again.
    pub(crate) fn wait_for(&self, interest: Interest, timeout: Option<Duration>) -> io::Result<bool> {
        if !self.sharing.is_plain() {
            return self.sharing.wait(&self.fd, interest, &[], timeout);
        }
        ready::wait_for(self, interest, timeout)
    }

    /// The same; `false` also where one of `wakers` is readable.
    pub(crate) fn wait_or_woken(
        &self,
        interest: Interest,
        wakers: &[Arc<Waker>],
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        if !self.sharing.is_plain() {
            return self.sharing.wait(&self.fd, interest, wakers, timeout);
        }
        ready::wait(self, interest, wakers.iter().map(|waker| &**waker as &dyn AsFd), timeout)
    }

    /// Whether the peer has gone altogether, not just stopped sending.
    pub(crate) fn hung_up(&self) -> bool {
        ready::hung_up(self)
    }

    /// Whether the two processes of the stream may share memory, where both want to: they are of one machine and user, and there is a
    /// descriptor left for it.
    pub(crate) fn may_share(&self) -> bool {
        sharing::CAN_SHARE && !self.tcp && self.peer().owner() == Some(own_owner()) && self.fd.duplicate().is_ok()
    }

    /// Makes memory that the peer may be [offered](Stream::send_offer).
    #[cfg(feature = "tokio")]
    pub(crate) fn make_offer(&self) -> io::Result<Offer> {
        Sharing::make()
    }

    /// Sends `last` on the socket, with the descriptor of memory to share; all else that is sent goes by that. An error of the kind
    /// 'would block' says that nothing has changed.
    #[cfg(feature = "tokio")]
    pub(crate) fn send_offer(&self, last: &[u8], offer: Offer) -> io::Result<()> {
        self.sharing.send_offer(&self.fd, last, offer)
    }

    /// Whether a receive may bring an offer from now on.
    pub(crate) fn expect_offer(&self, is_expected: bool) {
        self.sharing.expect(&self.fd, is_expected);
    }

    /// Takes the offer that has come, of rings of this capacity, and receives by them from now on.
    pub(crate) fn accept_offer(&self, capacity: u32) -> io::Result<()> {
        self.sharing.accept(&self.fd, capacity)
    }

    /// The peer has sent its last bytes on the socket: what comes next comes by memory. Whether there is any.
    #[cfg(feature = "tokio")]
    pub(crate) fn receive_by_memory(&self) -> bool {
        self.sharing.receive_by_memory()
    }

    /// This side has sent its last bytes on the socket: the next ones go by memory, where there is any.
    pub(crate) fn send_by_memory(&self) {
        self.sharing.send_by_memory();
    }

    /// Whether something may be there to receive of which no wait tells: before one who only watches the stream waits, it receives
    /// until that would block.
    #[inline(always)]
    pub(crate) fn may_have_more(&self) -> bool {
        !self.sharing.is_plain() && self.sharing.may_have_more()
    }

    /// Whether a wait tells of all that is there and that comes. Where it would not, as nothing has said yet that this side sleeps, this
    /// says so, and looks once more.
    #[inline(always)]
    pub(crate) fn falls_asleep(&self) -> bool {
        self.sharing.is_plain() || self.sharing.falls_asleep()
    }

    /// Whether readiness tells of room to send. Where it may not, one who waits for room looks by himself from time to time.
    #[cfg(feature = "tokio")]
    pub(crate) fn hears_of_room(&self) -> bool {
        self.sharing.is_plain() || self.sharing.hears_of_room()
    }

    /// For the one who receives, when it waits for room and does not receive meanwhile: what only woke it is thrown away.
    #[cfg(feature = "tokio")]
    pub(crate) fn clear_bells(&self) {
        if !self.sharing.is_plain() {
            self.sharing.clear_bells(&self.fd);
        }
    }

    /// Whether a wait for room is one for bytes that come: the peer says so by one.
    #[cfg_attr(target_os = "macos", expect(dead_code, reason = "no stream shares memory there"))]
    pub(super) fn tells_room_by_bytes(&self) -> bool {
        !self.sharing.is_plain() && self.sharing.sends()
    }

    /// How many of the last bytes that were sent the peer has not taken and never will, where the stream has ended. 0 where that is
    /// not known.
    pub(crate) fn untaken(&self) -> u64 {
        if self.sharing.is_plain() { 0 } else { self.sharing.untaken(&self.fd) }
    }
}

impl Wait {
    pub(super) fn flags(self) -> RecvFlags {
        match self {
            Wait::No | Wait::Poll => RecvFlags::DONTWAIT,
            Wait::Yes => RecvFlags::empty(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The kernel takes a timeout of zero for 'for ever'.
fn at_least_a_microsecond(timeout: Duration) -> Duration {
    timeout.max(Duration::from_micros(1))
}
