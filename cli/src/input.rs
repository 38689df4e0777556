//! Standard input, a line at a time.

use std::io;

use simple_ipc::{Error, ErrorKind, Result};

use crate::os;

/// Standard input that has been read and not yet given as lines: what came is kept until its line is whole.
pub(crate) struct Input {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far the buffer is known to have no line end.
    searched: usize,
    /// Whether the end has been read.
    pub(crate) ended: bool,
    /// The number of the line given last, from 1.
    pub(crate) number: u64,
    largest: usize,
}

impl Input {
    pub(crate) fn new(largest: usize) -> Input {
        Input { buffer: Vec::new(), start: 0, searched: 0, ended: false, number: 0, largest }
    }

    /// The next whole line, without its end; the last one need not have an end.
    pub(crate) fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let end = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n').map(|at| at + self.searched);
        let (end, next) = match end {
            Some(end) => (end, end + 1),
            None if self.ended && self.start < self.buffer.len() => (self.buffer.len(), self.buffer.len()),
            None => {
                self.searched = self.buffer.len();
                if self.buffer.len() - self.start > self.largest.saturating_mul(2) {
                    let message = format!(
                        "line {} is far larger than the {} bytes allowed; send less, or allow more",
                        self.number + 1,
                        self.largest
                    );
                    return Err(Error::new(ErrorKind::TooLarge, message));
                }
                return Ok(None);
            }
        };
        let mut line = self.buffer[self.start..end].to_vec();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (self.start, self.searched) = (next, next);
        self.number += 1;
        Ok(Some(line))
    }

    /// Whether [`line`](Input::line) has one to give.
    pub(crate) fn has_line(&self) -> bool {
        self.buffer[self.searched..].contains(&b'\n') || (self.ended && self.start < self.buffer.len())
    }

    /// Reads once. It waits unless poll has said that it does not block.
    pub(crate) fn read(&mut self) -> Result<()> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let mut piece = [0; 64 << 10];
        match os::read(&io::stdin(), &mut piece) {
            Ok(0) => self.ended = true,
            Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(Error::from_os("cannot read standard input", error)),
        }
        Ok(())
    }
}
