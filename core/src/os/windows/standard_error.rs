//! Standard error without the standard library's lock.

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::windows::io::FromRawHandle;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};

/// Writes a line. Where nobody takes it, it is lost.
pub(crate) fn write_to_standard_error(line: &str) {
    // SAFETY: it takes a number and gives a handle that is not the caller's.
    let handle = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return;
    }
    // SAFETY: the handle is open for as long as the process has a standard error, and is not closed by the file, which is never
    // dropped.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_handle(handle) });
    let _nobody_reads_it = file.write(line.as_bytes());
}
