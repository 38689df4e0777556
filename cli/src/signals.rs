//! What asks the command to end: the first time in order, the second time at once.

use simple_ipc::{Error, Result};

use crate::os::watch_signals;

/// Calls `first` when the command is asked to end for the first time (a signal; Ctrl-C); at the second calls `second`, and the command
/// dies of it.
pub(crate) fn watch(first: impl FnOnce() + Send + 'static, second: impl FnOnce() + Send + 'static) -> Result<()> {
    watch_signals(first, second).map_err(|error| Error::from_os("cannot watch for signals", error))
}
