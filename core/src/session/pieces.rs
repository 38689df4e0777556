//! Bytes that wait to be sent, in order: small ones beside each other in one place, large bodies in memory that they
//! share with whoever else sends them.

use std::collections::VecDeque;
use std::io;

use crate::message::Message;
use crate::os::stream::interrupted;

/// Bodies up to this many bytes are copied to their headers and neighbours.
pub(crate) const SMALL: usize = 16 << 10;
/// A frame with a body of at most this many bytes is sent from one place.
const ONE_PLACE: usize = 512;
/// How many bytes stand in one place before the next one begins.
const GATHER: usize = 64 << 10;

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Body(Message),
}

impl Piece {
    fn data(&self) -> &[u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Body(message) => message.data(),
        }
    }
}

/// A queue of bytes. Used by one thread at a time.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// What is to be sent before `tail`.
    queue: VecDeque<Piece>,
    /// Where small bytes gather, beside each other.
    tail: Vec<u8>,
    /// How many bytes of the first piece have left.
    sent: usize,
    /// How many bytes wait in all.
    len: usize,
}

impl Pieces {
    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a frame. Of a large body it takes what `shared` returns, a message with this body.
    pub(crate) fn push(&mut self, header: &[u8], body: &[u8], shared: impl FnOnce() -> Message) {
        self.add(header, body, || Piece::Body(shared()));
    }

    /// Adds a frame by copying it.
    #[inline(always)]
    pub(crate) fn push_copy(&mut self, header: &[u8], body: &[u8]) {
        self.add(header, body, || Piece::Bytes(body.to_vec()));
    }

    /// Adds bytes by copying them.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.push_copy(&[], bytes);
    }

    #[inline(always)]
    fn add(&mut self, header: &[u8], body: &[u8], large: impl FnOnce() -> Piece) {
        if body.len() <= SMALL {
            self.tail.reserve(header.len() + body.len());
            self.tail.extend_from_slice(header);
            self.tail.extend_from_slice(body);
            if self.tail.len() >= GATHER {
                self.close_tail();
            }
        } else {
            self.tail.extend_from_slice(header);
            self.close_tail();
            self.queue.push_back(large());
        }
        self.len += header.len() + body.len();
    }

    /// Has what comes next stand in another place.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(Piece::Bytes(std::mem::take(&mut self.tail)));
        }
    }

    /// Sends through `send`, which takes two slices that follow each other and says how many bytes have left. Goes on
    /// until nothing waits, or until an error, which may be 'would block'.
    pub(crate) fn send(&mut self, mut send: impl FnMut(&[u8], &[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.len > 0 {
            let mut pieces = self.queue.iter().map(Piece::data);
            let (first, next) = match pieces.next() {
                Some(first) => (first, pieces.next().unwrap_or(&self.tail)),
                None => (&self.tail[..], &[][..]),
            };
            match send(&first[self.sent..], next) {
                Ok(count) => self.advance(count),
                Err(error) if interrupted(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a frame and sends as [`send`](Pieces::send) does: its body is copied only as far as it does not leave.
    pub(crate) fn push_and_send(
        &mut self,
        header: &[u8],
        body: &[u8],
        mut send: impl FnMut(&[u8], &[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.push_bytes(header);
        let mut rest = body;
        let mut done = Ok(());
        // One copy of a few bytes costs less than a send from two places.
        if body.len() > ONE_PLACE {
            if !self.queue.is_empty() {
                done = self.send(&mut send);
            }
            while done.is_ok() && !rest.is_empty() {
                let head = &self.tail[self.sent..];
                let of_head = head.len();
                match if of_head == 0 { send(rest, &[]) } else { send(head, rest) } {
                    Ok(count) => {
                        rest = &rest[count.saturating_sub(of_head)..];
                        self.advance(count.min(of_head));
                    }
                    Err(error) if interrupted(&error) => {}
                    Err(error) => done = Err(error),
                }
            }
        }
        self.push_bytes(rest);
        done.and_then(|()| self.send(send))
    }

    fn advance(&mut self, count: usize) {
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.queue.front() {
            let len = first.data().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            if let Some(Piece::Bytes(bytes)) = self.queue.pop_front() {
                self.keep_memory(bytes);
            }
        }
        if self.sent == self.tail.len() {
            self.sent = 0;
            let bytes = std::mem::take(&mut self.tail);
            self.keep_memory(bytes);
        }
    }

    /// Has memory serve what comes next, where there is none for that and it is not too much.
    fn keep_memory(&mut self, mut bytes: Vec<u8>) {
        if self.tail.capacity() == 0 && bytes.capacity() <= 4 * GATHER {
            bytes.clear();
            self.tail = bytes;
        }
    }

    /// Adds what another queue holds, which is empty then.
    pub(crate) fn append(&mut self, other: &mut Pieces) {
        debug_assert!(other.sent == 0, "nothing of it has left");
        if other.len > 0 {
            self.close_tail();
            self.queue.append(&mut other.queue);
            self.tail = std::mem::take(&mut other.tail);
            self.len += std::mem::take(&mut other.len);
        }
    }

    /// Takes an empty queue's memory, where this one is empty, too, and has none.
    pub(crate) fn take_memory(&mut self, other: Pieces) {
        debug_assert!(self.len == 0 && other.len == 0, "nothing waits in either");
        self.keep_memory(other.tail);
    }

    /// Throws away what waits, and the memory.
    pub(crate) fn clear(&mut self) {
        *self = Pieces::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at most so many bytes at a time, and in all.
    struct Narrow {
        taken: Vec<u8>,
        at_a_time: usize,
        in_all: usize,
    }

    impl Narrow {
        fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
            let count = self.at_a_time.min(self.in_all - self.taken.len()).min(head.len() + body.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.extend([head, body].concat().into_iter().take(count));
            Ok(count)
        }
    }

    #[test]
    fn what_is_added_to_a_queue_that_was_sent_in_part_follows_it() {
        for at_first in [0, 1, 15, 100, 70_000, 90_000] {
            let mut narrow = Narrow { taken: Vec::new(), at_a_time: usize::MAX, in_all: at_first };
            let (mut pieces, mut more) = (Pieces::default(), Pieces::default());
            let mut expected = Vec::new();
            for (nth, len) in [10, 15_000, 15_000, 15_000, 15_000, 15_000, 20_000, 5].into_iter().enumerate() {
                let body = vec![nth as u8; len];
                expected.extend_from_slice(&body);
                if nth < 5 { pieces.push_bytes(&body) } else { more.push_copy(&body[..4], &body[4..]) }
            }
            let _would_block = pieces.send(|head, body| narrow.send(head, body));
            pieces.append(&mut more);
            assert_eq!((pieces.len() + narrow.taken.len(), more.len()), (expected.len(), 0));
            narrow.in_all = usize::MAX;
            pieces.send(|head, body| narrow.send(head, body)).unwrap();
            assert!(pieces.len() == 0 && narrow.taken == expected, "stopped at {at_first}");
        }
    }

    #[test]
    fn all_bytes_leave_in_order_whatever_is_taken_at_a_time() {
        for at_a_time in [1, 7, 4096, usize::MAX] {
            for stop in [0, 5, 16, 600, 20_000, 30_000, 60_000] {
                let mut narrow = Narrow { taken: Vec::new(), at_a_time, in_all: stop };
                let mut pieces = Pieces::default();
                let mut expected = Vec::new();
                for (nth, len) in [0, 100, 17_000, 3, 600, 40_000, 0, 1].into_iter().enumerate() {
                    let (header, body) = ([nth as u8; 16], vec![nth as u8 + 100; len]);
                    expected.extend_from_slice(&header);
                    expected.extend_from_slice(&body);
                    if nth % 2 == 0 {
                        pieces.push(&header, &body, || Message::bytes(body.clone()));
                    } else {
                        let sent = pieces.push_and_send(&header, &body, |head, body| narrow.send(head, body));
                        assert!(sent.is_ok() || narrow.taken.len() == stop);
                    }
                    assert_eq!(narrow.taken.len() + pieces.len(), expected.len());
                }
                narrow.in_all = usize::MAX;
                pieces.send(|head, body| narrow.send(head, body)).unwrap();
                assert!(pieces.len() == 0 && narrow.taken == expected, "{at_a_time} at a time, stopped at {stop}");
            }
        }
    }
}
