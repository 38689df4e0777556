//! A system call that was refused.

use std::fmt::Display;
use std::io;

use crate::error::Error;

/// A system call that failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The call's name.
    pub(crate) call: &'static str,
    /// The system's number of the error; 0 where there is none.
    pub(super) code: i32,
}

/// Makes the [`Refusal`] of a call of this name.
pub(super) fn by(call: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal { call, code: error.raw_os_error().unwrap_or_default() }
}

impl Refusal {
    pub(super) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self.code)
    }

    /// The error for what could not be done for it; the text should name the call.
    pub(crate) fn into_error(self, attempted: impl Display) -> Error {
        Error::from_os(attempted, self.error())
    }
}
