//! An operation that the kernel has been asked for and may not have done yet.

use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::{Arc, Mutex};

use windows_sys::Wdk::Storage::FileSystem::NtCancelIoFileEx;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, RtlNtStatusToDosError, STATUS_PENDING};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};

use crate::lock::lock;

/// What the kernel writes the outcome to, and the memory `T` that it uses until then. Neither moves nor is freed before the
/// operation is done: dropping it gives the operation up, and waits for that.
pub(super) struct Operation<T> {
    memory: Box<Memory<T>>,
    file: HANDLE,
    /// The same, open until this is done, where nothing else sees to that. Taken by whoever ends it.
    open: Mutex<Option<Arc<OwnedHandle>>>,
}

struct Memory<T> {
    /// Written by the kernel when the operation is done; its status is `STATUS_PENDING` until then.
    outcome: UnsafeCell<IO_STATUS_BLOCK>,
    /// The kernel's until the operation is done.
    content: UnsafeCell<T>,
}

// SAFETY: a handle may be used by any thread, and the memory is only read through `status`, one aligned word at a time.
unsafe impl<T: Send> Send for Operation<T> {}
// SAFETY: as above: shared references allow nothing but to look at the status.
unsafe impl<T: Send> Sync for Operation<T> {}

impl<T> Operation<T> {
    /// Has `begin` ask for it: with the file, where the outcome goes, and the memory, which stay valid until it is done.
    /// `begin` returns what the system call does.
    ///
    /// `file` stays open for as long as this lives.
    pub(super) fn begin(
        file: HANDLE,
        content: T,
        begin: impl FnOnce(HANDLE, *mut IO_STATUS_BLOCK, *mut T) -> NTSTATUS,
    ) -> io::Result<Operation<T>> {
        let outcome = IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: STATUS_PENDING }, Information: 0 };
        let memory = Box::new(Memory { outcome: UnsafeCell::new(outcome), content: UnsafeCell::new(content) });
        let status = begin(file, memory.outcome.get(), memory.content.get());
        if status == STATUS_PENDING {
            return Ok(Operation { memory, file, open: Mutex::new(None) });
        }
        if status < 0 {
            // It was refused: the kernel has forgotten the memory.
            return Err(error_of(status));
        }
        // Done at once. Some calls leave the outcome to the one who asked.
        // SAFETY: the kernel is done with it.
        unsafe { (*memory.outcome.get()).Anonymous.Status = status };
        Ok(Operation { memory, file, open: Mutex::new(None) })
    }

    /// The same, which keeps its file open.
    pub(super) fn keeping(self, file: Arc<OwnedHandle>) -> Operation<T> {
        *lock(&self.open) = Some(file);
        self
    }

    /// Whether the kernel is done with it, in whatever way.
    pub(super) fn is_done(&self) -> bool {
        self.status() != STATUS_PENDING
    }

    /// What became of it: how many bytes, or why not. Of one that is done.
    pub(super) fn bytes(&self) -> io::Result<usize> {
        match self.status() {
            failed if failed < 0 => Err(error_of(failed)),
            // SAFETY: the operation is done, so nobody writes the outcome.
            _ => Ok(unsafe { (*self.memory.outcome.get()).Information }),
        }
    }

    /// Gives it up. It is done soon after, or was already.
    pub(super) fn cancel(&self) {
        if self.is_done() {
            return;
        }
        let mut cancelled = IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: 0 }, Information: 0 };
        // SAFETY: the file is open, and both blocks outlive the call.
        unsafe { NtCancelIoFileEx(self.file, self.memory.outcome.get(), &raw mut cancelled) };
    }

    /// Gives it up, and waits until it is done: a moment.
    pub(super) fn end(&self) {
        let mut looks = 0;
        while !self.is_done() {
            self.cancel();
            // It ends at once, but another thread or the kernel may be in the middle of it.
            if looks < 100 {
                std::thread::yield_now();
            } else {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            looks += 1;
        }
        drop(lock(&self.open).take());
    }

    fn status(&self) -> NTSTATUS {
        // SAFETY: an aligned word of memory that lives; volatile, since the kernel may write it at this moment. The kernel
        // writes it last, so what it wrote before is there once this is seen to have changed.
        let status = unsafe { (&raw const (*self.memory.outcome.get()).Anonymous.Status).read_volatile() };
        std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        status
    }
}

impl<T: Default> Operation<T> {
    /// The memory, of one that is done.
    pub(super) fn into_content(self) -> T {
        if !self.is_done() {
            return T::default();
        }
        // SAFETY: the operation is done, so the kernel has no more to do with the memory.
        std::mem::take(unsafe { &mut *self.memory.content.get() })
    }
}

impl<T: Copy> Operation<T> {
    /// What the memory holds. Of one that is done.
    pub(super) fn content(&self) -> Option<T> {
        // SAFETY: the operation is done, so the kernel has no more to do with the memory.
        self.is_done().then(|| unsafe { *self.memory.content.get() })
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T> std::fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

/// The error that a status means.
pub(super) fn error_of(status: NTSTATUS) -> io::Error {
    // SAFETY: the call takes a number and gives one.
    io::Error::from_raw_os_error(unsafe { RtlNtStatusToDosError(status) }.cast_signed())
}
