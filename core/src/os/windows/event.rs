//! An event of the kernel's: what one thread sets, or an operation that is done, and another one waits for.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

/// Set until somebody clears it (a manual-reset event).
#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    pub(super) fn new() -> io::Result<Event> {
        // SAFETY: no attributes and no name are given, which the call allows.
        let handle = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made the handle, and nobody else has it.
        Ok(Event(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    pub(super) fn set(&self) {
        // SAFETY: the handle is open for as long as `self` is.
        unsafe { SetEvent(self.handle()) };
    }

    pub(super) fn clear(&self) {
        // SAFETY: as above.
        unsafe { ResetEvent(self.handle()) };
    }

    pub(super) fn is_set(&self) -> bool {
        // SAFETY: as above; it does not wait.
        unsafe { WaitForSingleObject(self.handle(), 0) == WAIT_OBJECT_0 }
    }

    pub(super) fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }
}

/// Waits until one of the handles is signalled; `false` when the time is over. At most 64, which the caller holds open.
pub(super) fn wait_for_any(handles: &[HANDLE], timeout: Option<Duration>) -> io::Result<bool> {
    let count = u32::try_from(handles.len()).unwrap_or(u32::MAX);
    // SAFETY: `handles` is an array of that many handles, which the caller holds open.
    match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, milliseconds(timeout)) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        signalled => Ok(signalled.wrapping_sub(WAIT_OBJECT_0) < count),
    }
}

/// As the calls take it, rounded up. What is too long is as good as for ever, and ends early.
fn milliseconds(timeout: Option<Duration>) -> u32 {
    let Some(timeout) = timeout else { return INFINITE };
    u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX).min(INFINITE - 1)
}
