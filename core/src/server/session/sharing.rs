//! Memory that a session shares with its client: when it is given, and by whom it is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Session, Task};
use crate::os::stream::{Offer, SHARED_BYTES};
use crate::protocol::Violation;
use crate::protocol::frame::Header;
use crate::trace::tell;

/// The memory that all sessions of a listener share with their clients.
#[derive(Debug)]
pub(crate) struct Budget {
    /// How many bytes there may be.
    most: usize,
    /// How many bytes there are. Written by whoever makes some or lets it go; relaxed, it is a number on its own.
    used: AtomicUsize,
}

/// A session's part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Part(Arc<Budget>);

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Budget> {
        Arc::new(Budget { most, used: AtomicUsize::new(0) })
    }

    /// How many bytes there are now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(self: &Arc<Budget>) -> Option<Part> {
        let fits = |used: usize| used.checked_add(SHARED_BYTES).filter(|&used| used <= self.most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Part(Arc::clone(self)))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.used.fetch_sub(SHARED_BYTES, Ordering::Relaxed);
    }
}

impl Session {
    /// The client asks for memory, or has gone over to it.
    #[cold]
    pub(super) fn admit_sharing(&self, header: &Header) -> Result<Task, Violation> {
        if !self.knows_sharing {
            return Err(Violation::Malformed("a client speaks of memory whose hello does not say that it knows any"));
        }
        if header.argument != 0 {
            let given = self.memory.get().is_some_and(|memory| memory.bytes == header.argument);
            if !given || !self.socket.receive_by_memory() {
                return Err(Violation::Malformed("a client goes over to memory that it was not given"));
            }
            return Ok(Task::Nothing);
        }
        if self.memory.get().is_some() {
            return Err(Violation::Malformed("a client asks for memory that it has"));
        }
        if !self.give_memory() {
            self.transmit(&Header::share(0), &[], std::time::Duration::ZERO);
        }
        Ok(Task::Nothing)
    }

    /// Gives the client memory where there may be some. Whether that was done.
    fn give_memory(&self) -> bool {
        let is_over = self.state.see().is_to_end() || self.shared.is_closing();
        if is_over || !self.socket.may_share() {
            return false;
        }
        let Some(part) = self.shared.memory.take() else { return false };
        let offer = match self.socket.make_offer() {
            Ok(offer) => offer,
            Err(error) => {
                tell!(DEBUG, "no memory to share", channel: self.shared.channel, error: error);
                return false;
            }
        };
        self.hand_over(part, offer)
    }

    /// Sends the offer behind all that was to be sent; what is sent from now on goes by memory.
    fn hand_over(&self, part: Part, offer: Offer) -> bool {
        let bytes = offer.capacity();
        let frame = Header::share(bytes).encode();
        // Answers of a batch that have gathered go before it.
        self.send_gathered();
        let handed = self.send_queue.hand_over(&self.socket, |socket| socket.send_offer(&frame, offer));
        match handed {
            Ok(true) => {
                let _only_this_driver_gives_any = self.memory.set(Memory { bytes, _part: part });
                true
            }
            // Others are sending: it asks again.
            Ok(false) => false,
            Err(_) => {
                self.lose();
                true
            }
        }
    }
}

/// What a session shares.
#[derive(Debug)]
pub(crate) struct Memory {
    /// How many bytes each direction holds.
    bytes: u32,
    _part: Part,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_shared_than_may_be_and_what_is_given_back_can_be_shared_again() {
        let budget = Budget::new(2 * SHARED_BYTES);
        let one = budget.take().unwrap();
        let _other = budget.take().unwrap();
        assert!(SHARED_BYTES == 0 || budget.take().is_none());
        drop(one);
        assert!(budget.take().is_some());
        assert_eq!(budget.used(), SHARED_BYTES);
        assert!(SHARED_BYTES == 0 || Budget::new(0).take().is_none());
    }
}
