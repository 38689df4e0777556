//! Many sockets and a clock behind one descriptor that somebody else's event loop watches.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

pub(crate) use super::super::bell::Bell;
use super::super::fork::ForkFd;
pub(crate) use super::super::ready::Readiness;
use super::super::ready::{self, timespec};
use super::super::stream::Stream;
use super::super::waker::Waker;
use crate::os::interest::Interest;

/// The token of the clock.
const CLOCK: u64 = u64::MAX;
/// The token that tells that the bell was rung.
pub(crate) const RUNG: u64 = u64::MAX - 1;
/// How many sockets one look finds.
const AT_ONCE: usize = 64;

/// Its descriptor is readable while a watched socket is ready or the time has come.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Arc<ForkFd>,
    clock: ForkFd,
    armed: Option<Instant>,
    /// Once it was asked for.
    bell: Option<Bell>,
}

impl Poller {
    /// Whether it looks at hundreds of sockets as quickly as at one.
    #[cfg(feature = "tokio")]
    pub(crate) const SERVES_MANY: bool = true;

    pub(crate) fn new() -> io::Result<Poller> {
        let poller = ForkFd::open(|| epoll::create(epoll::CreateFlags::CLOEXEC))?;
        let clock =
            ForkFd::open(|| timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK))?;
        epoll::add(&poller, &clock, epoll::EventData::new_u64(CLOCK), epoll::EventFlags::IN)?;
        Ok(Poller { epoll: Arc::new(poller), clock, armed: None, bell: None })
    }

    /// Watches a socket for what can be received, and for room to send if `room`. Dropping the socket
    /// ends it.
    pub(crate) fn watch(&self, socket: &Stream, token: u64, room: bool) -> io::Result<()> {
        match epoll::add(&*self.epoll, socket, epoll::EventData::new_u64(token), flags(socket, room)) {
            // One that the kernel would not let go of before.
            Err(rustix::io::Errno::EXIST) => self.watch_again(socket, token, room),
            result => Ok(result?),
        }
    }

    /// Changes whether room to send is watched for.
    pub(crate) fn watch_again(&self, socket: &Stream, token: u64, room: bool) -> io::Result<()> {
        Ok(epoll::modify(&*self.epoll, socket, epoll::EventData::new_u64(token), flags(socket, room))?)
    }

    /// Ends it for a socket that lives on elsewhere.
    pub(crate) fn forget(&self, socket: &Stream) {
        let _never_watched = epoll::delete(&*self.epoll, socket);
    }

    /// What other threads make the descriptor readable by: one for each poller, made when it is first asked for.
    pub(crate) fn bell(&mut self) -> io::Result<Bell> {
        if let Some(bell) = &self.bell {
            return Ok(bell.clone());
        }
        let waker = Arc::new(Waker::new()?);
        epoll::add(&*self.epoll, &*waker, epoll::EventData::new_u64(RUNG), epoll::EventFlags::IN)?;
        Ok(self.bell.insert(Bell(waker)).clone())
    }

    /// Sets the time at which the descriptor becomes readable; `None` is never.
    pub(crate) fn arm(&mut self, at: Option<Instant>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        let after = match at {
            // All zero would turn the clock off.
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
                timespec(left)
            }
            None => Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        let value = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: after };
        timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &value)?;
        self.armed = at;
        Ok(())
    }

    /// The time that is set.
    pub(crate) fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// The tokens of the sockets that are ready now, without waiting; [`RUNG`] where the bell was rung since this was last asked.
    pub(crate) fn ready(&self, tokens: &mut Vec<u64>) -> io::Result<()> {
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; AT_ONCE];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&*self.epoll, &mut events, Some(&now)) {
            Ok((ready, _)) => {
                for event in &*ready {
                    match event.data.u64() {
                        CLOCK => {}
                        RUNG => {
                            self.bell.iter().for_each(|bell| bell.0.clear());
                            tokens.push(RUNG);
                        }
                        token => tokens.push(token),
                    }
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Waits until something is ready; `false` when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        ready::wait_for(self, Interest::Read, timeout)
    }

    /// A second hold on what is watched, for a thread that waits while another one uses the poller: the same descriptor.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.epoll))
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn flags(socket: &Stream, room: bool) -> epoll::EventFlags {
    if room && !socket.tells_room_by_bytes() {
        epoll::EventFlags::IN | epoll::EventFlags::OUT
    } else {
        epoll::EventFlags::IN
    }
}
