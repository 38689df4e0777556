//! A descriptor that is readable while it is set: a pipe with a byte in it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::ioctl_fionbio;

use super::super::fork::ForkFd;

/// Both ends of the pipe.
#[derive(Debug)]
pub(in crate::os) struct Event {
    readable: ForkFd,
    writable: ForkFd,
}

impl Event {
    pub(in crate::os) fn born(&self) -> u32 {
        self.readable.born()
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}

impl AsRawFd for Event {
    fn as_raw_fd(&self) -> RawFd {
        self.readable.as_raw_fd()
    }
}

pub(in crate::os) fn open() -> io::Result<Event> {
    let mut other = None;
    let readable = ForkFd::open(|| {
        let (readable, writable) = io::pipe()?;
        other = Some(writable);
        Ok::<_, io::Error>(OwnedFd::from(readable))
    })?;
    let writable = ForkFd::open(|| other.take().map(OwnedFd::from).ok_or(io::ErrorKind::NotFound))?;
    for end in [&readable, &writable] {
        ioctl_fionbio(end, true)?;
    }
    Ok(Event { readable, writable })
}

/// A full pipe is readable as well.
pub(in crate::os) fn set(event: &Event) {
    let _set_already = rustix::io::write(&event.writable, &[0]);
}

pub(in crate::os) fn clear(event: &Event) {
    let mut scrap = [0; 64];
    while rustix::io::read(&event.readable, &mut scrap) == Ok(scrap.len()) {}
}
