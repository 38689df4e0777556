//! Whether the command was started without a standard output (`>&-`). Rust opens `/dev/null` in its place before `main`,
//! so that a reply would be lost without a word: it is looked at before that.

use std::sync::atomic::{AtomicBool, Ordering};

use simple_ipc::{Error, ErrorKind, Result};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the loader, before Rust's own start.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the descriptor is only asked about; that it may not be open is what the answer tells.
    let stdout = unsafe { std::os::fd::BorrowedFd::borrow_raw(1) };
    WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout) == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
}

/// Refuses what would print to nowhere, before it is done.
pub(crate) fn check(what: &str) -> Result<()> {
    if WAS_CLOSED.load(Ordering::Relaxed) {
        let message =
            format!("cannot print {what}: standard output is closed; redirect it to /dev/null if it is not wanted");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}
