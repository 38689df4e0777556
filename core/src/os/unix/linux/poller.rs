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
    /// The time that is set.
    armed: Option<Instant>,
    /// What `clock` is set to, whose interrupts cost more than a turn does: it is left alone while a time that has come is set.
    ticks_at: Option<Instant>,
    /// Set while `armed` is a time that had come already. Made when it is first needed.
    now: Option<Waker>,
    is_now: bool,
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
        Ok(Poller { epoll: Arc::new(poller), clock, armed: None, ticks_at: None, now: None, is_now: false, bell: None })
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
        let has_come = at.is_some_and(|at| at <= Instant::now()) && self.can_be_now();
        if self.is_now != has_come
            && let Some(now) = &self.now
        {
            if has_come {
                now.wake();
            } else {
                now.clear();
            }
            self.is_now = has_come;
        }
        if !has_come && self.ticks_at != at {
            self.set_clock(at)?;
        }
        self.armed = at;
        Ok(())
    }

    /// Whether it can be made readable without the clock.
    fn can_be_now(&mut self) -> bool {
        if self.now.is_none()
            && let Ok(now) = Waker::new()
            && epoll::add(&*self.epoll, &now, epoll::EventData::new_u64(CLOCK), epoll::EventFlags::IN).is_ok()
        {
            self.now = Some(now);
        }
        self.now.is_some()
    }

    fn set_clock(&mut self, at: Option<Instant>) -> io::Result<()> {
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
        self.ticks_at = at;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tells(poller: &Poller) -> bool {
        poller.wait(Some(Duration::ZERO)).unwrap()
    }

    #[test]
    fn a_time_that_has_come_is_told_until_another_one_is_set() {
        let far = Instant::now() + Duration::from_secs(3600);
        let mut poller = Poller::new().unwrap();
        for later in [None, Some(far), Some(far), None] {
            poller.arm(Some(Instant::now())).unwrap();
            assert!(tells(&poller) && tells(&poller));
            poller.ready(&mut Vec::new()).unwrap();
            assert!(tells(&poller), "a look has taken it away");
            poller.arm(later).unwrap();
            assert!(!tells(&poller));
            assert_eq!(poller.armed(), later);
        }
    }

    #[test]
    fn a_time_that_was_set_before_one_that_had_come_comes_all_the_same() {
        let soon = Instant::now() + Duration::from_millis(20);
        let mut poller = Poller::new().unwrap();
        poller.arm(Some(soon)).unwrap();
        poller.arm(Some(Instant::now())).unwrap();
        poller.arm(Some(soon)).unwrap();
        while !poller.wait(Some(Duration::from_secs(60))).unwrap() {}
        assert!(Instant::now() >= soon);
    }
}
