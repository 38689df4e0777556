//! How much of the system this process may have.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// The machine's processors that are switched on. Not those that this process may run on: two processes
/// that are bound to one processor each, and not the same, had better poll.
pub(crate) fn online_cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    // SAFETY: it reads a number and takes no pointer.
    *CPUS.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1))
}

/// How many descriptors this process may have open; `None` where there is no limit.
pub(crate) fn max_descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Fails where this process cannot open another `pairs` pairs of descriptors at this moment.
pub(crate) fn check_descriptors(pairs: usize) -> io::Result<()> {
    (0..pairs).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Whether the process, or the system, is out of descriptors or memory.
pub(crate) fn is_out_of_resources(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

impl Error {
    /// An error of the operating system met while doing `attempted`, with the kind that fits its
    /// number: permission, descriptors and memory, missing directory, anything else.
    pub fn from_os(attempted: impl std::fmt::Display, error: io::Error) -> Error {
        let kind = match Errno::from_io_error(&error) {
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => ErrorKind::PermissionDenied,
            Some(Errno::NOSPC | Errno::DQUOT) => ErrorKind::OutOfResources,
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
        let error = Error::from_os("cannot open it", io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(error.kind(), ErrorKind::OutOfResources);
        assert_eq!(error.os_code(), Some(libc::EMFILE));
        assert!(error.message().starts_with("cannot open it: "));
        assert!(!error.may_have_been_handled());
        assert!(error.after_sending().may_have_been_handled());
    }
}
