//! The replies of a queue: what C has freed serves the next ones, so that a request and its answer take no memory anew.

use std::sync::{Arc, Mutex};

use simple_ipc::Message;

use crate::message::sipc_message;

/// The most replies whose memory is kept, and the most bytes of a body that is kept with one.
const MOST: usize = 128;
const MOST_BYTES: usize = 512;

/// A reply that C has freed, in the box that it gets the next one in.
struct Spare(Box<sipc_message>);

/// Replies that C has freed, until their queue takes them; `None` once the queue is gone. Written by whoever frees one. Nobody
/// waits for the lock: in a forked child it may be held for ever by a thread that is not there.
#[derive(Default)]
pub(crate) struct Freed(Mutex<Option<Vec<Spare>>>);

impl Freed {
    /// Takes the memory of a reply back, where its queue is still there and has not enough.
    pub(crate) fn keep(&self, reply: Box<sipc_message>) {
        if reply.len() <= MOST_BYTES
            && let Ok(mut freed) = self.0.try_lock()
            && let Some(freed) = freed.as_mut().filter(|freed| freed.len() < MOST)
        {
            freed.push(Spare(reply));
        }
    }
}

/// Makes the replies of one queue.
pub(super) struct Replies {
    freed: Arc<Freed>,
    /// Those that were taken from there.
    spare: Vec<Spare>,
}

impl Replies {
    pub(super) fn new() -> Replies {
        Replies { freed: Arc::new(Freed(Mutex::new(Some(Vec::new())))), spare: Vec::new() }
    }

    /// Looks what has been freed, where nothing is left of what was.
    pub(super) fn restock(&mut self) {
        if self.spare.is_empty()
            && let Ok(mut freed) = self.freed.0.try_lock()
            && let Some(freed) = freed.as_mut()
        {
            std::mem::swap(freed, &mut self.spare);
        }
    }

    /// A reply for C. The body that was in its memory before comes second.
    #[inline]
    pub(super) fn make(&mut self, message: Message) -> (Box<sipc_message>, Option<Message>) {
        match self.spare.pop() {
            Some(Spare(mut reply)) => {
                let before = reply.refill(message, Arc::clone(&self.freed));
                (reply, before)
            }
            None => (Box::new(sipc_message::of_queue(message, Arc::clone(&self.freed))), None),
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        if let Ok(mut freed) = self.freed.0.try_lock() {
            *freed = None;
        }
    }
}
