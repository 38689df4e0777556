//! Whether the command was started without a standard output (`>&-`). Rust opens `/dev/null` in its place before `main`,
//! so that a reply would be lost without a word: it is looked at before that.

use simple_ipc::{Error, ErrorKind, Result};

use crate::os;

/// Refuses what would print to nowhere, before it is done.
pub(crate) fn check(what: &str) -> Result<()> {
    if os::stdout_was_closed() {
        let message =
            format!("cannot print {what}: standard output is closed; redirect it to /dev/null if it is not wanted");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}
