//! Who holds a lock.

/// Who holds a lock on a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holders {
    /// The process that holds it alone.
    pub(super) writer: Option<i32>,
    /// One of those that hold it together with others.
    pub(super) reader: Option<i32>,
}
