//! What cleaning removes.

use std::path::PathBuf;

use serde::Serialize;

/// What [`clean`](crate::clean) removed of one dead listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Removed {
    /// The channel that it listened on, as its lock file says: the name, `:port`, or the full path.
    pub channel: String,
    /// The files that are gone: the socket, unless there was none, and the lock file.
    pub paths: Vec<PathBuf>,
}
