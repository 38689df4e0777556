//! Having the runtime say when a descriptor is ready.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::fork::ForkFd;
use super::stream::Stream;

/// What keeps one and the same descriptor open for as long as it lives.
pub(crate) trait Steady: AsRawFd + sealed::Sealed {}

impl Steady for Arc<Stream> {}
impl Steady for ForkFd {}

mod sealed {
    pub(crate) trait Sealed {}
    impl Sealed for std::sync::Arc<super::Stream> {}
    impl Sealed for super::ForkFd {}
}

/// A connected socket that the runtime watches.
pub(crate) type AsyncStream = AsyncFd<Arc<Stream>>;

/// Has the runtime of the calling task watch a descriptor.
pub(crate) fn watch<T: Steady>(held: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: `Steady` is sealed, and both of its types give the same open descriptor until they are
    // dropped, which the `AsyncFd` that owns them outlives.
    unsafe { AsyncFd::register_with_interest(held, interest) }.map_err(io::Error::from)
}
