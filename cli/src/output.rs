//! Standard output: whole lines at once, and what to do when nobody reads them.

use std::io::{self, ErrorKind, Write};
use std::thread;

use simple_ipc::{Error, Result};

use crate::os;

/// Whether somebody still reads standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    Gone,
}

/// Writes and flushes, so that a reader in a pipe sees it at once. A closed pipe is no error: the
/// reader has had what it wanted.
pub(crate) fn write(data: &[u8]) -> Result<Reader> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Error::from_os("cannot write to standard output", error)),
    }
}

/// Writes one line.
pub(crate) fn line(mut text: String) -> Result<Reader> {
    text.push('\n');
    write(text.as_bytes())
}

/// Calls `gone` once the reader of standard output has gone away.
pub(crate) fn watch(gone: impl FnOnce() + Send + 'static) -> Result<()> {
    let work = move || {
        os::wait_for_the_reader_to_go(&io::stdout());
        gone();
    };
    let spawned = thread::Builder::new().name("output".to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| Error::from_os("cannot watch standard output", error))
}
