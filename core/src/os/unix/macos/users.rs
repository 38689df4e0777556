//! Which user ids stand for a user: all of them, since there are no user namespaces.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::Stat;

/// Whether this id may stand for any user at all.
pub(in crate::os) fn is_anybody(_uid: u32) -> bool {
    false
}

/// Said of a user whose id may be anybody's.
pub(in crate::os) fn anybody() -> String {
    "an unknown user".to_owned()
}

/// Whether a file that shows this user's id is this user's own.
pub(in crate::os) fn owns(_path: &Path, _stat: &Stat) -> bool {
    true
}

/// The same for an open file.
pub(in crate::os) fn owns_open(_file: impl AsFd, _stat: &Stat) -> bool {
    true
}
