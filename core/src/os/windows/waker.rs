//! Something that one thread sets for another one's wait.

use std::io;

use windows_sys::Win32::Foundation::HANDLE;

use super::event::Event;
use super::waitable::number_of;
use crate::os::RawWaitable;

/// Ends a wait in another thread, or tells an event loop to look: signalled from [`wake`](Waker::wake) until
/// [`clear`](Waker::clear). Threads may share it.
#[derive(Debug)]
pub struct Waker(Event);

impl Waker {
    /// One that is not signalled yet. An error means that the process or the system is out of handles.
    pub fn new() -> io::Result<Waker> {
        Event::new().map(Waker)
    }

    /// Signals it. Does not wait.
    pub fn wake(&self) {
        self.0.set();
    }

    /// Takes the signal back, if there is one. Does not wait.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// What an event loop waits for, for as long as this lives: the number of an event's handle.
    pub fn raw_waitable(&self) -> RawWaitable {
        number_of(self.0.handle())
    }

    /// Whether this process made it.
    pub(crate) fn is_ours(&self) -> bool {
        true
    }

    pub(super) fn handle(&self) -> HANDLE {
        self.0.handle()
    }
}
