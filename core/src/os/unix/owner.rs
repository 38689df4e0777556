//! Whom this process acts for.

use super::system::users;
use crate::peer::{Owner, Ownership};

/// What a user id that the kernel gives says of an owner.
pub(super) fn ownership(uid: u32) -> Ownership {
    if users::is_anybody(uid) { Ownership::Anybody } else { Ownership::Known(Owner::from_uid(uid)) }
}

/// The user whom this process acts as at this moment.
pub(crate) fn own_owner() -> Owner {
    Owner::from_uid(rustix::process::geteuid().as_raw())
}

/// What an error says of a user whose id may be anybody's.
pub(crate) fn unmapped_owner() -> String {
    users::anybody()
}
