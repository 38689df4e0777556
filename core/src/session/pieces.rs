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
    queue: VecDeque<Piece>,
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
        let small = body.len() <= SMALL;
        let bytes = self.place(header.len() + if small { body.len() } else { 0 });
        bytes.extend_from_slice(header);
        if small {
            bytes.extend_from_slice(body);
        } else {
            self.queue.push_back(Piece::Body(shared()));
        }
        self.len += header.len() + body.len();
    }

    /// Adds bytes by copying them.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= SMALL {
            self.place(bytes.len()).extend_from_slice(bytes);
        } else {
            self.queue.push_back(Piece::Bytes(bytes.to_vec()));
        }
        self.len += bytes.len();
    }

    /// Where to add small bytes, `wanted` of them.
    fn place(&mut self, wanted: usize) -> &mut Vec<u8> {
        if !matches!(self.queue.back(), Some(Piece::Bytes(bytes)) if bytes.len() < GATHER) {
            self.queue.push_back(Piece::Bytes(Vec::with_capacity(wanted.max(256))));
        }
        match self.queue.back_mut() {
            Some(Piece::Bytes(bytes)) => bytes,
            _ => unreachable!("it was looked at, or just added"),
        }
    }

    /// Sends through `send`, which takes two slices that follow each other and says how many bytes have left. Goes on
    /// until nothing waits, or until an error, which may be 'would block'.
    pub(crate) fn send(&mut self, mut send: impl FnMut(&[u8], &[u8]) -> io::Result<usize>) -> io::Result<()> {
        while self.len > 0 {
            let head = &self.queue[0].data()[self.sent..];
            let next = self.queue.get(1).map_or(&[][..], Piece::data);
            match send(head, next) {
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
            if self.queue.len() > 1 {
                done = self.send(&mut send);
            }
            while done.is_ok() && !rest.is_empty() {
                let head = self.queue.front().map_or(&[][..], |piece| &piece.data()[self.sent..]);
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
        loop {
            let alone = self.queue.len() == 1;
            let Some(first) = self.queue.front_mut() else { return };
            let len = first.data().len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            match first {
                // Its memory serves what comes next.
                Piece::Bytes(bytes) if alone && bytes.capacity() <= 4 * GATHER => return bytes.clear(),
                _ => drop(self.queue.pop_front()),
            }
        }
    }

    /// Throws away what waits.
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
