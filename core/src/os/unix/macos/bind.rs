//! Binding a socket to a path.
//!
//! The umask decides which mode the file has at first. It is set right before the socket listens: until then nobody can
//! connect, whatever the mode.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix};

use super::super::fork::ForkFd;
use super::super::listener::stream_socket;
use super::super::number::number;
use super::super::refusal::{Refusal, by};

/// A non-blocking stream socket bound to `path`. Fails with `ADDRINUSE` where anything stands there.
pub(in crate::os) fn bind_to_path(path: &Path, mode: u32) -> Result<ForkFd, Refusal> {
    let address = SocketAddrUnix::new(path).map_err(by("bind"))?;
    let socket = stream_socket(AddressFamily::UNIX).map_err(by("socket"))?;
    rustix::net::bind(&socket, &address).map_err(by("bind"))?;
    // A link that has taken the file's place is not followed.
    let mode = Mode::from_raw_mode(number(mode));
    if let Err(errno) = rustix::fs::chmodat(CWD, path, mode, AtFlags::SYMLINK_NOFOLLOW) {
        let _ = rustix::fs::unlink(path);
        return Err(by("chmod")(errno));
    }
    Ok(socket)
}
