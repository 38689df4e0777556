//! Waiting in the calling thread until descriptors are ready.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::fork::ForkFd;
use super::waker::Waker;
use crate::os::RawWaitable;
use crate::os::interest::Interest;

impl Interest {
    fn flags(self) -> PollFlags {
        match self {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
            Interest::Both => PollFlags::IN | PollFlags::OUT,
        }
    }
}

/// Waits until `first` is ready as asked or one of `others` is readable. Whether `first` is; `false` also where the time
/// is over or a signal came: the caller looks at its deadline and comes again.
pub(super) fn wait<'a>(
    first: impl AsFd,
    interest: Interest,
    others: impl Iterator<Item = &'a dyn AsFd>,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let timeout = timeout.map(timespec);
    let mut fds = vec![PollFd::new(&first, interest.flags())];
    fds.extend(others.map(|other| PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN)));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => Ok(!fds[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until the descriptor is ready as asked; `false` where the time is over or a signal came.
pub(super) fn wait_for(fd: impl AsFd, interest: Interest, timeout: Option<Duration>) -> io::Result<bool> {
    match poll(&mut [PollFd::new(&fd, interest.flags())], timeout.map(timespec).as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Tells when a poller has something ready, whatever it is made of.
#[derive(Debug)]
pub(crate) struct Readiness(pub(super) Arc<ForkFd>);

impl Readiness {
    /// Waits until something is ready; `false` when the time is over or a signal came.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_for(&*self.0, Interest::Read, timeout)
    }

    /// The same; `false` also where `waker` was woken.
    pub(crate) fn wait_or_woken(&self, waker: Option<&Waker>, timeout: Option<Duration>) -> io::Result<bool> {
        wait(&*self.0, Interest::Read, waker.into_iter().map(|waker| waker as &dyn AsFd), timeout)
    }
}

impl Readiness {
    /// What an event loop watches for reading, for as long as this lives.
    pub(crate) fn raw_waitable(&self) -> RawWaitable {
        self.0.as_raw_fd()
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Whether the descriptor is readable at this moment.
pub(super) fn ready_now(fd: impl AsFd) -> bool {
    wait_for(fd, Interest::Read, Some(Duration::ZERO)).is_ok_and(|ready| ready)
}

/// Whether the other end of the descriptor has gone altogether.
pub(super) fn hung_up(fd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::empty())];
    poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
        && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// What is too long for the system is as good as for ever.
pub(super) fn timespec(timeout: Duration) -> Timespec {
    Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i32::MAX.into(), tv_nsec: 0 })
}
