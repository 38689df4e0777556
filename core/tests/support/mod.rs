//! What every test here needs: a directory of its own for channels, and an end if it hangs.

mod watchdog;

use simple_ipc::Options;
use tempfile::TempDir;
use watchdog::Watchdog;

/// A directory for the channels of one test, and a watchdog over it.
pub(crate) struct Scratch {
    directory: TempDir,
    _watchdog: Watchdog,
}

impl Scratch {
    /// For the test of the calling thread.
    pub(crate) fn new() -> Scratch {
        Scratch { directory: tempfile::tempdir().unwrap(), _watchdog: Watchdog::start() }
    }

    /// Options that lead to this directory.
    pub(crate) fn options(&self) -> Options {
        Options::new().directory(self.directory.path())
    }
}
