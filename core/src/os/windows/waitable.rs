//! What a program's own event loop waits for.

use windows_sys::Win32::Foundation::HANDLE;

/// The number of a handle that the waiting functions of Windows take: of an event. A handle has 32 bits that mean something, and is made of
/// them with their sign.
pub type RawWaitable = i32;

pub(super) fn number_of(handle: HANDLE) -> RawWaitable {
    handle.addr() as u32 as i32
}

/// Lets an event loop of the program's own wait for a value, which owns a [`Poller`](super::poller::Poller) in that field.
macro_rules! waitable {
    ($type:ty, $field:ident) => {
        impl $type {
            /// What an event loop waits for, for as long as this lives: the number of an event's handle, which is signalled while
            /// there is something to do.
            pub fn raw_waitable(&self) -> $crate::os::RawWaitable {
                self.$field.raw_waitable()
            }
        }
    };
}
