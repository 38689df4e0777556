//! What of the add-on names an operating system.

#[cfg(unix)]
pub(crate) mod own_loop;
