//! Many sockets and a clock behind one descriptor that somebody else's event loop watches.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, kevent_timespec, kqueue};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

pub(crate) use super::super::bell::Bell;
use super::super::fork::ForkFd;
use super::super::ready;
pub(crate) use super::super::ready::Readiness;
use super::super::stream::Stream;
use super::super::waker::Waker;
use crate::os::interest::Interest;

/// The number of the clock among the timers.
const CLOCK: isize = 0;
/// The token that tells that the bell was rung.
pub(crate) const RUNG: u64 = u64::MAX - 1;
/// How many sockets one look finds.
const AT_ONCE: usize = 64;
/// The longest time that the clock is set to: a kernel keeps it in 63 bits of nanoseconds.
const LONGEST: Duration = Duration::from_secs(1 << 32);

/// Its descriptor is readable while a watched socket is ready or the time has come.
#[derive(Debug)]
pub(crate) struct Poller {
    kqueue: Arc<ForkFd>,
    armed: Option<Instant>,
    /// Once it was asked for.
    bell: Option<Bell>,
}

impl Poller {
    /// Whether it looks at hundreds of sockets as quickly as at one.
    #[cfg(feature = "tokio")]
    pub(crate) const SERVES_MANY: bool = true;

    pub(crate) fn new() -> io::Result<Poller> {
        let kqueue = ForkFd::open(kqueue)?;
        fcntl_setfd(&kqueue, FdFlags::CLOEXEC)?;
        Ok(Poller { kqueue: Arc::new(kqueue), armed: None, bell: None })
    }

    /// Watches a socket for what can be received, and for room to send if `room`. Dropping the socket
    /// ends it.
    pub(crate) fn watch(&self, socket: &Stream, token: u64, room: bool) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        self.change(&[event(EventFilter::Read(fd), EventFlags::ADD, token)])?;
        let flags = if room { EventFlags::ADD } else { EventFlags::DELETE };
        match self.change(&[event(EventFilter::Write(fd), flags, token)]) {
            Err(Errno::NOENT) if !room => Ok(()),
            done => Ok(done?),
        }
    }

    /// Changes whether room to send is watched for.
    pub(crate) fn watch_again(&self, socket: &Stream, token: u64, room: bool) -> io::Result<()> {
        self.watch(socket, token, room)
    }

    /// Ends it for a socket that lives on elsewhere.
    pub(crate) fn forget(&self, socket: &Stream) {
        let fd = socket.as_raw_fd();
        for filter in [EventFilter::Read(fd), EventFilter::Write(fd)] {
            let _never_watched = self.change(&[event(filter, EventFlags::DELETE, 0)]);
        }
    }

    /// What other threads make the descriptor readable by: one for each poller, made when it is first asked for.
    pub(crate) fn bell(&mut self) -> io::Result<Bell> {
        if let Some(bell) = &self.bell {
            return Ok(bell.clone());
        }
        let waker = Arc::new(Waker::new()?);
        self.change(&[event(EventFilter::Read(waker.as_fd().as_raw_fd()), EventFlags::ADD, RUNG)])?;
        Ok(self.bell.insert(Bell(waker)).clone())
    }

    /// Sets the time at which the descriptor becomes readable; `None` is never.
    pub(crate) fn arm(&mut self, at: Option<Instant>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        match at {
            Some(at) => self.set_clock(at.saturating_duration_since(Instant::now()))?,
            None => match self.change(&[clock(None, EventFlags::DELETE)]) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            },
        }
        self.armed = at;
        Ok(())
    }

    fn set_clock(&self, left: Duration) -> Result<(), Errno> {
        let left = left.min(LONGEST);
        // `EventFilter` makes whole seconds of a time that has less than a millisecond besides.
        let left = if left.subsec_millis() == 0 { left + Duration::from_millis(1) } else { left };
        self.change(&[clock(Some(left), EventFlags::ADD | EventFlags::ONESHOT)])
    }

    /// The time that is set.
    pub(crate) fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// The tokens of the sockets that are ready now, without waiting; [`RUNG`] where the bell was rung since this was last asked.
    pub(crate) fn ready(&self, tokens: &mut Vec<u64>) -> io::Result<()> {
        let mut events = [const { MaybeUninit::<Event>::uninit() }; AT_ONCE];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: no change is asked for; the descriptors that are watched were open when they were added, and the
        // kernel forgets each when it is closed.
        let (ready, _) = match unsafe { kevent_timespec(&*self.kqueue, &[], &mut events, Some(&now)) } {
            Ok(found) => found,
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let mut time_has_come = false;
        for event in ready.iter() {
            match event.filter() {
                EventFilter::Timer { .. } => time_has_come = true,
                _ => {
                    let token = event.udata().addr() as u64;
                    // A socket that can be received from and sent to has two.
                    if !tokens.contains(&token) {
                        tokens.push(token);
                    }
                    if token == RUNG {
                        self.bell.iter().for_each(|bell| bell.0.clear());
                    }
                }
            }
        }
        if time_has_come {
            // It was told of, and stays true until another time is set.
            self.set_clock(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Waits until something is ready; `false` when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        ready::wait_for(self, Interest::Read, timeout)
    }

    /// A second hold on what is watched, for a thread that waits while another one uses the poller: the same descriptor.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.kqueue))
    }

    fn change(&self, changes: &[Event]) -> Result<(), Errno> {
        let mut none = [const { MaybeUninit::<Event>::uninit() }; 0];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: what is added is a descriptor that the caller holds open, and the kernel forgets it when it is
        // closed.
        unsafe { kevent_timespec(&*self.kqueue, changes, &mut none, Some(&now)) }.map(drop)
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }
}

fn event(filter: EventFilter, flags: EventFlags, token: u64) -> Event {
    // A number, which the kernel only hands back.
    Event::new(filter, flags, ptr::without_provenance_mut(token as usize))
}

fn clock(left: Option<Duration>, flags: EventFlags) -> Event {
    event(EventFilter::Timer { ident: CLOCK, timer: left }, flags, 0)
}
