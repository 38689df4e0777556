//! What is sent to subscribers with one call, and sending it.

use std::io::{self, IoSlice};
use std::ops::Range;

use bytes::Bytes;

use super::log::Log;
use crate::os::stream::{Stream, advance, interrupted};
use crate::sync::Arc;

/// Ranges of the log up to this many bytes are copied beside their neighbours before they are sent.
const SMALL: u64 = 2 << 10;
/// The most pieces of memory that the system takes with one send.
const MOST_PIECES: usize = 1024;
/// A frame of at most so many bytes is sent from one place.
const ONE_PLACE: usize = 512;

/// Frames for one send.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is to be sent, in order.
    pub(crate) pieces: Vec<Bytes>,
    /// How many bytes that is.
    pub(crate) len: usize,
}

impl Batch {
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.pieces.push(bytes);
    }
}

/// Ranges of the log that follow each other, without what a filter keeps back.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Range<u64>>);

impl Runs {
    pub(super) fn add(&mut self, start: u64, end: u64) {
        match self.0.last_mut() {
            Some(run) if run.end == start => run.end = end,
            _ => self.0.push(start..end),
        }
    }

    pub(super) fn share(self, log: &mut Log, batch: &mut Batch) {
        let (mut small, mut pieces) = (Vec::new(), Vec::new());
        for run in self.0 {
            if run.end - run.start <= SMALL {
                log.copy(run, &mut small);
                continue;
            }
            if !small.is_empty() {
                batch.push(std::mem::take(&mut small).into());
            }
            log.share(run, &mut pieces);
            pieces.drain(..).for_each(|piece| batch.push(piece));
        }
        if !small.is_empty() {
            batch.push(small.into());
        }
    }
}

/// A send that the publishing thread makes itself.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) key: usize,
    pub(super) socket: Arc<Stream>,
    pub(super) sent: usize,
}

/// Sends one frame to each as far as its socket takes it at once. What a socket does not take is seen by its driver.
pub(super) fn send_to_all(direct: &mut [Direct], head: &[u8], body: &[u8]) {
    let mut small = [0; ONE_PLACE];
    let (head, body) = match small.get_mut(..head.len() + body.len()) {
        Some(whole) if !body.is_empty() => {
            whole[..head.len()].copy_from_slice(head);
            whole[head.len()..].copy_from_slice(body);
            (&*whole, &[][..])
        }
        _ => (head, body),
    };
    for Direct { socket, sent, .. } in direct {
        let (mut head, mut body) = (head, body);
        while !(head.is_empty() && body.is_empty()) {
            match socket.send(head, body) {
                Ok(count) => {
                    *sent += count;
                    advance(&mut head, &mut body, count);
                }
                Err(error) if interrupted(&error) => {}
                Err(_) => break,
            }
        }
    }
}

/// Sends until all has left, or until an error, which may be 'would block'. How many bytes have left.
pub(super) fn send_batch(socket: &Stream, batch: &Batch) -> (usize, io::Result<()>) {
    let mut slices: Vec<IoSlice<'_>> = batch.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = &mut slices[..];
    let mut sent = 0;
    while sent < batch.len {
        match socket.send_all_of(&rest[..rest.len().min(MOST_PIECES)]) {
            Ok(count) => {
                sent += count;
                IoSlice::advance_slices(&mut rest, count);
            }
            Err(error) if interrupted(&error) => {}
            Err(error) => return (sent, Err(error)),
        }
    }
    (sent, Ok(()))
}
