//! Which ports are for whom.

/// The first port that every user may bind.
pub(in crate::os) fn first_unprivileged() -> u16 {
    1024
}
