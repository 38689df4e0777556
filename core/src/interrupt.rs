//! Signals that want a blocking call to end: Ctrl-C in a language that handles signals itself.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

/// A wait is cut into pieces of this length while there is a check: a signal that came just before the
/// wait began, or that another thread took, is noticed after it.
const PIECE: Duration = Duration::from_millis(100);

static CHECK: OnceLock<fn() -> bool> = OnceLock::new();

/// Has blocking calls ask `check`, in the thread that waits, whether to give up: when a signal
/// interrupts the wait, and every 100 ms. If it says yes the call fails with
/// [`ErrorKind::Cancelled`].
///
/// For bindings whose language handles signals at a time of its own. One check for the process, set
/// once; `false` if there is one already. Without one, an interrupted wait goes on.
pub fn on_interrupt(check: fn() -> bool) -> bool {
    CHECK.set(check).is_ok()
}

/// Whether the call that the calling thread waits in is to end.
pub(crate) fn wants_end() -> bool {
    CHECK.get().is_some_and(|check| check())
}

/// How long to wait at a time, where `left` is what the call may still take.
pub(crate) fn piece(left: Option<Duration>) -> Option<Duration> {
    match CHECK.get() {
        Some(_) => Some(left.map_or(PIECE, |left| left.min(PIECE))),
        None => left,
    }
}

pub(crate) fn error() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was interrupted by a signal")
}

/// Waits for what `receiver` is to bring; an error is its sender's end.
pub(crate) fn receive<T>(receiver: &std::sync::mpsc::Receiver<T>) -> Result<io::Result<T>, Error> {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    loop {
        let received = match piece(None) {
            Some(piece) => receiver.recv_timeout(piece),
            None => receiver.recv().map_err(|_| Disconnected),
        };
        match received {
            Ok(value) => return Ok(Ok(value)),
            Err(Disconnected) => return Ok(Err(io::ErrorKind::UnexpectedEof.into())),
            Err(Timeout) if wants_end() => return Err(error()),
            Err(Timeout) => {}
        }
    }
}

/// What is left until a deadline.
pub(crate) fn left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
