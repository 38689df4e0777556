//! Standard input or a file, a line at a time.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use simple_ipc::{Error, ErrorKind, Result};

use crate::os;

/// How many bytes of input have been read. Written by the thread that reads, and read by the one that shows how far it has come;
/// relaxed, since nothing is ordered by it.
pub(crate) static READ: AtomicU64 = AtomicU64::new(0);

/// Where input comes from.
pub(crate) enum Source {
    Stdin,
    File(File),
}

impl Source {
    /// A file by its path; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Source> {
        if path.as_os_str() == "-" {
            return Ok(Source::Stdin);
        }
        let opened = File::open(path);
        opened.map(Source::File).map_err(|error| Error::from_os(format!("cannot open {}", path.display()), error))
    }

    /// How many bytes there are, where that is known before they are read: of a file.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Source::Stdin => os::size_of_stdin(),
            Source::File(file) => {
                file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
            }
        }
    }

    /// Reads once, as much as is there. It waits unless poll has said that it does not block.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        let (read, what) = match self {
            Source::Stdin => (os::read(&io::stdin(), buffer), "standard input"),
            Source::File(file) => (io::Read::read(&mut &*file, buffer), "the file of items"),
        };
        match read {
            Ok(count) => {
                READ.fetch_add(count as u64, Ordering::Relaxed);
                Ok(Some(count))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => Ok(None),
            Err(error) => Err(Error::from_os(format!("cannot read {what}"), error)),
        }
    }
}

/// Bytes that have come and were not yet given as lines: they are kept until their line is whole.
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far the buffer is known to have no line end.
    searched: usize,
    /// Whether nothing more comes: the last line need not have an end then.
    pub(crate) ended: bool,
    /// The number of the line given last, from 1.
    pub(crate) number: u64,
    /// A line may be twice as long, in bytes, since JSON may be written with white space.
    largest: usize,
}

impl Lines {
    pub(crate) fn new(largest: usize) -> Lines {
        Lines { buffer: Vec::new(), start: 0, searched: 0, ended: false, number: 0, largest }
    }

    /// Takes what has come.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end. An error is of one that is too long.
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

    /// Whether [`line`](Lines::line) has one to give.
    pub(crate) fn has_line(&self) -> bool {
        self.buffer[self.searched..].contains(&b'\n') || (self.ended && self.start < self.buffer.len())
    }

    /// Whether all that came was given as lines.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

/// Lines of standard input or of a file.
pub(crate) struct Input {
    source: Source,
    pub(crate) lines: Lines,
}

impl Input {
    pub(crate) fn new(source: Source, largest: usize) -> Input {
        Input { source, lines: Lines::new(largest) }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Reads once. It waits unless poll has said that it does not block.
    pub(crate) fn read(&mut self) -> Result<()> {
        let mut piece = [0; 64 << 10];
        match self.source.read(&mut piece)? {
            Some(0) => self.lines.ended = true,
            Some(count) => self.lines.extend(&piece[..count]),
            None => {}
        }
        Ok(())
    }
}
