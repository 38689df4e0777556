//! The end of a command that looks again and again: it is asked to end, or nobody reads its output any more.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use simple_ipc::Result;

use crate::{output, signals};

/// Hears of the end while the command pauses.
pub(crate) struct Ending(Receiver<()>);

impl Ending {
    /// Listens for it from now on.
    pub(crate) fn watch() -> Result<Ending> {
        let (asked, ended) = mpsc::channel();
        let closed = asked.clone();
        signals::watch(
            move || {
                let _it_has_ended = asked.send(());
            },
            || {},
        )?;
        output::watch(move || {
            let _it_has_ended = closed.send(());
        })?;
        Ok(Ending(ended))
    }

    /// Pauses for so long; whether the end has come meanwhile.
    pub(crate) fn comes_within(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
    }
}
