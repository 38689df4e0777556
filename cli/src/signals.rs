//! Signals that ask the command to end: the first in order, the second at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use simple_ipc::{Error, Result};

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

/// Whether this process was started with the signal ignored. Where the system does not tell, not.
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored_mask(&status) >> (signal - 1) & 1 == 1)
}

fn ignored_mask(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_process_status() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_mask(status) >> (SIGHUP - 1) & 1, 1);
        assert_eq!(ignored_mask(status) >> (SIGTERM - 1) & 1, 0);
        assert_eq!(ignored_mask("Name:\tx\n"), 0);
    }
}
