//! How much of the system this process may have.

use std::io;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_COMMITMENT_LIMIT, ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_ENOUGH_QUOTA, ERROR_OUTOFMEMORY, ERROR_TOO_MANY_OPEN_FILES, ERROR_WRITE_PROTECT,
};
use windows_sys::Win32::Networking::WinSock::{WSAEACCES, WSAEMFILE, WSAENOBUFS};
use windows_sys::Win32::System::Threading::{ALL_PROCESSOR_GROUPS, GetActiveProcessorCount};

use crate::error::{Error, ErrorKind};

/// The machine's processors that are switched on. Not those that this process may run on: two processes
/// that are bound to one processor each, and not the same, had better poll.
pub(crate) fn online_cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    // SAFETY: it takes a number and gives one.
    *CPUS.get_or_init(|| (unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) } as usize).max(1))
}

/// How many handles this process may have open: there is no limit but memory.
#[cfg(feature = "tokio")]
pub(crate) fn max_descriptors() -> Option<u64> {
    None
}

/// Fails where this process cannot open another `pairs` pairs of handles at this moment: that is not asked here.
#[cfg(feature = "tokio")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is a limit")]
pub(crate) fn check_descriptors(_pairs: usize) -> io::Result<()> {
    Ok(())
}

/// Whether the process, or the system, is out of handles or memory.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error() else { return false };
    matches!(
        code.cast_unsigned(),
        ERROR_TOO_MANY_OPEN_FILES
            | ERROR_NOT_ENOUGH_MEMORY
            | ERROR_OUTOFMEMORY
            | ERROR_NO_SYSTEM_RESOURCES
            | ERROR_COMMITMENT_LIMIT
            | ERROR_NOT_ENOUGH_QUOTA
    ) || matches!(code, WSAEMFILE | WSAENOBUFS)
}

impl Error {
    /// An error of the operating system met while doing `attempted`, with the kind that fits its
    /// number: permission, handles and memory, anything else.
    pub fn from_os(attempted: impl std::fmt::Display, error: io::Error) -> Error {
        let code = error.raw_os_error().unwrap_or_default();
        let kind = match code.cast_unsigned() {
            ERROR_ACCESS_DENIED | ERROR_WRITE_PROTECT => ErrorKind::PermissionDenied,
            ERROR_DISK_FULL | ERROR_HANDLE_DISK_FULL => ErrorKind::OutOfResources,
            _ if code == WSAEACCES => ErrorKind::PermissionDenied,
            _ if is_out_of_resources(&error) => ErrorKind::OutOfResources,
            _ => ErrorKind::Os,
        };
        Error::of_system(kind, attempted, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_error_keeps_its_number_and_gets_its_kind() {
        let error = Error::from_os("cannot open it", io::Error::from_raw_os_error(WSAEMFILE));
        assert_eq!(error.kind(), ErrorKind::OutOfResources);
        assert_eq!(error.os_code(), Some(WSAEMFILE));
        assert!(error.message().starts_with("cannot open it: "));
    }
}
