//! What a program's own event loop watches.

/// What `poll` and its like take: a descriptor's number.
pub type RawWaitable = std::os::fd::RawFd;

/// Lets an event loop of the program's own watch a value, which owns a [`Poller`](super::system::poller::Poller) in that
/// field.
macro_rules! waitable {
    ($type:ty, $field:ident) => {
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.$field.as_fd()
            }
        }

        impl $type {
            /// What an event loop watches for reading, for as long as this lives: a descriptor.
            pub fn raw_waitable(&self) -> $crate::os::RawWaitable {
                std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(self))
            }
        }
    };
}
