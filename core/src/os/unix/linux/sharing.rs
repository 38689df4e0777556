//! A stream whose bytes go through memory that its two processes share, in one direction or both.
//!
//! The socket stays: one byte on it wakes a side that sleeps, whatever that waits in, and its end is the end of the stream. Bytes
//! that arrive on it after a direction has gone over to memory mean nothing else.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
};
use rustix::thread::futex;

use super::super::fork::{self, ForkFd};
use super::super::ready::{self, timespec};
use super::super::waker::Waker;
use super::memory::{self, Memory};
use super::ring::{DOORBELL, FUTEX, Put, Receiver, Sender, Took, Words};
use super::sockets;
use super::turns::Turns;
use crate::lock::lock;
use crate::os::interest::Interest;
use crate::os::transfer::Wait;

/// The capacity of a ring, in bytes.
const CAPACITY: usize = 256 << 10;
/// What one stream's memory takes, in bytes.
pub(crate) const SHARED_BYTES: usize = memory::size(CAPACITY);

/// Whether processes of this system can share memory at all.
pub(in crate::os) const CAN_SHARE: bool = true;

/// What of a stream goes by memory, as bits of [`Sharing::state`].
const RECEIVES: u8 = 1;
const SENDS: u8 = 2;
/// The peer's descriptor is to come on the socket.
const EXPECTS: u8 = 4;

/// A sender looks this often whether its peer is still there, in milliseconds.
const LOOK_EVERY: u64 = 8;
/// How long a thread that waits for room tries before it sleeps.
const SPIN: Duration = Duration::from_micros(20);
/// How long it sleeps at a time: then it looks whether its peer is still there.
const NAP: Duration = Duration::from_millis(8);
/// How long a sender waits for the word of one who closes at that moment.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a stream has besides its socket.
#[derive(Debug, Default)]
pub(in crate::os) struct Sharing {
    /// Which directions go by memory, as bits; once set they stay. Written by the thread that drives the stream, with release after
    /// `rings`; who sees a bit by acquire sees these.
    state: AtomicU8,
    rings: OnceLock<Box<Rings>>,
    /// The peer's descriptor, from the receive that it came with to its use.
    came: Mutex<Option<ForkFd>>,
    /// A descriptor that keeps a place for the peer's, from the question for it until it comes. Written by the thread that receives.
    place: Mutex<Option<ForkFd>>,
}

/// Memory that was made for a peer who has not been told yet.
#[derive(Debug)]
pub(crate) struct Offer {
    rings: Box<Rings>,
    fd: ForkFd,
}

impl Offer {
    /// The capacity of each of the two rings, in bytes.
    pub(crate) fn capacity(&self) -> u32 {
        CAPACITY as u32
    }
}

/// Both rings, and what this side knows of them.
struct Rings {
    memory: Memory,
    /// Which one this side sends by: 0 or 1. It receives by the other.
    nth: usize,
    sender: Sender,
    receiver: Receiver,
    /// What is known of letting the peer run.
    turns: Turns,
    /// Nothing more is sent. Written by any thread, before it ends the socket; relaxed.
    said_last: AtomicBool,
    /// The peer has gone: the socket has said so, or it has closed without a word. Written by the thread that sends; relaxed.
    has_gone: AtomicBool,
    /// When it was made: from then on `asked_at` counts. The standard library's clock, and not the system call's own: under valgrind only
    /// that one is there.
    made_at: Instant,
    /// When the socket was last asked, in milliseconds. Written by the thread that sends; relaxed.
    asked_at: AtomicU64,
}

impl Rings {
    fn new(memory: Memory, nth: usize) -> Box<Rings> {
        let capacity = memory.capacity() as u64;
        Box::new(Rings {
            memory,
            nth,
            sender: Sender::new(capacity),
            receiver: Receiver::new(capacity),
            turns: Turns::new(),
            said_last: AtomicBool::new(false),
            has_gone: AtomicBool::new(false),
            made_at: Instant::now(),
            // Long ago: the first send asks.
            asked_at: AtomicU64::new(0_u64.wrapping_sub(LOOK_EVERY)),
        })
    }

    fn sent(&self) -> &Words {
        self.memory.words(self.nth)
    }

    fn received(&self) -> &Words {
        self.memory.words(1 - self.nth)
    }

    fn put(&self, bytes: &[u8]) -> Put {
        self.sender.put(self.sent(), bytes.len(), |at, from, count| {
            self.memory.copy_in(self.nth, at, &bytes[from..from + count]);
        })
    }

    fn take(&self, to: &mut [MaybeUninit<u8>]) -> Took {
        let most = to.len();
        self.receiver.take(self.received(), most, |at, offset, count| {
            let to = &mut to[offset..offset + count];
            // SAFETY: `to` is that many bytes of this process, which may be written.
            unsafe { self.memory.copy_out(1 - self.nth, at, to.as_mut_ptr().cast(), count) };
        })
    }

    /// Fails where the peer has gone, of which the socket is asked now and then: who sends much hears of it in time, and who has
    /// sent nothing for a while does before anything is in.
    fn check_peer(&self, socket: &ForkFd) -> io::Result<()> {
        let now = self.made_at.elapsed().as_millis() as u64;
        if now.wrapping_sub(self.asked_at.load(Ordering::Relaxed)) >= LOOK_EVERY {
            self.asked_at.store(now, Ordering::Relaxed);
            self.ask_socket(socket);
        }
        if self.has_gone.load(Ordering::Relaxed) || self.said_last.load(Ordering::Relaxed) {
            return Err(Errno::PIPE.into());
        }
        Ok(())
    }

    /// Notes whether the peer has gone.
    fn ask_socket(&self, socket: &ForkFd) -> bool {
        let has_gone = ready::hung_up(socket);
        if has_gone {
            self.has_gone.store(true, Ordering::Relaxed);
        }
        has_gone
    }

    fn send(&self, socket: &ForkFd, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.put(&bytes[sent..]) {
                Put::Some { count, rings } => {
                    sent += count;
                    if rings {
                        self.ring(socket);
                    }
                }
                Put::Full if sent > 0 => break,
                Put::Full if self.sender.want(self.sent(), DOORBELL) => return Err(Errno::AGAIN.into()),
                Put::Full => {}
                Put::Closing { count } => {
                    let taken = self.last_word(socket, count);
                    sent += taken;
                    if taken < count {
                        return if sent > 0 { Ok(sent) } else { Err(Errno::PIPE.into()) };
                    }
                }
                Put::Closed if sent > 0 => break,
                Put::Closed => return Err(Errno::PIPE.into()),
                Put::Broken => return Err(broken()),
            }
        }
        Ok(sent)
    }

    /// How many of the last `count` bytes the peer takes, who has closed at that moment. Where it does not say, all of them: then
    /// nobody sends them again.
    #[cold]
    fn last_word(&self, socket: &ForkFd, count: usize) -> usize {
        let began = Instant::now();
        loop {
            if let Some(taken) = self.sender.taken_of(self.sent(), count) {
                return taken;
            }
            if self.ask_socket(socket) {
                return count;
            }
            if began.elapsed() >= LAST_WORD {
                // It closes without saying where: nothing more is sent to it, and nobody waits for it a second time.
                self.has_gone.store(true, Ordering::Relaxed);
                return count;
            }
            std::thread::yield_now();
        }
    }

    /// Wakes the peer who sleeps in a wait on the socket. Where that takes nothing more, there is something to wake it already.
    #[cold]
    fn ring(&self, socket: &ForkFd) {
        if let Err(Errno::PIPE | Errno::CONNRESET) = rustix::net::send(socket, &[0], sockets::SEND) {
            self.ask_socket(socket);
        }
    }

    /// Wakes the peer who waits for room, as its bits say.
    #[cold]
    fn wake(&self, socket: &ForkFd, wanted: u32) {
        if wanted & FUTEX != 0 {
            let _nobody_waits_any_more = futex::wake(self.received().wanted(), futex::Flags::empty(), 1);
        }
        if wanted & DOORBELL != 0 {
            self.ring(socket);
        }
    }

    /// Receives; whether this side `may_ring`: not while its own bytes still go by the socket, where a bell would be one of them.
    fn receive(
        &self,
        socket: &ForkFd,
        to: &mut [MaybeUninit<u8>],
        wait: Wait,
        may_ring: impl FnOnce() -> bool,
    ) -> io::Result<usize> {
        let mut has_ended = false;
        let mut has_let_run = false;
        loop {
            match self.take(to) {
                Took::Some { count, wanted } => {
                    if wanted != 0 {
                        self.wake(socket, if may_ring() { wanted } else { wanted & FUTEX });
                    }
                    return Ok(count);
                }
                Took::Ended => return Ok(0),
                Took::Broken => return Err(broken()),
                Took::Empty if has_ended => return Ok(0),
                Took::Empty => {}
            }
            match wait {
                Wait::Poll => return Err(Errno::AGAIN.into()),
                Wait::No => {
                    has_ended = self.clear_bell(socket, RecvFlags::DONTWAIT)?;
                    if !has_ended && self.receiver.sleep(self.received()) {
                        return Err(Errno::AGAIN.into());
                    }
                }
                Wait::Yes if !std::mem::replace(&mut has_let_run, true) && self.let_peer_run() => {}
                Wait::Yes if self.receiver.sleep(self.received()) => {
                    has_ended = self.clear_bell(socket, RecvFlags::empty())?;
                }
                Wait::Yes => {}
            }
        }
    }

    /// Before this side sleeps: lets the peer run, where that waits on the same processor. Whether something has come of it.
    fn let_peer_run(&self) -> bool {
        let has_come = || self.receiver.there(self.received()) != Some(0);
        self.turns.let_run(self.received().place(), self.sent().place(), has_come)
    }

    /// Receives what has rung: with waiting where the socket is set so. Whether the stream has ended.
    fn clear_bell(&self, socket: &ForkFd, flags: RecvFlags) -> io::Result<bool> {
        let mut bells = [MaybeUninit::<u8>::uninit(); 256];
        match rustix::net::recv(socket, &mut bells[..], flags) {
            Ok(((bells, _), _)) => Ok(bells.is_empty()),
            Err(Errno::AGAIN) if flags.contains(RecvFlags::DONTWAIT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until there is room to send; `false` where the time is over or a signal came.
    fn wait_for_room(&self, socket: &ForkFd, timeout: Option<Duration>) -> io::Result<bool> {
        let began = Instant::now();
        while began.elapsed() < SPIN {
            if self.sender.has_room(self.sent()) {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        loop {
            if !self.sender.want(self.sent(), FUTEX) {
                return Ok(true);
            }
            let nap = timeout.map_or(NAP, |timeout| timeout.saturating_sub(began.elapsed()).min(NAP));
            if nap.is_zero() {
                return Ok(false);
            }
            let wanted = self.sent().wanted();
            let seen = wanted.load(Ordering::Relaxed);
            if seen & FUTEX != 0 {
                match futex::wait(wanted, futex::Flags::empty(), seen, Some(&timespec(nap))) {
                    Ok(()) | Err(Errno::AGAIN | Errno::TIMEDOUT) => {}
                    Err(Errno::INTR) => return Ok(false),
                    Err(errno) => return Err(errno.into()),
                }
            }
            // Who has gone takes nothing: the send that follows says so.
            if self.sender.has_room(self.sent()) || self.ask_socket(socket) {
                return Ok(true);
            }
        }
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        if self.memory.is_ours() {
            self.receiver.abandon(self.received());
        }
    }
}

impl std::fmt::Debug for Rings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rings").field("memory", &self.memory).field("nth", &self.nth).finish_non_exhaustive()
    }
}

#[cold]
fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the peer wrote a position into shared memory that cannot be")
}

impl Sharing {
    /// Whether all goes by the socket, and nothing else comes with it.
    #[inline(always)]
    pub(in crate::os) fn is_plain(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
    }

    fn rings_if(&self, bit: u8) -> Option<&Rings> {
        if self.state.load(Ordering::Acquire) & bit == 0 {
            return None;
        }
        self.rings.get().map(|rings| &**rings)
    }

    fn begin(&self, rings: Box<Rings>, bit: u8) -> io::Result<()> {
        self.rings.set(rings).map_err(|_| io::Error::from(Errno::ALREADY))?;
        self.state.fetch_or(bit, Ordering::Release);
        Ok(())
    }

    /// Makes memory that the peer may be offered.
    pub(in crate::os) fn make() -> io::Result<Offer> {
        let (memory, fd) = Memory::make(CAPACITY)?;
        Ok(Offer { rings: Rings::new(memory, 0), fd })
    }

    /// Sends `last` on the socket, with the descriptor of the memory; all else that is sent goes by that. 'Would block' says that
    /// nothing has changed.
    pub(in crate::os) fn send_offer(&self, socket: &ForkFd, last: &[u8], offer: Offer) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [offer.fd.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let sent = rustix::net::sendmsg(socket, &[IoSlice::new(last)], &mut control, sockets::SEND)?;
        if sent != last.len() {
            return Err(io::Error::other("the socket took a part of a few bytes"));
        }
        self.begin(offer.rings, SENDS)
    }

    /// Whether the peer's descriptor may come with what is received from now on.
    pub(in crate::os) fn expect(&self, socket: &ForkFd, is_expected: bool) {
        if is_expected {
            self.state.fetch_or(EXPECTS, Ordering::Relaxed);
            *lock(&self.place) = socket.duplicate().ok();
        } else {
            self.state.fetch_and(!EXPECTS, Ordering::Relaxed);
            *lock(&self.place) = None;
        }
    }

    /// Maps the memory whose descriptor has come, and receives by that from now on.
    pub(in crate::os) fn accept(&self, socket: &ForkFd, capacity: u32) -> io::Result<()> {
        let fd = lock(&self.came).take().ok_or_else(|| io::Error::other("no memory came with the offer of it"))?;
        let memory = Memory::take(&fd, usize::try_from(capacity).unwrap_or(0))?;
        self.begin(Rings::new(memory, 1), RECEIVES)?;
        self.expect(socket, false);
        Ok(())
    }

    /// The peer has sent its last bytes on the socket: the next ones come by memory. Whether there is any.
    pub(in crate::os) fn receive_by_memory(&self) -> bool {
        self.rings.get().is_some() && self.state.fetch_or(RECEIVES, Ordering::Release) & RECEIVES == 0
    }

    /// This side has sent its last bytes on the socket: the next ones go by memory, where there is any.
    pub(in crate::os) fn send_by_memory(&self) {
        if self.rings.get().is_some() {
            self.state.fetch_or(SENDS, Ordering::Release);
        }
    }

    /// Whether sending goes by memory, and readiness of the socket says nothing of room.
    pub(in crate::os) fn sends(&self) -> bool {
        self.rings_if(SENDS).is_some()
    }

    /// Whether something may be there of which the socket will not tell.
    pub(in crate::os) fn may_have_more(&self) -> bool {
        self.rings_if(RECEIVES).is_some_and(|rings| rings.receiver.is_awake())
    }

    /// Whether the socket will tell of all that is there and that comes.
    pub(in crate::os) fn falls_asleep(&self) -> bool {
        let Some(rings) = self.rings_if(RECEIVES).filter(|rings| rings.memory.is_ours()) else { return true };
        !rings.receiver.is_awake() || rings.receiver.sleep(rings.received())
    }

    /// Whether the peer rings when there is room again: not while its own bytes still go by the socket.
    pub(in crate::os) fn hears_of_room(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (SENDS | RECEIVES) != SENDS
    }

    /// Throws away the bells that have come, for one who waits for room and does not receive meanwhile: the socket holds so many only.
    pub(in crate::os) fn clear_bells(&self, socket: &ForkFd) {
        if let Some(rings) = self.rings_if(RECEIVES) {
            let _the_next_receive_sees_the_end = rings.clear_bell(socket, RecvFlags::DONTWAIT);
            rings.receiver.hear();
        }
    }

    /// How many bytes the peer has not taken and never will, whose end the socket has said. 0 where that is not known.
    pub(in crate::os) fn untaken(&self, socket: &ForkFd) -> u64 {
        let Some(rings) = self.rings_if(SENDS).filter(|rings| rings.memory.is_ours()) else { return 0 };
        rings.sender.untaken(rings.sent(), ready::hung_up(socket))
    }

    pub(in crate::os) fn receive(&self, socket: &ForkFd, to: &mut [MaybeUninit<u8>], wait: Wait) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        check_process(socket)?;
        match self.rings_if(RECEIVES) {
            Some(rings) => rings.receive(socket, to, wait, || self.sends()),
            None if self.state.load(Ordering::Relaxed) & EXPECTS != 0 => self.receive_with_descriptor(socket, to, wait),
            // All that there is room for: a receive that brings less says that there was no more.
            None => Ok(rustix::net::recv(socket, to, wait.flags())?.0.0.len()),
        }
    }

    /// Receives from the socket, and keeps the descriptor that comes with it.
    fn receive_with_descriptor(&self, socket: &ForkFd, to: &mut [MaybeUninit<u8>], wait: Wait) -> io::Result<usize> {
        let mut bytes = [0; 16 << 10];
        let most = to.len().min(bytes.len());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        if wait == Wait::Yes {
            // It waits with the place kept.
            rustix::net::recv(socket, &mut [0; 1][..], RecvFlags::PEEK)?;
        }
        *lock(&self.place) = None;
        let flags = wait.flags() | RecvFlags::CMSG_CLOEXEC;
        let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes[..most])], &mut control, flags);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                for fd in fds {
                    *lock(&self.came) = Some(memory::adopt(fd)?);
                }
            }
        }
        if lock(&self.came).is_none() {
            *lock(&self.place) = socket.duplicate().ok();
        }
        let received = received?;
        if received.flags.contains(ReturnFlags::CTRUNC) {
            // The peer sends by memory from now on, which this process has no descriptor left for.
            return Err(Errno::MFILE.into());
        }
        let received = received.bytes;
        for (to, byte) in to.iter_mut().zip(&bytes[..received]) {
            to.write(*byte);
        }
        Ok(received)
    }

    pub(in crate::os) fn peek(&self, socket: &ForkFd, to: &mut [u8]) -> io::Result<usize> {
        check_process(socket)?;
        let Some(rings) = self.rings_if(RECEIVES) else {
            let (_, there) = rustix::net::recv(socket, to, RecvFlags::DONTWAIT | RecvFlags::PEEK)?;
            return Ok(there);
        };
        let most = to.len();
        let looked = rings.receiver.look(rings.received(), most, |at, offset, count| {
            let to = &mut to[offset..offset + count];
            // SAFETY: `to` is that many bytes of this function's caller.
            unsafe { rings.memory.copy_out(1 - rings.nth, at, to.as_mut_ptr(), count) };
        });
        match looked {
            Some(count @ 1..) => Ok(count),
            Some(0) => match rustix::net::recv(socket, &mut [0; 1][..], RecvFlags::DONTWAIT | RecvFlags::PEEK)? {
                (_, 0) => Ok(0),
                // A bell that nobody has heard yet; behind it may be the end.
                _ if ready::hung_up(socket) => Ok(0),
                _ => Err(Errno::AGAIN.into()),
            },
            None => Err(Errno::AGAIN.into()),
        }
    }

    /// Sends `head` and then `body` as far as they go; `None` where sending goes by the socket.
    pub(in crate::os) fn send(&self, socket: &ForkFd, head: &[u8], body: &[u8]) -> Option<io::Result<usize>> {
        let rings = self.rings_if(SENDS)?;
        Some((|| {
            check_process(socket)?;
            rings.check_peer(socket)?;
            let sent = rings.send(socket, head)?;
            if sent < head.len() || body.is_empty() {
                return Ok(sent);
            }
            match rings.send(socket, body) {
                Ok(count) => Ok(sent + count),
                Err(_) if sent > 0 => Ok(sent),
                Err(error) => Err(error),
            }
        })())
    }

    /// Waits as [`ready::wait`] does.
    pub(in crate::os) fn wait(
        &self,
        socket: &ForkFd,
        interest: Interest,
        wakers: &[Arc<Waker>],
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        check_process(socket)?;
        let sends = self.rings_if(SENDS).filter(|_| interest != Interest::Read);
        if interest != Interest::Write
            && let Some(rings) = self.rings_if(RECEIVES)
            && (rings.let_peer_run() || !rings.receiver.sleep(rings.received()))
        {
            return Ok(true);
        }
        let Some(rings) = sends else {
            return ready::wait(socket, interest, wakers.iter().map(|waker| &**waker as &dyn AsFd), timeout);
        };
        if interest == Interest::Write && wakers.is_empty() {
            return rings.wait_for_room(socket, timeout);
        }
        if !rings.sender.want(rings.sent(), DOORBELL) {
            return Ok(true);
        }
        let wakers = wakers.iter().map(|waker| &**waker as &dyn AsFd);
        let is_ready = ready::wait(socket, Interest::Read, wakers, timeout)?;
        if is_ready && interest == Interest::Write && !rings.sender.has_room(rings.sent()) {
            // It is readable for somebody else, and stays so until that one receives.
            std::thread::sleep(timeout.map_or(NAP, |timeout| timeout.min(NAP)));
        }
        Ok(is_ready)
    }

    /// Before the socket is shut for sending.
    pub(in crate::os) fn say_last(&self) {
        if let Some(rings) = self.rings.get() {
            rings.said_last.store(true, Ordering::Relaxed);
        }
    }

    /// Before the socket is shut for receiving: what has been sent is still taken.
    pub(in crate::os) fn close_when_empty(&self) {
        if let Some(rings) = self.rings.get().filter(|rings| rings.memory.is_ours()) {
            rings.receiver.close_when_empty(rings.received());
        }
    }

    /// Before the socket is shut both ways: nothing more is taken.
    pub(in crate::os) fn give_up(&self) {
        if let Some(rings) = self.rings.get() {
            rings.said_last.store(true, Ordering::Relaxed);
            rings.receiver.give_up();
        }
    }
}

/// A forked child has neither the socket nor the memory.
fn check_process(socket: &ForkFd) -> io::Result<()> {
    if socket.born() == fork::generation() { Ok(()) } else { Err(Errno::NOTCONN.into()) }
}
