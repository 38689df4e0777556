//! What is said when the system refuses a call: which call, on what, and with which error. Advice comes
//! only where a look has shown what is wrong.

use std::fmt::Display;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

use super::file_id::Place;
use super::refusal::Refusal;
use super::system::ports;
use crate::error::{Error, ErrorKind};

/// One line: what was attempted, and what stood in the way.
pub(super) fn cannot_listen(label: &str, why: impl Display) -> String {
    format!("cannot listen on channel \"{label}\": {why}")
}

/// The error for something that is not ours at the path.
pub(super) fn occupied(label: &str, path: &Path, place: &Place) -> Error {
    let why = format!("{place} stands at {}; remove it or choose another channel or directory", path.display());
    Error::new(ErrorKind::PathOccupied, cannot_listen(label, why))
}

/// The error for a failed system call on `path`.
pub(super) fn refused(label: &str, call: &str, path: &Path, errno: Errno) -> Error {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let at = directory.display();
    let no_directory = |why: String, advice: &str| {
        let why = format!("{why}; {advice}");
        Error::new(ErrorKind::NoDirectory, cannot_listen(label, why)).with_source(errno)
    };
    let what = format!("{call} of {} failed", path.display());
    let why = match errno {
        Errno::NOENT | Errno::NOTDIR => match rustix::fs::stat(directory) {
            Err(Errno::NOENT) => {
                return no_directory(format!("directory {at} does not exist"), "create it or choose another");
            }
            Err(Errno::NOTDIR) => return no_directory(format!("{at} is not a directory"), "choose another"),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
                return no_directory(format!("{at} is not a directory"), "choose another");
            }
            _ => what,
        },
        Errno::ACCESS | Errno::PERM | Errno::ROFS if !may_write_to(directory) => {
            format!("{what}; choose a directory that this user may write to")
        }
        _ => what,
    };
    Error::from_os(cannot_listen(label, why), errno.into())
}

fn may_write_to(directory: &Path) -> bool {
    rustix::fs::accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// The error for a failed system call on a port of 127.0.0.1.
pub(super) fn port_refused(label: &str, port: u16, refusal: Refusal) -> Error {
    let Refusal { call, errno } = refusal;
    if errno == Errno::ADDRINUSE {
        let why = format!("port {port} is in use by another program; end it or choose another port");
        return Error::new(ErrorKind::InUse, cannot_listen(label, why)).with_source(errno);
    }
    let what = format!("{call} for port {port} of 127.0.0.1 failed");
    let why = match errno {
        // `bind` refuses with EACCES for this reason and no other, apart from security modules.
        Errno::ACCESS if call == "bind" && port != 0 && port < ports::first_unprivileged() => {
            format!(
                "{what}; choose a port from {} up, or listen with the privilege for it",
                ports::first_unprivileged()
            )
        }
        _ => what,
    };
    Error::from_os(cannot_listen(label, why), errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_call_that_was_refused_and_no_other_cause() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock.lock");
        for errno in [Errno::NOLCK, Errno::PERM, Errno::NOSYS, Errno::ACCESS, Errno::NOENT] {
            for call in ["flock", "open", "fchmod"] {
                let error = refused("a", call, &path, errno);
                let expected = format!(
                    "cannot listen on channel \"a\": {call} of {} failed: {}",
                    path.display(),
                    std::io::Error::from(errno)
                );
                assert_eq!(error.message(), expected);
            }
        }
        for (call, port) in [("setsockopt", 80), ("socket", 80), ("bind", 65535), ("listen", 80)] {
            let error = port_refused("a", port, Refusal { call, errno: Errno::ACCESS });
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let expected = format!(
                "cannot listen on channel \"a\": {call} for port {port} of 127.0.0.1 failed: Permission denied (os error 13)"
            );
            assert_eq!(error.message(), expected);
        }
    }

    #[test]
    fn a_directory_that_is_missing_or_is_none_is_named_as_that() {
        let directory = tempfile::tempdir().unwrap();
        let missing = refused("a", "open", &directory.path().join("no/a.sock"), Errno::NOENT);
        assert_eq!(missing.kind(), ErrorKind::NoDirectory);
        assert!(missing.message().contains("/no does not exist; create it"), "{missing}");
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let none = refused("a", "open", &file.join("a.sock"), Errno::NOTDIR);
        assert!(none.message().contains("/file is not a directory"), "{none}");
    }
}
