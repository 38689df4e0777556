//! What somebody waits for on a stream.

/// What a stream is to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Bytes that can be received, or the end of the stream.
    Read,
    /// Room for bytes to send, or a peer that takes none any more.
    Write,
    /// Either.
    Both,
}
