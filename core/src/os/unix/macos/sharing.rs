//! Sharing memory between the two processes of a stream: not on this system, where all goes by the socket.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use super::super::fork::ForkFd;
use super::super::waker::Waker;
use crate::os::interest::Interest;
use crate::os::transfer::Wait;

/// Whether processes of this system can share memory at all.
pub(in crate::os) const CAN_SHARE: bool = false;
/// What one stream's memory takes, in bytes.
pub(crate) const SHARED_BYTES: usize = 0;

/// Nothing.
#[derive(Debug, Default)]
pub(in crate::os) struct Sharing;

/// There is none.
#[derive(Debug)]
pub(crate) enum Offer {}

impl Offer {
    pub(crate) fn capacity(&self) -> u32 {
        match *self {}
    }
}

impl Sharing {
    #[inline(always)]
    pub(in crate::os) fn is_plain(&self) -> bool {
        true
    }

    pub(in crate::os) fn make() -> io::Result<Offer> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::os) fn send_offer(&self, _: &ForkFd, _: &[u8], offer: Offer) -> io::Result<()> {
        match offer {}
    }

    pub(in crate::os) fn expect(&self, _: &ForkFd, _: bool) {}

    pub(in crate::os) fn accept(&self, _: &ForkFd, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::os) fn receive_by_memory(&self) -> bool {
        false
    }

    pub(in crate::os) fn send_by_memory(&self) {}

    pub(in crate::os) fn hears_of_room(&self) -> bool {
        true
    }

    pub(in crate::os) fn clear_bells(&self, _: &ForkFd) {}

    pub(in crate::os) fn falls_asleep(&self) -> bool {
        true
    }

    pub(in crate::os) fn sends(&self) -> bool {
        false
    }

    pub(in crate::os) fn may_have_more(&self) -> bool {
        false
    }

    pub(in crate::os) fn untaken(&self, _: &ForkFd) -> u64 {
        0
    }

    pub(in crate::os) fn receive(&self, _: &ForkFd, _: &mut [MaybeUninit<u8>], _: Wait) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::os) fn peek(&self, _: &ForkFd, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::os) fn send(&self, _: &ForkFd, _: &[u8], _: &[u8]) -> Option<io::Result<usize>> {
        None
    }

    pub(in crate::os) fn wait(
        &self,
        _: &ForkFd,
        _: Interest,
        _: &[Arc<Waker>],
        _: Option<Duration>,
    ) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::os) fn say_last(&self) {}

    pub(in crate::os) fn close_when_empty(&self) {}

    pub(in crate::os) fn give_up(&self) {}
}
