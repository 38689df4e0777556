//! Something that one thread makes readable for another one's wait.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::event::{self, Event};
use super::fork;
use crate::os::RawWaitable;

/// Ends a wait in another thread, or tells an event loop to look: readable from [`wake`](Waker::wake) until
/// [`clear`](Waker::clear). Threads may share it. In a forked child it does nothing.
#[derive(Debug)]
pub struct Waker(Event);

impl Waker {
    /// One that is not readable yet. An error means that the process or the system is out of descriptors.
    pub fn new() -> io::Result<Waker> {
        event::open().map(Waker)
    }

    /// Makes it readable. Does not wait.
    pub fn wake(&self) {
        if self.is_ours() {
            event::set(&self.0);
        }
    }

    /// Makes it unreadable, if it is readable. Does not wait.
    pub fn clear(&self) {
        if self.is_ours() {
            event::clear(&self.0);
        }
    }

    /// What an event loop watches for reading, for as long as this lives.
    pub fn raw_waitable(&self) -> RawWaitable {
        self.0.as_raw_fd()
    }

    /// Whether this process made it, and not one that it was forked from.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.born() == fork::generation()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
