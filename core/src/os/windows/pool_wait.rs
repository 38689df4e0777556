//! A thread of the system's pool that waits for an event, once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD, WT_EXECUTEONLYONCE,
};

use super::event::Event;

/// Who is told. It must not wait, nor drop what waits.
pub(super) trait Told: Send + Sync {
    fn tell(&self);
}

/// Tells once, when the event is set. Dropping it waits until nobody is being told.
pub(super) struct PoolWait {
    wait: HANDLE,
    shared: Box<Shared>,
}

struct Shared {
    /// Open for as long as the pool waits for it.
    _event: Arc<Event>,
    told: Arc<dyn Told>,
    /// Set by the pool's thread before it tells, with release; acquire by whoever looks why it was woken.
    has_told: AtomicBool,
}

// SAFETY: the handle may be used by any thread.
unsafe impl Send for PoolWait {}
// SAFETY: shared references allow nothing but to look at an atomic.
unsafe impl Sync for PoolWait {}

impl PoolWait {
    pub(super) fn new(event: Arc<Event>, told: Arc<dyn Told>) -> io::Result<PoolWait> {
        let object = event.handle();
        let shared = Box::new(Shared { _event: event, told, has_told: AtomicBool::new(false) });
        let mut wait: HANDLE = std::ptr::null_mut();
        let context = (&raw const *shared).cast_mut().cast();
        let flags = WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD;
        // SAFETY: event and context live until `drop` has ended the wait.
        if unsafe { RegisterWaitForSingleObject(&raw mut wait, object, Some(signalled), context, INFINITE, flags) } == 0
        {
            return Err(io::Error::last_os_error());
        }
        Ok(PoolWait { wait, shared })
    }

    pub(super) fn has_told(&self) -> bool {
        self.shared.has_told.load(Ordering::Acquire)
    }
}

unsafe extern "system" fn signalled(context: *mut std::ffi::c_void, _timed_out: bool) {
    // SAFETY: what `PoolWait::new` gave, which lives until this returns.
    let shared = unsafe { &*context.cast::<Shared>() };
    shared.has_told.store(true, Ordering::Release);
    shared.told.tell();
}

impl Drop for PoolWait {
    fn drop(&mut self) {
        // SAFETY: the wait was registered and not ended before. It returns when no callback runs or will.
        unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
    }
}

impl std::fmt::Debug for PoolWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolWait").field("has_told", &self.has_told()).finish_non_exhaustive()
    }
}
