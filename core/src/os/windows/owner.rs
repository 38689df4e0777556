//! Whom this process acts for.

use std::sync::OnceLock;

use super::sid;
use crate::peer::{Owner, Ownership};

/// The user whom this process acts as. It does not change.
pub(crate) fn own_owner() -> Owner {
    static OWN: OnceLock<Owner> = OnceLock::new();
    // A process always has a user; were he not told, nobody would be he.
    *OWN.get_or_init(|| sid::own().map_or_else(|_| Owner::from_sid(""), |sid| Owner::from_sid(&sid)))
}

/// Whether an object of this owner is this user's: for an administrator that group owns it.
pub(super) fn is_own(sid: &str) -> bool {
    static DEFAULT: OnceLock<String> = OnceLock::new();
    own_owner().sid() == Some(sid) || *DEFAULT.get_or_init(|| sid::own_default_owner().unwrap_or_default()) == sid
}

/// Whose process it is, if the system tells.
pub(super) fn of_process(pid: u32) -> Option<Ownership> {
    if pid == std::process::id() {
        return Some(Ownership::Known(own_owner()));
    }
    sid::of_process(pid).ok().map(|sid| Ownership::Known(Owner::from_sid(&sid)))
}

/// What an error says of a user whose identifier may be anybody's: there is none such.
pub(crate) fn unmapped_owner() -> String {
    "an unknown user".to_owned()
}
