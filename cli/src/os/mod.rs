//! What the command asks of the operating system itself. No other file of it names one; every system has a file here with the same
//! functions.

mod processes;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub(crate) use processes::{ProcessState, holder_of_socket, process_state, read_text, size_of_stdin};
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
