//! What is called from tasks on a tokio runtime: the part of the clients that is there with the feature `tokio` alone.
//!
//! | module | holds |
//! |---|---|
//! | `session` | a session shared by tasks: drives a [`Connection`](super::connection::Connection) on their runtime |
//! | `call` | a call on the shared session or on a new one, and again where a session did not take it |
//! | `post`, `client` | the one-shot posts; a channel kept open |
//! | `waiting` | waiting on the runtime for a listener, a stream, an answer |

mod call;
pub(crate) mod client;
pub(crate) mod post;
mod session;
mod waiting;

use crate::error::{Error, ErrorKind};

/// What a call says that needs a runtime and is made outside one.
pub(crate) fn no_runtime() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "this call needs a tokio runtime; call it inside one, or use simple_ipc::blocking",
    )
}
