//! Who is at the other end of a connection.
//!
//! A Unix socket carries its peer's credentials. For TCP the kernel is not asked.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

use super::super::owner::ownership;
use crate::peer::{Ownership, Peer};

/// The peer of a connected Unix socket (`LOCAL_PEERCRED`, `LOCAL_PEERPID`).
pub(in crate::os) fn of_unix(socket: impl AsFd) -> Peer {
    let Some(found) = option::<libc::xucred>(&socket, libc::LOCAL_PEERCRED) else {
        return Peer::new(Ownership::Missing);
    };
    if found.cr_version != libc::XUCRED_VERSION || found.cr_ngroups < 1 {
        return Peer::new(Ownership::Missing);
    }
    let pid = option::<libc::pid_t>(&socket, libc::LOCAL_PEERPID).filter(|&pid| pid > 0);
    Peer::new(ownership(found.cr_uid)).with_ids(Some(found.cr_groups[0]), pid)
}

/// The peer of a connected TCP socket of this machine: unknown.
pub(in crate::os) fn of_tcp(_local: SocketAddrV4, _remote: SocketAddrV4) -> Peer {
    Peer::new(Ownership::Untold)
}

/// Plain integers, of which every pattern of bits is a value.
trait Plain: Copy {}

impl Plain for libc::xucred {}
impl Plain for libc::pid_t {}

/// What the system says of a Unix socket, if it says all of it.
fn option<T: Plain>(socket: impl AsFd, name: libc::c_int) -> Option<T> {
    // SAFETY: a value of integers alone may be all zero.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut len = libc::socklen_t::try_from(size_of::<T>()).ok()?;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: `value` is `len` bytes of plain integers that outlive the call.
    let result = unsafe { libc::getsockopt(socket, libc::SOL_LOCAL, name, (&raw mut value).cast(), &raw mut len) };
    (result == 0 && usize::try_from(len) == Ok(size_of::<T>())).then_some(value)
}
