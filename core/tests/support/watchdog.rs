//! Ends a test that hangs, so that it fails where it would block everything after it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Far longer than any of the tests takes on a loaded machine. Under Wine each call of the system may be one to another process.
const LIMIT: Duration = Duration::from_secs(if cfg!(windows) { 1800 } else { 300 });

/// Aborts the process when it is not dropped in time.
pub(crate) struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    /// For the test of the calling thread.
    pub(crate) fn start() -> Watchdog {
        let (alive, ended) = channel::<()>();
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        std::thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{test} hangs\n").as_bytes());
                std::process::abort();
            }
        });
        Watchdog { _alive: alive }
    }
}
