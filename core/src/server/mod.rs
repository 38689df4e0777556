//! Listeners: who serves which connection, and where its handler runs.
//!
//! | module | holds |
//! |---|---|
//! | `listening` | one listener's shared state: its claim on the channel, limits, sessions, shutdown |
//! | `accept` | taking connections in, telling dialects apart |
//! | `native`, `cold`, `hot`, `batches` | native sessions, driven by the runtime or by a thread |
//! | `room` | what a listener has in hand altogether, and who waits for room |
//! | `exchange`, `deno`, `text` | the dialects without sessions |
//! //! | `handler`, `responder`, `workers` | calling the user's handler, its answer, the threads for it |

mod accept;
mod admission;
mod call_id;
mod clock;
#[cfg(test)]
mod clock_tests;
mod driver;
mod error_frame;
pub(crate) mod handler;
pub(crate) mod listening;
mod responder;
mod session;
mod single;
mod threads;

use std::time::Duration;

pub use responder::Responder;

/// How long a thread waits for a peer that is slow to take an answer before the runtime takes over.
const PATIENCE: Duration = Duration::from_millis(100);
