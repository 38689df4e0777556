//! Whom this process acts for.

use super::linux::users;
use crate::peer::Owner;

/// The user whom this process acts as at this moment.
pub(crate) fn own_owner() -> Owner {
    Owner::from_uid(rustix::process::geteuid().as_raw())
}

/// What an error says of a user whose id may be anybody's.
pub(crate) fn unmapped_owner() -> String {
    users::anybody()
}
