//! What every test here needs: a directory of its own for channels, and an end if it hangs.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use simple_ipc::Options;
use tempfile::TempDir;

/// Far longer than any of the tests takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A directory for the channels of one test, and a watchdog over it.
pub(crate) struct Scratch {
    directory: TempDir,
    _alive: Sender<()>,
}

impl Scratch {
    /// For the test of the calling thread.
    pub(crate) fn new() -> Scratch {
        let (alive, ended) = channel::<()>();
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        std::thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{test} hangs\n").as_bytes());
                std::process::abort();
            }
        });
        Scratch { directory: tempfile::tempdir().unwrap(), _alive: alive }
    }

    /// Options that lead to this directory.
    pub(crate) fn options(&self) -> Options {
        Options::new().directory(self.directory.path())
    }
}
