//! A system call that was refused.

use std::fmt::Display;

use rustix::io::Errno;

use crate::error::Error;

/// A system call that failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The call's name, as a manual has it.
    pub(crate) call: &'static str,
    pub(in crate::os) errno: Errno,
}

/// Makes the [`Refusal`] of a call of this name.
pub(super) fn by(call: &'static str) -> impl Fn(Errno) -> Refusal {
    move |errno| Refusal { call, errno }
}

impl Refusal {
    /// The error for what could not be done for it; the text should name the call.
    pub(crate) fn into_error(self, attempted: impl Display) -> Error {
        Error::from_os(attempted, self.errno.into())
    }
}
