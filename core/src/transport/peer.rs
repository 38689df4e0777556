//! placeholder
use std::net::SocketAddrV4;
use std::os::fd::BorrowedFd;
/// Peer
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer {}
impl Peer {
    pub(crate) fn of_unix(_: BorrowedFd<'_>) -> Peer {
        Peer {}
    }
    pub(crate) fn of_tcp(_: SocketAddrV4, _: SocketAddrV4) -> Peer {
        Peer {}
    }
}
