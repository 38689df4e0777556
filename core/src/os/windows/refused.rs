//! What is said when the system refuses a call: which call, on what, and with which error.

use std::fmt::Display;
use std::path::Path;

use windows_sys::Win32::Networking::WinSock::{WSAEACCES, WSAEADDRINUSE};

use super::file::{Place, is_missing};
use super::pipe_name;
use super::pipe_server::is_taken;
use super::refusal::Refusal;
use crate::error::{Error, ErrorKind};

/// One line: what was attempted, and what stood in the way.
pub(super) fn cannot_listen(label: &str, why: impl Display) -> String {
    format!("cannot listen on channel \"{label}\": {why}")
}

/// The error for something that is not ours at the path.
pub(super) fn occupied(label: &str, path: &Path, place: &Place) -> Error {
    let why = format!("{place} stands at {}; remove it or choose another channel or directory", path.display());
    Error::new(ErrorKind::PathOccupied, cannot_listen(label, why))
}

/// The error for a failed system call on `path`.
pub(super) fn refused(label: &str, refusal: Refusal, path: &Path) -> Error {
    let error = refusal.error();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if is_missing(&error) && !directory.is_dir() {
        let at = directory.display();
        let why = if directory.exists() {
            format!("{at} is not a directory; choose another")
        } else {
            format!("directory {at} does not exist; create it or choose another")
        };
        return Error::new(ErrorKind::NoDirectory, cannot_listen(label, why)).with_source(error);
    }
    Error::from_os(cannot_listen(label, format!("{} of {} failed", refusal.call, path.display())), error)
}

/// The error for a failed system call on a port of 127.0.0.1.
pub(super) fn port_refused(label: &str, port: u16, refusal: Refusal) -> Error {
    // Who wants a port for himself alone is refused with the second where somebody else has it.
    if refusal.code == WSAEADDRINUSE || (refusal.code == WSAEACCES && refusal.call == "bind") {
        let why = format!("port {port} is in use by another program; end it or choose another port");
        return Error::new(ErrorKind::InUse, cannot_listen(label, why)).with_source(refusal.error());
    }
    let what = format!("{} for port {port} of 127.0.0.1 failed", refusal.call);
    Error::from_os(cannot_listen(label, what), refusal.error())
}

/// The error for a failed system call on the pipe of a channel's path.
pub(super) fn pipe_refused(label: &str, path: &Path, refusal: Refusal) -> Error {
    let pipe = pipe_name::text_of(path);
    if is_taken(&refusal.error()) {
        let why = format!("another program has made the pipe {pipe}; end it or choose another channel");
        return Error::new(ErrorKind::InUse, cannot_listen(label, why)).with_source(refusal.error());
    }
    refusal.into_error(cannot_listen(label, format!("{} of {pipe} failed", refusal.call)))
}
