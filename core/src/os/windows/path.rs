//! Paths as C programs have them.

use std::path::Path;

/// The path that these bytes are: what C functions take, without the zero at its end. They are UTF-8; what is none is no path
/// that exists.
pub fn path_from_bytes(bytes: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(bytes).unwrap_or("\u{fffd}"))
}
