//! Signals that ask the command to end: the first in order, the second at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use simple_ipc::{Error, Result};

use crate::os::is_ignored;

/// Calls `first` at the first signal that asks for an end; at the second calls `second` and dies
/// of the signal.
pub(crate) fn watch(first: impl FnOnce() + Send + 'static, second: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut watched = vec![SIGINT, SIGTERM];
    // nohup has it ignored, and that is to stay so.
    if !is_ignored(SIGHUP) {
        watched.push(SIGHUP);
    }
    let failed = |error: io::Error| Error::from_os("cannot watch for signals", error);
    let mut signals = Signals::new(watched).map_err(failed)?;
    let work = move || {
        let mut arriving = signals.forever();
        if arriving.next().is_some() {
            first();
        }
        if let Some(signal) = arriving.next() {
            second();
            let _ = emulate_default_handler(signal);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(work).map_err(failed)?;
    Ok(())
}
