//! The log of a publisher: the frames of its events in their order, each once for all subscribers.
//!
//! A position is a number of bytes since the listener started. It is always where a frame begins, or the end of the log.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// How much memory is taken at a time, in bytes. A larger frame gets memory of its own.
const SEGMENT: usize = 64 << 10;
/// So many bytes of frames that newer ones may follow in the same memory are copied for a send, which costs less than to
/// share them.
const COPIED: u64 = 4 << 10;
/// The length of a frame's header in bytes. It begins with the length of the body.
pub(super) const HEADER: usize = 16;

/// The frames that some subscriber has not been sent yet.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Frames in memory that senders share, oldest first: nothing is added to it.
    chunks: VecDeque<Chunk>,
    /// The frames after those. New ones are added here.
    tail: BytesMut,
    /// The position of the first byte of `tail`.
    tail_start: u64,
}

/// Whole frames beside each other.
#[derive(Debug)]
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Log {
    /// The position at which the next frame will begin.
    pub(crate) fn end(&self) -> u64 {
        self.tail_start + self.tail.len() as u64
    }

    /// How many bytes of memory the frames take.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.end() - self.chunks.front().map_or(self.tail_start, |chunk| chunk.start)
    }

    /// Adds one frame, given in parts. The position at which it begins.
    pub(crate) fn append(&mut self, parts: &[&[u8]]) -> u64 {
        let len = parts.iter().map(|part| part.len()).sum();
        if self.tail.capacity() - self.tail.len() < len {
            self.close_tail();
            // Memory that no sender holds any more is taken again.
            self.tail.reserve(len.max(SEGMENT));
        }
        let position = self.end();
        for part in parts {
            self.tail.extend_from_slice(part);
        }
        position
    }

    /// The frames from a position on that lie beside each other; none at the end of the log.
    pub(crate) fn frames(&self, position: u64) -> Frames<'_> {
        let bytes = if position >= self.tail_start {
            &self.tail[(position - self.tail_start) as usize..]
        } else {
            let chunk = &self.chunks[self.chunk(position)];
            &chunk.bytes[(position - chunk.start) as usize..]
        };
        Frames { position, bytes }
    }

    /// Adds to `pieces` what is within a range, in memory that later changes of the log do not touch. The range begins with
    /// a frame, or within one.
    pub(crate) fn share(&mut self, range: Range<u64>, pieces: &mut Vec<Bytes>) {
        let Range { mut start, end } = range;
        if end > self.tail_start {
            let open = start.max(self.tail_start)..end;
            if open.end - open.start > COPIED {
                self.close_tail();
            }
        }
        if start < self.tail_start {
            let first = self.chunk(start);
            for chunk in self.chunks.range(first..) {
                if start >= end {
                    return;
                }
                let to = end.min(chunk.end());
                pieces.push(chunk.bytes.slice((start - chunk.start) as usize..(to - chunk.start) as usize));
                start = to;
            }
        }
        if start < end {
            let within = (start - self.tail_start) as usize..(end - self.tail_start) as usize;
            pieces.push(Bytes::copy_from_slice(&self.tail[within]));
        }
    }

    /// Copies what is within a range.
    pub(crate) fn copy(&self, range: Range<u64>, into: &mut Vec<u8>) {
        let Range { mut start, end } = range;
        while start < end {
            let bytes = self.frames(start).bytes;
            let len = (end - start).min(bytes.len() as u64);
            into.extend_from_slice(&bytes[..len as usize]);
            start += len;
        }
    }

    /// Forgets the frames before a position.
    pub(crate) fn trim(&mut self, before: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= before) {
            self.chunks.pop_front();
        }
        if before == self.end() {
            self.tail_start = before;
            if self.tail.capacity() > 2 * SEGMENT {
                self.tail = BytesMut::new();
            } else {
                self.tail.clear();
            }
        }
    }

    /// Which chunk a position before the tail is in.
    fn chunk(&self, position: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.end() <= position)
    }

    /// Has what is in the tail shared from now on.
    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let start = self.tail_start;
            self.tail_start = self.end();
            self.chunks.push_back(Chunk { start, bytes: self.tail.split().freeze() });
        }
    }
}

/// Frames that lie beside each other, one after another, each with its position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames<'a> {
    position: u64,
    bytes: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        let len = u32::from_le_bytes(*self.bytes.first_chunk()?) as usize + HEADER;
        let (frame, rest) = self.bytes.split_at(len);
        let position = self.position;
        (self.position, self.bytes) = (position + len as u64, rest);
        Some((position, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![0; HEADER];
        frame[..4].copy_from_slice(&(len as u32).to_le_bytes());
        frame.resize(HEADER + len, byte);
        frame
    }

    #[test]
    fn every_frame_is_found_at_its_position_and_shared_bytes_stay_as_they_were() {
        let mut log = Log::default();
        let mut all = Vec::new();
        let mut positions = Vec::new();
        let mut shared: Vec<(Range<u64>, Vec<Bytes>)> = Vec::new();
        for nth in 0..400_usize {
            let frame = frame(nth as u8, [0, 3, 700, 5000, 70_000][nth % 5]);
            positions.push(log.append(&[&frame[..HEADER], &frame[HEADER..]]));
            all.extend_from_slice(&frame);
            let (from, to) = (positions[nth / 2], log.end());
            let mut pieces = Vec::new();
            log.share(from..to, &mut pieces);
            shared.push((from..to, pieces));
        }
        assert_eq!(log.end(), all.len() as u64);
        for (range, pieces) in shared {
            assert!(pieces.concat() == all[range.start as usize..range.end as usize], "{range:?}");
        }
        let mut found = Vec::new();
        let mut at = 0;
        while at < log.end() {
            for (position, frame) in log.frames(at) {
                found.push(position);
                assert!(frame == &all[position as usize..position as usize + frame.len()]);
                at = position + frame.len() as u64;
            }
        }
        assert_eq!(found, positions);
    }

    #[test]
    fn what_everybody_has_been_sent_takes_no_memory() {
        let mut log = Log::default();
        for nth in 0..1000 {
            log.append(&[&frame(1, 1000)]);
            let mut pieces = Vec::new();
            log.share(log.end() - 1016..log.end(), &mut pieces);
            if nth % 10 == 9 {
                log.trim(log.end());
                assert_eq!(log.len(), 0);
            }
        }
        log.append(&[&frame(1, 1 << 20)]);
        log.trim(log.end());
        assert!(log.tail.capacity() <= 2 * SEGMENT && log.chunks.is_empty());
    }
}
