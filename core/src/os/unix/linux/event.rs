//! A descriptor that is readable while it is set: `eventfd`.

use std::io;

use rustix::event::{EventfdFlags, eventfd};

use super::super::fork::ForkFd;

pub(in crate::os) type Event = ForkFd;

pub(in crate::os) fn open() -> io::Result<Event> {
    Ok(ForkFd::open(|| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))?)
}

/// The counter is full after 2^64 - 2 times without a reader only, and is readable then.
pub(in crate::os) fn set(event: &Event) {
    let _set_already = rustix::io::write(event, &1u64.to_ne_bytes());
}

pub(in crate::os) fn clear(event: &Event) {
    let _nothing_to_clear = rustix::io::read(event, &mut [0; 8]);
}
