//! What every stream's sends and receives have in common.

use std::io;

/// Whether a receive may wait for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Answer 'would block' when nothing is there.
    No,
    /// The same, as one of many looks in a row: where that costs no system call it makes none, and nobody is told that this side waits.
    Poll,
    /// Wait as the stream is set: up to its receive timeout if it is in blocking mode.
    Yes,
}

/// Takes what was sent off what is to be sent: first off `head`, then off `body`.
pub(crate) fn advance<'a>(head: &mut &'a [u8], body: &mut &'a [u8], sent: usize) {
    let of_head = sent.min(head.len());
    *head = &head[of_head..];
    *body = &body[sent - of_head..];
    if head.is_empty() {
        (*head, *body) = (*body, &[]);
    }
}

/// Whether nothing was there, or a receive timeout ran out.
pub(crate) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether a signal came in between and the call is to be made again.
pub(crate) fn interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}
