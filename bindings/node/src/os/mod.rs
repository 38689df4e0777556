//! What of the add-on names an operating system.

#[cfg(not(unix))]
#[path = "no_loop.rs"]
pub(crate) mod own_loop;
#[cfg(unix)]
pub(crate) mod own_loop;
