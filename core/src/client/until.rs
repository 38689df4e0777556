//! Until when, or until what, a call waits.

use std::time::{Duration, Instant};

use super::deadline;
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::os::interest::Interest;
use crate::os::stream::Stream;

/// How often one looks at what can give a call up where nothing tells.
const LOOK: Duration = Duration::from_millis(20);

/// As good as for ever, at a time.
const LONGEST: Duration = Duration::from_secs(3600);

/// The end of a call's time, and what gives it up before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Until<'a> {
    pub(crate) deadline: Option<Instant>,
    /// The caller's.
    pub(crate) caller: Option<&'a Cancellation>,
    /// Cancelled when the client closes.
    pub(crate) client: Option<&'a Cancellation>,
}

impl<'a> Until<'a> {
    /// The end of a call that begins now.
    pub(crate) fn new(timeout: Option<Duration>, caller: Option<&'a Cancellation>) -> Until<'a> {
        Until { deadline: deadline(timeout), caller, client: None }
    }

    /// The same, with the time that a call has from now on.
    pub(crate) fn within(self, timeout: Option<Duration>) -> Until<'a> {
        Until { deadline: deadline(timeout), ..self }
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        interrupt::left(self.deadline)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Why the call is to end before its time, if it is. Signals are not asked about here.
    pub(crate) fn given_up(&self) -> Option<Error> {
        if self.caller.is_some_and(Cancellation::is_cancelled) {
            return Some(super::cancelled());
        }
        if self.client.is_some_and(Cancellation::is_cancelled) {
            return Some(super::closed_meanwhile());
        }
        None
    }

    /// The same, also where a signal wants the call to end: asked when a wait has brought nothing.
    pub(crate) fn interrupted(&self) -> Option<Error> {
        self.given_up().or_else(|| interrupt::wants_end().then(interrupt::error))
    }

    /// How long to wait at a time for something that others say.
    pub(crate) fn look(&self) -> Duration {
        let piece = interrupt::piece(self.left()).unwrap_or(LONGEST);
        if self.caller.is_some() { piece.min(LOOK) } else { piece }
    }

    /// Sleeps for a moment, unless the call is given up.
    pub(crate) fn pause(&self, pause: Duration) -> Result<()> {
        std::thread::sleep(pause.min(LOOK));
        self.interrupted().map_or(Ok(()), Err)
    }

    /// Waits until the socket is ready as asked: `false` where the time, or a piece of it, is over, or it is
    /// given up. The connection stays as it is.
    pub(crate) fn wait_for(&self, socket: &Stream, what: Interest) -> std::io::Result<bool> {
        let mut piece = interrupt::piece(self.left());
        let tokens = [self.caller, self.client].into_iter().flatten();
        let mut wakers = Vec::new();
        for token in tokens {
            match token.waker() {
                Some(waker) => wakers.push(waker),
                None => piece = Some(piece.map_or(LOOK, |piece| piece.min(LOOK))),
            }
        }
        socket.wait_or_woken(what, &wakers, piece)
    }
}
